/*
 * Walks over a valid document: filling in defaults, finding descriptions.
 */
#include "config.h"

#include <string.h>

#include "common/json.h"
#include "common/schema_private.h"

static int fill(const struct schema *schema, const cJSON *node, cJSON *value);

/* A property's own default, or that of what it refers to. */
static const cJSON *default_of(const struct schema *schema, const cJSON *property)
{
    const cJSON *own = json_member(property, "default");
    return own ? own : json_member(schema_follow(schema, property), "default");
}

static int fill_property(const struct schema *schema, const cJSON *property, cJSON *object)
{
    cJSON *member = cJSON_GetObjectItemCaseSensitive(object, property->string);
    const cJSON *fallback = default_of(schema, property);
    if (!member && fallback) {
        member = cJSON_Duplicate(fallback, 1);
        if (!member || !cJSON_AddItemToObject(object, property->string, member)) {
            cJSON_Delete(member);
            return -1;
        }
    }
    return member ? fill(schema, property, member) : 0;
}

static int fill_object(const struct schema *schema, const cJSON *node, cJSON *object)
{
    const cJSON *properties = json_member(node, "properties"), *property;
    cJSON_ArrayForEach(property, properties)
    {
        if (fill_property(schema, property, object) < 0)
            return -1;
    }
    const cJSON *additional = json_member(node, "additionalProperties");
    cJSON *member;
    if (!cJSON_IsObject(additional))
        return 0;
    cJSON_ArrayForEach(member, object)
    {
        if (!json_member(properties, member->string) && fill(schema, additional, member) < 0)
            return -1;
    }
    return 0;
}

static int fill(const struct schema *schema, const cJSON *node, cJSON *value)
{
    if (!cJSON_IsObject(value) && !cJSON_IsArray(value))
        return 0; /* nothing can be missing */
    node = schema_follow(schema, node);
    const cJSON *branch = schema_choose(schema, node, value),
                *items = json_member(node, "items");
    if (branch && fill(schema, branch, value) < 0)
        return -1;
    if (cJSON_IsObject(value))
        return fill_object(schema, node, value);
    if (!cJSON_IsArray(value) || !items)
        return 0;
    cJSON *item;
    cJSON_ArrayForEach(item, value)
    {
        if (fill(schema, items, item) < 0)
            return -1;
    }
    return 0;
}

int schema_fill(const struct schema *schema, cJSON *document, struct error *ret_error)
{
    if (fill(schema, schema->root, document) < 0)
        return error_set(ret_error, ERROR_SYSTEM,
                         "no memory left for the farm file's defaults");
    return 0;
}

/* A search for the node that stands for `wanted`: the printed path so far either is it, or is a
 * beginning of it, or leads elsewhere. */
struct search {
    const struct schema *schema;
    const char *wanted;
    struct buf path;
};

enum leads { LEADS_ELSEWHERE, LEADS_ON, LEADS_HERE };

static enum leads leads(struct search *search)
{
    const char *path = buf_text(&search->path);
    size_t size = search->path.size;
    if (!path || strncmp(path, search->wanted, size) != 0)
        return LEADS_ELSEWHERE;
    char next = search->wanted[size];
    return !next ? LEADS_HERE : next == '.' || next == '[' ? LEADS_ON : LEADS_ELSEWHERE;
}

static const cJSON *find_node(struct search *search, const cJSON *node, const cJSON *value);

static const cJSON *find_step(struct search *search, const cJSON *node, const cJSON *value,
                              size_t size)
{
    enum leads where = leads(search);
    const cJSON *found = where == LEADS_HERE ? node
                         : where == LEADS_ON ? find_node(search, node, value)
                                             : NULL;
    buf_clear(&search->path);
    search->path.size = size;
    return found;
}

static const cJSON *find_property(struct search *search, const cJSON *node, const cJSON *value)
{
    size_t size = search->path.size;
    const cJSON *properties = json_member(node, "properties"), *property, *found = NULL;
    cJSON_ArrayForEach(property, properties)
    {
        json_path_put_key(&search->path, property->string);
        found = find_step(search, property, json_member(value, property->string), size);
        if (found)
            return found;
    }
    const cJSON *additional = json_member(node, "additionalProperties"), *member;
    if (!cJSON_IsObject(additional))
        return NULL;
    for (member = cJSON_IsObject(value) ? value->child : NULL; member && !found;
         member = member->next) {
        json_path_put_key(&search->path, member->string);
        found = find_step(search, additional, member, size);
    }
    return found;
}

static const cJSON *find_node(struct search *search, const cJSON *node, const cJSON *value)
{
    node = schema_follow(search->schema, node);
    const cJSON *branch = value ? schema_choose(search->schema, node, value) : NULL;
    const cJSON *found = branch ? find_node(search, branch, value) : NULL;
    if (!found)
        found = find_property(search, node, value);
    const cJSON *items = json_member(node, "items"), *item;
    size_t size = search->path.size, index = 0;
    for (item = cJSON_IsArray(value) && items ? value->child : NULL; item && !found;
         item = item->next) {
        json_path_put_index(&search->path, index++);
        found = find_step(search, items, item, size);
    }
    return found;
}

const char *schema_describe(const struct schema *schema, const cJSON *document,
                            const char *path)
{
    struct search search = {.schema = schema, .wanted = path};
    buf_init(&search.path, JSON_PATH_TEXT_MAX);
    buf_append_text(&search.path, "$");
    const cJSON *node =
        strcmp(path, "$") ? find_node(&search, schema->root, document) : schema->root;
    buf_fini(&search.path);
    const cJSON *own = json_member(node, "description");
    if (!own)
        own = json_member(schema_follow(schema, node), "description");
    return own ? own->valuestring : NULL;
}
