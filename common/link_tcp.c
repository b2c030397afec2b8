/*
 * How bytes move.
 *
 * Out: a ring of pieces that writev gathers. Small messages are copied, with their lengths, into
 * a shared piece; a large message's memory becomes a piece of its own, behind a shared piece
 * that ends with its length. A piece is freed as soon as it has left.
 *
 * In: bytes land in one buffer from which link_receive cuts messages without moving the rest;
 * what is left of a cut-off message moves to the front only when the buffer's end is reached. A
 * message too long for it goes on in memory of its own, which is then handed over whole, and the
 * receiver's old memory serves the next one. An idle link keeps no buffers at all: a master may
 * have ten thousand.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link_tcp.h"
#include "common/message.h"

#define HEAD        4          /* bytes of a length */
#define SMALL       (16 << 10) /* messages up to this size are copied into a shared piece */
#define SHARED_SIZE (64 << 10) /* bytes of a shared piece */
#define IN_SIZE     (64 << 10) /* bytes of the receive buffer */
#define READ_BUDGET (2 << 20)  /* bytes until link_receive says 0, to be fair to other links */
#define GATHER      64         /* pieces in one writev */

struct piece {
    uint8_t *bytes; /* owned */
    size_t size;
    size_t capacity; /* of a shared piece; 0 for a message of its own */
};

struct link_tcp {
    struct link base;
    int fd;
    struct piece *pieces; /* ring of piece_room, a power of two */
    size_t piece_room, piece_first, piece_count;
    size_t first_sent; /* bytes of the first piece that have left */
    size_t unsent;     /* bytes in the ring that have not */
    uint8_t *in;       /* IN_SIZE bytes, or NULL while empty */
    size_t in_begin, in_end;
    struct buf large;  /* a message that does not fit `in` */
    size_t large_size; /* its size; 0 if there is none */
    size_t read_run;   /* bytes read since link_receive last said 0 */
    bool drained;      /* the last read took all that the network had */
    bool send_failed;  /* what is sent goes nowhere; what the peer said may still be read */
    bool lost;
    struct error why;
};

static struct link_tcp *of(struct link *link)
{
    return (struct link_tcp *)link;
}

static const struct link_tcp *of_const(const struct link *link)
{
    return (const struct link_tcp *)link;
}

static uint32_t head_get(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void head_put(uint8_t *bytes, uint32_t size)
{
    for (int i = 0; i < HEAD; i++)
        bytes[i] = (uint8_t)(size >> (8 * i));
}

/* Remember the first reason of the loss. Returns -1. */
static int lose(struct link_tcp *tcp, const char *sentence, int errno_value)
{
    if (!tcp->lost && errno_value)
        error_set(&tcp->why, ERROR_NETWORK, "%s: %s", sentence, strerror(errno_value));
    else if (!tcp->lost)
        error_set(&tcp->why, ERROR_NETWORK, "%s", sentence);
    tcp->lost = true;
    return -1;
}

static int lose_memory(struct link_tcp *tcp)
{
    return lose(tcp, "no memory for a message", ENOMEM);
}

static int report(const struct link_tcp *tcp, struct error *ret_error)
{
    return error_set(ret_error, tcp->why.code, "%s", tcp->why.text);
}

/* --- out ------------------------------------------------------------------------------ */

static struct piece *piece_at(struct link_tcp *tcp, size_t index)
{
    return &tcp->pieces[(tcp->piece_first + index) & (tcp->piece_room - 1)];
}

static int ring_grow(struct link_tcp *tcp)
{
    size_t room = tcp->piece_room ? tcp->piece_room * 2 : 8;
    struct piece *pieces = malloc(room * sizeof *pieces);
    if (!pieces)
        return -1;
    for (size_t i = 0; i < tcp->piece_count; i++)
        pieces[i] = *piece_at(tcp, i);
    free(tcp->pieces);
    tcp->pieces = pieces;
    tcp->piece_room = room;
    tcp->piece_first = 0;
    return 0;
}

/* A new last piece; bytes are taken. */
static int piece_push(struct link_tcp *tcp, uint8_t *bytes, size_t size, size_t capacity)
{
    if (tcp->piece_count == tcp->piece_room && ring_grow(tcp) < 0)
        return -1;
    tcp->piece_count++;
    *piece_at(tcp, tcp->piece_count - 1) = (struct piece){bytes, size, capacity};
    return 0;
}

/* Room for `size` bytes at the end of the last shared piece. NULL if memory is short. */
static uint8_t *shared_room(struct link_tcp *tcp, size_t size)
{
    struct piece *last = tcp->piece_count ? piece_at(tcp, tcp->piece_count - 1) : NULL;
    if (!last || last->capacity - last->size < size || last->capacity == 0) {
        uint8_t *bytes = malloc(SHARED_SIZE);
        if (!bytes || piece_push(tcp, bytes, 0, SHARED_SIZE) < 0) {
            free(bytes);
            return NULL;
        }
        last = piece_at(tcp, tcp->piece_count - 1);
    }
    uint8_t *room = last->bytes + last->size;
    last->size += size;
    tcp->unsent += size;
    return room;
}

static void pieces_drop(struct link_tcp *tcp, size_t sent)
{
    tcp->unsent -= sent;
    sent += tcp->first_sent;
    while (tcp->piece_count > 0 && sent >= piece_at(tcp, 0)->size) {
        sent -= piece_at(tcp, 0)->size;
        free(piece_at(tcp, 0)->bytes);
        tcp->piece_first = (tcp->piece_first + 1) & (tcp->piece_room - 1);
        tcp->piece_count--;
    }
    tcp->first_sent = sent;
}

/* Hand to the network what it takes. A failure is not reported here: the peer may have left last
 * words, after which link_receive will find the end. */
static void flush_out(struct link_tcp *tcp)
{
    while (tcp->unsent > 0) {
        struct iovec parts[GATHER];
        size_t count = 0;
        for (; count < tcp->piece_count && count < GATHER; count++) {
            struct piece *piece = piece_at(tcp, count);
            parts[count] = (struct iovec){piece->bytes, piece->size};
        }
        parts[0].iov_base = (uint8_t *)parts[0].iov_base + tcp->first_sent;
        parts[0].iov_len -= tcp->first_sent;
        struct msghdr gathered = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(tcp->fd, &gathered, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (sent < 0) {
            tcp->send_failed = true;
            sent = (ssize_t)tcp->unsent;
        }
        pieces_drop(tcp, (size_t)sent);
    }
}

static int tcp_send(struct link *link, struct buf *message, struct error *ret_error)
{
    struct link_tcp *tcp = of(link);
    if (tcp->lost)
        return report(tcp, ret_error);
    if (tcp->send_failed) { /* link_receive will say so */
        buf_clear(message);
        return 0;
    }
    size_t size = message->size;
    bool small = size <= SMALL;
    /* A large message's length stands at the end of a shared piece before it. Should its own
     * piece then fail for want of memory, the stream is broken and so is the link. */
    uint8_t *room = shared_room(tcp, small ? HEAD + size : HEAD);
    if (!room)
        return lose_memory(tcp), report(tcp, ret_error);
    head_put(room, (uint32_t)size);
    if (small) {
        memcpy(room + HEAD, message->data, size);
        buf_clear(message);
    } else {
        if (piece_push(tcp, message->data, size, 0) < 0)
            return lose_memory(tcp), report(tcp, ret_error);
        tcp->unsent += size;
        buf_init(message, message->max);
    }
    if (tcp->unsent >= LINK_TCP_EAGER)
        flush_out(tcp);
    return 0;
}

static int tcp_pulse(struct link *link, struct error *ret_error)
{
    struct link_tcp *tcp = of(link);
    if (tcp->lost)
        return report(tcp, ret_error);
    if (tcp->unsent == 0 && !tcp->send_failed) { /* queued bytes are heard as well as a pulse */
        uint8_t *room = shared_room(tcp, HEAD);
        if (!room)
            return lose_memory(tcp), report(tcp, ret_error);
        head_put(room, 0);
    }
    flush_out(tcp);
    return 0;
}

/* --- in ------------------------------------------------------------------------------- */

/* Drop pulses at the front of `in` and check the length that follows. Returns the size of the
 * message at the front (maybe not whole yet), 0 if not even its length is there, or -1. */
static int64_t front_size(struct link_tcp *tcp)
{
    while (tcp->in_end - tcp->in_begin >= HEAD) {
        uint32_t size = head_get(tcp->in + tcp->in_begin);
        if (size > MESSAGE_MAX) {
            lose(tcp,
                 "the peer announced a message larger than is allowed; it broke the protocol",
                 0);
            return -1;
        }
        if (size > 0)
            return size;
        tcp->in_begin += HEAD;
    }
    return 0;
}

/* Whether a whole message waits for link_receive. */
static bool whole_waits(struct link_tcp *tcp)
{
    if (tcp->large_size > 0)
        return tcp->large.size == tcp->large_size;
    int64_t size = front_size(tcp);
    return size > 0 && tcp->in_end - tcp->in_begin >= HEAD + (size_t)size;
}

/* Give up the receive buffer when it is empty, or make its free part usable. */
static void in_tidy(struct link_tcp *tcp)
{
    size_t left = tcp->in_end - tcp->in_begin;
    if (left == 0) {
        free(tcp->in);
        tcp->in = NULL;
        tcp->in_begin = tcp->in_end = 0;
    } else if (tcp->in_begin > 0 && tcp->in_end == IN_SIZE) {
        memmove(tcp->in, tcp->in + tcp->in_begin, left);
        tcp->in_begin = 0;
        tcp->in_end = left;
    }
}

/* If the message at the front can never fit `in`, move it to memory of its own. 0 or -1. */
static int large_begin(struct link_tcp *tcp)
{
    if (tcp->large_size > 0)
        return 0;
    int64_t size = front_size(tcp);
    if (size < 0)
        return -1;
    if ((size_t)size <= IN_SIZE - HEAD)
        return 0;
    size_t there = tcp->in_end - tcp->in_begin - HEAD;
    buf_clear(&tcp->large);
    if (!buf_reserve(&tcp->large, (size_t)size))
        return lose_memory(tcp);
    buf_append(&tcp->large, tcp->in + tcp->in_begin + HEAD, there);
    tcp->large_size = (size_t)size;
    tcp->in_begin = tcp->in_end;
    in_tidy(tcp);
    return 0;
}

/* Where bytes can go: the rest of the large message, then `in`. Returns how many there are. */
static size_t room_find(struct link_tcp *tcp, struct iovec parts[2])
{
    size_t count = 0;
    if (tcp->large_size > tcp->large.size) {
        size_t missing = tcp->large_size - tcp->large.size;
        parts[count++] = (struct iovec){tcp->large.data + tcp->large.size, missing};
    }
    if (!tcp->in)
        tcp->in = malloc(IN_SIZE);
    if (tcp->in && tcp->in_end < IN_SIZE)
        parts[count++] = (struct iovec){tcp->in + tcp->in_end, IN_SIZE - tcp->in_end};
    return count;
}

static void room_fill(struct link_tcp *tcp, size_t got)
{
    if (tcp->large_size > tcp->large.size) {
        size_t missing = tcp->large_size - tcp->large.size;
        size_t taken = got < missing ? got : missing;
        buf_commit(&tcp->large, taken);
        got -= taken;
    }
    tcp->in_end += got;
}

/* Read once, as far as there is room. 0, or -1: lost. */
static int fill_in(struct link_tcp *tcp)
{
    struct iovec parts[2];
    if (large_begin(tcp) < 0)
        return -1;
    in_tidy(tcp);
    size_t count = room_find(tcp, parts);
    if (count == 0 || !tcp->in)
        return lose_memory(tcp);
    size_t room = parts[0].iov_len + (count > 1 ? parts[1].iov_len : 0);
    ssize_t got;
    do
        got = readv(tcp->fd, parts, (int)count);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        tcp->drained = true;
        return 0;
    }
    if (got < 0)
        return lose(tcp, "the connection broke", errno);
    if (got == 0)
        return lose(tcp,
                    tcp->large_size || tcp->in_end > tcp->in_begin
                        ? "the peer closed the connection in the middle of a message"
                        : "the peer closed the connection",
                    0);
    tcp->base.heard_ns = clock_monotonic_ns();
    room_fill(tcp, (size_t)got);
    tcp->read_run += (size_t)got;
    tcp->drained = (size_t)got < room;
    return 0;
}

/* Only sends: were it to read as well, a message read in a progress after the last receive would
 * wait until the descriptor is readable again, maybe for ever. */
static int tcp_progress(struct link *link, struct error *ret_error)
{
    (void)ret_error;
    flush_out(of(link));
    return 0;
}

/* Hand over the large message; the receiver's old memory serves the next one. */
static void large_give(struct link_tcp *tcp, struct buf *ret_message)
{
    struct buf given = tcp->large;
    tcp->large.data = ret_message->data;
    tcp->large.capacity = ret_message->capacity;
    tcp->large.size = 0;
    tcp->large_size = 0;
    ret_message->data = given.data;
    ret_message->capacity = given.capacity;
    ret_message->size = given.size;
    ret_message->failed = false;
    if (tcp->large.capacity < IN_SIZE) /* not worth keeping */
        buf_fini(&tcp->large);
}

/* Cut the message at the front of `in`. 1 or -1. */
static int front_give(struct link_tcp *tcp, struct buf *ret_message)
{
    size_t size = head_get(tcp->in + tcp->in_begin);
    buf_clear(ret_message);
    if (buf_append(ret_message, tcp->in + tcp->in_begin + HEAD, size) < 0)
        return lose_memory(tcp);
    tcp->in_begin += HEAD + size;
    return 1;
}

static int tcp_receive(struct link *link, struct buf *ret_message, struct error *ret_error)
{
    struct link_tcp *tcp = of(link);
    for (;;) {
        if (whole_waits(tcp)) {
            if (tcp->large_size == 0)
                return front_give(tcp, ret_message) < 0 ? report(tcp, ret_error) : 1;
            large_give(tcp, ret_message);
            return 1;
        }
        if (tcp->lost)
            return report(tcp, ret_error);
        if (tcp->drained || tcp->read_run >= READ_BUDGET) {
            tcp->drained = false;
            tcp->read_run = 0;
            in_tidy(tcp);
            return 0;
        }
        fill_in(tcp);
    }
}

/* --- the rest ------------------------------------------------------------------------- */

static int tcp_fd(const struct link *link)
{
    return of_const(link)->fd;
}

static bool tcp_wants_write(const struct link *link)
{
    return of_const(link)->unsent > 0 && !of_const(link)->lost;
}

static bool tcp_busy(const struct link *link)
{
    (void)link;
    return false;
}

static size_t tcp_unsent_bytes(const struct link *link)
{
    return of_const(link)->unsent;
}

static void tcp_close(struct link *link)
{
    struct link_tcp *tcp = of(link);
    if (!tcp->lost)
        flush_out(tcp);
    close(tcp->fd);
    for (size_t i = 0; i < tcp->piece_count; i++)
        free(piece_at(tcp, i)->bytes);
    free(tcp->pieces);
    free(tcp->in);
    buf_fini(&tcp->large);
    free(tcp);
}

static const struct link_ops tcp_ops = {
    .transport = "tcp",
    .send = tcp_send,
    .receive = tcp_receive,
    .progress = tcp_progress,
    .fd = tcp_fd,
    .wants_write = tcp_wants_write,
    .busy = tcp_busy,
    .unsent_bytes = tcp_unsent_bytes,
    .pulse = tcp_pulse,
    .close = tcp_close,
};

void link_tcp_prepare(int fd)
{
    /* Where fd is no TCP socket (a socketpair in tests) these fail, and that is fine. Keepalive
     * finds peers that vanished while neither side has a heartbeat to send. */
    const struct {
        int level, option, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 30}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        setsockopt(fd, options[i].level, options[i].option, &options[i].value, sizeof(int));
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

struct link *link_tcp_create(int fd, struct error *ret_error)
{
    struct link_tcp *tcp = calloc(1, sizeof *tcp);
    if (!tcp) {
        close(fd);
        error_errno(ret_error, ENOMEM, "no memory for a link");
        return NULL;
    }
    link_tcp_prepare(fd);
    tcp->base.ops = &tcp_ops;
    tcp->base.heard_ns = tcp->base.spoke_ns = clock_monotonic_ns();
    tcp->fd = fd;
    buf_init(&tcp->large, MESSAGE_MAX);
    return &tcp->base;
}
