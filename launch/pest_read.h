/*
 * pest_read.h - `beofarm pest read`: observations from a model's output files, by the
 * instructions of a case.
 */
#ifndef BEOFARM_LAUNCH_PEST_READ_H
#define BEOFARM_LAUNCH_PEST_READ_H

#include "common/error.h"

struct pest_read {
    const char *from; /* the folder of the model's files; NULL: the control file's */
    const char *out;  /* where to write "name value" lines; NULL: standard output */
};

/* Check all instructions, read all observations, and write them in the control file's order. 0,
 * or -1 with a sentence. */
int pest_read_run(const char *path, const struct pest_read *given, struct error *ret_error);

#endif
