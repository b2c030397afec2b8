#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/values.h"
#include "common/wire.h"

static bool is_text(const char *text, size_t size)
{
    return size <= VALUE_TEXT_MAX && !(size && memchr(text, 0, size));
}

int values_encode(struct buf *buf, const struct value *values, size_t count)
{
    if (count > VALUES_MAX) {
        buf->failed = true;
        return -1;
    }
    wire_put_varint(buf, count);
    for (size_t i = 0; i < count; i++) {
        const struct value *v = &values[i];
        wire_put_u8(buf, (uint8_t)v->kind);
        if (v->kind == VALUE_INTEGER) /* zigzag: small negative numbers stay short */
            wire_put_varint(buf, ((uint64_t)v->integer << 1) ^ (uint64_t)(v->integer >> 63));
        else if (v->kind == VALUE_REAL)
            wire_put_double(buf, v->real);
        else if (v->kind == VALUE_TEXT && is_text(v->text, v->text_size))
            wire_put_bytes(buf, v->text, v->text_size);
        else if (v->kind == VALUE_TEXT)
            buf->failed = true;
    }
    return buf_failed(buf) ? -1 : 0;
}

static int decode_one(struct wire_reader *reader, struct value *value)
{
    *value = (struct value){.kind = wire_get_u8(reader)};
    uint64_t zigzag;
    switch (value->kind) {
    case VALUE_NONE:
        break;
    case VALUE_INTEGER:
        zigzag = wire_get_varint(reader);
        value->integer = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
        break;
    case VALUE_REAL:
        value->real = wire_get_double(reader);
        break;
    case VALUE_TEXT:
        value->text = wire_get_bytes(reader, &value->text_size);
        if (!is_text(value->text, value->text_size))
            return -1;
        break;
    default:
        return -1;
    }
    return reader->failed ? -1 : 0;
}

int values_decode(const void *bytes, size_t size, struct value **ret_values, size_t *ret_count,
                  struct error *ret_error)
{
    struct wire_reader reader;
    wire_reader_init(&reader, bytes, size);
    uint64_t count = wire_get_varint(&reader);
    /* Each value takes a byte at least, so a count larger than what is left is a lie. */
    if (reader.failed || count > VALUES_MAX || count > wire_left(&reader))
        return error_set(ret_error, ERROR_NETWORK, "a list of values has a bad count");
    struct value *values = count ? calloc(count, sizeof(*values)) : NULL;
    if (count && !values)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu values", (size_t)count);
    for (size_t i = 0; i < count; i++)
        if (decode_one(&reader, &values[i]) < 0) {
            free(values);
            return error_set(ret_error, ERROR_NETWORK, "value %zu of a list is damaged", i + 1);
        }
    if (wire_left(&reader)) {
        free(values);
        return error_set(ret_error, ERROR_NETWORK, "%zu bytes follow a list of values",
                         wire_left(&reader));
    }
    *ret_values = values;
    *ret_count = count;
    return 0;
}

int values_encode_reals(struct buf *buf, const double *reals, size_t count)
{
    if (count > VALUES_MAX) {
        buf->failed = true;
        return -1;
    }
    wire_put_varint(buf, count);
    for (size_t i = 0; i < count; i++) {
        wire_put_u8(buf, VALUE_REAL);
        wire_put_double(buf, reals[i]);
    }
    return buf_failed(buf) ? -1 : 0;
}

int values_decode_reals(const void *bytes, size_t size, double *reals, size_t count,
                        struct error *ret_error)
{
    struct wire_reader reader;
    wire_reader_init(&reader, bytes, size);
    uint64_t found = wire_get_varint(&reader);
    if (reader.failed || found != count)
        return error_set(ret_error, ERROR_NETWORK, "a list has %llu values instead of %zu",
                         (unsigned long long)found, count);
    for (size_t i = 0; i < count; i++) {
        struct value value;
        if (decode_one(&reader, &value) < 0)
            return error_set(ret_error, ERROR_NETWORK, "value %zu of a list is damaged", i + 1);
        if (value.kind != VALUE_REAL && value.kind != VALUE_INTEGER)
            return error_set(ret_error, ERROR_NETWORK, "value %zu of a list is no number",
                             i + 1);
        reals[i] = value.kind == VALUE_REAL ? value.real : (double)value.integer;
    }
    if (wire_left(&reader))
        return error_set(ret_error, ERROR_NETWORK, "%zu bytes follow a list of values",
                         wire_left(&reader));
    return 0;
}

int value_format_real(double real, char *text)
{
    if (isnan(real))
        return snprintf(text, VALUE_NUMBER_MAX, "nan");
    if (isinf(real))
        return snprintf(text, VALUE_NUMBER_MAX, "%s", real < 0 ? "-inf" : "inf");
    int length = 0;
    for (int digits = 15; digits <= 17; digits++) {
        length = snprintf(text, VALUE_NUMBER_MAX, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    return length;
}

int value_format(struct buf *buf, const struct value *value)
{
    char number[VALUE_NUMBER_MAX];
    switch (value->kind) {
    case VALUE_INTEGER:
        return buf_printf(buf, "%lld", (long long)value->integer);
    case VALUE_REAL:
        return buf_append(buf, number, (size_t)value_format_real(value->real, number));
    case VALUE_TEXT:
        return buf_append(buf, value->text, value->text_size);
    default:
        return 0;
    }
}
