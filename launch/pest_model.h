/*
 * pest_model.h - the templates and instructions of a PEST case, for commands that use them here.
 */
#ifndef BEOFARM_LAUNCH_PEST_MODEL_H
#define BEOFARM_LAUNCH_PEST_MODEL_H

#include "common/pest/control.h"
#include "common/pest/inputs.h"
#include "common/pest/outputs.h"

/* Read the templates; the model's input files belong below `folder` (NULL: the control file's).
 * NULL with a sentence. pest_inputs_destroy it before the control file is freed. */
struct pest_inputs *pest_model_inputs(const struct pest_control *control, const char *folder,
                                      struct error *ret_error);

/* The same with the instructions and the model's output files. */
struct pest_outputs *pest_model_outputs(struct pest_control *control, const char *folder,
                                        struct error *ret_error);

/* The path of a model's file: below `folder`, or where the control file says if it is absolute.
 * Allocated; NULL if memory is short, with the error set. */
char *pest_model_path(const struct pest_control *control, const char *folder, const char *name,
                      struct error *ret_error);

#endif
