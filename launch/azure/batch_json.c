/*
 * Members of what the service describes, read with a shrug; members of what we ask for, written.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "launch/azure/batch_private.h"

const char *batch_text(const cJSON *item, const char *key)
{
    return cJSON_GetStringValue(json_member(item, key));
}

int64_t batch_integer(const cJSON *item, const char *key)
{
    const cJSON *member = json_member(item, key);
    if (cJSON_IsNumber(member) && fabs(member->valuedouble) < 9.0e18)
        return (int64_t)member->valuedouble;
    if (!cJSON_IsString(member))
        return 0;
    char *end;
    errno = 0;
    long long number = strtoll(member->valuestring, &end, 10);
    return errno == 0 && end != member->valuestring && !*end ? number : 0;
}

int batch_int(const cJSON *item, const char *key)
{
    int64_t number = batch_integer(item, key);
    return number > INT_MAX ? INT_MAX : number < INT_MIN ? INT_MIN : (int)number;
}

bool batch_bool(const cJSON *item, const char *key)
{
    return cJSON_IsTrue(json_member(item, key));
}

int64_t batch_time(const cJSON *item, const char *key)
{
    const char *text = batch_text(item, key);
    int64_t ns;
    return text && batch_time_parse(text, &ns) == 0 ? ns : 0;
}

const cJSON *batch_array(const cJSON *item, const char *key)
{
    const cJSON *member = json_member(item, key);
    return cJSON_IsArray(member) && member->child ? member : NULL;
}

int batch_choice(const cJSON *item, const char *key, const char *const *names, int count)
{
    const char *text = batch_text(item, key);
    for (int i = 1; text && i < count; i++)
        if (strcasecmp(text, names[i]) == 0)
            return i;
    return 0;
}

void batch_fault_read(const cJSON *item, struct batch_fault *ret_fault)
{
    memset(ret_fault, 0, sizeof(*ret_fault));
    if (!cJSON_IsObject(item))
        return;
    const cJSON *message = json_member(item, "message");
    ret_fault->category = batch_text(item, "category");
    ret_fault->code = batch_text(item, "code");
    ret_fault->message =
        cJSON_IsObject(message) ? batch_text(message, "value") : cJSON_GetStringValue(message);
    ret_fault->json = item;
}

int batch_fault_put(struct buf *buf, const struct batch_fault *fault)
{
    return fault->json ? azure_error_put_json(buf, fault->json) : 0;
}

int batch_faults_put(struct buf *buf, const cJSON *faults)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, faults)
    {
        if (item != faults->child)
            buf_append_text(buf, "; ");
        azure_error_put_json(buf, item);
    }
    return buf_failed(buf) ? -1 : 0;
}

const char *batch_label_find(const cJSON *metadata, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, metadata)
    {
        const char *this = batch_text(item, "name");
        if (this && strcmp(this, name) == 0)
            return batch_text(item, "value");
    }
    return NULL;
}

void batch_put_text(struct batch_writer *writer, cJSON *object, const char *key,
                    const char *text)
{
    if (text && !cJSON_AddStringToObject(object, key, text))
        writer->failed = true;
}

void batch_put_integer(struct batch_writer *writer, cJSON *object, const char *key,
                       int64_t number)
{
    if (!cJSON_AddNumberToObject(object, key, (double)number))
        writer->failed = true;
}

void batch_put_bool(struct batch_writer *writer, cJSON *object, const char *key, bool value)
{
    if (!cJSON_AddBoolToObject(object, key, value))
        writer->failed = true;
}

void batch_put_duration(struct batch_writer *writer, cJSON *object, const char *key, int64_t s)
{
    char text[BATCH_DURATION_SIZE];
    if (s > 0)
        batch_put_text(writer, object, key, batch_duration_format(s, text));
}

cJSON *batch_put_object(struct batch_writer *writer, cJSON *object, const char *key)
{
    cJSON *inner = cJSON_AddObjectToObject(object, key);
    writer->failed |= !inner;
    return inner;
}

cJSON *batch_put_array(struct batch_writer *writer, cJSON *object, const char *key)
{
    cJSON *inner = cJSON_AddArrayToObject(object, key);
    writer->failed |= !inner;
    return inner;
}

cJSON *batch_put_item(struct batch_writer *writer, cJSON *array)
{
    cJSON *item = cJSON_CreateObject();
    if (!item || !cJSON_AddItemToArray(array, item)) {
        cJSON_Delete(item);
        item = NULL;
        writer->failed = true;
    }
    return item;
}

void batch_put_labels(struct batch_writer *writer, cJSON *object,
                      const struct batch_label *labels, size_t count)
{
    cJSON *array = count ? batch_put_array(writer, object, "metadata") : NULL;
    for (size_t i = 0; i < count; i++) {
        cJSON *item = batch_put_item(writer, array);
        batch_put_text(writer, item, "name", labels[i].name);
        batch_put_text(writer, item, "value", labels[i].value);
    }
}

void batch_put_more(struct batch_writer *writer, cJSON *object, const cJSON *more)
{
    const cJSON *member;
    if (!object)
        return;
    cJSON_ArrayForEach(member, more)
    {
        cJSON *there = cJSON_GetObjectItemCaseSensitive(object, member->string);
        if (cJSON_IsObject(there) && cJSON_IsObject(member)) {
            batch_put_more(writer, there, member);
            continue;
        }
        cJSON *copy = cJSON_Duplicate(member, true);
        if (!copy ||
            !(there ? cJSON_ReplaceItemInObjectCaseSensitive(object, member->string, copy)
                    : cJSON_AddItemToObject(object, member->string, copy))) {
            cJSON_Delete(copy);
            writer->failed = true;
        }
    }
}

cJSON *batch_writer_end(struct batch_writer *writer, cJSON *object)
{
    if (!writer->failed)
        return object;
    cJSON_Delete(object);
    return NULL;
}
