/*
 * shot_cost.h - what a shot costs before it is computed: bytes, and how many point updates.
 *
 * The master plans with these numbers (longest first, memory per slot), and beofarm-shot chooses
 * with the same ones how it gets at the wavefield backwards in time, so that what was planned is
 * what is used. Pure formulas: no file is read but through `survey`, nothing is allocated.
 */
#ifndef BEOFARM_COMMON_SEISMIC_SHOT_COST_H
#define BEOFARM_COMMON_SEISMIC_SHOT_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/seismic/revolve.h"
#include "common/seismic/survey.h"

/* Snapshots that are handled at once where they are not used in place: two passes of 3-D waves, for
 * after each piece threads wait for each other. */
#define SHOT_PIECE 10
/* Steps that a wave on its way back and the one that images it go together at most. */
#define SHOT_TOGETHER 16

/* Compressed records of a field: so many values share a scale, and take so many bytes. */
#define SHOT_PACKED_VALUES 64
#define SHOT_PACKED_BYTES  (4 + 2 * SHOT_PACKED_VALUES)

/* All that the cost depends on. */
struct shot_shape {
    int dims;
    size_t n[GRID_AXES]; /* points of the model's part that the shot needs, without padding */
    enum survey_physics physics;
    int space_order;
    unsigned absorbing_points; /* on each side, the top only without a free surface */
    bool free_surface;
    uint64_t steps;   /* time steps of the propagator */
    uint64_t traces;  /* receivers */
    uint64_t samples; /* recorded per trace */
    uint64_t points;  /* grid points in all those traces' and sources' interpolation lists */
    uint64_t subsampling; /* every n-th step is imaged, at least 1 */
};

/* How to get at the wavefield backwards in time. AUTO takes FULL if the budget holds it, else
 * CHECKPOINTS or BOUNDARY, whichever takes less time; FOURIER has to be asked for, because what it
 * computes is another thing (some frequencies alone). */
struct shot_wish {
    int method;             /* SURVEY_MEMORY_... of struct survey_memory */
    uint64_t budget_bytes;  /* of the history alone; 0: what limit_bytes leaves */
    uint64_t limit_bytes;   /* of everything; 0: none */
    size_t frequency_count; /* FOURIER */
    bool compress;          /* records in 16 bits a value, and a scale for every 64 */
    bool spill;             /* what passes the budget goes to node disk */
    bool exact;             /* AUTO: never BOUNDARY, whose rounding is another one */
};

struct shot_cost {
    int method; /* chosen, never AUTO; SURVEY_MEMORY_FULL where no history is needed */
    struct revolve_plan
        plan; /* FULL and CHECKPOINTS: in imaged steps (subsampling of them each) */
    uint64_t history_bytes; /* in memory, of `bytes` */
    uint64_t disk_bytes;    /* spilled */
    uint64_t bytes;         /* the shot's peak memory, without the program itself */
    double
        updates; /* point updates, in those of constant density, order 8: what time goes by */
};

/* Points of the grid with its absorbing layers. */
uint64_t shot_padded_points(const struct shot_shape *shape);

/* Time steps from the wavelet's first sample (or time 0, if that is earlier) to the last recorded
 * sample, and a few more where samples lie between steps. */
uint64_t shot_steps(const struct survey *survey, double dt_s);

/* The shape of a shot that needs `box` of the model and has `receivers` and `sources` of them. */
struct shot_shape shot_shape_of(const struct survey *survey, const struct grid_box *box,
                                size_t receivers, size_t sources, double dt_s);

/* What the survey's memory settings wish, for a shot that may use `limit_bytes` (0: any). */
struct shot_wish shot_wish_of(const struct survey *survey, uint64_t limit_bytes);

/* Choose the method and reckon. SURVEY_FWI counts as SURVEY_GRADIENT. 0; -1 with a sentence if it
 * cannot be done with this budget or limit. */
int shot_cost_make(struct shot_cost *ret_cost, const struct shot_shape *shape,
                   enum survey_operation operation, const struct shot_wish *wish,
                   struct error *ret_error);

/* "full", "checkpoints", "boundary", "fourier". */
const char *shot_method_name(int method);

/* One line for people: "checkpoints: 12 states and segments of 80 steps in 1.2 GB, 1.8 forward
 * runs". Returns text. */
char *shot_cost_print(const struct shot_cost *cost, const struct shot_shape *shape, char *text,
                      size_t size);

#endif
