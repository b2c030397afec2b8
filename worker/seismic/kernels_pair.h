/* kernels_pair.h - the inner loops of anisotropic waves; a part of kernels_body.h. */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_PAIR_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_PAIR_H

/* Weights [1..radius] of each axis, into registers. */
FORCE_INLINE void pair_weights(const wave_real *const *from, const int axes, const int radius,
                               vec (*weights)[KERNELS_RADIUS_MAX + 1])
{
    const vec zero = {0};
#pragma GCC unroll 3
    for (int axis = 0; axis < axes; axis++)
#pragma GCC unroll 8
        for (int k = 1; k <= radius; k++)
            weights[axis][k] = zero + from[axis][k];
}

FORCE_INLINE void second_axes(const struct kernel_second *job, const int radius, const int axes)
{
    const vec zero = {0}, centre = zero + job->centre;
    vec weights[GRID_AXES][KERNELS_RADIUS_MAX + 1];
    pair_weights(job->weights, axes, radius, weights);
    for (size_t q = 0; q < job->length; q += (size_t)LANES) {
        const wave_real *p = job->u + q;
        vec sum = centre * AT(p);
#pragma GCC unroll 3
        for (int axis = 0; axis < axes; axis++) {
            if (job->stride[axis] == 1) {
                sum_along(p, weights[axis], radius, &sum);
                continue;
            }
            const ptrdiff_t stride = job->stride[axis];
#pragma GCC unroll 8
            for (int k = 1; k <= radius; k++)
                sum += weights[axis][k] * (AT(p - k * stride) + AT(p + k * stride));
        }
        *(vec *)(job->out + q) = sum;
    }
}

FORCE_INLINE void tilt_axes(const struct kernel_tilt *job, const int radius, const int axes)
{
    vec weights[GRID_AXES][KERNELS_RADIUS_MAX + 1];
    pair_weights(job->weights, axes, radius, weights);
    for (size_t q = 0; q < job->length; q += (size_t)LANES) {
        vec sum = {0};
#pragma GCC unroll 3
        for (int axis = 0; axis < axes; axis++) {
            const ptrdiff_t stride = job->stride[axis];
            const wave_real *p = job->u + q;
            vec part = {0};
#pragma GCC unroll 8
            for (int k = 1; k <= radius; k++)
                part +=
                    weights[axis][k] * (AT_LOOSE(p + k * stride) - AT_LOOSE(p - k * stride));
            sum += AT_LOOSE(job->axis[axis] + q) * part;
        }
        *(loose *)(job->out + q) = sum;
    }
}

FORCE_INLINE void spread_axes(const struct kernel_tilt *job, const int radius, const int axes)
{
    vec weights[GRID_AXES][KERNELS_RADIUS_MAX + 1];
    pair_weights(job->weights, axes, radius, weights);
    for (size_t q = 0; q < job->length; q += (size_t)LANES) {
        vec sum = {0};
#pragma GCC unroll 3
        for (int axis = 0; axis < axes; axis++) {
            const ptrdiff_t stride = job->stride[axis];
            const wave_real *p = job->u + q, *n = job->axis[axis] + q;
#pragma GCC unroll 8
            for (int k = 1; k <= radius; k++)
                sum += weights[axis][k] * (AT_LOOSE(n + k * stride) * AT_LOOSE(p + k * stride) -
                                           AT_LOOSE(n - k * stride) * AT_LOOSE(p - k * stride));
        }
        loose *out = (loose *)(job->out + q);
        if (job->subtract)
            sum = *out - sum;
        *out = sum;
    }
}

FORCE_INLINE void rows_sum(const struct kernel_rows *job)
{
    for (size_t q = 0; q < job->length; q += (size_t)LANES) {
        vec sum = {0};
        for (int j = 0; j < job->count; j++)
            sum += job->weights[j] * AT_LOOSE(job->rows[j] + q);
        loose *out = (loose *)(job->out + q);
        if (job->add)
            sum += *out;
        *out = sum;
    }
}

FORCE_INLINE void pair_advance(const struct kernel_pair *job)
{
    for (size_t q = 0; q < job->length; q += (size_t)LANES) {
        vec *a = (vec *)(job->out[0] + q), *b = (vec *)(job->out[1] + q);
        vec y = AT(job->y[0] + q), z = AT(job->y[1] + q), cross = AT(job->m[1] + q);
        *a = AT(job->m[0] + q) * y + cross * z + (2 * AT(job->u[0] + q) - *a);
        *b = cross * y + AT(job->m[2] + q) * z + (2 * AT(job->u[1] + q) - *b);
    }
}

static void pair_rows(const struct kernel_rows *job)
{
    rows_sum(job);
}

static void pair_step(const struct kernel_pair *job)
{
    pair_advance(job);
}

#define PAIR_AXES(function, radius)                                                            \
    switch (job->axes) {                                                                       \
    case 1:                                                                                    \
        function(job, radius, 1);                                                              \
        break;                                                                                 \
    case 2:                                                                                    \
        function(job, radius, 2);                                                              \
        break;                                                                                 \
    default:                                                                                   \
        function(job, radius, 3);                                                              \
    }

#define PAIR_TEMPLATES(radius)                                                                 \
    static void second_##radius(const struct kernel_second *job)                               \
    {                                                                                          \
        PAIR_AXES(second_axes, radius)                                                         \
    }                                                                                          \
    static void tilt_##radius(const struct kernel_tilt *job)                                   \
    {                                                                                          \
        PAIR_AXES(tilt_axes, radius)                                                           \
    }                                                                                          \
    static void spread_##radius(const struct kernel_tilt *job)                                 \
    {                                                                                          \
        PAIR_AXES(spread_axes, radius)                                                         \
    }

PAIR_TEMPLATES(2)
PAIR_TEMPLATES(4)
PAIR_TEMPLATES(6)
PAIR_TEMPLATES(8)

#define PAIR_MEMBER(radius)                                                                    \
    {                                                                                          \
        second_##radius, tilt_##radius, spread_##radius, pair_rows, pair_step                  \
    }

#endif
