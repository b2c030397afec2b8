#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/nearest.h"
#include "common/seismic/model_private.h"

static const char *const keys[] = {"data",  "points", "spacing_m",  "origin_m", "order",
                                   "dtype", "units",  "byte_order", "name",     "offset_bytes"};

static int keys_check(const cJSON *root, const char *path, struct error *ret_error)
{
    size_t count = sizeof(keys) / sizeof(*keys);
    if (!cJSON_IsObject(root))
        return error_set(ret_error, ERROR_CONFIG, "%s: $: expected an object", path);
    for (const cJSON *item = root->child; item; item = item->next) {
        size_t i = 0;
        while (i < count && strcmp(item->string, keys[i]) != 0)
            i++;
        if (i < count)
            continue;
        const char *meant = nearest_find(item->string, keys, count);
        return error_set(ret_error, ERROR_CONFIG, "%s: $.%s: unknown key%s", path, item->string,
                         nearest_hint(meant).text);
    }
    return 0;
}

/* A list of 2 or 3 numbers, of x, z or x, y, z. Where it is missing, *ret_dims is 0. */
static int triple_read(const struct model *model, const cJSON *root, const char *key,
                       double triple[GRID_AXES], int *ret_dims, struct error *ret_error)
{
    const cJSON *list = json_member(root, key);
    *ret_dims = 0;
    if (!list)
        return 0;
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (count != 2 && count != 3)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: $.%s: expected a list of x, z or of x, y, z", model->path, key);
    for (int i = 0; i < count; i++) {
        const cJSON *item = cJSON_GetArrayItem(list, i);
        if (!cJSON_IsNumber(item))
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: $.%s[%d]: expected a number, found %s", model->path, key, i,
                             json_type_name(item));
        triple[count == 2 ? 2 * i : i] = item->valuedouble;
    }
    *ret_dims = count;
    return 0;
}

static int grid_read(struct model *model, const cJSON *root, struct error *ret_error)
{
    struct grid *grid = &model->grid;
    double points[GRID_AXES] = {1, 1, 1};
    int dims, spacing_dims, origin_dims;
    if (triple_read(model, root, "points", points, &dims, ret_error) < 0 ||
        triple_read(model, root, "spacing_m", grid->spacing, &spacing_dims, ret_error) < 0 ||
        triple_read(model, root, "origin_m", grid->origin, &origin_dims, ret_error) < 0)
        return -1;
    if (!dims || !spacing_dims)
        return error_set(ret_error, ERROR_CONFIG, "%s: $: \"%s\" is missing", model->path,
                         dims ? "spacing_m" : "points");
    if (spacing_dims != dims || (origin_dims && origin_dims != dims))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: $.%s: has not as many numbers as \"points\"", model->path,
                         spacing_dims != dims ? "spacing_m" : "origin_m");
    for (int axis = 0; axis < GRID_AXES; axis++) {
        if (!(points[axis] >= 1 && points[axis] <= 1e9) || points[axis] != floor(points[axis]))
            return error_set(ret_error, ERROR_CONFIG, "%s: $.points: %g is no number of points",
                             model->path, points[axis]);
        grid->n[axis] = (size_t)points[axis];
    }
    grid->dims = dims;
    return model_grid_check(model, ret_error);
}

/* "xyz": axes from slowest to fastest. In 2-D y goes first, where it does no harm. */
static int order_read(struct model *model, const char *text, struct error *ret_error)
{
    static const char names[] = "xyz";
    enum grid_axis *axes = model->array.axes;
    int count = 0, seen = 0;
    if (model->grid.dims == 2) {
        axes[count++] = GRID_Y;
        seen |= 1 << GRID_Y;
    }
    for (const char *at = text; *at; at++) {
        const char *name = strchr(names, *at);
        int axis = name ? (int)(name - names) : GRID_Y;
        if (!name || seen & 1 << axis || count == GRID_AXES)
            break;
        axes[count++] = (enum grid_axis)axis;
        seen |= 1 << axis;
    }
    if (count < GRID_AXES || strlen(text) != (size_t)model->grid.dims)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: $.order: expected each axis once, from slowest to fastest, like "
                         "\"%s\"",
                         model->path, model->grid.dims == 2 ? "xz" : "xyz");
    return 0;
}

static int dtype_read(struct model *model, const char *text, struct error *ret_error)
{
    static const struct {
        const char *name;
        int code;
    } types[] = {{"float32", 5}, {"float64", 6}, {"int8", 8},   {"int16", 3},
                 {"int32", 2},   {"uint8", 16},  {"uint16", 11}};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (!strcmp(text, types[i].name)) {
            model->array.code = types[i].code;
            return 0;
        }
    }
    return error_set(
        ret_error, ERROR_CONFIG,
        "%s: $.dtype: expected float32, float64, int8, int16, int32, uint8 or uint16, "
        "found \"%s\"",
        model->path, text);
}

static int byte_order_read(struct model *model, const char *text, struct error *ret_error)
{
    bool little = !strcmp(text, "little");
    if (!little && strcmp(text, "big") != 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: $.byte_order: expected little or big, found \"%s\"", model->path,
                         text);
    model->array.order = little ? SEGY_LITTLE : SEGY_BIG;
    return 0;
}

/* vp.json: vp.bin */
static char *data_default(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    char *data = NULL;
    int size = dot ? (int)(dot - name) : (int)strlen(name);
    return asprintf(&data, "%.*s.bin", size, name) < 0 ? NULL : data;
}

static int data_open(struct model *model, const char *data, struct error *ret_error)
{
    char *made = data ? NULL : data_default(model->path);
    if (data || made)
        model->data_path = model_beside(model, data ? data : made);
    free(made);
    if (!model->data_path)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", model->path);
    return model_array_open(model, model->data_path, ret_error);
}

static int header_read(struct model *model, const cJSON *root, struct error *ret_error)
{
    const char *data, *order, *dtype, *byte_order, *units, *name;
    int64_t offset;
    if (keys_check(root, model->path, ret_error) < 0 || grid_read(model, root, ret_error) < 0)
        return -1;
    const char *usual = model->grid.dims == 2 ? "xz" : "xyz";
    if (json_get_text(root, "$", "data", NULL, &data, ret_error) < 0 ||
        json_get_text(root, "$", "order", usual, &order, ret_error) < 0 ||
        json_get_text(root, "$", "dtype", "float32", &dtype, ret_error) < 0 ||
        json_get_text(root, "$", "byte_order", "little", &byte_order, ret_error) < 0 ||
        json_get_text(root, "$", "units", NULL, &units, ret_error) < 0 ||
        json_get_text(root, "$", "name", NULL, &name, ret_error) < 0 ||
        json_get_integer(root, "$", "offset_bytes", 0, &offset, ret_error) < 0)
        return error_prefix(ret_error, "%s", model->path);
    if (offset < 0)
        return error_set(ret_error, ERROR_CONFIG, "%s: $.offset_bytes: is negative",
                         model->path);
    model->array.offset = (uint64_t)offset;
    if (units && !(model->units = strdup(units)))
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", model->path);
    if (order_read(model, order, ret_error) < 0 || dtype_read(model, dtype, ret_error) < 0 ||
        byte_order_read(model, byte_order, ret_error) < 0)
        return -1;
    return data_open(model, data, ret_error);
}

int model_open_raw(struct model *model, struct error *ret_error)
{
    cJSON *root;
    if (json_read_file(model->path, JSON_COMMENTS, &root, ret_error) < 0)
        return -1;
    int status = header_read(model, root, ret_error);
    cJSON_Delete(root);
    return status;
}
