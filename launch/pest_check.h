/*
 * pest_check.h - `beofarm pest check`: what is wrong with a PEST case, and what it comes to.
 */
#ifndef BEOFARM_LAUNCH_PEST_CHECK_H
#define BEOFARM_LAUNCH_PEST_CHECK_H

#include <stdbool.h>

#include "common/error.h"

/* Check the control file, and the templates and instructions that it names; print it all (mistakes
 * on stderr), or one JSON object on stdout. Returns 0 if the case can run, ERROR_CONFIG if not, or
 * -1 with a sentence. */
int pest_check_run(const char *path, bool json, struct error *ret_error);

#endif
