#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "common/json.h"
#include "master/shots/devices.h"

#define KEY "device_why"

void devices_fini(struct devices *devices)
{
    for (size_t i = 0; i < devices->count; i++)
        free(devices->told[i]);
    *devices = (struct devices){0};
}

static bool is_told(const struct devices *devices, const char *why)
{
    for (size_t i = 0; i < devices->count; i++)
        if (strcmp(devices->told[i], why) == 0)
            return true;
    return false;
}

bool devices_look(struct devices *devices, uint64_t task, const char *extra, char *ret_sentence,
                  size_t size)
{
    cJSON *json = NULL;
    bool tell = false;
    if (!extra || !strstr(extra, "\"" KEY "\"") || devices->count == DEVICES_TOLD_MAX ||
        json_parse(extra, strlen(extra), "extra", JSON_STRICT, &json, NULL) < 0)
        return false;
    const char *why = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, KEY));
    if (why && *why && !is_told(devices, why)) {
        char *copy = devices->told[devices->count] = strdup(why);
        devices->count += copy != NULL;
        snprintf(ret_sentence, size,
                 "task %" PRIu64 " was computed by processors in place of a GPU: %s", task,
                 why);
        tell = true;
    }
    cJSON_Delete(json);
    return tell;
}
