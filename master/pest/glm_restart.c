/*
 * glm_restart.c - a base Jacobian and base results from files (++base_jacobian,
 * ++hotstart_resfile), so that their runs are saved.
 *
 * The Jacobian may be any of matrix.h's formats; its columns are found by parameter name and its
 * rows by observation name, and others (prior information, parameters that are fixed now) are left
 * out. A residuals file (.rei, .res) is a table with a heading line that begins with "Name"; the
 * column "Modelled" holds what is wanted.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/text_mark.h"
#include "master/pest/glm_private.h"
#include "master/pest/matrix.h"

static char *path_of(const struct estimator *estimator, const char *name,
                     struct error *ret_error)
{
    char *path = NULL;
    bool absolute = name[0] == '/' || !estimator->context.folder;

    if (asprintf(&path, "%s%s%s", absolute ? "" : estimator->context.folder,
                 absolute ? "" : "/", name) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        return NULL;
    }
    return path;
}

/* places[o] = row of observation o in the matrix. */
static int rows_find(const struct pest_control *control, const struct matrix *matrix,
                     const char *path, size_t *places, struct error *ret_error)
{
    for (size_t o = 0; o < control->observation_count; o++)
        places[o] = SIZE_MAX;
    for (size_t r = 0; r < matrix->rows; r++) {
        int o = pest_control_observation(control, matrix->row_names[r]);

        if (o >= 0)
            places[o] = r;
    }
    for (size_t o = 0; o < control->observation_count; o++)
        if (places[o] == SIZE_MAX && control->observations[o].weight > 0.0)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: the Jacobian has no row for observation \"%s\"", path,
                             control->observations[o].obsnme);
    return 0;
}

static int columns_fill(struct estimator *estimator, const struct matrix *matrix,
                        const char *path, const size_t *places, struct error *ret_error)
{
    const struct pest_control *control = estimator->control;
    struct glm_frame *full = &estimator->full;
    size_t m = control->observation_count;

    memset(full->derivatives.dead, 1, full->n * sizeof *full->derivatives.dead);
    for (size_t k = 0; k < matrix->columns; k++) {
        int p = pest_control_parameter(control, matrix->column_names[k]);
        int c = p >= 0 ? estimator->parameters.column[p] : -1;

        if (c < 0)
            continue;
        full->derivatives.dead[c] = false;
        for (size_t o = 0; o < m; o++)
            full->jacobian[(size_t)c * m + o] =
                places[o] == SIZE_MAX ? 0.0 : matrix->values[places[o] + k * matrix->rows];
    }
    for (size_t c = 0; c < full->n; c++) {
        const char *name = control->parameters[estimator->parameters.index[c]].parnme;

        if (full->derivatives.dead[c])
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: the Jacobian has no column for parameter \"%s\"", path, name);
    }
    return 0;
}

/* As if it had been made now, by forward differences. */
static void increments_assume(struct estimator *estimator)
{
    const struct glm_parameters *parameters = &estimator->parameters;
    struct glm_frame *full = &estimator->full;
    const double *values = estimator->base.point.parameters;

    full->derivatives.forward = full->n;
    estimator->jacobian_runs = full->n;
    for (size_t c = 0; c < full->n; c++) {
        double value = values[parameters->index[c]];
        double increment = glm_derivatives_increment(parameters, values, c);

        full->derivatives.reach[c] =
            fabs(glm_parameters_transform(parameters, c, value + increment) -
                 estimator->base.transformed[c]);
    }
}

int glm_restart_jacobian(struct estimator *estimator, struct error *ret_error)
{
    const struct pest_control *control = estimator->control;
    struct glm_frame *full = &estimator->full;
    char *path = path_of(estimator, estimator->options.base_jacobian, ret_error);
    struct matrix *matrix = path ? matrix_read(path, MATRIX_BYTES_MAX, ret_error) : NULL;
    size_t *places = malloc((control->observation_count + 1) * sizeof *places);
    int failed = -1;

    full->jacobian = calloc(full->n * control->observation_count + 1, sizeof(double));
    if (!matrix)
        ;
    else if (!places || !full->jacobian)
        error_set(ret_error, ERROR_SYSTEM, "no memory for the Jacobian of %s", path);
    else if (matrix->diagonal)
        error_set(ret_error, ERROR_CONFIG, "%s: a Jacobian is no diagonal matrix", path);
    else
        failed = rows_find(control, matrix, path, places, ret_error) != 0 ||
                         columns_fill(estimator, matrix, path, places, ret_error) != 0
                     ? -1
                     : 0;
    if (!failed)
        increments_assume(estimator);
    matrix_free(matrix);
    free(places);
    free(path);
    return failed;
}

/* The field of a line that a heading calls `name`, counted from 0; -1: there is none. */
static int field_find(char *line, const char *name)
{
    char *rest = line;
    int field = 0;

    for (char *word = strtok_r(rest, " \t\r\n", &rest); word;
         word = strtok_r(NULL, " \t\r\n", &rest), field++)
        if (strcasecmp(word, name) == 0)
            return field;
    return -1;
}

/* One row: 1 taken, 0 not one of ours, -1 malformed. */
static int row_take(const struct pest_control *control, char *line, int wanted, double *values,
                    bool *have)
{
    char *rest = line, *word = strtok_r(rest, " \t\r\n", &rest), *end;
    int o = word ? pest_control_observation(control, word) : -1;
    double value;

    if (o < 0)
        return 0;
    for (int field = 0; word && field < wanted; field++)
        word = strtok_r(NULL, " \t\r\n", &rest);
    if (!word)
        return -1;
    errno = 0;
    value = strtod(word, &end);
    if (*end || !isfinite(value))
        return -1;
    values[o] = value;
    have[o] = true;
    return 1;
}

static int rows_read(FILE *file, const struct pest_control *control, const char *path,
                     double *values, bool *have, struct error *ret_error)
{
    char *line = NULL;
    size_t size = 0;
    int wanted = -1, failed = 0;

    for (long number = 1; !failed && getline(&line, &size, file) >= 0; number++) {
        const char *text = line + (number == 1 ? text_mark_size(line, strlen(line)) : 0);
        const char *begin = text + strspn(text, " \t");

        if (wanted < 0) {
            if (strncasecmp(begin, "name", 4) == 0 &&
                (wanted = field_find(line, "modelled")) < 0)
                failed =
                    error_set(ret_error, ERROR_CONFIG,
                              "%s:%ld: the heading has no column \"Modelled\"", path, number);
        } else if (row_take(control, line, wanted, values, have) < 0) {
            failed = error_set(ret_error, ERROR_CONFIG,
                               "%s:%ld: no number in the column \"Modelled\"", path, number);
        }
    }
    free(line);
    return failed;
}

int glm_restart_base(struct estimator *estimator, double *ret_observations,
                     struct error *ret_error)
{
    const struct pest_control *control = estimator->control;
    char *path = path_of(estimator, estimator->options.hotstart, ret_error);
    FILE *file = path ? fopen(path, "re") : NULL;
    bool *have = calloc(control->observation_count + 1, sizeof *have);
    int failed = -1;

    if (path && !file)
        error_errno(ret_error, errno, "cannot open %s", path);
    else if (!have)
        error_set(ret_error, ERROR_SYSTEM, "no memory for the results in %s", path);
    else if (path)
        failed = rows_read(file, control, path, ret_observations, have, ret_error);
    for (size_t o = 0; !failed && o < control->observation_count; o++)
        if (!have[o])
            failed =
                error_set(ret_error, ERROR_CONFIG, "%s: there is no row for observation \"%s\"",
                          path, control->observations[o].obsnme);
    if (file)
        fclose(file);
    free(have);
    free(path);
    return failed;
}
