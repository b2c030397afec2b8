/* probe.h - `beofarm-master --probe`: what this machine offers a master, as one JSON object:
 *
 *     {"mpi": {"works": true, "version": "Open MPI 4.1.4", "sentence": ""}, "host": "n1"}
 */
#ifndef BEOFARM_MASTER_PROBE_H
#define BEOFARM_MASTER_PROBE_H

#include "common/error.h"

/* 0, or -1 with the sentence. */
int probe_print(struct error *ret_error);

#endif
