/*
 * The master's rendezvous and the worker's dial together, as real processes on loopback: one
 * process runs a rendezvous that echoes every message and reports, a line per event, on a pipe;
 * others dial it. Open MPI allows one universe per process and remembers, so nothing of it runs
 * in the test's own process. MPI cases are skipped where mpi_world_works says no.
 */
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
#include "worker/dial.h"

/* How long any step may take before the test fails: MPI starts several processes for each of
 * ours, and the machine may be busy. */
#define STEP_LIMIT_NS (60 * CLOCK_SECOND_NS)
#define PEERS         64

static struct auth_secret secret_of(uint8_t byte)
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

static void echo_main(FILE *report, const char *directory, bool mpi, int port)
{
    static struct echo echo;
    struct error error;
    const struct rendezvous_events events = {echo_joined, echo_notice};
    const struct rendezvous_options options = {
        .farm = "henry",
        .instance = "test-instance",
        .network = "lo",
        .port = port,
        .handshake_limit_ns = 2 * CLOCK_SECOND_NS,
        .join_limit_ns = 2 * CLOCK_SECOND_NS,
        .secret = secret_of(1),
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

struct process {
    pid_t pid;
    int fd; /* what it reports */
    char line[2048];
    size_t size;
};

/* Fork; the child (returns 0) reports on *ret_report. It dies with the test. */
static pid_t process_start(struct process *process, FILE **ret_report)
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

/* The next reported line, borrowed until the next call; NULL at the end or after the limit. */
static const char *process_line(struct process *process, int64_t deadline_ns)
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

/* Wait for a line that begins with `head`, passing over others; fails the test if none comes. */
static const char *process_expect(struct process *process, const char *head)
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

static void process_end(struct process *process, int signal)
{
    kill(process->pid, signal);
    close(process->fd);
    assert_int_equal(waitpid(process->pid, NULL, 0), process->pid);
}

static int echo_start(struct process *master, bool mpi)
{
    FILE *report;
    char directory[] = "/tmp/beofarm-join-XXXXXX";
    assert_non_null(mkdtemp(directory));
    if (process_start(master, &report) == 0)
        echo_main(report, directory, mpi, 0);
    int port = atoi(process_expect(master, "port ") + 5);
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

static struct dial_options dial_to(int port, bool mpi)
{
    return (struct dial_options){
        .host = "127.0.0.1",
        .port = port,
        .farm = "henry",
        .network = "lo",
        .mpi = mpi,
        .cancel_fd = -1,
        .secret = secret_of(1),
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

static void link_sleep(struct link *link)
{
    short events = link_wants_write(link) ? POLLIN | POLLOUT : POLLIN;
    struct pollfd ready = {.fd = link_fd(link), .events = events};
    poll(&ready, 1, link_busy(link) ? 0 : 1000);
}

/* Have `count` messages echoed and check each. 0 or -1 with the reason in error. */
static int link_exercise(struct link *link, unsigned count, struct error *error)
{
    struct buf out, in;
    unsigned sent = 0, got = 0;
    buf_init(&out, MESSAGE_MAX);
    buf_init(&in, MESSAGE_MAX);
    int result = 0;
    while (got < count && result == 0) {
        for (; sent < count && sent - got < 10 && result == 0; sent++) {
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
        if (result == 0 && got < count)
            link_sleep(link);
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
    if (link_exercise(link, count, &error) < 0)
        fprintf(report, "broken %s\n", error.text);
    else
        fprintf(report, "echoed\n");
    while (forever && link_exercise(link, 100, &error) == 0)
        ;
    link_close(link);
    mpi_world_exit(0);
    _exit(0);
}

static void worker_start(struct process *worker, const struct dial_options *options,
                         unsigned count, bool forever)
{
    FILE *report;
    if (process_start(worker, &report) == 0)
        worker_main(report, options, count, forever);
}

/* --- strangers ------------------------------------------------------------------------ */

static int stranger_connect(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Open `count` connections that say nothing, a byte, or nonsense. */
static void strangers_open(int port, int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        fds[i] = stranger_connect(port);
        if (i % 3 == 1)
            send(fds[i], "\x20", 1, MSG_NOSIGNAL);
        if (i % 3 == 2)
            send(fds[i], "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
    }
}

static void strangers_close(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

/* A worker that knows the secret, gets as far as the start of an MPI join, and has no MPI. The
 * socket, with the master inside MPI_Comm_join at its other end. */
static int impostor_at_the_gate(int port)
{
    struct auth_secret secret = secret_of(1);
    struct auth_hello hello = {.farm = "henry", .host = "impostor", .pid = 1, .mpi = true};
    char byte = JOIN_READY;
    int fd = stranger_connect(port);
    struct auth *auth = auth_client_create(fd, &secret, &hello, NULL);
    assert_int_equal(auth_client_run(auth, clock_monotonic_ns() + STEP_LIMIT_NS, -1, NULL), 0);
    assert_int_equal(auth_answer(auth)->transport, AUTH_MPI);
    auth_destroy(auth);
    assert_int_equal(send(fd, &byte, 1, 0), 1);
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, JOIN_GO);
    return fd;
}

/* --- tests ---------------------------------------------------------------------------- */

static void tcp_carries_messages_both_ways(void **state)
{
    (void)state;
    struct process master, worker;
    struct dial_options options = dial_to(echo_start(&master, false), false);
    worker_start(&worker, &options, 300, false);
    process_expect(&worker, "linked 1 tcp");
    process_expect(&worker, "echoed");
    process_expect(&master, "joined 1 tcp");
    process_expect(&master, "lost 1 the peer closed the connection");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
}

static void a_wrong_secret_or_farm_is_refused_for_good(void **state)
{
    (void)state;
    struct process master, worker;
    struct dial_options options = dial_to(echo_start(&master, false), false);
    options.secret = secret_of(2);
    worker_start(&worker, &options, 1, false);
    process_expect(&worker, "refused 6");
    process_end(&worker, SIGTERM);
    assert_non_null(
        strstr(process_expect(&master, "notice"), "did not know the farm's secret"));
    options.secret = secret_of(1);
    options.farm = "james";
    worker_start(&worker, &options, 1, false);
    process_expect(&worker, "refused 6");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
    assert_false(dial_may_retry(&(struct error){.code = ERROR_AUTH}));
}

static void nobody_listening_is_worth_another_try(void **state)
{
    (void)state;
    struct process master;
    struct dial_options options = dial_to(echo_start(&master, false), false);
    process_end(&master, SIGKILL);
    struct dial_answer answer;
    struct error error;
    assert_null(dial(&options, &answer, &error));
    assert_true(dial_may_retry(&error));
    assert_non_null(strstr(error.text, "127.0.0.1"));
    for (unsigned failures = 1; failures < 40; failures++) {
        int64_t wait_ns = dial_backoff_ns(failures);
        assert_true(wait_ns >= 50 * CLOCK_MS_NS && wait_ns <= 10 * CLOCK_SECOND_NS);
    }
}

static void a_host_that_cannot_be_resolved_is_dialled_by_address(void **state)
{
    (void)state;
    struct process master, worker;
    struct dial_options options = dial_to(echo_start(&master, false), false);
    options.host = "no-such-host.invalid";
    options.address = "127.0.0.1";
    worker_start(&worker, &options, 10, false);
    process_expect(&worker, "echoed");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
}

static void a_taken_port_is_replaced_by_another(void **state)
{
    (void)state;
    struct process first, second;
    FILE *report;
    int port = echo_start(&first, false);
    if (process_start(&second, &report) == 0)
        echo_main(report, "", false, port);
    int other = atoi(process_expect(&second, "port ") + 5);
    assert_true(other > 0);
    assert_int_not_equal(other, port);
    process_end(&first, SIGKILL);
    process_end(&second, SIGKILL);
}

static void strangers_do_not_keep_workers_out(void **state)
{
    (void)state;
    enum { COUNT = 700 }; /* more than the master lets in unproven */
    static int fds[COUNT];
    struct process master, worker;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < COUNT + 100)
        skip();
    struct dial_options options = dial_to(echo_start(&master, false), false);
    strangers_open(options.port, fds, COUNT);
    worker_start(&worker, &options, 50, false);
    process_expect(&worker, "linked");
    process_expect(&worker, "echoed");
    process_end(&worker, SIGTERM);
    strangers_close(fds, COUNT);
    process_end(&master, SIGKILL);
}

static bool mpi_missing(void)
{
    struct error error;
    if (mpi_world_works(&error) == 0)
        return false;
    print_message("skipped: %s\n", error.text);
    return true;
}

static void mpi_carries_messages_both_ways(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    struct process master, worker;
    struct dial_options options = dial_to(echo_start(&master, true), true);
    worker_start(&worker, &options, 300, false);
    process_expect(&worker, "linked 1 mpi");
    process_expect(&worker, "echoed");
    process_expect(&master, "joined 1 mpi");
    process_expect(&master, "lost 1 the peer closed the connection");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
}

static void a_worker_without_mpi_gets_tcp_from_an_mpi_master(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    struct process master, worker;
    struct dial_options options = dial_to(echo_start(&master, true), false);
    worker_start(&worker, &options, 10, false);
    process_expect(&worker, "linked 1 tcp");
    process_expect(&worker, "echoed");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
}

static void eight_workers_and_strangers_come_at_once(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    enum { WORKERS = 8, STRANGERS = 60 };
    struct process master, workers[WORKERS];
    int fds[STRANGERS];
    struct dial_options options = dial_to(echo_start(&master, true), true);
    for (int i = 0; i < WORKERS; i++)
        worker_start(&workers[i], &options, 30, false);
    strangers_open(options.port, fds, STRANGERS);
    for (int i = 0; i < WORKERS; i++) {
        assert_non_null(strstr(process_expect(&workers[i], "linked"), " mpi"));
        process_expect(&workers[i], "echoed");
        process_end(&workers[i], SIGTERM);
    }
    strangers_close(fds, STRANGERS);
    process_end(&master, SIGKILL);
}

static void a_worker_killed_in_the_middle_of_a_stream_costs_only_its_link(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    struct process master, doomed, other;
    struct dial_options options = dial_to(echo_start(&master, true), true);
    worker_start(&doomed, &options, 10, true);
    process_expect(&doomed, "echoed");
    worker_start(&other, &options, 10, true);
    process_expect(&other, "echoed");
    int64_t killed_ns = clock_monotonic_ns();
    process_end(&doomed, SIGKILL);
    process_expect(&master, "lost 1");
    /* At once is the claim; the slack is for a loaded machine, far below any heartbeat. */
    assert_true(clock_monotonic_ns() - killed_ns < 5 * CLOCK_SECOND_NS);
    worker_start(&doomed, &options, 100, false);
    assert_non_null(strstr(process_expect(&doomed, "linked"), " mpi"));
    process_expect(&doomed, "echoed");
    process_end(&doomed, SIGTERM);
    process_end(&other, SIGKILL);
    process_expect(&master, "lost 2");
    process_end(&master, SIGKILL);
}

static void a_killed_master_is_noticed_by_its_workers(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    struct process master, worker;
    struct dial_options options = dial_to(echo_start(&master, true), true);
    worker_start(&worker, &options, 10, true);
    process_expect(&worker, "echoed");
    process_end(&master, SIGKILL);
    int64_t deadline_ns = clock_monotonic_ns() + STEP_LIMIT_NS;
    assert_null(process_line(&worker, deadline_ns)); /* it ends, rather than hang in MPI */
    assert_true(clock_monotonic_ns() < deadline_ns);
    process_end(&worker, SIGTERM);
}

/* Whether the peer dies or stalls inside MPI_Comm_join, the next worker gets in. */
static void a_broken_join_does_not_keep_the_next_worker_out(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    for (int stalls = 0; stalls < 2; stalls++) {
        struct process master, worker, early;
        struct dial_options options = dial_to(echo_start(&master, true), true);
        worker_start(&early, &options, 10, true);
        process_expect(&early, "linked 1 mpi");
        int fd = impostor_at_the_gate(options.port);
        if (!stalls)
            close(fd);
        process_expect(&master, "notice");
        worker_start(&worker, &options, 20, false);
        process_expect(&worker, "linked");
        process_expect(&worker, "echoed");
        process_end(&worker, SIGTERM);
        if (stalls)
            close(fd);
        /* The link that was there before still carries messages. */
        process_end(&early, SIGKILL);
        process_expect(&master, "lost 1");
        process_end(&master, SIGKILL);
    }
}

/* Workers killed at whatever point of joining they happen to be. */
static void workers_killed_while_joining_do_not_keep_others_out(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    struct process master, worker;
    struct dial_options options = dial_to(echo_start(&master, true), true);
    for (int i = 0; i < 6; i++) {
        worker_start(&worker, &options, 1, true);
        struct pollfd ready = {.fd = worker.fd, .events = POLLIN};
        poll(&ready, 1, 60 + 30 * i); /* different depths, none of which need be hit */
        process_end(&worker, SIGKILL);
    }
    worker_start(&worker, &options, 20, false);
    process_expect(&worker, "linked");
    process_expect(&worker, "echoed");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
}

/* CPU seconds of a process so far. */
static double cpu_s(pid_t pid)
{
    char path[64];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *stat = fopen(path, "r");
    assert_non_null(stat);
    assert_int_equal(fscanf(stat,
                            "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                            &user, &system),
                     2);
    fclose(stat);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void worker_idle(FILE *report, const struct dial_options *options)
{
    struct dial_answer answer;
    struct error error;
    struct buf message;
    struct link *link = dial(options, &answer, &error);
    buf_init(&message, MESSAGE_MAX);
    if (!link)
        _exit(1);
    if (link_exercise(link, 20, &error) == 0)
        fprintf(report, "idle\n");
    while (link_progress(link, &error) == 0 && link_receive(link, &message, &error) == 0)
        link_sleep(link);
    _exit(0);
}

static void an_idle_mpi_link_uses_no_cpu(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    struct process master, worker;
    FILE *report;
    struct dial_options options = dial_to(echo_start(&master, true), true);
    if (process_start(&worker, &report) == 0)
        worker_idle(report, &options);
    process_expect(&worker, "idle");
    double before_s = cpu_s(master.pid) + cpu_s(worker.pid);
    assert_null(process_line(&worker, clock_monotonic_ns() + 3 * CLOCK_SECOND_NS));
    double used_s = cpu_s(master.pid) + cpu_s(worker.pid) - before_s;
    /* Three seconds of spinning would be 3 s or more; 0.02 s are two ticks of the accounting. */
    assert_true(used_s <= 0.02);
    process_end(&worker, SIGKILL);
    process_end(&master, SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_secret_or_farm_is_refused_for_good),
        cmocka_unit_test(strangers_do_not_keep_workers_out),
        cmocka_unit_test(nobody_listening_is_worth_another_try),
        cmocka_unit_test(a_taken_port_is_replaced_by_another),
        cmocka_unit_test(a_host_that_cannot_be_resolved_is_dialled_by_address),
        cmocka_unit_test(tcp_carries_messages_both_ways),
        cmocka_unit_test(mpi_carries_messages_both_ways),
        cmocka_unit_test(a_worker_without_mpi_gets_tcp_from_an_mpi_master),
        cmocka_unit_test(eight_workers_and_strangers_come_at_once),
        cmocka_unit_test(a_worker_killed_in_the_middle_of_a_stream_costs_only_its_link),
        cmocka_unit_test(a_killed_master_is_noticed_by_its_workers),
        cmocka_unit_test(a_broken_join_does_not_keep_the_next_worker_out),
        cmocka_unit_test(workers_killed_while_joining_do_not_keep_others_out),
        cmocka_unit_test(an_idle_mpi_link_uses_no_cpu),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
