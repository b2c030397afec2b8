/*
 * acoustic_run.c - steps in an order that uses each cache line several times.
 *
 * Planes are taken in blocks. A wavefront goes through the blocks, and behind it, in the same pass
 * over memory, the next step's wavefront, and the one of the step after (time skewing; Wellein et
 * al. 2009, doi:10.1109/COMPSAC.2009.82): step t works on block i - L t in turn i, where L blocks
 * are at least the stencil's reach. It finds what it reads done, and overwrites only what nobody
 * reads any more. The same holds across the borders of tiles of rows (acoustic_pass.c). With one
 * step per pass, and one block for all planes, this is the plain order. All threads share each
 * block and wait for each other after it; or, where each tile is one thread's, it follows whoever
 * has the tile before, a block behind, and then takes the next tile, of the next pass if need be.
 * In 2-D threads have planes of their own instead (acoustic_wedge.c).
 *
 * Memory variables of a block's rows are advanced before its fields: those that these fields read
 * and the block before did not, so that each is advanced once in a step. Where a border between
 * threads cuts through what they read, all wait for each other in between.
 *
 * Density's stages, and those of a tilt, make fluxes that reach further; there each stage has a
 * wavefront of its own.
 */
#include "config.h"

#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "worker/seismic/acoustic_private.h"
#include "worker/seismic/cache.h"
#include "worker/seismic/gate.h"
#include "worker/seismic/points.h"

/* A thread's share in a run. Its copy of the wave says which field is newest at the step that it is
 * in. */
struct share {
    struct acoustic a;
    const struct wave_run *run;
    struct gate *gate;
    struct gate_mark *marks; /* of each tile, where each is one thread's: turns that are done */
    uint32_t turns;          /* of the passes before */
    uint32_t turns_summed;   /* and of those whose samples are summed before this one begins */
    /* Tiles of all passes, counted through: the next one to be taken, by anybody; the one that
     * this thread has taken; the first one of this pass. */
    atomic_size_t *next;
    size_t taken, first;
    struct pass pass;
    /* Sums of strips, of the pass' steps; NULL: they need not be kept. Where each tile is one
     * thread's, passes take turns at two of them. */
    wave_real *caught, *caught_next;
    int id, threads;
    int newest;  /* at the first step of the pass */
    size_t done; /* steps before it */
};

/* Some rows of a step: of a tile and a block; `t` steps of the pass and `done` in all came
 * before. */
struct piece {
    struct rows rows;
    size_t t, done;
};

static size_t step_of(const struct wave_run *run, size_t done)
{
    bool ahead = run->mode == WAVE_FORWARD || run->mode == WAVE_AGAIN;
    return ahead ? done : run->steps - 1 - done;
}

static int stages_of(const struct share *s)
{
    return acoustic_stages(&s->a, s->run->mode);
}

static void wait_for_all(struct share *s)
{
    gate_wait(s->gate, s->threads);
}

/* Where the rows of a piece are shared by threads: this one's part of them. */
static struct rows part_of(const struct share *s, const struct piece *piece)
{
    return s->pass.own ? piece->rows : acoustic_rows(&s->a, &piece->rows, s->id, s->threads);
}

static void wait_for_parts(struct share *s)
{
    if (!s->pass.own)
        wait_for_all(s);
}

/* What happens around the fields' update of a step. */
static void field_begin(struct acoustic *a, const struct wave_run *run, size_t done)
{
    a->keep = acoustic_keep(a, run, step_of(run, done));
    a->due = acoustic_due(a, run, step_of(run, done));
}

static void field_end(struct acoustic *a, const struct wave_run *run, size_t done,
                      const struct rows *rows)
{
    size_t k = step_of(run, done);
    a->newest = !a->newest;
    if (run->mode != WAVE_TRANSPOSED)
        acoustic_inject(a, run, k, rows);
    else if (k > 0)
        acoustic_inject(a, run, k - 1, rows);
    else
        acoustic_mirror(a, a->field[a->newest], rows);
    if (run->mode == WAVE_TRANSPOSED && k == 0 && a->pair)
        acoustic_mirror(a, a->pair->p[a->newest], rows);
}

static wave_real *shell_of(const struct acoustic *a, const struct wave_run *run, size_t done)
{
    return run->shells + step_of(run, done) * a->wave.shell_size;
}

/* Shells are of the field before a step: forwards, those of the next one are written after each. */
static void shells_put(const struct acoustic *a, const struct wave_run *run, size_t done,
                       const struct rows *rows)
{
    if (run->mode == WAVE_FORWARD && run->shells && done + 1 < run->steps)
        acoustic_shell_save(a, run->shells + (done + 1) * a->wave.shell_size, rows);
}

/* The step whose samples a step of the run makes; false: none. */
static bool sample_step(const struct share *s, size_t done, size_t *ret_k)
{
    size_t k = step_of(s->run, done);
    bool back = s->run->mode == WAVE_TRANSPOSED;
    *ret_k = back ? k - 1 : k;
    return !back || k > 0;
}

static void samples_take(struct share *s, const struct piece *piece)
{
    const struct wave_points *points = s->run->sample;
    size_t k;
    if (!points || !s->run->sampled || !sample_step(s, piece->done, &k))
        return;
    if (s->caught) {
        struct rows rows = part_of(s, piece);
        acoustic_catch(&s->a, points, &rows, s->caught + piece->t * points_strips(points));
    } else
        acoustic_sample(&s->a, s->run, k, &piece->rows, s->id, s->threads);
}

/* One stage of density's, or of a tilt's. */
static void stage_run(struct share *s, int stage, const struct piece *piece)
{
    bool last = stage == stages_of(s) - 1, inner = acoustic_inner_run(s->run);
    bool told = last || s->a.kind == KIND_TTI; /* what it makes around the medium's grid */
    struct rows all = piece->rows;
    if (inner)
        acoustic_rows_clip(&s->a, &all, told ? 0 : (size_t)s->a.layout.radius);
    struct rows rows = acoustic_rows(&s->a, &all, s->id, s->threads);
    s->a.newest = s->newest ^ (int)(piece->t & 1);
    if (last)
        field_begin(&s->a, s->run, piece->done);
    acoustic_stage_run(&s->a, s->run->mode, stage, &rows);
    if (inner && !last) /* at rows' ends it has made them of what is not there */
        acoustic_slopes_load(&s->a, shell_of(&s->a, s->run, piece->done), &rows);
    if (last && s->run->mode == WAVE_FORWARD && s->run->shells)
        acoustic_slopes_save(&s->a, shell_of(&s->a, s->run, piece->done), &rows);
    if (last) {
        field_end(&s->a, s->run, piece->done, &rows);
        shells_put(&s->a, s->run, piece->done, &rows);
    }
    wait_for_all(s);
    if (last)
        samples_take(s, piece);
}

void acoustic_rows_step(struct acoustic *a, const struct wave_run *run, size_t done, int newest,
                        const struct rows *rows, bool ready)
{
    struct rows few = {rows->x1, rows->x1, rows->y0, rows->y0};
    while (acoustic_few_next(a, rows, &few)) {
        a->newest = newest;
        field_begin(a, run, done);
        if (acoustic_inner_run(run))
            acoustic_shell_load(a, shell_of(a, run, done), &few, true);
        acoustic_few_run(a, run->mode, &few, ready);
        field_end(a, run, done, &few);
        shells_put(a, run, done, &few);
    }
    a->newest = !newest;
}

/* One step of some rows, all its stages, and what else happens to them while they are near. */
static void step_run(struct share *s, const struct piece *piece)
{
    struct rows rows = part_of(s, piece);
    int newest = s->newest ^ (int)(piece->t & 1);
    bool cut = !s->pass.own && acoustic_rows_cut(&s->a, s->run->mode, &piece->rows, s->threads);
    s->a.newest = newest;
    for (int phase = 0; cut && phase < acoustic_phases(s->run->mode); phase++) {
        acoustic_memory_run(&s->a, s->run->mode, phase, &rows);
        wait_for_all(s);
    }
    acoustic_rows_step(&s->a, s->run, piece->done, newest, &rows, cut);
    wait_for_parts(s);
    samples_take(s, piece);
}

/* Blocks of a pass, and which of them a step t, or its stage, is in at a turn. */
struct blocks {
    size_t planes, count;
};

static struct blocks blocks(const struct share *s)
{
    size_t nx = s->a.layout.n[GRID_X], planes = s->pass.block;
    bool tilted = s->a.pair && s->a.pair->tilted; /* its fluxes stay in cache between stages */
    if (s->pass.steps == 1 && !tilted)
        planes = nx;
    return (struct blocks){planes, (nx + planes - 1) / planes};
}

static void block_place(const struct share *s, const struct blocks *b, size_t i,
                        struct rows *rows)
{
    size_t nx = s->a.layout.n[GRID_X];
    rows->x0 = i * b->planes;
    rows->x1 = nx - rows->x0 < b->planes ? nx : rows->x0 + b->planes;
}

static size_t tiles_of(const struct share *s)
{
    return s->pass.own ? s->pass.own
                       : (s->a.layout.n[GRID_Y] + s->pass.rows - 1) / s->pass.rows;
}

/* The first row of tile i, which is not the first one, at a pass' first step. Tiles of threads are
 * equal in the middle of a pass: then all have the same to do. */
static size_t tile_begin(const struct share *s, size_t i)
{
    if (!s->pass.own)
        return i * s->pass.rows;
    return i * s->a.layout.n[GRID_Y] / s->pass.own + (s->pass.steps - 1) * s->pass.skew / 2;
}

/* Rows of tile i of `tiles` at step t of a pass. */
static void tile_place(const struct share *s, size_t i, size_t tiles, size_t t,
                       struct rows *rows)
{
    size_t back = t * s->pass.skew;
    rows->y0 = i == 0 ? 0 : tile_begin(s, i) - back;
    rows->y1 = i + 1 == tiles ? s->a.layout.n[GRID_Y] : tile_begin(s, i + 1) - back;
}

/* Steps but the first ask for what the first will find in its next block. */
static struct soon soon_of(const struct share *s, const struct blocks *b, size_t tile,
                           size_t turn, size_t t)
{
    const struct layout *l = &s->a.layout;
    size_t rows = tile > 0 ? t * s->pass.skew : 0;
    if (t == 0 || turn + 1 >= b->count || l->flat)
        return (struct soon){0};
    return (struct soon){
        .offset = (ptrdiff_t)((s->pass.lag * t + 1) * b->planes * l->stride[GRID_X] +
                              rows * l->stride[GRID_Y]),
        .first = (int)(t - 1) * KERNELS_SOON,
        .newest = s->newest,
    };
}

/* What a turn of a tile has to do: `count` steps, each in its block; `done` steps came before. */
static void turn_run(struct share *s, const struct blocks *b, size_t tile, size_t turn,
                     size_t count, size_t done)
{
    for (size_t t = 0; t < count && s->pass.lag * t <= turn; t++) {
        size_t block = turn - s->pass.lag * t;
        struct piece piece = {.t = t, .done = done + t};
        if (block >= b->count)
            continue;
        block_place(s, b, block, &piece.rows);
        tile_place(s, tile, tiles_of(s), t, &piece.rows);
        if (acoustic_inner_run(s->run))
            acoustic_rows_clip(&s->a, &piece.rows, 0);
        s->a.soon = soon_of(s, b, tile, turn, t);
        step_run(s, &piece);
    }
}

/* Wait for what a turn of a tile reads, and for those who read what it overwrites: for the tile
 * before, where steps of the same turn come first; and for the pass before, whose last step has to
 * be as far ahead in the next tile as any step is of the following one (and through with this
 * tile, whose mark only one thread may move). A pass that begins catches samples where those of the
 * last but one were. */
static void turn_wait(struct share *s, const struct blocks *b, size_t tile, size_t turn,
                      size_t turns)
{
    size_t ahead = turn + 2 < turns ? turn + 2 : turns;
    size_t near = turn + 1 + s->pass.lag < b->count ? turn + 1 + s->pass.lag : b->count;
    if (tile > 0)
        gate_follow(&s->marks[tile - 1], s->turns + (uint32_t)ahead);
    if (turn == 0)
        gate_follow(&s->marks[tile], s->turns);
    if (s->first > 0 && tile + 1 < s->pass.own)
        gate_follow(&s->marks[tile + 1], s->turns - (uint32_t)(b->count - near));
    if (s->caught && turn == 0 && tile == 0)
        gate_follow(&s->marks[s->pass.own - 1], s->turns_summed);
}

static void tile_take(struct share *s)
{
    s->taken = atomic_fetch_add(s->next, 1);
}

/* Add samples of a pass that were kept, in the order in which a plain step takes them: those that
 * are thread `id`'s of `threads`. */
static void caught_sum(const struct share *s, size_t count, size_t done, int id, int threads)
{
    size_t k;
    for (size_t t = 0; t < count; t++)
        if (sample_step(s, done + t, &k))
            acoustic_sample_caught(s->run, k, s->caught + t * points_strips(s->run->sample), id,
                                   threads);
}

/* All turns of a tile. Who has a pass' last one, which is the last to be done, sums its samples. */
static void tile_run(struct share *s, const struct blocks *b, size_t tile, size_t turns,
                     size_t count, size_t done)
{
    for (size_t turn = 0; turn < turns; turn++) {
        turn_wait(s, b, tile, turn, turns);
        turn_run(s, b, tile, turn, count, done);
        if (s->caught && turn + 1 == turns && tile + 1 == s->pass.own)
            caught_sum(s, count, done, 0, 1);
        gate_reach(&s->marks[tile], s->turns + (uint32_t)turn + 1);
    }
}

/* Those of the pass' tiles that this thread gets: whoever has done one takes the next, and when
 * there are no more, one of the next pass. So a thread whose core is slower does less, and nobody
 * waits for all but before the first pass, for what is made of the first fields, where threads have
 * other rows than here; and where shells overwrite some of a pass' fields, not where they are
 * written. */
static void tiles_run(struct share *s, const struct blocks *b, size_t turns, size_t count,
                      size_t done)
{
    if (done == 0 || acoustic_inner_run(s->run))
        wait_for_all(s);
    for (; s->taken < s->first + s->pass.own; tile_take(s))
        tile_run(s, b, s->taken - s->first, turns, count, done);
    wave_real *next = s->caught_next;
    s->caught_next = s->caught;
    s->caught = next;
    s->first += s->pass.own;
    s->turns_summed = s->turns;
    s->turns += (uint32_t)turns;
}

static void planes_step(void *context, size_t t, size_t x0, size_t x1)
{
    struct share *s = context;
    struct piece piece = {
        .rows = {x0, x1, 0, s->a.layout.n[GRID_Y]}, .t = t, .done = s->done + t};
    if (acoustic_inner_run(s->run))
        acoustic_rows_clip(&s->a, &piece.rows, 0);
    if (piece.rows.x0 < piece.rows.x1)
        step_run(s, &piece);
}

static void planes_ask(void *context, size_t run, size_t at, size_t i)
{
    const struct share *s = context;
    (void)run;
    wedge_ask(&s->a, s->newest, at, s->pass.block, i, s->pass.steps);
}

/* `count` steps of planes that each thread has for itself. */
static void planes_run(struct share *s, size_t count, size_t done)
{
    if (done == 0 || s->caught)
        wait_for_all(s);
    s->done = done;
    wedge_run(&(struct wedge){.runs = 1,
                              .steps = count,
                              .planes = s->a.layout.n[GRID_X],
                              .block = s->pass.block,
                              .slope = (size_t)s->a.layout.radius,
                              .gate = s->gate,
                              .id = s->id,
                              .threads = s->threads,
                              .step = planes_step,
                              .ask = planes_ask,
                              .context = s});
}

/* `count` steps in one pass; `done` steps came before. */
static void pass_fused(struct share *s, size_t count, size_t done)
{
    if (s->pass.wedge) {
        planes_run(s, count, done);
        return;
    }
    struct blocks b = blocks(s);
    size_t turns = b.count + s->pass.lag * (count - 1);
    if (s->pass.own) {
        tiles_run(s, &b, turns, count, done);
        return;
    }
    for (size_t tile = 0; tile < tiles_of(s); tile++)
        for (size_t turn = 0; turn < turns; turn++)
            turn_run(s, &b, tile, turn, count, done);
}

/* Rows of tile i of `tiles` at a stage: each reads what the one before made of `radius` rows
 * around. */
static void stage_place(const struct share *s, size_t i, size_t tiles, size_t stage,
                        struct rows *rows)
{
    size_t n = s->a.layout.n[GRID_Y], later = (size_t)stages_of(s) - 1 - stage;
    size_t from = i * s->pass.rows + later * (size_t)s->a.layout.radius;
    size_t to = from + s->pass.rows;
    rows->y0 = i == 0 ? 0 : from < n ? from : n;
    rows->y1 = i + 1 == tiles || to > n ? n : to;
}

/* All stages of some steps that are in a block of tile `tile` at a turn. */
static void stages_turn(struct share *s, const struct blocks *b, size_t tile, size_t tiles,
                        size_t turn, size_t count, size_t done)
{
    size_t stages = (size_t)stages_of(s);
    for (size_t t = 0; t < count && stages * t <= turn; t++) {
        for (size_t stage = 0; stage < stages; stage++) {
            struct piece piece = {.t = t, .done = done + t};
            if (turn < stages * t + stage || turn - stages * t - stage >= b->count)
                continue;
            block_place(s, b, turn - stages * t - stage, &piece.rows);
            stage_place(s, tile, tiles, stage, &piece.rows);
            stage_run(s, (int)stage, &piece);
        }
    }
}

/* Several steps in one tile, or one step in several. */
static void pass_staged(struct share *s, size_t count, size_t done)
{
    struct blocks b = blocks(s);
    size_t turns = b.count + (size_t)stages_of(s) * count - 1, tiles = tiles_of(s);
    for (size_t tile = 0; tile < tiles; tile++)
        for (size_t turn = 0; turn < turns; turn++)
            stages_turn(s, &b, tile, tiles, turn, count, done);
}

/* Samples that were kept, where all threads wait for each other after a pass. */
static void samples_sum(struct share *s, size_t count, size_t done)
{
    if (!s->caught || s->marks)
        return;
    wait_for_all(s);
    caught_sum(s, count, done, s->id, s->threads);
}

static void pass_run(struct share *s, size_t count, size_t done)
{
    if (acoustic_fused(&s->a))
        pass_fused(s, count, done);
    else
        pass_staged(s, count, done);
    samples_sum(s, count, done);
    s->newest ^= (int)(count & 1);
    s->a.newest = s->newest;
}

/* The first shell of a forward run; backwards and again, that of each step, where stages are not
 * fused. */
static void shells_handle(struct share *s, size_t done)
{
    const struct wave_run *run = s->run;
    struct rows all = acoustic_rows_all(&s->a);
    struct rows rows = acoustic_rows(&s->a, &all, s->id, s->threads);
    if (run->shells && run->mode == WAVE_FORWARD && done == 0)
        acoustic_shell_save(&s->a, run->shells, &rows);
    if (!acoustic_inner_run(s->run) || acoustic_fused(&s->a))
        return;
    acoustic_shell_load(&s->a, shell_of(&s->a, run, done), &rows, false);
    acoustic_slopes_load(&s->a, shell_of(&s->a, run, done), &rows);
    wait_for_all(s);
}

static void samples_clear(const struct share *s)
{
    const struct wave_run *run = s->run;
    if (!run->sample || !run->sampled)
        return;
    size_t count = run->sample->count;
    size_t first = count * (size_t)s->id / (size_t)s->threads;
    size_t end = count * ((size_t)s->id + 1) / (size_t)s->threads;
    for (size_t k = 0; k < run->steps; k++)
        memset(run->sampled + k * count + first, 0, (end - first) * sizeof *run->sampled);
}

/* Transposed, injecting and sampling come before the step. */
static void begin_transposed(struct share *s)
{
    struct rows all = acoustic_rows_all(&s->a);
    struct rows rows = acoustic_rows(&s->a, &all, s->id, s->threads);
    acoustic_inject(&s->a, s->run, s->run->steps - 1, &rows);
    wait_for_all(s);
    if (s->run->sample && s->run->sampled)
        acoustic_sample(&s->a, s->run, s->run->steps - 1, &all, s->id, s->threads);
}

void acoustic_span_choose(struct acoustic *a, const struct wave_run *run)
{
    const struct layout *l = &a->layout;
    size_t first = (size_t)l->pad[GRID_Z][0], end = first + a->wave.grid.n[GRID_Z];
    a->z0 = 0;
    a->z1 = l->row;
    if (!acoustic_inner_run(run))
        return;
    a->z0 = first / LAYOUT_ALIGN * LAYOUT_ALIGN;
    a->z1 = (end + LAYOUT_ALIGN - 1) / LAYOUT_ALIGN * LAYOUT_ALIGN;
}

static void share_run(struct share *s)
{
    const struct wave_run *run = s->run;
    s->newest = s->a.newest;
    acoustic_span_choose(&s->a, run);
    tile_take(s);
    samples_clear(s);
    if (run->mode == WAVE_TRANSPOSED)
        begin_transposed(s);
    for (size_t done = 0; done < run->steps;) {
        size_t left = run->steps - done, count = left < s->pass.steps ? left : s->pass.steps;
        shells_handle(s, done);
        pass_run(s, count, done);
        done += count;
    }
}

/* What snapshots of a run may fill of the cache. Two waves are there as well, which more of them
 * drive out: then what is written past it, and read from memory once, takes less time. (Of 32 MB,
 * 24 in 2-D took 5 % less time past the cache, 10 in 3-D 10 to 20 % more.) Those that an image is
 * made with are then asked for early, in 2-D. */
#define STREAM(share) ((share) / 2)

static size_t snapshots_bytes(const struct acoustic *a, const struct wave_run *run)
{
    size_t count = run->steps / (run->every ? run->every : 1);
    return run->snapshots || run->scattered ? count * a->wave.snapshot_size * sizeof(wave_real)
                                            : 0;
}

void acoustic_run(struct wave *wave, const struct wave_run *run)
{
    struct acoustic *a = (struct acoustic *)wave;
    if (run->steps == 0)
        return;
    if (run->mode == WAVE_BACKWARD) /* u[k] becomes the newest, u[k+1] is overwritten */
        a->newest = !a->newest;
    struct gate gate = {0};
    atomic_size_t next = 0;
    struct pass_room room;
    struct pass pass = acoustic_pass_choose(a, run, &room);
    bool stream = snapshots_bytes(a, run) > STREAM(cache_share(a->wave.options.threads));
#ifdef _OPENMP
#pragma omp parallel num_threads(a->wave.options.threads)
    {
        int id = omp_get_thread_num(), threads = omp_get_num_threads();
#else
    {
        int id = 0, threads = 1;
#endif
        unsigned long before = flush_begin();
        struct share share = {.a = *a,
                              .run = run,
                              .gate = &gate,
                              .pass = pass,
                              .caught = room.caught,
                              .caught_next = room.caught_next,
                              .marks = room.marks,
                              .next = &next,
                              .id = id,
                              .threads = threads};
        share.a.id = id;
        share.a.stream = stream;
        share.a.aside += a->aside ? (size_t)id * acoustic_aside_size(a) : 0;
        share_run(&share);
        acoustic_streams_end(&share.a);
        flush_restore(before);
    }
    pass_room_free(&room);
    a->newest ^= (int)(run->steps & 1);
    if (run->mode == WAVE_BACKWARD)
        a->newest = !a->newest;
}
