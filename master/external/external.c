#include "config.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/values.h"
#include "master/external/command.h"
#include "master/external/external.h"

#define SHORT_LIFE_S    5.0 /* a foreign worker that lived less did not work */
#define SHORT_LIVES_MAX 20  /* so many in a row: it never will */
#define PAUSE_MAX_S     30

struct driver {
    struct driver_context context;
    struct command *command; /* NULL in plan_only */
    struct loop_timer *pause;
    bool pausing;
    uint64_t handed_out, ended;
    unsigned short_lives; /* in a row */
    char last[256];       /* how the last of them ended */
};

/* Commands that name a file of the folder are shipped with it. */
static const char *own_program(const struct driver *driver, const char *who)
{
    const cJSON *settings = json_member(driver->context.work, who);
    const cJSON *command = json_member(settings, "command");
    if (!cJSON_IsArray(command) || cJSON_IsTrue(json_member(settings, "shell")))
        return NULL;
    const char *name = cJSON_GetArrayItem(command, 0)->valuestring;
    char *path = NULL;
    if (name[0] == '/' || asprintf(&path, "%s/%s", driver->context.folder, name) < 0)
        return NULL;
    bool there = access(path, F_OK) == 0;
    free(path);
    return there ? name : NULL;
}

static int external_files(const struct driver *driver,
                          int (*add)(void *context, const char *path, bool common, bool copy),
                          void *context, struct error *ret_error)
{
    static const char *const sides[] = {"master", "worker"};
    for (size_t i = 0; i < 2; i++) {
        const char *name = own_program(driver, sides[i]);
        if (name && add(context, name, true, false) < 0)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for the list of files");
    }
    return 0;
}

static void pause_over(void *context)
{
    struct driver *driver = context;
    driver->pausing = false;
    driver->context.wake(driver->context.wake_context);
}

static void master_ended(void *context)
{
    struct driver *driver = context;
    driver->context.wake(driver->context.wake_context);
}

static void external_close(struct driver *driver)
{
    if (!driver)
        return;
    command_stop(driver->command);
    loop_timer_remove(driver->pause);
    free(driver);
}

static struct driver *external_open(const struct driver_context *context,
                                    struct error *ret_error)
{
    struct driver *driver = calloc(1, sizeof(*driver));
    if (!driver) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the external work");
        return NULL;
    }
    driver->context = *context;
    if (context->plan_only)
        return driver;
    driver->pause = loop_timer_add(context->loop, pause_over, driver);
    driver->command = command_start(context->loop, json_member(context->work, "master"),
                                    context->folder, master_ended, driver, ret_error);
    if (driver->pause && driver->command)
        return driver;
    external_close(driver);
    return NULL;
}

static int64_t external_count(const struct driver *driver)
{
    (void)driver;
    return -1;
}

/* The hostname, or the address where nobody can look that name up. */
static const char *dialable(const struct driver_context *context)
{
    struct addrinfo *found = NULL;
    if (!context->host)
        return "";
    if (!context->address || !*context->address ||
        getaddrinfo(context->host, NULL, NULL, &found) == 0) {
        if (found)
            freeaddrinfo(found);
        return context->host;
    }
    return context->address;
}

/* How a foreign worker finds its master; what the user set goes before. */
static void add_addresses(const struct driver *driver, cJSON *env)
{
    char port[16];
    int64_t number = 4004;
    json_get_integer(driver->context.work, "$.work", "port", 4004, &number, NULL);
    snprintf(port, sizeof(port), "%d", (int)number);
    const char *host = dialable(&driver->context);
    const char *address = driver->context.address ? driver->context.address : "";
    const struct {
        const char *name, *value;
    } variables[] = {{"MASTER_HOSTNAME", host},
                     {"MASTER_ADDRESS", address},
                     {"MASTER_PORT", port},
                     {"BEOFARM_MASTER", host},
                     {"BEOFARM_MASTER_ADDR", address}};
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        if (!json_member(env, variables[i].name))
            cJSON_AddStringToObject(env, variables[i].name, variables[i].value);
}

static int external_job(const struct driver *driver, cJSON *job, struct error *ret_error)
{
    const cJSON *settings = json_member(driver->context.work, "worker");
    const cJSON *per = json_member(settings, "per");
    cJSON *work = cJSON_Duplicate(settings, true);
    if (!work)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the job");
    cJSON_DeleteItemFromObjectCaseSensitive(work, "per");
    cJSON *env = cJSON_GetObjectItemCaseSensitive(work, "env");
    if (!env)
        env = cJSON_AddObjectToObject(work, "env");
    add_addresses(driver, env);
    cJSON_AddStringToObject(job, "runner", "process");
    cJSON_AddItemToObject(job, "params", cJSON_CreateArray());
    cJSON_AddItemToObject(job, "results", cJSON_CreateArray());
    cJSON_AddFalseToObject(job, "prefetch");
    cJSON_AddItemToObject(job, "work", work);
    /* Services are not meant to end. */
    cJSON_DeleteItemFromObjectCaseSensitive(job, "timeout_s");
    cJSON *worker = cJSON_GetObjectItemCaseSensitive(job, "worker");
    if (worker && !(cJSON_IsString(per) && strcmp(per->valuestring, "slot") == 0)) {
        cJSON_DeleteItemFromObjectCaseSensitive(worker, "slots");
        cJSON_AddNumberToObject(worker, "slots", 1);
    }
    return 0;
}

static bool external_over(const struct driver *driver)
{
    bool good;
    return driver->short_lives >= SHORT_LIVES_MAX ||
           command_ended(driver->command, &good, NULL);
}

/* Tasks that an earlier master saw end are counted in `ended` first, and are then handed out in
 * name only; so the difference is always what runs, or may. */
static enum driver_next external_next(struct driver *driver, uint32_t slots)
{
    if (external_over(driver))
        return DRIVER_FINISHED;
    if (driver->pausing || driver->handed_out >= driver->ended + slots)
        return DRIVER_WAIT;
    driver->handed_out++;
    return DRIVER_TASK;
}

static int external_payload(struct driver *driver, uint64_t task, struct buf *payload)
{
    (void)driver;
    (void)task;
    return values_encode(payload, NULL, 0);
}

static void external_ended(struct driver *driver, const struct result *result, bool resumed)
{
    driver->ended++;
    if (resumed)
        return;
    if (result->elapsed_s >= SHORT_LIFE_S) {
        driver->short_lives = 0;
        return;
    }
    driver->short_lives++;
    snprintf(driver->last, sizeof(driver->last), "%.*s", (int)result->error_size,
             result->error_size ? result->error : "");
    int64_t pause_s = INT64_C(1) << (driver->short_lives < 6 ? driver->short_lives - 1 : 5);
    driver->pausing = true;
    loop_timer_arm(driver->pause,
                   clock_monotonic_ns() +
                       (pause_s > PAUSE_MAX_S ? PAUSE_MAX_S : pause_s) * CLOCK_SECOND_NS);
}

static int external_outcome(const struct driver *driver, struct error *ret_error)
{
    bool good = false;
    if (command_ended(driver->command, &good, ret_error))
        return good ? 0 : -1;
    return error_set(ret_error, ERROR_TASKS,
                     "the external workers ended at once, %u times in a row, the last one so: "
                     "%s; look at $.work.worker.command",
                     driver->short_lives,
                     driver->last[0] ? driver->last : "with exit status 0");
}

const struct driver_ops driver_external = {
    .kind = "external",
    .outputs_unread = true,
    .folder_is_output = true,
    .open = external_open,
    .close = external_close,
    .count = external_count,
    .files = external_files,
    .job = external_job,
    .next = external_next,
    .payload = external_payload,
    .ended = external_ended,
    .over = external_over,
    .outcome = external_outcome,
};
