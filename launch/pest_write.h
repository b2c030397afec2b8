/*
 * pest_write.h - `beofarm pest write`: a model's input files from the templates of a case.
 */
#ifndef BEOFARM_LAUNCH_PEST_WRITE_H
#define BEOFARM_LAUNCH_PEST_WRITE_H

#include <stdbool.h>

#include "common/error.h"

struct pest_write {
    const char *par;    /* a parameter value file; NULL: the control file's initial values */
    const char *values; /* "k1=0.5,k2=3": these instead; NULL: none. Parameters tied to one of
                         * them keep their ratio. */
    const char *into;   /* the folder for the model's files; NULL: the control file's */
    bool list;          /* print each parameter with its narrowest field and what is written */
};

/* Check all templates, write all files, and say which. 0, or -1 with a sentence. */
int pest_write_run(const char *path, const struct pest_write *given, struct error *ret_error);

#endif
