/*
 * tree.h - files below a directory in which somebody else writes too.
 *
 * Nothing here follows a symbolic link, so a task cannot lead us out of its directory. Paths are
 * relative to a directory's descriptor.
 */
#ifndef BEOFARM_WORKER_TREE_H
#define BEOFARM_WORKER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "common/error.h"

/* Copy `path` into clean (size bytes) without "." components and doubled slashes. -1 with a
 * sentence (ERROR_CONFIG) if it is empty, absolute, too long, or has a ".." component. */
int tree_clean_path(const char *path, char *clean, size_t size, struct error *ret_error);

/* Make `path` and its parents, absolute or relative to the working directory; that it exists is
 * fine. 0, or -1 with a sentence. */
int tree_make_path(const char *path, struct error *ret_error);

/* Make the directories above the clean path `path`, for files about to be laid. */
int tree_make_parents(int dir_fd, const char *path, struct error *ret_error);

/* Open the regular file at the clean path `path` for reading. A descriptor (CLOEXEC), or -1 with
 * errno: ENOENT, ELOOP or ENOTDIR for a link on the way, EINVAL for what is no regular file. */
int tree_open_file(int dir_fd, const char *path, struct stat *ret_stat);

/* Remove dir_fd/name and all that is below it, however deep; -1 (errno) if something is left.
 * Stops after about *budget removals, counting it down: 1 means that there is more to do. */
int tree_remove(int dir_fd, const char *name, size_t *budget);

/* Call found(context, path, stat) for every regular file that `pattern` (a clean path with *, ?,
 * [...] in its components, and ** for any number of directories) names. Wildcards do not match a
 * leading dot. A file may be told of twice if ** stands twice. 0; -1 with errno if a directory
 * cannot be read or `found` returned -1. */
int tree_find(int dir_fd, const char *pattern,
              int (*found)(void *context, const char *path, const struct stat *stat),
              void *context);

/* Whether the pattern has any wildcard. */
bool tree_is_pattern(const char *pattern);

#endif
