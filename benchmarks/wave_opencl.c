/*
 * wave_opencl PHYSICS ORDER NX NY NZ STEPS ROUNDS: how fast waves advance on each OpenCL device of
 * this machine: the bare kernel, without layers; with layers (inside those NX NY NZ points), a
 * source and a line of receivers; the same, transposed; and a whole gradient in forward runs, its
 * snapshots in a room of the device. Prints a line of JSON per device, with the medians of the
 * rounds, in Gpoints/s; times 16 bytes, that is what of the device's bandwidth the stencil's own
 * fields take.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "benchmarks/wave_case.h"
#include "worker/seismic/opencl.h"

enum contestant { BARE, FULL, TRANSPOSED, GRADIENT, CONTESTANTS };
static const char *const names[] = {"bare", "full", "transposed", "gradient"};

#define ROUNDS_MAX 99

struct bench {
    struct grid grid; /* layers included */
    size_t points, steps;
    struct wave *bare, *full;
    struct wave_points *source, *receivers;
    wave_real *values, *sampled;
    void *snapshots, *image; /* in rooms */
    double rate[CONTESTANTS][ROUNDS_MAX];
};

static void fail(const struct error *error)
{
    fprintf(stderr, "%s\n", error->text);
    exit(1);
}

static void bench_open(struct bench *b, const char *physics, int order,
                       struct opencl_device *device)
{
    b->bare = wave_case_create(physics, b->grid,
                               (struct wave_options){.order = order, .device = device});
    b->full =
        wave_case_create(physics, b->grid,
                         (struct wave_options){.order = order, .device = device, .absorb = 20});
    b->source = wave_case_points(b->full, 1, 10);
    b->receivers = wave_case_points(b->full, WAVE_CASE_PLACES, 3);
    b->values = calloc(b->steps * WAVE_CASE_PLACES, sizeof *b->values);
    b->sampled = calloc(b->steps * WAVE_CASE_PLACES, sizeof *b->sampled);
    size_t number = sizeof(wave_real);
    b->snapshots = wave_room_create(b->full, b->steps, b->full->snapshot_size * number);
    b->image = wave_room_create(b->full, 1, b->full->points * number);
    if (!b->values || !b->sampled || !b->snapshots || !b->image)
        exit(1);
    for (size_t i = 0; i < b->steps * WAVE_CASE_PLACES; i++)
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

static void bench_device(struct bench *b, const struct opencl_about *about, int rounds)
{
    struct error error = {0};
    for (int round = -1; round < rounds; round++) { /* one to warm up */
        for (int c = 0; c < CONTESTANTS; c++) {
            double begin = wave_case_now_s();
            contestant_run(b, (enum contestant)c);
            if (round >= 0)
                b->rate[c][round] =
                    1e-9 * (double)(b->points * b->steps) / (wave_case_now_s() - begin);
        }
    }
    if (wave_check(b->bare, &error) < 0 || wave_check(b->full, &error) < 0)
        fail(&error);
    printf("{\"device\": \"%s\", \"gpu\": %s, \"steps\": %zu", about->name,
           about->gpu ? "true" : "false", b->steps);
    for (int c = 0; c < CONTESTANTS; c++) {
        printf(", \"%s\": %.3f", names[c], wave_case_median(b->rate[c], (size_t)rounds));
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
