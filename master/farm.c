/*
 * A turn of the loop: messages have come (farm_intake.c); ask the driver for tasks, do what the
 * scheduler says, acknowledge what the journal has committed, send what was gathered. Then see
 * whether this was the end.
 *
 * The end comes in steps. FARM_RUNNING: until every task has ended, or something ends the farm
 * early. FARM_STOPPING, if it is stopped, or comes to $.limits.tasks, while workers hold sums:
 * these are fetched (farm_stop.c). FARM_ENDING: nothing new is leased; the journal commits what it
 * has and the acknowledgements go out. Then results.csv is made whole, the end is announced,
 * workers are told to stop, and in FARM_PARTING they get a moment to leave.
 */
#include "config.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "master/farm_private.h"

#define FEED_AHEAD         1024 /* tasks kept waiting beyond what workers ask for */
#define BACKLOG_HIGH_BYTES ((size_t)128 << 20)
#define BACKLOG_LOW_BYTES  ((size_t)32 << 20)
#define PARTING_NS         (INT64_C(3) * CLOCK_SECOND_NS)

/* Tasks */

/* A task that one worker process alone can run. */
static int bind(struct farm *farm, uint64_t task, struct error *ret_error)
{
    uint64_t instance = farm_bound(farm, task);
    if (!instance)
        return 0;
    const struct member *member = crew_find_instance(farm->crew, instance);
    return scheduler_bind(farm->scheduler, task, member ? member->id : 0, ret_error);
}

static void feed_one(struct farm *farm)
{
    struct error error;
    uint64_t limit = farm->file.limits.tasks;
    struct scheduler_counts counts = scheduler_counts(farm->scheduler);
    enum driver_next next = DRIVER_FINISHED;
    /* What is fetched before the end is not what the limit is about. */
    bool limited = limit && counts.tasks >= limit && farm->phase == FARM_RUNNING;
    if (!limited)
        next = farm->driver_ops->next(farm->driver, (uint32_t)counts.slots);
    else if (farm->driver_ops->limited)
        next = farm->driver_ops->limited(farm->driver, limit);
    farm->limited = limited;
    if (next == DRIVER_FINISHED)
        farm->driver_finished = true;
    else if (next == DRIVER_TASK && (scheduler_add(farm->scheduler, 1, &error) < 0 ||
                                     bind(farm, counts.tasks + 1, &error) < 0))
        farm_end(farm, error.code, "%s", error.text);
}

static bool feeds(const struct farm *farm, uint64_t tasks_before)
{
    return farm->phase <= FARM_STOPPING && !farm->driver_finished &&
           scheduler_counts(farm->scheduler).tasks != tasks_before;
}

/* Until enough wait, or the driver has no more for now. */
static void feed(struct farm *farm)
{
    uint64_t before = UINT64_MAX;
    while (farm->phase == FARM_RUNNING && feeds(farm, before)) {
        struct scheduler_counts counts = scheduler_counts(farm->scheduler);
        if (counts.waiting >= counts.credits + FEED_AHEAD)
            return;
        before = counts.tasks;
        feed_one(farm);
    }
}

void farm_feed_until(struct farm *farm, uint64_t task)
{
    uint64_t before = UINT64_MAX;
    while (feeds(farm, before) && scheduler_counts(farm->scheduler).tasks < task) {
        before = scheduler_counts(farm->scheduler).tasks;
        feed_one(farm);
    }
}

/* What the scheduler says */

static void lease(struct farm *farm, struct member *member,
                  const struct scheduler_action *action)
{
    for (uint32_t i = 0; i < action->count; i++) {
        struct attempt_id id = action->attempts[i];
        buf_clear(&farm->scratch);
        if (farm->driver_ops->payload(farm->driver, id.task, &farm->scratch) < 0) {
            farm_end(farm, ERROR_BUG, "the driver does not know its own task %llu",
                     (unsigned long long)id.task);
            return;
        }
        log_debug("task %llu, attempt %u: goes to worker %u (%s)", (unsigned long long)id.task,
                  id.attempt, member->id, member->host);
        crew_lease(farm->crew, member, id, farm->scratch.data, farm->scratch.size);
    }
}

static void cancel(struct farm *farm, struct member *member,
                   const struct scheduler_action *action)
{
    for (uint32_t i = 0; i < action->count; i++) {
        crew_cancel(farm->crew, member, action->attempts[i]);
        outputs_discard(farm->outputs, member->id, action->attempts[i]);
    }
}

static void recall(struct farm *farm, struct member *member, uint32_t count)
{
    struct buf message;
    buf_init(&message, MESSAGE_MAX);
    message_put_count(&message, MESSAGE_RECALL, count);
    crew_send(farm->crew, member, &message);
    buf_fini(&message);
}

static void fail_lost(struct farm *farm, const struct scheduler_action *action)
{
    const char *sentence = action->failed
                               ? "the worker that it was bound to is not there"
                               : "every worker that ran it was lost; does it exhaust "
                                 "the memory of its node?";
    for (uint32_t i = 0; i < action->count; i++) {
        const struct result result = {.id = action->attempts[i],
                                      .status = RESULT_LOST,
                                      .started_ns = clock_wall_ns(),
                                      .error = sentence,
                                      .error_size = strlen(sentence)};
        farm_record_end(farm, &result, NULL, result.id.attempt);
    }
}

static void give_up(struct farm *farm, struct member *member,
                    const struct scheduler_action *action)
{
    struct attempt_id id = action->attempts[0];
    double ran_s = (double)action->ran_ns / 1e9;
    char sentence[256];
    int size = snprintf(sentence, sizeof(sentence),
                        "given up after %.1f s, because it is overdue: it hangs, or takes much "
                        "longer than the others",
                        ran_s);
    const struct result result = {.id = id,
                                  .status = RESULT_TIMEOUT,
                                  .started_ns = clock_wall_ns() - action->ran_ns,
                                  .elapsed_s = ran_s,
                                  .error = sentence,
                                  .error_size = (size_t)size};
    if (member) {
        crew_cancel(farm->crew, member, id);
        outputs_discard(farm->outputs, member->id, id);
    }
    if (action->failed)
        farm_record_end(farm, &result, member, id.attempt);
    else
        farm_record_failure(farm, &result, member, id.attempt);
}

static void tell_trust(struct farm *farm, struct member *member,
                       const struct scheduler_action *action)
{
    bool aside = action->kind == SCHEDULER_SET_ASIDE;
    announce_worker(member->id, aside ? "set-aside" : "joined", member->host, member->transport,
                    member->slots);
    if (!aside)
        return;
    struct error text;
    error_set(&text, ERROR_NONE,
              "worker %u on %s is set aside: it failed %u tasks in a row, while others succeed",
              member->id, member->host, action->count);
    farm_take_notice(farm, text.text);
}

static void act(struct farm *farm, const struct scheduler_action *action)
{
    struct member *member = crew_find(farm->crew, action->worker);
    progress_touch(farm->progress); /* what was said since the event does not have it yet */
    if (action->kind == SCHEDULER_FAIL_TASK)
        fail_lost(farm, action);
    if (action->kind == SCHEDULER_GIVE_UP)
        give_up(farm, member, action);
    if (!member) /* lost in this very turn; the scheduler hears of it when it is buried */
        return;
    switch (action->kind) {
    case SCHEDULER_LEASE:
        lease(farm, member, action);
        break;
    case SCHEDULER_CANCEL:
        cancel(farm, member, action);
        break;
    case SCHEDULER_RECALL:
        recall(farm, member, action->count);
        break;
    case SCHEDULER_SET_ASIDE:
    case SCHEDULER_REINSTATE:
        tell_trust(farm, member, action);
        break;
    default:
        break;
    }
}

static void act_all(struct farm *farm)
{
    struct scheduler_action action;
    struct error error;
    int rc = 0;
    while (farm->phase <= FARM_STOPPING && !farm->paused &&
           (rc = scheduler_next_action(farm->scheduler, clock_monotonic_ns(), &action,
                                       &error)) > 0)
        act(farm, &action);
    if (rc < 0 && farm->phase == FARM_STOPPING)
        farm->driver_finished = true; /* nothing more can be fetched */
    else if (rc < 0)
        farm_end(farm, error.code, "%s", error.text);
    /* Only an idle scheduler knows when it will have something to do. */
    bool idle = farm->phase <= FARM_STOPPING && !farm->paused;
    loop_timer_arm(farm->wake, idle ? scheduler_wake_ns(farm->scheduler) : INT64_MAX);
}

/* The journal */

static void tell_trouble(struct farm *farm)
{
    struct error error;
    bool troubled = journal_trouble(farm->journal, &error);
    if (troubled && !farm->journal_troubled) {
        error_prefix(&error, "results are held back until they can be journaled");
        farm_take_notice(farm, error.text);
        farm_look_at_folder(farm);
    } else if (!troubled && farm->journal_troubled) {
        farm_take_notice(farm, "the journal can be written again");
    }
    farm->journal_troubled = troubled;
    if (!farm->results_troubled && results_trouble(farm->results, &error) < 0) {
        farm->results_troubled = true;
        farm_take_notice(farm, error.text);
    }
}

static void see_off(void *context, struct member *member)
{
    farm_see_off(context, member);
}

void farm_journal_ready(unsigned events, void *context)
{
    (void)events;
    struct farm *farm = context;
    uint64_t committed = journal_committed(farm->journal);
    struct pending_ack ack;
    while (pending_take(farm->pending, committed, &ack)) {
        struct member *member = crew_find(farm->crew, ack.worker);
        if (member)
            crew_ack(farm->crew, member, ack.id);
    }
    if (farm->driver_ops->durable)
        farm->driver_ops->durable(farm->driver, committed);
    crew_each(farm->crew, see_off, farm);
    tell_trouble(farm);
}

static void look_at_backlog(struct farm *farm)
{
    size_t bytes;
    journal_backlog(farm->journal, &bytes);
    if (bytes > BACKLOG_HIGH_BYTES)
        farm->paused = true;
    else if (bytes < BACKLOG_LOW_BYTES)
        farm->paused = false;
}

/* Timers and signals */

void farm_wake(void *context)
{
    (void)context; /* it is enough that the loop turns: the turn looks at everything */
}

void farm_retry_expired(void *context)
{
    struct farm *farm = context;
    crew_resume(farm->crew);
}

uint64_t farm_count_steps(const struct farm *farm)
{
    struct scheduler_counts counts = scheduler_counts(farm->scheduler);
    return counts.tasks + counts.done + counts.failed + farm->steps;
}

/* Where the farm file sets no limit: whether it is that nobody is there which must not last for
 * ever. */
static bool only_loneliness_counts(const struct farm *farm)
{
    return farm->file.limits.idle_stop_s <= 0;
}

static double idle_limit_s(const struct farm *farm)
{
    return only_loneliness_counts(farm) ? farm->options->alone_s
                                        : farm->file.limits.idle_stop_s;
}

static bool has_company(const struct farm *farm)
{
    return only_loneliness_counts(farm) && scheduler_counts(farm->scheduler).workers > 0;
}

static void look_at_idleness(struct farm *farm)
{
    uint64_t got_on = farm_count_steps(farm);
    if (farm->phase != FARM_RUNNING || idle_limit_s(farm) <= 0 ||
        (got_on == farm->got_on && !has_company(farm)))
        return;
    farm->got_on = got_on;
    farm->got_on_ns = clock_monotonic_ns();
}

void farm_idle_expired(void *context)
{
    struct farm *farm = context;
    int64_t limit_ns = (int64_t)(idle_limit_s(farm) * 1e9);
    int64_t now = clock_monotonic_ns();
    if (limit_ns <= 0 || farm->phase != FARM_RUNNING)
        return;
    look_at_idleness(farm);
    if (now - farm->got_on_ns < limit_ns) {
        loop_timer_arm(farm->idle, farm->got_on_ns + limit_ns);
        return;
    }
    uint32_t workers = scheduler_counts(farm->scheduler).workers;
    farm_end(farm, ERROR_INTERRUPTED,
             "nothing has got on for %.0f s%s: %s; what is done is safe, and the run can be "
             "resumed",
             idle_limit_s(farm), only_loneliness_counts(farm) ? "" : " ($.limits.idle_stop_s)",
             workers ? "no task has ended" : "no worker is there");
}

void farm_parting_expired(void *context)
{
    struct farm *farm = context;
    if (farm->phase == FARM_PARTING) /* else the turn that follows looks at the time */
        loop_stop(farm->loop);
}

void farm_caught(int signal, void *context)
{
    struct farm *farm = context;
    if (farm->phase == FARM_STOPPING)
        farm_stop_end(farm);
    if (farm->phase != FARM_RUNNING)
        loop_stop(farm->loop); /* the second time means now */
    farm->quietly = signal != SIGINT && farm_has_container(farm) && farm->phase == FARM_RUNNING;
    farm_end(farm, ERROR_INTERRUPTED,
             "stopped by %s; what is done is safe, and the run can be "
             "resumed",
             signal == SIGINT ? "SIGINT" : "SIGTERM");
}

/* Nothing can be recorded any more, and nobody would find it. */
void farm_look_at_folder(void *context)
{
    struct farm *farm = context;
    if (farm->homeless || !run_folder_is_gone(farm->run_folder))
        return;
    farm->homeless = true;
    if (farm->phase == FARM_STOPPING) {
        farm_stop_end(farm);
        farm->phase = FARM_ENDING;
    }
    farm_end(farm, ERROR_SYSTEM,
             "the run directory \"%s\" was removed or moved away while the farm ran; if it was "
             "moved, what is done is safe in it, and the run can be resumed there",
             farm->options->run_dir);
}

/* The end */

void farm_end(struct farm *farm, enum error_code code, const char *format, ...)
{
    if (farm->phase != FARM_RUNNING)
        return;
    va_list args;
    va_start(args, format);
    error_vset(&farm->end, code, format, args);
    va_end(args);
    farm->exit_code = code;
    farm->ending_ns = clock_monotonic_ns();
    bool early = code == ERROR_INTERRUPTED || (code == ERROR_TASKS && farm->limited);
    farm->phase = early && farm_stop_begin(farm) ? FARM_STOPPING : FARM_ENDING;
}

static bool all_done(const struct farm *farm)
{
    struct scheduler_counts counts = scheduler_counts(farm->scheduler);
    if (farm->driver_ops->over && farm->driver_ops->over(farm->driver))
        return true;
    return farm->driver_finished && counts.waiting == 0 && counts.leased == 0;
}

static void end_of_work(struct farm *farm)
{
    struct error error;
    struct announce_progress numbers;
    progress_read(farm->progress, &numbers);
    if (farm->driver_ops->outcome && farm->driver_ops->outcome(farm->driver, &error) < 0)
        farm_end(farm, error.code, "%s", error.text);
    else if (numbers.failed && !farm->driver_ops->over && !farm->driver_ops->judges)
        farm_end(farm, ERROR_TASKS, "%llu %s failed for good; results.csv says why%s",
                 (unsigned long long)numbers.failed, numbers.failed == 1 ? "task" : "tasks",
                 farm->driver_ops->independent
                     ? ", and \"beofarm run --resume --retry-failed\" tries once more"
                     : "");
    else
        farm_end(farm, ERROR_NONE, "all tasks are done");
}

static const char *status_name(enum error_code code)
{
    return code == ERROR_NONE          ? "done"
           : code == ERROR_TASKS       ? "failed"
           : code == ERROR_INTERRUPTED ? "stopped"
                                       : "broken";
}

static void say_stop(void *context, struct member *member)
{
    struct farm *farm = context;
    crew_say(farm->crew, member, MESSAGE_STOP);
    member->ended_well = true;
}

static void make_results_whole(struct farm *farm)
{
    struct error error;
    if (!farm->homeless && journal_backlog(farm->journal, NULL) == 0 &&
        results_rewrite(farm->results, farm->journal, NULL, &error) < 0)
        farm_take_notice(farm, error.text);
}

/* A stopped farm does not wait for a journal that cannot be written. How many results go with it,
 * which the end says. */
static uint64_t unwritten_tell(struct farm *farm)
{
    size_t count = journal_backlog(farm->journal, NULL) ? pending_count(farm->pending) : 0;
    const struct error why = farm->end;
    if (count)
        error_set(&farm->end, why.code,
                  "%s; %zu result%s that could not be journaled %s computed again then",
                  why.text, count, count == 1 ? "" : "s", count == 1 ? "is" : "are");
    return count;
}

static void announce_the_end(struct farm *farm)
{
    struct announce_progress numbers;
    losses_flush(farm->losses);
    progress_read(farm->progress, &numbers);
    progress_say(farm->progress);
    numbers.lost = farm->lost;
    numbers.unwritten = unwritten_tell(farm);
    announce_end(status_name(farm->exit_code), &numbers, farm->end.text);
    farm_deliver_end(farm, status_name(farm->exit_code));
    log_info("%s", farm->end.text);
}

static void part(struct farm *farm)
{
    announce_the_end(farm);
    crew_each(farm->crew, say_stop, farm);
    farm->phase = FARM_PARTING;
    loop_timer_arm(farm->parting, clock_monotonic_ns() + PARTING_NS);
}

static void look_for_the_end(struct farm *farm)
{
    /* "All are done" is said of what is durable. */
    if (farm->phase == FARM_RUNNING && all_done(farm) &&
        journal_backlog(farm->journal, NULL) == 0)
        end_of_work(farm);
    /* A journal that cannot be written must not keep a stopped farm: workers keep the results. */
    if ((farm->phase != FARM_ENDING && farm->phase != FARM_DELIVERING) ||
        (journal_backlog(farm->journal, NULL) > 0 &&
         (!farm->journal_troubled || farm_container_waits(farm))))
        return;
    if (farm->quietly) {
        farm_go_quietly(farm);
        return;
    }
    if (farm->phase == FARM_ENDING)
        make_results_whole(farm);
    if (farm_deliver(farm))
        part(farm);
}

int64_t farm_turn(void *context)
{
    struct farm *farm = context;
    if (farm_is_superseded(farm))
        return 0;
    look_at_backlog(farm);
    feed(farm);
    if (farm->phase == FARM_STOPPING)
        farm_stop_ask(farm);
    act_all(farm);
    look_at_idleness(farm);
    look_for_the_end(farm);
    int64_t may_sleep_ns = crew_flush(farm->crew);
    /* Workers that are just joining are told, too: they would dial in vain for a long time. */
    if (farm->phase == FARM_PARTING && crew_count(farm->crew) == 0 &&
        !rendezvous_joining(farm->rendezvous))
        loop_stop(farm->loop);
    return may_sleep_ns;
}

int farm_run(const struct farm_options *options, struct error *ret_error)
{
    struct farm farm = {0};
    int code;
    if (farm_open(&farm, options, ret_error) < 0 || loop_run(farm.loop, ret_error) < 0) {
        code = ret_error->code;
    } else {
        code = farm.exit_code;
        *ret_error = farm.end;
    }
    farm_close(&farm);
    return code;
}
