/*
 * gathers.h - SEG-Y files of single shots, put one behind the other into one.
 *
 * Headers are those of the first file; traces are numbered anew (bytes 1 to 8), and counted where
 * revision 2 says how many there are. All must have samples of the same format, number and
 * interval. Memory is that of a block of traces.
 */
#ifndef BEOFARM_MASTER_SHOTS_GATHERS_H
#define BEOFARM_MASTER_SHOTS_GATHERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* Write the traces of all files (at least one), in this order, to a new file at `path`, which
 * appears whole, and outlives a crash of the machine then. Until then it lies at `temporary`, on
 * the same file system; what is there, of a master that was killed, is written over. *ret_traces:
 * how many. -1 with a sentence: a file is no SEG-Y, or does not fit those before. */
int gathers_join(const char *const *files, size_t count, const char *path,
                 const char *temporary, uint64_t *ret_traces, struct error *ret_error);

/* The same, file by file in any order, as they come, where it is known before how many traces each
 * has. */
struct gathers;

/* File i (of `count`) is to have traces[i] traces. NULL with a sentence. */
struct gathers *gathers_create(const char *path, const char *temporary, const uint64_t *traces,
                               size_t count, struct error *ret_error);

/* Put file `index` in its place, once. -1 with a sentence: it does not fit, has another number
 * of traces or traces that are not all alike, and nothing comes of this any more but
 * gathers_abandon. */
int gathers_lay(struct gathers *gathers, size_t index, const char *file,
                struct error *ret_error);

/* Send what was laid on its way to the disk, without waiting for it. */
void gathers_push(const struct gathers *gathers);

/* Whether each file is in its place. */
bool gathers_are_whole(const struct gathers *gathers);

/* When they are: the new file appears. -1 with a sentence, as gathers_join. Either way `gathers` is
 * done with. */
int gathers_commit(struct gathers *gathers, struct error *ret_error);

/* Nothing is left of it. NULL is allowed. */
void gathers_abandon(struct gathers *gathers);

#endif
