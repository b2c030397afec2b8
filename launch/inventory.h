/*
 * inventory.h - the farm's inputs against its manifest, files.json (common/manifest.h): written
 * when the farm begins, compared when it is resumed.
 */
#ifndef BEOFARM_LAUNCH_INVENTORY_H
#define BEOFARM_LAUNCH_INVENTORY_H

#include "common/error.h"
#include "launch/inputs.h"

/* Write the manifest of `inputs`, one file per line. */
int inventory_write(const char *path, const struct inputs *inputs, struct error *ret_error);

/* Compare `inputs` (hashed) with the manifest at `path`. ret_known[i] (inputs->count of them) is
 * set to whether the manifest has the content of item i under its path. Calls `differ` for every
 * difference, with the file's path and what happened to it ("changed", "new", "gone"), in the
 * order of paths. Returns how many, or -1 with a sentence. */
long inventory_compare(const char *path, const struct inputs *inputs, bool *ret_known,
                       void (*differ)(void *context, const char *file, const char *what),
                       void *context, struct error *ret_error);

#endif
