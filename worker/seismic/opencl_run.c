/*
 * opencl_run.c - steps, asked for one after the other; the device does them in order.
 *
 * Nothing is waited for within a run: arguments are set, kernels are put into the queue, and the
 * device is some steps behind. Rows of arrays that live in the program's memory travel before and
 * after; where they are more than STAGE_BYTES, the run is taken in parts.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "worker/seismic/opencl_runner.h"
#include "worker/seismic/points.h"

#define STAGE_BYTES ((size_t)256 << 20)
#define FLUSH_STEPS 16 /* so long the device may wait to be told of work */

static void steps_run(struct opencl_runner *r, size_t first, size_t count)
{
    for (size_t i = 0; i < count && !r->w->failed; i++) {
        size_t k = r->ahead ? first + i : first + count - 1 - i;
        if (r->mode == OPENCL_TRANSPOSED) {
            opencl_events(r, k);
            opencl_step(r, k);
        } else {
            opencl_step(r, k);
            opencl_events(r, k);
        }
        if (i % FLUSH_STEPS == 0)
            r->w->device->cl->Flush(r->w->device->queue);
    }
}

/* The rows of an array that steps first to first + count - 1 need. */
static void window_of(const struct opencl_runner *r, enum opencl_array which, size_t first,
                      size_t count, size_t *ret_first, size_t *ret_count)
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

static void part_run(struct opencl_runner *r, size_t first, size_t count)
{
    for (int i = 0; i < ROWS_COUNT; i++) {
        size_t row, rows;
        window_of(r, (enum opencl_array)i, first, count, &row, &rows);
        opencl_wave_good(r->w, opencl_rows_open(&r->rows[i], row, rows), "taking its arrays");
    }
    steps_run(r, first, count);
    for (int i = 0; i < ROWS_COUNT; i++)
        opencl_wave_good(r->w, opencl_rows_close(&r->rows[i]), "giving back its arrays");
}

/* How many steps may be taken at once. */
static size_t part_steps(const struct opencl_runner *r)
{
    size_t bytes = 1;
    for (int i = 0; i < ROWS_DM; i++) {
        size_t row, rows;
        window_of(r, (enum opencl_array)i, 0, r->run->steps, &row, &rows);
        if (!opencl_rows_near(&r->rows[i], rows))
            bytes += r->rows[i].row_bytes;
    }
    uint64_t space = opencl_memory_left(r->w->device) / 2;
    size_t steps = (size_t)(space < STAGE_BYTES ? space : STAGE_BYTES) / bytes;
    return steps < 1 ? 1 : steps < r->run->steps ? steps : r->run->steps;
}

static void rows_set(struct opencl_runner *r, enum opencl_array which, const void *array,
                     size_t numbers, bool reads, bool writes)
{
    r->rows[which] = (struct opencl_rows){
        .device = r->w->device,
        .array = (unsigned char *)array,
        .row_bytes = numbers * sizeof(wave_real),
        .reads = reads,
        .writes = writes,
    };
}

static void rows_init(struct opencl_runner *r)
{
    const struct wave_run *run = r->run;
    const struct wave *wave = &r->w->wave;
    bool transposed = run->mode == WAVE_TRANSPOSED, forward = run->mode == WAVE_FORWARD;
    bool scatters = forward && run->dm, images = transposed && run->image;
    for (int i = 0; i < ROWS_COUNT; i++)
        rows_set(r, (enum opencl_array)i, NULL, 0, false, false);
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

/* The lists of points on the device. That of the first is looked for again: the second may have
 * taken its place. */
static bool points_init(struct opencl_runner *r)
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
    static const enum opencl_mode modes[] = {[WAVE_FORWARD] = OPENCL_FORWARD,
                                             [WAVE_TRANSPOSED] = OPENCL_TRANSPOSED,
                                             [WAVE_BACKWARD] = OPENCL_INNER,
                                             [WAVE_AGAIN] = OPENCL_INNER};
    struct opencl_wave *w = (struct opencl_wave *)wave;
    bool back = run->mode == WAVE_BACKWARD;
    struct opencl_runner r = {.w = w,
                              .run = run,
                              .mode = modes[run->mode],
                              .ahead = run->mode == WAVE_FORWARD || run->mode == WAVE_AGAIN,
                              .every = run->every ? run->every : 1};
    if (run->steps == 0)
        return;
    rows_init(&r);
    if (!w->failed && points_init(&r)) {
        size_t part = part_steps(&r);
        if (back) /* u[k] becomes the newest, u[k+1] is overwritten */
            w->newest = !w->newest;
        for (size_t done = 0; done < run->steps && !w->failed;) {
            size_t left = run->steps - done, count = left < part ? left : part;
            part_run(&r, r.ahead ? done : left - count, count);
            done += count;
        }
        if (back)
            w->newest = !w->newest;
        opencl_wave_good(w, w->device->cl->Finish(w->device->queue), "ending a run");
    }
    if (w->failed)
        poison(run, wave);
}
