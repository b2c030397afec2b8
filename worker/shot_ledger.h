/*
 * shot_ledger.h - what a worker's slots share of a survey: the sums in the worker's memory, the
 * files that wait to be added to them, the thread that adds, and the memory that shots may use.
 *
 * A parcel (shot_parcel.h) is what one attempt computed. It is checked in the thread before its
 * result is told, and held until the master says that the result counts; then it is added to the
 * wave's sum, once, and its files are gone. One that the master had no use for stays held, in case
 * that a collect task names it after all (a master that was started anew does not know which of two
 * attempts counted before); so what counts is decided by the list of the collect task alone
 * (shot_task.h), and adding early is only so that files do not pile up. A *gift*, the sum that was
 * taken from another worker, is treated in the same way.
 *
 * Everything is called in the loop's thread, and does not block.
 */
#ifndef BEOFARM_WORKER_SHOT_LEDGER_H
#define BEOFARM_WORKER_SHOT_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/loop.h"
#include "common/seismic/shot_task.h"
#include "worker/shot_models.h"
#include "worker/shot_parcel.h"
#include "worker/shot_room.h"

struct shot_ledger;
struct workplace;

/* The ledger of a workplace: the one made before, or a new one. `job` says how much memory shots
 * may use, "memory_bytes" of its work (absent: nine tenths of memory_limit). NULL with a
 * sentence. */
struct shot_ledger *shot_ledger_ref(struct loop *loop, const struct workplace *place,
                                    const cJSON *job, struct error *ret_error);
/* The last one waits for what is under way, forgets the rest, and calls nothing back. NULL is
 * allowed. */
void shot_ledger_unref(struct shot_ledger *ledger);

struct shot_room *shot_ledger_room(struct shot_ledger *ledger);
struct shot_models *shot_ledger_models(struct shot_ledger *ledger);

/* Whether there is a parcel or a sum that the master may yet want. */
bool shot_ledger_holds(const struct shot_ledger *ledger);

/* Forget all sums and parcels of waves below `number`. */
void shot_ledger_keep_from(struct shot_ledger *ledger, uint64_t number);

/* Check a parcel in the thread, and hold it if it is good; it is taken. Then checked(context, NULL)
 * or checked(context, error): later. */
void shot_ledger_check(struct shot_ledger *ledger, struct shot_parcel *parcel,
                       void (*checked)(void *context, const struct error *error),
                       void *context);

/* The master is through with the attempt: runner_ops.settled; of whatever task. */
void shot_ledger_settle(struct shot_ledger *ledger, struct attempt_id id, bool counts);

/* The worker leaves: what counts from now on stays held until a collect task names it. The master
 * may have made that task's list before it had the result of a shot that ends now, and a sum in
 * which anything else is than what is wanted is of no use to it. */
void shot_ledger_leave(struct shot_ledger *ledger);

/* Nobody wants the attempt's parcel, or gift: cancelled before its result was told. */
void shot_ledger_discard(struct shot_ledger *ledger, struct attempt_id id);

/* What a task that collects or takes came to: how many attempts and shots the file has, and, where
 * something was wanted and is not in it, why (NULL if that is not known); or an error. */
struct shot_collected {
    uint64_t attempts, shots;
    const char *trouble;
    const struct error *error; /* NULL: it is there */
};
typedef void shot_collected_done(void *context, const struct shot_collected *result);

/* Deliver what a collect task asks for, as a file at `path`: parcels and gifts that are held and
 * wanted are added first. Then `collected`. */
void shot_ledger_collect(struct shot_ledger *ledger, struct attempt_id id,
                         const struct shot_task *task, const char *path,
                         shot_collected_done *collected, void *context);

/* Let other workers come for sums: where they find this one. -1 with a sentence. */
int shot_ledger_listen(struct shot_ledger *ledger, char host[SHOT_HOST_MAX + 1], int *ret_port,
                       struct error *ret_error);

/* Take another worker's sum as a task asks (its payload is for the giver), by way of a new file at
 * `path`, which may go afterwards. What came is held, as a *gift*, until shot_ledger_settle says
 * that it counts, and then added. Then `collected`. */
struct shot_payload {
    const void *bytes;
    size_t size;
};
void shot_ledger_take(struct shot_ledger *ledger, struct attempt_id id,
                      const struct shot_task *task, const struct shot_payload *payload,
                      const char *path, shot_collected_done *collected, void *context);

/* Nothing is called with this context any more; waits for what is under way with it. */
void shot_ledger_forget(struct shot_ledger *ledger, const void *context);

#endif
