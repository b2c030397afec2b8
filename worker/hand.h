/*
 * hand.h - the attempts a worker has in hand, from lease to acknowledgement.
 *
 * Each is in one state, and in the list of that state, in the order in which it came to it:
 *
 *     HAND_QUEUED → HAND_RUNNING → (HAND_STORING) → HAND_DONE → HAND_SENT → (forgotten)
 *
 * A result stays until the master says that it is durable; when the link was lost meanwhile,
 * what was sent is simply done again, and offered to the next master.
 */
#ifndef BEOFARM_WORKER_HAND_H
#define BEOFARM_WORKER_HAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/message.h"

struct hand;
struct workdir;

enum hand_state {
    HAND_QUEUED,  /* leased, not started */
    HAND_RUNNING, /* given to a runner */
    HAND_STORING, /* its output files are being put into the container */
    HAND_DONE,    /* the result is to be sent */
    HAND_SENT,    /* the result is to be acknowledged */
    HAND_STATES
};

/* One attempt. Fields below the line are the owner's to use. */
struct held {
    struct attempt_id id;
    enum hand_state state;
    struct held *previous, *next; /* in the list of its state */
    struct held *next_in_bucket;
    /* --- */
    void *payload; /* values.h list; freed with the attempt */
    size_t payload_size;
    uint32_t slot;
    int64_t started_ns;
    bool announced; /* STARTED was sent */
    bool unwanted;  /* cancelled while it ran: its result is dropped */
    bool refused;   /* cancelled when its result was there: another one counts */
    bool owed; /* nobody else can do it (runner_ops.owes); its payload stays while it runs */
    bool handback; /* its result is dropped, and HANDBACK sent instead */
    void *result;  /* an entry of RESULTS, encoded; freed with the attempt */
    size_t result_size;
    struct workdir *workdir; /* holds its outputs until acknowledged; destroyed with it */
};

struct hand *hand_create(void); /* NULL if out of memory */
/* Frees all attempts; NULL is allowed. */
void hand_destroy(struct hand *hand);

/* Take a lease; the payload is copied. NULL if out of memory, or if it is in hand already
 * (*ret_known tells which). */
struct held *hand_add(struct hand *hand, struct attempt_id id, const void *payload, size_t size,
                      bool *ret_known);

struct held *hand_find(struct hand *hand, struct attempt_id id); /* NULL if not in hand */

/* Put it at the end of another state's list. */
void hand_move(struct hand *hand, struct held *held, enum hand_state state);

/* Forget it. */
void hand_remove(struct hand *hand, struct held *held);

struct held *hand_first(const struct hand *hand, enum hand_state state); /* NULL if none */
struct held *hand_last(const struct hand *hand, enum hand_state state);
size_t hand_count(const struct hand *hand, enum hand_state state);

#endif
