/*
 * Members with something to do (a batch to send, an MPI request outstanding, a loss to bury)
 * stand in the list of the active, so that a turn costs nothing for the thousands that are quiet.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "master/crew.h"

#define BATCH_BYTES       (256 << 10) /* a batch is sent when it has grown to this */
#define BUSY_ROUNDS       64 /* rounds without news before a busy link is polled slower */
#define BUSY_NAP_NS       INT64_C(30000)
#define MESSAGES_PER_TURN 64 /* from one worker, before the others have their turn */

struct entry {
    struct member member; /* first: a member is its entry */
    struct crew *crew;
    struct link *link;
    struct loop_watch *watch;
    struct buf lease, ack, cancel;
    struct buf incoming;
    bool put_off; /* incoming holds a message to be delivered again */
    bool more;    /* stopped at MESSAGES_PER_TURN */
    bool active, lost;
    char *why; /* the sentence of its loss */
    struct entry *next_active;
    size_t place; /* in crew->entries */
};

struct crew {
    struct loop *loop;
    struct loop_timer *pulse;
    int64_t heartbeat_ns;
    int64_t pulse_due_ns;
    struct crew_events events;
    void *context;
    struct entry **entries;
    size_t count, capacity;
    struct entry **by_id; /* index: member id */
    size_t by_id_size;
    struct entry *active;
    unsigned quiet_rounds;
    bool news; /* messages came in this flush: the farm must act on them before it sleeps */
};

static void activate(struct entry *entry)
{
    if (entry->active)
        return;
    entry->active = true;
    entry->next_active = entry->crew->active;
    entry->crew->active = entry;
}

static void lose(struct entry *entry, const char *sentence)
{
    if (entry->lost)
        return;
    entry->lost = true;
    entry->why = strdup(sentence);
    loop_watch_remove(entry->watch);
    entry->watch = NULL;
    activate(entry);
}

/* Pulse */

static void pulse_one(struct entry *entry, int64_t now, bool late)
{
    struct error error;
    if (entry->lost)
        return;
    if (now - entry->link->heard_ns > entry->crew->heartbeat_ns && !late && !entry->put_off) {
        error_set(&error, ERROR_NETWORK, "nothing was heard from it for %.1f s",
                  (double)(now - entry->link->heard_ns) / 1e9);
        lose(entry, error.text);
    } else if (now - entry->link->spoke_ns >= entry->crew->heartbeat_ns / 4) {
        if (link_pulse(entry->link, &error) < 0)
            lose(entry, error.text);
        else
            activate(entry);
    }
}

/* Where this process itself was stopped for a while, silence proves nothing: the pulses of that
 * time lie unread in the sockets. So nobody is given up in a round that comes late. */
static void pulse_round(void *context)
{
    struct crew *crew = context;
    int64_t now = clock_monotonic_ns(), period = crew->heartbeat_ns / 4;
    bool late = now - crew->pulse_due_ns > period;
    for (size_t i = 0; i < crew->count; i++)
        pulse_one(crew->entries[i], now, late);
    crew->pulse_due_ns = now + period;
    loop_timer_arm(crew->pulse, crew->pulse_due_ns);
}

/* Create, destroy */

struct crew *crew_create(struct loop *loop, int64_t heartbeat_ns,
                         const struct crew_events *events, void *context,
                         struct error *ret_error)
{
    struct crew *crew = calloc(1, sizeof(*crew));
    if (!crew || !(crew->pulse = loop_timer_add(loop, pulse_round, crew))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the crew");
        free(crew);
        return NULL;
    }
    crew->loop = loop;
    crew->heartbeat_ns = heartbeat_ns;
    crew->events = *events;
    crew->context = context;
    crew->pulse_due_ns = clock_monotonic_ns() + heartbeat_ns / 4;
    loop_timer_arm(crew->pulse, crew->pulse_due_ns);
    return crew;
}

static void free_entry(struct entry *entry)
{
    loop_watch_remove(entry->watch);
    link_close(entry->link);
    buf_fini(&entry->lease);
    buf_fini(&entry->ack);
    buf_fini(&entry->cancel);
    buf_fini(&entry->incoming);
    free(entry->member.host);
    free(entry->why);
    free(entry);
}

void crew_destroy(struct crew *crew)
{
    if (!crew)
        return;
    for (size_t i = 0; i < crew->count; i++)
        free_entry(crew->entries[i]);
    loop_timer_remove(crew->pulse);
    free(crew->entries);
    free(crew->by_id);
    free(crew);
}

/* Receiving */

static void receive_all(struct entry *entry)
{
    struct crew *crew = entry->crew;
    struct error error;
    entry->more = false;
    for (int taken = 0; !entry->lost; taken++) {
        if (taken == MESSAGES_PER_TURN) {
            entry->more = true;
            activate(entry);
            return;
        }
        int rc = entry->put_off ? 1 : link_receive(entry->link, &entry->incoming, &error);
        if (rc == 0)
            return;
        entry->put_off = false;
        if (rc > 0) {
            crew->quiet_rounds = 0;
            crew->news = true;
            rc = crew->events.message(crew->context, &entry->member, &entry->incoming, &error);
        }
        if (rc < 0)
            lose(entry, error.text);
        if (rc == 1) {
            entry->put_off = true;
            return;
        }
    }
}

static void move_link(struct entry *entry)
{
    struct error error;
    if (entry->lost)
        return;
    /* What has arrived is taken also when the link is found lost: results may be among it. */
    int rc = link_progress(entry->link, &error);
    if (!entry->put_off)
        receive_all(entry);
    if (rc < 0)
        lose(entry, error.text);
    if (entry->lost)
        return;
    loop_watch_set(entry->watch, (entry->put_off ? 0 : LOOP_READ) |
                                     (link_wants_write(entry->link) ? LOOP_WRITE : 0));
    if (link_busy(entry->link))
        activate(entry);
}

static void link_ready(unsigned events, void *context)
{
    (void)events;
    move_link(context);
}

void crew_resume(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) {
        struct entry *entry = crew->entries[i];
        if (!entry->put_off)
            continue;
        receive_all(entry);
        activate(entry);
    }
}

/* Members */

static int reserve(struct crew *crew, uint32_t id)
{
    if (crew->count == crew->capacity) {
        size_t capacity = crew->capacity ? crew->capacity * 2 : 16;
        struct entry **entries = realloc(crew->entries, capacity * sizeof(*entries));
        if (!entries)
            return -1;
        crew->entries = entries;
        crew->capacity = capacity;
    }
    if (id >= crew->by_id_size) {
        size_t size = (size_t)id * 2 + 16;
        struct entry **by_id = realloc(crew->by_id, size * sizeof(*by_id));
        if (!by_id)
            return -1;
        memset(by_id + crew->by_id_size, 0, (size - crew->by_id_size) * sizeof(*by_id));
        crew->by_id = by_id;
        crew->by_id_size = size;
    }
    return 0;
}

struct member *crew_add(struct crew *crew, struct link *link, uint32_t id, const char *host,
                        struct error *ret_error)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry || reserve(crew, id) < 0 || !(entry->member.host = strdup(host))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for one more worker");
        free(entry);
        link_close(link);
        return NULL;
    }
    entry->crew = crew;
    entry->link = link;
    entry->member.id = id;
    entry->member.transport = link_transport(link);
    buf_init(&entry->lease, MESSAGE_MAX);
    buf_init(&entry->ack, MESSAGE_MAX);
    buf_init(&entry->cancel, MESSAGE_MAX);
    buf_init(&entry->incoming, MESSAGE_MAX);
    entry->watch =
        loop_watch_add(crew->loop, link_fd(link), LOOP_READ, link_ready, entry, ret_error);
    if (!entry->watch) {
        free_entry(entry);
        return NULL;
    }
    entry->place = crew->count;
    crew->entries[crew->count++] = entry;
    crew->by_id[id] = entry;
    /* Messages may have come along with the handshake's last bytes. */
    activate(entry);
    return &entry->member;
}

struct member *crew_find(struct crew *crew, uint32_t id)
{
    struct entry *entry = id < crew->by_id_size ? crew->by_id[id] : NULL;
    return entry && !entry->lost ? &entry->member : NULL;
}

struct member *crew_find_instance(struct crew *crew, uint64_t instance)
{
    for (uint32_t id = 0; instance && id < crew->by_id_size; id++) {
        struct member *member = crew_find(crew, id);
        if (member && member->instance == instance)
            return member;
    }
    return NULL;
}

size_t crew_count(const struct crew *crew)
{
    return crew->count;
}

void crew_each(struct crew *crew, void (*each)(void *context, struct member *member),
               void *context)
{
    for (size_t i = 0; i < crew->count; i++)
        if (!crew->entries[i]->lost)
            each(context, &crew->entries[i]->member);
}

/* Sending */

static void send_now(struct entry *entry, struct buf *message)
{
    struct error error;
    if (!entry->lost && link_send(entry->link, message, &error) < 0)
        lose(entry, error.text);
}

static void send_batch(struct entry *entry, struct buf *batch)
{
    if (batch->size)
        send_now(entry, batch);
    buf_clear(batch);
}

static struct buf *gather(struct entry *entry, struct buf *batch, enum message_type type)
{
    activate(entry);
    if (batch->size >= BATCH_BYTES)
        send_batch(entry, batch);
    if (batch->size == 0)
        message_begin(batch, type);
    return batch;
}

void crew_lease(struct crew *crew, struct member *member, struct attempt_id id,
                const void *payload, size_t size)
{
    (void)crew;
    struct entry *entry = (struct entry *)member;
    message_add_lease(gather(entry, &entry->lease, MESSAGE_LEASE), id, payload, size);
}

void crew_ack(struct crew *crew, struct member *member, struct attempt_id id)
{
    (void)crew;
    struct entry *entry = (struct entry *)member;
    message_add_attempt(gather(entry, &entry->ack, MESSAGE_ACK), id);
}

void crew_cancel(struct crew *crew, struct member *member, struct attempt_id id)
{
    (void)crew;
    struct entry *entry = (struct entry *)member;
    /* A lease must not be overtaken by its own cancel. */
    send_batch(entry, &entry->lease);
    message_add_attempt(gather(entry, &entry->cancel, MESSAGE_CANCEL), id);
}

static void send_batches(struct entry *entry)
{
    /* That a result is not wanted is told before it is acknowledged, and then forgotten. */
    send_batch(entry, &entry->cancel);
    send_batch(entry, &entry->ack);
    send_batch(entry, &entry->lease);
}

void crew_send(struct crew *crew, struct member *member, struct buf *message)
{
    (void)crew;
    struct entry *entry = (struct entry *)member;
    send_batches(entry);
    send_now(entry, message);
    activate(entry);
}

void crew_say(struct crew *crew, struct member *member, enum message_type type)
{
    struct buf message;
    buf_init(&message, MESSAGE_MAX);
    message_begin(&message, type);
    crew_send(crew, member, &message);
    buf_fini(&message);
}

/* The turn */

static void bury(struct crew *crew, struct entry *entry)
{
    struct entry *last = crew->entries[--crew->count];
    crew->entries[entry->place] = last;
    last->place = entry->place;
    crew->by_id[entry->member.id] = NULL;
    crew->events.lost(crew->context, &entry->member, entry->why ? entry->why : "no memory");
    crew->news = true;
    free_entry(entry);
}

static bool wants_turn(const struct entry *entry)
{
    return entry->more || link_busy(entry->link) || entry->ack.size || entry->cancel.size ||
           entry->lease.size;
}

/* Whether any of them wants another round at once. */
static bool turn_active(struct crew *crew, struct entry *list)
{
    bool again = false;
    for (struct entry *entry = list, *next; entry; entry = next) {
        next = entry->next_active;
        send_batches(entry);
        move_link(entry);
        /* Until here it counted as active, so that nothing could put it into the new list. */
        entry->active = false;
        again |= entry->more;
        if (entry->lost)
            bury(crew, entry);
        else if (wants_turn(entry))
            activate(entry);
    }
    return again;
}

int64_t crew_flush(struct crew *crew)
{
    struct entry *list = crew->active;
    crew->active = NULL;
    crew->news = false;
    bool again = turn_active(crew, list) || crew->news;
    if (!crew->active && !again) {
        crew->quiet_rounds = 0;
        return INT64_MAX;
    }
    if (again || crew->quiet_rounds++ < BUSY_ROUNDS)
        return 0;
    return BUSY_NAP_NS;
}
