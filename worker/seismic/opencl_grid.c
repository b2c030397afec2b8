/*
 * opencl_grid.c - how a wave's grid lies on a device, and what kernels are told of it.
 *
 * The grid and its layers are those of the processor's waves (layout.h, cpml.h); rows are laid out
 * anew, for work items that go along them.
 */
#include "config.h"

#include <limits.h>

#include "common/seismic/cfl.h"
#include "worker/seismic/cpml.h"
#include "worker/seismic/kernels.h"
#include "worker/seismic/opencl_private.h"

#define ROW_NUMBERS 32 /* rows begin on multiples of that: 128 bytes of floats */
#define MARCH       16

static int round_row(int n)
{
    return (n + ROW_NUMBERS - 1) / ROW_NUMBERS * ROW_NUMBERS;
}

/* How many points of a layer a step of the medium's grid reads, as acoustic.c has it: nearly two
 * stencils deep with density. */
static int reach_of(const struct opencl_wave *w, const struct layout *layout, int axis,
                    int side)
{
    int reach = layout->radius;
    return layout_reach(layout, axis, side, w->law == OPENCL_DENSITY ? 2 * reach - 1 : reach);
}

/* As acoustic_shell.c has them. */
static void shape_boxes(struct opencl_wave *w, const struct layout *layout)
{
    struct opencl_shape *s = &w->shape;
    for (int box = 0; box < OPENCL_BOXES; box++) {
        int axis = box / 2, side = box % 2;
        for (int other = GRID_X; other < GRID_AXES; other++) {
            s->box_first[box][other] = s->pad[other];
            s->box_n[box][other] = s->inner[other];
        }
        s->box_n[box][axis] = reach_of(w, layout, axis, side);
        s->box_first[box][axis] = s->pad[axis] + (side ? s->inner[axis] : -s->box_n[box][axis]);
        s->box_at[box] = s->shell;
        s->shell += s->box_n[box][0] * s->box_n[box][1] * s->box_n[box][2];
    }
}

/* Without a tilt q is differenced along z alone, whose boxes are the last ones, and p across. */
int opencl_shell_part(const struct opencl_wave *w, int part, int *ret_first)
{
    const struct opencl_shape *s = &w->shape;
    int across = w->law == OPENCL_VTI ? s->box_at[2 * GRID_Z] : s->shell;
    bool last = w->law == OPENCL_VTI && part == OPENCL_Q;
    *ret_first = last ? across : 0;
    return last ? s->shell - across : across;
}

/* Centred first differences: Lagrange's weights (anisotropic.c). */
static void first_weights(struct opencl_shape *s, int radius, int axis, double h)
{
    double ratio = 1;
    for (int k = 1; k <= radius; k++) {
        ratio *= (double)(radius - k + 1) / (radius + k);
        s->first[axis][k - 1] = (wave_real)((k % 2 ? ratio : -ratio) / k / h);
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
        first_weights(s, layout->radius, axis, h);
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

static int shape_make(struct opencl_wave *w, struct layout *layout)
{
    struct opencl_shape *s = &w->shape;
    const struct wave_options *o = &w->wave.options;
    const struct grid *grid = &w->wave.grid;
    layout_init(layout, grid, o->order / 2, o->absorb, o->free_surface);
    bool full = w->law == OPENCL_DENSITY || w->tilted;
    layout->half = full ? layout->radius : KERNELS_HALF(layout->radius);
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
    shape_boxes(w, layout);
    shape_weights(s, layout, grid);
    int memories = w->tilted ? OPENCL_TILTED_MEMORIES : 1;
    if (w->size > INT_MAX || memories * shape_memory(s, layout) > INT_MAX)
        return -1;
    w->memory = (size_t)(memories * s->memory[3]);
    return 0;
}

/* Columns of planes only where enough work items are left to keep every unit busy. */
static int march_choose(const struct opencl_wave *w)
{
    const struct opencl_about *about = &w->device->about;
    double wanted = (double)about->units * (about->gpu ? 4096 : 64);
    double columns = (double)w->shape.n[1] * w->shape.n[2];
    if (w->pair || w->wave.grid.dims == 2 || columns * ((double)w->shape.n[0] / MARCH) < wanted)
        return 1;
    return MARCH;
}

/* Buffers of a field's size that a wave has: its fields twice, V or M, and what is its law's
 * own. */
static size_t fields_of(const struct opencl_wave *w)
{
    size_t axes = (size_t)w->wave.grid.dims;
    switch (w->law) {
    case OPENCL_DENSITY:
        return 2 + 1 + 1 + axes; /* half of rho, fluxes */
    case OPENCL_VTI:
        return 4 + 3;
    case OPENCL_TTI:
        return 4 + 3 + axes + OPENCL_PARTS + 1; /* n, slopes, f */
    default:
        return 2 + 1;
    }
}

static void sizes_set(struct opencl_wave *w)
{
    size_t parts = (size_t)w->parts;
    w->wave.points = grid_size(&w->wave.grid);
    w->wave.snapshot_size = parts * w->wave.points;
    w->wave.image_row = w->wave.grid.n[GRID_Z];
    w->wave.padded = (size_t)w->shape.n[0] * (size_t)w->shape.n[1] * (size_t)w->shape.n[2];
    for (int part = 0, first; part < w->parts; part++)
        w->wave.shell_size += (size_t)opencl_shell_part(w, part, &first);
    if (w->tilted) /* and as many of slopes */
        w->wave.shell_size *= 2;
    w->wave.inner_bytes = 2 * w->wave.snapshot_size * sizeof(wave_real);
    w->wave.state_bytes = 2 * (parts * w->size + w->memory) * sizeof(wave_real);
    w->wave.memory_bytes =
        (fields_of(w) * w->size + 2 * w->memory) * sizeof(wave_real) + sizeof(*w);
}

int opencl_grid_init(struct opencl_wave *w, struct layout *ret_layout)
{
    if (shape_make(w, ret_layout) < 0)
        return -1;
    w->march = march_choose(w);
    sizes_set(w);
    return 0;
}
