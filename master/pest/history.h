/*
 * history.h - which waves an estimation has begun, as the journal's notes tell.
 *
 * A wave depends on what the estimator was told, results and the number of slots. Results are in
 * the journal; slots are in these notes, with enough of the wave to see that a resumed estimation
 * is the same one.
 */
#ifndef BEOFARM_MASTER_PEST_HISTORY_H
#define BEOFARM_MASTER_PEST_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

struct history_wave {
    uint64_t number; /* from 1 */
    uint64_t task;   /* of its first run */
    uint64_t runs;
    uint32_t slots;       /* that the estimator was told */
    uint64_t fingerprint; /* wave_fingerprint of the parameters as run */
};

struct history {
    struct history_wave *waves; /* wave n at n - 1 */
    size_t count, capacity;
};

void history_fini(struct history *history); /* zeroed memory is an empty history */

/* Take a note of an earlier master. -1: it is no such note, or not the next. */
int history_take(struct history *history, const void *bytes, size_t size,
                 struct error *ret_error);

/* Append the note of a wave: {"wave":2,"task":12,"runs":20,"slots":4,"parameters":"…16 hex"}. */
void history_print(const struct history_wave *wave, struct buf *note);

/* Wave `number`, NULL if none was noted. */
const struct history_wave *history_find(const struct history *history, uint64_t number);

/* -1 with a sentence if the wave, as it comes out now, is not the one that was noted. */
int history_compare(const struct history_wave *noted, const struct history_wave *now,
                    struct error *ret_error);

#endif
