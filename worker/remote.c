#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/link_tcp.h"
#include "worker/mate_message.h"
#include "worker/remote.h"

static struct link *worker_find(const char *path, struct error *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        error_set(ret_error, ERROR_USAGE, "\"%s\" is too long for a socket", path);
        return NULL;
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return link_tcp_create(fd, ret_error);
    error_errno(ret_error, errno, "the worker cannot be asked at \"%s\"", path);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static int ask(struct link *link, char *const *words, int count, struct error *ret_error)
{
    struct buf message, command;
    buf_init(&message, MESSAGE_MATE_MAX);
    buf_init(&command, MESSAGE_MATE_MAX / 2);
    for (int i = 1; i < count; i++)
        buf_printf(&command, "%s%s", i > 1 ? " " : "", words[i]);
    const char *text = buf_text(&command);
    mate_begin(&message, MATE_ASK);
    wire_put_text(&message, words[0]);
    wire_put_text(&message, text ? text : "");
    int rc = !text || buf_failed(&command) || buf_failed(&message)
                 ? error_set(ret_error, ERROR_USAGE, "the command is too long")
                 : link_send(link, &message, ret_error);
    buf_fini(&command);
    buf_fini(&message);
    return rc;
}

/* 0: go on. 1: *ret_code is how it ended. -1: nonsense came. */
static int answer_take(const struct buf *message, int *ret_code)
{
    struct wire_reader reader;
    size_t size = 0;
    wire_reader_init(&reader, message->data, message->size);
    enum mate_message type = (enum mate_message)wire_get_u8(&reader);
    wire_get_varint(&reader);
    int what = wire_get_u8(&reader);
    const void *bytes = type == MATE_OUTPUT ? wire_get_bytes(&reader, &size) : NULL;
    if (reader.failed || (type != MATE_OUTPUT && type != MATE_ENDED))
        return -1;
    *ret_code = what;
    if (type == MATE_ENDED)
        return 1;
    fd_write(what == 1 ? STDOUT_FILENO : STDERR_FILENO, bytes, size);
    return 0;
}

static int answers_await(struct link *link, struct error *ret_error)
{
    struct buf message;
    int rc = 0, code = 0;
    buf_init(&message, MESSAGE_MATE_MAX);
    while (rc == 0) {
        struct pollfd ready = {.fd = link_fd(link), .events = POLLIN};
        if (link_progress(link, ret_error) < 0)
            rc = -1;
        if (rc == 0 && link_wants_write(link))
            ready.events |= POLLOUT;
        if (rc == 0 && poll(&ready, 1, -1) < 0 && errno != EINTR)
            rc = error_errno(ret_error, errno, "waiting for the worker");
        int got = 0;
        while (rc == 0 && (got = link_receive(link, &message, ret_error)) > 0)
            rc = answer_take(&message, &code);
        if (rc == 0 && got < 0)
            rc = error_set(ret_error, ERROR_NETWORK, "the worker is gone");
    }
    buf_fini(&message);
    return rc > 0 ? code : -1;
}

int remote_run(const char *socket_path, char *const *words, int count, struct error *ret_error)
{
    struct link *link = worker_find(socket_path, ret_error);
    if (!link)
        return -1;
    int code = ask(link, words, count, ret_error) < 0 ? -1 : answers_await(link, ret_error);
    link_close(link);
    return code;
}
