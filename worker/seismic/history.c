/*
 * Full storage is one segment without snapshots of the state, so that it and checkpointing are the
 * same code, and equal to the bit because a wave does not care how its steps are grouped. A segment
 * whose records lie in memory as they are is one wave_run; packed or spilled ones go piece by
 * piece.
 *
 * With boundaries, too, segments are reversed one after the other where not all of them fit, each
 * by a run backwards.
 *
 * Where a plan has parts, a segment is such a run itself, whose steps are cheaper the second time:
 * on the medium's grid alone, which is told what is around it by the shells of the first time, and
 * goes on from states that are two fields of it.
 */
#include "config.h"

#include <stdlib.h>

#include "worker/seismic/history_private.h"

struct wave_run history_part(const struct wave_run *run, size_t first, size_t count)
{
    struct wave_run part = *run;
    part.steps = count;
    part.snapshots = part.shells = NULL;
    part.scattered = NULL;
    if (part.inject)
        part.injected += first * wave_points_count(part.inject);
    if (part.sample)
        part.sampled += first * wave_points_count(part.sample);
    return part;
}

size_t walk_snapshots(const struct walk *walk, size_t steps)
{
    return (steps + walk->options->every - 1) / walk->options->every;
}

/* Snapshots of a piece, in bytes: half a core's second-level cache holds them beside the wave's
 * fields (measured in 2-D: pieces of 8 cost a tenth of a forward run more than those of 2). */
#define PIECE_BYTES ((size_t)1 << 20)
#define PIECE_LEAST ((size_t)2)

size_t history_piece_steps(const struct wave *wave, size_t every)
{
    size_t block = (size_t)wave->options.time_block, count = SHOT_PIECE;
    if (wave->options.device)
        return count * every;
    if (block <= 1) {
        count = PIECE_BYTES / (wave->snapshot_size * sizeof(wave_real) + 1);
        count = count < PIECE_LEAST ? PIECE_LEAST : count > SHOT_PIECE ? SHOT_PIECE : count;
        return count * every;
    }
    while (count > 1 && count * every % block)
        count--;
    return (count * every % block ? SHOT_PIECE : count) * every;
}

size_t walk_piece_steps(const struct walk *walk)
{
    return history_piece_steps(walk->wave, walk->options->every);
}

int walk_piece_make(struct walk *walk, size_t count, bool near, struct error *ret_error)
{
    size_t bytes = walk->wave->snapshot_size * sizeof(wave_real);
    walk->piece_near = near;
    walk->piece = near ? wave_room_create(walk->wave, count, bytes) : malloc(count * bytes);
    return walk->piece ? 0
                       : error_set(ret_error, ERROR_SYSTEM, "no memory for a few wavefields");
}

void walk_forward(struct walk *walk, size_t first, size_t count, wave_real *snapshots,
                  wave_real *shells)
{
    struct wave_run part = history_part(&walk->forward, first, count);
    part.mode = WAVE_FORWARD;
    part.every = walk->options->every;
    part.snapshots = snapshots;
    part.shells = shells;
    if (walk->again)
        part.mode = WAVE_AGAIN;
    if (walk->shells && first + count <= walk->shells_end)
        part.shells = walk->shells + (first - walk->shells_first) * walk->wave->shell_size;
    if (first < walk->fresh) {
        part.sample = NULL;
        part.sampled = NULL;
        part.illumination = NULL;
    } else {
        walk->fresh = first + count;
    }
    wave_run(walk->wave, &part);
}

/* Steps first to first + count - 1 are the records' items from 0 on. */
static int record_segment(struct walk *walk, size_t first, size_t count,
                          struct error *ret_error)
{
    size_t piece = walk_piece_steps(walk);
    wave_real *place = vault_place(&walk->records, 0, walk_snapshots(walk, count));
    if (place) {
        walk_forward(walk, first, count, place, NULL);
        return 0;
    }
    for (size_t at = 0; at < count; at += piece) {
        size_t steps = count - at < piece ? count - at : piece;
        walk_forward(walk, first + at, steps, walk->piece, NULL);
        if (vault_put(&walk->records, walk_snapshots(walk, at), walk_snapshots(walk, steps),
                      walk->piece, ret_error) < 0)
            return -1;
    }
    return 0;
}

static int turn_segment(struct walk *walk, size_t first, size_t count, struct error *ret_error)
{
    size_t piece = walk_piece_steps(walk);
    wave_real *place = vault_place(&walk->records, 0, walk_snapshots(walk, count));
    if (place)
        return walk->turn(walk->context, first, count, place, NULL, ret_error);
    for (size_t end = count; end > 0;) {
        size_t at = (end - 1) / piece * piece;
        if (vault_get(&walk->records, walk_snapshots(walk, at), walk_snapshots(walk, end - at),
                      walk->piece, ret_error) < 0 ||
            walk->turn(walk->context, first + at, end - at, walk->piece, NULL, ret_error) < 0)
            return -1;
        end = at;
    }
    return 0;
}

static int open_records(struct walk *walk, size_t count, size_t values, bool pack,
                        uint64_t memory_bytes, struct error *ret_error)
{
    const struct vault_options options = {
        .count = count,
        .values = values,
        .memory_bytes = memory_bytes,
        .dir = walk->options->spill_dir,
        .pack = pack,
        .threads = walk->wave->options.threads,
        .wave = walk->wave,
    };
    return vault_open(&walk->records, &options, ret_error);
}

/*
 * What is reversed by one revolve: steps from `first` on in segments. Either of all steps by
 * chunks, from whole states; or of a chunk by its parts, from states of the medium's grid alone:
 * the first sweep through a chunk goes on from a whole state, and keeps shells.
 */
struct level {
    size_t first, steps;
    size_t segment, snapshots; /* the former in imaged steps */
    unsigned char *states;     /* of a chunk, the one at its beginning first, if that is kept */
    bool inner;
    bool begins; /* it is kept, else the run begins at rest */
};

/* Room beside the records: behind them, or `apart`. */
struct room {
    unsigned char *states, *inner_states;
    wave_real *shells;
    bool apart;
};

static unsigned char *level_state(const struct walk *walk, const struct level *level,
                                  size_t slot)
{
    size_t place = slot == SIZE_MAX ? 0 : slot + level->begins;
    return level->states +
           place * (level->inner ? walk->wave->inner_bytes : walk->wave->state_bytes);
}

static void level_save(const struct walk *walk, const struct level *level, size_t slot)
{
    (level->inner ? wave_inner_save : wave_save)(walk->wave, level_state(walk, level, slot));
}

static void level_restore(struct walk *walk, const struct level *level, size_t slot)
{
    walk->again = level->inner;
    if (slot == SIZE_MAX && !level->begins)
        wave_clear(walk->wave);
    else
        (level->inner ? wave_inner_load : wave_load)(walk->wave,
                                                     level_state(walk, level, slot));
}

static int turn_chunk(struct walk *walk, const struct room *room, size_t first, size_t count,
                      struct error *ret_error);
static int turn_back(struct walk *walk, size_t first, size_t count, struct error *ret_error);

static int level_turn(struct walk *walk, const struct level *level, const struct room *room,
                      size_t first, size_t count, struct error *ret_error)
{
    if (walk->shell_piece)
        return turn_back(walk, first, count, ret_error);
    if (!level->inner && room->shells)
        return turn_chunk(walk, room, first, count, ret_error);
    if (record_segment(walk, first, count, ret_error) < 0)
        return -1;
    return turn_segment(walk, first, count, ret_error);
}

/* Of segment i, the first step, after the level's first one: segments are of imaged steps. */
static size_t level_begin(const struct walk *walk, const struct level *level, uint64_t i)
{
    size_t begin =
        (size_t)revolve_begin(i, level->segment, walk_snapshots(walk, level->steps)) *
        walk->options->every;
    return begin < level->steps ? begin : level->steps;
}

static int follow(struct walk *walk, const struct level *level, const struct room *room,
                  struct revolve *revolve, struct error *ret_error)
{
    for (;;) {
        struct revolve_move move = revolve_next(revolve);
        size_t from = level_begin(walk, level, move.from),
               to = level_begin(walk, level, move.to);
        size_t first = level->first + from;
        switch (move.action) {
        case REVOLVE_END:
            return 0;
        case REVOLVE_SAVE:
            level_save(walk, level, move.slot);
            break;
        case REVOLVE_RESTORE:
            level_restore(walk, level, move.slot);
            break;
        case REVOLVE_ADVANCE:
            walk_forward(walk, first, to - from, NULL, NULL);
            break;
        case REVOLVE_TURN:
            if (level_turn(walk, level, room, first, to - from, ret_error) < 0)
                return -1;
            break;
        }
    }
}

static int level_run(struct walk *walk, const struct level *level, const struct room *room,
                     struct error *ret_error)
{
    struct revolve revolve = {0};
    uint64_t segments = revolve_segments(walk_snapshots(walk, level->steps), level->segment);
    if (revolve_init(&revolve, segments, level->snapshots, ret_error) < 0)
        return -1;
    int rc = follow(walk, level, room, &revolve, ret_error);
    revolve_fini(&revolve);
    return rc;
}

/* Steps first to first + count - 1 from the whole state at hand, by parts. */
static int turn_chunk(struct walk *walk, const struct room *room, size_t first, size_t count,
                      struct error *ret_error)
{
    const struct revolve_plan *plan = &walk->options->plan;
    size_t all = walk_snapshots(walk, walk->forward.steps);
    struct level level = {.first = first,
                          .steps = count,
                          .segment = (size_t)plan->part,
                          .snapshots = (size_t)plan->inner,
                          .states = room->inner_states,
                          .inner = true,
                          .begins = revolve_plan_begins(plan, all)};
    walk->shells = room->shells;
    walk->shells_first = first;
    uint64_t last = revolve_segments(walk_snapshots(walk, count), level.segment) - 1;
    walk->shells_end = first + level_begin(walk, &level, last);
    if (level.begins)
        wave_inner_save(walk->wave, room->inner_states);
    int rc = level_run(walk, &level, room, ret_error);
    walk->shells = NULL;
    walk->again = false;
    return rc;
}

/* What a plan keeps besides records: so many whole states, inner ones, and shells. */
struct items {
    size_t states, inner, shells;
};

static struct items items_of(const struct walk *walk, const struct revolve_plan *plan)
{
    size_t all = walk_snapshots(walk, walk->forward.steps);
    struct items items = {.states = (size_t)plan->snapshots};
    if (plan->part) {
        items.inner = (size_t)plan->inner + revolve_plan_begins(plan, all);
        items.shells = (size_t)revolve_plan_shells(plan) * walk->options->every;
    }
    return items;
}

static size_t shell_bytes(const struct wave *wave)
{
    return wave->shell_size * sizeof(wave_real);
}

static size_t items_bytes(const struct wave *wave, const struct items *items)
{
    return items->states * wave->state_bytes + items->inner * wave->inner_bytes +
           items->shells * shell_bytes(wave);
}

static int no_room(const struct wave *wave, const struct items *items, struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "no memory for %.3g GB of checkpoints",
                     (double)items_bytes(wave, items) * 1e-9);
}

/* Items near the wave; of none, no memory. 0 or -1. */
static int items_create(const struct wave *wave, size_t count, size_t bytes, void **ret_items)
{
    *ret_items = count > 0 ? wave_room_create(wave, count, bytes) : NULL;
    return count > 0 && !*ret_items ? -1 : 0;
}

static void room_free(const struct wave *wave, struct room *room)
{
    if (room->apart) {
        wave_room_destroy(wave, room->states);
        wave_room_destroy(wave, room->inner_states);
        wave_room_destroy(wave, room->shells);
    }
    *room = (struct room){0};
}

/* All that is there is in `ret_room`, whatever comes back. */
static int room_apart(const struct wave *wave, const struct items *items, struct room *ret_room,
                      struct error *ret_error)
{
    void *states = NULL, *inner = NULL, *shells = NULL;
    int rc = items_create(wave, items->states, wave->state_bytes, &states);
    if (rc == 0)
        rc = items_create(wave, items->inner, wave->inner_bytes, &inner);
    if (rc == 0)
        rc = items_create(wave, items->shells, shell_bytes(wave), &shells);
    *ret_room =
        (struct room){.states = states, .inner_states = inner, .shells = shells, .apart = true};
    return rc == 0 ? 0 : no_room(wave, items, ret_error);
}

/* Behind the records. */
static int room_behind(const struct wave *wave, const struct items *items,
                       unsigned char *memory, struct room *ret_room, struct error *ret_error)
{
    unsigned char *inner = memory + items->states * wave->state_bytes;
    unsigned char *shells = inner + items->inner * wave->inner_bytes;
    *ret_room = (struct room){.states = memory,
                              .inner_states = inner,
                              .shells = items->shells ? (wave_real *)shells : NULL};
    return memory ? 0 : no_room(wave, items, ret_error);
}

/* Open the records, and make room for what `plan` keeps besides. */
static int room_make(struct walk *walk, const struct revolve_plan *plan, uint64_t memory_bytes,
                     struct room *ret_room, struct error *ret_error)
{
    const struct wave *wave = walk->wave;
    size_t kept = (size_t)(plan->part ? plan->part : plan->segment);
    size_t record = wave->snapshot_size * sizeof(wave_real);
    struct items items = items_of(walk, plan);
    size_t bytes = items_bytes(wave, &items);
    bool apart = walk->options->pack || wave->options.device || memory_bytes != UINT64_MAX;
    size_t more = apart ? 0 : (bytes + record - 1) / record;
    if (open_records(walk, kept + more, wave->snapshot_size, walk->options->pack, memory_bytes,
                     ret_error) < 0)
        return -1;
    if (apart)
        return room_apart(wave, &items, ret_room, ret_error);
    return room_behind(wave, &items, (unsigned char *)vault_place(&walk->records, kept, more),
                       ret_room, ret_error);
}

static int walk_segments(struct walk *walk, const struct revolve_plan *plan,
                         uint64_t memory_bytes, struct error *ret_error)
{
    struct room room = {0};
    size_t kept = (size_t)(plan->part ? plan->part : plan->segment);
    struct level level = {.steps = walk->forward.steps,
                          .segment = (size_t)plan->segment,
                          .snapshots = (size_t)plan->snapshots};
    int rc = room_make(walk, plan, memory_bytes, &room, ret_error);
    if (rc == 0 && !vault_place(&walk->records, 0, kept))
        rc = walk_piece_make(walk, SHOT_PIECE, false, ret_error);
    level.states = room.states;
    if (rc == 0)
        rc = level_run(walk, &level, &room, ret_error);
    room_free(walk->wave, &room);
    return rc;
}

/* Run a segment forwards, keeping the shells: in one go where they lie in memory. */
static int record_shells(struct walk *walk, size_t first, size_t steps, struct error *ret_error)
{
    size_t most = walk_piece_steps(walk);
    wave_real *place = vault_place(&walk->records, 0, steps);
    if (place) {
        walk_forward(walk, first, steps, NULL, place);
        return 0;
    }
    for (size_t at = 0; at < steps; at += most) {
        size_t count = steps - at < most ? steps - at : most;
        walk_forward(walk, first + at, count, NULL, walk->shell_piece);
        if (vault_put(&walk->records, at, count, walk->shell_piece, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* How many steps the way back and the turns go on together: no snapshot is written then. 0: they do
 * not. */
static size_t steps_together(const struct walk *walk)
{
    return walk->wave->both_steps / walk->options->every * walk->options->every;
}

/* Run the same backwards, turning its snapshots as they come. */
static int turn_shells(struct walk *walk, size_t first, size_t steps, struct error *ret_error)
{
    size_t together = steps_together(walk), most = together ? together : walk_piece_steps(walk);
    for (size_t end = steps; end > 0;) {
        size_t at = (end - 1) / most * most;
        struct wave_run part = history_part(&walk->forward, first + at, end - at);
        part.mode = WAVE_BACKWARD;
        part.every = walk->options->every;
        part.sample = NULL;
        part.sampled = NULL;
        part.illumination = NULL;
        part.snapshots = walk->piece;
        part.shells = vault_place(&walk->records, at, end - at);
        if (!part.shells) {
            if (vault_get(&walk->records, at, end - at, walk->shell_piece, ret_error) < 0)
                return -1;
            part.shells = walk->shell_piece;
        }
        const struct history_due due = {walk->wave, &part};
        if (walk->turn(walk->context, first + at, end - at, walk->piece, &due, ret_error) < 0)
            return -1;
        end = at;
    }
    return 0;
}

static int turn_back(struct walk *walk, size_t first, size_t steps, struct error *ret_error)
{
    if (record_shells(walk, first, steps, ret_error) < 0)
        return -1;
    return turn_shells(walk, first, steps, ret_error);
}

/* Lines of a cache: rows of snapshots had better begin with one. */
#define PIECE_ALIGN (64 / sizeof(wave_real))

/* Open the vault of `steps` shells, and make the piece: behind them, if they are in memory here. So
 * the next run gets both as this one leaves them, for fresh pages take their time. */
static int shells_open(struct walk *walk, size_t steps, size_t most, struct error *ret_error)
{
    const struct wave *wave = walk->wave;
    size_t shell = wave->shell_size, memory_bytes = walk->options->memory_bytes;
    size_t more = shell ? (most * wave->snapshot_size + PIECE_ALIGN - 1) / shell + 1 : 0;
    if (more == 0 || wave->options.device || memory_bytes / shell_bytes(wave) < steps) {
        if (open_records(walk, steps, shell, false, memory_bytes, ret_error) < 0)
            return -1;
        return walk_piece_make(walk, most, true, ret_error);
    }
    if (open_records(walk, steps + more, shell, false, UINT64_MAX, ret_error) < 0)
        return -1;
    uintptr_t line = PIECE_ALIGN * sizeof(wave_real);
    uintptr_t behind = (uintptr_t)vault_place(&walk->records, steps, more);
    walk->piece = (wave_real *)((behind + line - 1) / line * line);
    walk->piece_behind = true;
    return 0;
}

/* Room for shells of one segment, and for what is handled at once. */
static int shells_make(struct walk *walk, size_t steps, struct error *ret_error)
{
    size_t shell = walk->wave->shell_size;
    size_t together = walk_snapshots(walk, steps_together(walk));
    size_t most = together > SHOT_PIECE ? together : SHOT_PIECE;
    if (shells_open(walk, steps, most, ret_error) < 0)
        return -1;
    walk->shell_piece = malloc((most * walk->options->every * shell + 1) * sizeof(wave_real));
    return walk->shell_piece
               ? 0
               : error_set(ret_error, ERROR_SYSTEM, "no memory for a few boundaries");
}

/* A run that is one segment, or several, from whole states. */
static int walk_shells(struct walk *walk, struct error *ret_error)
{
    const struct revolve_plan *plan = &walk->options->plan;
    size_t steps = walk->forward.steps, most = (size_t)plan->segment * walk->options->every;
    size_t held = most > 0 && most < steps ? most : steps;
    struct level level = {.steps = steps,
                          .segment = walk_snapshots(walk, held),
                          .snapshots = (size_t)plan->snapshots};
    struct room room = {0};
    const struct items items = {.states = level.snapshots};
    int rc = shells_make(walk, held, ret_error);
    if (rc == 0)
        rc = room_apart(walk->wave, &items, &room, ret_error);
    level.states = room.states;
    if (rc == 0)
        rc = level_run(walk, &level, &room, ret_error);
    room_free(walk->wave, &room);
    free(walk->shell_piece);
    return rc;
}

int history_walk(struct wave *wave, const struct wave_run *forward,
                 const struct history_options *options, history_turn turn, void *context,
                 struct error *ret_error)
{
    int rc;
    struct walk walk = {.wave = wave,
                        .forward = *forward,
                        .options = options,
                        .turn = turn,
                        .context = context,
                        .records = {.fd = -1}};
    struct revolve_plan all = {.segment = walk_snapshots(&walk, forward->steps)};
    wave_clear(wave);
    if (options->method == SURVEY_MEMORY_CHECKPOINTS)
        rc = walk_segments(&walk, &options->plan, UINT64_MAX, ret_error);
    else if (options->method == SURVEY_MEMORY_BOUNDARY)
        rc = walk_shells(&walk, ret_error);
    else if (options->method == SURVEY_MEMORY_FOURIER)
        rc = walk_fourier(&walk, ret_error);
    else
        rc = walk_segments(&walk, &all, options->memory_bytes, ret_error);
    vault_close(&walk.records);
    if (walk.piece_near)
        wave_room_destroy(wave, walk.piece);
    else if (!walk.piece_behind)
        free(walk.piece);
    return rc;
}
