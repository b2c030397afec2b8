#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/beofarm_driver_private.h"

/* The object as a line; NULL if memory is short. Frees the object. */
static char *line_of(cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object), *line = NULL;
    cJSON_Delete(object);
    if (text && asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    free(text);
    return line;
}

/* Frees the object. */
static int say_object(struct beofarm_driver *driver, cJSON *object)
{
    char *line = line_of(object);
    int rc = line ? beofarm__say(driver, line, strlen(line)) : beofarm__no_memory(driver);
    free(line);
    return rc;
}

static cJSON *request(const char *name)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "do", name);
    return object;
}

/* ---- connecting ---- */

static int dial(struct beofarm_driver *driver)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(driver->path) >= sizeof(address.sun_path))
        return beofarm__fail(driver, "the socket's path \"%s\" is longer than %zu bytes",
                             driver->path, sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, driver->path, strlen(driver->path));
    driver->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (driver->fd < 0)
        return beofarm__fail(driver, "no socket can be made: %s", strerror(errno));
    if (connect(driver->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return 0;
    beofarm__fail(driver, "nobody listens at \"%s\": %s", driver->path, strerror(errno));
    beofarm__lose(driver);
    return -1;
}

/* The texts of an array of the hello; *ret_count is kept as it was if there is no memory. */
static int take_names(struct beofarm_driver *driver, const char *key, char ***ret_names,
                      size_t *ret_count)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(driver->hello, key), *item;
    size_t i = 0;
    free(*ret_names);
    *ret_count = 0;
    *ret_names = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(**ret_names));
    if (!*ret_names)
        return beofarm__no_memory(driver);
    cJSON_ArrayForEach(item, list)(*ret_names)[i++] =
        cJSON_IsString(item) ? item->valuestring : "";
    *ret_count = i;
    return 0;
}

static int take_hello(struct beofarm_driver *driver)
{
    if (beofarm__number_of(driver->hello, "protocol") != 1)
        return beofarm__fail(driver,
                             "the master at \"%s\" speaks version %g of the protocol, this "
                             "library version 1",
                             driver->path, beofarm__number_of(driver->hello, "protocol"));
    if (take_names(driver, "params", &driver->params, &driver->param_count) < 0 ||
        take_names(driver, "values", &driver->value_names, &driver->value_count) < 0)
        return -1;
    free(driver->values);
    driver->values = calloc(driver->value_count + 1, sizeof(*driver->values));
    return driver->values ? 0 : beofarm__no_memory(driver);
}

static int attach(struct beofarm_driver *driver)
{
    cJSON *object = request("attach");
    cJSON_AddStringToObject(object, "client", driver->name);
    cJSON_AddNumberToObject(object, "since", (double)driver->seq);
    if (driver->generation >= 0)
        cJSON_AddNumberToObject(object, "generation", driver->generation);
    driver->attached = false;
    if (say_object(driver, object) < 0)
        return -1;
    while (!driver->attached)
        if (beofarm__wait_for(driver, false, -1) < 0)
            return -1;
    return take_hello(driver);
}

int beofarm_driver_reopen(struct beofarm_driver *driver)
{
    beofarm__lose(driver);
    driver->over = false;
    if (dial(driver) < 0)
        return -1;
    if (attach(driver) < 0) {
        beofarm__lose(driver);
        return -1;
    }
    for (struct beofarm__unaccepted *it = driver->unaccepted, *next; it; it = next) {
        next = it->next; /* it may be accepted while we send */
        if (beofarm__say(driver, it->line, strlen(it->line)) < 0)
            return -1;
    }
    return 0;
}

struct beofarm_driver *beofarm_driver_open(const char *path, const char *name, long long since)
{
    struct beofarm_driver *driver = calloc(1, sizeof(*driver));
    if (!driver)
        return NULL;
    driver->fd = -1;
    driver->seq = since;
    driver->generation = -1;
    driver->events_end = &driver->events;
    driver->unaccepted_end = &driver->unaccepted;
    driver->path = strdup(path);
    driver->name = strdup(name);
    if (!driver->path || !driver->name) {
        beofarm_driver_close(driver);
        return NULL;
    }
    beofarm_driver_reopen(driver); /* if it fails, the caller sees the error */
    return driver;
}

void beofarm_driver_close(struct beofarm_driver *driver)
{
    if (!driver)
        return;
    beofarm__lose(driver);
    while (driver->unaccepted)
        beofarm__forget_unaccepted(driver, driver->unaccepted->id);
    for (struct beofarm__event *event = driver->events, *next; event; event = next) {
        next = event->next;
        cJSON_Delete(event->json);
        free(event);
    }
    cJSON_Delete(driver->current);
    cJSON_Delete(driver->status);
    cJSON_Delete(driver->hello);
    free(driver->params);
    free(driver->value_names);
    free(driver->values);
    free(driver->in.data);
    free(driver->path);
    free(driver->name);
    free(driver);
}

const char *beofarm_driver_error(const struct beofarm_driver *driver)
{
    return driver ? driver->error : "no memory";
}

bool beofarm_driver_is_lost(const struct beofarm_driver *driver)
{
    return driver->fd < 0;
}

bool beofarm_driver_is_over(const struct beofarm_driver *driver)
{
    return driver->over;
}

int beofarm_driver_fd(const struct beofarm_driver *driver)
{
    return driver->fd;
}

/* ---- names ---- */

size_t beofarm_driver_param_count(const struct beofarm_driver *driver)
{
    return driver->param_count;
}

const char *beofarm_driver_param_name(const struct beofarm_driver *driver, size_t i)
{
    return i < driver->param_count ? driver->params[i] : NULL;
}

size_t beofarm_driver_value_count(const struct beofarm_driver *driver)
{
    return driver->value_count;
}

const char *beofarm_driver_value_name(const struct beofarm_driver *driver, size_t i)
{
    return i < driver->value_count ? driver->value_names[i] : NULL;
}

/* ---- evaluations ---- */

static int remember_unaccepted(struct beofarm_driver *driver, const char *id, char *line)
{
    struct beofarm__unaccepted *it = calloc(1, sizeof(*it));
    if (!it || !(it->id = strdup(id))) {
        free(it);
        return beofarm__no_memory(driver);
    }
    it->line = line;
    *driver->unaccepted_end = it;
    driver->unaccepted_end = &it->next;
    driver->unaccepted_count++;
    return 0;
}

/* Frees `params`. */
static int submit(struct beofarm_driver *driver, const char *id, cJSON *params, double priority,
                  const char *tag)
{
    cJSON *object = request("submit");
    cJSON_AddStringToObject(object, "id", id);
    if (priority != 0)
        cJSON_AddNumberToObject(object, "priority", priority);
    if (tag)
        cJSON_AddStringToObject(object, "tag", tag);
    if (!params || !cJSON_AddItemToObject(object, "params", params)) {
        cJSON_Delete(params);
        cJSON_Delete(object);
        return beofarm__no_memory(driver);
    }
    char *line = line_of(object);
    if (!line)
        return beofarm__no_memory(driver);
    size_t size = strlen(line);
    char *sent = strdup(line); /* the kept one may be freed while this one is sent */
    if (!sent || remember_unaccepted(driver, id, line) < 0) {
        free(sent);
        free(line);
        return beofarm__no_memory(driver);
    }
    int rc = beofarm__say(driver, sent, size);
    free(sent);
    return rc;
}

int beofarm_driver_submit(struct beofarm_driver *driver, const char *id, const double *params,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(params[i]))
            return beofarm__fail(driver, "parameter %zu of \"%s\" is not a finite number", i,
                                 id);
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        /* 17 digits read back as the same double; cJSON prints some numbers with 15. */
        char text[32];
        snprintf(text, sizeof(text), "%.17g", params[i]);
        cJSON_AddItemToArray(array, cJSON_CreateRaw(text));
    }
    return submit(driver, id, array, 0, NULL);
}

int beofarm_driver_submit_json(struct beofarm_driver *driver, const char *id,
                               const cJSON *params, double priority, const char *tag)
{
    return submit(driver, id, cJSON_Duplicate(params, true), priority, tag);
}

static const char *id_of(struct beofarm_driver *driver, const cJSON *json)
{
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(json, "id");
    if (!cJSON_IsNumber(id))
        return beofarm__text_of(json, "id");
    snprintf(driver->id_text, sizeof(driver->id_text), "%.0f", id->valuedouble);
    return driver->id_text;
}

static void fill_result(struct beofarm_driver *driver, struct beofarm_result *result)
{
    const cJSON *json = driver->current;
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(json, "values");
    for (size_t i = 0; i < driver->value_count; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(values, driver->value_names[i]);
        driver->values[i] = cJSON_IsNumber(value) ? value->valuedouble : NAN;
    }
    *result = (struct beofarm_result){.id = id_of(driver, json),
                                      .tag = beofarm__text_of(json, "tag"),
                                      .status = beofarm__text_of(json, "status"),
                                      .seq = (long long)beofarm__number_of(json, "seq"),
                                      .value_count = driver->value_count,
                                      .values = driver->values,
                                      .sentence = beofarm__text_of(json, "sentence"),
                                      .worker = beofarm__text_of(json, "worker"),
                                      .task = (long)beofarm__number_of(json, "task"),
                                      .attempts = (int)beofarm__number_of(json, "attempts"),
                                      .elapsed_s = beofarm__number_of(json, "elapsed_s"),
                                      .json = json};
    result->ok = strcmp(result->status, "ok") == 0;
    if (result->seq > driver->seq)
        driver->seq = result->seq;
}

int beofarm_driver_next(struct beofarm_driver *driver, int timeout_ms,
                        struct beofarm_result *ret_result)
{
    long long deadline = beofarm__deadline_of(timeout_ms);
    while (!driver->events) {
        if (driver->over)
            return 0;
        int rc = beofarm__wait_for(driver, false, deadline);
        if (rc < 0 && driver->events)
            break; /* the error stands, but a result goes first */
        if (rc <= 0)
            return rc;
    }
    struct beofarm__event *event = driver->events;
    driver->events = event->next;
    if (!driver->events)
        driver->events_end = &driver->events;
    cJSON_Delete(driver->current);
    driver->current = event->json;
    free(event);
    fill_result(driver, ret_result);
    return 1;
}

int beofarm_driver_wait_accepted(struct beofarm_driver *driver, int timeout_ms)
{
    long long deadline = beofarm__deadline_of(timeout_ms);
    while (driver->unaccepted) {
        int rc = beofarm__wait_for(driver, false, deadline);
        if (rc <= 0)
            return rc;
    }
    return 1;
}

size_t beofarm_driver_unaccepted(const struct beofarm_driver *driver)
{
    return driver->unaccepted_count;
}

static int cancel_by(struct beofarm_driver *driver, const char *key, const char *text)
{
    cJSON *object = request("cancel");
    if (text)
        cJSON_AddStringToObject(object, key, text);
    else
        cJSON_AddTrueToObject(object, key);
    return say_object(driver, object);
}

int beofarm_driver_cancel(struct beofarm_driver *driver, const char *id)
{
    return cancel_by(driver, "id", id);
}

int beofarm_driver_cancel_tag(struct beofarm_driver *driver, const char *tag)
{
    return cancel_by(driver, "tag", tag);
}

int beofarm_driver_cancel_all(struct beofarm_driver *driver)
{
    return cancel_by(driver, "all", NULL);
}

int beofarm_driver_status(struct beofarm_driver *driver, int timeout_ms, cJSON **ret_status)
{
    long long deadline = beofarm__deadline_of(timeout_ms);
    cJSON_Delete(driver->status);
    driver->status = NULL;
    if (say_object(driver, request("status")) < 0)
        return -1;
    while (!driver->status) {
        int rc = beofarm__wait_for(driver, false, deadline);
        if (rc <= 0)
            return rc;
    }
    *ret_status = driver->status;
    driver->status = NULL;
    return 1;
}

int beofarm_driver_finish(struct beofarm_driver *driver, bool for_all)
{
    cJSON *object = request("finish");
    if (for_all)
        cJSON_AddTrueToObject(object, "all");
    return say_object(driver, object);
}
