/*
 * Weights of places become strips of points that follow each other.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/seismic/wave_bench.h"
#include "worker/seismic/points.h"

enum { N = 20, PAD = 4 }; /* points of each layer */

static struct wave *wave_under(bool free_surface)
{
    return bench_uneven("acoustic", N, N, N,
                        (struct wave_options){.absorb = PAD, .free_surface = free_surface});
}

static void weights_follow_each_other_by_row_and_place(void **state)
{
    (void)state;
    const struct wave_weight weights[] = {
        {{3, 5, 7}, 0.5}, {{3, 5, 9}, 0.25}, {{3, 5, 8}, 0.125}, /* a strip of three */
        {{3, 4, 7}, 2},   {{3, 5, 12}, 4},                       /* of one each */
        {{3, 5, 8}, 8},   {{99, 5, 8}, 16},  {{3, 5, 9}, 0}, /* another place; nowhere; zero */
    };
    const size_t first[] = {0, 5, 8};
    const struct point_strip expected[] = {{PAD + 4, PAD + 7, 1, 0, 0},
                                           {PAD + 5, PAD + 7, 3, 0, 1},
                                           {PAD + 5, PAD + 12, 1, 0, 4},
                                           {PAD + 5, PAD + 8, 1, 1, 5}};
    const wave_real values[] = {2, 0.5, 0.125, 0.25, 4, 8};
    struct wave *wave = wave_under(false);
    struct error error = {0};
    struct wave_points *points = wave_points_create(wave, 2, first, weights, &error);
    assert_non_null(points);
    assert_int_equal(points_strips(points), 4);
    assert_int_equal(points_weights(points), 6);
    assert_int_equal(points->plane[PAD + 3], 0);
    assert_int_equal(points->plane[PAD + 4], 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(points->strips[i].y, expected[i].y);
        assert_int_equal(points->strips[i].z, expected[i].z);
        assert_int_equal(points->strips[i].n, expected[i].n);
        assert_int_equal(points->strips[i].place, expected[i].place);
        assert_int_equal(points->strips[i].weight, expected[i].weight);
        assert_int_equal(points->turns[i].strip, i);
    }
    for (size_t i = 0; i < 6; i++)
        assert_true(points->weights[i] == values[i]);
    assert_int_equal(points_find_row(points, PAD + 3, 0), 0);
    assert_int_equal(points_find_row(points, PAD + 3, PAD + 5), 1);
    assert_int_equal(points_find_row(points, PAD + 3, PAD + 6), 4);
    wave_points_destroy(points);
    wave_destroy(wave);
}

/* Above a free surface at z = 0 the wave is the same with the other sign, and none at it. */
static void what_is_mirrored_onto_a_point_counts_there(void **state)
{
    (void)state;
    const struct wave_weight weights[] = {
        {{1, 1, -2}, 0.5}, {{1, 1, -1}, 2}, {{1, 1, 0}, 4}, {{1, 1, 1}, 8}, {{1, 1, 2}, 16}};
    const size_t first[] = {0, 5};
    struct wave *wave = wave_under(true);
    struct error error = {0};
    struct wave_points *points = wave_points_create(wave, 1, first, weights, &error);
    assert_non_null(points);
    assert_int_equal(points_strips(points), 1);
    assert_int_equal(points->strips[0].n, 2);
    assert_true(points->weights[0] == 8 - 2);
    assert_true(points->weights[1] == 16 - 0.5F);
    wave_points_destroy(points);
    wave_destroy(wave);
}

static void a_weight_that_is_no_number_is_refused(void **state)
{
    (void)state;
    const struct wave_weight weights[] = {{{1, 1, 1}, 1}, {{1, 1, 2}, NAN}};
    const size_t first[] = {0, 1, 2};
    struct wave *wave = wave_under(false);
    struct error error = {0};
    assert_null(wave_points_create(wave, 2, first, weights, &error));
    assert_non_null(strstr(error.text, "weight 0 of place 1"));
    wave_destroy(wave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_follow_each_other_by_row_and_place),
        cmocka_unit_test(what_is_mirrored_onto_a_point_counts_there),
        cmocka_unit_test(a_weight_that_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
