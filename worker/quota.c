#include "config.h"

#include <stdlib.h>

#include "worker/cgroup.h"
#include "worker/quota.h"

/* The quota of one cgroup: version 2 "QUOTA PERIOD" or "max PERIOD", version 1 two files. */
static double dir_quota(const char *dir)
{
    char line[128];
    double quota = 0;
    double period = 0;
    if (cgroup_read(dir, "cpu.max", line, sizeof line)) {
        char *end;
        quota = strtod(line, &end); /* 0 for "max" */
        period = strtod(end, NULL);
    } else if (cgroup_read(dir, "cpu.cfs_quota_us", line, sizeof line)) {
        quota = strtod(line, NULL);
        if (cgroup_read(dir, "cpu.cfs_period_us", line, sizeof line))
            period = strtod(line, NULL);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

static void tighten(void *context, const char *dir)
{
    double *quota = context, other = dir_quota(dir);
    if (other > 0 && (*quota <= 0 || other < *quota))
        *quota = other;
}

double quota_cpus(const char *root)
{
    double quota = 0;
    cgroup_each(root, "cpu", tighten, &quota);
    return quota;
}
