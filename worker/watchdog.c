#include "config.h"

#include "worker/watchdog.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/thread.h"

struct watchdog {
    struct loop_timer *timer;
    int64_t period_ns;
    atomic_uint marks;
    void (*hung)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t ended_changed;
    bool ended;
};

static void mark(void *context)
{
    struct watchdog *watchdog = context;
    atomic_fetch_add(&watchdog->marks, 1);
    loop_timer_arm(watchdog->timer, clock_monotonic_ns() + watchdog->period_ns);
}

/* Whether a period passed without the end. */
static bool period_wait(struct watchdog *watchdog)
{
    return !thread_wait(&watchdog->ended_changed, &watchdog->mutex, &watchdog->ended,
                        thread_deadline(watchdog->period_ns));
}

static void *watch(void *context)
{
    struct watchdog *watchdog = context;
    unsigned seen = 0, strikes = 0;
    pthread_mutex_lock(&watchdog->mutex);
    while (strikes < WATCHDOG_STRIKES && period_wait(watchdog)) {
        unsigned marks = atomic_load(&watchdog->marks);
        strikes = marks == seen ? strikes + 1 : 0;
        seen = marks;
    }
    bool hung = !watchdog->ended;
    pthread_mutex_unlock(&watchdog->mutex);
    if (hung)
        watchdog->hung(watchdog->context);
    return NULL;
}

struct watchdog *watchdog_create(struct loop *loop, int64_t period_ns,
                                 void (*hung)(void *context), void *context,
                                 struct error *ret_error)
{
    struct watchdog *watchdog = calloc(1, sizeof *watchdog);
    int rc;
    if (watchdog)
        watchdog->timer = loop_timer_add(loop, mark, watchdog);
    if (!watchdog || !watchdog->timer) {
        free(watchdog);
        error_set(ret_error, ERROR_SYSTEM, "no memory for a watchdog");
        return NULL;
    }
    watchdog->period_ns = period_ns;
    watchdog->hung = hung;
    watchdog->context = context;
    pthread_mutex_init(&watchdog->mutex, NULL);
    thread_condition_init(&watchdog->ended_changed);
    mark(watchdog);
    rc = pthread_create(&watchdog->thread, NULL, watch, watchdog);
    if (rc == 0)
        return watchdog;
    error_set(ret_error, ERROR_SYSTEM, "no thread for a watchdog: %s", strerror(rc));
    loop_timer_remove(watchdog->timer);
    pthread_cond_destroy(&watchdog->ended_changed);
    pthread_mutex_destroy(&watchdog->mutex);
    free(watchdog);
    return NULL;
}

void watchdog_destroy(struct watchdog *watchdog)
{
    if (!watchdog)
        return;
    pthread_mutex_lock(&watchdog->mutex);
    watchdog->ended = true;
    pthread_cond_signal(&watchdog->ended_changed);
    pthread_mutex_unlock(&watchdog->mutex);
    pthread_join(watchdog->thread, NULL);
    loop_timer_remove(watchdog->timer);
    pthread_cond_destroy(&watchdog->ended_changed);
    pthread_mutex_destroy(&watchdog->mutex);
    free(watchdog);
}
