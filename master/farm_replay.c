/*
 * Replaying the journal: tasks that ended stay ended, and failed attempts of the others go on
 * counting, so that a task which always fails does not get fresh attempts with every resume.
 */
#include "config.h"

#include <stdlib.h>

#include "master/farm_private.h"

/* What is known of a task that failed and was to be tried again. */
struct failed {
    uint64_t task;
    uint32_t failures;
    uint32_t attempt; /* the highest */
};

struct replay {
    struct farm *farm;
    struct failed *list; /* one entry per failed attempt, until merged */
    size_t count, capacity;
};

static int replay_end(void *context, const struct journal_row *row, struct error *ret_error)
{
    struct replay *replay = context;
    struct farm *farm = replay->farm;
    bool cancelled = row->result.status == RESULT_CANCELLED;
    bool done = row->result.status == RESULT_OK || cancelled;
    if (scheduler_restore(farm->scheduler, row->result.id.task, done, ret_error) < 0)
        return -1;
    farm->cancelled += cancelled;
    if (farm->driver_ops->ran)
        farm->driver_ops->ran(farm->driver, row->result.id.task, row->worker, row->attempts);
    farm->forgone += farm_is_forgone(farm, &row->result);
    farm->driver_ops->ended(farm->driver, &row->result, true);
    return 0;
}

static int replay_failure(void *context, const struct journal_row *row, struct error *ret_error)
{
    struct replay *replay = context;
    if (replay->count == replay->capacity) {
        size_t capacity = replay->capacity ? replay->capacity * 2 : 64;
        struct failed *list = reallocarray(replay->list, capacity, sizeof(*list));
        if (!list)
            return error_set(ret_error, ERROR_SYSTEM, "no memory to replay the journal");
        replay->list = list;
        replay->capacity = capacity;
    }
    replay->list[replay->count++] = (struct failed){
        .task = row->result.id.task, .failures = 1, .attempt = row->result.id.attempt};
    return 0;
}

static int replay_note(void *context, const void *bytes, size_t size, struct error *ret_error)
{
    struct farm *farm = ((struct replay *)context)->farm;
    return farm->driver_ops->noted
               ? farm->driver_ops->noted(farm->driver, bytes, size, ret_error)
               : 0;
}

static int by_task(const void *a, const void *b)
{
    uint64_t left = ((const struct failed *)a)->task, right = ((const struct failed *)b)->task;
    return left < right ? -1 : left > right;
}

static void merge(struct replay *replay)
{
    size_t kept = 0;
    if (replay->count == 0)
        return;
    qsort(replay->list, replay->count, sizeof(*replay->list), by_task);
    for (size_t i = 1; i < replay->count; i++) {
        struct failed *last = &replay->list[kept], *next = &replay->list[i];
        if (next->task != last->task) {
            replay->list[++kept] = *next;
            continue;
        }
        last->failures++;
        if (next->attempt > last->attempt)
            last->attempt = next->attempt;
    }
    replay->count = kept + 1;
}

static int restore_failures(struct replay *replay, struct error *ret_error)
{
    struct farm *farm = replay->farm;
    merge(replay);
    for (size_t i = 0; i < replay->count; i++) {
        const struct failed *failed = &replay->list[i];
        farm_feed_until(farm, failed->task);
        if (scheduler_task_state(farm->scheduler, failed->task) == SCHEDULER_TASK_WAITING &&
            scheduler_restore_failures(farm->scheduler, failed->task, failed->failures,
                                       failed->attempt, ret_error) < 0)
            return -1;
    }
    return 0;
}

int farm_replay(struct farm *farm, struct error *ret_error)
{
    struct replay replay = {.farm = farm};
    if (!journal_resumed(farm->journal))
        return 0;
    int rc = journal_replay_notes(farm->journal, replay_note, &replay, ret_error);
    if (rc == 0)
        rc = journal_replay(farm->journal, replay_end, &replay, ret_error);
    if (rc == 0)
        rc = journal_replay_failures(farm->journal, replay_failure, &replay, ret_error);
    if (rc == 0)
        rc = restore_failures(&replay, ret_error);
    free(replay.list);
    return rc < 0 ? -1 : results_rewrite(farm->results, farm->journal, NULL, ret_error);
}
