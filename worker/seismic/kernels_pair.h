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

/* sum += the centred first difference along the row at p, which is aligned. (Shifts in registers: a load
 * that crosses a cache line costs two.) */
FORCE_INLINE void difference_along(const wave_real *p, const vec *weight, const int radius,
                                   vec *sum)
{
#if CAN_SHUFFLE && defined SPAN
    vec before = AT(p - LANES), here = AT(p), after = AT(p + LANES);
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++) {
        vec left, right;
        shift(before, here, LANES - k, &left);
        shift(here, after, k, &right);
        *sum += weight[k] * (right - left);
    }
#else
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++)
        *sum += weight[k] * (AT_LOOSE(p + k) - AT_LOOSE(p - k));
#endif
}

/* sum += that across rows. */
FORCE_INLINE void difference_across(const wave_real *p, ptrdiff_t stride, const vec *weight,
                                    const int radius, vec *sum)
{
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++)
        *sum += weight[k] * (AT(p + k * stride) - AT(p - k * stride));
}

/* All of a job is in local variables below: for the compiler, storing a row could change the job. */
FORCE_INLINE void second_axes(const struct kernel_second *job, const int radius, const int axes)
{
    const vec zero = {0}, centre = zero + job->centre;
    const struct kernel_second j = *job;
    vec weights[GRID_AXES][KERNELS_RADIUS_MAX + 1];
    pair_weights(j.weights, axes, radius, weights);
    const bool along = j.stride[axes - 1] == 1; /* z comes last */
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        const wave_real *p = j.u + q;
        vec sum = centre * AT(p);
        if (along)
            sum_along(p, weights[axes - 1], radius, &sum);
#pragma GCC unroll 3
        for (int axis = 0; axis < axes; axis++) {
            const ptrdiff_t stride = j.stride[axis];
            if (along && axis == axes - 1)
                continue;
#pragma GCC unroll 8
            for (int k = 1; k <= radius; k++)
                sum += weights[axis][k] * (AT(p - k * stride) + AT(p + k * stride));
        }
        *(vec *)(j.out + q) = sum;
    }
}

FORCE_INLINE void tilt_axes(const struct kernel_tilt *job, const int radius, const int axes)
{
    const struct kernel_tilt j = *job;
    vec weights[GRID_AXES][KERNELS_RADIUS_MAX + 1];
    pair_weights(j.weights, axes, radius, weights);
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        const wave_real *p = j.u + q;
        vec sum = {0};
#pragma GCC unroll 3
        for (int axis = 0; axis < axes; axis++) {
            vec part = {0};
            if (axis == axes - 1)
                difference_along(p, weights[axis], radius, &part);
            else
                difference_across(p, j.stride[axis], weights[axis], radius, &part);
            sum += AT(j.axis[axis] + q) * part;
        }
        *(vec *)(j.out + q) = sum;
    }
}

FORCE_INLINE void spread_axes(const struct kernel_spread *job, const int radius, const int axes)
{
    const struct kernel_spread j = *job;
    vec weights[GRID_AXES][KERNELS_RADIUS_MAX + 1];
    pair_weights(j.weights, axes, radius, weights);
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec sum = {0};
#pragma GCC unroll 3
        for (int axis = 0; axis < axes; axis++) {
            const wave_real *p = j.flux[axis] + q;
            if (axis == axes - 1)
                difference_along(p, weights[axis], radius, &sum);
            else
                difference_across(p, j.stride[axis], weights[axis], radius, &sum);
        }
        vec *out = (vec *)(j.out + q);
        if (j.subtract)
            sum = *out - sum;
        *out = sum;
    }
}

FORCE_INLINE void flux_axes(const struct kernel_turn *job, const int axes)
{
    const struct kernel_turn j = *job;
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec slope = AT(j.slope + q);
#pragma GCC unroll 3
        for (int axis = 0; axis < axes; axis++)
            *(vec *)(j.flux[axis] + q) = AT(j.axis[axis] + q) * slope;
    }
}

FORCE_INLINE void rows_sum(const struct kernel_rows *job, const int count)
{
    const struct kernel_rows r = *job;
    for (size_t q = 0; q < r.length; q += (size_t)LANES) {
        vec sum = {0};
#pragma GCC unroll 17
        for (int j = 0; j < count; j++)
            sum += r.weights[j] * AT_LOOSE(r.rows[j] + q);
        loose *out = (loose *)(r.out + q);
        if (r.add)
            sum += *out;
        *out = sum;
    }
}

FORCE_INLINE void pair_advance(const struct kernel_pair *job)
{
    const struct kernel_pair j = *job;
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec *a = (vec *)(j.out[0] + q), *b = (vec *)(j.out[1] + q);
        vec y = AT(j.y[0] + q), z = AT(j.y[1] + q), cross = AT(j.m[1] + q);
        vec next = AT(j.m[0] + q) * y + cross * z + (2 * AT(j.u[0] + q) - *a);
        *b = cross * y + AT(j.m[2] + q) * z + (2 * AT(j.u[1] + q) - *b);
        *a = next;
    }
}

static void pair_turn(const struct kernel_turn *job)
{
    job->axes == 2 ? flux_axes(job, 2) : flux_axes(job, 3);
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
    static void rows_##radius(const struct kernel_rows *job)                                   \
    {                                                                                          \
        rows_sum(job, 2 * radius + 1);                                                         \
    }                                                                                          \
    static void spread_##radius(const struct kernel_spread *job)                               \
    {                                                                                          \
        PAIR_AXES(spread_axes, radius)                                                         \
    }

PAIR_TEMPLATES(2)
PAIR_TEMPLATES(4)
PAIR_TEMPLATES(6)
PAIR_TEMPLATES(8)

#define PAIR_MEMBER(radius)                                                                    \
    {                                                                                          \
        second_##radius, tilt_##radius, spread_##radius, rows_##radius, pair_turn, pair_step   \
    }

#endif
