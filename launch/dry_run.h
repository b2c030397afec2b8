/*
 * dry_run.h - beofarm run --dry-run: what would be submitted.
 */
#ifndef BEOFARM_LAUNCH_DRY_RUN_H
#define BEOFARM_LAUNCH_DRY_RUN_H

#include <stdbool.h>

#include "common/error.h"
#include "launch/prepare.h"

/* Print pool, tasks with their programs, environment (secrets masked) and files, the farm's files
 * with their sizes, and the number of tasks. `run_dir`: as wanted by the user, NULL for the next
 * one in ./runs. Writes nothing anywhere else. */
int dry_run_print(const struct preparation *preparation, const char *run_dir, bool json,
                  struct error *ret_error);

#endif
