/*
 * gathers.h - SEG-Y files of single shots, put one behind the other into one.
 */
#ifndef BEOFARM_MASTER_SHOTS_GATHERS_H
#define BEOFARM_MASTER_SHOTS_GATHERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* Write the traces of all files (at least one), in this order, to a new file at `path`, which appears
 * whole. Headers are those of the first; traces are numbered anew (bytes 1 to 8), and counted where
 * revision 2 says how many there are. Memory is that of one trace. *ret_traces: how many. -1 with a
 * sentence: a file is no SEG-Y, or its samples are of another format, number or interval than those of
 * the first. */
int gathers_join(const char *const *files, size_t count, const char *path, uint64_t *ret_traces,
                 struct error *ret_error);

#endif
