/*
 * acoustic_pass.c - how many steps share a pass over memory, in which pieces, and whose these are.
 *
 * What a wavefront (acoustic_run.c) needs again a step later must still be in cache: planes that
 * lie between its first step and its last, of all fields. In 3-D they seldom are as they are, so
 * rows are cut into tiles, and a pass takes one tile through all planes and steps after another. A
 * tile's border goes back by `skew` rows with each step: then the next step finds what it reads
 * within the tile, or in the tile before.
 *
 * Where tiles are large enough, each is one thread's, and threads follow each other through the
 * planes (acoustic_run.c). Sharing all tiles' rows has borders between threads in every tile, over
 * which fields go from one core's cache to another's: where these have no cache in common, waves
 * were a quarter slower that way.
 *
 * In 2-D threads have planes of their own, in wedges (acoustic_wedge.c), if they are enough. Two
 * threads that shared every block were as fast as one of them.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "worker/seismic/acoustic_private.h"
#include "worker/seismic/cache.h"
#include "worker/seismic/gate.h"
#include "worker/seismic/points.h"

/* Parts of the cache: what a field that stays there may fill, and what a wavefront may. Less than
 * all of it, for others are there as well, and no cache keeps the very newest only. */
#define STAYS(share) ((share) / 4 * 3)
/* In 2-D steps of wedges are as fast as those of fields that stay, and take less of the cache
 * (measured: of 32 MB, 12 are better off in single steps, 18 no worse in wedges, 24 by a third
 * better). */
#define STAYS_FLAT(share) ((share) / 2)
#define FRONT(share)      ((share) / 8 * 3)

/* More steps hardly gain, for what is in cache has a price too. */
#define STEPS_MOST_FLAT 8
#define STEPS_MOST_CUBE 5
/* With stages in several wavefronts, fewer steps do not make up for reading the planes around
 * again. */
#define STEPS_LEAST_STAGED 4

/* What rows that are needed again a plane later may fill of a core's second-level cache. */
#define TILE_BYTES ((size_t)448 << 10)

/* Planes of 2-D that are taken together: less is done between them, the more they are. */
#define FEW_LEAST 8
#define FEW_MOST  32

/* Points that all threads together should find between two waits. */
#define BLOCK_POINTS ((size_t)1 << 15)

/* Bytes of a row of all fields, its part of memory variables included. */
static size_t row_bytes(const struct acoustic *a)
{
    const struct layout *l = &a->layout;
    size_t numbers = a->fields * l->stride[GRID_Y], memories = 0;
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        memories += 2 * a->memory_size[axis];
    return (numbers + memories / (l->n[GRID_X] * l->n[GRID_Y])) * sizeof(wave_real);
}

bool acoustic_fused(const struct acoustic *a)
{
    return !a->half_rho && !(a->pair && a->pair->tilted);
}

/* Planes of a block: enough for a wavefront's reach, and for threads to share. */
static size_t block_planes(const struct acoustic *a)
{
    const struct layout *l = &a->layout;
    size_t reach = (size_t)l->radius * (a->half_rho ? 2 : 1); /* of fluxes and what they read */
    size_t threads = (size_t)a->wave.options.threads;
    size_t planes = l->flat ? BLOCK_POINTS / l->row : reach;
    if (l->flat && planes > l->n[GRID_X] / 8)
        planes = l->n[GRID_X] / 8;
    if (l->flat && planes < 8 * threads)
        planes = 8 * threads;
    planes = planes > reach ? planes : reach;
    if (a->pair) /* which go together by fours */
        planes = (planes + KERNELS_GROUP - 1) / KERNELS_GROUP * KERNELS_GROUP;
    return planes;
}

/* Planes that a pass of `steps` steps works on at once. */
static size_t front_planes(const struct acoustic *a, const struct pass *pass, size_t steps)
{
    return steps * pass->lag * pass->block + 2 * (size_t)a->layout.radius;
}

/* Rows of which `steps` steps stay in cache. */
static size_t rows_most(const struct acoustic *a, const struct pass *pass, size_t steps,
                        size_t share)
{
    return FRONT(share) / (front_planes(a, pass, steps) * row_bytes(a));
}

/* Rows of a tile with which `steps` steps stay in cache; 0: too few for it to pay. Tiles are about
 * equal, but none has fewer rows than its border goes back by. */
static size_t tile_rows(const struct acoustic *a, const struct pass *pass, size_t steps,
                        size_t share)
{
    size_t ny = a->layout.n[GRID_Y], most = rows_most(a, pass, steps, share);
    size_t least = 6 * (size_t)a->layout.radius, back = steps * pass->skew;
    if (most >= ny)
        return ny;
    if (most < least || most < back || a->layout.flat)
        return 0;
    size_t tiles = (ny + most - 1) / most, equal = (ny + tiles - 1) / tiles;
    return equal > back ? equal : back;
}

/* How many tiles there are if each is one thread's, so that all threads' stay in cache, or nearly;
 * 0: they would have too few rows. */
static size_t tiles_own(const struct acoustic *a, const struct pass *pass, size_t share)
{
    size_t threads = (size_t)a->wave.options.threads, ny = a->layout.n[GRID_Y];
    size_t most = rows_most(a, pass, pass->steps, share), least = 6 * (size_t)a->layout.radius;
    size_t each = most > 0 ? (ny + most / 2) / most : ny, tiles = (each ? each : 1) * threads;
    least = least > pass->steps * pass->skew ? least : pass->steps * pass->skew;
    return threads > 1 && !a->layout.flat && ny / tiles >= least ? tiles : 0;
}

/* The steps of a pass whose stages are not fused: density's, which compute more than they read, or
 * those of a tilt. */
static size_t staged_steps(const struct acoustic *a, const struct pass *pass, size_t share)
{
    if (a->half_rho)
        return 1;
    size_t plane = a->layout.n[GRID_Y] * row_bytes(a);
    size_t steps =
        FRONT(share) / (plane * (size_t)acoustic_stages(a, WAVE_FORWARD) * pass->block);
    return steps < STEPS_LEAST_STAGED ? 1 : steps > STEPS_MOST_FLAT ? STEPS_MOST_FLAT : steps;
}

/* Rows of a tile of a tilt's stages, one step a pass: what lies between a plane's first stage and
 * its last is five fields that are read around a block, and the others in it. More than so many
 * rows gain nothing, fewer make much of what is around them. */
#define TILT_ROWS_LEAST 16
static size_t tilt_rows(const struct acoustic *a, const struct pass *pass, size_t share)
{
    size_t ny = a->layout.n[GRID_Y], around = 2 * (size_t)a->layout.radius + 2 * pass->block;
    size_t numbers = (5 * around + a->fields * pass->block) * a->layout.stride[GRID_Y];
    size_t rows = FRONT(share) / (numbers * sizeof(wave_real));
    rows = rows > TILT_ROWS_LEAST ? rows : TILT_ROWS_LEAST;
    return rows < ny ? rows : ny;
}

static size_t steps_choose(const struct acoustic *a, const struct pass *pass, size_t share)
{
    size_t rows = a->layout.n[GRID_X] * a->layout.n[GRID_Y];
    if (rows * row_bytes(a) <= STAYS(share))
        return 1;
    if (!acoustic_fused(a))
        return staged_steps(a, pass, share);
    size_t steps = a->layout.flat ? STEPS_MOST_FLAT : STEPS_MOST_CUBE;
    while (steps > 1 && tile_rows(a, pass, steps, share) == 0)
        steps--;
    return steps;
}

/* Steps of wedges in 2-D, if so many stay in cache and threads have planes enough. Whether there
 * are more than one. */
static bool wedge_choose(const struct acoustic *a, size_t share, struct pass *pass)
{
    size_t row = row_bytes(a), threads = (size_t)a->wave.options.threads;
    size_t block = wedge_block(a), steps = pass->steps;
    if (!a->layout.flat || !acoustic_fused(a))
        return false;
    if (a->asked == 0) {
        steps = a->layout.n[GRID_X] * row > STAYS_FLAT(share) ? STEPS_MOST_FLAT : 1;
        while (steps > 1 &&
               (!wedge_fits(a, steps) || threads * steps * block * row > FRONT(share)))
            steps--;
    }
    if (steps <= 1 || !wedge_fits(a, steps))
        return false;
    pass->wedge = true;
    pass->steps = steps;
    pass->block = block;
    pass->own = threads > 1 ? threads : 0;
    return true;
}

struct rows acoustic_rows_all(const struct acoustic *a)
{
    return (struct rows){0, a->layout.n[GRID_X], 0, a->layout.n[GRID_Y]};
}

/* [from, to) in [first, first + n), where n > 0. */
static void clip(size_t *from, size_t *to, size_t first, size_t n)
{
    *from = *from < first ? first : *from;
    *to = *to > first + n ? first + n : *to;
    *to = *to < *from ? *from : *to;
}

void acoustic_rows_clip(const struct acoustic *a, struct rows *rows, size_t around)
{
    const size_t *n = a->wave.grid.n;
    size_t px = (size_t)a->layout.pad[GRID_X][0], py = (size_t)a->layout.pad[GRID_Y][0];
    size_t x = px < around ? px : around, y = py < around ? py : around;
    clip(&rows->x0, &rows->x1, px - x, n[GRID_X] + 2 * x);
    clip(&rows->y0, &rows->y1, py - y, n[GRID_Y] + 2 * y);
}

/* Threads divide rows of planes in 3-D, so that what comes from the plane before is their own. */
static enum grid_axis divided(const struct rows *all, int threads)
{
    return all->y1 - all->y0 >= (size_t)threads ? GRID_Y : GRID_X;
}

static size_t border(const struct rows *all, enum grid_axis axis, int id, int threads)
{
    size_t first = axis == GRID_X ? all->x0 : all->y0;
    size_t n = axis == GRID_X ? all->x1 - all->x0 : all->y1 - all->y0;
    return first + n * (size_t)id / (size_t)threads;
}

struct rows acoustic_rows(const struct acoustic *a, const struct rows *all, int id, int threads)
{
    struct rows rows = *all;
    enum grid_axis axis = a->layout.flat ? GRID_X : divided(all, threads);
    size_t from = border(all, axis, id, threads), to = border(all, axis, id + 1, threads);
    if (axis == GRID_X)
        rows.x0 = from, rows.x1 = to;
    else
        rows.y0 = from, rows.y1 = to;
    return rows;
}

bool acoustic_rows_cut(const struct acoustic *a, enum wave_mode mode, const struct rows *all,
                       int threads)
{
    enum grid_axis axis = a->layout.flat ? GRID_X : divided(all, threads);
    for (int id = 1; id < threads; id++)
        if (acoustic_memory_cut(a, mode, axis, border(all, axis, id, threads)))
            return true;
    return false;
}

struct pass acoustic_pass(const struct acoustic *a, enum wave_mode mode)
{
    size_t reach = (size_t)a->layout.radius, share = cache_share(a->wave.options.threads);
    bool back = mode == WAVE_TRANSPOSED; /* memory variables reach as far as fields */
    struct pass pass = {.block = block_planes(a),
                        .skew = back && a->wave.options.absorb ? 2 * reach : reach,
                        .rows = a->layout.n[GRID_Y]};
    pass.lag = (pass.skew + pass.block - 1) / pass.block;
    size_t asked = (size_t)a->asked;
    pass.steps = asked > STEPS_MOST_FLAT ? STEPS_MOST_FLAT : asked;
    if (wedge_choose(a, share, &pass))
        return pass;
    if (asked == 0)
        pass.steps = steps_choose(a, &pass, share);
    if (a->pair && a->pair->tilted && pass.steps == 1)
        pass.rows = tilt_rows(a, &pass, share);
    if (!acoustic_fused(a) || pass.steps == 1)
        return pass;
    size_t rows = tile_rows(a, &pass, pass.steps, share), least = pass.steps * pass.skew;
    if (rows == 0 && !a->layout.flat) /* asked for */
        rows = least < pass.rows ? least : pass.rows;
    pass.rows = rows ? rows : pass.rows;
    pass.own = tiles_own(a, &pass, share);
    return pass;
}

/* One step a pass, and one tile. */
static void pass_plain(const struct acoustic *a, struct pass *pass)
{
    pass->steps = 1;
    pass->rows = a->layout.n[GRID_Y];
    pass->own = 0;
    pass->wedge = false;
}

void pass_room_free(struct pass_room *room)
{
    free(room->caught);
    free(room->marks);
    *room = (struct pass_room){0};
}

/* -1: there is no memory for it. */
static int room_get(const struct pass *pass, const struct wave_run *run,
                    struct pass_room *ret_room)
{
    bool samples = run->sample && run->sampled, tiles = pass->own && !pass->wedge;
    *ret_room = (struct pass_room){0};
    if (samples) {
        size_t count = pass->steps * points_strips(run->sample) + 1;
        ret_room->caught = malloc(2 * count * sizeof *ret_room->caught);
        ret_room->caught_next = ret_room->caught ? ret_room->caught + count : NULL;
    }
    if (tiles) {
        size_t bytes = pass->own * sizeof *ret_room->marks;
        ret_room->marks = aligned_alloc(_Alignof(struct gate_mark), bytes);
        if (ret_room->marks)
            memset(ret_room->marks, 0, bytes);
    }
    if ((!samples || ret_room->caught) && (!tiles || ret_room->marks))
        return 0;
    pass_room_free(ret_room);
    return -1;
}

struct pass acoustic_pass_choose(const struct acoustic *a, const struct wave_run *run,
                                 struct pass_room *ret_room)
{
    struct pass pass = acoustic_pass(a, run->mode);
    *ret_room = (struct pass_room){0};
    if (run->shells && acoustic_inner_only(run->mode) && !acoustic_fused(a) && pass.steps > 1)
        pass_plain(a, &pass);
    if ((pass.own || pass.rows < a->layout.n[GRID_Y]) && room_get(&pass, run, ret_room) < 0)
        pass_plain(a, &pass);
    return pass;
}

size_t acoustic_tile(const struct acoustic *a)
{
    const struct layout *l = &a->layout;
    size_t row = l->stride[GRID_Y] * sizeof(wave_real), reach = (size_t)l->radius;
    size_t rows = TILE_BYTES / (row * (2 * reach + 2)); /* u's, with those around the tile */
    return rows > 2 * reach + 16 ? rows - 2 * reach : 16;
}

size_t acoustic_few_flat(const struct acoustic *a)
{
    size_t row = a->layout.stride[GRID_X] * sizeof(wave_real);
    size_t few = TILE_BYTES / (3 * row) / FEW_LEAST * FEW_LEAST; /* both u's and v */
    return few < FEW_LEAST ? FEW_LEAST : few > FEW_MOST ? FEW_MOST : few;
}

void acoustic_passes_init(struct acoustic *a)
{
    a->tile = acoustic_tile(a);
    a->aside_rows = acoustic_aside_rows(a);
    a->asked = a->wave.options.time_block;
    a->wave.options.time_block = (int)acoustic_pass(a, WAVE_FORWARD).steps;
    acoustic_both_init(a);
}
