#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/pest/ies_private.h"
#include "tests/master/pest/ies_rig.h"
#include "tests/scratch.h"

#define WAVES_MAX 200

struct bench {
    const struct ies_rig *rig;
    struct ies_rig_result *result;
    const struct estimator_ops *ops;
    struct pest_control *control;
};

static double written(void *context, size_t parameter, double value)
{
    const struct bench *bench = context;
    char text[64];
    (void)parameter;
    if (!bench->rig->digits)
        return value;
    snprintf(text, sizeof text, "%.*e", bench->rig->digits - 1, value);
    return strtod(text, NULL);
}

static void say(void *context, const char *sentence)
{
    struct bench *bench = context;
    size_t used = strlen(bench->result->said);
    snprintf(bench->result->said + used, sizeof bench->result->said - used, "%s\n", sentence);
}

static void stand(void *context, const struct estimator_stand *stand)
{
    (void)context;
    (void)stand;
}

static void run_one(struct bench *bench, struct wave *wave, size_t run)
{
    const double *values = wave->parameters + run * wave->parameter_count;
    if (bench->rig->model(values, wave->purpose, wave_row(wave, run)))
        wave_take(wave, run);
    else
        wave_fail(wave, run);
}

static void wave_run(struct bench *bench, struct wave *wave)
{
    struct ies_rig_result *result = bench->result;
    for (size_t i = 0; i < wave->run_count * wave->parameter_count; i++)
        wave->parameters[i] = written(bench, i % wave->parameter_count, wave->parameters[i]);
    assert_int_equal(wave_begin(wave, &result->error), 0);
    result->fingerprint =
        result->fingerprint * UINT64_C(0x100000001b3) ^ wave_fingerprint(wave);
    result->wave_runs[result->waves] = wave->run_count;
    snprintf(result->purposes[result->waves], sizeof result->purposes[0], "%s", wave->purpose);
    for (size_t k = 0; k < wave->run_count; k++)
        run_one(bench, wave, bench->rig->backwards ? wave->run_count - 1 - k : k);
    result->waves++;
    result->runs += wave->run_count;
}

static void waves_run(struct bench *bench, struct estimator *estimator)
{
    struct ies_rig_result *result = bench->result;
    enum estimator_next next = ESTIMATOR_WAVE;
    struct wave waves[2];
    for (int i = 0; i < 2; i++)
        wave_init(&waves[i], bench->control->parameter_count,
                  bench->control->observation_count);
    for (int turn = 0; result->waves < WAVES_MAX; turn ^= 1) {
        struct wave *wanted = &waves[turn ^ 1];
        wave_clear(wanted);
        next = bench->ops->step(estimator, &waves[turn], wanted,
                                bench->rig->slots ? bench->rig->slots : 4, &result->error);
        if (next != ESTIMATOR_WAVE)
            break;
        wave_run(bench, wanted);
        if (result->waves == bench->rig->stop_after)
            break;
    }
    result->failed = next == ESTIMATOR_FAILED;
    for (int i = 0; i < 2; i++)
        wave_fini(&waves[i]);
}

static void end_note(const struct estimator *estimator, struct ies_rig_result *result)
{
    result->iterations = estimator->iteration;
    result->lambda = estimator->lambda;
    result->realisations = estimator->ensemble.count;
    result->phis = estimator->stop.count;
    for (size_t i = 0; i < estimator->stop.count && i < 200; i++)
        result->phi[i] = estimator->stop.means[i];
}

void ies_rig_run(const struct ies_rig *rig, struct ies_rig_result *ret)
{
    struct bench bench = {.rig = rig, .result = ret, .ops = estimator_find("ies")};
    *ret = (struct ies_rig_result){.failed = true};
    scratch_text("case.pst", rig->control);
    bench.control = pest_control_read("case.pst", &ret->error);
    if (!bench.control)
        return;
    const struct estimator_context context = {.control = bench.control,
                                              .folder = ".",
                                              .output_base = rig->output ? rig->output : "case",
                                              .written = written,
                                              .written_context = &bench,
                                              .say = say,
                                              .stand = stand,
                                              .say_context = &bench};
    struct estimator *estimator = bench.ops->open(&context, &ret->error);
    if (estimator) {
        waves_run(&bench, estimator);
        end_note(estimator, ret);
    }
    bench.ops->close(estimator);
    pest_control_free(bench.control);
}

void ies_rig_load(const char *path, const char *const *names, size_t count,
                  struct ensemble *ret)
{
    struct error error = {0};
    if (ensemble_load(path, names, count, NULL, 0, ret, &error) < 0)
        fail_msg("%s", error.text);
}
