/*
 * BASE.rec: the story of an estimation, for people; the lines that scripts look for are those of
 * PEST++. What the control file asked for stands first, and at the end what of it had no effect.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/report.h"

#define ROWS_MAX 100000 /* of parameters or observations that are listed */

struct record {
    struct report_stream stream;
    double starting; /* phi where the iteration began */
};

static const char *const mode_names[] = {[PEST_ESTIMATION] = "estimation",
                                         [PEST_PREDICTION] = "prediction",
                                         [PEST_REGULARISATION] = "regularization",
                                         [PEST_PARETO] = "pareto"};

static void record_close(void *state)
{
    struct record *record = state;
    if (!record)
        return;
    report_stream_close(&record->stream);
    free(record);
}

static void *record_open(const struct glm_view *view, struct error *ret_error)
{
    struct record *record = calloc(1, sizeof *record);
    if (!record) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the record of an estimation");
        return NULL;
    }
    if (report_stream_open(&record->stream, view, "rec", ret_error) == 0)
        return record;
    record_close(record);
    return NULL;
}

static void settings_put(FILE *file, const struct pest_control *control)
{
    fprintf(file, "Control settings:-\n");
    fprintf(file, "    rlambda1 = %g\n    rlamfac = %g\n    phiratsuf = %g\n",
            control->rlambda1, control->rlamfac, control->phiratsuf);
    fprintf(file, "    phiredlam = %g\n    numlam = %d\n    jacupdate = %d\n",
            control->phiredlam, control->numlam, control->jacupdate);
    fprintf(file, "    relparmax = %g\n    facparmax = %g\n    facorig = %g\n",
            control->relparmax, control->facparmax, control->facorig);
    fprintf(file, "    phiredswh = %g\n    noptmax = %d\n    phiredstp = %g\n",
            control->phiredswh, control->noptmax, control->phiredstp);
    fprintf(file,
            "    nphistp = %d\n    nphinored = %d\n    relparstp = %g\n    nrelpar = %d\n",
            control->nphistp, control->nphinored, control->relparstp, control->nrelpar);
    if (control->svdmode)
        fprintf(file, "    maxsing = %d\n    eigthresh = %g\n", control->maxsing,
                control->eigthresh);
    if (control->pestmode == PEST_REGULARISATION)
        fprintf(file,
                "    phimlim = %g\n    phimaccept = %g\n    fracphim = %g\n    wfinit = %g\n",
                control->phimlim, control->phimaccept, control->fracphim, control->wfinit);
    fputc('\n', file);
}

static void files_put(FILE *file, const char *heading, const char *first, const char *second,
                      const struct pest_file_pair *pairs, size_t count)
{
    fprintf(file, "%s    %s:\n", heading, first);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "      %s\n", pairs[i].pest_file);
    fprintf(file, "    %s:\n", second);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "      %s\n", pairs[i].model_file);
    fputc('\n', file);
}

static const char *transformation(const struct pest_parameter *parameter)
{
    static const char *const names[] = {
        [PEST_NONE] = "none", [PEST_LOG] = "log", [PEST_FIXED] = "fixed", [PEST_TIED] = "tied"};
    return names[parameter->partrans];
}

static void parameters_list(FILE *file, const struct pest_control *control)
{
    static const char *const limits[] = {
        [PEST_RELATIVE] = "relative", [PEST_FACTOR] = "factor", [PEST_ABSOLUTE] = "absolute"};
    fprintf(file, "Parameter information\n%-20s %-14s %12s %14s %14s %14s %14s %10s %10s\n",
            "NAME", "TRANSFORMATION", "CHANGE LIMIT", "INITIAL VALUE", "LOWER BOUND",
            "UPPER BOUND", "GROUP", "SCALE", "OFFSET");
    for (size_t p = 0; p < control->parameter_count && p < ROWS_MAX; p++) {
        const struct pest_parameter *parameter = &control->parameters[p];
        fprintf(file, "%-20s %-14s %12s %14g %14g %14g %14s %10g %10g\n", parameter->parnme,
                transformation(parameter), limits[parameter->parchglim], parameter->parval1,
                parameter->parlbnd, parameter->parubnd,
                parameter->pargp < 0 ? "none"
                                     : control->parameter_groups[parameter->pargp].pargpnme,
                parameter->scale, parameter->offset);
    }
    fputs("\n\n", file);
}

static void observations_list(FILE *file, const struct pest_control *control)
{
    fprintf(file, "Observation information\n%-20s %20s %20s %20s\n", "NAME", "VALUE", "GROUP",
            "WEIGHT");
    for (size_t o = 0; o < control->observation_count && o < ROWS_MAX; o++) {
        const struct pest_observation *observation = &control->observations[o];
        fprintf(file, "%-20s %20g %20s %20g\n", observation->obsnme, observation->obsval,
                control->observation_groups[observation->obgnme].obgnme, observation->weight);
    }
    fprintf(file, "\n\nPrior information\n");
    if (control->prior_count == 0)
        fprintf(file, "   no prior information provided\n");
    for (size_t i = 0; i < control->prior_count; i++) {
        const struct pest_prior *prior = &control->priors[i];
        fprintf(file, "%-20s", prior->pilbl);
        for (size_t t = 0; t < prior->term_count; t++)
            fprintf(file, prior->terms[t].log ? " %+g * log(%s)" : " %+g * %s",
                    prior->terms[t].pifac, control->parameters[prior->terms[t].parnme].parnme);
        fprintf(file, " = %g  weight %g  %s\n", prior->pival, prior->weight,
                control->observation_groups[prior->obgnme].obgnme);
    }
    fputs("\n\n", file);
}

static void start_put(FILE *file, const struct glm_view *view)
{
    const struct pest_control *control = view->control;
    fprintf(file, "             beofarm: PEST parameter estimation\n\n");
    fprintf(file, "using control file: \"%s\"\n\npestmode:- \n   %s\n\n",
            report_control_name(control), mode_names[control->pestmode]);
    fprintf(file, "Case dimensions:- \n");
    fprintf(file, "    Number of parameters = %zu\n", control->parameter_count);
    fprintf(file, "    Number of adjustable parameters = %zu\n", view->column_count);
    fprintf(file, "    Number of observations = %zu\n", control->observation_count);
    fprintf(file, "    Number of prior estimates = %zu\n\n", control->prior_count);
    settings_put(file, control);
    fprintf(file, "Model command line(s):- \n");
    for (size_t i = 0; i < control->command_count; i++)
        fprintf(file, "    %s\n", control->commands[i]);
    fputc('\n', file);
    files_put(file, "Model interface files:-\n", "template files", "model input files",
              control->inputs, control->input_count);
    files_put(file, "", "instruction files", "model output files", control->outputs,
              control->output_count);
    parameters_list(file, control);
    observations_list(file, control);
}

static void groups_put(FILE *file, const struct glm_view *view, const struct glm_phi *phi)
{
    const struct pest_control *control = view->control;
    for (size_t g = 0; g < control->observation_group_count; g++) {
        char name[PEST_NAME_MAX + 8];
        snprintf(name, sizeof name, "\"%s\" : ", control->observation_groups[g].obgnme);
        fprintf(file, "  Contribution to phi from observation group %17s%.9g\n", name,
                phi->groups[g]);
    }
}

static void phi_put(FILE *file, const struct glm_view *view, const char *tag,
                    const struct glm_phi *phi)
{
    bool split = view->control->pestmode == PEST_REGULARISATION;
    if (split)
        fprintf(file, "  Current regularization weight factor                      : %.9g\n",
                view->factor);
    fprintf(file, "  %s phi for this iteration                     Total : %.9g\n", tag,
            phi->total);
    if (split)
        fprintf(file,
                "  %s measurement phi for this iteration         Total : %.9g\n"
                "  %s regularization phi for this iteration      Total : %.9g\n",
                tag, phi->measurement, tag, phi->regularisation);
    groups_put(file, view, phi);
    fputc('\n', file);
}

static void iteration_begin(struct record *record, const struct glm_view *view)
{
    FILE *file = record->stream.file;
    record->starting = view->base->phi.total;
    fprintf(file, "OPTIMISATION ITERATION NUMBER: %d\n\n", view->iteration);
    fprintf(file, "  Iteration type: %s\n",
            view->super ? "super parameter iteration" : "base parameter iteration");
    fprintf(file, "  Model calls so far : %lld\n", (long long)view->runs);
    if (view->failures > 0)
        fprintf(file, "  of which failed    : %lld\n", (long long)view->failures);
    fputc('\n', file);
    phi_put(file, view, "Starting", &view->base->phi);
    for (size_t c = 0; view->dead && c < view->column_count; c++)
        if (view->dead[c])
            fprintf(file, "  No derivatives could be had of \"%s\": its runs failed\n",
                    view->control->parameters[view->columns[c]].parnme);
}

static void trial_put(const struct record *record, const struct glm_view *view)
{
    FILE *file = record->stream.file;
    const struct glm_trial *trial = view->trial;
    fprintf(file, "    lambda = %-12.6g scale = %-8.4g ", trial->lambda, trial->scale);
    if (trial->failed)
        fprintf(file, "the run failed\n");
    else
        fprintf(file, "phi = %-14.9g (%.4g of starting phi)%s\n", trial->phi.total,
                record->starting > 0 ? trial->phi.total / record->starting : 1.0,
                trial->best ? "  best so far" : "");
}

/* PEST's definitions (manual part I): relative to the old value; the factor of the larger
 * magnitude to the smaller. Neither exists where a value is 0. */
static void change_put(FILE *file, double now, double before)
{
    double larger = fmax(fabs(now), fabs(before)), smaller = fmin(fabs(now), fabs(before));
    if (smaller > 0)
        fprintf(file, "  %12.6g", larger / smaller);
    else
        fprintf(file, "  %12s", "N/A");
    if (before != 0)
        fprintf(file, "  %12.6g\n", (before - now) / before);
    else
        fprintf(file, "  %12s\n", "N/A");
}

static void changes_put(FILE *file, const struct glm_view *view)
{
    const struct pest_control *control = view->control;
    fprintf(file, "    Iteration %d Parameter Upgrades (Control File Parameters) \n",
            view->iteration);
    fprintf(file, "      Parameter     Current       Previous       Factor       Relative\n"
                  "        Name         Value         Value         Change        Change\n"
                  "      ----------  ------------  ------------  ------------  ------------\n");
    for (size_t p = 0; p < control->parameter_count && p < ROWS_MAX; p++) {
        double now = view->best->parameters[p], before = view->base->parameters[p];
        fprintf(file, "    %12s  %12.6g  %12.6g", control->parameters[p].parnme, now, before);
        change_put(file, now, before);
    }
    if (view->max_relative_parameter >= 0)
        fprintf(file, "         Maximum relative change = %g   [%s]\n",
                view->max_relative_change,
                control->parameters[view->max_relative_parameter].parnme);
    if (view->max_factor_parameter >= 0)
        fprintf(file, "         Maximum factor change = %g   [%s]\n", view->max_factor_change,
                control->parameters[view->max_factor_parameter].parnme);
    fputc('\n', file);
}

static void finish_put(FILE *file, const struct glm_view *view)
{
    const struct pest_control *control = view->control;
    fprintf(file, "OPTIMISATION COMPLETE\n\n  %s\n\n", view->reason ? view->reason : "");
    fprintf(file, "  Model calls in all: %lld, %lld of which failed\n\n", (long long)view->runs,
            (long long)view->failures);
    if (view->best) {
        fprintf(file, "     Parameter            \n        Name         Value\n"
                      "    ------------  ------------\n");
        for (size_t p = 0; p < control->parameter_count && p < ROWS_MAX; p++)
            fprintf(file, "    %-12s  %12.6g\n", control->parameters[p].parnme,
                    view->best->parameters[p]);
        fprintf(file, "\n  Final phi                                           Total : %.9g\n",
                view->best->phi.total);
        groups_put(file, view, &view->best->phi);
        fputc('\n', file);
    }
    if (report_put_unused(file, control))
        fputc('\n', file);
}

static int record_tell(void *state, enum glm_event event, const struct glm_view *view,
                       struct error *ret_error)
{
    struct record *record = state;
    FILE *file = record->stream.file;
    switch (event) {
    case GLM_START:
        start_put(file, view);
        break;
    case GLM_BASE_RUN:
        fprintf(file, "Initial phi\n");
        phi_put(file, view, "Initial", &view->best->phi);
        break;
    case GLM_JACOBIAN:
        if (view->base)
            iteration_begin(record, view);
        break;
    case GLM_TRIAL:
        trial_put(record, view);
        break;
    case GLM_TRIALS_END:
        break;
    case GLM_ITERATION:
        fputc('\n', file);
        phi_put(file, view, "Ending", &view->best->phi);
        changes_put(file, view);
        break;
    case GLM_FINISHED:
        finish_put(file, view);
        break;
    }
    return report_stream_flush(&record->stream, ret_error);
}

const struct glm_report_member report_record = {
    .name = "record", .open = record_open, .tell = record_tell, .close = record_close};
