/*
 * lsqr.c - variable names are those of the paper (section 4 and table in section 5), and of its
 * Fortran code: the estimates of norms and the tests at the end of a step are that code's.
 */
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/lsqr.h"

/* One λ on the shared bidiagonalisation. */
struct shift {
    double damp_square; /* λ */
    double *x, *w;
    double rhobar, phibar;
    double anorm_square, ddnorm, res2, xxnorm, z, cs2, sn2;
    bool ended;
    struct lsqr_report *report;
};

/* βu = Av - αu and αv = Aᵗu - βv, step by step. */
struct bidiagonal {
    const struct lsqr_operator *linear;
    double *u, *v, *t; /* t: Aᵗu before it is scaled */
    double alpha, beta;
};

const char *lsqr_reason_text(enum lsqr_reason reason)
{
    static const char *const texts[] = {
        [LSQR_ZERO] = "there is nothing to solve: x is zero",
        [LSQR_COMPATIBLE] = "Ax = b within atol and btol",
        [LSQR_SQUARES] = "a least-squares solution within atol",
        [LSQR_CONDITION] = "the condition number passed conlim",
        [LSQR_PRECISION] = "no more is to be had in double precision",
        [LSQR_ITERATIONS] = "itnlim was reached",
    };
    return texts[reason];
}

static double vector_norm(const double *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += x[i] * x[i];
    }
    return sqrt(sum);
}

static void vector_scale(double *x, size_t count, double factor)
{
    for (size_t i = 0; i < count; i++) {
        x[i] *= factor;
    }
}

/* u := Av - αu and v := Aᵗu - βv, both made unit vectors. */
static void bidiagonal_step(struct bidiagonal *b)
{
    size_t rows = b->linear->rows, columns = b->linear->columns;
    b->linear->apply(b->linear->context, b->v, b->alpha, b->u, b->t);
    b->beta = vector_norm(b->u, rows);
    if (b->beta == 0) {
        b->alpha = 0;
        return;
    }
    vector_scale(b->u, rows, 1 / b->beta);
    for (size_t i = 0; i < columns; i++) {
        b->v[i] = b->t[i] / b->beta - b->beta * b->v[i];
    }
    b->alpha = vector_norm(b->v, columns);
    if (b->alpha > 0) {
        vector_scale(b->v, columns, 1 / b->alpha);
    }
}

/* βu = b, αv = Aᵗu: the step from v = 0 and u = b. */
static void bidiagonal_begin(struct bidiagonal *b, const double *right)
{
    memcpy(b->u, right, b->linear->rows * sizeof(*right));
    b->alpha = -1;
    bidiagonal_step(b);
}

static void shift_begin(struct shift *shift, const struct bidiagonal *b)
{
    size_t columns = b->linear->columns;
    memset(shift->x, 0, columns * sizeof(double));
    memcpy(shift->w, b->v, columns * sizeof(double));
    shift->rhobar = b->alpha;
    shift->phibar = b->beta;
    shift->cs2 = -1;
    shift->report->reason = LSQR_ZERO;
    shift->report->residual_norm = b->beta;
    shift->ended = b->alpha == 0 || b->beta == 0;
}

/* |x| from a rotation of its own, without x (the Fortran code's estimate). */
static double shift_norm(struct shift *shift, double rho, double phi, double theta)
{
    double delta = shift->sn2 * rho, gambar = -shift->cs2 * rho;
    double rhs = phi - delta * shift->z;
    double zbar = gambar != 0 ? rhs / gambar : 0;
    double norm = sqrt(shift->xxnorm + zbar * zbar);
    double gamma = hypot(gambar, theta);
    if (gamma > 0) {
        shift->cs2 = gambar / gamma;
        shift->sn2 = theta / gamma;
        shift->z = rhs / gamma;
    }
    shift->xxnorm += shift->z * shift->z;
    return norm;
}

static void shift_judge(struct shift *shift, double bnorm, double arnorm,
                        const struct lsqr_limits *limits)
{
    struct lsqr_report *report = shift->report;
    double anorm = sqrt(shift->anorm_square), rnorm = report->residual_norm;
    double size = anorm * report->solution_norm / bnorm;
    double test1 = rnorm / bnorm, test2 = anorm * rnorm > 0 ? arnorm / (anorm * rnorm) : 0;
    double test3 = report->condition > 0 ? 1 / report->condition : 1;
    shift->ended = true;
    if (test1 <= limits->btol + limits->atol * size) {
        report->reason = LSQR_COMPATIBLE;
    } else if (test2 <= limits->atol) {
        report->reason = LSQR_SQUARES;
    } else if (limits->conlim > 0 && test3 <= 1 / limits->conlim) {
        report->reason = LSQR_CONDITION;
    } else if (1 + test3 <= 1 || 1 + test2 <= 1 || 1 + test1 / (1 + size) <= 1) {
        report->reason = LSQR_PRECISION;
    } else {
        shift->ended = false;
    }
}

static void shift_step(struct shift *shift, const struct bidiagonal *b, double alpha_before,
                       double bnorm, const struct lsqr_limits *limits)
{
    double rhobar1 = sqrt(shift->rhobar * shift->rhobar + shift->damp_square);
    double psi = sqrt(shift->damp_square) / rhobar1 * shift->phibar;
    double phibar = shift->rhobar / rhobar1 * shift->phibar;
    double rho = hypot(rhobar1, b->beta), cs = rhobar1 / rho, sn = b->beta / rho;
    double theta = sn * b->alpha, phi = cs * phibar;
    shift->rhobar = -cs * b->alpha;
    shift->phibar = sn * phibar;
    size_t columns = b->linear->columns;
    for (size_t i = 0; i < columns; i++) {
        double step = shift->w[i] / rho;
        shift->x[i] += phi * step;
        shift->ddnorm += step * step;
        shift->w[i] = b->v[i] - theta * step;
    }
    shift->anorm_square += alpha_before * alpha_before + b->beta * b->beta + shift->damp_square;
    shift->res2 += psi * psi;
    shift->report->solution_norm = shift_norm(shift, rho, phi, theta);
    shift->report->condition = sqrt(shift->anorm_square) * sqrt(shift->ddnorm);
    shift->report->residual_norm = sqrt(shift->phibar * shift->phibar + shift->res2);
    shift->report->iterations++;
    shift_judge(shift, bnorm, b->alpha * fabs(sn * phi), limits);
    if (!shift->ended && (b->alpha == 0 || b->beta == 0)) { /* the space is exhausted */
        shift->ended = true;
        shift->report->reason = LSQR_PRECISION;
    }
}

static bool is_finite(const struct bidiagonal *b)
{
    return isfinite(b->alpha) && isfinite(b->beta);
}

static int shifts_iterate(struct bidiagonal *b, struct shift *shifts, size_t count,
                          const struct lsqr_limits *limits, struct error *ret_error)
{
    double bnorm = b->beta;
    long most = limits->itnlim < 1 ? 4 * (long)b->linear->columns : limits->itnlim;
    bool going = false;
    for (size_t i = 0; i < count; i++) {
        shift_begin(&shifts[i], b);
        going = going || !shifts[i].ended;
    }
    for (long step = 0; going || !is_finite(b); step++) {
        if (!is_finite(b)) {
            return error_set(
                ret_error, ERROR_TASKS,
                "the Jacobian holds values that are not finite, or too large to be "
                "squared");
        }
        if (step == most) {
            for (size_t i = 0; i < count; i++) {
                if (!shifts[i].ended) {
                    shifts[i].report->reason = LSQR_ITERATIONS;
                }
            }
            return 0;
        }
        double alpha = b->alpha;
        bidiagonal_step(b);
        going = false;
        for (size_t i = 0; i < count; i++) {
            if (!shifts[i].ended) {
                shift_step(&shifts[i], b, alpha, bnorm, limits);
                going = going || !shifts[i].ended;
            }
        }
    }
    return 0;
}

int lsqr_solve(const struct lsqr_operator *linear, const double *b, const double *lambdas,
               size_t shift_count, const struct lsqr_limits *limits, double *ret_x,
               struct lsqr_report *ret_reports, struct error *ret_error)
{
    size_t rows = linear->rows, columns = linear->columns;
    struct bidiagonal bidiagonal = {.linear = linear};
    struct shift *shifts = calloc(shift_count + 1, sizeof(*shifts));
    double *memory = calloc(rows + columns * (2 + shift_count) + 1, sizeof(double));
    if (!shifts || !memory) {
        free(shifts);
        free(memory);
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for LSQR");
    }
    bidiagonal.u = memory;
    bidiagonal.v = memory + rows;
    bidiagonal.t = bidiagonal.v + columns;
    memset(ret_reports, 0, shift_count * sizeof(*ret_reports));
    for (size_t i = 0; i < shift_count; i++) {
        shifts[i].damp_square = lambdas[i];
        shifts[i].x = ret_x + i * columns;
        shifts[i].w = bidiagonal.t + (i + 1) * columns;
        shifts[i].report = &ret_reports[i];
    }
    bidiagonal_begin(&bidiagonal, b);
    int result = shifts_iterate(&bidiagonal, shifts, shift_count, limits, ret_error);
    free(shifts);
    free(memory);
    return result;
}
