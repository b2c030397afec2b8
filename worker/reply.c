#include "config.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "worker/reply.h"

#define QUOTED_MAX 120 /* bytes of a bad line that its error quotes */

struct column {
    const char *name;
    size_t size;
};

struct reply_reader {
    struct column *columns;
    size_t count;
    size_t expected; /* the column that probably comes next */
    struct value *values;
    bool *given;
    struct reply_text *outputs;
    size_t output_count, output_capacity;
    cJSON *root; /* of the last reply that the scanner could not read */
};

struct reply_reader *reply_reader_create(const cJSON *names, struct error *ret_error)
{
    const cJSON *item;
    size_t count = (size_t)cJSON_GetArraySize(names);
    struct reply_reader *reader = calloc(1, sizeof(*reader));
    if (reader) {
        reader->columns = calloc(count + 1, sizeof(*reader->columns));
        reader->values = calloc(count + 1, sizeof(*reader->values));
        reader->given = calloc(count + 1, sizeof(*reader->given));
    }
    if (!reader || !reader->columns || !reader->values || !reader->given) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for reading replies");
        reply_reader_destroy(reader);
        return NULL;
    }
    cJSON_ArrayForEach(item, names)
    {
        const char *name = cJSON_IsString(item) ? item->valuestring : "";
        reader->columns[reader->count++] = (struct column){name, strlen(name)};
    }
    return reader;
}

void reply_reader_destroy(struct reply_reader *reader)
{
    if (!reader)
        return;
    cJSON_Delete(reader->root);
    free(reader->columns);
    free(reader->values);
    free(reader->given);
    free(reader->outputs);
    free(reader);
}

const char *reply_reader_name(const struct reply_reader *reader, size_t column)
{
    return reader->columns[column].name;
}

static void set_value(struct reply_reader *reader, const char *name, size_t size,
                      const struct value *value)
{
    for (size_t i = 0; i < reader->count; i++) {
        size_t column = reader->expected;
        reader->expected = column + 1 < reader->count ? column + 1 : 0;
        if (reader->columns[column].size != size ||
            memcmp(reader->columns[column].name, name, size) != 0)
            continue;
        reader->values[column] = *value;
        reader->given[column] = true;
        return;
    }
    /* A value that is no column: the model may say more than was asked for. */
}

static int add_output(struct reply_reader *reader, const char *text, size_t size)
{
    if (reader->output_count == reader->output_capacity) {
        size_t wanted = reader->output_capacity * 2 + 16;
        void *grown = realloc(reader->outputs, wanted * sizeof(*reader->outputs));
        if (!grown || reader->output_count >= REPLY_OUTPUTS_MAX)
            return -1;
        reader->outputs = grown;
        reader->output_capacity = wanted;
    }
    reader->outputs[reader->output_count++] = (struct reply_text){text, size};
    return 0;
}

/* --- The scanner: true and past the thing, or false: let the other reader decide --- */

struct scan {
    struct reply_reader *reader;
    struct reply *reply;
    const char *next, *end;
    bool has_task, has_ok;
};

static void skip_blanks(struct scan *scan)
{
    while (scan->next < scan->end &&
           (*scan->next == ' ' || *scan->next == '\t' || *scan->next == '\r'))
        scan->next++;
}

static bool scan_sign(struct scan *scan, char sign)
{
    skip_blanks(scan);
    if (scan->next == scan->end || *scan->next != sign)
        return false;
    scan->next++;
    return true;
}

static bool scan_word(struct scan *scan, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(scan->end - scan->next) < size || memcmp(scan->next, word, size) != 0)
        return false;
    scan->next += size;
    return true;
}

/* A string of plain ASCII without escapes. */
static bool scan_string(struct scan *scan, const char **ret_text, size_t *ret_size)
{
    if (!scan_sign(scan, '"'))
        return false;
    const char *start = scan->next;
    for (; scan->next < scan->end; scan->next++) {
        unsigned char c = (unsigned char)*scan->next;
        if (c == '"') {
            *ret_text = start;
            *ret_size = (size_t)(scan->next++ - start);
            return true;
        }
        if (c < 0x20 || c >= 0x7f || c == '\\')
            return false;
    }
    return false;
}

/* The end of a JSON number at text, NULL if there is none; *ret_whole if it has only digits. */
static const char *number_end(const char *text, const char *end, bool *ret_whole)
{
    const char *c = text + (text < end && *text == '-');
    *ret_whole = true;
    if (c == end || !isdigit((unsigned char)*c))
        return NULL;
    if (*c == '0' && c + 1 < end && isdigit((unsigned char)c[1]))
        return NULL;
    while (c < end && isdigit((unsigned char)*c))
        c++;
    if (c < end && *c == '.') {
        const char *digits = ++c;
        *ret_whole = false;
        while (c < end && isdigit((unsigned char)*c))
            c++;
        if (c == digits)
            return NULL;
    }
    if (c < end && (*c == 'e' || *c == 'E')) {
        *ret_whole = false;
        c++;
        c += c < end && (*c == '+' || *c == '-');
        const char *digits = c;
        while (c < end && isdigit((unsigned char)*c))
            c++;
        if (c == digits)
            return NULL;
    }
    return c;
}

static bool scan_number(struct scan *scan, struct value *value)
{
    bool whole;
    const char *end = number_end(scan->next, scan->end, &whole);
    if (!end)
        return false;
    if (whole && end - scan->next <= 18) {
        bool negative = *scan->next == '-';
        int64_t integer = 0;
        for (const char *c = scan->next + negative; c < end; c++)
            integer = integer * 10 + (*c - '0');
        *value =
            (struct value){.kind = VALUE_INTEGER, .integer = negative ? -integer : integer};
    } else {
        /* The newline, or what follows the number, stops strtod. */
        *value = (struct value){.kind = VALUE_REAL, .real = strtod(scan->next, NULL)};
    }
    scan->next = end;
    return true;
}

static bool scan_value(struct scan *scan, struct value *value)
{
    skip_blanks(scan);
    *value = (struct value){.kind = VALUE_NONE};
    if (scan->next == scan->end)
        return false;
    switch (*scan->next) {
    case '"':
        value->kind = VALUE_TEXT;
        return scan_string(scan, &value->text, &value->text_size) &&
               value->text_size <= VALUE_TEXT_MAX;
    case 'n':
        return scan_word(scan, "null");
    case 't':
        *value = (struct value){.kind = VALUE_TEXT, .text = "true", .text_size = 4};
        return scan_word(scan, "true");
    case 'f':
        *value = (struct value){.kind = VALUE_TEXT, .text = "false", .text_size = 5};
        return scan_word(scan, "false");
    case 'N': /* not JSON, but what Python's json.dumps writes for these */
        *value = (struct value){.kind = VALUE_REAL, .real = NAN};
        return scan_word(scan, "NaN");
    case 'I':
        *value = (struct value){.kind = VALUE_REAL, .real = INFINITY};
        return scan_word(scan, "Infinity");
    case '-':
        if (scan->next + 1 < scan->end && scan->next[1] == 'I') {
            *value = (struct value){.kind = VALUE_REAL, .real = -INFINITY};
            return scan_word(scan, "-Infinity");
        }
        return scan_number(scan, value);
    default:
        return scan_number(scan, value);
    }
}

static bool scan_values(struct scan *scan)
{
    struct value value;
    const char *name;
    size_t size;
    if (!scan_sign(scan, '{'))
        return false;
    if (scan_sign(scan, '}'))
        return true;
    do {
        if (!scan_string(scan, &name, &size) || !scan_sign(scan, ':') ||
            !scan_value(scan, &value))
            return false;
        set_value(scan->reader, name, size, &value);
    } while (scan_sign(scan, ','));
    return scan_sign(scan, '}');
}

static bool scan_outputs(struct scan *scan)
{
    const char *text;
    size_t size;
    if (!scan_sign(scan, '['))
        return false;
    if (scan_sign(scan, ']'))
        return true;
    do {
        if (!scan_string(scan, &text, &size) || add_output(scan->reader, text, size) < 0)
            return false;
    } while (scan_sign(scan, ','));
    return scan_sign(scan, ']');
}

static bool scan_task(struct scan *scan)
{
    struct value value;
    if (!scan_value(scan, &value) || value.kind != VALUE_INTEGER || value.integer < 1)
        return false;
    scan->reply->task = (uint64_t)value.integer;
    scan->has_task = true;
    return true;
}

static bool scan_ok(struct scan *scan)
{
    skip_blanks(scan);
    scan->has_ok = true;
    scan->reply->ok = scan->next < scan->end && *scan->next == 't';
    return scan_word(scan, scan->reply->ok ? "true" : "false");
}

static bool is_key(const char *key, size_t size, const char *name)
{
    return strlen(name) == size && memcmp(key, name, size) == 0;
}

static bool scan_member(struct scan *scan)
{
    const char *key;
    size_t size;
    if (!scan_string(scan, &key, &size) || !scan_sign(scan, ':'))
        return false;
    if (is_key(key, size, "task"))
        return !scan->has_task && scan_task(scan);
    if (is_key(key, size, "ok"))
        return !scan->has_ok && scan_ok(scan);
    if (is_key(key, size, "values"))
        return scan_values(scan);
    if (is_key(key, size, "outputs"))
        return scan_outputs(scan);
    if (is_key(key, size, "error"))
        return scan_string(scan, &scan->reply->error.text, &scan->reply->error.size);
    return false;
}

static bool scan_reply(struct scan *scan)
{
    if (!scan_sign(scan, '{'))
        return false;
    do {
        if (!scan_member(scan))
            return false;
    } while (scan_sign(scan, ','));
    if (!scan_sign(scan, '}') || !scan->has_task || !scan->has_ok)
        return false;
    skip_blanks(scan);
    return scan->next == scan->end;
}

/* --- The other reader --- */

static struct value take_value(const cJSON *item)
{
    if (json_is_integer(item))
        return (struct value){.kind = VALUE_INTEGER, .integer = (int64_t)item->valuedouble};
    if (cJSON_IsNumber(item))
        return (struct value){.kind = VALUE_REAL, .real = item->valuedouble};
    if (cJSON_IsNull(item))
        return (struct value){.kind = VALUE_NONE};
    const char *text =
        cJSON_IsBool(item) ? (cJSON_IsTrue(item) ? "true" : "false") : item->valuestring;
    return (struct value){.kind = VALUE_TEXT, .text = text, .text_size = strlen(text)};
}

static int take_values(struct reply_reader *reader, const cJSON *list, struct error *ret_error)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsObject(item) || cJSON_IsArray(item))
            return error_set(ret_error, ERROR_TASKS, "the value \"%s\" is %s", item->string,
                             json_type_name(item));
        struct value value = take_value(item);
        if (value.kind == VALUE_TEXT && value.text_size > VALUE_TEXT_MAX)
            return error_set(ret_error, ERROR_TASKS, "the value \"%s\" is longer than %d bytes",
                             item->string, VALUE_TEXT_MAX);
        set_value(reader, item->string, strlen(item->string), &value);
    }
    return 0;
}

static int take_outputs(struct reply_reader *reader, const cJSON *list, struct error *ret_error)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return error_set(ret_error, ERROR_TASKS, "\"outputs\" must be texts");
        if (add_output(reader, item->valuestring, strlen(item->valuestring)) < 0)
            return error_set(ret_error, ERROR_TASKS, "there are too many outputs");
    }
    return 0;
}

static int take_reply(struct reply_reader *reader, const cJSON *root, struct reply *reply,
                      struct error *ret_error)
{
    const cJSON *values, *outputs;
    const char *error;
    int64_t task;
    if (!cJSON_IsObject(root))
        return error_set(ret_error, ERROR_TASKS, "it is %s, not an object",
                         json_type_name(root));
    const cJSON *ok = json_member(root, "ok");
    if (json_get_integer(root, "$", "task", 0, &task, ret_error) < 0 ||
        json_get_text(root, "$", "error", "", &error, ret_error) < 0 ||
        json_get_object(root, "$", "values", &values, ret_error) < 0 ||
        json_get_array(root, "$", "outputs", &outputs, ret_error) < 0)
        return -1;
    if (task < 1 || !cJSON_IsBool(ok))
        return error_set(ret_error, ERROR_TASKS,
                         "it lacks \"task\" (a number) or \"ok\" (true or "
                         "false)");
    reply->task = (uint64_t)task;
    reply->ok = cJSON_IsTrue(ok);
    reply->error = (struct reply_text){error, strlen(error)};
    if (take_values(reader, values, ret_error) < 0 ||
        take_outputs(reader, outputs, ret_error) < 0)
        return -1;
    return 0;
}

static int refuse(const char *line, size_t size, struct error *ret_error)
{
    char quoted[QUOTED_MAX + 1];
    size_t length = size < QUOTED_MAX ? size : QUOTED_MAX;
    struct error cause = *ret_error;
    for (size_t i = 0; i < length; i++)
        quoted[i] = isprint((unsigned char)line[i]) ? line[i] : '?';
    quoted[length] = 0;
    return error_set(
        ret_error, ERROR_TASKS,
        "the runner wrote a line to standard output that is no reply: \"%s%s\" (%s); "
        "standard output is for replies alone, so messages must go to standard error",
        quoted, length < size ? "..." : "", cause.text);
}

static void clear(struct reply_reader *reader, struct reply *reply)
{
    memset(reader->values, 0, reader->count * sizeof(*reader->values));
    memset(reader->given, 0, reader->count * sizeof(*reader->given));
    reader->output_count = 0;
    reader->expected = 0;
    *reply = (struct reply){0};
}

int reply_read(struct reply_reader *reader, const char *line, size_t size,
               struct reply *ret_reply, struct error *ret_error)
{
    struct error local;
    struct reply reply;
    struct scan scan = {.reader = reader, .reply = &reply, .next = line, .end = line + size};
    ret_error = ret_error ? ret_error : &local;
    clear(reader, &reply);
    if (!scan_reply(&scan)) {
        clear(reader, &reply);
        cJSON_Delete(reader->root);
        reader->root = NULL;
        if (json_parse(line, size, "line", JSON_STRICT, &reader->root, ret_error) < 0 ||
            take_reply(reader, reader->root, &reply, ret_error) < 0)
            return refuse(line, size, ret_error);
    }
    reply.values = reader->values;
    reply.given = reader->given;
    reply.value_count = reader->count;
    reply.outputs = reader->outputs;
    reply.output_count = reader->output_count;
    *ret_reply = reply;
    return 0;
}

/* --- Tasks --- */

static void put_integer(struct buf *buf, int64_t integer)
{
    char text[24], *c = text + sizeof(text);
    uint64_t left = integer < 0 ? -(uint64_t)integer : (uint64_t)integer;
    do
        *--c = (char)('0' + left % 10);
    while (left /= 10);
    if (integer < 0)
        *--c = '-';
    buf_append(buf, c, (size_t)(text + sizeof(text) - c));
}

/* A text that reads as a JSON number is sent as one: a CSV file has no types. */
static void put_param(struct buf *buf, const struct value *value,
                      const struct template_text *text)
{
    bool whole;
    if (value->kind == VALUE_NONE) {
        buf_append_text(buf, "null");
    } else if (value->kind == VALUE_INTEGER) {
        put_integer(buf, value->integer);
    } else if ((value->kind == VALUE_REAL && isfinite(value->real)) ||
               (value->kind == VALUE_TEXT && text->size < 64 &&
                number_end(text->text, text->text + text->size, &whole) ==
                    text->text + text->size)) {
        buf_append(buf, text->text, text->size);
    } else {
        json_put_text(buf, text->text, text->size);
    }
}

int reply_put_task(struct buf *buf, struct attempt_id id, const struct params *params,
                   const char *dir)
{
    buf_append(buf, "{\"task\":", 8);
    put_integer(buf, (int64_t)id.task);
    buf_append(buf, ",\"attempt\":", 11);
    put_integer(buf, id.attempt);
    buf_append(buf, ",\"params\":{", 11);
    for (size_t i = 0; i < params->count; i++) {
        if (i)
            buf_append(buf, ",", 1);
        json_put_text(buf, params->names[i], strlen(params->names[i]));
        buf_append(buf, ":", 1);
        put_param(buf, &params->values[i], &params->texts[i]);
    }
    buf_append(buf, "}", 1);
    if (dir) {
        buf_append(buf, ",\"dir\":", 7);
        json_put_text(buf, dir, strlen(dir));
    }
    return buf_append(buf, "}\n", 2);
}
