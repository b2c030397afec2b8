/*
 * kernels_end.h - the absorbing layers' terms along z, at both ends of rows; a part of
 * kernels_body.h.
 *
 * A row goes through its phases after the others have been through the one before: what has just
 * been stored is slow to load at another place. Where a window is a pair of vectors, all of it
 * stays in registers instead.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_END_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_END_H

/* Rows that go through the phases together, with zeros on both sides of what is in the window. */
#define END_ROWS   8
#define END_AROUND 16
#define END_LENGTH (END_AROUND + CPML_WIDTH_MAX + END_AROUND)
struct end_rows {
    _Alignas(64) wave_real row[END_ROWS][END_LENGTH];
};

FORCE_INLINE void end_rows_clear(struct end_rows *rows, size_t count, size_t length)
{
    const vec zero = {0};
    for (size_t r = 0; r < count; r++)
        for (int i = 0; i < END_AROUND; i += LANES) {
            *(vec *)(rows->row[r] + i) = zero;
            *(vec *)(rows->row[r] + END_AROUND + length + i) = zero;
        }
}

/* A vector and what lies around it: in registers, where they can be shifted there (else `at` is
 * where it lies). */
struct near {
    const wave_real *at;
    vec before, here, after;
};

FORCE_INLINE struct near near_load(const wave_real *p)
{
    return (struct near){p, AT_LOOSE(p - LANES), AT_LOOSE(p), AT_LOOSE(p + LANES)};
}

/* What lies `offset` numbers on. */
FORCE_INLINE void near_shift(const struct near *x, const int offset, vec *value)
{
#if CAN_SHUFFLE && defined SPAN
    if (offset < 0)
        shift(x->before, x->here, LANES + offset, value);
    else if (offset > 0)
        shift(x->here, x->after, offset, value);
    else
        *value = x->here;
#else
    *value = AT_LOOSE(x->at + offset);
#endif
}

/* sum += first difference of order 2 half: of the points at half point p, or of half points at
 * point p. */
FORCE_INLINE void end_first(const struct near *x, const vec *halves, const int half,
                            const bool at_point, vec *sum)
{
#pragma GCC unroll 4
    for (int m = 0; m < 2 * half; m++) {
        vec value;
        near_shift(x, m - half + !at_point, &value);
        *sum += halves[m] * value;
    }
}

FORCE_INLINE void end_second(const struct near *x, const vec *taps, const int radius, vec *sum)
{
    *sum += taps[0] * x->here;
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++) {
        vec left, right;
        near_shift(x, -k, &left);
        near_shift(x, k, &right);
        *sum += taps[k] * (left + right);
    }
}

struct end_weights {
    vec halves[4], taps[KERNELS_RADIUS_MAX + 1];
};

FORCE_INLINE struct end_weights end_weights(const struct kernel_end *job, const int radius)
{
    const int count = 2 * KERNELS_HALF(radius);
    const vec zero = {0};
    struct end_weights w;
#pragma GCC unroll 4
    for (int m = 0; m < count; m++)
        w.halves[m] = zero + job->halves[m];
    taps_load(job->taps, radius, w.taps);
    return w;
}

/* psi = b psi + a D+ u, and to `made`. */
FORCE_INLINE void end_psi(const struct kernel_end *job, size_t row, const int radius,
                          const struct end_weights w, wave_real *made)
{
    const wave_real *u = job->u + (ptrdiff_t)row * job->step_field;
    const wave_real *a = job->psi_a, *b = job->psi_b;
    wave_real *psi = job->psi + (ptrdiff_t)row * job->step_memory;
    const size_t length = job->length;
    for (size_t q = 0; q < length; q += (size_t)LANES) {
        const struct near x = near_load(u + q);
        vec sum = {0};
        end_first(&x, w.halves, KERNELS_HALF(radius), false, &sum);
        loose *at = (loose *)(psi + q);
        sum = AT_LOOSE(b + q) * *at + AT_LOOSE(a + q) * sum;
        *at = sum;
        *(vec *)(made + q) = sum;
        memory_prefetch(psi + q, END_ROWS * job->step_memory);
    }
}

/* zeta = b zeta + a (D2 u + D- psi), out += v (D- psi + zeta). */
FORCE_INLINE void end_zeta(const struct kernel_end *job, size_t row, const int radius,
                           const struct end_weights w, const wave_real *psi)
{
    const ptrdiff_t at = (ptrdiff_t)row * job->step_field;
    const wave_real *u = job->u + at, *v = job->v + at, *a = job->zeta_a, *b = job->zeta_b;
    wave_real *zeta = job->zeta + (ptrdiff_t)row * job->step_memory, *out = job->out + at;
    const size_t length = job->length;
    for (size_t q = 0; q < length; q += (size_t)LANES) {
        const struct near x = near_load(u + q), y = near_load(psi + q);
        vec sum = {0};
        end_first(&y, w.halves, KERNELS_HALF(radius), true, &sum);
        vec more = sum;
        end_second(&x, w.taps, radius, &more);
        loose *memory = (loose *)(zeta + q), *to = (loose *)(out + q);
        more = AT_LOOSE(b + q) * *memory + AT_LOOSE(a + q) * more;
        *memory = more;
        *to += AT_LOOSE(v + q) * (sum + more);
        memory_prefetch(zeta + q, END_ROWS * job->step_memory);
    }
}

/* z = b z + w, and a z to `made`. */
FORCE_INLINE void end_decay(const struct kernel_end *job, size_t row, wave_real *made)
{
    const wave_real *u = job->u + (ptrdiff_t)row * job->step_field;
    wave_real *zeta = job->zeta + (ptrdiff_t)row * job->step_memory;
    const wave_real *a = job->zeta_a, *b = job->zeta_b;
    const size_t length = job->length;
    for (size_t q = 0; q < length; q += (size_t)LANES) {
        loose *at = (loose *)(zeta + q);
        vec next = AT_LOOSE(b + q) * *at + AT_LOOSE(u + q);
        *at = next;
        *(vec *)(made + q) = AT_LOOSE(a + q) * next;
        memory_prefetch(zeta + q, END_ROWS * job->step_memory);
    }
}

/* y = b y - D+ (w + a z), and a y to `made`. */
FORCE_INLINE void end_y(const struct kernel_end *job, size_t row, const int radius,
                        const struct end_weights w, const wave_real *z, wave_real *made)
{
    const wave_real *u = job->u + (ptrdiff_t)row * job->step_field;
    wave_real *psi = job->psi + (ptrdiff_t)row * job->step_memory;
    const wave_real *a = job->psi_a, *b = job->psi_b;
    const size_t length = job->length;
    for (size_t q = 0; q < length; q += (size_t)LANES) {
        const struct near x = near_load(u + q), made_z = near_load(z + q);
        vec sum = {0};
        end_first(&x, w.halves, KERNELS_HALF(radius), false, &sum);
        end_first(&made_z, w.halves, KERNELS_HALF(radius), false, &sum);
        loose *at = (loose *)(psi + q);
        vec next = AT_LOOSE(b + q) * *at - sum;
        *at = next;
        *(vec *)(made + q) = AT_LOOSE(a + q) * next;
        memory_prefetch(psi + q, END_ROWS * job->step_memory);
    }
}

/* out += v (D2 (a z) - D- (a y)). */
FORCE_INLINE void end_out(const struct kernel_end *job, size_t row, const int radius,
                          const struct end_weights w, const wave_real *z, const wave_real *y)
{
    const ptrdiff_t at = (ptrdiff_t)row * job->step_field;
    const wave_real *v = job->v + at;
    wave_real *out = job->out + at;
    const size_t length = job->length;
    for (size_t q = 0; q < length; q += (size_t)LANES) {
        const struct near of_z = near_load(z + q), of_y = near_load(y + q);
        vec sum = {0}, less = {0};
        end_second(&of_z, w.taps, radius, &sum);
        end_first(&of_y, w.halves, KERNELS_HALF(radius), true, &less);
        loose *to = (loose *)(out + q);
        *to += AT_LOOSE(v + q) * (sum - less);
    }
}

/* D+ or D- of x: its differences are of opposite numbers. */
FORCE_INLINE void end_apart(const struct near *x, const vec *halves, const int half,
                            const bool at_point, vec *sum)
{
#pragma GCC unroll 2
    for (int m = 0; m < half; m++) {
        vec left, right;
        near_shift(x, -m - at_point, &left);
        near_shift(x, m + !at_point, &right);
        if (m == 0)
            *sum = halves[half] * (right - left);
        else
            *sum += halves[half + m] * (right - left);
    }
}

#define END_PAIR 2

/* Rows whose window is a pair of vectors: where a row's numbers are, and its coefficients, all of
 * which stay in registers. */
struct end_pairs {
    const wave_real *u, *v;
    wave_real *out, *psi, *zeta;
    vec psi_a[END_PAIR], psi_b[END_PAIR], zeta_a[END_PAIR], zeta_b[END_PAIR];
};

FORCE_INLINE struct end_pairs end_pairs_load(const struct kernel_end *job)
{
    struct end_pairs pairs;
    pairs.u = job->u, pairs.v = job->v, pairs.out = job->out;
    pairs.psi = job->psi, pairs.zeta = job->zeta;
#pragma GCC unroll 2
    for (int i = 0; i < END_PAIR; i++) {
        pairs.psi_a[i] = AT_LOOSE(job->psi_a + i * LANES);
        pairs.psi_b[i] = AT_LOOSE(job->psi_b + i * LANES);
        pairs.zeta_a[i] = AT_LOOSE(job->zeta_a + i * LANES);
        pairs.zeta_b[i] = AT_LOOSE(job->zeta_b + i * LANES);
    }
    return pairs;
}

FORCE_INLINE void end_pairs_step(struct end_pairs *pairs, ptrdiff_t field, ptrdiff_t memory)
{
    pairs->u += field;
    pairs->v += field;
    pairs->out += field;
    pairs->psi += memory;
    pairs->zeta += memory;
}

/* Forward, of one row. */
FORCE_INLINE void end_pair(const struct end_pairs *row, ptrdiff_t ahead, const int radius,
                           const struct end_weights *w)
{
    const int half = KERNELS_HALF(radius);
    const vec zero = {0};
    struct near x[END_PAIR], y[END_PAIR];
    vec made[END_PAIR + 2] = {zero, zero, zero, zero};
#pragma GCC unroll 2
    for (int i = 0; i < END_PAIR; i++) {
        loose *psi = (loose *)(row->psi + i * LANES);
        vec sum;
        x[i] = near_load(row->u + i * LANES);
        end_apart(&x[i], w->halves, half, false, &sum);
        made[i + 1] = row->psi_b[i] * *psi + row->psi_a[i] * sum;
        *psi = made[i + 1];
        memory_prefetch(row->psi + i * LANES, ahead);
    }
#pragma GCC unroll 2
    for (int i = 0; i < END_PAIR; i++) {
        loose *zeta = (loose *)(row->zeta + i * LANES);
        loose *out = (loose *)(row->out + i * LANES);
        vec less, more = {0};
        y[i] = (struct near){NULL, made[i], made[i + 1], made[i + 2]};
        end_apart(&y[i], w->halves, half, true, &less);
        end_second(&x[i], w->taps, radius, &more);
        more = row->zeta_b[i] * *zeta + row->zeta_a[i] * (more + less);
        *zeta = more;
        *out += AT_LOOSE(row->v + i * LANES) * (less + more);
        memory_prefetch(row->zeta + i * LANES, ahead);
    }
}

/* Transposed, of one row; outside the window z and y are nought. */
FORCE_INLINE void end_pair_transposed(const struct end_pairs *row, ptrdiff_t ahead,
                                      const int radius, const struct end_weights *w)
{
    const int half = KERNELS_HALF(radius);
    const vec zero = {0};
    vec of_z[END_PAIR + 2] = {zero, zero, zero, zero},
                        of_y[END_PAIR + 2] = {zero, zero, zero, zero};
    vec sums[END_PAIR + 2];
#pragma GCC unroll 4
    for (int i = 0; i < END_PAIR + 2; i++)
        sums[i] = AT_LOOSE(row->u + (i - 1) * LANES);
#pragma GCC unroll 2
    for (int i = 0; i < END_PAIR; i++) {
        loose *zeta = (loose *)(row->zeta + i * LANES);
        vec z = row->zeta_b[i] * *zeta + sums[i + 1];
        *zeta = z;
        of_z[i + 1] = row->zeta_a[i] * z;
        sums[i + 1] += of_z[i + 1];
        memory_prefetch(row->zeta + i * LANES, ahead);
    }
#pragma GCC unroll 2
    for (int i = 0; i < END_PAIR; i++) {
        const struct near x = {NULL, sums[i], sums[i + 1], sums[i + 2]};
        loose *psi = (loose *)(row->psi + i * LANES);
        vec sum;
        end_apart(&x, w->halves, half, false, &sum);
        vec y = row->psi_b[i] * *psi - sum;
        *psi = y;
        of_y[i + 1] = row->psi_a[i] * y;
        memory_prefetch(row->psi + i * LANES, ahead);
    }
#pragma GCC unroll 2
    for (int i = 0; i < END_PAIR; i++) {
        const struct near z = {NULL, of_z[i], of_z[i + 1], of_z[i + 2]};
        const struct near y = {NULL, of_y[i], of_y[i + 1], of_y[i + 2]};
        loose *out = (loose *)(row->out + i * LANES);
        vec sum = {0}, less;
        end_second(&z, w->taps, radius, &sum);
        end_apart(&y, w->halves, half, true, &less);
        *out += AT_LOOSE(row->v + i * LANES) * (sum - less);
    }
}

FORCE_INLINE void end_pairs_run(const struct kernel_end *job, const int radius,
                                const bool transposed)
{
    const struct end_weights w = end_weights(job, radius);
    const ptrdiff_t field = job->step_field, memory = job->step_memory;
    struct end_pairs row = end_pairs_load(job);
    for (size_t r = job->rows; r > 0; r--) {
        if (transposed)
            end_pair_transposed(&row, END_ROWS * memory, radius, &w);
        else
            end_pair(&row, END_ROWS * memory, radius, &w);
        end_pairs_step(&row, field, memory);
    }
}

FORCE_INLINE void end_some(const struct kernel_end *job, size_t first, size_t count,
                           const int radius, const struct end_weights w)
{
    struct end_rows z, y;
    end_rows_clear(&y, count, job->length);
    if (!job->transposed) {
        for (size_t r = 0; r < count; r++)
            end_psi(job, first + r, radius, w, y.row[r] + END_AROUND);
        for (size_t r = 0; r < count; r++)
            end_zeta(job, first + r, radius, w, y.row[r] + END_AROUND);
        return;
    }
    end_rows_clear(&z, count, job->length);
    for (size_t r = 0; r < count; r++)
        end_decay(job, first + r, z.row[r] + END_AROUND);
    for (size_t r = 0; r < count; r++)
        end_y(job, first + r, radius, w, z.row[r] + END_AROUND, y.row[r] + END_AROUND);
    for (size_t r = 0; r < count; r++)
        end_out(job, first + r, radius, w, z.row[r] + END_AROUND, y.row[r] + END_AROUND);
}

FORCE_INLINE void end_rows_run(const struct kernel_end *job, const int radius)
{
#if CAN_SHUFFLE && defined SPAN
    if (job->length == END_PAIR * (size_t)LANES) {
        if (job->transposed)
            end_pairs_run(job, radius, true);
        else
            end_pairs_run(job, radius, false);
        return;
    }
#endif
    const struct end_weights w = end_weights(job, radius);
    for (size_t r = 0; r < job->rows; r += END_ROWS)
        end_some(job, r, job->rows - r < END_ROWS ? job->rows - r : END_ROWS, radius, w);
}

#endif
