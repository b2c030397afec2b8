/*
 * kernels_end.h - the absorbing layers' terms along z, at both ends of rows; a part of
 * kernels_body.h.
 *
 * A row's window goes by in pieces of 8 numbers, whatever the processor's vectors: one with 20
 * absorbing points has three, where vectors of 16 would make it two, a quarter of them for nothing.
 * What a piece needs of its neighbours is still in registers, or comes a piece later: what has just
 * been stored is slow to load at another place. Two rows go together, for a row alone is one long
 * chain of which each link waits for the one before.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_END_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_END_H

#define PIECE       CPML_PIECE
#define PIECE_BYTES (PIECE * KERNELS_REAL_BYTES)
#define END_ROWS    2
/* Rows by which memory variables are asked for before they are needed. */
#define END_AHEAD 8

typedef wave_real piece __attribute__((vector_size(PIECE_BYTES), may_alias));
typedef wave_real loose_piece
    __attribute__((vector_size(PIECE_BYTES), may_alias, aligned(sizeof(wave_real))));

#define PIECE_AT(p) (*(const loose_piece *)(p))

#if KERNELS_BYTES == 64 && defined __x86_64__
#ifdef WAVE_DOUBLE
#define PIECE_SHIFT(left, right, k)                                                            \
    (piece)(k == PIECE ? (__m512i)right                                                        \
                       : _mm512_alignr_epi64((__m512i)right, (__m512i)left, k % PIECE))
#else
#define PIECE_SHIFT(left, right, k)                                                            \
    (piece)(k == PIECE ? (__m256i)right                                                        \
                       : _mm256_alignr_epi32((__m256i)right, (__m256i)left, k % PIECE))
#endif
#else
typedef lane piece_lanes __attribute__((vector_size(PIECE_BYTES)));
#define PIECE_SHIFT(left, right, k)                                                            \
    PICK(piece_lanes, left, right, k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7)
#endif
#define PIECE_CASE(k)                                                                          \
    case k:                                                                                    \
        *shifted = PIECE_SHIFT(*left, *right, (k));                                            \
        break

/* Numbers k, k+1, ... of left and right side by side; k a constant. */
FORCE_INLINE void piece_shift(const piece *left, const piece *right, int k, piece *shifted)
{
    switch (k) {
        PIECE_CASE(0);
        PIECE_CASE(1);
        PIECE_CASE(2);
        PIECE_CASE(3);
        PIECE_CASE(4);
        PIECE_CASE(5);
        PIECE_CASE(6);
        PIECE_CASE(7);
        PIECE_CASE(8);
    }
}

/* A piece and those around it; `at`: where it lies, or NULL. */
struct near {
    const wave_real *at;
    piece before, here, after;
};

/* What lies `offset` numbers on: loaded where that is far, so that loads and shifts share the
 * work. */
FORCE_INLINE void near_shift(const struct near *x, const int offset, piece *value)
{
    if (offset == 0)
        *value = x->here;
    else if (x->at && (offset < -2 || offset > 2))
        *value = PIECE_AT(x->at + offset);
    else if (offset < 0)
        piece_shift(&x->before, &x->here, PIECE + offset, value);
    else
        piece_shift(&x->here, &x->after, offset, value);
}

/* To the next piece, which `after` follows. */
FORCE_INLINE void near_step(struct near *x, const piece *after)
{
    x->before = x->here;
    x->here = x->after;
    x->after = *after;
}

struct end_weights {
    piece halves[KERNELS_RADIUS_MAX], taps[KERNELS_RADIUS_MAX + 1];
};

FORCE_INLINE void end_weights(const struct kernel_end *job, const int radius,
                              struct end_weights *w)
{
    const int half = KERNELS_HALF(radius);
    const piece zero = {0};
#pragma GCC unroll 2
    for (int m = 0; m < half; m++)
        w->halves[m] = zero + job->halves[half + m];
#pragma GCC unroll 9
    for (int k = 0; k <= radius; k++)
        w->taps[k] = zero + job->taps[radius + k];
}

/* First difference of points at half points (D+), or of these at points (D-): of opposite
 * numbers. */
FORCE_INLINE void end_first(const struct near *x, const piece *halves, const int half,
                            const bool at_point, piece *sum)
{
    const piece zero = {0};
    *sum = zero;
#pragma GCC unroll 8
    for (int m = 0; m < half; m++) {
        piece left, right;
        near_shift(x, -m - at_point, &left);
        near_shift(x, m + !at_point, &right);
        *sum += halves[m] * (right - left);
    }
}

FORCE_INLINE void end_second(const struct near *x, const struct end_weights *w,
                             const int radius, piece *sum)
{
    const piece zero = {0};
    *sum = zero + w->taps[0] * x->here;
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++) {
        piece left, right;
        near_shift(x, -k, &left);
        near_shift(x, k, &right);
        *sum += w->taps[k] * (left + right);
    }
}

/* value *= a. What is added to zero is no product that the compiler may take into a fused
 * multiply-add for a row alone, but not for two. */
FORCE_INLINE void end_scale(const wave_real *a, piece *value)
{
    const piece zero = {0};
    *value = zero + PIECE_AT(a) * *value;
}

/* memory = b memory + more, which `more` becomes. */
FORCE_INLINE void end_remember(wave_real *memory, const wave_real *b, ptrdiff_t step,
                               piece *more)
{
    loose_piece *at = (loose_piece *)memory;
    *more += PIECE_AT(b) * *at;
    *at = *more;
    memory_prefetch(memory, END_AHEAD * step);
}

/* out += v change */
FORCE_INLINE void end_add(wave_real *out, const wave_real *v, const piece *change)
{
    *(loose_piece *)out += PIECE_AT(v) * *change;
}

/*
 * Forward:
 *
 *   psi = b psi + a D+ u;   zeta = b zeta + a (D2 u + D- psi);   out += v (D- psi + zeta)
 *
 * What a row has of it in registers; zeta is a piece behind.
 */
struct end_forward {
    struct near u, psi;
    piece made, second, second_before; /* psi and D2 u */
};

/* D+ u of piece q of a row, whose numbers are `field` on. */
FORCE_INLINE void forward_first(const struct kernel_end *job, ptrdiff_t field, size_t q,
                                const int half, const struct end_weights *w,
                                struct end_forward *row)
{
    row->u.at = job->u + field + q;
    const piece next = PIECE_AT(row->u.at + PIECE);
    near_step(&row->u, &next);
    end_first(&row->u, w->halves, half, false, &row->made);
}

FORCE_INLINE void forward_psi(const struct kernel_end *job, ptrdiff_t memory, size_t q,
                              const int radius, const struct end_weights *w,
                              struct end_forward *row)
{
    end_scale(job->psi_a + q, &row->made);
    end_remember(job->psi + memory + q, job->psi_b + q, job->step_memory, &row->made);
    end_second(&row->u, w, radius, &row->second);
}

FORCE_INLINE void forward_zeta(const struct kernel_end *job, ptrdiff_t field, ptrdiff_t memory,
                               size_t q, const int half, const struct end_weights *w,
                               const struct end_forward *row)
{
    piece first, zeta;
    end_first(&row->psi, w->halves, half, true, &first);
    zeta = row->second_before + first;
    end_scale(job->zeta_a + q, &zeta);
    end_remember(job->zeta + memory + q, job->zeta_b + q, job->step_memory, &zeta);
    first += zeta;
    field += (ptrdiff_t)q;
    end_add(job->out + field, job->v + field, &first);
}

/* `rows` rows from row `at` on. */
FORCE_INLINE void end_forward(const struct kernel_end *job, ptrdiff_t at, const int rows,
                              const size_t length, const int radius,
                              const struct end_weights *w)
{
    const int half = KERNELS_HALF(radius);
    const ptrdiff_t field = job->step_field, memory = job->step_memory;
    const piece zero = {0};
    struct end_forward row[END_ROWS];
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
        const wave_real *u = job->u + (at + r) * field;
        row[r].u = (struct near){u, zero, PIECE_AT(u - PIECE), PIECE_AT(u)};
        row[r].psi = (struct near){NULL, zero, zero, zero};
        row[r].second = zero;
    }
#pragma GCC unroll 4
    for (size_t q = 0; q <= length; q += PIECE) {
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) {
            row[r].made = zero;
            row[r].second_before = row[r].second;
            if (q < length)
                forward_first(job, (at + r) * field, q, half, w, &row[r]);
        }
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) {
            if (q < length)
                forward_psi(job, (at + r) * memory, q, radius, w, &row[r]);
            near_step(&row[r].psi, &row[r].made);
        }
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++)
            if (q > 0)
                forward_zeta(job, (at + r) * field, (at + r) * memory, q - PIECE, half, w,
                             &row[r]);
    }
}

/*
 * Transposed:
 *
 *   z = b z + u;   y = b y - D+ (u + a z);   out += v (D2 (a z) - D- (a y))
 *
 * Outside the window z and y are nought. y is a piece behind, out two.
 */
struct end_back {
    struct near sum, z, y; /* u + a z, a z, a y */
    piece z_next, y_next;
};

FORCE_INLINE void back_z(const struct kernel_end *job, ptrdiff_t field, ptrdiff_t memory,
                         size_t q, const size_t length, struct end_back *row)
{
    piece sum = {0}, z = {0};
    near_step(&row->z, &row->z_next);
    if (q <= length)
        sum = PIECE_AT(job->u + field + q);
    if (q < length) {
        z = sum;
        end_remember(job->zeta + memory + q, job->zeta_b + q, job->step_memory, &z);
        end_scale(job->zeta_a + q, &z);
        sum += z;
    }
    row->z_next = z;
    near_step(&row->sum, &sum);
}

FORCE_INLINE void back_y(const struct kernel_end *job, ptrdiff_t memory, size_t q,
                         const int half, const struct end_weights *w, struct end_back *row)
{
    const piece zero = {0};
    end_first(&row->sum, w->halves, half, false, &row->y_next);
    row->y_next = zero - row->y_next;
    end_remember(job->psi + memory + q, job->psi_b + q, job->step_memory, &row->y_next);
    end_scale(job->psi_a + q, &row->y_next);
}

FORCE_INLINE void back_out(const struct kernel_end *job, ptrdiff_t at, const int radius,
                           const struct end_weights *w, const struct end_back *row)
{
    piece second, first;
    end_second(&row->z, w, radius, &second);
    end_first(&row->y, w->halves, KERNELS_HALF(radius), true, &first);
    second -= first;
    end_add(job->out + at, job->v + at, &second);
}

FORCE_INLINE void end_back(const struct kernel_end *job, ptrdiff_t at, const int rows,
                           const size_t length, const int radius, const struct end_weights *w)
{
    const int half = KERNELS_HALF(radius);
    const ptrdiff_t field = job->step_field, memory = job->step_memory;
    const piece zero = {0};
    const struct near nothing = {NULL, zero, zero, zero};
    struct end_back row[END_ROWS];
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
        row[r] = (struct end_back){nothing, nothing, nothing, zero, zero};
        row[r].sum.after = PIECE_AT(job->u + (at + r) * field - PIECE);
    }
#pragma GCC unroll 5
    for (size_t q = 0; q < length + 2 * PIECE; q += PIECE) {
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++)
            back_z(job, (at + r) * field, (at + r) * memory, q, length, &row[r]);
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) {
            row[r].y_next = zero;
            if (q > 0 && q <= length)
                back_y(job, (at + r) * memory, q - PIECE, half, w, &row[r]);
            near_step(&row[r].y, &row[r].y_next);
        }
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++)
            if (q > PIECE)
                back_out(job, (at + r) * field + (ptrdiff_t)(q - 2 * PIECE), radius, w,
                         &row[r]);
    }
}

FORCE_INLINE void end_some(const struct kernel_end *job, ptrdiff_t at, const int rows,
                           const size_t length, const int radius, const struct end_weights *w)
{
    if (job->transposed)
        end_back(job, at, rows, length, radius, w);
    else
        end_forward(job, at, rows, length, radius, w);
}

FORCE_INLINE void end_all(const struct kernel_end *from, const size_t length, const int radius)
{
    const struct kernel_end job = *from; /* storing rows does not change it */
    struct end_weights w;
    ptrdiff_t at = 0, rows = (ptrdiff_t)job.rows;
    end_weights(&job, radius, &w);
    for (; at + END_ROWS <= rows; at += END_ROWS)
        end_some(&job, at, END_ROWS, length, radius, &w);
    for (; at < rows; at++)
        end_some(&job, at, 1, length, radius, &w);
}

/* The usual window is a constant. */
FORCE_INLINE void end_rows_run(const struct kernel_end *job, const int radius)
{
    if (job->length == 3 * PIECE)
        end_all(job, 3 * PIECE, radius);
    else
        end_all(job, job->length, radius);
}

#endif
