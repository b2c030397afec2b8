/*
 * BASE.sen: composite scaled sensitivities of every Jacobian; BASE.isen: the same as a table.
 *
 * Of parameter p it is |Q^½ J_p| / n, with J_p its column (transformed parameters), Q the squares
 * of the control file's weights of observations that are not regularisation, and n how many of
 * those are not 0 (PEST manual part I, "composite parameter sensitivities"; PEST++'s
 * PEST_CSS_wo_reg).
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/report.h"

struct sensitivities {
    struct report_stream text, table;
    int told; /* iteration of the last Jacobian that was told */
};

static const char *base_name(const struct glm_view *view)
{
    const char *slash = strrchr(view->output_base, '/');
    return slash ? slash + 1 : view->output_base;
}

static void sensitivities_close(void *state)
{
    struct sensitivities *sensitivities = state;
    if (!sensitivities)
        return;
    report_stream_close(&sensitivities->text);
    report_stream_close(&sensitivities->table);
    free(sensitivities);
}

static void *sensitivities_open(const struct glm_view *view, struct error *ret_error)
{
    struct sensitivities *sensitivities = calloc(1, sizeof *sensitivities);
    if (!sensitivities) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the sensitivities");
        return NULL;
    }
    sensitivities->told = -1;
    if (report_stream_open(&sensitivities->text, view, "sen", ret_error) < 0 ||
        report_stream_open(&sensitivities->table, view, "isen", ret_error) < 0) {
        sensitivities_close(sensitivities);
        return NULL;
    }
    fprintf(sensitivities->text.file,
            "                    PARAMETER SENSITIVITIES: CASE %s\n\n\n", base_name(view));
    fputs("iteration", sensitivities->table.file);
    report_put_names(sensitivities->table.file, view->control);
    return sensitivities;
}

/* The weight in measurement phi. */
static double weight_of(const struct pest_control *control, size_t observation)
{
    const struct pest_observation *row = &control->observations[observation];
    return control->observation_groups[row->obgnme].regularisation ? 0 : row->weight;
}

static size_t weighted_count(const struct pest_control *control)
{
    size_t count = 0;
    for (size_t o = 0; o < control->observation_count; o++)
        count += weight_of(control, o) > 0;
    return count;
}

static double sensitivity(const struct glm_view *view, size_t column, size_t count)
{
    const struct pest_control *control = view->control;
    const double *derivatives = view->jacobian + column * control->observation_count;
    double sum = 0;
    for (size_t o = 0; o < control->observation_count; o++) {
        double weighted = weight_of(control, o) * derivatives[o];
        sum += weighted * weighted;
    }
    return sqrt(sum) / (double)count;
}

/* -999 stands in the table for what is not estimated, as PEST++ writes it. */
static void rows_put(struct sensitivities *sensitivities, const struct glm_view *view)
{
    const struct pest_control *control = view->control;
    size_t count = weighted_count(control), column = 0;
    FILE *text = sensitivities->text.file, *table = sensitivities->table.file;
    fprintf(table, "%d", view->iteration);
    for (size_t p = 0; p < control->parameter_count; p++) {
        const struct pest_parameter *parameter = &control->parameters[p];
        bool estimated =
            column < view->column_count && (size_t)view->columns[column] == p && count > 0;
        double value = estimated ? sensitivity(view, column++, count) : -999;
        fprintf(table, ",%.12g", value);
        if (estimated)
            fprintf(text, "   %-15s %-12s %#20.12g %#20.12g\n", parameter->parnme,
                    parameter->pargp < 0 ? "none"
                                         : control->parameter_groups[parameter->pargp].pargpnme,
                    view->base->parameters[p], value);
    }
    fputc('\n', table);
}

static int sensitivities_tell(void *state, enum glm_event event, const struct glm_view *view,
                              struct error *ret_error)
{
    struct sensitivities *sensitivities = state;
    /* In an iteration of super parameters there is no new Jacobian of the parameters. */
    if (event != GLM_JACOBIAN || !view->jacobian || view->super ||
        view->iteration == sensitivities->told)
        return 0;
    sensitivities->told = view->iteration;
    fprintf(sensitivities->text.file,
            "NUMERIC PARAMETER SENSITIVITIES FOR OPTIMISATION ITERATION NO. %3d ----->\n"
            "  Parameter name   Group        Current Value        PEST_CSS_wo_reg\n",
            view->iteration);
    rows_put(sensitivities, view);
    fputs("\n\n", sensitivities->text.file);
    return report_stream_flush(&sensitivities->text, ret_error) < 0
               ? -1
               : report_stream_flush(&sensitivities->table, ret_error);
}

const struct glm_report_member report_sensitivities = {.name = "sensitivities",
                                                       .open = sensitivities_open,
                                                       .tell = sensitivities_tell,
                                                       .close = sensitivities_close};
