/*
 * kernels_body.h - the kernels' text, included once per kind of processor.
 *
 * The includer defines KERNELS_NAME (a function that will be defined), KERNELS_LABEL (its name) and
 * KERNELS_BYTES (of a vector). Vectors are those of GCC and clang, which become whatever the
 * processor has; the functions are templates over the radius by inlining constants.
 *
 * The step works on several rows at once, so that a vector loaded for one row's own point serves
 * its neighbours as well. Shifted vectors along z come from two aligned ones in registers: a load
 * that crosses a cache line costs two.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_BODY_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_BODY_H

#include <stdint.h>

#include "worker/seismic/cpml.h"
#include "worker/seismic/kernels.h"

#define FORCE_INLINE static inline __attribute__((always_inline))
#define LANES        ((int)(KERNELS_BYTES / sizeof(wave_real)))

typedef wave_real vec __attribute__((vector_size(KERNELS_BYTES), may_alias));
typedef wave_real loose
    __attribute__((vector_size(KERNELS_BYTES), may_alias, aligned(sizeof(wave_real))));

#define AT(p)       (*(const vec *)(p))
#define AT_LOOSE(p) (*(const loose *)(p))

#define LANES_IS(n) (KERNELS_BYTES == n * KERNELS_REAL_BYTES)
#ifdef WAVE_DOUBLE
#define KERNELS_REAL_BYTES 8
#else
#define KERNELS_REAL_BYTES 4
#endif

/* Of the numbers of two vectors side by side, those at some constant places. GCC 11 has but the
 * older way to say so, which takes places as numbers of the same size, in a vector `lanes`. */
#ifdef WAVE_DOUBLE
typedef int64_t lane;
#else
typedef int32_t lane;
#endif
#if defined __has_builtin
#if __has_builtin(__builtin_shufflevector)
#define PICK(lanes, left, right, ...) __builtin_shufflevector(left, right, __VA_ARGS__)
#endif
#endif
#ifndef PICK
#define PICK(lanes, left, right, ...) __builtin_shuffle(left, right, (lanes){__VA_ARGS__})
#endif

#if LANES_IS(16)
#define SPAN(k)                                                                                \
    k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7, k + 8, k + 9, k + 10, k + 11, k + 12,  \
        k + 13, k + 14, k + 15
#elif LANES_IS(8)
#define SPAN(k) k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7
#endif

#ifdef SPAN
#if KERNELS_BYTES == 64 && defined __x86_64__
/* What PICK becomes needs a register for every shift. */
#ifdef WAVE_DOUBLE
#define SHIFT(left, right, k)                                                                  \
    (vec)(k == LANES ? (__m512i)right                                                          \
                     : _mm512_alignr_epi64((__m512i)right, (__m512i)left, k % 8))
#else
#define SHIFT(left, right, k)                                                                  \
    (vec)(k == LANES ? (__m512i)right                                                          \
                     : _mm512_alignr_epi32((__m512i)right, (__m512i)left, k % 16))
#endif
#else
typedef lane vec_lanes __attribute__((vector_size(KERNELS_BYTES)));
#define SHIFT(left, right, k) PICK(vec_lanes, left, right, SPAN(k))
#endif
#define SHIFT_CASE(k)                                                                          \
    case k:                                                                                    \
        *shifted = SHIFT(left, right, (k));                                                    \
        break

/* Lanes k, k+1, ... of left and right side by side; k a constant. */
FORCE_INLINE void shift(vec left, vec right, int k, vec *shifted)
{
    switch (k) {
        SHIFT_CASE(0);
        SHIFT_CASE(1);
        SHIFT_CASE(2);
        SHIFT_CASE(3);
        SHIFT_CASE(4);
        SHIFT_CASE(5);
        SHIFT_CASE(6);
        SHIFT_CASE(7);
        SHIFT_CASE(8);
#if LANES_IS(16)
        SHIFT_CASE(9);
        SHIFT_CASE(10);
        SHIFT_CASE(11);
        SHIFT_CASE(12);
        SHIFT_CASE(13);
        SHIFT_CASE(14);
        SHIFT_CASE(15);
        SHIFT_CASE(16);
#endif
    }
}

/* sum += weights along the row of the neighbours of the vector at p. */
FORCE_INLINE void sum_along(const wave_real *p, const vec *weight, const int radius, vec *sum)
{
    vec before = AT(p - LANES), here = AT(p), after = AT(p + LANES);
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++) {
        vec left, right;
        shift(before, here, LANES - k, &left);
        shift(here, after, k, &right);
        *sum += weight[k] * (left + right);
    }
}
#else
FORCE_INLINE void sum_along(const wave_real *p, const vec *weight, const int radius, vec *sum)
{
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++)
        *sum += weight[k] * (AT_LOOSE(p - k) + AT_LOOSE(p + k));
}
#endif

#include "worker/seismic/kernels_step.h"

FORCE_INLINE void sum_weighted(const wave_real *const *rows, const wave_real *weights, size_t q,
                               const int count, vec *sum)
{
#pragma GCC unroll 17
    for (int j = 0; j < count; j++)
        *sum += weights[j] * AT_LOOSE(rows[j] + q);
}

/* Weights, each in all lanes, into registers. */
FORCE_INLINE void weights_load(const wave_real *from, const int count, vec *weights)
{
    const vec zero = {0};
#pragma GCC unroll 24
    for (int k = 0; k < count; k++)
        weights[k] = zero + from[k];
}

FORCE_INLINE void factor(const wave_real *from, bool along, size_t q, vec *value)
{
    const vec zero = {0};
    if (along)
        *value = AT_LOOSE(from + q);
    else
        *value = zero + *from;
}

#include "worker/seismic/kernels_slab.h"

#include "worker/seismic/kernels_end.h"

#include "worker/seismic/kernels_density.h"
#include "worker/seismic/kernels_pair.h"

#define TEMPLATES(radius)                                                                      \
    static void step_flat_##radius(const struct kernel_step *job)                              \
    {                                                                                          \
        step_flat_rows(job, radius);                                                           \
    }                                                                                          \
    static void step_cube_##radius(const struct kernel_step *job)                              \
    {                                                                                          \
        step_cube_rows(job, radius);                                                           \
    }                                                                                          \
    static void memory_##radius(const struct kernel_memory *job)                               \
    {                                                                                          \
        memory_rows(job, radius);                                                              \
    }                                                                                          \
    static void add_##radius(const struct kernel_slabs *job)                                   \
    {                                                                                          \
        add_rows(job, radius);                                                                 \
    }                                                                                          \
    static void add_back_##radius(const struct kernel_slabs_back *job)                         \
    {                                                                                          \
        add_back(job, radius);                                                                 \
    }                                                                                          \
    static void end_##radius(const struct kernel_end *job)                                     \
    {                                                                                          \
        end_rows_run(job, radius);                                                             \
    }

TEMPLATES(2)
TEMPLATES(4)
TEMPLATES(6)
TEMPLATES(8)

struct kernels KERNELS_NAME(int radius, bool flat) {
#define MEMBER(radius)                                                                         \
    {                                                                                          \
        KERNELS_LABEL, flat ? step_flat_##radius : step_cube_##radius, memory_##radius,        \
            add_##radius, add_back_##radius, end_##radius, decay_rows, DENSITY_MEMBER(radius), \
            PAIR_MEMBER(radius)                                                                \
    }
    const struct kernels all[] = {MEMBER(2), MEMBER(4), MEMBER(6), MEMBER(8)};
    return all[radius / 2 - 1];
}

#endif
