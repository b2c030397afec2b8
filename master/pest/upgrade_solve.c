/*
 * upgrade_solve.c - upgrades by LSQR.
 *
 * A is Q^½J without frozen columns and rows of weight 0. Rows are taken in bands: a band serves
 * u := Av - αu and then, with that u, its part of Aᵗu, so that a band that fits a cache is read
 * once. Bands form GROUPS groups (of sizes that depend on m alone), each with its own sum for Aᵗu;
 * the groups' sums are added in their order, so the result does not depend on the number of
 * threads.
 */
#include "config.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/gang.h"
#include "master/pest/upgrade_private.h"

#define GROUPS     16
#define BAND_BYTES ((size_t)1 << 20) /* of a second-level cache */
/* Pieces of columns shorter than this cost more in address translation than the cache saves; then
 * the band is as long as can be, and J is read twice (measured with 1,000 and 5,000 columns). */
#define BAND_ROWS_LEAST 128
#define BAND_ROWS       1024

struct banded {
    const struct upgrade *upgrade;
    size_t *active, active_count; /* parameters */
    long *place;                  /* parameter -> index in active, -1: frozen */
    size_t *rows, row_count;      /* observations with a weight */
    size_t *priors, prior_count;  /* prior information with a weight */
    double *weights;              /* of rows, then of priors; factor applied */
    double *sums;                 /* GROUPS x active_count */
    size_t band;
    /* of the call at hand */
    const double *v;
    double alpha, *u;
};

/* Whether the rows of a band follow each other, so that a column's part is one piece. */
static bool is_piece(const struct banded *a, size_t start, size_t end)
{
    return a->rows[end - 1] - a->rows[start] == end - 1 - start;
}

static void band_forward(const struct banded *a, size_t start, size_t end, double *sums)
{
    bool piece = is_piece(a, start, end);
    memset(sums, 0, (end - start) * sizeof(*sums));
    for (size_t c = 0; c < a->active_count; c++) {
        const double *column = a->upgrade->jacobian.columns[a->active[c]];
        double factor = a->v[c];
        if (piece) {
            cblas_daxpy((blasint)(end - start), factor, column + a->rows[start], 1, sums, 1);
            continue;
        }
        for (size_t k = start; k < end; k++) {
            sums[k - start] += factor * column[a->rows[k]];
        }
    }
    for (size_t k = start; k < end; k++) {
        a->u[k] = a->weights[k] * sums[k - start] - a->alpha * a->u[k];
    }
}

static void band_backward(const struct banded *a, size_t start, size_t end, double *scaled,
                          double *sums)
{
    bool piece = is_piece(a, start, end);
    for (size_t k = start; k < end; k++) {
        scaled[k - start] = a->weights[k] * a->u[k];
    }
    for (size_t c = 0; c < a->active_count; c++) {
        const double *column = a->upgrade->jacobian.columns[a->active[c]];
        double sum = 0;
        if (piece) {
            sum = cblas_ddot((blasint)(end - start), column + a->rows[start], 1, scaled, 1);
        }
        for (size_t k = start; !piece && k < end; k++) {
            sum += column[a->rows[k]] * scaled[k - start];
        }
        sums[c] += sum;
    }
}

static void group_apply(void *context, size_t group)
{
    struct banded *a = context;
    double scaled[BAND_ROWS], *sums = a->sums + group * a->active_count;
    size_t start = a->row_count * group / GROUPS, end = a->row_count * (group + 1) / GROUPS;
    memset(sums, 0, a->active_count * sizeof(*sums));
    for (size_t at = start; at < end; at += a->band) {
        size_t stop = end - at < a->band ? end : at + a->band;
        band_forward(a, at, stop, scaled);
        band_backward(a, at, stop, scaled, sums);
    }
}

static void priors_apply(struct banded *a, double *w)
{
    const struct jacobian_view *jacobian = &a->upgrade->jacobian;
    for (size_t i = 0; i < a->prior_count; i++) {
        size_t prior = a->priors[i], at = a->row_count + i;
        double sum = 0;
        for (size_t k = jacobian->prior_starts[prior]; k < jacobian->prior_starts[prior + 1];
             k++) {
            long place = a->place[jacobian->prior_columns[k]];
            sum += place >= 0 ? jacobian->prior_values[k] * a->v[place] : 0;
        }
        a->u[at] = a->weights[at] * sum - a->alpha * a->u[at];
        for (size_t k = jacobian->prior_starts[prior]; k < jacobian->prior_starts[prior + 1];
             k++) {
            long place = a->place[jacobian->prior_columns[k]];
            if (place >= 0) {
                w[place] += a->weights[at] * jacobian->prior_values[k] * a->u[at];
            }
        }
    }
}

static void banded_apply(void *context, const double *v, double alpha, double *u, double *w)
{
    struct banded *a = context;
    a->v = v;
    a->alpha = alpha;
    a->u = u;
    gang_run(GROUPS, group_apply, a);
    for (size_t c = 0; c < a->active_count; c++) {
        w[c] = 0;
        for (size_t group = 0; group < GROUPS; group++) {
            w[c] += a->sums[group * a->active_count + c];
        }
    }
    priors_apply(a, w);
}

static void rows_pick(struct banded *a)
{
    const struct jacobian_view *jacobian = &a->upgrade->jacobian;
    for (size_t i = 0; i < jacobian_rows(jacobian); i++) {
        double weight = upgrade_weight(a->upgrade, i);
        if (weight == 0) {
            continue;
        }
        a->weights[a->row_count + a->prior_count] = weight;
        if (i < jacobian->observations) {
            a->rows[a->row_count++] = i;
        } else {
            a->priors[a->prior_count++] = i - jacobian->observations;
        }
    }
}

static void banded_fini(struct banded *a)
{
    free(a->active);
    free(a->place);
    free(a->rows);
    free(a->priors);
    free(a->weights);
    free(a->sums);
}

static int banded_init(struct banded *a, const struct upgrade *upgrade, const bool *frozen,
                       struct error *ret_error)
{
    size_t n = upgrade->jacobian.parameters, rows = jacobian_rows(&upgrade->jacobian);
    *a = (struct banded){.upgrade = upgrade};
    a->active = malloc((n + 1) * sizeof(*a->active));
    a->place = malloc((n + 1) * sizeof(*a->place));
    a->rows = malloc((rows + 1) * sizeof(*a->rows));
    a->priors = malloc((rows + 1) * sizeof(*a->priors));
    a->weights = malloc((rows + 1) * sizeof(*a->weights));
    a->sums = malloc((GROUPS * n + 1) * sizeof(*a->sums));
    if (!a->active || !a->place || !a->rows || !a->priors || !a->weights || !a->sums) {
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for LSQR");
    }
    for (size_t p = 0; p < n; p++) {
        bool takes_part = !frozen || !frozen[p];
        a->place[p] = takes_part ? (long)a->active_count : -1;
        if (takes_part) {
            a->active[a->active_count++] = p;
        }
    }
    rows_pick(a);
    a->band = BAND_BYTES / sizeof(double) / (a->active_count + 1);
    a->band = a->band < BAND_ROWS_LEAST || a->band > BAND_ROWS ? BAND_ROWS : a->band;
    return 0;
}

/* b = Q^½(r - J moves), the rows picked. */
static double *right_make(const struct banded *a, const double *moves, struct error *ret_error)
{
    const struct upgrade *upgrade = a->upgrade;
    size_t n = upgrade->jacobian.parameters, rows = jacobian_rows(&upgrade->jacobian);
    double *full = calloc(rows + 1, sizeof(*full)), *fixed = calloc(n + 1, sizeof(*fixed));
    double *b = malloc((rows + 1) * sizeof(*b));
    if (!full || !fixed || !b) {
        free(b);
        b = NULL;
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for LSQR");
    } else {
        for (size_t p = 0; p < n; p++) {
            fixed[p] = a->place[p] < 0 && moves ? moves[p] : 0;
        }
        jacobian_multiply(&upgrade->jacobian, upgrade->weights, fixed, full);
        for (size_t k = 0; k < a->row_count + a->prior_count; k++) {
            size_t row = k < a->row_count
                             ? a->rows[k]
                             : upgrade->jacobian.observations + a->priors[k - a->row_count];
            b[k] = a->weights[k] * (upgrade->residuals[row] - full[row]);
        }
    }
    free(full);
    free(fixed);
    return b;
}

static int lambdas_solve(struct banded *a, const double *b, const double *lambdas, size_t count,
                         double *ret_upgrades, struct upgrade_report *ret_reports,
                         struct error *ret_error)
{
    struct lsqr_operator linear = {a->row_count + a->prior_count, a->active_count, banded_apply,
                                   a};
    size_t n = a->upgrade->jacobian.parameters;
    double *x = malloc((count * a->active_count + 1) * sizeof(*x));
    struct lsqr_report *reports = calloc(count + 1, sizeof(*reports));
    int result = -1;
    if (!x || !reports) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for LSQR");
    } else {
        result =
            lsqr_solve(&linear, b, lambdas, count, &a->upgrade->limits, x, reports, ret_error);
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        for (size_t c = 0; c < a->active_count; c++) {
            double value = x[i * a->active_count + c];
            if (!isfinite(value)) {
                result = error_set(ret_error, ERROR_TASKS,
                                   "the Jacobian holds values that are not finite");
                break;
            }
            ret_upgrades[i * n + a->active[c]] = value;
        }
        if (ret_reports) {
            ret_reports[i] = (struct upgrade_report){.parameters = a->active_count,
                                                     .reason = reports[i].reason,
                                                     .iterations = reports[i].iterations};
        }
    }
    free(x);
    free(reports);
    return result;
}

int upgrade_solve(struct upgrade *upgrade, const bool *frozen, const double *moves,
                  const double *lambdas, size_t lambda_count, double *ret_upgrades,
                  struct upgrade_report *ret_reports, struct error *ret_error)
{
    struct banded a;
    double *b = NULL;
    size_t n = upgrade->jacobian.parameters;
    for (size_t i = 0; i < lambda_count; i++) {
        for (size_t p = 0; p < n; p++) {
            ret_upgrades[i * n + p] = frozen && frozen[p] && moves ? moves[p] : 0;
        }
    }
    int result = banded_init(&a, upgrade, frozen, ret_error);
    if (result == 0) {
        b = right_make(&a, moves, ret_error);
        result = b ? lambdas_solve(&a, b, lambdas, lambda_count, ret_upgrades, ret_reports,
                                   ret_error)
                   : -1;
    }
    free(b);
    banded_fini(&a);
    return result;
}
