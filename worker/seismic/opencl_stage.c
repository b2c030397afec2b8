/*
 * opencl_stage.c - what a step consists of: kernels, one after the other, and their arguments.
 *
 * Steps of the medium's grid alone go over its points, and over those around from which they make
 * fluxes or slopes; what is in the layers beyond stays as it is, and is not read.
 */
#include "config.h"

#include "worker/seismic/opencl_runner.h"
#include "worker/seismic/points.h"

/* As in opencl_kernels.cl. */
#define SNAPSHOT 1
#define SCATTER  2
#define IMAGE    4
#define LANES    32

#define ROW_PART 8 /* numbers of a row that memory brings together: 32 bytes of floats */

/* A kernel's arguments, set one after the other. */
struct call {
    struct opencl_wave *w;
    cl_kernel kernel;
    cl_uint next;
};

static void put(struct call *call, const void *value, size_t size)
{
    opencl_wave_good(call->w,
                     call->w->device->cl->SetKernelArg(call->kernel, call->next++, size, value),
                     "an argument");
}

static void put_buffer(struct call *call, cl_mem buffer)
{
    put(call, &buffer, sizeof(buffer));
}

static void put_int(struct call *call, cl_int value)
{
    put(call, &value, sizeof(value));
}

/* A row of an array, or something in its place where there is none. */
static void put_row(struct call *call, const struct opencl_runner *r, enum opencl_array which,
                    size_t row)
{
    const struct opencl_rows *rows = &r->rows[which];
    cl_ulong at = 0;
    put_buffer(call, rows->array ? opencl_rows_at(rows, row, &at) : call->w->on.coefficients);
    put(call, &at, sizeof(at));
}

static struct call call_begin(struct opencl_wave *w, enum opencl_kernel kernel)
{
    struct call call = {.w = w, .kernel = w->kernels[kernel]};
    put_buffer(&call, w->on.constants);
    return call;
}

static void call_enqueue(struct call *call, const size_t offset[3], const size_t global[3],
                         const size_t local[3])
{
    opencl_wave_good(call->w,
                     call->w->device->cl->EnqueueNDRangeKernel(call->w->device->queue,
                                                               call->kernel, 3, offset, global,
                                                               local, 0, NULL, NULL),
                     "a step");
}

static void call_end(struct call *call, const size_t global[3], const size_t local[3])
{
    call_enqueue(call, NULL, global, local);
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* A list of items. */
static void call_list(struct call *call, size_t count)
{
    const size_t local[3] = {128, 1, 1}, global[3] = {round_up(count, 128), 1, 1};
    if (count > 0)
        call_end(call, global, local);
}

/* Points of the padded grid, or of another one. */
struct range {
    int first[GRID_AXES], n[GRID_AXES];
};

/* Rows of z, y and x. */
static void call_range(struct call *call, const struct range *range)
{
    const int *first = range->first, *n = range->n;
    bool flat = n[GRID_Y] == 1;
    const size_t local[3] = {32, flat ? 1 : 4, flat ? 4 : 1};
    const size_t offset[3] = {(size_t)first[GRID_Z], (size_t)first[GRID_Y],
                              (size_t)first[GRID_X]};
    const size_t global[3] = {round_up((size_t)n[GRID_Z], local[0]),
                              round_up((size_t)n[GRID_Y], local[1]),
                              round_up((size_t)n[GRID_X], local[2])};
    call_enqueue(call, offset, global, local);
}

static void call_grid(struct call *call, const int n[3])
{
    const struct range all = {.n = {n[GRID_X], n[GRID_Y], n[GRID_Z]}};
    call_range(call, &all);
}

/* What a step computes: all points, or those of the medium's grid and so many around them. */
static struct range range_of(const struct opencl_runner *r, int around)
{
    const struct opencl_shape *s = &r->w->shape;
    struct range range = {.n = {s->n[GRID_X], s->n[GRID_Y], s->n[GRID_Z]}};
    if (r->mode != OPENCL_INNER || !r->rows[ROWS_SHELLS].array)
        return range;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        int first = s->pad[axis] - around, end = s->pad[axis] + s->inner[axis] + around;
        first = first < 0 ? 0 : axis == GRID_Z ? first / ROW_PART * ROW_PART : first;
        end = end < s->n[axis] ? end : s->n[axis];
        range.first[axis] = first;
        range.n[axis] = end - first;
    }
    return range;
}

static cl_mem newest(const struct opencl_wave *w, int part)
{
    return w->on.field[part][w->newest];
}

static cl_mem oldest(const struct opencl_wave *w, int part)
{
    return w->on.field[part][!w->newest];
}

/* A buffer, or something in its place that a kernel takes and does not touch. */
static void put_any(struct call *call, cl_mem buffer)
{
    put_buffer(call, buffer ? buffer : call->w->on.coefficients);
}

/* Both fields of a pair, newest and oldest, and the squared velocities that both steps take. */
static void put_pair(struct call *call)
{
    const struct opencl_wave *w = call->w;
    put_buffer(call, newest(w, OPENCL_Q));
    put_buffer(call, newest(w, OPENCL_P));
    put_buffer(call, oldest(w, OPENCL_Q));
    put_buffer(call, oldest(w, OPENCL_P));
    put_buffer(call, w->on.v);
    put_buffer(call, w->on.cross);
}

/* f of tilted layers, the first of their stages. */
static void slow_stage(struct opencl_wave *w)
{
    struct call call = call_begin(w, OPENCL_SLOW_MAKE);
    put_pair(&call);
    put_buffer(&call, w->on.stiff);
    put_buffer(&call, w->on.slow);
    call_grid(&call, w->shape.n);
}

/* A stage of memory variables: `other` is zeta where psi is made of it. */
static void memory_stage(struct opencl_wave *w, enum opencl_kernel kernel, cl_mem memory,
                         cl_mem other)
{
    struct call call = call_begin(w, kernel);
    put_buffer(&call, newest(w, OPENCL_Q));
    put_any(&call, newest(w, OPENCL_P));
    if (w->tilted)
        put_buffer(&call, w->on.slow);
    put_buffer(&call, memory);
    if (other)
        put_buffer(&call, other);
    put_buffer(&call, w->on.coefficients);
    call_list(&call, w->memory);
}

static void memory_stages(struct opencl_runner *r)
{
    struct opencl_wave *w = r->w;
    bool transposed = r->mode == OPENCL_TRANSPOSED;
    if (r->mode == OPENCL_INNER)
        return;
    if (w->tilted && w->wave.options.absorb > 0)
        slow_stage(w);
    if (w->memory == 0)
        return;
    if (w->tilted) {
        if (transposed)
            memory_stage(w, OPENCL_TILT_DRIVE, w->on.psi, NULL);
        return;
    }
    if (transposed)
        memory_stage(w, OPENCL_ZETA_TRANSPOSED, w->on.zeta, NULL);
    if (w->law == OPENCL_DENSITY)
        return;
    if (transposed)
        memory_stage(w, OPENCL_PSI_TRANSPOSED, w->on.psi, w->on.zeta);
    else
        memory_stage(w, OPENCL_PSI_FORWARD, w->on.psi, NULL);
}

static void put_axes(struct call *call, const cl_mem buffers[GRID_AXES])
{
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        put_any(call, buffers[axis]);
}

static void flux_stage(struct opencl_runner *r)
{
    struct opencl_wave *w = r->w;
    if (w->law != OPENCL_DENSITY)
        return;
    struct call call = call_begin(w, OPENCL_FLUXES);
    put_int(&call, r->mode);
    put_buffer(&call, newest(w, OPENCL_Q));
    put_buffer(&call, w->on.half_rho);
    put_buffer(&call, w->on.psi);
    put_buffer(&call, w->on.zeta);
    put_buffer(&call, w->on.coefficients);
    put_axes(&call, w->on.flux);
    struct range range = range_of(r, w->wave.options.order / 2);
    call_range(&call, &range);
}

static void slope_stage(struct opencl_runner *r)
{
    struct opencl_wave *w = r->w;
    if (!w->tilted)
        return;
    struct call call = call_begin(w, OPENCL_SLOPES);
    put_int(&call, r->mode);
    put_buffer(&call, newest(w, OPENCL_Q));
    put_buffer(&call, newest(w, OPENCL_P));
    put_buffer(&call, w->on.slow);
    put_axes(&call, w->on.axis);
    put_buffer(&call, w->on.psi);
    put_buffer(&call, w->on.zeta);
    put_buffer(&call, w->on.coefficients);
    put_buffer(&call, w->on.slope[OPENCL_Q]);
    put_buffer(&call, w->on.slope[OPENCL_P]);
    struct range range = range_of(r, 0);
    call_range(&call, &range);
}

/* What the last stage of step k does beside stepping. */
static int extras_of(const struct opencl_runner *r, size_t k)
{
    const struct opencl_rows *rows = r->rows;
    int extras = 0;
    if (k % r->every)
        return 0;
    if (rows[ROWS_SNAPSHOTS].array)
        extras |= SNAPSHOT;
    if (rows[ROWS_SCATTERED].array)
        extras |= rows[ROWS_IMAGE].array ? IMAGE : SCATTER;
    return extras;
}

/* The arrays that the last stage of step k reads and writes. */
static void put_extras(struct call *call, const struct opencl_runner *r, size_t k, int extras)
{
    size_t turn = k / r->every;
    put_row(call, r, ROWS_SNAPSHOTS, extras ? turn : r->rows[ROWS_SNAPSHOTS].first);
    put_row(call, r, ROWS_SCATTERED, extras ? turn : r->rows[ROWS_SCATTERED].first);
    put_row(call, r, ROWS_DM, 0);
    put_row(call, r, ROWS_IMAGE, 0);
}

static void field_stage(struct opencl_runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    struct call call = call_begin(w, OPENCL_FIELD_STEP);
    int extras = extras_of(r, k);
    put_int(&call, r->mode);
    put_int(&call, extras);
    put_buffer(&call, newest(w, OPENCL_Q));
    put_buffer(&call, oldest(w, OPENCL_Q));
    put_buffer(&call, w->on.v);
    put_buffer(&call, w->on.psi);
    put_buffer(&call, w->on.zeta);
    put_buffer(&call, w->on.coefficients);
    put_any(&call, w->on.half_rho);
    put_axes(&call, w->on.flux);
    put_extras(&call, r, k, extras);
    struct range range = range_of(r, 0);
    int end = (range.first[GRID_X] + range.n[GRID_X] + w->march - 1) / w->march;
    range.first[GRID_X] /= w->march;
    range.n[GRID_X] = end - range.first[GRID_X];
    call_range(&call, &range);
}

static void pair_stage(struct opencl_runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    struct call call = call_begin(w, OPENCL_PAIR_STEP);
    int extras = extras_of(r, k);
    put_int(&call, r->mode);
    put_int(&call, extras);
    put_pair(&call);
    put_buffer(&call, w->on.own);
    put_buffer(&call, w->on.psi);
    put_buffer(&call, w->on.zeta);
    put_buffer(&call, w->on.coefficients);
    put_axes(&call, w->on.axis);
    put_any(&call, w->on.slope[OPENCL_Q]);
    put_any(&call, w->on.slope[OPENCL_P]);
    put_any(&call, w->on.slow);
    put_any(&call, w->on.stiff);
    put_extras(&call, r, k, extras);
    struct range range = range_of(r, 0);
    call_range(&call, &range);
}

static void inject(struct opencl_runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    if (!r->rows[ROWS_INJECTED].array || r->inject->inject.count == 0)
        return;
    const struct opencl_cells *cells = &r->inject->inject;
    int extras = r->mode == OPENCL_TRANSPOSED ? 0 : extras_of(r, k) & SNAPSHOT;
    struct call call = call_begin(w, OPENCL_INJECT);
    put_int(&call, (cl_int)cells->count);
    put_buffer(&call, cells->first);
    put_buffer(&call, cells->where);
    put_buffer(&call, cells->place);
    put_buffer(&call, cells->weight);
    put_row(&call, r, ROWS_INJECTED, k);
    put_buffer(&call, w->on.v);
    put_buffer(&call, newest(w, OPENCL_Q));
    put_any(&call, w->on.cross);
    put_any(&call, newest(w, OPENCL_P));
    put_int(&call, extras);
    put_row(&call, r, ROWS_SNAPSHOTS, extras ? k / r->every : r->rows[ROWS_SNAPSHOTS].first);
    call_list(&call, cells->count);
}

static void sample(struct opencl_runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    if (!r->rows[ROWS_SAMPLED].array || r->sample->sample.count == 0)
        return;
    const struct opencl_cells *cells = &r->sample->sample;
    struct call call = call_begin(w, OPENCL_SAMPLE);
    put_int(&call, (cl_int)cells->count);
    put_buffer(&call, cells->first);
    put_buffer(&call, cells->where);
    put_buffer(&call, cells->weight);
    put_buffer(&call, newest(w, OPENCL_Q));
    put_row(&call, r, ROWS_SAMPLED, k);
    const size_t local[3] = {LANES, 1, 1}, global[3] = {LANES * cells->count, 1, 1};
    call_end(&call, global, local);
}

static void illuminate(struct opencl_runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    if (!r->rows[ROWS_ILLUMINATION].array || k % r->every)
        return;
    struct call call = call_begin(w, OPENCL_ILLUMINATE);
    put_buffer(&call, newest(w, OPENCL_Q));
    put_row(&call, r, ROWS_ILLUMINATION, 0);
    call_grid(&call, w->shape.inner);
}

/* Fields, or slopes, to the shell of step k, or from it: acoustic_shell.c says in which order. */
static void shell(struct opencl_runner *r, size_t k, bool slopes)
{
    struct opencl_wave *w = r->w;
    const struct opencl_rows *rows = &r->rows[ROWS_SHELLS];
    if (!rows->array || w->shape.shell == 0 || (slopes && !w->tilted))
        return;
    cl_ulong at = 0;
    cl_mem shells = opencl_rows_at(rows, k, &at);
    if (slopes)
        at += w->wave.shell_size / 2;
    for (int part = 0; part < w->parts; part++) {
        int first, count = opencl_shell_part(w, part, &first);
        struct call call = call_begin(w, OPENCL_SHELL_MOVE);
        put_buffer(&call, slopes ? w->on.slope[part] : newest(w, part));
        put_buffer(&call, shells);
        put(&call, &at, sizeof(at));
        put_int(&call, first);
        put_int(&call, count);
        put_int(&call, r->mode == OPENCL_INNER);
        call_list(&call, (size_t)count);
        at += (cl_ulong)count;
    }
}

void opencl_step(struct opencl_runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    shell(r, k, false);
    memory_stages(r);
    flux_stage(r);
    slope_stage(r);
    shell(r, k, true);
    if (w->pair)
        pair_stage(r, k);
    else
        field_stage(r, k);
    w->newest = !w->newest;
}

void opencl_events(struct opencl_runner *r, size_t k)
{
    inject(r, k);
    sample(r, k);
    illuminate(r, k);
}

void opencl_inner_move(struct opencl_wave *w, void *state, bool out)
{
    struct opencl_rows rows = {.device = w->device,
                               .array = state,
                               .row_bytes = w->wave.inner_bytes,
                               .reads = !out,
                               .writes = out};
    if (!opencl_wave_good(w, opencl_rows_open(&rows, 0, 1), "room for a state"))
        return;
    cl_ulong at = 0;
    cl_mem buffer = opencl_rows_at(&rows, 0, &at);
    for (int i = 0; i < 2 * w->parts; i++, at += (cl_ulong)w->wave.points) {
        struct call call = call_begin(w, OPENCL_INNER_MOVE);
        put_buffer(&call, i % 2 ? oldest(w, i / 2) : newest(w, i / 2));
        put_buffer(&call, buffer);
        put(&call, &at, sizeof(at));
        put_int(&call, !out);
        call_grid(&call, w->shape.inner);
    }
    opencl_wave_good(w, opencl_rows_close(&rows), "saving or loading a wave");
}
