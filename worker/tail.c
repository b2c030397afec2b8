/* Bytes gather up to twice the bound; then the older half is dropped. So each byte is moved at
 * most once, however small the pieces are. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "worker/tail.h"

void tail_init(struct tail *tail, size_t max)
{
    *tail = (struct tail){.max = max};
}

void tail_fini(struct tail *tail)
{
    free(tail->bytes);
    tail_init(tail, tail->max);
}

void tail_clear(struct tail *tail)
{
    tail->size = 0;
}

void tail_add(struct tail *tail, const char *bytes, size_t size)
{
    tail->total += size;
    if (!size || (!tail->bytes && !(tail->bytes = malloc(tail->max * 2))))
        return;
    if (size >= tail->max) {
        memcpy(tail->bytes, bytes + size - tail->max, tail->max);
        tail->size = tail->max;
        return;
    }
    if (tail->size + size > tail->max * 2) {
        memmove(tail->bytes, tail->bytes + tail->size - tail->max, tail->max);
        tail->size = tail->max;
    }
    memcpy(tail->bytes + tail->size, bytes, size);
    tail->size += size;
}

size_t tail_before(const struct tail *tail, uint64_t total_then)
{
    size_t size = tail->size < tail->max ? tail->size : tail->max;
    uint64_t since = tail->total - total_then;
    return since < size ? size - (size_t)since : 0;
}

const char *tail_get(const struct tail *tail, size_t *ret_size)
{
    size_t size = tail->size < tail->max ? tail->size : tail->max;
    *ret_size = size;
    return size ? tail->bytes + tail->size - size : NULL;
}
