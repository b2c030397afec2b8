/*
 * The numbers are seconds per shot of the real farm of ServerlessImagingAWS (slimgroup, MIT):
 * bp2004_gradient_100shots_m4.4xlarge_spot_2019-04-04, started to stopped.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/clock.h"
#include "master/scheduler.h"
#include "master/shots/order.h"

#define SHOTS   100
#define WORKERS 32

static const double trace_s[SHOTS] = {
    234, 284, 184, 236, 233, 237, 185, 201, 204, 252, 255, 244, 113, 387, 149, 164, 242,
    185, 278, 221, 220, 84,  380, 226, 237, 242, 259, 236, 238, 290, 232, 233, 238, 220,
    251, 277, 97,  242, 237, 241, 350, 163, 384, 250, 349, 238, 214, 243, 237, 229, 257,
    249, 229, 384, 249, 256, 146, 362, 381, 238, 279, 238, 387, 222, 233, 236, 207, 222,
    365, 235, 246, 364, 246, 253, 155, 235, 46,  233, 252, 176, 244, 218, 238, 61,  134,
    289, 199, 250, 189, 239, 244, 244, 230, 294, 202, 241, 211, 242, 243, 209};

static void all_shots(size_t *shots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        shots[i] = i;
}

static void misuse_is_harmless(void **state)
{
    (void)state;
    struct order_costs costs;
    const size_t shot = 0;
    assert_int_equal(order_costs_init(&costs, 1), 0);
    order_learn(&costs, &shot, 1, NAN);
    order_learn(&costs, &shot, 1, -1);
    order_learn(&costs, &shot, 1, INFINITY);
    order_learn(&costs, &shot, 0, 5);
    assert_true(order_estimate(&costs, 0) == 1e-9);
    order_costs_fini(&costs);
}

/* Where a task's sum is to be the same to the bit, times that were measured must not matter. */
static void tasks_may_depend_on_the_list_alone(void **state)
{
    (void)state;
    struct order_costs costs;
    const struct order_wish wish = {.together = 3, .slots = 7, .fixed = true};
    size_t shots[SHOTS], *order, *sizes;
    all_shots(shots, SHOTS);
    assert_int_equal(order_costs_init(&costs, SHOTS), 0);
    for (size_t i = 0; i < SHOTS; i++)
        order_learn(&costs, &i, 1, trace_s[i]);
    size_t tasks = order_make(&costs, shots, SHOTS, &wish, &order, &sizes), at = 0;
    double before = INFINITY;
    assert_int_equal(tasks, 34);
    for (size_t t = 0; t < tasks; t++) {
        double cost = 0;
        assert_int_equal(order[at] % 3, 0);
        assert_int_equal(sizes[t], order[at] == 99 ? 1 : 3);
        for (size_t i = 0; i < sizes[t]; i++) {
            assert_int_equal(order[at + i], order[at] + i);
            cost += trace_s[order[at + i]];
        }
        assert_true(cost <= before); /* the longest first, all the same */
        before = cost;
        at += sizes[t];
    }
    assert_int_equal(at, SHOTS);
    free(order);
    free(sizes);
    const struct order_wish alone = {.slots = 7, .fixed = true};
    assert_int_equal(order_make(&costs, shots, SHOTS, &alone, &order, &sizes), SHOTS);
    free(order);
    free(sizes);
    order_costs_fini(&costs);
}

/* What is needed at least: the longest shot, or all of them shared out evenly. */
static double lower_bound(const double *seconds)
{
    double sum = 0, most = 0;
    for (int i = 0; i < SHOTS; i++) {
        sum += seconds[i];
        most = seconds[i] > most ? seconds[i] : most;
    }
    return sum / WORKERS > most ? sum / WORKERS : most;
}

/* --- the scheduler, with workers of one slot each --- */

struct running {
    struct attempt_id id;
    double until_s;
    int busy;
};

static void lease(struct running *running, const size_t *order, double now_s,
                  const struct scheduler_action *action)
{
    for (uint32_t i = 0; i < action->count; i++) {
        struct running *worker = &running[action->worker];
        assert_false(worker->busy);
        worker->busy = 1;
        worker->id = action->attempts[i];
        worker->until_s = now_s + trace_s[order[worker->id.task - 1]];
    }
}

/* How long the farm takes for the shots in this order. */
static double farm_run(const size_t *order)
{
    struct scheduler_policy policy = scheduler_policy_default(1);
    policy.duplicates = false;
    struct scheduler *scheduler = scheduler_create(&policy, NULL);
    struct running running[WORKERS + 1] = {0};
    struct scheduler_action action;
    double now_s = 0;
    for (uint32_t w = 1; w <= WORKERS; w++)
        scheduler_worker_joined(scheduler, w, 1, 1, 0, NULL);
    scheduler_add(scheduler, SHOTS, NULL);
    while (scheduler_counts(scheduler).done < SHOTS) {
        int64_t now_ns = (int64_t)(now_s * 1e9);
        while (scheduler_next_action(scheduler, now_ns, &action, NULL) > 0)
            lease(running, order, now_s, &action);
        uint32_t first = 0;
        for (uint32_t w = 1; w <= WORKERS; w++)
            if (running[w].busy && (!first || running[w].until_s < running[first].until_s))
                first = w;
        now_s = running[first].until_s;
        running[first].busy = 0;
        assert_int_equal(scheduler_result(scheduler, first, running[first].id, SCHEDULER_OK, 1,
                                          (int64_t)(now_s * 1e9)),
                         SCHEDULER_ACCEPT);
    }
    scheduler_destroy(scheduler);
    return now_s;
}

static void longest_first_takes_little_longer_than_it_must(void **state)
{
    (void)state;
    struct order_costs costs;
    const struct order_wish wish = {.slots = WORKERS};
    size_t shots[SHOTS], *order, *sizes;
    all_shots(shots, SHOTS);
    assert_int_equal(order_costs_init(&costs, SHOTS), 0);
    for (size_t i = 0; i < SHOTS; i++)
        order_learn(&costs, &i, 1, trace_s[i]);
    assert_int_equal(order_make(&costs, shots, SHOTS, &wish, &order, &sizes), SHOTS);
    double longest_first = lower_bound(trace_s) / farm_run(order);
    double first_come = lower_bound(trace_s) / farm_run(shots);
    assert_true(longest_first >= 0.90); /* 92 per cent by other means */
    assert_true(longest_first > first_come);
    free(order);
    free(sizes);
    order_costs_fini(&costs);
}

/* --- learning --- */

static void what_was_measured_counts_and_the_others_go_by_its_rate(void **state)
{
    (void)state;
    struct order_costs costs;
    const size_t pair[] = {0, 1};
    assert_int_equal(order_costs_init(&costs, 4), 0);
    for (int i = 0; i < 4; i++)
        costs.updates[i] = 1e9 * (i + 1);
    assert_true(order_estimate(&costs, 3) == 4);
    order_learn(&costs, pair, 2, 6); /* 1 and 2: at half the rate */
    assert_true(fabs(order_estimate(&costs, 0) - 2) < 1e-12);
    assert_true(fabs(order_estimate(&costs, 1) - 4) < 1e-12);
    assert_true(fabs(order_estimate(&costs, 3) - 8) < 1e-12);
    order_learn(&costs, pair, 1, 30);
    assert_true(order_estimate(&costs, 0) == 30);
    order_costs_fini(&costs);
}

/* --- sharing out --- */

static void every_shot_is_in_one_task(void **state)
{
    (void)state;
    struct order_costs costs;
    size_t shots[SHOTS], *order, *sizes;
    all_shots(shots, SHOTS);
    assert_int_equal(order_costs_init(&costs, SHOTS), 0);
    for (size_t together = 0; together < 8; together++) {
        const struct order_wish wish = {.together = together, .slots = 4};
        int seen[SHOTS] = {0};
        size_t tasks = order_make(&costs, shots, SHOTS, &wish, &order, &sizes), sum = 0;
        for (size_t i = 0; i < tasks; i++) {
            assert_true(sizes[i] >= 1 && (!together || sizes[i] <= together));
            sum += sizes[i];
        }
        assert_int_equal(sum, SHOTS);
        for (size_t i = 0; i < SHOTS; i++)
            assert_int_equal(seen[order[i]]++, 0);
        free(order);
        free(sizes);
    }
    order_costs_fini(&costs);
}

static void short_shots_share_tasks_but_leave_enough_for_all_slots(void **state)
{
    (void)state;
    struct order_costs costs;
    size_t shots[SHOTS], *order, *sizes;
    const struct order_wish wish = {.slots = 2};
    all_shots(shots, SHOTS);
    assert_int_equal(order_costs_init(&costs, SHOTS), 0);
    for (int i = 0; i < SHOTS; i++)
        costs.updates[i] = 1e7; /* 10 ms */
    /* A second in all for two slots: an eighth of what is left at a time, then one by one. */
    size_t tasks = order_make(&costs, shots, SHOTS, &wish, &order, &sizes);
    assert_in_range(tasks, 16, 34);
    assert_int_equal(sizes[0], 12);
    assert_int_equal(sizes[tasks - 1], 1);
    for (size_t i = 1; i < tasks; i++)
        assert_true(sizes[i] <= sizes[i - 1]);
    free(order);
    free(sizes);
    for (int i = 0; i < SHOTS; i++)
        costs.updates[i] = 1e9;
    assert_int_equal(order_make(&costs, shots, SHOTS, &wish, &order, &sizes), SHOTS);
    free(order);
    free(sizes);
    order_costs_fini(&costs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misuse_is_harmless),
        cmocka_unit_test(tasks_may_depend_on_the_list_alone),
        cmocka_unit_test(longest_first_takes_little_longer_than_it_must),
        cmocka_unit_test(what_was_measured_counts_and_the_others_go_by_its_rate),
        cmocka_unit_test(every_shot_is_in_one_task),
        cmocka_unit_test(short_shots_share_tasks_but_leave_enough_for_all_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
