/* tail.h - the last bytes of a stream, in bounded memory. */
#ifndef BEOFARM_WORKER_TAIL_H
#define BEOFARM_WORKER_TAIL_H

#include <stddef.h>

struct tail {
    char *bytes; /* owned; up to twice `max` */
    size_t size, max;
};

/* An empty tail that keeps the last `max` bytes. */
void tail_init(struct tail *tail, size_t max);
void tail_fini(struct tail *tail);
void tail_clear(struct tail *tail);

/* Memory that runs short costs the text, nothing else. */
void tail_add(struct tail *tail, const char *bytes, size_t size);

/* The last bytes, at most max; borrowed until the next tail_add. NULL where there are none. */
const char *tail_get(const struct tail *tail, size_t *ret_size);

#endif
