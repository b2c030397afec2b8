/*
 * crew.h - the workers that have joined: their links, what is said to them, and their pulse.
 *
 * The crew moves messages and notices losses; what messages mean is the farm's business. Outgoing
 * batches (LEASE, ACK, CANCEL) are gathered during a turn of the loop and sent at its end, so
 * small tasks travel together without anybody waiting for them.
 */
#ifndef BEOFARM_MASTER_CREW_H
#define BEOFARM_MASTER_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/link.h"
#include "common/loop.h"
#include "common/message.h"

struct crew;

enum member_state {
    MEMBER_JOINED,  /* the link stands; READY has not come */
    MEMBER_READY,   /* known to the scheduler */
    MEMBER_LEAVING, /* it said so: no more leases but of what it alone can do */
};

/* One worker. Owned by the crew; gone after crew_events.lost returned. */
struct member {
    uint32_t id;
    enum member_state state;
    uint32_t slots;
    uint64_t instance; /* of its process, as READY said it; 0 before */
    char *host;
    const char *transport;
    uint64_t
        fetch;     /* of a farm that is stopped: the task that fetches what it holds; 0: none */
    bool emptied;  /* and then it holds nothing more */
    bool seen_off; /* it left, and STOP was sent, as nothing is wanted of it */
    bool ended_well; /* set by the farm when its going is no loss (STOP was sent, it left) */
};

struct crew_events {
    /* A whole message came. Returns 0; -1 (with a sentence) if the worker broke the protocol and
     * must be dropped; 1 to have the same message again later (after crew_resume) and nothing
     * more from this worker until then. */
    int (*message)(void *context, struct member *member, const struct buf *message,
                   struct error *ret_error);
    /* The link is lost, or was dropped; the sentence says why. The member is freed afterwards. */
    void (*lost)(void *context, struct member *member, const char *sentence);
};

/* A worker is lost when nothing was heard from it for heartbeat_ns. */
struct crew *crew_create(struct loop *loop, int64_t heartbeat_ns,
                         const struct crew_events *events, void *context,
                         struct error *ret_error);
void crew_destroy(struct crew *crew); /* closes all links, `lost` is not called; NULL allowed */

/* Take a link in. NULL with a sentence if memory is short (the link is closed then). */
struct member *crew_add(struct crew *crew, struct link *link, uint32_t id, const char *host,
                        struct error *ret_error);

struct member *crew_find(struct crew *crew,
                         uint32_t id); /* NULL if it is not (any more) here */
/* The one that said this number in READY; NULL if it is not (any more) here, and for 0. */
struct member *crew_find_instance(struct crew *crew, uint64_t instance);
size_t crew_count(const struct crew *crew);

/* Call `each` for all members. It may not drop any. */
void crew_each(struct crew *crew, void (*each)(void *context, struct member *member),
               void *context);

/* Add an entry to a batch for this worker; sent by crew_flush at the latest. */
void crew_lease(struct crew *crew, struct member *member, struct attempt_id id,
                const void *payload, size_t size);
void crew_ack(struct crew *crew, struct member *member, struct attempt_id id);
void crew_cancel(struct crew *crew, struct member *member, struct attempt_id id);

/* Queue a whole message, behind the batches gathered so far. Its content is taken. */
void crew_send(struct crew *crew, struct member *member, struct buf *message);

/* Queue a message without a body: STOP. */
void crew_say(struct crew *crew, struct member *member, enum message_type type);

/* Deliver messages that were put off (`message` returned 1). */
void crew_resume(struct crew *crew);

/* Send what was gathered, move busy links, bury the lost. To be called once per turn of the
 * loop. Returns how long the loop may sleep, in ns (loop_set_turn). */
int64_t crew_flush(struct crew *crew);

#endif
