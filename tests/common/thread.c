/* Threads beside an event loop receive no signals, and wait by the monotonic clock. */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/thread.h"

static void *mask_read(void *context)
{
    pthread_sigmask(SIG_SETMASK, NULL, context);
    return context;
}

static void a_thread_receives_no_signals_and_the_caller_does(void **state)
{
    (void)state;
    static const int some[] = {SIGINT, SIGTERM, SIGCHLD, SIGUSR1};
    sigset_t there, here;
    pthread_t thread;
    void *returned;
    sigemptyset(&there);
    assert_int_equal(thread_start(&thread, mask_read, &there), 0);
    pthread_join(thread, &returned);
    assert_ptr_equal(returned, &there);
    pthread_sigmask(SIG_SETMASK, NULL, &here);
    for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++) {
        assert_int_equal(sigismember(&there, some[i]), 1);
        assert_int_equal(sigismember(&here, some[i]), 0);
    }
}

struct room {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over;
};

static void room_init(struct room *room)
{
    memset(room, 0, sizeof(*room));
    pthread_mutex_init(&room->lock, NULL);
    thread_condition_init(&room->changed);
}

static void room_fini(struct room *room)
{
    pthread_cond_destroy(&room->changed);
    pthread_mutex_destroy(&room->lock);
}

static void waiting_ends_at_the_deadline_and_not_before(void **state)
{
    (void)state;
    struct room room;
    room_init(&room);
    pthread_mutex_lock(&room.lock);
    int64_t until_ns = clock_monotonic_ns() + 20 * CLOCK_MS_NS;
    assert_false(
        thread_wait(&room.changed, &room.lock, &room.over, thread_deadline(20 * CLOCK_MS_NS)));
    assert_true(clock_monotonic_ns() >= until_ns);
    pthread_mutex_unlock(&room.lock);
    room_fini(&room);
}

static void *signal_twice(void *context)
{
    struct room *room = context;
    pthread_mutex_lock(&room->lock);
    pthread_cond_signal(&room->changed); /* that means something else */
    pthread_mutex_unlock(&room->lock);
    pthread_mutex_lock(&room->lock);
    room->over = true;
    pthread_cond_signal(&room->changed);
    pthread_mutex_unlock(&room->lock);
    return NULL;
}

static void waiting_ends_when_it_is_over(void **state)
{
    (void)state;
    struct room room;
    pthread_t thread;
    room_init(&room);
    pthread_mutex_lock(&room.lock);
    assert_int_equal(thread_start(&thread, signal_twice, &room), 0);
    assert_true(thread_wait(&room.changed, &room.lock, &room.over,
                            thread_deadline(3600 * CLOCK_SECOND_NS)));
    pthread_mutex_unlock(&room.lock);
    pthread_join(thread, NULL);
    /* And at once where it is over already, whatever the deadline. */
    pthread_mutex_lock(&room.lock);
    assert_true(
        thread_wait(&room.changed, &room.lock, &room.over, (struct timespec){.tv_sec = 0}));
    pthread_mutex_unlock(&room.lock);
    room_fini(&room);
}

static void a_deadline_carries_its_nanoseconds(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct timespec at = thread_deadline(2 * CLOCK_SECOND_NS + 999999999);
        int64_t left_ns = at.tv_sec * CLOCK_SECOND_NS + at.tv_nsec - clock_monotonic_ns();
        assert_in_range(at.tv_nsec, 0, 999999999);
        assert_true(left_ns <= 2 * CLOCK_SECOND_NS + 999999999);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_receives_no_signals_and_the_caller_does),
        cmocka_unit_test(waiting_ends_at_the_deadline_and_not_before),
        cmocka_unit_test(waiting_ends_when_it_is_over),
        cmocka_unit_test(a_deadline_carries_its_nanoseconds),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
