/* Weights against their formulas, lines against distances worked out by hand. */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/seismic/mute.h"

static const struct survey_mute reflections = {
    .keep = SURVEY_KEEP_REFLECTIONS, .velocity_m_s = 1500, .delay_s = 0.2, .taper_s = 0.1};

static struct point sources[] = {{100, 200, 10}, {103, 204, 22}};
static struct point receivers[] = {{103, 204, 22}, {100, 200, 1510}};

/* The first `count` of the sources are fired. */
static struct shot shot_of(size_t count)
{
    return (struct shot){.name = "7",
                         .sources = sources,
                         .source_count = count,
                         .receivers = receivers,
                         .receiver_count = 2};
}

static struct survey_mute mirrored(struct survey_mute mute)
{
    mute.keep = SURVEY_KEEP_TURNING;
    return mute;
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) < 1e-12))
        fail_msg("%.15g where %.15g was expected", a, b);
}

static void what_is_kept_is_kept_whole_and_the_taper_is_half_a_cosine(void **state)
{
    (void)state;
    /* Seconds beyond the line, and the weight there. */
    static const double table[][2] = {{-9, 1},         {0, 1},   {0.025, 0.5 + M_SQRT1_2 / 2},
                                      {0.05, 0.5},     {0.1, 0}, {0.075, 0.5 - M_SQRT1_2 / 2},
                                      {0.1 + 1e-9, 0}, {9, 0}};
    const struct survey_mute turning = mirrored(reflections);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        assert_near(mute_weight(&reflections, 3, 3 - table[i][0]), table[i][1]);
        assert_near(mute_weight(&turning, 3, 3 + table[i][0]), table[i][1]);
    }
}

static void without_a_taper_it_is_a_step(void **state)
{
    (void)state;
    struct survey_mute step = reflections;
    step.taper_s = 0;
    assert_near(mute_weight(&step, 3, 3 - 1e-9), 0);
    assert_near(mute_weight(&step, 3, 3), 1);
    step = mirrored(step);
    assert_near(mute_weight(&step, 3, 3), 1);
    assert_near(mute_weight(&step, 3, 3 + 1e-9), 0);
}

static void lines_come_by_the_true_distance(void **state)
{
    (void)state;
    const struct shot shot = shot_of(1);
    assert_near(mute_line(&reflections, &shot, 0), 13.0 / 1500 + 0.2); /* 3, 4, 12 */
    assert_near(mute_line(&reflections, &shot, 1), 1 + 0.2);           /* straight down */
}

static void of_several_sources_the_least_weight_counts(void **state)
{
    (void)state;
    const struct shot both = shot_of(2);
    const struct survey_mute turning = mirrored(reflections);
    assert_near(mute_line(&reflections, &both, 0), 13.0 / 1500 + 0.2);
    assert_near(mute_line(&turning, &both, 0), 0.2); /* at the second one */
    assert_near(mute_line(&reflections, &both, 1), 1.2);
    assert_near(mute_line(&turning, &both, 1), hypot(5, 1488) / 1500 + 0.2);
}

static void weights_are_at_the_times_of_samples(void **state)
{
    (void)state;
    enum { SAMPLES = 5 };
    const struct shot shot = shot_of(1);
    struct survey survey = {
        .mute = reflections,
        .record = {.samples = SAMPLES, .interval_s = 0.025, .start_s = 1.1}};
    float weights[2 * SAMPLES];
    mute_weights(&survey, &shot, weights);
    const double slope[SAMPLES] = {0, 0.5 - M_SQRT1_2 / 2, 0.5, 0.5 + M_SQRT1_2 / 2, 1};
    for (int i = 0; i < SAMPLES; i++) {
        assert_true(weights[i] == 1);
        assert_true(fabs((double)weights[SAMPLES + i] - slope[i]) < 1e-6);
    }
    survey.mute = (struct survey_mute){.velocity_m_s = INFINITY}; /* none */
    mute_weights(&survey, &shot, weights);
    for (int i = 0; i < 2 * SAMPLES; i++)
        assert_true(weights[i] == 1);
}

static void expect_left(const struct survey *survey, const char *sentence)
{
    const struct shot shot = shot_of(1);
    struct error error = {0};
    int rc = mute_check(survey, &shot, &error);
    assert_int_equal(rc, *sentence ? -1 : 0);
    assert_string_equal(error.text, sentence);
}

static void a_mute_that_leaves_nothing_is_told(void **state)
{
    (void)state;
    struct survey survey = {.record = {.samples = 101, .interval_s = 0.01, .start_s = 0}};
    survey.mute.velocity_m_s = INFINITY;
    expect_left(&survey, "");
    survey.mute = reflections;
    expect_left(&survey, "");
    survey.mute.delay_s = 1.1 - 13.0 / 1500 - 1e-6; /* the taper of the nearer one begins */
    expect_left(&survey, "");
    survey.mute.delay_s = 1.1;
    expect_left(&survey, "$.mute: leaves nothing of shot 7: its first line comes at 1.10867 "
                         "s, and the record goes from 0 to 1 s");
    survey.mute = mirrored(reflections);
    survey.mute.delay_s = -1.05; /* the farther one's taper is not over */
    expect_left(&survey, "");
    survey.mute.delay_s = -1.5;
    expect_left(&survey, "$.mute: leaves nothing of shot 7: its last line comes at -0.5 s, "
                         "and the record goes from 0 to 1 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_kept_whole_and_the_taper_is_half_a_cosine),
        cmocka_unit_test(without_a_taper_it_is_a_step),
        cmocka_unit_test(lines_come_by_the_true_distance),
        cmocka_unit_test(of_several_sources_the_least_weight_counts),
        cmocka_unit_test(weights_are_at_the_times_of_samples),
        cmocka_unit_test(a_mute_that_leaves_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
