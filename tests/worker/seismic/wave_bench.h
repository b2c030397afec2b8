/* wave_bench.h - small media and waves for the tests of worker/seismic/. */
#ifndef BEOFARM_TESTS_WORKER_SEISMIC_WAVE_BENCH_H
#define BEOFARM_TESTS_WORKER_SEISMIC_WAVE_BENCH_H

#include "worker/seismic/wave.h"

/* Numbers that differ from call to call and are the same in every run, between -0.5 and 0.5. */
double bench_random(uint64_t *seed);

/* vp between lo and hi, and what else the physics takes, at random from point to point: rho, any
 * tilt, epsilon and delta to 0.3 and 0.25, in some places delta above epsilon. The result is for
 * bench_medium_free. */
struct wave_medium bench_medium(struct grid grid, double vp_lo, double vp_hi,
                                const char *physics);
void bench_medium_free(struct wave_medium *medium);

struct grid bench_grid(size_t nx, size_t ny, size_t nz, double h);

/* A wave, or a failed test. A dt of 0 in options is 0.9 of the limit; order 0 is 8. */
struct wave *bench_wave(const char *physics, const struct wave_medium *medium,
                        struct wave_options options);

/* The same in a medium between 1500 and 3500 m/s, on a grid of nx x ny x nz whose axes have other
 * spacings each. */
struct wave *bench_uneven(const char *physics, size_t nx, size_t ny, size_t nz,
                          struct wave_options options);

/* n numbers of bench_random; free them. */
wave_real *bench_reals(size_t n, uint64_t seed);

/* sum a b, in double. */
double bench_product(const wave_real *a, const wave_real *b, size_t n);

/* The two sides of a dot test, and the product of norms by which their difference is judged. */
struct bench_sides {
    double left, right, scale;
};

/* <F q, d> and <q, F^T d>: q at random and d [steps * wave->padded] act at `points`, which are
 * everywhere. The wave is cleared before. */
struct bench_sides bench_modelling(struct wave *wave, const struct wave_points *points,
                                   const wave_real *d, size_t steps);

/* <J dm, d> and <dm, J^T d>, dm at random, with snapshots of every n-th step. */
struct bench_sides bench_scattering(struct wave *wave, const struct wave_points *points,
                                    const wave_real *snapshots, size_t every,
                                    const wave_real *d, size_t steps);

/* One place of one grid point. */
struct wave_points *bench_point(const struct wave *wave, int ix, int iy, int iz, double weight);

/* Every grid point, layers included, is a place. */
struct wave_points *bench_everywhere(const struct wave *wave);

/* A constant medium. */
struct wave_medium bench_constant(struct grid grid, float vp, float rho);

/* Constant anisotropy; only what the physics takes. */
struct bench_ellipse {
    float vp, epsilon, delta, theta, phi;
};
struct wave_medium bench_anisotropic(struct grid grid, const char *physics,
                                     const struct bench_ellipse *constant);

/* A Ricker wavelet of peak frequency f (Hz), centred at t = 0. */
double bench_ricker(double f, double t);

/* A shot into a wave at rest: a point source (ix, iy, iz) whose strength is a Ricker wavelet,
 * centred at `delay` s; traces[k] is the field at (rx, ry, rz) at the time (k + 1) dt, for `steps`
 * steps. */
struct bench_shot {
    int source[GRID_AXES], receiver[GRID_AXES];
    double frequency, delay;
    size_t steps;
};
wave_real *bench_shoot(struct wave *wave, const struct bench_shot *shot);

/* The same into a wave of its own, and the medium is freed. */
wave_real *bench_shoot_once(const char *physics, struct wave_medium *medium,
                            struct wave_options options, const struct bench_shot *shot);

/* sqrt(sum (a - b)^2 / sum b^2). */
double bench_misfit(const wave_real *a, const wave_real *b, size_t n);

#endif
