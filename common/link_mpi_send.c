/* Sending over MPI; link_mpi.c explains. */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>

#include <mpi.h>

#include "common/link_mpi_private.h"
#include "common/message.h"
#include "common/wire.h"

/* Messages up to this size are copied into a batch. */
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
        last->bytes.size + size <= LINK_MPI_PACKET_MAX)
        return last;
    return parcel_push(mpi);
}

int link_mpi_send(struct link *link, struct buf *message, struct error *ret_error)
{
    struct link_mpi *mpi = link_mpi_of(link);
    if (mpi->lost)
        return link_mpi_report(mpi, ret_error);
    size_t size = message->size;
    bool large = size > SMALL;
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
static size_t packet_size(const struct parcel *parcel)
{
    if (parcel->large && !parcel->told)
        return LINK_MPI_HEAD;
    size_t left = parcel->bytes.size - parcel->given;
    return left < LINK_MPI_PACKET_MAX ? left : LINK_MPI_PACKET_MAX;
}

/* The send that MPI held is done. */
static void held_done(struct link_mpi *mpi)
{
    if (mpi->held_last) {
        mpi->waiting = mpi->held->next;
        if (!mpi->waiting)
            mpi->waiting_end = &mpi->waiting;
        mpi->unsent -= mpi->held->bytes.size;
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

/* Give the first packet that waits to MPI. 0 or -1. */
static int packet_send(struct link_mpi *mpi)
{
    struct parcel *parcel = mpi->waiting;
    size_t size = packet_size(parcel);
    const uint8_t *bytes = parcel->bytes.data + parcel->given;
    int tag = parcel->large ? LINK_MPI_TAG_PART : LINK_MPI_TAG_BATCH;
    if (parcel->large && !parcel->told) {
        for (int i = 0; i < LINK_MPI_HEAD; i++)
            mpi->out_head[i] = (uint8_t)(parcel->bytes.size >> (8 * i));
        bytes = mpi->out_head;
        tag = LINK_MPI_TAG_SIZE;
        parcel->told = true;
    } else {
        parcel->given += size;
    }
    int code = MPI_Isend(bytes, (int)size, MPI_BYTE, 0, tag, mpi->comm, &mpi->request);
    if (code != MPI_SUCCESS)
        return link_mpi_lose_code(mpi, code, "MPI_Isend");
    mpi->held = parcel;
    mpi->held_last = tag != LINK_MPI_TAG_SIZE && parcel->given == parcel->bytes.size;
    mpi->flight[(mpi->flight_first + mpi->flight_count++) % LINK_MPI_FLIGHT] = (uint32_t)size;
    mpi->flight_bytes += size;
    mpi->unrung++;
    return 0;
}

/* Whether the next packet may go now. */
static bool packet_may_go(const struct link_mpi *mpi)
{
    const struct parcel *parcel = mpi->waiting;
    if (!parcel || mpi->flight_count == LINK_MPI_FLIGHT)
        return false;
    size_t size = packet_size(parcel);
    return mpi->flight_bytes + size <= LINK_MPI_WINDOW;
}

bool link_mpi_sending(const struct link_mpi *mpi)
{
    return mpi->held || packet_may_go(mpi);
}

int link_mpi_launch(struct link_mpi *mpi)
{
    int headway = 0;
    for (;;) {
        int idle = held_test(mpi);
        if (idle < 0 || link_mpi_hear(mpi) < 0)
            return -1;
        if (mpi->ended_ns == 0)
            link_mpi_ring(mpi);
        if (!idle || mpi->ended_ns != 0 || !packet_may_go(mpi))
            return headway;
        if (packet_send(mpi) < 0)
            return -1;
        headway = 1;
    }
}

void link_mpi_send_fini(struct link_mpi *mpi)
{
    while (mpi->waiting) {
        struct parcel *next = mpi->waiting->next;
        if (mpi->waiting != mpi->held)
            parcel_destroy(mpi->waiting);
        mpi->waiting = next;
    }
}
