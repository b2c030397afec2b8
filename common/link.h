/*
 * link.h - one authenticated connection between a master and a worker.
 *
 * A link carries messages: byte strings of 1 to MESSAGE_MAX bytes (message.h), in order, whole,
 * and exactly once until it is lost. It never blocks: sends are queued, receives are polled,
 * and the owner sleeps on link_fd in its event loop (loop.h). A link that is lost stays lost:
 * it is closed, and the worker dials again.
 *
 * Members: tcp (link_tcp.h) and mpi (link_mpi.h, an MPI intercommunicator with the TCP socket
 * beside it as doorbell and pulse). The functions below call through the table in the link's
 * first field.
 */
#ifndef BEOFARM_COMMON_LINK_H
#define BEOFARM_COMMON_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

struct link;

struct link_ops {
    const char *transport; /* "tcp", "mpi" */
    int (*send)(struct link *link, struct buf *message, struct error *ret_error);
    int (*receive)(struct link *link, struct buf *ret_message, struct error *ret_error);
    int (*progress)(struct link *link, struct error *ret_error);
    int (*fd)(const struct link *link);
    bool (*wants_write)(const struct link *link);
    bool (*busy)(const struct link *link);
    size_t (*unsent_bytes)(const struct link *link);
    int (*pulse)(struct link *link, struct error *ret_error);
    void (*close)(struct link *link);
};

/* What every member begins with. */
struct link {
    const struct link_ops *ops;
    int64_t heard_ns; /* clock_monotonic_ns when anything last came from the peer */
    int64_t spoke_ns; /* when anything last went to the peer */
};

/* "tcp" or "mpi". */
const char *link_transport(const struct link *link);

/* Queue a message. Its content is taken (message comes back empty, usable again). Never blocks;
 * the caller bounds the queue by looking at link_unsent_bytes. 0, or -1: the link is lost
 * (ERROR_NETWORK), or the message is empty or over MESSAGE_MAX (ERROR_BUG). */
int link_send(struct link *link, struct buf *message, struct error *ret_error);

/* Take the next whole message into ret_message (replaced). 1: got one; 0: none yet; -1: the
 * link is lost or the peer broke the protocol, with a sentence. Call until it returns 0. */
int link_receive(struct link *link, struct buf *ret_message, struct error *ret_error);

/* Move bytes: call when link_fd is ready, and again and again while link_busy. 0 or -1 (lost).
 */
int link_progress(struct link *link, struct error *ret_error);

/* The descriptor to sleep on: readable always matters; writable while link_wants_write. */
int link_fd(const struct link *link);
bool link_wants_write(const struct link *link);

/* True while a request is outstanding that no descriptor will announce (MPI): the owner must
 * not sleep, or only for a moment, before it calls link_progress again. Always false for tcp.
 */
bool link_busy(const struct link *link);

/* Bytes queued and not yet handed to the network. */
size_t link_unsent_bytes(const struct link *link);

/* Tell the peer that we live; cheap. The owner calls it when spoke_ns is a third of the
 * heartbeat time-out ago, and gives the link up when heard_ns is the whole time-out ago. */
int link_pulse(struct link *link, struct error *ret_error);

/* Close and free. NULL is allowed. Waits for nothing. */
void link_close(struct link *link);

#endif
