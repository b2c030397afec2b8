#include "config.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/seismic/bins.h"

static uint64_t seed = 12345;

static uint64_t draw(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return seed >> 16;
}

/* Random digits and sign, and an exponent between the two. */
static float draw_float(int low, int high)
{
    float x = ldexpf((float)((draw() & 0xffffff) | 1),
                     low + (int)(draw() % (unsigned)(high - low + 1)));
    return draw() & 1 ? x : -x;
}

static float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static struct bins *make(void)
{
    struct bins *bins = calloc(1, sizeof(*bins));
    assert_non_null(bins);
    return bins;
}

static float sum_of(const float *x, size_t count)
{
    struct bins *bins = make();
    float sum;
    for (size_t i = 0; i < count; i++)
        bins_add(bins, 0, x + i, 1);
    bins_round(bins, &sum, 1);
    free(bins);
    return sum;
}

/* x in units of 2^-62, exactly; |x| < 2^60, no digit below the unit. */
static __int128 fixed(float x)
{
    int exponent;
    int64_t digits = (int64_t)ldexpf(frexpf(x, &exponent), 24);
    int shift = exponent - 24 + 62;
    assert_true(shift >= 0 && shift < 100);
    return (__int128)digits * ((__int128)1 << shift);
}

static __int128 size_of(__int128 x)
{
    return x < 0 ? -x : x;
}

/* No float is nearer to the exact sum; of two that are as near, it is the one with an even last
 * digit. */
static void assert_nearest(float sum, __int128 exact)
{
    __int128 error = size_of(fixed(sum) - exact);
    __int128 above = size_of(fixed(nextafterf(sum, INFINITY)) - exact);
    __int128 below = size_of(fixed(nextafterf(sum, -INFINITY)) - exact);
    assert_true(error <= above && error <= below);
    if (error == above || error == below)
        assert_int_equal(float_bits(sum) & 1, 0);
}

static void sums_are_rounded_to_the_nearest_float(void **state)
{
    (void)state;
    static float x[200];
    for (int round = 0; round < 2000; round++) {
        size_t count = 1 + draw() % 200;
        __int128 exact = 0;
        for (size_t i = 0; i < count; i++) {
            x[i] = draw_float(-38, -10 + round % 20);
            exact += fixed(x[i]);
        }
        assert_nearest(sum_of(x, count), exact);
    }
}

static void ties_go_to_even(void **state)
{
    (void)state;
    const float half = 0x1p-24f;
    assert_true(sum_of((float[]){1, half}, 2) == 1);
    assert_true(sum_of((float[]){1, half, 0x1p-60f}, 3) == 1 + FLT_EPSILON);
    assert_true(sum_of((float[]){1 + FLT_EPSILON, half}, 2) == 1 + 2 * FLT_EPSILON);
    assert_true(sum_of((float[]){-1, -half}, 2) == -1);
    assert_true(sum_of((float[]){-1, -half, -0x1p-60f}, 3) == -1 - FLT_EPSILON);
    /* Rounding up to the next power of two. */
    assert_true(sum_of((float[]){2 - FLT_EPSILON, FLT_EPSILON / 2}, 2) == 2);
}

static void subnormals_and_zeros_are_summed_exactly(void **state)
{
    (void)state;
    const float least = bits_float(1);
    float many[1000];
    for (size_t i = 0; i < 1000; i++)
        many[i] = least;
    assert_int_equal(float_bits(sum_of(many, 1000)), 1000);
    assert_int_equal(float_bits(sum_of((float[]){FLT_MIN, -least}, 2)), 0x7fffff);
    assert_int_equal(float_bits(sum_of((float[]){-0.0f, -0.0f}, 2)), 0); /* +0 */
    assert_int_equal(float_bits(sum_of((float[]){-least, least}, 2)), 0);
    assert_int_equal(float_bits(sum_of((float[]){0, -least}, 2)), 0x80000001);
}

static void a_sum_too_large_for_a_float_is_infinite(void **state)
{
    (void)state;
    assert_true(sum_of((float[]){FLT_MAX, FLT_MAX}, 2) == INFINITY);
    assert_true(sum_of((float[]){-FLT_MAX, -FLT_MAX}, 2) == -INFINITY);
    assert_true(sum_of((float[]){FLT_MAX, FLT_MAX, -FLT_MAX}, 3) == FLT_MAX);
}

static void what_cancels_leaves_what_was_there(void **state)
{
    (void)state;
    /* In float64 the order would decide: 1e16 + 1 - 1e16 is 0. */
    assert_true(sum_of((float[]){1e16f, 1, -1e16f}, 3) == 1);
    assert_true(sum_of((float[]){1, 1e16f, -1e16f}, 3) == 1);
}

/* n 2^-55 max|x|, of bins.h, where digits are dropped. */
static void what_is_dropped_is_as_small_as_stated(void **state)
{
    (void)state;
    static float x[300];
    for (int round = 0; round < 200; round++) {
        long double sum = 0, largest = 0;
        for (size_t i = 0; i < 300; i++) {
            x[i] = draw_float(-170, 100);
            sum += (long double)x[i];
            largest = fmaxl(largest, fabsl((long double)x[i]));
        }
        /* The reference is a sum in 64 digits, in error by 300 * 2^-64 * its largest itself; the
         * float by half a unit in its last place. */
        long double bound = 300 * 0x1p-55L * largest + 300 * 300 * 0x1p-64L * largest;
        float got = sum_of(x, 300);
        assert_true(fabsl((long double)got - sum) <= bound + fabsl(sum) * 0x1p-24L);
    }
}

#define SHOTS 40

static float inputs[SHOTS][BINS_POINTS];

static void draw_inputs(void)
{
    for (int shot = 0; shot < SHOTS; shot++)
        for (int i = 0; i < BINS_POINTS; i++)
            switch (i % 4) {
            case 0:
                inputs[shot][i] = draw_float(-172, 103);
                break;
            case 1:
                inputs[shot][i] = draw_float(-30, -20);
                break;
            case 2:
                inputs[shot][i] =
                    bits_float((uint32_t)draw() & 0x807fffff); /* subnormal, or 0 */
                break;
            default:
                inputs[shot][i] = shot % 3 ? 0 : draw_float(-40, 40);
            }
}

static void add_shots(struct bins *bins, const int *order, int from, int to)
{
    for (int i = from; i < to; i++)
        bins_add(bins, 0, inputs[order[i]], BINS_POINTS);
}

/* Any order, any cut into pieces of any length, any tree: the same bits. */
static void any_order_and_tree_gives_the_same_bits(void **state)
{
    (void)state;
    int order[SHOTS];
    struct bins *reference = make();
    draw_inputs();
    for (int i = 0; i < SHOTS; i++)
        order[i] = i;
    add_shots(reference, order, 0, SHOTS);
    for (int round = 0; round < 30; round++) {
        struct bins *left = make(), *right = make();
        for (int i = SHOTS - 1; i > 0; i--) {
            int j = (int)(draw() % (unsigned)(i + 1)), kept = order[i];
            order[i] = order[j];
            order[j] = kept;
        }
        int cut = (int)(draw() % (SHOTS + 1));
        add_shots(left, order, 0, cut);
        add_shots(right, order, cut, SHOTS);
        if (round & 1) {
            bins_merge(right, left);
            assert_memory_equal(right, reference, sizeof(*right));
        } else {
            bins_merge(left, right);
            assert_memory_equal(left, reference, sizeof(*left));
        }
        free(left);
        free(right);
    }
    free(reference);
}

/* The wide ways of the processor, against the narrow one of what is left over. */
static void pieces_of_any_length_give_the_same_bits(void **state)
{
    (void)state;
    struct bins *whole = make(), *pieces = make();
    draw_inputs();
    for (int shot = 0; shot < 10; shot++) {
        bins_add(whole, 0, inputs[shot], BINS_POINTS);
        for (size_t done = 0, length; done < BINS_POINTS; done += length) {
            length = 1 + draw() % 23;
            if (shot < 3)
                length = 1;
            if (length > BINS_POINTS - done)
                length = BINS_POINTS - done;
            bins_add(pieces, done, inputs[shot] + done, length);
        }
    }
    assert_memory_equal(whole, pieces, sizeof(*whole));
    free(whole);
    free(pieces);
}

static void a_value_that_is_not_finite_is_found(void **state)
{
    (void)state;
    static float x[100];
    static const uint32_t bad[] = {0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff};
    for (size_t i = 0; i < 100; i++)
        x[i] = i & 1 ? FLT_MAX : -bits_float(1);
    assert_int_equal(floats_find_bad(x, 100), 100);
    for (size_t i = 0; i < 100; i++) {
        float kept = x[i];
        x[i] = bits_float(bad[i % 5]);
        assert_int_equal(floats_find_bad(x, 100), i);
        assert_int_equal(floats_find_bad(x, i), i);
        x[i] = kept;
    }
}

static void floats_are_added_to_doubles(void **state)
{
    (void)state;
    double sums[21] = {0};
    float x[21];
    for (int i = 0; i < 21; i++)
        x[i] = (float)i / 3;
    floats_add(sums, x, 21);
    floats_add(sums, x, 21);
    for (int i = 0; i < 21; i++)
        assert_true(sums[i] == 2 * (double)x[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_is_not_finite_is_found),
        cmocka_unit_test(a_sum_too_large_for_a_float_is_infinite),
        cmocka_unit_test(sums_are_rounded_to_the_nearest_float),
        cmocka_unit_test(ties_go_to_even),
        cmocka_unit_test(subnormals_and_zeros_are_summed_exactly),
        cmocka_unit_test(what_cancels_leaves_what_was_there),
        cmocka_unit_test(what_is_dropped_is_as_small_as_stated),
        cmocka_unit_test(any_order_and_tree_gives_the_same_bits),
        cmocka_unit_test(pieces_of_any_length_give_the_same_bits),
        cmocka_unit_test(floats_are_added_to_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
