/*
 * Waves on OpenCL devices against those of the processor. Without a device the tests are skipped;
 * with PoCL there is one, the processor itself, and POCL_DEVICES makes it two.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/seismic/wave_bench.h"
#include "worker/seismic/opencl.h"

/* Both compute the same sums in another order: what rounding leaves after some twenty steps,
 * relative to the norm. A wrong sign in a layer gives 2e-5 in the field, and in doubles that is
 * seen best. */
#ifdef WAVE_DOUBLE
#define TOLERANCE 1e-12
#else
#define TOLERANCE 1e-5
#endif

#define STEPS  24
#define PLACES 5

struct setting {
    const char *physics;
    size_t nx, ny, nz;
    int order, absorb;
    bool free_surface;
};

static const struct setting settings[] = {
    {"acoustic", 23, 1, 31, 8, 12, true}, {"acoustic", 9, 11, 13, 4, 9, false},
    {"density", 23, 1, 31, 8, 12, true},  {"density", 9, 11, 13, 4, 9, false},
    {"vti", 23, 1, 31, 8, 12, true},      {"vti", 9, 11, 13, 4, 9, false},
    {"tti", 23, 1, 31, 8, 12, true},      {"tti", 9, 11, 13, 4, 9, false},
#ifndef WAVE_DOUBLE
    {"acoustic", 40, 1, 21, 12, 9, true}, {"acoustic", 33, 31, 36, 16, 0, true},
    {"acoustic", 3, 1, 20, 8, 5, true},   {"tti", 12, 13, 14, 4, 9, true},
    {"density", 12, 13, 14, 4, 0, true},
#endif
};
#define TRANSPOSED 8 /* of which one of each physics in 2-D and 3-D */
#define SETTINGS   (sizeof(settings) / sizeof(*settings))

static struct opencl_device *device;

#if defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined SANITIZED
/* What drivers keep until the process ends is theirs. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libpocl\nleak:libLLVM\nleak:libOpenCL\nleak:libhwloc\n";
}
#endif

static struct wave *wave_on(const struct setting *s, struct opencl_device *where)
{
    return bench_uneven(s->physics, s->nx, s->ny, s->nz,
                        (struct wave_options){.order = s->order,
                                              .absorb = s->absorb,
                                              .free_surface = s->free_surface,
                                              .threads = 1,
                                              .time_block = 1,
                                              .frequency = 25,
                                              .device = where});
}

/* Places of several weights each, some of which share grid points, lie in layers or above the
 * surface, or far outside. */
static struct wave_points *places_on(const struct wave *wave, uint64_t seed)
{
    struct wave_weight weights[PLACES * 40];
    size_t first[PLACES + 1] = {0}, count = 0;
    struct error error = {0};
    for (size_t place = 0; place < PLACES; place++) {
        for (size_t i = 0; i < (place == 1 ? 0 : 40); i++) {
            struct wave_weight *w = &weights[count++];
            w->weight = bench_random(&seed);
            for (int axis = GRID_X; axis < GRID_AXES; axis++)
                w->at[axis] =
                    (int)((bench_random(&seed) + 0.5) * ((double)wave->grid.n[axis] + 4)) - 2;
            if (wave->grid.dims == 2)
                w->at[GRID_Y] = 0;
        }
        first[place + 1] = count;
    }
    struct wave_points *points = wave_points_create(wave, PLACES, first, weights, &error);
    if (!points)
        fail_msg("%s", error.text);
    return points;
}

static void assert_near(const struct setting *s, const char *what, const wave_real *a,
                        const wave_real *b, size_t n)
{
    double error = bench_misfit(a, b, n);
    if (!(error < TOLERANCE))
        fail_msg("%s order %d %zux%zux%zu: %s is off by %g", s->physics, s->order, s->nx, s->ny,
                 s->nz, what, error);
}

static void assert_good(const struct wave *wave)
{
    struct error error = {0};
    if (wave_check(wave, &error) < 0)
        fail_msg("%s", error.text);
}

/* All that runs on a wave write, one after the other. */
struct outcome {
    struct wave *wave;
    wave_real *sampled, *snapshots, *shells, *back, *born, *adjoint, *image, *light, *field;
    size_t turns;
};

static void outcome_fini(struct outcome *o)
{
    free(o->sampled);
    free(o->snapshots);
    free(o->shells);
    free(o->back);
    free(o->born);
    free(o->adjoint);
    free(o->image);
    free(o->light);
    free(o->field);
    wave_destroy(o->wave);
}

static void outcome_make(const struct setting *s, struct opencl_device *where,
                         struct outcome *o)
{
    struct wave *wave = o->wave = wave_on(s, where);
    struct wave_points *sources = places_on(wave, 7), *receivers = places_on(wave, 9);
    wave_real *q = bench_reals(STEPS * PLACES, 1), *d = bench_reals(STEPS * PLACES, 2);
    wave_real *dm = bench_reals(wave->points, 3);
    o->turns = STEPS / 2;
    o->sampled = bench_reals(STEPS * PLACES, 4);
    o->born = bench_reals(STEPS * PLACES, 4);
    o->adjoint = bench_reals(STEPS * PLACES, 4);
    o->snapshots = bench_reals(o->turns * wave->snapshot_size, 4);
    o->back = bench_reals(o->turns * wave->snapshot_size, 4);
    o->shells = bench_reals(STEPS * wave->shell_size, 4);
    o->image = bench_reals(wave->points, 5);
    o->light = bench_reals(wave->points, 6);
    o->field = bench_reals(wave->snapshot_size, 4); /* all fields */
    struct wave_run run = {.steps = STEPS,
                           .inject = sources,
                           .injected = q,
                           .sample = receivers,
                           .sampled = o->sampled,
                           .every = 2,
                           .snapshots = o->snapshots,
                           .shells = o->shells,
                           .illumination = o->light};
    wave_run(wave, &run);
    wave_field_get(wave, o->field);
    run.mode = WAVE_BACKWARD;
    run.sample = NULL;
    run.snapshots = o->back;
    run.illumination = NULL;
    wave_run(wave, &run);
    wave_clear(wave);
    wave_run(wave, &(struct wave_run){.steps = STEPS,
                                      .sample = receivers,
                                      .sampled = o->born,
                                      .every = 2,
                                      .scattered = o->snapshots,
                                      .dm = dm});
    wave_clear(wave);
    wave_run(wave, &(struct wave_run){.mode = WAVE_TRANSPOSED,
                                      .steps = STEPS,
                                      .inject = receivers,
                                      .injected = d,
                                      .sample = sources,
                                      .sampled = o->adjoint,
                                      .every = 2,
                                      .scattered = o->snapshots,
                                      .image = o->image});
    assert_good(wave);
    wave_points_destroy(sources);
    wave_points_destroy(receivers);
    free(q);
    free(d);
    free(dm);
}

static void everything_agrees_with_the_processor(void **state)
{
    (void)state;
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        struct outcome here, there;
        outcome_make(s, NULL, &here);
        outcome_make(s, device, &there);
        size_t points = here.wave->points, data = STEPS * PLACES;
        size_t fields = here.wave->snapshot_size;
        assert_int_equal(here.wave->shell_size, there.wave->shell_size);
        assert_near(s, "the field", there.field, here.field, fields);
        assert_near(s, "F", there.sampled, here.sampled, data);
        assert_near(s, "a snapshot", there.snapshots, here.snapshots, here.turns * fields);
        if (s->absorb > 0)
            assert_near(s, "a shell", there.shells, here.shells, STEPS * here.wave->shell_size);
        if (s->absorb > 0)
            assert_near(s, "the way back", there.back, here.back, here.turns * fields);
        assert_near(s, "J", there.born, here.born, data);
        assert_near(s, "F^T", there.adjoint, here.adjoint, data);
        assert_near(s, "J^T", there.image, here.image, points);
        assert_near(s, "the illumination", there.light, here.light, points);
        outcome_fini(&here);
        outcome_fini(&there);
    }
}

#define DOT_STEPS 12

static void assert_transposed(const struct setting *s, const char *what,
                              const struct bench_sides *sides)
{
    double error = fabs(sides->left - sides->right) / sides->scale;
    if (!(error < TOLERANCE))
        fail_msg("%s order %d %zux%zux%zu: the two sides of %s differ by %g", s->physics,
                 s->order, s->nx, s->ny, s->nz, what, error);
}

/* <F q, d> and <q, F^T d>. */
static void modelling_dot(const struct setting *s, struct wave *wave,
                          const struct wave_points *points, const wave_real *d)
{
    struct bench_sides sides = bench_modelling(wave, points, d, DOT_STEPS);
    assert_good(wave);
    assert_transposed(s, "F", &sides);
}

/* <J dm, d> and <dm, J^T d>, of snapshots at random. */
static void scattering_dot(const struct setting *s, struct wave *wave,
                           const struct wave_points *points, const wave_real *d)
{
    wave_real *snapshots = bench_reals(DOT_STEPS * wave->snapshot_size, 5);
    for (size_t i = 0; s->free_surface && i < DOT_STEPS * wave->snapshot_size; i += s->nz)
        snapshots[i] = 0; /* as it is on the surface */
    struct bench_sides sides = bench_scattering(wave, points, snapshots, 1, d, DOT_STEPS);
    assert_good(wave);
    assert_transposed(s, "J", &sides);
    free(snapshots);
}

/* Sources and receivers everywhere: the dot test of a step with all its memory variables. */
static void operators_are_transposed_on_the_device(void **state)
{
    (void)state;
    for (size_t i = 0; i < TRANSPOSED; i++) {
        struct wave *wave = wave_on(&settings[i], device);
        struct wave_points *points = bench_everywhere(wave);
        wave_real *d = bench_reals(DOT_STEPS * wave->padded, 2);
        modelling_dot(&settings[i], wave, points, d);
        scattering_dot(&settings[i], wave, points, d);
        free(d);
        wave_points_destroy(points);
        wave_destroy(wave);
    }
}

/* The snapshots of a source, the image of noise; from memory or from rooms, in one run or in
 * parts. */
static void grouped(const struct setting *s, bool rooms, size_t part, wave_real *ret_image,
                    wave_real *ret_sampled)
{
    struct wave *wave = wave_on(s, device);
    struct wave_points *places = places_on(wave, 7);
    size_t size = wave->snapshot_size, row = size * sizeof(wave_real);
    size_t image_bytes = wave->points * sizeof(wave_real);
    wave_real *q = bench_reals(STEPS * PLACES, 1);
    wave_real *memory = malloc(STEPS * row), *zeros = calloc(wave->points, sizeof(*zeros));
    assert_true(memory && zeros);
    void *room = wave_room_create(wave, STEPS, row);
    void *image = wave_room_create(wave, 1, image_bytes);
    void *states = wave_room_create(wave, 2, wave->state_bytes);
    assert_true(room && image && states);
    unsigned char *saved = malloc(wave->state_bytes);
    void *kept = rooms ? (unsigned char *)states + wave->state_bytes : saved;
    memset(ret_image, 0, image_bytes);
    wave_room_write(wave, image, zeros, image_bytes);
    wave_real *to = rooms ? room : memory;
    for (size_t k = 0; k < STEPS; k += part) {
        struct wave_run run = {.steps = part,
                               .inject = places,
                               .injected = q + k * PLACES,
                               .sample = places,
                               .sampled = ret_sampled + k * PLACES,
                               .snapshots = to + k * size};
        wave_save(wave, kept);
        wave_run(wave, &run);
        wave_load(wave, kept); /* and once more, from the state that was kept */
        wave_run(wave, &run);
    }
    wave_clear(wave);
    for (size_t k = STEPS; k > 0; k -= part)
        wave_run(wave, &(struct wave_run){.mode = WAVE_TRANSPOSED,
                                          .steps = part,
                                          .inject = places,
                                          .injected = q + (k - part) * PLACES,
                                          .scattered = to + (k - part) * size,
                                          .image = rooms ? image : ret_image});
    if (rooms)
        wave_room_read(wave, image, ret_image, image_bytes);
    assert_good(wave);
    wave_room_destroy(wave, room);
    wave_room_destroy(wave, image);
    wave_room_destroy(wave, states);
    wave_points_destroy(places);
    wave_destroy(wave);
    free(memory);
    free(zeros);
    free(saved);
    free(q);
}

static void grouping_changes_nothing(const struct setting *s)
{
    size_t points = s->nx * s->nz;
    wave_real *one = bench_reals(points, 1), *other = bench_reals(points, 2);
    wave_real sampled[STEPS * PLACES], again[STEPS * PLACES];
    grouped(s, false, STEPS, one, sampled);
    assert_true(bench_product(one, one, points) > 0);
    grouped(s, true, STEPS, other, again);
    assert_memory_equal(one, other, points * sizeof(*one));
    assert_memory_equal(sampled, again, sizeof(sampled));
    grouped(s, true, 4, other, again);
    assert_memory_equal(one, other, points * sizeof(*one));
    assert_memory_equal(sampled, again, sizeof(sampled));
    free(one);
    free(other);
}

static void checkpoints_parts_and_rooms_do_not_change_a_bit(void **state)
{
    (void)state;
    grouping_changes_nothing(&settings[0]); /* 2-D: acoustic, */
    grouping_changes_nothing(&settings[6]); /* tti */
}

/* The second half of a run again, from shells and a state of the medium's grid; `room`: on the
 * device. */
static void again(const struct setting *s, bool room)
{
    enum { HALF = STEPS / 2 };
    struct wave *wave = wave_on(s, device);
    struct wave_points *places = places_on(wave, 7);
    size_t numbers = HALF * wave->snapshot_size;
    wave_real *q = bench_reals(STEPS * PLACES, 1), *there = bench_reals(numbers, 2);
    wave_real *then = bench_reals(numbers, 3);
    wave_real *shells = bench_reals(HALF * wave->shell_size, 4);
    void *memory = malloc(wave->inner_bytes);
    void *near = wave_room_create(wave, 1, wave->inner_bytes), *state = room ? near : memory;
    assert_true(memory && near);
    struct wave_run run = {.steps = HALF, .inject = places, .injected = q};
    wave_run(wave, &run);
    wave_inner_save(wave, state);
    run.injected = q + HALF * PLACES;
    run.snapshots = there;
    run.shells = shells;
    wave_run(wave, &run);
    wave_clear(wave);
    wave_inner_load(wave, state);
    run.mode = WAVE_AGAIN;
    run.snapshots = then;
    wave_run(wave, &run);
    assert_good(wave);
    assert_true(bench_product(there, there, numbers) > 0);
    for (size_t i = 0; i < numbers; i++) /* layers may make 0 of -0 in the medium */
        if (there[i] != then[i])
            fail_msg("%s order %d: number %zu is %g, and again %g", s->physics, s->order, i,
                     (double)there[i], (double)then[i]);
    wave_room_destroy(wave, near);
    wave_points_destroy(places);
    wave_destroy(wave);
    free(memory);
    free(shells);
    free(then);
    free(there);
    free(q);
}

static void steps_are_done_again_to_the_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < SETTINGS; i++)
        if (settings[i].absorb > 0)
            again(&settings[i], i % 2);
}

static void two_devices_compute_two_shots(void **state)
{
    (void)state;
    struct error error = {0};
    struct opencl_device *second = opencl_open(OPENCL_ANY, 1, &error);
    if (!second)
        skip(); /* not PoCL, and one device */
    assert_ptr_not_equal(device, second);
    assert_ptr_equal(opencl_open(OPENCL_ANY, 1, &error), second);
    struct outcome one, other;
    uint64_t left = opencl_memory_left(second);
    outcome_make(&settings[0], device, &one);
    outcome_make(&settings[0], second, &other);
    assert_true(opencl_memory_left(second) < left);
    assert_near(&settings[0], "a second device's F", other.sampled, one.sampled,
                STEPS * PLACES);
    outcome_fini(&one);
    outcome_fini(&other);
    assert_true(opencl_memory_left(second) == left);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    struct error error = {0};
    struct opencl_about about;
    const struct wave_physics strange = {.name = "elastic"};
    assert_null(opencl_physics(&strange, &error));
    assert_non_null(strstr(error.text, "elastic"));
    assert_null(opencl_open(OPENCL_ANY, 1000, &error));
    assert_non_null(strstr(error.text, "there is no device 1000"));
    assert_int_equal(opencl_describe(OPENCL_ANY, 0, &about, &error), 0);
    assert_true(about.memory_bytes > 0 && about.units > 0 && about.name[0]);
    if (opencl_describe(OPENCL_GPU, 0, &about, &error) < 0)
        assert_non_null(strstr(error.text, "no GPU that OpenCL knows"));
}

static void a_wave_too_large_for_the_device_is_refused(void **state)
{
    (void)state;
    struct grid grid = bench_grid(40000, 1, 40000, 10);
    struct wave_options options = {.order = 8, .dt = 1e-4, .absorb = 20, .device = device};
    size_t bytes = wave_memory(wave_physics_find("acoustic"), &grid, &options);
    assert_true(bytes > 3 * sizeof(wave_real) * (size_t)1600000000);
    grid = bench_grid(100000, 1, 100000, 10);
    assert_true(wave_memory(wave_physics_find("acoustic"), &grid, &options) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_is_said),
        cmocka_unit_test(everything_agrees_with_the_processor),
        cmocka_unit_test(operators_are_transposed_on_the_device),
        cmocka_unit_test(checkpoints_parts_and_rooms_do_not_change_a_bit),
        cmocka_unit_test(steps_are_done_again_to_the_same_bits),
        cmocka_unit_test(two_devices_compute_two_shots),
        cmocka_unit_test(a_wave_too_large_for_the_device_is_refused),
    };
    struct error error = {0};
    setenv("POCL_DEVICES", "pthread pthread", 0);
    device = opencl_open(OPENCL_ANY, 0, &error);
    if (!device) {
        printf("1..0 # SKIP %s\n", error.text);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
