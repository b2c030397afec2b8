/*
 * sum.h - partial sums of gradients and images, which name the shots in them.
 *
 * A sum has some arrays on one grid (gradient, illumination, …) and the names of what was added: an
 * attempt of a task, with the shots that it computed. A task or a shot is in a sum once at most,
 * and sums that have one in common are not merged.
 *
 * Two modes:
 *
 *  - exact: bins.h. The result is the same bits, whoever added what in which order and tree. 25
 *    bytes a point.
 *  - double: float64, added as they come. Each addition rounds by at most 2^-53 of the sum so far,
 *    so the result differs from the true sum by less than n 2^-53 Σ|x| at each point, n being how
 *    many were added (10,000 shots: 1e-12), before it is rounded to a float (6e-8). Compensation
 *    would gain nothing that a float can hold: for the order to show, the shots would have to
 *    cancel to less than 1e-5 of their size. 8 bytes a point.
 *
 * Memory is taken by blocks of points where something was added, so that windows of a large model
 * cost what they cover. A sum is used by one thread at a time.
 *
 * The file (all numbers little-endian; versioned, checksummed with CRC-32C, read and merged block
 * by block, in memory that does not depend on the model's size):
 *
 *     "BFSUM\r\n\x1a", version 1 (u32), bytes of the header (u32)
 *     header: mode (u8), number, nx, ny, nz, arrays (varints), the name of each (varint length,
 *         bytes), names (varint), of each: task, attempt, shots (varints), the index of each shot
 *         (varint)
 *     CRC of all that (u32)
 *     for each array, each block of BINS_POINTS points (the last may be shorter): its bytes (u32),
 *         those bytes, CRC (u32) of them, begun with the CRC before it
 *         no bytes: nothing was added there
 *         double: the points, 8 bytes each
 *         exact: for each of three bins, the bytes that each value of it needs (u8, 0 to 8), and
 *         the values, in two's complement; then the tops (u8 each)
 *     "END.", the last CRC (u32)
 */
#ifndef BEOFARM_COMMON_SEISMIC_SUM_H
#define BEOFARM_COMMON_SEISMIC_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/message.h"
#include "common/seismic/shot_task.h"

struct sum;
struct sum_names;

struct sum_shape {
    bool exact;
    uint64_t number;       /* which sum this is a part of (shot_task.sum) */
    uint64_t n[GRID_AXES]; /* points along x, y, z; 2^48 in all at most */
    size_t array_count;    /* 1 to SHOT_ARRAYS_MAX */
    char arrays[SHOT_ARRAYS_MAX][SHOT_NAME_MAX + 1];
};

/* The shape of what a task adds. */
struct sum_shape sum_shape_of(const struct shot_task *task);
bool sum_shape_equal(const struct sum_shape *a, const struct sum_shape *b);

/* --- Adding --- */

/* An empty one. NULL with a sentence. */
struct sum *sum_create(const struct sum_shape *shape, struct error *ret_error);
void sum_destroy(struct sum *sum); /* NULL is allowed */

const struct sum_shape *sum_get_shape(const struct sum *sum);
const struct sum_names *sum_get_names(const struct sum *sum);

/* Bytes that it takes now. */
uint64_t sum_bytes(const struct sum *sum);

/* What is added: the shots of one attempt, already summed by the program. */
struct sum_part {
    struct attempt_id id;
    const struct shot_ref *shots; /* at least one; borrowed during the call */
    size_t shot_count;
    const struct grid_box *window; /* what the files cover; NULL: the whole grid */
    const int *files; /* as many descriptors as there are arrays, in their order, at any offset;
                       * raw floats as SHOT_ARRAY_ENDING says */
};

/* Whether the part's files are as long as they must be, and every value is finite. -1 (ERROR_TASKS)
 * with a sentence that names the shot, the array and the point; ERROR_SYSTEM where one cannot be
 * read. Does not need a sum: any thread. */
int sum_check_part(const struct sum_shape *shape, const struct sum_part *part,
                   struct error *ret_error);

/* Whether the part's task, or one of its shots, is in the sum already. */
bool sum_overlaps(const struct sum *sum, const struct sum_part *part);

/* Add a part. -1 with a sentence if it has a task or shot that is in the sum, or as sum_check_part
 * says, or without memory: the sum is then as it was; but if a file failed in the middle
 * (ERROR_SYSTEM), *ret_spoiled is true, and the sum is of no use any more. */
int sum_add(struct sum *sum, const struct sum_part *part, bool *ret_spoiled,
            struct error *ret_error);

/* --- Names --- */

struct sum_name {
    struct attempt_id id;
    const uint64_t *shots; /* indices, ascending; borrowed from the names */
    size_t shot_count;
};

/* In rising order of task. */
size_t sum_names_count(const struct sum_names *names);
struct sum_name sum_names_get(const struct sum_names *names, size_t i);
uint64_t sum_names_shots(const struct sum_names *names); /* in all */
bool sum_names_have(const struct sum_names *names, struct attempt_id id);
/* Whether all of them are among these ids, which are in rising order of task. */
bool sum_names_within(const struct sum_names *names, const struct attempt_id *ids,
                      size_t count);

/* --- Files --- */

/* Write the merger of `count` sums (at least one, of one shape) to a new file at `path` (it appears
 * whole). -1 with a sentence: they have something in common, the disk is full … */
int sum_write(const struct sum *const *sums, size_t count, const char *path,
              struct error *ret_error);

/* Write the same bytes to a descriptor that blocks (a socket), and leave that open. The first error
 * ends it; what was sent before is seen to be cut off by whoever reads it. SIGPIPE is blocked or
 * ignored in the thread that calls this. */
int sum_send(const struct sum *const *sums, size_t count, int fd, struct error *ret_error);

/* Whether a task or a shot of these names is in the sum already. */
bool sum_meets(const struct sum *sum, const struct sum_names *names);

/* Add all that is in a file. -1 with a sentence: it is as sum_reader_open refuses, is of another
 * shape, or has a task or shot that is in the sum, which is then as it was; but if the file failed
 * in the middle, or memory did, *ret_spoiled is true, and the sum is of no use any more. */
int sum_add_file(struct sum *sum, const char *path, bool *ret_spoiled, struct error *ret_error);

/* Files of sums, merged as they are read, in the order given. */
struct sum_reader;

/* Open them all and read what they are. NULL with a sentence that names the file: damaged, cut off,
 * of another version, of another shape than the first, or with a task or shot that another has. */
struct sum_reader *sum_reader_open(const char *const *paths, size_t count,
                                   struct error *ret_error);
void sum_reader_close(struct sum_reader *reader); /* NULL is allowed */

const struct sum_shape *sum_reader_shape(const struct sum_reader *reader);
const struct sum_names *sum_reader_names(const struct sum_reader *reader); /* of all together */

/* The next points of the merged sum, rounded to floats (to nearest, ties to even): 1; 0 at the
 * end, when all files were read to theirs; -1 with a sentence (damaged; a sum that no float can
 * hold). All points of all arrays come, in order. */
struct sum_piece {
    size_t array;
    uint64_t first;      /* point, in the order of grid.h */
    size_t count;        /* BINS_POINTS at most */
    const float *values; /* borrowed until the next call */
};
int sum_reader_next(struct sum_reader *reader, struct sum_piece *ret_piece,
                    struct error *ret_error);

/* All of array `name` at once, into values (the caller's, as many as the grid has points); for
 * those who have the memory. Opens and closes the files. */
int sum_read_array(const char *const *paths, size_t count, const char *name, float *values,
                   uint64_t points, struct error *ret_error);

/* Merge files into a new one at `path`: an inner node of a tree. */
int sum_merge(const char *const *paths, size_t count, const char *path,
              struct error *ret_error);

#endif
