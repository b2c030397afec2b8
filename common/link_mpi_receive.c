/* Receiving over MPI; link_mpi.c explains. */
#include "config.h"

#include <mpi.h>

#include "common/clock.h"
#include "common/link_mpi_private.h"
#include "common/message.h"
#include "common/wire.h"

/* Bytes until link_receive says 0, to be fair to other links. */
#define READ_BUDGET (2 << 20)

/* How long after end of file a packet that was rung may come. */
#define LAST_WORDS_NS (200 * CLOCK_MS_NS)

static bool large_whole(const struct link_mpi *mpi)
{
    return mpi->large_size > 0 && mpi->large.size == mpi->large_size;
}

/* Whether a whole message waits for link_receive. */
bool link_mpi_whole_waits(const struct link_mpi *mpi)
{
    return mpi->batch.size > 0 || large_whole(mpi);
}

/* Where a packet of this kind goes; NULL if none of that kind and size may come now. */
static uint8_t *packet_room(struct link_mpi *mpi, int tag, int size)
{
    if (tag == LINK_MPI_TAG_SIZE && size == LINK_MPI_HEAD && mpi->large_size == 0)
        return mpi->in_head;
    if (tag == LINK_MPI_TAG_BATCH && size > LINK_MPI_HEAD && size <= LINK_MPI_PACKET_MAX &&
        mpi->large_size == 0)
        return buf_reserve(&mpi->batch, (size_t)size);
    if (tag == LINK_MPI_TAG_PART && size > 0 &&
        (size_t)size <= mpi->large_size - mpi->large.size)
        return mpi->large.data + mpi->large.size;
    return NULL;
}

/* Look for the next rung packet and start to receive it. 1: started; 0: not there yet; -1. */
static int packet_catch(struct link_mpi *mpi)
{
    int there = 0;
    MPI_Message handle;
    MPI_Status status;
    int code = MPI_Improbe(0, MPI_ANY_TAG, mpi->comm, &there, &handle, &status);
    if (code != MPI_SUCCESS)
        return link_mpi_lose_code(mpi, code, "MPI_Improbe");
    if (!there)
        return 0;
    mpi->in_tag = status.MPI_TAG;
    MPI_Get_count(&status, MPI_BYTE, &mpi->in_size);
    uint8_t *room = packet_room(mpi, mpi->in_tag, mpi->in_size);
    if (!room)
        return link_mpi_lose(
            mpi, "the peer sent a packet of a wrong size or kind; it broke the protocol");
    code = MPI_Imrecv(room, mpi->in_size, MPI_BYTE, &handle, &mpi->in_request);
    if (code != MPI_SUCCESS)
        return link_mpi_lose_code(mpi, code, "MPI_Imrecv");
    return 1;
}

/* A packet has arrived. 0 or -1. */
static int packet_take(struct link_mpi *mpi)
{
    size_t size = (size_t)mpi->in_size;
    mpi->rung--;
    mpi->owed++;
    mpi->owed_bytes += size;
    mpi->read_run += size;
    if (mpi->in_tag == LINK_MPI_TAG_BATCH) {
        buf_commit(&mpi->batch, size);
        mpi->batch_next = 0;
    } else if (mpi->in_tag == LINK_MPI_TAG_PART) {
        buf_commit(&mpi->large, size);
    } else {
        struct wire_reader reader;
        wire_reader_init(&reader, mpi->in_head, LINK_MPI_HEAD);
        size_t large_size = wire_get_u32(&reader);
        if (large_size == 0 || large_size > MESSAGE_MAX)
            return link_mpi_lose(
                mpi, "the peer announced a message larger than is allowed; it broke the "
                     "protocol");
        buf_clear(&mpi->large);
        if (!buf_reserve(&mpi->large, large_size))
            return link_mpi_lose_memory(mpi);
        mpi->large_size = large_size;
    }
    link_mpi_ring(mpi);
    return 0;
}

/* Go on receiving the packet at hand or the next. 1: one arrived; 0: not yet; -1. */
static int take_in(struct link_mpi *mpi)
{
    int done = 0;
    if (mpi->in_request == MPI_REQUEST_NULL) {
        int caught = mpi->rung > 0 ? packet_catch(mpi) : 0;
        if (caught <= 0)
            return caught;
    }
    int code = MPI_Test(&mpi->in_request, &done, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS)
        return link_mpi_lose_code(mpi, code, "receiving over MPI");
    if (!done)
        return 0;
    return packet_take(mpi) < 0 ? -1 : 1;
}

/* Cut the next message from the batch. 1, or -1. */
static int batch_give(struct link_mpi *mpi, struct buf *ret_message)
{
    struct wire_reader reader;
    wire_reader_init(&reader, mpi->batch.data + mpi->batch_next,
                     mpi->batch.size - mpi->batch_next);
    size_t size = wire_get_u32(&reader);
    if (reader.failed || size == 0 || size > wire_left(&reader)) {
        buf_clear(&mpi->batch);
        return link_mpi_lose(mpi, "the peer sent a damaged packet; it broke the protocol");
    }
    buf_clear(ret_message);
    if (buf_append(ret_message, reader.next, size) < 0)
        return link_mpi_lose_memory(mpi);
    mpi->batch_next += LINK_MPI_HEAD + size;
    if (mpi->batch_next == mpi->batch.size)
        buf_clear(&mpi->batch);
    return 1;
}

/* Hand over the large message; the receiver's old memory serves the next one. */
static void large_give(struct link_mpi *mpi, struct buf *ret_message)
{
    struct buf given = mpi->large;
    mpi->large = *ret_message;
    mpi->large.max = MESSAGE_MAX;
    buf_clear(&mpi->large);
    given.max = ret_message->max;
    *ret_message = given;
    mpi->large_size = 0;
    if (mpi->large.capacity < LINK_MPI_PACKET_MAX) /* not worth keeping */
        buf_fini(&mpi->large);
}

/* After end of file: lost, unless a packet that was announced may still come in. */
static void check_end(struct link_mpi *mpi)
{
    if (mpi->ended_ns == 0 || mpi->lost)
        return;
    if (mpi->rung == 0)
        link_mpi_lose(mpi, "the peer closed the connection");
    else if (clock_monotonic_ns() - mpi->ended_ns > LAST_WORDS_NS)
        link_mpi_lose(mpi, "the peer vanished in the middle of a message");
}

int link_mpi_receive(struct link *link, struct buf *ret_message, struct error *ret_error)
{
    struct link_mpi *mpi = link_mpi_of(link);
    while (!link_mpi_whole_waits(mpi)) {
        if (mpi->lost)
            return link_mpi_report(mpi, ret_error);
        int taken = mpi->read_run < READ_BUDGET && link_mpi_hear(mpi) == 0 ? take_in(mpi) : 0;
        if (taken == 0) {
            check_end(mpi);
            mpi->read_run = 0;
            if (mpi->rung == 0) /* nothing more to come soon: keep no memory for it */
                buf_fini(&mpi->batch);
            return mpi->lost ? link_mpi_report(mpi, ret_error) : 0;
        }
    }
    if (mpi->batch.size > 0)
        return batch_give(mpi, ret_message) < 0 ? link_mpi_report(mpi, ret_error) : 1;
    large_give(mpi, ret_message);
    return 1;
}
