/*
 * farm_sim_private.h - shared by the farm_sim*.c files alone.
 */
#ifndef BEOFARM_TESTS_MASTER_FARM_SIM_PRIVATE_H
#define BEOFARM_TESTS_MASTER_FARM_SIM_PRIVATE_H

#include <stddef.h>

#include "tests/master/farm_sim.h"

enum kind {
    /* To the master. */
    TO_JOIN,
    TO_STARTED,
    TO_RESULT,
    TO_HANDBACK,
    TO_CREDIT,
    TO_LEAVING,
    /* To a worker. */
    TO_LEASE,
    TO_ACK,
    TO_CANCEL,
    TO_RECALL,
    /* What happens. */
    MASTER_COMMITS,
    MASTER_NOTICES,
    MASTER_TICKS,
    MASTER_DIES,
    WORKER_FINISHES,
    WORKER_DIES,
    WORKER_CUT,
    WORKER_DRAINS,
    WORKER_WISHES,
    WORKER_JOINS,
};

struct event {
    int64_t at_ns;
    uint64_t order; /* first come, first served among equals */
    enum kind kind;
    uint32_t session; /* of messages and MASTER_NOTICES; of others the worker */
    struct attempt_id id;
    uint32_t value; /* outcome, count, or token */
};

struct ledger_entry {
    uint32_t task;
    uint32_t attempt;
};

/* The master's side of a link. */
struct session {
    uint32_t worker;
    uint32_t id; /* what the scheduler calls it; 0: not joined, or lost */
    bool open;
    bool leaving;
    uint32_t credits;
    uint32_t live;
    struct ledger_entry *ledger; /* attempts that are live there, by our own books */
    uint32_t ledger_capacity;
    int64_t up_ns; /* when the last message sent arrives */
    int64_t down_ns;
    struct ledger_entry *offers; /* of the READY on its way */
    uint32_t offer_count;
};

enum held_state { QUEUED, RUNNING, FINISHED };

struct held {
    uint32_t task;
    uint32_t attempt;
    enum held_state state;
    enum scheduler_outcome outcome;
    uint32_t token; /* of the FINISHES event */
    int64_t began_ns;
    int64_t took_ns;
};

struct worker {
    uint32_t slots;
    uint32_t credits;
    uint32_t session; /* UINT32_MAX: away */
    uint32_t last_id;
    uint32_t life; /* counts its deaths */
    bool bad;
    bool draining;
    struct held *held;
    uint32_t held_count;
    uint32_t held_capacity;
    uint32_t running;
};

struct commit {
    struct attempt_id id;
    uint32_t session;
    char end; /* 'd', 'f', or 0: only to be acknowledged */
};

struct sim {
    const struct sim_config *config;
    struct sim_report *report;
    uint64_t random;
    int64_t now_ns;
    struct scheduler *scheduler;
    struct event *heap;
    size_t heap_count, heap_capacity;
    uint64_t orders;
    struct worker *workers;
    struct session *sessions;
    uint32_t session_count, session_capacity;
    uint32_t *session_of_id;
    uint32_t ids, id_capacity;
    uint32_t tokens;
    char *journal;     /* per task: 0, 'd' or 'f' */
    char *ended;       /* the same, as this master has it, committed or not */
    uint8_t *live;     /* per task */
    uint8_t *failures; /* that happened, known to the master or not */
    uint8_t *losses;   /* at least as many as the scheduler may count */
    uint32_t journaled;
    struct commit *commits;
    size_t commit_count, commit_capacity;
    int64_t tick_ns;
    uint32_t restarts;
};

/* farm_sim_time.c: chance, what is to come, and complaints. */
uint64_t sim_chance(struct sim *sim);
bool sim_happens(struct sim *sim, double share);
/* From 0 to below ns. */
int64_t sim_upto(struct sim *sim, int64_t ns);
/* The first complaint is the report's failure. */
void sim_complain(struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* An array of `count` elements, grown; never NULL. */
void *sim_grown(void *array, uint64_t count, size_t size);
/* The next event. */
struct event sim_pop(struct sim *sim);
/* Something happens in_ns from now. */
void sim_later(struct sim *sim, int64_t in_ns, enum kind kind, uint32_t worker,
               struct attempt_id id, uint32_t value);
/* After a time that is exponentially distributed, roughly: uniform in up to twice the mean. */
void sim_at_rate(struct sim *sim, double rate, enum kind kind, uint32_t worker);
/* A message of session `number`, which arrives after those before it. */
void sim_send(struct sim *sim, enum kind kind, uint32_t number, struct attempt_id id,
              uint32_t value);

/* What a task is like. */
enum nature { SOUND, POISON, FLAKY, KILLER };
enum nature sim_nature(const struct sim *sim, uint32_t task);

/* farm_sim_worker.c: what worker `number` does; NULL: it has no such attempt. */
struct held *worker_find(struct worker *worker, struct attempt_id id);
void worker_away(struct sim *sim, uint32_t number);
void worker_cut(struct sim *sim, uint32_t number);
void worker_dies(struct sim *sim, uint32_t number);
void worker_drains(struct sim *sim, uint32_t number);
void worker_wishes(struct sim *sim, uint32_t number);
void worker_finishes(struct sim *sim, uint32_t number, const struct event *event);
void worker_joins(struct sim *sim, uint32_t number);
void worker_hears(struct sim *sim, const struct event *event);

/* farm_sim_master.c: what the master does, which asks the scheduler. */
void master_begin(struct sim *sim);
void master_commits(struct sim *sim, uint32_t restarts);
void master_loses(struct sim *sim, uint32_t number);
void master_pulls(struct sim *sim);
void master_hears(struct sim *sim, const struct event *event);
void master_dies(struct sim *sim);

#endif
