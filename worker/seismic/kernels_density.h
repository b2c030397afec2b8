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
    const vec zero = {0}, a = zero + j.a, b = zero + j.b, times = zero + j.times;
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec flux = AT(j.flux + q);
        if (j.has_more) {
            vec more = {0}, both = AT(j.half_rho + q) + AT(j.half_rho + j.stride + q), buoyancy;
            sum_weighted(j.rows, j.weights, q, 2 * radius, &more);
            reciprocal(&both, &buoyancy);
            flux += buoyancy * more;
        }
        if (j.before) {
            vec psi = b * AT_LOOSE(j.before + q) + a * flux;
            if (j.after)
                *(loose *)(j.after + q) = psi;
            flux += times * psi;
        }
        *(vec *)(j.flux + q) = flux;
    }
}

/* What row i of an axis' slab adds to the divergence along it. */
FORCE_INLINE void zeta_add(const struct kernel_divergence *job, const enum grid_axis axis,
                           size_t i, size_t q, vec *sum)
{
    if (job->zeta[axis][i]) {
        vec more = *sum;
        slab_remember(job->zeta[axis][i] + q, job->a[axis][i], job->b[axis][i],
                      (ptrdiff_t)job->length, &more);
        *sum += more;
    }
}

/* `count` rows, the first being `first`. */
FORCE_INLINE void divergence_rows(const struct kernel_divergence *job, size_t first,
                                  const int radius, const int count, const bool flat,
                                  const bool layers)
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
            if (layers)
                zeta_add(job, GRID_X, first + (size_t)i, q, &sums[i]);
            if (!flat) {
                halves_sum(y + i * plane + q, across, of_y, radius, &part);
                if (layers)
                    zeta_add(job, GRID_Y, first + (size_t)i, q, &part);
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
                                    const bool flat, const bool layers)
{
    size_t i = 0;
    for (; i + KERNELS_GROUP <= job->count; i += KERNELS_GROUP)
        divergence_rows(job, i, radius, KERNELS_GROUP, flat, layers);
    for (; i < job->count; i++)
        divergence_rows(job, i, radius, 1, flat, layers);
}

FORCE_INLINE void divergence_all(const struct kernel_divergence *job, const int radius,
                                 const bool layers)
{
    if (job->flux[GRID_Y])
        divergence_groups(job, radius, false, layers);
    else
        divergence_groups(job, radius, true, layers);
}

FORCE_INLINE void end_halves(const struct kernel_density_end *job, const int radius,
                             piece *halves)
{
    const piece zero = {0};
#pragma GCC unroll 8
    for (int m = 0; m < radius; m++)
        halves[m] = zero + job->weights[m];
}

FORCE_INLINE void end_flux(const struct kernel_density_end *from)
{
    const struct kernel_density_end job = *from; /* storing rows does not change it */
    for (ptrdiff_t r = 0; r < (ptrdiff_t)job.rows; r++) {
        for (size_t q = 0; q < job.length; q += PIECE) {
            loose_piece *flux = (loose_piece *)(job.flux + r * job.step_flux + q);
            piece psi = *flux;
            end_scale(job.psi_a + q, &psi);
            end_remember(job.psi + r * job.step_memory + q, job.psi_b + q, job.ahead, &psi);
            *flux += psi;
        }
    }
}

FORCE_INLINE void end_zeta(const struct kernel_density_end *from, const int radius)
{
    const struct kernel_density_end job = *from;
    piece halves[KERNELS_RADIUS_MAX];
    end_halves(&job, radius, halves);
    for (ptrdiff_t r = 0; r < (ptrdiff_t)job.rows; r++) {
        const wave_real *flux = job.flux + r * job.step_flux;
        struct near near = {flux, {0}, PIECE_AT(flux - PIECE), PIECE_AT(flux)};
        for (size_t q = 0; q < job.length; q += PIECE) {
            const piece next = PIECE_AT(flux + q + PIECE);
            piece zeta;
            near.at = flux + q;
            near_step(&near, &next);
            end_first(&near, halves, radius, true, &zeta);
            end_scale(job.zeta_a + q, &zeta);
            end_remember(job.zeta + r * job.step_memory + q, job.zeta_b + q, job.ahead, &zeta);
            ptrdiff_t at = r * job.step_field + (ptrdiff_t)q;
            end_add(job.out + at, job.v + at, &zeta);
        }
    }
}

/* a zeta of piece q of a row. */
FORCE_INLINE void transposed_zeta(const struct kernel_density_end *job, ptrdiff_t r, size_t q,
                                  piece *zeta)
{
    *zeta = PIECE_AT(job->u + r * job->step_field + q);
    end_remember(job->zeta + r * job->step_memory + q, job->zeta_b + q, job->ahead, zeta);
    end_scale(job->zeta_a + q, zeta);
}

/* The flux of piece q of a row; `near`: a zeta. */
FORCE_INLINE void transposed_flux(const struct kernel_density_end *job, ptrdiff_t r, size_t q,
                                  const struct near *near, const piece *halves,
                                  const int radius)
{
    const piece zero = {0};
    const wave_real *rho = job->half_rho + r * job->step_field + q;
    loose_piece *flux = (loose_piece *)(job->flux + r * job->step_flux + q);
    piece sum, psi;
    end_first(near, halves, radius, false, &sum);
    sum = *flux + sum / (PIECE_AT(rho) + PIECE_AT(rho + 1));
    psi = zero - sum;
    end_remember(job->psi + r * job->step_memory + q, job->psi_b + q, job->ahead, &psi);
    *flux = sum - PIECE_AT(job->psi_a + q) * psi;
}

/* Fluxes are a piece behind zeta. */
FORCE_INLINE void end_flux_transposed(const struct kernel_density_end *from, const int radius)
{
    const struct kernel_density_end job = *from;
    const piece zero = {0};
    piece halves[KERNELS_RADIUS_MAX];
    end_halves(&job, radius, halves);
    for (ptrdiff_t r = 0; r < (ptrdiff_t)job.rows; r++) {
        struct near near = {NULL, zero, zero, zero};
        for (size_t q = 0; q <= job.length; q += PIECE) {
            piece next = zero;
            if (q < job.length)
                transposed_zeta(&job, r, q, &next);
            near_step(&near, &next);
            if (q > 0)
                transposed_flux(&job, r, q - PIECE, &near, halves, radius);
        }
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
        job->layers ? divergence_all(job, radius, true) : divergence_all(job, radius, false);  \
    }                                                                                          \
    static void end_flux_##radius(const struct kernel_density_end *job)                        \
    {                                                                                          \
        end_flux(job);                                                                         \
    }                                                                                          \
    static void end_flux_transposed_##radius(const struct kernel_density_end *job)             \
    {                                                                                          \
        end_flux_transposed(job, radius);                                                      \
    }                                                                                          \
    static void end_zeta_##radius(const struct kernel_density_end *job)                        \
    {                                                                                          \
        end_zeta(job, radius);                                                                 \
    }

DENSITY_TEMPLATES(2)
DENSITY_TEMPLATES(4)
DENSITY_TEMPLATES(6)
DENSITY_TEMPLATES(8)

#define DENSITY_MEMBER(radius)                                                                 \
    {                                                                                          \
        flux_rows_##radius, flux_along_##radius, flux_slab_##radius, divergence_##radius,      \
            end_flux_##radius, end_flux_transposed_##radius, end_zeta_##radius                 \
    }

#endif
