/*
 * glob.h - the files that a pattern names inside a directory. No symbolic link is followed.
 */
#ifndef BEOFARM_WORKER_GLOB_H
#define BEOFARM_WORKER_GLOB_H

#include <stdbool.h>
#include <sys/stat.h>

/* Call found(context, path, stat) for every regular file that `pattern` (a clean path with *, ?,
 * [...] in its components, and ** for any number of directories) names. Wildcards do not match a
 * leading dot. A file may be told of twice if ** stands twice. 0; -1 with errno if a directory
 * cannot be read or `found` returned -1. */
int glob_find(int dir_fd, const char *pattern,
              int (*found)(void *context, const char *path, const struct stat *stat),
              void *context);

/* Whether the pattern has any wildcard. */
bool glob_is_pattern(const char *pattern);

#endif
