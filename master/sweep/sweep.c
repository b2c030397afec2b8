#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "master/results.h"
#include "master/sweep/check.h"
#include "master/sweep/files.h"
#include "master/sweep/params.h"
#include "master/sweep/sweep.h"

struct driver {
    const cJSON *work;
    const char *folder;
    struct params *params;
    struct value *row; /* for encoding one row */
    int64_t handed_out;
};

/* JSON array of the names of the parameters. */
static cJSON *param_names(const struct params *params)
{
    cJSON *names = cJSON_CreateArray();

    for (size_t i = 0; names && i < params->columns; i++)
        cJSON_AddItemToArray(names, cJSON_CreateString(params->names[i]));
    return names;
}

/* JSON array of the names of the values. */
static cJSON *value_names(const cJSON *work)
{
    cJSON *names = cJSON_CreateArray();
    const cJSON *rule;

    cJSON_ArrayForEach(rule, json_member(work, "values"))
    {
        const cJSON *name = json_member(rule, "name");

        if (cJSON_IsString(name))
            cJSON_AddItemToArray(names, cJSON_CreateString(name->valuestring));
    }
    return names;
}

static int columns_check(const struct driver *driver, struct error *ret_error)
{
    cJSON *params = param_names(driver->params), *values = value_names(driver->work);
    int rc = results_check_names(params, values, ret_error);

    cJSON_Delete(params);
    cJSON_Delete(values);
    return rc;
}

static void sweep_close(struct driver *driver)
{
    if (!driver)
        return;
    params_close(driver->params);
    free(driver->row);
    free(driver);
}

static struct driver *sweep_open(const struct driver_context *context, struct error *ret_error)
{
    struct driver *driver = calloc(1, sizeof *driver);

    if (!driver) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the sweep");
        return NULL;
    }
    driver->work = context->work;
    driver->folder = context->folder;
    driver->params =
        params_open(json_member(context->work, "params"), context->folder, ret_error);
    if (!driver->params || columns_check(driver, ret_error) < 0 ||
        sweep_check(driver->work, driver->params, driver->folder, context->plan_only,
                    ret_error) < 0)
        goto fail;
    driver->row = calloc(driver->params->columns, sizeof *driver->row);
    if (!driver->row) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the sweep");
        goto fail;
    }
    return driver;
fail:
    sweep_close(driver);
    return NULL;
}

static int64_t sweep_count(const struct driver *driver)
{
    return driver->params->rows;
}

static int sweep_driver_files(const struct driver *driver,
                              int (*add)(void *context, const char *path, bool common,
                                         bool copy),
                              void *context, struct error *ret_error)
{
    return sweep_files(driver->work, driver->params, driver->folder, add, context, ret_error);
}

/* What the runner needs of work: all but what the driver itself has used up. */
static cJSON *runner_work(const cJSON *work)
{
    static const char *const used_up[] = {"kind", "runner", "params"};
    cJSON *copy = cJSON_CreateObject();
    const cJSON *item;

    cJSON_ArrayForEach(item, work)
    {
        size_t i = 0;

        while (i < sizeof used_up / sizeof *used_up && strcmp(item->string, used_up[i]) != 0)
            i++;
        if (i == sizeof used_up / sizeof *used_up)
            cJSON_AddItemToObject(copy, item->string, cJSON_Duplicate(item, true));
    }
    return copy;
}

static int sweep_job(const struct driver *driver, cJSON *job, struct error *ret_error)
{
    const char *runner;

    if (json_get_text(driver->work, "$.work", "runner", "process", &runner, ret_error) < 0)
        return -1;
    if (!cJSON_AddStringToObject(job, "runner", runner) ||
        !cJSON_AddItemToObject(job, "params", param_names(driver->params)) ||
        !cJSON_AddItemToObject(job, "results", value_names(driver->work)) ||
        !cJSON_AddTrueToObject(job, "prefetch") ||
        !cJSON_AddItemToObject(job, "work", runner_work(driver->work)))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the job");
    return 0;
}

static enum driver_next sweep_next(struct driver *driver, uint32_t slots)
{
    (void)slots;
    if (driver->handed_out == driver->params->rows)
        return DRIVER_FINISHED;
    driver->handed_out++;
    return DRIVER_TASK;
}

static int sweep_payload(struct driver *driver, uint64_t task, struct buf *payload)
{
    if (task < 1 || task > (uint64_t)driver->params->rows ||
        params_read(driver->params, task - 1, driver->row, NULL) < 0)
        return -1;
    return values_encode(payload, driver->row, driver->params->columns);
}

/* Nothing depends on results. */
static void sweep_ended(struct driver *driver, const struct result *result, bool resumed)
{
    (void)driver;
    (void)result;
    (void)resumed;
}

const struct driver_ops driver_sweep = {
    .kind = "sweep",
    .open = sweep_open,
    .close = sweep_close,
    .count = sweep_count,
    .files = sweep_driver_files,
    .job = sweep_job,
    .next = sweep_next,
    .payload = sweep_payload,
    .ended = sweep_ended,
};
