/*
 * outputs.h - all instruction files of a model, and the output files they read.
 *
 * Every observation is read once, by one of them. Nothing changes after pest_outputs_read:
 * threads may share it.
 */
#ifndef BEOFARM_COMMON_PEST_OUTPUTS_H
#define BEOFARM_COMMON_PEST_OUTPUTS_H

#include <stddef.h>

#include "common/error.h"
#include "common/pest/index.h"
#include "common/pest/pair.h"

struct pest_outputs;

/* Read the instruction files, whose names are relative to `folder` (pest_pair_path); the model's
 * files are relative to where they will be, or absolute. `observations` is borrowed until destroy;
 * `list` is not. NULL with a sentence: what pest_instructions_read refuses, or an observation that
 * is read twice or nowhere. */
struct pest_outputs *pest_outputs_read(const struct pest_file_pair *list, size_t count,
                                       const char *folder,
                                       const struct pest_index *observations,
                                       const char *delimiters, struct error *ret_error);
void pest_outputs_destroy(struct pest_outputs *outputs); /* NULL is allowed */

/* Remove the model's output files, so that no old one is taken for a new one. 0 (also where
 * there are none), or -1 with a sentence. */
int pest_outputs_remove(const struct pest_outputs *outputs, int dirfd, struct error *ret_error);

/* Read all observations. `values` has one entry per observation of the index. Relative names
 * start at the folder `dirfd` (AT_FDCWD: the working directory). 0, or -1 with a sentence. */
int pest_outputs_collect(const struct pest_outputs *outputs, int dirfd, double *values,
                         struct error *ret_error);

#endif
