/*
 * files.h - which files of an estimation travel to the nodes.
 *
 * As PEST's agents get it, the whole folder of the control file (where the farm file has a list
 * "files" of more than copies, that instead), and always what the control file names:
 *   - templates, instructions, and programs of the model's command lines lie in every task's work
 *     directory;
 *   - external tables, covariance files and files that `++` options name are the master's alone.
 * Left out of the folder: covariance files and what options name (a user who wants one on the nodes
 * names it in "files"); what are plainly outputs of estimations (NAME.rec, NAME.par3, NAME.3.rei,
 * NAME.jco … for NAME.pst), run directories, runs/ and .git.
 */
#ifndef BEOFARM_MASTER_PEST_FILES_H
#define BEOFARM_MASTER_PEST_FILES_H

#include <cjson/cJSON.h>

#include "common/error.h"
#include "master/pest/problem.h"

/* Call `add` for each, with paths relative to `folder`, the farm's. `farm` is the farm file: its
 * "files" say whether the folder of the control file is among them. 0 or -1. */
int files_list(const struct problem *problem, const char *folder, const cJSON *farm,
               int (*add)(void *context, const char *path, bool common, bool copy),
               void *context, struct error *ret_error);

/* Patterns (fnmatch) of paths that folders are sent without; see driver_ops.except. Each is given
 * to `each`. 0 or -1. */
int files_except(const struct problem *problem, const char *folder,
                 int (*each)(void *context, const char *pattern), void *context,
                 struct error *ret_error);

#endif
