/* The agent's side of the link: what the master says, and what it is told. */
#include "config.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/azure/container.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/near.h"
#include "worker/agent_private.h"
#include "worker/instance.h"
#include "worker/seeker.h"

#define BATCH_BYTES       (256 << 10)
#define UNSENT_HIGH_BYTES ((size_t)4 << 20) /* outputs wait while more is on its way */
#define MESSAGES_PER_TURN 64
#define RESULTS_COMPANY   256 /* so many results wait for no more */
#define RESULTS_WAIT_NS   (8 * CLOCK_MS_NS)
#define REJOIN_MOVED_S    3600
#define OVER_BELIEVED_NS                                                                       \
    (60 * CLOCK_SECOND_NS) /* a first dial believes an old master.json then */
#define HEARTBEAT_FIRST_NS (15 * CLOCK_SECOND_NS) /* until the job says */

static void lose_link(struct agent *agent, const char *sentence);

/* Sending */

void agent_send(struct agent *agent, struct buf *message)
{
    struct error error;
    agent->unmoved = true;
    if (agent->link && link_send(agent->link, message, &error) < 0)
        lose_link(agent, error.text);
    buf_clear(message);
}

static void add_state(struct agent *agent, enum hand_state state, struct buf *message)
{
    for (struct held *held = hand_first(agent->hand, state); held; held = held->next)
        if (!held->unwanted)
            message_add_attempt(message, held->id);
}

void agent_send_ready(struct agent *agent)
{
    char host[256] = "";
    if (!agent->link || !agent->site_ready || agent->said_ready || agent->leaving)
        return;
    gethostname(host, sizeof(host) - 1);
    const struct ready ready = {.host = host,
                                .host_size = strlen(host),
                                .pid = getpid(),
                                .slots = site_slots(agent->site),
                                .credits = agent->credit.credits,
                                .instance = instance_get()};
    message_put_ready(&agent->scratch, &ready);
    add_state(agent, HAND_RUNNING, &agent->scratch);
    add_state(agent, HAND_QUEUED, &agent->scratch);
    add_state(agent, HAND_STORING, &agent->scratch);
    add_state(agent, HAND_DONE, &agent->scratch);
    agent->said_ready = true;
    agent->credit_changed |= agent->paused; /* READY wants some all the same */
    agent_send(agent, &agent->scratch);
    if (agent->paused)
        agent_tell_pause(agent);
}

void agent_hand_back(struct agent *agent, struct attempt_id id)
{
    if (agent->handback.size == 0)
        message_begin(&agent->handback, MESSAGE_HANDBACK);
    message_add_attempt(&agent->handback, id);
}

static void send_batch(struct agent *agent, struct buf *batch)
{
    if (batch->size)
        agent_send(agent, batch);
}

/* The next file at one go, if the master sees it, too. False: in pieces. */
static bool send_link(struct agent *agent, struct held *held, struct buf *message)
{
    struct output_link link;
    if (agent->near_fd < 0 ||
        !workdir_link_next(held->workdir, agent->near_fd, instance_text(), &link))
        return false;
    message_put_linked(message, &link);
    agent_send(agent, message);
    return true;
}

/* All pieces of its files. false if the link has enough to do: go on later. */
static bool send_outputs(struct agent *agent, struct held *held)
{
    struct output_piece piece;
    struct error error;
    struct buf message;
    int rc = 1;
    buf_init(&message, MESSAGE_MAX);
    while (agent->link && link_unsent_bytes(agent->link) < UNSENT_HIGH_BYTES && rc > 0) {
        if (send_link(agent, held, &message))
            continue;
        rc = workdir_next_piece(held->workdir, &piece, &error);
        if (rc > 0) {
            message_put_output(&message, &piece);
            agent_send(agent, &message);
        }
    }
    buf_fini(&message);
    if (rc < 0)
        agent_end(agent, &error); /* our own disk fails: another worker will do better */
    return rc == 0;
}

/* Results may wait a moment for company, as long as the slots have tasks waiting: each message
 * wakes the master, and the answers wake us, which on a busy machine costs as much as starting a
 * small task. It is less than CREDIT_AHEAD_NS, so the next leases come in time. */
static bool results_can_wait(struct agent *agent)
{
    size_t count = hand_count(agent->hand, HAND_DONE);
    if (count == 0 || count >= RESULTS_COMPANY || agent->leaving ||
        hand_count(agent->hand, HAND_QUEUED) == 0)
        return false;
    int64_t now = clock_monotonic_ns();
    if (agent->results_due_ns == INT64_MAX) {
        agent->results_due_ns = now + RESULTS_WAIT_NS;
        loop_timer_arm(agent->results_wait, agent->results_due_ns);
    }
    return now < agent->results_due_ns;
}

static void send_results(struct agent *agent)
{
    struct held *held;
    if (results_can_wait(agent))
        return;
    agent->results_due_ns = INT64_MAX;
    while (agent->link && (held = hand_first(agent->hand, HAND_DONE))) {
        if (held->workdir && !send_outputs(agent, held))
            break;
        if (agent->results.size + held->result_size > BATCH_BYTES)
            send_batch(agent, &agent->results);
        if (agent->results.size == 0)
            message_begin(&agent->results, MESSAGE_RESULTS);
        buf_append(&agent->results, held->result, held->result_size);
        hand_move(agent->hand, held, HAND_SENT);
    }
    send_batch(agent, &agent->results);
}

static void send_credit(struct agent *agent)
{
    if (!agent->credit_changed)
        return;
    agent->credit_changed = false;
    message_put_count(&agent->scratch, MESSAGE_CREDIT,
                      agent->paused ? 0 : agent->credit.credits);
    agent_send(agent, &agent->scratch);
}

/* Receiving */

/* Two jobs that differ in no more than the master's instance are the same work. */
static bool same_job(const cJSON *a, const cJSON *b)
{
    cJSON *left = cJSON_Duplicate(a, true), *right = cJSON_Duplicate(b, true);
    cJSON_DeleteItemFromObjectCaseSensitive(left, "instance");
    cJSON_DeleteItemFromObjectCaseSensitive(right, "instance");
    bool same = json_diff(left, right, NULL, NULL) == 0;
    cJSON_Delete(left);
    cJSON_Delete(right);
    return same;
}

static int check_run(struct agent *agent, const cJSON *job, struct error *ret_error)
{
    const char *before, *now;
    if (json_get_text(agent->job, "$", "run", "", &before, ret_error) < 0 ||
        json_get_text(job, "$", "run", "", &now, ret_error) < 0)
        return -1;
    if (agent->job && strcmp(before, now) != 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "the master that answers now runs another farm than before");
    return 0;
}

static int take_job(struct agent *agent, const struct buf *message, struct error *ret_error)
{
    const char *text;
    size_t size;
    cJSON *job;
    double heartbeat_s;
    if (message_get_job(message, &text, &size, ret_error) < 0 ||
        json_parse(text, size, "the job", JSON_STRICT, &job, ret_error) < 0)
        return -1;
    if (check_run(agent, job, ret_error) < 0 ||
        json_get_real(job, "$", "heartbeat_timeout_s", 15, &heartbeat_s, ret_error) < 0) {
        agent_end(agent, ret_error);
        cJSON_Delete(job);
        return 0;
    }
    agent->heartbeat_ns = (int64_t)(heartbeat_s * 1e9);
    agent_pulse(agent);
    if (agent->near_fd >= 0)
        close(agent->near_fd);
    agent->near_fd = near_open(job);
    /* Of this master, and no part of the work: */
    cJSON_DeleteItemFromObjectCaseSensitive(job, "near");
    bool same = agent->site && same_job(agent->job, job);
    if (agent->site && !same)
        agent_close_site(agent);
    if (same) {
        cJSON_Delete(job);
        agent_send_ready(agent);
        return 0;
    }
    cJSON_Delete(agent->job);
    agent->job = job;
    agent_open_depot(agent);
    struct error error;
    agent_open_site(agent, &error);
    return 0;
}

/* The master leases what we have finished already: it does not know of the result. */
static void offer_again(struct agent *agent, struct held *held)
{
    if (held->state != HAND_SENT)
        return;
    if (held->workdir)
        workdir_rewind(held->workdir);
    hand_move(agent->hand, held, HAND_DONE);
}

static int take_leases(struct agent *agent, const struct buf *message, struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    struct attempt_id id;
    const void *payload;
    size_t size;
    int rc;
    bool known;
    while ((rc = message_next_lease(&reader, &id, &payload, &size, ret_error)) > 0) {
        bool wanted = !agent->leaving && !agent->paused;
        if (!wanted && !(agent->site_ready && site_owes(agent->site, payload, size)))
            agent_hand_back(agent, id);
        else if (!hand_add(agent->hand, id, payload, size, &known) && !known)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for more tasks");
        else if (known)
            offer_again(agent, hand_find(agent->hand, id));
    }
    return rc;
}

static int take_acks(struct agent *agent, const struct buf *message, struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    struct attempt_id id;
    int rc;
    while ((rc = message_next_attempt(&reader, &id, ret_error)) > 0) {
        struct held *held = hand_find(agent->hand, id);
        if (!held || held->state != HAND_SENT)
            continue;
        if (agent->site)
            site_settled(agent->site, held->slot, id, !held->refused);
        hand_remove(agent->hand, held);
    }
    return rc;
}

/* A result that is there already is offered all the same: it may be the one that counts. */
static int take_cancels(struct agent *agent, const struct buf *message, struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    struct attempt_id id;
    int rc;
    while ((rc = message_next_attempt(&reader, &id, ret_error)) > 0) {
        struct held *held = hand_find(agent->hand, id);
        if (!held)
            continue;
        if (held->state > HAND_RUNNING) {
            held->refused = true;
        } else if (held->state == HAND_QUEUED) {
            hand_remove(agent->hand, held);
        } else if (!held->unwanted) {
            held->unwanted = true;
            site_cancel(agent->site, held->slot, id, RUNNER_CANCEL_NOW);
        }
    }
    return rc;
}

/* The newest first: the oldest will start next. */
static int take_recall(struct agent *agent, const struct buf *message, struct error *ret_error)
{
    uint32_t count;
    if (message_get_count(message, &count, ret_error) < 0)
        return -1;
    for (struct held *held; count-- && (held = hand_last(agent->hand, HAND_QUEUED));) {
        agent_hand_back(agent, held->id);
        hand_remove(agent->hand, held);
    }
    return 0;
}

static int take_data(struct agent *agent, const struct buf *message, struct error *ret_error)
{
    struct file_piece piece;
    if (message_get_data(message, &piece, ret_error) < 0)
        return -1;
    if (agent->site)
        cache_take(site_cache(agent->site), &piece);
    return 0;
}

static int take_stop(struct agent *agent)
{
    log_info("the farm is over");
    agent_end(agent, NULL);
    return 0;
}

static int take(struct agent *agent, const struct buf *message, struct error *ret_error)
{
    int type = message_type(message);
    switch (type) {
    case MESSAGE_JOB:
        return take_job(agent, message, ret_error);
    case MESSAGE_LEASE:
        return take_leases(agent, message, ret_error);
    case MESSAGE_ACK:
        return take_acks(agent, message, ret_error);
    case MESSAGE_CANCEL:
        return take_cancels(agent, message, ret_error);
    case MESSAGE_RECALL:
        return take_recall(agent, message, ret_error);
    case MESSAGE_DATA:
        return take_data(agent, message, ret_error);
    case MESSAGE_STOP:
        return take_stop(agent);
    default:
        return error_set(ret_error, ERROR_NETWORK, "the master sent a message of type %d (%s)",
                         type, message_type_name(type));
    }
}

static void receive_all(struct agent *agent)
{
    struct error error;
    agent->more = false;
    for (int taken = 0; agent->link && !agent->over; taken++) {
        if (taken == MESSAGES_PER_TURN) {
            agent->more = true;
            return;
        }
        int rc = link_receive(agent->link, &agent->incoming, &error);
        if (rc == 0)
            return;
        if (rc > 0) {
            agent->quiet_rounds = 0;
            agent->news = true;
            rc = take(agent, &agent->incoming, &error);
        }
        if (rc < 0)
            lose_link(agent, error.text);
    }
}

/* Moving */

/* The master's pulse is answered at once, rather than when ours is due: so neither side wakes twice
 * for one, and a master hears all its idle workers in one go. */
static int answer_pulse(struct agent *agent, struct error *ret_error)
{
    int64_t silent_ns = clock_monotonic_ns() - agent->link->spoke_ns;
    return silent_ns < agent->heartbeat_ns / 8 ? 0 : link_pulse(agent->link, ret_error);
}

static void move_link(struct agent *agent)
{
    struct error error;
    if (!agent->link || agent->over)
        return;
    agent->unmoved = false;
    int rc = link_progress(agent->link, &error);
    receive_all(agent);
    if (rc == 0 && agent->link && !agent->over)
        rc = answer_pulse(agent, &error);
    if (rc < 0)
        lose_link(agent, error.text);
    if (agent->link)
        loop_watch_set(agent->watch,
                       LOOP_READ | (link_wants_write(agent->link) ? LOOP_WRITE : 0));
}

static void link_ready(unsigned events, void *context)
{
    (void)events;
    move_link(context);
}

void agent_flush(struct agent *agent)
{
    if (!agent->link)
        return;
    if (agent->said_ready) {
        send_batch(agent, &agent->handback);
        send_results(agent);
        send_credit(agent);
    }
    /* What comes in is told by the descriptor, unless the link is busy: most turns start a task and
     * have no need of the network. */
    if (agent->link && (agent->unmoved || agent->more || link_busy(agent->link)))
        move_link(agent);
}

void agent_pulse(void *context)
{
    struct agent *agent = context;
    struct error error;
    int64_t now = clock_monotonic_ns(), period = agent->heartbeat_ns / 4;
    /* Where this process itself was stopped, silence proves nothing (see master/crew.c). */
    bool late = now - agent->pulse_due_ns > period;
    agent->pulse_due_ns = now + period;
    loop_timer_arm(agent->pulse, agent->pulse_due_ns);
    if (!agent->link)
        return;
    if (now - agent->link->heard_ns > agent->heartbeat_ns && !late)
        lose_link(agent, "nothing was heard from it");
    else if (now - agent->link->spoke_ns >= period && link_pulse(agent->link, &error) < 0)
        lose_link(agent, error.text);
}

/* Finding and losing the master */

static void attach(struct agent *agent, struct link *link, const struct dial_answer *answer)
{
    struct error error;
    agent->link = link;
    agent->said_ready = false;
    agent->watch =
        loop_watch_add(agent->loop, link_fd(link), LOOP_READ, link_ready, agent, &error);
    if (!agent->watch) {
        agent_end(agent, &error);
        return;
    }
    if (answer->notice[0])
        log_warn("%s", answer->notice);
    log_info("joined the master as worker %llu by %s", (unsigned long long)answer->id,
             link_transport(link));
    agent_attach_cache(agent);
    /* Messages may have come along with the handshake's last bytes. */
    agent->more = true;
}

static void redialled(void *context, struct link *link, const struct dial_answer *answer,
                      const struct error *error)
{
    struct agent *agent = context;
    struct redial *redial = agent->redial; /* owns the answer and the error */
    agent->redial = NULL;
    if (link) {
        attach(agent, link, answer);
    } else if (error->code == ERROR_NONE) {
        log_info("the farm is over");
        agent_end(agent, NULL);
    } else {
        struct error end = *error;
        error_prefix(&end, "the master was not found again");
        agent_end(agent, &end);
    }
    redial_stop(redial);
}

static double rejoin_s(const struct agent *agent)
{
    /* A master that moves to another node takes minutes. */
    struct farmfile_worker settings = {.rejoin_s =
                                           container_target_get().store ? REJOIN_MOVED_S : 60};
    farmfile_read_worker(json_member(agent->job, "worker"), &settings, NULL);
    return settings.rejoin_s;
}

static void lose_link(struct agent *agent, const char *sentence)
{
    struct error error;
    struct held *held;
    if (!agent->link || agent->over)
        return;
    loop_watch_remove(agent->watch);
    agent->watch = NULL;
    link_close(agent->link);
    agent->link = NULL;
    agent_attach_cache(agent);
    if (agent->leaving) {
        agent_end(agent, NULL);
        return;
    }
    /* What was sent and not acknowledged is sent again to whoever answers. */
    while ((held = hand_last(agent->hand, HAND_SENT)))
        hand_move(agent->hand, held, HAND_DONE);
    for (held = hand_first(agent->hand, HAND_DONE); held; held = held->next)
        if (held->workdir)
            workdir_rewind(held->workdir);
    buf_clear(&agent->results);
    buf_clear(&agent->handback);
    log_warn(
        "the master is lost: %s; %zu results are kept for it, and dialling goes on for %.0f s",
        sentence, hand_count(agent->hand, HAND_DONE), rejoin_s(agent));
    int64_t until_ns = clock_monotonic_ns() + (int64_t)(rejoin_s(agent) * 1e9);
    agent->redial =
        redial_start(agent->loop, &agent->options->dial, until_ns, redialled, agent, &error);
    if (!agent->redial)
        agent_end(agent, &error);
}

/* A descriptor that is readable when the worker is told to go; the loop does not run yet. */
static int open_cancel_fd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int agent_dial_first(struct agent *agent, struct error *ret_error)
{
    struct dial_answer answer;
    struct dial_options options = agent->options->dial;
    struct link *link;
    int64_t now = clock_monotonic_ns(), believed_ns = now + OVER_BELIEVED_NS;
    int64_t until_ns = now + (int64_t)(agent->options->wait_s * 1e9);
    struct seeker *seeker = seeker_open();
    enum seeker_news news = SEEKER_NOTHING;
    agent->heartbeat_ns = HEARTBEAT_FIRST_NS;
    agent->pulse_due_ns = clock_monotonic_ns() + HEARTBEAT_FIRST_NS;
    options.cancel_fd = open_cancel_fd();
    for (unsigned failures = 1; !(link = dial(&options, &answer, ret_error)); failures++) {
        if (!dial_may_retry(ret_error) || clock_monotonic_ns() > until_ns)
            break;
        news = seeker_look(seeker, &options);
        if (news == SEEKER_OVER && clock_monotonic_ns() > believed_ns)
            break;
        struct pollfd cancelled = {.fd = options.cancel_fd, .events = POLLIN};
        poll(&cancelled, 1, (int)(dial_backoff_ns(failures) / CLOCK_MS_NS));
    }
    close(options.cancel_fd);
    seeker_close(seeker);
    if (!link && news == SEEKER_OVER) {
        *ret_error = (struct error){0};
        log_info("the farm is over");
        agent_end(agent, NULL);
        return 0;
    }
    if (!link)
        return -1;
    *ret_error = (struct error){0};
    attach(agent, link, &answer);
    return 0;
}
