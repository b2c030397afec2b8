/*
 * kernels_slab.h - the absorbing layers' terms across rows; a part of kernels_body.h.
 *
 * Rows come several at a time: what is done once for them costs as much as a short row.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_SLAB_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_SLAB_H

/* Rows and their weights in local variables: for the compiler, storing a row could change a job. */
struct lines {
    const wave_real *row[2 * KERNELS_RADIUS_MAX + 1];
    vec weight[2 * KERNELS_RADIUS_MAX + 1];
};

FORCE_INLINE struct lines lines_load(const wave_real *const *rows, const wave_real *weights,
                                     const int count)
{
    const vec zero = {0};
    struct lines lines;
#pragma GCC unroll 17
    for (int j = 0; j < count; j++) {
        lines.row[j] = rows[j];
        lines.weight[j] = zero + weights[j];
    }
    return lines;
}

FORCE_INLINE void lines_step(struct lines *lines, const int count, ptrdiff_t step)
{
#pragma GCC unroll 17
    for (int j = 0; j < count; j++)
        lines->row[j] += step;
}

FORCE_INLINE void lines_sum(const struct lines *lines, size_t q, const int count, vec *sum)
{
#pragma GCC unroll 17
    for (int j = 0; j < count; j++)
        *sum += lines->weight[j] * AT_LOOSE(lines->row[j] + q);
}

/* Memory variables of the next row are asked for meanwhile. */
FORCE_INLINE void memory_prefetch(const wave_real *memory, ptrdiff_t ahead)
{
    __builtin_prefetch(memory + ahead, 1, 2);
}

FORCE_INLINE void memory_lines(const struct kernel_slab *job, const int radius,
                               const bool has_b)
{
    const int count = 2 * KERNELS_HALF(radius);
    const size_t length = job->length;
    struct lines of_a = lines_load(job->row_a, job->weight_a, count);
    struct lines of_b = lines_load(job->row_b, job->weight_b, has_b ? count : 0);
    const vec zero = {0}, a = zero + job->a, b = zero + job->b;
    wave_real *memory = job->memory;
    const ptrdiff_t step = job->step_memory;
    for (size_t r = job->rows; r > 0; r--, memory += step) {
        for (size_t q = 0; q < length; q += (size_t)LANES) {
            vec sum = {0};
            lines_sum(&of_a, q, count, &sum);
            if (has_b)
                lines_sum(&of_b, q, count, &sum);
            loose *at = (loose *)(memory + q);
            *at = b * *at + a * sum;
            memory_prefetch(memory + q, step);
        }
        lines_step(&of_a, count, job->step_a);
        if (has_b)
            lines_step(&of_b, count, job->step_b);
    }
}

FORCE_INLINE void memory_rows(const struct kernel_slab *job, const int radius)
{
    if (job->has_b)
        memory_lines(job, radius, true);
    else
        memory_lines(job, radius, false);
}

/* sum += the second difference at p; weights of the point itself and its neighbours. */
FORCE_INLINE void second_sum(const wave_real *p, ptrdiff_t stride, const vec *weights,
                             const int radius, vec *sum)
{
    *sum += weights[0] * AT_LOOSE(p);
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++)
        *sum += weights[k] * (AT_LOOSE(p - k * stride) + AT_LOOSE(p + k * stride));
}

FORCE_INLINE void taps_load(const wave_real *from, const int radius, vec *taps)
{
    const vec zero = {0};
#pragma GCC unroll 9
    for (int k = 0; k <= radius; k++)
        taps[k] = zero + from[radius + k];
}

/* Forward: with zeta, or psi alone. */
FORCE_INLINE void add_forward(const struct kernel_slab *job, const int radius, const bool zeta)
{
    const int count = 2 * KERNELS_HALF(radius);
    const size_t length = job->length;
    const ptrdiff_t stride = job->stride, step = job->step_field, on = job->step_memory;
    struct lines lines = lines_load(job->row_a, job->weight_a, count);
    const wave_real *u = job->u, *v = job->v;
    wave_real *memory = job->memory, *out = job->out;
    const vec zero = {0}, a = zero + job->a, b = zero + job->b;
    vec taps[KERNELS_RADIUS_MAX + 1];
    if (zeta)
        taps_load(job->taps, radius, taps);
    for (size_t r = job->rows; r > 0; r--) {
        for (size_t q = 0; q < length; q += (size_t)LANES) {
            vec sum = {0};
            lines_sum(&lines, q, count, &sum);
            if (zeta) {
                vec more = sum;
                second_sum(u + q, stride, taps, radius, &more);
                loose *at = (loose *)(memory + q);
                more = b * *at + a * more;
                *at = more;
                sum += more;
                memory_prefetch(memory + q, on);
            }
            loose *at = (loose *)(out + q);
            *at += AT_LOOSE(v + q) * sum;
        }
        lines_step(&lines, count, job->step_a);
        v += step;
        out += step;
        if (zeta) {
            u += step;
            memory += on;
        }
    }
}

FORCE_INLINE void add_rows(const struct kernel_slab *job, const int radius)
{
    if (job->memory)
        add_forward(job, radius, true);
    else
        add_forward(job, radius, false);
}

/* As add_forward, and in the same order: what is loaded serves all places. */
FORCE_INLINE void add_many_at(const struct kernel_slabs *job, const vec *taps, ptrdiff_t field,
                              ptrdiff_t memory, const int radius)
{
    const int count = 2 * KERNELS_HALF(radius);
    vec line[KERNELS_PLACES + 2 * KERNELS_RADIUS_MAX], psi[KERNELS_PLACES + 3];
#pragma GCC unroll 24
    for (int i = 0; i < KERNELS_PLACES + 2 * radius; i++)
        line[i] = AT_LOOSE(job->u + field + (i - radius) * job->stride);
#pragma GCC unroll 8
    for (int i = 0; i < KERNELS_PLACES + count - 1; i++)
        psi[i] = AT_LOOSE(job->psi[i] + memory);
#pragma GCC unroll 4
    for (int i = 0; i < KERNELS_PLACES; i++) {
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
            loose *at = (loose *)(job->zeta[i] + memory);
            more = job->b[i] * *at + job->a[i] * more;
            *at = more;
            sum += more;
            memory_prefetch(job->zeta[i] + memory, job->step_memory);
        }
        loose *at = (loose *)(job->out + field + i * job->stride);
        *at += AT_LOOSE(job->v + field + i * job->stride) * sum;
    }
}

FORCE_INLINE void add_many(const struct kernel_slabs *from, const int radius)
{
    const struct kernel_slabs job = *from; /* storing rows does not change it */
    vec taps[KERNELS_RADIUS_MAX + 1];
    taps_load(job.taps, radius, taps);
    for (ptrdiff_t r = 0; r < (ptrdiff_t)job.rows; r++)
        for (ptrdiff_t q = 0; q < (ptrdiff_t)job.length; q += LANES)
            add_many_at(&job, taps, r * job.step_field + q, r * job.step_memory + q, radius);
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
    const vec zero = {0};
    struct slabs_back all;
#pragma GCC unroll 8
    for (int i = 0; i < places + 2 * half - 1; i++)
        all.y_a[i] = zero + job->y_a[i];
#pragma GCC unroll 24
    for (int i = 0; i < places + 2 * radius; i++)
        all.z_a[i] = zero + job->z_a[i];
#pragma GCC unroll 2
    for (int m = 0; m < half; m++)
        all.halves[m] = zero + job->halves[half + m];
    taps_load(job->taps, radius, all.taps);
    return all;
}

/* What is added to zero is no product that the compiler may take into a fused multiply-add for one
 * place, but not for several. */
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
