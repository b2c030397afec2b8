/*
 * rebuild.h - `beofarm-master --results RUN_DIR`: results.csv again, from the journal alone.
 *
 * Of a farm with a container (BEOFARM_STORE) the journal is brought from there, once the lease of
 * whoever wrote it has ended, and outputs.csv is made again, too; both are then put there.
 */
#ifndef BEOFARM_MASTER_REBUILD_H
#define BEOFARM_MASTER_REBUILD_H

#include "common/error.h"

/* 0, or -1 with the sentence. Works also while a master is writing the journal; but not one that is
 * in a container. */
int rebuild_results(const char *run_dir, struct error *ret_error);

#endif
