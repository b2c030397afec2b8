/* tail.h - the last bytes of a stream, in bounded memory. */
#ifndef BEOFARM_WORKER_TAIL_H
#define BEOFARM_WORKER_TAIL_H

#include <stddef.h>
#include <stdint.h>

struct tail {
    char *bytes; /* owned; up to twice `max` */
    size_t size, max;
    uint64_t total; /* bytes that were ever added */
};

/* An empty tail that keeps the last `max` bytes. */
void tail_init(struct tail *tail, size_t max);
void tail_fini(struct tail *tail);
void tail_clear(struct tail *tail);

/* Memory that runs short costs the text, nothing else. */
void tail_add(struct tail *tail, const char *bytes, size_t size);

/* How many of the bytes that tail_get has were there when `total` was `total_then`. */
size_t tail_before(const struct tail *tail, uint64_t total_then);

/* The last bytes, at most max; borrowed until the next tail_add. NULL where there are none. */
const char *tail_get(const struct tail *tail, size_t *ret_size);

#endif
