/*
 * inside.h - paths inside a directory in which somebody else writes too.
 *
 * Nothing here follows a symbolic link, so a task cannot lead us out of its directory. Paths are
 * relative to a directory's descriptor.
 */
#ifndef BEOFARM_WORKER_INSIDE_H
#define BEOFARM_WORKER_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "common/error.h"

/* Copy `path` into clean (size bytes) without "." components and doubled slashes. -1 with a
 * sentence (ERROR_CONFIG) if it is empty, absolute, too long, or has a ".." component. */
int inside_clean_path(const char *path, char *clean, size_t size, struct error *ret_error);

/* Make the directories above the clean path `path`, for files about to be laid. 0, or -1 with a
 * sentence. */
int inside_make_parents(int dir_fd, const char *path, struct error *ret_error);

/* Open the regular file at the clean path `path` for reading. A descriptor (CLOEXEC), or -1 with
 * errno: ENOENT, ELOOP or ENOTDIR for a link on the way, EINVAL for what is no regular file. */
int inside_open_file(int dir_fd, const char *path, struct stat *ret_stat);

/* Look at what is at the clean path `path`, a link itself if it is one. 0, or -1 with errno. */
int inside_stat(int dir_fd, const char *path, struct stat *ret_stat);

/* Make a new file at the clean path `path`, for writing, in place of whatever file or link is
 * there; the folders above it must be. A descriptor (CLOEXEC), or -1 with errno. */
int inside_create_file(int dir_fd, const char *path, unsigned mode);

/* The same with a link to `target`, or a hard link to the file at the absolute path `target`. 0, or
 * -1 with errno. */
int inside_create_link(int dir_fd, const char *path, const char *target, bool hard);

#endif
