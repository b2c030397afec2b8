/*
 * What a gradient costs in forward runs, for every way to keep the wavefield: median seconds over
 * rounds in which all take their turn, and the ratio to the forward run of the same round.
 *
 *     shot_gradient 2d|3d POINTS STEPS ROUNDS [THREADS [PHYSICS [WHICH [DEVICE]]]]
 *
 * on the processor, or on OpenCL's device number DEVICE, prints a line per contestant (those whose
 * name has WHICH in it): name, seconds, ratio, history's megabytes, and how far its image is off
 * that of full storage (relative L2; "-" where that is not among them). POINTS are those of each
 * axis, or those of x (and y) and of z: 400x300. The forward run records the same receivers and has
 * the same absorbing layers. "automatic in 1/4" is what beofarm-shot chooses where the memory's
 * budget is a quarter of full storage, "1/4, 1 step in 2" the same with that `subsampling`; plans
 * stand behind the lines.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/seismic/shot_cost.h"
#include "worker/seismic/opencl.h"
#include "worker/seismic/operators.h"
#include "worker/seismic/places.h"
#include "worker/seismic/wavelet.h"

#define RECEIVERS  100
#define ROUNDS_MAX 99

struct contestant {
    const char *name;
    struct history_options history; /* method -1: the forward run */
    double megabytes, error;
    char plan[120];
    double seconds[ROUNDS_MAX], ratios[ROUNDS_MAX];
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), compare);
    return values[count / 2];
}

static void *room(size_t bytes)
{
    void *memory = calloc(bytes, 1);
    if (!memory) {
        fputs("no memory\n", stderr);
        exit(1);
    }
    return memory;
}

static int residual(void *context, wave_real *data, struct error *ret_error)
{
    (void)context;
    (void)data;
    (void)ret_error;
    return 0;
}

static struct grid grid_read(const char *dims, const char *points)
{
    char *end;
    size_t nx = strtoul(points, &end, 10), nz = *end == 'x' ? strtoul(end + 1, NULL, 10) : nx;
    bool cube = strcmp(dims, "3d") == 0;
    if (nx < 20 || nz < 20) {
        fputs("POINTS are at least 20\n", stderr);
        exit(2);
    }
    return (struct grid){
        .dims = cube ? 3 : 2, .n = {nx, cube ? nx : 1, nz}, .spacing = {10, 10, 10}};
}

/* A field that changes evenly with depth, by `more` over all of it. */
static const float *field(const struct grid *grid, float top, float more)
{
    size_t points = grid_size(grid), nz = grid->n[GRID_Z];
    float *values = room(points * sizeof(*values));
    for (size_t i = 0; i < points; i++)
        values[i] = top + more * (float)(i % nz) / (float)nz;
    return values;
}

/* With all fields that the physics knows; they stay, as the process is short. */
static struct wave_medium medium_of(const struct grid *grid, const struct wave_physics *physics)
{
    unsigned has = physics->needs | physics->may_have;
    return (struct wave_medium){
        .grid = *grid,
        .vp = field(grid, 1500, 2000),
        .rho = has & WAVE_RHO ? field(grid, 1000, 1000) : NULL,
        .epsilon = has & WAVE_EPSILON ? field(grid, 0.1F, 0.1F) : NULL,
        .delta = has & WAVE_DELTA ? field(grid, 0.05F, 0.05F) : NULL,
        .theta = has & WAVE_THETA ? field(grid, 0.2F, 0.5F) : NULL,
        .phi = has & WAVE_PHI && grid->dims == 3 ? field(grid, 0.1F, 0.5F) : NULL,
    };
}

/* The physics as the device has it, and the device, or, without one, as it is and NULL. */
static const struct wave_physics *on_device(const struct wave_physics *physics,
                                            const char *device,
                                            struct opencl_device **ret_device)
{
    struct error error;
    *ret_device = NULL;
    if (!device)
        return physics;
    *ret_device = opencl_open(OPENCL_ANY, strtoul(device, NULL, 10), &error);
    if (*ret_device)
        physics = opencl_physics(physics, &error);
    if (!*ret_device || !physics) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return physics;
}

static void make(struct operators *operators, const struct grid *grid, size_t steps,
                 int threads, const struct wave_physics *physics, const char *device,
                 double *ret_dt)
{
    struct error error;
    struct wave_medium medium = medium_of(grid, physics);
    int dims = grid->dims;
    size_t n = grid->n[0];
    struct wave_options options = {
        .order = 8, .absorb = 20, .frequency = 10, .threads = threads};
    options.dt = *ret_dt = 0.9 * wave_dt_limit(physics, &medium, &options);
    physics = on_device(physics, device, &options.device);
    operators->wave = wave_create(physics, &medium, &options, &error);
    operators->second = wave_create(physics, &medium, &options, &error);
    struct point points_of[RECEIVERS],
        source = {5.0 * (double)n, dims == 3 ? 5.0 * (double)n : 0, 25};
    for (int i = 0; i < RECEIVERS; i++)
        points_of[i] = (struct point){10.0 * (double)(n - 1) * i / RECEIVERS, source.y, 15};
    if (operators->wave && operators->second) {
        operators->sources = places_of_sources(operators->wave, "1", &source, NULL, 1, &error);
        operators->receivers =
            places_of_receivers(operators->wave, "1", points_of, RECEIVERS, &error);
    }
    if (!operators->receivers) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    operators->steps = steps;
}

/* What beofarm-shot takes for that many bytes; -1 where it cannot be done. */
static int planned(const struct operators *operators, int method, size_t every, uint64_t budget,
                   struct contestant *ret_one)
{
    static const char *const names[] = {
        [SURVEY_ACOUSTIC] = "acoustic",
        [SURVEY_DENSITY] = "density",
        [SURVEY_VTI] = "vti",
        [SURVEY_TTI] = "tti",
    };
    const struct wave *wave = operators->wave;
    enum survey_physics physics = SURVEY_ACOUSTIC;
    while (strcmp(names[physics], wave->physics->name) != 0)
        physics++;
    const struct shot_shape shape = {.dims = wave->grid.dims,
                                     .n = {wave->grid.n[0], wave->grid.n[1], wave->grid.n[2]},
                                     .physics = physics,
                                     .space_order = wave->options.order,
                                     .absorbing_points = (unsigned)wave->options.absorb,
                                     .steps = operators->steps,
                                     .subsampling = every};
    const struct shot_wish wish = {.method = method, .budget_bytes = budget};
    struct shot_cost cost;
    struct error error;
    char text[300];
    if (shot_cost_make(&cost, &shape, SURVEY_GRADIENT, &wish, &error) < 0)
        return -1;
    ret_one->history = (struct history_options){.method = cost.method,
                                                .plan = cost.plan,
                                                .every = every,
                                                .memory_bytes = cost.history_bytes};
    ret_one->megabytes = (double)cost.history_bytes * 1e-6;
    snprintf(ret_one->plan, sizeof(ret_one->plan), "%s",
             shot_cost_print(&cost, &shape, text, sizeof(text)));
    return 0;
}

/* Full storage, plans in shares of it with all steps imaged or fewer, the boundary, frequencies. */
static size_t list(const struct operators *operators, struct contestant *list)
{
    static const double frequencies[] = {4, 6, 8, 10, 12};
    size_t count = 0, steps = operators->steps;
    uint64_t record = operators->wave->snapshot_size * sizeof(wave_real), full = record * steps;
    list[count++] = (struct contestant){.name = "forward", .history = {.method = -1}};
    list[count++] = (struct contestant){
        .name = "gradient, full storage",
        .megabytes = (double)full * 1e-6,
        .history = {.method = SURVEY_MEMORY_FULL, .every = 1, .memory_bytes = UINT64_MAX}};
    static const struct {
        const char *name;
        int method;
        uint64_t share;
        size_t every;
    } plans[] = {
        {"gradient, automatic in 1/4", SURVEY_MEMORY_AUTO, 4, 1},
        {"gradient, 1/4, 1 step in 2", SURVEY_MEMORY_AUTO, 4, 2},
        {"gradient, 1/4, 1 step in 4", SURVEY_MEMORY_AUTO, 4, 4},
        {"gradient, 1/16, 1 step in 4", SURVEY_MEMORY_AUTO, 16, 4},
        {"gradient, checkpoints in 1/4", SURVEY_MEMORY_CHECKPOINTS, 4, 1},
        {"gradient, checkpoints in 1/16", SURVEY_MEMORY_CHECKPOINTS, 16, 1},
        {"gradient, checkpoints in 1/64", SURVEY_MEMORY_CHECKPOINTS, 64, 1},
    };
    for (size_t i = 0; i < sizeof(plans) / sizeof(*plans); i++) {
        list[count] = (struct contestant){.name = plans[i].name};
        if (planned(operators, plans[i].method, plans[i].every, full / plans[i].share,
                    &list[count]) == 0 &&
            list[count].history.plan.forward * plans[i].every <=
                3 * steps) /* else no fair budget */
            count++;
    }
    list[count++] = (struct contestant){
        .name = "gradient, boundary saving",
        .megabytes = (double)(operators->wave->shell_size * sizeof(wave_real) * steps) * 1e-6,
        .history = {.method = SURVEY_MEMORY_BOUNDARY, .every = 1, .memory_bytes = UINT64_MAX}};
    list[count++] = (struct contestant){.name = "gradient, 5 frequencies",
                                        .megabytes = (double)record * 10e-6,
                                        .history = {.method = SURVEY_MEMORY_FOURIER,
                                                    .every = 1,
                                                    .frequencies_hz = frequencies,
                                                    .frequency_count = 5}};
    return count;
}

/* The forward run, and those that have `which` in their name. */
static size_t choose(struct contestant *list, size_t count, const char *which)
{
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (strstr(list[i].name, which))
            list[kept++] = list[i];
    return kept;
}

static double run(struct operators *operators, const struct contestant *contestant,
                  const wave_real *source, wave_real *data, wave_real *image)
{
    struct error error;
    memset(image, 0, operators->wave->points * sizeof(*image));
    double begin = now_s();
    if (contestant->history.method < 0) {
        operators_forward(operators, source, data, NULL);
    } else {
        operators->history = contestant->history;
        if (operators_image(operators, source, residual, NULL, data, image, NULL, &error) < 0) {
            fprintf(stderr, "%s: %s\n", contestant->name, error.text);
            exit(1);
        }
    }
    return now_s() - begin;
}

/* Relative L2; `reference` is kept from full storage, which comes first, or made of zeros. */
static double off(const struct contestant *contestant, const wave_real *image,
                  wave_real *reference, size_t points)
{
    double difference = 0, norm = 0;
    if (contestant->history.method == SURVEY_MEMORY_FULL && contestant->history.every == 1)
        memcpy(reference, image, points * sizeof(*image));
    for (size_t i = 0; i < points; i++) {
        difference += ((double)image[i] - reference[i]) * ((double)image[i] - reference[i]);
        norm += (double)reference[i] * reference[i];
    }
    return norm > 0 ? sqrt(difference / norm) : NAN;
}

static void print(struct contestant *one, int rounds)
{
    char error[16] = "-";
    if (one->history.method >= 0 && isfinite(one->error))
        snprintf(error, sizeof(error), "%.1e", one->error);
    printf("%-32s %8.3f s  %5.2f x forward  %8.1f MB  off by %s  %s\n", one->name,
           median(one->seconds, rounds), median(one->ratios, rounds), one->megabytes, error,
           one->plan);
}

int main(int argc, char **argv)
{
    static struct contestant contestants[12];
    struct operators operators = {0};
    double dt;
    if (argc < 5) {
        fputs("usage: shot_gradient 2d|3d POINTS STEPS ROUNDS [THREADS [PHYSICS [WHICH "
              "[DEVICE]]]]\n",
              stderr);
        return 2;
    }
    const struct wave_physics *physics = wave_physics_find(argc > 6 ? argv[6] : "acoustic");
    if (!physics) {
        fputs("PHYSICS is acoustic, density, vti or tti\n", stderr);
        return 2;
    }
    struct grid grid = grid_read(argv[1], argv[2]);
    size_t steps = strtoul(argv[3], NULL, 10);
    int rounds = (int)strtol(argv[4], NULL, 10);
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    make(&operators, &grid, steps, argc > 5 ? (int)strtol(argv[5], NULL, 10) : 0, physics,
         argc > 8 ? argv[8] : NULL, &dt);
    wave_real *source = room(steps * sizeof(*source));
    wave_real *data = room(steps * RECEIVERS * sizeof(*data));
    wave_real *image = room(operators.wave->points * sizeof(*image));
    wave_real *reference = room(operators.wave->points * sizeof(*image));
    for (size_t k = 0; k < steps; k++)
        source[k] = (wave_real)wavelet_ricker(10, (double)k * dt - 0.12);
    size_t count = choose(contestants, list(&operators, contestants), argc > 7 ? argv[7] : "");
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++) {
            /* Twice, as a process computes one shot after another and keeps memory for the next. */
            run(&operators, &contestants[i], source, data, image);
            double seconds = run(&operators, &contestants[i], source, data, image);
            contestants[i].seconds[round] = seconds;
            contestants[i].ratios[round] = seconds / contestants[0].seconds[round];
            contestants[i].error =
                off(&contestants[i], image, reference, operators.wave->points);
        }
    for (size_t i = 0; i < count; i++)
        print(&contestants[i], rounds);
    return 0;
}
