/*
 * ground.h - a small shot for tests: a medium with contrasts, a wave, sources and receivers off the
 * grid. Built in float and in double (WAVE_DOUBLE).
 */
#ifndef BEOFARM_TESTS_WORKER_SEISMIC_GROUND_H
#define BEOFARM_TESTS_WORKER_SEISMIC_GROUND_H

#include "worker/seismic/operators.h"
#include "worker/seismic/wave.h"

struct ground_case {
    const char *physics;
    int dims, order, absorb;
    bool free_surface;
    int threads;    /* 0 is 1 */
    int time_block; /* of waves; 0: as they choose */
};

struct bench {
    struct ground_case which;
    struct grid grid;
    size_t points, steps, receiver_count;
    float *vp, *rho, *epsilon, *delta, *theta, *phi;
    double dt;
    struct wave *wave, *second;
    struct wave_points *sources, *receivers;
    wave_real *source;          /* [steps] */
    struct operators operators; /* with full storage */
};

/* All assert that they succeed. */
void bench_open(struct bench *bench, const struct ground_case *which, size_t steps);
void bench_close(struct bench *bench);

/* The same with another velocity: waves are made anew from bench->vp. */
void bench_renew(struct bench *bench);

/* Deterministic values in [-1, 1). */
double bench_noise(uint64_t *seed);

/* A perturbation of the squared slowness, some percent of it; zero on the outermost points, because
 * the absorbing layers continue the medium's edge and are not perturbed with it. */
void bench_perturb(const struct bench *bench, wave_real *ret_dm);

double bench_dot(const wave_real *a, const wave_real *b, size_t n);

#endif
