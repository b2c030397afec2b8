/* covariance.c - a covariance matrix in memory, and what is done with it. */
#include "config.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/pest/index.h"
#include "master/pest/covariance_private.h"
#include "master/pest/eigen.h"
#include "master/pest/gang.h"
#include "master/pest/matrix.h"

#define MISSING_SAID 5 /* names in a sentence */

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "there is no memory for a covariance matrix");
}

struct covariance *covariance_create(size_t count, bool diagonal, struct error *ret_error)
{
    struct covariance *covariance = calloc(1, sizeof(*covariance));
    if (covariance) {
        covariance->count = count;
        covariance->diagonal = diagonal;
        covariance->names = calloc(count + 1, sizeof(char *));
        if (diagonal || count == 0 || count < SIZE_MAX / sizeof(double) / count) {
            covariance->values = calloc((diagonal ? count : count * count) + 1, sizeof(double));
        }
    }
    if (!covariance || !covariance->names || !covariance->values) {
        covariance_free(covariance);
        no_memory(ret_error);
        return NULL;
    }
    return covariance;
}

void covariance_free(struct covariance *covariance)
{
    if (covariance) {
        for (size_t i = 0; covariance->names && i < covariance->count; i++) {
            free(covariance->names[i]);
        }
        free(covariance->names);
        free(covariance->values);
        free(covariance->factor);
        free(covariance);
    }
}

struct covariance *covariance_from_variances(const char *const *names, const double *variances,
                                             size_t count, struct error *ret_error)
{
    struct covariance *covariance = covariance_create(count, true, ret_error);
    for (size_t i = 0; covariance && i < count; i++) {
        covariance->names[i] = strdup(names[i]);
        covariance->values[i] = variances[i];
        if (!covariance->names[i]) {
            covariance_free(covariance);
            no_memory(ret_error);
            return NULL;
        }
    }
    return covariance;
}

/* --- in another order ------------------------------------------------------------------------ */

/* places[i]: where names[i] is in `from`, -1: nowhere. Returns how many are nowhere. */
static size_t places_find(const struct pest_index *index, const char *const *names,
                          size_t count, int *places, char *said, size_t said_size)
{
    size_t missing = 0, used = 0;
    said[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        places[i] = pest_index_find(index, names[i], strlen(names[i]));
        if (places[i] >= 0) {
            continue;
        }
        if (missing++ < MISSING_SAID && used < said_size) {
            used += (size_t)snprintf(said + used, said_size - used, "%s\"%s\"",
                                     missing > 1 ? ", " : "", names[i]);
        }
    }
    return missing;
}

static double covariance_element(const struct covariance *from, int row, int column)
{
    if (row < 0 || column < 0) {
        return 0;
    }
    if (from->diagonal) {
        return row == column ? from->values[row] : 0;
    }
    return from->values[(size_t)row + (size_t)column * from->count];
}

static struct covariance *places_take(const struct covariance *from, const char *const *names,
                                      const int *places, size_t count, const double *variances,
                                      struct error *ret_error)
{
    struct covariance *to = covariance_create(count, from->diagonal, ret_error);
    for (size_t i = 0; to && i < count; i++) {
        to->names[i] = strdup(names[i]);
        if (!to->names[i]) {
            covariance_free(to);
            no_memory(ret_error);
            return NULL;
        }
        for (size_t j = 0; !to->diagonal && j < count; j++) {
            to->values[j + i * count] = covariance_element(from, places[j], places[i]);
        }
        double variance =
            places[i] < 0 ? variances[i] : covariance_element(from, places[i], places[i]);
        to->values[to->diagonal ? i : i + i * count] = variance;
    }
    return to;
}

struct covariance *covariance_select(const struct covariance *from, const char *const *names,
                                     size_t count, const double *variances,
                                     struct error *ret_error)
{
    struct covariance *to = NULL;
    char said[MISSING_SAID * 210];
    struct pest_index *index =
        pest_index_create((const char *const *)from->names, from->count, ret_error);
    int *places = malloc((count + 1) * sizeof(*places));
    if (!places) {
        no_memory(ret_error);
    } else if (index) {
        size_t missing = places_find(index, names, count, places, said, sizeof(said));
        if (missing > 0 && !variances) {
            error_set(ret_error, ERROR_CONFIG,
                      "the covariance matrix lacks %zu of %zu names: %s%s", missing, count,
                      said, missing > MISSING_SAID ? ", ..." : "");
        } else {
            to = places_take(from, names, places, count, variances, ret_error);
        }
    }
    free(places);
    pest_index_destroy(index);
    return to;
}

/* --- its factor ------------------------------------------------------------------------------ */

int covariance_factor(struct covariance *covariance, struct error *ret_error)
{
    size_t count = covariance->count, row = 0;
    size_t elements = covariance->diagonal ? count : count * count;
    if (covariance->factor) {
        return 0;
    }
    double *factor = malloc((elements + 1) * sizeof(*factor));
    if (!factor) {
        return no_memory(ret_error);
    }
    memcpy(factor, covariance->values, elements * sizeof(*factor));
    bool positive = true;
    if (covariance->diagonal) {
        for (row = 0; row < count && positive; row++) {
            positive = factor[row] > 0;
            factor[row] = sqrt(factor[row]);
        }
        row -= !positive;
    } else {
        positive = eigen_cholesky(factor, count, &row);
    }
    if (!positive) {
        free(factor);
        return error_set(
            ret_error, ERROR_CONFIG,
            "the covariance matrix is not positive definite: the row of \"%s\" "
            "follows from those before it, or has no variance; give it more variance "
            "or leave it out",
            covariance->names[row]);
    }
    covariance->factor = factor;
    return 0;
}

/* Apply L or its inverse to one vector of `count`. */
static void factor_apply(const struct covariance *covariance, bool inverse, double *x)
{
    size_t count = covariance->count;
    if (covariance->diagonal) {
        for (size_t i = 0; i < count; i++) {
            x[i] = inverse ? x[i] / covariance->factor[i] : x[i] * covariance->factor[i];
        }
    } else if (inverse) {
        cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, (blasint)count,
                    covariance->factor, (blasint)count, x, 1);
    } else {
        cblas_dtrmv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, (blasint)count,
                    covariance->factor, (blasint)count, x, 1);
    }
}

#define WHITEN_COLUMNS 64 /* at a time: then it is a product of matrices */

/* As factor_apply on `columns` columns of `block`. */
static void factor_apply_block(const struct covariance *covariance, bool inverse, double *block,
                               size_t columns)
{
    size_t count = covariance->count;
    if (covariance->diagonal || columns == 1) {
        for (size_t i = 0; i < columns; i++) {
            factor_apply(covariance, inverse, block + i * count);
        }
    } else if (inverse) {
        cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit,
                    (blasint)count, (blasint)columns, 1, covariance->factor, (blasint)count,
                    block, (blasint)count);
    } else {
        cblas_dtrmm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit,
                    (blasint)count, (blasint)columns, 1, covariance->factor, (blasint)count,
                    block, (blasint)count);
    }
}

static int rows_transform(const struct covariance *covariance, bool inverse,
                          double *const *columns, size_t column_count, const size_t *rows,
                          struct error *ret_error)
{
    size_t count = covariance->count;
    double *block = malloc((count * WHITEN_COLUMNS + 1) * sizeof(*block));
    if (!block) {
        return no_memory(ret_error);
    }
    gang_blas();
    for (size_t start = 0; start < column_count && count > 0; start += WHITEN_COLUMNS) {
        size_t some =
            column_count - start < WHITEN_COLUMNS ? column_count - start : WHITEN_COLUMNS;
        for (size_t i = 0; i < some; i++) {
            for (size_t k = 0; k < count; k++) {
                block[k + i * count] = columns[start + i][rows ? rows[k] : k];
            }
        }
        factor_apply_block(covariance, inverse, block, some);
        for (size_t i = 0; i < some; i++) {
            for (size_t k = 0; k < count; k++) {
                columns[start + i][rows ? rows[k] : k] = block[k + i * count];
            }
        }
    }
    free(block);
    return 0;
}

int covariance_whiten(const struct covariance *covariance, double *const *columns,
                      size_t column_count, const size_t *rows, struct error *ret_error)
{
    return rows_transform(covariance, true, columns, column_count, rows, ret_error);
}

int covariance_unwhiten(const struct covariance *covariance, double *const *columns,
                        size_t column_count, const size_t *rows, struct error *ret_error)
{
    return rows_transform(covariance, false, columns, column_count, rows, ret_error);
}

void covariance_multiply(const struct covariance *covariance, const double *x, double *ret)
{
    size_t count = covariance->count;
    gang_blas();
    if (!covariance->diagonal && count > 0) {
        cblas_dsymv(CblasColMajor, CblasLower, (blasint)count, 1, covariance->values,
                    (blasint)count, x, 1, 0, ret, 1);
    }
    for (size_t i = 0; covariance->diagonal && i < count; i++) {
        ret[i] = covariance->values[i] * x[i];
    }
}

double covariance_quadratic(const struct covariance *covariance, const double *x)
{
    size_t count = covariance->count;
    double sum = 0;
    gang_blas();
    for (size_t j = 0; j < count; j++) {
        if (covariance->diagonal) {
            sum += x[j] * covariance->values[j] * x[j];
        } else if (x[j] != 0) {
            sum += x[j] * cblas_ddot((blasint)count, covariance->values + j * count, 1, x, 1);
        }
    }
    return sum;
}

int covariance_invert(const struct covariance *covariance, double *ret, struct error *ret_error)
{
    size_t count = covariance->count;
    gang_blas();
    if (covariance->diagonal) {
        memset(ret, 0, count * count * sizeof(*ret));
        for (size_t i = 0; i < count; i++) {
            ret[i + i * count] = 1 / covariance->values[i];
        }
        return 0;
    }
    memcpy(ret, covariance->factor, count * count * sizeof(*ret));
    if (count > 0 &&
        LAPACKE_dpotri(LAPACK_COL_MAJOR, 'L', (lapack_int)count, ret, (lapack_int)count) != 0) {
        return error_set(ret_error, ERROR_TASKS, "a covariance matrix has no inverse");
    }
    for (size_t j = 0; j < count; j++) {
        for (size_t i = 0; i < j; i++) {
            ret[i + j * count] = ret[j + i * count];
        }
    }
    return 0;
}

int covariance_write(const struct covariance *covariance, const char *path,
                     struct error *ret_error)
{
    struct matrix matrix = {.rows = covariance->count,
                            .columns = covariance->count,
                            .values = covariance->values,
                            .diagonal = covariance->diagonal,
                            .row_names = covariance->names,
                            .column_names = covariance->names};
    return matrix_write(
        &matrix, path, covariance->diagonal ? MATRIX_ASCII : MATRIX_ASCII_SYMMETRIC, ret_error);
}
