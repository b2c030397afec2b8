/*
 * The keywords: a table of names, what their arguments must be, and how each checks a value. A
 * keyword that is about objects has nothing to say about a number, and so on: that is how JSON
 * Schema has it.
 */
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/nearest.h"
#include "common/schema_check.h"
#include "common/schema_private.h"

#define KEYS_MAX 64 /* keys of one object that an unknown key is compared with */

static const char *const type_names[] = {"object",  "array",   "string", "number",
                                         "integer", "boolean", "null"};

bool schema_type_known(const char *name)
{
    for (size_t i = 0; i < sizeof(type_names) / sizeof(*type_names); i++) {
        if (!strcmp(name, type_names[i]))
            return true;
    }
    return false;
}

bool schema_type_matches(const char *name, const cJSON *value)
{
    switch (*name) {
    case 'o':
        return cJSON_IsObject(value);
    case 'a':
        return cJSON_IsArray(value);
    case 's':
        return cJSON_IsString(value);
    case 'b':
        return cJSON_IsBool(value);
    case 'i':
        return cJSON_IsNumber(value) && value->valuedouble == trunc(value->valuedouble);
    default:
        return !strcmp(name, "null") ? cJSON_IsNull(value) : cJSON_IsNumber(value);
    }
}

static bool equal(const cJSON *a, const cJSON *b)
{
    return json_diff(a, b, NULL, NULL) == 0;
}

/* "expected PHRASE, found VALUE" */
static void expected(struct check *check, const cJSON *node, const cJSON *value)
{
    if (schema_is_trial(check))
        return;
    char found[80];
    struct buf phrase;
    buf_init(&phrase, ERROR_TEXT_MAX);
    schema_put_phrase(check->schema, node, &phrase);
    schema_report(check, "expected %s, found %s", buf_text(&phrase),
                  json_excerpt(value, found, sizeof(found)));
    buf_fini(&phrase);
}

static void check_type(struct check *check, const cJSON *node, const cJSON *argument,
                       const cJSON *value)
{
    if (cJSON_IsString(argument)) {
        if (!schema_type_matches(argument->valuestring, value))
            expected(check, node, value);
        return;
    }
    const cJSON *name;
    cJSON_ArrayForEach(name, argument)
    {
        if (schema_type_matches(name->valuestring, value))
            return;
    }
    expected(check, node, value);
}

static void check_enum(struct check *check, const cJSON *node, const cJSON *argument,
                       const cJSON *value)
{
    const char *known[KEYS_MAX];
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, argument)
    {
        if (equal(item, value))
            return;
        if (cJSON_IsString(item) && count < KEYS_MAX)
            known[count++] = item->valuestring;
    }
    const char *meant =
        cJSON_IsString(value) ? nearest_find(value->valuestring, known, count) : NULL;
    if (!meant) {
        expected(check, node, value);
        return;
    }
    char found[80];
    schema_report(check, "%s is unknown; did you mean \"%s\"?",
                  json_excerpt(value, found, sizeof(found)), meant);
}

static void check_const(struct check *check, const cJSON *node, const cJSON *argument,
                        const cJSON *value)
{
    if (!equal(argument, value))
        expected(check, node, value);
}

static void check_minimum(struct check *check, const cJSON *node, const cJSON *argument,
                          const cJSON *value)
{
    if (cJSON_IsNumber(value) && value->valuedouble < argument->valuedouble)
        expected(check, node, value);
}

static void check_maximum(struct check *check, const cJSON *node, const cJSON *argument,
                          const cJSON *value)
{
    if (cJSON_IsNumber(value) && value->valuedouble > argument->valuedouble)
        expected(check, node, value);
}

static void check_above(struct check *check, const cJSON *node, const cJSON *argument,
                        const cJSON *value)
{
    if (cJSON_IsNumber(value) && !(value->valuedouble > argument->valuedouble))
        expected(check, node, value);
}

static void check_below(struct check *check, const cJSON *node, const cJSON *argument,
                        const cJSON *value)
{
    if (cJSON_IsNumber(value) && !(value->valuedouble < argument->valuedouble))
        expected(check, node, value);
}

/* Characters, not bytes: continuation bytes do not count. */
static size_t length_of(const char *text)
{
    size_t length = 0;
    for (; *text; text++)
        length += ((unsigned char)*text & 0xc0) != 0x80;
    return length;
}

static void check_min_length(struct check *check, const cJSON *node, const cJSON *argument,
                             const cJSON *value)
{
    (void)node;
    if (!cJSON_IsString(value) ||
        (double)length_of(value->valuestring) >= argument->valuedouble)
        return;
    if (!*value->valuestring)
        schema_report(check, "may not be empty");
    else
        schema_report(check, "must have at least %.0f characters", argument->valuedouble);
}

static void check_max_length(struct check *check, const cJSON *node, const cJSON *argument,
                             const cJSON *value)
{
    (void)node;
    if (cJSON_IsString(value) && (double)length_of(value->valuestring) > argument->valuedouble)
        schema_report(check, "may have at most %.0f characters", argument->valuedouble);
}

static void check_pattern(struct check *check, const cJSON *node, const cJSON *argument,
                          const cJSON *value)
{
    if (!cJSON_IsString(value))
        return;
    const struct schema *schema = check->schema;
    for (size_t i = 0; i < schema->pattern_count; i++) {
        const struct schema_pattern *pattern = &schema->patterns[i];
        if (pattern->argument == argument &&
            regexec(&pattern->regex, value->valuestring, 0, NULL, 0) != 0)
            expected(check, node, value);
    }
}

static void check_required(struct check *check, const cJSON *node, const cJSON *argument,
                           const cJSON *value)
{
    (void)node;
    if (!cJSON_IsObject(value))
        return;
    const cJSON *key;
    cJSON_ArrayForEach(key, argument)
    {
        if (!json_member(value, key->valuestring))
            schema_report(check, "the key \"%s\" is missing", key->valuestring);
    }
}

static void check_properties(struct check *check, const cJSON *node, const cJSON *argument,
                             const cJSON *value)
{
    (void)node;
    if (!cJSON_IsObject(value))
        return;
    const cJSON *member;
    cJSON_ArrayForEach(member, value)
    {
        const cJSON *property = json_member(argument, member->string);
        if (property)
            schema_check_member(check, property, member);
    }
}

static void report_unknown(struct check *check, const cJSON *properties, const cJSON *member)
{
    if (schema_is_trial(check))
        return;
    const char *known[KEYS_MAX];
    size_t count = 0;
    const cJSON *property;
    cJSON_ArrayForEach(property, properties)
    {
        if (count < KEYS_MAX)
            known[count++] = property->string;
    }
    const char *meant = nearest_find(member->string, known, count);
    if (meant) {
        schema_report_member(check, member, "unknown key; did you mean \"%s\"?", meant);
        return;
    }
    struct buf list;
    buf_init(&list, ERROR_TEXT_MAX / 2);
    schema_put_keys(properties, &list);
    schema_report_member(check, member, "unknown key; known here: %s", buf_text(&list));
    buf_fini(&list);
}

static void check_additional(struct check *check, const cJSON *node, const cJSON *argument,
                             const cJSON *value)
{
    if (!cJSON_IsObject(value))
        return;
    const cJSON *properties = json_member(node, "properties"), *member;
    cJSON_ArrayForEach(member, value)
    {
        if (json_member(properties, member->string))
            continue;
        if (cJSON_IsFalse(argument))
            report_unknown(check, properties, member);
        else
            schema_check_member(check, argument, member);
    }
}

static void check_names(struct check *check, const cJSON *node, const cJSON *argument,
                        const cJSON *value)
{
    (void)node;
    const cJSON *member;
    if (!cJSON_IsObject(value))
        return;
    cJSON_ArrayForEach(member, value)
    {
        /* The key as a text of its own, to be checked like any value. */
        cJSON name = {.type = cJSON_String, .valuestring = member->string};
        schema_check_value(check, argument, &name);
    }
}

static void report_count(struct check *check, const cJSON *node, const char *what, double count,
                         const char *items)
{
    if (schema_is_trial(check))
        return;
    const cJSON *properties = json_member(node, "properties");
    if (count == 1 && properties && !strcmp(items, "keys")) {
        struct buf list;
        buf_init(&list, ERROR_TEXT_MAX / 2);
        schema_put_keys(properties, &list);
        schema_report(check, "%s one of these keys: %s", what, buf_text(&list));
        buf_fini(&list);
        return;
    }
    schema_report(check, "%s %.0f %s", what, count, items);
}

static void check_min_properties(struct check *check, const cJSON *node, const cJSON *argument,
                                 const cJSON *value)
{
    if (cJSON_IsObject(value) && cJSON_GetArraySize(value) < argument->valuedouble)
        report_count(check, node, "must have at least", argument->valuedouble, "keys");
}

static void check_max_properties(struct check *check, const cJSON *node, const cJSON *argument,
                                 const cJSON *value)
{
    if (cJSON_IsObject(value) && cJSON_GetArraySize(value) > argument->valuedouble)
        report_count(check, node, "may have only", argument->valuedouble, "keys");
}

static void check_items(struct check *check, const cJSON *node, const cJSON *argument,
                        const cJSON *value)
{
    (void)node;
    if (!cJSON_IsArray(value))
        return;
    const cJSON *item;
    size_t index = 0;
    cJSON_ArrayForEach(item, value) schema_check_item(check, argument, item, index++);
}

static void check_min_items(struct check *check, const cJSON *node, const cJSON *argument,
                            const cJSON *value)
{
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) >= argument->valuedouble)
        return;
    if (!value->child)
        schema_report(check, "may not be empty");
    else
        report_count(check, node, "must have at least", argument->valuedouble, "items");
}

static void check_max_items(struct check *check, const cJSON *node, const cJSON *argument,
                            const cJSON *value)
{
    if (cJSON_IsArray(value) && cJSON_GetArraySize(value) > argument->valuedouble)
        report_count(check, node, "may have only", argument->valuedouble, "items");
}

static void check_ref(struct check *check, const cJSON *node, const cJSON *argument,
                      const cJSON *value)
{
    (void)node;
    schema_check_value(check, schema_resolve(check->schema, argument->valuestring), value);
}

/* Those that are looked up for each item of long arrays come first. */
static const struct schema_keyword keywords[] = {
    {"type", SCHEMA_TYPES, check_type},
    {"$ref", SCHEMA_REF, check_ref},
    {"minimum", SCHEMA_NUMBER, check_minimum},
    {"maximum", SCHEMA_NUMBER, check_maximum},
    {"items", SCHEMA_NODE, check_items},
    {"minItems", SCHEMA_COUNT, check_min_items},
    {"maxItems", SCHEMA_COUNT, check_max_items},
    {"anyOf", SCHEMA_NODES, schema_check_any},
    {"properties", SCHEMA_NAMED, check_properties},
    {"required", SCHEMA_TEXTS, check_required},
    {"additionalProperties", SCHEMA_CLOSED, check_additional},
    {"propertyNames", SCHEMA_NODE, check_names},
    {"minProperties", SCHEMA_COUNT, check_min_properties},
    {"maxProperties", SCHEMA_COUNT, check_max_properties},
    {"enum", SCHEMA_VALUES, check_enum},
    {"const", SCHEMA_ANY, check_const},
    {"exclusiveMinimum", SCHEMA_NUMBER, check_above},
    {"exclusiveMaximum", SCHEMA_NUMBER, check_below},
    {"minLength", SCHEMA_COUNT, check_min_length},
    {"maxLength", SCHEMA_COUNT, check_max_length},
    {"pattern", SCHEMA_PATTERN, check_pattern},
    {"oneOf", SCHEMA_NODES, schema_check_one},
    {"description", SCHEMA_TEXT, NULL},
    {"title", SCHEMA_TEXT, NULL},
    {"default", SCHEMA_ANY, NULL},
    {"examples", SCHEMA_VALUES, NULL},
    {"$schema", SCHEMA_TEXT, NULL},
    {"$id", SCHEMA_TEXT, NULL},
    {"$comment", SCHEMA_TEXT, NULL},
    {"$defs", SCHEMA_NAMED, NULL},
};

const struct schema_keyword *schema_keyword_find(const char *name)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
        if (*keywords[i].name == *name && !strcmp(keywords[i].name, name))
            return &keywords[i];
    }
    return NULL;
}
