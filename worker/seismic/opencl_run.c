/*
 * opencl_run.c - steps, asked for one after the other; the device does them in order.
 *
 * Nothing is waited for within a run: arguments are set, kernels are put into the queue, and the device
 * is some steps behind. Rows of arrays that live in the program's memory travel before and after; where
 * they are more than STAGE_BYTES, the run is taken in parts.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "worker/seismic/opencl_private.h"
#include "worker/seismic/opencl_room.h"
#include "worker/seismic/points.h"

#define STAGE_BYTES ((size_t)256 << 20)
#define FLUSH_STEPS 16 /* so long the device may wait to be told of work */

/* As in opencl_kernels.cl. */
#define SNAPSHOT 1
#define SCATTER  2
#define IMAGE    4
#define LANES    32

enum mode { FORWARD, TRANSPOSED, BACKWARD };

enum rows {
    ROWS_INJECTED,
    ROWS_SAMPLED,
    ROWS_SNAPSHOTS,
    ROWS_SCATTERED,
    ROWS_SHELLS,
    ROWS_DM, /* these have one row */
    ROWS_IMAGE,
    ROWS_ILLUMINATION,
    ROWS_COUNT,
};

struct runner {
    struct opencl_wave *w;
    const struct wave_run *run;
    enum mode mode;
    size_t every;
    const struct opencl_points *inject, *sample;
    struct opencl_rows rows[ROWS_COUNT];
};

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
static void put_row(struct call *call, const struct runner *r, enum rows which, size_t row)
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

static void call_end(struct call *call, const size_t global[3], const size_t local[3])
{
    opencl_wave_good(call->w,
                     call->w->device->cl->EnqueueNDRangeKernel(call->w->device->queue,
                                                               call->kernel, 3, NULL, global,
                                                               local, 0, NULL, NULL),
                     "a step");
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

/* Rows of z, y and x. */
static void call_grid(struct call *call, const int n[3])
{
    bool flat = n[1] == 1;
    const size_t local[3] = {32, flat ? 1 : 4, flat ? 4 : 1};
    const size_t global[3] = {round_up((size_t)n[2], local[0]),
                              round_up((size_t)n[1], local[1]),
                              round_up((size_t)n[0], local[2])};
    call_end(call, global, local);
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

static void memory_stages(struct runner *r)
{
    struct opencl_wave *w = r->w;
    bool transposed = r->mode == TRANSPOSED;
    if (r->mode == BACKWARD)
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

static void flux_stage(struct runner *r)
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
    call_grid(&call, w->shape.n);
}

static void slope_stage(struct runner *r)
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
    call_grid(&call, w->shape.n);
}

/* What the last stage of step k does beside stepping. */
static int extras_of(const struct runner *r, size_t k)
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
static void put_extras(struct call *call, const struct runner *r, size_t k, int extras)
{
    size_t turn = k / r->every;
    put_row(call, r, ROWS_SNAPSHOTS, extras ? turn : r->rows[ROWS_SNAPSHOTS].first);
    put_row(call, r, ROWS_SCATTERED, extras ? turn : r->rows[ROWS_SCATTERED].first);
    put_row(call, r, ROWS_DM, 0);
    put_row(call, r, ROWS_IMAGE, 0);
}

static void field_stage(struct runner *r, size_t k)
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
    int march = w->march;
    const int n[3] = {(w->shape.n[0] + march - 1) / march, w->shape.n[1], w->shape.n[2]};
    call_grid(&call, n);
}

static void pair_stage(struct runner *r, size_t k)
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
    call_grid(&call, w->shape.n);
}

static void inject(struct runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    if (!r->rows[ROWS_INJECTED].array || r->inject->inject.count == 0)
        return;
    const struct opencl_cells *cells = &r->inject->inject;
    int extras = r->mode == TRANSPOSED ? 0 : extras_of(r, k) & SNAPSHOT;
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

static void sample(struct runner *r, size_t k)
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

static void illuminate(struct runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    if (!r->rows[ROWS_ILLUMINATION].array || k % r->every)
        return;
    struct call call = call_begin(w, OPENCL_ILLUMINATE);
    put_buffer(&call, newest(w, OPENCL_Q));
    put_row(&call, r, ROWS_ILLUMINATION, 0);
    call_grid(&call, w->shape.inner);
}

static void shell(struct runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    const struct opencl_rows *rows = &r->rows[ROWS_SHELLS];
    if (!rows->array || w->shape.shell == 0)
        return;
    for (int part = 0; part < w->parts; part++) {
        cl_ulong at = 0;
        struct call call = call_begin(w, OPENCL_SHELL_MOVE);
        put_buffer(&call, newest(w, part));
        put_buffer(&call, opencl_rows_at(rows, k, &at));
        at += (cl_ulong)part * (cl_ulong)w->shape.shell;
        put(&call, &at, sizeof(at));
        put_int(&call, r->mode == BACKWARD);
        call_list(&call, (size_t)w->shape.shell);
    }
}

static void step(struct runner *r, size_t k)
{
    struct opencl_wave *w = r->w;
    shell(r, k);
    memory_stages(r);
    flux_stage(r);
    slope_stage(r);
    if (w->pair)
        pair_stage(r, k);
    else
        field_stage(r, k);
    w->newest = !w->newest;
}

static void events(struct runner *r, size_t k)
{
    inject(r, k);
    sample(r, k);
    illuminate(r, k);
}

static void steps_run(struct runner *r, size_t first, size_t count)
{
    for (size_t i = 0; i < count && !r->w->failed; i++) {
        size_t k = r->mode == FORWARD ? first + i : first + count - 1 - i;
        if (r->mode == TRANSPOSED) {
            events(r, k);
            step(r, k);
        } else {
            step(r, k);
            events(r, k);
        }
        if (i % FLUSH_STEPS == 0)
            r->w->device->cl->Flush(r->w->device->queue);
    }
}

/* The rows of an array that steps first to first + count - 1 need. */
static void window_of(const struct runner *r, enum rows which, size_t first, size_t count,
                      size_t *ret_first, size_t *ret_count)
{
    *ret_first = first;
    *ret_count = count;
    if (which >= ROWS_DM) {
        *ret_first = 0;
        *ret_count = 1;
    } else if (which == ROWS_SNAPSHOTS || which == ROWS_SCATTERED) {
        *ret_first = (first + r->every - 1) / r->every;
        *ret_count = (first + count + r->every - 1) / r->every - *ret_first;
    }
}

static void part_run(struct runner *r, size_t first, size_t count)
{
    for (int i = 0; i < ROWS_COUNT; i++) {
        size_t row, rows;
        window_of(r, (enum rows)i, first, count, &row, &rows);
        opencl_wave_good(r->w, opencl_rows_open(&r->rows[i], row, rows), "taking its arrays");
    }
    steps_run(r, first, count);
    for (int i = 0; i < ROWS_COUNT; i++)
        opencl_wave_good(r->w, opencl_rows_close(&r->rows[i]), "giving back its arrays");
}

/* How many steps may be taken at once. */
static size_t part_steps(const struct runner *r)
{
    size_t bytes = 1;
    for (int i = 0; i < ROWS_DM; i++) {
        size_t row, rows;
        window_of(r, (enum rows)i, 0, r->run->steps, &row, &rows);
        if (!opencl_rows_near(&r->rows[i], rows))
            bytes += r->rows[i].row_bytes;
    }
    uint64_t space = opencl_memory_left(r->w->device) / 2;
    size_t steps = (size_t)(space < STAGE_BYTES ? space : STAGE_BYTES) / bytes;
    return steps < 1 ? 1 : steps < r->run->steps ? steps : r->run->steps;
}

static void rows_set(struct runner *r, enum rows which, const void *array, size_t numbers,
                     bool reads, bool writes)
{
    r->rows[which] = (struct opencl_rows){
        .device = r->w->device,
        .array = (unsigned char *)array,
        .row_bytes = numbers * sizeof(wave_real),
        .reads = reads,
        .writes = writes,
    };
}

static void rows_init(struct runner *r)
{
    const struct wave_run *run = r->run;
    const struct wave *wave = &r->w->wave;
    bool transposed = run->mode == WAVE_TRANSPOSED, forward = run->mode == WAVE_FORWARD;
    bool scatters = forward && run->dm, images = transposed && run->image;
    for (int i = 0; i < ROWS_COUNT; i++)
        rows_set(r, (enum rows)i, NULL, 0, false, false);
    if (run->inject && run->injected)
        rows_set(r, ROWS_INJECTED, run->injected, run->inject->count, true, false);
    if (run->sample && run->sampled)
        rows_set(r, ROWS_SAMPLED, run->sampled, run->sample->count, false, true);
    if (!transposed)
        rows_set(r, ROWS_SNAPSHOTS, run->snapshots, wave->snapshot_size, false, true);
    if (scatters || images)
        rows_set(r, ROWS_SCATTERED, run->scattered, wave->snapshot_size, true, false);
    if (!transposed)
        rows_set(r, ROWS_SHELLS, run->shells, wave->shell_size, !forward, forward);
    if (scatters && run->scattered)
        rows_set(r, ROWS_DM, run->dm, wave->points, true, false);
    if (images && run->scattered)
        rows_set(r, ROWS_IMAGE, run->image, wave->points, true, true);
    rows_set(r, ROWS_ILLUMINATION, run->illumination, wave->points, true, true);
}

/* The lists of points on the device. That of the first is looked for again: the second may have taken
 * its place. */
static bool points_init(struct runner *r)
{
    const struct wave_run *run = r->run;
    for (int turn = 0; turn < 2; turn++) {
        if (run->inject)
            r->inject = opencl_points_find(r->w, run->inject);
        if (run->sample && (turn == 0 || !r->sample))
            r->sample = opencl_points_find(r->w, run->sample);
    }
    bool good = (!run->inject || r->inject) && (!run->sample || r->sample);
    return good ||
           opencl_wave_good(r->w, CL_MEM_OBJECT_ALLOCATION_FAILURE, "taking lists of points");
}

/* What a failed run leaves where somebody could read it. */
static void poison(const struct wave_run *run, const struct wave *wave)
{
    wave_real *arrays[] = {run->image, run->illumination};
    size_t sampled = run->sample && run->sampled ? run->steps * run->sample->count : 0;
    for (size_t i = 0; i < sampled; i++)
        run->sampled[i] = NAN;
    for (size_t a = 0; a < 2; a++)
        for (size_t i = 0; arrays[a] && opencl_span_find(arrays[a]).memory && i < wave->points;
             i++)
            ((wave_real *)opencl_span_find(arrays[a]).memory)[i] = NAN;
}

void opencl_run(struct wave *wave, const struct wave_run *run)
{
    static const enum mode modes[] = {
        [WAVE_FORWARD] = FORWARD, [WAVE_TRANSPOSED] = TRANSPOSED, [WAVE_BACKWARD] = BACKWARD};
    struct opencl_wave *w = (struct opencl_wave *)wave;
    struct runner r = {
        .w = w, .run = run, .mode = modes[run->mode], .every = run->every ? run->every : 1};
    if (run->steps == 0)
        return;
    rows_init(&r);
    if (!w->failed && points_init(&r)) {
        size_t part = part_steps(&r);
        if (r.mode == BACKWARD) /* u[k] becomes the newest, u[k+1] is overwritten */
            w->newest = !w->newest;
        for (size_t done = 0; done < run->steps && !w->failed;) {
            size_t left = run->steps - done, count = left < part ? left : part;
            part_run(&r, r.mode == FORWARD ? done : left - count, count);
            done += count;
        }
        if (r.mode == BACKWARD)
            w->newest = !w->newest;
        opencl_wave_good(w, w->device->cl->Finish(w->device->queue), "ending a run");
    }
    if (w->failed)
        poison(run, wave);
}
