/*
 * glm_stencil.c - see glm_stencil.h.
 *
 * The normal equations of the polynomial fit are at most 5 x 5, of points scaled to [-1, 1]; the
 * slope at 0 is row 1 of their inverse.
 */
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "master/pest/glm_stencil.h"

#define TERMS (GLM_STENCIL_MAX + 1)

static size_t degree(enum pest_dermthd method, size_t count)
{
    if (count == 1 || method == PEST_BEST_FIT || method == PEST_OUTSIDE_PTS)
        return 1;
    if (method == PEST_MAXPREC)
        return count;
    return 2;
}

/* Solve a[n][n] z = b by elimination with partial pivoting; b becomes z. */
static int solve(double a[TERMS][TERMS], double b[TERMS], size_t n)
{
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;

        for (size_t i = k + 1; i < n; i++)
            if (fabs(a[i][k]) > fabs(a[pivot][k]))
                pivot = i;
        if (fabs(a[pivot][k]) < 1e-13)
            return -1;
        for (size_t j = 0; j < n; j++) {
            double swap = a[k][j];
            a[k][j] = a[pivot][j];
            a[pivot][j] = swap;
        }
        double swap = b[k];
        b[k] = b[pivot];
        b[pivot] = swap;
        for (size_t i = k + 1; i < n; i++) {
            double factor = a[i][k] / a[k][k];

            for (size_t j = k; j < n; j++)
                a[i][j] -= factor * a[k][j];
            b[i] -= factor * b[k];
        }
    }
    for (size_t k = n; k-- > 0;) {
        for (size_t j = k + 1; j < n; j++)
            b[k] -= a[k][j] * b[j];
        b[k] /= a[k][k];
    }
    return 0;
}

/* The two outermost points alone (the base is one of them where all lie on one side). */
static void outside(const double *x, size_t count, double *ret_base, double *ret_weights)
{
    double low = 0.0, high = 0.0;

    for (size_t i = 0; i < count; i++) {
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    *ret_base = 0.0;
    *ret_base += low == 0.0 ? -1.0 / (high - low) : 0.0;
    *ret_base += high == 0.0 ? 1.0 / (high - low) : 0.0;
    for (size_t i = 0; i < count; i++)
        ret_weights[i] = x[i] == low    ? -1.0 / (high - low)
                         : x[i] == high ? 1.0 / (high - low)
                                        : 0.0;
}

static bool coincide(const double *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (x[i] == 0.0 || !isfinite(x[i]))
            return true;
        for (size_t j = 0; j < i; j++)
            if (x[i] == x[j])
                return true;
    }
    return count == 0;
}

int glm_stencil_weights(enum pest_dermthd method, const double *x, size_t count,
                        double *ret_base, double *ret_weights)
{
    size_t terms = degree(method, count) + 1;
    double normal[TERMS][TERMS], slope[TERMS] = {0.0, 1.0};
    double largest = 0.0, sums[2 * TERMS] = {(double)count + 1.0};

    if (coincide(x, count))
        return -1;
    if (method == PEST_OUTSIDE_PTS || count == 1) {
        outside(x, count, ret_base, ret_weights);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(x[i]));
    for (size_t i = 0; i < count; i++)
        for (size_t k = 1; k < 2 * terms; k++)
            sums[k] += pow(x[i] / largest, (double)k);
    for (size_t i = 0; i < terms; i++)
        for (size_t j = 0; j < terms; j++)
            normal[i][j] = sums[i + j];
    if (solve(normal, slope, terms) != 0)
        return -1;
    *ret_base = slope[0] / largest;
    for (size_t i = 0; i < count; i++) {
        ret_weights[i] = 0.0;
        for (size_t k = terms; k-- > 0;)
            ret_weights[i] = ret_weights[i] * (x[i] / largest) + slope[k];
        ret_weights[i] /= largest;
    }
    return 0;
}
