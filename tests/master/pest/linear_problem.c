#include "config.h"

#include <stdlib.h>

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
