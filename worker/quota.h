/*
 * quota.h - the share of CPU time that cgroups allow.
 *
 * A container may see 64 CPUs and yet be given the time of two (docker --cpus=2, Kubernetes'
 * limits.cpu): then the kernel stops all of its threads for the rest of each period once the
 * quota is spent.
 */
#ifndef BEOFARM_WORKER_QUOTA_H
#define BEOFARM_WORKER_QUOTA_H

/*
 * The tightest quota of this process' cgroup and those above it, in CPUs (2.5: two and a half
 * CPUs' time); 0 where there is none, or it cannot be read. Versions 1 (cpu.cfs_quota_us) and 2
 * (cpu.max) of cgroups are looked for under ROOT/sys/fs/cgroup as ROOT/proc/self/cgroup says;
 * root is "" for this machine.
 */
double quota_cpus(const char *root);

#endif
