/*
 * kernels_density.h - the inner loops of waves with density; a part of kernels_body.h.
 *
 * Fluxes across rows, and the divergence, take four rows at once, so that a vector that is loaded
 * for one row serves its neighbours as well; what is shifted along rows comes from registers. Which
 * rows go together changes no bit: each sum has its own order, and begins with zero, for of two
 * products the compiler may take either into a fused multiply-add.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_DENSITY_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_DENSITY_H

/* 1 / x. Divisions take as long as the rest of a flux; an estimate of 14 bits, doubled by a step of
 * Newton's method, is nearly as good in single precision. */
FORCE_INLINE void reciprocal(const vec *x, vec *ret_value)
{
#if KERNELS_BYTES == 64 && defined __x86_64__ && !defined WAVE_DOUBLE
    const vec one = {0}, estimate = (vec)_mm512_rcp14_ps((__m512)*x);
    *ret_value = estimate + estimate * ((one + 1) - *x * estimate);
#else
    *ret_value = 1 / *x;
#endif
}

/* The first difference half-way between p and its next neighbour, unaligned. */
FORCE_INLINE void halves_sum(const wave_real *p, ptrdiff_t stride, const vec *weights,
                             const int radius, vec *ret_sum)
{
    vec sum = {0};
#pragma GCC unroll 8
    for (int k = 0; k < radius; k++)
        sum += weights[k] * (AT_LOOSE(p + (k + 1) * stride) - AT_LOOSE(p - k * stride));
    *ret_sum = sum;
}

/* sums[i] of `count` of them: half-way between line[i + radius - 1] and the next. */
FORCE_INLINE void halves_lines(const vec *line, const vec *weights, const int radius,
                               const int count, vec *sums)
{
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) {
        const vec *p = line + i + radius - 1;
        sums[i] = (vec){0};
#pragma GCC unroll 8
        for (int k = 0; k < radius; k++)
            sums[i] += weights[k] * (p[k + 1] - p[-k]);
    }
}

FORCE_INLINE void flux_across(const struct kernel_flux *job, size_t first, const int radius,
                              const int count)
{
    const ptrdiff_t stride = job->stride, apart = job->apart, ahead = job->ahead;
    const wave_real *u = job->u + (ptrdiff_t)first * stride - (radius - 1) * stride;
    const wave_real *rho = job->half_rho + (ptrdiff_t)first * stride;
    wave_real *flux = job->flux + (ptrdiff_t)first * apart;
    vec weights[KERNELS_RADIUS_MAX];
    weights_load(job->weights, radius, weights);
    for (const wave_real *end = u + job->length; u < end;
         u += LANES, rho += LANES, flux += LANES) {
        vec line[KERNELS_GROUP + 2 * KERNELS_RADIUS_MAX], sums[KERNELS_GROUP];
#pragma GCC unroll 20
        for (int i = 0; i < count + 2 * radius - 1; i++)
            line[i] = AT(u + i * stride);
        halves_lines(line, weights, radius, count, sums);
        vec before = AT(rho);
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
            vec next = AT(rho + (i + 1) * stride), both = before + next, buoyancy;
            reciprocal(&both, &buoyancy);
            *(vec *)(flux + i * apart) = buoyancy * sums[i];
            __builtin_prefetch(u + (i + 2 * radius - 1) * stride + ahead, 0, 2);
            __builtin_prefetch(rho + (i + 1) * stride + ahead, 0, 2);
            before = next;
        }
    }
}

FORCE_INLINE void flux_rows(const struct kernel_flux *job, const int radius)
{
    size_t i = 0;
    for (; i + KERNELS_GROUP <= job->count; i += KERNELS_GROUP)
        flux_across(job, i, radius, KERNELS_GROUP);
    for (; i < job->count; i++)
        flux_across(job, i, radius, 1);
}

/* *sum: the first difference along the row half-way after the vector at p, which is aligned; `back`
 * 1: half-way before it. */
FORCE_INLINE void halves_along(const wave_real *p, const vec *weights, const int radius,
                               const int back, vec *ret_sum)
{
#ifdef SPAN
    vec before = AT(p - LANES), here = AT(p), after = AT(p + LANES), sum = {0};
#pragma GCC unroll 8
    for (int k = 0; k < radius; k++) {
        vec left, right;
        if (k + back == 0)
            left = here;
        else
            shift(before, here, LANES - k - back, &left);
        if (k + 1 - back == 0)
            right = here;
        else
            shift(here, after, k + 1 - back, &right);
        sum += weights[k] * (right - left);
    }
    *ret_sum = sum;
#else
    halves_sum(p - back, 1, weights, radius, ret_sum);
#endif
}

FORCE_INLINE void flux_along(const struct kernel_flux *job, const int radius)
{
    const wave_real *u = job->u, *rho = job->half_rho;
    wave_real *flux = job->flux;
    vec weights[KERNELS_RADIUS_MAX];
    weights_load(job->weights, radius, weights);
    for (const wave_real *end = u + job->length; u < end;
         u += LANES, rho += LANES, flux += LANES) {
        vec sum, both = AT(rho) + AT_LOOSE(rho + 1), buoyancy;
        halves_along(u, weights, radius, 0, &sum);
        reciprocal(&both, &buoyancy);
        *(vec *)flux = buoyancy * sum;
    }
}

FORCE_INLINE void flux_slab(const struct kernel_flux_slab *job, const int radius)
{
    const struct kernel_flux_slab j = *job;
    const vec zero = {0}, a = zero + j.a, b = zero + j.b;
    vec weights[KERNELS_RADIUS_MAX];
    weights_load(j.weights, radius, weights);
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec sum, both = AT(j.half_rho + q) + AT(j.half_rho + j.stride + q), buoyancy;
        halves_sum(j.u + q, j.stride, weights, radius, &sum);
        if (j.has_b)
            sum_weighted(j.row_b, j.weight_b, q, 2 * radius, &sum);
        reciprocal(&both, &buoyancy);
        if (j.transposed)
            sum *= buoyancy;
        vec psi = zero;
        if (j.psi)
            psi = AT_LOOSE(j.psi + q);
        if (j.step) {
            if (j.transposed)
                *(loose *)(j.psi + q) = b * psi - sum;
            else
                *(loose *)(j.psi + q) = b * psi + a * sum;
        } else {
            if (j.transposed)
                *(vec *)(j.flux + q) = sum - a * psi;
            else
                *(vec *)(j.flux + q) = buoyancy * (sum + psi);
        }
    }
}

/* `count` rows, the first being `first`. */
FORCE_INLINE void divergence_rows(const struct kernel_divergence *job, size_t first,
                                  const int radius, const int count, const bool flat)
{
    const ptrdiff_t o = (ptrdiff_t)first, deep = job->deep, flux_deep = job->flux_deep,
                    across = job->flux_across, plane = job->flux_plane, row = job->flux_row,
                    ahead = job->ahead;
    const wave_real *u = job->u + o * deep, *v = job->v + o * deep;
    const wave_real *x = job->flux[GRID_X] + (o - radius) * flux_deep;
    const wave_real *y = flat ? NULL : job->flux[GRID_Y] + o * plane - across;
    const wave_real *z = job->flux[GRID_Z] + o * row;
    const wave_real *next_u = job->next_u + o * deep, *next_rho = job->next_rho + o * deep;
    wave_real *out = job->out + o * deep, *kept = job->sums ? job->sums + o * row : NULL;
    vec of_x[KERNELS_RADIUS_MAX], of_y[KERNELS_RADIUS_MAX], of_z[KERNELS_RADIUS_MAX];
    weights_load(job->weights[GRID_X], radius, of_x);
    weights_load(job->weights[GRID_Z], radius, of_z);
    if (!flat)
        weights_load(job->weights[GRID_Y], radius, of_y);
    for (size_t q = 0; q < job->length; q += (size_t)LANES) {
        vec line[KERNELS_GROUP + 2 * KERNELS_RADIUS_MAX], sums[KERNELS_GROUP];
#pragma GCC unroll 20
        for (int i = 0; i < count + 2 * radius - 1; i++)
            line[i] = AT(x + i * flux_deep + q);
        halves_lines(line, of_x, radius, count, sums);
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
            vec part;
            if (!flat) {
                halves_sum(y + i * plane + q, across, of_y, radius, &part);
                sums[i] += part;
            }
            halves_along(z + i * row + q, of_z, radius, 1, &part);
            sums[i] += part;
            vec *at = (vec *)(out + i * deep + q);
            *at = AT(v + i * deep + q) * sums[i] + (2 * AT(u + i * deep + q) - *at);
            if (kept)
                *(vec *)(kept + i * row + q) = sums[i];
            __builtin_prefetch(next_u + i * deep + q, 0, 2);
            __builtin_prefetch(next_rho + i * deep + q, 0, 2);
            __builtin_prefetch(at + ahead / LANES, 1, 2);
            __builtin_prefetch(v + i * deep + q + ahead, 0, 2);
        }
    }
}

FORCE_INLINE void divergence_groups(const struct kernel_divergence *job, const int radius,
                                    const bool flat)
{
    size_t i = 0;
    for (; i + KERNELS_GROUP <= job->count; i += KERNELS_GROUP)
        divergence_rows(job, i, radius, KERNELS_GROUP, flat);
    for (; i < job->count; i++)
        divergence_rows(job, i, radius, 1, flat);
}

FORCE_INLINE void zeta_row(const struct kernel_zeta *job, const int radius)
{
    const struct kernel_zeta j = *job;
    const vec zero = {0}, a = zero + j.a, b = zero + j.b;
    vec weights[KERNELS_RADIUS_MAX];
    weights_load(j.weights, radius, weights);
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec sum;
        halves_sum(j.flux + q - j.stride, j.stride, weights, radius, &sum);
        loose *memory = (loose *)(j.memory + q);
        sum = b * *memory + a * sum;
        *memory = sum;
        vec *out = (vec *)(j.out + q);
        *out += AT(j.v + q) * sum;
    }
}

/* What is around the window of a half points' quantity: mirrored or zero before, and zero after. */
FORCE_INLINE void near_close(const struct kernel_density_end *job, wave_real *near)
{
    for (int k = 0; k < KERNELS_RADIUS_MAX; k++)
        near[-1 - k] = job->mirror ? near[k] : 0;
    for (size_t i = job->halves; i < job->length + KERNELS_RADIUS_MAX; i++)
        near[i] = 0;
}

FORCE_INLINE void density_end(const struct kernel_density_end *job, const int radius)
{
    const struct kernel_density_end j = *job;
    vec weights[KERNELS_RADIUS_MAX];
    weights_load(j.weights, radius, weights);
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec sum, both = AT_LOOSE(j.half_rho + q) + AT_LOOSE(j.half_rho + q + 1), buoyancy;
        halves_sum(j.u + q, 1, weights, radius, &sum);
        reciprocal(&both, &buoyancy);
        loose *psi = (loose *)(j.psi + q);
        sum = AT_LOOSE(j.psi_b + q) * *psi + AT_LOOSE(j.psi_a + q) * sum;
        *psi = sum;
        *(loose *)(j.near + q) = buoyancy * sum;
    }
    near_close(job, j.near);
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec own, bare;
        halves_sum(j.near + q - 1, 1, weights, radius, &own);
        halves_sum(j.flux + q - 1, 1, weights, radius, &bare);
        loose *zeta = (loose *)(j.zeta + q), *out = (loose *)(j.out + q);
        vec next = AT_LOOSE(j.zeta_b + q) * *zeta + AT_LOOSE(j.zeta_a + q) * (bare + own);
        *zeta = next;
        *out += AT_LOOSE(j.v + q) * (own + next);
    }
}

FORCE_INLINE void density_end_transposed(const struct kernel_density_end *job, const int radius)
{
    const struct kernel_density_end j = *job;
    vec weights[KERNELS_RADIUS_MAX];
    weights_load(j.weights, radius, weights);
    wave_real *near = j.near + j.length + KERNELS_END_AROUND; /* zeros around it */
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        loose *zeta = (loose *)(j.zeta + q);
        vec next = AT_LOOSE(j.zeta_b + q) * *zeta + AT_LOOSE(j.u + q);
        *zeta = next;
        *(loose *)(near + q) = AT_LOOSE(j.zeta_a + q) * next;
    }
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec sum, more, both = AT_LOOSE(j.half_rho + q) + AT_LOOSE(j.half_rho + q + 1), buoyancy;
        halves_sum(j.u + q, 1, weights, radius, &sum);
        halves_sum(near + q, 1, weights, radius, &more);
        reciprocal(&both, &buoyancy);
        loose *psi = (loose *)(j.psi + q);
        vec next = AT_LOOSE(j.psi_b + q) * *psi - buoyancy * (sum + more);
        *psi = next;
        *(loose *)(j.near + q) = buoyancy * more - AT_LOOSE(j.psi_a + q) * next;
    }
    near_close(job, j.near);
    for (ptrdiff_t q = j.from; q < j.to; q += LANES) {
        vec sum;
        halves_sum(j.near + q - 1, 1, weights, radius, &sum);
        loose *out = (loose *)(j.out + q);
        *out += AT_LOOSE(j.v + q) * sum;
    }
}

#define DENSITY_TEMPLATES(radius)                                                              \
    static void flux_rows_##radius(const struct kernel_flux *job)                              \
    {                                                                                          \
        flux_rows(job, radius);                                                                \
    }                                                                                          \
    static void flux_along_##radius(const struct kernel_flux *job)                             \
    {                                                                                          \
        flux_along(job, radius);                                                               \
    }                                                                                          \
    static void flux_slab_##radius(const struct kernel_flux_slab *job)                         \
    {                                                                                          \
        flux_slab(job, radius);                                                                \
    }                                                                                          \
    static void divergence_##radius(const struct kernel_divergence *job)                       \
    {                                                                                          \
        job->flux[GRID_Y] ? divergence_groups(job, radius, false)                              \
                          : divergence_groups(job, radius, true);                              \
    }                                                                                          \
    static void zeta_##radius(const struct kernel_zeta *job)                                   \
    {                                                                                          \
        zeta_row(job, radius);                                                                 \
    }                                                                                          \
    static void density_end_##radius(const struct kernel_density_end *job)                     \
    {                                                                                          \
        density_end(job, radius);                                                              \
    }                                                                                          \
    static void density_end_transposed_##radius(const struct kernel_density_end *job)          \
    {                                                                                          \
        density_end_transposed(job, radius);                                                   \
    }

DENSITY_TEMPLATES(2)
DENSITY_TEMPLATES(4)
DENSITY_TEMPLATES(6)
DENSITY_TEMPLATES(8)

#define DENSITY_MEMBER(radius)                                                                 \
    {                                                                                          \
        flux_rows_##radius, flux_along_##radius, flux_slab_##radius, divergence_##radius,      \
            zeta_##radius, density_end_##radius, density_end_transposed_##radius               \
    }

#endif
