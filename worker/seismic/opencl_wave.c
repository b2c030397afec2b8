/*
 * opencl_wave.c - waves on devices made, kept and ended; opencl_run.c advances them.
 *
 * What lies where is opencl_grid.c's, what the ground is made of opencl_medium.c's.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/seismic/acoustic.h"
#include "worker/seismic/anisotropic.h"
#include "worker/seismic/opencl_private.h"
#include "worker/seismic/opencl_room.h"

static bool is_shortage(cl_int code)
{
    return code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY;
}

bool opencl_wave_good(struct opencl_wave *w, cl_int code, const char *what)
{
    char text[64];
    if (code == CL_SUCCESS)
        return true;
    if (w->made || !is_shortage(code)) /* to be too large is no failure of the device's */
        opencl_good(w->device, code, what);
    if (!w->failed)
        error_set(&w->failure, ERROR_SYSTEM, "the OpenCL device %s failed at %s: %s",
                  w->device->about.name, what, opencl_error_print(code, text, sizeof(text)));
    w->failed = true;
    return false;
}

static struct opencl_wave *wave_shape(const struct grid *grid,
                                      const struct wave_options *options, enum opencl_law law,
                                      struct layout *layout)
{
    struct opencl_wave *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->wave.grid = *grid;
    w->wave.options = *options;
    w->device = options->device;
    w->law = law;
    w->tilted = law == OPENCL_TTI;
    w->pair = law == OPENCL_VTI || w->tilted;
    w->parts = w->pair ? OPENCL_PARTS : 1;
    if (opencl_grid_init(w, layout) < 0) {
        free(w);
        return NULL;
    }
    return w;
}

cl_mem opencl_wave_hold(struct opencl_wave *w, size_t bytes)
{
    cl_mem buffer = NULL;
    if (w->held_count < OPENCL_HELD)
        buffer = opencl_buffer_create(w->device, bytes);
    if (!buffer) {
        opencl_wave_good(w, CL_MEM_OBJECT_ALLOCATION_FAILURE, "making room for a wave");
        return NULL;
    }
    w->held[w->held_count].buffer = buffer;
    w->held[w->held_count++].bytes = bytes;
    return buffer;
}

static cl_mem numbers_hold(struct opencl_wave *w, size_t count)
{
    return opencl_wave_hold(w, count * sizeof(wave_real));
}

static void numbers_clear(struct opencl_wave *w, cl_mem buffer, size_t count)
{
    const wave_real zero = 0;
    if (buffer && count > 0)
        opencl_wave_good(w,
                         w->device->cl->EnqueueFillBuffer(w->device->queue, buffer, &zero,
                                                          sizeof(zero), 0, count * sizeof(zero),
                                                          0, NULL, NULL),
                         "clearing a wave");
}

void opencl_wave_write(struct opencl_wave *w, cl_mem buffer, const void *from, size_t bytes)
{
    if (buffer && bytes > 0)
        opencl_wave_good(w,
                         w->device->cl->EnqueueWriteBuffer(w->device->queue, buffer, CL_TRUE, 0,
                                                           bytes, from, 0, NULL, NULL),
                         "taking a medium");
}

static void clear(struct wave *wave)
{
    struct opencl_wave *w = (struct opencl_wave *)wave;
    for (int part = 0; part < w->parts; part++)
        for (int i = 0; i < 2; i++)
            numbers_clear(w, w->on.field[part][i], w->size);
    numbers_clear(w, w->on.psi, w->memory);
    numbers_clear(w, w->on.zeta, w->memory);
}

/* What a wave has besides its medium. */
static void buffers_create(struct opencl_wave *w)
{
    struct opencl_buffers *on = &w->on;
    on->constants = opencl_wave_hold(w, sizeof(w->shape));
    for (int part = 0; part < w->parts; part++)
        for (int i = 0; i < 2; i++)
            on->field[part][i] = numbers_hold(w, w->size);
    on->psi = numbers_hold(w, w->memory);
    on->zeta = numbers_hold(w, w->memory);
    for (int axis = GRID_X; axis < GRID_AXES && w->law == OPENCL_DENSITY; axis++) {
        if (axis == GRID_Y && w->wave.grid.dims == 2)
            continue;
        on->flux[axis] = numbers_hold(w, w->size);
        numbers_clear(w, on->flux[axis], w->size);
    }
    for (int part = 0; part < OPENCL_PARTS && w->tilted; part++) {
        on->slope[part] = numbers_hold(w, w->size);
        numbers_clear(w, on->slope[part], w->size);
    }
    if (w->tilted) {
        on->slow = numbers_hold(w, w->size);
        numbers_clear(w, on->slow, w->size);
    }
    opencl_wave_write(w, on->constants, &w->shape, sizeof(w->shape));
}

static void destroy(struct wave *wave)
{
    struct opencl_wave *w = (struct opencl_wave *)wave;
    opencl_points_clear(w);
    for (int i = 0; i < OPENCL_KERNELS; i++)
        if (w->kernels[i])
            w->device->cl->ReleaseKernel(w->kernels[i]);
    for (size_t i = 0; i < w->held_count; i++)
        opencl_buffer_release(w->device, w->held[i].buffer, w->held[i].bytes);
    free(w);
}

/* Kernels, and the laws that have them. */
#define EVERY   (1u << OPENCL_LAWS) - 1
#define UPRIGHT (1u << OPENCL_ACOUSTIC | 1u << OPENCL_VTI)
#define DENSITY (1u << OPENCL_DENSITY)
#define TILTED  (1u << OPENCL_TTI)
#define PAIR    (1u << OPENCL_VTI | TILTED)
static const struct {
    const char *name;
    unsigned laws;
} kernels[OPENCL_KERNELS] = {
    [OPENCL_PSI_FORWARD] = {"psi_forward", UPRIGHT},
    [OPENCL_ZETA_TRANSPOSED] = {"zeta_transposed", UPRIGHT | DENSITY},
    [OPENCL_PSI_TRANSPOSED] = {"psi_transposed", UPRIGHT},
    [OPENCL_FIELD_STEP] = {"field_step", 1u << OPENCL_ACOUSTIC | DENSITY},
    [OPENCL_INJECT] = {"inject", EVERY},
    [OPENCL_SAMPLE] = {"sample", EVERY},
    [OPENCL_ILLUMINATE] = {"illuminate", EVERY},
    [OPENCL_SHELL_MOVE] = {"shell_move", EVERY},
    [OPENCL_INNER_MOVE] = {"inner_move", EVERY},
    [OPENCL_FLUXES] = {"fluxes", DENSITY},
    [OPENCL_SLOW_MAKE] = {"slow_make", TILTED},
    [OPENCL_TILT_DRIVE] = {"tilt_drive", TILTED},
    [OPENCL_SLOPES] = {"slopes", TILTED},
    [OPENCL_PAIR_STEP] = {"pair_step", PAIR},
};

static int kernels_create(struct opencl_wave *w, const struct layout *layout,
                          struct error *ret_error)
{
    bool fp64 = sizeof(wave_real) == sizeof(double);
    char options[256];
    if (fp64 && !w->device->fp64)
        return error_set(ret_error, ERROR_CONFIG, "the OpenCL device %s has no doubles",
                         w->device->about.name);
    snprintf(options, sizeof(options),
             "-cl-denorms-are-zero -DREAL=%s%s -DRADIUS=%d -DHALF=%d -DFLAT=%d -DSURFACE=%d "
             "-DDENSITY=%d -DPAIR=%d -DTILTED=%d -DMARCH=%d",
             fp64 ? "double" : "float", fp64 ? " -DFP64" : "", layout->radius, layout->half,
             w->wave.grid.dims == 2, w->wave.options.free_surface, w->law == OPENCL_DENSITY,
             w->pair, w->tilted, w->march);
    cl_program program = opencl_program(w->device, options, ret_error);
    if (!program)
        return -1;
    for (int i = 0; i < OPENCL_KERNELS; i++) {
        cl_int rc;
        if (!(kernels[i].laws & 1u << w->law))
            continue;
        w->kernels[i] = w->device->cl->CreateKernel(program, kernels[i].name, &rc);
        opencl_wave_good(w, rc, kernels[i].name);
    }
    return 0;
}

static int fill(struct opencl_wave *w, const struct wave_physics *physics,
                const struct wave_medium *medium, const struct layout *layout,
                struct error *ret_error)
{
    if (kernels_create(w, layout, ret_error) < 0)
        return -1;
    buffers_create(w);
    if (!w->failed && opencl_medium_init(w, physics, medium, layout, ret_error) < 0)
        return -1;
    clear(&w->wave);
    /* Drivers may have put off allocating until now. */
    if (!w->failed)
        opencl_wave_good(w, w->device->cl->Finish(w->device->queue), "making a wave");
    if (w->failed && ret_error)
        *ret_error = w->failure;
    w->made = !w->failed;
    return w->failed ? -1 : 0;
}

/* The processor's tables, in the order of laws. */
static const struct wave_physics *const processors[OPENCL_LAWS] = {
    &acoustic_physics, &density_physics, &vti_physics, &tti_physics};

static struct wave *create(enum opencl_law law, const struct wave_medium *medium,
                           const struct wave_options *options, struct error *ret_error)
{
    struct layout layout;
    struct opencl_wave *w = wave_shape(&medium->grid, options, law, &layout);
    if (!w) {
        error_set(ret_error, ERROR_CONFIG,
                  "%zu points and their absorbing layers are more than a wave on an OpenCL "
                  "device can have (2^31 numbers a field)",
                  grid_size(&medium->grid));
        return NULL;
    }
    if (fill(w, processors[law], medium, &layout, ret_error) < 0) {
        error_prefix(ret_error, "a wave of %.3g GB", (double)w->wave.memory_bytes * 1e-9);
        destroy(&w->wave);
        return NULL;
    }
    return &w->wave;
}

/* Fields and memory variables to or from a state, in one order. */
static void state_move(struct opencl_wave *w, void *state, bool out)
{
    const struct opencl_library *cl = w->device->cl;
    const struct opencl_span span = opencl_span_find(state);
    struct {
        cl_mem buffer;
        size_t count;
    } parts[2 * OPENCL_PARTS + 2];
    size_t count = 0;
    for (int part = 0; part < w->parts; part++) {
        parts[count].buffer = w->on.field[part][w->newest];
        parts[count++].count = w->size;
        parts[count].buffer = w->on.field[part][!w->newest];
        parts[count++].count = w->size;
    }
    parts[count].buffer = w->on.psi;
    parts[count++].count = w->memory;
    parts[count].buffer = w->on.zeta;
    parts[count++].count = w->memory;
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = parts[i].count * sizeof(wave_real), at = span.offset + done;
        cl_mem buffer = parts[i].buffer;
        cl_int rc = CL_SUCCESS;
        if (bytes > 0 && span.buffer)
            rc = cl->EnqueueCopyBuffer(w->device->queue, out ? buffer : span.buffer,
                                       out ? span.buffer : buffer, out ? 0 : at, out ? at : 0,
                                       bytes, 0, NULL, NULL);
        else if (bytes > 0 && out)
            rc = cl->EnqueueReadBuffer(w->device->queue, buffer, CL_TRUE, 0, bytes,
                                       span.memory + done, 0, NULL, NULL);
        else if (bytes > 0)
            rc = cl->EnqueueWriteBuffer(w->device->queue, buffer, CL_TRUE, 0, bytes,
                                        span.memory + done, 0, NULL, NULL);
        opencl_wave_good(w, rc, "saving or loading a wave");
        done += bytes;
    }
}

static void save(const struct wave *wave, void *state)
{
    state_move((struct opencl_wave *)wave, state, true);
}

static void load(struct wave *wave, const void *state)
{
    state_move((struct opencl_wave *)wave, (void *)state, false);
}

static void inner_save(const struct wave *wave, void *state)
{
    opencl_inner_move((struct opencl_wave *)wave, state, true);
}

static void inner_load(struct wave *wave, const void *state)
{
    opencl_inner_move((struct opencl_wave *)wave, (void *)state, false);
}

/* A box of a newest field: rows of n[2] from `first` on. */
static void box_read(struct opencl_wave *w, int part, const int first[3], const int n[3],
                     wave_real *to)
{
    const struct opencl_shape *s = &w->shape;
    size_t number = sizeof(wave_real), row = (size_t)n[2] * number;
    for (int ix = 0; ix < n[0]; ix++) {
        size_t at = (size_t)(s->base + (first[0] + ix) * s->stride[0] +
                             first[1] * s->stride[1] + first[2]);
        size_t from[3] = {at * number, 0, 0}, zero[3] = {0, 0, 0};
        size_t region[3] = {row, (size_t)n[1], 1};
        cl_int rc = w->device->cl->EnqueueReadBufferRect(
            w->device->queue, w->on.field[part][w->newest], CL_TRUE, from, zero, region,
            (size_t)s->stride[1] * number, 0, row, 0, to, 0, NULL, NULL);
        if (!opencl_wave_good(w, rc, "reading a field"))
            memset(to, 0xff, row * (size_t)n[1]); /* NANs */
        to += (size_t)n[1] * (size_t)n[2];
    }
}

static void field(const struct wave *wave, wave_real *ret_field)
{
    struct opencl_wave *w = (struct opencl_wave *)wave;
    for (int part = 0; part < w->parts; part++)
        box_read(w, part, w->shape.pad, w->shape.inner,
                 ret_field + (size_t)part * wave->points);
}

static double energy(const struct wave *wave)
{
    static const int corner[3] = {0, 0, 0};
    struct opencl_wave *w = (struct opencl_wave *)wave;
    wave_real *values = malloc(wave->padded * sizeof(*values));
    double sum = 0;
    if (!values) {
        opencl_wave_good(w, CL_OUT_OF_HOST_MEMORY, "reading a field");
        return (double)NAN;
    }
    for (int part = 0; part < w->parts; part++) {
        box_read(w, part, corner, w->shape.n, values);
        for (size_t i = 0; i < wave->padded; i++)
            sum += (double)values[i] * (double)values[i];
    }
    free(values);
    return sum;
}

static size_t memory_of(const struct grid *grid, const struct wave_options *options,
                        enum opencl_law law)
{
    struct layout layout;
    struct opencl_wave *w = wave_shape(grid, options, law, &layout);
    size_t bytes = w ? w->wave.memory_bytes : SIZE_MAX;
    free(w);
    return bytes;
}

static void *room_create(const struct wave *wave, size_t count, size_t bytes)
{
    return opencl_room_create(((const struct opencl_wave *)wave)->device, count, bytes);
}

static int check(const struct wave *wave, struct error *ret_error)
{
    const struct opencl_wave *w = (const struct opencl_wave *)wave;
    if (!w->failed)
        return opencl_check(w->device, ret_error);
    if (ret_error)
        *ret_error = w->failure;
    return -1;
}

#define MEMBERS(name, law)                                                                     \
    static struct wave *name##_create(const struct wave_medium *medium,                        \
                                      const struct wave_options *options,                      \
                                      struct error *ret_error)                                 \
    {                                                                                          \
        return create(law, medium, options, ret_error);                                        \
    }                                                                                          \
    static size_t name##_memory(const struct grid *grid, const struct wave_options *options)   \
    {                                                                                          \
        return memory_of(grid, options, law);                                                  \
    }
MEMBERS(acoustic, OPENCL_ACOUSTIC)
MEMBERS(density, OPENCL_DENSITY)
MEMBERS(vti, OPENCL_VTI)
MEMBERS(tti, OPENCL_TTI)

/* What the physics is, as the processor's table says it; all that is done is the device's, or not
 * there. */
static const struct wave_physics *table(enum opencl_law law, struct wave_physics *made)
{
    static struct wave *(*const creates[])(const struct wave_medium *,
                                           const struct wave_options *, struct error *) = {
        acoustic_create, density_create, vti_create, tti_create};
    static size_t (*const memories[])(const struct grid *, const struct wave_options *) = {
        acoustic_memory, density_memory, vti_memory, tti_memory};
    const struct wave_physics *there = processors[law];
    *made = (struct wave_physics){.name = there->name,
                                  .about = there->about,
                                  .needs = there->needs,
                                  .may_have = there->may_have,
                                  .dt_limit = there->dt_limit};
    made->create = creates[law];
    made->destroy = destroy;
    made->clear = clear;
    made->run = opencl_run;
    made->save = save;
    made->load = load;
    made->inner_save = inner_save;
    made->inner_load = inner_load;
    made->field = field;
    made->energy = energy;
    made->memory = memories[law];
    made->room_create = room_create;
    made->room_destroy = opencl_room_destroy;
    made->room_read = opencl_room_read;
    made->room_write = opencl_room_write;
    made->check = check;
    return made;
}

const struct wave_physics *opencl_physics(const struct wave_physics *physics,
                                          struct error *ret_error)
{
    static struct wave_physics tables[OPENCL_LAWS];
    for (int law = 0; law < OPENCL_LAWS; law++) {
        if (physics == &tables[law])
            return physics;
        if (physics == processors[law])
            return table((enum opencl_law)law, &tables[law]);
    }
    error_set(ret_error, ERROR_CONFIG,
              "physics \"%s\" is computed by processors alone: no OpenCL device knows it",
              physics->name);
    return NULL;
}
