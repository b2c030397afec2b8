/*
 * A seismic survey ("survey"): a set is an operation on it, of many tasks (master/shots/asked.h).
 * What is kept of a set is what was asked, as JSON in one canonical form.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "master/shots/shots.h"
#include "master/socket/model.h"

struct model {
    struct driver *work;
    const char *survey;
};

static bool survey_fits(const cJSON *work)
{
    return json_member(work, "survey") != NULL;
}

static void survey_close(struct model *model)
{
    if (model)
        driver_shots.close(model->work);
    free(model);
}

static struct model *survey_open(const struct driver_context *context, struct error *ret_error)
{
    struct model *model = calloc(1, sizeof(*model));
    if (!model) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a survey");
        return NULL;
    }
    model->survey = cJSON_GetStringValue(json_member(context->work, "survey"));
    model->work = asked_open(context, ret_error);
    if (model->work)
        return model;
    free(model);
    return NULL;
}

static int survey_files(const struct model *model,
                        int (*add)(void *context, const char *path, bool common, bool copy),
                        void *context, struct error *ret_error)
{
    return driver_shots.files(model->work, add, context, ret_error);
}

static const char *survey_device(const struct model *model)
{
    return driver_shots.device(model->work);
}

static void survey_remark(const struct model *model,
                          void (*say)(void *context, const char *sentence), void *context)
{
    driver_shots.remarks(model->work, say, context);
}

static int survey_job(const struct model *model, cJSON *job, struct error *ret_error)
{
    return driver_shots.job(model->work, job, ret_error);
}

static void survey_greet(const struct model *model, struct buf *out)
{
    buf_append_text(out, ",\"params\":[\"operation\",\"velocity\",\"perturbation\",\"shots\","
                         "\"band_hz\",\"illumination\"],\"values\":[\"misfit\"],\"survey\":");
    json_put_text(out, model->survey, strlen(model->survey));
}

static void survey_describe(const struct model *model, struct buf *out)
{
    asked_describe(model->work, out);
}

static int survey_take(struct model *model, model_places places, struct buf *kept,
                       struct error *ret_error)
{
    return asked_check(model->work, json_member(places[0], "params"), kept, ret_error);
}

static int survey_payload(struct model *model, const void *kept, size_t size,
                          struct buf *payload)
{
    struct error ignored;
    cJSON *asked;
    if (json_parse(kept, size, "a submission", JSON_STRICT, &asked, &ignored) < 0)
        return -1;
    int rc = asked_check(model->work, asked, payload, &ignored);
    cJSON_Delete(asked);
    return rc;
}

/* The result's values are the members already (desk.c). */
static int survey_digest(struct model *model, const void *kept, size_t size,
                         const struct result *result, struct buf *text, struct error *ret_error)
{
    (void)model;
    (void)kept;
    (void)size;
    buf_append(text, result->values, result->values_size);
    return buf_failed(text) ? error_set(ret_error, ERROR_SYSTEM, "no memory") : 0;
}

static struct driver *survey_work(const struct model *model)
{
    return model->work;
}

const struct model_ops model_survey = {
    .fits = survey_fits,
    .open = survey_open,
    .close = survey_close,
    .files = survey_files,
    .device = survey_device,
    .remarks = survey_remark,
    .job = survey_job,
    .greet = survey_greet,
    .describe = survey_describe,
    .take = survey_take,
    .payload = survey_payload,
    .digest = survey_digest,
    .work = survey_work,
    .work_ops = &driver_shots,
};
