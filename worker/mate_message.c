#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "worker/mate_message.h"

void mate_begin(struct buf *message, enum mate_message type)
{
    buf_clear(message);
    wire_put_u8(message, (uint8_t)type);
}

char *mate_get_text(struct wire_reader *reader)
{
    size_t size;
    const char *bytes = wire_get_bytes(reader, &size);
    char *text = NULL;
    if (!reader->failed && !(size && memchr(bytes, 0, size)))
        text = size ? strndup(bytes, size) : strdup("");
    reader->failed |= !text;
    return text;
}
