/* What a wave is between runs: restored to the bit, the same for any number of threads and any
 * grouping of steps, derived rightly, and runnable backwards. And what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/seismic/wave_bench.h"

#define STEPS 40

static const char *const physics[] = {"acoustic", "density", "vti", "tti"};
#define EACH_PHYSICS(i)                                                                        \
    size_t i = 0;                                                                              \
    i < sizeof physics / sizeof *physics;                                                      \
    i++

struct rig {
    struct wave_medium medium;
    struct wave *wave;
    struct wave_points *source, *receivers;
    wave_real wavelet[STEPS];
};

/* With so many points around the grid. */
static void rig_open_in(struct rig *rig, int absorb, const char *name, struct grid grid,
                        int threads, int time_block, const float *vp)
{
    rig->medium = bench_medium(grid, 1500, 3000, name);
    if (vp)
        memcpy((float *)rig->medium.vp, vp, grid_size(&grid) * sizeof *vp);
    rig->wave = bench_wave(name, &rig->medium,
                           (struct wave_options){.dt = grid.dims == 3 ? 0.001 : 0.0013,
                                                 .absorb = absorb,
                                                 .free_surface = true,
                                                 .frequency = 20,
                                                 .threads = threads,
                                                 .time_block = time_block});
    int middle = grid.dims == 3 ? 3 : 0;
    rig->source = bench_point(rig->wave, 5, middle, 4, 0.01);
    rig->receivers = bench_everywhere(rig->wave);
    for (int k = 0; k < STEPS; k++)
        rig->wavelet[k] = (wave_real)bench_ricker(25, rig->wave->options.dt * k - 0.02);
}

static void rig_open(struct rig *rig, const char *name, struct grid grid, int threads,
                     int time_block, const float *vp)
{
    rig_open_in(rig, 6, name, grid, threads, time_block, vp);
}

static void rig_close(struct rig *rig)
{
    wave_points_destroy(rig->source);
    wave_points_destroy(rig->receivers);
    wave_destroy(rig->wave);
    bench_medium_free(&rig->medium);
}

/* Steps [from, to), in runs of `together`; samples go to their rows of `sampled`. */
static void rig_run(struct rig *rig, size_t from, size_t to, size_t together,
                    wave_real *sampled)
{
    for (size_t k = from; k < to; k += together) {
        size_t steps = to - k < together ? to - k : together;
        wave_run(rig->wave, &(struct wave_run){.steps = steps,
                                               .inject = rig->source,
                                               .injected = rig->wavelet + k,
                                               .sample = rig->receivers,
                                               .sampled = sampled + k * rig->wave->padded});
    }
}

static wave_real *zeros(size_t n)
{
    wave_real *values = calloc(n, sizeof *values);
    assert_non_null(values);
    return values;
}

static const struct grid *grid_of(size_t i)
{
    static struct grid grids[2];
    grids[0] = bench_grid(41, 1, 35, 10);
    grids[1] = bench_grid(21, 9, 17, 10);
    return i < 2 ? &grids[i] : NULL;
}

static void threads_and_passes_change_no_bit(void **state)
{
    (void)state;
    static const struct {
        int threads, time_block;
        size_t together;
    } ways[] = {{1, 1, STEPS}, {1, 1, 1}, {2, 1, STEPS}, {3, 1, 7}, {2, 3, STEPS}, {3, 4, 9}};
    for (EACH_PHYSICS(p)) {
        for (size_t g = 0; grid_of(g); g++) {
            wave_real *first = NULL;
            for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
                struct rig rig;
                rig_open(&rig, physics[p], *grid_of(g), ways[i].threads, ways[i].time_block,
                         NULL);
                size_t n = STEPS * rig.wave->padded;
                wave_real *sampled = zeros(n);
                rig_run(&rig, 0, STEPS, ways[i].together, sampled);
                if (first)
                    assert_memory_equal(first, sampled, n * sizeof *sampled);
                else
                    first = memcpy(zeros(n), sampled, n * sizeof *sampled);
                free(sampled);
                rig_close(&rig);
            }
            assert_true(first[0] == first[0]);
            free(first);
        }
    }
}

/* One way to take a ground of 55 rows, or to leave it whole. */
struct tiling {
    const char *cache;
    int threads, time_block;
};

/* All that is sampled everywhere in a run, forward or transposed, after one without samples. */
static wave_real *tiled_run_of(const char *name, struct grid grid, const struct tiling *way,
                               enum wave_mode mode, size_t *ret_n)
{
    struct rig rig;
    setenv("BEOFARM_CACHE", way->cache, 1);
    rig_open(&rig, name, grid, way->threads, way->time_block, NULL);
    assert_true(way->time_block == 1 || rig.wave->options.time_block > 1);
    *ret_n = STEPS * rig.wave->padded;
    wave_real *sampled = zeros(*ret_n);
    struct wave_run run = {
        .mode = mode, .steps = STEPS / 2, .inject = rig.source, .injected = rig.wavelet};
    wave_run(rig.wave, &run);
    run.steps = STEPS;
    run.sample = rig.receivers;
    run.sampled = sampled;
    wave_run(rig.wave, &run);
    rig_close(&rig);
    unsetenv("BEOFARM_CACHE");
    return sampled;
}

static wave_real *tiled_run(const char *name, const struct tiling *way, enum wave_mode mode,
                            size_t *ret_n)
{
    return tiled_run_of(name, bench_grid(13, 43, 9, 10), way, mode, ret_n);
}

static void assert_tilings_agree(const char *name, const char *cache, enum wave_mode mode)
{
    /* whole planes; tiles whose rows threads share; as few rows as a step reaches; tiles of each
     * thread's own, of 27 rows; what is chosen where the cache holds some steps of 24 rows, but not
     * all fields */
    const struct tiling whole = {"100000000", 1, 1},
                        ways[] = {{"1", 2, 3}, {"1", 3, 2}, {"100000000", 2, 3}, {cache, 2, 0}};
    size_t n;
    wave_real *first = tiled_run(name, &whole, mode, &n);
    assert_true(bench_product(first, first, n) > 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        wave_real *sampled = tiled_run(name, &ways[i], mode, &n);
        assert_memory_equal(first, sampled, n * sizeof *sampled);
        free(sampled);
    }
    free(first);
}

static void tiles_change_no_bit(void **state)
{
    (void)state;
    for (enum wave_mode mode = WAVE_FORWARD; mode <= WAVE_TRANSPOSED; mode++) {
        assert_tilings_agree("acoustic", "1200000", mode);
        assert_tilings_agree("vti", "2000000", mode);
    }
}

/* Four threads, which need not wait for each other after a pass: of 112 rows each has 28 at a time,
 * of whichever pass is next. */
static void samples_of_many_tiles_are_those_of_one(void **state)
{
    (void)state;
    static const struct tiling whole = {"100000000", 1, 1}, many = {"100000000", 4, 2};
    struct grid grid = bench_grid(13, 100, 9, 10);
    size_t n;
    for (enum wave_mode mode = WAVE_FORWARD; mode <= WAVE_TRANSPOSED; mode++) {
        wave_real *first = tiled_run_of("acoustic", grid, &whole, mode, &n);
        assert_true(bench_product(first, first, n) > 0);
        for (int i = 0; i < 4; i++) {
            wave_real *tiled = tiled_run_of("acoustic", grid, &many, mode, &n);
            assert_memory_equal(first, tiled, n * sizeof *tiled);
            free(tiled);
        }
        free(first);
    }
}

/* 3-D, transposed: a cache that holds four steps of some 34 rows, of the 36 there are. Halves of
 * them are fewer than the 24 by which a tile's border goes back. */
static void tiles_have_the_rows_that_their_borders_go_back_by(void **state)
{
    (void)state;
    static const struct tiling whole = {"100000000", 1, 1}, thin = {"2650000", 1, 0};
    struct grid grid = bench_grid(90, 24, 9, 10);
    size_t n;
    wave_real *first = tiled_run_of("acoustic", grid, &whole, WAVE_TRANSPOSED, &n);
    wave_real *tiled = tiled_run_of("acoustic", grid, &thin, WAVE_TRANSPOSED, &n);
    assert_true(bench_product(first, first, n) > 0);
    assert_memory_equal(first, tiled, n * sizeof *tiled);
    free(first);
    free(tiled);
}

/* 2-D: 203 planes, which are enough for two or three threads to take several steps of their own at
 * once; of 29, where threads share blocks instead; and as many steps as find room in the cache. */
static void wedges_change_no_bit(void **state)
{
    (void)state;
    static const struct tiling whole = {"100000000", 1, 1},
                               ways[] = {
                                   {"1", 1, 5}, {"1", 2, 4}, {"1", 3, 2}, {"300000", 2, 0}};
    static const size_t planes[] = {203, 29};
    static const char *const names[] = {"acoustic", "vti"};
    size_t n;
    for (int i = 0; i < 2 * 2 * 2; i++) {
        struct grid grid = bench_grid(planes[i % 2], 1, 11, 10);
        const char *name = names[i / 2 % 2];
        enum wave_mode mode = i / 4 ? WAVE_TRANSPOSED : WAVE_FORWARD;
        wave_real *first = tiled_run_of(name, grid, &whole, mode, &n);
        assert_true(bench_product(first, first, n) > 0);
        for (size_t w = 0; w < sizeof ways / sizeof *ways - (planes[i % 2] < 100); w++) {
            wave_real *sampled = tiled_run_of(name, grid, &ways[w], mode, &n);
            assert_memory_equal(first, sampled, n * sizeof *sampled);
            free(sampled);
        }
        free(first);
    }
}

/* Its stages, where the cache is small, go through tiles of 16 rows. */
static void tiles_of_tilted_stages_change_no_bit(void **state)
{
    (void)state;
    size_t n;
    for (enum wave_mode mode = WAVE_FORWARD; mode <= WAVE_TRANSPOSED; mode++) {
        wave_real *first = tiled_run("tti", &(struct tiling){"100000000", 1, 1}, mode, &n);
        assert_true(bench_product(first, first, n) > 0);
        for (int threads = 1; threads <= 3; threads++) {
            wave_real *tiled = tiled_run("tti", &(struct tiling){"1", threads, 1}, mode, &n);
            assert_memory_equal(first, tiled, n * sizeof *tiled);
            free(tiled);
        }
        free(first);
    }
}

static void a_restored_state_goes_on_to_the_same_bits(void **state)
{
    (void)state;
    for (EACH_PHYSICS(p)) {
        struct rig rig;
        rig_open(&rig, physics[p], *grid_of(1), 2, 1, NULL);
        size_t n = STEPS * rig.wave->padded;
        wave_real *whole = zeros(n), *again = zeros(n);
        char *saved = malloc(rig.wave->state_bytes);
        assert_non_null(saved);
        rig_run(&rig, 0, 17, 17, whole);
        wave_save(rig.wave, saved);
        rig_run(&rig, 17, STEPS, 5, whole);
        assert_true(wave_energy(rig.wave) > 0);
        wave_load(rig.wave, saved);
        memcpy(again, whole, 17 * rig.wave->padded * sizeof *again);
        rig_run(&rig, 17, STEPS, STEPS, again);
        assert_memory_equal(whole, again, n * sizeof *whole);
        wave_clear(rig.wave);
        assert_true(wave_energy(rig.wave) == 0);
        rig_run(&rig, 0, STEPS, STEPS, again);
        assert_memory_equal(whole, again, n * sizeof *whole);
        free(whole);
        free(again);
        free(saved);
        rig_close(&rig);
    }
}

/* The last sampled fields of a model of squared slowness m + e dm. */
static void field_of(const char *name, const struct grid *grid, const wave_real *dm, double e,
                     wave_real *ret_field)
{
    struct rig rig;
    rig_open(&rig, name, *grid, 1, 1, NULL);
    size_t n = grid_size(grid);
    float *vp = malloc(n * sizeof *vp);
    assert_non_null(vp);
    for (size_t i = 0; i < n; i++)
        vp[i] = (float)(1 / sqrt(pow((double)rig.medium.vp[i], -2) + e * (double)dm[i]));
    rig_close(&rig);
    rig_open(&rig, name, *grid, 1, 1, vp);
    wave_real *sampled = zeros(STEPS * rig.wave->padded);
    rig_run(&rig, 0, STEPS, STEPS, sampled);
    wave_field_get(rig.wave, ret_field);
    free(sampled);
    free(vp);
    rig_close(&rig);
}

static void scattering_is_the_derivative(void **state)
{
    (void)state;
    const struct grid *grid = grid_of(0);
    size_t n = grid_size(grid), nz = grid->n[GRID_Z];
    for (EACH_PHYSICS(p)) {
        wave_real *dm = zeros(n), *more = zeros(2 * n), *less = zeros(2 * n);
        wave_real *born = zeros(2 * n); /* some have two fields */
        uint64_t seed = 7;
        for (size_t i = 0; i < n; i++) { /* none at the edges, which the layers continue */
            bool edge = i / nz == 0 || i / nz == grid->n[GRID_X] - 1 || i % nz == nz - 1;
            dm[i] = edge ? 0 : (wave_real)(1e-7 * bench_random(&seed));
        }
        double e = 0.03; /* a hundredth of m: vp is kept in single precision, so no less */
        field_of(physics[p], grid, dm, e, more);
        field_of(physics[p], grid, dm, -e, less);
        struct rig rig;
        rig_open(&rig, physics[p], *grid, 2, 1, NULL);
        wave_real *snapshots = zeros(STEPS * rig.wave->snapshot_size);
        wave_run(rig.wave, &(struct wave_run){.steps = STEPS,
                                              .inject = rig.source,
                                              .injected = rig.wavelet,
                                              .snapshots = snapshots});
        wave_clear(rig.wave);
        wave_run(rig.wave,
                 &(struct wave_run){.steps = STEPS, .scattered = snapshots, .dm = dm});
        wave_field_get(rig.wave, born);
        for (size_t i = 0; i < n; i++)
            more[i] = (wave_real)(((double)more[i] - (double)less[i]) / (2 * e));
        /* The remainder is of third order: (1e-2)^2; rounding of vp and fields adds 1e-3. */
        assert_true(bench_misfit(born, more, n) < 5e-3);
        free(dm);
        free(more);
        free(less);
        free(born);
        free(snapshots);
        rig_close(&rig);
    }
}

static void runs_backwards(void **state)
{
    (void)state;
    for (EACH_PHYSICS(p)) {
        for (size_t g = 0; grid_of(g); g++) {
            struct rig rig;
            rig_open(&rig, physics[p], *grid_of(g), 2, 1, NULL);
            size_t n = rig.wave->snapshot_size * (STEPS / 2);
            wave_real *there = zeros(n), *back = zeros(n);
            wave_real *shells = zeros(STEPS * rig.wave->shell_size);
            struct wave_run run = {.steps = STEPS,
                                   .inject = rig.source,
                                   .injected = rig.wavelet,
                                   .every = 2,
                                   .snapshots = there,
                                   .shells = shells};
            wave_run(rig.wave, &run);
            run.mode = WAVE_BACKWARD;
            run.snapshots = back;
            wave_run(rig.wave, &run);
            /* Snapshots are second differences: of 1e-7 relative rounding some 1e-5 is left. */
            assert_true(bench_misfit(back, there, n) < 1e-3);
            free(there);
            free(back);
            free(shells);
            rig_close(&rig);
        }
    }
}

/* The second half of a run again, from shells and a state of the medium's grid. */
static void runs_again_to_the_same_bits(void **state)
{
    (void)state;
    for (size_t g = 0; grid_of(g); g++) {
        for (size_t p = 0; p < sizeof physics / sizeof *physics + 2; p++) {
            struct rig rig;
            /* The last are acoustic again, in passes of three steps; and that with layers that
             * are thinner than a stencil reaches. */
            bool more = p >= sizeof physics / sizeof *physics;
            rig_open_in(&rig, p > sizeof physics / sizeof *physics ? 1 : 6,
                        physics[more ? 0 : p], *grid_of(g), 2, more ? 3 : 1, NULL);
            size_t half = STEPS / 2, rest = STEPS - half, n = rig.wave->snapshot_size * rest;
            wave_real *there = zeros(n), *again = zeros(n);
            wave_real *shells = zeros(rest * rig.wave->shell_size);
            char *inner = malloc(rig.wave->inner_bytes);
            assert_non_null(inner);
            struct wave_run run = {
                .steps = half, .inject = rig.source, .injected = rig.wavelet};
            wave_run(rig.wave, &run);
            wave_inner_save(rig.wave, inner);
            run.steps = rest;
            run.injected = rig.wavelet + half;
            run.snapshots = there;
            run.shells = shells;
            wave_run(rig.wave, &run);
            wave_clear(rig.wave);
            wave_inner_load(rig.wave, inner);
            run.mode = WAVE_AGAIN;
            run.snapshots = again;
            wave_run(rig.wave, &run);
            assert_true(wave_energy(rig.wave) > 0);
            for (size_t i = 0; i < n; i++) /* layers may make 0 of -0 in the medium */
                assert_true(there[i] == again[i]);
            free(there);
            free(again);
            free(shells);
            free(inner);
            rig_close(&rig);
        }
    }
}

static void assert_refused(const struct wave_medium *medium, const struct wave_options *options,
                           const char *part)
{
    struct error error = {0};
    assert_null(wave_create(wave_physics_find("acoustic"), medium, options, &error));
    if (!strstr(error.text, part))
        fail_msg("\"%s\" is not in: %s", part, error.text);
    assert_int_equal(error.code, ERROR_CONFIG);
}

static void refuses_what_cannot_be_computed(void **state)
{
    (void)state;
    struct wave_medium medium = bench_constant(bench_grid(20, 1, 10, 10), 2000, 0);
    struct wave_options good = {.dt = 0.001}, options = good;
    options.dt = 0.01;
    assert_refused(&medium, &options, "it may be at most 0.0027");
    options.dt = NAN;
    assert_refused(&medium, &options, "time step");
    options = good;
    options.order = 6;
    assert_refused(&medium, &options, "choose 4, 8, 12 or 16");
    options = good;
    options.absorb = 201;
    assert_refused(&medium, &options, "0 to 200");
    options = good;
    options.free_surface = true;
    options.order = 16;
    medium.grid.n[GRID_Z] = 8;
    assert_refused(&medium, &options, "it takes more than 8");
    medium.grid.n[GRID_Z] = 10;
    ((float *)medium.vp)[13] = -1;
    assert_refused(&medium, &good, "vp is -1 m/s at point (x 1, y 0, z 3)");
    ((float *)medium.vp)[13] = NAN;
    assert_refused(&medium, &good, "above 0");
    ((float *)medium.vp)[13] = 2000;
    medium.rho = medium.vp;
    assert_refused(&medium, &good, "has no use for rho");
    medium.rho = NULL;
    medium.grid.spacing[GRID_X] = 0;
    assert_refused(&medium, &good, "spacing along x");
    medium.grid.spacing[GRID_X] = 10;
    medium.grid.n[GRID_Y] = 2;
    assert_refused(&medium, &good, "along y");
    medium.grid.n[GRID_Y] = 1;
    bench_medium_free(&medium);
    assert_refused(&(struct wave_medium){.grid = medium.grid}, &good, "needs vp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_cannot_be_computed),
        cmocka_unit_test(threads_and_passes_change_no_bit),
        cmocka_unit_test(tiles_change_no_bit),
        cmocka_unit_test(samples_of_many_tiles_are_those_of_one),
        cmocka_unit_test(tiles_have_the_rows_that_their_borders_go_back_by),
        cmocka_unit_test(wedges_change_no_bit),
        cmocka_unit_test(tiles_of_tilted_stages_change_no_bit),
        cmocka_unit_test(a_restored_state_goes_on_to_the_same_bits),
        cmocka_unit_test(scattering_is_the_derivative),
        cmocka_unit_test(runs_backwards),
        cmocka_unit_test(runs_again_to_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
