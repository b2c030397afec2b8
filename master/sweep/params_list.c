/* params_list.c - {"list": [{NAME: value, …}, …]}: rows as they stand in the farm file. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "master/sweep/params.h"

struct list_params {
    struct params base;
    const char **names;
    const cJSON **rows; /* cJSON's arrays are linked lists: this finds a row at once */
};

static void list_close(struct params *params)
{
    struct list_params *list = (struct list_params *)params;

    free(list->names);
    free(list->rows);
    free(list);
}

static int row_values(const struct list_params *list, uint64_t row, struct value *values,
                      struct error *ret_error)
{
    const cJSON *object = list->rows[row];
    char where[64 + 1024];

    for (size_t i = 0; i < list->base.columns; i++) {
        const cJSON *item = json_member(object, list->names[i]);
        struct value value;

        snprintf(where, sizeof where, "$.work.params.list[%zu].%.1000s", (size_t)row,
                 list->names[i]);
        if (!item)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: is missing; all rows must have the keys of the first", where);
        if (params_scalar(item, where, values ? &values[i] : &value, ret_error) < 0)
            return -1;
    }
    return 0;
}

static int row_check(const struct list_params *list, uint64_t row, struct error *ret_error)
{
    const cJSON *object = list->rows[row], *item;

    if (!cJSON_IsObject(object))
        return error_set(ret_error, ERROR_CONFIG,
                         "$.work.params.list[%zu]: expected an object, found %s", (size_t)row,
                         json_type_name(object));
    if (row_values(list, row, NULL, ret_error) < 0)
        return -1;
    cJSON_ArrayForEach(item, object) if (
        !json_member(list->rows[0],
                     item->string)) return error_set(ret_error, ERROR_CONFIG,
                                                     "$.work.params.list[%zu].%s: the first "
                                                     "row has no such key; all rows "
                                                     "must have the same",
                                                     (size_t)row, item->string);
    return 0;
}

static int names_take(struct list_params *list, struct error *ret_error)
{
    const cJSON *item;
    size_t i = 0;

    if (!cJSON_IsObject(list->rows[0]) || !list->rows[0]->child)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.work.params.list[0]: expected an object that names the parameters");
    list->base.columns = (size_t)cJSON_GetArraySize(list->rows[0]);
    list->names = calloc(list->base.columns, sizeof *list->names);
    if (!list->names)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a list of parameters");
    cJSON_ArrayForEach(item, list->rows[0]) list->names[i++] = item->string;
    list->base.names = list->names;
    return 0;
}

static struct params *list_open(const cJSON *spec, const char *folder, struct error *ret_error)
{
    size_t rows = cJSON_IsArray(spec) ? (size_t)cJSON_GetArraySize(spec) : 0, i = 0;
    struct list_params *list = calloc(1, sizeof *list);
    const cJSON *item;

    (void)folder;
    if (!list) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a list of parameters");
        return NULL;
    }
    if (rows == 0) {
        error_set(ret_error, ERROR_CONFIG,
                  "$.work.params.list: has no rows, so there are no tasks");
        goto fail;
    }
    list->rows = calloc(rows, sizeof *list->rows);
    if (!list->rows) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a list of parameters");
        goto fail;
    }
    list->base.rows = (int64_t)rows;
    cJSON_ArrayForEach(item, spec) list->rows[i++] = item;
    if (names_take(list, ret_error) < 0)
        goto fail;
    for (i = 0; i < rows; i++)
        if (row_check(list, i, ret_error) < 0)
            goto fail;
    return &list->base;
fail:
    list_close(&list->base);
    return NULL;
}

static int list_read(struct params *params, uint64_t row, struct value *values,
                     struct error *ret_error)
{
    return row_values((const struct list_params *)params, row, values, ret_error);
}

const struct params_ops params_list = {
    .kind = "list",
    .open = list_open,
    .close = list_close,
    .read = list_read,
};
