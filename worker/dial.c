/*
 * The way to a link: addresses one after the other until one connects, the handshake, and where
 * the master offers MPI, the worker's half of the join (common/mpi_join.h). If the join fails,
 * this process never tries MPI again and dials once more for a tcp link.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/link_tcp.h"
#include "common/mpi_join.h"
#include "common/mpi_world.h"
#include "common/network.h"
#include "worker/dial.h"
#include "worker/resolve.h"

#define DIAL_LIMIT_NS    (15 * CLOCK_SECOND_NS)
#define RESOLVE_LIMIT_NS (3 * CLOCK_SECOND_NS)
#define CONNECT_LIMIT_NS                                                                       \
    (3 * CLOCK_SECOND_NS)                     /* for an address while there are others to try */
#define GATE_LIMIT_NS (600 * CLOCK_SECOND_NS) /* thousands may queue, some 20 ms each */
#define JOIN_LIMIT_NS (15 * CLOCK_SECOND_NS)  /* longer than the master's, which decides */
#define LOOK_MS       100
#define ADDRESSES     16

static int interrupted(struct error *ret_error)
{
    return error_set(ret_error, ERROR_INTERRUPTED, "interrupted while dialling");
}

/* fd_wait with sentences. */
static int wait_ready(int fd, short events, int64_t deadline_ns, int cancel_fd,
                      struct error *ret_error)
{
    int rc = fd_wait(fd, events, deadline_ns, cancel_fd);
    if (rc < 0 && errno == ECANCELED)
        return interrupted(ret_error);
    return rc < 0 ? error_errno(ret_error, errno, "cannot wait for a connection") : rc;
}

/* --- connecting ----------------------------------------------------------------------- */

/* A connected non-blocking socket, or -1. */
static int connect_one(const struct dial_options *options, const struct resolved *to,
                       int64_t deadline_ns, struct error *ret_error)
{
    char text[NETWORK_ADDRESS_MAX];
    network_format((const struct sockaddr *)&to->address, text);
    int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(ret_error, ERROR_NETWORK, "cannot make a socket: %s", strerror(errno));
    int code = connect(fd, (const struct sockaddr *)&to->address, to->size) < 0 ? errno : 0;
    if (code == EINPROGRESS) {
        int ready = wait_ready(fd, POLLOUT, deadline_ns, options->cancel_fd, ret_error);
        socklen_t size = sizeof code;
        if (ready < 0) {
            close(fd);
            return -1;
        }
        code = ETIMEDOUT;
        if (ready > 0)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    }
    if (code == 0)
        return fd;
    close(fd);
    return error_set(ret_error, ERROR_NETWORK, "cannot connect to %s at %s: %s",
                     options->whom ? options->whom : "the master", text, strerror(code));
}

static int connect_any(const struct dial_options *options, int64_t deadline_ns,
                       struct error *ret_error)
{
    struct resolved list[ADDRESSES];
    int64_t now_ns = clock_monotonic_ns();
    int64_t resolve_ns = now_ns + RESOLVE_LIMIT_NS;
    if (!options->address || !*options->address || resolve_ns > deadline_ns)
        resolve_ns = deadline_ns;
    int count = resolve(options->host, options->address, options->port, resolve_ns,
                        options->cancel_fd, list, ADDRESSES, ret_error);
    int fd = -1;
    for (int i = 0; i < count && fd < 0; i++) {
        int64_t limit_ns = clock_monotonic_ns() + CONNECT_LIMIT_NS;
        if (i == count - 1 || limit_ns > deadline_ns)
            limit_ns = deadline_ns;
        fd = connect_one(options, &list[i], limit_ns, ret_error);
        if (fd < 0 && ret_error->code == ERROR_INTERRUPTED)
            return -1;
    }
    return fd;
}

/* --- proving -------------------------------------------------------------------------- */

static void hello_fill(struct auth_hello *hello, const struct dial_options *options)
{
    memset(hello, 0, sizeof *hello);
    snprintf(hello->farm, sizeof hello->farm, "%s", options->farm);
    if (gethostname(hello->host, sizeof hello->host - 1) < 0 || !hello->host[0])
        snprintf(hello->host, sizeof hello->host, "%s", "unknown");
    for (char *c = hello->host; *c; c++) /* what the master accepts as a host's name */
        *c = *c > 0x20 && *c < 0x7f ? *c : '-';
    hello->pid = getpid();
    hello->mpi = options->mpi && mpi_world_usable();
    snprintf(hello->universe, sizeof hello->universe, "%s", mpi_world_instance());
}

static int prove(int fd, const struct dial_options *options, int64_t deadline_ns,
                 struct auth_welcome *ret_welcome, struct error *ret_error)
{
    struct auth_hello hello;
    if (strlen(options->farm) >= sizeof hello.farm)
        return error_set(ret_error, ERROR_CONFIG, "the farm's name is longer than %d bytes",
                         AUTH_NAME_MAX - 1);
    hello_fill(&hello, options);
    struct auth *auth = auth_client_create(fd, &options->secret, &hello, ret_error);
    int result = -1;
    if (auth && options->whom)
        auth_set_whom(auth, options->whom);
    if (auth)
        result = auth_client_run(auth, deadline_ns, options->cancel_fd, ret_error);
    if (result == 0)
        *ret_welcome = *auth_answer(auth);
    auth_destroy(auth);
    return result;
}

/* --- joining -------------------------------------------------------------------------- */

static int say(int fd, char byte, struct error *ret_error)
{
    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
        return error_set(ret_error, ERROR_NETWORK, "the master closed the connection");
    return 0;
}

/* The master's word: JOIN_GO or JOIN_TCP, or -1. */
static int hear(int fd, int cancel_fd, struct error *ret_error)
{
    char byte = 0;
    int ready =
        wait_ready(fd, POLLIN, clock_monotonic_ns() + GATE_LIMIT_NS, cancel_fd, ret_error);
    if (ready < 0)
        return -1;
    if (ready == 0)
        return error_set(ret_error, ERROR_NETWORK, "the master let nobody through its gate");
    if (recv(fd, &byte, 1, MSG_DONTWAIT) != 1)
        return error_set(ret_error, ERROR_NETWORK, "the master closed the connection");
    if (byte != JOIN_GO && byte != JOIN_TCP)
        return error_set(ret_error, ERROR_NETWORK, "the master broke the protocol of joining");
    return byte;
}

/* Watch over a join until it ends or ought to be given up. */
static struct link *join_watch(struct mpi_join *join, int cancel_fd, struct error *ret_error)
{
    int64_t deadline_ns = clock_monotonic_ns() + JOIN_LIMIT_NS;
    for (;;) {
        int64_t now_ns = clock_monotonic_ns();
        int ready = wait_ready(mpi_join_fd(join), POLLIN, now_ns + LOOK_MS * CLOCK_MS_NS,
                               cancel_fd, ret_error);
        if (ready > 0)
            return mpi_join_finish(join, ret_error);
        bool gone = ready == 0 && mpi_join_peer_gone(join);
        if (ready == 0 && !gone && now_ns < deadline_ns)
            continue;
        mpi_join_abandon(join);
        if (ready == 0)
            error_set(ret_error, ERROR_NETWORK,
                      gone ? "the master closed the connection during the MPI join"
                           : "the MPI join took longer than its limit");
        return NULL;
    }
}

/* The worker's half of joining. Takes fd. On failure *ret_again says whether dialling without
 * MPI may help. */
static struct link *join(int fd, const struct dial_options *options,
                         const struct auth_welcome *welcome, char notice[ERROR_TEXT_MAX],
                         bool *ret_again, struct error *ret_error)
{
    struct error why;
    char reached[NETWORK_NAME_MAX];
    const char *network = options->network;
    if (!network || !*network) { /* what led to the master does so for MPI as well */
        network_of_socket(fd, reached);
        network = reached;
    }
    bool entered = mpi_world_enter(welcome->instance, welcome->id, welcome->mpi_uri, network,
                                   welcome->mpi_mca, &why) == 0;
    if (!entered)
        snprintf(notice, ERROR_TEXT_MAX, "%s", why.text);
    if (say(fd, entered ? JOIN_READY : JOIN_CANNOT, ret_error) < 0) {
        close(fd);
        return NULL;
    }
    if (!entered)
        return link_tcp_create(fd, ret_error);
    int word = hear(fd, options->cancel_fd, ret_error);
    if (word == JOIN_TCP) {
        snprintf(notice, ERROR_TEXT_MAX, "another worker's MPI join blocks the master's gate");
        return link_tcp_create(fd, ret_error);
    }
    if (word < 0) {
        close(fd);
        return NULL;
    }
    struct mpi_join *under_way = mpi_join_start(fd, MPI_JOIN_WORKER, ret_error);
    struct link *link = under_way ? join_watch(under_way, options->cancel_fd, ret_error) : NULL;
    *ret_again = !link && ret_error->code != ERROR_INTERRUPTED;
    if (!link)
        mpi_world_give_up();
    return link;
}

/* --- all of it ------------------------------------------------------------------------ */

int dial_connect(const struct dial_options *options, struct auth_welcome *ret_welcome,
                 struct error *ret_error)
{
    int64_t limit_ns = options->limit_ns ? options->limit_ns : DIAL_LIMIT_NS;
    int64_t deadline_ns = clock_monotonic_ns() + limit_ns;
    int fd = connect_any(options, deadline_ns, ret_error);
    if (fd < 0 || prove(fd, options, deadline_ns, ret_welcome, ret_error) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct {
    pthread_mutex_t lock; /* a worker dials again in a thread */
    struct sockaddr_storage address;
    bool known;
} own = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void own_note(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return;
    if (address.ss_family == AF_INET)
        ((struct sockaddr_in *)&address)->sin_port = 0;
    else if (address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&address)->sin6_port = 0;
    pthread_mutex_lock(&own.lock);
    own.address = address;
    own.known = true;
    pthread_mutex_unlock(&own.lock);
}

bool dial_own_address(struct sockaddr_storage *ret_address)
{
    pthread_mutex_lock(&own.lock);
    bool known = own.known;
    *ret_address = own.address;
    pthread_mutex_unlock(&own.lock);
    return known;
}

static struct link *dial_once(const struct dial_options *options, struct dial_answer *answer,
                              bool *ret_again, struct error *ret_error)
{
    struct auth_welcome welcome;
    int fd = dial_connect(options, &welcome, ret_error);
    if (fd < 0)
        return NULL;
    own_note(fd);
    answer->id = welcome.id;
    snprintf(answer->instance, sizeof answer->instance, "%s", welcome.instance);
    if (welcome.transport == AUTH_MPI)
        return join(fd, options, &welcome, answer->notice, ret_again, ret_error);
    return link_tcp_create(fd, ret_error);
}

static struct link *dial_twice(const struct dial_options *options,
                               struct dial_answer *ret_answer, struct error *ret_error)
{
    bool again = false;
    struct link *link = dial_once(options, ret_answer, &again, ret_error);
    if (link || !again)
        return link;
    struct dial_options plain = *options;
    plain.mpi = false;
    snprintf(ret_answer->notice, sizeof ret_answer->notice, "%s", ret_error->text);
    return dial_once(&plain, ret_answer, &again, ret_error);
}

/* There is nothing to wait for where somebody has removed the run, and us in it. */
static void here_check(struct error *error)
{
    char here[PATH_MAX];
    const struct error why = *error;
    if (!getcwd(here, sizeof here) && errno == ENOENT)
        error_set(error, ERROR_SYSTEM, "the working directory was removed, and %s", why.text);
}

struct link *dial(const struct dial_options *options, struct dial_answer *ret_answer,
                  struct error *ret_error)
{
    struct error unused;
    if (!ret_error)
        ret_error = &unused;
    memset(ret_answer, 0, sizeof *ret_answer);
    struct link *link = dial_twice(options, ret_answer, ret_error);
    if (!link)
        here_check(ret_error);
    return link;
}

bool dial_may_retry(const struct error *error)
{
    return error->code == ERROR_NETWORK;
}

int64_t dial_backoff_ns(unsigned failures)
{
    int64_t longest_ns = CLOCK_SECOND_NS / 10;
    for (unsigned i = 1; i < failures && longest_ns < 10 * CLOCK_SECOND_NS; i++)
        longest_ns *= 2;
    if (longest_ns > 10 * CLOCK_SECOND_NS)
        longest_ns = 10 * CLOCK_SECOND_NS;
    uint32_t draw = 0;
    if (getrandom(&draw, sizeof draw, GRND_NONBLOCK) != sizeof draw)
        draw = (uint32_t)clock_wall_ns();
    return longest_ns / 2 + (int64_t)((double)(longest_ns / 2) * draw / UINT32_MAX);
}
