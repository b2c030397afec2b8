/*
 * files.h - the files that a sweep needs beyond farm.json's "files".
 */
#ifndef BEOFARM_MASTER_SWEEP_FILES_H
#define BEOFARM_MASTER_SWEEP_FILES_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "master/sweep/params.h"

/* Call `add` for: the table of parameters, the templates and the files that inputs may name (places
 * in their names stand for anything), which the work directories do not hold as they are; the
 * program (or the script that an interpreter is given) and stdin, which every one holds. 0 or
 * -1. */
int sweep_files(const cJSON *work, const struct params *params, const char *folder,
                int (*add)(void *context, const char *path, bool common, bool copy),
                void *context, struct error *ret_error);

/* A file that farm.json names could not be opened: where that is because it is not there, the
 * mistake is the farm file's (ERROR_CONFIG), not the machine's. */
void sweep_file_blame(const char *path, struct error *error);

/* Whether a template or an input puts a file at `path` of the work directory (or may: its name has
 * places). */
bool sweep_makes_file(const cJSON *work, const char *path);

/* -1 with a sentence that begins with `where` if no file in the folder can be what an input names
 * in `from`. */
int sweep_input_look(const char *folder, const char *from, const char *where,
                     struct error *ret_error);

#endif
