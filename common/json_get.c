#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"

#define EXACT_MAX 9007199254740992.0 /* 2^53 */

const char *json_type_name(const cJSON *item)
{
    if (cJSON_IsObject(item))
        return "an object";
    if (cJSON_IsArray(item))
        return "an array";
    if (cJSON_IsString(item))
        return "a text";
    if (cJSON_IsNumber(item))
        return "a number";
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? "true" : "false";
    return cJSON_IsNull(item) ? "null" : "nothing";
}

bool json_is_integer(const cJSON *item)
{
    return cJSON_IsNumber(item) && fabs(item->valuedouble) <= EXACT_MAX &&
           item->valuedouble == trunc(item->valuedouble);
}

/* The member; NULL where it is missing or null. */
static const cJSON *present(const cJSON *object, const char *key)
{
    const cJSON *item = json_member(object, key);
    return item && !cJSON_IsNull(item) ? item : NULL;
}

static int mistyped(const char *path, const char *key, const char *expected, const cJSON *item,
                    struct error *ret_error)
{
    struct buf place;
    buf_init(&place, JSON_PATH_TEXT_MAX);
    buf_append_text(&place, path);
    json_path_put_key(&place, key);
    char found[64];
    error_set(ret_error, ERROR_CONFIG, "%s: expected %s, found %s", buf_text(&place), expected,
              json_excerpt(item, found, sizeof(found)));
    buf_fini(&place);
    return -1;
}

int json_get_text(const cJSON *object, const char *path, const char *key, const char *fallback,
                  const char **ret_text, struct error *ret_error)
{
    const cJSON *item = present(object, key);
    if (item && !cJSON_IsString(item))
        return mistyped(path, key, "a text", item, ret_error);
    *ret_text = item ? item->valuestring : fallback;
    return 0;
}

int json_get_integer(const cJSON *object, const char *path, const char *key, int64_t fallback,
                     int64_t *ret_integer, struct error *ret_error)
{
    const cJSON *item = present(object, key);
    if (item && !json_is_integer(item))
        return mistyped(path, key, "a whole number", item, ret_error);
    *ret_integer = item ? (int64_t)item->valuedouble : fallback;
    return 0;
}

int json_get_real(const cJSON *object, const char *path, const char *key, double fallback,
                  double *ret_real, struct error *ret_error)
{
    const cJSON *item = present(object, key);
    if (item && !cJSON_IsNumber(item))
        return mistyped(path, key, "a number", item, ret_error);
    *ret_real = item ? item->valuedouble : fallback;
    return 0;
}

int json_get_bool(const cJSON *object, const char *path, const char *key, bool fallback,
                  bool *ret_bool, struct error *ret_error)
{
    const cJSON *item = present(object, key);
    if (item && !cJSON_IsBool(item))
        return mistyped(path, key, "true or false", item, ret_error);
    *ret_bool = item ? cJSON_IsTrue(item) : fallback;
    return 0;
}

int json_get_object(const cJSON *object, const char *path, const char *key,
                    const cJSON **ret_item, struct error *ret_error)
{
    const cJSON *item = present(object, key);
    if (item && !cJSON_IsObject(item))
        return mistyped(path, key, "an object", item, ret_error);
    *ret_item = item;
    return 0;
}

int json_get_array(const cJSON *object, const char *path, const char *key,
                   const cJSON **ret_item, struct error *ret_error)
{
    const cJSON *item = present(object, key);
    if (item && !cJSON_IsArray(item))
        return mistyped(path, key, "an array", item, ret_error);
    *ret_item = item;
    return 0;
}

const cJSON *json_need(const cJSON *object, const char *path, const char *key,
                       struct error *ret_error)
{
    const cJSON *item = json_member(object, key);
    if (!item)
        error_set(ret_error, ERROR_CONFIG, "%s: the key \"%s\" is missing", path, key);
    return item;
}
