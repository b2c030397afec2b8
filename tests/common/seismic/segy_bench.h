/*
 * segy_bench.h - SEG-Y files put together byte by byte, by the standard's tables and not by the
 * code under test.
 */
#ifndef BEOFARM_TESTS_COMMON_SEISMIC_SEGY_BENCH_H
#define BEOFARM_TESTS_COMMON_SEISMIC_SEGY_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct segy_bench {
    struct buf bytes;
    bool little;
};

/* Room for the file headers, all zero. */
void segy_bench_init(struct segy_bench *bench, bool little);
void segy_bench_fini(struct segy_bench *bench);

/* A number of `size` bytes at a byte of the file, counted from 1 as the standard does. */
void segy_bench_put(struct segy_bench *bench, uint64_t byte, unsigned size, uint64_t value);
void segy_bench_put_double(struct segy_bench *bench, uint64_t byte, double value);

/* Binary header: revision, sample format, samples, interval (microseconds). */
void segy_bench_binary(struct segy_bench *bench, unsigned revision, unsigned format,
                       unsigned samples, unsigned interval);

/* Zeros at the end; returns the byte (from 1) of the first. */
uint64_t segy_bench_append(struct segy_bench *bench, size_t size);

/* A sample of a format, at the end. */
void segy_bench_sample(struct segy_bench *bench, unsigned format, double value);

/* A trace: header (with extensions of 240 bytes behind it, zero) with shot, source x and receiver x
 * (metres, scalar 1), and samples k + 1 at k. Returns the byte of its header. */
uint64_t segy_bench_trace(struct segy_bench *bench, unsigned format, unsigned extensions,
                          int32_t shot, int32_t source_x, int32_t receiver_x, unsigned samples);

/* Write to a file. */
void segy_bench_save(const struct segy_bench *bench, const char *path);

#endif
