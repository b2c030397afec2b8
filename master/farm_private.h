/* farm_private.h - what farm.c, farm_open.c, farm_replay.c, farm_intake.c and farm_stop.c share. */
#ifndef BEOFARM_MASTER_FARM_PRIVATE_H
#define BEOFARM_MASTER_FARM_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/farmfile.h"
#include "common/loop.h"
#include "master/content.h"
#include "master/crew.h"
#include "master/delivery.h"
#include "master/driver.h"
#include "master/farm.h"
#include "master/folders.h"
#include "master/journal.h"
#include "master/losses.h"
#include "master/outputs.h"
#include "master/pending.h"
#include "master/progress.h"
#include "master/rendezvous.h"
#include "master/replica.h"
#include "master/results.h"
#include "master/run_folder.h"
#include "master/scheduler.h"

enum farm_phase {
    FARM_RUNNING,
    FARM_STOPPING, /* it is stopped: what workers alone hold is fetched, nothing else is leased */
    FARM_ENDING,   /* the end is decided: no more leases, the journal catches up */
    FARM_DELIVERING, /* what came of it is put into the container */
    FARM_PARTING     /* STOP was sent: workers leave */
};

struct farm {
    const struct farm_options *options;
    struct farmfile file;
    char instance[33]; /* names this master process */
    char *folder;      /* where the driver finds the farm's files */
    struct buf job;    /* the JOB message */

    struct loop *loop;
    struct content *content;
    const struct driver_ops *driver_ops;
    struct driver *driver;
    bool driver_finished;
    bool limited; /* $.limits.tasks allows no more */
    struct scheduler *scheduler;
    struct journal *journal;
    struct loop_watch *journal_watch;
    struct outputs *outputs;
    struct results *results;
    struct crew *crew;
    struct rendezvous *rendezvous;
    struct pending *pending; /* acknowledgements that wait for the journal */
    struct progress *progress;
    struct losses *losses; /* of workers, told */
    struct run_folder *run_folder;

    struct loop_timer *wake;    /* the scheduler's */
    struct loop_timer *retry;   /* for messages put off by a full disk */
    struct loop_timer *idle;    /* nothing has got on for limits.idle_stop_s */
    struct loop_timer *parting; /* workers that do not go */

    /* A farm with a container (farm_container.c); NULL for others. */
    struct replica *replica;
    struct container *container; /* the journal's thread's, once that runs */
    struct folders *folders;
    struct delivery *delivery;
    struct loop_timer *delivery_due;
    bool whereabouts_said, delivery_troubled, delivered;
    bool quietly; /* end without telling the workers */
    int64_t delivery_begun_ns, deliver_again_ns, ending_ns;

    uint64_t steps;         /* forward, of those that the scheduler does not count */
    uint64_t got_on;        /* all of them, when last looked at */
    int64_t got_on_ns;      /* when that changed last */
    uint32_t widest;        /* the most slots that a worker has had */
    bool takes_back;        /* it was stopped, and what ran was taken back */
    uint64_t lost;          /* shots that a stop has lost */
    uint64_t forgone;       /* tasks as of farm_is_forgone; the scheduler has them as failed */
    uint64_t cancelled;     /* tasks; the scheduler has them as done */
    uint64_t last_sequence; /* of the journal */
    bool paused;            /* the journal lags: nothing is leased */
    bool journal_troubled, results_troubled, outputs_troubled; /* and this was said */
    bool homeless;                                             /* the run directory is gone */
    unsigned pauses_told, retries_told;
    enum farm_phase phase;
    enum error_code exit_code;
    struct error end; /* the sentence of an end that is not simply "all done" */
    struct buf scratch;
};

/* farm_open.c: build everything in order; on failure, what was built is freed by farm_close. */
int farm_open(struct farm *farm, const struct farm_options *options, struct error *ret_error);
void farm_close(struct farm *farm);

/* farm_container.c: nothing of it does anything where there is no container. */
bool farm_has_container(const struct farm *farm);
int farm_container_open(struct farm *farm, struct error *ret_error);
int farm_container_restored(struct farm *farm,
                            struct error *ret_error); /* before farm_replay */
int farm_container_copy(void *context, const struct journal_row *rows, size_t count,
                        struct error *ret_error);
void farm_container_committed(void *context, const struct journal_row *rows, size_t count);
void farm_delivery_expired(void *context);
bool farm_deliver(struct farm *farm); /* whether all is delivered, or given up */
void farm_deliver_end(struct farm *farm, const char *status); /* after the end was announced */
bool farm_container_waits(struct farm *farm); /* for the journal's copy, rather than end */
void farm_go_quietly(struct farm *farm);
bool farm_is_superseded(struct farm *farm);

/* farm_replay.c: what earlier masters of this run have finished is finished. */
int farm_replay(struct farm *farm, struct error *ret_error);

/* farm_intake.c: the crew's events. */
int farm_take_message(void *context, struct member *member, const struct buf *message,
                      struct error *ret_error);
void farm_take_loss(void *context, struct member *member, const char *sentence);
void farm_take_joined(void *context, struct link *link, const struct rendezvous_peer *peer);
void farm_take_notice(void *context, const char *sentence);
void farm_take_news(void *context, const char *sentence); /* nothing is amiss */

/* farm_intake.c: a task ended for good; journal it. `member` may be NULL; `attempts` is how
 * many of its attempts have run. */
void farm_record_end(struct farm *farm, const struct result *result, struct member *member,
                     uint32_t attempts);

/* farm_intake.c: an attempt failed, and its task will be, or is being, tried again; journal it. */
void farm_record_failure(struct farm *farm, const struct result *result, struct member *member,
                         uint32_t attempts);

/* farm_intake.c: what drivers may call (driver_context.note, sequence). */
uint64_t farm_note(void *context, const void *bytes, size_t size);
uint64_t farm_sequence(void *context);
void farm_tell_estimate(void *context, const struct driver_estimate *estimate);
uint32_t farm_slots_expected(void *context);

int farm_put_file(void *context, const char *path, bool lasting, uint8_t *ret_hash,
                  struct error *ret_error);
int farm_get_file(void *context, const uint8_t *hash, const char *path,
                  struct error *ret_error);
void farm_drop_file(void *context, const uint8_t *hash);
bool farm_file_hash(void *context, const char *path, uint8_t *ret_hash);
bool farm_is_here(void *context, uint64_t instance);

/* farm_intake.c: the worker process that alone can run this task (driver_ops.bound), 0: any. */
uint64_t farm_bound(const struct farm *farm, uint64_t task);

/* farm_intake.c: whether this is the end of a task that was bound to a worker which is gone. Others
 * do without what it would have brought, or make it again: it is counted as done, and not told. */
bool farm_is_forgone(const struct farm *farm, const struct result *result);

/* farm_intake.c: the driver does not want this task any more (driver_context.cancel). */
void farm_cancel_task(void *context, uint64_t task);

/* farm_stop.c */
/* The farm is to end before its work is done. Whether there is something to fetch first: then what
 * runs is taken back. */
bool farm_stop_begin(struct farm *farm);
/* Whether the result of this task comes too late: nobody would fetch its sum. */
bool farm_stop_refuses(const struct farm *farm, uint64_t task);
/* In FARM_STOPPING, each turn: ask workers; to FARM_ENDING, when nothing more is to be had. */
void farm_stop_ask(struct farm *farm);
/* Count, and say, what is lost. */
void farm_stop_end(struct farm *farm);

/* farm.c */
/* What has got on: tasks that came to be or ended, and steps. */
uint64_t farm_count_steps(const struct farm *farm);
/* A worker that leaves is asked for what it alone has, or told to go when nothing is wanted of it
 * any more, and all that it did is durable. */
void farm_see_off(struct farm *farm, struct member *member);
void farm_feed_until(struct farm *farm, uint64_t task); /* make tasks up to this number exist */
void farm_end(struct farm *farm, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void farm_wake(void *context); /* a driver has news, or the scheduler's time has come */
void farm_caught(int signal, void *context); /* SIGTERM, SIGINT */
void farm_retry_expired(void *context);
void farm_idle_expired(void *context);
void farm_parting_expired(void *context);
void farm_journal_ready(unsigned events, void *context);
/* The run directory may have been removed or moved away: then this is the end. */
void farm_look_at_folder(void *context);
int64_t farm_turn(void *context);

#endif
