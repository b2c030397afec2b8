/*
 * A connection. What it is told goes through `out`, which is bounded: while more than
 * SOCKET_OUT_HIGH waits there, its requests are not read (so it can cause no more answers) and its
 * results stay in the ledger, from which they are read when there is room again. So a client that
 * does not read costs nothing but its own progress.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "master/socket/socket_private.h"

#define READ_SIZE ((size_t)64 << 10)

/* Lists */

int entry_list_add(struct entry_list *list, uint32_t entry)
{
    if (list->first == list->end)
        list->first = list->end = 0;
    if (list->end == list->capacity) {
        size_t wanted = list->capacity ? list->capacity * 2 : 64;
        uint32_t *grown = reallocarray(list->entries, wanted, sizeof(*grown));
        if (!grown)
            return -1;
        list->entries = grown;
        list->capacity = wanted;
    }
    list->entries[list->end++] = entry;
    return 0;
}

static size_t list_count(const struct entry_list *list)
{
    return list->end - list->first;
}

/* Coming and going */

static void guest_free(struct guest *guest)
{
    struct driver *driver = guest->driver;
    if (guest->previous)
        guest->previous->next = guest->next;
    else
        driver->guests = guest->next;
    if (guest->next)
        guest->next->previous = guest->previous;
    driver->guest_count--;
    loop_watch_remove(guest->watch);
    close(guest->fd);
    buf_fini(&guest->in);
    buf_fini(&guest->out);
    free(guest->unacked.entries);
    free(guest->again.entries);
    cJSON_Delete(guest->wishes);
    free(guest);
}

/* Freed later, because those that called us still look at it. */
static void guest_drop(struct guest *guest)
{
    guest->dropped = true;
    loop_watch_set(guest->watch, 0);
    guests_flush_soon(guest->driver);
}

void guests_flush_soon(struct driver *driver)
{
    loop_timer_arm(driver->flush, 0);
}

/* Telling */

static bool has_room(const struct guest *guest)
{
    return guest->out.size < SOCKET_OUT_HIGH;
}

static void say_hello(struct guest *guest)
{
    struct driver *driver = guest->driver;
    struct buf *out = &guest->out;
    buf_printf(out, "{\"event\":\"hello\",\"protocol\":%d,\"farm\":", SOCKET_PROTOCOL);
    const cJSON *name = json_member(driver->context.farm, "name");
    const char *text = cJSON_IsString(name) ? name->valuestring : "";
    json_put_text(out, text, strlen(text));
    driver->ops->greet(driver->model, out);
    buf_append_text(out, "}\n");
}

void guest_complain(struct guest *guest, const char *request, const cJSON *id,
                    const char *sentence)
{
    struct buf *out = &guest->out;
    buf_printf(out, "{\"event\":\"error\",\"line\":%llu", (unsigned long long)guest->line);
    if (request) {
        buf_append_text(out, ",\"do\":");
        json_put_text(out, request, strlen(request));
    }
    if (cJSON_IsString(id) || cJSON_IsNumber(id)) {
        buf_append_text(out, ",\"id\":");
        json_put(out, id, 0);
    }
    buf_append_text(out, ",\"sentence\":");
    json_put_text(out, sentence, strlen(sentence));
    buf_append_text(out, "}\n");
}

/* The ids of submissions that have become durable, up to some per line. */
static void tell_accepted(struct guest *guest)
{
    struct driver *driver = guest->driver;
    struct entry_list *list = &guest->unacked;
    if (list_count(list) == 0)
        return;
    uint64_t durable = ledger_synced(driver->ledger); /* takes a lock */
    struct submission it;
    struct error error;
    bool any = false;
    while (list_count(list) && has_room(guest)) {
        uint32_t entry = list->entries[list->first];
        if (book_entry(driver->book, entry)->at >= durable)
            break;
        if (records_read(driver, entry, &it, &error) < 0) {
            socket_tell(driver, error.text);
            break;
        }
        buf_append_text(&guest->out, any ? "," : "{\"event\":\"accepted\",\"ids\":[");
        buf_append(&guest->out, it.id, it.id_size);
        any = true;
        list->first++;
    }
    if (any)
        buf_append_text(&guest->out, "]}\n");
}

/* `seq` is 0 for one told once more out of turn. */
static int tell_result(struct guest *guest, uint32_t entry, uint64_t seq)
{
    const uint8_t *text;
    size_t size;
    struct error error;
    if (records_read_end(guest->driver, entry, &text, &size, &error) < 0) {
        socket_tell(guest->driver, error.text);
        return -1;
    }
    buf_printf(&guest->out, "{\"event\":\"result\",\"seq\":%llu,", (unsigned long long)seq);
    buf_append(&guest->out, text, size);
    return buf_append_text(&guest->out, "\n");
}

/* Known ids that were submitted again: those that have ended are told once more. */
static void tell_again(struct guest *guest)
{
    struct entry_list *list = &guest->again;
    while (list_count(list) && has_room(guest)) {
        uint32_t entry = list->entries[list->first];
        if (tell_result(guest, entry, 0) < 0)
            return;
        list->first++;
    }
}

static void tell_results(struct guest *guest)
{
    const struct book_client *client = book_client(guest->driver->book, guest->client);
    while (guest->told < client->ended_count && has_room(guest)) {
        if (tell_result(guest, client->ended[guest->told], guest->told + 1) < 0)
            return;
        guest->told++;
    }
}

/* Which of its client's sets the limit of tasks leaves, some per line. */
static void tell_left(struct guest *guest)
{
    struct driver *driver = guest->driver;
    struct submission it;
    struct error sentence;
    bool any = false;
    while (driver->limit && guest->left < book_count(driver->book) && has_room(guest)) {
        uint32_t entry = ++guest->left;
        if (book_entry(driver->book, entry)->client != guest->client ||
            !socket_is_left(driver, entry) || records_read(driver, entry, &it, NULL) < 0)
            continue;
        buf_append_text(&guest->out, any ? "," : "{\"event\":\"left\",\"ids\":[");
        buf_append(&guest->out, it.id, it.id_size);
        any = true;
    }
    if (!any)
        return;
    socket_limit_say(driver, &sentence);
    buf_append_text(&guest->out, "],\"sentence\":");
    json_put_text(&guest->out, sentence.text, strlen(sentence.text));
    buf_append_text(&guest->out, "}\n");
}

static bool knows_what_is_left(const struct guest *guest)
{
    return !guest->driver->limit || guest->left >= book_count(guest->driver->book);
}

/* Send what is there; true if all of it went. */
static bool guest_send(struct guest *guest)
{
    size_t sent = 0;
    while (sent < guest->out.size) {
        ssize_t more = send(guest->fd, guest->out.data + sent, guest->out.size - sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0 && errno != EAGAIN)
            guest_drop(guest);
        if (more <= 0)
            break;
        sent += (size_t)more;
    }
    if (sent == guest->out.size)
        buf_clear(&guest->out);
    else
        buf_consume(&guest->out, sent);
    return guest->out.size == 0;
}

static bool may_ask(const struct guest *guest)
{
    return has_room(guest) && list_count(&guest->unacked) < SOCKET_UNACKED_MAX;
}

/* Whether lines wait that were left because there was no room. */
static bool has_lines(const struct guest *guest)
{
    return guest->in.size && memchr(guest->in.data, '\n', guest->in.size);
}

bool guest_is_content(const struct guest *guest)
{
    const struct book_client *client = book_client(guest->driver->book, guest->client);
    return guest->dropped || (guest->out.size == 0 && list_count(&guest->unacked) == 0 &&
                              list_count(&guest->again) == 0 &&
                              guest->told >= client->ended_count && knows_what_is_left(guest));
}

void guest_seek(struct guest *guest, uint64_t since)
{
    const struct book_client *client = book_client(guest->driver->book, guest->client);
    /* After a power cut a client may have seen more than is known here. */
    guest->told = since < client->ended_count ? since : client->ended_count;
}

static bool has_work(const struct guest *guest)
{
    const struct book_client *client = book_client(guest->driver->book, guest->client);
    return client->waiting || client->running;
}

static void guest_pump(struct guest *guest)
{
    bool sent = true;
    while (!guest->dropped && sent) {
        tell_accepted(guest);
        tell_again(guest);
        tell_results(guest);
        tell_left(guest);
        if (buf_failed(&guest->out)) {
            guest_drop(guest); /* no memory: it may come back for what it missed */
            return;
        }
        if (guest->out.size == 0)
            break;
        sent = guest_send(guest);
    }
    if (guest->dropped)
        return;
    if (guest->half_open && guest_is_content(guest) && !has_work(guest) && !has_lines(guest))
        guest_drop(guest);
    else
        loop_watch_set(guest->watch, (!guest->half_open && may_ask(guest) ? LOOP_READ : 0u) |
                                         (guest->out.size ? LOOP_WRITE : 0u));
    if (!guest->dropped && may_ask(guest) && has_lines(guest))
        guests_flush_soon(guest->driver);
}

void guests_pump(struct driver *driver)
{
    struct guest *next;
    loop_timer_disarm(driver->flush);
    for (struct guest *guest = driver->guests; guest; guest = next) {
        next = guest->next;
        if (!guest->dropped)
            guest_pump(guest);
        if (guest->dropped)
            guest_free(guest);
    }
}

/* Listening */

static void too_long(struct guest *guest)
{
    struct error error;
    guest->line++;
    error_set(&error, ERROR_CONFIG,
              "the line is longer than %zu bytes; send fewer sets per line", SOCKET_LINE_MAX);
    guest_complain(guest, NULL, NULL, error.text);
    guest->skipping = true;
    buf_clear(&guest->in);
}

/* Do all whole lines that have come, as long as answers have room. */
static void guest_listen(struct guest *guest)
{
    size_t done = 0;
    while (may_ask(guest) && !guest->dropped) {
        char *from = (char *)guest->in.data + done;
        size_t left = guest->in.size - done;
        char *newline = left ? memchr(from, '\n', left) : NULL;
        if (!newline)
            break;
        done += (size_t)(newline - from) + 1;
        if (guest->skipping) {
            guest->skipping = false;
            continue;
        }
        guest->line++;
        request_do(guest, from, (size_t)(newline - from));
    }
    buf_consume(&guest->in, done);
    if (guest->skipping)
        buf_clear(&guest->in);
    else if (guest->in.size > SOCKET_LINE_MAX && !memchr(guest->in.data, '\n', guest->in.size))
        too_long(guest);
}

static void guest_read(struct guest *guest)
{
    uint8_t *bytes = buf_reserve(&guest->in, READ_SIZE);
    if (!bytes) {
        guest_drop(guest);
        return;
    }
    ssize_t got = recv(guest->fd, bytes, READ_SIZE, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0) {
        guest_drop(guest);
    } else if (got == 0) {
        /* It may still listen. A last line without its newline is half a line: not done. */
        guest->half_open = true;
    } else {
        buf_commit(&guest->in, (size_t)got);
    }
}

static void guest_serve(struct guest *guest)
{
    do {
        guest_listen(guest);
        guest_pump(guest);
    } while (!guest->dropped && may_ask(guest) && has_lines(guest));
}

/* Lines that were left for want of room are done when there is room, which no further line of the
 * client need announce. */
void guests_serve(struct driver *driver)
{
    for (struct guest *guest = driver->guests; guest; guest = guest->next)
        if (!guest->dropped && has_lines(guest))
            guest_serve(guest);
    guests_pump(driver);
}

static void guest_ready(unsigned events, void *context)
{
    struct guest *guest = context;
    if (events & LOOP_READ)
        guest_read(guest);
    if ((events & LOOP_HANGUP) && (guest->half_open || !(events & LOOP_READ)))
        guest_drop(guest); /* gone altogether */
    guest_serve(guest);
}

static struct guest *guest_create(struct driver *driver, int fd, struct error *ret_error)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    if (!guest) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a client");
        return NULL;
    }
    guest->driver = driver;
    guest->fd = fd;
    buf_init(&guest->in, SOCKET_LINE_MAX + 2 * READ_SIZE);
    buf_init(&guest->out, SOCKET_OUT_MAX);
    guest->watch =
        loop_watch_add(driver->context.loop, fd, LOOP_READ, guest_ready, guest, ret_error);
    if (!guest->watch) {
        free(guest);
        return NULL;
    }
    guest->told = book_client(driver->book, 0)->ended_count;
    guest->next = driver->guests;
    if (driver->guests)
        driver->guests->previous = guest;
    driver->guests = guest;
    driver->guest_count++;
    return guest;
}

static void turn_away(int fd, const char *sentence)
{
    char line[ERROR_TEXT_MAX + 64];
    int size =
        snprintf(line, sizeof(line), "{\"event\":\"error\",\"sentence\":\"%s\"}\n", sentence);
    /* If it cannot be told, it sees that it is closed. */
    (void)!send(fd, line, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

void guest_came(void *context, int fd)
{
    struct driver *driver = context;
    struct error error;
    if (driver->guest_count >= SOCKET_GUESTS_MAX) {
        turn_away(fd, "there are too many clients already; try again later");
        return;
    }
    struct guest *guest = guest_create(driver, fd, &error);
    if (!guest) {
        turn_away(fd, "the master has no memory for another client");
        return;
    }
    say_hello(guest);
    guest_pump(guest);
}

/* Why it is over. */
static void end_say(const struct driver *driver, bool finished, struct error *ret_sentence)
{
    if (finished)
        error_set(ret_sentence, ERROR_NONE, "all clients have finished, and the farm ends");
    else if (driver->limit)
        socket_limit_say(driver, ret_sentence);
    else
        error_set(ret_sentence, ERROR_NONE,
                  "the farm stops; what was accepted is safe, and the run can be resumed");
}

void guests_end(struct driver *driver, bool finished)
{
    struct error sentence;
    end_say(driver, finished, &sentence);
    for (struct guest *guest = driver->guests; guest; guest = guest->next) {
        if (guest->dropped)
            continue;
        tell_accepted(guest);
        buf_printf(&guest->out, "{\"event\":\"end\",\"finished\":%s,\"sentence\":",
                   finished ? "true" : "false");
        json_put_text(&guest->out, sentence.text, strlen(sentence.text));
        buf_append_text(&guest->out, "}\n");
        guest_send(guest);
    }
}

void guests_free(struct driver *driver)
{
    while (driver->guests)
        guest_free(driver->guests);
}
