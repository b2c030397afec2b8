/*
 * Inversions of a function that is cheap: "data" of a shot are a few sums of the model, so the
 * misfit is a quadratic with a known minimum.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "master/shots/fwi.h"
#include "master/shots/source_filter.h"

#define NX    6
#define NZ    5
#define N     (NX * NZ)
#define SHOTS 8

struct bench {
    struct survey survey;
    struct survey_band bands[2];
    float start[N], mask[N], truth[N];
    float light[N];
    int bad_shot; /* -1: none */
    bool by_band; /* misfits grow with the band, as data have more in them */
    /* Every shot of a model with a higher velocity fails (0: none), or only where a gradient is
     * asked for. */
    double unstable_m_s;
    bool unstable_gradients_alone;
};

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){.bad_shot = -1};
    bench->survey =
        (struct survey){.grid = {.dims = 2, .n = {NX, 1, NZ}, .spacing = {10, 10, 10}},
                        .shot_count = SHOTS,
                        .inversion = {.iterations = 20,
                                      .min_m_s = 1400,
                                      .max_m_s = 3000,
                                      .history = 5,
                                      .line_search = 10}};
    for (int i = 0; i < N; i++) {
        bench->start[i] = 2000;
        bench->mask[i] = 1;
        bench->truth[i] = 2000 + 100 * (float)((i * 7) % 5 - 2);
        bench->light[i] = 1 / (1 + (float)(i % NZ)); /* less with depth */
    }
}

/* Shot s sees each point with a weight of its own. */
static double weight(size_t shot, int i)
{
    return 0.5 + (double)((shot * 31 + (size_t)i * 17) % 11) / 11;
}

static double shot_misfit(const struct bench *bench, size_t shot, const double *v, float *g)
{
    double sum = 0;
    for (int i = 0; i < N; i++) {
        double w = weight(shot, i), r = (v[i] - bench->truth[i]) * w * 1e-3;
        sum += 0.5 * r * r;
        if (g)
            g[i] += (float)(r * w * 1e-3);
    }
    return sum;
}

static bool is_unstable(const struct bench *bench, const struct fwi_request *request)
{
    for (int i = 0; bench->unstable_m_s > 0 && i < N; i++)
        if (request->velocity[i] > bench->unstable_m_s)
            return !bench->unstable_gradients_alone || request->operation == SHOT_GRADIENT;
    return false;
}

struct answered {
    double misfits[SHOTS];
    float gradient[N];
};

static struct fwi_answer answer(const struct bench *bench, const struct fwi_request *request,
                                struct answered *answered)
{
    static const char *const estimate[] = {
        "{\"df_hz\":1,\"first\":2,\"cross\":[[2,0],[0,4]],\"power\":[1,4]}"};
    memset(answered, 0, sizeof(*answered));
    for (size_t i = 0; i < request->shot_count; i++)
        answered->misfits[i] =
            (int)request->shots[i] == bench->bad_shot || is_unstable(bench, request)
                ? NAN
                : shot_misfit(bench, request->shots[i], request->velocity, answered->gradient);
    for (size_t i = 0; bench->by_band && i < request->shot_count; i++)
        answered->misfits[i] *= request->max_hz;
    for (int i = 0; bench->by_band && i < N; i++)
        answered->gradient[i] *= (float)request->max_hz;
    return (struct fwi_answer){
        .misfits = answered->misfits,
        .illumination = request->illumination ? bench->light : NULL,
        .gradient = request->operation == SHOT_GRADIENT ? answered->gradient : NULL,
        .extras = estimate,
        .extra_count = 1};
}

static struct fwi *begin(const struct bench *bench)
{
    struct error error;
    struct fwi *fwi = fwi_create(&bench->survey, bench->start, bench->mask, &error);
    assert_non_null(fwi);
    return fwi;
}

/* One whose shots cannot compute higher velocities. */
static struct fwi *begin_unstable(struct bench *bench, double unstable_m_s)
{
    bench_init(bench);
    bench->unstable_m_s = unstable_m_s;
    return begin(bench);
}

/* Steps until it is over; how many. */
static int run(const struct bench *bench, struct fwi *fwi)
{
    struct fwi_request request;
    struct answered answered;
    struct error error;
    int steps = 0, rc = fwi_step(fwi, NULL, &request, &error);
    while (rc > 0) {
        struct fwi_answer given = answer(bench, &request, &answered);
        rc = fwi_step(fwi, &given, &request, &error);
        assert_true(steps++ < 1000);
    }
    assert_int_equal(rc, 0);
    return steps;
}

static void assert_within(const struct fwi *fwi, double least_m_s, double most_m_s)
{
    for (int i = 0; i < N; i++) {
        assert_true(fwi_velocity(fwi)[i] >= least_m_s);
        assert_true(fwi_velocity(fwi)[i] <= most_m_s);
    }
}

static double furthest(const struct bench *bench, const struct fwi *fwi)
{
    double most = 0;
    for (int i = 0; i < N; i++)
        if (fabs(fwi_velocity(fwi)[i] - bench->truth[i]) > most)
            most = fabs(fwi_velocity(fwi)[i] - bench->truth[i]);
    return most;
}

static void answers_of_no_use_are_told(void **state)
{
    (void)state;
    struct bench bench;
    struct fwi_request request;
    struct error error;
    double nothing[SHOTS];
    float gradient[N] = {0};
    bench_init(&bench);
    for (int i = 0; i < SHOTS; i++)
        nothing[i] = NAN;
    struct fwi *fwi = begin(&bench);
    assert_int_equal(fwi_step(fwi, NULL, &request, &error), 1);
    assert_int_equal(request.operation, SHOT_GRADIENT);
    assert_int_equal(request.shot_count, SHOTS);
    const struct fwi_answer useless = {.misfits = nothing, .gradient = gradient};
    assert_int_equal(fwi_step(fwi, &useless, &request, &error), -1);
    assert_non_null(strstr(error.text, "no shot has a misfit"));
    fwi_destroy(fwi);
}

static void the_model_is_found(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    struct fwi *fwi = begin(&bench);
    run(&bench, fwi);
    assert_true(furthest(&bench, fwi) < 5);
    assert_true(fwi_misfit(fwi) < 1e-3 * fwi_misfit_first(fwi));
    fwi_destroy(fwi);
}

static void bounds_and_frozen_points_hold(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    bench.survey.inversion.max_m_s = 2050;
    bench.survey.inversion.frozen_depth_m = 15; /* the first two of five points */
    bench.survey.inversion.smooth_m = 5;
    bench.mask[N - 1] = 0;
    struct fwi *fwi = begin(&bench);
    run(&bench, fwi);
    int moved = 0;
    for (int i = 0; i < N; i++) {
        double v = fwi_velocity(fwi)[i];
        assert_true(v <= 2050);
        if (i % NZ < 2 || i == N - 1)
            assert_true(v == 2000);
        moved += v != 2000;
    }
    assert_true(moved > N / 3);
    fwi_destroy(fwi);
}

static void smoothing_beyond_the_model_makes_updates_alike(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    bench.survey.inversion.smooth_m = 1e15; /* once a kernel of petabytes */
    struct fwi *fwi = begin(&bench);
    run(&bench, fwi);
    double first = fwi_velocity(fwi)[0] - 2000;
    assert_true(first != 0);
    for (int i = 1; i < N; i++)
        assert_true(fabs(fwi_velocity(fwi)[i] - 2000 - first) < 1e-6 * fabs(first));
    fwi_destroy(fwi);
}

static void what_may_not_change_may_be_outside_the_bounds(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    bench.survey.inversion.frozen_depth_m = 15;
    for (int i = 0; i < N; i++)
        bench.start[i] = i % NZ < 2 ? 1000 : 2000; /* water, slower than the bound */
    bench.start[N - 1] = 1300;                     /* not water */
    struct fwi *fwi = begin(&bench);
    assert_int_equal(fwi_moved(fwi), 1);
    run(&bench, fwi);
    for (int i = 0; i < N; i++)
        assert_true(i % NZ < 2 ? fwi_velocity(fwi)[i] == 1000 : fwi_velocity(fwi)[i] >= 1400);
    fwi_destroy(fwi);
}

static void a_shot_that_fails_is_left_out_of_both_sides(void **state)
{
    (void)state;
    struct bench bench;
    struct fwi_request request;
    struct answered answered;
    struct error error;
    bench_init(&bench);
    struct fwi *fwi = begin(&bench);
    int rc = fwi_step(fwi, NULL, &request, &error);
    for (int step = 0; rc > 0; step++) {
        /* Another one each time: without care, a trial would look better for having fewer. */
        bench.bad_shot = step % 3 ? (step * 5) % SHOTS : -1;
        struct fwi_answer given = answer(&bench, &request, &answered);
        rc = fwi_step(fwi, &given, &request, &error);
    }
    assert_int_equal(rc, 0);
    assert_true(furthest(&bench, fwi) < 50);
    fwi_destroy(fwi);
}

static void a_trial_whose_every_shot_fails_shortens_the_step(void **state)
{
    (void)state;
    struct bench bench;
    /* The first step changes velocities by up to 20 m/s, and the best ones are up to 2200. */
    struct fwi *fwi = begin_unstable(&bench, 2003);
    double before = 0;
    for (size_t s = 0; s < SHOTS; s++) {
        double v[N];
        for (int i = 0; i < N; i++)
            v[i] = bench.start[i];
        before += shot_misfit(&bench, s, v, NULL);
    }
    run(&bench, fwi);
    assert_true(fwi_misfit(fwi) < before);
    assert_within(fwi, 0, 2003);
    /* It ended at the edge of what can be computed. */
    assert_true(fwi_failed(fwi));
    fwi_destroy(fwi);
}

static void where_no_step_is_short_enough_the_last_good_model_is_kept(void **state)
{
    (void)state;
    struct bench bench;
    struct fwi *fwi = begin_unstable(&bench, 2000); /* the start itself is just computed */
    /* One evaluation, and the trials of one search along the gradient. */
    assert_int_equal(run(&bench, fwi), 1 + 10);
    assert_true(fwi_failed(fwi));
    assert_non_null(strstr(fwi_sentence(fwi), "however short the step"));
    assert_within(fwi, 2000, 2000);
    fwi_destroy(fwi);
}

static void a_model_that_explains_the_data_from_the_start_is_said_to(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    for (int i = 0; i < N; i++)
        bench.start[i] = (float)bench.truth[i];
    struct fwi *fwi = begin(&bench);
    run(&bench, fwi);
    assert_true(fwi_misfit(fwi) == 0);
    assert_string_equal(fwi_sentence(fwi), "the model explains the data");
    assert_false(fwi_failed(fwi));
    fwi_destroy(fwi);
}

static void a_trial_that_fails_when_its_gradient_is_taken_is_none(void **state)
{
    (void)state;
    struct bench bench;
    struct fwi *fwi = begin_unstable(&bench, 2003);
    bench.unstable_gradients_alone = true;
    run(&bench, fwi);
    assert_within(fwi, 0, 2003);
    fwi_destroy(fwi);
}

static void a_good_model_that_fails_later_is_kept(void **state)
{
    (void)state;
    struct bench bench;
    struct fwi_request request;
    struct answered answered;
    struct error error;
    bench_init(&bench);
    bench.survey.inversion.shots_per_iteration = 3; /* a gradient begins each iteration */
    struct fwi *fwi = begin(&bench);
    int rc = fwi_step(fwi, NULL, &request, &error);
    for (int step = 0; rc > 0 && step < 200; step++) {
        struct fwi_answer given = answer(&bench, &request, &answered);
        for (int i = 0; fwi_iteration(fwi) >= 2 && i < SHOTS; i++)
            answered.misfits[i] = NAN;
        rc = fwi_step(fwi, &given, &request, &error);
    }
    assert_int_equal(rc, 0);
    assert_true(fwi_failed(fwi));
    assert_int_equal(fwi_iteration(fwi), 2);
    assert_non_null(strstr(fwi_sentence(fwi), "last good one"));
    fwi_destroy(fwi);
}

static void bands_follow_each_other(void **state)
{
    (void)state;
    struct bench bench;
    struct fwi_request request;
    struct answered answered;
    struct error error;
    bench_init(&bench);
    bench.bands[0] = (struct survey_band){.max_hz = 4, .iterations = 2};
    bench.bands[1] = (struct survey_band){.min_hz = 1, .max_hz = 8, .iterations = 3};
    bench.survey.inversion.bands = bench.bands;
    bench.survey.inversion.band_count = 2;
    struct fwi *fwi = begin(&bench);
    int rc = fwi_step(fwi, NULL, &request, &error);
    double band = 0;
    while (rc > 0) {
        /* A band begins at the best model, with its gradient. */
        if (request.max_hz != band) {
            assert_int_equal(request.operation, SHOT_GRADIENT);
            assert_memory_equal(request.velocity, fwi_velocity(fwi), N * sizeof(double));
        }
        assert_true(request.max_hz >= band);
        band = request.max_hz;
        struct fwi_answer given = answer(&bench, &request, &answered);
        rc = fwi_step(fwi, &given, &request, &error);
    }
    assert_true(band == 8);
    assert_int_equal(fwi_iteration(fwi), 5);
    fwi_destroy(fwi);
}

static void a_band_is_measured_by_its_own_first_misfit(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    bench.by_band = true;
    bench.bands[0] = (struct survey_band){.max_hz = 1, .iterations = 3};
    bench.bands[1] = (struct survey_band){.max_hz = 1e9, .iterations = 3};
    bench.survey.inversion.bands = bench.bands;
    bench.survey.inversion.band_count = 2;
    struct fwi *fwi = begin(&bench);
    run(&bench, fwi);
    assert_int_equal(fwi_iteration(fwi), 6);
    assert_true(fwi_misfit_first(fwi) > 1e3); /* the first of the first is below one */
    assert_true(fwi_misfit(fwi) < fwi_misfit_first(fwi));
    fwi_destroy(fwi);
    /* A band that is good enough ends; the next one is another function. */
    bench.survey.inversion.stop_misfit = 0.9;
    fwi = begin(&bench);
    run(&bench, fwi);
    assert_int_equal(fwi_band(fwi), 1);
    assert_int_equal(fwi_iteration(fwi), 2);
    fwi_destroy(fwi);
}

/* The first direction by the gradient's, point by point: how much W² of fwi.h is. */
static void first_weights(struct bench *bench, double weights[N])
{
    struct fwi_request request;
    struct answered answered;
    struct error error;
    struct fwi *fwi = begin(bench);
    assert_int_equal(fwi_step(fwi, NULL, &request, &error), 1);
    assert_int_equal(request.illumination,
                     bench->survey.inversion.precondition == SURVEY_BY_ILLUMINATION);
    struct fwi_answer given = answer(bench, &request, &answered);
    assert_int_equal(fwi_step(fwi, &given, &request, &error), 1);
    assert_false(request.illumination); /* of trials nobody needs it */
    for (int i = 0; i < N; i++)
        weights[i] = answered.gradient[i]
                         ? (request.velocity[i] - bench->start[i]) / answered.gradient[i]
                         : NAN;
    fwi_destroy(fwi);
}

static void what_is_dark_is_made_up_for(void **state)
{
    (void)state;
    struct bench bench;
    double plain[N], lit[N], deep[N], mean = 0;
    bench_init(&bench);
    first_weights(&bench, plain);
    bench.survey.inversion.precondition = SURVEY_BY_ILLUMINATION;
    first_weights(&bench, lit);
    bench.survey.inversion.precondition = SURVEY_BY_DEPTH;
    bench.survey.inversion.frozen_depth_m = 0;
    first_weights(&bench, deep);
    for (int i = 0; i < N; i++)
        mean += bench.light[i] / N;
    for (int i = 0; i < N; i++) {
        if (isnan(plain[i]))
            continue;
        int z = i % NZ, j = i - z + 3; /* beside a point of the same column */
        double w = 1 / (bench.light[i] / mean + 0.1), v = 1 / (bench.light[j] / mean + 0.1);
        if (isnan(plain[j]))
            continue;
        /* Floats of gradients and light: 1e-5. */
        assert_true(fabs(plain[i] / plain[j] - 1) < 1e-5);
        assert_true(fabs(lit[i] / lit[j] / (w * w / (v * v)) - 1) < 1e-5);
        assert_true(fabs(deep[i] / deep[j] / ((1.0 + z) / 4) - 1) < 1e-5);
    }
    /* Nothing is known of the light: as without. */
    memset(bench.light, 0, sizeof(bench.light));
    bench.survey.inversion.precondition = SURVEY_BY_ILLUMINATION;
    first_weights(&bench, lit);
    for (int i = 0; i < N; i++)
        assert_true(isnan(plain[i]) || lit[i] == plain[i]);
}

static void subsets_are_drawn_anew_and_evenly(void **state)
{
    (void)state;
    struct bench bench;
    struct fwi_request request;
    struct answered answered;
    struct error error;
    int seen[SHOTS] = {0};
    bench_init(&bench);
    bench.survey.inversion.shots_per_iteration = 3;
    bench.survey.inversion.seed = 7;
    struct fwi *fwi = begin(&bench);
    int rc = fwi_step(fwi, NULL, &request, &error), iteration = 0;
    size_t first[3] = {0};
    while (rc > 0) {
        assert_int_equal(request.shot_count, 3);
        assert_true(request.shots[0] < request.shots[1] && request.shots[1] < request.shots[2]);
        if (request.iteration != iteration || !first[2]) {
            iteration = request.iteration;
            memcpy(first, request.shots, sizeof(first));
            for (int i = 0; i < 3; i++)
                seen[first[i]]++;
        }
        assert_memory_equal(first, request.shots, sizeof(first));
        struct fwi_answer given = answer(&bench, &request, &answered);
        rc = fwi_step(fwi, &given, &request, &error);
    }
    for (int i = 0; i < SHOTS; i++)
        assert_in_range(seen[i], 1, 18);
    assert_true(furthest(&bench, fwi) < 50);
    fwi_destroy(fwi);
}

static void the_source_is_estimated_first(void **state)
{
    (void)state;
    struct bench bench;
    struct fwi_request request;
    struct answered answered;
    struct error error;
    bench_init(&bench);
    bench.survey.inversion.source_estimation = true;
    struct fwi *fwi = begin(&bench);
    assert_int_equal(fwi_step(fwi, NULL, &request, &error), 1);
    assert_int_equal(request.operation, SHOT_SOURCE);
    assert_null(request.filter);
    struct fwi_answer given = answer(&bench, &request, &answered);
    assert_int_equal(fwi_step(fwi, &given, &request, &error), 1);
    assert_int_equal(request.operation, SHOT_GRADIENT);
    /* 2 / 1, 4i / 4 */
    assert_string_equal(request.filter,
                        "{\"df_hz\":1,\"delay_s\":-0.25,\"first\":2,\"values\":[[2,0],[0,1]]}");
    fwi_destroy(fwi);
    fwi = begin(&bench);
    assert_int_equal(fwi_step(fwi, NULL, &request, &error), 1);
    given.extras = (const char *const[]){NULL};
    assert_int_equal(fwi_step(fwi, &given, &request, &error), -1);
    assert_non_null(strstr(error.text, "no shot has an estimate of the source"));
    fwi_destroy(fwi);
}

static void a_wavelet_in_reach_is_met_and_nothing_made_of_nothing(void **state)
{
    (void)state;
    /* The second frequency is 30 dB down and fits all the same; the third is below the water
     * level, and so are the ends, of which nothing is said. */
    const char *estimate =
        "{\"df_hz\":1,\"first\":1,\"cross\":[[5,0],[3,0],[0.000004,0],[0.002,0],[7,0],[0,8]],"
        "\"power\":[1e-8,1,1e-9,0.001,1e-9,0]}";
    struct error error;
    char *filter = source_filter_make(&estimate, 1, &error);
    assert_non_null(filter);
    assert_string_equal(
        filter, "{\"df_hz\":1,\"delay_s\":0,\"first\":2,\"values\":[[3,0],[4,0],[2,0]]}");
    free(filter);
}

static void bad_estimates_of_the_source_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {NULL, NULL},
        {"{", NULL},
        {"{}", NULL},
        {"{\"df_hz\":0,\"first\":2,\"cross\":[[2,0]],\"power\":[1]}", NULL},
        {"{\"df_hz\":1,\"first\":2,\"cross\":[[2,0]],\"power\":[1,2]}", NULL},
        {"{\"df_hz\":1,\"first\":2,\"cross\":[[2]],\"power\":[1]}", NULL},
        {"{\"df_hz\":1,\"first\":2,\"cross\":[[2,0]],\"power\":[-1]}", NULL},
        {"{\"df_hz\":1,\"first\":2,\"cross\":[[2,0]],\"power\":[1]}",
         "{\"df_hz\":2,\"first\":2,\"cross\":[[2,0]],\"power\":[1]}"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct error error = {0};
        assert_null(source_filter_make(bad[i], 2, &error));
        assert_true(error.text[0]);
    }
}

static void it_goes_on_to_the_bit_from_its_file(void **state)
{
    (void)state;
    char path[] = "/tmp/beofarm-fwi-XXXXXX";
    struct bench bench;
    struct fwi_request request, again;
    struct answered answered;
    struct error error;
    bench_init(&bench);
    bench.survey.inversion.shots_per_iteration = 5;
    bench.survey.inversion.source_estimation = true;
    bench.survey.inversion.smooth_m = 12;
    bench.survey.inversion.precondition = SURVEY_BY_ILLUMINATION;
    int fd = mkstemp(path);
    close(fd);
    struct fwi *straight = begin(&bench), *resumed = begin(&bench);
    int rc = fwi_step(straight, NULL, &request, &error);
    assert_int_equal(fwi_step(resumed, NULL, &again, &error), rc);
    for (int step = 0; rc > 0 && step < 60; step++) {
        struct fwi_answer given = answer(&bench, &request, &answered);
        assert_int_equal(fwi_save(resumed, path, &error), 0);
        fwi_destroy(resumed);
        resumed = begin(&bench);
        assert_int_equal(fwi_load(resumed, path, &error), 0);
        rc = fwi_step(straight, &given, &request, &error);
        assert_int_equal(fwi_step(resumed, &given, &again, &error), rc);
        assert_memory_equal(fwi_velocity(straight), fwi_velocity(resumed), N * sizeof(double));
        if (rc <= 0)
            break;
        assert_int_equal(request.operation, again.operation);
        assert_memory_equal(request.velocity, again.velocity, N * sizeof(double));
        assert_memory_equal(request.shots, again.shots, request.shot_count * sizeof(size_t));
    }
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(fwi_load(resumed, path, &error), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fwi_load(resumed, path, &error), -1);
    fwi_destroy(straight);
    fwi_destroy(resumed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_no_use_are_told),
        cmocka_unit_test(bad_estimates_of_the_source_are_refused),
        cmocka_unit_test(the_model_is_found),
        cmocka_unit_test(bounds_and_frozen_points_hold),
        cmocka_unit_test(smoothing_beyond_the_model_makes_updates_alike),
        cmocka_unit_test(what_may_not_change_may_be_outside_the_bounds),
        cmocka_unit_test(a_shot_that_fails_is_left_out_of_both_sides),
        cmocka_unit_test(a_trial_whose_every_shot_fails_shortens_the_step),
        cmocka_unit_test(where_no_step_is_short_enough_the_last_good_model_is_kept),
        cmocka_unit_test(a_model_that_explains_the_data_from_the_start_is_said_to),
        cmocka_unit_test(a_trial_that_fails_when_its_gradient_is_taken_is_none),
        cmocka_unit_test(a_good_model_that_fails_later_is_kept),
        cmocka_unit_test(bands_follow_each_other),
        cmocka_unit_test(a_band_is_measured_by_its_own_first_misfit),
        cmocka_unit_test(what_is_dark_is_made_up_for),
        cmocka_unit_test(subsets_are_drawn_anew_and_evenly),
        cmocka_unit_test(the_source_is_estimated_first),
        cmocka_unit_test(a_wavelet_in_reach_is_met_and_nothing_made_of_nothing),
        cmocka_unit_test(it_goes_on_to_the_bit_from_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
