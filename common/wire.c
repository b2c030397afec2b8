#include "config.h"

#include <endian.h>
#include <string.h>

#include "common/wire.h"

void wire_put_u8(struct buf *buf, uint8_t value)
{
    buf_append(buf, &value, 1);
}

void wire_put_u32(struct buf *buf, uint32_t value)
{
    uint32_t little = htole32(value);
    buf_append(buf, &little, 4);
}

void wire_put_varint(struct buf *buf, uint64_t value)
{
    uint8_t *room = buf_reserve(buf, 10);
    if (!room)
        return;
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        room[size++] = (uint8_t)(value | 0x80);
    room[size++] = (uint8_t)value;
    buf_commit(buf, size);
}

void wire_put_double(struct buf *buf, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    bits = htole64(bits);
    buf_append(buf, &bits, 8);
}

void wire_put_bytes(struct buf *buf, const void *bytes, size_t size)
{
    wire_put_varint(buf, size);
    buf_append(buf, bytes, size);
}

void wire_put_text(struct buf *buf, const char *text)
{
    wire_put_bytes(buf, text, strlen(text));
}

void wire_reader_init(struct wire_reader *reader, const void *bytes, size_t size)
{
    reader->next = bytes;
    reader->end = size ? reader->next + size : reader->next;
    reader->failed = false;
}

size_t wire_left(const struct wire_reader *reader)
{
    return reader->failed ? 0 : (size_t)(reader->end - reader->next);
}

static const uint8_t *take(struct wire_reader *reader, uint64_t size)
{
    if (size > wire_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->next;
    reader->next += size;
    return bytes;
}

uint8_t wire_get_u8(struct wire_reader *reader)
{
    const uint8_t *bytes = take(reader, 1);
    return bytes && !reader->failed ? *bytes : 0;
}

uint32_t wire_get_u32(struct wire_reader *reader)
{
    uint32_t little = 0;
    const uint8_t *bytes = take(reader, 4);
    if (bytes)
        memcpy(&little, bytes, 4);
    return le32toh(little);
}

uint64_t wire_get_varint(struct wire_reader *reader)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const uint8_t *byte = take(reader, 1);
        if (!byte)
            return 0;
        if (shift == 63 && *byte > 1)
            break; /* more than 64 bits */
        value |= (uint64_t)(*byte & 0x7f) << shift;
        if (!(*byte & 0x80))
            return value;
    }
    reader->failed = true;
    return 0;
}

double wire_get_double(struct wire_reader *reader)
{
    uint64_t bits = 0;
    const uint8_t *bytes = take(reader, 8);
    if (bytes)
        memcpy(&bits, bytes, 8);
    bits = le64toh(bits);
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

const void *wire_get_bytes(struct wire_reader *reader, size_t *ret_size)
{
    uint64_t size = wire_get_varint(reader);
    const uint8_t *bytes = take(reader, size);
    *ret_size = bytes ? (size_t)size : 0;
    return bytes;
}
