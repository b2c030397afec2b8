/*
 * pest_upgrade OBSERVATIONS PARAMETERS METHOD LAMBDAS: what an upgrade costs.
 *
 * METHOD is automatic (nothing is truncated: Cholesky), eigen (as where something is) or lsqr.
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

#include "master/pest/upgrade.h"

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

static void measure(const struct problem *p, enum upgrade_method method, size_t lambda_count)
{
    struct jacobian_view view = {
        .observations = p->rows, .parameters = p->columns, .columns = p->pointers};
    struct upgrade_options options = {method, SIZE_MAX, 1e-12, {1e-8, 1e-8, 0, 100}};
    double lambdas[16], *deltas = malloc(lambda_count * p->columns * sizeof(double));
    struct upgrade_report report;
    struct error error = {0};
    struct rusage usage;
    for (size_t i = 0; i < lambda_count; i++)
        lambdas[i] = pow(10, (double)i - 1);
    double start = now();
    struct upgrade *upgrade = upgrade_create(&view, p->weights, NULL, &options, &error);
    if (!deltas || !upgrade || upgrade_set_residuals(upgrade, p->residuals, &error) != 0)
        fail(error.text);
    double made = now();
    struct upgrade_report reports[16];
    if (upgrade_solve(upgrade, NULL, NULL, lambdas, lambda_count, deltas, reports, &error) != 0)
        fail(error.text);
    double solved = now();
    report = reports[0];
    getrusage(RUSAGE_SELF, &usage);
    printf(
        "{\"normal_s\": %.3f, \"solve_s\": %.3f, \"memory_mib\": %ld, \"jacobian_mib\": %zu, "
        "\"method\": %d, \"rank\": %zu, \"iterations\": %d, \"hash\": \"%016llx\"}\n",
        made - start, solved - made, usage.ru_maxrss >> 10,
        p->rows * p->columns * sizeof(double) >> 20, (int)report.method, report.rank,
        report.iterations, (unsigned long long)bits_hash(deltas, lambda_count * p->columns));
    upgrade_destroy(upgrade);
    free(deltas);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        fail("usage: pest_upgrade OBSERVATIONS PARAMETERS automatic|eigen|lsqr LAMBDAS");
    size_t rows = strtoul(argv[1], NULL, 10), columns = strtoul(argv[2], NULL, 10);
    size_t lambdas = strtoul(argv[4], NULL, 10);
    enum upgrade_method method = strcmp(argv[3], "eigen") == 0  ? UPGRADE_EIGEN
                                 : strcmp(argv[3], "lsqr") == 0 ? UPGRADE_LSQR
                                                                : UPGRADE_AUTOMATIC;
    if (rows == 0 || columns == 0 || lambdas == 0 || lambdas > 16)
        fail("sizes are above 0, and lambdas at most 16");
    struct problem p = problem_make(rows, columns);
    measure(&p, method, lambdas);
    free(p.values);
    free(p.weights);
    free(p.residuals);
    free(p.pointers);
    return 0;
}
