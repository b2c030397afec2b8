/* glm_rig.c - see glm_rig.h. phi is reckoned here from the control file, not by the estimator. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/pest/glm.h"
#include "master/pest/glm_private.h"
#include "tests/master/pest/glm_rig.h"

static const struct glm_rig *in_use;
static const struct pest_control *control_in_use;

/* What a field of so many digits holds. */
static double written(void *context, size_t parameter, double value)
{
    const struct pest_parameter *p = &control_in_use->parameters[parameter];
    char text[64];

    (void)context;
    snprintf(text, sizeof text, "%.*e", (in_use->digits ? in_use->digits : 17) - 1,
             value * p->scale + p->offset);
    return (strtod(text, NULL) - p->offset) / p->scale;
}

static double phi_of(const struct pest_control *control, const double *values,
                     const double *observations)
{
    bool regular = control->pestmode == PEST_REGULARISATION;
    double phi = 0.0;

    for (size_t o = 0; o < control->observation_count; o++) {
        const struct pest_observation *observation = &control->observations[o];
        double r = observation->weight * (observation->obsval - observations[o]);

        if (!regular || !control->observation_groups[observation->obgnme].regularisation)
            phi += r * r;
    }
    for (size_t i = 0; i < control->prior_count; i++) {
        const struct pest_prior *prior = &control->priors[i];
        double sum = prior->pival;

        for (size_t t = 0; t < prior->term_count; t++)
            sum -= prior->terms[t].pifac * (prior->terms[t].log
                                                ? log10(values[prior->terms[t].parnme])
                                                : values[prior->terms[t].parnme]);
        if (!regular || !control->observation_groups[prior->obgnme].regularisation)
            phi += prior->weight * prior->weight * sum * sum;
    }
    return phi;
}

/* Rough, but a function of the values. */
static void roughen(const double *values, size_t count, double noise, double *observations,
                    size_t observation_count)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t p = 0; p < count; p++) {
        uint64_t bits;

        memcpy(&bits, &values[p], sizeof bits);
        hash = (hash ^ bits) * 1099511628211u;
    }
    for (size_t o = 0; o < observation_count; o++) {
        hash = hash * 6364136223846793005u + 1442695040888963407u;
        observations[o] *= 1.0 + noise * ((double)(hash >> 40) / (double)(1 << 24) - 0.5);
    }
}

static void run_one(const struct pest_control *control, struct wave *wave, size_t run,
                    struct glm_rig_result *ret)
{
    const double *values = wave->parameters + run * wave->parameter_count;
    double seen[64], *row = wave_row(wave, run), phi = HUGE_VAL;
    double before = ret->runs ? ret->lowest[ret->runs] : HUGE_VAL;

    for (size_t p = 0; p < wave->parameter_count; p++) {
        uint64_t bits;

        memcpy(&bits, &values[p], sizeof bits);
        ret->fingerprint = (ret->fingerprint ^ bits) * 1099511628211u;
        seen[p] = values[p] * control->parameters[p].scale + control->parameters[p].offset;
    }
    ret->runs++;
    if (in_use->fails && in_use->fails(ret->runs, wave->purpose, run)) {
        wave_fail(wave, run);
    } else {
        in_use->model(seen, wave->parameter_count, row);
        if (in_use->noise > 0.0)
            roughen(seen, wave->parameter_count, in_use->noise, row, wave->observation_count);
        phi = phi_of(control, values, row);
        wave_take(wave, run);
    }
    if (ret->runs < GLM_RIG_RUNS)
        ret->lowest[ret->runs] = fmin(before, phi);
}

static void iteration_note(const struct estimator *estimator, struct glm_rig_result *ret)
{
    for (int i = ret->iterations; i < estimator->iteration && i < 200; i++) {
        ret->iteration_phi[i] = estimator->regul.on ? estimator->base.point.phi.measurement
                                                    : estimator->base.point.phi.total;
        ret->iteration_runs[i] = ret->runs;
    }
    ret->iterations = estimator->iteration;
}

static void end_note(const struct estimator *estimator, struct glm_rig_result *ret)
{
    const struct pest_control *control = estimator->control;
    size_t size = control->observation_count * estimator->parameters.count;

    iteration_note(estimator, ret);
    ret->phi = estimator->best.point.phi.total;
    ret->measurement = estimator->best.point.phi.measurement;
    ret->regularisation = estimator->best.point.phi.regularisation;
    snprintf(ret->reason, sizeof ret->reason, "%s",
             estimator->view.reason ? estimator->view.reason : "");
    for (size_t p = 0; p < control->parameter_count && p < 64; p++)
        ret->parameters[p] = estimator->best.point.parameters[p];
    if (estimator->full.jacobian && size <= 4096)
        memcpy(ret->jacobian, estimator->full.jacobian, size * sizeof(double));
}

static void waves_run(struct estimator *estimator, const struct pest_control *control,
                      struct glm_rig_result *ret)
{
    struct wave waves[2];
    enum estimator_next next = ESTIMATOR_WAVE;

    for (int i = 0; i < 2; i++)
        wave_init(&waves[i], control->parameter_count, control->observation_count);
    for (int turn = 0; ret->runs < GLM_RIG_RUNS; turn ^= 1) {
        struct wave *wanted = &waves[turn ^ 1];

        wave_clear(wanted);
        next = estimator_glm.step(estimator, &waves[turn], wanted, in_use->slots, &ret->error);
        iteration_note(estimator, ret);
        if (next != ESTIMATOR_WAVE || wave_begin(wanted, &ret->error) != 0)
            break;
        ret->waves++;
        for (size_t run = 0; run < wanted->run_count; run++)
            run_one(control, wanted, run, ret);
    }
    ret->failed = next != ESTIMATOR_FINISHED;
    end_note(estimator, ret);
    wave_fini(&waves[0]);
    wave_fini(&waves[1]);
}

static struct pest_control *control_make(const char *text, struct error *ret_error)
{
    char path[] = "/tmp/beofarm-glm-XXXXXX.pst";
    int fd = mkstemps(path, 4);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    struct pest_control *control = NULL;

    if (file) {
        fputs(text, file);
        fclose(file);
        control = pest_control_read(path, ret_error);
        unlink(path);
    }
    return control;
}

/* Lines "iteration,runs,phi,measurement phi,…" behind a heading. */
static void rows_read(const char *base, struct glm_rig_result *ret)
{
    char path[300], line[1024];
    FILE *file;

    snprintf(path, sizeof path, "%s.iobj", base);
    file = fopen(path, "r");
    while (file && ret->rows < 200 && fgets(line, sizeof line, file)) {
        char *at;

        if (strtol(line, &at, 10) < 0 || at == line || *at != ',')
            continue;
        ret->row[ret->rows].runs = strtol(at + 1, &at, 10);
        ret->row[ret->rows].phi = strtod(at + 1, &at);
        ret->row[ret->rows++].measurement = strtod(at + 1, &at);
    }
    if (file)
        fclose(file);
}

void glm_rig_run(const struct glm_rig *rig, struct glm_rig_result *ret)
{
    struct pest_control *control;
    struct estimator *estimator;

    *ret = (struct glm_rig_result){.failed = true, .fingerprint = 14695981039346656037u};
    in_use = rig;
    control_in_use = control = control_make(rig->control, &ret->error);
    if (!control)
        return;
    struct estimator_context context = {
        .control = control, .folder = ".", .output_base = rig->output_base, .written = written};
    estimator = estimator_glm.open(&context, &ret->error);
    if (estimator)
        waves_run(estimator, control, ret);
    estimator_glm.close(estimator);
    if (rig->output_base)
        rows_read(rig->output_base, ret);
    pest_control_free(control);
}
