/*
 * The master's rendezvous and the worker's dial together, as real processes on loopback. MPI
 * cases are skipped where mpi_world_works says no.
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
#include "tests/e2e/joining.h"
#include "worker/dial.h"

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
    struct auth_secret secret = joining_secret(1);
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
    struct dial_options options = joining_options(joining_master_start(&master, false), false);
    joining_worker_start(&worker, &options, 300, false);
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
    struct dial_options options = joining_options(joining_master_start(&master, false), false);
    options.secret = joining_secret(2);
    joining_worker_start(&worker, &options, 1, false);
    process_expect(&worker, "refused 6");
    process_end(&worker, SIGTERM);
    assert_non_null(
        strstr(process_expect(&master, "notice"), "did not know the farm's secret"));
    options.secret = joining_secret(1);
    options.farm = "james";
    joining_worker_start(&worker, &options, 1, false);
    process_expect(&worker, "refused 6");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
    assert_false(dial_may_retry(&(struct error){.code = ERROR_AUTH}));
}

static void nobody_listening_is_worth_another_try(void **state)
{
    (void)state;
    struct process master;
    struct dial_options options = joining_options(joining_master_start(&master, false), false);
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
    struct dial_options options = joining_options(joining_master_start(&master, false), false);
    options.host = "no-such-host.invalid";
    options.address = "127.0.0.1";
    joining_worker_start(&worker, &options, 10, false);
    process_expect(&worker, "echoed");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
}

static void a_taken_port_is_replaced_by_another(void **state)
{
    (void)state;
    struct process first, second;
    FILE *report;
    int port = joining_master_start(&first, false);
    if (process_start(&second, &report) == 0)
        joining_master(report, "", false, port);
    int other = process_number(process_expect(&second, "port "));
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
    struct dial_options options = joining_options(joining_master_start(&master, false), false);
    strangers_open(options.port, fds, COUNT);
    joining_worker_start(&worker, &options, 50, false);
    process_expect(&worker, "linked");
    process_expect(&worker, "echoed");
    process_end(&worker, SIGTERM);
    strangers_close(fds, COUNT);
    process_end(&master, SIGKILL);
}

/* CPU seconds of a process so far. */
static double cpu_s(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &used), 0);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
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
    struct dial_options options = joining_options(joining_master_start(&master, true), true);
    joining_worker_start(&worker, &options, 300, false);
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
    struct dial_options options = joining_options(joining_master_start(&master, true), false);
    joining_worker_start(&worker, &options, 10, false);
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
    struct dial_options options = joining_options(joining_master_start(&master, true), true);
    for (int i = 0; i < WORKERS; i++)
        joining_worker_start(&workers[i], &options, 30, false);
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
    struct dial_options options = joining_options(joining_master_start(&master, true), true);
    joining_worker_start(&doomed, &options, 10, true);
    process_expect(&doomed, "echoed");
    joining_worker_start(&other, &options, 10, true);
    process_expect(&other, "echoed");
    int64_t killed_ns = clock_monotonic_ns();
    process_end(&doomed, SIGKILL);
    process_expect(&master, "lost 1");
    /* At once is the claim; the slack is for a loaded machine, far below any heartbeat. */
    assert_true(clock_monotonic_ns() - killed_ns < 40 * CLOCK_SECOND_NS);
    joining_worker_start(&doomed, &options, 100, false);
    assert_non_null(strstr(process_expect(&doomed, "linked"), " mpi"));
    process_expect(&doomed, "echoed");
    process_end(&doomed, SIGTERM);
    process_end(&other, SIGKILL);
    process_expect(&master, "lost 2");
    process_end(&master, SIGKILL);
}

/* At whatever point of a packet, a bell or a large message they happen to be. */
static void workers_killed_anywhere_in_a_stream_are_seen_at_once(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    struct process master, worker;
    struct dial_options options = joining_options(joining_master_start(&master, true), true);
    for (int i = 0; i < 8; i++) {
        joining_worker_start(&worker, &options, 10, true);
        process_expect(&worker, "echoed");
        /* Different depths into the stream that follows; none need be hit. */
        process_line(&worker, clock_monotonic_ns() + (3 * i + 1) * CLOCK_MS_NS);
        int64_t killed_ns = clock_monotonic_ns();
        process_end(&worker, SIGKILL);
        process_expect(&master, "lost");
        assert_true(clock_monotonic_ns() - killed_ns < 40 * CLOCK_SECOND_NS);
    }
    joining_worker_start(&worker, &options, 100, false);
    assert_non_null(strstr(process_expect(&worker, "linked"), " mpi"));
    process_expect(&worker, "echoed");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
}

/* A worker that sends large messages to be echoed and stops before it takes any of the echoes. */
static void worker_deaf(FILE *report, const struct dial_options *options)
{
    enum { COUNT = 8, SIZE = 1 << 20 };
    struct dial_answer answer;
    struct error error;
    struct buf message;
    struct link *link = dial(options, &answer, &error);
    buf_init(&message, MESSAGE_MAX);
    for (int i = 0; i < COUNT && link; i++) {
        memset(buf_reserve(&message, SIZE), i, SIZE);
        buf_commit(&message, SIZE);
        link_send(link, &message, &error);
    }
    while (link && link_unsent_bytes(link) > 0 && link_progress(link, &error) == 0)
        joining_sleep(link);
    fprintf(report, "deaf\n");
    raise(SIGSTOP);
    for (int i = 0, got = 0; i < COUNT && link; i += got) {
        if (link_progress(link, &error) < 0 || (got = link_receive(link, &message, &error)) < 0)
            _exit(1);
        if (got == 1 && (message.size != SIZE || message.data[SIZE - 1] != i))
            _exit(1);
        if (got == 0)
            joining_sleep(link);
    }
    fprintf(report, "heard\n");
    _exit(0);
}

/* What is under way to a peer that takes nothing must lie in the kernel, so that MPI keeps none
 * of it, whether the peer goes on later or dies. */
static void a_stopped_worker_costs_no_cpu_and_may_go_on_or_die(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    for (int dies = 0; dies < 2; dies++) {
        struct process master, worker;
        FILE *report;
        struct dial_options options =
            joining_options(joining_master_start(&master, true), true);
        if (process_start(&worker, &report) == 0)
            worker_deaf(report, &options);
        process_expect(&master, "joined 1 mpi");
        process_expect(&worker, "deaf");
        /* What it sent is taken in and echoed as far as may be. */
        assert_null(process_line(&master, clock_monotonic_ns() + CLOCK_SECOND_NS / 2));
        double before_s = cpu_s(master.pid);
        assert_null(process_line(&master, clock_monotonic_ns() + CLOCK_SECOND_NS));
        /* A second of spinning would be 1 s; of naps some 0.1. */
        assert_true(cpu_s(master.pid) - before_s <= 0.05);
        if (!dies) {
            kill(worker.pid, SIGCONT);
            process_expect(&worker, "heard");
        }
        int64_t killed_ns = clock_monotonic_ns();
        process_end(&worker, SIGKILL);
        process_expect(&master, "lost 1");
        assert_true(clock_monotonic_ns() - killed_ns < 40 * CLOCK_SECOND_NS);
        process_end(&master, SIGKILL);
    }
}

/* Packets and windows follow what Open MPI was told, however little. */
static void mpi_carries_messages_with_small_buffers(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    static const char *const settings[][2] = {
        {"4096", "65536"}, {"65536", "4096"}, {"0", "65536"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        struct process master, worker;
        setenv("OMPI_MCA_btl_tcp_sndbuf", settings[i][0], 1);
        setenv("OMPI_MCA_btl_tcp_eager_limit", settings[i][1], 1);
        setenv("OMPI_MCA_btl_tcp_rndv_eager_limit", settings[i][1], 1);
        struct dial_options options =
            joining_options(joining_master_start(&master, true), true);
        joining_worker_start(&worker, &options, 30, false);
        process_expect(&worker, "linked 1 mpi");
        process_expect(&worker, "echoed");
        process_end(&worker, SIGTERM);
        process_end(&master, SIGKILL);
    }
    unsetenv("OMPI_MCA_btl_tcp_sndbuf");
    unsetenv("OMPI_MCA_btl_tcp_eager_limit");
    unsetenv("OMPI_MCA_btl_tcp_rndv_eager_limit");
}

static void a_killed_master_is_noticed_by_its_workers(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    struct process master, worker;
    struct dial_options options = joining_options(joining_master_start(&master, true), true);
    joining_worker_start(&worker, &options, 10, true);
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
        struct dial_options options =
            joining_options(joining_master_start(&master, true), true);
        joining_worker_start(&early, &options, 10, true);
        process_expect(&early, "linked 1 mpi");
        int fd = impostor_at_the_gate(options.port);
        if (!stalls)
            close(fd);
        process_expect(&master, "notice");
        joining_worker_start(&worker, &options, 20, false);
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
    struct dial_options options = joining_options(joining_master_start(&master, true), true);
    for (int i = 0; i < 6; i++) {
        joining_worker_start(&worker, &options, 1, true);
        struct pollfd ready = {.fd = worker.fd, .events = POLLIN};
        poll(&ready, 1, 60 + 30 * i); /* different depths, none of which need be hit */
        process_end(&worker, SIGKILL);
    }
    joining_worker_start(&worker, &options, 20, false);
    process_expect(&worker, "linked");
    process_expect(&worker, "echoed");
    process_end(&worker, SIGTERM);
    process_end(&master, SIGKILL);
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
    if (joining_exercise(link, 20, &error) == 0)
        fprintf(report, "idle\n");
    while (link_progress(link, &error) == 0 && link_receive(link, &message, &error) == 0)
        joining_sleep(link);
    _exit(0);
}

static void an_idle_mpi_link_uses_no_cpu(void **state)
{
    (void)state;
    if (mpi_missing())
        skip();
    struct process master, worker;
    FILE *report;
    struct dial_options options = joining_options(joining_master_start(&master, true), true);
    if (process_start(&worker, &report) == 0)
        worker_idle(report, &options);
    process_expect(&worker, "idle");
    double before_s = cpu_s(master.pid) + cpu_s(worker.pid);
    assert_null(process_line(&worker, clock_monotonic_ns() + 3 * CLOCK_SECOND_NS));
    double used_s = cpu_s(master.pid) + cpu_s(worker.pid) - before_s;
    /* Three seconds of spinning would be 3 s or more, of naps some 0.3. */
    assert_true(used_s <= 0.1);
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
        cmocka_unit_test(workers_killed_anywhere_in_a_stream_are_seen_at_once),
        cmocka_unit_test(a_stopped_worker_costs_no_cpu_and_may_go_on_or_die),
        cmocka_unit_test(mpi_carries_messages_with_small_buffers),
        cmocka_unit_test(a_killed_master_is_noticed_by_its_workers),
        cmocka_unit_test(a_broken_join_does_not_keep_the_next_worker_out),
        cmocka_unit_test(workers_killed_while_joining_do_not_keep_others_out),
        cmocka_unit_test(an_idle_mpi_link_uses_no_cpu),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
