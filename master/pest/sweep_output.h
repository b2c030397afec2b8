/*
 * sweep_output.h - the results of a sweep: put down in any order, written out in theirs.
 */
#ifndef BEOFARM_MASTER_PEST_SWEEP_OUTPUT_H
#define BEOFARM_MASTER_PEST_SWEEP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"
#include "master/pest/glm_objective.h"

struct sweep_output;

/* Results of `runs` runs will come. PATH.new.0 holds them meanwhile. NULL with a sentence. */
struct sweep_output *sweep_output_open(const char *path, const struct pest_control *control,
                                       const struct glm_objective *objective, size_t runs,
                                       struct error *ret_error);

/* Run `run` ended; observations NULL: it failed. Trouble is kept until sweep_output_finish. */
void sweep_output_put(struct sweep_output *output, size_t run, const double *observations);

/* Write PATH. names[run] are the sets' names, parameters[run * parameter_count + p] their values.
 * -1 with a sentence. */
int sweep_output_finish(struct sweep_output *output, const char *const *names,
                        const double *parameters, struct error *ret_error);

void sweep_output_close(struct sweep_output *output); /* removes PATH.new.0; NULL is allowed */

#endif
