#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/message.h"
#include "worker/params.h"

int params_init(struct params *params, const cJSON *job, struct error *ret_error)
{
    const cJSON *list, *item;
    *params = (struct params){0};
    buf_init(&params->payload, MESSAGE_MAX);
    buf_init(&params->printed, MESSAGE_MAX * 2);
    if (json_get_array(job, "job", "params", &list, ret_error) < 0)
        return -1;
    size_t count = (size_t)cJSON_GetArraySize(list);
    params->names = calloc(count + 1, sizeof(*params->names));
    params->values = calloc(count + 1, sizeof(*params->values));
    params->texts = calloc(count + 1, sizeof(*params->texts));
    if (!params->names || !params->values || !params->texts)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu parameters", count);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return error_set(ret_error, ERROR_NETWORK,
                             "the job has a parameter without a name");
        params->names[params->count++] = item->valuestring;
    }
    return 0;
}

void params_fini(struct params *params)
{
    free(params->names);
    free(params->values);
    free(params->texts);
    buf_fini(&params->payload);
    buf_fini(&params->printed);
    *params = (struct params){0};
}

/* Numbers are printed behind each other; where they begin is known when all are there. */
static int print_all(struct params *params)
{
    buf_clear(&params->printed);
    for (size_t i = 0; i < params->count; i++) {
        size_t before = params->printed.size;
        if (params->values[i].kind != VALUE_TEXT &&
            value_format(&params->printed, &params->values[i]) < 0)
            return -1;
        params->texts[i].size = params->printed.size - before;
    }
    const char *next = (const char *)params->printed.data;
    for (size_t i = 0; i < params->count; i++) {
        const struct value *value = &params->values[i];
        if (value->kind == VALUE_TEXT) {
            params->texts[i] = (struct template_text){value->text, value->text_size};
            continue;
        }
        params->texts[i].text = next ? next : "";
        next += params->texts[i].size;
    }
    return 0;
}

int params_take(struct params *params, const void *payload, size_t size,
                struct error *ret_error)
{
    struct value *values = NULL;
    size_t count = 0;
    buf_clear(&params->payload);
    if (buf_append(&params->payload, payload, size) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a task's parameters");
    if (values_decode(params->payload.data, size, &values, &count, ret_error) < 0)
        return error_prefix(ret_error, "the task's parameters");
    if (count > params->count) {
        free(values);
        return error_set(ret_error, ERROR_NETWORK, "the task has %zu parameters, the job %zu",
                         count, params->count);
    }
    memset(params->values, 0, params->count * sizeof(*params->values));
    if (count)
        memcpy(params->values, values, count * sizeof(*values));
    free(values);
    if (print_all(params) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a task's parameters");
    return 0;
}
