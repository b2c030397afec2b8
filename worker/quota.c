#include "config.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/quota.h"

/* The first line of DIR/NAME; false if it cannot be read. */
static bool line_read(const char *dir, const char *name, char *line, int size)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(line, size, file) != NULL;
    fclose(file);
    return read;
}

/* The quota of one cgroup: version 2 "QUOTA PERIOD" or "max PERIOD", version 1 two files. */
static double dir_quota(const char *dir)
{
    char line[128];
    double quota = 0;
    double period = 0;
    if (line_read(dir, "cpu.max", line, sizeof line)) {
        char *end;
        quota = strtod(line, &end); /* 0 for "max" */
        period = strtod(end, NULL);
    } else if (line_read(dir, "cpu.cfs_quota_us", line, sizeof line)) {
        quota = strtod(line, NULL);
        if (line_read(dir, "cpu.cfs_period_us", line, sizeof line))
            period = strtod(line, NULL);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

static double tighter(double a, double b)
{
    if (a <= 0)
        return b;
    return b > 0 && b < a ? b : a;
}

/* The tightest quota on the way from MOUNT/GROUP up to MOUNT. A group that does not exist under
 * the mount (it is named from outside of the container) leaves its ancestors that do. */
static double mount_quota(const char *mount, const char *group)
{
    char dir[PATH_MAX];
    double quota = 0;
    size_t mount_length = strlen(mount);
    if (strstr(group, "..") ||
        snprintf(dir, sizeof dir, "%s%s", mount, group) >= (int)sizeof dir)
        return dir_quota(mount);
    for (;;) {
        quota = tighter(quota, dir_quota(dir));
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < mount_length)
            return quota;
        *slash = '\0';
    }
}

/* One line of /proc/self/cgroup, "ID:CONTROLLERS:GROUP"; version 2 has "0::GROUP". */
static double entry_quota(const char *root, char *line)
{
    static const char *const mounts_v1[] = {"cpu,cpuacct", "cpu", "cpuacct,cpu", NULL};
    static const char *const mounts_v2[] = {"", "unified", NULL};
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return 0;
    *group++ = '\0';
    controllers++;
    group[strcspn(group, "\n")] = '\0';

    bool v2 = *controllers == '\0';
    bool cpu = false;
    char *rest = NULL;
    for (char *name = strtok_r(controllers, ",", &rest); name;
         name = strtok_r(NULL, ",", &rest))
        cpu = cpu || strcmp(name, "cpu") == 0;
    if (!v2 && !cpu)
        return 0;
    double quota = 0;
    for (const char *const *name = v2 ? mounts_v2 : mounts_v1; *name; name++) {
        char mount[PATH_MAX];
        int length = snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root,
                              **name ? "/" : "", *name);
        if (length < (int)sizeof mount)
            quota = tighter(quota, mount_quota(mount, strcmp(group, "/") == 0 ? "" : group));
    }
    return quota;
}

double quota_cpus(const char *root)
{
    char path[PATH_MAX];
    double quota = 0;
    char *line = NULL;
    size_t capacity = 0;
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path)
        return 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (getline(&line, &capacity, file) >= 0)
        quota = tighter(quota, entry_quota(root, line));
    free(line);
    fclose(file);
    return quota;
}
