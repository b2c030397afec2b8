/*
 * Reversing l steps with s snapshots, the state before the first among them, costs
 *
 *     t(l, s) = min over m of  m + t(l - m, s - 1) + t(m, s),   t(1, s) = 0,
 *
 * that is: run m steps, keep the state there, reverse what is behind it, return, reverse the m.
 * t is known in closed form and convex in l, so the best m is where the slope of the right side
 * changes its sign, found by halving.
 */
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/seismic/revolve.h"

#define HUGE_COST ((uint64_t)1 << 62)

/* C(s + r, s) for r one larger than that of `binomial`; HUGE_COST where it passes that. */
static uint64_t binomial_grow(uint64_t binomial, uint64_t s, uint64_t r)
{
    unsigned __int128 grown = (unsigned __int128)binomial * (s + r) / r;
    return grown > HUGE_COST ? HUGE_COST : (uint64_t)grown;
}

/* t(l, s), s >= 1 snapshots with the one at the beginning. */
static uint64_t cost_of(uint64_t l, uint64_t s)
{
    uint64_t r = 0, range = 1; /* C(s + r, s) */
    if (l <= 1)
        return 0;
    if (l > HUGE_COST)
        return UINT64_MAX;
    if (s >= l)
        return l - 1;
    if (s == 1) {
        unsigned __int128 cost = (unsigned __int128)l * (l - 1) / 2;
        return cost > HUGE_COST ? UINT64_MAX : (uint64_t)cost;
    }
    while (range < l) {
        r++;
        range = binomial_grow(range, s, r);
    }
    /* C(s + r, r - 1) = C(s + r, s) r / (s + 1) */
    unsigned __int128 less = (unsigned __int128)range * r / (s + 1), cost;
    if (range == HUGE_COST) { /* cut: multiply it up from the other end, r is small then */
        less = 1;
        for (uint64_t i = 1; i < r; i++)
            less = less * (s + 1 + i) / i;
    }
    cost = (unsigned __int128)r * l - less;
    return cost > HUGE_COST ? UINT64_MAX : (uint64_t)cost;
}

uint64_t revolve_advances(uint64_t steps, uint64_t snapshots)
{
    return cost_of(steps, snapshots < UINT64_MAX ? snapshots + 1 : snapshots);
}

static uint64_t split_cost(uint64_t l, uint64_t s, uint64_t m)
{
    return m + cost_of(l - m, s - 1) + cost_of(m, s);
}

/* How far to run from a snapshot before the next is taken: l >= 2 steps lie ahead, s >= 2
 * snapshots with the one at hand. */
static uint64_t split(uint64_t l, uint64_t s)
{
    uint64_t low = 1, high = l - 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (split_cost(l, s, middle) <= split_cost(l, s, middle + 1))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* How often the first of l steps is advanced over before it is turned. */
static uint64_t first_advances(uint64_t l, uint64_t s)
{
    uint64_t count = 0;
    if (s == 1)
        return l - 1;
    for (; l > 1; l = split(l, s))
        count++;
    return count;
}

uint64_t revolve_segments_advances(uint64_t steps, uint64_t segment, uint64_t snapshots)
{
    uint64_t count = revolve_segments(steps, segment);
    uint64_t advances = revolve_advances(count, snapshots);
    if (advances > HUGE_COST / segment)
        return UINT64_MAX;
    uint64_t held = snapshots < count ? snapshots : count - 1, less = count * segment - steps;
    return advances * segment - less * first_advances(count, held + 1);
}

int revolve_init(struct revolve *revolve, uint64_t steps, size_t snapshots,
                 struct error *ret_error)
{
    if (snapshots > steps)
        snapshots = (size_t)steps;
    *revolve = (struct revolve){.end = steps, .snapshots = snapshots};
    revolve->held = calloc(snapshots + 1, sizeof(*revolve->held));
    return revolve->held ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a schedule");
}

void revolve_fini(struct revolve *revolve)
{
    free(revolve->held);
    revolve->held = NULL;
}

static uint64_t last_held(const struct revolve *revolve)
{
    return revolve->held_count ? revolve->held[revolve->held_count - 1] : 0;
}

static struct revolve_move restore(struct revolve *revolve)
{
    while (revolve->held_count && last_held(revolve) >= revolve->end)
        revolve->held_count--;
    revolve->turned = 0;
    revolve->present = last_held(revolve);
    return (struct revolve_move){
        .action = REVOLVE_RESTORE,
        .from = revolve->present,
        .to = revolve->present,
        .slot = revolve->held_count ? revolve->held_count - 1 : SIZE_MAX,
    };
}

static struct revolve_move turn(struct revolve *revolve)
{
    revolve->end--;
    revolve->turned = 1;
    return (struct revolve_move){
        .action = REVOLVE_TURN, .from = revolve->present, .to = revolve->present + 1};
}

struct revolve_move revolve_next(struct revolve *revolve)
{
    uint64_t present = revolve->present;
    size_t left = revolve->snapshots - revolve->held_count;
    if (revolve->end == 0)
        return (struct revolve_move){.action = REVOLVE_END};
    if (revolve->turned)
        return restore(revolve);
    if (present + 1 == revolve->end)
        return turn(revolve);
    if (present != last_held(revolve)) { /* we ran here to keep it, or to the last step */
        revolve->held[revolve->held_count++] = present;
        return (struct revolve_move){.action = REVOLVE_SAVE,
                                     .from = present,
                                     .to = present,
                                     .slot = revolve->held_count - 1};
    }
    uint64_t ahead = revolve->end - present;
    revolve->present = left ? present + split(ahead, left + 1) : revolve->end - 1;
    return (struct revolve_move){
        .action = REVOLVE_ADVANCE, .from = present, .to = revolve->present};
}

/* Segments of this length, with all the snapshots that the rest of the budget holds. */
static struct revolve_plan plan_of(uint64_t segment, uint64_t steps, uint64_t record_bytes,
                                   uint64_t snapshot_bytes, uint64_t budget)
{
    uint64_t count = revolve_segments(steps, segment);
    uint64_t snapshots = (budget - segment * record_bytes) / snapshot_bytes;
    if (snapshots > count - 1)
        snapshots = count - 1;
    uint64_t advances = revolve_segments_advances(steps, segment, snapshots);
    return (struct revolve_plan){
        .segment = segment,
        .snapshots = snapshots,
        .forward = advances > HUGE_COST ? UINT64_MAX : advances + steps,
        .bytes = segment * record_bytes + snapshots * snapshot_bytes,
    };
}

int revolve_plan_make(struct revolve_plan *ret_plan, uint64_t steps, uint64_t record_bytes,
                      uint64_t snapshot_bytes, uint64_t budget, struct error *ret_error)
{
    uint64_t most = budget / record_bytes;
    if (most == 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "a budget of %llu bytes does not hold the %llu bytes that one time "
                         "step of the wavefield needs; give more memory, or a smaller aperture",
                         (unsigned long long)budget, (unsigned long long)record_bytes);
    if (most > steps)
        most = steps;
    struct revolve_plan best = {.forward = UINT64_MAX};
    for (uint64_t segment = most; segment >= 1; segment--) {
        struct revolve_plan plan =
            plan_of(segment, steps, record_bytes, snapshot_bytes, budget);
        if (plan.forward < best.forward)
            best = plan;
    }
    *ret_plan = best;
    return 0;
}

/* Numbers of segments, of whole snapshots and of parts' lengths that are tried: more gain
 * little. */
#define SEGMENTS_MOST  12
#define SNAPSHOTS_MOST 4
#define PARTS_MOST     64

/* Segments of `segment` steps with `snapshots` at their beginnings, in parts of `part`. False: that
 * is more than the budget. */
static bool shells_plan(struct revolve_plan *ret_plan, uint64_t steps,
                        const struct revolve_plan *by, const struct revolve_sizes *sizes,
                        uint64_t budget)
{
    uint64_t count = revolve_segments(steps, by->segment);
    uint64_t parts = revolve_segments(by->segment, by->part);
    uint64_t bytes = by->part * sizes->record_bytes + by->snapshots * sizes->snapshot_bytes +
                     revolve_plan_shells(by) * sizes->shell_bytes;
    if (revolve_plan_begins(by, steps))
        bytes += sizes->inner_bytes;
    if (bytes > budget || parts < 2)
        return false;
    uint64_t inner = (budget - bytes) / sizes->inner_bytes;
    inner = inner < parts - 1 ? inner : parts - 1;
    uint64_t first = steps - (count - 1) * by->segment;
    double whole = (double)revolve_segments_advances(steps, by->segment, by->snapshots);
    double again =
        (double)(count - 1) * (double)revolve_segments_advances(by->segment, by->part, inner) +
        (double)revolve_segments_advances(first, by->part, inner);
    double cost = (double)steps + whole + sizes->again * again;
    *ret_plan = *by;
    ret_plan->inner = inner;
    ret_plan->bytes = bytes + inner * sizes->inner_bytes;
    ret_plan->forward = cost < (double)HUGE_COST ? (uint64_t)ceil(cost) : UINT64_MAX;
    return true;
}

/* All lengths of parts that are tried for the segments and snapshots of `by`. */
static void parts_try(struct revolve_plan *best, uint64_t steps, struct revolve_plan by,
                      const struct revolve_sizes *sizes, uint64_t budget)
{
    uint64_t most = budget / sizes->record_bytes, before = 0;
    most = most < by.segment ? most : by.segment;
    for (uint64_t i = 1; i <= PARTS_MOST; i++) {
        struct revolve_plan plan;
        by.part = i <= PARTS_MOST / 2 ? i : most * (i - PARTS_MOST / 2) * 2 / PARTS_MOST;
        if (by.part <= before || by.part > most)
            continue;
        before = by.part;
        if (shells_plan(&plan, steps, &by, sizes, budget) && plan.forward < best->forward)
            *best = plan;
    }
}

void revolve_plan_improve(struct revolve_plan *plan, uint64_t steps,
                          const struct revolve_sizes *sizes, uint64_t budget)
{
    for (uint64_t count = 1; count <= SEGMENTS_MOST && count < steps; count++) {
        struct revolve_plan by = {.segment = (steps + count - 1) / count};
        for (; by.snapshots < count && by.snapshots <= SNAPSHOTS_MOST; by.snapshots++)
            parts_try(plan, steps, by, sizes, budget);
    }
}
