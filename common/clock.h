/*
 * clock.h - the time, replaceable in tests.
 *
 * Durations and deadlines use the monotonic clock, so a step of the wall clock (NTP, an operator,
 * a suspended laptop) never fires or starves a time-out. Wall time is for people: log lines,
 * the journal, report headings.
 */
#ifndef BEOFARM_COMMON_CLOCK_H
#define BEOFARM_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND_NS INT64_C(1000000000)
#define CLOCK_MS_NS     INT64_C(1000000)

/* Nanoseconds of CLOCK_MONOTONIC; never steps. */
int64_t clock_monotonic_ns(void);

/* Nanoseconds since 1970-01-01 UTC; may step. */
int64_t clock_wall_ns(void);

/* Replace both clocks by `monotonic_ns` and `wall_ns` functions (NULL restores the real ones). */
void clock_replace(int64_t (*monotonic_ns)(void), int64_t (*wall_ns)(void));

/* "2026-11-21T11:46:05.123Z" for wall_ns into text (at least 25 bytes). Returns text. */
char *clock_format_utc(int64_t wall_ns, char *text, size_t size);

#endif
