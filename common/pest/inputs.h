/*
 * inputs.h - all templates of a model, and the files that are written from them.
 *
 * Read once, used for thousands of runs: a write prints each value once, in the narrowest of
 * its parameter's fields in all templates, and copies the rest. Nothing changes after
 * pest_inputs_read: threads may share it.
 */
#ifndef BEOFARM_COMMON_PEST_INPUTS_H
#define BEOFARM_COMMON_PEST_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/index.h"
#include "common/pest/number.h"
#include "common/pest/pair.h"

struct pest_inputs;

/* Read the templates, whose names are relative to `folder` (pest_pair_path); the model's files are
 * relative to where they will be written, or absolute. `parameters` is borrowed until destroy;
 * `list` is not. NULL with a sentence: what pest_template_read refuses, or two templates that write
 * the same file. */
struct pest_inputs *pest_inputs_read(const struct pest_file_pair *list, size_t count,
                                     const char *folder, const struct pest_index *parameters,
                                     const struct pest_style *style, struct error *ret_error);
void pest_inputs_destroy(struct pest_inputs *inputs); /* NULL is allowed */

/* The width of a parameter's narrowest field in all templates; 0: it has no field. `parameter` is
 * a place in the index. */
size_t pest_inputs_width(const struct pest_inputs *inputs, size_t parameter);

/* One value as the model will read it; false where the parameter has a field in which it cannot be
 * written. */
bool pest_inputs_written(const struct pest_inputs *inputs, size_t parameter, double value,
                         double *ret_written);

/* The values as the model will read them: what is computed with afterwards. Both arrays have
 * one entry per parameter of the index and may be the same one. Values of parameters without
 * a field stay as they are. 0, or -1 (ERROR_CONFIG): a value does not fit; the sentence names
 * parameter, value, template and line. */
int pest_inputs_round(const struct pest_inputs *inputs, const double *values,
                      double *ret_written, struct error *ret_error);

/* Write all model input files for these values. Relative names start at the folder `dirfd`
 * (AT_FDCWD: the working directory); folders must exist. A link that stands under such a name is
 * replaced, not followed. 0, or -1 with a sentence (some files may have been written then). */
int pest_inputs_write(const struct pest_inputs *inputs, const double *values, int dirfd,
                      struct error *ret_error);

#endif
