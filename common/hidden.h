/*
 * hidden.h - which variables of our environment a model must not see: the farm's secret, the
 * store (a container's URL holds a SAS), and what would make it believe that it is a process of our
 * MPI job (so that a model may call mpirun).
 */
#ifndef BEOFARM_COMMON_HIDDEN_H
#define BEOFARM_COMMON_HIDDEN_H

#include <stdbool.h>

/* `variable` is "NAME=value". */
bool hidden_variable(const char *variable);

#endif
