#include "config.h"

#include <sched.h>
#include <unistd.h>

#include "common/processors.h"

int processors_ours(void)
{
    cpu_set_t sets[PROCESSORS_SETS];
    int count = sched_getaffinity(0, sizeof(sets), sets) == 0 ? CPU_COUNT_S(sizeof(sets), sets)
                                                              : processors_online();
    return count > 0 ? count : 1;
}

int processors_online(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}
