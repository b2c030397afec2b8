/*
 * environment.h - the environment of a task of the local backend.
 *
 * A task gets what `beofarm` itself was started with (PATH, LD_LIBRARY_PATH, a virtual
 * environment, OMPI_MCA_* settings), because a model that runs in the user's shell should run in
 * the farm; less what belongs to somebody else's farm or MPI job; and then the task's own
 * variables.
 */
#ifndef BEOFARM_LAUNCH_LOCAL_ENVIRONMENT_H
#define BEOFARM_LAUNCH_LOCAL_ENVIRONMENT_H

#include <stddef.h>

#include "common/error.h"
#include "launch/backend.h"

/* NULL-terminated "NAME=VALUE" texts; NULL with a sentence if memory is short. */
char **environment_create(const struct backend_variable *variables, size_t count,
                          struct error *ret_error);
void environment_destroy(char **environment); /* NULL is allowed */

#endif
