/* ies_report_phi.c - the tables of phi, and what the record says of it; see ies_report.h. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "common/csv.h"
#include "common/whole.h"
#include "master/pest/ies_report_private.h"
#include "master/pest/matrix_private.h"
#include "master/pest/report.h"

static void number_put(FILE *file, double value)
{
    putc(',', file);
    matrix_put_number(file, value);
}

static double part_of(const struct ies_phi *phi, int table)
{
    const double parts[] = {[ACTUAL] = phi->actual,
                            [MEASURED] = phi->measured,
                            [COMPOSITE] = phi->composite,
                            [REGULARISATION] = phi->regularisation};
    return parts[table];
}

static void statistics_put(FILE *file, const struct ies_statistics *statistics)
{
    number_put(file, statistics->mean);
    number_put(file, statistics->deviation);
    number_put(file, statistics->least);
    number_put(file, statistics->most);
}

/* A column per realisation there was at first; empty for those that were dropped. */
static void table_put(struct ies_report *report, int table, int iteration, int64_t runs,
                      const double *phi)
{
    const struct ies_ensemble *ensemble = report->source.ensemble;
    FILE *file = report->tables[table];
    struct ies_statistics statistics = ies_statistics_of(phi, ensemble->count);
    size_t next = 0;
    fprintf(file, "%d,%" PRId64, iteration, runs);
    statistics_put(file, &statistics);
    for (size_t origin = 0; origin < ensemble->first_count; origin++)
        if (next < ensemble->count && ensemble->origin[next] == origin)
            number_put(file, phi[next++]);
        else
            fputc(',', file);
    fputc('\n', file);
}

static void summary_put(struct ies_report *report, int table, const double *phi)
{
    static const char *const names[] = {[ACTUAL] = "actual",
                                        [MEASURED] = "measured",
                                        [COMPOSITE] = "composite",
                                        [REGULARISATION] = "regularization"};
    struct ies_statistics statistics = ies_statistics_of(phi, report->source.ensemble->count);
    fprintf(report->tables[RECORD], "%15s%15.6g%15.6g%15.6g%15.6g\n", names[table],
            statistics.mean, statistics.deviation, statistics.least, statistics.most);
}

static void groups_put(struct ies_report *report, int iteration, int64_t runs, double *scratch)
{
    const struct ies_report_source *source = &report->source;
    const struct ies_ensemble *ensemble = source->ensemble;
    FILE *file = report->tables[GROUPS];
    for (size_t i = 0; i < ensemble->count; i++) {
        fprintf(file, "%d,%" PRId64 ",", iteration, runs);
        csv_print_field(file, ies_ensemble_observation_name(ensemble, i));
        fputc(',', file);
        csv_print_field(file, ies_ensemble_parameter_name(ensemble, i));
        ies_phi_groups(source->judge, ies_ensemble_simulated(ensemble, i), scratch);
        for (size_t g = 0; g < source->control->observation_group_count; g++)
            number_put(file, scratch[g]);
        if (source->options->regul_factor > 0) {
            ies_phi_parameter_groups(source->judge, ies_ensemble_values(ensemble, i),
                                     ies_ensemble_prior(ensemble, i), scratch);
            for (size_t g = 0; g < source->control->parameter_group_count; g++)
                number_put(file, scratch[g]);
        }
        fputc('\n', file);
    }
}

int ies_report_phi(struct ies_report *report, int iteration, int64_t runs,
                   const struct ies_phi *phi, struct error *ret_error)
{
    const struct pest_control *control = report->source.control;
    size_t count = report->source.ensemble->count,
           most = count + control->observation_group_count + control->parameter_group_count;
    double *scratch = malloc((most + 1) * sizeof *scratch);
    if (!scratch)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to report phi");
    fprintf(report->tables[RECORD],
            "\n  ---  iteration %d report  ---  \n   number of active realizations:  %zu\n"
            "   number of model runs:           %" PRId64 "\n%15s%15s%15s%15s%15s\n",
            iteration, count, runs, "phi type", "mean", "std", "min", "max");
    for (int t = ACTUAL; t <= REGULARISATION; t++) {
        for (size_t i = 0; i < count; i++)
            scratch[i] = part_of(&phi[i], t);
        table_put(report, t, iteration, runs, scratch);
        summary_put(report, t, scratch);
    }
    fputc('\n', report->tables[RECORD]);
    groups_put(report, iteration, runs, scratch);
    free(scratch);
    return ies_report_flush(report, ret_error);
}

/* --- conflicts, trials, the end ----------------------------------------------------------- */

static void range_put(FILE *file, const struct ies_statistics *statistics, double sigma)
{
    statistics_put(file, statistics);
    number_put(file, statistics->mean - sigma * statistics->deviation);
    number_put(file, statistics->mean + sigma * statistics->deviation);
}

int ies_report_conflicts(struct ies_report *report, const struct ies_conflict *conflicts,
                         size_t count, struct error *ret_error)
{
    const struct ies_rows *rows = report->source.judge->rows;
    double sigma = fabs(report->source.options->conflict_sigma);
    char *path = ies_report_path(report, "pdc.csv", ret_error);
    struct whole whole;
    int rc = path ? whole_open(&whole, path, ret_error) : -1;
    free(path);
    if (rc < 0)
        return -1;
    fputs("name,obs_mean,obs_std,obs_min,obs_max,obs_stat_min,obs_stat_max,sim_mean,sim_std,"
          "sim_min,sim_max,sim_stat_min,sim_stat_max,distance\n",
          whole.stream);
    for (size_t i = 0; i < count; i++) {
        fputs(report->source.control->observation_names[rows->observation[conflicts[i].row]],
              whole.stream);
        range_put(whole.stream, &conflicts[i].observed, sigma);
        range_put(whole.stream, &conflicts[i].simulated, sigma);
        number_put(whole.stream, conflicts[i].distance);
        fputc('\n', whole.stream);
    }
    return whole_commit(&whole, ret_error);
}

int ies_report_trial(struct ies_report *report, const struct ies_report_trial *trial,
                     struct error *ret_error)
{
    FILE *file = report->tables[LAMBDA];
    const double numbers[] = {
        trial->current_lambda, trial->current.mean,   trial->current.deviation,  trial->scale,
        trial->lambda,         trial->composite.mean, trial->composite.deviation};
    fprintf(file, "%d,%zu", trial->iteration, trial->reals);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        number_put(file, numbers[i]);
    fputc('\n', file);
    fprintf(report->tables[RECORD],
            "    lambda = %-12.6g scale = %-8.4g realizations = %-5zu mean phi = %-14.6g std = "
            "%.6g\n",
            trial->lambda, trial->scale, trial->reals, trial->composite.mean,
            trial->composite.deviation);
    return ies_report_flush(report, ret_error);
}

int ies_report_finish(struct ies_report *report, const char *reason, int64_t runs,
                      int64_t failures, struct error *ret_error)
{
    FILE *file = report->tables[RECORD];
    fprintf(file,
            "\n  %s\n\n  Model calls in all: %" PRId64 ", %" PRId64 " of which failed\n\n",
            reason, runs, failures);
    report_put_unused(file, report->source.control);
    return ies_report_flush(report, ret_error);
}
