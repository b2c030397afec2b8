/*
 * How messages travel. They are cut into packets: small messages are copied behind each other with
 * their lengths (a batch); a large one is cut into parts sent from where it lies. Each packet is
 * one MPI_Isend, and a bell on the socket tells the peer its kind and size. So the other end knows
 * what is coming: it asks MPI for exactly that, into the place where it belongs, and enters MPI
 * only while something is missing. The bell follows its packet at once: packets are small enough
 * to leave without the peer's help, so when it wakes its packet is there. For each packet that it
 * took in it owes a byte 'a', and says so when it rings a bell anyway or when the sender demands
 * it, which knows its window and does so every quarter of it.
 *
 * Why so timid. A peer may be killed at any moment, and Open MPI's TCP transport (4.1) forgives
 * that only while it holds nothing for the dead: a fragment queued behind a full socket, or a
 * rendezvous that answers by itself, makes it abort this process or loop for ever inside one
 * call. So packets are below its eager limit, no more than a window of them is under way so that
 * they fit the kernel's buffer (link_mpi_room.c), a second send never starts before the first is
 * done, and the socket is asked whether the peer still lives before each.
 *
 * What is lost stays where it is. A killed peer gives no MPI error, so a request to it never ends,
 * and Open MPI may still touch its buffer: when a link is lost, its send, that one's buffer and
 * the communicator are leaked on purpose. Waiting for them, freeing them or disconnecting (which
 * is collective) could hang for ever. Receives can be taken back: packets come whole or not at
 * all, so one that has not ended has not begun.
 */
#include "config.h"

#include <errno.h>
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
#include "common/wire.h"

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

/* Acknowledgements are worth a write of their own when the peer waits for them. */
static bool ring_is_due(const struct link_mpi *mpi)
{
    return mpi->unrung_size > 0 || mpi->pulse_due || mpi->owed_due;
}

/* A broken socket takes none: link_mpi_hear will find its end after the peer's last words. */
void link_mpi_ring(struct link_mpi *mpi)
{
    uint8_t bytes[LINK_MPI_FLIGHT + sizeof mpi->unrung + 1];
    if (!ring_is_due(mpi))
        return;
    /* Bells first: of one that went out in part, the rest must go out next. */
    unsigned bells = mpi->unrung_size, size = bells;
    unsigned acks = mpi->owed < LINK_MPI_FLIGHT ? mpi->owed : LINK_MPI_FLIGHT;
    memcpy(bytes, mpi->unrung, bells);
    memset(bytes + size, LINK_MPI_ACK, acks);
    size += acks;
    if (mpi->pulse_due)
        bytes[size++] = LINK_MPI_PULSE;
    ssize_t sent;
    do
        sent = send(mpi->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return;
    unsigned gone = (unsigned)sent;
    unsigned bells_gone = gone < bells ? gone : bells;
    unsigned acks_gone = gone - bells_gone < acks ? gone - bells_gone : acks;
    memmove(mpi->unrung, mpi->unrung + bells_gone, bells - bells_gone);
    mpi->unrung_size -= bells_gone;
    mpi->owed -= acks_gone;
    mpi->owed_due = mpi->owed_due && mpi->owed > 0;
    mpi->pulse_due = mpi->pulse_due && gone < size;
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

static int bell_push(struct link_mpi *mpi, uint8_t letter, uint32_t size)
{
    if (mpi->bell_count == LINK_MPI_BELLS)
        return link_mpi_lose(mpi, "the peer sent more than it may; it broke the protocol");
    mpi->bells[(mpi->bell_first + mpi->bell_count++) % LINK_MPI_BELLS] =
        (struct bell){.letter = letter, .size = size};
    return 0;
}

static int take_byte(struct link_mpi *mpi, uint8_t byte)
{
    if (mpi->bell_part_size == 0 && byte == LINK_MPI_PULSE)
        return 0;
    if (mpi->bell_part_size == 0 && byte == LINK_MPI_ACK)
        return take_ack(mpi);
    if (mpi->bell_part_size == 0 && (byte == 0 || !strchr(LINK_MPI_SIZED, byte)))
        return link_mpi_lose(mpi, "the peer rang an unknown bell; it broke the protocol");
    mpi->bell_part[mpi->bell_part_size++] = byte;
    if (mpi->bell_part_size < LINK_MPI_BELL_SIZE)
        return 0;
    struct wire_reader reader;
    wire_reader_init(&reader, mpi->bell_part, LINK_MPI_BELL_SIZE);
    mpi->bell_part_size = 0;
    uint8_t letter = wire_get_u8(&reader);
    return bell_push(mpi, letter, wire_get_u32(&reader));
}

int link_mpi_hear(struct link_mpi *mpi)
{
    uint8_t bytes[512];
    mpi->heard = true;
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
        for (ssize_t i = 0; i < got; i++)
            if (take_byte(mpi, bytes[i]) < 0)
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
    link_mpi_launch(mpi);
    return 0;
}

static int mpi_fd(const struct link *link)
{
    return of_const(link)->fd;
}

/* For what the socket did not take. */
static bool mpi_wants_write(const struct link *link)
{
    const struct link_mpi *mpi = of_const(link);
    return !mpi->lost && mpi->ended_ns == 0 &&
           (mpi->pulse_due || mpi->unrung_size > 0 || mpi->owed_due);
}

static bool mpi_busy(const struct link *link)
{
    const struct link_mpi *mpi = of_const(link);
    bool sending = mpi->ended_ns == 0 && link_mpi_sending(mpi);
    return mpi->lost || mpi->ended_ns != 0 || sending || mpi->bell_count > 0 ||
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
    if (!mpi->waiting) { /* pulses are for times when nothing is said */
        buf_fini(&mpi->spare);
        link_mpi_receive_trim(mpi);
    }
    return 0;
}

static void mpi_close(struct link *link)
{
    struct link_mpi *mpi = link_mpi_of(link);
    if (!mpi->lost)
        link_mpi_launch(mpi); /* last words, as far as the window lets them go */
    link_mpi_send_fini(mpi);
    link_mpi_receive_fini(mpi);
    close(mpi->fd);
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
    mpi->room = link_mpi_room();
    mpi->request = MPI_REQUEST_NULL;
    buf_init(&mpi->batch, MESSAGE_MAX);
    buf_init(&mpi->large, MESSAGE_MAX);
    buf_init(&mpi->spare, MESSAGE_MAX);
    return &mpi->base;
}
