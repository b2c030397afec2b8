#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/seismic/sum.h"
#include "common/wire.h"
#include "worker/dial.h"
#include "worker/gift.h"

#define MAGIC       "BFGIFT1\n"
#define MAGIC_SIZE  8
#define NO          "NO "
#define NO_SIZE     3
#define BUSY        '.'
#define REQUEST_MAX (MESSAGE_MAX + 64)
#define PIECE       ((size_t)256 << 10)
#define CONNECT_NS  (10 * CLOCK_SECOND_NS)
#define ANSWER_NS   (30 * CLOCK_SECOND_NS)
#define STALL_NS    (10 * CLOCK_SECOND_NS)
#define BUSY_NS     (600 * CLOCK_SECOND_NS)

static int64_t within(int64_t limit_ns, int64_t usual_ns)
{
    return clock_monotonic_ns() + (limit_ns ? limit_ns : usual_ns);
}

static int wait_for(const struct gift_terms *terms, int fd, short events, int64_t deadline_ns,
                    struct error *ret_error)
{
    int rc = fd_wait(fd, events, deadline_ns, terms->cancel_fd);
    if (rc > 0)
        return 0;
    return rc == 0 ? error_set(ret_error, ERROR_NETWORK, "the other worker is silent")
                   : error_errno(ret_error, errno, "the other worker is waited for no more");
}

static int broken(struct error *ret_error)
{
    return error_set(ret_error, ERROR_NETWORK, "the connection to the other worker broke: %s",
                     errno ? strerror(errno) : "it ended");
}

/* --- The taker --- */

static int send_all(const struct gift_terms *terms, int fd, const void *bytes, size_t size,
                    struct error *ret_error)
{
    for (size_t sent = 0; sent < size;) {
        if (wait_for(terms, fd, POLLOUT, within(terms->stall_ns, STALL_NS), ret_error) < 0)
            return -1;
        ssize_t rc = send(fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);
        if (rc < 0 && errno != EAGAIN && errno != EINTR)
            return broken(ret_error);
        sent += rc > 0 ? (size_t)rc : 0;
    }
    return 0;
}

static int ask(const struct gift_terms *terms, int fd, uint64_t task, const void *payload,
               size_t size, struct error *ret_error)
{
    struct buf body, message; /* sent as one: two small packets would wait for each other */
    int rc = -1;
    buf_init(&body, REQUEST_MAX);
    buf_init(&message, REQUEST_MAX + sizeof(uint32_t));
    buf_append(&body, MAGIC, MAGIC_SIZE);
    wire_put_varint(&body, task);
    buf_append(&body, payload, size);
    wire_put_u32(&message, (uint32_t)body.size);
    buf_append(&message, body.data, body.size);
    if (buf_failed(&body) || buf_failed(&message))
        error_set(ret_error, ERROR_SYSTEM, "no memory to ask another worker");
    else
        rc = send_all(terms, fd, message.data, message.size, ret_error);
    buf_fini(&body);
    buf_fini(&message);
    return rc;
}

/* Bytes that came, at most `size`; 0 at the end. */
static ssize_t receive(const struct gift_terms *terms, int fd, void *bytes, size_t size,
                       int64_t deadline_ns, struct error *ret_error)
{
    for (;;) {
        if (wait_for(terms, fd, POLLIN, deadline_ns, ret_error) < 0)
            return -1;
        ssize_t rc = recv(fd, bytes, size, MSG_DONTWAIT);
        if (rc >= 0)
            return rc;
        if (errno != EAGAIN && errno != EINTR)
            return broken(ret_error);
    }
}

static size_t count_busy(const char *bytes, size_t size)
{
    size_t count = 0;
    while (count < size && bytes[count] == BUSY)
        count++;
    return count;
}

/* Until when the next sign is awaited: they do not prolong the patience with who gives nothing
 * else. */
static int64_t sign_deadline(const struct gift_terms *terms, int64_t patience_ns)
{
    int64_t deadline_ns = within(terms->answer_ns, ANSWER_NS);
    return deadline_ns < patience_ns ? deadline_ns : patience_ns;
}

/* Everything that comes goes into the file, whatever it is; `begins` has its first bytes. */
static int receive_file(const struct gift_terms *terms, int fd, int file_fd, char *begins,
                        size_t size, struct error *ret_error)
{
    char *piece = malloc(PIECE);
    const int64_t patience_ns = within(terms->busy_ns, BUSY_NS);
    int64_t deadline_ns = sign_deadline(terms, patience_ns);
    size_t have = 0;
    bool begun = false;
    ssize_t count = piece ? 1 : error_set(ret_error, ERROR_SYSTEM, "no memory to take a sum");
    while (count > 0 &&
           (count = receive(terms, fd, piece, PIECE, deadline_ns, ret_error)) > 0) {
        size_t busy = begun ? 0 : count_busy(piece, (size_t)count);
        size_t rest = (size_t)count - busy, more = rest < size - have ? rest : size - have;
        begun = begun || rest > 0;
        memcpy(begins + have, piece + busy, more);
        have += more;
        if (fd_write(file_fd, piece + busy, rest) < 0)
            count = error_errno(ret_error, errno, "the sum of another worker cannot be kept");
        deadline_ns =
            begun ? within(terms->stall_ns, STALL_NS) : sign_deadline(terms, patience_ns);
    }
    if (count < 0 && !begun && clock_monotonic_ns() >= patience_ns)
        error_set(ret_error, ERROR_NETWORK,
                  "the other worker is busy, and does not come to it");
    begins[have] = '\0';
    free(piece);
    return (int)count;
}

static int dial_giver(const struct gift_terms *terms, const struct shot_giver *giver,
                      struct error *ret_error)
{
    struct auth_welcome welcome;
    const struct dial_options options = {.whom = "the worker that holds it",
                                         .host = giver->host,
                                         .port = giver->port,
                                         .farm = terms->farm,
                                         .limit_ns =
                                             terms->connect_ns ? terms->connect_ns : CONNECT_NS,
                                         .cancel_fd = terms->cancel_fd,
                                         .secret = terms->secret};
    return dial_connect(&options, &welcome, ret_error);
}

int gift_fetch(const struct gift_terms *terms, uint64_t task, const void *payload, size_t size,
               int file_fd, struct error *ret_error)
{
    struct shot_task said;
    char begins[ERROR_TEXT_MAX] = "";
    if (shot_task_decode(payload, size, &said, ret_error) < 0)
        return -1;
    int fd = dial_giver(terms, &said.giver, ret_error);
    shot_task_fini(&said);
    if (fd < 0)
        return -1;
    int rc = ask(terms, fd, task, payload, size, ret_error);
    if (rc == 0)
        rc = receive_file(terms, fd, file_fd, begins, sizeof(begins) - 1, ret_error);
    close(fd);
    if (rc == 0 && strncmp(begins, NO, NO_SIZE) == 0)
        rc = error_set(ret_error, ERROR_TASKS, "%s", begins + NO_SIZE);
    return rc;
}

int gift_check(const char *path, const struct shot_task *task,
               struct gift_contents *ret_contents, struct error *ret_error)
{
    struct sum_piece piece;
    struct sum_reader *reader = sum_reader_open(&path, 1, ret_error);
    if (!reader)
        return -1;
    const struct sum_shape *shape = sum_reader_shape(reader);
    const struct sum_names *names = sum_reader_names(reader);
    int rc = 1;
    if (shape->number != task->sum || shape->exact != task->exact)
        rc = error_set(ret_error, ERROR_TASKS,
                       "the other worker gave another sum than was asked for");
    else if (sum_names_count(names) == 0 ||
             !sum_names_within(names, task->attempts, task->attempt_count))
        rc = error_set(ret_error, ERROR_TASKS,
                       "what the other worker gave has something in it that was not asked for");
    while (rc > 0)
        rc = sum_reader_next(reader, &piece, ret_error);
    *ret_contents = (struct gift_contents){sum_names_count(names), sum_names_shots(names)};
    sum_reader_close(reader);
    return rc;
}

/* --- The giver --- */

static int receive_all(const struct gift_terms *terms, int fd, void *bytes, size_t size,
                       struct error *ret_error)
{
    for (size_t have = 0; have < size;) {
        errno = 0;
        ssize_t rc = receive(terms, fd, (char *)bytes + have, size - have,
                             within(terms->stall_ns, STALL_NS), ret_error);
        if (rc < 0)
            return -1;
        if (rc == 0)
            return broken(ret_error);
        have += (size_t)rc;
    }
    return 0;
}

static int request_read(const void *bytes, size_t size, uint64_t instance,
                        struct shot_task *ret_said, uint64_t *ret_task, struct error *ret_error)
{
    struct wire_reader reader;
    if (size < MAGIC_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
        return error_set(ret_error, ERROR_NETWORK, "that is no request for a sum");
    wire_reader_init(&reader, (const char *)bytes + MAGIC_SIZE, size - MAGIC_SIZE);
    *ret_task = wire_get_varint(&reader);
    if (reader.failed || *ret_task == 0)
        return error_set(ret_error, ERROR_NETWORK, "that is no request for a sum");
    if (shot_task_decode(reader.next, wire_left(&reader), ret_said, ret_error) < 0)
        return -1;
    if (ret_said->operation == SHOT_TAKE && ret_said->giver.instance == instance)
        return 0;
    shot_task_fini(ret_said);
    return error_set(ret_error, ERROR_TASKS, "another worker process is here now");
}

/* From here on it blocks, as long as anything goes. */
static void make_blocking(const struct gift_terms *terms, int fd)
{
    int64_t stall_ns = terms->stall_ns ? terms->stall_ns : STALL_NS;
    const struct timeval limit = {.tv_sec = stall_ns / CLOCK_SECOND_NS,
                                  .tv_usec = stall_ns % CLOCK_SECOND_NS / 1000};
    int flags = fcntl(fd, F_GETFL);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

int gift_hear(const struct gift_terms *terms, int fd, uint64_t instance,
              struct shot_task *ret_said, uint64_t *ret_task, struct error *ret_error)
{
    uint8_t head[sizeof(uint32_t)];
    struct wire_reader reader;
    make_blocking(terms, fd);
    if (receive_all(terms, fd, head, sizeof(head), ret_error) < 0)
        return -1;
    wire_reader_init(&reader, head, sizeof(head));
    uint32_t size = wire_get_u32(&reader);
    uint8_t *body = size <= REQUEST_MAX ? malloc((size_t)size + 1) : NULL;
    int rc = body ? receive_all(terms, fd, body, size, ret_error)
                  : error_set(ret_error, ERROR_NETWORK, "that is no request for a sum");
    if (rc == 0)
        rc = request_read(body, size, instance, ret_said, ret_task, ret_error);
    free(body);
    if (rc < 0)
        gift_refuse(fd, ret_error);
    return rc;
}

void gift_refuse(int fd, const struct error *error)
{
    char text[NO_SIZE + ERROR_TEXT_MAX];
    int size = snprintf(text, sizeof(text), NO "%s", error->text);
    if (size > 0)
        send(fd, text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1,
             MSG_NOSIGNAL);
}

void gift_delay(int fd)
{
    const char busy = BUSY;
    send(fd, &busy, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}
