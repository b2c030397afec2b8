/*
 * glm_stencil.h - derivatives from a few points.
 *
 * All of PEST's methods are linear in the model's outputs: a polynomial is fitted to the points
 * (0, y0), (x_1, y_1) ... by least squares and its slope at 0 is taken, so that the derivative is
 * w_0 y0 + sum of w_i y_i with weights that depend on the x_i alone. Points need not be evenly
 * spaced (bounds, rounding in templates, failed runs). PEST manual I, 4.2.7 and 5:
 *
 *   two points                   degree 1 (forward or backward difference)
 *   three points: outside_pts    the straight line through the outermost two
 *                 parabolic      degree 2, exact
 *                 best_fit       degree 1, least squares
 *   five points:  minvar         degree 2, least squares: the smallest variance from rounding
 *                 maxprec        degree 4, exact: the smallest truncation error
 *
 * A three-point method asked for with five points stays what its name says (parabolic: minvar);
 * a five-point method with three points is a parabola.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_STENCIL_H
#define BEOFARM_MASTER_PEST_GLM_STENCIL_H

#include <stddef.h>

#include "common/pest/control.h"

#define GLM_STENCIL_MAX 4 /* points beside the base */

/* Weights for `count` points (1 to 4) at distances x[count] (not 0, all different) from the base.
 * -1 where the points do not carry a derivative (two of them coincide). */
int glm_stencil_weights(enum pest_dermthd method, const double *x, size_t count,
                        double *ret_base, double *ret_weights);

#endif
