/*
 * What a shot costs: bounds that plans rely on, and the choice of a method.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/seismic/shot_cost.h"

static const struct shot_shape shape_2d = {
    .dims = 2,
    .n = {400, 1, 200},
    .physics = SURVEY_ACOUSTIC,
    .space_order = 8,
    .absorbing_points = 20,
    .steps = 2000,
    .traces = 100,
    .samples = 500,
    .subsampling = 1,
};

static struct shot_cost cost_of(const struct shot_shape *shape, enum survey_operation operation,
                                const struct shot_wish *wish)
{
    struct shot_cost cost;
    struct error error;
    if (shot_cost_make(&cost, shape, operation, wish, &error) < 0)
        fail_msg("%s", error.text);
    return cost;
}

static void a_limit_below_the_model_itself_is_a_sentence(void **state)
{
    (void)state;
    struct shot_cost cost;
    struct error error;
    const struct shot_wish wish = {.limit_bytes = 1 << 20};
    assert_int_equal(shot_cost_make(&cost, &shape_2d, SURVEY_MODEL, &wish, &error), -1);
    assert_non_null(strstr(error.text, "105600 points"));
}

static void methods_that_do_not_fit_are_refused_by_name(void **state)
{
    (void)state;
    static const int methods[] = {SURVEY_MEMORY_FULL, SURVEY_MEMORY_CHECKPOINTS,
                                  SURVEY_MEMORY_BOUNDARY, SURVEY_MEMORY_FOURIER};
    for (int i = 0; i < 4; i++) {
        struct shot_cost cost;
        struct error error;
        const struct shot_wish wish = {
            .method = methods[i], .budget_bytes = 1000, .frequency_count = 10};
        bool spills = methods[i] == SURVEY_MEMORY_FULL || methods[i] == SURVEY_MEMORY_BOUNDARY;
        assert_int_equal(shot_cost_make(&cost, &shape_2d, SURVEY_GRADIENT, &wish, &error), -1);
        assert_non_null(
            strstr(error.text, "1000 bytes") || strstr(error.text, "GB") ? error.text : NULL);
        assert_int_equal(strstr(error.text, "spill") != NULL, spills);
    }
}

static void only_what_walks_backwards_has_a_history(void **state)
{
    (void)state;
    const struct shot_wish wish = {0};
    assert_int_equal(cost_of(&shape_2d, SURVEY_MODEL, &wish).history_bytes, 0);
    assert_int_equal(cost_of(&shape_2d, SURVEY_BORN, &wish).history_bytes, 0);
    assert_true(cost_of(&shape_2d, SURVEY_RTM, &wish).history_bytes > 0);
    struct shot_cost gradient = cost_of(&shape_2d, SURVEY_GRADIENT, &wish);
    struct shot_cost fwi = cost_of(&shape_2d, SURVEY_FWI, &wish);
    assert_true(gradient.history_bytes == fwi.history_bytes);
    assert_int_equal(gradient.method, SURVEY_MEMORY_FULL);
    assert_int_equal(gradient.history_bytes, (uint64_t)400 * 200 * 4 * 2000);
}

static void less_memory_costs_more_steps_and_never_passes_the_limit(void **state)
{
    (void)state;
    double before = 0;
    struct shot_wish wish = {.exact = true};
    struct shot_cost free_of_limits = cost_of(&shape_2d, SURVEY_GRADIENT, &wish);
    uint64_t fixed = free_of_limits.bytes - free_of_limits.history_bytes;
    for (uint64_t part = 1; part < 300; part *= 2) {
        wish.limit_bytes = fixed + free_of_limits.history_bytes / part;
        struct shot_cost cost = cost_of(&shape_2d, SURVEY_GRADIENT, &wish);
        assert_true(cost.bytes <= wish.limit_bytes);
        assert_true(cost.updates >= before);
        before = cost.updates;
        assert_int_equal(cost.method,
                         part == 1 ? SURVEY_MEMORY_FULL : SURVEY_MEMORY_CHECKPOINTS);
    }
}

static void boundaries_are_saved_where_that_needs_fewer_steps(void **state)
{
    (void)state;
    struct shot_wish wish = {.budget_bytes = 45u << 20};
    struct shot_cost cost = cost_of(&shape_2d, SURVEY_GRADIENT, &wish);
    /* 2000 steps of 4 points around 400 x 200 are 39 MB; checkpoints would need more than two
     * runs */
    assert_int_equal(cost.method, SURVEY_MEMORY_BOUNDARY);
    wish.exact = true;
    assert_int_equal(cost_of(&shape_2d, SURVEY_GRADIENT, &wish).method,
                     SURVEY_MEMORY_CHECKPOINTS);
}

/* A quarter of what everything needs is the memory that a gradient's time is promised for: there
 * boundaries take less time, in 2-D of all waves; with more than that, checkpoints. */
static void in_a_quarter_of_the_storage_what_takes_less_time_is_taken(void **state)
{
    (void)state;
    uint64_t full = (uint64_t)400 * 200 * 4 * 2000;
    struct shot_shape shape = shape_2d;
    struct shot_wish wish = {.budget_bytes = full / 4};
    assert_int_equal(cost_of(&shape, SURVEY_GRADIENT, &wish).method, SURVEY_MEMORY_BOUNDARY);
    shape.physics = SURVEY_VTI; /* which keeps two fields */
    wish.budget_bytes = full / 4 * 2;
    assert_int_equal(cost_of(&shape, SURVEY_GRADIENT, &wish).method, SURVEY_MEMORY_BOUNDARY);
    shape.physics = SURVEY_DENSITY;
    wish.budget_bytes = full / 4;
    assert_int_equal(cost_of(&shape, SURVEY_GRADIENT, &wish).method, SURVEY_MEMORY_BOUNDARY);
    wish.budget_bytes = full / 10 * 9;
    assert_int_equal(cost_of(&shape, SURVEY_GRADIENT, &wish).method, SURVEY_MEMORY_CHECKPOINTS);
    shape.physics = SURVEY_VTI;
    shape.n[GRID_X] *= 6;
    wish.budget_bytes = full / 4 * 2 * 6;
    assert_int_equal(cost_of(&shape, SURVEY_GRADIENT, &wish).method, SURVEY_MEMORY_BOUNDARY);
}

/* In 3-D six faces of 4 points are a quarter of 96 points. */
static void what_is_reckoned_of_a_boundary_is_what_is_kept(void **state)
{
    (void)state;
    struct shot_shape shape = shape_2d;
    shape.dims = 3;
    shape.n[0] = shape.n[1] = shape.n[2] = 96;
    struct shot_wish wish = {.method = SURVEY_MEMORY_BOUNDARY,
                             .budget_bytes = (uint64_t)96 * 96 * 96 * 4 * 2000 / 4};
    struct shot_cost cost = cost_of(&shape, SURVEY_GRADIENT, &wish);
    assert_int_equal(cost.method, SURVEY_MEMORY_BOUNDARY);
    assert_int_equal(cost.history_bytes, wish.budget_bytes);
}

/* Around 80 points each way density's boundaries are more than half of what everything needs. */
static void boundaries_that_do_not_fit_are_kept_by_segments(void **state)
{
    (void)state;
    char text[200];
    struct shot_shape shape = shape_2d;
    shape.dims = 3;
    shape.n[0] = shape.n[1] = shape.n[2] = 80;
    shape.physics = SURVEY_DENSITY;
    shape.steps = 60;
    uint64_t faces = (uint64_t)6 * 7 * 80 * 80 * 4;
    struct shot_wish wish = {.budget_bytes = (uint64_t)80 * 80 * 80 * 4 * 60 / 4};
    struct shot_cost cost = cost_of(&shape, SURVEY_GRADIENT, &wish);
    assert_int_equal(cost.method, SURVEY_MEMORY_BOUNDARY);
    assert_int_equal(cost.plan.segment, wish.budget_bytes / faces);
    assert_int_equal(cost.history_bytes, cost.plan.segment * faces);
    shot_cost_print(&cost, &shape, text, sizeof(text));
    assert_non_null(strstr(text, "boundary of 0 states and segments of 28 steps, "));
    wish.method = SURVEY_MEMORY_BOUNDARY;
    assert_true(cost_of(&shape, SURVEY_GRADIENT, &wish).plan.forward == cost.plan.forward);
    wish.budget_bytes = 60 * faces;
    cost = cost_of(&shape, SURVEY_GRADIENT, &wish);
    assert_int_equal(cost.plan.segment, 60);
    shot_cost_print(&cost, &shape, text, sizeof(text));
    assert_non_null(strstr(text, "boundary, "));
}

/* So much less memory that segments begin at whole states, with steps between images, too. */
static void boundaries_stay_within_any_limit(void **state)
{
    (void)state;
    struct shot_shape shape = shape_2d;
    struct shot_wish wish = {.method = SURVEY_MEMORY_BOUNDARY};
    for (shape.subsampling = 1; shape.subsampling <= 3; shape.subsampling += 2) {
        wish.limit_bytes = 0;
        struct shot_cost all = cost_of(&shape, SURVEY_GRADIENT, &wish);
        uint64_t before = all.plan.forward, states = 0;
        for (uint64_t part = 1; part < 300; part *= 2) {
            wish.limit_bytes = all.bytes - all.history_bytes + all.history_bytes / part;
            struct shot_cost cost = cost_of(&shape, SURVEY_GRADIENT, &wish);
            assert_true(cost.bytes <= wish.limit_bytes && cost.disk_bytes == 0);
            assert_true(cost.plan.forward >= before);
            before = cost.plan.forward;
            states += cost.plan.snapshots;
        }
        assert_true(states > 0);
    }
}

static void what_is_spilled_is_on_disk_and_not_in_memory(void **state)
{
    (void)state;
    const struct shot_wish wish = {.budget_bytes = 10 << 20, .spill = true};
    struct shot_cost cost = cost_of(&shape_2d, SURVEY_GRADIENT, &wish);
    assert_int_equal(cost.method, SURVEY_MEMORY_FULL);
    assert_int_equal(cost.history_bytes, 10 << 20);
    assert_int_equal(cost.history_bytes + cost.disk_bytes, (uint64_t)400 * 200 * 4 * 2000);
}

static void steps_on_their_way_to_a_disk_are_reckoned(void **state)
{
    (void)state;
    struct shot_shape shape = shape_2d;
    shape.subsampling = 40;
    struct shot_wish wish = {.method = SURVEY_MEMORY_BOUNDARY};
    struct shot_cost held = cost_of(&shape, SURVEY_GRADIENT, &wish);
    wish.spill = true;
    wish.budget_bytes = 1 << 20;
    struct shot_cost spilled = cost_of(&shape, SURVEY_GRADIENT, &wish);
    assert_int_equal(spilled.history_bytes, 1 << 20);
    assert_int_equal(spilled.bytes - spilled.history_bytes - (held.bytes - held.history_bytes),
                     held.history_bytes / shape.steps * SHOT_PIECE * 40);
}

static void the_printed_choice_names_method_and_bytes(void **state)
{
    (void)state;
    char text[200];
    const struct shot_wish wish = {.budget_bytes = 150 << 20, .exact = true};
    struct shot_cost cost = cost_of(&shape_2d, SURVEY_GRADIENT, &wish);
    shot_cost_print(&cost, &shape_2d, text, sizeof(text));
    assert_non_null(strstr(text, "checkpoints of "));
    assert_non_null(strstr(text, "MB in memory"));
    assert_null(strstr(text, "imaged"));
    struct shot_shape shape = shape_2d;
    shape.subsampling = 3;
    cost = cost_of(&shape, SURVEY_GRADIENT, &wish);
    shot_cost_print(&cost, &shape, text, sizeof(text));
    assert_non_null(strstr(text, ", 1 step in 3 imaged, "));
}

static void a_free_surface_has_no_layer_on_top(void **state)
{
    (void)state;
    struct shot_shape shape = shape_2d;
    assert_int_equal(shot_padded_points(&shape), 440 * 240);
    shape.free_surface = true;
    assert_int_equal(shot_padded_points(&shape), 440 * 220);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_below_the_model_itself_is_a_sentence),
        cmocka_unit_test(methods_that_do_not_fit_are_refused_by_name),
        cmocka_unit_test(only_what_walks_backwards_has_a_history),
        cmocka_unit_test(less_memory_costs_more_steps_and_never_passes_the_limit),
        cmocka_unit_test(boundaries_are_saved_where_that_needs_fewer_steps),
        cmocka_unit_test(in_a_quarter_of_the_storage_what_takes_less_time_is_taken),
        cmocka_unit_test(what_is_reckoned_of_a_boundary_is_what_is_kept),
        cmocka_unit_test(boundaries_that_do_not_fit_are_kept_by_segments),
        cmocka_unit_test(boundaries_stay_within_any_limit),
        cmocka_unit_test(what_is_spilled_is_on_disk_and_not_in_memory),
        cmocka_unit_test(steps_on_their_way_to_a_disk_are_reckoned),
        cmocka_unit_test(the_printed_choice_names_method_and_bytes),
        cmocka_unit_test(a_free_surface_has_no_layer_on_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
