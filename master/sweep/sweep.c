#include "config.h"

#include <stdlib.h>

#include "common/json.h"
#include "master/sweep/check.h"
#include "master/sweep/files.h"
#include "master/sweep/job.h"
#include "master/sweep/params.h"
#include "master/sweep/sweep.h"

struct driver {
    const cJSON *work;
    const char *folder;
    struct params *params;
    struct value *row; /* for encoding one row */
    int64_t handed_out;
};

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
    if (!driver->params || sweep_job_check(driver->work, driver->params, ret_error) < 0 ||
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

static int sweep_driver_job(const struct driver *driver, cJSON *job, struct error *ret_error)
{
    return sweep_job(driver->work, driver->params, job, ret_error);
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
    .independent = true,
    .outputs_unread = true,
    .open = sweep_open,
    .close = sweep_close,
    .count = sweep_count,
    .files = sweep_driver_files,
    .job = sweep_driver_job,
    .next = sweep_next,
    .payload = sweep_payload,
    .ended = sweep_ended,
};
