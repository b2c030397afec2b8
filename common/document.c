/*
 * A document goes through four steps: JSON with comments, the schema, the kind's rules, and the
 * schema's defaults. Rules look only at documents that are valid against the schema, so they need
 * not ask for types.
 */
#include "config.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/document.h"
#include "common/json.h"
#include "common/schema.h"

void document_note(struct document_rules *rules, const char *path, const char *sentence)
{
    rules->count++;
    rules->report(rules->context, path, sentence);
}

struct schema *document_schema_create(const struct document_kind *kind, struct error *ret_error)
{
    return schema_create((const char *)kind->schema, *kind->schema_size, kind->schema_name,
                         ret_error);
}

/* Turns the mistakes of a document into full sentences. */
struct collector {
    const char *name;
    void (*report)(void *context, const char *sentence);
    void *context;
};

static void collect(void *context, const char *path, const char *sentence)
{
    struct collector *collector = context;
    struct error full;
    error_set(&full, ERROR_CONFIG, "%s: %s: %s", collector->name, path, sentence);
    if (collector->report)
        collector->report(collector->context, full.text);
}

/* How many mistakes, by the schema, then by the rules; or -1. */
static int check(const struct document_kind *kind, const struct schema *schema, cJSON *root,
                 struct collector *collector, struct error *ret_error)
{
    struct document_rules rules = {.report = collect, .context = collector};
    size_t count = schema_check(schema, root, collect, collector);
    if (count == SIZE_MAX)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to check %s", collector->name);
    if (!count) {
        kind->check(&rules, root);
        count = rules.count;
    }
    return count > INT_MAX ? INT_MAX : (int)count;
}

int document_check(const struct document_kind *kind, const char *text, size_t size,
                   const char *name, void (*report)(void *context, const char *sentence),
                   void *context, cJSON **ret_root, struct error *ret_error)
{
    struct collector collector = {.name = name, .report = report, .context = context};
    cJSON *root;
    if (json_parse(text, size, name, JSON_COMMENTS, &root, ret_error) < 0)
        return -1;
    struct schema *schema = document_schema_create(kind, ret_error);
    int status = schema ? check(kind, schema, root, &collector, ret_error) : -1;
    if (!status)
        status = schema_fill(schema, root, ret_error);
    schema_destroy(schema);
    if (status)
        cJSON_Delete(root);
    else
        *ret_root = root;
    return status;
}

/* Keeps the first mistake. */
static void keep_first(void *context, const char *sentence)
{
    struct error *first = context;
    if (!first->code)
        error_set(first, ERROR_CONFIG, "%s", sentence);
}

int document_parse(const struct document_kind *kind, const char *text, size_t size,
                   const char *name, cJSON **ret_root, struct error *ret_error)
{
    struct error first = {0};
    int count = document_check(kind, text, size, name, keep_first, &first, ret_root, ret_error);
    /* However long the first sentence is, how many more there are stays to be read. */
    if (count > 1)
        return error_set(ret_error, ERROR_CONFIG, "%.900s (and %d more%s)", first.text,
                         count - 1, kind->remedy);
    if (count == 1)
        return error_set(ret_error, ERROR_CONFIG, "%s", first.text);
    return count;
}

int document_read(const struct document_kind *kind, const char *path, cJSON **ret_root,
                  struct error *ret_error)
{
    char *text;
    size_t size;
    if (json_read_text(path, JSON_SIZE_MAX, &text, &size, ret_error) < 0)
        return -1;
    int status = document_parse(kind, text, size, path, ret_root, ret_error);
    free(text);
    return status;
}
