/*
 * opencl_wave.c - waves on devices made, kept and ended; opencl_run.c advances them.
 *
 * The grid, its layers and their coefficients are those of the processor's waves (layout.h, cpml.h);
 * rows are laid out anew, for work items that go along them.
 */
#include "config.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/cfl.h"
#include "worker/seismic/cpml.h"
#include "worker/seismic/kernels.h"
#include "worker/seismic/opencl_private.h"
#include "worker/seismic/opencl_room.h"

#define ROW_NUMBERS 32 /* rows begin on multiples of that: 128 bytes of floats */
#define MARCH       16

static int round_row(int n)
{
    return (n + ROW_NUMBERS - 1) / ROW_NUMBERS * ROW_NUMBERS;
}

bool opencl_wave_good(struct opencl_wave *w, cl_int code, const char *what)
{
    char text[64];
    if (code == CL_SUCCESS)
        return true;
    if (!w->failed)
        error_set(&w->failure, ERROR_SYSTEM, "the OpenCL device %s failed at %s: %s",
                  w->device->about.name, what, opencl_error_print(code, text, sizeof(text)));
    w->failed = true;
    return false;
}

static void shape_boxes(struct opencl_shape *s, const struct layout *layout)
{
    for (int box = 0; box < OPENCL_BOXES; box++) {
        int axis = box / 2, side = box % 2, pad = layout->pad[axis][side];
        for (int other = GRID_X; other < GRID_AXES; other++) {
            s->box_first[box][other] = s->pad[other];
            s->box_n[box][other] = s->inner[other];
        }
        s->box_n[box][axis] = pad < layout->radius ? pad : layout->radius;
        s->box_first[box][axis] += side ? s->inner[axis] : -s->box_n[box][axis];
        s->box_at[box] = s->shell;
        s->shell += s->box_n[box][0] * s->box_n[box][1] * s->box_n[box][2];
    }
}

static void shape_weights(struct opencl_shape *s, const struct layout *layout,
                          const struct grid *grid)
{
    double centred[CFL_HALF_MAX + 1], staggered[CFL_HALF_MAX];
    cfl_centred_weights(2 * layout->radius, centred);
    cfl_staggered_weights(2 * layout->half, staggered);
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        double h = grid->spacing[axis];
        if (axis == GRID_Y && layout->flat)
            continue;
        for (int k = 0; k <= layout->radius; k++)
            s->second[axis][k] = (wave_real)(centred[k] / (h * h));
        for (int k = 0; k < layout->half; k++)
            s->halves[axis][k] = (wave_real)(staggered[k] / h);
    }
}

/* Memory variables of an axis: its places times the points of a plane across it. */
static double shape_memory(struct opencl_shape *s, const struct layout *layout)
{
    double total = 0, width_total = 0;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        double across = 1;
        for (int other = GRID_X; other < GRID_AXES; other++)
            across *= other == axis ? 1 : s->n[other];
        s->lo[axis] = cpml_width(layout->pad[axis][0], layout->half);
        s->hi[axis] = cpml_width(layout->pad[axis][1], layout->half);
        s->memory[axis] = (int)total;
        s->coefficient[axis] = (int)width_total;
        width_total += s->lo[axis] + s->hi[axis];
        total += across * (s->lo[axis] + s->hi[axis]);
        if (total > INT_MAX)
            return total;
    }
    s->memory[3] = (int)total;
    s->coefficient[3] = (int)width_total;
    return total;
}

/* -1: the grid has more points than an int counts. */
static int shape_make(struct opencl_wave *w, struct layout *layout)
{
    struct opencl_shape *s = &w->shape;
    const struct wave_options *o = &w->wave.options;
    const struct grid *grid = &w->wave.grid;
    layout_init(layout, grid, o->order / 2, o->absorb, o->free_surface);
    layout->half = w->density ? layout->radius : KERNELS_HALF(layout->radius);
    double padded = 1;
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        padded *= (double)(layout->n[axis] + 2 * (size_t)(layout->radius + ROW_NUMBERS));
    if (padded > INT_MAX)
        return -1;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        s->n[axis] = (int)layout->n[axis];
        s->pad[axis] = layout->pad[axis][0];
        s->inner[axis] = (int)grid->n[axis];
    }
    int reach = layout->radius;
    /* Between two rows: what is beyond the one, and the mirror above the other. */
    s->stride[2] = 1;
    s->stride[1] = round_row(s->n[2] + 2 * reach);
    s->stride[0] = s->stride[1] * (layout->flat ? 1 : s->n[1] + reach);
    s->base = reach * s->stride[0] + (layout->flat ? 0 : reach * s->stride[1]) + ROW_NUMBERS;
    w->size = (size_t)s->base + (size_t)(s->n[0] + reach) * (size_t)s->stride[0] +
              (size_t)(reach * s->stride[1]);
    s->scale = (wave_real)(-1 / (o->dt * o->dt));
    shape_boxes(s, layout);
    shape_weights(s, layout, grid);
    if (w->size > INT_MAX || shape_memory(s, layout) > INT_MAX)
        return -1;
    w->memory = (size_t)s->memory[3];
    return 0;
}

/* Columns of planes only where enough work items are left to keep every unit busy. */
static int march_choose(const struct opencl_wave *w)
{
    const struct opencl_about *about = &w->device->about;
    double wanted = (double)about->units * (about->gpu ? 4096 : 64);
    double columns = (double)w->shape.n[1] * w->shape.n[2];
    if (w->wave.grid.dims == 2 || columns * ((double)w->shape.n[0] / MARCH) < wanted)
        return 1;
    return MARCH;
}

static void sizes_set(struct opencl_wave *w)
{
    size_t fields = w->density ? 7 : 3;
    if (w->density && w->wave.grid.dims == 2)
        fields--;
    w->wave.points = w->wave.snapshot_size = grid_size(&w->wave.grid);
    w->wave.padded = (size_t)w->shape.n[0] * (size_t)w->shape.n[1] * (size_t)w->shape.n[2];
    w->wave.shell_size = (size_t)w->shape.shell;
    w->wave.state_bytes = 2 * (w->size + w->memory) * sizeof(wave_real);
    w->wave.memory_bytes = (fields * w->size + 2 * w->memory) * sizeof(wave_real) + sizeof(*w);
}

static struct opencl_wave *wave_shape(const struct grid *grid,
                                      const struct wave_options *options, bool density,
                                      struct layout *layout)
{
    struct opencl_wave *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->wave.grid = *grid;
    w->wave.options = *options;
    w->device = options->device;
    w->density = density;
    if (shape_make(w, layout) < 0) {
        free(w);
        return NULL;
    }
    w->march = march_choose(w);
    sizes_set(w);
    return w;
}

static size_t memory_of(const struct grid *grid, const struct wave_options *options,
                        bool density)
{
    struct layout layout;
    struct opencl_wave *w = wave_shape(grid, options, density, &layout);
    size_t bytes = w ? w->wave.memory_bytes : SIZE_MAX;
    free(w);
    return bytes;
}

static size_t acoustic_memory(const struct grid *grid, const struct wave_options *options)
{
    return memory_of(grid, options, false);
}

static size_t density_memory(const struct grid *grid, const struct wave_options *options)
{
    return memory_of(grid, options, true);
}

static cl_mem numbers_create(struct opencl_wave *w, size_t count)
{
    cl_mem buffer = opencl_buffer_create(w->device, count * sizeof(wave_real));
    if (!buffer)
        opencl_wave_good(w, CL_MEM_OBJECT_ALLOCATION_FAILURE, "making room for a wave");
    return buffer;
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

static void numbers_write(struct opencl_wave *w, cl_mem buffer, const void *from, size_t bytes)
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
    numbers_clear(w, w->field[0], w->size);
    numbers_clear(w, w->field[1], w->size);
    numbers_clear(w, w->psi, w->memory);
    numbers_clear(w, w->zeta, w->memory);
}

static void buffers_create(struct opencl_wave *w)
{
    size_t fluxes = w->density ? GRID_AXES : 0;
    w->constants = opencl_buffer_create(w->device, sizeof(w->shape));
    w->coefficients = numbers_create(w, 4 * (size_t)w->shape.coefficient[3] + 1);
    w->field[0] = numbers_create(w, w->size);
    w->field[1] = numbers_create(w, w->size);
    w->v = numbers_create(w, w->size);
    w->psi = numbers_create(w, w->memory);
    w->zeta = numbers_create(w, w->memory);
    if (w->density)
        w->half_rho = numbers_create(w, w->size);
    for (size_t i = 0; i < fluxes; i++) {
        if (i == GRID_Y && w->wave.grid.dims == 2)
            continue;
        w->flux[i] = numbers_create(w, w->size);
        numbers_clear(w, w->flux[i], w->size);
    }
    if (!w->constants)
        opencl_wave_good(w, CL_MEM_OBJECT_ALLOCATION_FAILURE, "making room for a wave");
    numbers_write(w, w->constants, &w->shape, sizeof(w->shape));
}

static void destroy(struct wave *wave)
{
    struct opencl_wave *w = (struct opencl_wave *)wave;
    size_t field = w->size * sizeof(wave_real), memory = w->memory * sizeof(wave_real);
    opencl_points_clear(w);
    for (int i = 0; i < OPENCL_KERNELS; i++)
        if (w->kernels[i])
            w->device->cl->ReleaseKernel(w->kernels[i]);
    opencl_buffer_release(w->device, w->constants, sizeof(w->shape));
    opencl_buffer_release(w->device, w->coefficients,
                          (4 * (size_t)w->shape.coefficient[3] + 1) * sizeof(wave_real));
    opencl_buffer_release(w->device, w->field[0], field);
    opencl_buffer_release(w->device, w->field[1], field);
    opencl_buffer_release(w->device, w->v, field);
    opencl_buffer_release(w->device, w->psi, memory);
    opencl_buffer_release(w->device, w->zeta, memory);
    opencl_buffer_release(w->device, w->half_rho, field);
    for (int i = 0; i < GRID_AXES; i++)
        opencl_buffer_release(w->device, w->flux[i], field);
    free(w);
}

static double velocity_max(const struct wave_medium *medium)
{
    float most = 0;
    for (size_t i = 0; i < grid_size(&medium->grid); i++)
        most = medium->vp[i] > most ? medium->vp[i] : most;
    return most;
}

static void coefficients_write(struct opencl_wave *w, const struct wave_medium *medium,
                               const struct layout *layout)
{
    size_t places = (size_t)w->shape.coefficient[3];
    const struct cpml_tuning tuning = {
        .dt = w->wave.options.dt,
        .velocity_max = velocity_max(medium),
        .frequency = w->wave.options.frequency,
    };
    struct cpml *cpml = calloc(1, sizeof(*cpml));
    wave_real *all = calloc(4 * places + 1, sizeof(*all));
    for (int axis = GRID_X; cpml && all && axis < GRID_AXES; axis++) {
        wave_real *to = all + w->shape.coefficient[axis];
        cpml_init(cpml, layout, (enum grid_axis)axis, medium->grid.spacing[axis], &tuning);
        for (int side = 0; side < 2; side++) {
            for (int j = 0; j < cpml->width[side]; j++, to++) {
                to[0] = cpml->psi_a[side][j];
                to[places] = cpml->psi_b[side][j];
                to[2 * places] = cpml->zeta_a[side][j];
                to[3 * places] = cpml->zeta_b[side][j];
            }
        }
    }
    if (cpml && all)
        numbers_write(w, w->coefficients, all, (4 * places + 1) * sizeof(*all));
    else
        opencl_wave_good(w, CL_OUT_OF_HOST_MEMORY, "taking a medium");
    free(cpml);
    free(all);
}

/* The medium's point that padded point i is, or continues. */
static size_t clamp(const struct opencl_shape *s, int axis, int i)
{
    int at = i - s->pad[axis];
    return (size_t)(at < 0 ? 0 : at < s->inner[axis] ? at : s->inner[axis] - 1);
}

/* V, or half of rho (1 around the grid, as density.c has it), to a row of the padded grid. */
static void medium_row(const struct opencl_wave *w, const struct wave_medium *medium,
                       bool half_rho, int ix, int iy, wave_real *row)
{
    const struct opencl_shape *s = &w->shape;
    double dt = w->wave.options.dt;
    size_t from =
        (clamp(s, 0, ix) * (size_t)s->inner[1] + clamp(s, 1, iy)) * (size_t)s->inner[2];
    for (int iz = 0; iz < s->n[2]; iz++) {
        size_t i = from + clamp(s, 2, iz);
        double c = medium->vp[i], rho = medium->rho ? medium->rho[i] : 1;
        row[iz] = (wave_real)(half_rho ? rho / 2 : dt * dt * rho * c * c);
    }
}

static void medium_write(struct opencl_wave *w, const struct wave_medium *medium, bool half_rho)
{
    const struct opencl_shape *s = &w->shape;
    wave_real *values = calloc(w->size, sizeof(*values));
    if (!values) {
        opencl_wave_good(w, CL_OUT_OF_HOST_MEMORY, "taking a medium");
        return;
    }
    for (size_t i = 0; half_rho && i < w->size; i++)
        values[i] = 1;
    for (int ix = 0; ix < s->n[0]; ix++)
        for (int iy = 0; iy < s->n[1]; iy++)
            medium_row(w, medium, half_rho, ix, iy,
                       values + s->base + ix * s->stride[0] + iy * s->stride[1]);
    numbers_write(w, half_rho ? w->half_rho : w->v, values, w->size * sizeof(*values));
    free(values);
}

static int kernels_create(struct opencl_wave *w, struct error *ret_error)
{
    static const char *const names[OPENCL_KERNELS] = {
        [OPENCL_PSI_FORWARD] = "psi_forward",
        [OPENCL_ZETA_TRANSPOSED] = "zeta_transposed",
        [OPENCL_PSI_TRANSPOSED] = "psi_transposed",
        [OPENCL_FIELD_STEP] = "field_step",
        [OPENCL_INJECT] = "inject",
        [OPENCL_SAMPLE] = "sample",
        [OPENCL_ILLUMINATE] = "illuminate",
        [OPENCL_SHELL_MOVE] = "shell_move",
        [OPENCL_FLUXES] = "fluxes",
    };
    bool fp64 = sizeof(wave_real) == sizeof(double);
    int radius = w->wave.options.order / 2;
    char options[256];
    if (fp64 && !w->device->fp64)
        return error_set(ret_error, ERROR_CONFIG, "the OpenCL device %s has no doubles",
                         w->device->about.name);
    snprintf(options, sizeof(options),
             "-cl-denorms-are-zero -DREAL=%s%s -DRADIUS=%d -DHALF=%d -DFLAT=%d -DSURFACE=%d "
             "-DDENSITY=%d -DMARCH=%d",
             fp64 ? "double" : "float", fp64 ? " -DFP64" : "", radius,
             w->density ? radius : KERNELS_HALF(radius), w->wave.grid.dims == 2,
             w->wave.options.free_surface, w->density, w->march);
    cl_program program = opencl_program(w->device, options, ret_error);
    if (!program)
        return -1;
    for (int i = 0; i < OPENCL_KERNELS; i++) {
        cl_int rc;
        if (i == OPENCL_FLUXES && !w->density)
            continue;
        w->kernels[i] = w->device->cl->CreateKernel(program, names[i], &rc);
        opencl_wave_good(w, rc, names[i]);
    }
    return 0;
}

static int fill(struct opencl_wave *w, const struct wave_medium *medium,
                const struct layout *layout, struct error *ret_error)
{
    if (kernels_create(w, ret_error) < 0)
        return -1;
    buffers_create(w);
    if (!w->failed) {
        coefficients_write(w, medium, layout);
        medium_write(w, medium, false);
        if (w->density)
            medium_write(w, medium, true);
        clear(&w->wave);
        /* Drivers may have put off allocating until now. */
        opencl_wave_good(w, w->device->cl->Finish(w->device->queue), "making a wave");
    }
    if (w->failed && ret_error)
        *ret_error = w->failure;
    return w->failed ? -1 : 0;
}

static struct wave *create(const struct wave_medium *medium, const struct wave_options *options,
                           struct error *ret_error)
{
    struct layout layout;
    struct opencl_wave *w = wave_shape(&medium->grid, options, medium->rho != NULL, &layout);
    if (!w) {
        error_set(ret_error, ERROR_CONFIG,
                  "%zu points and their absorbing layers are more than a wave on an OpenCL "
                  "device can have (2^31 numbers a field)",
                  grid_size(&medium->grid));
        return NULL;
    }
    if (fill(w, medium, &layout, ret_error) < 0) {
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
    const struct {
        cl_mem buffer;
        size_t count;
    } parts[] = {{w->field[w->newest], w->size},
                 {w->field[!w->newest], w->size},
                 {w->psi, w->memory},
                 {w->zeta, w->memory}};
    size_t done = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
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

/* A box of the newest field: rows of n[2] from `first` on. */
static void box_read(struct opencl_wave *w, const int first[3], const int n[3], wave_real *to)
{
    const struct opencl_shape *s = &w->shape;
    size_t number = sizeof(wave_real), row = (size_t)n[2] * number;
    for (int ix = 0; ix < n[0]; ix++) {
        size_t at = (size_t)(s->base + (first[0] + ix) * s->stride[0] +
                             first[1] * s->stride[1] + first[2]);
        size_t from[3] = {at * number, 0, 0}, zero[3] = {0, 0, 0};
        size_t region[3] = {row, (size_t)n[1], 1};
        cl_int rc = w->device->cl->EnqueueReadBufferRect(
            w->device->queue, w->field[w->newest], CL_TRUE, from, zero, region,
            (size_t)s->stride[1] * number, 0, row, 0, to, 0, NULL, NULL);
        if (!opencl_wave_good(w, rc, "reading a field"))
            memset(to, 0xff, row * (size_t)n[1]); /* NANs */
        to += (size_t)n[1] * (size_t)n[2];
    }
}

static void field(const struct wave *wave, wave_real *ret_field)
{
    struct opencl_wave *w = (struct opencl_wave *)wave;
    box_read(w, w->shape.pad, w->shape.inner, ret_field);
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
    box_read(w, corner, w->shape.n, values);
    for (size_t i = 0; i < wave->padded; i++)
        sum += (double)values[i] * (double)values[i];
    free(values);
    return sum;
}

static void *room_create(const struct wave *wave, size_t count, size_t bytes)
{
    return opencl_room_create(((const struct opencl_wave *)wave)->device, count, bytes);
}

static int check(const struct wave *wave, struct error *ret_error)
{
    const struct opencl_wave *w = (const struct opencl_wave *)wave;
    if (w->failed && ret_error)
        *ret_error = w->failure;
    return w->failed ? -1 : 0;
}

/* The processor's table, with what is done elsewhere in its place. */
static const struct wave_physics *
table(const struct wave_physics *physics, struct wave_physics *made,
      size_t (*memory)(const struct grid *, const struct wave_options *))
{
    *made = *physics;
    made->create = create;
    made->destroy = destroy;
    made->clear = clear;
    made->run = opencl_run;
    made->save = save;
    made->load = load;
    made->field = field;
    made->energy = energy;
    made->memory = memory;
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
    static struct wave_physics acoustic, density;
    if (physics == &acoustic || physics == &density)
        return physics;
    if (strcmp(physics->name, "acoustic") == 0)
        return table(physics, &acoustic, acoustic_memory);
    if (strcmp(physics->name, "density") == 0)
        return table(physics, &density, density_memory);
    error_set(
        ret_error, ERROR_CONFIG,
        "physics \"%s\" is computed by processors alone: OpenCL devices know \"acoustic\" "
        "and \"density\"",
        physics->name);
    return NULL;
}
