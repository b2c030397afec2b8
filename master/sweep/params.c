#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/template.h"
#include "master/sweep/params.h"

static const struct params_ops *const kinds[] = {&params_csv, &params_grid, &params_list,
                                                 &params_random, NULL};

/* Names that would change what the worker or the model's start depends on. */
static int name_check_free(const char *name, struct error *ret_error)
{
    if (strncmp(name, "BEOFARM_", 8) == 0 || strcmp(name, "PATH") == 0 ||
        strncmp(name, "LD_", 3) == 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "a parameter cannot be called \"%s\": it would become the environment "
                         "variable of that name, on which the task's own start depends",
                         name);
    return 0;
}

int params_check_names(const struct params *params, struct error *ret_error)
{
    for (size_t i = 0; i < params->columns; i++)
        if (template_check_name(params->names[i], ret_error) < 0 ||
            name_check_free(params->names[i], ret_error) < 0)
            return -1;
    return 0;
}

static const struct params_ops *kind_find(const cJSON *spec, struct error *ret_error)
{
    const struct params_ops *found = NULL;

    for (const struct params_ops *const *kind = kinds; *kind; kind++) {
        if (!json_member(spec, (*kind)->kind))
            continue;
        if (found) {
            error_set(ret_error, ERROR_CONFIG,
                      "$.work.params: has both \"%s\" and \"%s\"; keep one of them",
                      found->kind, (*kind)->kind);
            return NULL;
        }
        found = *kind;
    }
    if (!found)
        error_set(ret_error, ERROR_CONFIG,
                  "$.work.params: needs one of \"csv\", \"grid\", \"list\" or \"random\"");
    return found;
}

struct params *params_open(const cJSON *spec, const char *folder, struct error *ret_error)
{
    const struct params_ops *ops = kind_find(spec, ret_error);
    struct params *params =
        ops ? ops->open(json_member(spec, ops->kind), folder, ret_error) : NULL;

    if (!params)
        return NULL;
    params->ops = ops;
    if (params_check_names(params, ret_error) < 0) {
        const char *file = params_file(params);

        if (file)
            error_prefix(ret_error, "%s", file);
        else
            error_prefix(ret_error, "$.work.params.%s", ops->kind);
        params_close(params);
        return NULL;
    }
    return params;
}

int params_read(struct params *params, uint64_t row, struct value *values,
                struct error *ret_error)
{
    return params->ops->read(params, row, values, ret_error);
}

const char *params_file(const struct params *params)
{
    return params->ops->file ? params->ops->file(params) : NULL;
}

void params_close(struct params *params)
{
    if (params)
        params->ops->close(params);
}

int params_scalar(const cJSON *item, const char *where, struct value *ret_value,
                  struct error *ret_error)
{
    *ret_value = (struct value){.kind = VALUE_NONE};
    if (json_is_integer(item)) {
        ret_value->kind = VALUE_INTEGER;
        ret_value->integer = (int64_t)item->valuedouble;
    } else if (cJSON_IsNumber(item)) {
        ret_value->kind = VALUE_REAL;
        ret_value->real = item->valuedouble;
    } else if (cJSON_IsString(item) || cJSON_IsBool(item)) {
        ret_value->kind = VALUE_TEXT;
        ret_value->text = cJSON_IsString(item) ? item->valuestring
                          : cJSON_IsTrue(item) ? "true"
                                               : "false";
        ret_value->text_size = strlen(ret_value->text);
        if (ret_value->text_size > VALUE_TEXT_MAX)
            return error_set(ret_error, ERROR_CONFIG, "%s: a text of %zu bytes; the most is %d",
                             where, ret_value->text_size, VALUE_TEXT_MAX);
    } else {
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: expected a number, a text or true/false, found %s", where,
                         json_type_name(item));
    }
    return 0;
}

double params_round(double real, int digits)
{
    char text[VALUE_NUMBER_MAX];

    snprintf(text, sizeof text, "%.*g", digits, real);
    return strtod(text, NULL);
}
