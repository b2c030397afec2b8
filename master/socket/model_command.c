/*
 * A command, started for every set (or a persistent runner that is sent each). What is kept of a
 * set is the task's payload itself.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/nearest.h"
#include "common/values.h"
#include "master/socket/model.h"
#include "master/sweep/check.h"
#include "master/sweep/files.h"
#include "master/sweep/job.h"

#define NAME_MAX_BYTES ((size_t)1 << 20)

struct model {
    const cJSON *work;
    const char *folder;
    struct params *params;
    struct value *row;  /* `columns` of them */
    bool *given;        /* likewise */
    struct buf *values; /* for each value: its name as JSON, and a colon */
    size_t value_count;
};

/* ---- opening ---- */

static bool command_fits(const cJSON *work)
{
    (void)work;
    return true;
}

/* Names alone; or a sweep's table, of which the names count. */
static struct params *open_params(const struct driver_context *context, struct error *ret_error)
{
    const cJSON *spec = json_member(context->work, "params");
    return cJSON_IsArray(spec) ? params_open_names(spec, ret_error)
                               : params_open(spec, context->folder, ret_error);
}

static int take_value_names(struct model *model)
{
    const cJSON *list = json_member(model->work, "values"), *rule;
    size_t count = (size_t)cJSON_GetArraySize(list);
    model->values = calloc(count + 1, sizeof(*model->values));
    if (!model->values)
        return -1;
    cJSON_ArrayForEach(rule, list)
    {
        struct buf *name = &model->values[model->value_count++];
        const cJSON *text = json_member(rule, "name");
        buf_init(name, NAME_MAX_BYTES);
        if (!cJSON_IsString(text))
            continue;
        json_put_text(name, text->valuestring, strlen(text->valuestring));
        if (buf_append_text(name, ":") < 0)
            return -1;
    }
    return 0;
}

static void command_close(struct model *model)
{
    if (!model)
        return;
    params_close(model->params);
    for (size_t i = 0; i < model->value_count; i++)
        buf_fini(&model->values[i]);
    free(model->values);
    free(model->row);
    free(model->given);
    free(model);
}

static int set_up(struct model *model, const struct driver_context *context,
                  struct error *ret_error)
{
    model->params = open_params(context, ret_error);
    if (!model->params || sweep_job_check(model->work, model->params, ret_error) < 0 ||
        sweep_check(model->work, model->params, context->folder, context->plan_only,
                    ret_error) < 0)
        return -1;
    model->row = calloc(model->params->columns + 1, sizeof(*model->row));
    model->given = calloc(model->params->columns + 1, sizeof(*model->given));
    if (!model->row || !model->given || take_value_names(model) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the names of parameters");
    return 0;
}

static struct model *command_open(const struct driver_context *context, struct error *ret_error)
{
    struct model *model = calloc(1, sizeof(*model));
    if (!model) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the names of parameters");
        return NULL;
    }
    model->work = context->work;
    model->folder = context->folder;
    if (set_up(model, context, ret_error) == 0)
        return model;
    command_close(model);
    return NULL;
}

/* ---- what the farm asks ---- */

static int command_files(const struct model *model,
                         int (*add)(void *context, const char *path, bool common, bool copy),
                         void *context, struct error *ret_error)
{
    return sweep_files(model->work, model->params, model->folder, add, context, ret_error);
}

static int command_job(const struct model *model, cJSON *job, struct error *ret_error)
{
    return sweep_job(model->work, model->params, job, ret_error);
}

static void command_greet(const struct model *model, struct buf *out)
{
    buf_append_text(out, ",\"params\":[");
    for (size_t i = 0; i < model->params->columns; i++) {
        buf_append_text(out, i ? "," : "");
        json_put_text(out, model->params->names[i], strlen(model->params->names[i]));
    }
    buf_append_text(out, "],\"values\":[");
    for (size_t i = 0; i < model->value_count; i++) {
        buf_append_text(out, i ? "," : "");
        buf_append(out, model->values[i].data, model->values[i].size - 1);
    }
    buf_append_text(out, "]");
}

/* ---- sets ---- */

/* The column called `name`, looked for first where it is if the order is ours. */
static size_t column_find(const struct model *model, const char *name, size_t guess)
{
    const struct params *params = model->params;
    if (guess < params->columns && strcmp(params->names[guess], name) == 0)
        return guess;
    size_t i = 0;
    while (i < params->columns && strcmp(params->names[i], name) != 0)
        i++;
    return i;
}

static int unknown_param(const struct model *model, const char *name, struct error *ret_error)
{
    const char *near = nearest_find(name, model->params->names, model->params->columns);
    return error_set(ret_error, ERROR_CONFIG, "there is no parameter \"%.200s\"%s", name,
                     nearest_hint(near).text);
}

static int row_by_name(struct model *model, const cJSON *params, struct error *ret_error)
{
    const cJSON *item;
    char where[300];
    size_t guess = 0;
    memset(model->given, 0, model->params->columns * sizeof(*model->given));
    cJSON_ArrayForEach(item, params)
    {
        size_t i = column_find(model, item->string, guess);
        if (i == model->params->columns)
            return unknown_param(model, item->string, ret_error);
        guess = i + 1;
        model->given[i] = true;
        snprintf(where, sizeof(where), "params.%.280s", item->string);
        if (params_scalar(item, where, &model->row[i], ret_error) < 0)
            return -1;
    }
    for (size_t i = 0; i < model->params->columns; i++)
        if (!model->given[i])
            return error_set(ret_error, ERROR_CONFIG, "the parameter \"%.200s\" is missing",
                             model->params->names[i]);
    return 0;
}

static int row_by_order(struct model *model, const cJSON *params, struct error *ret_error)
{
    const cJSON *item;
    char where[32];
    size_t i = 0, count = (size_t)cJSON_GetArraySize(params);
    if (count != model->params->columns)
        return error_set(ret_error, ERROR_CONFIG,
                         "\"params\" has %zu values; there are %zu "
                         "parameters",
                         count, model->params->columns);
    cJSON_ArrayForEach(item, params)
    {
        snprintf(where, sizeof(where), "params[%zu]", i);
        if (params_scalar(item, where, &model->row[i++], ret_error) < 0)
            return -1;
    }
    return 0;
}

static int command_take(struct model *model, model_places places, struct buf *kept,
                        struct error *ret_error)
{
    const cJSON *params = json_member(places[0], "params");
    int rc = cJSON_IsObject(params)  ? row_by_name(model, params, ret_error)
             : cJSON_IsArray(params) ? row_by_order(model, params, ret_error)
                                     : error_set(ret_error, ERROR_CONFIG,
                                                 "\"params\" must be an object of parameters "
                                                 "and values (or an array of values in the "
                                                 "order of the farm file)");
    if (rc < 0)
        return -1;
    if (values_encode(kept, model->row, model->params->columns) < 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "the parameters are too long for one task (%d MiB)",
                         (int)(kept->max >> 20));
    return 0;
}

static int command_payload(struct model *model, const void *kept, size_t size,
                           struct buf *payload)
{
    (void)model;
    return buf_append(payload, kept, size);
}

/* ---- results ---- */

static void value_put(struct buf *text, const struct value *value)
{
    if (value->kind == VALUE_TEXT)
        json_put_text(text, value->text, value->text_size);
    else if (value->kind == VALUE_REAL)
        json_put_real(text, value->real);
    else if (value->kind == VALUE_INTEGER)
        value_format(text, value);
    else
        buf_append_text(text, "null");
}

static int command_digest(struct model *model, const void *kept, size_t size,
                          const struct result *result, struct buf *text,
                          struct error *ret_error)
{
    struct value *values = NULL;
    size_t count = 0;
    (void)kept;
    (void)size;
    if (result->values_size &&
        values_decode(result->values, result->values_size, &values, &count, ret_error) < 0)
        return -1;
    buf_append_text(text, ",\"values\":{");
    for (size_t i = 0; i < count && i < model->value_count; i++) {
        buf_append_text(text, i ? "," : "");
        buf_append(text, model->values[i].data, model->values[i].size);
        value_put(text, &values[i]);
    }
    free(values);
    buf_append_text(text, "}");
    return 0;
}

const struct model_ops model_command = {
    .fits = command_fits,
    .open = command_open,
    .close = command_close,
    .files = command_files,
    .job = command_job,
    .greet = command_greet,
    .take = command_take,
    .payload = command_payload,
    .digest = command_digest,
};
