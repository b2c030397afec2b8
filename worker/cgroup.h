/*
 * cgroup.h - the cgroups that this process is in, as folders with limits in them.
 */
#ifndef BEOFARM_WORKER_CGROUP_H
#define BEOFARM_WORKER_CGROUP_H

#include <stdbool.h>

/* Call visit(context, FOLDER) for every cgroup of this process that may limit what `controller`
 * ("cpu", "memory") rules, and for those above it. Versions 1 and 2 of cgroups are looked for under
 * ROOT/sys/fs/cgroup as ROOT/proc/self/cgroup says; root is "" for this machine. Folders need not
 * exist. */
void cgroup_each(const char *root, const char *controller,
                 void (*visit)(void *context, const char *folder), void *context);

/* The first line of FOLDER/NAME; false if it cannot be read. */
bool cgroup_read(const char *folder, const char *name, char *line, int size);

#endif
