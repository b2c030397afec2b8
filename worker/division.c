/*
 * Slots are placed one by one. Each goes to the tightest level at which some domain still has room
 * for it, and there to the domain that leaves the machine most evenly loaded: where the package
 * has most free places, then the NUMA node, then the domain itself. Faster kinds come before
 * all of that, and where a slot is to be (near a GPU) before everything. Inside a domain the first
 * free places are taken, so slots stay contiguous.
 */
#include "config.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "worker/division.h"

/* The state of placing. */
struct board {
    const struct place_list *places;
    bool *taken;
    size_t *free[LEVEL_COUNT];  /* per domain: places not taken */
    size_t *first[LEVEL_COUNT]; /* per domain: its first place */
    size_t domain_count[LEVEL_COUNT];
};

static void board_fini(struct board *board)
{
    free(board->taken);
    for (enum level level = 0; level < LEVEL_COUNT; level++) {
        free(board->free[level]);
        free(board->first[level]);
    }
}

static int board_init(struct board *board, const struct place_list *places)
{
    *board = (struct board){.places = places};
    board->taken = calloc(places->count, sizeof *board->taken);
    bool complete = board->taken != NULL;
    for (enum level level = 0; level < LEVEL_COUNT; level++) {
        board->free[level] = calloc(places->count, sizeof(size_t));
        board->first[level] = calloc(places->count, sizeof(size_t));
        complete = complete && board->free[level] && board->first[level];
    }
    if (!complete) {
        board_fini(board);
        return -1;
    }
    for (enum level level = 0; level < LEVEL_COUNT; level++)
        for (size_t i = 0; i < places->count; i++) {
            size_t domain = places->items[i].domain[level];
            if (board->free[level][domain]++ == 0) {
                board->first[level][domain] = i;
                board->domain_count[level]++;
            }
        }
    return 0;
}

/* How many slots of `threads` fit side by side into the domains of a level. */
static size_t level_fit(const struct board *board, enum level level, unsigned threads)
{
    size_t fit = 0;
    for (size_t domain = 0; domain < board->domain_count[level]; domain++)
        fit += board->free[level][domain] / threads;
    return fit;
}

static enum level tightest_level(const struct board *board, unsigned threads)
{
    enum level level = LEVEL_CACHE_KIND;
    while (level + 1 < LEVEL_COUNT && level_fit(board, level, threads) == 0)
        level++;
    return level;
}

/* Free places around a place, at a level. */
static size_t free_around(const struct board *board, enum level level, size_t place)
{
    return board->free[level][board->places->items[place].domain[level]];
}

/* Whether the domain that begins with place a is the better one for the next slot. */
static bool domain_better(const struct board *board, enum level level, size_t a, size_t b)
{
    static const enum level balanced[] = {LEVEL_PACKAGE, LEVEL_NODE};
    unsigned kind_a = board->places->items[a].kind;
    unsigned kind_b = board->places->items[b].kind;
    if (kind_a != kind_b)
        return kind_a < kind_b;
    for (size_t i = 0; i < sizeof balanced / sizeof *balanced; i++) {
        size_t free_a = free_around(board, balanced[i], a);
        size_t free_b = free_around(board, balanced[i], b);
        if (free_a != free_b)
            return free_a > free_b;
    }
    return free_around(board, level, a) > free_around(board, level, b);
}

/* The first place of the best domain of a level, of those that begin near; false if none has
 * room. */
static bool domain_choose(const struct board *board, enum level level, unsigned threads,
                          const bool *near, size_t *ret_first)
{
    bool found = false;
    for (size_t domain = 0; domain < board->domain_count[level]; domain++) {
        size_t first = board->first[level][domain];
        if (board->free[level][domain] < threads || (near && !near[first]))
            continue;
        if (!found || domain_better(board, level, first, *ret_first))
            *ret_first = first;
        found = true;
    }
    return found;
}

static void place_take(struct board *board, size_t place)
{
    board->taken[place] = true;
    for (enum level level = 0; level < LEVEL_COUNT; level++)
        board->free[level][board->places->items[place].domain[level]]--;
}

static bool place_free(const struct board *board, enum level level, size_t first, size_t i)
{
    const struct place *items = board->places->items;
    return !board->taken[i] && items[i].domain[level] == items[first].domain[level];
}

/* Take the first free places of the domain that begins with `first`. */
static void domain_take(struct board *board, enum level level, size_t first, unsigned threads,
                        size_t *row)
{
    for (size_t i = first; threads > 0 && i < board->places->count; i++)
        if (place_free(board, level, first, i)) {
            place_take(board, i);
            *row++ = i;
            threads--;
        }
}

/* Take one place of that domain, from the core that has most of them free. */
static void domain_take_one(struct board *board, enum level level, size_t first, size_t *row)
{
    size_t best = SIZE_MAX;
    for (size_t i = first; i < board->places->count; i++)
        if (place_free(board, level, first, i) &&
            (best == SIZE_MAX ||
             free_around(board, LEVEL_CORE, i) > free_around(board, LEVEL_CORE, best)))
            best = i;
    place_take(board, best);
    *row = best;
}

static int row_compare(const void *a, const void *b)
{
    const size_t *left = a;
    const size_t *right = b;
    return *left < *right ? -1 : *left > *right;
}

/* The first place of the domain for a slot, near if that can be, and its level: at least *level. */
static size_t slot_domain(const struct board *board, unsigned threads, const bool *near,
                          enum level *level)
{
    size_t first = 0;
    for (enum level l = *level; near && l < LEVEL_COUNT; l++) {
        if (domain_choose(board, l, threads, near, &first)) {
            *level = l;
            return first;
        }
    }
    /* the machine as a whole has room, so this ends */
    while (!domain_choose(board, *level, threads, NULL, &first))
        ++*level;
    return first;
}

/* Put all slots side by side; there are places enough. */
static void slots_place(struct division *division, struct board *board, const bool *near)
{
    enum level level = division->level;
    for (size_t slot = 0; slot < division->slot_count; slot++) {
        if (near)
            level = division->level;
        size_t first = slot_domain(board, division->threads,
                                   near ? near + slot * board->places->count : NULL, &level);
        division->straddling += level > division->level;
        size_t *row = &division->places[slot * division->threads];
        if (division->threads == 1)
            domain_take_one(board, level, first, row);
        else
            domain_take(board, level, first, division->threads, row);
    }
    qsort(division->places, division->slot_count, division->threads * sizeof(size_t),
          row_compare);
}

/* Deal the places round and round. */
static void slots_share(struct division *division, struct board *board)
{
    size_t count = board->places->count;
    for (size_t slot = 0; slot < division->slot_count; slot++) {
        size_t *row = &division->places[slot * division->threads];
        for (size_t i = 0; i < division->threads; i++) {
            row[i] = (slot * division->threads + i) % count;
            board->taken[row[i]] = true;
        }
        qsort(row, division->threads, sizeof *row, row_compare);
    }
}

/* How many places each slot may have if all are to be where they shall be, each having its share of
 * what it has in common with others. */
static size_t near_share(const bool *near, size_t slots, size_t count)
{
    size_t least = count;
    for (size_t slot = 0; slot < slots; slot++) {
        size_t own = 0, together = 0;
        for (size_t i = 0; i < count; i++)
            own += near[slot * count + i];
        for (size_t other = 0; other < slots; other++) {
            bool meets = false;
            for (size_t i = 0; i < count; i++)
                meets = meets || (near[slot * count + i] && near[other * count + i]);
            together += meets;
        }
        if (together > 0 && own / together < least)
            least = own / together;
    }
    return least;
}

size_t division_allowed(size_t places, double quota)
{
    if (quota <= 0 || round(quota) >= (double)places)
        return places;
    return quota < 1 ? 1 : (size_t)round(quota);
}

/* Turn auto into numbers. */
static void counts_resolve(struct division *division, const struct board *board, size_t slots,
                           unsigned threads, double quota, const bool *near)
{
    size_t count = board->places->count;
    size_t capacity = division_allowed(count, quota);

    if (threads == 0) {
        size_t share = slots == 0 ? 1 : capacity / slots;
        division->limited = slots != 0 && share < count / slots;
        size_t most = near ? near_share(near, slots, count) : count;
        share = share < most ? share : most;
        threads = share > 0 ? (unsigned)share : 1;
    }
    division->threads = threads;
    division->level = tightest_level(board, threads);
    if (slots == 0) {
        size_t fit = level_fit(board, division->level, threads);
        slots = capacity / threads > 0 ? capacity / threads : 1;
        division->limited = slots < fit;
        if (slots > fit)
            slots = fit;
    }
    division->slot_count = slots;
}

int division_make(struct division *ret_division, const struct place_list *places, size_t slots,
                  unsigned threads, double quota, const bool *near)
{
    struct division division = {0};
    struct board board;
    if (board_init(&board, places) < 0)
        return -1;
    counts_resolve(&division, &board, slots, threads, quota, near);
    division.places = calloc(division.slot_count, division.threads * sizeof *division.places);
    if (!division.places) {
        board_fini(&board);
        return -1;
    }
    division.shared = division.threads > places->count / division.slot_count;
    if (division.shared)
        slots_share(&division, &board);
    else
        slots_place(&division, &board, near);
    for (size_t i = 0; i < places->count; i++)
        division.idle += !board.taken[i];
    board_fini(&board);
    *ret_division = division;
    return 0;
}

void division_fini(struct division *division)
{
    free(division->places);
    *division = (struct division){0};
}
