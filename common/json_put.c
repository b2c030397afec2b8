#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/values.h"
#include "common/whole.h"

/* The well-formed sequences of Unicode 15, table 3-7. */
size_t json_utf8_size(const void *text, size_t size)
{
    const uint8_t *byte = text;
    if (byte[0] < 0x80)
        return 1;
    size_t wanted = byte[0] >= 0xc2 && byte[0] <= 0xdf   ? 2
                    : byte[0] >= 0xe0 && byte[0] <= 0xef ? 3
                    : byte[0] >= 0xf0 && byte[0] <= 0xf4 ? 4
                                                         : 0;
    if (!wanted || wanted > size)
        return 0;
    uint8_t low = byte[0] == 0xe0 ? 0xa0 : byte[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = byte[0] == 0xed ? 0x9f : byte[0] == 0xf4 ? 0x8f : 0xbf;
    if (byte[1] < low || byte[1] > high)
        return 0;
    for (size_t i = 2; i < wanted; i++) {
        if (byte[i] < 0x80 || byte[i] > 0xbf)
            return 0;
    }
    return wanted;
}

static void put_escaped(struct buf *buf, uint8_t c)
{
    static const char letters[] = "btnvfr"; /* 8 to 13 */
    if (c == '"' || c == '\\')
        buf_printf(buf, "\\%c", c);
    else if (c >= 8 && c <= 13 && c != 11)
        buf_printf(buf, "\\%c", letters[c - 8]);
    else
        buf_printf(buf, "\\u%04x", c);
}

/* U+2028 and U+2029 end lines in JavaScript and in some readers of JSON lines. */
static bool is_line_separator(const uint8_t *at, size_t length)
{
    return length == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9);
}

int json_put_text(struct buf *buf, const void *text, size_t size)
{
    const uint8_t *at = text, *end = at + size;
    buf_append(buf, "\"", 1);
    while (at < end && !buf_failed(buf)) {
        const uint8_t *run = at;
        while (at < end && *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
            at++;
        buf_append(buf, run, (size_t)(at - run));
        if (at == end)
            break;
        size_t length = json_utf8_size(at, (size_t)(end - at));
        if (length == 1)
            put_escaped(buf, *at);
        else if (length == 0)
            buf_append(buf, "\xEF\xBF\xBD", 3);
        else if (is_line_separator(at, length))
            buf_append_text(buf, at[2] == 0xa8 ? "\\u2028" : "\\u2029");
        else
            buf_append(buf, at, length);
        at += length ? length : 1;
    }
    return buf_append(buf, "\"", 1);
}

int json_put_real(struct buf *buf, double real)
{
    char text[VALUE_NUMBER_MAX];
    if (!isfinite(real))
        return buf_append_text(buf, "null");
    int length = value_format_real(real, text);
    return buf_append(buf, text, (size_t)length);
}

static void put_item(struct buf *buf, const cJSON *item, unsigned indent, unsigned depth);

static void put_line_end(struct buf *buf, unsigned indent, unsigned depth)
{
    if (indent)
        buf_printf(buf, "\n%*s", (int)(indent * depth), "");
}

static void put_children(struct buf *buf, const cJSON *item, unsigned indent, unsigned depth)
{
    bool object = cJSON_IsObject(item);
    buf_append_text(buf, object ? "{" : "[");
    const cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        if (child != item->child)
            buf_append_text(buf, ",");
        put_line_end(buf, indent, depth + 1);
        if (object) {
            json_put_text(buf, child->string, strlen(child->string));
            buf_append_text(buf, indent ? ": " : ":");
        }
        put_item(buf, child, indent, depth + 1);
    }
    if (item->child)
        put_line_end(buf, indent, depth);
    buf_append_text(buf, object ? "}" : "]");
}

static void put_item(struct buf *buf, const cJSON *item, unsigned indent, unsigned depth)
{
    if (cJSON_IsObject(item) || cJSON_IsArray(item))
        put_children(buf, item, indent, depth);
    else if (cJSON_IsString(item))
        json_put_text(buf, item->valuestring, strlen(item->valuestring));
    else if (cJSON_IsNumber(item))
        json_put_real(buf, item->valuedouble);
    else
        buf_append_text(buf, cJSON_IsTrue(item)    ? "true"
                             : cJSON_IsFalse(item) ? "false"
                                                   : "null");
}

int json_put(struct buf *buf, const cJSON *item, unsigned indent)
{
    put_item(buf, item, indent, 0);
    return buf_failed(buf) ? -1 : 0;
}

int json_write_file(const char *path, const cJSON *item, unsigned indent,
                    struct error *ret_error)
{
    struct buf text;
    buf_init(&text, JSON_SIZE_MAX);
    int rc = json_put(&text, item, indent) == 0
                 ? whole_write(path, text.data, text.size, ret_error)
                 : error_set(ret_error, ERROR_SYSTEM, "%s: no memory for its text", path);
    buf_fini(&text);
    return rc;
}

/* Cut text at size bytes, at the end of a character, with an ellipsis in ASCII. */
static void cut(char *text, size_t size)
{
    size_t end = size - 4;
    while (end && ((uint8_t)text[end] & 0xc0) == 0x80)
        end--;
    memcpy(text + end, "...", 4);
}

char *json_excerpt(const cJSON *item, char *text, size_t size)
{
    const char *kind = cJSON_IsObject(item)  ? "an object"
                       : cJSON_IsArray(item) ? "an array"
                                             : NULL;
    if (!item || kind) {
        snprintf(text, size, "%s", kind ? kind : "nothing");
        return text;
    }
    struct buf buf;
    buf_init(&buf, 8 * size + 16);
    if (cJSON_IsString(item))
        json_put_text(&buf, item->valuestring, strnlen(item->valuestring, size));
    else if (cJSON_IsNumber(item))
        buf_printf(&buf, "%.15g", item->valuedouble);
    else
        buf_append_text(&buf, cJSON_IsNull(item)   ? "null"
                              : cJSON_IsTrue(item) ? "true"
                                                   : "false");
    const char *whole = buf_text(&buf);
    if (snprintf(text, size, "%s", whole ? whole : "?") >= (int)size && size > 4)
        cut(text, size);
    buf_fini(&buf);
    return text;
}
