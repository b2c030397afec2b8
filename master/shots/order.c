#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "master/shots/order.h"

#define UPDATES_PER_SECOND 1e9
/* A task with files costs the farm some 4 ms of computing; at half a second that is 1 %. */
#define TASK_SECONDS 0.5
/* A task is at most this part of a slot's share of what is left, so that they get smaller towards
 * the end and slots come out even: guided self-scheduling (Polychronopoulos and Kuck 1987,
 * doi:10.1109/TC.1987.5009495), somewhat finer. */
#define TASKS_PER_SLOT 4

int order_costs_init(struct order_costs *costs, size_t count)
{
    *costs = (struct order_costs){.count = count,
                                  .updates = calloc(count + 1, sizeof(double)),
                                  .seconds = calloc(count + 1, sizeof(double))};
    if (!costs->updates || !costs->seconds) {
        order_costs_fini(costs);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        costs->updates[i] = 1;
        costs->seconds[i] = NAN;
    }
    return 0;
}

void order_costs_fini(struct order_costs *costs)
{
    free(costs->updates);
    free(costs->seconds);
    *costs = (struct order_costs){0};
}

double order_estimate(const struct order_costs *costs, size_t shot)
{
    if (!isnan(costs->seconds[shot]))
        return costs->seconds[shot];
    double rate =
        costs->sum_seconds > 0 ? costs->sum_updates / costs->sum_seconds : UPDATES_PER_SECOND;
    return costs->updates[shot] / rate;
}

void order_learn(struct order_costs *costs, const size_t *shots, size_t count, double seconds)
{
    double expected = 0, share;
    if (!(seconds > 0) || isinf(seconds) || count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        expected += order_estimate(costs, shots[i]);
    for (size_t i = 0; i < count; i++) {
        share = expected > 0 ? order_estimate(costs, shots[i]) / expected : 1.0 / (double)count;
        costs->sum_updates += costs->updates[shots[i]];
        costs->seconds[shots[i]] = share * seconds;
    }
    costs->sum_seconds += seconds;
}

struct item {
    size_t shot;
    double cost;
};

/* The costliest first; then by number, so that there is one order. */
static int by_cost(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    if (left->cost != right->cost)
        return left->cost > right->cost ? -1 : 1;
    return left->shot < right->shot ? -1 : left->shot > right->shot;
}

/* Shots may share a task as long as it is no longer than this, when so much is left. */
static double seconds_together(const struct order_wish *wish, double left_seconds)
{
    if (wish->together)
        return INFINITY;
    if (!wish->slots)
        return 0;
    double fair = left_seconds / (double)(wish->slots * TASKS_PER_SLOT);
    return fair < TASK_SECONDS ? fair : TASK_SECONDS;
}

static bool has_room(const struct order_wish *wish, size_t shots)
{
    return (!wish->together || shots < wish->together) && (!wish->most || shots < wish->most);
}

static size_t fill(const struct item *items, size_t count, const struct order_wish *wish,
                   double left_seconds, size_t *sizes)
{
    size_t tasks = 0;
    for (size_t i = 0; i < count; tasks++) {
        double seconds = items[i].cost, limit = seconds_together(wish, left_seconds);
        size_t first = i++;
        while (i < count && has_room(wish, i - first) && seconds + items[i].cost <= limit)
            seconds += items[i++].cost;
        sizes[tasks] = i - first;
        left_seconds -= seconds;
    }
    return tasks;
}

/* The shots as they come, in pieces; the costliest piece first. */
static size_t order_fixed(const struct order_costs *costs, const size_t *shots, size_t count,
                          const struct order_wish *wish, struct item *pieces, size_t *order,
                          size_t *sizes)
{
    size_t piece = wish->together ? wish->together : 1, tasks = 0, at = 0;
    if (wish->most && piece > wish->most)
        piece = wish->most;
    for (size_t i = 0; i < count; i++) {
        if (i % piece == 0)
            pieces[tasks++] = (struct item){.shot = i};
        pieces[tasks - 1].cost += order_estimate(costs, shots[i]);
    }
    qsort(pieces, tasks, sizeof(*pieces), by_cost);
    for (size_t t = 0; t < tasks; t++) {
        size_t first = pieces[t].shot;
        sizes[t] = count - first < piece ? count - first : piece;
        memcpy(order + at, shots + first, sizes[t] * sizeof(*order));
        at += sizes[t];
    }
    return tasks;
}

static size_t order_free(const struct order_costs *costs, const size_t *shots, size_t count,
                         const struct order_wish *wish, struct item *items, size_t *order,
                         size_t *sizes)
{
    double all_seconds = 0;
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct item){.shot = shots[i], .cost = order_estimate(costs, shots[i])};
        all_seconds += items[i].cost;
    }
    qsort(items, count, sizeof(*items), by_cost);
    for (size_t i = 0; i < count; i++)
        order[i] = items[i].shot;
    return fill(items, count, wish, all_seconds, sizes);
}

size_t order_make(const struct order_costs *costs, const size_t *shots, size_t count,
                  const struct order_wish *wish, size_t **ret_shots, size_t **ret_sizes)
{
    struct item *items = calloc(count + 1, sizeof(*items));
    size_t *order = calloc(count + 1, sizeof(*order));
    size_t *sizes = calloc(count + 1, sizeof(*sizes));
    if (!items || !order || !sizes) {
        free(items);
        free(order);
        free(sizes);
        return 0;
    }
    size_t tasks = (wish->fixed ? order_fixed : order_free)(costs, shots, count, wish, items,
                                                            order, sizes);
    free(items);
    *ret_shots = order;
    *ret_sizes = sizes;
    return tasks;
}
