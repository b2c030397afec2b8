/*
 * model_case.h - what all slots of a worker share of a PEST case: where its files are, and its
 * templates and instructions, read once.
 */
#ifndef BEOFARM_WORKER_MODEL_CASE_H
#define BEOFARM_WORKER_MODEL_CASE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/manifest.h"
#include "common/pest/inputs.h"
#include "common/pest/outputs.h"

struct model_case;

/* The case of a job (runner_pest.h): the one made before for this job and manifest, or a new one.
 * Both are borrowed, and must outlive it. To be called in the loop's thread; NULL with a sentence.
 */
struct model_case *model_case_ref(const cJSON *job, const struct manifest *manifest,
                                  struct error *ret_error);
void model_case_unref(struct model_case *model); /* NULL is allowed */

/* Where the model runs, relative to the farm's files: a clean path, "" for their root. */
const char *model_case_folder(const struct model_case *model);

/* The farm's file that `name`, relative to the folder, means: as it is written, or with slashes for
 * its backslashes. NULL if there is none. *ret_name, PATH_MAX bytes, is the name that was found. */
const struct manifest_file *model_case_find(const struct model_case *model, const char *name,
                                            char *ret_name);

/* Whether the file at `path`, relative to the root of the farm's files, is one that templates give
 * or instructions read: those are not laid. */
bool model_case_replaces(const struct model_case *model, const char *path);

size_t model_case_parameters(const struct model_case *model);
size_t model_case_observations(const struct model_case *model);
const char *model_case_observation(const struct model_case *model,
                                   size_t number); /* its name */

/* The files that instructions read, as names relative to the folder. */
size_t model_case_outputs(const struct model_case *model);
const char *model_case_output(const struct model_case *model, size_t number);

/* Make the folders of all model files below root_fd, the root of a copy of the farm's files. */
int model_case_make_folders(const struct model_case *model, int root_fd,
                            struct error *ret_error);

/* Read templates and instructions from `path`, a copy of the folder: the first time; afterwards
 * the answer is the same. Any thread may call this. */
int model_case_load(struct model_case *model, const char *path, struct error *ret_error);

/* Once loaded. Nothing in them changes. */
const struct pest_inputs *model_case_read_inputs(const struct model_case *model);
const struct pest_outputs *model_case_read_outputs(const struct model_case *model);

/* Whether writing the inputs takes long enough to hold up a loop. */
bool model_case_is_large(const struct model_case *model);

/* Leave out the folder from which templates and instructions were read: sentences name them as the
 * control file does. */
void model_case_shorten(const struct model_case *model, struct error *error);

/* That a file (of the manifest) is to be given as a copy from now on, as models write into it: true
 * the first time. And whether that was said. In any thread. */
bool model_case_set_copied(struct model_case *model, const struct manifest_file *file);
bool model_case_is_copied(const struct model_case *model, const struct manifest_file *file);

#endif
