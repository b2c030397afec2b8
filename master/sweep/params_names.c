/* params_names.c - ["K", "S"]: names alone; the rows come from somewhere else, while the farm
 * runs. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "master/sweep/params.h"

struct names_params {
    struct params base;
    const char *names[];
};

static void names_close(struct params *params)
{
    free(params);
}

static int names_read(struct params *params, uint64_t row, struct value *values,
                      struct error *ret_error)
{
    (void)params;
    (void)values;
    return error_set(ret_error, ERROR_BUG, "there is no row %llu of parameters",
                     (unsigned long long)row);
}

static const struct params_ops params_names = {
    .kind = "names", .close = names_close, .read = names_read};

static int names_take(struct names_params *it, const cJSON *names, struct error *ret_error)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, names)
    {
        if (!cJSON_IsString(item))
            return error_set(ret_error, ERROR_CONFIG,
                             "$.work.params[%zu]: expected a parameter's name, found %s",
                             it->base.columns, json_type_name(item));
        for (size_t i = 0; i < it->base.columns; i++)
            if (strcmp(it->names[i], item->valuestring) == 0)
                return error_set(ret_error, ERROR_CONFIG,
                                 "$.work.params[%zu]: \"%s\" stands there twice",
                                 it->base.columns, item->valuestring);
        it->names[it->base.columns++] = item->valuestring;
    }
    return params_check_names(&it->base, ret_error) < 0
               ? error_prefix(ret_error, "$.work.params")
               : 0;
}

struct params *params_open_names(const cJSON *names, struct error *ret_error)
{
    size_t count = (size_t)cJSON_GetArraySize(names);
    struct names_params *it = calloc(1, sizeof *it + count * sizeof *it->names);
    if (!it) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the names of parameters");
        return NULL;
    }
    it->base.ops = &params_names;
    it->base.names = it->names;
    if (names_take(it, names, ret_error) == 0)
        return &it->base;
    free(it);
    return NULL;
}
