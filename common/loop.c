/*
 * A watch or timer removed inside a callback may still be named by the round of epoll events
 * being worked through, or be the one whose callback runs. So removal only marks it dead and
 * unhooks it; the memory is freed at the end of the round.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"

#define EVENTS_PER_ROUND 64

struct loop_watch {
    struct loop *loop;
    int fd; /* -1 once removed */
    unsigned events;
    void (*ready)(unsigned events, void *context);
    void *context;
    struct loop_watch *previous, *next; /* in loop->watches, or next in loop->dead_watches */
};

struct loop_timer {
    struct loop *loop;
    int64_t when_ns; /* INT64_MAX while unarmed */
    size_t place;    /* in loop->timers */
    bool dead;
    void (*expired)(void *context);
    void *context;
};

struct loop {
    int epoll_fd;
    bool stopped;
    struct loop_watch *watches;
    struct loop_watch *dead_watches;
    struct loop_timer **timers; /* a binary heap, earliest first, unarmed ones last */
    size_t timer_count, timer_capacity;
    struct loop_timer **dead_timers;
    size_t dead_timer_count, dead_timer_capacity;
    int64_t (*turn)(void *context);
    void *turn_context;
    int signal_fd;
    struct loop_watch *signal_watch;
    void (*signal_caught)(int signal, void *context);
    void *signal_context;
};

struct loop *loop_create(struct error *ret_error)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for an event loop");
        return NULL;
    }
    loop->signal_fd = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        error_errno(ret_error, errno, "an event loop cannot be made (epoll_create1)");
        free(loop);
        return NULL;
    }
    return loop;
}

static void free_dead(struct loop *loop)
{
    while (loop->dead_watches) {
        struct loop_watch *watch = loop->dead_watches;
        loop->dead_watches = watch->next;
        free(watch);
    }
    while (loop->dead_timer_count)
        free(loop->dead_timers[--loop->dead_timer_count]);
}

void loop_destroy(struct loop *loop)
{
    if (!loop)
        return;
    while (loop->watches)
        loop_watch_remove(loop->watches);
    while (loop->timer_count)
        loop_timer_remove(loop->timers[loop->timer_count - 1]);
    free_dead(loop);
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    close(loop->epoll_fd);
    free(loop->timers);
    free(loop->dead_timers);
    free(loop);
}

/* Watches */

static uint32_t to_epoll(unsigned events)
{
    return (events & LOOP_READ ? EPOLLIN : 0u) | (events & LOOP_WRITE ? EPOLLOUT : 0u);
}

static unsigned from_epoll(uint32_t events)
{
    return (events & EPOLLIN ? LOOP_READ : 0) | (events & EPOLLOUT ? LOOP_WRITE : 0) |
           (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP) ? LOOP_HANGUP : 0);
}

struct loop_watch *loop_watch_add(struct loop *loop, int fd, unsigned events,
                                  void (*ready)(unsigned events, void *context), void *context,
                                  struct error *ret_error)
{
    struct loop_watch *watch = calloc(1, sizeof(*watch));
    if (!watch) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to watch a descriptor");
        return NULL;
    }
    *watch = (struct loop_watch){.loop = loop,
                                 .fd = fd,
                                 .events = events,
                                 .ready = ready,
                                 .context = context,
                                 .next = loop->watches};
    struct epoll_event event = {.events = to_epoll(events), .data.ptr = watch};
    if (events && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        error_errno(ret_error, errno, "descriptor %d cannot be watched", fd);
        free(watch);
        return NULL;
    }
    if (loop->watches)
        loop->watches->previous = watch;
    loop->watches = watch;
    return watch;
}

/* With no events at all the descriptor is taken out of epoll: a hang-up would be reported all the
 * same, again and again. */
void loop_watch_set(struct loop_watch *watch, unsigned events)
{
    if (watch->events == events || watch->fd < 0)
        return;
    int change = events == 0          ? EPOLL_CTL_DEL
                 : watch->events == 0 ? EPOLL_CTL_ADD
                                      : EPOLL_CTL_MOD;
    watch->events = events;
    struct epoll_event event = {.events = to_epoll(events), .data.ptr = watch};
    epoll_ctl(watch->loop->epoll_fd, change, watch->fd, &event);
}

void loop_watch_remove(struct loop_watch *watch)
{
    if (!watch || watch->fd < 0)
        return;
    struct loop *loop = watch->loop;
    if (watch->events)
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
    if (watch->previous)
        watch->previous->next = watch->next;
    else
        loop->watches = watch->next;
    if (watch->next)
        watch->next->previous = watch->previous;
    watch->next = loop->dead_watches;
    loop->dead_watches = watch;
}

/* Timers */

static void heap_place(struct loop *loop, size_t place, struct loop_timer *timer)
{
    loop->timers[place] = timer;
    timer->place = place;
}

static void heap_fix(struct loop *loop, struct loop_timer *timer)
{
    size_t place = timer->place;
    while (place > 0 && timer->when_ns < loop->timers[(place - 1) / 2]->when_ns) {
        heap_place(loop, place, loop->timers[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= loop->timer_count)
            break;
        if (child + 1 < loop->timer_count &&
            loop->timers[child + 1]->when_ns < loop->timers[child]->when_ns)
            child++;
        if (loop->timers[child]->when_ns >= timer->when_ns)
            break;
        heap_place(loop, place, loop->timers[child]);
        place = child;
    }
    heap_place(loop, place, timer);
}

static int reserve_timer(struct loop_timer ***timers, size_t *capacity, size_t count)
{
    if (count < *capacity)
        return 0;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    struct loop_timer **grown = realloc(*timers, wanted * sizeof(*grown));
    if (!grown)
        return -1;
    *timers = grown;
    *capacity = wanted;
    return 0;
}

struct loop_timer *loop_timer_add(struct loop *loop, void (*expired)(void *context),
                                  void *context)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));
    /* Room among the dead is kept for every timer, so that removal cannot fail. */
    if (!timer || reserve_timer(&loop->timers, &loop->timer_capacity, loop->timer_count) < 0 ||
        reserve_timer(&loop->dead_timers, &loop->dead_timer_capacity,
                      loop->timer_count + loop->dead_timer_count) < 0) {
        free(timer);
        return NULL;
    }
    *timer = (struct loop_timer){
        .loop = loop, .when_ns = INT64_MAX, .expired = expired, .context = context};
    heap_place(loop, loop->timer_count++, timer);
    return timer;
}

void loop_timer_arm(struct loop_timer *timer, int64_t when_ns)
{
    if (timer->dead || timer->when_ns == when_ns)
        return;
    timer->when_ns = when_ns;
    heap_fix(timer->loop, timer);
}

void loop_timer_disarm(struct loop_timer *timer)
{
    loop_timer_arm(timer, INT64_MAX);
}

void loop_timer_remove(struct loop_timer *timer)
{
    if (!timer || timer->dead)
        return;
    struct loop *loop = timer->loop;
    timer->dead = true;
    struct loop_timer *last = loop->timers[--loop->timer_count];
    if (last != timer) {
        heap_place(loop, timer->place, last);
        heap_fix(loop, last);
    }
    loop->dead_timers[loop->dead_timer_count++] = timer;
}

static void run_timers(struct loop *loop)
{
    int64_t now = clock_monotonic_ns();
    while (loop->timer_count && loop->timers[0]->when_ns <= now && !loop->stopped) {
        struct loop_timer *timer = loop->timers[0];
        loop_timer_disarm(timer);
        timer->expired(timer->context);
    }
}

/* Signals */

/* Threads that a library started before loop_signals (OpenBLAS has one per core, since before main)
 * do not block the signals, so that one may get a signal that is meant for the process. It hands it
 * on. */
static pthread_t signal_thread;

static void hand_on(int number)
{
    int saved = errno;
    if (pthread_equal(pthread_self(), signal_thread)) {
        signal(number, SIG_DFL); /* a child between fork and exec, which has unblocked it */
        raise(number);
    } else {
        pthread_kill(signal_thread, number);
    }
    errno = saved;
}

static void signals_ready(unsigned events, void *context)
{
    (void)events;
    struct loop *loop = context;
    struct signalfd_siginfo info;
    while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        loop->signal_caught((int)info.ssi_signo, loop->signal_context);
}

int loop_signals(struct loop *loop, const int *signals,
                 void (*caught)(int signal, void *context), void *context,
                 struct error *ret_error)
{
    sigset_t set;
    sigemptyset(&set);
    for (const int *number = signals; *number; number++)
        sigaddset(&set, *number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal_thread = pthread_self();
    const struct sigaction action = {.sa_handler = hand_on, .sa_flags = SA_RESTART};
    struct sigaction old;
    for (; *signals; signals++)
        if (sigaction(*signals, NULL, &old) == 0 && old.sa_handler != SIG_IGN) /* nohup */
            sigaction(*signals, &action, NULL);
    loop->signal_fd = signalfd(loop->signal_fd, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (loop->signal_fd < 0)
        return error_errno(ret_error, errno, "signals cannot be watched (signalfd)");
    loop->signal_caught = caught;
    loop->signal_context = context;
    if (!loop->signal_watch)
        loop->signal_watch =
            loop_watch_add(loop, loop->signal_fd, LOOP_READ, signals_ready, loop, ret_error);
    return loop->signal_watch ? 0 : -1;
}

/* The round */

void loop_set_turn(struct loop *loop, int64_t (*turn)(void *context), void *context)
{
    loop->turn = turn;
    loop->turn_context = context;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

/* How long to sleep: INT64_MAX for ever. */
static int64_t sleep_ns(const struct loop *loop, int64_t may_sleep_ns)
{
    int64_t earliest = loop->timer_count ? loop->timers[0]->when_ns : INT64_MAX;
    if (earliest == INT64_MAX || may_sleep_ns <= 0)
        return may_sleep_ns;
    int64_t left = earliest - clock_monotonic_ns();
    return left < may_sleep_ns ? left : may_sleep_ns;
}

/* Nanosecond sleeps need Linux 5.11; before it, milliseconds, rounded up so that a timer has
 * expired on return. */
static int wait_for_events(struct loop *loop, struct epoll_event *events, int64_t ns)
{
    static bool coarse;
    if (!coarse) {
        struct timespec span = {.tv_sec = ns / CLOCK_SECOND_NS,
                                .tv_nsec = ns % CLOCK_SECOND_NS};
        if (ns < 0)
            span = (struct timespec){0};
        int count = epoll_pwait2(loop->epoll_fd, events, EVENTS_PER_ROUND,
                                 ns == INT64_MAX ? NULL : &span, NULL);
        if (count >= 0 || errno != ENOSYS)
            return count;
        coarse = true;
    }
    int64_t ms = ns == INT64_MAX ? -1 : ns <= 0 ? 0 : (ns + CLOCK_MS_NS - 1) / CLOCK_MS_NS;
    return epoll_wait(loop->epoll_fd, events, EVENTS_PER_ROUND,
                      ms > 1000000 ? 1000000 : (int)ms);
}

static void run_watches(struct loop *loop, struct epoll_event *events, int count)
{
    for (int i = 0; i < count && !loop->stopped; i++) {
        struct loop_watch *watch = events[i].data.ptr;
        if (watch->fd >= 0)
            watch->ready(from_epoll(events[i].events), watch->context);
    }
}

int loop_run(struct loop *loop, struct error *ret_error)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    loop->stopped = false;
    while (!loop->stopped) {
        int64_t may_sleep_ns = loop->turn ? loop->turn(loop->turn_context) : INT64_MAX;
        if (loop->stopped)
            break;
        int count = wait_for_events(loop, events, sleep_ns(loop, may_sleep_ns));
        if (count < 0 && errno != EINTR)
            return error_errno(ret_error, errno, "the event loop cannot wait (epoll_wait)");
        run_watches(loop, events, count);
        run_timers(loop);
        free_dead(loop);
    }
    free_dead(loop);
    return 0;
}
