/*
 * wave.h - parameter sets that are run together, and what came of them.
 *
 * An estimator fills a wave (wave_clear, wave_add), the driver runs it (wave_begin, wave_take,
 * wave_fail), and the estimator digests it. Results are kept as one matrix of doubles and nowhere
 * else; it may be gigabytes.
 */
#ifndef BEOFARM_MASTER_PEST_WAVE_H
#define BEOFARM_MASTER_PEST_WAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* One wave of runs: run r has parameters parameters[r * parameter_count + p] and, once it has
 * ended, observations[r * observation_count + o]. */
struct wave {
    size_t parameter_count, observation_count;
    size_t run_count, run_capacity;
    double *parameters; /* after wave_begin: what the models really saw, see estimator.h */
    double
        *observations; /* NULL until wave_begin; the estimator may overwrite them (a Jacobian is
                           * made in their place) or take them (set this to NULL; then free it) */
    bool *failed;      /* run r ended without observations (its row is NaN) */
    bool streamed; /* the estimator takes results through run_ended alone: no observations are
                    * kept. Set by the estimator when it fills the wave; wave_clear unsets it */
    const char *purpose; /* static: "base run", "Jacobian", "lambda search", "realisations" … */
    size_t ended_count; /* runs that have ended; the driver's */
    bool *ended;        /* which of them; the driver's */
};

/* An empty wave; allocates nothing. */
void wave_init(struct wave *wave, size_t parameter_count, size_t observation_count);
/* Empty a wave, keeping its memory for parameters; that for results is freed. */
void wave_clear(struct wave *wave);
/* Add a run with these parameter values (parameter_count of them); its index, or -1 (no memory).*/
long wave_add(struct wave *wave, const double *parameters);
void wave_fini(struct wave *wave);

/* For an estimator that has digested a large wave and needs its parameters no more: free them, and
 * leave room for what it computes next. */
void wave_drop_parameters(struct wave *wave);

/* Make room for the results. 0 or -1 (ERROR_SYSTEM: no memory, with the size). */
int wave_begin(struct wave *wave, struct error *ret_error);

/* Where the observations of a run go, to be followed by wave_take; NULL in a streamed wave. */
double *wave_row(const struct wave *wave, size_t run);
/* A run has ended: with its observations in wave_row, or without any (its row becomes NaN). A run
 * that had ended before is left as it is: false. */
bool wave_take(struct wave *wave, size_t run);
bool wave_fail(struct wave *wave, size_t run);

/* Whether every run has ended. True of an empty wave. */
bool wave_is_over(const struct wave *wave);

/* A number that is the same for the same parameter values, and hardly for others (FNV-1a over
 * 64-bit words, http://www.isthe.com/chongo/tech/comp/fnv/). */
uint64_t wave_fingerprint(const struct wave *wave);

#endif
