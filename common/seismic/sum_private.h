/* sum_private.h - what the parts of sum share: names (sum_names.c), blocks of points (sum_block.c),
 * the sum in memory (sum.c), files (sum_write.c, sum_reader.c). */
#ifndef BEOFARM_COMMON_SEISMIC_SUM_PRIVATE_H
#define BEOFARM_COMMON_SEISMIC_SUM_PRIVATE_H

#include "common/buf.h"
#include "common/seismic/bins.h"
#include "common/seismic/sum.h"
#include "common/wire.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "sums and the arrays of shot programs are little-endian on disk");

#define SUM_MAGIC       "BFSUM\r\n\x1a"
#define SUM_MAGIC_SIZE  8
#define SUM_VERSION     1
#define SUM_HEADER_MAX  ((size_t)1 << 28) /* bytes: names of ten million shots */
#define SUM_END         "END."
#define SUM_BLOCK_BYTES (BINS_POINTS * (8 * BINS_KEPT + 1) + BINS_KEPT) /* in a file, at most */

/* --- sum_names.c --- */

struct sum_names *sum_names_create(void);        /* NULL if out of memory */
void sum_names_destroy(struct sum_names *names); /* NULL is allowed */

/* Add a name (its shots are copied, and sorted). -1, and nothing is added, with a sentence if the
 * task, or one of the shots, is there already or twice. */
int sum_names_add(struct sum_names *names, struct attempt_id id, const uint64_t *shots,
                  size_t count, struct error *ret_error);

/* Whether the task, or the shot of that index, is there. */
bool sum_names_have_task(const struct sum_names *names, uint64_t task);
bool sum_names_have_shot(const struct sum_names *names, uint64_t shot);

/* Add all of another's, or nothing. */
int sum_names_merge(struct sum_names *names, const struct sum_names *from,
                    struct error *ret_error);

/* Take a task's name away again, if it is there. */
void sum_names_remove(struct sum_names *names, uint64_t task);

uint64_t sum_names_bytes(const struct sum_names *names); /* of memory */
void sum_names_encode(const struct sum_names *names, struct buf *buf);
/* NULL with a sentence. */
struct sum_names *sum_names_decode(struct wire_reader *reader, struct error *ret_error);

/* --- sum_block.c --- */

/* BINS_POINTS points of one array. */
union sum_block {
    struct bins bins;
    double doubles[BINS_POINTS];
};

uint64_t sum_shape_points(const struct sum_shape *shape);
uint64_t sum_shape_blocks(const struct sum_shape *shape); /* of one array */
size_t sum_block_size(bool exact);                        /* bytes that one takes in memory */
/* How many points block number `block` has. */
size_t sum_block_points(const struct sum_shape *shape, uint64_t block);

void sum_block_merge(bool exact, union sum_block *block, const union sum_block *from);
/* The first `count` points as floats; the place of the first that no float can hold, or count. */
size_t sum_block_round(bool exact, const union sum_block *block, float *values, size_t count);

/* As the file has it, into bytes (SUM_BLOCK_BYTES + 8 of them); how many that are. */
size_t sum_block_encode(bool exact, const union sum_block *block, size_t count, uint8_t *bytes);
/* The other way; `bytes` has 8 readable bytes behind it. 0, or -1 where that is no block. */
int sum_block_decode(bool exact, union sum_block *block, size_t count, const uint8_t *bytes,
                     size_t size);

/* --- sum.c --- */

/* A block of a sum in memory; NULL where nothing was added. */
const union sum_block *sum_get_block(const struct sum *sum, size_t array, uint64_t block);

/* --- sum_write.c --- */

struct sum_writer;

/* Write a file's beginning, its blocks one by one (NULL: empty), and its end. What fails on the way
 * is said at the commit, which ends the writer either way. */
struct sum_writer *sum_writer_open(const char *path, const struct sum_shape *shape,
                                   const struct sum_names *names, struct error *ret_error);
void sum_writer_put(struct sum_writer *writer, const union sum_block *block, size_t count);
int sum_writer_commit(struct sum_writer *writer, struct error *ret_error);
void sum_writer_abandon(struct sum_writer *writer); /* instead of the commit */

/* --- sum_reader.c --- */

/* The next block of the merged sum: 1, and *ret_block (borrowed; NULL where all are empty) with its
 * array, number and points; 0 at the end; -1 with a sentence. */
struct sum_place {
    size_t array;
    uint64_t block;
    size_t count;
};
int sum_reader_next_block(struct sum_reader *reader, const union sum_block **ret_block,
                          struct sum_place *ret_place, struct error *ret_error);

#endif
