/*
 * gather.h - a farm's files, brought from a container to the master's own disk: it lays them out
 * for its driver, and serves them to workers that cannot fetch them from the container.
 */
#ifndef BEOFARM_MASTER_GATHER_H
#define BEOFARM_MASTER_GATHER_H

#include "common/error.h"
#include "common/manifest.h"

/* Fetch every file of the manifest that lies in the store `uri` to DIR/HASH, several at once; those
 * that are there stay. DIR is made. 0, or -1 with a sentence. */
int gather_files(const char *uri, const struct manifest *manifest, const char *dir,
                 struct error *ret_error);

#endif
