/*
 * The thread writes to an eventfd when it is through, and ends; the loop joins it.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/errand.h"
#include "common/loop.h"
#include "common/thread.h"

struct errand {
    int fd; /* eventfd: the work is done */
    struct loop_watch *watch;
    pthread_t thread;
    bool busy, threaded;
    void (*work)(void *context);
    void (*done)(void *context);
    void *context;
};

static bool abroad; /* of the thread that abandons: the loop's, and later main's */

static void tell(struct errand *errand)
{
    const uint64_t one = 1;
    while (write(errand->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void *go(void *context)
{
    struct errand *errand = context;
    errand->work(errand->context);
    tell(errand);
    return NULL;
}

static void join(struct errand *errand)
{
    if (errand->threaded)
        pthread_join(errand->thread, NULL);
    errand->busy = errand->threaded = false;
}

/* Whether the work is through; then nothing of it is left. */
static bool collect(struct errand *errand)
{
    uint64_t count;
    if (read(errand->fd, &count, sizeof(count)) < 0)
        return false;
    join(errand);
    return true;
}

static void came_back(unsigned events, void *context)
{
    struct errand *errand = context;
    (void)events;
    if (collect(errand))
        errand->done(errand->context); /* may start the next */
}

struct errand *errand_create(struct loop *loop, struct error *ret_error)
{
    struct errand *errand = calloc(1, sizeof(*errand));
    if (!errand) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a thread");
        return NULL;
    }
    errand->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (errand->fd < 0)
        error_errno(ret_error, errno, "cannot watch for a thread's end");
    else
        errand->watch =
            loop_watch_add(loop, errand->fd, LOOP_READ, came_back, errand, ret_error);
    if (errand->watch)
        return errand;
    errand_destroy(errand);
    return NULL;
}

void errand_destroy(struct errand *errand)
{
    if (!errand)
        return;
    join(errand);
    loop_watch_remove(errand->watch);
    if (errand->fd >= 0)
        close(errand->fd);
    free(errand);
}

void errand_start(struct errand *errand, void (*work)(void *context),
                  void (*done)(void *context), void *context)
{
    errand->work = work;
    errand->done = done;
    errand->context = context;
    errand->busy = true;
    errand->threaded = thread_start(&errand->thread, go, errand) == 0;
    if (!errand->threaded)
        go(errand);
}

bool errand_is_busy(const struct errand *errand)
{
    return errand->busy;
}

bool errand_wait(struct errand *errand, int64_t ns)
{
    struct pollfd fd = {.fd = errand->fd, .events = POLLIN};
    const struct timespec span = {.tv_sec = ns / CLOCK_SECOND_NS,
                                  .tv_nsec = ns % CLOCK_SECOND_NS};
    return errand->busy && ppoll(&fd, 1, &span, NULL) > 0 && collect(errand);
}

/* The descriptor stays open and the memory allocated: the thread will still tell. */
void errand_abandon(struct errand *errand)
{
    loop_watch_remove(errand->watch);
    if (errand->threaded)
        pthread_detach(errand->thread);
    abroad |= errand->threaded;
}

bool errand_is_abroad(void)
{
    return abroad;
}
