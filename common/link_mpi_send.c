/* Sending over MPI; link_mpi.c explains. */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>

#include <mpi.h>

#include "common/link_mpi_private.h"
#include "common/message.h"
#include "common/wire.h"

/* Messages up to this size are copied into a batch, which is one packet. */
#define SMALL (16 << 10)

static struct parcel *parcel_push(struct link_mpi *mpi)
{
    struct parcel *parcel = calloc(1, sizeof *parcel);
    if (!parcel)
        return NULL;
    buf_init(&parcel->bytes, MESSAGE_MAX);
    *mpi->waiting_end = parcel;
    mpi->waiting_end = &parcel->next;
    return parcel;
}

static void parcel_destroy(struct parcel *parcel)
{
    if (parcel)
        buf_fini(&parcel->bytes);
    free(parcel);
}

/* The batch at the end of the queue, if `size` more bytes fit, or a new one. */
static struct parcel *batch_open(struct link_mpi *mpi, size_t size)
{
    struct parcel *last = NULL;
    if (mpi->waiting)
        last = (struct parcel *)((char *)mpi->waiting_end - offsetof(struct parcel, next));
    if (last && last != mpi->held && !last->large &&
        last->bytes.size + size <= mpi->room.packet_max)
        return last;
    return parcel_push(mpi);
}

int link_mpi_send(struct link *link, struct buf *message, struct error *ret_error)
{
    struct link_mpi *mpi = link_mpi_of(link);
    if (mpi->lost)
        return link_mpi_report(mpi, ret_error);
    size_t size = message->size;
    bool large = size > SMALL || LINK_MPI_HEAD + size > mpi->room.packet_max;
    struct parcel *parcel = large ? parcel_push(mpi) : batch_open(mpi, LINK_MPI_HEAD + size);
    if (!parcel)
        return link_mpi_lose_memory(mpi), link_mpi_report(mpi, ret_error);
    if (large) {
        parcel->large = true;
        parcel->bytes = *message;
        buf_init(message, message->max);
    } else {
        wire_put_u32(&parcel->bytes, (uint32_t)size);
        buf_append(&parcel->bytes, message->data, size);
        if (buf_failed(&parcel->bytes))
            return link_mpi_lose_memory(mpi), link_mpi_report(mpi, ret_error);
        buf_clear(message);
    }
    mpi->unsent += large ? size : LINK_MPI_HEAD + size;
    return 0;
}

/* How many bytes the parcel's next packet has. */
static size_t packet_size(const struct link_mpi *mpi, const struct parcel *parcel)
{
    size_t left = parcel->bytes.size - parcel->given;
    return left < mpi->room.packet_max ? left : mpi->room.packet_max;
}

/* Keep the memory of a large message for receiving: fresh pages cost as much as a copy. */
static void spare_keep(struct link_mpi *mpi, struct buf *bytes)
{
    if (bytes->capacity < LINK_MPI_WORTH_KEEPING || bytes->capacity <= mpi->spare.capacity)
        return;
    buf_fini(&mpi->spare);
    mpi->spare = *bytes;
    buf_clear(&mpi->spare);
    buf_init(bytes, MESSAGE_MAX);
}

/* The send that MPI held is done. */
static void held_done(struct link_mpi *mpi)
{
    if (mpi->held_last) {
        mpi->waiting = mpi->held->next;
        if (!mpi->waiting)
            mpi->waiting_end = &mpi->waiting;
        mpi->unsent -= mpi->held->bytes.size;
        if (mpi->held->large)
            spare_keep(mpi, &mpi->held->bytes);
        parcel_destroy(mpi->held);
    }
    mpi->held = NULL;
}

/* See whether MPI is done with the send it holds. 1: nothing is held; 0: not yet; -1. */
static int held_test(struct link_mpi *mpi)
{
    int done = 0;
    if (!mpi->held)
        return 1;
    int code = MPI_Test(&mpi->request, &done, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS)
        return link_mpi_lose_code(mpi, code, "sending over MPI");
    if (done)
        held_done(mpi);
    return done;
}

static void bell_put(struct link_mpi *mpi, uint8_t letter, size_t size)
{
    uint8_t *bell = mpi->unrung + mpi->unrung_size;
    bell[0] = letter;
    for (int i = 0; i < 4; i++)
        bell[1 + i] = (uint8_t)(size >> (8 * i));
    mpi->unrung_size += LINK_MPI_BELL_SIZE;
}

/* Account for a packet, and put its bell on the doorbell. Whoever fills the window has demanded
 * acknowledgement of more than half of it, so the window opens again. */
static void packet_note(struct link_mpi *mpi, struct parcel *parcel, size_t size)
{
    size_t cost = size + LINK_MPI_PACKET_COST;
    mpi->flight[(mpi->flight_first + mpi->flight_count++) % LINK_MPI_FLIGHT] = (uint32_t)cost;
    mpi->flight_bytes += cost;
    mpi->undue_bytes += cost;
    mpi->undue_count++;
    bool due =
        mpi->undue_bytes >= mpi->room.window / 4 || mpi->undue_count >= LINK_MPI_FLIGHT / 4;
    if (due)
        mpi->undue_bytes = mpi->undue_count = 0;
    if (parcel->large && !parcel->told)
        bell_put(mpi, LINK_MPI_LARGE, parcel->bytes.size);
    parcel->told = true;
    if (parcel->large)
        bell_put(mpi, due ? LINK_MPI_PART_DUE : LINK_MPI_PART, size);
    else
        bell_put(mpi, due ? LINK_MPI_BATCH_DUE : LINK_MPI_BATCH, size);
}

/* Give the first packet that waits to MPI. 0 or -1. */
static int packet_send(struct link_mpi *mpi)
{
    struct parcel *parcel = mpi->waiting;
    size_t size = packet_size(mpi, parcel);
    int code = MPI_Isend(parcel->bytes.data + parcel->given, (int)size, MPI_BYTE, 0,
                         LINK_MPI_TAG, mpi->comm, &mpi->request);
    if (code != MPI_SUCCESS)
        return link_mpi_lose_code(mpi, code, "MPI_Isend");
    parcel->given += size;
    mpi->held = parcel;
    mpi->held_last = parcel->given == parcel->bytes.size;
    packet_note(mpi, parcel, size);
    return 0;
}

/* Whether the next packet may go now. */
static bool packet_may_go(const struct link_mpi *mpi)
{
    const struct parcel *parcel = mpi->waiting;
    if (!parcel || mpi->flight_count == LINK_MPI_FLIGHT ||
        mpi->unrung_size + 2 * LINK_MPI_BELL_SIZE > sizeof mpi->unrung)
        return false;
    size_t cost = packet_size(mpi, parcel) + LINK_MPI_PACKET_COST;
    return mpi->flight_bytes + cost <= mpi->room.window;
}

bool link_mpi_sending(const struct link_mpi *mpi)
{
    return mpi->held || packet_may_go(mpi);
}

int link_mpi_launch(struct link_mpi *mpi)
{
    for (;;) {
        int idle = held_test(mpi);
        if (idle < 0 || (mpi->waiting && link_mpi_hear(mpi) < 0))
            return -1;
        if (mpi->ended_ns == 0)
            link_mpi_ring(mpi);
        if (!idle || mpi->ended_ns != 0 || !packet_may_go(mpi))
            return 0;
        if (packet_send(mpi) < 0)
            return -1;
    }
}

void link_mpi_send_fini(struct link_mpi *mpi)
{
    buf_fini(&mpi->spare);
    while (mpi->waiting) {
        struct parcel *next = mpi->waiting->next;
        if (mpi->waiting != mpi->held)
            parcel_destroy(mpi->waiting);
        mpi->waiting = next;
    }
}
