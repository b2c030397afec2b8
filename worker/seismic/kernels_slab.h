/*
 * kernels_slab.h - the absorbing layers' terms across rows; a part of kernels_body.h.
 *
 * Rows come several at a time: what is done once for them costs as much as a short row.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_SLAB_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_SLAB_H

/* Memory variables of the next row are asked for meanwhile. */
FORCE_INLINE void memory_prefetch(const wave_real *memory, ptrdiff_t ahead)
{
    __builtin_prefetch(memory + ahead, 1, 2);
}

/* memory = b memory + a more, which `more` becomes. What is added to zero is no product that the
 * compiler may take into a fused multiply-add for one place, but not for several. */
FORCE_INLINE void slab_remember(wave_real *memory, wave_real a, wave_real b, ptrdiff_t step,
                                vec *more)
{
    const vec zero = {0};
    loose *at = (loose *)memory;
    *more = zero + a * *more;
    *more += b * *at;
    *at = *more;
    memory_prefetch(memory, step);
}

/* What is loaded serves all places. */
FORCE_INLINE void memory_at(const struct kernel_memory *job, const vec *halves, ptrdiff_t field,
                            ptrdiff_t memory, const int radius, const int places,
                            const bool has_z)
{
    const int half = KERNELS_HALF(radius), count = 2 * half;
    vec line[KERNELS_PLACES + 3], z[KERNELS_PLACES + 3];
#pragma GCC unroll 8
    for (int i = 0; i < places + count - 1; i++) {
        line[i] = AT_LOOSE(job->u + field + (i - half + 1) * job->stride);
        if (has_z)
            z[i] = AT_LOOSE(job->z[i] + memory);
    }
#pragma GCC unroll 4
    for (int i = 0; i < places; i++) {
        vec sum = {0};
#pragma GCC unroll 4
        for (int m = 0; m < count; m++)
            sum += halves[m] * line[i + m];
#pragma GCC unroll 4
        for (int m = 0; m < count; m++)
            if (has_z)
                sum += job->z_weights[i][m] * z[i + m];
        slab_remember(job->memory[i] + memory, job->a[i], job->b[i], job->step_memory, &sum);
    }
}

FORCE_INLINE void memory_places(const struct kernel_memory *from, const int radius,
                                const int places, const bool has_z)
{
    const struct kernel_memory job = *from; /* storing rows does not change it */
    vec halves[4];
    weights_load(job.halves, 2 * KERNELS_HALF(radius), halves);
    for (ptrdiff_t r = 0; r < (ptrdiff_t)job.rows; r++)
        for (ptrdiff_t q = 0; q < (ptrdiff_t)job.length; q += LANES)
            memory_at(&job, halves, r * job.step_field + q, r * job.step_memory + q, radius,
                      places, has_z);
}

FORCE_INLINE void memory_rows(const struct kernel_memory *job, const int radius)
{
    if (job->places == KERNELS_PLACES && job->has_z)
        memory_places(job, radius, KERNELS_PLACES, true);
    else if (job->places == KERNELS_PLACES)
        memory_places(job, radius, KERNELS_PLACES, false);
    else if (job->has_z)
        memory_places(job, radius, 1, true);
    else
        memory_places(job, radius, 1, false);
}

FORCE_INLINE void add_at(const struct kernel_slabs *job, const vec *taps, ptrdiff_t field,
                         ptrdiff_t memory, const int radius, const int places)
{
    const int count = 2 * KERNELS_HALF(radius);
    vec line[KERNELS_PLACES + 2 * KERNELS_RADIUS_MAX], psi[KERNELS_PLACES + 3];
#pragma GCC unroll 24
    for (int i = 0; i < places + 2 * radius; i++)
        line[i] = AT_LOOSE(job->u + field + (i - radius) * job->stride);
#pragma GCC unroll 8
    for (int i = 0; i < places + count - 1; i++)
        psi[i] = AT_LOOSE(job->psi[i] + memory);
#pragma GCC unroll 4
    for (int i = 0; i < places; i++) {
        vec sum = {0};
#pragma GCC unroll 4
        for (int m = 0; m < count; m++)
            sum += job->weights[i][m] * psi[i + m];
        if (job->zeta[i]) {
            vec more = sum;
            more += taps[0] * line[i + radius];
#pragma GCC unroll 8
            for (int k = 1; k <= radius; k++)
                more += taps[k] * (line[i + radius - k] + line[i + radius + k]);
            slab_remember(job->zeta[i] + memory, job->a[i], job->b[i], job->step_memory, &more);
            sum += more;
        }
        loose *at = (loose *)(job->out + field + i * job->stride);
        *at += AT_LOOSE(job->v + field + i * job->stride) * sum;
    }
}

FORCE_INLINE void add_places(const struct kernel_slabs *from, const int radius,
                             const int places)
{
    const struct kernel_slabs job = *from; /* storing rows does not change it */
    vec taps[KERNELS_RADIUS_MAX + 1];
    weights_load(job.taps + radius, radius + 1, taps);
    for (ptrdiff_t r = 0; r < (ptrdiff_t)job.rows; r++)
        for (ptrdiff_t q = 0; q < (ptrdiff_t)job.length; q += LANES)
            add_at(&job, taps, r * job.step_field + q, r * job.step_memory + q, radius, places);
}

FORCE_INLINE void add_rows(const struct kernel_slabs *job, const int radius)
{
    if (job->places == KERNELS_PLACES)
        add_places(job, radius, KERNELS_PLACES);
    else
        add_places(job, radius, 1);
}

/* Each row's coefficients, and weights, in all lanes. */
struct slabs_back {
    vec y_a[KERNELS_PLACES + 3], z_a[KERNELS_PLACES + 2 * KERNELS_RADIUS_MAX];
    vec halves[2], taps[KERNELS_RADIUS_MAX + 1];
};

FORCE_INLINE struct slabs_back slabs_back_load(const struct kernel_slabs_back *job,
                                               const int radius, const int places)
{
    const int half = KERNELS_HALF(radius);
    struct slabs_back all;
    weights_load(job->y_a, places + 2 * half - 1, all.y_a);
    weights_load(job->z_a, places + 2 * radius, all.z_a);
    weights_load(job->halves + half, half, all.halves);
    weights_load(job->taps + radius, radius + 1, all.taps);
    return all;
}

/* Products are added to zero as in slab_remember. */
FORCE_INLINE void add_back_at(const struct kernel_slabs_back *job, const struct slabs_back *all,
                              ptrdiff_t field, ptrdiff_t memory, const int radius,
                              const int places)
{
    const int half = KERNELS_HALF(radius);
    const vec zero = {0};
    vec z[KERNELS_PLACES + 2 * KERNELS_RADIUS_MAX], y[KERNELS_PLACES + 3];
#pragma GCC unroll 24
    for (int i = 0; i < places + 2 * radius; i++)
        z[i] = zero + all->z_a[i] * AT_LOOSE(job->z[i] + memory);
#pragma GCC unroll 8
    for (int i = 0; i < places + 2 * half - 1; i++)
        y[i] = zero + all->y_a[i] * AT_LOOSE(job->y[i] + memory);
#pragma GCC unroll 4
    for (int i = 0; i < places; i++) {
        vec sum = {0}, less = {0};
        sum += all->taps[0] * z[i + radius];
#pragma GCC unroll 8
        for (int k = 1; k <= radius; k++)
            sum += all->taps[k] * (z[i + radius - k] + z[i + radius + k]);
#pragma GCC unroll 2
        for (int m = 0; m < half; m++)
            less += all->halves[m] * (y[i + half + m] - y[i + half - 1 - m]);
        loose *at = (loose *)(job->out + field + i * job->stride);
        *at += AT_LOOSE(job->v + field + i * job->stride) * (sum - less);
    }
}

FORCE_INLINE void add_back_places(const struct kernel_slabs_back *from, const int radius,
                                  const int places)
{
    const struct kernel_slabs_back job = *from; /* storing rows does not change it */
    const struct slabs_back all = slabs_back_load(from, radius, places);
    for (ptrdiff_t r = 0; r < (ptrdiff_t)job.rows; r++)
        for (ptrdiff_t q = 0; q < (ptrdiff_t)job.length; q += LANES)
            add_back_at(&job, &all, r * job.step_field + q, r * job.step_memory + q, radius,
                        places);
}

FORCE_INLINE void add_back(const struct kernel_slabs_back *job, const int radius)
{
    if (job->places == KERNELS_PLACES)
        add_back_places(job, radius, KERNELS_PLACES);
    else
        add_back_places(job, radius, 1);
}

static void decay_rows(const struct kernel_decay *job)
{
    const size_t length = job->length;
    const wave_real *u = job->u;
    wave_real *memory = job->memory;
    const vec zero = {0}, b = zero + job->b;
    for (size_t r = job->rows; r > 0; r--) {
        for (size_t q = 0; q < length; q += (size_t)LANES) {
            loose *at = (loose *)(memory + q);
            *at = b * *at + AT_LOOSE(u + q);
            memory_prefetch(memory + q, job->step_memory);
        }
        u += job->step_field;
        memory += job->step_memory;
    }
}

#endif
