/*
 * The driver itself. A submitted set becomes a task only when slots want one, so that a later
 * submission of higher priority is not behind what was handed out long ago: as many tasks are out
 * as there are slots, and as many more as end in AHEAD_NS, which keeps short tasks' slots busy.
 *
 * A resumed master first says again the tasks that were taken before, with the same numbers
 * (records.c). Those whose number means nothing any more, and those that were cancelled, are ended
 * before they are said.
 *
 * Results are told to clients at once, not when the journal has committed them. A master that dies
 * in between gets the result again from the worker that holds it, or runs the task again; the
 * client is not told twice, because the ledger knows that it was told.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "master/socket/socket.h"
#include "master/socket/socket_private.h"
#include "master/sweep/check.h"
#include "master/sweep/files.h"
#include "master/sweep/job.h"

#define AHEAD_NS    (50 * CLOCK_MS_NS)
#define AHEAD_MAX   100000
#define RESERVE_LOW 128
#define LINGER_NS   (10 * CLOCK_SECOND_NS)
#define SOCKET_NAME "driver.sock"
#define WORK_MAX    ((size_t)1 << 20)

void socket_tell(struct driver *driver, const char *sentence)
{
    if (driver->context.say)
        driver->context.say(driver->context.wake_context, sentence);
}

bool socket_is_finished(const struct driver *driver, uint32_t client)
{
    return driver->closing_all || book_client(driver->book, client)->finished;
}

/* ---- opening ---- */

static void socket_close(struct driver *driver)
{
    if (!driver)
        return;
    if (driver->guests && !driver->ended) {
        ledger_sync_wait(driver->ledger, NULL);
        guests_end(driver, false);
    }
    guests_free(driver);
    door_close(driver->door);
    loop_timer_remove(driver->flush);
    loop_timer_remove(driver->linger);
    ledger_close(driver->ledger);
    book_destroy(driver->book);
    params_close(driver->params);
    for (size_t i = 0; i < driver->value_count; i++)
        buf_fini(&driver->values[i]);
    free(driver->values);
    free(driver->row);
    free(driver->row_given);
    buf_fini(&driver->record);
    buf_fini(&driver->body);
    buf_fini(&driver->text);
    free(driver->socket_path);
    free(driver);
}

/* Names alone; or a sweep's table, of which the names count. */
static struct params *open_params(const struct driver_context *context, struct error *ret_error)
{
    const cJSON *spec = json_member(context->work, "params");
    return cJSON_IsArray(spec) ? params_open_names(spec, ret_error)
                               : params_open(spec, context->folder, ret_error);
}

static int take_value_names(struct driver *driver)
{
    const cJSON *list = json_member(driver->context.work, "values"), *rule;
    size_t count = (size_t)cJSON_GetArraySize(list);
    driver->values = calloc(count + 1, sizeof(*driver->values));
    if (!driver->values)
        return -1;
    cJSON_ArrayForEach(rule, list)
    {
        struct buf *name = &driver->values[driver->value_count++];
        const cJSON *text = json_member(rule, "name");
        buf_init(name, WORK_MAX);
        if (!cJSON_IsString(text))
            continue;
        json_put_text(name, text->valuestring, strlen(text->valuestring));
        if (buf_append_text(name, ":") < 0)
            return -1;
    }
    return 0;
}

static int take_path(struct driver *driver, struct error *ret_error)
{
    const char *path;
    const char *given = driver->context.socket_path;
    const char *run_dir = driver->context.run_dir;
    if (json_get_text(driver->context.work, "$.work", "path", SOCKET_NAME, &path, ret_error) <
        0)
        return -1;
    bool whole = given || *path == '/' || !run_dir || strcmp(run_dir, ".") == 0;
    if (whole ? !(driver->socket_path = strdup(given ? given : path))
              : asprintf(&driver->socket_path, "%s/%s", run_dir, path) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    return door_check(driver->socket_path, ret_error);
}

static void flush_expired(void *context)
{
    guests_pump(context);
}

static void linger_expired(void *context)
{
    struct driver *driver = context;
    driver->lingered = true;
    driver->context.wake(driver->context.wake_context);
}

/* Connections that do not say whose they are share the client without a name. */
static int open_nameless(struct driver *driver, struct error *ret_error)
{
    uint32_t client;
    return book_client_count(driver->book)
               ? 0
               : records_add_client(driver, "", 0, &client, ret_error);
}

static int listen_at(struct driver *driver, struct error *ret_error)
{
    struct loop *loop = driver->context.loop;
    driver->flush = loop_timer_add(loop, flush_expired, driver);
    driver->linger = loop_timer_add(loop, linger_expired, driver);
    driver->book = book_create();
    if (!driver->flush || !driver->linger || !driver->book)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the socket's clients");
    if (records_open(driver, ret_error) < 0 || open_nameless(driver, ret_error) < 0)
        return -1;
    driver->door = door_open(driver->socket_path, loop, guest_came, driver, ret_error);
    if (!driver->door)
        return -1;
    struct error text;
    error_set(&text, ERROR_NONE, "parameter sets are taken at the socket %s",
              driver->socket_path);
    socket_tell(driver, text.text);
    return 0;
}

static int set_up(struct driver *driver, struct error *ret_error)
{
    const struct driver_context *context = &driver->context;
    driver->params = open_params(context, ret_error);
    if (!driver->params || sweep_job_check(context->work, driver->params, ret_error) < 0 ||
        sweep_check(context->work, driver->params, context->folder, context->plan_only,
                    ret_error) < 0 ||
        take_path(driver, ret_error) < 0)
        return -1;
    driver->row = calloc(driver->params->columns + 1, sizeof(*driver->row));
    driver->row_given = calloc(driver->params->columns + 1, sizeof(*driver->row_given));
    if (!driver->row || !driver->row_given || take_value_names(driver) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the socket's clients");
    return context->plan_only ? 0 : listen_at(driver, ret_error);
}

static struct driver *socket_open(const struct driver_context *context, struct error *ret_error)
{
    struct driver *driver = calloc(1, sizeof(*driver));
    if (!driver) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the socket driver");
        return NULL;
    }
    driver->context = *context;
    buf_init(&driver->record, LEDGER_RECORD_MAX);
    buf_init(&driver->body, LEDGER_RECORD_MAX);
    buf_init(&driver->text, LEDGER_RECORD_MAX / 2);
    if (set_up(driver, ret_error) == 0)
        return driver;
    socket_close(driver);
    return NULL;
}

/* ---- what the farm asks ---- */

static int64_t socket_count(const struct driver *driver)
{
    (void)driver;
    return -1;
}

static int socket_files(const struct driver *driver,
                        int (*add)(void *context, const char *path, bool common, bool copy),
                        void *context, struct error *ret_error)
{
    return sweep_files(driver->context.work, driver->params, driver->context.folder, add,
                       context, ret_error);
}

static int socket_job(const struct driver *driver, cJSON *job, struct error *ret_error)
{
    return sweep_job(driver->context.work, driver->params, job, ret_error);
}

static enum driver_next say_task(struct driver *driver)
{
    driver->given++;
    return DRIVER_TASK;
}

/* A task that an earlier master took. */
static enum driver_next next_again(struct driver *driver)
{
    uint32_t task = driver->given + 1;
    const struct book_entry *it = book_entry(driver->book, book_task_entry(driver->book, task));
    if (!it || (it->state == BOOK_ENDED && it->status == RESULT_CANCELLED))
        driver->context.cancel(driver->context.wake_context, task);
    return say_task(driver);
}

/* Whether the next task number may be used (records.c). */
static bool number_is_ready(struct driver *driver)
{
    struct error error;
    uint32_t tasks = book_tasks(driver->book);
    if (tasks + RESERVE_LOW > driver->reserved) {
        if (records_reserve(driver, tasks, &error) < 0)
            socket_tell(driver, error.text);
        else
            ledger_sync(driver->ledger);
    }
    return tasks < driver->reserved_durable;
}

static enum driver_next next_new(struct driver *driver)
{
    struct error error;
    uint32_t entry = book_first(driver->book);
    if (!entry ||
        book_totals(driver->book).running >= (uint64_t)driver->slots + driver->ahead ||
        !driver->slots || !number_is_ready(driver))
        return DRIVER_WAIT;
    if (records_take(driver, entry, &error) == 0)
        return say_task(driver);
    socket_tell(driver, error.text);
    return DRIVER_WAIT;
}

/* Every client that has submitted, or that has attached and is there, has finished. */
static bool all_finished(const struct driver *driver)
{
    bool any = driver->closing_all;
    for (uint32_t i = 0; i < book_client_count(driver->book); i++) {
        bool finished = socket_is_finished(driver, i);
        if (!finished && book_client(driver->book, i)->submitted)
            return false;
        any = any || finished;
    }
    for (const struct guest *guest = driver->guests; guest; guest = guest->next)
        if (guest->attached && !guest->dropped && !socket_is_finished(driver, guest->client))
            return false;
    return any;
}

static bool all_told(const struct driver *driver)
{
    for (const struct guest *guest = driver->guests; guest; guest = guest->next)
        if (!guest_is_content(guest))
            return false;
    return true;
}

static bool is_over(struct driver *driver)
{
    struct book_totals totals = book_totals(driver->book);
    if (totals.waiting || totals.running || !all_finished(driver))
        return false;
    if (all_told(driver) || driver->lingered)
        return true;
    if (!driver->lingering)
        loop_timer_arm(driver->linger, clock_monotonic_ns() + LINGER_NS);
    driver->lingering = true;
    return false;
}

static enum driver_next socket_next(struct driver *driver, uint32_t slots)
{
    driver->slots = slots;
    guests_pump(driver);
    if (driver->given < book_tasks(driver->book))
        return next_again(driver);
    if (!driver->ended && is_over(driver)) {
        driver->ended = true;
        guests_end(driver, true);
    }
    return driver->ended ? DRIVER_FINISHED : next_new(driver);
}

static int socket_payload(struct driver *driver, uint64_t task, struct buf *payload)
{
    struct submission it;
    uint32_t entry = book_task_entry(driver->book, task);
    if (!entry || records_read(driver, entry, &it, NULL) < 0)
        return -1;
    return buf_append(payload, it.payload, it.payload_size);
}

/* ---- ends ---- */

/* How many tasks have ended in the last AHEAD_NS, about. */
static void count_end(struct driver *driver)
{
    int64_t now = clock_monotonic_ns(), past = now - driver->window_ns;
    driver->window_ends++;
    if (past < AHEAD_NS)
        return;
    double ends = (double)driver->window_ends * ((double)AHEAD_NS / (double)past);
    driver->ahead = ends < AHEAD_MAX ? (uint32_t)ends : AHEAD_MAX;
    driver->window_ns = now;
    driver->window_ends = 0;
}

static void socket_ran(struct driver *driver, uint64_t task, const char *worker,
                       uint32_t attempts)
{
    (void)task;
    snprintf(driver->worker, sizeof(driver->worker), "%s", worker);
    driver->attempts = attempts;
}

/* The journal knows a task that the ledger does not: the ledger was lost. Its number is taken. */
static void give_up_until(struct driver *driver, uint64_t task)
{
    struct error error;
    while (book_tasks(driver->book) < task)
        if (records_take(driver, 0, &error) < 0) {
            socket_tell(driver, error.text);
            return;
        }
}

static void socket_ended(struct driver *driver, const struct result *result, bool resumed)
{
    if (resumed)
        give_up_until(driver, result->id.task);
    else
        count_end(driver);
    uint32_t entry = book_task_entry(driver->book, result->id.task);
    if (entry && book_may_end(book_entry(driver->book, entry), result->status))
        result_end(driver, entry, result);
}

/* Failed tasks are their clients' business: they were told. */
static bool socket_over(const struct driver *driver)
{
    return driver->ended;
}

const struct driver_ops driver_socket = {
    .kind = "socket",
    .open = socket_open,
    .close = socket_close,
    .count = socket_count,
    .files = socket_files,
    .job = socket_job,
    .next = socket_next,
    .payload = socket_payload,
    .ended = socket_ended,
    .ran = socket_ran,
    .over = socket_over,
};
