#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "master/sweep/portable.h"
#include "master/sweep/random.h"

/* Known answers of philox4x32 with 10 rounds, from the authors' Random123 1.14 (kat_vectors). */
static void philox_gives_its_authors_answers(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], words[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    uint32_t words[4];

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        random_philox(known[i].counter, known[i].key, words);
        assert_memory_equal(words, known[i].words, sizeof words);
    }
}

static void log_and_exp_agree_with_libm(void **state)
{
    (void)state;
    /* The series leave less than an ulp; the rest is the roundings of some five operations. */
    for (double x = DBL_TRUE_MIN; x < DBL_MAX / 2; x *= 1.7) {
        double expected = log(x);

        assert_true(fabs(portable_log(x) - expected) <=
                    4 * DBL_EPSILON * fabs(expected) + 1e-18);
    }
    for (double x = 0.5; x < 2; x += 0.00037)
        assert_true(fabs(portable_log(x) - log(x)) <= 4 * DBL_EPSILON * fabs(log(x)) + 1e-18);
    for (double x = -700; x < 709; x += 0.37)
        assert_true(fabs(portable_exp(x) - exp(x)) <= 4 * DBL_EPSILON * exp(x));
    assert_true(portable_log(1) == 0 && portable_exp(0) == 1);
    assert_true(portable_exp(-746) == 0 && isinf(portable_exp(710)));
    assert_true(portable_exp(-744) > 0); /* subnormal */
}

static void the_normal_quantile_inverts_the_distribution(void **state)
{
    (void)state;
    /* Known: P(N < 1.959963984540054) = 0.975; AS 241's own checks, p = 0.25, 0.001, 1e-20. */
    assert_true(fabs(random_normal_quantile(0.975) - 1.959963984540054) < 1e-14);
    assert_true(fabs(random_normal_quantile(0.25) - -0.6744897501960817) < 1e-15);
    assert_true(fabs(random_normal_quantile(0.001) - -3.090232306167814) < 1e-14);
    assert_true(fabs(random_normal_quantile(1e-20) - -9.262340089798408) < 1e-13);
    assert_true(random_normal_quantile(0.5) == 0);
    /* Round trip through libm's erfc; near the tails dp/p = x dx. */
    for (double x = -8; x < 8; x += 0.01) {
        double p = 0.5 * erfc(-x / sqrt(2));

        if (p > 0 && p < 0.9)
            assert_true(fabs(random_normal_quantile(p) - x) < 1e-13 * (1 + fabs(x)));
    }
}

static void uniforms_have_the_moments_and_stay_inside(void **state)
{
    enum { ROWS = 200000 };
    double sum = 0, sum2 = 0, lag = 0, across = 0, before = 0.5;

    (void)state;
    for (uint64_t i = 0; i < ROWS; i++) {
        double u = random_uniform(7, 3, i);

        assert_true(u > 0 && u < 1);
        sum += u;
        sum2 += (u - 0.5) * (u - 0.5);
        lag += (u - 0.5) * (before - 0.5);
        across += (u - 0.5) * (random_uniform(7, 4, i) - 0.5);
        before = u;
    }
    /* 4 standard errors: of the mean 1 / sqrt(12 n); of the variance 1/12: sqrt(1 / (180 n));
     * of a product of independent ones 1 / (12 sqrt(n)). */
    assert_true(fabs(sum / ROWS - 0.5) < 4 / sqrt(12.0 * ROWS));
    assert_true(fabs(sum2 / ROWS - 1.0 / 12) < 4 / sqrt(180.0 * ROWS));
    assert_true(fabs(lag / ROWS) < 4 / (12 * sqrt(ROWS)));
    assert_true(fabs(across / ROWS) < 4 / (12 * sqrt(ROWS)));
}

static void normals_have_the_moments(void **state)
{
    enum { ROWS = 200000 };
    double sum = 0, sum2 = 0, sum3 = 0, sum4 = 0;

    (void)state;
    for (uint64_t i = 0; i < ROWS; i++) {
        double x = random_normal_quantile(random_uniform(11, 0, i));

        sum += x;
        sum2 += x * x;
        sum3 += x * x * x;
        sum4 += x * x * x * x;
    }
    /* Moments 0, 1, 0, 3 with variances 1, 2, 15, 96 over n; 4 standard errors. */
    assert_true(fabs(sum / ROWS) < 4 * sqrt(1.0 / ROWS));
    assert_true(fabs(sum2 / ROWS - 1) < 4 * sqrt(2.0 / ROWS));
    assert_true(fabs(sum3 / ROWS) < 4 * sqrt(15.0 / ROWS));
    assert_true(fabs(sum4 / ROWS - 3) < 4 * sqrt(96.0 / ROWS));
}

static void indexes_are_even_and_in_range(void **state)
{
    int counts[7] = {0};

    (void)state;
    for (uint64_t i = 0; i < 70000; i++) {
        uint64_t index = random_index(1, 0, i, 7);

        assert_true(index < 7);
        counts[index]++;
    }
    for (int i = 0; i < 7; i++) /* binomial, sd = sqrt(70000 * 1/7 * 6/7) = 92.6; 4 of them */
        assert_true(counts[i] > 10000 - 371 && counts[i] < 10000 + 371);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(random_index(1, 0, i, 1) == 0);
        assert_true(random_index(1, 0, i, UINT64_MAX) < UINT64_MAX);
    }
}

static void seed_column_and_row_all_count(void **state)
{
    double u = random_uniform(1, 2, 3);

    (void)state;
    assert_true(u == random_uniform(1, 2, 3));
    assert_true(u != random_uniform(2, 2, 3));
    assert_true(u != random_uniform(1, 3, 3));
    assert_true(u != random_uniform(1, 2, 4));
    assert_true(u != random_uniform(1 + (UINT64_C(1) << 32), 2, 3));
    assert_true(u != random_uniform(1, 2, 3 + (UINT64_C(1) << 32)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_its_authors_answers),
        cmocka_unit_test(log_and_exp_agree_with_libm),
        cmocka_unit_test(the_normal_quantile_inverts_the_distribution),
        cmocka_unit_test(uniforms_have_the_moments_and_stay_inside),
        cmocka_unit_test(normals_have_the_moments),
        cmocka_unit_test(indexes_are_even_and_in_range),
        cmocka_unit_test(seed_column_and_row_all_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
