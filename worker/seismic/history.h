/*
 * history.h - a forward run, and then its snapshots from the last to the first.
 *
 * An image needs the forward wavefield backwards in time. How it is got at is a matter of memory
 * alone; whoever images sees snapshots of a stretch of steps, last stretch first:
 *
 *   full         every snapshot is kept (vault.h: what does not fit goes to disk, where told)
 *   checkpoints  revolve (common/seismic/revolve.h) over segments whose snapshots are all kept, or
 *                that are run again in parts, on the medium's grid alone (wave.h, WAVE_AGAIN)
 *   boundary     the values around the model are kept, and the run is done again backwards in time
 *                (wave.h, WAVE_BACKWARD), in segments where the plan has some; its snapshots differ
 *                from the others in rounding alone
 *   fourier      a Fourier sum over the run is kept for each chosen frequency, and snapshots are
 *                what these frequencies say (Sirgue et al. 2010, First Break 28(5)):
 *                s[n] = 2/N sum over f of Re(S_f exp(i w_f n)), S_f = sum of s[n] exp(-i w_f n),
 *                w_f = 2 pi f dt every. With all N/2+1 frequencies of the run that is exact (the
 *                first and last of them count half).
 *
 * Full and checkpointed snapshots are equal to the bit, whatever the budget; packed ones are off by
 * what packing costs, again whatever the budget.
 */
#ifndef BEOFARM_WORKER_SEISMIC_HISTORY_H
#define BEOFARM_WORKER_SEISMIC_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/seismic/revolve.h"
#include "common/seismic/survey.h"
#include "worker/seismic/wave.h"

struct history_options {
    int method;               /* SURVEY_MEMORY_FULL, _CHECKPOINTS, _BOUNDARY or _FOURIER */
    struct revolve_plan plan; /* of CHECKPOINTS, and of BOUNDARY (segment 0: all), in imaged
                               * steps */
    size_t every;             /* every n-th step is imaged, at least 1 */
    uint64_t memory_bytes;    /* of records of FULL and BOUNDARY kept in memory */
    const char *spill_dir;    /* where the others go; NULL: nowhere */
    bool pack;                /* snapshots in 16 bits a value */
    const double *frequencies_hz;
    size_t frequency_count;
};

/* A run that makes snapshots. */
struct history_due {
    struct wave *wave;
    const struct wave_run *run;
};

/* Snapshots of steps first to first + count - 1 (first is a multiple of every; rows as in
 * wave_run). Where `due` is not NULL they are still to be made, by that run, before they are read
 * or with that (wave_run_both). Called with falling `first`, each step once; by the first call all
 * of the forward run has been sampled. -1 ends the walk with its sentence. */
typedef int (*history_turn)(void *context, size_t first, size_t count,
                            const wave_real *snapshots, const struct history_due *due,
                            struct error *ret_error);

/*
 * Run `wave` from rest as `forward` says (mode WAVE_FORWARD; steps, inject, sample and illumination
 * with rows for all steps; sampled and illuminated once, whatever is run again), then turn. The
 * wave's state counts for nothing afterwards. 0 or -1.
 */
int history_walk(struct wave *wave, const struct wave_run *forward,
                 const struct history_options *options, history_turn turn, void *context,
                 struct error *ret_error);

/*
 * Steps to run forwards (or backwards) before another wave reads their snapshots, where both go on
 * side by side: at most SHOT_PIECE snapshots. Few enough that these are still in cache, and, where
 * several steps share a pass over memory, whole passes.
 */
size_t history_piece_steps(const struct wave *wave, size_t every);

/* Steps `first` to first + count - 1 of a run whose rows are for all steps: the run with its rows
 * moved. Snapshots, scattered and shells are left NULL. */
struct wave_run history_part(const struct wave_run *run, size_t first, size_t count);

#endif
