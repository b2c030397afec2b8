#include "config.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/seismic/cache.h"

#define CPUS    "/sys/devices/system/cpu/cpu"
#define UNKNOWN ((size_t)4 << 20)

/* The first line of a file of one processor. */
static int line_read(int cpu, const char *name, char *ret_line, int size)
{
    char path[128];
    snprintf(path, sizeof path, CPUS "%d/%s", cpu, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    char *got = fgets(ret_line, size, file);
    fclose(file);
    return got ? 0 : -1;
}

/* How many processors a list like "0-3,8" names; 0 where it is not one. */
static size_t list_count(const char *list)
{
    size_t count = 0;
    for (char *end; *list && *list != '\n'; list = *end == ',' ? end + 1 : end) {
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (end == list)
            return 0;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (last < first || (*end && *end != ',' && *end != '\n'))
            return 0;
        count += last - first + 1;
    }
    return count;
}

static size_t processors(int cpu, const char *name)
{
    char line[1024];
    return line_read(cpu, name, line, sizeof line) < 0 ? 0 : list_count(line);
}

/* The size of the last cache and how many processors share it. */
static size_t last_level(int cpu, size_t *ret_sharing)
{
    size_t bytes = 0;
    for (int i = 0; i < 8; i++) {
        char name[64], line[64], *end;
        snprintf(name, sizeof name, "cache/index%d/size", i);
        if (line_read(cpu, name, line, sizeof line) < 0)
            break;
        size_t size = strtoul(line, &end, 10);
        size <<= *end == 'K' ? 10 : *end == 'M' ? 20 : 0;
        if (size < bytes)
            continue;
        bytes = size;
        snprintf(name, sizeof name, "cache/index%d/shared_cpu_list", i);
        *ret_sharing = processors(cpu, name);
    }
    return bytes;
}

/* Of the core that this thread runs on; 0 where that cannot be known. */
static size_t core_look(void)
{
    size_t sharing = 0;
    int cpu = sched_getcpu();
    size_t bytes = last_level(cpu < 0 ? 0 : cpu, &sharing);
    size_t core = processors(cpu < 0 ? 0 : cpu, "topology/thread_siblings_list");
    if (bytes == 0 || sharing == 0)
        return 0;
    size_t cores = core > 0 && core < sharing ? sharing / core : sharing;
    cores = core >= sharing ? 1 : cores;
    return bytes / cores;
}

size_t cache_share(int threads)
{
    static _Atomic size_t known; /* asked for once: looking takes as long as a small run */
    const char *asked = getenv("BEOFARM_CACHE");
    if (asked && *asked)
        return strtoul(asked, NULL, 10);
    size_t bytes = atomic_load(&known);
    if (bytes == 0) {
        bytes = core_look();
        bytes = bytes ? bytes : UNKNOWN;
        atomic_store(&known, bytes);
    }
    return bytes * (size_t)threads;
}
