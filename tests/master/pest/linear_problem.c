#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/master/pest/linear_problem.h"

double problem_noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0 - 0.5;
}

struct problem problem_make(size_t rows, size_t columns, const double *values)
{
    struct problem p = {rows,
                        columns,
                        calloc(rows * columns, sizeof(double)),
                        calloc(rows, sizeof(double)),
                        calloc(rows, sizeof(double)),
                        calloc(columns, sizeof(double *)),
                        {0}};
    uint64_t state = rows * 1000 + columns;

    for (size_t i = 0; i < rows * columns; i++)
        p.values[i] = values ? values[i] : problem_noise(&state);
    for (size_t i = 0; i < rows; i++) {
        p.weights[i] = 1;
        p.residuals[i] = problem_noise(&state);
    }
    for (size_t i = 0; i < columns; i++)
        p.pointers[i] = p.values + i * rows;
    p.view = (struct jacobian_view){
        .observations = rows, .parameters = columns, .columns = p.pointers};
    return p;
}

void problem_free(struct problem *problem)
{
    free(problem->values);
    free(problem->weights);
    free(problem->residuals);
    free(problem->pointers);
}

void problem_make_priors(struct problem *ret_priors, struct problem *ret_rows)
{
    static const size_t starts[3] = {0, 2, 5}, columns[5] = {0, 4, 2, 5, 2};
    static const double values[5] = {1, -1, 2, 0.5, 0.25};
    struct problem p = problem_make(30, 6, NULL), whole = problem_make(32, 6, NULL);

    for (size_t j = 0; j < 6; j++) {
        memcpy(whole.values + 32 * j, p.values + 30 * j, 30 * sizeof(double));
        whole.values[30 + 32 * j] = j == 0 ? 1 : j == 4 ? -1 : 0;
        whole.values[31 + 32 * j] = j == 2 ? 2.25 : j == 5 ? 0.5 : 0;
    }
    whole.weights[31] = 2;
    p.weights = realloc(p.weights, 32 * sizeof(double));
    p.residuals = realloc(p.residuals, 32 * sizeof(double));
    memcpy(p.weights, whole.weights, 32 * sizeof(double));
    memcpy(p.residuals, whole.residuals, 32 * sizeof(double));
    p.view.priors = 2;
    p.view.prior_starts = starts;
    p.view.prior_columns = columns;
    p.view.prior_values = values;
    *ret_priors = p;
    *ret_rows = whole;
}
