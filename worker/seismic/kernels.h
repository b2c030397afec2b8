/*
 * kernels.h - the inner loops, compiled for several kinds of processors.
 *
 * All work on rows along z, in whole vectors: rows are padded, and what is computed in the padding
 * is multiplied by V = 0. Which kernel computes a point thus never depends on how rows are divided
 * among threads, nor does the result.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_H

#include <stddef.h>

#include "worker/seismic/kernels_media.h"
#include "worker/seismic/wave.h"

#define KERNELS_SOON 4

/* Numbers of a row, in vectors: compilers ask for more than -O2 to see that by themselves. */
#ifdef _OPENMP
#define EACH_NUMBER _Pragma("omp simd")
#else
#define EACH_NUMBER
#endif

/* The radius of first differences in the layers, beside a stencil of `radius`. */
#define KERNELS_HALF(radius) ((radius) == 2 ? 1 : 2)

/*
 * out = 2 u - out + v (D2 u) for `rows` rows of `length` numbers, side by side along axis `across`
 * (x in 2-D, y in 3-D), in 3-D in each of `planes` planes, side by side along x, `deep` apart. out,
 * u, v are at the first row's start.
 */
struct kernel_step {
    wave_real *out;
    const wave_real *u, *v;
    ptrdiff_t across, deep;
    size_t rows, planes, length;
    wave_real centre;                          /* the weight of the point itself, all axes */
    const wave_real *down, *aside, *deepwards; /* weights [1..radius] along z, across, deep */
    /* Where D2 u goes as well, its rows and planes apart as told; NULL: nowhere. */
    wave_real *sums;
    ptrdiff_t sums_across, sums_deep;
    /* In 2-D, without sums: image += image_scale v (D2 u) other. Both are at the first row's start,
     * `other` goes on as u does, image by image_across. NULL: nothing. */
    wave_real *image;
    const wave_real *other;
    ptrdiff_t image_across;
    wave_real image_scale;
    /* In 3-D: of memory that a later step will work on, as many rows as of each plane here, asked
     * for meanwhile; none is NULL. */
    const wave_real *soon[KERNELS_SOON];
    /* In 2-D: as many rows, of something else, that are asked for meanwhile; or NULL. */
    const wave_real *ask;
    ptrdiff_t ask_across;
};

/*
 * Rows of `places` places of a slab, one or KERNELS_PLACES, next to each other along its axis:
 * `stride` apart in fields, which are at the first one. At each place `rows` rows, side by side
 * across the axis, go on from one to the next by step_memory, and in fields by step_field. Rows
 * need no alignment. Here psi, forward, or y, transposed, half-way behind the place:
 *
 *   memory = b memory + a (D+ u [+ D+ (z_a z)])
 *
 * where place i is next to z[i + m], m < 2 KERNELS_HALF(radius), times z_weights[i][m]. `halves`
 * and `taps`: 2 KERNELS_HALF(radius) and 2 radius + 1 weights.
 */
#define KERNELS_PLACES 4
struct kernel_memory {
    size_t length, rows, places;
    const wave_real *u, *halves;
    ptrdiff_t stride, step_memory, step_field;
    wave_real *memory[KERNELS_PLACES], a[KERNELS_PLACES], b[KERNELS_PLACES];
    bool has_z;
    const wave_real *z[KERNELS_PLACES + 3];
    wave_real z_weights[KERNELS_PLACES][4];
};

/*
 * Forward, with zeta, and without, where zeta[i] is NULL:
 *
 *   zeta = b zeta + a (D2 u + D- psi);   out += v (D- psi + zeta)
 *   out += v D- psi
 *
 * Place i is next to psi[i + m], m < 2 KERNELS_HALF(radius), times weights[i][m].
 */
struct kernel_slabs {
    size_t length, rows, places;
    const wave_real *u, *v, *taps;
    wave_real *out;
    ptrdiff_t stride, step_memory, step_field;
    const wave_real *psi[KERNELS_PLACES + 3];
    wave_real weights[KERNELS_PLACES][4];
    wave_real *zeta[KERNELS_PLACES], a[KERNELS_PLACES], b[KERNELS_PLACES];
};

/*
 * Transposed:
 *
 *   out += v (D2 (z_a z) - D- (y_a y))
 *
 * Place i has z[i + radius], and is next to y[i + m], m < 2 KERNELS_HALF(radius). Where there is no
 * such row, it is any other, times nought.
 */
struct kernel_slabs_back {
    size_t length, rows, places;
    const wave_real *v, *halves, *taps;
    wave_real *out;
    ptrdiff_t stride, step_memory, step_field;
    const wave_real *y[KERNELS_PLACES + 3], *z[KERNELS_PLACES + 2 * KERNELS_RADIUS_MAX];
    wave_real y_a[KERNELS_PLACES + 3], z_a[KERNELS_PLACES + 2 * KERNELS_RADIUS_MAX];
};

/*
 * One end of rows along z (acoustic_stage.c): its memory variables, and what they add to the field.
 * Everything is at the window's first point, and nothing is aligned; `length` is a multiple of
 * CPML_PIECE. Memory variables go on by step_memory from row to row, u, v and out by step_field.
 * Coefficients are zero outside the slab.
 */
struct kernel_end {
    size_t length, rows;
    bool transposed;
    const wave_real *u, *v;
    wave_real *out, *psi, *zeta;
    ptrdiff_t step_memory, step_field;
    const wave_real *psi_a, *psi_b, *zeta_a, *zeta_b;
    const wave_real *halves, *taps; /* 2 KERNELS_HALF(radius), 2 radius + 1 weights */
};

/* memory = b memory + u, in rows of one place. */
struct kernel_decay {
    size_t length, rows;
    const wave_real *u;
    wave_real b, *memory;
    ptrdiff_t step_memory, step_field;
};

struct kernels {
    const char *name; /* of the instructions: "avx512", "avx2", "plain" */
    void (*step)(const struct kernel_step *job);
    /* To the same bits for any `places`. */
    void (*memory)(const struct kernel_memory *job);
    void (*add)(const struct kernel_slabs *job);
    void (*add_back)(const struct kernel_slabs_back *job);
    void (*end)(const struct kernel_end *job);
    void (*decay)(const struct kernel_decay *job);
    struct kernels_density density;
    struct kernels_pair pair;
};

/* The best that this processor runs, for a stencil radius of 2, 4, 6 or 8. Environment variable
 * BEOFARM_SIMD, where set to a name, chooses less: for tests and benchmarks. */
struct kernels kernels_choose(int radius, bool flat);

/* Numbers too small for full precision are zero from here on, in this thread: they cost a hundred
 * times as much, and every wave front begins with them. Returns what flush_restore takes. */
unsigned long flush_begin(void);
void flush_restore(unsigned long before);

#endif
