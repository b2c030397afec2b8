/*
 * control_bench.h - files of a PEST case in a folder of their own, for tests of the reader.
 */
#ifndef BEOFARM_TESTS_COMMON_PEST_CONTROL_BENCH_H
#define BEOFARM_TESTS_COMMON_PEST_CONTROL_BENCH_H

#include <stddef.h>

#include "common/pest/control.h"

/* A small classic case: two parameters (k log, s none) in group g, two observations in group h. */
extern const char *const bench_classic;

int bench_open(void **state);  /* cmocka's setup of a group */
int bench_close(void **state); /* and its teardown */

/* Write a file of the folder. */
void bench_write(const char *name, const char *text);
void bench_write_bytes(const char *name, const void *bytes, size_t size);
/* The path of a file of the folder. Good until the next call. */
const char *bench_path(const char *name);

/* `text` as case.pst, read; the test fails, saying why, if it is not good. */
struct pest_control *bench_read(const char *text);
/* bench_classic with the first `old` replaced by `new`. Good until the next call. */
const char *bench_change(const char *old, const char *new);
/* All mistakes of `text` as case.pst, one per line, the folder left out. Good until the next
 * call. */
const char *bench_mistakes(const char *text);
/* Whether one of the notes ends with `text` (folder left out). */
int bench_noted(const struct pest_note *notes, size_t count, const char *text);

#endif
