/*
 * revolve.h - which states to keep so that a computation can be walked backwards.
 *
 * A gradient needs the states of a forward run in reverse order. Few of them fit into memory;
 * those kept (snapshots) are where the run starts again to get at the others. The schedule here
 * needs the fewest steps for a given number of snapshots: Griewank & Walther 2000, Algorithm 799
 * (doi:10.1145/347837.347846), which is binomial.
 *
 * A "step" is whatever the caller reverses at a time: a time step, or a segment of them whose
 * records it holds all at once (revolve_plan, which finds the best length). The state before step
 * 0 is known without being kept (a wavefield at rest) and counts as no snapshot.
 *
 * Pure: no memory beyond the struct but a list of positions, no clock, nothing read.
 */
#ifndef BEOFARM_COMMON_SEISMIC_REVOLVE_H
#define BEOFARM_COMMON_SEISMIC_REVOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* Steps to advance (not counting that each of the `steps` is done once more when it is turned)
 * with `snapshots` besides the state before step 0: t(l, s) = r l - C(s + r, r - 1) with s =
 * snapshots + 1 and the least r for which C(s + r, s) >= l (eq. 2.4 there). UINT64_MAX where that
 * would be more than 2^62. steps >= 1. */
uint64_t revolve_advances(uint64_t steps, uint64_t snapshots);

enum revolve_action {
    REVOLVE_ADVANCE, /* run forwards from step `from` to the state before step `to` */
    REVOLVE_SAVE,    /* keep the present state (before step `from`) in slot `slot` */
    REVOLVE_RESTORE, /* make the state before step `from` the present one, from slot `slot`;
                        slot SIZE_MAX: it is the one before step 0 */
    REVOLVE_TURN,    /* run step `from` forwards, recording it, and then backwards; the present
                        state counts for nothing after that */
    REVOLVE_END,
};

struct revolve_move {
    enum revolve_action action;
    uint64_t from, to;
    size_t slot;
};

struct revolve {
    uint64_t present; /* the state at hand is the one before this step */
    uint64_t end;     /* steps from here on are reversed */
    uint64_t *held;   /* where snapshots lie, ascending; held[i] is in slot i; owned */
    size_t held_count, snapshots;
    uint64_t turned; /* the present state is spent: restore before anything else */
};

/* Begin at step 0 with the state before it at hand. At most `steps` snapshots are used. 0, or -1
 * without memory. */
int revolve_init(struct revolve *revolve, uint64_t steps, size_t snapshots,
                 struct error *ret_error);
void revolve_fini(struct revolve *revolve);

/* What to do next; from the last step on all are turned, in falling order. */
struct revolve_move revolve_next(struct revolve *revolve);

/* A forward run of `steps` reversed in segments: the records of one segment at a time are all in
 * memory, beside the snapshots of segments' beginnings. */
struct revolve_plan {
    uint64_t segment;   /* steps of a segment (revolve_begin); `steps`: no snapshots */
    uint64_t snapshots; /* besides the state before step 0 */
    uint64_t forward;   /* steps forwards in all; `steps` if nothing is done twice */
    uint64_t bytes;     /* snapshots and records, at most the budget */
    /* Of a plan with shells, else 0: a segment is reversed in parts of so many steps, and the
     * records of one part at a time are in memory; inner snapshots besides the one at the segment's
     * beginning, which is there where there are several segments. */
    uint64_t part, inner;
};

static inline uint64_t revolve_segments(uint64_t steps, uint64_t segment)
{
    return steps / segment + (steps % segment > 0);
}

/* The step that segment i of `steps` begins with. The first segment is the one that may be shorter,
 * for it is gone through most often. */
static inline uint64_t revolve_begin(uint64_t i, uint64_t segment, uint64_t steps)
{
    return i == 0 ? 0 : steps - (revolve_segments(steps, segment) - i) * segment;
}

/* Steps to advance, as revolve_advances counts them, by segments with `snapshots`. UINT64_MAX where
 * that would be more than 2^62. */
uint64_t revolve_segments_advances(uint64_t steps, uint64_t segment, uint64_t snapshots);

/* The plan with the fewest steps for which segment * record_bytes + snapshots * snapshot_bytes <=
 * budget. 0; -1 if the budget does not hold a single record. steps, record_bytes and
 * snapshot_bytes >= 1. */
int revolve_plan_make(struct revolve_plan *ret_plan, uint64_t steps, uint64_t record_bytes,
                      uint64_t snapshot_bytes, uint64_t budget, struct error *ret_error);

/*
 * Steps that have been done once can be done again for less, with little: `shell_bytes` are kept of
 * each at its first time, then it takes `again` (of a step), and goes on from snapshots of
 * inner_bytes. A segment so reversed is gone through once for its shells and the records of its
 * last part, and then by parts. All bytes >= 1.
 */
struct revolve_sizes {
    uint64_t record_bytes, snapshot_bytes, shell_bytes, inner_bytes;
    double again;
};

/* Steps of a segment whose shells are kept: all but its last part's. */
static inline uint64_t revolve_plan_shells(const struct revolve_plan *plan)
{
    return plan->part && plan->part < plan->segment ? plan->segment - plan->part : 0;
}

/* Whether the state at a segment's beginning must be kept: a single one begins at rest. */
static inline bool revolve_plan_begins(const struct revolve_plan *plan, uint64_t steps)
{
    return plan->segment < steps;
}

/* A plan with shells where it takes less time than *plan (of revolve_plan_make for the same): it
 * then takes its place. plan->forward counts steps done again by what they take. */
void revolve_plan_improve(struct revolve_plan *plan, uint64_t steps,
                          const struct revolve_sizes *sizes, uint64_t budget);

#endif
