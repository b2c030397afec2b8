/*
 * A schedule is right if every step is turned once, last first, from the state that lies before
 * it; and good if it advances no more than the least that any schedule needs, which is found here
 * by trying all of them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/seismic/revolve.h"

#define STEPS_MOST 40
#define SLOTS_MOST 6

/* The definition: least[l][s] steps to reverse l with s snapshots, the first state among them. */
static uint64_t least[STEPS_MOST + 1][SLOTS_MOST + 2];

static void fill_least(void)
{
    for (unsigned s = 1; s <= SLOTS_MOST + 1; s++) {
        least[1][s] = 0;
        for (unsigned l = 2; l <= STEPS_MOST; l++) {
            uint64_t best = (uint64_t)l * (l - 1) / 2;
            for (unsigned m = 1; s > 1 && m < l; m++) {
                uint64_t cost = m + least[l - m][s - 1] + least[m][s];
                if (cost < best)
                    best = cost;
            }
            least[l][s] = best;
        }
    }
}

static void the_closed_form_is_the_least_over_all_schedules(void **state)
{
    (void)state;
    fill_least();
    for (unsigned l = 1; l <= STEPS_MOST; l++)
        for (unsigned s = 1; s <= SLOTS_MOST + 1; s++)
            assert_int_equal(revolve_advances(l, s - 1), least[l][s]);
}

static void numbers_beyond_all_measure_do_not_wrap(void **state)
{
    (void)state;
    assert_true(revolve_advances(UINT64_MAX / 2, 0) == UINT64_MAX);
    assert_int_equal(revolve_advances(1000000, 999999), 999999);
    assert_int_equal(revolve_advances(1000000, UINT64_MAX), 999999);
    assert_true(revolve_advances(1 << 20, 40) < (uint64_t)5 << 20);
}

/* Walk through a schedule as a program would that keeps only positions; returns the advances. */
static uint64_t walk(uint64_t steps, size_t snapshots)
{
    uint64_t slots[SLOTS_MOST + 1], present = 0, advances = 0, turned = steps;
    struct revolve revolve;
    assert_int_equal(revolve_init(&revolve, steps, snapshots, NULL), 0);
    memset(slots, 0xff, sizeof(slots));
    for (;;) {
        struct revolve_move move = revolve_next(&revolve);
        if (move.action == REVOLVE_END)
            break;
        if (move.action == REVOLVE_RESTORE) {
            assert_true(move.slot == SIZE_MAX || move.slot < snapshots);
            present = move.slot == SIZE_MAX ? 0 : slots[move.slot];
            assert_int_equal(present, move.from);
            continue;
        }
        assert_int_equal(move.from, present);
        if (move.action == REVOLVE_ADVANCE) {
            assert_true(move.to > move.from && move.to < steps);
            advances += move.to - move.from;
            present = move.to;
        } else if (move.action == REVOLVE_SAVE) {
            assert_true(move.slot < snapshots);
            slots[move.slot] = present;
        } else {
            assert_int_equal(move.from, --turned);
            present = UINT64_MAX;
        }
    }
    assert_int_equal(turned, 0);
    revolve_fini(&revolve);
    return advances;
}

static void every_step_is_turned_once_with_the_fewest_advances(void **state)
{
    (void)state;
    for (uint64_t steps = 1; steps <= STEPS_MOST; steps++)
        for (size_t snapshots = 0; snapshots <= SLOTS_MOST; snapshots++)
            assert_int_equal(walk(steps, snapshots), revolve_advances(steps, snapshots));
    assert_int_equal(walk(5000, 5), revolve_advances(5000, 5));
}

static void a_budget_for_no_record_is_refused_with_a_sentence(void **state)
{
    (void)state;
    struct revolve_plan plan;
    struct error error;
    assert_int_equal(revolve_plan_make(&plan, 100, 1000, 2000, 999, &error), -1);
    assert_non_null(strstr(error.text, "999 bytes"));
}

static void a_plan_stays_within_its_budget_and_uses_all_it_can(void **state)
{
    (void)state;
    struct revolve_plan plan;
    assert_int_equal(revolve_plan_make(&plan, 100, 10, 20, 1000, NULL), 0);
    assert_int_equal(plan.segment, 100);
    assert_int_equal(plan.snapshots, 0);
    assert_int_equal(plan.forward, 100);
    uint64_t before = UINT64_MAX;
    for (uint64_t budget = 10; budget < 1100; budget += 7) {
        assert_int_equal(revolve_plan_make(&plan, 100, 10, 20, budget, NULL), 0);
        assert_true(plan.bytes <= budget);
        assert_true(plan.forward <= before);
        before = plan.forward;
    }
}

static void a_quarter_of_the_storage_costs_less_than_a_second_run(void **state)
{
    (void)state;
    struct revolve_plan plan;
    /* a state is two fields, a record one */
    assert_int_equal(revolve_plan_make(&plan, 2000, 4, 8, 2000, NULL), 0);
    assert_true(plan.forward < 2 * 2000);
}

/* Steps that a schedule goes over, segments being as long as they are. */
static uint64_t walk_segments(uint64_t steps, uint64_t segment, size_t snapshots)
{
    uint64_t count = revolve_segments(steps, segment), advances = 0;
    struct revolve revolve;
    assert_int_equal(revolve_init(&revolve, count, snapshots, NULL), 0);
    for (;;) {
        struct revolve_move move = revolve_next(&revolve);
        if (move.action == REVOLVE_END)
            break;
        if (move.action == REVOLVE_ADVANCE)
            advances += revolve_begin(move.to, segment, steps) -
                        revolve_begin(move.from, segment, steps);
    }
    revolve_fini(&revolve);
    return advances;
}

static void a_shorter_segment_comes_first_and_is_reckoned(void **state)
{
    (void)state;
    assert_int_equal(revolve_begin(0, 28, 60), 0);
    assert_int_equal(revolve_begin(1, 28, 60), 4);
    assert_int_equal(revolve_begin(3, 28, 60), 60);
    assert_int_equal(revolve_begin(1, 100, 60), 60);
    assert_int_equal(revolve_segments_advances(60, 28, 0), 32 + 4);
    for (uint64_t steps = 1; steps < 90; steps += 8)
        for (uint64_t segment = 1; segment <= steps + 2; segment++)
            for (size_t snapshots = 0; snapshots < 5; snapshots++)
                assert_int_equal(revolve_segments_advances(steps, segment, snapshots),
                                 walk_segments(steps, segment, snapshots));
    assert_true(revolve_segments_advances(UINT64_MAX / 2, 2, 0) == UINT64_MAX);
}

/* Records and states of a cube of 100 points with 20 around, in 400 steps; times by four of
 * them. */
static const struct revolve_sizes cube = {.record_bytes = 400,
                                          .snapshot_bytes = 4300,
                                          .shell_bytes = 96,
                                          .inner_bytes = 800,
                                          .again = 0.3};

static void shells_make_a_plan_cheaper_within_its_budget(void **state)
{
    (void)state;
    int improved = 0;
    double before = INFINITY;
    for (uint64_t budget = 2000; budget < 400 * 410; budget += 1999) {
        struct revolve_plan plain, plan;
        assert_int_equal(revolve_plan_make(&plain, 400, 400, 4300, budget, NULL), 0);
        plan = plain;
        revolve_plan_improve(&plan, 400, &cube, budget);
        assert_true(plan.forward <= plain.forward);
        assert_true(plan.bytes <= budget);
        uint64_t kept = plan.part ? plan.part : plan.segment;
        assert_int_equal(
            plan.bytes,
            kept * 400 + plan.snapshots * 4300 + revolve_plan_shells(&plan) * 96 +
                (plan.part ? (plan.inner + revolve_plan_begins(&plan, 400)) * 800 : 0));
        assert_true(!plan.part || plan.part < plan.segment);
        assert_true((double)plan.forward <= 1.1 * before); /* not all lengths are tried */
        before = (double)plan.forward;
        improved += plan.part > 0;
    }
    assert_true(improved > 20);
}

static void a_quarter_of_a_cube_costs_less_than_four_fifths_of_a_run(void **state)
{
    (void)state;
    struct revolve_plan plan;
    assert_int_equal(revolve_plan_make(&plan, 400, 400, 4300, 40000, NULL), 0);
    revolve_plan_improve(&plan, 400, &cube, 40000);
    assert_true(plan.part > 0);
    assert_true(plan.forward < 720);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shorter_segment_comes_first_and_is_reckoned),
        cmocka_unit_test(a_budget_for_no_record_is_refused_with_a_sentence),
        cmocka_unit_test(numbers_beyond_all_measure_do_not_wrap),
        cmocka_unit_test(the_closed_form_is_the_least_over_all_schedules),
        cmocka_unit_test(every_step_is_turned_once_with_the_fewest_advances),
        cmocka_unit_test(a_plan_stays_within_its_budget_and_uses_all_it_can),
        cmocka_unit_test(a_quarter_of_the_storage_costs_less_than_a_second_run),
        cmocka_unit_test(shells_make_a_plan_cheaper_within_its_budget),
        cmocka_unit_test(a_quarter_of_a_cube_costs_less_than_four_fifths_of_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
