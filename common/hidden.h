/*
 * hidden.h - which variables of our environment a model must not see: the farm's secret, the
 * store (a container's URL holds a SAS), and what would make it believe that it is a process of our
 * MPI job (so that a model may call mpirun). Nor what libraries put there for themselves.
 */
#ifndef BEOFARM_COMMON_HIDDEN_H
#define BEOFARM_COMMON_HIDDEN_H

#include <stdbool.h>

/* `variable` is "NAME=value". */
bool hidden_variable(const char *variable);

/* Remember the environment as it is now: before Open MPI and OpenCL, which set variables for all
 * that a process starts (HWLOC_PLUGINS_PATH, HFI_NO_BACKTRACE). Once per process. */
void hidden_remember(void);

/* What was remembered, or else what there is: "NAME=value", then NULL; hidden ones, too.
 * Borrowed. */
char *const *hidden_given(void);

#endif
