/*
 * order.h - which shots go into one task, and which task goes first.
 *
 * Longest first: on the shots of a real cloud farm (100 shots, 32 workers) that comes to 92 % of
 * the lower bound, against 85 for first come, first served (Graham 1969, doi:10.1137/0117039: never
 * more than 4/3 - 1/(3 workers) of the best there is). What a shot costs is reckoned in point
 * updates beforehand (shot_cost.h), and learned: shots that have been computed are taken to cost
 * what they cost, others what their updates cost on average.
 *
 * Pure: the same numbers in, the same tasks out.
 */
#ifndef BEOFARM_MASTER_SHOTS_ORDER_H
#define BEOFARM_MASTER_SHOTS_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of the cost of all shots of a survey, for one kind of operation. */
struct order_costs {
    size_t count;
    double *updates;                 /* of each shot, reckoned; above 0 */
    double *seconds;                 /* of each shot, as it was last measured; NaN: never */
    double sum_updates, sum_seconds; /* of those measured, and as often */
};

/* Costs of `count` shots, all of 1 update. 0, or -1 without memory. */
int order_costs_init(struct order_costs *costs, size_t count);
void order_costs_fini(struct order_costs *costs);

/* A task of these shots took so long; its time is shared out by what was expected of each. What is
 * not a time (NaN, 0 or less) teaches nothing. */
void order_learn(struct order_costs *costs, const size_t *shots, size_t count, double seconds);

/* What a shot will take: seconds once something was learned, before that seconds as if a core did
 * 10^9 updates in each. */
double order_estimate(const struct order_costs *costs, size_t shot);

struct order_wish {
    size_t together; /* shots of one task at most; 0: chosen, so that tasks are not too short */
    size_t most;     /* shots of one task whatever `together` says; 0: no limit */
    size_t slots;    /* that there are; 0: not known */
    /* Which shots share a task depends on nothing but the list of them: `together` (0: 1) that
     * follow each other. For sums that are the same to the bit, as a task's arrays are rounded
     * before they count. */
    bool fixed;
};

/* Share `count` shots out among tasks: *ret_shots has them, task by task, the longest task first,
 * and *ret_sizes how many each has. Both are the caller's to free. How many tasks; 0 without
 * memory. */
size_t order_make(const struct order_costs *costs, const size_t *shots, size_t count,
                  const struct order_wish *wish, size_t **ret_shots, size_t **ret_sizes);

#endif
