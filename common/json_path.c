/*
 * Paths are compiled to a list of steps, a key or an index each, so that a path that is looked up
 * in every result is parsed once.
 */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

struct step {
    char *key; /* NULL: an index */
    int index;
};

struct json_path {
    struct step *steps;
    size_t count;
};

const cJSON *json_member(const cJSON *object, const char *key)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

struct parser {
    const char *text;
    const char *at;
    struct error *error;
};

static int fail(const struct parser *parser, const char *sentence)
{
    return error_set(parser->error, ERROR_CONFIG, "JSON path %.200s: at character %zu: %s",
                     parser->text, (size_t)(parser->at - parser->text) + 1, sentence);
}

static bool plain_first(int c)
{
    return isalpha(c) || c == '_' || c >= 0x80;
}

static bool plain(int c)
{
    return plain_first(c) || isdigit(c) || c == '-';
}

static struct step *add_step(struct json_path *path)
{
    struct step *steps = realloc(path->steps, (path->count + 1) * sizeof(*steps));
    if (!steps)
        return NULL;
    path->steps = steps;
    steps[path->count] = (struct step){0};
    return &steps[path->count++];
}

static int parse_plain_key(struct parser *parser, struct step *step)
{
    const char *start = ++parser->at;
    if (!plain_first((unsigned char)*start) && !isdigit((unsigned char)*start))
        return fail(parser, "expected a key after the dot; quote unusual ones: [\"a key\"]");
    while (plain((unsigned char)*parser->at))
        parser->at++;
    step->key = strndup(start, (size_t)(parser->at - start));
    return step->key ? 0 : fail(parser, "no memory left");
}

static int parse_quoted_key(struct parser *parser, struct step *step)
{
    char quote = *parser->at++;
    char *out = step->key = malloc(strlen(parser->at) + 1);
    if (!out)
        return fail(parser, "no memory left");
    while (*parser->at && *parser->at != quote) {
        if (*parser->at == '\\' && parser->at[1])
            parser->at++;
        *out++ = *parser->at++;
    }
    *out = 0;
    if (!*parser->at)
        return fail(parser, "this quoted key has no end");
    parser->at++;
    return 0;
}

static int parse_index(struct parser *parser, struct step *step)
{
    long index = 0;
    if (!isdigit((unsigned char)*parser->at))
        return fail(parser, "expected an index from 0, or a quoted key");
    while (isdigit((unsigned char)*parser->at)) {
        index = index * 10 + (*parser->at++ - '0');
        if (index > 1000000000)
            return fail(parser, "the index is over 1000000000");
    }
    step->index = (int)index;
    return 0;
}

static int parse_step(struct parser *parser, struct json_path *path)
{
    struct step *step = add_step(path);
    if (!step)
        return fail(parser, "no memory left");
    if (*parser->at == '.')
        return parse_plain_key(parser, step);
    if (*parser->at != '[')
        return fail(parser, "expected .key or [index]");
    parser->at++;
    bool quoted = *parser->at == '"' || *parser->at == '\'';
    if ((quoted ? parse_quoted_key(parser, step) : parse_index(parser, step)) < 0)
        return -1;
    if (*parser->at != ']')
        return fail(parser, "expected ]");
    parser->at++;
    return 0;
}

struct json_path *json_path_create(const char *text, struct error *ret_error)
{
    struct parser parser = {.text = text, .at = text, .error = ret_error};
    if (strlen(text) > JSON_PATH_TEXT_MAX) {
        error_set(ret_error, ERROR_CONFIG, "a JSON path of more than %d bytes",
                  JSON_PATH_TEXT_MAX);
        return NULL;
    }
    if (*text != '$') {
        fail(&parser, "a path begins with $");
        return NULL;
    }
    struct json_path *path = calloc(1, sizeof(*path));
    if (!path) {
        fail(&parser, "no memory left");
        return NULL;
    }
    parser.at++;
    while (*parser.at) {
        if (parse_step(&parser, path) < 0) {
            json_path_destroy(path);
            return NULL;
        }
    }
    return path;
}

void json_path_destroy(struct json_path *path)
{
    if (!path)
        return;
    for (size_t i = 0; i < path->count; i++)
        free(path->steps[i].key);
    free(path->steps);
    free(path);
}

const cJSON *json_path_find(const struct json_path *path, const cJSON *root)
{
    const cJSON *item = root;
    for (size_t i = 0; item && i < path->count; i++) {
        const struct step *step = &path->steps[i];
        if (step->key)
            item = json_member(item, step->key);
        else
            item = cJSON_IsArray(item) ? cJSON_GetArrayItem(item, step->index) : NULL;
    }
    return item;
}

void json_path_put_key(struct buf *buf, const char *key)
{
    bool simple = plain_first((unsigned char)*key);
    for (const char *at = key; simple && *at; at++)
        simple = plain((unsigned char)*at);
    if (simple) {
        buf_append_text(buf, ".");
        buf_append_text(buf, key);
        return;
    }
    buf_append_text(buf, "[");
    json_put_text(buf, key, strlen(key));
    buf_append_text(buf, "]");
}

void json_path_put_index(struct buf *buf, size_t index)
{
    char text[24], *first = text + sizeof(text); /* by hand: for each item of long arrays */
    *--first = ']';
    do
        *--first = (char)('0' + index % 10);
    while (index /= 10);
    *--first = '[';
    buf_append(buf, first, (size_t)(text + sizeof(text) - first));
}
