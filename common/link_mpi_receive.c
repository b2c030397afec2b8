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

static const char out_of_turn[] =
    "the peer sent a packet of a wrong size or kind; it broke the protocol";

static struct bell *bell_at(struct link_mpi *mpi, unsigned place)
{
    return &mpi->bells[(mpi->bell_first + place) % LINK_MPI_BELLS];
}

static MPI_Request *request_at(struct link_mpi *mpi, unsigned place)
{
    return &mpi->requests[(mpi->bell_first + place) % LINK_MPI_AHEAD];
}

static void bell_pop(struct link_mpi *mpi)
{
    mpi->bell_first = (mpi->bell_first + 1) % LINK_MPI_BELLS;
    mpi->bell_count--;
}

static bool is_part(const struct bell *bell)
{
    return bell->letter == LINK_MPI_PART || bell->letter == LINK_MPI_PART_DUE;
}

/* A large message was announced, and none is being received. 0 or -1. */
static int large_begin(struct link_mpi *mpi, size_t size)
{
    if (size == 0 || size > MESSAGE_MAX)
        return link_mpi_lose(
            mpi, "the peer announced a message larger than is allowed; it broke the "
                 "protocol");
    buf_clear(&mpi->large);
    if (mpi->large.capacity <= size && mpi->spare.capacity > mpi->large.capacity) {
        struct buf spare = mpi->spare;
        mpi->spare = mpi->large;
        mpi->large = spare;
    }
    if (!buf_reserve(&mpi->large, size))
        return link_mpi_lose_memory(mpi);
    mpi->large_size = size;
    mpi->large_posted = 0;
    bell_pop(mpi);
    return 0;
}

/* Where the packet of this bell goes, when all that was rung before it is with MPI. NULL: not
 * yet, or the link is lost. */
static uint8_t *packet_room(struct link_mpi *mpi, const struct bell *bell)
{
    size_t left = mpi->large_size - mpi->large_posted;
    if (is_part(bell)) {
        if (bell->size > 0 && bell->size <= left)
            return mpi->large.data + mpi->large_posted;
    } else if (mpi->posted > 0) {
        return NULL;
    } else if (mpi->large_size == 0 && bell->size > LINK_MPI_HEAD) {
        uint8_t *room = buf_reserve(&mpi->batch, bell->size);
        if (!room)
            link_mpi_lose_memory(mpi);
        return room;
    }
    link_mpi_lose(mpi, out_of_turn);
    return NULL;
}

/* Ask MPI for packets that were rung: for parts some ahead, so that they go straight to their
 * place when they come. 0 or -1. */
static int packets_post(struct link_mpi *mpi)
{
    while (mpi->posted < mpi->bell_count && mpi->posted < LINK_MPI_AHEAD && !mpi->lost) {
        const struct bell *bell = bell_at(mpi, mpi->posted);
        if (bell->letter == LINK_MPI_LARGE) {
            if (mpi->posted > 0)
                return 0; /* its turn has not come */
            if (mpi->large_size > 0)
                return link_mpi_lose(mpi, out_of_turn);
            if (large_begin(mpi, bell->size) < 0)
                return -1;
            continue;
        }
        uint8_t *room = packet_room(mpi, bell);
        if (!room)
            break;
        int code = MPI_Irecv(room, (int)bell->size, MPI_BYTE, 0, LINK_MPI_TAG, mpi->comm,
                             request_at(mpi, mpi->posted));
        if (code != MPI_SUCCESS)
            return link_mpi_lose_code(mpi, code, "MPI_Irecv");
        if (is_part(bell))
            mpi->large_posted += bell->size;
        mpi->posted++;
    }
    return mpi->lost ? -1 : 0;
}

/* The first packet that MPI was asked for has arrived. */
static void packet_take(struct link_mpi *mpi)
{
    struct bell bell = *bell_at(mpi, 0);
    bell_pop(mpi);
    mpi->posted--;
    mpi->owed++;
    mpi->owed_due |= bell.letter == LINK_MPI_PART_DUE || bell.letter == LINK_MPI_BATCH_DUE;
    mpi->read_run += bell.size;
    if (is_part(&bell)) {
        buf_commit(&mpi->large, bell.size);
        mpi->heard = false; /* more is probably on its way */
    } else {
        buf_commit(&mpi->batch, bell.size);
        mpi->batch_next = 0;
    }
    if (mpi->owed_due)
        link_mpi_ring(mpi);
}

/* Go on receiving what was rung. 1: a packet arrived; 0: not yet; -1. */
static int take_in(struct link_mpi *mpi)
{
    int done = 0, size = 0;
    MPI_Status status;
    if (packets_post(mpi) < 0)
        return -1;
    if (mpi->posted == 0)
        return 0;
    int code = MPI_Test(request_at(mpi, 0), &done, &status);
    if (code != MPI_SUCCESS)
        return link_mpi_lose_code(mpi, code, "receiving over MPI");
    if (!done)
        return 0;
    MPI_Get_count(&status, MPI_BYTE, &size);
    if ((uint32_t)size != bell_at(mpi, 0)->size)
        return link_mpi_lose(mpi, out_of_turn);
    packet_take(mpi);
    return 1;
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
    mpi->large_size = mpi->large_posted = 0;
    if (mpi->large.capacity < LINK_MPI_WORTH_KEEPING)
        buf_fini(&mpi->large);
}

/* After end of file: lost, unless a packet that was announced may still come in. */
static void check_end(struct link_mpi *mpi)
{
    if (mpi->ended_ns == 0 || mpi->lost)
        return;
    if (mpi->bell_count == 0)
        link_mpi_lose(mpi, "the peer closed the connection");
    else if (clock_monotonic_ns() - mpi->ended_ns > LAST_WORDS_NS)
        link_mpi_lose(mpi, "the peer vanished in the middle of a message");
}

/* Take in the next packet, as far as it is fair to other links. 1: one came; 0: none, or lost. */
static int next_take(struct link_mpi *mpi)
{
    if (mpi->read_run >= READ_BUDGET)
        return 0;
    if (mpi->bell_count == 0 && !mpi->heard && link_mpi_hear(mpi) < 0)
        return 0;
    if (mpi->bell_count == 0)
        return 0;
    int taken = take_in(mpi);
    if (taken == 0) /* it may be that the peer has gone */
        link_mpi_hear(mpi);
    return taken > 0;
}

int link_mpi_receive(struct link *link, struct buf *ret_message, struct error *ret_error)
{
    struct link_mpi *mpi = link_mpi_of(link);
    while (!link_mpi_whole_waits(mpi)) {
        if (mpi->lost)
            return link_mpi_report(mpi, ret_error);
        if (next_take(mpi) == 0) {
            check_end(mpi);
            mpi->read_run = 0;
            mpi->heard = false;
            if (mpi->bell_count == 0) /* nothing more to come soon: keep no memory for it */
                buf_fini(&mpi->batch);
            return mpi->lost ? link_mpi_report(mpi, ret_error) : 0;
        }
    }
    if (mpi->batch.size > 0)
        return batch_give(mpi, ret_message) < 0 ? link_mpi_report(mpi, ret_error) : 1;
    large_give(mpi, ret_message);
    return 1;
}

void link_mpi_receive_trim(struct link_mpi *mpi)
{
    if (mpi->bell_count == 0 && mpi->large_size == 0)
        buf_fini(&mpi->large);
}

void link_mpi_receive_fini(struct link_mpi *mpi)
{
    bool kept = false;
    for (unsigned i = 0; i < mpi->posted; i++) {
        int done = 0;
        MPI_Request *request = request_at(mpi, i);
        if (*request == MPI_REQUEST_NULL)
            continue;
        kept |= MPI_Cancel(request) != MPI_SUCCESS ||
                MPI_Test(request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || !done;
    }
    if (kept)
        return;
    buf_fini(&mpi->batch);
    buf_fini(&mpi->large);
}
