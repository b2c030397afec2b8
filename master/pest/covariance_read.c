/* covariance_read.c - is what a file holds a covariance matrix? */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pest/index.h"
#include "master/pest/covariance_private.h"
#include "master/pest/matrix.h"

#define ASYMMETRY 1e-6 /* of the larger variance: text files hold some seven digits */

static int names_check(const struct matrix *matrix, const char *path, struct error *ret_error)
{
    if (matrix->rows != matrix->columns) {
        return error_set(ret_error, ERROR_CONFIG,
                         "%s has %zu rows and %zu columns: a covariance matrix is square", path,
                         matrix->rows, matrix->columns);
    }
    struct pest_index *index =
        pest_index_create((const char *const *)matrix->row_names, matrix->rows, ret_error);
    int result = index ? 0 : -1;
    for (size_t i = 0; result == 0 && i < matrix->rows; i++) {
        const char *row = matrix->row_names[i], *column = matrix->column_names[i];
        if (strcmp(row, column) != 0) {
            result =
                error_set(ret_error, ERROR_CONFIG,
                          "%s: row %zu is named \"%s\" and column %zu \"%s\": a covariance "
                          "matrix names both alike, in one order",
                          path, i + 1, row, i + 1, column);
        } else if (pest_index_find(index, row, strlen(row)) != (int)i) {
            result = error_set(ret_error, ERROR_CONFIG,
                               "%s: the name \"%s\" stands there twice", path, row);
        }
    }
    pest_index_destroy(index);
    return result;
}

static int variances_check(const struct matrix *matrix, const char *path,
                           struct error *ret_error)
{
    for (size_t i = 0; i < matrix->rows; i++) {
        double variance = matrix->values[matrix->diagonal ? i : i + i * matrix->rows];
        if (!(variance > 0) || !isfinite(variance)) {
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: \"%s\" has the variance %g; variances are above 0", path,
                             matrix->row_names[i], variance);
        }
    }
    return 0;
}

/* What differs by the digits of a text file alone is made equal. */
static int symmetry_check(struct matrix *matrix, const char *path, struct error *ret_error)
{
    size_t count = matrix->rows;
    double *values = matrix->values;
    for (size_t j = 0; j < count && !matrix->diagonal; j++) {
        for (size_t i = 0; i < j; i++) {
            double above = values[i + j * count], below = values[j + i * count];
            double larger = fmax(values[i + i * count], values[j + j * count]);
            if (!(fabs(above - below) <= ASYMMETRY * larger)) {
                return error_set(
                    ret_error, ERROR_CONFIG,
                    "%s is not symmetric: the covariance of \"%s\" and \"%s\" is %g "
                    "in one place and %g in the other",
                    path, matrix->row_names[i], matrix->row_names[j], above, below);
            }
            values[i + j * count] = values[j + i * count] = above + (below - above) / 2;
        }
    }
    return 0;
}

/* A full matrix that holds nothing beside its diagonal is treated as one. */
static bool is_diagonal(const struct matrix *matrix)
{
    for (size_t j = 0; j < matrix->columns && !matrix->diagonal; j++) {
        for (size_t i = 0; i < matrix->rows; i++) {
            if (i != j && matrix->values[i + j * matrix->rows] != 0) {
                return false;
            }
        }
    }
    return true;
}

/* Take names and values of the matrix, and free what is left of it. */
static struct covariance *matrix_take(struct matrix *matrix, struct error *ret_error)
{
    struct covariance *covariance = calloc(1, sizeof(*covariance));
    if (!covariance) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for a covariance matrix");
        matrix_free(matrix);
        return NULL;
    }
    covariance->count = matrix->rows;
    covariance->diagonal = is_diagonal(matrix);
    for (size_t i = 0; covariance->diagonal && !matrix->diagonal && i < matrix->rows; i++) {
        matrix->values[i] = matrix->values[i + i * matrix->rows];
    }
    covariance->values = matrix->values;
    covariance->names = matrix->row_names;
    matrix->values = NULL;
    matrix->row_names = NULL;
    matrix_free(matrix);
    return covariance;
}

struct covariance *covariance_read_matrix(const char *path, size_t max_bytes,
                                          struct error *ret_error)
{
    struct matrix *matrix = matrix_read(path, max_bytes, ret_error);
    if (matrix && (names_check(matrix, path, ret_error) != 0 ||
                   variances_check(matrix, path, ret_error) != 0 ||
                   symmetry_check(matrix, path, ret_error) != 0)) {
        matrix_free(matrix);
        return NULL;
    }
    return matrix ? matrix_take(matrix, ret_error) : NULL;
}

static bool is_unc(const char *path)
{
    size_t size = strlen(path);
    return size > 4 && strcasecmp(path + size - 4, ".unc") == 0;
}

struct covariance *covariance_read(const char *path, size_t max_bytes, struct error *ret_error)
{
    return is_unc(path) ? covariance_read_unc(path, max_bytes, NULL, 0, ret_error)
                        : covariance_read_matrix(path, max_bytes, ret_error);
}

/* --- of parameters --------------------------------------------------------------------------- */

struct prior {
    const char **names;
    double *variances;
};

static int prior_bounds(struct pest_control *control, const size_t *parameters, size_t count,
                        struct prior *prior, struct error *ret_error)
{
    double range;
    if (pest_control_option_real(control, "par_sigma_range", 4, &range, ret_error) != 0) {
        return -1;
    }
    if (!(range > 0)) {
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: ++par_sigma_range(%g) must be above 0: it says how many standard "
                         "deviations lie between a parameter's bounds",
                         control->path, range);
    }
    for (size_t i = 0; i < count; i++) {
        const struct pest_parameter *parameter = &control->parameters[parameters[i]];
        bool log = parameter->partrans == PEST_LOG;
        double lower = log ? log10(parameter->parlbnd) : parameter->parlbnd;
        double upper = log ? log10(parameter->parubnd) : parameter->parubnd;
        double deviation = (upper - lower) / range;
        prior->names[i] = parameter->parnme;
        prior->variances[i] = deviation * deviation;
        if (!(prior->variances[i] > 0) || !isfinite(prior->variances[i])) {
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: the bounds of parameter \"%s\" leave it no variance",
                             control->path, parameter->parnme);
        }
    }
    return 0;
}

static struct covariance *prior_file(struct pest_control *control, const char *name,
                                     const struct prior *prior, size_t count,
                                     struct error *ret_error)
{
    char *path = pest_control_path(control, name);
    struct covariance *from = NULL, *to = NULL;
    if (!path) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for a path");
    } else if (is_unc(path)) {
        from = covariance_read_unc(path, MATRIX_BYTES_MAX, prior->names, count, ret_error);
    } else {
        from = covariance_read_matrix(path, MATRIX_BYTES_MAX, ret_error);
    }
    if (from) {
        to = covariance_select(from, prior->names, count, prior->variances, ret_error);
    }
    covariance_free(from);
    free(path);
    if (!to) {
        error_prefix(ret_error, "++parcov(%s)", name);
    }
    return to;
}

struct covariance *covariance_prior(struct pest_control *control, const size_t *parameters,
                                    size_t count, struct error *ret_error)
{
    struct prior prior = {malloc((count + 1) * sizeof(char *)),
                          malloc((count + 1) * sizeof(double))};
    const char *file = pest_control_option(control, "parcov");
    struct covariance *covariance = NULL;
    if (!file) {
        file = pest_control_option(control, "parameter_covariance");
    }
    if (!prior.names || !prior.variances) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for a covariance matrix");
    } else if (prior_bounds(control, parameters, count, &prior, ret_error) == 0) {
        covariance = file && *file ? prior_file(control, file, &prior, count, ret_error)
                                   : covariance_from_variances(prior.names, prior.variances,
                                                               count, ret_error);
    }
    free(prior.names);
    free(prior.variances);
    return covariance;
}
