/*
 * processors.h - how many processors there are, and how many of them are ours.
 *
 * A processor is what Linux numbers as one: a core, or a hardware thread of it. How a worker's node
 * is divided into slots is another matter (worker/topology.h).
 */
#ifndef BEOFARM_COMMON_PROCESSORS_H
#define BEOFARM_COMMON_PROCESSORS_H

/* cpu_set_t's for 8192 processors: as many as Linux can be built for. With room for fewer than it
 * was built for, the system tells nothing. */
#define PROCESSORS_SETS 8

/* Those that the calling thread may run on, and threads that it starts: what cgroups, taskset, a
 * batch system or a slot have left it. At least 1. */
int processors_ours(void);

/* Those of the machine that are in use, whosever they are. At least 1. */
int processors_online(void);

#endif
