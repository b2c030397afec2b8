/*
 * pest_upgrade OBSERVATIONS PARAMETERS METHOD LAMBDAS: what an upgrade costs.
 *
 * METHOD is automatic (no singular value is left out: Cholesky), eigen (one is) or lsqr.
 * The Jacobian is dense, of seeded random numbers whose columns differ in scale by up to a
 * million. Prints a JSON object: seconds for the normal matrix and for the upgrades, the most
 * memory in use, the Jacobian's size (both in MiB), and a hash of the upgrades' bits.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "master/pest/glm_model.h"

struct problem {
    size_t rows, columns;
    double *values, *weights, *residuals;
    const double **pointers;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0 - 0.5;
}

static void fail(const char *sentence)
{
    fprintf(stderr, "pest_upgrade: %s\n", sentence);
    exit(1);
}

static struct problem problem_make(size_t rows, size_t columns)
{
    struct problem p = {rows,
                        columns,
                        malloc(rows * columns * sizeof(double)),
                        malloc(rows * sizeof(double)),
                        malloc(rows * sizeof(double)),
                        malloc(columns * sizeof(double *))};
    uint64_t state = 1;
    if (!p.values || !p.weights || !p.residuals || !p.pointers)
        fail("there is no memory for the Jacobian");
    for (size_t j = 0; j < columns; j++) {
        double scale = pow(10, (double)(j % 7) - 3);
        p.pointers[j] = p.values + j * rows;
        for (size_t i = 0; i < rows; i++)
            p.values[i + j * rows] = scale * noise(&state);
    }
    for (size_t i = 0; i < rows; i++) {
        p.weights[i] = 1 + noise(&state);
        p.residuals[i] = noise(&state);
    }
    return p;
}

static uint64_t bits_hash(const double *values, size_t count)
{
    uint64_t hash = UINT64_C(14695981039346656037), word;
    for (size_t i = 0; i < count; i++) {
        memcpy(&word, &values[i], sizeof word);
        hash = (hash ^ word) * UINT64_C(1099511628211);
    }
    return hash;
}

/* As a control file would ask for it. */
static struct pest_control control_make(const char *method, size_t columns)
{
    return (struct pest_control){.svdmode = 1,
                                 .maxsing = (int)columns - (strcmp(method, "eigen") == 0),
                                 .eigthresh = 1e-12,
                                 .lsqrmode = strcmp(method, "lsqr") == 0,
                                 .lsqr_atol = 1e-8,
                                 .lsqr_btol = 1e-8,
                                 .lsqr_itnlim = 100};
}

/* Room for any step, and a damping of 1 for each parameter. */
struct freedom {
    double *lower, *upper, *damping;
};

static struct freedom freedom_make(size_t columns)
{
    double *all = malloc(3 * columns * sizeof(double));
    if (!all)
        fail("there is no memory for bounds");
    for (size_t i = 0; i < columns; i++) {
        all[i] = -HUGE_VAL;
        all[columns + i] = HUGE_VAL;
        all[2 * columns + i] = 1;
    }
    return (struct freedom){all, all + columns, all + 2 * columns};
}

static void measure(const struct problem *p, const char *method, size_t lambda_count)
{
    struct jacobian_view view = {
        .observations = p->rows, .parameters = p->columns, .columns = p->pointers};
    const struct pest_control control = control_make(method, p->columns);
    struct freedom freedom = freedom_make(p->columns);
    const struct glm_box box = {.lower = freedom.lower, .upper = freedom.upper};
    double *steps = malloc(lambda_count * p->columns * sizeof(double));
    struct error error = {0};
    struct rusage usage;
    double start = now();
    struct glm_model *model = glm_model_create(p->columns, &control, &error);
    if (!steps || !model ||
        glm_model_base(model, &view, p->weights, NULL, p->residuals, freedom.damping, &error) !=
            0)
        fail(error.text);
    double made = now();
    for (size_t i = 0; i < lambda_count; i++)
        if (glm_model_upgrade(model, &box, pow(10, (double)i - 1), NULL, 1,
                              steps + i * p->columns, &error) != 0)
            fail(error.text);
    double solved = now();
    getrusage(RUSAGE_SELF, &usage);
    printf(
        "{\"normal_s\": %.3f, \"solve_s\": %.3f, \"memory_mib\": %ld, \"jacobian_mib\": %zu, "
        "\"hash\": \"%016llx\"}\n",
        made - start, solved - made, usage.ru_maxrss >> 10,
        p->rows * p->columns * sizeof(double) >> 20,
        (unsigned long long)bits_hash(steps, lambda_count * p->columns));
    glm_model_destroy(model);
    free(freedom.lower);
    free(steps);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        fail("usage: pest_upgrade OBSERVATIONS PARAMETERS automatic|eigen|lsqr LAMBDAS");
    size_t rows = strtoul(argv[1], NULL, 10), columns = strtoul(argv[2], NULL, 10);
    size_t lambdas = strtoul(argv[4], NULL, 10);
    if (rows == 0 || columns < 2 || columns > 1000000 || lambdas == 0 || lambdas > 16)
        fail("sizes are above 1, and lambdas at most 16");
    struct problem p = problem_make(rows, columns);
    measure(&p, argv[3], lambdas);
    free(p.values);
    free(p.weights);
    free(p.residuals);
    free(p.pointers);
    return 0;
}
