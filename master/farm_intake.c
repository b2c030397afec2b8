/* What workers say, and what follows from it. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "master/farm_private.h"

/* Failed tasks, and attempts that another one follows, that get a line of their own; beyond, they
 * are counted and stand in results.csv. */
#define FAILURES_TOLD 100
/* Pauses of workers, and their ends, that are told to people; beyond, they are logged. */
#define PAUSES_TOLD 50

void farm_take_notice(void *context, const char *sentence)
{
    (void)context;
    log_warn("%s", sentence);
    announce_notice(sentence);
}

void farm_take_news(void *context, const char *sentence)
{
    (void)context;
    log_info("%s", sentence);
    announce_notice(sentence);
}

void farm_take_joined(void *context, struct link *link, const struct rendezvous_peer *peer)
{
    struct farm *farm = context;
    struct error error;
    struct member *member = crew_add(farm->crew, link, (uint32_t)peer->id, peer->host, &error);
    if (!member) {
        farm_take_notice(farm, error.text);
        return;
    }
    log_info("worker %u joined: %s (%s), pid %lld, by %s", member->id, peer->host,
             peer->address, (long long)peer->pid, peer->transport);
    struct buf job;
    buf_init(&job, MESSAGE_MAX);
    buf_append(&job, farm->job.data, farm->job.size);
    crew_send(farm->crew, member, &job);
    buf_fini(&job);
    if (farm->phase != FARM_PARTING)
        return;
    crew_say(farm->crew, member, MESSAGE_STOP);
    member->ended_well = true;
}

/* Acknowledge once everything journaled so far is durable. */
static void ack_when_durable(struct farm *farm, struct member *member, struct attempt_id id)
{
    if (!member)
        return;
    const struct pending_ack ack = {
        .sequence = farm->last_sequence, .worker = member->id, .id = id};
    if (pending_add(farm->pending, &ack) < 0)
        farm_end(farm, ERROR_SYSTEM,
                 "no memory for acknowledgements; resume on a larger machine");
}

static void journal(struct farm *farm, const struct result *result, const struct member *member,
                    uint32_t attempts, bool ended)
{
    struct error error;
    struct journal_row row = {.ended = ended,
                              .result = *result,
                              .attempts = attempts,
                              .worker = member ? member->host : "",
                              .worker_id = member ? member->id : 0};
    log_debug("task %llu, attempt %u: %s in %.3f s on %s", (unsigned long long)result->id.task,
              result->id.attempt, result_status_name((int)result->status), result->elapsed_s,
              *row.worker ? row.worker : "no worker");
    struct buf folder;
    buf_init(&folder, 256);
    if (member && ended && result->stored && result->output_files &&
        message_put_folder(&folder, result->id, member->instance) == 0)
        row.folder = buf_text(&folder);
    /* What is bound to a worker is what it had in memory; lost, it is made again. */
    row.ship = farm->replica && ended && result->output_files && !row.folder &&
               !farm_bound(farm, result->id.task);
    buf_clear(&farm->scratch);
    if (ended &&
        farm->driver_ops->payload(farm->driver, result->id.task, &farm->scratch) == 0) {
        row.params = farm->scratch.data;
        row.params_size = farm->scratch.size;
    }
    if (journal_add(farm->journal, &row, &farm->last_sequence, &error) < 0)
        farm_end(farm, error.code, "%s", error.text);
    buf_fini(&folder);
}

/* "the model ended with exit status 1 (attempt 3, on n2)" */
static void failure_text(const struct result *result, const char *host,
                         char ret_text[ERROR_TEXT_MAX])
{
    char status[64];
    snprintf(status, sizeof(status), "%s %d", result_status_name(result->status), result->code);
    bool said = result->error_size > 0;
    /* The reason may be as long as a sentence; where it was must not be what is cut. */
    snprintf(ret_text, ERROR_TEXT_MAX, "%.*s (attempt %u%s%s)",
             said ? (int)(result->error_size < 700 ? result->error_size : 700) : 64,
             said ? result->error : status, result->id.attempt, *host ? ", on " : "", host);
}

static void tell_failure(struct farm *farm, const struct result *result, const char *host)
{
    struct scheduler_counts counts = scheduler_counts(farm->scheduler);
    char text[ERROR_TEXT_MAX];
    if (counts.failed > FAILURES_TOLD)
        return;
    failure_text(result, host, text);
    log_warn("task %llu failed for good: %s", (unsigned long long)result->id.task, text);
    announce_failed(result->id.task, text);
}

/* For the log alone: mostly the next attempt succeeds. */
static void tell_retry(struct farm *farm, const struct result *result, const char *host)
{
    char text[ERROR_TEXT_MAX];
    if (farm->retries_told++ >= FAILURES_TOLD)
        return;
    failure_text(result, host, text);
    log_warn("task %llu is tried again: %s", (unsigned long long)result->id.task, text);
}

void farm_record_end(struct farm *farm, const struct result *result, struct member *member,
                     uint32_t attempts)
{
    journal(farm, result, member, attempts, true);
    if (farm->driver_ops->ran)
        farm->driver_ops->ran(farm->driver, result->id.task, member ? member->host : "",
                              attempts);
    farm->driver_ops->ended(farm->driver, result, false);
    bool forgone = farm_is_forgone(farm, result);
    farm->forgone += forgone;
    if (result->status != RESULT_OK && result->status != RESULT_CANCELLED && !forgone)
        tell_failure(farm, result, member ? member->host : "");
    progress_touch(farm->progress);
}

void farm_record_failure(struct farm *farm, const struct result *result, struct member *member,
                         uint32_t attempts)
{
    journal(farm, result, member, attempts, false);
    tell_retry(farm, result, member ? member->host : "");
    farm->steps++;
    progress_touch(farm->progress);
}

uint64_t farm_note(void *context, const void *bytes, size_t size)
{
    struct farm *farm = context;
    struct error error;
    if (journal_add_note(farm->journal, bytes, size, &farm->last_sequence, &error) == 0)
        return farm->last_sequence;
    farm_end(farm, error.code, "%s", error.text);
    return 0;
}

uint64_t farm_sequence(void *context)
{
    const struct farm *farm = context;
    return farm->last_sequence;
}

void farm_tell_estimate(void *context, const struct driver_estimate *estimate)
{
    (void)context;
    announce_estimate(estimate);
}

uint32_t farm_slots_expected(void *context)
{
    const struct farm *farm = context;
    const cJSON *workers = json_member(farm->file.backend, "workers");
    size_t joined = scheduler_counts(farm->scheduler).slots;
    double planned = cJSON_IsNumber(workers) ? workers->valuedouble * farm->widest : 0;
    return joined < planned ? (uint32_t)planned : (uint32_t)joined;
}

int farm_put_file(void *context, const char *path, bool lasting, uint8_t *ret_hash,
                  struct error *ret_error)
{
    struct farm *farm = context;
    return content_put(farm->content, path, lasting, ret_hash, ret_error);
}

int farm_get_file(void *context, const uint8_t *hash, const char *path, struct error *ret_error)
{
    struct farm *farm = context;
    return content_get(farm->content, hash, path, ret_error);
}

void farm_drop_file(void *context, const uint8_t *hash)
{
    struct farm *farm = context;
    content_drop(farm->content, hash);
}

bool farm_file_hash(void *context, const char *path, uint8_t *ret_hash)
{
    const struct farm *farm = context;
    return content_hash(farm->content, path, ret_hash);
}

bool farm_is_here(void *context, uint64_t instance)
{
    const struct farm *farm = context;
    const struct member *member = crew_find_instance(farm->crew, instance);
    return member && member->state == MEMBER_READY;
}

uint64_t farm_bound(const struct farm *farm, uint64_t task)
{
    return farm->driver_ops->bound ? farm->driver_ops->bound(farm->driver, task) : 0;
}

bool farm_is_forgone(const struct farm *farm, const struct result *result)
{
    return result->status == RESULT_LOST && farm_bound(farm, result->id.task);
}

void farm_cancel_task(void *context, uint64_t task)
{
    struct farm *farm = context;
    struct error error;
    static const char sentence[] = "it was not wanted any more";
    const struct result result = {.id = {.task = task},
                                  .status = RESULT_CANCELLED,
                                  .started_ns = clock_wall_ns(),
                                  .error = sentence,
                                  .error_size = sizeof(sentence) - 1};
    /* Asked with a number that no attempt has: those that ended, and one more, if it is live. */
    const struct attempt_id next = {.task = task, .attempt = SCHEDULER_ATTEMPT_MAX};
    enum scheduler_task_state state = scheduler_task_state(farm->scheduler, task);
    uint32_t attempts =
        scheduler_attempts(farm->scheduler, next) - (state != SCHEDULER_TASK_LEASED);
    bool unknown = state == SCHEDULER_TASK_UNKNOWN;
    if (unknown && scheduler_restore(farm->scheduler, task, true, &error) < 0) {
        farm_end(farm, error.code, "%s", error.text);
    } else if (unknown || scheduler_cancel(farm->scheduler, task)) {
        farm->cancelled++;
        farm_record_end(farm, &result, NULL, attempts);
    }
}

static bool has_ended(const struct farm *farm, uint64_t task)
{
    enum scheduler_task_state state = scheduler_task_state(farm->scheduler, task);
    return state == SCHEDULER_TASK_DONE || state == SCHEDULER_TASK_FAILED;
}

static enum scheduler_verdict judge(struct farm *farm, struct member *member,
                                    const struct result *result)
{
    enum scheduler_outcome outcome =
        result->status == RESULT_OK ? SCHEDULER_OK : SCHEDULER_FAILED;
    int64_t elapsed_ns = result->elapsed_s > 0 && result->elapsed_s < 1e9
                             ? (int64_t)(result->elapsed_s * 1e9)
                             : 0;
    int64_t now = clock_monotonic_ns();
    enum scheduler_verdict verdict =
        scheduler_result(farm->scheduler, member->id, result->id, outcome, elapsed_ns, now);
    if (verdict == SCHEDULER_UNKNOWN) {
        /* An earlier master had come further than this one has; catch up with it. */
        farm_feed_until(farm, result->id.task);
        verdict =
            scheduler_result(farm->scheduler, member->id, result->id, outcome, elapsed_ns, now);
    }
    return verdict;
}

static int take_result(struct farm *farm, struct member *member, const struct result *result,
                       struct error *ret_error)
{
    if (farm_stop_refuses(farm, result->id.task)) {
        outputs_discard(farm->outputs, member->id, result->id);
        return 0; /* not even journaled: as if it had not ended yet */
    }
    bool good = result->status == RESULT_OK && !has_ended(farm, result->id.task);
    /* Before the scheduler counts it as the one: are its files really here? */
    if (good && !result->stored &&
        outputs_seal(farm->outputs, member->id, result->id, result->output_files, ret_error) <
            0)
        return -1;
    uint32_t attempts = scheduler_attempts(farm->scheduler, result->id);
    enum scheduler_verdict verdict = judge(farm, member, result);
    if (verdict != SCHEDULER_ACCEPT)
        outputs_discard(farm->outputs, member->id, result->id);
    switch (verdict) {
    case SCHEDULER_ACCEPT:
    case SCHEDULER_FAIL:
        farm_record_end(farm, result, member, attempts);
        break;
    case SCHEDULER_RETRY:
        farm_record_failure(farm, result, member, attempts);
        break;
    default:
        if (farm->driver_ops->bound && result->status == RESULT_OK)
            crew_cancel(farm->crew, member, result->id);
        break;
    }
    ack_when_durable(farm, member, result->id);
    return 0;
}

static int take_results(struct farm *farm, struct member *member, const struct buf *message,
                        struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    struct result result;
    int rc;
    while ((rc = message_next_result(&reader, &result, ret_error)) > 0)
        if (take_result(farm, member, &result, ret_error) < 0)
            return -1;
    return rc;
}

/* A worker that outlived another master, or a cut network, says what it still holds. */
static void adopt(struct farm *farm, struct member *member, struct attempt_id id)
{
    int64_t now = clock_monotonic_ns();
    enum scheduler_adoption answer = scheduler_adopted(farm->scheduler, member->id, id, now);
    if (answer == SCHEDULER_ADOPT_UNKNOWN && farm->phase == FARM_RUNNING) {
        farm_feed_until(farm, id.task);
        answer = scheduler_adopted(farm->scheduler, member->id, id, now);
    }
    if (answer != SCHEDULER_ADOPTED)
        crew_cancel(farm->crew, member, id);
}

static int take_ready(struct farm *farm, struct member *member, const struct buf *message,
                      struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    struct ready ready;
    struct attempt_id id;
    int rc;
    if (member->state != MEMBER_JOINED)
        return error_set(ret_error, ERROR_NETWORK, "it said READY twice");
    if (message_get_ready(&reader, &ready, ret_error) < 0 ||
        scheduler_worker_joined(farm->scheduler, member->id, ready.slots, ready.credits,
                                clock_monotonic_ns(), ret_error) < 0)
        return -1;
    member->state = MEMBER_READY;
    member->slots = ready.slots;
    member->instance = ready.instance;
    if (farm->widest < ready.slots)
        farm->widest = ready.slots;
    farm->steps +=
        farm->steps == 0; /* the first that is there; others may come and go for ever */
    announce_worker(member->id, "joined", member->host, member->transport, member->slots);
    while ((rc = message_next_attempt(&reader, &id, ret_error)) > 0)
        adopt(farm, member, id);
    progress_touch(farm->progress);
    return rc;
}

static int take_attempts(struct farm *farm, struct member *member, const struct buf *message,
                         struct error *ret_error)
{
    bool started = message_type(message) == MESSAGE_STARTED;
    struct wire_reader reader = message_body(message);
    struct attempt_id id;
    int rc;
    while ((rc = message_next_attempt(&reader, &id, ret_error)) > 0) {
        if (started) {
            scheduler_started(farm->scheduler, member->id, id, clock_monotonic_ns());
        } else {
            scheduler_handed_back(farm->scheduler, member->id, id, clock_monotonic_ns());
            outputs_discard(farm->outputs, member->id, id);
        }
    }
    progress_touch(farm->progress);
    return rc;
}

static int take_credit(struct farm *farm, struct member *member, const struct buf *message,
                       struct error *ret_error)
{
    uint32_t credits;
    if (message_get_count(message, &credits, ret_error) < 0)
        return -1;
    scheduler_worker_credits(farm->scheduler, member->id, credits);
    return 0;
}

static int take_fetch(struct farm *farm, struct member *member, const struct buf *message,
                      struct error *ret_error)
{
    struct file_piece asked;
    if (message_get_fetch(message, &asked, ret_error) < 0)
        return -1;
    struct error why;
    struct buf reply;
    buf_init(&reply, MESSAGE_MAX);
    if (content_answer(farm->content, &asked, &reply, &why) < 0)
        farm_take_notice(farm, why.text);
    crew_send(farm->crew, member, &reply);
    buf_fini(&reply);
    return 0;
}

/* Once when it begins, and once when it is over. */
static void tell_outputs_trouble(struct farm *farm, const struct error *error)
{
    if (error && !farm->outputs_troubled) {
        struct error told = *error;
        error_prefix(&told, "outputs wait, and are tried again every %d s", JOURNAL_RETRY_S);
        farm_take_notice(farm, told.text);
        farm_look_at_folder(farm);
    } else if (!error && farm->outputs_troubled)
        farm_take_notice(farm, "output files can be written again");
    farm->outputs_troubled = error != NULL;
}

/* What came of an output: `rc` as of outputs_add, and why. */
static int output_taken(struct farm *farm, int rc, struct error *ret_error)
{
    if (rc < 0 && ret_error->code != ERROR_SYSTEM)
        return -1;
    tell_outputs_trouble(farm, rc < 0 ? ret_error : NULL);
    farm->steps += rc == 0;
    if (rc == 0)
        return 0;
    /* The disk is full or failing: keep the message, and the sender waiting, until it is not. */
    loop_timer_arm(farm->retry, clock_monotonic_ns() + JOURNAL_RETRY_S * CLOCK_SECOND_NS);
    return 1;
}

static int take_output(struct farm *farm, struct member *member, const struct buf *message,
                       struct error *ret_error)
{
    struct output_piece piece;
    if (message_get_output(message, &piece, ret_error) < 0)
        return -1;
    if (has_ended(farm, piece.id.task))
        return 0; /* somebody else was faster */
    return output_taken(farm, outputs_add(farm->outputs, member->id, &piece, ret_error),
                        ret_error);
}

static int take_linked(struct farm *farm, struct member *member, const struct buf *message,
                       struct error *ret_error)
{
    struct output_link link;
    if (message_get_linked(message, &link, ret_error) < 0)
        return -1;
    if (has_ended(farm, link.id.task)) {
        outputs_refuse(farm->outputs, &link);
        return 0; /* somebody else was faster */
    }
    return output_taken(farm, outputs_take(farm->outputs, member->id, &link, ret_error),
                        ret_error);
}

void farm_see_off(struct farm *farm, struct member *member)
{
    if (member->state != MEMBER_LEAVING || !farm->driver_ops->fetch || member->seen_off)
        return;
    int64_t task = farm->driver_ops->fetch(farm->driver, member->instance);
    if (task > 0)
        farm_feed_until(farm, (uint64_t)task);
    if (task != 0 || scheduler_worker_view(farm->scheduler, member->id).leased ||
        journal_committed(farm->journal) < farm->last_sequence)
        return;
    crew_say(farm->crew, member, MESSAGE_STOP);
    member->seen_off = true;
}

static int take_paused(struct farm *farm, struct member *member, const struct buf *message,
                       struct error *ret_error)
{
    const char *sentence;
    size_t size;
    struct error text;
    if (message_get_paused(message, &sentence, &size, ret_error) < 0)
        return -1;
    if (size > 0)
        error_set(&text, ERROR_NONE, "worker %u on %s takes no tasks for now: %.*s", member->id,
                  member->host, (int)size, sentence);
    else
        error_set(&text, ERROR_NONE, "worker %u on %s takes tasks again", member->id,
                  member->host);
    if (farm->pauses_told++ < PAUSES_TOLD)
        farm_take_notice(farm, text.text);
    else
        log_warn("%s", text.text);
    return 0;
}

static int take_leaving(struct farm *farm, struct member *member)
{
    scheduler_worker_leaving(farm->scheduler, member->id);
    member->state = MEMBER_LEAVING;
    member->ended_well = true;
    farm_see_off(farm, member);
    return 0;
}

int farm_take_message(void *context, struct member *member, const struct buf *message,
                      struct error *ret_error)
{
    struct farm *farm = context;
    int type = message_type(message);
    if (member->state == MEMBER_JOINED && type != MESSAGE_READY && type != MESSAGE_FETCH &&
        type != MESSAGE_PAUSED && type != MESSAGE_LEAVING)
        return error_set(ret_error, ERROR_NETWORK, "it said %s before READY",
                         message_type_name(type));
    switch (type) {
    case MESSAGE_READY:
        return take_ready(farm, member, message, ret_error);
    case MESSAGE_RESULTS:
        return take_results(farm, member, message, ret_error);
    case MESSAGE_STARTED:
    case MESSAGE_HANDBACK:
        return take_attempts(farm, member, message, ret_error);
    case MESSAGE_CREDIT:
        return take_credit(farm, member, message, ret_error);
    case MESSAGE_FETCH:
        return take_fetch(farm, member, message, ret_error);
    case MESSAGE_OUTPUT:
        return take_output(farm, member, message, ret_error);
    case MESSAGE_LINKED:
        return take_linked(farm, member, message, ret_error);
    case MESSAGE_LEAVING:
        return take_leaving(farm, member);
    case MESSAGE_PAUSED:
        return take_paused(farm, member, message, ret_error);
    default:
        return error_set(ret_error, ERROR_NETWORK, "it sent a message of type %d (%s)", type,
                         message_type_name(type));
    }
}

void farm_take_loss(void *context, struct member *member, const char *sentence)
{
    struct farm *farm = context;
    bool known = member->state != MEMBER_JOINED;
    if (farm->phase == FARM_PARTING)
        return; /* the end has been announced: nothing follows it */
    scheduler_worker_lost(farm->scheduler, member->id, clock_monotonic_ns());
    outputs_discard_worker(farm->outputs, member->id);
    if (known)
        announce_worker(member->id, member->ended_well ? "left" : "lost", member->host,
                        member->transport, member->slots);
    if (member->ended_well) {
        log_info("worker %u (%s) left", member->id, member->host);
    } else {
        char text[ERROR_TEXT_MAX];
        snprintf(text, sizeof(text), "worker %u on %s is lost: %s", member->id, member->host,
                 sentence);
        losses_add(farm->losses, text);
    }
    progress_touch(farm->progress);
}
