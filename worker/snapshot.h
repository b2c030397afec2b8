/*
 * snapshot.h - what was in a directory at a moment: its folders, files and links, so that one can
 * tell later what is new and what has changed.
 */
#ifndef BEOFARM_WORKER_SNAPSHOT_H
#define BEOFARM_WORKER_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "common/error.h"

struct snapshot_item {
    char *path;       /* relative to the directory */
    struct stat stat; /* of a folder, a regular file or a symbolic link itself */
};

struct snapshot {
    struct snapshot_item *items; /* ordered by path: folders before what is in them */
    size_t count, capacity;
};

/* Look at everything below dir_fd, following no link; what is neither folder, file nor link is
 * passed over. 0, or -1 with a sentence; snapshot_fini in either case. */
int snapshot_take(struct snapshot *ret_snapshot, int dir_fd, struct error *ret_error);
void snapshot_fini(struct snapshot *snapshot); /* one of zeros is allowed */

/* Was there no such path, or another file: another inode, size or time of modification? */
bool snapshot_differs(const struct snapshot *snapshot, const char *path,
                      const struct stat *stat);

#endif
