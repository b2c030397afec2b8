/*
 * wave PHYSICS ORDER NX NY NZ ROUNDS THREADS: how fast waves advance, in rounds that each measure,
 * one after another on as many points: a leap-frog stream, which moves the least that any in-place
 * propagator can (16 bytes a point: two fields and V read, one written); the bare kernel, one step
 * a pass over memory; waves as they are run by default, without layers; with layers (inside those
 * NX NY NZ points), a source and a line of receivers; and the same, transposed. Prints a line of
 * JSON with the medians, in Gpoints/s, and, in nanoseconds, how long two threads' word to each
 * other takes: where cores have no cache in common, some 150 instead of 40, what threads share is
 * slow to come, while memory may well be faster, for they reach it by ways of their own.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "benchmarks/wave_case.h"

enum contestant { STREAM, BARE, BLOCKED, FULL, TRANSPOSED, CONTESTANTS };
static const char *const names[] = {"stream", "bare", "blocked", "full", "transposed"};

#define ROUNDS_MAX 99

struct bench {
    struct grid grid;
    size_t points, steps;
    struct wave *wave[CONTESTANTS];
    struct wave_points *source, *receivers;
    wave_real *values, *sampled;
    wave_real *stream[3];
    double rate[CONTESTANTS][ROUNDS_MAX];
    double word_ns[ROUNDS_MAX];
};

static void *allocate(size_t count)
{
    size_t bytes = (count * sizeof(wave_real) + ((size_t)2 << 20)) & ~(((size_t)2 << 20) - 1);
    void *memory = aligned_alloc((size_t)2 << 20, bytes);
    if (!memory)
        exit(1);
    madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 0, bytes);
    return memory;
}

/* In vectors: a stream of single numbers is slower than memory. */
static void stream_run(struct bench *b, int threads)
{
    const wave_real *restrict v = b->stream[2];
    for (size_t step = 0; step < b->steps; step++) {
        wave_real *restrict out = b->stream[step % 2];
        const wave_real *restrict u = b->stream[!(step % 2)];
        (void)threads;
#ifdef _OPENMP
#pragma omp parallel for simd num_threads(threads) schedule(static)
#endif
        for (size_t i = 0; i < b->points; i++)
            out[i] = 2 * u[i] - out[i] + v[i] * u[i];
    }
}

static void contestant_run(struct bench *b, enum contestant c, int threads)
{
    struct wave_run run = {.steps = b->steps};
    if (c == STREAM) {
        stream_run(b, threads);
        return;
    }
    if (c == FULL || c == TRANSPOSED) {
        run.inject = b->source;
        run.injected = b->values;
        run.sample = b->receivers;
        run.sampled = b->sampled;
    }
    if (c == TRANSPOSED) {
        run.mode = WAVE_TRANSPOSED;
        run.inject = b->receivers;
        run.sample = b->source;
    }
    wave_run(b->wave[c], &run);
}

/* Two threads count in turn. 0 where there is one. */
static double word_ns(int threads)
{
    const int count = 2000;
    static _Alignas(128) atomic_int turn;
    double begin = wave_case_now_s();
    atomic_store(&turn, 0);
    if (threads < 2)
        return 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(2)
    for (int next = omp_get_thread_num(); next < count; next += omp_get_num_threads()) {
        while (atomic_load_explicit(&turn, memory_order_acquire) != next)
            ;
        atomic_store_explicit(&turn, next + 1, memory_order_release);
    }
#endif
    return 1e9 * (wave_case_now_s() - begin) / count;
}

static void bench_open(struct bench *b, const char *physics, int order, int threads)
{
    struct wave_options bare = {.order = order, .threads = threads, .time_block = 1};
    struct wave_options blocked = {.order = order, .threads = threads};
    struct wave_options full = {.order = order, .threads = threads, .absorb = 20};
    b->wave[BARE] = wave_case_create(physics, b->grid, bare);
    b->wave[BLOCKED] = wave_case_create(physics, b->grid, blocked);
    b->wave[FULL] = wave_case_create(physics, b->grid, full);
    b->wave[TRANSPOSED] = wave_case_create(physics, b->grid, full);
    b->source = wave_case_points(b->wave[FULL], 1, 10);
    b->receivers = wave_case_points(b->wave[FULL], WAVE_CASE_PLACES, 3);
    for (int i = 0; i < 3; i++)
        b->stream[i] = allocate(b->points);
    b->values = allocate(b->steps * WAVE_CASE_PLACES);
    b->sampled = allocate(b->steps * WAVE_CASE_PLACES);
    for (size_t i = 0; i < b->steps * WAVE_CASE_PLACES; i++)
        b->values[i] = 1e-3F * (wave_real)(i % 17);
}

int main(int count, char **arguments)
{
    if (count != 8) {
        fprintf(stderr, "usage: wave PHYSICS ORDER NX NY NZ ROUNDS THREADS\n");
        return 2;
    }
    static struct bench b;
    int order = atoi(arguments[2]), rounds = atoi(arguments[6]), threads = atoi(arguments[7]);
    b.grid = (struct grid){.spacing = {10, 10, 10}};
    for (int axis = 0; axis < GRID_AXES; axis++)
        b.grid.n[axis] = (size_t)atol(arguments[3 + axis]);
    b.grid.dims = b.grid.n[GRID_Y] > 1 ? 3 : 2;
    b.points = grid_size(&b.grid);
    b.steps = 16 + (size_t)2e8 / b.points / 8 * 8;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    bench_open(&b, arguments[1], order, threads);
    for (int round = -1; round < rounds; round++) { /* one to warm up */
        double word = word_ns(threads);
        if (round >= 0)
            b.word_ns[round] = word;
        for (int c = 0; c < CONTESTANTS; c++) {
            double begin = wave_case_now_s();
            contestant_run(&b, (enum contestant)c, threads);
            if (round >= 0)
                b.rate[c][round] =
                    1e-9 * (double)(b.points * b.steps) / (wave_case_now_s() - begin);
        }
    }
    printf("{\"steps\": %zu, \"time_block\": %d", b.steps, b.wave[FULL]->options.time_block);
    printf(", \"word_ns\": %.0f", wave_case_median(b.word_ns, (size_t)rounds));
    for (int c = 0; c < CONTESTANTS; c++) {
        double median = wave_case_median(b.rate[c], (size_t)rounds);
        printf(", \"%s\": %.3f, \"%s_best\": %.3f", names[c], median, names[c],
               b.rate[c][rounds - 1]);
    }
    printf("}\n");
    return 0;
}
