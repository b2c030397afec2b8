/*
 * opencl_medium.c - what the ground is made of, on the device.
 *
 * V, rho and the layers' coefficients are computed here as acoustic.c does. What anisotropic waves
 * have besides (M, axis, what tilted layers do) is taken from a processor's wave of the same
 * medium, made for that alone: it is the one place that knows these formulas.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "worker/seismic/acoustic_private.h"
#include "worker/seismic/opencl_private.h"

static cl_mem field_hold(struct opencl_wave *w)
{
    return opencl_wave_hold(w, w->size * sizeof(wave_real));
}

static double velocity_max(const struct wave_medium *medium)
{
    float most = 0;
    for (size_t i = 0; i < grid_size(&medium->grid); i++)
        most = medium->vp[i] > most ? medium->vp[i] : most;
    return most;
}

/* Coefficients of all axes: [psi_a, psi_b, zeta_a, zeta_b][places]. */
static void coefficients_write(struct opencl_wave *w, const struct cpml cpml[GRID_AXES])
{
    size_t places = (size_t)w->shape.coefficient[3],
           bytes = (4 * places + 1) * sizeof(wave_real);
    wave_real *all = calloc(4 * places + 1, sizeof(*all));
    w->on.coefficients = opencl_wave_hold(w, bytes);
    if (!all) {
        opencl_wave_good(w, CL_OUT_OF_HOST_MEMORY, "taking a medium");
        return;
    }
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        wave_real *to = all + w->shape.coefficient[axis];
        for (int side = 0; side < 2; side++) {
            for (int j = 0; j < cpml[axis].width[side]; j++, to++) {
                to[0] = cpml[axis].psi_a[side][j];
                to[places] = cpml[axis].psi_b[side][j];
                to[2 * places] = cpml[axis].zeta_a[side][j];
                to[3 * places] = cpml[axis].zeta_b[side][j];
            }
        }
    }
    opencl_wave_write(w, w->on.coefficients, all, bytes);
    free(all);
}

static void layers_write(struct opencl_wave *w, const struct wave_medium *medium,
                         const struct layout *layout)
{
    const struct cpml_tuning tuning = {
        .dt = w->wave.options.dt,
        .velocity_max = velocity_max(medium),
        .frequency = w->wave.options.frequency,
    };
    struct cpml *cpml = calloc(GRID_AXES, sizeof(*cpml));
    if (!cpml) {
        opencl_wave_good(w, CL_OUT_OF_HOST_MEMORY, "taking a medium");
        return;
    }
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        cpml_init(&cpml[axis], layout, (enum grid_axis)axis, medium->grid.spacing[axis],
                  &tuning);
    coefficients_write(w, cpml);
    free(cpml);
}

/* The medium's point that padded point i is, or continues. */
static size_t clamp(const struct opencl_shape *s, int axis, int i)
{
    int at = i - s->pad[axis];
    return (size_t)(at < 0 ? 0 : at < s->inner[axis] ? at : s->inner[axis] - 1);
}

static size_t row_at(const struct opencl_shape *s, int ix, int iy)
{
    return (size_t)(s->base + ix * s->stride[0] + iy * s->stride[1]);
}

/* V, or half of rho (1 around the grid, as density.c has it), to a row of the padded grid. */
static void medium_row(const struct opencl_wave *w, const struct wave_medium *medium,
                       bool half_rho, int ix, int iy, wave_real *row)
{
    const struct opencl_shape *s = &w->shape;
    double dt = w->wave.options.dt;
    size_t from =
        (clamp(s, 0, ix) * (size_t)s->inner[1] + clamp(s, 1, iy)) * (size_t)s->inner[2];
    for (int iz = 0; iz < s->n[2]; iz++) {
        size_t i = from + clamp(s, 2, iz);
        double c = medium->vp[i], rho = medium->rho ? medium->rho[i] : 1;
        row[iz] = (wave_real)(half_rho ? rho / 2 : dt * dt * rho * c * c);
    }
}

static cl_mem medium_write(struct opencl_wave *w, const struct wave_medium *medium,
                           bool half_rho, wave_real *values)
{
    const struct opencl_shape *s = &w->shape;
    cl_mem buffer = field_hold(w);
    for (size_t i = 0; i < w->size; i++)
        values[i] = half_rho ? 1 : 0;
    for (int ix = 0; ix < s->n[0]; ix++)
        for (int iy = 0; iy < s->n[1]; iy++)
            medium_row(w, medium, half_rho, ix, iy, values + row_at(s, ix, iy));
    opencl_wave_write(w, buffer, values, w->size * sizeof(*values));
    return buffer;
}

/* A field of a processor's wave; with `mirror`, the same above the surface as below. */
static cl_mem field_write(struct opencl_wave *w, const struct layout *layout,
                          const wave_real *field, bool mirror, wave_real *values)
{
    const struct opencl_shape *s = &w->shape;
    cl_mem buffer = field_hold(w);
    memset(values, 0, w->size * sizeof(*values));
    for (int ix = 0; ix < s->n[0]; ix++) {
        for (int iy = 0; iy < s->n[1]; iy++) {
            wave_real *to = values + row_at(s, ix, iy);
            memcpy(to, field + layout_at(layout, (size_t)ix, (size_t)iy),
                   (size_t)s->n[2] * sizeof(*to));
            for (int k = 1; mirror && k <= layout->radius; k++)
                *(to - k) = to[k];
        }
    }
    opencl_wave_write(w, buffer, values, w->size * sizeof(*values));
    return buffer;
}

/* g along x, y and z, one after the other, eta dt likewise, then tau / dt. */
static void stiff_write(struct opencl_wave *w, const struct pair *pair)
{
    size_t count = 0, at = 0;
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        count += (size_t)w->shape.n[axis];
    size_t bytes = (2 * count + 1) * sizeof(wave_real);
    wave_real *all = malloc(bytes);
    w->on.stiff = opencl_wave_hold(w, bytes);
    if (!all) {
        opencl_wave_good(w, CL_OUT_OF_HOST_MEMORY, "taking a medium");
        return;
    }
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        size_t n = (size_t)w->shape.n[axis];
        memcpy(all + at, pair->stiff[axis], n * sizeof(*all));
        memcpy(all + count + at, pair->ease[axis], n * sizeof(*all));
        at += n;
    }
    all[2 * count] = pair->lag;
    opencl_wave_write(w, w->on.stiff, all, bytes);
    free(all);
}

static void pair_write(struct opencl_wave *w, const struct acoustic *a, wave_real *values)
{
    const struct pair *pair = a->pair;
    coefficients_write(w, a->cpml);
    w->on.v = field_write(w, &a->layout, a->v, false, values);
    w->on.cross = field_write(w, &a->layout, pair->cross, false, values);
    w->on.own = field_write(w, &a->layout, pair->vp, false, values);
    if (!w->tilted)
        return;
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        if (pair->axis[axis])
            w->on.axis[axis] =
                field_write(w, &a->layout, pair->axis[axis],
                            axis == GRID_Z && w->wave.options.free_surface, values);
    stiff_write(w, pair);
}

static int pair_init(struct opencl_wave *w, const struct wave_physics *physics,
                     const struct wave_medium *medium, wave_real *values,
                     struct error *ret_error)
{
    struct wave_options options = w->wave.options;
    options.device = NULL;
    struct wave *here = physics->create(medium, &options, ret_error);
    if (!here)
        return -1;
    pair_write(w, (const struct acoustic *)here, values);
    physics->destroy(here);
    return 0;
}

int opencl_medium_init(struct opencl_wave *w, const struct wave_physics *physics,
                       const struct wave_medium *medium, const struct layout *layout,
                       struct error *ret_error)
{
    wave_real *values = malloc(w->size * sizeof(*values));
    if (!values)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a wave of %zu points",
                         grid_size(&medium->grid));
    int rc = 0;
    if (w->pair) {
        rc = pair_init(w, physics, medium, values, ret_error);
    } else {
        layers_write(w, medium, layout);
        w->on.v = medium_write(w, medium, false, values);
        if (w->law == OPENCL_DENSITY)
            w->on.half_rho = medium_write(w, medium, true, values);
    }
    free(values);
    if (rc == 0 && w->failed) {
        if (ret_error)
            *ret_error = w->failure;
        rc = -1;
    }
    return rc;
}
