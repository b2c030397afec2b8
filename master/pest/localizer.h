/*
 * localizer.h - `++ies_localizer(file)`: which observations may change which parameters.
 *
 * The file is any of matrix.h (CSV, ASCII, binary). Its rows name observations or observation
 * groups, its columns parameters or parameter groups; a group stands for its members. A name of a
 * member wins over that of its group. Values are from 0 (no influence) to 1. An observation of a
 * weight that is not 0, or an adjustable parameter, that no name covers has no influence (PEST++
 * leaves such out of the update too): `uncovered` counts them.
 */
#ifndef BEOFARM_MASTER_PEST_LOCALIZER_H
#define BEOFARM_MASTER_PEST_LOCALIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"

struct localizer;

/* NULL with a sentence: names that are neither an observation nor a group, values outside 0..1. */
struct localizer *localizer_read(const char *path, const struct pest_control *control,
                                 struct error *ret_error);
void localizer_free(struct localizer *localizer); /* NULL is allowed */

/* The factor for observation `observation` and parameter `parameter` (indices of the control
 * file). */
double localizer_value(const struct localizer *localizer, size_t observation, size_t parameter);

/* The factors of one parameter for the observations listed: ret[k], k < count. */
void localizer_column(const struct localizer *localizer, size_t parameter,
                      const size_t *observations, size_t count, double *ret);

/* Parameters with equal columns can be updated together: ret_class[p] for all parameters of the
 * control file is the index of its column in the file, -1 where it has none. Two parameters of one
 * class have equal factors for all observations. */
void localizer_classes(const struct localizer *localizer, long *ret_class);
size_t localizer_class_count(const struct localizer *localizer);

/* Observations with a weight, and adjustable parameters, that the file does not cover. */
size_t localizer_uncovered_observations(const struct localizer *localizer);
size_t localizer_uncovered_parameters(const struct localizer *localizer);

#endif
