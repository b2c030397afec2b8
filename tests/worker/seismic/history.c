/*
 * However the wavefield is kept, the gradient is the same: to the bit where nothing is rounded, and
 * within a stated tolerance where something is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/seismic/shot_cost.h"
#include "tests/worker/seismic/ground.h"
#include "worker/seismic/vault.h"

enum { STEPS = 131 }; /* no multiple of a piece or segment */
#ifdef __SANITIZE_ADDRESS__
enum {
    CHECKPOINTS_FROM = 3
}; /* a record at every step costs 9000 steps, which take a minute */
#else
enum { CHECKPOINTS_FROM = 1 };
#endif

static const struct ground_case which = {.physics = "acoustic",
                                         .dims = 2,
                                         .order = 8,
                                         .absorb = 8,
                                         .free_surface = true,
                                         .threads = 2};

static struct bench bench;
static wave_real *data, *image, *reference;
static size_t rows;

static void shot_open(const struct ground_case *ground)
{
    bench_open(&bench, ground, STEPS);
    rows = STEPS * bench.receiver_count;
    data = calloc(rows, sizeof(*data));
    image = calloc(2 * bench.points, sizeof(*image));
    reference = image ? image + bench.points : NULL;
}

static void shot_close(void)
{
    bench_close(&bench);
    free(data);
    free(image);
}

static int setup(void **state)
{
    (void)state;
    shot_open(&which);
    return data && image ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    shot_close();
    return 0;
}

/* operators_residual: the data themselves, which must be complete when asked for. */
static int keep(void *context, wave_real *values, struct error *ret_error)
{
    size_t *calls = context;
    (void)ret_error;
    ++*calls;
    assert_true(values[rows - 1] != 0);
    return 0;
}

static void run(const struct history_options *options, wave_real *ret_image)
{
    struct operators operators = bench.operators;
    struct error error;
    size_t calls = 0;
    operators.history = *options;
    memset(ret_image, 0, bench.points * sizeof(*ret_image));
    memset(data, 0, rows * sizeof(*data));
    if (operators_image(&operators, bench.source, keep, &calls, data, ret_image, NULL, &error) <
        0)
        fail_msg("%s", error.text);
    assert_int_equal(calls, 1);
}

static struct history_options full(size_t every)
{
    return (struct history_options){
        .method = SURVEY_MEMORY_FULL, .every = every, .memory_bytes = UINT64_MAX};
}

/* |a - b| / |b| */
static double distance(const wave_real *a, const wave_real *b, size_t points)
{
    double sum = 0, size = 0;
    for (size_t i = 0; i < points; i++) {
        double difference = (double)a[i] - (double)b[i];
        sum += difference * difference;
        size += (double)b[i] * (double)b[i];
    }
    assert_true(size > 0 && isfinite(size));
    return sqrt(sum / size);
}

static double apart(void)
{
    return distance(image, reference, bench.points);
}

static void equal_to_the_bit(void)
{
    assert_memory_equal(image, reference, bench.points * sizeof(*image));
}

static struct history_options checkpoints(size_t every, uint64_t budget)
{
    struct history_options options = {.method = SURVEY_MEMORY_CHECKPOINTS, .every = every};
    uint64_t record = bench.wave->snapshot_size * sizeof(wave_real);
    assert_int_equal(revolve_plan_make(&options.plan, (STEPS + every - 1) / every, record,
                                       bench.wave->state_bytes, budget, NULL),
                     0);
    return options;
}

static void checkpointed_and_stored_gradients_are_equal_to_the_bit(void **state)
{
    (void)state;
    uint64_t record = bench.wave->snapshot_size * sizeof(wave_real);
    const uint64_t budgets[] = {record, 5 * record, STEPS / 4 * record, STEPS / 2 * record,
                                1000 * record};
    for (size_t every = CHECKPOINTS_FROM; every <= 3; every += 2) {
        struct history_options options = full(every);
        run(&options, reference);
        for (size_t i = 0; i < sizeof(budgets) / sizeof(*budgets); i++) {
            /* the first is one record and no snapshot: every step from the beginning again */
            options = checkpoints(every, budgets[i]);
            run(&options, image);
            equal_to_the_bit();
        }
    }
}

/* Shells and states of the medium's grid: chunks, states between them, parts and states within. */
static void gradients_of_steps_run_again_are_equal_to_the_bit(void **state)
{
    (void)state;
    static const struct revolve_plan plans[] = {
        {.segment = 131, .part = 10, .inner = 12}, {.segment = 131, .part = 50, .inner = 0},
        {.segment = 66, .part = 7, .inner = 3},    {.segment = 40, .snapshots = 2, .part = 13},
        {.segment = 1000, .part = 33, .inner = 1}, {.segment = 2, .snapshots = 9, .part = 1},
    };
    for (size_t every = 1; every <= 3; every += 2) {
        struct history_options options = full(every);
        run(&options, reference);
        for (size_t i = 0; i < sizeof(plans) / sizeof(*plans); i++) {
            options = (struct history_options){
                .method = SURVEY_MEMORY_CHECKPOINTS, .every = every, .plan = plans[i]};
            run(&options, image);
            equal_to_the_bit();
        }
    }
}

static void spilled_and_stored_gradients_are_equal_to_the_bit(void **state)
{
    (void)state;
    uint64_t record = bench.wave->snapshot_size * sizeof(wave_real);
    struct history_options options = full(1);
    run(&options, reference);
    options.spill_dir = "/tmp";
    for (int part = 0; part <= 2; part++) {
        options.memory_bytes = (uint64_t)part * STEPS / 2 * record;
        run(&options, image);
        equal_to_the_bit();
    }
}

static void packed_gradients_are_near_and_do_not_depend_on_the_budget(void **state)
{
    (void)state;
    struct history_options options = full(1);
    run(&options, reference);
    options.pack = true;
    run(&options, image);
    double off = apart();
    assert_true(off > 0 && off < 1e-3); /* 2^-16 of the largest of 64 neighbours, summed up */
    memcpy(reference, image, bench.points * sizeof(*image));
    options.spill_dir = "/tmp";
    options.memory_bytes = 10 * vault_item_bytes(bench.wave->snapshot_size, true);
    run(&options, image);
    equal_to_the_bit();
    options = checkpoints(1, 20 * bench.wave->state_bytes);
    options.pack = true;
    run(&options, image);
    equal_to_the_bit();
}

static void saved_boundaries_give_the_same_gradient_but_for_rounding(void **state)
{
    (void)state;
    for (size_t every = 1; every <= 2; every++) {
        struct history_options options = full(every);
        run(&options, reference);
        options.method = SURVEY_MEMORY_BOUNDARY;
        run(&options, image);
        /* The run backwards rounds anew in each of 131 steps. */
        assert_true(apart() < (sizeof(wave_real) == 8 ? 1e-11 : 1e-3));
        memcpy(reference, image, bench.points * sizeof(*image));
        options.spill_dir = "/tmp";
        options.memory_bytes = 40 * bench.wave->shell_size * sizeof(wave_real);
        run(&options, image);
        equal_to_the_bit();
    }
}

/* The image of a run, which the caller frees: it outlives the shot. */
static wave_real *run_apart(const struct history_options *options)
{
    run(options, image);
    wave_real *copy = calloc(bench.points, sizeof(*copy));
    assert_non_null(copy);
    return memcpy(copy, image, bench.points * sizeof(*image));
}

/* From rest and from states, in memory and beside a disk. */
static void boundaries_of_one_segment_at_a_time_give_it_too(void **state)
{
    (void)state;
    static const struct revolve_plan plans[] = {
        {.segment = 30}, {.segment = 17, .snapshots = 2}, {.segment = 1, .snapshots = 9}};
    for (size_t every = 1; every <= 3; every += 2) {
        struct history_options options = full(every);
        run(&options, reference);
        for (size_t i = 0; i < sizeof(plans) / sizeof(*plans); i++) {
            options = full(every);
            options.method = SURVEY_MEMORY_BOUNDARY;
            options.plan = plans[i];
            wave_real *held = run_apart(&options);
            assert_true(apart() < (sizeof(wave_real) == 8 ? 1e-11 : 1e-3));
            options.spill_dir = "/tmp";
            options.memory_bytes = 5 * bench.wave->shell_size * sizeof(wave_real);
            run(&options, image);
            assert_memory_equal(image, held, bench.points * sizeof(*image));
            free(held);
        }
    }
}

/* The gradient of a case with boundaries, which the caller frees, and how many steps waves take
 * together. */
static wave_real *boundary_run(const struct ground_case *ground, size_t *ret_together)
{
    struct history_options options = full(1);
    options.method = SURVEY_MEMORY_BOUNDARY;
    shot_open(ground);
    *ret_together = bench.wave->both_steps;
    wave_real *copy = run_apart(&options);
    shot_close();
    return copy;
}

/* The gradient of a case, whose waves are taken together, is `one` with more threads and other
 * caches, too. */
static void more_threads_change_no_bit(struct ground_case ground, const wave_real *one,
                                       size_t points)
{
    size_t together;
    for (ground.threads = 2; ground.threads <= 7; ground.threads++) {
        wave_real *more = boundary_run(&ground, &together); /* most have too few planes */
        assert_true(together > 1);
        assert_memory_equal(more, one, points * sizeof(*one));
        free(more);
        setenv("BEOFARM_CACHE", ground.threads % 2 ? "1" : "250000", 1);
        more = boundary_run(&ground, &together);
        assert_true(together > 1);
        assert_memory_equal(more, one, points * sizeof(*one));
        unsetenv("BEOFARM_CACHE");
        free(more);
    }
}

/* Waves are, unless a step is to be a pass. Sources add to the image by themselves then, and
 * compilers round products at a row's end in ways of their own. */
static void gradients_of_waves_taken_together_are_equal_but_for_rounding(void **state)
{
    (void)state;
    static const char *const physics[] = {"acoustic", "vti"};
    size_t together, points = bench.points;
    shot_close();
    for (int i = 0; i < 4; i++) {
        struct ground_case ground = which;
        ground.physics = physics[i / 2];
        ground.order = i % 2 ? 8 : 4;
        ground.threads = 1;
        ground.time_block = 1;
        wave_real *alone = boundary_run(&ground, &together);
        assert_int_equal(together, 0);
        ground.time_block = 0;
        wave_real *one = boundary_run(&ground, &together);
        assert_true(together > 1);
        assert_true(distance(one, alone, points) < (sizeof(wave_real) == 8 ? 1e-14 : 1e-6));
        more_threads_change_no_bit(ground, one, points);
        free(alone);
        free(one);
    }
    shot_open(&which);
}

/* In passes of one step, and of several of planes that threads have for themselves, of which two
 * have enough for two. */
static void steps_that_share_a_pass_change_no_bit_of_a_gradient(void **state)
{
    (void)state;
    static const char *const physics[] = {"acoustic", "vti"};
    shot_close();
    for (int i = 0; i < 4; i++) {
        struct ground_case ground = {physics[i / 2], 2, 4, 8, true, 1 + i % 2, 1};
        struct history_options options = full(1);
        shot_open(&ground);
        wave_real *alone = run_apart(&options);
        shot_close();
        ground.time_block = i % 2 ? 2 : 5;
        setenv("BEOFARM_CACHE", "1", 1); /* too small for snapshots: they go past it */
        shot_open(&ground);
        run(&options, image);
        assert_memory_equal(image, alone, bench.points * sizeof(*image));
        options.method = SURVEY_MEMORY_CHECKPOINTS;
        options.plan = (struct revolve_plan){.segment = 70, .part = 17, .inner = 1};
        run(&options, image);
        assert_memory_equal(image, alone, bench.points * sizeof(*image));
        unsetenv("BEOFARM_CACHE");
        free(alone);
        shot_close();
    }
    shot_open(&which);
}

/* Boundaries, and steps run again, of all physics: stencils reach beyond the model by different
 * numbers. */
static void every_physics_goes_back_without_its_layers(void **state)
{
    (void)state;
    static const struct ground_case grounds[] = {
        {"density", 2, 8, 8, true, 2, 0}, {"density", 3, 4, 5, false, 2, 0},
        {"vti", 2, 8, 8, true, 2, 0},     {"tti", 2, 8, 10, true, 2, 0},
        {"tti", 3, 4, 6, false, 2, 0},    {"tti", 3, 8, 5, true, 2, 0},
    };
    shot_close();
    for (size_t i = 0; i < sizeof(grounds) / sizeof(*grounds); i++) {
        shot_open(&grounds[i]);
        struct history_options options = full(1);
        run(&options, reference);
        options.method = SURVEY_MEMORY_CHECKPOINTS;
        options.plan = (struct revolve_plan){.segment = 70, .part = 17, .inner = 1};
        run(&options, image);
        equal_to_the_bit();
        options.method = SURVEY_MEMORY_BOUNDARY;
        for (options.plan.segment = 0; options.plan.segment <= 50; options.plan.segment += 50) {
            run(&options, image);
            /* What is rounded in each of 131 steps is, in double precision, far from what is left
             * out. */
            assert_true(apart() < (sizeof(wave_real) == 8 ? 1e-10 : 1e-3));
        }
        shot_close();
    }
    shot_open(&which);
}

/* What is benched, in other terms. */
static struct shot_shape shape_of(enum survey_physics physics, uint64_t steps)
{
    const struct wave *wave = bench.wave;
    return (struct shot_shape){.dims = wave->grid.dims,
                               .n = {wave->grid.n[0], wave->grid.n[1], wave->grid.n[2]},
                               .physics = physics,
                               .space_order = wave->options.order,
                               .absorbing_points = (unsigned)wave->options.absorb,
                               .free_surface = wave->options.free_surface,
                               .steps = steps,
                               .subsampling = 1};
}

/* All boundaries; and states where budgets hold a few boundaries of many. */
static void what_is_reckoned_of_boundaries_and_states_is_what_they_take(void **state)
{
    (void)state;
    static const struct ground_case grounds[] = {
        [SURVEY_ACOUSTIC] = {"acoustic", 3, 8, 10, true, 1, 0},
        [SURVEY_DENSITY] = {"density", 3, 8, 10, false, 1, 0},
        [SURVEY_VTI] = {"vti", 3, 8, 20, false, 1, 0},
        [SURVEY_TTI] = {"tti", 3, 8, 20, true, 1, 0},
    };
    shot_close();
    for (enum survey_physics i = SURVEY_ACOUSTIC; i <= SURVEY_TTI; i++) {
        struct shot_wish wish = {.method = SURVEY_MEMORY_BOUNDARY};
        struct shot_cost cost;
        shot_open(&grounds[i]);
        struct shot_shape shape = shape_of(i, STEPS), longer = shape_of(i, 1000 * STEPS);
        uint64_t shell = bench.wave->shell_size * sizeof(float);
        uint64_t one = bench.wave->state_bytes / sizeof(wave_real) * sizeof(float);
        assert_int_equal(shot_cost_make(&cost, &shape, SURVEY_GRADIENT, &wish, NULL), 0);
        assert_int_equal(cost.history_bytes, STEPS * shell);
        wish.budget_bytes = 10 * STEPS * shell;
        assert_int_equal(shot_cost_make(&cost, &longer, SURVEY_GRADIENT, &wish, NULL), 0);
        assert_true(cost.plan.snapshots > 0);
        assert_true(cost.history_bytes >=
                    cost.plan.segment * shell + cost.plan.snapshots * one);
        shot_close();
    }
    shot_open(&which);
}

static void all_frequencies_of_a_run_give_its_gradient(void **state)
{
    (void)state;
    double frequencies[STEPS];
    struct history_options options = full(1);
    run(&options, reference);
    options.method = SURVEY_MEMORY_FOURIER;
    options.frequencies_hz = frequencies;
    options.frequency_count = STEPS / 2 + 1;
    for (size_t i = 0; i < options.frequency_count; i++)
        frequencies[i] = (double)i / (STEPS * bench.dt);
    run(&options, image);
    assert_true(apart() < (sizeof(wave_real) == 8 ? 1e-11 : 1e-4));
}

static void the_frequencies_of_the_wavelet_give_almost_all_of_it(void **state)
{
    (void)state;
    double frequencies[STEPS];
    struct history_options options = full(1);
    size_t count = 0;
    run(&options, reference);
    for (size_t i = 0; i <= STEPS / 2; i++)
        if ((double)i / (STEPS * bench.dt) < 45)
            frequencies[count++] = (double)i / (STEPS * bench.dt);
    assert_true(count > 1 && count < STEPS / 8);
    options.method = SURVEY_MEMORY_FOURIER;
    options.frequencies_hz = frequencies;
    options.frequency_count = count;
    run(&options, image);
    assert_true(apart() < 0.1); /* the run ends while waves are still there, which rings */
}

static void without_a_disk_too_small_a_memory_is_a_sentence(void **state)
{
    (void)state;
    struct operators operators = bench.operators;
    struct error error;
    size_t calls = 0;
    operators.history = full(1);
    operators.history.memory_bytes = 1000;
    assert_int_equal(
        operators_image(&operators, bench.source, keep, &calls, data, image, NULL, &error), -1);
    assert_non_null(strstr(error.text, "spill"));
    assert_int_equal(calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_disk_too_small_a_memory_is_a_sentence),
        cmocka_unit_test(checkpointed_and_stored_gradients_are_equal_to_the_bit),
        cmocka_unit_test(gradients_of_steps_run_again_are_equal_to_the_bit),
        cmocka_unit_test(spilled_and_stored_gradients_are_equal_to_the_bit),
        cmocka_unit_test(packed_gradients_are_near_and_do_not_depend_on_the_budget),
        cmocka_unit_test(saved_boundaries_give_the_same_gradient_but_for_rounding),
        cmocka_unit_test(boundaries_of_one_segment_at_a_time_give_it_too),
        cmocka_unit_test(gradients_of_waves_taken_together_are_equal_but_for_rounding),
        cmocka_unit_test(steps_that_share_a_pass_change_no_bit_of_a_gradient),
        cmocka_unit_test(every_physics_goes_back_without_its_layers),
        cmocka_unit_test(what_is_reckoned_of_boundaries_and_states_is_what_they_take),
        cmocka_unit_test(all_frequencies_of_a_run_give_its_gradient),
        cmocka_unit_test(the_frequencies_of_the_wavelet_give_almost_all_of_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
