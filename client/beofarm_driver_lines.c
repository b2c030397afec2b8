/*
 * The connection. Lines that come are parsed at once and put into a queue, from which
 * beofarm_driver_next takes results. Sending never blocks without reading meanwhile: the master
 * stops reading from a client that does not read, so two that both only send would wait for each
 * other for ever.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client/beofarm_driver_private.h"

#define CHUNK          ((size_t)64 << 10)
#define LINE_BYTES_MAX ((size_t)64 << 20) /* of the master's */

int beofarm__fail(struct beofarm_driver *driver, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(driver->error, sizeof(driver->error), format, args);
    va_end(args);
    return -1;
}

int beofarm__no_memory(struct beofarm_driver *driver)
{
    return beofarm__fail(driver, "no memory");
}

const char *beofarm__text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

double beofarm__number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* ---- time ---- */

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is left until a deadline (-1: none), for poll. */
static int left_ms(long long deadline)
{
    if (deadline < 0)
        return -1;
    long long left = deadline - now_ms();
    return left > 0 ? (int)left : 0;
}

long long beofarm__deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

/* ---- what comes ---- */

void beofarm__lose(struct beofarm_driver *driver)
{
    if (driver->fd >= 0)
        close(driver->fd);
    driver->fd = -1;
    driver->in.size = 0;
}

void beofarm__forget_unaccepted(struct beofarm_driver *driver, const char *id)
{
    struct beofarm__unaccepted **at = &driver->unaccepted;
    while (*at && strcmp((*at)->id, id) != 0)
        at = &(*at)->next;
    struct beofarm__unaccepted *found = *at;
    if (!found)
        return;
    *at = found->next;
    if (!*at)
        driver->unaccepted_end = at;
    driver->unaccepted_count--;
    free(found->id);
    free(found->line);
    free(found);
}

static int keep_event(struct beofarm_driver *driver, cJSON *json)
{
    struct beofarm__event *event = malloc(sizeof(*event));
    if (!event) {
        cJSON_Delete(json);
        return beofarm__no_memory(driver);
    }
    *event = (struct beofarm__event){.json = json};
    *driver->events_end = event;
    driver->events_end = &event->next;
    return 0;
}

static void take_accepted(struct beofarm_driver *driver, const cJSON *json)
{
    const cJSON *id;
    cJSON_ArrayForEach(id,
                       cJSON_GetObjectItemCaseSensitive(json, "ids")) if (cJSON_IsString(id))
        beofarm__forget_unaccepted(driver, id->valuestring);
}

/* An error is either a submission's, which then is a result; or fails the call that waits. */
static int take_error(struct beofarm_driver *driver, cJSON *json)
{
    const char *id = beofarm__text_of(json, "id");
    if (*id && strcmp(beofarm__text_of(json, "do"), "submit") == 0) {
        beofarm__forget_unaccepted(driver, id);
        cJSON_AddStringToObject(json, "status", "refused");
        return keep_event(driver, json);
    }
    beofarm__fail(driver, "%s", beofarm__text_of(json, "sentence"));
    cJSON_Delete(json);
    return -1;
}

/* What the farm's limit of tasks leaves: each is a result of its own. */
static int take_left(struct beofarm_driver *driver, const cJSON *json)
{
    const cJSON *id;
    int rc = 0;
    cJSON_ArrayForEach(id, cJSON_GetObjectItemCaseSensitive(json, "ids"))
    {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddItemToObject(one, "id", cJSON_Duplicate(id, false));
        cJSON_AddStringToObject(one, "status", "left");
        cJSON_AddStringToObject(one, "sentence", beofarm__text_of(json, "sentence"));
        if (keep_event(driver, one) < 0)
            rc = -1;
    }
    return rc;
}

static void take_attached(struct beofarm_driver *driver, const cJSON *json)
{
    int generation = (int)beofarm__number_of(json, "generation");
    if (driver->generation >= 0 && driver->generation != generation)
        driver->seq = 0; /* the seqs that we know mean nothing any more */
    driver->generation = generation;
    driver->attached = true;
}

static int take_line(struct beofarm_driver *driver, const char *line, size_t size)
{
    cJSON *json = cJSON_ParseWithLength(line, size);
    const char *event = beofarm__text_of(json, "event");
    if (!json)
        return beofarm__fail(driver, "what answers at \"%s\" does not speak JSON lines",
                             driver->path);
    if (strcmp(event, "result") == 0)
        return keep_event(driver, json);
    if (strcmp(event, "error") == 0)
        return take_error(driver, json);
    if (strcmp(event, "status") == 0) {
        cJSON_Delete(driver->status);
        driver->status = json;
        return 0;
    }
    if (strcmp(event, "hello") == 0) {
        cJSON_Delete(driver->hello);
        driver->hello = json;
        return 0;
    }
    if (strcmp(event, "accepted") == 0)
        take_accepted(driver, json);
    else if (strcmp(event, "attached") == 0)
        take_attached(driver, json);
    else if (strcmp(event, "end") == 0)
        driver->over = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "finished"));
    int rc = strcmp(event, "left") == 0 ? take_left(driver, json) : 0;
    cJSON_Delete(json);
    return rc;
}

static int take_lines(struct beofarm_driver *driver)
{
    struct beofarm__bytes *in = &driver->in;
    size_t done = 0;
    int rc = 0;
    for (;;) {
        char *newline = memchr(in->data + done, '\n', in->size - done);
        if (!newline)
            break;
        size_t size = (size_t)(newline - in->data) - done;
        if (take_line(driver, in->data + done, size) < 0)
            rc = -1; /* the others shall not be lost for it */
        done += size + 1;
    }
    memmove(in->data, in->data + done, in->size - done);
    in->size -= done;
    return rc;
}

static int make_room(struct beofarm_driver *driver)
{
    struct beofarm__bytes *in = &driver->in;
    if (in->capacity - in->size >= CHUNK)
        return 0;
    size_t wanted = in->capacity ? in->capacity * 2 : 2 * CHUNK;
    char *grown = wanted > LINE_BYTES_MAX ? NULL : realloc(in->data, wanted);
    if (!grown)
        return beofarm__no_memory(driver);
    in->data = grown;
    in->capacity = wanted;
    return 0;
}

/* Read what is there. 0, or -1 (an error, or the connection is lost). */
static int receive(struct beofarm_driver *driver)
{
    if (make_room(driver) < 0)
        return -1;
    ssize_t got = recv(driver->fd, driver->in.data + driver->in.size, CHUNK, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        if (!driver->over)
            beofarm__fail(driver, "the master at \"%s\" has closed the connection",
                          driver->path);
        beofarm__lose(driver);
        return driver->over ? 0 : -1;
    }
    driver->in.size += (size_t)got;
    return take_lines(driver);
}

int beofarm__wait_for(struct beofarm_driver *driver, bool write, long long deadline)
{
    struct pollfd watched = {.fd = driver->fd,
                             .events = (short)(POLLIN | (write ? POLLOUT : 0))};
    if (driver->fd < 0)
        return beofarm__fail(driver, "there is no connection to the master at \"%s\"",
                             driver->path);
    int rc = poll(&watched, 1, left_ms(deadline));
    if (rc < 0 && errno != EINTR)
        return beofarm__fail(driver, "poll: %s", strerror(errno));
    if (rc <= 0)
        return rc < 0 ? 1 : 0;
    return (watched.revents & ~POLLOUT) && receive(driver) < 0 ? -1 : 1;
}

/* ---- what is said ---- */

int beofarm__say(struct beofarm_driver *driver, const char *line, size_t size)
{
    size_t sent = 0;
    if (driver->fd < 0)
        return beofarm__fail(driver, "there is no connection to the master at \"%s\"",
                             driver->path);
    while (sent < size) {
        ssize_t more = send(driver->fd, line + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (more >= 0) {
            sent += (size_t)more;
        } else if (errno == EAGAIN) {
            if (beofarm__wait_for(driver, true, -1) < 0 && driver->fd < 0)
                return -1;
        } else if (errno != EINTR) {
            beofarm__fail(driver, "the master at \"%s\" does not answer: %s", driver->path,
                          strerror(errno));
            beofarm__lose(driver);
            return -1;
        }
    }
    return 0;
}
