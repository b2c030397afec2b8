/*
 * acoustic_wedge.c - several steps of 2-D waves in one pass over memory, each thread through planes
 * of its own, without waiting for the others after every step.
 *
 * Steps follow each other through a thread's planes, each a block behind the one before, so that
 * what one makes is near when the next one reads it; the same step of several runs goes through the
 * same block. At a border between threads every step ends `slope` planes before the last one did,
 * for it reads what that one made. Then all threads do what is left there, step after step.
 *
 *     steps   ^     / \            1: thread 0's and thread 1's own planes
 *             |  1 / 2 \ 1         2: what is left
 *             |   /     \
 *             +-------------> x
 */
#include "config.h"

#include "worker/seismic/acoustic_private.h"
#include "worker/seismic/gate.h"

/* The border before thread id's planes, where the kernel's groups begin. */
static size_t border(size_t planes, int id, int threads)
{
    size_t at = planes * (size_t)id / (size_t)threads;
    return id == threads ? planes : at / KERNELS_GROUP * KERNELS_GROUP;
}

/* What step i does of a turn, in which it is i blocks behind the first one. */
static void turn_step(const struct wedge *w, size_t turn, size_t i)
{
    size_t first = border(w->planes, w->id, w->threads), block = w->block;
    size_t end = border(w->planes, w->id + 1, w->threads);
    size_t less = i / w->runs * w->slope, at = first + (turn - i / w->runs) * block;
    size_t from = w->id == 0 ? 0 : first + less;
    size_t to = w->id + 1 == w->threads ? end : end - less;
    size_t x0 = at > from ? at : from, x1 = at + block < to ? at + block : to;
    for (size_t run = 0; run < w->runs; run++)
        w->ask(w->context, run, first + (turn + 1) * block, i);
    if (x0 < x1)
        w->step(w->context, i, x0, x1);
}

static void own_planes(const struct wedge *w)
{
    size_t planes =
        border(w->planes, w->id + 1, w->threads) - border(w->planes, w->id, w->threads);
    size_t turns = (planes + w->block - 1) / w->block + w->steps / w->runs - 1;
    for (size_t turn = 0; turn < turns; turn++)
        for (size_t i = 0; i < w->steps && i / w->runs <= turn; i++)
            turn_step(w, turn, i);
}

/* Around each border. Runs that take turns read nothing that another one writes in another thread's
 * planes. */
static void left_planes(const struct wedge *w)
{
    gate_wait(w->gate, w->threads);
    for (size_t t = 1; t < w->steps / w->runs; t++) {
        for (int id = 1; id < w->threads; id++) {
            size_t first = border(w->planes, id, w->threads) - t * w->slope;
            size_t planes = 2 * t * w->slope, part = (size_t)w->id, parts = (size_t)w->threads;
            size_t x0 = first + planes * part / parts, x1 = first + planes * (part + 1) / parts;
            for (size_t run = 0; run < w->runs; run++)
                w->step(w->context, t * w->runs + run, x0, x1);
        }
        gate_wait(w->gate, w->threads);
    }
}

void wedge_run(const struct wedge *w)
{
    own_planes(w);
    if (w->threads > 1)
        left_planes(w);
}

size_t wedge_block(const struct acoustic *a)
{
    size_t reach = 2 * (size_t)a->layout.radius;
    return reach > 8 ? reach : 8;
}

bool wedge_fits(const struct acoustic *a, size_t steps)
{
    int threads = a->wave.options.threads;
    size_t less = (steps + 1) * (size_t)a->layout.radius, planes = a->layout.n[GRID_X];
    if (planes / (size_t)threads < 4 * less)
        return threads == 1;
    for (int id = 1; id < threads; id++) {
        size_t at = border(planes, id, threads);
        if (acoustic_memory_cut(a, WAVE_TRANSPOSED, GRID_X, at - less) ||
            acoustic_memory_cut(a, WAVE_TRANSPOSED, GRID_X, at + less))
            return false;
    }
    return true;
}

/* Ask for a part of some numbers. */
static void numbers_ask(const wave_real *from, size_t count, size_t part, size_t parts)
{
    for (size_t i = count * part / parts; i < count * (part + 1) / parts; i += LAYOUT_ALIGN)
        __builtin_prefetch(from + i, 0, 2);
}

void wedge_ask(const struct acoustic *a, int newest, size_t at, size_t block, size_t part,
               size_t parts)
{
    const struct layout *l = &a->layout;
    size_t px = (size_t)l->pad[GRID_X][0];
    size_t count = block * l->stride[GRID_X], here = layout_at(l, at, 0);
    size_t ahead = here + (size_t)l->radius * l->stride[GRID_X];
    if (at + block > l->n[GRID_X])
        return;
    numbers_ask(a->field[newest] + ahead, count, part, parts);
    numbers_ask(a->field[!newest] + here, count, part, parts);
    numbers_ask(a->v + here, count, part, parts);
    if (a->image && at >= px && at + block <= px + a->wave.grid.n[GRID_X])
        numbers_ask(a->image + (at - px) * a->wave.image_row, block * a->wave.image_row, part,
                    parts);
}
