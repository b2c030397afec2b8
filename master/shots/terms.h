/*
 * terms.h - what a run of a survey has to stay for as long as it goes on: what it computes, how it
 * sums, of how many shots, on which grid, how the traces are sampled that become one file, and what
 * the misfits of an inversion are, which it compares.
 *
 * A user may resume a run although its survey has changed (--accept-changes), say to iterate more
 * or on other workers. These are no such change: results, sums and states that the run has
 * would not fit. Noted once in the journal, they are compared by every later master.
 */
#ifndef BEOFARM_MASTER_SHOTS_TERMS_H
#define BEOFARM_MASTER_SHOTS_TERMS_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/seismic/grid.h"

struct terms {
    const char *operation; /* "model", "gradient" …; static; NULL: nothing is known */
    bool exact;            /* the sum */
    size_t shots;
    size_t n[GRID_AXES]; /* points of the grid */
    char traces[128];    /* "101 samples every 2 ms ..."; "": none, or not in one file */
    char misfits[256];   /* "l2, a Ricker wavelet of 10 Hz ..."; "": of no inversion */
};

/* As a note of the journal, -1 without memory:
 *
 *     {"terms":{"operation":"fwi","sum":"exact","shots":7,"points":[81,1,51]}}
 *
 * where traces are written with "traces" behind it, and of an inversion "misfits".
 */
int terms_note(const struct terms *terms, struct buf *note);

/* Whether the member of that note says the same as `now`: 0, or -1 with a sentence that says what
 * was and what is (ERROR_CHANGED), or that it is no such note (ERROR_SYSTEM). Where nothing is
 * known now: 0. */
int terms_compare(const struct terms *now, const cJSON *said, struct error *ret_error);

#endif
