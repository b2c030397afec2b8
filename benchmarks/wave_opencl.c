/*
 * wave_opencl PHYSICS ORDER NX NY NZ STEPS ROUNDS: how fast waves advance on each OpenCL device of this
 * machine: the bare kernel, without layers; with layers (inside those NX NY NZ points), a source and a
 * line of receivers; the same, transposed; and a whole gradient in forward runs, its snapshots in a room
 * of the device. Prints a line of JSON per device, with the medians of the rounds, in Gpoints/s; times
 * 16 bytes, that is what of the device's bandwidth the stencil's own fields take.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "worker/seismic/opencl.h"

enum contestant { BARE, FULL, TRANSPOSED, GRADIENT, CONTESTANTS };
static const char *const names[] = {"bare", "full", "transposed", "gradient"};

#define ROUNDS_MAX 99
#define RECEIVERS  64

struct bench {
    struct grid grid; /* layers included */
    size_t points, steps;
    struct wave *bare, *full;
    struct wave_points *source, *receivers;
    wave_real *values, *sampled;
    void *snapshots, *image; /* in rooms */
    double rate[CONTESTANTS][ROUNDS_MAX];
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void fail(const struct error *error)
{
    fprintf(stderr, "%s\n", error->text);
    exit(1);
}

/* NULL where it is not wanted. */
static const float *constant(size_t n, float value, bool wanted)
{
    float *values = wanted ? malloc(n * sizeof *values) : NULL;
    for (size_t i = 0; values && i < n; i++)
        values[i] = value;
    return values;
}

static struct wave *create(const char *physics, struct grid grid, struct wave_options options)
{
    struct error error = {0};
    const struct wave_physics *found = wave_physics_find(physics);
    if (!found) {
        fprintf(stderr, "no physics \"%s\"\n", physics);
        exit(1);
    }
    for (int axis = 0; axis < GRID_AXES; axis++)
        if (axis != GRID_Y || grid.dims == 3)
            grid.n[axis] -= 2 * (size_t)options.absorb;
    size_t n = grid_size(&grid);
    unsigned takes = found->needs | found->may_have;
    struct wave_medium medium = {
        .grid = grid,
        .vp = constant(n, 2000, true),
        .rho = constant(n, 1.5F, takes & WAVE_RHO),
        .epsilon = constant(n, 0.15F, takes & WAVE_EPSILON),
        .delta = constant(n, 0.1F, takes & WAVE_DELTA),
        .theta = constant(n, 0.5F, takes & WAVE_THETA),
        .phi = constant(n, 0.7F, grid.dims == 3 && takes & WAVE_PHI),
    };
    options.dt = 0.9 * wave_dt_limit(found, &medium, &options);
    struct wave *wave = wave_create(found, &medium, &options, &error);
    if (!wave)
        fail(&error);
    const float *fields[] = {medium.vp,    medium.rho,   medium.epsilon,
                             medium.delta, medium.theta, medium.phi};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        free((float *)fields[i]);
    return wave;
}

static struct wave_points *points(const struct wave *wave, size_t count, int depth)
{
    size_t first[RECEIVERS + 1];
    struct wave_weight weights[RECEIVERS];
    struct error error = {0};
    const size_t *n = wave->grid.n;
    for (size_t i = 0; i <= count; i++)
        first[i] = i;
    for (size_t i = 0; i < count; i++)
        weights[i] = (struct wave_weight){
            .at = {(int)((i + 1) * n[GRID_X] / (count + 1)), (int)(n[GRID_Y] / 2), depth},
            .weight = 1};
    struct wave_points *made = wave_points_create(wave, count, first, weights, &error);
    if (!made)
        fail(&error);
    return made;
}

static void bench_open(struct bench *b, const char *physics, int order,
                       struct opencl_device *device)
{
    b->bare = create(physics, b->grid, (struct wave_options){.order = order, .device = device});
    b->full = create(physics, b->grid,
                     (struct wave_options){.order = order, .device = device, .absorb = 20});
    b->source = points(b->full, 1, 10);
    b->receivers = points(b->full, RECEIVERS, 3);
    b->values = calloc(b->steps * RECEIVERS, sizeof *b->values);
    b->sampled = calloc(b->steps * RECEIVERS, sizeof *b->sampled);
    size_t number = sizeof(wave_real);
    b->snapshots = wave_room_create(b->full, b->steps, b->full->snapshot_size * number);
    b->image = wave_room_create(b->full, 1, b->full->points * number);
    if (!b->values || !b->sampled || !b->snapshots || !b->image)
        exit(1);
    for (size_t i = 0; i < b->steps * RECEIVERS; i++)
        b->values[i] = 1e-3F * (wave_real)(i % 17);
}

static void bench_close(struct bench *b)
{
    wave_room_destroy(b->full, b->snapshots);
    wave_room_destroy(b->full, b->image);
    wave_points_destroy(b->source);
    wave_points_destroy(b->receivers);
    wave_destroy(b->bare);
    wave_destroy(b->full);
    free(b->values);
    free(b->sampled);
}

static void contestant_run(struct bench *b, enum contestant c)
{
    struct wave_run forward = {.steps = b->steps,
                               .inject = b->source,
                               .injected = b->values,
                               .sample = b->receivers,
                               .sampled = b->sampled};
    struct wave_run back = forward;
    back.mode = WAVE_TRANSPOSED;
    back.inject = b->receivers;
    back.sample = b->source;
    switch (c) {
    case BARE:
        wave_run(b->bare, &(struct wave_run){.steps = b->steps});
        break;
    case FULL:
        wave_run(b->full, &forward);
        break;
    case TRANSPOSED:
        wave_run(b->full, &back);
        break;
    default:
        forward.snapshots = b->snapshots;
        wave_run(b->full, &forward);
        wave_clear(b->full);
        back.sample = NULL;
        back.scattered = b->snapshots;
        back.image = b->image;
        wave_run(b->full, &back);
    }
}

static int compare(const void *a, const void *b)
{
    const double *p = a, *q = b;
    return (*p > *q) - (*p < *q);
}

static void bench_device(struct bench *b, const struct opencl_about *about, int rounds)
{
    struct error error = {0};
    for (int round = -1; round < rounds; round++) { /* one to warm up */
        for (int c = 0; c < CONTESTANTS; c++) {
            double begin = now_s();
            contestant_run(b, (enum contestant)c);
            if (round >= 0)
                b->rate[c][round] = 1e-9 * (double)(b->points * b->steps) / (now_s() - begin);
        }
    }
    if (wave_check(b->bare, &error) < 0 || wave_check(b->full, &error) < 0)
        fail(&error);
    printf("{\"device\": \"%s\", \"gpu\": %s, \"steps\": %zu", about->name,
           about->gpu ? "true" : "false", b->steps);
    for (int c = 0; c < CONTESTANTS; c++) {
        qsort(b->rate[c], (size_t)rounds, sizeof(double), compare);
        printf(", \"%s\": %.3f", names[c], b->rate[c][rounds / 2]);
    }
    printf("}\n");
    fflush(stdout);
}

int main(int count, char **arguments)
{
    static struct bench b;
    struct error error = {0};
    long number[7] = {0};
    for (int i = 2; i < count && i < 8; i++)
        number[i - 1] = strtol(arguments[i], NULL, 10);
    if (count != 8 || number[5] < 1 || number[6] < 1 || number[6] > ROUNDS_MAX) {
        fprintf(stderr, "usage: wave_opencl PHYSICS ORDER NX NY NZ STEPS ROUNDS\n");
        return 2;
    }
    for (size_t i = 0;; i++) {
        struct opencl_device *device = opencl_open(OPENCL_ANY, i, &error);
        if (!device && i == 0)
            fail(&error);
        if (!device)
            return 0;
        b.grid = (struct grid){.spacing = {10, 10, 10}};
        for (int axis = 0; axis < GRID_AXES; axis++)
            b.grid.n[axis] = (size_t)number[2 + axis];
        b.grid.dims = b.grid.n[GRID_Y] > 1 ? 3 : 2;
        b.points = grid_size(&b.grid);
        b.steps = (size_t)number[5];
        bench_open(&b, arguments[1], (int)number[1], device);
        bench_device(&b, opencl_about(device), (int)number[6]);
        bench_close(&b);
    }
}
