/*
 * How messages travel. They are cut into packets of at most LINK_MPI_PACKET_MAX bytes: small
 * messages are copied behind each other with their lengths (a batch); a large one is told by its
 * size and follows in parts sent from where it lies. Each packet is one MPI_Isend, and a byte 'm'
 * on the socket tells the peer of it. The other end counts bells, so it knows how many packets to
 * probe for and enters MPI only while some are missing; for each packet that it took in it owes a
 * byte 'a', and says so when half a window is owed or when it rings a bell anyway. The bell follows
 * its packet at once: packets are small enough to leave without the peer's help, so when it wakes
 * its packet is there.
 *
 * Why so timid. A peer may be killed at any moment, and Open MPI's TCP transport (4.1) forgives
 * that only while it holds nothing for the dead: a fragment queued behind a full socket, or a
 * rendezvous that answers by itself, makes it abort this process or loop for ever inside one
 * call. So packets are below its eager limit, no more than a window of them is under way so that
 * they fit the kernel's buffer, a second send never starts before the first is done, and the
 * socket is asked whether the peer still lives before each.
 *
 * What is lost stays where it is. A killed peer gives no MPI error, so a request to or from it
 * never ends, and Open MPI may still touch its buffer: when a link is lost, its requests, their
 * buffers and the communicator are leaked on purpose. Waiting for them, freeing them or
 * disconnecting (which is collective) could hang for ever.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link_mpi.h"
#include "common/link_mpi_private.h"
#include "common/link_tcp.h"
#include "common/message.h"
#include "common/mpi_private.h"

static const struct link_mpi *of_const(const struct link *link)
{
    return (const struct link_mpi *)link;
}

int link_mpi_lose(struct link_mpi *mpi, const char *sentence)
{
    if (!mpi->lost)
        error_set(&mpi->why, ERROR_NETWORK, "%s", sentence);
    mpi->lost = true;
    return -1;
}

int link_mpi_lose_code(struct link_mpi *mpi, int code, const char *what)
{
    if (!mpi->lost)
        mpi_world_fail(code, what, &mpi->why);
    mpi->lost = true;
    return -1;
}

int link_mpi_lose_memory(struct link_mpi *mpi)
{
    return link_mpi_lose(mpi, "no memory for a message");
}

int link_mpi_report(const struct link_mpi *mpi, struct error *ret_error)
{
    return error_set(ret_error, mpi->why.code, "%s", mpi->why.text);
}

/* --- the socket ----------------------------------------------------------------------- */

/* A broken socket takes none: link_mpi_hear will find its end after the peer's last words. */
void link_mpi_ring(struct link_mpi *mpi)
{
    /* Acknowledgements alone are worth a write when half a window of them has gathered. */
    bool acks_due = mpi->owed_bytes >= LINK_MPI_WINDOW / 2 || mpi->owed >= LINK_MPI_FLIGHT / 2;
    if (mpi->unrung == 0 && !mpi->pulse_due && !acks_due)
        return;
    char bytes[2 * LINK_MPI_FLIGHT + 1];
    unsigned acks = mpi->owed < LINK_MPI_FLIGHT ? mpi->owed : LINK_MPI_FLIGHT;
    unsigned bells = mpi->unrung < LINK_MPI_FLIGHT ? mpi->unrung : LINK_MPI_FLIGHT;
    size_t size = acks + bells;
    memset(bytes, LINK_MPI_ACK, acks);
    memset(bytes + acks, LINK_MPI_BELL, bells);
    if (mpi->pulse_due)
        bytes[size++] = LINK_MPI_PULSE;
    ssize_t sent;
    do
        sent = send(mpi->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return;
    unsigned gone = (unsigned)sent;
    unsigned acks_gone = gone < acks ? gone : acks;
    unsigned bells_gone = gone - acks_gone < bells ? gone - acks_gone : bells;
    mpi->owed -= acks_gone;
    mpi->unrung -= bells_gone;
    mpi->pulse_due = mpi->pulse_due && gone < size;
    if (mpi->owed == 0)
        mpi->owed_bytes = 0;
}

static int take_ack(struct link_mpi *mpi)
{
    if (mpi->flight_count == 0)
        return link_mpi_lose(
            mpi, "the peer acknowledged what was never sent; it broke the protocol");
    mpi->flight_bytes -= mpi->flight[mpi->flight_first];
    mpi->flight_first = (mpi->flight_first + 1) % LINK_MPI_FLIGHT;
    mpi->flight_count--;
    return 0;
}

static int take_bytes(struct link_mpi *mpi, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == LINK_MPI_BELL)
            mpi->rung++;
        else if (bytes[i] == LINK_MPI_ACK ? take_ack(mpi) < 0 : bytes[i] != LINK_MPI_PULSE)
            return link_mpi_lose(mpi, "the peer rang an unknown bell; it broke the protocol");
    }
    return 0;
}

int link_mpi_hear(struct link_mpi *mpi)
{
    char bytes[512];
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
        if (take_bytes(mpi, bytes, (size_t)got) < 0)
            return -1;
        if ((size_t)got < sizeof bytes)
            return 0;
    }
    return 0;
}

/* --- the rest ------------------------------------------------------------------------- */

/* Sends, and leaves receiving to link_receive, which must see every bell that is read. */
static int mpi_progress(struct link *link, struct error *ret_error)
{
    (void)ret_error;
    struct link_mpi *mpi = link_mpi_of(link);
    if (mpi->lost)
        return 0; /* link_receive reports it, after the last words */
    int headway = link_mpi_launch(mpi);
    /* Whoever has to deliver what we wait for may need this core. */
    if (headway == 0 && (mpi->rung > 0 || mpi->held))
        sched_yield();
    return 0;
}

static int mpi_fd(const struct link *link)
{
    return of_const(link)->fd;
}

/* For bells and pulses that the socket did not take. */
static bool mpi_wants_write(const struct link *link)
{
    const struct link_mpi *mpi = of_const(link);
    return !mpi->lost && mpi->ended_ns == 0 && (mpi->pulse_due || mpi->unrung > 0);
}

static bool mpi_busy(const struct link *link)
{
    const struct link_mpi *mpi = of_const(link);
    bool sending = mpi->ended_ns == 0 && link_mpi_sending(mpi);
    return mpi->lost || mpi->ended_ns != 0 || sending || mpi->rung > 0 ||
           link_mpi_whole_waits(mpi);
}

static size_t mpi_unsent_bytes(const struct link *link)
{
    return of_const(link)->unsent;
}

static int mpi_pulse(struct link *link, struct error *ret_error)
{
    struct link_mpi *mpi = link_mpi_of(link);
    if (mpi->lost)
        return link_mpi_report(mpi, ret_error);
    mpi->pulse_due = true;
    link_mpi_ring(mpi);
    return 0;
}

static void mpi_close(struct link *link)
{
    struct link_mpi *mpi = link_mpi_of(link);
    if (!mpi->lost)
        link_mpi_launch(mpi); /* last words, as far as the window lets them go */
    /* What MPI holds stays leaked; see above. */
    link_mpi_send_fini(mpi);
    bool receiving = mpi->in_request != MPI_REQUEST_NULL;
    if (!receiving) {
        buf_fini(&mpi->batch);
        buf_fini(&mpi->large);
    }
    close(mpi->fd);
    if (!receiving && !mpi->held) /* in_head and out_head are buffers too */
        free(mpi);
}

static const struct link_ops mpi_ops = {
    .transport = "mpi",
    .send = link_mpi_send,
    .receive = link_mpi_receive,
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
    mpi->request = mpi->in_request = MPI_REQUEST_NULL;
    buf_init(&mpi->batch, LINK_MPI_PACKET_MAX);
    buf_init(&mpi->large, MESSAGE_MAX);
    return &mpi->base;
}
