/* rebuild.h - `beofarm-master --results RUN_DIR`: results.csv again, from the journal alone. */
#ifndef BEOFARM_MASTER_REBUILD_H
#define BEOFARM_MASTER_REBUILD_H

#include "common/error.h"

/* 0, or -1 with the sentence. Works also while a master is writing the journal. */
int rebuild_results(const char *run_dir, struct error *ret_error);

#endif
