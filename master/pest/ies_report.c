/*
 * Tables grow by rows, and are begun anew by a resumed master, which goes through the same rows
 * again. .par and .rei files are those of the other modes (report.h), under other names.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/csv.h"
#include "master/pest/ensemble.h"
#include "master/pest/glm_objective.h"
#include "master/pest/ies_report_private.h"
#include "master/pest/report.h"

static const char *const endings[TABLES] = {[ACTUAL] = "phi.actual.csv",
                                            [MEASURED] = "phi.meas.csv",
                                            [COMPOSITE] = "phi.composite.csv",
                                            [REGULARISATION] = "phi.regul.csv",
                                            [GROUPS] = "phi.group.csv",
                                            [LAMBDA] = "phi.lambda.csv",
                                            [RECORD] = "rec"};

char *ies_report_path(const struct ies_report *report, const char *ending,
                      struct error *ret_error)
{
    char *path = NULL;
    if (asprintf(&path, "%s.%s", report->source.output_base, ending) >= 0)
        return path;
    error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    return NULL;
}

/* --- the record --------------------------------------------------------------------------- */

static void start_put(FILE *file, const struct ies_report_source *source)
{
    const struct pest_control *control = source->control;
    const struct ies_options *options = source->options;
    fprintf(file, "             beofarm: iterative ensemble smoother\n\n");
    fprintf(file, "using control file: \"%s\"\n\nCase dimensions:- \n",
            report_control_name(control));
    fprintf(file, "    Number of parameters = %zu\n", control->parameter_count);
    fprintf(file, "    Number of adjustable parameters = %zu\n",
            source->judge->parameters->count);
    fprintf(file, "    Number of observations = %zu\n", control->observation_count);
    fprintf(file, "    Number of observations with a weight = %zu\n",
            source->judge->rows->count);
    if (source->judge->rows->ignored)
        fprintf(file, "    left out, in regularisation groups = %zu\n",
                source->judge->rows->ignored);
    if (control->prior_count)
        fprintf(file, "    prior information equations, left out = %zu\n",
                control->prior_count);
    fprintf(file, "\nSettings:-\n    noptmax = %d\n    rand_seed = %lu\n", control->noptmax,
            (unsigned long)options->seed);
    fprintf(file, "    maxsing = %d\n    eigthresh = %g\n", control->maxsing,
            control->eigthresh);
    fprintf(file, "    ies_use_approx = %s\n    ies_use_prior_scaling = %s\n",
            options->approx ? "true" : "false", options->prior_scaling ? "true" : "false");
    fprintf(file, "    ies_lambda_mults =");
    for (size_t i = 0; i < options->multiplier_count; i++)
        fprintf(file, " %g", options->multipliers[i]);
    fprintf(file, "\n    lambda_scale_fac =");
    for (size_t i = 0; i < options->scale_count; i++)
        fprintf(file, " %g", options->scales[i]);
    fprintf(file, "\n    ies_subset_size = %ld\n    ies_accept_phi_fac = %g\n",
            options->subset_size, options->accept);
    fprintf(file, "    ies_reg_factor = %g\n\n", options->regul_factor);
}

void ies_report_say(struct ies_report *report, const char *sentence)
{
    fprintf(report->tables[RECORD], "%s\n", sentence);
}

int ies_report_flush(struct ies_report *report, struct error *ret_error)
{
    for (int t = 0; t < TABLES; t++)
        if (report->tables[t] && (fflush(report->tables[t]) != 0 || ferror(report->tables[t])))
            return error_errno(ret_error, errno, "\"%s.%s\" cannot be written",
                               report->source.output_base, endings[t]);
    return 0;
}

static int table_open(struct ies_report *report, enum table table, struct error *ret_error)
{
    char *path = ies_report_path(report, endings[table], ret_error);
    if (!path)
        return -1;
    report->tables[table] = fopen(path, "we");
    int rc = report->tables[table]
                 ? 0
                 : error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    free(path);
    return rc;
}

struct ies_report *ies_report_open(const struct ies_report_source *source,
                                   struct error *ret_error)
{
    struct ies_report *report = calloc(1, sizeof *report);
    if (!report) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the record of a smoother");
        return NULL;
    }
    report->source = *source;
    if (table_open(report, RECORD, ret_error) == 0) {
        start_put(report->tables[RECORD], source);
        if (ies_report_flush(report, ret_error) == 0)
            return report;
    }
    ies_report_close(report);
    return NULL;
}

void ies_report_close(struct ies_report *report)
{
    if (!report)
        return;
    for (int t = 0; t < TABLES; t++)
        if (report->tables[t])
            fclose(report->tables[t]);
    free(report);
}

/* --- ensembles ---------------------------------------------------------------------------- */

/* What of an ensemble is written. */
struct slice {
    const double *values; /* rows of `width` */
    size_t width;
    const char *const *columns;
    const size_t *pick; /* [count] which columns; NULL: all */
    size_t count;
    bool observations;  /* whose realisations' names */
    const size_t *list; /* [list_count] realisations that the rows are; NULL: all */
    size_t list_count;
};

static int rows_write(const struct ies_ensemble *ensemble, const struct slice *slice,
                      struct ensemble_writer *writer, double *row, struct error *ret_error)
{
    size_t count = slice->list ? slice->list_count : ensemble->count;
    for (size_t i = 0; i < count; i++) {
        const double *values = slice->values + i * slice->width;
        size_t real = slice->list ? slice->list[i] : i;
        const char *name = slice->observations ? ies_ensemble_observation_name(ensemble, real)
                                               : ies_ensemble_parameter_name(ensemble, real);
        if (isnan(values[0])) /* its run failed */
            continue;
        for (size_t c = 0; slice->pick && c < slice->count; c++)
            row[c] = values[slice->pick[c]];
        if (ensemble_write(writer, name, slice->pick ? row : values, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* BASE.ENDING.csv, or .jcb. */
static int slice_write(struct ies_report *report, const char *ending, const struct slice *slice,
                       struct error *ret_error)
{
    char *path = NULL;
    const char **columns = calloc(slice->count + 1, sizeof *columns);
    double *row = calloc(slice->count + 1, sizeof *row);
    bool binary = report->source.options->binary;
    int rc = columns && row &&
                     asprintf(&path, "%s.%s.%s", report->source.output_base, ending,
                              binary ? "jcb" : "csv") >= 0
                 ? 0
                 : error_set(ret_error, ERROR_SYSTEM, "no memory to write an ensemble");
    for (size_t c = 0; rc == 0 && c < slice->count; c++)
        columns[c] = slice->columns[slice->pick ? slice->pick[c] : c];
    if (rc == 0) {
        struct ensemble_writer *writer = ensemble_create(
            path, binary ? ENSEMBLE_BINARY : ENSEMBLE_CSV, columns, slice->count, ret_error);
        rc = writer ? rows_write(report->source.ensemble, slice, writer, row, ret_error) : -1;
        if (rc == 0)
            rc = ensemble_commit(writer, ret_error);
        else
            ensemble_abandon(writer);
    }
    free(path);
    free(columns);
    free(row);
    return rc;
}

static struct slice parameters_slice(const struct ies_report *report, const double *values)
{
    const struct pest_control *control = report->source.control;
    return (struct slice){.values = values,
                          .width = control->parameter_count,
                          .columns = control->parameter_names,
                          .count = control->parameter_count};
}

static struct slice observations_slice(const struct ies_report *report, const double *values)
{
    const struct pest_control *control = report->source.control;
    return (struct slice){.values = values,
                          .width = control->observation_count,
                          .columns = control->observation_names,
                          .count = control->observation_count,
                          .observations = true};
}

static void names_put(FILE *file, char *const *names, size_t count)
{
    fputs("iteration,total_runs,mean,standard_deviation,min,max", file);
    for (size_t i = 0; i < count; i++) {
        fputc(',', file);
        csv_print_field(file, names[i]);
    }
    fputc('\n', file);
}

static void headers_put(struct ies_report *report)
{
    const struct pest_control *control = report->source.control;
    const struct ies_ensemble *ensemble = report->source.ensemble;
    FILE *groups = report->tables[GROUPS];
    for (int t = ACTUAL; t <= REGULARISATION; t++)
        names_put(report->tables[t],
                  t == REGULARISATION ? ensemble->parameter_names : ensemble->observation_names,
                  ensemble->first_count);
    fputs("iteration,total_runs,obs_realization,par_realization", groups);
    for (size_t g = 0; g < control->observation_group_count; g++)
        fprintf(groups, ",%s", control->observation_groups[g].obgnme);
    for (size_t g = 0;
         report->source.options->regul_factor > 0 && g < control->parameter_group_count; g++)
        fprintf(groups, ",%s", control->parameter_groups[g].pargpnme);
    fputc('\n', groups);
    fputs("iteration,num_reals,current_lambda,current_comp_mean_phi,current_comp_std_phi,"
          "lambda_scale_fac,lambda,comp_mean_phi,comp_std_phi\n",
          report->tables[LAMBDA]);
}

int ies_report_prior(struct ies_report *report, struct error *ret_error)
{
    const struct ies_ensemble *ensemble = report->source.ensemble;
    const struct ies_rows *rows = report->source.judge->rows;
    struct slice parameters = parameters_slice(report, ensemble->values);
    struct slice targets = observations_slice(report, ensemble->target);
    targets.pick = rows->observation;
    targets.count = rows->count;
    for (int t = 0; t < RECORD; t++)
        if (table_open(report, (enum table)t, ret_error) < 0)
            return -1;
    headers_put(report);
    if (slice_write(report, "0.par", &parameters, ret_error) < 0 ||
        slice_write(report, "obs+noise", &targets, ret_error) < 0)
        return -1;
    return ies_report_flush(report, ret_error);
}

int ies_report_ensemble(struct ies_report *report, int iteration, struct error *ret_error)
{
    const struct ies_ensemble *ensemble = report->source.ensemble;
    struct slice parameters = parameters_slice(report, ensemble->values);
    struct slice observations = observations_slice(report, ensemble->simulated);
    long base = ies_ensemble_base(ensemble);
    char ending[64];
    snprintf(ending, sizeof ending, "%d.par", iteration);
    if (iteration > 0 && slice_write(report, ending, &parameters, ret_error) < 0)
        return -1;
    snprintf(ending, sizeof ending, "%d.obs", iteration);
    if (slice_write(report, ending, &observations, ret_error) < 0)
        return -1;
    if (base < 0)
        return 0;
    const double *values = ies_ensemble_values(ensemble, (size_t)base);
    const double *simulated = ies_ensemble_simulated(ensemble, (size_t)base);
    return ies_report_set(report, IES_BASE, iteration, values, simulated, ret_error) < 0
               ? -1
               : ies_report_set(report, IES_BASE, -1, values, simulated, ret_error);
}

int ies_report_trial_ensemble(struct ies_report *report, const struct ies_report_trial *trial,
                              const size_t *list, size_t count, const double *values,
                              bool observations, struct error *ret_error)
{
    struct slice slice =
        observations ? observations_slice(report, values) : parameters_slice(report, values);
    char ending[128];
    slice.list = list;
    slice.list_count = count;
    snprintf(ending, sizeof ending, "%d.%g.lambda.%g.scale.%s", trial->iteration, trial->lambda,
             trial->scale, observations ? "obs" : "par");
    return slice_write(report, ending, &slice, ret_error);
}

/* --- one parameter set -------------------------------------------------------------------- */

int ies_report_set(struct ies_report *report, const char *tag, int iteration,
                   const double *values, const double *simulated, struct error *ret_error)
{
    const struct pest_control *control = report->source.control;
    char number[32] = "", *base = NULL;
    double *priors = calloc(control->prior_count + 1, sizeof *priors);
    struct glm_point point = {
        .parameters = (double *)values, .observations = (double *)simulated, .priors = priors};
    if (iteration >= 0)
        snprintf(number, sizeof number, ".%d", iteration);
    int rc = priors && asprintf(&base, "%s%s.%s", report->source.output_base, number, tag) >= 0
                 ? 0
                 : error_set(ret_error, ERROR_SYSTEM, "no memory to write a parameter set");
    if (rc == 0) {
        const struct glm_view view = {.control = control,
                                      .output_base = base,
                                      .best = &point,
                                      .iteration = iteration < 0 ? 0 : iteration};
        glm_objective_priors(control, values, priors);
        rc = report_parameters.tell(NULL, GLM_FINISHED, &view, ret_error);
        if (rc == 0)
            rc = report_residuals.tell(NULL, GLM_FINISHED, &view, ret_error);
    }
    free(base);
    free(priors);
    return rc;
}
