/*
 * problem.h - what a farm's "work" of kind "pest" asks for: the control file with the farm file's
 * overrides, and how values come through the templates.
 */
#ifndef BEOFARM_MASTER_PEST_PROBLEM_H
#define BEOFARM_MASTER_PEST_PROBLEM_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/pest/control.h"
#include "common/pest/inputs.h"

struct problem {
    struct pest_control *control;
    struct pest_inputs *inputs; /* the templates, read */
    const char *mode;           /* an estimator's: static */
    char *subfolder; /* of the control file, relative to the farm's folder; "." if it is that */
    char *name;      /* the control file's name without its folder and extension */
    double *scratch; /* one value per parameter */
};

/* Open what `work` names. Relative paths start at `folder`. `check` reads the instruction files,
 * too, for their mistakes (and forgets them: it is the workers who use them). NULL with a
 * sentence. */
struct problem *problem_open(const cJSON *work, const char *folder, bool check,
                             struct error *ret_error);
void problem_close(struct problem *problem); /* NULL is allowed */

/* What a parameter's value becomes on its way to the model and back: see estimator_context.written.
 * A value that fits no field is given back as it is; problem_round says so. */
double problem_written(const struct problem *problem, size_t parameter, double value);

/* The same for a whole set, in place. -1 with a sentence that names the parameter, its value, the
 * template and the line, if one does not fit. */
int problem_round(struct problem *problem, double *values, struct error *ret_error);

/* Append the payload of a run with these (rounded) values: what the model is to see, scale and
 * offset applied, as a values.h list of reals. 0, or -1 with buf failed. */
int problem_payload(struct problem *problem, const double *values, struct buf *payload);

/* A path that the control file names, relative to the farm's folder, with "." and ".." resolved.
 * Absolute paths stay. NULL with ERROR_CONFIG if it leaves the farm's folder. Caller frees. */
char *problem_path(const struct problem *problem, const char *name, struct error *ret_error);

#endif
