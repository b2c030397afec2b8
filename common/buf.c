#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->failed = false;
}

bool buf_failed(const struct buf *buf)
{
    return buf->failed;
}

static int grow(struct buf *buf, size_t capacity)
{
    if (capacity <= buf->capacity)
        return 0;
    size_t wanted = buf->capacity ? buf->capacity * 2 : 64;
    if (wanted < capacity)
        wanted = capacity;
    uint8_t *data = realloc(buf->data, wanted);
    if (!data) {
        buf->failed = true;
        return -1;
    }
    buf->data = data;
    buf->capacity = wanted;
    return 0;
}

uint8_t *buf_reserve(struct buf *buf, size_t size)
{
    if (buf->failed || size > buf->max - buf->size) {
        buf->failed = true;
        return NULL;
    }
    /* One byte more than asked for, so that buf_text rarely has to move anything. */
    if (grow(buf, buf->size + size + 1) < 0)
        return NULL;
    return buf->data + buf->size;
}

void buf_commit(struct buf *buf, size_t size)
{
    buf->size += size;
}

int buf_append(struct buf *buf, const void *bytes, size_t size)
{
    uint8_t *room = buf_reserve(buf, size);
    if (!room)
        return -1;
    if (size)
        memcpy(room, bytes, size);
    buf_commit(buf, size);
    return 0;
}

int buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t spare = buf->capacity - buf->size; /* mostly that is enough */
    int needed = vsnprintf(spare ? (char *)buf->data + buf->size : NULL, spare, format, args);
    va_end(args);
    uint8_t *room = needed < 0 ? NULL : buf_reserve(buf, (size_t)needed);
    if (room && (size_t)needed >= spare)
        vsnprintf((char *)room, (size_t)needed + 1, format, again);
    if (room)
        buf_commit(buf, (size_t)needed);
    else
        buf->failed = true;
    va_end(again);
    return room ? 0 : -1;
}

void buf_consume(struct buf *buf, size_t size)
{
    if (size >= buf->size) {
        buf->size = 0;
        return;
    }
    memmove(buf->data, buf->data + size, buf->size - size);
    buf->size -= size;
}

const char *buf_text(struct buf *buf)
{
    if (grow(buf, buf->size + 1) < 0)
        return NULL;
    buf->data[buf->size] = 0;
    return (const char *)buf->data;
}
