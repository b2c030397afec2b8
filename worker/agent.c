/*
 * The agent brings leases to slots and results to the master. Everything happens in one event
 * loop; only finding a lost master again has a thread of its own (redial.h).
 *
 * A result is kept, with its output files, until the master acknowledges it. If the link is lost,
 * tasks go on, and what the next link meets (the same master, or its successor) is told in READY
 * what is in hand, and is sent every unacknowledged result again.
 */
#include "config.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/azure/container.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "worker/agent.h"
#include "worker/agent_private.h"
#include "worker/renewal.h"
#include "worker/watchdog.h"

#define TELL_STARTED_NS (INT64_C(100) * CLOCK_MS_NS)
#define LAST_WORDS_NS   (INT64_C(10) * CLOCK_SECOND_NS) /* to deliver results when leaving */
#define BUSY_ROUNDS     64
#define EVICTED_SPARE_S 15  /* of what is left: for the last results, and to tell Azure */
#define EVICTED_STAY_S  300 /* for the machine to go, when all is done */
#define BUSY_NAP_NS     INT64_C(30000)
#define WATCH_PERIOD_NS                                                                        \
    (INT64_C(15) * CLOCK_SECOND_NS) /* hung after WATCHDOG_STRIKES of them */

void agent_end(struct agent *agent, const struct error *error)
{
    if (agent->over)
        return;
    agent->over = true;
    agent->end = error ? *error : agent->trouble;
    loop_stop(agent->loop);
}

/* Tasks */

static void dispatch(struct agent *agent)
{
    struct held *held;
    int slot;
    bool begun = false;
    if (!agent->site_ready)
        return; /* what is queued while it leaves is what it owes */
    while ((!agent->paused || agent->leaving) &&
           (held = hand_first(agent->hand, HAND_QUEUED)) &&
           (slot = site_free_slot(agent->site)) >= 0) {
        held->slot = (uint32_t)slot;
        held->started_ns = clock_monotonic_ns();
        hand_move(agent->hand, held, HAND_RUNNING);
        /* The payload is the runner's only during the call, and held may be gone after it. */
        struct attempt_id id = held->id;
        void *payload = held->payload;
        size_t size = held->payload_size;
        held->payload = NULL;
        held->owed = site_owes(agent->site, payload, size);
        log_debug("task %llu, attempt %u: begins in slot %d", (unsigned long long)id.task,
                  id.attempt, slot);
        site_start(agent->site, held->slot, id, payload, size);
        held = hand_find(agent->hand, id);
        if (held && held->owed && held->state <= HAND_RUNNING)
            held->payload = payload; /* it may be started again */
        else
            free(payload);
        agent->quiet_rounds = 0;
        begun = true;
    }
    site_flush(agent->site);
    if (begun && !agent->started_armed) {
        agent->started_armed = true;
        loop_timer_arm(agent->started, clock_monotonic_ns() + TELL_STARTED_NS);
    }
}

/* The result waits until its files are in the container; then nothing of it is needed here. */
static void store_outputs(struct agent *agent, struct held *held)
{
    struct error error;
    hand_move(agent->hand, held, HAND_STORING);
    if (depot_put(agent->depot, held->id, held->workdir) == 0)
        return;
    error_set(&error, ERROR_SYSTEM, "no memory to put files into the container");
    agent_end(agent, &error);
}

static void outputs_stored(void *context, struct attempt_id id, const struct error *error)
{
    struct agent *agent = context;
    struct held *held = hand_find(agent->hand, id);
    if (error) {
        agent_end(agent, error); /* our own disk fails: another worker will do better */
        return;
    }
    if (!held || held->state != HAND_STORING)
        return;
    workdir_destroy(held->workdir);
    held->workdir = NULL;
    hand_move(agent->hand, held, HAND_DONE);
}

void agent_open_depot(struct agent *agent)
{
    struct error error;
    const char *store = container_target_get().store;
    if (agent->depot || !store || !cJSON_IsTrue(json_member(agent->job, "stored")))
        return;
    agent->depot = depot_create(agent->loop, store, outputs_stored, agent, &error);
    if (!agent->depot)
        log_warn("output files go over the link: %s", error.text);
}

static void keep_result(struct agent *agent, struct held *held, const struct result *given,
                        struct workdir *workdir)
{
    struct result whole = *given, *result = &whole;
    result->stored = workdir && agent->depot;
    buf_clear(&agent->scratch);
    message_add_result(&agent->scratch, result);
    held->result = malloc(agent->scratch.size);
    if (!held->result || buf_failed(&agent->scratch)) {
        struct error error;
        error_set(&error, ERROR_SYSTEM, "no memory to keep a result of %zu bytes",
                  agent->scratch.size);
        workdir_destroy(workdir);
        agent_end(agent, &error);
        return;
    }
    memcpy(held->result, agent->scratch.data, agent->scratch.size);
    held->result_size = agent->scratch.size;
    held->workdir = workdir;
    if (result->stored)
        store_outputs(agent, held);
    else
        hand_move(agent->hand, held, HAND_DONE);
    if (credit_ended(&agent->credit, clock_monotonic_ns()))
        agent->credit_changed = true;
}

void agent_task_done(void *context, uint32_t slot, const struct result *result,
                     struct workdir *workdir)
{
    (void)slot;
    struct agent *agent = context;
    struct held *held = hand_find(agent->hand, result->id);
    agent->quiet_rounds = 0;
    if (!held || held->state != HAND_RUNNING) {
        workdir_destroy(workdir);
        return;
    }
    struct result told = *result;
    struct error text;
    if (!held->unwanted && agent_meets_shortage(agent, held, &told, &text)) {
        workdir_destroy(workdir);
        return;
    }
    if (agent->trouble.code && result->status == RESULT_NO_START)
        held->unwanted = held->handback = true; /* another worker will do better */
    if (!held->unwanted) {
        keep_result(agent, held, &told, workdir);
        return;
    }
    if (held->handback)
        agent_hand_back(agent, held->id);
    workdir_destroy(workdir);
    hand_remove(agent->hand, held);
}

/* Tell the master of tasks that have run for a while, so that it can tell slow from not begun. */
static void started_expired(void *context)
{
    struct agent *agent = context;
    int64_t now = clock_monotonic_ns(), next = INT64_MAX;
    struct buf *message = &agent->scratch;
    message_begin(message, MESSAGE_STARTED);
    for (struct held *held = hand_first(agent->hand, HAND_RUNNING); held; held = held->next) {
        if (held->announced)
            continue;
        if (held->started_ns + TELL_STARTED_NS <= now) {
            message_add_attempt(message, held->id);
            held->announced = true;
        } else if (held->started_ns + TELL_STARTED_NS < next) {
            next = held->started_ns + TELL_STARTED_NS;
        }
    }
    if (message->size > 1)
        agent_send(agent, message);
    agent->started_armed = next != INT64_MAX;
    loop_timer_arm(agent->started, next);
}

/* The site */

static void site_ready(void *context)
{
    struct agent *agent = context;
    agent->site_ready = true;
    credit_init(&agent->credit, site_slots(agent->site),
                !cJSON_IsFalse(json_member(agent->job, "prefetch")));
    unsigned slots = site_slots(agent->site);
    log_info("%u slot%s ready", slots, slots == 1 ? " is" : "s are");
    agent_send_ready(agent);
}

static void site_failed(void *context, const struct error *error)
{
    agent_end(context, error);
}

/* Tasks would fail here one after the other, through no fault of theirs: leave, from the next
 * turn on. */
static void site_broken(void *context, const struct error *error)
{
    struct agent *agent = context;
    if (agent->trouble.code)
        return;
    agent->trouble = *error;
    error_prefix(&agent->trouble, "this worker cannot prepare tasks any more");
}

static void fetch(void *context, const uint8_t *hash, uint64_t offset)
{
    struct agent *agent = context;
    struct buf message;
    buf_init(&message, MESSAGE_MAX);
    message_put_fetch(&message, hash, offset);
    agent_send(agent, &message);
    buf_fini(&message);
}

void agent_attach_cache(struct agent *agent)
{
    const struct cache_source source = {.fetch = fetch, .context = agent};
    if (agent->site)
        cache_set_source(site_cache(agent->site), agent->link ? &source : NULL);
}

void agent_open_site(struct agent *agent, struct error *ret_error)
{
    const struct site_events events = {.ready = site_ready,
                                       .full = agent_site_full,
                                       .failed = site_failed,
                                       .done = agent_task_done,
                                       .broken = site_broken};
    agent->site_ready = false;
    agent->site =
        site_create(agent->loop, agent->children, agent->job, &events, agent, ret_error);
    if (!agent->site)
        agent_end(agent, ret_error);
    else
        agent->shortage.patience_ns = (int64_t)(site_disk_wait_s(agent->site) * 1e9);
    agent_attach_cache(agent);
}

/* Results whose files lie in the site's work directories end with them; the others stay. */
static void drop_files(struct agent *agent)
{
    depot_destroy(agent->depot); /* which reads there */
    agent->depot = NULL;
    for (int state = HAND_STORING; state < HAND_STATES; state++)
        for (struct held *held = hand_first(agent->hand, (enum hand_state)state), *next; held;
             held = next) {
            next = held->next;
            if (held->workdir)
                hand_remove(agent->hand, held);
        }
}

void agent_close_site(struct agent *agent)
{
    struct held *held;
    drop_files(agent);
    site_destroy(agent->site);
    agent->site = NULL;
    agent->site_ready = false;
    /* What was not finished is nobody's now; the master leases it anew. */
    while ((held = hand_first(agent->hand, HAND_RUNNING)) ||
           (held = hand_first(agent->hand, HAND_QUEUED)))
        hand_remove(agent->hand, held);
}

/* Leaving */

static struct held *first_wanted(const struct hand *hand)
{
    struct held *held = hand_first(hand, HAND_RUNNING);
    while (held && held->unwanted)
        held = held->next;
    return held;
}

static bool has_nothing(const struct agent *agent)
{
    for (int state = 0; state < HAND_STATES; state++)
        if (hand_count(agent->hand, (enum hand_state)state))
            return false;
    return true;
}

static void drain_expired(void *context)
{
    struct agent *agent = context;
    struct held *held;
    if (agent->last_words && has_nothing(agent)) {
        log_warn("what this worker had summed was not asked for in time");
        agent_end(agent, NULL);
        return;
    }
    if (agent->last_words) {
        struct error error;
        error_set(&error, ERROR_NETWORK, "the master did not acknowledge the last results");
        agent_end(agent, &error);
        return;
    }
    agent->last_words = true;
    loop_timer_arm(agent->drain, clock_monotonic_ns() + LAST_WORDS_NS);
    /* From the start each time: a cancel may end, and remove, several tasks of one runner. */
    while ((held = first_wanted(agent->hand))) {
        held->unwanted = held->handback = true;
        site_cancel(agent->site, held->slot, held->id, RUNNER_CANCEL_GENTLY);
    }
}

static void leave(struct agent *agent)
{
    struct held *held;
    agent->leaving = true;
    if (!agent->link || !agent->said_ready) {
        agent_end(agent, NULL);
        return;
    }
    struct farmfile_worker settings = {.drain_s = 30};
    farmfile_read_worker(json_member(agent->job, "worker"), &settings, NULL);
    if (agent->evicted && agent->evicted_left_s > 0)
        settings.drain_s =
            fmin(settings.drain_s, fmax(agent->evicted_left_s - EVICTED_SPARE_S, 0));
    log_info("leaving: %zu tasks have %.0f s to end", hand_count(agent->hand, HAND_RUNNING),
             settings.drain_s);
    message_begin(&agent->scratch, MESSAGE_LEAVING);
    agent_send(agent, &agent->scratch);
    if (agent->site_ready)
        site_leave(agent->site);
    struct held *next;
    for (held = hand_first(agent->hand, HAND_QUEUED); held; held = next) {
        next = held->next;
        if (agent->site_ready && site_owes(agent->site, held->payload, held->payload_size))
            continue;
        agent_hand_back(agent, held->id);
        hand_remove(agent->hand, held);
    }
    loop_timer_arm(agent->drain, clock_monotonic_ns() + (int64_t)(settings.drain_s * 1e9));
}

static void caught(int signal, void *context)
{
    (void)signal;
    struct agent *agent = context;
    if (agent->leaving)
        agent_end(agent, NULL); /* the second time means now */
    else
        leave(agent);
}

static void evict(void *context, double left_s)
{
    struct agent *agent = context;
    log_warn("this machine is about to be taken away (in %.0f s or more)", left_s);
    agent->evicted = true;
    agent->evicted_left_s = left_s;
    if (!agent->leaving)
        leave(agent);
}

/* BEOFARM_IDLE_S: how long to stay without work; 0: for ever. */
static double idle_limit_s(const struct agent *agent)
{
    const char *text = getenv("BEOFARM_IDLE_S");
    char *end;
    if (!text || (agent->site && site_stays(agent->site)))
        return 0;
    double limit_s = strtod(text, &end);
    return *end || !(limit_s > 0) ? 0 : limit_s;
}

static void idle_expired(void *context)
{
    struct agent *agent = context;
    agent->idle_armed = false;
    if (agent->leaving || !agent->link || !agent->said_ready || !has_nothing(agent))
        return;
    log_info("there was no work for %s s", getenv("BEOFARM_IDLE_S"));
    leave(agent);
}

/* Count the time without work anew after each task. */
static void idle_watch(struct agent *agent)
{
    bool idle = agent->link && agent->said_ready && !agent->leaving && !agent->paused &&
                has_nothing(agent);
    if (idle == agent->idle_armed)
        return;
    double limit_s = idle_limit_s(agent);
    agent->idle_armed = idle && limit_s > 0;
    if (agent->idle_armed)
        loop_timer_arm(agent->idle, clock_monotonic_ns() + (int64_t)(limit_s * 1e9));
    else
        loop_timer_disarm(agent->idle);
}

static void look_whether_gone(struct agent *agent)
{
    if (!agent->leaving || agent->over)
        return;
    if (!has_nothing(agent))
        return;
    if (agent->link && agent->site_ready && site_holds(agent->site))
        return; /* the master asks for it, or says STOP */
    if (!agent->link || link_unsent_bytes(agent->link) == 0)
        agent_end(agent, NULL);
}

/* The turn */

static int64_t turn(void *context)
{
    struct agent *agent = context;
    agent->news = false;
    if (agent->trouble.code && !agent->leaving)
        leave(agent);
    dispatch(agent);
    agent_flush(agent);
    look_whether_gone(agent);
    idle_watch(agent);
    if (agent->news || agent->more)
        return 0;
    if (!agent->link || !link_busy(agent->link)) {
        agent->quiet_rounds = 0;
        return INT64_MAX;
    }
    return agent->quiet_rounds++ < BUSY_ROUNDS ? 0 : BUSY_NAP_NS;
}

static void results_wait_over(void *context)
{
    (void)context; /* it is enough that the loop turns: see send_results */
}

static int open_agent(struct agent *agent, const struct agent_options *options,
                      struct error *ret_error)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, 0};
    agent->options = options;
    buf_init(&agent->scratch, MESSAGE_MAX);
    buf_init(&agent->incoming, MESSAGE_MAX);
    buf_init(&agent->handback, MESSAGE_MAX);
    buf_init(&agent->results, MESSAGE_MAX);
    agent->loop = loop_create(ret_error);
    if (!agent->loop || loop_signals(agent->loop, signals, caught, agent, ret_error) < 0)
        return -1;
    /* Before any other thread: MPI makes some. */
    agent->children = children_create(agent->loop, ret_error);
    if (!agent->children)
        return -1;
    agent->hand = hand_create();
    agent->started = loop_timer_add(agent->loop, started_expired, agent);
    agent->drain = loop_timer_add(agent->loop, drain_expired, agent);
    agent->pulse = loop_timer_add(agent->loop, agent_pulse, agent);
    agent->results_wait = loop_timer_add(agent->loop, results_wait_over, agent);
    agent->idle = loop_timer_add(agent->loop, idle_expired, agent);
    agent->pause = loop_timer_add(agent->loop, agent_pause_over, agent);
    agent->results_due_ns = INT64_MAX;
    if (!agent->hand || !agent->started || !agent->drain || !agent->pulse ||
        !agent->results_wait || !agent->idle || !agent->pause)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the worker");
    loop_set_turn(agent->loop, turn, agent);
    if (agent_dial_first(agent, ret_error) < 0)
        return -1;
    if (!agent->over)
        agent->eviction = eviction_watch(agent->loop, evict, agent);
    agent->renewal = renewal_create(agent->loop);
    return 0;
}

static void close_agent(struct agent *agent)
{
    redial_stop(agent->redial);
    if (agent->hand)
        agent_close_site(agent);
    hand_destroy(agent->hand);
    loop_watch_remove(agent->watch);
    link_close(agent->link);
    if (agent->near_fd >= 0)
        close(agent->near_fd);
    children_destroy(agent->children);
    if (agent->evicted && agent->eviction)
        eviction_accept(agent->eviction, EVICTED_STAY_S);
    eviction_close(agent->eviction);
    renewal_destroy(agent->renewal);
    loop_destroy(agent->loop);
    cJSON_Delete(agent->job);
    buf_fini(&agent->scratch);
    buf_fini(&agent->incoming);
    buf_fini(&agent->handback);
    buf_fini(&agent->results);
}

/* Whoever started this worker sees it end and can start another; its tasks' guard kills them. */
static void hung(void *context)
{
    (void)context;
    log_error("this worker hangs: it has done nothing for %d s, and ends",
              (int)(WATCHDOG_STRIKES * WATCH_PERIOD_NS / CLOCK_SECOND_NS));
    _exit(ERROR_SYSTEM);
}

static void work(struct agent *agent, struct error *ret_error)
{
    struct watchdog *watchdog =
        watchdog_create(agent->loop, WATCH_PERIOD_NS, hung, NULL, ret_error);
    if (watchdog)
        loop_run(agent->loop, ret_error);
    watchdog_destroy(watchdog);
}

int agent_run(const struct agent_options *options, struct error *ret_error)
{
    struct agent agent = {.near_fd = -1};
    int rc = open_agent(&agent, options, &agent.end);
    if (rc == 0 && !agent.over)
        work(&agent, &agent.end);
    if (agent.evicted && agent.end.code == ERROR_NONE)
        error_set(&agent.end, ERROR_INTERRUPTED, "this machine was to be taken away");
    *ret_error = agent.end;
    close_agent(&agent);
    return ret_error->code;
}
