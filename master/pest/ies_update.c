/*
 * Matrices are column-major, a realisation a column, so that the rows of the problem's arrays are
 * their columns. Each class is solved for by itself; of the last product, step = -dm X, the
 * parameters are cut into blocks of fixed size. Classes (or, where there is one, blocks) are shared
 * among threads; each writes its own parameters only.
 */
#include "config.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/eigen.h"
#include "master/pest/gang.h"
#include "master/pest/ies_update.h"

#define BLOCK      2048 /* parameters of one product */
#define GANG_ORDER 2000 /* from here on LAPACK has threads of its own (gang.h) */
#define ROUNDING   (8 * DBL_EPSILON)

/* What all classes share. */
struct update {
    const struct ies_update_problem *problem;
    const double *lambdas;
    size_t lambda_count;
    const size_t *realisations;
    size_t realisation_count;
    double *steps;
    struct error *errors; /* of each class */
};

/* One class on its way. */
struct solution {
    const struct update *update;
    const struct ies_class *class;
    size_t *rows; /* of the problem that have a part in it */
    size_t row_count;
    double *anomalies, *residuals; /* row_count x N; dd and r */
    size_t kept;                   /* singular values */
    double *v;                     /* N x kept */
    double *squares;               /* [kept] W² */
    double *right;                 /* kept x N: W Uᵗ r + Vᵗ dmᵗ A Aᵗ (...) */
    double *kernel;                /* N x (lambdas x realisations): X */
};

static double *reals_make(size_t rows, size_t columns)
{
    if (columns > 0 && rows > SIZE_MAX / sizeof(double) / columns)
        return NULL;
    return malloc(rows * columns * sizeof(double) + 1);
}

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "no memory for the update of an ensemble");
}

/* c := alpha op(a) op(b); a's and b's leading dimensions are their rows as stored. */
static void product(bool a_turned, bool b_turned, size_t rows, size_t columns, size_t inner,
                    double alpha, const double *a, const double *b, double beta, double *c)
{
    if (rows == 0 || columns == 0)
        return;
    size_t a_rows = a_turned ? inner : rows, b_rows = b_turned ? columns : inner;
    cblas_dgemm(CblasColMajor, a_turned ? CblasTrans : CblasNoTrans,
                b_turned ? CblasTrans : CblasNoTrans, (blasint)rows, (blasint)columns,
                (blasint)inner, alpha, a, (blasint)(a_rows ? a_rows : 1), b,
                (blasint)(b_rows ? b_rows : 1), beta, c, (blasint)rows);
}

/* How many of these eigenvalues (falling) of a matrix of this order count; see the header. */
static size_t values_keep(const struct ies_update_problem *problem, const double *values,
                          size_t order)
{
    double least = fmax(problem->eigthresh * problem->eigthresh, ROUNDING * (double)order);
    size_t kept = 0;
    while (kept < order && kept < problem->maxsing && values[kept] > 0 &&
           values[kept] > least * values[0])
        kept++;
    return kept;
}

/* Eigenvectors (in *ret_vectors) and eigenvalues of aᵗa (columns x columns) or, where it is the
 * smaller one, a aᵗ. */
static int gram_decompose(const double *a, size_t rows, size_t columns, double **ret_vectors,
                          double **ret_values, struct error *ret_error)
{
    bool inner = columns <= rows;
    size_t order = inner ? columns : rows;
    double *gram = *ret_vectors = reals_make(order, order);
    *ret_values = reals_make(order, 1);
    if (!gram || !*ret_values)
        return no_memory(ret_error);
    cblas_dsyrk(CblasColMajor, CblasLower, inner ? CblasTrans : CblasNoTrans, (blasint)order,
                (blasint)(inner ? rows : columns), 1, a, (blasint)(rows ? rows : 1), 0, gram,
                (blasint)(order ? order : 1));
    for (size_t j = 0; j < order; j++)
        for (size_t i = 0; i < j; i++)
            gram[i + j * order] = gram[j + i * order];
    return eigen_decompose(gram, order, *ret_values, ret_error);
}

/* --- observations ------------------------------------------------------------------------- */

static void row_fill(struct solution *solution, size_t i)
{
    const struct ies_update_problem *problem = solution->update->problem;
    size_t row = solution->rows[i], count = problem->count;
    double factor = solution->class->factors ? sqrt(solution->class->factors[row]) : 1;
    double weight = factor * problem->weights[row], mean = 0;
    double scale = weight / sqrt((double)(count - 1));
    for (size_t j = 0; j < count; j++)
        mean += problem->simulated[j * problem->rows + row];
    mean /= (double)count;
    for (size_t j = 0; j < count; j++) {
        size_t at = j * problem->rows + row, to = j * solution->row_count + i;
        solution->anomalies[to] = scale * (problem->simulated[at] - mean);
        solution->residuals[to] = weight * problem->residuals[at];
    }
}

static int rows_fill(struct solution *solution, struct error *ret_error)
{
    const struct ies_update_problem *problem = solution->update->problem;
    const double *factors = solution->class->factors;
    solution->rows = calloc(problem->rows + 1, sizeof *solution->rows);
    if (!solution->rows)
        return no_memory(ret_error);
    for (size_t row = 0; row < problem->rows; row++)
        if (!factors || factors[row] > 0)
            solution->rows[solution->row_count++] = row;
    solution->anomalies = reals_make(solution->row_count, problem->count);
    solution->residuals = reals_make(solution->row_count, problem->count);
    if (!solution->anomalies || !solution->residuals)
        return no_memory(ret_error);
    for (size_t i = 0; i < solution->row_count; i++)
        row_fill(solution, i);
    return 0;
}

/* The eigenvectors are V: right = Vᵗ ddᵗ r. */
static int inner_side(struct solution *solution, double *vectors, struct error *ret_error)
{
    size_t count = solution->update->problem->count;
    double *both = reals_make(count, count);
    if (!both)
        return no_memory(ret_error);
    product(true, false, count, count, solution->row_count, 1, solution->anomalies,
            solution->residuals, 0, both);
    product(true, false, solution->kept, count, count, 1, vectors, both, 0, solution->right);
    memcpy(solution->v, vectors, count * solution->kept * sizeof *vectors);
    free(both);
    return 0;
}

/* They are U: V = ddᵗ U W⁻¹, right = W Uᵗ r. */
static void outer_side(struct solution *solution, const double *vectors)
{
    size_t count = solution->update->problem->count, kept = solution->kept;
    product(true, false, count, kept, solution->row_count, 1, solution->anomalies, vectors, 0,
            solution->v);
    product(true, false, kept, count, solution->row_count, 1, vectors, solution->residuals, 0,
            solution->right);
    for (size_t k = 0; k < kept; k++) {
        double singular = sqrt(solution->squares[k]);
        cblas_dscal((blasint)count, 1 / singular, solution->v + k * count, 1);
        cblas_dscal((blasint)count, singular, solution->right + k, (blasint)kept);
    }
}

static int observations_solve(struct solution *solution, struct error *ret_error)
{
    const struct ies_update_problem *problem = solution->update->problem;
    size_t count = problem->count;
    bool inner = count <= solution->row_count;
    double *vectors = NULL;
    int rc = gram_decompose(solution->anomalies, solution->row_count, count, &vectors,
                            &solution->squares, ret_error);
    if (rc == 0) {
        solution->kept =
            values_keep(problem, solution->squares, inner ? count : solution->row_count);
        solution->v = reals_make(count, solution->kept);
        solution->right = reals_make(solution->kept, count);
        rc = solution->v && solution->right ? 0 : no_memory(ret_error);
    }
    if (rc == 0 && solution->kept > 0) {
        if (inner)
            rc = inner_side(solution, vectors, ret_error);
        else
            outer_side(solution, vectors);
    }
    free(vectors);
    return rc;
}

/* --- parameters --------------------------------------------------------------------------- */

/* Rows of a parameter matrix (of `count` parameters of the list) for all realisations, means taken
 * off and divided by sqrt(N - 1) where `centred`; divided by the deviations where `scaled`. */
static void parameters_gather(const struct ies_update_problem *problem, const size_t *list,
                              size_t count, const double *matrix, bool centred, bool scaled,
                              double *ret)
{
    double root = sqrt((double)(problem->count - 1));
    for (size_t i = 0; i < count; i++) {
        double mean = 0, scale = centred ? 1 / root : 1;
        const double *at = matrix + list[i];
        for (size_t j = 0; centred && j < problem->count; j++)
            mean += at[j * problem->columns];
        mean /= (double)problem->count;
        if (scaled && problem->deviations)
            scale /= problem->deviations[list[i]];
        for (size_t j = 0; j < problem->count; j++)
            ret[j * count + i] = scale * (at[j * problem->columns] - mean);
    }
}

/* x := A Aᵗ x, for the prior's anomalies d0 (count x N) = U0 W0 V0ᵗ: U0 W0⁻² U0ᵗ. From the inner
 * side U0 = d0 V0 W0⁻¹, so that it is d0 V0 W0⁻⁴ V0ᵗ d0ᵗ x. */
static int prior_invert(const struct ies_update_problem *problem, const double *d0,
                        size_t count, double *x, struct error *ret_error)
{
    size_t reals = problem->count, order = reals <= count ? reals : count, kept = 0;
    double *vectors = NULL, *values = NULL, *left = NULL, *half = NULL;
    int rc = gram_decompose(d0, count, reals, &vectors, &values, ret_error);
    if (rc == 0) {
        kept = values_keep(problem, values, order);
        left = reals_make(count, kept);
        half = reals_make(kept, reals);
        rc = left && half ? 0 : no_memory(ret_error);
    }
    if (rc == 0 && kept > 0) {
        if (reals <= count)
            product(false, false, count, kept, reals, 1, d0, vectors, 0, left);
        else
            memcpy(left, vectors, count * kept * sizeof *left);
        product(true, false, kept, reals, count, 1, left, x, 0, half);
        for (size_t k = 0; k < kept; k++)
            cblas_dscal((blasint)reals,
                        1 / (reals <= count ? values[k] * values[k] : values[k]), half + k,
                        (blasint)kept);
        product(false, false, count, reals, kept, 1, left, half, 0, x);
    } else if (rc == 0) {
        memset(x, 0, count * reals * sizeof *x);
    }
    free(vectors);
    free(values);
    free(left);
    free(half);
    return rc;
}

/* right += Vᵗ dmᵗ A Aᵗ C_sc^(-1/2) (m - prior) */
static int prior_add(struct solution *solution, struct error *ret_error)
{
    const struct ies_update_problem *problem = solution->update->problem;
    const struct ies_class *class = solution->class;
    size_t count = class->parameter_count, reals = problem->count;
    double *dm = reals_make(count, reals), *d0 = reals_make(count, reals);
    double *x = reals_make(count, reals), *both = reals_make(reals, reals);
    int rc = dm && d0 && x && both ? 0 : no_memory(ret_error);
    if (rc == 0) {
        const size_t *list = class->parameters;
        parameters_gather(problem, list, count, problem->parameters, true, true, dm);
        parameters_gather(problem, list, count, problem->prior, true, true, d0);
        parameters_gather(problem, list, count, problem->offset, false, true, x);
        rc = prior_invert(problem, d0, count, x, ret_error);
    }
    if (rc == 0) {
        product(true, false, reals, reals, count, 1, dm, x, 0, both);
        product(true, false, solution->kept, reals, reals, 1, solution->v, both, 1,
                solution->right);
    }
    free(dm);
    free(d0);
    free(x);
    free(both);
    return rc;
}

/* --- steps -------------------------------------------------------------------------------- */

/* X = V ((lambda + 1) I + W²)⁻¹ right, for each lambda and the realisations that are wanted. */
static int kernel_make(struct solution *solution, struct error *ret_error)
{
    const struct update *update = solution->update;
    size_t reals = update->problem->count, kept = solution->kept;
    size_t wanted = update->realisation_count;
    double *scaled = reals_make(kept, wanted);
    solution->kernel = reals_make(reals, wanted * update->lambda_count);
    if (!scaled || !solution->kernel) {
        free(scaled);
        return no_memory(ret_error);
    }
    for (size_t l = 0; l < update->lambda_count; l++) {
        for (size_t k = 0; k < wanted; k++)
            for (size_t i = 0; i < kept; i++)
                scaled[k * kept + i] = solution->right[update->realisations[k] * kept + i] /
                                       (update->lambdas[l] + 1 + solution->squares[i]);
        product(false, false, reals, wanted, kept, 1, solution->v, scaled, 0,
                solution->kernel + l * reals * wanted);
    }
    free(scaled);
    return 0;
}

static int block_step(const struct solution *solution, size_t block, struct error *ret_error)
{
    const struct update *update = solution->update;
    const struct ies_update_problem *problem = update->problem;
    const size_t *list = solution->class->parameters + block * BLOCK;
    size_t left = solution->class->parameter_count - block * BLOCK;
    size_t count = left < BLOCK ? left : BLOCK;
    size_t columns = update->lambda_count * update->realisation_count;
    double *dm = reals_make(count, problem->count), *step = reals_make(count, columns);
    int rc = dm && step ? 0 : no_memory(ret_error);
    if (rc == 0) {
        parameters_gather(problem, list, count, problem->parameters, true, false, dm);
        product(false, false, count, columns, problem->count, -1, dm, solution->kernel, 0,
                step);
        for (size_t k = 0; k < columns; k++)
            for (size_t i = 0; i < count; i++)
                update->steps[k * problem->columns + list[i]] = step[k * count + i];
    }
    free(dm);
    free(step);
    return rc;
}

struct blocks {
    const struct solution *solution;
    atomic_bool failed;
};

static void block_work(void *context, size_t block)
{
    struct blocks *blocks = context;
    struct error error;
    if (block_step(blocks->solution, block, &error) < 0)
        atomic_store(&blocks->failed, true);
}

static int steps_make(const struct solution *solution, bool alone, struct error *ret_error)
{
    struct blocks blocks = {.solution = solution};
    size_t count = (solution->class->parameter_count + BLOCK - 1) / BLOCK;
    atomic_init(&blocks.failed, false);
    if (alone)
        gang_run(count, block_work, &blocks);
    else
        for (size_t block = 0; block < count; block++)
            block_work(&blocks, block);
    return atomic_load(&blocks.failed) ? no_memory(ret_error) : 0;
}

static int class_solve(const struct update *update, const struct ies_class *class, bool alone,
                       struct error *ret_error)
{
    struct solution solution = {.update = update, .class = class};
    int rc = rows_fill(&solution, ret_error);
    if (rc == 0 && solution.row_count > 0)
        rc = observations_solve(&solution, ret_error);
    if (rc == 0 && solution.kept > 0 && update->problem->offset)
        rc = prior_add(&solution, ret_error);
    if (rc == 0 && solution.kept > 0)
        rc = kernel_make(&solution, ret_error);
    if (rc == 0 && solution.kept > 0)
        rc = steps_make(&solution, alone, ret_error);
    free(solution.rows);
    free(solution.anomalies);
    free(solution.residuals);
    free(solution.v);
    free(solution.squares);
    free(solution.right);
    free(solution.kernel);
    return rc;
}

static void class_work(void *context, size_t index)
{
    const struct update *update = context;
    class_solve(update, &update->problem->classes[index], false, &update->errors[index]);
}

static int classes_solve(struct update *update, struct error *ret_error)
{
    size_t count = update->problem->class_count;
    int rc = 0;
    update->errors = calloc(count + 1, sizeof *update->errors);
    if (!update->errors)
        return no_memory(ret_error);
    if (update->problem->count < GANG_ORDER)
        gang_run(count, class_work, update);
    else
        for (size_t i = 0; i < count; i++)
            class_work(update, i);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (update->errors[i].code) {
            *ret_error = update->errors[i];
            rc = -1;
        }
    free(update->errors);
    return rc;
}

/* All parameters are one class. */
static int whole_solve(const struct update *update, struct error *ret_error)
{
    size_t count = update->problem->columns;
    size_t *list = malloc((count + 1) * sizeof *list);
    int rc = list ? 0 : no_memory(ret_error);
    for (size_t i = 0; rc == 0 && i < count; i++)
        list[i] = i;
    const struct ies_class all = {.parameters = list, .parameter_count = count};
    if (rc == 0)
        rc = class_solve(update, &all, true, ret_error);
    free(list);
    return rc;
}

int ies_update_solve(const struct ies_update_problem *problem, const double *lambdas,
                     size_t lambda_count, const size_t *realisations, size_t realisation_count,
                     double *ret_steps, struct error *ret_error)
{
    struct update update = {.problem = problem,
                            .lambdas = lambdas,
                            .lambda_count = lambda_count,
                            .realisations = realisations,
                            .realisation_count = realisation_count,
                            .steps = ret_steps};
    memset(ret_steps, 0,
           lambda_count * realisation_count * problem->columns * sizeof *ret_steps);
    gang_blas();
    return problem->classes ? classes_solve(&update, ret_error)
                            : whole_solve(&update, ret_error);
}
