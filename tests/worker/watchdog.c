#include "config.h"

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/loop.h"
#include "worker/watchdog.h"

#define PERIOD_NS (5 * CLOCK_MS_NS)

struct alarm {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int calls;
};

static void bark(void *context)
{
    struct alarm *alarm = context;
    pthread_mutex_lock(&alarm->mutex);
    alarm->calls++;
    pthread_cond_signal(&alarm->changed);
    pthread_mutex_unlock(&alarm->mutex);
}

static int alarm_calls(struct alarm *alarm)
{
    pthread_mutex_lock(&alarm->mutex);
    int calls = alarm->calls;
    pthread_mutex_unlock(&alarm->mutex);
    return calls;
}

static void stop(void *context)
{
    loop_stop(context);
}

static void a_loop_that_stands_still_is_noticed(void **state)
{
    (void)state;
    struct error error;
    struct alarm alarm = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct loop *loop = loop_create(&error);
    struct watchdog *watchdog = watchdog_create(loop, PERIOD_NS, bark, &alarm, &error);
    assert_non_null(watchdog);
    pthread_mutex_lock(&alarm.mutex); /* this thread is the loop's, and does not run it */
    while (alarm.calls == 0)
        pthread_cond_wait(&alarm.changed, &alarm.mutex);
    pthread_mutex_unlock(&alarm.mutex);
    watchdog_destroy(watchdog);
    assert_int_equal(alarm.calls, 1);
    loop_destroy(loop);
}

/* The loop and the watchdog keep to the same clock, but on a busy machine either may be late by
 * many short periods: so the period is long, and the loop runs for several of them. */
static void a_loop_that_turns_is_left_alone(void **state)
{
    (void)state;
    struct error error;
    const int64_t period = 100 * CLOCK_MS_NS;
    struct alarm alarm = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct loop *loop = loop_create(&error);
    struct watchdog *watchdog = watchdog_create(loop, period, bark, &alarm, &error);
    struct loop_timer *timer = loop_timer_add(loop, stop, loop);
    assert_non_null(watchdog);
    loop_timer_arm(timer, clock_monotonic_ns() + (WATCHDOG_STRIKES + 3) * period);
    assert_int_equal(loop_run(loop, &error), 0);
    assert_int_equal(alarm_calls(&alarm), 0);
    watchdog_destroy(watchdog);
    loop_timer_remove(timer);
    loop_destroy(loop);
}

static void a_watchdog_ends_at_once(void **state)
{
    (void)state;
    struct error error;
    struct alarm alarm = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct loop *loop = loop_create(&error);
    watchdog_destroy(watchdog_create(loop, 3600 * CLOCK_SECOND_NS, bark, &alarm, &error));
    watchdog_destroy(NULL);
    assert_int_equal(alarm.calls, 0);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_stands_still_is_noticed),
        cmocka_unit_test(a_loop_that_turns_is_left_alone),
        cmocka_unit_test(a_watchdog_ends_at_once),
    };
    return cmocka_run_group_tests_name("worker/watchdog", tests, NULL, NULL);
}
