/*
 * link_echo: what a link between two processes on this machine carries, beside the limit: a bare
 * TCP echo written plainly. A client has messages echoed with a window of them under way:
 * 64 bytes with windows 1 and 16 (round trips per second), 1 MiB with window 4 (MB/s each way),
 * and one way 64 bytes (messages per second). Every round runs all transports one after another;
 * printed are medians of the rounds and of their ratios to the bare echo.
 *
 *     link_echo [ROUNDS [LOAD]]      5 by default; LOAD: one of them alone, 0 to 3
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link.h"
#include "common/link_tcp.h"
#include "common/message.h"
#include "common/mpi_join.h"
#include "common/mpi_world.h"

#define ROUNDS_MAX 101
#define ONE_WAY    0 /* as a window: no echo, the last message alone is answered */

enum transport { BARE, TCP, MPI, TRANSPORTS };
static const char *const transport_names[TRANSPORTS] = {"bare TCP", "link tcp", "link mpi"};

static const struct load {
    const char *name;
    unsigned count, size, window;
    bool bytes; /* print MB/s instead of messages/s */
} loads[] = {
    {"64 B, window 1", 20000, 64, 1, false},
    {"64 B, window 16", 100000, 64, 16, false},
    {"64 B, one way", 1000000, 64, ONE_WAY, false},
    {"1 MiB, window 4", 1000, 1 << 20, 4, true},
};
#define LOADS (sizeof loads / sizeof *loads)

static size_t load_first, load_end = LOADS; /* those to run */

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "link_echo: %s\n", what);
    _exit(1);
}

/* --- bare TCP ------------------------------------------------------------------------- */

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = write(fd, bytes, size);
        if (sent <= 0)
            die("a bare write failed");
        bytes += sent;
        size -= (size_t)sent;
    }
}

static bool read_all(int fd, char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t got = read(fd, bytes, size);
        if (got <= 0)
            return false;
        bytes += got;
        size -= (size_t)got;
    }
    return true;
}

/* Blocking, a read and a write per message. */
static void bare_serve(int fd, const struct load *load, char *bytes)
{
    for (unsigned i = 0; i < load->count; i++) {
        if (!read_all(fd, bytes, load->size))
            die("the bare client closed");
        if (load->window != ONE_WAY || i == load->count - 1)
            write_all(fd, bytes, load->size);
    }
}

/* With a window of several, a writer runs ahead of the reader in a process of its own, so that
 * large messages flow both ways at once. */
static void bare_call(int fd, const struct load *load, char *bytes)
{
    unsigned answers = load->window == ONE_WAY ? 1 : load->count;
    if (load->window == 1) {
        for (unsigned i = 0; i < load->count; i++) {
            write_all(fd, bytes, load->size);
            read_all(fd, bytes, load->size);
        }
        return;
    }
    pid_t writer = fork();
    if (writer == 0) {
        for (unsigned i = 0; i < load->count; i++)
            write_all(fd, bytes, load->size);
        _exit(0);
    }
    for (unsigned i = 0; i < answers; i++)
        if (!read_all(fd, bytes, load->size))
            die("the bare server closed");
    waitpid(writer, NULL, 0);
}

/* --- links ---------------------------------------------------------------------------- */

/* Sleep until the link wants something; a busy one is asked again at once, and after some rounds
 * in vain with naps, as a farm does. */
static void link_wait(struct link *link, unsigned *vain)
{
    if (link_busy(link)) {
        if (++*vain > 20)
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
        return;
    }
    short events = link_wants_write(link) ? POLLIN | POLLOUT : POLLIN;
    struct pollfd ready = {.fd = link_fd(link), .events = events};
    poll(&ready, 1, -1);
}

static void link_serve(struct link *link, const struct load *load)
{
    struct buf message;
    struct error error;
    unsigned got = 0, sent = 0, vain = 0;
    unsigned answers = load->window == ONE_WAY ? 1 : load->count;
    buf_init(&message, MESSAGE_MAX);
    while (sent < answers || link_unsent_bytes(link) > 0) {
        int more;
        while ((more = link_receive(link, &message, &error)) == 1) {
            got++;
            vain = 0;
            if (load->window != ONE_WAY || got == load->count) {
                link_send(link, &message, &error);
                sent++;
            }
        }
        if (more < 0 || link_progress(link, &error) < 0)
            die(error.text);
        if (sent < answers || link_unsent_bytes(link) > 0)
            link_wait(link, &vain);
    }
    buf_fini(&message);
}

static void link_call(struct link *link, const struct load *load, const char *bytes)
{
    struct buf message;
    struct error error;
    unsigned got = 0, sent = 0, vain = 0;
    unsigned answers = load->window == ONE_WAY ? 1 : load->count;
    buf_init(&message, MESSAGE_MAX);
    while (got < answers) {
        while (sent < load->count &&
               (load->window == ONE_WAY ? link_unsent_bytes(link) < 1 << 20
                                        : sent - got < load->window)) {
            buf_clear(&message);
            buf_append(&message, bytes, load->size);
            if (link_send(link, &message, &error) < 0)
                die(error.text);
            sent++;
        }
        unsigned before = got;
        int more = link_progress(link, &error);
        while (more == 0 && (more = link_receive(link, &message, &error)) == 1) {
            got++;
            more = 0;
        }
        if (more < 0)
            die(error.text);
        if (got == before && (sent == load->count || load->window != ONE_WAY ||
                              link_unsent_bytes(link) >= 1 << 20))
            link_wait(link, &vain);
        else
            vain = 0;
    }
    buf_fini(&message);
}

/* Turn a connected socket into a link. */
static struct link *link_make(enum transport transport, int fd, enum mpi_join_side side)
{
    struct error error;
    struct link *link = NULL;
    if (transport == TCP) {
        link = link_tcp_create(fd, &error);
    } else {
        struct mpi_join *join = mpi_join_start(fd, side, &error);
        if (!join)
            die(error.text);
        struct pollfd ended = {.fd = mpi_join_fd(join), .events = POLLIN};
        while (poll(&ended, 1, -1) < 0 && errno == EINTR)
            ;
        link = mpi_join_finish(join, &error);
    }
    if (!link)
        die(error.text);
    return link;
}

/* --- the two processes ---------------------------------------------------------------- */

/* A connected pair of TCP sockets over loopback. */
static void sockets_open(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || fds[1] < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 ||
        listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
        connect(fds[1], (struct sockaddr *)&address, size) < 0 ||
        (fds[0] = accept(listener, NULL, NULL)) < 0)
        die("cannot connect to myself");
    for (int i = 0; i < 2; i++)
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    close(listener);
}

/* What mpi_world_serve wrote into it has been read. */
static void directory_remove(const char *directory)
{
    static const char *const names[] = {"ompi-server.uri", "ompi-server.log"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

static _Noreturn void server_main(enum transport transport, int fd)
{
    char *bytes = malloc(1 << 20);
    struct link *link = NULL;
    struct error error;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (transport == MPI) {
        char directory[] = "/tmp/beofarm-bench-XXXXXX";
        char uri[1024] = "";
        if (!mkdtemp(directory) || mpi_world_serve("bench", directory, "lo", NULL, &error) < 0)
            die(error.text);
        snprintf(uri, sizeof uri, "%s", mpi_world_uri());
        write_all(fd, uri, sizeof uri);
        directory_remove(directory);
    }
    if (transport != BARE)
        link = link_make(transport, fd, MPI_JOIN_MASTER);
    for (size_t i = load_first; i < load_end; i++) {
        if (link)
            link_serve(link, &loads[i]);
        else
            bare_serve(fd, &loads[i], bytes);
    }
    mpi_world_exit(0);
    _exit(0);
}

/* Measure every load and write its seconds to the pipe. */
static _Noreturn void client_main(enum transport transport, int fd, int pipe_fd)
{
    char *bytes = calloc(1, 1 << 20);
    struct link *link = NULL;
    struct error error;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (transport == MPI) {
        char uri[1024];
        if (!read_all(fd, uri, sizeof uri) ||
            mpi_world_enter("bench", 1, uri, "lo", NULL, &error) < 0)
            die("cannot enter the MPI universe");
    }
    if (transport != BARE)
        link = link_make(transport, fd, MPI_JOIN_WORKER);
    for (size_t i = load_first; i < load_end; i++) {
        int64_t start_ns = clock_monotonic_ns();
        if (link)
            link_call(link, &loads[i], bytes);
        else
            bare_call(fd, &loads[i], bytes);
        double seconds = (double)(clock_monotonic_ns() - start_ns) / 1e9;
        write_all(pipe_fd, (const char *)&seconds, sizeof seconds);
    }
    mpi_world_exit(0);
    _exit(0);
}

static void measure(enum transport transport, double seconds[LOADS])
{
    int fds[2], results[2];
    sockets_open(fds);
    if (pipe(results) < 0)
        die("cannot make a pipe");
    pid_t server = fork();
    if (server == 0) {
        close(fds[1]);
        server_main(transport, fds[0]);
    }
    pid_t client = fork();
    if (client == 0) {
        close(fds[0]);
        client_main(transport, fds[1], results[1]);
    }
    close(fds[0]);
    close(fds[1]);
    close(results[1]);
    if (!read_all(results[0], (char *)(seconds + load_first),
                  (load_end - load_first) * sizeof *seconds))
        die("a measurement broke off");
    close(results[0]);
    waitpid(client, NULL, 0);
    waitpid(server, NULL, 0);
}

/* --- printing ------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(const double *values, size_t count)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, compare);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static void print_load(size_t load, size_t rounds, double (*seconds)[TRANSPORTS][LOADS],
                       int transports)
{
    double unit = loads[load].bytes ? loads[load].size / 1e6 : 1;
    printf("%-16s", loads[load].name);
    for (int t = 0; t < transports; t++) {
        double rates[ROUNDS_MAX], ratios[ROUNDS_MAX];
        for (size_t r = 0; r < rounds; r++) {
            rates[r] = loads[load].count * unit / seconds[r][t][load];
            ratios[r] = seconds[r][BARE][load] / seconds[r][t][load];
        }
        printf("  %s %9.0f %s (%.2f)", transport_names[t], median(rates, rounds),
               loads[load].bytes ? "MB/s" : "msg/s", median(ratios, rounds));
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    static double seconds[ROUNDS_MAX][TRANSPORTS][LOADS];
    struct error error;
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
    int transports = TRANSPORTS;
    if (rounds < 1 || rounds > ROUNDS_MAX)
        die("rounds: 1 to 101");
    if (argc > 2) {
        load_first = strtoul(argv[2], NULL, 10);
        load_end = load_first + 1;
    }
    if (load_end > LOADS)
        die("load: 0 to 3");
    signal(SIGPIPE, SIG_IGN);
    if (mpi_world_works(&error) < 0) {
        printf("without MPI: %s\n", error.text);
        transports = MPI;
    }
    for (size_t r = 0; r < rounds; r++)
        for (int t = 0; t < transports; t++)
            measure((enum transport)t, seconds[r][t]);
    printf("medians of %zu rounds; in brackets the ratio to bare TCP\n", rounds);
    for (size_t i = load_first; i < load_end; i++)
        print_load(i, rounds, seconds, transports);
    return 0;
}
