/*
 * worker_table.h - the workers, sorted by what they could do next, with the sums that say how a
 * farm's room is to be shared.
 *
 * Workers are indices into one array; pointers into it last until the next worker_add. A worker
 * that may get leases (active or on trial) is *eligible*; the sums are over those alone unless it
 * is said otherwise.
 */
#ifndef BEOFARM_MASTER_WORKER_TABLE_H
#define BEOFARM_MASTER_WORKER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/lease_table.h"
#include "master/scheduler.h"

#define WORKER_NONE UINT32_MAX

/* The lists that a worker may stand in; see struct worker_table. */
enum worker_link_kind {
    WORKER_LINK_TURN,
    WORKER_LINK_SPARE,
    WORKER_LINK_RECALL,
    WORKER_LINK_ASIDE,
    WORKER_LINKS
};

enum worker_turn {
    WORKER_IDLE, /* has idle slots */
    WORKER_ROOM, /* its slots are taken, its credits are not */
    WORKER_TURNS
};
#define WORKER_SPARES 32

struct worker_link {
    uint32_t prev;
    uint32_t next;
};

struct worker_list {
    uint32_t first;
    uint32_t last;
};

struct worker {
    uint32_t id;
    enum scheduler_worker_state state;
    uint32_t slots; /* as it joined */
    uint32_t credits;
    uint32_t usable_slots;   /* by policy and state: 0 if it may get no leases */
    uint32_t usable_credits; /* >= usable_slots */
    uint32_t leased;
    uint32_t recalled; /* asked back, and neither handed back nor ended yet */
    struct lease_list leases;
    struct worker_link links[WORKER_LINKS];
    uint8_t turn;  /* which list of turns; WORKER_TURNS: none */
    uint8_t spare; /* which list of spares; WORKER_SPARES: none */
    bool recalling;
    uint8_t times_aside;
    int64_t recalled_ns; /* when it was last asked */
    int64_t aside_until_ns;
    uint32_t failures; /* in a row */
    uint64_t good;     /* results in all */
    uint64_t bad;
    uint64_t all_good_before; /* what all workers together had brought when the row began */
    uint64_t all_bad_before;
};

struct worker_table {
    uint32_t *index_of_id;
    uint32_t ids;
    struct worker *workers;
    uint32_t capacity;
    uint32_t used;
    uint32_t free; /* chained by links[0].next */
    uint32_t count;
    bool prefetch;                          /* policy */
    struct worker_list turns[WORKER_TURNS]; /* whom to give the next lease, in turn */
    /* By the logarithm of how many attempts could be recalled: those beyond the slots. */
    struct worker_list spares[WORKER_SPARES];
    uint32_t spare_mask;          /* bit i: spares[i] is not empty */
    struct worker_list recalling; /* recalled > 0, longest ago first */
    struct worker_list aside;     /* set aside */
    int64_t aside_due_ns;         /* no one's time is over before this */
    uint32_t aside_count;
    uint32_t eligible;
    uint64_t idle;       /* slots without a lease */
    uint64_t prefetched; /* leases beyond the slots */
    uint64_t beyond;     /* credits beyond the slots */
    uint64_t recalled;
    uint64_t credits;
    uint64_t all_slots;   /* of every worker */
    uint64_t all_running; /* of every worker: the smaller of leases and slots */
};

/* An empty table; without `prefetch` no worker gets more tasks than it has slots. */
void worker_table_init(struct worker_table *table, bool prefetch);
void worker_table_fini(struct worker_table *table);
/* Memory it has allocated. */
size_t worker_table_bytes(const struct worker_table *table);

/* The index of a worker's id, WORKER_NONE if it has not joined. */
static inline uint32_t worker_find(const struct worker_table *table, uint32_t id)
{
    return id < table->ids ? table->index_of_id[id] : WORKER_NONE;
}

static inline struct worker *worker_at(const struct worker_table *table, uint32_t index)
{
    return &table->workers[index];
}

static inline bool worker_is_eligible(const struct worker *worker)
{
    return worker->usable_credits > 0;
}

/* The next worker of a list of turns. */
static inline uint32_t worker_next_in_turn(const struct worker_table *table, uint32_t index)
{
    return table->workers[index].links[WORKER_LINK_TURN].next;
}

/* An active worker; id is in range and has not joined. WORKER_NONE if out of memory. */
uint32_t worker_add(struct worker_table *table, uint32_t id, uint32_t slots, uint32_t credits);
/* It must have no leases any more. */
void worker_remove(struct worker_table *table, uint32_t index);

/* Change the state, or how many tasks it wants in hand, and keep the sums above right. */
void worker_set_state(struct worker_table *table, uint32_t index,
                      enum scheduler_worker_state state);
void worker_set_credits(struct worker_table *table, uint32_t index, uint32_t credits);

/* Its lease list grew or shrank by so much. */
void worker_leased_change(struct worker_table *table, uint32_t index, int64_t change);

/* It went to the back of its list of turns. */
void worker_turn_over(struct worker_table *table, uint32_t index);

/* `count` more were recalled from it now; one of them was handed back (its lease is about to go);
 * none is expected back any more. */
void worker_recall(struct worker_table *table, uint32_t index, uint32_t count, int64_t now_ns);
void worker_recall_answered(struct worker_table *table, uint32_t index);
void worker_recall_forget(struct worker_table *table, uint32_t index);

/* The eligible worker with (within a factor of two) most to recall, WORKER_NONE if none. */
uint32_t worker_fullest(const struct worker_table *table);
/* How many attempts could still be recalled from it. */
uint32_t worker_spare(const struct worker *worker);

/* How many leases beyond its slots it should get now, when `ready` tasks, no fewer than there
 * are idle slots, are to be handed out. */
uint32_t worker_prefetch_share(const struct worker_table *table, const struct worker *worker,
                               uint64_t ready);
/* How many leases a worker with idle slots should get now in all; `ready` > 0. */
uint32_t worker_share(const struct worker_table *table, const struct worker *worker,
                      uint64_t ready);

#endif
