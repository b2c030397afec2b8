#include "config.h"

#include "master/pest/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/ensemble.h"
#include "master/pest/glm_objective.h"
#include "master/pest/glm_parameters.h"
#include "master/pest/sweep_output.h"

struct estimator {
    struct estimator_context context;
    struct glm_parameters parameters;
    struct glm_objective *objective;
    struct ensemble_reader *reader;
    struct sweep_output *output;
    const char **names; /* of the sets; the reader's */
    size_t runs, failed;
    bool handed; /* the wave was */
};

static const char *option_either(struct pest_control *control, const char *name,
                                 const char *older, const char *fallback)
{
    const char *value = pest_control_option(control, name);
    if (!value)
        value = pest_control_option(control, older);
    return value && *value ? value : fallback;
}

/* What a parameter has where the file does not say; NaN: the file must. */
static double fallback_of(const struct pest_parameter *parameter, bool forgive)
{
    bool adjustable = parameter->partrans == PEST_NONE || parameter->partrans == PEST_LOG;
    return forgive || !adjustable ? parameter->parval1 : NAN;
}

static struct ensemble_reader *reader_open(struct pest_control *control,
                                           struct error *ret_error)
{
    const char *file = option_either(control, "sweep_parameter_file",
                                     "sweep_parameter_csv_file", "sweep_in.csv");
    struct ensemble_reader *reader = NULL;
    size_t count = control->parameter_count;
    double *fallback = calloc(count + 1, sizeof *fallback);
    char *path = pest_control_path(control, file);
    bool forgive;
    if (!fallback || !path) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to read \"%s\"", file);
    } else if (pest_control_option_boolean(control, "sweep_forgive", false, &forgive,
                                           ret_error) == 0) {
        for (size_t p = 0; p < count; p++)
            fallback[p] = fallback_of(&control->parameters[p], forgive);
        reader = ensemble_open(path, control->parameter_names, count, fallback, ret_error);
    }
    free(fallback);
    free(path);
    return reader;
}

static int output_open(struct estimator *estimator, struct error *ret_error)
{
    struct pest_control *control = estimator->context.control;
    const char *file =
        option_either(control, "sweep_output_file", "sweep_output_csv_file", "sweep_out.csv");
    const char *base = estimator->context.output_base, *slash = strrchr(base, '/');
    char *path = NULL;
    int size = asprintf(&path, "%.*s%s", slash ? (int)(slash - base + 1) : 0, base, file);
    if (size < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    estimator->output =
        sweep_output_open(path, control, estimator->objective, estimator->runs, ret_error);
    free(path);
    return estimator->output ? 0 : -1;
}

static int names_take(struct estimator *estimator, struct error *ret_error)
{
    estimator->runs = ensemble_realisations(estimator->reader);
    estimator->names = calloc(estimator->runs + 1, sizeof *estimator->names);
    if (!estimator->names)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu parameter sets",
                         estimator->runs);
    for (size_t run = 0; run < estimator->runs; run++)
        estimator->names[run] = ensemble_name(estimator->reader, run);
    return 0;
}

static void sweep_close(struct estimator *estimator)
{
    if (!estimator)
        return;
    sweep_output_close(estimator->output);
    ensemble_close(estimator->reader);
    glm_objective_destroy(estimator->objective);
    glm_parameters_fini(&estimator->parameters);
    free(estimator->names);
    free(estimator);
}

static struct estimator *sweep_open(const struct estimator_context *context,
                                    struct error *ret_error)
{
    struct estimator *estimator = calloc(1, sizeof *estimator);
    int rc = estimator ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a sweep");
    if (rc == 0) {
        estimator->context = *context;
        rc = glm_parameters_init(&estimator->parameters, context->control, false, ret_error);
    }
    if (rc == 0 &&
        (!(estimator->objective = glm_objective_create(context->control, &estimator->parameters,
                                                       context->folder, ret_error)) ||
         !(estimator->reader = reader_open(context->control, ret_error)) ||
         names_take(estimator, ret_error) < 0 ||
         (!context->plan_only && output_open(estimator, ret_error) < 0)))
        rc = -1;
    if (rc == 0)
        return estimator;
    sweep_close(estimator);
    return NULL;
}

static int64_t sweep_count(const struct estimator *estimator)
{
    return (int64_t)estimator->runs;
}

static int wave_fill(struct estimator *estimator, struct wave *wanted, struct error *ret_error)
{
    double *values = calloc(wanted->parameter_count + 1, sizeof *values);
    int rc = values ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a sweep");
    for (size_t run = 0; rc == 0 && run < estimator->runs; run++) {
        rc = ensemble_read(estimator->reader, run, values, ret_error);
        if (rc < 0)
            break;
        /* A file that has tied parameters too says so redundantly. */
        glm_parameters_follow(&estimator->parameters, values);
        if (wave_add(wanted, values) < 0)
            rc = error_set(ret_error, ERROR_SYSTEM, "no memory for %zu parameter sets",
                           estimator->runs);
    }
    free(values);
    wanted->purpose = "sweep";
    wanted->streamed = true;
    return rc;
}

static int sweep_finish(struct estimator *estimator, const struct wave *ended,
                        struct error *ret_error)
{
    char text[200];
    if (sweep_output_finish(estimator->output, estimator->names, ended->parameters, ret_error) <
        0)
        return -1;
    snprintf(text, sizeof text, "sweep: %zu runs, %zu of which failed", estimator->runs,
             estimator->failed);
    estimator->context.say(estimator->context.say_context, text);
    return 0;
}

static enum estimator_next sweep_step(struct estimator *estimator, struct wave *ended,
                                      struct wave *wanted, uint32_t slots,
                                      struct error *ret_error)
{
    (void)slots;
    if (!estimator->handed && estimator->runs > 0) {
        estimator->handed = true;
        return wave_fill(estimator, wanted, ret_error) < 0 ? ESTIMATOR_FAILED : ESTIMATOR_WAVE;
    }
    return sweep_finish(estimator, ended, ret_error) < 0 ? ESTIMATOR_FAILED
                                                         : ESTIMATOR_FINISHED;
}

static void sweep_run_ended(struct estimator *estimator, size_t run, const double *observations,
                            const char *sentence)
{
    (void)sentence; /* the farm has it, and status shows it */
    estimator->failed += !observations;
    sweep_output_put(estimator->output, run, observations);
}

const struct estimator_ops estimator_sweep = {.mode = "sweep",
                                              .open = sweep_open,
                                              .close = sweep_close,
                                              .count = sweep_count,
                                              .step = sweep_step,
                                              .run_ended = sweep_run_ended};
