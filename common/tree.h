/*
 * tree.h - a folder and everything under it: made, removed, put to disk.
 *
 * Names are relative to the folder open at dir_fd (or AT_FDCWD). Nothing here follows a symbolic
 * link below that name, so what a task laid into its folder cannot lead us out of it.
 */
#ifndef BEOFARM_COMMON_TREE_H
#define BEOFARM_COMMON_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/* Folders inside each other that tree_sync enters; below them it fails with ELOOP. */
#define TREE_SYNC_DEPTH 128

/* Make the folder `path`, and those above it that are missing. That it exists is fine. 0, or -1
 * with a sentence. */
int tree_make(const char *path, struct error *ret_error);

/* Whether an entry's name is "." or "..", which every folder lists among its own. */
bool tree_is_dots(const char *name);

/* Remove dir_fd/name and all under it, however deep, also what folders without permissions hold.
 * 0 (also if there is none), or -1 with errno if something is left; the rest is gone then. */
int tree_remove(int dir_fd, const char *name);

/* As tree_remove, but stop after `most` (> 0) removals. 1 means that there is more to do. */
int tree_remove_some(int dir_fd, const char *name, size_t most);

/* fsync every file and folder of dir_fd/name; links have nothing of their own to sync. 0, or -1
 * with errno. */
int tree_sync(int dir_fd, const char *name);

#endif
