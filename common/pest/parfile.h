/*
 * parfile.h - PEST's parameter value files (.par).
 *
 *     single point                     PRECIS and DPOINT
 *     k1    0.5    1.0    0.0          name, value, scale, offset
 *
 * Values are those of parameters, before scale and offset. Names are kept in lower case. A
 * blank line ends nothing; `#` begins a comment line. Mistakes are ERROR_CONFIG with
 * "FILE:LINE: …".
 */
#ifndef BEOFARM_COMMON_PEST_PARFILE_H
#define BEOFARM_COMMON_PEST_PARFILE_H

#include <stddef.h>

#include "common/error.h"
#include "common/pest/index.h"
#include "common/pest/number.h"

struct pest_parfile_row {
    char *name; /* owned */
    double value;
    double scale, offset; /* 1 and 0 where the file does not say */
};

struct pest_parfile {
    struct pest_style style;
    struct pest_parfile_row *rows; /* owned */
    size_t count;
};

/* Read a file. 0, or -1 with a sentence; no name stands twice. */
int pest_parfile_read(const char *path, struct pest_parfile *ret_parfile,
                      struct error *ret_error);
void pest_parfile_fini(struct pest_parfile *parfile);

/* Take the values over: values[place] of each name that is in `parameters`. The array has one
 * entry per parameter of the index. Returns 0, or -1 with a sentence if the file lacks one of
 * them or has a name that is none of them. `path` is for the sentence. */
int pest_parfile_take(const struct pest_parfile *parfile, const char *path,
                      const struct pest_index *parameters, double *values,
                      struct error *ret_error);

/* Write a file, which appears whole or not at all. Numbers have the fewest digits that read
 * back as the same double. 0, or -1 with a sentence. */
int pest_parfile_write(const char *path, const struct pest_parfile *parfile,
                       struct error *ret_error);

#endif
