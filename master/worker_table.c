/*
 * Every change of a worker is made between account(-1) and account(+1), which take its part out
 * of the sums and put it back, and is followed by refile(), which moves the worker to the lists
 * where it belongs now. Most changes move nothing.
 */
#include "config.h"

#include <stdlib.h>

#include "master/worker_table.h"

#define WORKERS_AT_FIRST 16

static const struct worker_list no_workers = {WORKER_NONE, WORKER_NONE};

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* a - b, or 0. */
static uint32_t over(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

void worker_table_init(struct worker_table *table, bool prefetch)
{
    *table = (struct worker_table){.free = WORKER_NONE,
                                   .prefetch = prefetch,
                                   .recalling = no_workers,
                                   .aside = no_workers,
                                   .aside_due_ns = INT64_MAX};
    for (int i = 0; i < WORKER_TURNS; i++)
        table->turns[i] = no_workers;
    for (int i = 0; i < WORKER_SPARES; i++)
        table->spares[i] = no_workers;
}

void worker_table_fini(struct worker_table *table)
{
    free(table->index_of_id);
    free(table->workers);
    worker_table_init(table, table->prefetch);
}

size_t worker_table_bytes(const struct worker_table *table)
{
    return table->ids * sizeof(*table->index_of_id) + table->capacity * sizeof(*table->workers);
}

static void list_append(struct worker_table *table, struct worker_list *list,
                        enum worker_link_kind kind, uint32_t index)
{
    struct worker_link *link = &table->workers[index].links[kind];
    *link = (struct worker_link){list->last, WORKER_NONE};
    if (list->last != WORKER_NONE)
        table->workers[list->last].links[kind].next = index;
    else
        list->first = index;
    list->last = index;
}

static void list_remove(struct worker_table *table, struct worker_list *list,
                        enum worker_link_kind kind, uint32_t index)
{
    const struct worker_link *link = &table->workers[index].links[kind];
    if (link->prev != WORKER_NONE)
        table->workers[link->prev].links[kind].next = link->next;
    else
        list->first = link->next;
    if (link->next != WORKER_NONE)
        table->workers[link->next].links[kind].prev = link->prev;
    else
        list->last = link->prev;
}

static void account(struct worker_table *table, const struct worker *worker, int sign)
{
    /* Sums are unsigned and wrap back. */
    uint64_t by = (uint64_t)(int64_t)sign;
    table->all_slots += by * worker->slots;
    table->all_running += by * min_u32(worker->leased, worker->slots);
    table->recalled += by * worker->recalled;
    if (!worker_is_eligible(worker))
        return;
    table->eligible += (uint32_t)sign;
    table->idle += by * over(worker->usable_slots, worker->leased);
    table->prefetched += by * over(worker->leased, worker->usable_slots);
    table->beyond += by * (worker->usable_credits - worker->usable_slots);
    table->credits += by * worker->usable_credits;
}

static enum worker_turn turn_of(const struct worker *worker)
{
    if (worker->leased < worker->usable_slots)
        return WORKER_IDLE;
    return worker->leased < worker->usable_credits ? WORKER_ROOM : WORKER_TURNS;
}

uint32_t worker_spare(const struct worker *worker)
{
    if (!worker_is_eligible(worker))
        return 0;
    return over(over(worker->leased, worker->usable_slots), worker->recalled);
}

static uint8_t spare_of(const struct worker *worker)
{
    uint32_t spare = worker_spare(worker);
    return spare ? (uint8_t)(31 - __builtin_clz(spare)) : WORKER_SPARES;
}

static void spare_move(struct worker_table *table, uint32_t index, uint8_t to)
{
    struct worker *worker = &table->workers[index];
    uint8_t from = worker->spare;
    if (from != WORKER_SPARES) {
        list_remove(table, &table->spares[from], WORKER_LINK_SPARE, index);
        if (table->spares[from].first == WORKER_NONE)
            table->spare_mask &= ~(UINT32_C(1) << from);
    }
    worker->spare = to;
    if (to != WORKER_SPARES) {
        list_append(table, &table->spares[to], WORKER_LINK_SPARE, index);
        table->spare_mask |= UINT32_C(1) << to;
    }
}

static void turn_move(struct worker_table *table, uint32_t index, uint8_t to)
{
    struct worker *worker = &table->workers[index];
    if (worker->turn != WORKER_TURNS)
        list_remove(table, &table->turns[worker->turn], WORKER_LINK_TURN, index);
    worker->turn = to;
    if (to != WORKER_TURNS)
        list_append(table, &table->turns[to], WORKER_LINK_TURN, index);
}

static void refile(struct worker_table *table, uint32_t index)
{
    struct worker *worker = &table->workers[index];
    uint8_t turn = (uint8_t)turn_of(worker);
    if (turn != worker->turn)
        turn_move(table, index, turn);
    uint8_t spare = spare_of(worker);
    if (spare != worker->spare)
        spare_move(table, index, spare);
    bool recalling = worker->recalled > 0;
    if (recalling == worker->recalling)
        return;
    worker->recalling = recalling;
    if (recalling)
        list_append(table, &table->recalling, WORKER_LINK_RECALL, index);
    else
        list_remove(table, &table->recalling, WORKER_LINK_RECALL, index);
}

/* What is recalled cannot be more than what is there to hand back. */
static void recalled_clamp(struct worker *worker)
{
    uint32_t extra =
        worker_is_eligible(worker) ? over(worker->leased, worker->usable_slots) : 0;
    worker->recalled = min_u32(worker->recalled, extra);
}

static void usable_set(const struct worker_table *table, struct worker *worker)
{
    uint32_t slots = min_u32(worker->slots, worker->credits);
    uint32_t credits = table->prefetch ? worker->credits : slots;
    if (worker->state == SCHEDULER_WORKER_TRIAL) {
        slots = min_u32(slots, 1);
        credits = slots;
    } else if (worker->state != SCHEDULER_WORKER_ACTIVE) {
        slots = 0;
        credits = 0;
    }
    worker->usable_slots = slots;
    worker->usable_credits = credits;
}

static int ids_reserve(struct worker_table *table, uint32_t id)
{
    if (id < table->ids)
        return 0;
    uint32_t ids = table->ids ? table->ids : WORKERS_AT_FIRST;
    while (ids <= id)
        ids *= 2;
    uint32_t *index_of_id = realloc(table->index_of_id, ids * sizeof(*index_of_id));
    if (!index_of_id)
        return -1;
    for (uint32_t i = table->ids; i < ids; i++)
        index_of_id[i] = WORKER_NONE;
    table->index_of_id = index_of_id;
    table->ids = ids;
    return 0;
}

static uint32_t take_free(struct worker_table *table)
{
    uint32_t index = table->free;
    if (index != WORKER_NONE) {
        table->free = table->workers[index].links[0].next;
        return index;
    }
    if (table->used == table->capacity) {
        uint32_t capacity = table->capacity ? table->capacity * 2 : WORKERS_AT_FIRST;
        struct worker *workers = realloc(table->workers, capacity * sizeof(*workers));
        if (!workers)
            return WORKER_NONE;
        table->workers = workers;
        table->capacity = capacity;
    }
    return table->used++;
}

uint32_t worker_add(struct worker_table *table, uint32_t id, uint32_t slots, uint32_t credits)
{
    if (ids_reserve(table, id) < 0)
        return WORKER_NONE;
    uint32_t index = take_free(table);
    if (index == WORKER_NONE)
        return WORKER_NONE;
    struct worker *worker = &table->workers[index];
    *worker = (struct worker){.id = id,
                              .state = SCHEDULER_WORKER_ACTIVE,
                              .slots = slots,
                              .credits = credits,
                              .leases = {LEASE_NONE, LEASE_NONE},
                              .turn = WORKER_TURNS,
                              .spare = WORKER_SPARES,
                              .recalled_ns = INT64_MIN};
    table->index_of_id[id] = index;
    table->count++;
    usable_set(table, worker);
    account(table, worker, 1);
    refile(table, index);
    return index;
}

void worker_remove(struct worker_table *table, uint32_t index)
{
    worker_set_state(table, index, SCHEDULER_WORKER_LEAVING); /* out of all lists */
    struct worker *worker = &table->workers[index];
    account(table, worker, -1);
    table->index_of_id[worker->id] = WORKER_NONE;
    table->count--;
    worker->links[0].next = table->free;
    table->free = index;
}

void worker_set_state(struct worker_table *table, uint32_t index,
                      enum scheduler_worker_state state)
{
    struct worker *worker = &table->workers[index];
    if (worker->state == state)
        return;
    account(table, worker, -1);
    if (worker->state == SCHEDULER_WORKER_SET_ASIDE) {
        list_remove(table, &table->aside, WORKER_LINK_ASIDE, index);
        table->aside_count--;
    }
    worker->state = state;
    if (state == SCHEDULER_WORKER_SET_ASIDE) {
        list_append(table, &table->aside, WORKER_LINK_ASIDE, index);
        table->aside_count++;
    }
    usable_set(table, worker);
    recalled_clamp(worker);
    account(table, worker, 1);
    refile(table, index);
}

void worker_set_credits(struct worker_table *table, uint32_t index, uint32_t credits)
{
    struct worker *worker = &table->workers[index];
    account(table, worker, -1);
    worker->credits = credits;
    usable_set(table, worker);
    recalled_clamp(worker);
    account(table, worker, 1);
    refile(table, index);
}

void worker_leased_change(struct worker_table *table, uint32_t index, int64_t change)
{
    struct worker *worker = &table->workers[index];
    account(table, worker, -1);
    worker->leased = (uint32_t)(worker->leased + change);
    recalled_clamp(worker);
    account(table, worker, 1);
    refile(table, index);
}

void worker_turn_over(struct worker_table *table, uint32_t index)
{
    turn_move(table, index, table->workers[index].turn);
}

static void recalled_set(struct worker_table *table, uint32_t index, uint32_t recalled)
{
    struct worker *worker = &table->workers[index];
    account(table, worker, -1);
    worker->recalled = recalled;
    account(table, worker, 1);
    refile(table, index);
}

void worker_recall(struct worker_table *table, uint32_t index, uint32_t count, int64_t now_ns)
{
    uint32_t before = table->workers[index].recalled;
    recalled_set(table, index, 0); /* so that it goes to the end of the list */
    recalled_set(table, index, before + count);
    table->workers[index].recalled_ns = now_ns;
}

void worker_recall_answered(struct worker_table *table, uint32_t index)
{
    recalled_set(table, index, over(table->workers[index].recalled, 1));
}

void worker_recall_forget(struct worker_table *table, uint32_t index)
{
    recalled_set(table, index, 0);
}

uint32_t worker_fullest(const struct worker_table *table)
{
    if (!table->spare_mask)
        return WORKER_NONE;
    return table->spares[31 - __builtin_clz(table->spare_mask)].first;
}

uint32_t worker_prefetch_share(const struct worker_table *table, const struct worker *worker,
                               uint64_t ready)
{
    uint32_t room = worker->usable_credits - worker->usable_slots;
    if (!room)
        return 0;
    /* What slots will not take at once, here or on the workers already, is shared out by room;
     * half of it stays, to go later to whoever is fastest. */
    uint64_t rest = ready - table->idle + table->prefetched;
    uint64_t target = rest >= 2 * table->beyond ? room : rest * room / (2 * table->beyond);
    return over((uint32_t)target, over(worker->leased, worker->usable_slots));
}

uint32_t worker_share(const struct worker_table *table, const struct worker *worker,
                      uint64_t ready)
{
    uint64_t idle = over(worker->usable_slots, worker->leased);
    if (ready <= table->idle)
        return (uint32_t)((ready * idle + table->idle - 1) / table->idle);
    return (uint32_t)idle + worker_prefetch_share(table, worker, ready);
}
