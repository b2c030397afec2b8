#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/cgroup.h"
#include "worker/memory.h"
#include "worker/share.h"

/* "max", and version 1's way to say the same (a number near 2^63), are above what any node has. */
static void tighten(void *context, const char *dir)
{
    uint64_t *limit = context;
    char line[64], *end;
    if (!cgroup_read(dir, "memory.max", line, sizeof(line)) &&
        !cgroup_read(dir, "memory.limit_in_bytes", line, sizeof(line)))
        return;
    uint64_t bytes = strtoull(line, &end, 10);
    if (end > line && bytes > 0 && (*limit == 0 || bytes < *limit))
        *limit = bytes;
}

static uint64_t installed(const char *root)
{
    static const char name[] = "MemTotal:";
    char path[PATH_MAX], line[256];
    uint64_t bytes = 0;
    if (snprintf(path, sizeof(path), "%s/proc/meminfo", root) >= (int)sizeof(path))
        return 0;
    FILE *stream = fopen(path, "re");
    if (!stream)
        return 0;
    while (fgets(line, sizeof(line), stream))
        if (strncmp(line, name, sizeof(name) - 1) == 0)
            bytes = strtoull(line + sizeof(name) - 1, NULL, 10) * 1024;
    fclose(stream);
    return bytes;
}

uint64_t memory_limit(const char *root, const char *share)
{
    struct share part = {.count = 1};
    uint64_t bytes = installed(root);
    cgroup_each(root, "memory", tighten, &bytes);
    if (share && share_parse(&part, share, NULL) < 0)
        part.count = 1;
    return bytes / part.count;
}
