/*
 * What a remote asks for goes to the mate of the node that it names; what comes back goes to the
 * remote. A remote that goes away (its mpirun was killed) takes with it what it has started.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/link_tcp.h"
#include "common/log.h"
#include "worker/mates_private.h"

#define REFUSED 255 /* as ssh does */

static void visitor_close(struct visitor *visitor)
{
    struct mates *mates = visitor->mates;
    struct visitor **at = &mates->visitors;
    while (*at != visitor)
        at = &(*at)->next;
    *at = visitor->next;
    if (visitor->peer) {
        mate_begin(&mates->message, MATE_KILL);
        wire_put_varint(&mates->message, visitor->run);
        mates_send(visitor->peer);
        mates_flush(visitor->peer);
    }
    loop_watch_remove(visitor->watch);
    link_close(visitor->link);
    free(visitor);
}

/* May close it. */
static void visitor_flush(struct visitor *visitor)
{
    struct error error;
    if (link_progress(visitor->link, &error) < 0 ||
        (visitor->over && !link_wants_write(visitor->link)))
        visitor_close(visitor);
    else
        loop_watch_set(visitor->watch,
                       LOOP_READ | (link_wants_write(visitor->link) ? LOOP_WRITE : 0));
}

static void visitor_tell(struct visitor *visitor, enum mate_message type, int what,
                         const void *bytes, size_t size)
{
    struct error error;
    struct buf message;
    buf_init(&message, MESSAGE_MATE_MAX);
    mate_begin(&message, type);
    wire_put_varint(&message, visitor->run);
    wire_put_u8(&message, (uint8_t)what);
    if (type == MATE_OUTPUT)
        wire_put_bytes(&message, bytes, size);
    if (link_send(visitor->link, &message, &error) < 0)
        visitor->over = true;
    buf_fini(&message);
}

static void visitor_end(struct visitor *visitor, int code)
{
    visitor->peer = NULL;
    visitor->over = true;
    visitor_tell(visitor, MATE_ENDED, code, NULL, 0);
    visitor_flush(visitor);
}

static void visitor_refuse(struct visitor *visitor, const char *host, const char *why)
{
    char sentence[512];
    int size = snprintf(sentence, sizeof sentence, "beofarm: node \"%.200s\" %s\n", host, why);
    visitor_tell(visitor, MATE_OUTPUT, 2, sentence, (size_t)size);
    visitor_end(visitor, REFUSED);
}

static void ask_take(struct visitor *visitor, const char *host, const char *command)
{
    struct mates *mates = visitor->mates;
    for (size_t i = 0; i < mates->peer_count; i++)
        if (strcmp(mates->peers[i].host, host) == 0)
            visitor->peer = &mates->peers[i];
    if (!visitor->peer) {
        visitor_refuse(visitor, host, "is none of this task's other nodes");
        return;
    }
    if (!visitor->peer->link || visitor->peer->phase != MATES_READY) {
        visitor->peer = NULL;
        visitor_refuse(visitor, host, "is not ready");
        return;
    }
    visitor->run = ++mates->last_run;
    mate_begin(&mates->message, MATE_RUN);
    wire_put_varint(&mates->message, visitor->run);
    wire_put_text(&mates->message, command);
    struct peer *peer = visitor->peer; /* which may be lost now, and the visitor with it */
    mates_send(peer);
    mates_flush(peer);
}

static void visitor_ready(unsigned events, void *context)
{
    struct visitor *visitor = context;
    struct buf *message = &visitor->mates->piece;
    struct wire_reader reader;
    struct error error;
    (void)events;
    int rc = link_receive(visitor->link, message, &error);
    if (rc < 0) {
        visitor_close(visitor);
        return;
    }
    if (rc == 0 || visitor->over) {
        visitor_flush(visitor);
        return;
    }
    wire_reader_init(&reader, message->data, message->size);
    bool asks = wire_get_u8(&reader) == MATE_ASK;
    char *host = mate_get_text(&reader), *command = mate_get_text(&reader);
    if (asks && host && command && !visitor->peer)
        ask_take(visitor, host, command);
    else
        visitor_close(visitor);
    free(host);
    free(command);
}

static void socket_ready(unsigned events, void *context)
{
    struct mates *mates = context;
    struct error error = {0};
    (void)events;
    int fd = accept4(mates->socket_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct visitor *visitor = calloc(1, sizeof *visitor);
    struct link *link = link_tcp_create(fd, &error);
    if (visitor && link) {
        *visitor = (struct visitor){.mates = mates, .link = link};
        visitor->watch = loop_watch_add(mates->loop, link_fd(link), LOOP_READ, visitor_ready,
                                        visitor, &error);
    }
    if (!visitor || !visitor->watch) {
        log_warn("a remote of a task is refused: %s", error.text);
        link_close(link);
        free(visitor);
        return;
    }
    visitor->next = mates->visitors;
    mates->visitors = visitor;
}

int mates_remotes_open(struct mates *mates, struct error *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int size = snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", mates->folder);
    mates->socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (size >= (int)sizeof address.sun_path)
        return error_set(ret_error, ERROR_SYSTEM, "\"%s/socket\" is too long for a socket",
                         mates->folder);
    if (mates->socket_fd < 0 ||
        bind(mates->socket_fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(mates->socket_fd, 1024) < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be made", address.sun_path);
    mates->socket_watch = loop_watch_add(mates->loop, mates->socket_fd, LOOP_READ, socket_ready,
                                         mates, ret_error);
    return mates->socket_watch ? 0 : -1;
}

void mates_remotes_close(struct mates *mates)
{
    while (mates->visitors)
        visitor_close(mates->visitors);
    loop_watch_remove(mates->socket_watch);
    if (mates->socket_fd >= 0)
        close(mates->socket_fd);
}

void mates_remotes_orphan(struct peer *peer)
{
    for (struct visitor *visitor = peer->mates->visitors, *next; visitor; visitor = next) {
        next = visitor->next;
        if (visitor->peer == peer)
            visitor_refuse(visitor, peer->host, "is lost");
    }
}

int mates_remotes_pass(struct peer *peer, enum mate_message type, struct wire_reader *reader)
{
    uint64_t run = wire_get_varint(reader);
    int what = wire_get_u8(reader);
    size_t size = 0;
    const void *bytes = type == MATE_OUTPUT ? wire_get_bytes(reader, &size) : NULL;
    struct visitor *visitor = peer->mates->visitors;
    while (visitor && (visitor->peer != peer || visitor->run != run))
        visitor = visitor->next;
    if (reader->failed)
        return -1;
    if (!visitor) /* its remote is gone */
        return 0;
    if (type == MATE_ENDED) {
        visitor_end(visitor, what);
        return 0;
    }
    visitor_tell(visitor, MATE_OUTPUT, what, bytes, size);
    visitor_flush(visitor);
    return 0;
}
