/*
 * operators.h - one shot's linear maps: F, its Jacobian J, and both transposes.
 *
 * Everything here is at the propagator's time steps: a source is [steps][places of sources], data
 * are [steps][places of receivers], row k of data at the time step after row k of the source
 * (wave.h). Models and images are on the medium's grid. F is linear in the source and maps it to
 * data; J maps a perturbation dm of the squared slowness (s^2/m^2) to data, for a given source:
 *
 *     operators_forward   data = F(m) source        operators_adjoint       source = F^T data
 *     operators_born      data = J dm               operators_image         image += J^T data
 *
 * The transposes are exact to rounding, absorbing layers, free surface and interpolation included;
 * the tests say how exactly.
 */
#ifndef BEOFARM_WORKER_SEISMIC_OPERATORS_H
#define BEOFARM_WORKER_SEISMIC_OPERATORS_H

#include <stddef.h>

#include "common/error.h"
#include "worker/seismic/history.h"
#include "worker/seismic/wave.h"

struct operators {
    struct wave *wave;                 /* borrowed */
    struct wave *second;               /* of the same medium: for all but F and F^T. Borrowed */
    const struct wave_points *sources; /* borrowed */
    const struct wave_points *receivers; /* borrowed */
    size_t steps;                        /* at least 1 */
    struct history_options history;      /* for operators_image */
};

/* Whether a device that computes has not failed (wave_check): to be asked after the first two. */
int operators_check(const struct operators *operators, struct error *ret_error);

/* `illumination` (NULL, or a value per point of the model) gets the sum over steps of the forward
 * field squared added. */
void operators_forward(const struct operators *operators, const wave_real *source,
                       wave_real *ret_data, wave_real *illumination);
void operators_adjoint(const struct operators *operators, const wave_real *data,
                       wave_real *ret_source);

/* Scattered data; where ret_data0 is not NULL, F(m) source goes there in the same run. */
int operators_born(const struct operators *operators, const wave_real *source,
                   const wave_real *dm, wave_real *ret_data, wave_real *ret_data0,
                   struct error *ret_error);

/* Called once when the synthetic data of the forward run are there: put the adjoint source (such as
 * the residual) in their place. -1 ends with its sentence. */
typedef int (*operators_residual)(void *context, wave_real *data, struct error *ret_error);

/* image += J^T r, where r is what `residual` makes of F(m) source. `data` is the caller's room,
 * [steps][receivers]. With history.every = n > 1 the image is n times the sum over every n-th
 * step. */
int operators_image(const struct operators *operators, const wave_real *source,
                    operators_residual residual, void *context, wave_real *data,
                    wave_real *image, wave_real *illumination, struct error *ret_error);

#endif
