/*
 * Making a schema: every keyword of every node is looked up in the table of schema_keyword.c and
 * its argument checked, so that the checks themselves may trust the schema.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/schema_private.h"

struct maker {
    struct schema *schema;
    struct buf path;
    struct error *error;
};

static int check_node(struct maker *maker, const cJSON *node);

static int fail(struct maker *maker, const char *sentence)
{
    return error_set(maker->error, ERROR_CONFIG, "%s: %s", buf_text(&maker->path), sentence);
}

static bool all_texts(const cJSON *array)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsString(item))
            return false;
    }
    return cJSON_IsArray(array) && array->child;
}

static bool known_types(const cJSON *argument)
{
    if (cJSON_IsString(argument))
        return schema_type_known(argument->valuestring);
    if (!all_texts(argument))
        return false;
    const cJSON *item;
    cJSON_ArrayForEach(item, argument)
    {
        if (!schema_type_known(item->valuestring))
            return false;
    }
    return true;
}

static int check_nodes(struct maker *maker, const cJSON *list, bool named)
{
    const cJSON *node;
    size_t index = 0;
    cJSON_ArrayForEach(node, list)
    {
        size_t size = maker->path.size;
        if (named)
            json_path_put_key(&maker->path, node->string);
        else
            json_path_put_index(&maker->path, index++);
        if (check_node(maker, node) < 0)
            return -1;
        maker->path.size = size;
    }
    return 0;
}

static int add_pattern(struct maker *maker, const cJSON *argument)
{
    struct schema *schema = maker->schema;
    if (!cJSON_IsString(argument))
        return fail(maker, "expected a text");
    struct schema_pattern *patterns =
        realloc(schema->patterns, (schema->pattern_count + 1) * sizeof(*patterns));
    if (!patterns)
        return fail(maker, "no memory left");
    schema->patterns = patterns;
    struct schema_pattern *pattern = &patterns[schema->pattern_count];
    pattern->argument = argument;
    if (regcomp(&pattern->regex, argument->valuestring, REG_EXTENDED | REG_NOSUB) != 0)
        return fail(maker, "not a POSIX extended regular expression");
    schema->pattern_count++;
    return 0;
}

static int check_argument(struct maker *maker, enum schema_argument kind, const cJSON *argument)
{
    switch (kind) {
    case SCHEMA_ANY:
        return 0;
    case SCHEMA_NUMBER:
        return cJSON_IsNumber(argument) ? 0 : fail(maker, "expected a number");
    case SCHEMA_COUNT:
        return json_is_integer(argument) && argument->valuedouble >= 0
                   ? 0
                   : fail(maker, "expected a whole number from 0");
    case SCHEMA_TEXT:
        return cJSON_IsString(argument) ? 0 : fail(maker, "expected a text");
    case SCHEMA_TEXTS:
        return all_texts(argument) ? 0 : fail(maker, "expected an array of texts");
    case SCHEMA_TYPES:
        return known_types(argument) ? 0 : fail(maker, "not a type, or an array of types");
    case SCHEMA_VALUES:
        return cJSON_IsArray(argument) ? 0 : fail(maker, "expected an array");
    case SCHEMA_CLOSED:
        return cJSON_IsFalse(argument) ? 0 : check_node(maker, argument);
    case SCHEMA_NODE:
        return check_node(maker, argument);
    case SCHEMA_NODES:
        return cJSON_IsArray(argument) ? check_nodes(maker, argument, false)
                                       : fail(maker, "expected an array of schemas");
    case SCHEMA_NAMED:
        return cJSON_IsObject(argument) ? check_nodes(maker, argument, true)
                                        : fail(maker, "expected an object of schemas");
    case SCHEMA_REF:
        return cJSON_IsString(argument) && schema_resolve(maker->schema, argument->valuestring)
                   ? 0
                   : fail(maker, "points to nothing under \"#/$defs/\"");
    case SCHEMA_PATTERN:
        return add_pattern(maker, argument);
    }
    return fail(maker, "an unknown kind of argument");
}

static int check_node(struct maker *maker, const cJSON *node)
{
    if (!cJSON_IsObject(node))
        return fail(maker, "expected a schema (an object)");
    const cJSON *argument;
    cJSON_ArrayForEach(argument, node)
    {
        size_t size = maker->path.size;
        json_path_put_key(&maker->path, argument->string);
        const struct schema_keyword *keyword = schema_keyword_find(argument->string);
        if (!keyword)
            return fail(maker, "a keyword that schema.h does not list");
        if (check_argument(maker, keyword->argument, argument) < 0)
            return -1;
        maker->path.size = size;
    }
    return 0;
}

const cJSON *schema_resolve(const struct schema *schema, const char *ref)
{
    static const char prefix[] = "#/$defs/";
    if (strncmp(ref, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    return json_member(schema->defs, ref + sizeof(prefix) - 1);
}

struct schema *schema_create(const char *text, size_t size, const char *name,
                             struct error *ret_error)
{
    struct schema *schema = calloc(1, sizeof(*schema));
    if (!schema) {
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", name);
        return NULL;
    }
    if (json_parse(text, size, name, JSON_STRICT, &schema->root, ret_error) < 0) {
        schema_destroy(schema);
        return NULL;
    }
    schema->defs = json_member(schema->root, "$defs");
    struct maker maker = {.schema = schema, .error = ret_error};
    buf_init(&maker.path, (size_t)JSON_DEPTH_MAX * JSON_PATH_TEXT_MAX);
    buf_append_text(&maker.path, "$");
    int status = check_node(&maker, schema->root);
    buf_fini(&maker.path);
    if (status < 0) {
        error_prefix(ret_error, "%s", name);
        schema_destroy(schema);
        return NULL;
    }
    return schema;
}

void schema_destroy(struct schema *schema)
{
    if (!schema)
        return;
    for (size_t i = 0; i < schema->pattern_count; i++)
        regfree(&schema->patterns[i].regex);
    free(schema->patterns);
    cJSON_Delete(schema->root);
    free(schema);
}
