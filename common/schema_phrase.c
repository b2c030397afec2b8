/*
 * What a schema wants, in words: for "expected …, found …". A node's "title" says it where the
 * author knew better ("a name of letters and digits").
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "common/json.h"
#include "common/schema_check.h"

void schema_put_keys(const cJSON *object, struct buf *buf)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
        buf_printf(buf, "%s\"%s\"", member == object->child ? "" : ", ", member->string);
}

static const char *type_phrase(const char *name)
{
    static const char *const phrases[][2] = {
        {"object", "an object"}, {"array", "an array"},         {"string", "a text"},
        {"number", "a number"},  {"integer", "a whole number"}, {"boolean", "true or false"},
        {"null", "null"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(*phrases); i++) {
        if (!strcmp(name, phrases[i][0]))
            return phrases[i][1];
    }
    return name;
}

static void put_value(const cJSON *value, struct buf *buf)
{
    char text[80];
    buf_append_text(buf, json_excerpt(value, text, sizeof(text)));
}

static void put_values(const cJSON *values, struct buf *buf)
{
    const cJSON *value;
    cJSON_ArrayForEach(value, values)
    {
        buf_append_text(buf, value == values->child ? "" : value->next ? ", " : " or ");
        put_value(value, buf);
    }
}

static void put_types(const cJSON *type, struct buf *buf)
{
    if (cJSON_IsString(type)) {
        buf_append_text(buf, type_phrase(type->valuestring));
        return;
    }
    const cJSON *name;
    cJSON_ArrayForEach(name, type)
    {
        buf_append_text(buf, name == type->child ? "" : name->next ? ", " : " or ");
        buf_append_text(buf, type_phrase(name->valuestring));
    }
}

/* Whole numbers below it are written with all their digits: the largest that JSON keeps is a
 * bound, too. */
#define WRITTEN_OUT 1e16

static void put_bound(const cJSON *node, const char *key, const char *word, struct buf *buf)
{
    const cJSON *bound = json_member(node, key);
    if (!bound)
        return;
    double value = bound->valuedouble;
    bool whole = value == floor(value) && fabs(value) < WRITTEN_OUT;
    if (whole)
        buf_printf(buf, " %s %.0f", word, value);
    else
        buf_printf(buf, " %s %.15g", word, value);
}

void schema_put_phrase(const struct schema *schema, const cJSON *node, struct buf *buf)
{
    if (!json_member(node, "title"))
        node = schema_follow(schema, node);
    const cJSON *title = json_member(node, "title"), *type = json_member(node, "type");
    const cJSON *constant = json_member(node, "const"), *values = json_member(node, "enum");
    if (title)
        buf_append_text(buf, title->valuestring);
    else if (constant)
        put_value(constant, buf);
    else if (values)
        put_values(values, buf);
    else if (type)
        put_types(type, buf);
    else
        buf_append_text(buf, "another value");
    if (title)
        return;
    bool both = json_member(node, "minimum") && json_member(node, "maximum");
    put_bound(node, "minimum", both ? "from" : "of at least", buf);
    put_bound(node, "exclusiveMinimum", "above", buf);
    put_bound(node, "maximum", both ? "to" : "of at most", buf);
    put_bound(node, "exclusiveMaximum", "below", buf);
    const cJSON *pattern = json_member(node, "pattern");
    if (pattern)
        buf_printf(buf, " that matches %s", pattern->valuestring);
}
