/*
 * How a packet travels. Messages are gathered into packets: small ones are copied behind each
 * other with their lengths (tag TAG_BATCH), a large one is a packet by itself and its memory goes
 * to MPI as it is (TAG_WHOLE). For each packet a byte 'm' goes out on the socket, then
 * MPI_Isend; a packet whose bell does not fit the socket waits. The other end counts bells, so it
 * knows how many packets to probe for, and enters MPI only while some are missing.
 *
 * What is lost stays where it is. A peer that was killed gives no MPI error, so the requests to
 * and from it never end, and Open MPI may still touch their buffers: when a link is lost, its
 * requests, their buffers and the communicator are leaked on purpose. Waiting for them, freeing
 * them or disconnecting (which is collective) could hang for ever.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mpi.h>

#include "common/clock.h"
#include "common/link_mpi.h"
#include "common/link_tcp.h"
#include "common/message.h"
#include "common/mpi_private.h"
#include "common/wire.h"

#define TAG_BATCH  1
#define TAG_WHOLE  2
#define HEAD       4          /* bytes of a length in a batch */
#define SMALL      (16 << 10) /* messages up to this size are copied into a batch */
#define BATCH_SIZE (64 << 10) /* bytes of a batch */
#define IN_FLIGHT  16         /* packets given to MPI and not yet taken back */
#define LAST_WORDS_NS                                                                          \
    (200 * CLOCK_MS_NS) /* how long after end of file a rung packet may come */
#define BELL  'm'
#define PULSE 'p'

struct packet {
    struct packet *next;
    struct buf bytes;
    int tag;
    MPI_Request request;
};

struct link_mpi {
    struct link base;
    int fd;
    MPI_Comm comm;
    struct packet *waiting, **waiting_end; /* not yet announced */
    struct packet *sent, **sent_end;       /* given to MPI, in order */
    unsigned announced;                    /* bells rung for the first of `waiting` */
    unsigned in_flight;
    size_t unsent;
    bool pulse_due;    /* a pulse that the socket did not take */
    uint64_t rung;     /* bells heard for packets not yet received */
    struct packet *in; /* being received, or received and read from; leaked if lost */
    bool in_request;   /* in->request is active */
    bool in_whole;     /* `in` has arrived */
    size_t in_next;    /* where link_receive goes on in a batch */
    int64_t ended_ns;  /* when end of file was seen on the socket; 0 if not */
    bool lost;
    struct error why;
};

static struct link_mpi *of(struct link *link)
{
    return (struct link_mpi *)link;
}

static const struct link_mpi *of_const(const struct link *link)
{
    return (const struct link_mpi *)link;
}

static int lose(struct link_mpi *mpi, const char *sentence)
{
    if (!mpi->lost)
        error_set(&mpi->why, ERROR_NETWORK, "%s", sentence);
    mpi->lost = true;
    return -1;
}

static int lose_mpi(struct link_mpi *mpi, int code, const char *what)
{
    if (!mpi->lost) {
        mpi_world_fail(code, what, &mpi->why);
        mpi->why.code = ERROR_NETWORK;
    }
    mpi->lost = true;
    return -1;
}

static int report(const struct link_mpi *mpi, struct error *ret_error)
{
    return error_set(ret_error, mpi->why.code, "%s", mpi->why.text);
}

static struct packet *packet_create(int tag)
{
    struct packet *packet = calloc(1, sizeof *packet);
    if (!packet)
        return NULL;
    /* A batch's last message may overrun the size at which it is closed. */
    buf_init(&packet->bytes, MESSAGE_MAX);
    packet->tag = tag;
    packet->request = MPI_REQUEST_NULL;
    return packet;
}

static void packet_destroy(struct packet *packet)
{
    if (packet)
        buf_fini(&packet->bytes);
    free(packet);
}

/* --- the socket ----------------------------------------------------------------------- */

/* Write up to `count` equal bytes. Returns how many went. */
static unsigned ring(struct link_mpi *mpi, char byte, unsigned count)
{
    char bytes[IN_FLIGHT];
    memset(bytes, byte, sizeof bytes);
    ssize_t sent;
    do
        sent = send(mpi->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    /* A full socket, or a broken one, which hear() will notice after the peer's last words. */
    return sent < 0 ? 0 : (unsigned)sent;
}

static int count_bytes(struct link_mpi *mpi, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == BELL)
            mpi->rung++;
        else if (bytes[i] != PULSE)
            return lose(mpi, "the peer rang an unknown bell; it broke the protocol");
    }
    return 0;
}

/* Read bells and pulses. 0 or -1. */
static int hear(struct link_mpi *mpi)
{
    char bytes[4096];
    while (mpi->ended_ns == 0) {
        ssize_t got = recv(mpi->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (got <= 0) {
            mpi->ended_ns = clock_monotonic_ns();
            return 0;
        }
        mpi->base.heard_ns = clock_monotonic_ns();
        if (count_bytes(mpi, bytes, (size_t)got) < 0)
            return -1;
        if ((size_t)got < sizeof bytes)
            return 0;
    }
    return 0;
}

/* --- out ------------------------------------------------------------------------------ */

static void waiting_push(struct link_mpi *mpi, struct packet *packet)
{
    *mpi->waiting_end = packet;
    mpi->waiting_end = &packet->next;
}

/* The batch at the end of the queue, if it has room and was not yet announced. */
static struct packet *batch_open(struct link_mpi *mpi, size_t size)
{
    struct packet *last = NULL;
    if (mpi->waiting)
        last = (struct packet *)((char *)mpi->waiting_end - offsetof(struct packet, next));
    bool fits = last && last->tag == TAG_BATCH && last->bytes.size + size <= BATCH_SIZE &&
                !(mpi->announced > 0 && last == mpi->waiting);
    if (fits)
        return last;
    struct packet *packet = packet_create(TAG_BATCH);
    if (packet)
        waiting_push(mpi, packet);
    return packet;
}

static int mpi_send(struct link *link, struct buf *message, struct error *ret_error)
{
    struct link_mpi *mpi = of(link);
    if (mpi->lost)
        return report(mpi, ret_error);
    size_t size = message->size;
    if (size <= SMALL) {
        struct packet *batch = batch_open(mpi, HEAD + size);
        if (batch) {
            wire_put_u32(&batch->bytes, (uint32_t)size);
            buf_append(&batch->bytes, message->data, size);
        }
        if (!batch || buf_failed(&batch->bytes))
            return lose(mpi, "no memory for a message"), report(mpi, ret_error);
        buf_clear(message);
        mpi->unsent += HEAD + size;
        return 0;
    }
    struct packet *packet = packet_create(TAG_WHOLE);
    if (!packet)
        return lose(mpi, "no memory for a message"), report(mpi, ret_error);
    packet->bytes = *message;
    buf_init(message, message->max);
    mpi->unsent += size;
    waiting_push(mpi, packet);
    return 0;
}

/* Announce as many packets as may fly, then let them. 0 or -1. */
static int launch(struct link_mpi *mpi)
{
    unsigned wanted = 0;
    for (struct packet *p = mpi->waiting; p && mpi->in_flight + wanted < IN_FLIGHT; p = p->next)
        wanted++;
    if (wanted > mpi->announced)
        mpi->announced += ring(mpi, BELL, wanted - mpi->announced);
    while (mpi->announced > 0) {
        struct packet *packet = mpi->waiting;
        int code = MPI_Isend(packet->bytes.data, (int)packet->bytes.size, MPI_BYTE, 0,
                             packet->tag, mpi->comm, &packet->request);
        if (code != MPI_SUCCESS)
            return lose_mpi(mpi, code, "MPI_Isend");
        mpi->announced--;
        mpi->waiting = packet->next;
        if (!mpi->waiting)
            mpi->waiting_end = &mpi->waiting;
        packet->next = NULL;
        *mpi->sent_end = packet;
        mpi->sent_end = &packet->next;
        mpi->in_flight++;
    }
    return 0;
}

/* Take back packets that MPI is done with. Returns how many, or -1. */
static int reap(struct link_mpi *mpi)
{
    int count = 0;
    while (mpi->sent) {
        struct packet *packet = mpi->sent;
        int done = 0;
        int code = MPI_Test(&packet->request, &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS)
            return lose_mpi(mpi, code, "sending over MPI");
        if (!done)
            break;
        mpi->sent = packet->next;
        if (!mpi->sent)
            mpi->sent_end = &mpi->sent;
        mpi->in_flight--;
        mpi->unsent -= packet->bytes.size;
        packet_destroy(packet);
        count++;
    }
    return count;
}

/* --- in ------------------------------------------------------------------------------- */

/* Look for the next rung packet and start to receive it. 1: started; 0: not there yet; -1. */
static int catch_packet(struct link_mpi *mpi)
{
    int there = 0, size = 0;
    MPI_Message handle;
    MPI_Status status;
    int code = MPI_Improbe(0, MPI_ANY_TAG, mpi->comm, &there, &handle, &status);
    if (code != MPI_SUCCESS)
        return lose_mpi(mpi, code, "MPI_Improbe");
    if (!there)
        return 0;
    MPI_Get_count(&status, MPI_BYTE, &size);
    if (size <= 0 || size > MESSAGE_MAX ||
        (status.MPI_TAG != TAG_BATCH && status.MPI_TAG != TAG_WHOLE))
        return lose(mpi,
                    "the peer sent a packet of a wrong size or kind; it broke the protocol");
    if (!mpi->in)
        mpi->in = packet_create(TAG_BATCH);
    if (!mpi->in)
        return lose(mpi, "no memory for a message");
    mpi->in->tag = status.MPI_TAG;
    buf_clear(&mpi->in->bytes);
    uint8_t *room = buf_reserve(&mpi->in->bytes, (size_t)size);
    if (!room)
        return lose(mpi, "no memory for a message");
    code = MPI_Imrecv(room, size, MPI_BYTE, &handle, &mpi->in->request);
    if (code != MPI_SUCCESS)
        return lose_mpi(mpi, code, "MPI_Imrecv");
    mpi->in_request = true;
    buf_commit(&mpi->in->bytes, (size_t)size);
    return 1;
}

/* Go on receiving the packet at hand or the next. 1: some headway; 0: none; -1. */
static int take_in(struct link_mpi *mpi)
{
    int headway = 0;
    if (mpi->in_whole)
        return 0;
    if (!mpi->in_request) {
        if (mpi->rung == 0)
            return 0;
        headway = catch_packet(mpi);
        if (headway <= 0)
            return headway;
    }
    int done = 0;
    int code = MPI_Test(&mpi->in->request, &done, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS)
        return lose_mpi(mpi, code, "receiving over MPI");
    if (!done)
        return headway;
    mpi->in_request = false;
    mpi->in_whole = true;
    mpi->in_next = 0;
    mpi->rung--;
    mpi->base.heard_ns = clock_monotonic_ns();
    return 1;
}

/* The packet was read to its end. */
static void in_done(struct link_mpi *mpi)
{
    mpi->in_whole = false;
    packet_destroy(mpi->in);
    mpi->in = NULL;
}

/* Cut the next message from a batch. 1, or -1. */
static int batch_next(struct link_mpi *mpi, struct buf *ret_message)
{
    struct buf *bytes = &mpi->in->bytes;
    struct wire_reader reader;
    wire_reader_init(&reader, bytes->data + mpi->in_next, bytes->size - mpi->in_next);
    size_t size = wire_get_u32(&reader);
    if (reader.failed || size == 0 || size > wire_left(&reader))
        return lose(mpi, "the peer sent a damaged packet; it broke the protocol");
    buf_clear(ret_message);
    if (buf_append(ret_message, reader.next, size) < 0)
        return lose(mpi, "no memory for a message");
    mpi->in_next += HEAD + size;
    if (mpi->in_next == bytes->size)
        in_done(mpi);
    return 1;
}

static int mpi_receive(struct link *link, struct buf *ret_message, struct error *ret_error)
{
    struct link_mpi *mpi = of(link);
    if (!mpi->lost && !mpi->in_whole)
        take_in(mpi);
    if (mpi->in_whole) {
        if (mpi->in->tag == TAG_BATCH)
            return batch_next(mpi, ret_message) < 0 ? report(mpi, ret_error) : 1;
        struct buf old = *ret_message;
        *ret_message = mpi->in->bytes;
        ret_message->max = old.max;
        mpi->in->bytes = old; /* freed with the packet */
        in_done(mpi);
        return 1;
    }
    return mpi->lost ? report(mpi, ret_error) : 0;
}

/* --- the rest ------------------------------------------------------------------------- */

/* After end of file: lost, unless a packet that was announced may still come in. */
static void check_end(struct link_mpi *mpi)
{
    if (mpi->ended_ns == 0 || mpi->lost)
        return;
    bool expecting = mpi->rung > 0 || mpi->in_request;
    if (!expecting || clock_monotonic_ns() - mpi->ended_ns > LAST_WORDS_NS)
        lose(mpi, expecting ? "the peer vanished in the middle of a message"
                            : "the peer closed the connection");
}

static int mpi_progress(struct link *link, struct error *ret_error)
{
    struct link_mpi *mpi = of(link);
    int received = 0, reaped = 0;
    if (!mpi->lost && hear(mpi) == 0 && launch(mpi) == 0) {
        if (mpi->pulse_due)
            mpi->pulse_due = ring(mpi, PULSE, 1) == 0;
        reaped = reap(mpi);
        received = reaped < 0 ? -1 : take_in(mpi);
    }
    /* Whoever has to deliver what we wait for may need this core. */
    if (received == 0 && reaped == 0 &&
        (mpi->in_request || mpi->rung > 0 || mpi->in_flight > 0))
        sched_yield();
    if (!mpi->in_whole)
        check_end(mpi);
    return mpi->lost && !mpi->in_whole ? report(mpi, ret_error) : 0;
}

static int mpi_fd(const struct link *link)
{
    return of_const(link)->fd;
}

/* Only for bells and pulses that the socket did not take. */
static bool mpi_wants_write(const struct link *link)
{
    const struct link_mpi *mpi = of_const(link);
    return !mpi->lost && mpi->pulse_due;
}

static bool mpi_busy(const struct link *link)
{
    const struct link_mpi *mpi = of_const(link);
    return !mpi->lost &&
           (mpi->rung > 0 || mpi->in_request || mpi->in_whole || mpi->waiting || mpi->sent);
}

static size_t mpi_unsent_bytes(const struct link *link)
{
    return of_const(link)->unsent;
}

static int mpi_pulse(struct link *link, struct error *ret_error)
{
    struct link_mpi *mpi = of(link);
    if (mpi->lost)
        return report(mpi, ret_error);
    mpi->pulse_due = ring(mpi, PULSE, 1) == 0;
    return 0;
}

static void packets_destroy(struct packet *packet)
{
    while (packet) {
        struct packet *next = packet->next;
        packet_destroy(packet);
        packet = next;
    }
}

static void mpi_close(struct link *link)
{
    struct link_mpi *mpi = of(link);
    /* What MPI holds (`sent`, `in` while it has a request) stays leaked; see above. */
    if (!mpi->in_request)
        packet_destroy(mpi->in);
    packets_destroy(mpi->waiting);
    close(mpi->fd);
    free(mpi);
}

static const struct link_ops mpi_ops = {
    .transport = "mpi",
    .send = mpi_send,
    .receive = mpi_receive,
    .progress = mpi_progress,
    .fd = mpi_fd,
    .wants_write = mpi_wants_write,
    .busy = mpi_busy,
    .unsent_bytes = mpi_unsent_bytes,
    .pulse = mpi_pulse,
    .close = mpi_close,
};

struct link *link_mpi_create(MPI_Comm comm, int fd, struct error *ret_error)
{
    struct link_mpi *mpi = calloc(1, sizeof *mpi);
    if (!mpi) {
        close(fd);
        error_errno(ret_error, ENOMEM, "no memory for a link");
        return NULL;
    }
    link_tcp_prepare(fd);
    mpi->base.ops = &mpi_ops;
    mpi->base.heard_ns = mpi->base.spoke_ns = clock_monotonic_ns();
    mpi->fd = fd;
    mpi->comm = comm;
    mpi->waiting_end = &mpi->waiting;
    mpi->sent_end = &mpi->sent;
    return &mpi->base;
}
