/*
 * whole.h - a file that appears whole or not at all.
 *
 * It is written beside its path, under a name of its own, and takes its place at whole_commit:
 * whoever reads `path` sees the old file or the new one. The path's folder must be writable.
 * Where `path` is a link, the file that it leads to is replaced (in that file's folder). What is
 * there and is no regular file (/dev/null, a FIFO, a folder) is an error, and stays.
 */
#ifndef BEOFARM_COMMON_WHOLE_H
#define BEOFARM_COMMON_WHOLE_H

#include <stdio.h>

#include "common/error.h"

struct whole {
    FILE *stream; /* write here, with stdio; errors are kept until whole_commit */
    char *path, *temporary;
};

/* Begin. 0, or -1 with a sentence; then there is nothing to abandon. */
int whole_open(struct whole *whole, const char *path, struct error *ret_error);

/* The same, written under the name `temporary` meanwhile (on the same file system): what is left
 * there, of a process that was killed, is written over. */
int whole_open_at(struct whole *whole, const char *path, const char *temporary,
                  struct error *ret_error);

/* Put it in its place. -1 with a sentence (a full disk ...): then `path` is as it was. Either way
 * `whole` is done with. */
int whole_commit(struct whole *whole, struct error *ret_error);

/* The same, and what was committed outlives a crash of the machine. -1 also where it is in its
 * place but may not outlive one. */
int whole_commit_synced(struct whole *whole, struct error *ret_error);

/* Instead of whole_commit: leave `path` as it was. A zeroed or finished one is allowed. */
void whole_abandon(struct whole *whole);

/* All of it at once: a file of these bytes (`bytes` may be NULL where size is 0). 0, or -1 as
 * above. */
int whole_write(const char *path, const void *bytes, size_t size, struct error *ret_error);

#endif
