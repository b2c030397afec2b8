/*
 * Running a check: a walk over document and schema together that keeps the JSON path, and the
 * choice among alternatives, where the art is to report the mistakes of the one that was meant.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/nearest.h"
#include "common/schema_check.h"

#define KINDS_MAX 32 /* alternatives that an unknown kind is compared with */

static void vreport(struct check *check, const char *format, va_list args)
{
    check->count++;
    if (!check->report)
        return;
    struct error sentence;
    error_vset(&sentence, ERROR_CONFIG, format, args);
    const char *path = buf_text(&check->path);
    check->report(check->context, path ? path : "$", sentence.text);
}

bool schema_is_trial(struct check *check)
{
    check->count += check->trial;
    return check->trial;
}

void schema_report(struct check *check, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vreport(check, format, args);
    va_end(args);
}

/* Back to a shorter path; one that was too long to print must not stay marked failed. */
static void restore(struct buf *path, size_t size)
{
    buf_clear(path);
    path->size = size;
}

void schema_report_member(struct check *check, const cJSON *member, const char *format, ...)
{
    if (schema_is_trial(check))
        return;
    size_t size = check->path.size;
    json_path_put_key(&check->path, member->string);
    va_list args;
    va_start(args, format);
    vreport(check, format, args);
    va_end(args);
    restore(&check->path, size);
}

void schema_check_value(struct check *check, const cJSON *node, const cJSON *value)
{
    if (check->depth >= SCHEMA_DEPTH_MAX) {
        schema_report(check, "the schema goes round in circles here");
        return;
    }
    check->depth++;
    const cJSON *argument;
    cJSON_ArrayForEach(argument, node)
    {
        if (check->trial && check->count)
            break;
        const struct schema_keyword *keyword = schema_keyword_find(argument->string);
        size_t before = check->count;
        if (keyword && keyword->check)
            keyword->check(check, node, argument, value);
        /* What has the wrong type, or is none of the values allowed, is wrong once. */
        if (check->count > before && keyword->argument == SCHEMA_TYPES)
            break;
    }
    check->depth--;
}

void schema_check_member(struct check *check, const cJSON *node, const cJSON *member)
{
    size_t size = check->path.size;
    if (!check->trial)
        json_path_put_key(&check->path, member->string);
    schema_check_value(check, node, member);
    restore(&check->path, size);
}

void schema_check_item(struct check *check, const cJSON *node, const cJSON *item, size_t index)
{
    size_t size = check->path.size;
    if (!check->trial)
        json_path_put_index(&check->path, index);
    schema_check_value(check, node, item);
    restore(&check->path, size);
}

/* Whether value makes no mistake against node. */
static bool fits(const struct schema *schema, const cJSON *node, const cJSON *value)
{
    struct check trial = {.schema = schema, .trial = true};
    schema_check_value(&trial, node, value);
    return trial.count == 0;
}

const cJSON *schema_follow(const struct schema *schema, const cJSON *node)
{
    for (int i = 0; i < SCHEMA_DEPTH_MAX; i++) {
        const cJSON *ref = json_member(node, "$ref");
        if (!ref)
            break;
        node = schema_resolve(schema, ref->valuestring);
    }
    return node;
}

/* The constant that an alternative wants of the property `key`; NULL if it wants none. */
static const cJSON *constant_of(const struct schema *schema, const cJSON *branch,
                                const char *key)
{
    const cJSON *properties = json_member(schema_follow(schema, branch), "properties");
    return json_member(json_member(properties, key), "const");
}

/* The property whose constant tells all alternatives apart; NULL if there is none. */
static const char *discriminator(const struct schema *schema, const cJSON *branches)
{
    const cJSON *first = schema_follow(schema, branches->child);
    const cJSON *property, *branch;
    cJSON_ArrayForEach(property, json_member(first, "properties"))
    {
        bool all = true;
        cJSON_ArrayForEach(branch, branches)
        {
            const cJSON *constant = constant_of(schema, branch, property->string);
            all = all && cJSON_IsString(constant);
        }
        if (all)
            return property->string;
    }
    return NULL;
}

static const cJSON *find_kind(const struct schema *schema, const cJSON *branches,
                              const char *key, const cJSON *kind)
{
    const cJSON *branch;
    cJSON_ArrayForEach(branch, branches)
    {
        const char *constant = constant_of(schema, branch, key)->valuestring;
        if (cJSON_IsString(kind) && !strcmp(constant, kind->valuestring))
            return branch;
    }
    return NULL;
}

static void report_kind(struct check *check, const cJSON *branches, const char *key,
                        const cJSON *kind)
{
    const char *known[KINDS_MAX];
    size_t count = 0;
    if (schema_is_trial(check))
        return;
    struct buf list;
    buf_init(&list, ERROR_TEXT_MAX / 2);
    const cJSON *branch;
    cJSON_ArrayForEach(branch, branches)
    {
        const char *constant = constant_of(check->schema, branch, key)->valuestring;
        buf_printf(&list, "%s\"%s\"", list.size ? ", " : "", constant);
        if (count < KINDS_MAX)
            known[count++] = constant;
    }
    char found[80];
    const char *meant =
        cJSON_IsString(kind) ? nearest_find(kind->valuestring, known, count) : NULL;
    if (!kind)
        schema_report(check, "the key \"%s\" is missing; it says which: %s", key,
                      buf_text(&list));
    else if (meant)
        schema_report_member(check, kind, "%s is unknown; did you mean \"%s\"? (known: %s)",
                             json_excerpt(kind, found, sizeof(found)), meant, buf_text(&list));
    else
        schema_report_member(check, kind, "%s is unknown; known: %s",
                             json_excerpt(kind, found, sizeof(found)), buf_text(&list));
    buf_fini(&list);
}

static size_t count_matches(const struct schema *schema, const cJSON *branches,
                            const cJSON *value, const cJSON **ret_first)
{
    size_t count = 0;
    const cJSON *branch;
    *ret_first = NULL;
    cJSON_ArrayForEach(branch, branches)
    {
        if (!fits(schema, branch, value))
            continue;
        if (!count++)
            *ret_first = branch;
    }
    return count;
}

const cJSON *schema_choose(const struct schema *schema, const cJSON *node, const cJSON *value)
{
    const cJSON *branches = json_member(node, "oneOf"), *first;
    if (!branches)
        branches = json_member(node, "anyOf");
    if (!branches)
        return NULL;
    const char *key = discriminator(schema, branches);
    if (key)
        return find_kind(schema, branches, key, json_member(value, key));
    count_matches(schema, branches, value, &first);
    return first;
}

/* Does node at least want something of value's type? */
static bool type_fits(const struct schema *schema, const cJSON *node, const cJSON *value)
{
    node = schema_follow(schema, node);
    const cJSON *type = json_member(node, "type"), *name;
    if (cJSON_IsString(type))
        return schema_type_matches(type->valuestring, value);
    cJSON_ArrayForEach(name, type)
    {
        if (schema_type_matches(name->valuestring, value))
            return true;
    }
    return !type && !json_member(node, "const") && !json_member(node, "enum");
}

static void report_none(struct check *check, const cJSON *branches, const cJSON *value)
{
    if (schema_is_trial(check))
        return;
    struct buf list;
    buf_init(&list, ERROR_TEXT_MAX / 2);
    const cJSON *branch;
    cJSON_ArrayForEach(branch, branches)
    {
        buf_append_text(&list, branch == branches->child ? "" : branch->next ? ", " : " or ");
        schema_put_phrase(check->schema, branch, &list);
    }
    char found[80];
    schema_report(check, "expected %s, found %s", buf_text(&list),
                  json_excerpt(value, found, sizeof(found)));
    buf_fini(&list);
}

void schema_check_any(struct check *check, const cJSON *node, const cJSON *branches,
                      const cJSON *value)
{
    (void)node;
    const cJSON *match, *fitting = NULL, *branch;
    if (count_matches(check->schema, branches, value, &match))
        return;
    size_t count = 0;
    cJSON_ArrayForEach(branch, branches)
    {
        if (!type_fits(check->schema, branch, value))
            continue;
        count++;
        fitting = branch;
    }
    /* An object or array with mistakes inside: say which, if only one alternative is meant. */
    if (count == 1 && (cJSON_IsObject(value) || cJSON_IsArray(value)))
        schema_check_value(check, fitting, value);
    else
        report_none(check, branches, value);
}

/* Are the alternatives nothing but keys, of which one is wanted? */
static bool only_required(const cJSON *branches)
{
    const cJSON *branch;
    cJSON_ArrayForEach(branch, branches)
    {
        const cJSON *required = json_member(branch, "required");
        if (!required || branch->child->next || cJSON_GetArraySize(required) != 1)
            return false;
    }
    return true;
}

static void report_one_key(struct check *check, const cJSON *branches, size_t count)
{
    if (schema_is_trial(check))
        return;
    struct buf list;
    buf_init(&list, ERROR_TEXT_MAX / 2);
    const cJSON *branch;
    cJSON_ArrayForEach(branch, branches)
    {
        const char *joint = branch == branches->child ? "" : branch->next ? ", " : " or ";
        buf_printf(&list, "%s\"%s\"", joint,
                   json_member(branch, "required")->child->valuestring);
    }
    schema_report(check,
                  count ? "may have only one of the keys %s" : "one of the keys %s is missing",
                  buf_text(&list));
    buf_fini(&list);
}

void schema_check_one(struct check *check, const cJSON *node, const cJSON *branches,
                      const cJSON *value)
{
    (void)node;
    const char *key = discriminator(check->schema, branches);
    if (key && !cJSON_IsObject(value)) {
        char found[80];
        schema_report(check, "expected an object, found %s",
                      json_excerpt(value, found, sizeof(found)));
        return;
    }
    if (key) {
        const cJSON *kind = json_member(value, key);
        const cJSON *branch = find_kind(check->schema, branches, key, kind);
        if (branch)
            schema_check_value(check, branch, value);
        else
            report_kind(check, branches, key, kind);
        return;
    }
    const cJSON *first;
    size_t count = count_matches(check->schema, branches, value, &first);
    if (count == 1)
        return;
    if (cJSON_IsObject(value) && only_required(branches))
        report_one_key(check, branches, count);
    else if (count == 0)
        report_none(check, branches, value);
    else
        schema_report(check, "fits %zu of the alternatives, and should fit one", count);
}

size_t schema_check(const struct schema *schema, const cJSON *document,
                    void (*report)(void *context, const char *path, const char *sentence),
                    void *context)
{
    struct check check = {.schema = schema, .report = report, .context = context};
    buf_init(&check.path, (size_t)JSON_DEPTH_MAX * JSON_PATH_TEXT_MAX);
    buf_append_text(&check.path, "$");
    schema_check_value(&check, schema->root, document);
    buf_fini(&check.path);
    return check.count;
}
