/*
 * BASE.jco: the last Jacobian, in PEST's binary format (matrix.h). Rows are the observations and
 * then the prior information equations, columns the adjustable parameters, transformed. JCOSAVEITN
 * asks for one of each iteration as well, BASE.jco.N.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "master/pest/matrix.h"
#include "master/pest/report.h"

struct jacobian {
    const struct glm_view *view; /* during a write */
    const char **rows, **columns;
    double *column; /* one, with its prior information */
};

static void jacobian_close(void *state)
{
    struct jacobian *jacobian = state;
    if (!jacobian)
        return;
    free(jacobian->rows);
    free(jacobian->columns);
    free(jacobian->column);
    free(jacobian);
}

static void *jacobian_open(const struct glm_view *view, struct error *ret_error)
{
    const struct pest_control *control = view->control;
    size_t rows = control->observation_count + control->prior_count;
    struct jacobian *jacobian = calloc(1, sizeof *jacobian);
    if (jacobian) {
        jacobian->rows = calloc(rows + 1, sizeof *jacobian->rows);
        jacobian->columns = calloc(control->parameter_count + 1, sizeof *jacobian->columns);
        jacobian->column = calloc(rows + 1, sizeof *jacobian->column);
    }
    if (!jacobian || !jacobian->rows || !jacobian->columns || !jacobian->column) {
        jacobian_close(jacobian);
        error_set(ret_error, ERROR_SYSTEM, "no memory to write Jacobians");
        return NULL;
    }
    for (size_t o = 0; o < control->observation_count; o++)
        jacobian->rows[o] = control->observations[o].obsnme;
    for (size_t i = 0; i < control->prior_count; i++)
        jacobian->rows[control->observation_count + i] = control->priors[i].pilbl;
    return jacobian;
}

/* d prior / d transformed parameter: a term of log10 p is linear in transformed p, and PEST wants
 * one exactly where the parameter is log-transformed. */
static double prior_derivative(const struct pest_prior *prior, int parameter)
{
    double sum = 0;
    for (size_t t = 0; t < prior->term_count; t++)
        sum += prior->terms[t].parnme == parameter ? prior->terms[t].pifac : 0;
    return sum;
}

static const double *column_give(void *context, size_t column)
{
    const struct jacobian *jacobian = context;
    const struct glm_view *view = jacobian->view;
    const struct pest_control *control = view->control;
    size_t count = control->observation_count;
    memcpy(jacobian->column, view->jacobian + column * count, count * sizeof(double));
    for (size_t i = 0; i < control->prior_count; i++)
        jacobian->column[count + i] =
            prior_derivative(&control->priors[i], view->columns[column]);
    return jacobian->column;
}

/* Frees `path`; NULL is an error that was set already. */
static int jacobian_write(struct jacobian *jacobian, const struct glm_view *view, char *path,
                          struct error *ret_error)
{
    const struct pest_control *control = view->control;
    jacobian->view = view;
    for (size_t c = 0; c < view->column_count; c++)
        jacobian->columns[c] = control->parameters[view->columns[c]].parnme;
    struct matrix_source source = {.rows = control->observation_count + control->prior_count,
                                   .columns = view->column_count,
                                   .row_names = jacobian->rows,
                                   .column_names = jacobian->columns,
                                   .column = column_give,
                                   .context = jacobian};
    int rc = path ? matrix_write_source(&source, path, MATRIX_BINARY, ret_error) : -1;
    free(path);
    return rc;
}

static int jacobian_tell(void *state, enum glm_event event, const struct glm_view *view,
                         struct error *ret_error)
{
    char extension[64];
    if (event != GLM_JACOBIAN || !view->jacobian || view->super)
        return 0;
    if (jacobian_write(state, view, report_path(view, -1, "jco", ret_error), ret_error) < 0)
        return -1;
    if (!view->control->jcosaveitn)
        return 0;
    snprintf(extension, sizeof extension, "jco.%d", view->iteration);
    return jacobian_write(state, view, report_path(view, -1, extension, ret_error), ret_error);
}

const struct glm_report_member report_jacobian = {
    .name = "jacobian", .open = jacobian_open, .tell = jacobian_tell, .close = jacobian_close};
