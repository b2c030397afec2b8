/*
 * The thread's steps: MPI_Comm_join on the socket, then one byte each way over the new
 * communicator while both ends are inside MPI, because Open MPI connects lazily and the first
 * send would otherwise block until the peer happens to enter MPI.
 *
 * Two threads share a join; whoever lets go last frees it. MPI_Comm_join reads its socket with
 * plain read() and takes end of file for "try again", so a thread whose peer died there would
 * spin for ever: abandoning a join puts an idle socket with a receive time-out under its
 * descriptor number, which makes the call fail instead.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <mpi.h>

#include "common/clock.h"
#include "common/link_mpi.h"
#include "common/mpi_join.h"
#include "common/mpi_private.h"
#include "common/thread.h"

#define READ_LIMIT_S   10 /* for one read or write of MPI_Comm_join on the socket */
#define GREET_LIMIT_NS (10 * CLOCK_SECOND_NS)
#define GREET_TAG      9

struct mpi_join {
    atomic_int fd; /* -1 once it belongs to the link */
    int done_fd;
    enum mpi_join_side side;
    atomic_bool abandoned;
    atomic_int holders; /* 2 while both threads hold it */
    struct link *link;
    struct error why;
};

static void release(struct mpi_join *join)
{
    if (atomic_fetch_sub(&join->holders, 1) > 1)
        return;
    close(join->done_fd);
    if (join->fd >= 0)
        close(join->fd);
    link_close(join->link);
    free(join);
}

/* Wait for a request without waiting inside MPI. 0 or -1. */
static int greet_wait(struct mpi_join *join, MPI_Request *request)
{
    int64_t deadline_ns = clock_monotonic_ns() + GREET_LIMIT_NS;
    for (;;) {
        int done = 0;
        int code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS)
            return mpi_world_fail(code, "the first MPI message", &join->why);
        if (done)
            return 0;
        if (atomic_load(&join->abandoned) || clock_monotonic_ns() > deadline_ns)
            return error_set(
                &join->why, ERROR_NETWORK,
                "the new communicator carried nothing; Open MPI may be using an "
                "interface that does not lead to the peer: name the farm's network");
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
}

/* One byte each way. The worker speaks first: Open MPI ends a process whose connection attempt
 * is cut off half way, and that should never be the master. */
static int greet(struct mpi_join *join, MPI_Comm comm)
{
    /* Static: a request that never ends may touch them for as long as the process lives. */
    static char mine = 1, theirs;
    MPI_Request sending = MPI_REQUEST_NULL, receiving;
    int code = MPI_Irecv(&theirs, 1, MPI_BYTE, 0, GREET_TAG, comm, &receiving);
    if (code == MPI_SUCCESS && join->side == MPI_JOIN_WORKER)
        code = MPI_Isend(&mine, 1, MPI_BYTE, 0, GREET_TAG, comm, &sending);
    if (code == MPI_SUCCESS && greet_wait(join, &receiving) < 0)
        return -1;
    if (code == MPI_SUCCESS && join->side == MPI_JOIN_MASTER)
        code = MPI_Isend(&mine, 1, MPI_BYTE, 0, GREET_TAG, comm, &sending);
    if (code != MPI_SUCCESS)
        return mpi_world_fail(code, "the first MPI message", &join->why);
    return greet_wait(join, &sending);
}

static void join_now(struct mpi_join *join)
{
    MPI_Comm comm = MPI_COMM_NULL;
    int code = MPI_Comm_join(join->fd, &comm);
    if (code != MPI_SUCCESS || comm == MPI_COMM_NULL) {
        mpi_world_fail(code, "MPI_Comm_join", &join->why);
        return;
    }
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    if (greet(join, comm) < 0)
        return;
    join->link = link_mpi_create(comm, atomic_exchange(&join->fd, -1), &join->why);
}

static void *thread_main(void *context)
{
    struct mpi_join *join = context;
    if (atomic_load(&join->abandoned))
        error_set(&join->why, ERROR_NETWORK, "abandoned");
    else
        join_now(join);
    mpi_world_join_end();
    const uint64_t one = 1;
    while (write(join->done_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    release(join);
    return NULL;
}

/* MPI_Comm_join wants a blocking socket; the time-outs bound its reads and writes. It writes a
 * length and then a name, which must not wait until the peer has acknowledged the length: that
 * takes 40 ms. */
static void fd_prepare(int fd)
{
    struct timeval limit = {.tv_sec = READ_LIMIT_S};
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static int join_begin(struct mpi_join *join, struct error *ret_error)
{
    pthread_t thread;
    int code = thread_start(&thread, thread_main, join);
    if (code != 0)
        return error_errno(ret_error, code, "cannot start a thread for an MPI join");
    pthread_detach(thread);
    return 0;
}

struct mpi_join *mpi_join_start(int fd, enum mpi_join_side side, struct error *ret_error)
{
    struct mpi_join *join = calloc(1, sizeof *join);
    int done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!join || done_fd < 0) {
        error_errno(ret_error, join ? errno : ENOMEM, "cannot start an MPI join");
    } else if (mpi_world_join_begin(ret_error) == 0) {
        fd_prepare(fd);
        atomic_init(&join->fd, fd);
        atomic_init(&join->holders, 2);
        join->done_fd = done_fd;
        join->side = side;
        error_set(&join->why, ERROR_NETWORK, "MPI_Comm_join gave no communicator");
        if (join_begin(join, ret_error) == 0)
            return join;
        mpi_world_join_end();
    }
    if (done_fd >= 0)
        close(done_fd);
    close(fd);
    free(join);
    return NULL;
}

int mpi_join_fd(const struct mpi_join *join)
{
    return join->done_fd;
}

struct link *mpi_join_finish(struct mpi_join *join, struct error *ret_error)
{
    struct link *link = join->link;
    join->link = NULL;
    if (!link)
        error_set(ret_error, join->why.code, "%s", join->why.text);
    release(join);
    return link;
}

void mpi_join_abandon(struct mpi_join *join)
{
    if (!join)
        return;
    atomic_store(&join->abandoned, true);
    int pair[2];
    int fd = join->fd;
    if (fd >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        /* The far end of the pair stays open (and is leaked with the join), so that a read waits
         * for its time-out and fails, rather than seeing an end of file. */
        struct timeval limit = {.tv_usec = 1000};
        setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        shutdown(fd, SHUT_RDWR);
        dup2(pair[0], fd);
        close(pair[0]);
    }
    release(join);
}

bool mpi_join_peer_gone(const struct mpi_join *join)
{
    struct pollfd socket = {.fd = join->fd, .events = POLLRDHUP};
    return poll(&socket, 1, 0) > 0 && (socket.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
