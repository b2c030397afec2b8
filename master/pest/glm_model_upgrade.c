/*
 * glm_model_upgrade.c - upgrades of a model (glm_model.h).
 *
 * At s, with q_j = k(d_j, s), D = diag(2 <d_j, s> + b²) and V = (W d_1 ... W d_k), both over the
 * root of k(d_j, d_j):
 *
 *     UᵗQr(s) = UᵗQr0 - (JᵗQU)ᵗs - UᵗQU q =: u
 *     J(s)ᵗQr(s) = JᵗQr0 - JᵗQJ s - JᵗQU q + V D u
 *     J(s)ᵗQJ(s) = JᵗQJ + JᵗQU D Vᵗ + V D (JᵗQU)ᵗ + V D UᵗQU D Vᵗ
 *
 * A Gauss-Newton step solves (J(s)ᵗQJ(s) + lambda D') x = J(s)ᵗQr(s) - lambda D' (s - c) (D': W, or
 * what else lambda multiplies) among the parameters that may move. Those that the step would take
 * out of the box are put on its edge and the others are solved for again, knowing of it; those at
 * an edge with a step inwards are free.
 *
 * From the second step on the matrix is Newton's: the curvature of r(s) times residuals adds
 * -sum over j of 2 u_j W d_j (W d_j)ᵗ / k(d_j, d_j). Where residuals stay large, the steps of Gauss
 * and Newton are too long or too short for ever (J. E. Dennis, D. M. Gay, R. E. Welsch, "An
 * adaptive nonlinear least-squares algorithm", ACM TOMS 7 (1981) 348-368). Where that matrix is not
 * positive definite, or its step gains nothing, it is left out.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/eigen.h"
#include "master/pest/glm_model_private.h"

#define RIDGE      1e-11 /* of the diagonal: what rounding leaves of a singular matrix */
#define SETTLED    1e-12 /* |step|² against phi: nothing more to be had from the model */
#define HALVINGS   8
#define EDGE_TURNS 50
#define ONE_BY_ONE 60 /* parameters; with so few, edges are always met one by one */

struct inner {
    struct glm_model *model;
    const struct glm_box *box;
    double lambda;
    const double *centre;
    double *slope; /* [n] half of minus the gradient at s */
    double *step;  /* [n] */
    double *tried; /* [n] */
    size_t *index; /* [n] free ones */
    bool *held;    /* [n] */
    double
        bend[GLM_MODEL_POINTS]; /* what residuals times their curvature add; 0: Gauss-Newton */
};

static double total_gradient(const struct glm_model *model, size_t p)
{
    return model->gradient[0][p] +
           (model->normal[1] ? model->factor * model->gradient[1][p] : 0.0);
}

const double *glm_model_gradient(struct glm_model *model)
{
    for (size_t p = 0; p < model->n; p++)
        model->total_gradient[p] = total_gradient(model, p);
    return model->total_gradient;
}

/* q, D and u at s. */
static void curve(const struct glm_model *model, const double *s, double *q, double *d,
                  double *u)
{
    size_t k = model->fitted, n = model->n;

    for (size_t j = 0; j < k; j++) {
        double inner = glm_model_inner(model, model->steps + j * n, s);

        q[j] = glm_model_kernel(model, inner) / model->lengths[j];
        d[j] = (2.0 * inner + model->blur) / model->lengths[j];
    }
    for (size_t j = 0; j < k; j++) {
        u[j] = model->against[j];
        for (size_t p = 0; p < n; p++)
            u[j] -= model->cross[j * n + p] * s[p];
        for (size_t i = 0; i < k; i++)
            u[j] -= model->curvature[j][i] * q[i];
    }
}

static double quadratic(const double *matrix, size_t n, const double *s)
{
    double sum = 0.0;

    for (size_t q = 0; q < n; q++) {
        double column = 0.0;

        if (s[q] == 0.0)
            continue;
        for (size_t p = 0; p < n; p++)
            column += matrix[p + q * n] * s[p];
        sum += column * s[q];
    }
    return sum;
}

void glm_model_predict(struct glm_model *model, const double *step, double *ret_measurement,
                       double *ret_regularisation)
{
    double q[GLM_MODEL_POINTS], d[GLM_MODEL_POINTS], u[GLM_MODEL_POINTS], phi[2];
    size_t n = model->n;

    if (model->lsqr) {
        glm_model_lsqr_predict(model, step, ret_measurement, ret_regularisation);
        return;
    }
    for (int part = 0; part < 2; part++) {
        phi[part] = 0.0;
        if (!model->normal[part])
            continue;
        phi[part] = model->phi[part] + quadratic(model->normal[part], n, step);
        for (size_t p = 0; p < n; p++)
            phi[part] -= 2.0 * model->gradient[part][p] * step[p];
    }
    curve(model, step, q, d, u);
    /* |r - Uq|² = |r|² - 2 qᵗUᵗQr + qᵗUᵗQUq, and u = UᵗQ(r - Uq) */
    for (size_t j = 0; j < model->fitted; j++) {
        phi[0] -= 2.0 * q[j] * u[j];
        for (size_t i = 0; i < model->fitted; i++)
            phi[0] -= q[j] * model->curvature[j][i] * q[i];
    }
    *ret_measurement = fmax(phi[0], 0.0);
    *ret_regularisation = fmax(phi[1], 0.0);
}

/* |s - c|² as lambda sees it. */
static double damped(const struct inner *inner, const double *s)
{
    double sum = 0.0;

    for (size_t p = 0; p < inner->model->n; p++) {
        double difference = s[p] - (inner->centre ? inner->centre[p] : 0.0);

        sum += inner->model->damping[p] * difference * difference;
    }
    return sum;
}

/* What is minimised. */
static double value(const struct inner *inner, const double *s)
{
    double measurement, regularisation;

    glm_model_predict(inner->model, s, &measurement, &regularisation);
    return measurement + inner->model->factor * regularisation +
           inner->lambda * damped(inner, s);
}

static void slope_fill(const struct inner *inner, const double *s, const double *q,
                       const double *d, const double *u)
{
    const struct glm_model *model = inner->model;
    size_t n = model->n;

    for (size_t p = 0; p < n; p++)
        inner->slope[p] =
            total_gradient(model, p) - inner->lambda * model->damping[p] *
                                           (s[p] - (inner->centre ? inner->centre[p] : 0.0));
    for (int part = 0; part < 2 && model->normal[part]; part++)
        for (size_t c = 0; c < n; c++)
            for (size_t p = 0; s[c] != 0.0 && p < n; p++)
                inner->slope[p] -=
                    (part ? model->factor : 1.0) * model->normal[part][p + c * n] * s[c];
    for (size_t j = 0; j < model->fitted; j++)
        for (size_t p = 0; p < n; p++)
            inner->slope[p] += model->metric[p] * model->steps[j * n + p] * d[j] * u[j] -
                               model->cross[j * n + p] * q[j];
}

/* v_j = D_jj W d_j and w_j = JᵗQU_j + half of sum over i of (UᵗQU)_ji v_i. */
static void turn_fill(const struct inner *inner, const double *d)
{
    struct glm_model *model = inner->model;
    size_t k = model->fitted, n = model->n;

    for (size_t j = 0; j < k; j++)
        for (size_t p = 0; p < n; p++) {
            model->turn_v[j * n + p] = d[j] * model->metric[p] * model->steps[j * n + p];
            model->turn_w[j * n + p] = model->cross[j * n + p];
        }
    for (size_t j = 0; j < k; j++)
        for (size_t i = 0; i < k; i++)
            for (size_t p = 0; p < n; p++)
                model->turn_w[j * n + p] +=
                    0.5 * model->curvature[j][i] * model->turn_v[i * n + p];
}

/* Element (p, c) of J(s)ᵗQJ(s) + lambda D'. */
static double entry(const struct inner *inner, size_t p, size_t c)
{
    const struct glm_model *model = inner->model;
    size_t n = model->n;
    double sum = model->normal[0][p + c * n];

    if (model->normal[1])
        sum += model->factor * model->normal[1][p + c * n];
    for (size_t j = 0; j < model->fitted; j++)
        sum += model->turn_w[j * n + p] * model->turn_v[j * n + c] +
               model->turn_v[j * n + p] * model->turn_w[j * n + c];
    for (size_t j = 0; j < model->fitted; j++)
        if (inner->bend[j] != 0.0)
            sum += inner->bend[j] * model->metric[p] * model->steps[j * n + p] *
                   model->metric[c] * model->steps[j * n + c];
    if (p == c)
        sum += inner->lambda * model->damping[p];
    return sum;
}

static bool is_newton(const struct inner *inner)
{
    for (size_t j = 0; j < inner->model->fitted; j++)
        if (inner->bend[j] != 0.0)
            return true;
    return false;
}

/* Factor the matrix of the free parameters; more ridge until it can be done. */
static int factor_free(const struct inner *inner, size_t free_count)
{
    double *work = inner->model->work;

    for (double ridge = RIDGE; ridge < (is_newton(inner) ? 1.1 * RIDGE : 10.0);
         ridge *= 100.0) {
        for (size_t j = 0; j < free_count; j++)
            for (size_t i = j; i < free_count; i++)
                work[i + j * free_count] = work[j + i * free_count] =
                    entry(inner, inner->index[i], inner->index[j]);
        for (size_t i = 0; i < free_count; i++)
            work[i + i * free_count] +=
                ridge * (work[i + i * free_count] + inner->model->metric[inner->index[i]]);
        if (eigen_cholesky(work, free_count, NULL))
            return 0;
    }
    return -1;
}

/* The same among the singular vectors kept; `right` is of the free parameters, in order. */
static int solve_in_basis(const struct inner *inner, double *right, size_t free_count)
{
    struct glm_model *model = inner->model;
    size_t n = model->n;

    for (size_t c = 0; c < n; c++)
        for (size_t p = 0; p < n; p++)
            model->dense[p + c * n] = entry(inner, p, c);
    /* Spread it over all, from the end: places only grow. */
    for (size_t p = n; p-- > 0;)
        right[p] = inner->held[p] ? 0.0 : right[--free_count];
    return glm_model_basis_solve(model, inner->held, right, inner->step);
}

/* The step of the free parameters, given what the held ones do. */
static int solve_free(const struct inner *inner, double *right)
{
    size_t n = inner->model->n, free_count = 0;

    for (size_t p = 0; p < n; p++)
        if (!inner->held[p])
            inner->index[free_count++] = p;
    for (size_t i = 0; i < free_count; i++) {
        size_t p = inner->index[i];

        right[i] = inner->slope[p];
        for (size_t c = 0; c < n; c++)
            if (inner->held[c] && inner->step[c] != 0.0)
                right[i] -= entry(inner, p, c) * inner->step[c];
    }
    if (!free_count)
        return 0;
    if (inner->model->basis)
        return solve_in_basis(inner, right, free_count);
    if (factor_free(inner, free_count) != 0)
        return -1;
    eigen_cholesky_solve(inner->model->work, free_count, right);
    for (size_t i = 0; i < free_count; i++)
        inner->step[inner->index[i]] = right[i];
    return 0;
}

/* Put on the edge what goes out of the box; how many. */
static size_t edge(const struct inner *inner, const double *s)
{
    const struct glm_box *box = inner->box;
    size_t count = 0;

    for (size_t p = 0; p < inner->model->n; p++) {
        double to = s[p] + inner->step[p];

        if (inner->held[p] || (to >= box->lower[p] && to <= box->upper[p]))
            continue;
        inner->step[p] = (to < box->lower[p] ? box->lower[p] : box->upper[p]) - s[p];
        inner->held[p] = true;
        count++;
    }
    return count;
}

/* Nobody has moved; held are those at an edge whom the slope pushes out. */
static void hold(const struct inner *inner, const double *s)
{
    const struct glm_box *box = inner->box;

    for (size_t p = 0; p < inner->model->n; p++) {
        bool out = (s[p] <= box->lower[p] && inner->slope[p] <= 0.0) ||
                   (s[p] >= box->upper[p] && inner->slope[p] >= 0.0);

        inner->held[p] = out || (box->frozen && box->frozen[p]);
        inner->step[p] = 0.0;
    }
}

/* The slope of what is minimised, at s + step: of the quadratic. */
static double slope_at(const struct inner *inner, size_t p)
{
    double sum = inner->slope[p];

    for (size_t c = 0; c < inner->model->n; c++)
        if (inner->step[c] != 0.0)
            sum -= entry(inner, p, c) * inner->step[c];
    return sum;
}

/* By how much a step lowers the quadratic. */
static double decrease(const struct inner *inner)
{
    double sum = 0.0;

    for (size_t p = 0; p < inner->model->n; p++)
        if (inner->step[p] != 0.0)
            sum += inner->step[p] * (inner->slope[p] + slope_at(inner, p));
    return sum;
}

/* Go from `before` to inner->step as far as the box allows; who stops it is held. False: nobody. */
static bool go_to_edge(const struct inner *inner, const double *s, const double *before)
{
    const struct glm_box *box = inner->box;
    size_t n = inner->model->n, stops = n;
    double part = 1.0, edge_at = 0.0;

    for (size_t p = 0; p < n; p++) {
        double way = inner->step[p] - before[p], to = s[p] + inner->step[p];
        double at = (to < box->lower[p] ? box->lower[p] : box->upper[p]) - s[p];

        if (inner->held[p] || (to >= box->lower[p] && to <= box->upper[p]) ||
            (at - before[p]) / way >= part)
            continue;
        part = fmax(0.0, (at - before[p]) / way);
        edge_at = at;
        stops = p;
    }
    for (size_t p = 0; p < n && stops < n; p++)
        if (!inner->held[p])
            inner->step[p] = before[p] + part * (inner->step[p] - before[p]);
    if (stops == n)
        return false;
    inner->step[stops] = edge_at;
    inner->held[stops] = true;
    return true;
}

/* Set free who is held at an edge and would rather go inwards, the keenest; whether there is
 * one. */
static bool set_free(const struct inner *inner, const double *s)
{
    const struct glm_box *box = inner->box;
    size_t n = inner->model->n, keenest = n;
    double most = 0.0;

    for (size_t p = 0; p < n; p++) {
        double slope, keen;

        if (!inner->held[p] || (box->frozen && box->frozen[p]) ||
            !(box->lower[p] < box->upper[p]))
            continue;
        slope = slope_at(inner, p);
        keen = s[p] + inner->step[p] <= box->lower[p] ? slope : -slope;
        keen /= sqrt(inner->model->metric[p]);
        if (keen > most) {
            most = keen;
            keenest = p;
        }
    }
    if (keenest < n)
        inner->held[keenest] = false;
    return keenest < n;
}

/* One edge after the other, so that the quadratic falls all the way (C. L. Lawson and R. J. Hanson,
 * Solving Least Squares Problems, 1974, chapter 23; with two bounds, P. B. Stark and R. L. Parker,
 * Comput. Stat. 10 (1995) 129-141). */
static int along_edges(const struct inner *inner, const double *s, double *right, int turns)
{
    size_t n = inner->model->n;
    double *before = inner->model->scratch + 4 * n;

    hold(inner, s);
    for (int turn = 0; turn < turns; turn++) {
        memcpy(before, inner->step, n * sizeof *before);
        if (solve_free(inner, right) != 0)
            return -1;
        if (!go_to_edge(inner, s, before) && !set_free(inner, s))
            break;
    }
    return 0;
}

/* The quick way puts all that go out of the box on its edge at once. They may stand there in each
 * other's way, and nothing be gained; then they go one by one. */
static int step_fill(const struct inner *inner, const double *s, double *right)
{
    int turns = inner->model->n > 1000 ? 4 : EDGE_TURNS;
    bool small = inner->model->n <= ONE_BY_ONE, edges = false;

    hold(inner, s);
    for (int turn = 0; turn < turns; turn++) {
        if (solve_free(inner, right) != 0)
            return -1;
        if (edge(inner, s) == 0 || inner->box->clip)
            break;
        edges = true;
    }
    if (edges && (small || decrease(inner) <= 0.0))
        return along_edges(inner, s, right, turns);
    return 0;
}

/* Go along the step while it pays; 0: it does not. */
static double walk(const struct inner *inner, double *s, double before)
{
    size_t n = inner->model->n;
    double part = 1.0;

    for (int i = 0; i < HALVINGS; i++, part /= 2.0) {
        double after;

        for (size_t p = 0; p < n; p++)
            inner->tried[p] = fmax(inner->box->lower[p],
                                   fmin(inner->box->upper[p], s[p] + part * inner->step[p]));
        after = value(inner, inner->tried);
        if (after < before) {
            memcpy(s, inner->tried, n * sizeof *s);
            return before - after;
        }
    }
    return 0.0;
}

static int inner_init(struct inner *inner, struct glm_model *model)
{
    inner->slope = model->scratch;
    inner->step = model->scratch + model->n;
    inner->tried = model->scratch + 2 * model->n;
    inner->index = malloc((model->n + 1) * sizeof *inner->index);
    inner->held = malloc((model->n + 1) * sizeof *inner->held);
    return inner->index && inner->held ? 0 : -1;
}

/* One step: Newton's, `newton` allowing, or else Gauss and Newton's. How much it gained, 0 at the
 * end of the way, -1: a bad matrix. */
static double step_take(struct inner *inner, double *s, double before, bool newton)
{
    double q[GLM_MODEL_POINTS], d[GLM_MODEL_POINTS], u[GLM_MODEL_POINTS], gained;
    double *right = inner->model->scratch + 3 * inner->model->n;

    curve(inner->model, s, q, d, u);
    slope_fill(inner, s, q, d, u);
    turn_fill(inner, d);
    for (size_t j = 0; newton && j < inner->model->fitted; j++)
        inner->bend[j] = -2.0 * u[j] / inner->model->lengths[j];
    if (is_newton(inner)) {
        int failed = step_fill(inner, s, right);

        memset(inner->bend, 0, sizeof inner->bend);
        gained = failed ? 0.0 : walk(inner, s, before);
        if (gained > 0.0)
            return gained;
    }
    if (step_fill(inner, s, right) != 0)
        return -1.0;
    if (glm_model_distance(inner->model, inner->step, NULL) <= SETTLED * before)
        return 0.0;
    return walk(inner, s, before);
}

int glm_model_upgrade(struct glm_model *model, const struct glm_box *box, double lambda,
                      const double *centre, int effort, double *ret_step,
                      struct error *ret_error)
{
    struct inner inner = {.model = model, .box = box, .lambda = lambda, .centre = centre};
    double gained = 0.0;

    if (model->lsqr)
        return glm_model_lsqr_upgrade(model, box, lambda, ret_step, ret_error);
    if (inner_init(&inner, model) != 0) {
        free(inner.index);
        free(inner.held);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for an upgrade");
    }
    for (size_t p = 0; p < model->n; p++)
        ret_step[p] = fmax(box->lower[p], fmin(box->upper[p], centre ? centre[p] : 0.0));
    for (int i = 0; i < effort; i++) {
        double before = value(&inner, ret_step);

        gained = step_take(&inner, ret_step, before, i > 0);
        if (gained <= 1e-6 * before)
            break;
    }
    free(inner.index);
    free(inner.held);
    if (gained < 0.0)
        return error_set(ret_error, ERROR_TASKS,
                         "the normal matrix cannot be solved: the Jacobian holds values that "
                         "are too large or not numbers");
    return 0;
}
