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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "master/socket/socket.h"
#include "master/socket/socket_private.h"

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
    if (driver->model)
        driver->ops->close(driver->model);
    buf_fini(&driver->record);
    buf_fini(&driver->body);
    buf_fini(&driver->text);
    buf_fini(&driver->digest);
    free(driver->socket_path);
    free(driver);
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
    guests_serve(context);
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

/* What an earlier master was given must still mean something. */
static int sets_check(struct driver *driver, struct error *ret_error)
{
    struct submission it;
    uint32_t last = book_count(driver->book);
    if (!last)
        return 0;
    buf_clear(&driver->text);
    if (records_read(driver, last, &it, ret_error) < 0)
        return -1;
    return driver->ops->payload(driver->model, it.set, it.set_size, &driver->text) < 0
               ? error_set(ret_error, ERROR_CHANGED,
                           "driver.ledger has sets for other parameters or observations than "
                           "those of now; put the files back, or start a new run")
               : 0;
}

static int listen_at(struct driver *driver, struct error *ret_error)
{
    struct loop *loop = driver->context.loop;
    driver->flush = loop_timer_add(loop, flush_expired, driver);
    driver->linger = loop_timer_add(loop, linger_expired, driver);
    driver->book = book_create();
    if (!driver->flush || !driver->linger || !driver->book)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the socket's clients");
    if (records_open(driver, ret_error) < 0 || open_nameless(driver, ret_error) < 0 ||
        sets_check(driver, ret_error) < 0)
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
    driver->ops = model_find(context->work);
    driver->model = driver->ops->open(context, ret_error);
    if (!driver->model || take_path(driver, ret_error) < 0)
        return -1;
    if (driver->ops->work)
        desk_open(driver);
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
    buf_init(&driver->digest, LEDGER_RECORD_MAX / 2);
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
    return driver->ops->files(driver->model, add, context, ret_error);
}

static int socket_except(const struct driver *driver,
                         int (*each)(void *context, const char *pattern), void *context,
                         struct error *ret_error)
{
    return driver->ops->except ? driver->ops->except(driver->model, each, context, ret_error)
                               : 0;
}

static const char *socket_device(const struct driver *driver)
{
    return driver->ops->device ? driver->ops->device(driver->model) : NULL;
}

static void socket_remarks(const struct driver *driver,
                           void (*say)(void *context, const char *sentence), void *context)
{
    if (driver->ops->remarks)
        driver->ops->remarks(driver->model, say, context);
}

static int socket_policy(const struct driver *driver, struct scheduler_policy *policy,
                         struct error *ret_error)
{
    return driver->ops->policy ? driver->ops->policy(driver->model, policy, ret_error) : 0;
}

static bool socket_brief(const struct driver *driver)
{
    return driver->ops->brief && driver->ops->brief(driver->model);
}

static int socket_job(const struct driver *driver, cJSON *job, struct error *ret_error)
{
    return driver->ops->job(driver->model, job, ret_error);
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

bool socket_number_is_ready(struct driver *driver)
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
        !driver->slots || !socket_number_is_ready(driver))
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

bool socket_told_or_lingered(struct driver *driver)
{
    if (all_told(driver) || driver->lingered)
        return true;
    if (!driver->lingering)
        loop_timer_arm(driver->linger, clock_monotonic_ns() + LINGER_NS);
    driver->lingering = true;
    return false;
}

/* Not while a task runs again whose end was told, but not journaled, by a master that died. Only
 * asked when all numbers have been given, so that none of the ended ones is yet to be. */
static bool is_over(struct driver *driver)
{
    struct book_totals totals = book_totals(driver->book);
    return !totals.waiting && !totals.running &&
           (driver->work || driver->ended_tasks >= driver->given) && all_finished(driver) &&
           socket_told_or_lingered(driver);
}

bool socket_end_if_over(struct driver *driver)
{
    if (!driver->ended && is_over(driver)) {
        driver->ended = true;
        guests_end(driver, true);
    }
    return driver->ended;
}

static enum driver_next socket_next(struct driver *driver, uint32_t slots)
{
    driver->slots = slots;
    guests_pump(driver);
    if (driver->work)
        return desk_next(driver);
    if (driver->given < book_tasks(driver->book))
        return next_again(driver);
    return socket_end_if_over(driver) ? DRIVER_FINISHED : next_new(driver);
}

/* ---- the limit ---- */

bool socket_is_left(const struct driver *driver, uint32_t entry)
{
    const struct book_entry *it = book_entry(driver->book, entry);
    return driver->limit &&
           (it->state == BOOK_WAITING ||
            (it->state == BOOK_TAKEN && (driver->work || it->task > driver->given)));
}

int socket_limit_say(const struct driver *driver, struct error *ret_error)
{
    return error_set(
        ret_error, ERROR_TASKS,
        "$.limits.tasks allows %llu tasks, and no more are run; what was accepted is "
        "kept, and run when the run is resumed with a higher limit",
        (unsigned long long)driver->limit);
}

/* Whether a task that was given has not ended. */
static bool is_running(const struct driver *driver)
{
    uint64_t running = book_totals(driver->book).running;
    for (uint32_t task = driver->given + 1; task <= book_tasks(driver->book); task++) {
        const struct book_entry *it =
            book_entry(driver->book, book_task_entry(driver->book, task));
        running -= it && it->state == BOOK_TAKEN;
    }
    return running > 0;
}

static enum driver_next socket_limited(struct driver *driver, uint64_t tasks)
{
    if (!driver->limit)
        driver->limit = tasks;
    guests_pump(driver);
    if (socket_end_if_over(driver))
        return DRIVER_FINISHED;
    bool running = !driver->work && is_running(driver);
    return !running && socket_told_or_lingered(driver) ? DRIVER_FINISHED : DRIVER_WAIT;
}

static int socket_payload(struct driver *driver, uint64_t task, struct buf *payload)
{
    struct submission it;
    if (driver->work)
        return driver->ops->work_ops->payload(driver->work, task, payload);
    uint32_t entry = book_task_entry(driver->book, task);
    if (!entry || records_read(driver, entry, &it, NULL) < 0)
        return -1;
    return driver->ops->payload(driver->model, it.set, it.set_size, payload);
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
    if (driver->work) {
        driver->ops->work_ops->ended(driver->work, result, resumed);
        return;
    }
    driver->ended_tasks++;
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

/* ---- what only sets of many tasks have ---- */

static uint64_t socket_bound(const struct driver *driver, uint64_t task)
{
    return driver->work ? driver->ops->work_ops->bound(driver->work, task) : 0;
}

static int64_t socket_fetch(struct driver *driver, uint64_t instance)
{
    return driver->work ? driver->ops->work_ops->fetch(driver->work, instance) : -1;
}

static int64_t socket_stopped(struct driver *driver)
{
    return driver->work && driver->ops->work_ops->stopped
               ? driver->ops->work_ops->stopped(driver->work)
               : -1;
}

static int socket_noted(struct driver *driver, const void *bytes, size_t size,
                        struct error *ret_error)
{
    return driver->work ? driver->ops->work_ops->noted(driver->work, bytes, size, ret_error)
                        : 0;
}

static void socket_durable(struct driver *driver, uint64_t sequence)
{
    if (driver->work)
        driver->ops->work_ops->durable(driver->work, sequence);
}

static int socket_outcome(const struct driver *driver, struct error *ret_error)
{
    return driver->work ? driver->ops->work_ops->outcome(driver->work, ret_error) : 0;
}

const struct driver_ops driver_socket = {
    .kind = "socket",
    .open = socket_open,
    .close = socket_close,
    .count = socket_count,
    .files = socket_files,
    .except = socket_except,
    .device = socket_device,
    .remarks = socket_remarks,
    .policy = socket_policy,
    .job = socket_job,
    .brief = socket_brief,
    .next = socket_next,
    .bound = socket_bound,
    .fetch = socket_fetch,
    .stopped = socket_stopped,
    .limited = socket_limited,
    .payload = socket_payload,
    .noted = socket_noted,
    .durable = socket_durable,
    .ended = socket_ended,
    .ran = socket_ran,
    .over = socket_over,
    .outcome = socket_outcome,
};
