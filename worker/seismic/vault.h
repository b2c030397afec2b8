/*
 * vault.h - many items of one size: wavefields kept while a run goes on.
 *
 * The first items lie in memory, one behind the other, as many as were allowed; the others in a
 * file without a name on the node's disk, which is gone when the process is. `pack` stores 16 bits
 * a value (a block of 64 values shares its largest magnitude; errors are at most 2^-16 of that).
 */
#ifndef BEOFARM_WORKER_SEISMIC_VAULT_H
#define BEOFARM_WORKER_SEISMIC_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "worker/seismic/wave.h"

struct vault_options {
    size_t count;          /* of items */
    size_t values;         /* wave_reals of an item */
    uint64_t memory_bytes; /* at most; items beyond it go to disk */
    const char *dir;       /* where the file is made; NULL: there is no disk to spill to */
    bool pack;
    int threads; /* that pack and unpack, at least 1 */
    /* Borrowed: items that are not packed lie in a room of this wave, if it is on a device: what
     * vault_place says is for waves alone then. NULL: in memory. */
    const struct wave *wave;
};

struct vault {
    struct vault_options options;
    size_t item_bytes; /* as stored */
    size_t held;       /* items in memory */
    unsigned char *memory;
    size_t memory_bytes;   /* allocated, which may be more than is used */
    unsigned char *packed; /* one item on its way to or from the disk */
    int fd;                /* -1: no item goes to disk */
};

/* -1 with a sentence where memory is short, or the rest needs a disk and there is none. */
int vault_open(struct vault *vault, const struct vault_options *options,
               struct error *ret_error);
void vault_close(struct vault *vault); /* a zeroed one is allowed */

/* vault_close keeps the memory for the next vault of about its size, unless the system needs it
 * before (not thread-safe: one vault at a time is opened or closed in a process). Give it back. */
void vault_forget(void);

/* Bytes that an item takes. */
uint64_t vault_item_bytes(size_t values, bool pack);

/* Where items first to first + count - 1 lie in memory as they are, to be written and read in
 * place; NULL if they do not (packed, or on disk). */
wave_real *vault_place(const struct vault *vault, size_t first, size_t count);

/* Copy items in and out; -1 where the disk fails. */
int vault_put(struct vault *vault, size_t first, size_t count, const wave_real *values,
              struct error *ret_error);
int vault_get(struct vault *vault, size_t first, size_t count, wave_real *ret_values,
              struct error *ret_error);

#endif
