/* wave.c - the physics there are, and what is asked of all their waves. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "worker/seismic/acoustic.h"
#include "worker/seismic/anisotropic.h"
#include "worker/seismic/opencl.h"
#include "worker/seismic/layout.h"
#include "worker/seismic/wave.h"

static const struct wave_physics *const all[] = {&acoustic_physics, &density_physics,
                                                 &vti_physics, &tti_physics};

const struct wave_physics *wave_physics_find(const char *name)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

static struct wave_options options_fill(const struct wave_options *given)
{
    struct wave_options options = *given;
    if (options.order == 0)
        options.order = 8;
    if (options.absorb < 0)
        options.absorb = 20;
    if (options.frequency == 0)
        options.frequency = 0.02 / options.dt;
    if (options.threads == 0) {
#ifdef _OPENMP
        options.threads = omp_get_max_threads();
#else
        options.threads = 1;
#endif
    }
    return options;
}

static int options_check(const struct wave_options *o, struct error *ret_error)
{
    if (o->order != 0 && o->order != 4 && o->order != 8 && o->order != 12 && o->order != 16)
        return error_set(ret_error, ERROR_CONFIG, "space order %d: choose 4, 8, 12 or 16",
                         o->order);
    if (!(o->dt > 0) || !isfinite(o->dt))
        return error_set(ret_error, ERROR_CONFIG,
                         "the time step is %g s; it must be above 0 and finite", o->dt);
    if (o->absorb < -1 || o->absorb > 200)
        return error_set(ret_error, ERROR_CONFIG,
                         "absorbing layers of %d points: choose 0 to 200", o->absorb);
    if (!(o->frequency >= 0) || !isfinite(o->frequency))
        return error_set(ret_error, ERROR_CONFIG,
                         "the frequency is %g Hz; it must be 0 or above", o->frequency);
    if (o->threads < 0 || o->time_block < 0)
        return error_set(ret_error, ERROR_BUG, "a negative number of threads or steps");
    return 0;
}

static int grid_check(const struct grid *grid, struct error *ret_error)
{
    static const char names[] = "xyz";
    if (grid->dims != 2 && grid->dims != 3)
        return error_set(ret_error, ERROR_CONFIG, "a grid of %d dimensions: 2 or 3 are known",
                         grid->dims);
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        bool absent = axis == GRID_Y && grid->dims == 2;
        double h = grid->spacing[axis];
        if (grid->n[axis] < 1 || grid->n[axis] > INT32_MAX / 2 ||
            (absent && grid->n[axis] != 1))
            return error_set(ret_error, ERROR_CONFIG, "the grid has %zu points along %c",
                             grid->n[axis], names[axis]);
        if (!absent && !(h > 0 && isfinite(h)))
            return error_set(ret_error, ERROR_CONFIG,
                             "the grid's spacing along %c is %g m; it must be above 0",
                             names[axis], h);
    }
    if (grid_size(grid) == 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "the grid has more points than can be counted");
    return 0;
}

struct field_rule {
    unsigned bit;
    const char *name, *unit;
    const float *values;
    float above; /* and finite */
    const char *must;
};

static int field_check(const struct grid *grid, const struct field_rule *rule,
                       struct error *ret_error)
{
    size_t n = grid_size(grid), ny = grid->n[GRID_Y], nz = grid->n[GRID_Z];
    for (size_t i = 0; i < n; i++) {
        float value = rule->values[i];
        if (isfinite(value) && value > rule->above)
            continue;
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s is %g%s at point (x %zu, y %zu, z %zu) of the model; it must be %s", rule->name,
            (double)value, rule->unit, i / nz / ny, i / nz % ny, i % nz, rule->must);
    }
    return 0;
}

int wave_medium_check(const struct wave_physics *physics, const struct wave_medium *medium,
                      struct error *ret_error)
{
    const struct field_rule rules[] = {
        {WAVE_VP, "vp", " m/s", medium->vp, 0, "above 0"},
        {WAVE_RHO, "rho", "", medium->rho, 0, "above 0"},
        {WAVE_EPSILON, "epsilon", "", medium->epsilon, -0.5F, "above -0.5 and finite"},
        {WAVE_DELTA, "delta", "", medium->delta, -0.5F, "above -0.5 and finite"},
        {WAVE_THETA, "theta", "", medium->theta, -INFINITY, "finite"},
        {WAVE_PHI, "phi", "", medium->phi, -INFINITY, "finite"},
    };
    if (grid_check(&medium->grid, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct field_rule *rule = &rules[i];
        if (!rule->values && physics->needs & rule->bit)
            return error_set(ret_error, ERROR_CONFIG,
                             "physics \"%s\" needs %s, which is missing", physics->name,
                             rule->name);
        if (rule->values && !((physics->needs | physics->may_have) & rule->bit))
            return error_set(
                ret_error, ERROR_CONFIG,
                "physics \"%s\" has no use for %s: leave it out, or choose another",
                physics->name, rule->name);
        if (rule->values && field_check(&medium->grid, rule, ret_error) < 0)
            return -1;
    }
    return 0;
}

double wave_dt_limit(const struct wave_physics *physics, const struct wave_medium *medium,
                     const struct wave_options *options)
{
    return physics->dt_limit(medium, options);
}

size_t wave_memory(const struct wave_physics *physics, const struct grid *grid,
                   const struct wave_options *options)
{
    struct wave_options filled = options_fill(options);
    const struct wave_physics *there =
        options->device ? opencl_physics(physics, NULL) : physics;
    return (there ? there : physics)->memory(grid, &filled);
}

struct wave *wave_create(const struct wave_physics *physics, const struct wave_medium *medium,
                         const struct wave_options *options, struct error *ret_error)
{
    if (options_check(options, ret_error) < 0 ||
        wave_medium_check(physics, medium, ret_error) < 0)
        return NULL;
    struct wave_options filled = options_fill(options);
    if (filled.free_surface && medium->grid.n[GRID_Z] <= (size_t)filled.order / 2) {
        error_set(ret_error, ERROR_CONFIG,
                  "%zu points between a free surface and the layer below are too few for space "
                  "order %d: it takes more than %d",
                  medium->grid.n[GRID_Z], filled.order, filled.order / 2);
        return NULL;
    }
    double limit = physics->dt_limit(medium, &filled);
    if (filled.dt > limit) {
        error_set(
            ret_error, ERROR_CONFIG,
            "the time step %g s is unstable: it may be at most %g s with this model, grid "
            "and space order %d",
            filled.dt, limit, filled.order);
        return NULL;
    }
    if (filled.device && !(physics = opencl_physics(physics, ret_error)))
        return NULL;
    struct wave *wave = physics->create(medium, &filled, ret_error);
    if (wave)
        wave->physics = physics;
    return wave;
}

void wave_destroy(struct wave *wave)
{
    if (wave)
        wave->physics->destroy(wave);
}

void wave_clear(struct wave *wave)
{
    wave->physics->clear(wave);
}

void wave_run(struct wave *wave, const struct wave_run *run)
{
    wave->physics->run(wave, run);
}

void wave_run_both(struct wave *wave, const struct wave_run *run, struct wave *reader,
                   const struct wave_run *reads)
{
    if (wave->physics->run_both && wave->physics == reader->physics) {
        wave->physics->run_both(wave, run, reader, reads);
        return;
    }
    wave_run(wave, run);
    wave_run(reader, reads);
}

void wave_save(const struct wave *wave, void *ret_state)
{
    wave->physics->save(wave, ret_state);
}

void wave_load(struct wave *wave, const void *state)
{
    wave->physics->load(wave, state);
}

void wave_inner_save(const struct wave *wave, void *ret_state)
{
    wave->physics->inner_save(wave, ret_state);
}

void wave_inner_load(struct wave *wave, const void *state)
{
    wave->physics->inner_load(wave, state);
}

void wave_field_get(const struct wave *wave, wave_real *ret_field)
{
    wave->physics->field(wave, ret_field);
}

double wave_energy(const struct wave *wave)
{
    return wave->physics->energy(wave);
}

int wave_check(const struct wave *wave, struct error *ret_error)
{
    return wave->physics->check ? wave->physics->check(wave, ret_error) : 0;
}

/* Begins with how many numbers it is. */
#define NEAR_HEAD LAYOUT_ALIGN

static void *near_create(size_t bytes)
{
    size_t count = NEAR_HEAD + bytes / sizeof(wave_real) + 1;
    wave_real *memory = layout_alloc(count, 0);
    if (!memory)
        return NULL;
    memcpy(memory, &count, sizeof(count));
    return memory + NEAR_HEAD;
}

static void near_destroy(wave_real *room)
{
    size_t count;
    if (!room)
        return;
    memcpy(&count, room - NEAR_HEAD, sizeof(count));
    layout_free(room - NEAR_HEAD, count, 0);
}

void *wave_room_create(const struct wave *wave, size_t count, size_t bytes)
{
    if (wave->physics->room_create)
        return wave->physics->room_create(wave, count, bytes);
    return bytes && count > SIZE_MAX / 2 / bytes ? NULL : near_create(count * bytes);
}

void wave_room_destroy(const struct wave *wave, void *room)
{
    if (wave->physics->room_destroy)
        wave->physics->room_destroy(room);
    else
        near_destroy(room);
}

void wave_room_read(const struct wave *wave, const void *room, void *ret_bytes, size_t size)
{
    if (wave->physics->room_read)
        wave->physics->room_read(room, ret_bytes, size);
    else
        memcpy(ret_bytes, room, size);
}

void wave_room_write(const struct wave *wave, void *room, const void *bytes, size_t size)
{
    if (wave->physics->room_write)
        wave->physics->room_write(room, bytes, size);
    else
        memcpy(room, bytes, size);
}
