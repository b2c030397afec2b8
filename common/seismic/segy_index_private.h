/*
 * segy_index_private.h - the file that keeps an index; for segy_index*.c alone.
 *
 * A head, the shots in the order of their first traces, the traces shot by shot: all as structs of
 * this machine, because the file is made from the SEG-Y file again wherever it does not fit.
 */
#ifndef BEOFARM_COMMON_SEISMIC_SEGY_INDEX_PRIVATE_H
#define BEOFARM_COMMON_SEISMIC_SEGY_INDEX_PRIVATE_H

#include <stdio.h>

#include "common/seismic/segy_index.h"

#define SEGY_INDEX_MAGIC 0x0431584449594753ull /* "SGYIDX1" and version 4 */

struct segy_index_head {
    uint64_t magic;
    uint64_t reading;   /* hash of how the SEG-Y file is read (geometry) */
    uint64_t file_size; /* of the SEG-Y file */
    int64_t changed_s;  /* its time of change */
    int64_t changed_ns;
    uint64_t fingerprint; /* hash of its file headers and of some trace headers */
    struct segy_index_summary summary;
    uint64_t sum; /* checksum of this head, with 0 here, and of the shots */
};

/* FNV-1a, 64 bits: continue `hash` (SEGY_HASH_START at first). */
#define SEGY_HASH_START 0xcbf29ce484222325ull
uint64_t segy_hash(uint64_t hash, const void *bytes, size_t size);

/* One pass over the file: its traces as records in `records` (in the file's order), and which of
 * them make which shot. */
struct segy_index_run {
    uint64_t shot, first, count;
};

struct segy_index_build {
    struct segy_index_summary summary;
    struct segy_index_shot *shots; /* owned */
    struct segy_index_run *runs;   /* owned; sorted by shot, then first */
    size_t run_count;
};

/* 0 or -1; `build` must be zeroed, and segy_index_build_fini called either way. */
int segy_index_build(struct segy *segy, const struct segy_geometry *geometry, FILE *records,
                     struct segy_index_build *build, struct error *ret_error);
void segy_index_build_fini(struct segy_index_build *build);

#endif
