#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "worker/redial.h"
#include "worker/seeker.h"

struct redial {
    struct dial_options options;
    int64_t until_ns;
    pthread_t thread;
    int done_fd;   /* the thread has an answer */
    int cancel_fd; /* the owner does not want it any more */
    struct loop_watch *watch;
    void (*done)(void *context, struct link *link, const struct dial_answer *answer,
                 const struct error *error);
    void *context;
    struct link *link;
    struct dial_answer answer;
    struct error error;
};

static void ring(int fd)
{
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof(one));
    (void)written; /* an eventfd takes it, unless it was rung already */
}

/* Until the next try, or until cancelled. */
static void wait_a_while(struct redial *redial, unsigned failures)
{
    struct pollfd cancelled = {.fd = redial->cancel_fd, .events = POLLIN};
    poll(&cancelled, 1, (int)(dial_backoff_ns(failures) / CLOCK_MS_NS));
}

static bool goes_on(const struct redial *redial)
{
    struct pollfd cancelled = {.fd = redial->cancel_fd, .events = POLLIN};
    return dial_may_retry(&redial->error) && poll(&cancelled, 1, 0) == 0 &&
           clock_monotonic_ns() < redial->until_ns;
}

static void *dial_on(void *context)
{
    struct redial *redial = context;
    struct seeker *seeker = seeker_open();
    for (unsigned failures = 1;; failures++) {
        redial->link = dial(&redial->options, &redial->answer, &redial->error);
        if (redial->link || !goes_on(redial))
            break;
        enum seeker_news news = seeker_look(seeker, &redial->options);
        if (news == SEEKER_OVER) {
            redial->error = (struct error){0};
            break;
        }
        if (news == SEEKER_MOVED)
            failures = 0; /* at once: it was not yet dialled there */
        else
            wait_a_while(redial, failures);
    }
    seeker_close(seeker);
    ring(redial->done_fd);
    return NULL;
}

static void thread_done(unsigned events, void *context)
{
    (void)events;
    struct redial *redial = context;
    struct link *link = redial->link;
    redial->link = NULL;
    loop_watch_remove(redial->watch);
    redial->watch = NULL;
    redial->done(redial->context, link, &redial->answer, &redial->error);
}

static void free_redial(struct redial *redial)
{
    loop_watch_remove(redial->watch);
    link_close(redial->link);
    if (redial->done_fd >= 0)
        close(redial->done_fd);
    if (redial->cancel_fd >= 0)
        close(redial->cancel_fd);
    free(redial);
}

struct redial *
redial_start(struct loop *loop, const struct dial_options *options, int64_t until_ns,
             void (*done)(void *context, struct link *link, const struct dial_answer *answer,
                          const struct error *error),
             void *context, struct error *ret_error)
{
    struct redial *redial = calloc(1, sizeof(*redial));
    if (!redial) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to dial the master again");
        return NULL;
    }
    redial->options = *options;
    redial->options.mpi = false;
    redial->until_ns = until_ns;
    redial->done = done;
    redial->context = context;
    redial->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    redial->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    redial->options.cancel_fd = redial->cancel_fd;
    int rc = redial->done_fd < 0 || redial->cancel_fd < 0 ? errno : 0;
    if (rc == 0) {
        redial->watch =
            loop_watch_add(loop, redial->done_fd, LOOP_READ, thread_done, redial, ret_error);
        rc = redial->watch ? pthread_create(&redial->thread, NULL, dial_on, redial) : ENOMEM;
    }
    if (rc == 0)
        return redial;
    error_errno(ret_error, rc, "the master cannot be dialled again");
    free_redial(redial);
    return NULL;
}

void redial_stop(struct redial *redial)
{
    if (!redial)
        return;
    ring(redial->cancel_fd);
    pthread_join(redial->thread, NULL);
    free_redial(redial);
}
