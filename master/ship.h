/*
 * ship.h - files of the run directory to the farm's container and back, under the same names:
 * RUN_DIR/NAME is the blob RUN/NAME. Blocks until it is done.
 */
#ifndef BEOFARM_MASTER_SHIP_H
#define BEOFARM_MASTER_SHIP_H

#include "common/azure/container.h"
#include "common/error.h"

/* Put the file at `path` there as RUN/NAME. 0, or -1 with a sentence. */
int ship_file(struct container *container, const char *path, const char *name,
              struct error *ret_error);

/* Put RUN_DIR/NAME there, with all that is under it, but for links and names that begin with a dot.
 * Nothing if it is not there. 0, or -1 with a sentence. */
int ship_folder(struct container *container, const char *run_dir, const char *name,
                struct error *ret_error);

/* Bring the output files of tasks, RUN/out/TASK/PATH, to RUN_DIR/out/TASK/PATH, but for those that
 * are there in the same size. 0, or -1 with a sentence. */
int ship_outputs_back(struct container *container, const char *run_dir,
                      struct error *ret_error);

#endif
