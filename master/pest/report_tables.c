/*
 * Tables of what happened, for scripts: BASE.iobj (phi by iteration and group), BASE.ipar
 * (parameters by iteration) and BASE.upg.csv (every upgrade that was tried).
 */
#include "config.h"

#include <stdlib.h>

#include "master/pest/report.h"

struct tables {
    struct report_stream objective, parameters, upgrades;
};

static void tables_close(void *state)
{
    struct tables *tables = state;
    if (!tables)
        return;
    report_stream_close(&tables->objective);
    report_stream_close(&tables->parameters);
    report_stream_close(&tables->upgrades);
    free(tables);
}

static void headers_put(struct tables *tables, const struct pest_control *control)
{
    fputs("iteration,model_runs_completed,total_phi,measurement_phi,regularization_phi",
          tables->objective.file);
    for (size_t g = 0; g < control->observation_group_count; g++)
        fprintf(tables->objective.file, ",%s", control->observation_groups[g].obgnme);
    fputc('\n', tables->objective.file);
    fputs("iteration", tables->parameters.file);
    report_put_names(tables->parameters.file, control);
    fputs("iteration,_is_super,_lambda,_scale_factor", tables->upgrades.file);
    report_put_names(tables->upgrades.file, control);
}

static void *tables_open(const struct glm_view *view, struct error *ret_error)
{
    struct tables *tables = calloc(1, sizeof *tables);
    if (!tables) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the tables of an estimation");
        return NULL;
    }
    if (report_stream_open(&tables->objective, view, "iobj", ret_error) < 0 ||
        report_stream_open(&tables->parameters, view, "ipar", ret_error) < 0 ||
        report_stream_open(&tables->upgrades, view, "upg.csv", ret_error) < 0) {
        tables_close(tables);
        return NULL;
    }
    headers_put(tables, view->control);
    return tables;
}

static void values_put(FILE *file, const struct pest_control *control, const double *values)
{
    for (size_t p = 0; p < control->parameter_count; p++)
        fprintf(file, ",%.12g", values[p]);
    fputc('\n', file);
}

/* The initial values' number is 0, though their run rides with the first iteration's Jacobian. */
static void iteration_put(struct tables *tables, const struct glm_view *view, int iteration)
{
    const struct glm_phi *phi = &view->best->phi;
    FILE *file = tables->objective.file;
    fprintf(file, "%d,%lld,%.12g,%.12g,%.12g", iteration, (long long)view->runs, phi->total,
            phi->measurement, phi->regularisation);
    for (size_t g = 0; g < view->control->observation_group_count; g++)
        fprintf(file, ",%.12g", phi->groups[g]);
    fputc('\n', file);
    fprintf(tables->parameters.file, "%d", iteration);
    values_put(tables->parameters.file, view->control, view->best->parameters);
}

static int tables_tell(void *state, enum glm_event event, const struct glm_view *view,
                       struct error *ret_error)
{
    struct tables *tables = state;
    if (event == GLM_TRIAL && view->trial->parameters) {
        fprintf(tables->upgrades.file, "%d,%d,%.12g,%.12g", view->iteration, view->super,
                view->trial->lambda, view->trial->scale);
        values_put(tables->upgrades.file, view->control, view->trial->parameters);
        return report_stream_flush(&tables->upgrades, ret_error);
    }
    if (event != GLM_BASE_RUN && event != GLM_ITERATION)
        return 0;
    iteration_put(tables, view, event == GLM_BASE_RUN ? 0 : view->iteration);
    return report_stream_flush(&tables->objective, ret_error) < 0
               ? -1
               : report_stream_flush(&tables->parameters, ret_error);
}

const struct glm_report_member report_tables = {
    .name = "tables", .open = tables_open, .tell = tables_tell, .close = tables_close};
