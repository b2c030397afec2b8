#include "config.h"

#include <sched.h>
#include <unistd.h>

#include "common/processors.h"

/* 8192: as many as Linux can be built for. With room for fewer than it was built for, the system
 * tells nothing. */
#define SETS 8

int processors_ours(void)
{
    cpu_set_t sets[SETS];
    int count = sched_getaffinity(0, sizeof(sets), sets) == 0 ? CPU_COUNT_S(sizeof(sets), sets)
                                                              : processors_online();
    return count > 0 ? count : 1;
}

int processors_online(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}
