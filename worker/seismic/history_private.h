/* history_private.h - for history*.c alone. */
#ifndef BEOFARM_WORKER_SEISMIC_HISTORY_PRIVATE_H
#define BEOFARM_WORKER_SEISMIC_HISTORY_PRIVATE_H

#include <stdbool.h>

#include "common/seismic/shot_cost.h"
#include "worker/seismic/history.h"
#include "worker/seismic/vault.h"

/* One walk. */
struct walk {
    struct wave *wave;
    struct wave_run forward;
    const struct history_options *options;
    history_turn turn;
    void *context;
    size_t fresh;      /* steps from here on were not run yet: they are sampled when they are */
    wave_real *piece;  /* snapshots on their way from and to where they are not used in place */
    bool piece_near;   /* it is in a room of the wave */
    bool piece_behind; /* it is in the vault, behind the records */
    wave_real *shell_piece; /* shells on their way; NULL: segments are not run backwards */
    struct vault records;
    /* Of a chunk, its first sweep: shells are written for steps from shells_first to below
     * shells_end, with which then (`again`) steps are run on the medium's grid alone. NULL: no
     * chunk. */
    wave_real *shells;
    size_t shells_first, shells_end;
    bool again;
};

/* Run steps first to first + count - 1 forwards. Either pointer may be NULL. */
void walk_forward(struct walk *walk, size_t first, size_t count, wave_real *snapshots,
                  wave_real *shells);

/* Snapshots of so many steps. */
size_t walk_snapshots(const struct walk *walk, size_t steps);

/* Steps of a piece: what is handled at once where it is not used in place. */
size_t walk_piece_steps(const struct walk *walk);

/* Make room for a piece of `count` snapshots: `near` the wave (wave_room_create) where nobody else
 * looks at it. 0 or -1. */
int walk_piece_make(struct walk *walk, size_t count, bool near, struct error *ret_error);

/* The methods. */
int walk_fourier(struct walk *walk, struct error *ret_error);

#endif
