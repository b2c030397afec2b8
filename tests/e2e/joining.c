#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/link_tcp.h"
#include "common/loop.h"
#include "common/message.h"
#include "common/mpi_join.h"
#include "common/mpi_world.h"
#include "master/rendezvous.h"
#include "tests/e2e/joining.h"
#include "worker/dial.h"

#define PEERS 64

struct auth_secret joining_secret(uint8_t byte)
{
    struct auth_secret secret;
    memset(secret.bytes, byte, sizeof secret.bytes);
    return secret;
}

/* --- the echoing master --------------------------------------------------------------- */

struct echo {
    struct loop *loop;
    FILE *report;
    struct peer {
        struct echo *echo;
        struct link *link; /* NULL once lost */
        struct loop_watch *watch;
        uint64_t id;
    } peers[PEERS];
    size_t count;
};

static void peer_lost(struct peer *peer, const struct error *error)
{
    fprintf(peer->echo->report, "lost %d %s\n", (int)peer->id, error->text);
    loop_watch_remove(peer->watch);
    link_close(peer->link);
    peer->link = NULL;
}

/* Returns whether anything moved. */
static bool peer_serve(struct peer *peer)
{
    struct error error;
    struct buf message;
    bool moved = false;
    buf_init(&message, MESSAGE_MAX);
    int got = link_progress(peer->link, &error);
    while (got == 0 && (got = link_receive(peer->link, &message, &error)) == 1) {
        got = link_send(peer->link, &message, &error);
        moved = true;
    }
    if (got == 0)
        got = link_progress(peer->link, &error);
    buf_fini(&message);
    if (got < 0)
        peer_lost(peer, &error);
    else
        loop_watch_set(peer->watch,
                       LOOP_READ | (link_wants_write(peer->link) ? LOOP_WRITE : 0));
    return moved;
}

static void peer_ready(unsigned events, void *context)
{
    (void)events;
    peer_serve(context);
}

static int64_t echo_turn(void *context)
{
    struct echo *echo = context;
    int64_t nap_ns = INT64_MAX;
    for (size_t i = 0; i < echo->count; i++) {
        struct peer *peer = &echo->peers[i];
        if (peer->link && link_busy(peer->link))
            nap_ns = peer_serve(peer) ? 0 : nap_ns < 20000 ? nap_ns : 20000;
    }
    return nap_ns;
}

static void echo_joined(void *context, struct link *link, const struct rendezvous_peer *peer)
{
    struct echo *echo = context;
    struct peer *added = &echo->peers[echo->count++];
    fprintf(echo->report, "joined %d %s %s\n", (int)peer->id, peer->transport, peer->host);
    *added = (struct peer){.echo = echo, .link = link, .id = peer->id};
    added->watch =
        loop_watch_add(echo->loop, link_fd(link), LOOP_READ, peer_ready, added, NULL);
}

static void echo_notice(void *context, const char *sentence)
{
    struct echo *echo = context;
    fprintf(echo->report, "notice %s\n", sentence);
}

void joining_master(FILE *report, const char *directory, bool mpi, int port)
{
    static struct echo echo;
    struct error error;
    const struct rendezvous_events events = {echo_joined, echo_notice};
    const struct rendezvous_options options = {
        .farm = "henry",
        .instance = "test-instance",
        .network = "lo",
        .port = port,
        .handshake_limit_ns = 6 * CLOCK_SECOND_NS,
        .join_limit_ns = 6 * CLOCK_SECOND_NS,
        .secret = joining_secret(1),
    };
    echo.report = report;
    echo.loop = loop_create(&error);
    struct rendezvous *r = rendezvous_open(echo.loop, &options, &events, &echo, &error);
    if (r && mpi &&
        (mpi_world_serve("test-instance", directory, "lo", NULL, &error) < 0 ||
         rendezvous_offer_mpi(r, NULL, &error) < 0)) {
        rendezvous_close(r);
        r = NULL;
    }
    if (!r) {
        fprintf(report, "broken %s\n", error.text);
        _exit(1);
    }
    fprintf(report, "port %d %s\n", rendezvous_port(r), rendezvous_address(r));
    loop_set_turn(echo.loop, echo_turn, &echo);
    loop_run(echo.loop, &error);
    _exit(1);
}

/* --- processes and what they report --------------------------------------------------- */

pid_t process_start(struct process *process, FILE **ret_report)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t parent = getpid();
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        close(fds[0]);
        fcntl(fds[1], F_SETFD, FD_CLOEXEC);
        *ret_report = fdopen(fds[1], "w");
        setvbuf(*ret_report, NULL, _IOLBF, 0);
        return 0;
    }
    close(fds[1]);
    process->fd = fds[0];
    process->size = 0;
    return process->pid;
}

const char *process_line(struct process *process, int64_t deadline_ns)
{
    static char line[2048];
    for (;;) {
        char *end = memchr(process->line, '\n', process->size);
        if (end) {
            size_t size = (size_t)(end - process->line);
            memcpy(line, process->line, size);
            line[size] = 0;
            process->size -= size + 1;
            memmove(process->line, end + 1, process->size);
            return line;
        }
        int64_t left_ms = (deadline_ns - clock_monotonic_ns()) / CLOCK_MS_NS;
        struct pollfd ready = {.fd = process->fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) <= 0)
            return NULL;
        ssize_t got = read(process->fd, process->line + process->size,
                           sizeof process->line - process->size);
        if (got <= 0)
            return NULL;
        process->size += (size_t)got;
    }
}

const char *process_expect(struct process *process, const char *head)
{
    int64_t deadline_ns = clock_monotonic_ns() + STEP_LIMIT_NS;
    const char *line;
    while ((line = process_line(process, deadline_ns))) {
        if (strncmp(line, head, strlen(head)) == 0)
            return line;
        if (strncmp(line, "broken", 6) == 0)
            fail_msg("while waiting for '%s': %s", head, line);
    }
    fail_msg("no line '%s' came", head);
    return NULL;
}

void process_end(struct process *process, int signal)
{
    kill(process->pid, signal);
    close(process->fd);
    assert_int_equal(waitpid(process->pid, NULL, 0), process->pid);
}

int process_number(const char *line)
{
    return (int)strtol(line + strcspn(line, " "), NULL, 10);
}

int joining_master_start(struct process *master, bool mpi)
{
    FILE *report;
    char directory[] = "/tmp/beofarm-join-XXXXXX";
    assert_non_null(mkdtemp(directory));
    if (process_start(master, &report) == 0)
        joining_master(report, directory, mpi, 0);
    int port = process_number(process_expect(master, "port "));
    char file[64];
    snprintf(file, sizeof file, "%s/ompi-server.uri", directory);
    unlink(file);
    snprintf(file, sizeof file, "%s/ompi-server.log", directory);
    unlink(file);
    rmdir(directory);
    assert_true(port > 0);
    return port;
}

/* --- workers -------------------------------------------------------------------------- */

struct dial_options joining_options(int port, bool mpi)
{
    return (struct dial_options){
        .host = "127.0.0.1",
        .port = port,
        .farm = "henry",
        .network = "lo",
        .mpi = mpi,
        .cancel_fd = -1,
        .secret = joining_secret(1),
    };
}

static size_t size_of(unsigned i)
{
    static const size_t sizes[] = {1, 64, 16384, 16385, 3, 70000, 500, 1 << 20, 64, 64};
    return sizes[i % (sizeof sizes / sizeof *sizes)];
}

static void message_fill(struct buf *message, unsigned i)
{
    buf_clear(message);
    uint8_t *bytes = buf_reserve(message, size_of(i));
    for (size_t k = 0; k < size_of(i); k++)
        bytes[k] = (uint8_t)(i * 31 + k * 7 + (k >> 8));
    buf_commit(message, size_of(i));
}

void joining_sleep(struct link *link)
{
    short events = link_wants_write(link) ? POLLIN | POLLOUT : POLLIN;
    struct pollfd ready = {.fd = link_fd(link), .events = events};
    poll(&ready, 1, link_busy(link) ? 0 : 1000);
}

int joining_exercise(struct link *link, unsigned count, struct error *error)
{
    enum { WINDOW = 10 };
    struct buf out, in;
    unsigned sent = 0, got = 0;
    buf_init(&out, MESSAGE_MAX);
    buf_init(&in, MESSAGE_MAX);
    int result = 0;
    while (got < count && result == 0) {
        for (; sent < count && sent - got < WINDOW && result == 0; sent++) {
            message_fill(&out, sent);
            result = link_send(link, &out, error);
        }
        if (result == 0)
            result = link_progress(link, error);
        int more = 0;
        while (result == 0 && (more = link_receive(link, &in, error)) == 1) {
            message_fill(&out, got++);
            if (in.size != out.size || memcmp(in.data, out.data, in.size) != 0)
                result = error_set(error, ERROR_BUG, "message %u came back changed", got - 1);
        }
        if (more < 0)
            result = -1;
        bool may_send = sent < count && sent - got < WINDOW;
        if (result == 0 && got < count && !may_send)
            joining_sleep(link);
    }
    buf_fini(&out);
    buf_fini(&in);
    return result;
}

/* A worker: dials, reports "linked ID TRANSPORT", has messages echoed ("echoed"), and goes on
 * (until killed) or closes. */
static void worker_main(FILE *report, const struct dial_options *options, unsigned count,
                        bool forever)
{
    struct dial_answer answer;
    struct error error;
    struct link *link = dial(options, &answer, &error);
    if (!link) {
        fprintf(report, "refused %d %s\n", (int)error.code, error.text);
        _exit(0);
    }
    fprintf(report, "linked %d %s %s\n", (int)answer.id, link_transport(link), answer.notice);
    if (joining_exercise(link, count, &error) < 0)
        fprintf(report, "broken %s\n", error.text);
    else
        fprintf(report, "echoed\n");
    while (forever && joining_exercise(link, 100, &error) == 0)
        ;
    link_close(link);
    mpi_world_exit(0);
    _exit(0);
}

void joining_worker_start(struct process *worker, const struct dial_options *options,
                          unsigned count, bool forever)
{
    FILE *report;
    if (process_start(worker, &report) == 0)
        worker_main(report, options, count, forever);
}
