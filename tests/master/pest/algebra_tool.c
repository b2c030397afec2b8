/*
 * algebra_tool - the algebra of master/pest on files, for algebra.py.
 *
 *     algebra_tool convert IN OUT FORMAT            write a matrix in another format (a number)
 *     algebra_tool upgrade J ROWS OUT direct|lsqr MAXSING EIGTHRESH LAMBDA...
 *     algebra_tool posterior J ROWS PRIOR OUT
 *
 * J is a Jacobian (rows: observations); ROWS has a row per observation with the columns weight and
 * residual; OUT of upgrade has a row per lambda.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/fosm.h"
#include "master/pest/glm_model.h"
#include "master/pest/matrix.h"

static struct error error;

static int fail(void)
{
    fprintf(stderr, "%s\n", error.text);
    return 1;
}

static struct matrix *read_matrix(const char *path)
{
    struct matrix *matrix = matrix_read(path, MATRIX_BYTES_MAX, &error);
    if (!matrix)
        exit(fail());
    return matrix;
}

static struct jacobian_view view_make(const struct matrix *jacobian)
{
    const double **columns = calloc(jacobian->columns, sizeof *columns);
    for (size_t i = 0; i < jacobian->columns; i++)
        columns[i] = jacobian->values + i * jacobian->rows;
    return (struct jacobian_view){
        .observations = jacobian->rows, .parameters = jacobian->columns, .columns = columns};
}

static struct matrix *result_make(size_t rows, size_t columns)
{
    struct matrix *matrix = matrix_create(rows, columns);
    for (size_t i = 0; i < rows; i++)
        if (asprintf(&matrix->row_names[i], "r%zu", i) < 0)
            exit(1);
    for (size_t i = 0; i < columns; i++)
        if (asprintf(&matrix->column_names[i], "c%zu", i) < 0)
            exit(1);
    return matrix;
}

static int convert(char **words)
{
    struct matrix *matrix = read_matrix(words[0]);
    int result = matrix_write(matrix, words[1], (enum matrix_format)atoi(words[2]), &error);
    matrix_free(matrix);
    return result == 0 ? 0 : fail();
}

/* Every step may go anywhere. */
static int upgrades_make(struct glm_model *model, const char **lambdas, struct matrix *result)
{
    size_t n = result->columns;
    double *far = calloc(3 * n, sizeof *far), *step = far + 2 * n;
    int failed = 0;
    for (size_t i = 0; i < n; i++) {
        far[i] = -HUGE_VAL;
        far[n + i] = HUGE_VAL;
    }
    const struct glm_box box = {.lower = far, .upper = far + n};
    for (size_t i = 0; !failed && i < result->rows; i++) {
        failed = glm_model_upgrade(model, &box, atof(lambdas[i]), NULL, 5, step, &error);
        for (size_t j = 0; j < n; j++)
            result->values[i + j * result->rows] = step[j];
    }
    free(far);
    return failed;
}

static int upgrade(char **words, int lambda_count)
{
    struct matrix *jacobian = read_matrix(words[0]), *rows = read_matrix(words[1]);
    struct jacobian_view view = view_make(jacobian);
    const struct pest_control control = {.svdmode = 1,
                                         .maxsing = atoi(words[4]),
                                         .eigthresh = atof(words[5]),
                                         .lsqrmode = strcmp(words[3], "lsqr") == 0,
                                         .lsqr_atol = 1e-14,
                                         .lsqr_btol = 1e-14};
    struct matrix *result = result_make((size_t)lambda_count, jacobian->columns);
    double *damping = calloc(jacobian->columns, sizeof *damping);
    for (size_t i = 0; i < jacobian->columns; i++)
        damping[i] = 1;
    struct glm_model *model = glm_model_create(jacobian->columns, &control, &error);
    if (!model ||
        glm_model_base(model, &view, rows->values, NULL, rows->values + rows->rows, damping,
                       &error) != 0 ||
        upgrades_make(model, (const char **)words + 6, result) != 0)
        return fail();
    int written = matrix_write(result, words[2], MATRIX_DENSE, &error);
    glm_model_destroy(model);
    matrix_free(jacobian);
    matrix_free(rows);
    matrix_free(result);
    free(damping);
    free((void *)view.columns);
    return written == 0 ? 0 : fail();
}

static int posterior(char **words)
{
    struct matrix *jacobian = read_matrix(words[0]), *rows = read_matrix(words[1]);
    struct covariance *prior = covariance_read(words[2], MATRIX_BYTES_MAX, &error);
    struct jacobian_view view = view_make(jacobian);
    size_t n = jacobian->columns;
    struct matrix *result = result_make(n, n);
    double *normal = calloc(n * n, sizeof *normal);
    if (!prior || normal_fill(&view, rows->values, NULL, NORMAL_ALL, normal, &error) != 0)
        return fail();
    struct fosm *fosm = fosm_create(normal, prior, &error);
    if (!fosm)
        return fail();
    memcpy(result->values, fosm_posterior(fosm), n * n * sizeof(double));
    int written = matrix_write(result, words[3], MATRIX_DENSE, &error);
    fosm_destroy(fosm);
    covariance_free(prior);
    matrix_free(jacobian);
    matrix_free(rows);
    matrix_free(result);
    free(normal);
    free((void *)view.columns);
    return written == 0 ? 0 : fail();
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "convert") == 0)
        return convert(argv + 2);
    if (argc >= 9 && strcmp(argv[1], "upgrade") == 0)
        return upgrade(argv + 2, argc - 8);
    if (argc == 6 && strcmp(argv[1], "posterior") == 0)
        return posterior(argv + 2);
    fprintf(stderr, "algebra_tool: see the source\n");
    return 2;
}
