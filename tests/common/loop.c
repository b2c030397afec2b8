#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/loop.h"

struct stage {
    struct loop *loop;
    struct loop_watch *watches[2];
    struct loop_timer *timers[3];
    int pipe[2];
    int calls;
    char order[8];
};

static int set_up(void **state)
{
    static struct stage stage;
    stage = (struct stage){.loop = loop_create(NULL)};
    *state = &stage;
    return stage.loop && pipe(stage.pipe) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    struct stage *stage = *state;
    loop_destroy(stage->loop);
    close(stage->pipe[0]);
    close(stage->pipe[1]);
    return 0;
}

static void note_a(void *context)
{
    struct stage *stage = context;
    stage->order[stage->calls++] = 'a';
}

static void note_b_and_stop(void *context)
{
    struct stage *stage = context;
    stage->order[stage->calls++] = 'b';
    loop_stop(stage->loop);
}

static void timers_run_in_the_order_of_their_times(void **state)
{
    struct stage *stage = *state;
    int64_t now = clock_monotonic_ns();
    stage->timers[0] = loop_timer_add(stage->loop, note_b_and_stop, stage);
    stage->timers[1] = loop_timer_add(stage->loop, note_a, stage);
    stage->timers[2] = loop_timer_add(stage->loop, note_a, stage);
    loop_timer_arm(stage->timers[0], now + 3 * CLOCK_MS_NS);
    loop_timer_arm(stage->timers[1], now + 2 * CLOCK_MS_NS);
    loop_timer_arm(stage->timers[2], now + 1 * CLOCK_MS_NS);
    loop_timer_disarm(stage->timers[1]);
    loop_timer_arm(stage->timers[1], now);
    assert_int_equal(loop_run(stage->loop, NULL), 0);
    assert_string_equal(stage->order, "aab");
}

static void a_removed_timer_does_not_run(void **state)
{
    struct stage *stage = *state;
    int64_t now = clock_monotonic_ns();
    stage->timers[0] = loop_timer_add(stage->loop, note_a, stage);
    stage->timers[1] = loop_timer_add(stage->loop, note_b_and_stop, stage);
    loop_timer_arm(stage->timers[0], now);
    loop_timer_arm(stage->timers[1], now + CLOCK_MS_NS);
    loop_timer_remove(stage->timers[0]);
    assert_int_equal(loop_run(stage->loop, NULL), 0);
    assert_string_equal(stage->order, "b");
}

/* Both watches are ready in the same round; whichever runs first removes both. */
static void remove_both(unsigned events, void *context)
{
    (void)events;
    struct stage *stage = context;
    stage->calls++;
    loop_watch_remove(stage->watches[0]);
    loop_watch_remove(stage->watches[1]);
    loop_stop(stage->loop);
}

static void a_watch_removed_in_the_same_round_is_not_called(void **state)
{
    struct stage *stage = *state;
    int again = dup(stage->pipe[0]);
    assert_int_equal(write(stage->pipe[1], "x", 1), 1);
    stage->watches[0] =
        loop_watch_add(stage->loop, stage->pipe[0], LOOP_READ, remove_both, stage, NULL);
    stage->watches[1] = loop_watch_add(stage->loop, again, LOOP_READ, remove_both, stage, NULL);
    assert_int_equal(loop_run(stage->loop, NULL), 0);
    assert_int_equal(stage->calls, 1);
    close(again);
}

static void count_call(unsigned events, void *context)
{
    (void)events;
    struct stage *stage = context;
    stage->calls++;
    loop_stop(stage->loop);
}

static void a_watch_for_nothing_does_not_see_a_hang_up(void **state)
{
    struct stage *stage = *state;
    stage->watches[0] =
        loop_watch_add(stage->loop, stage->pipe[0], LOOP_READ, count_call, stage, NULL);
    loop_watch_set(stage->watches[0], 0);
    int end = dup(stage->pipe[0]);
    stage->watches[1] = loop_watch_add(stage->loop, end, 0, count_call, stage, NULL);
    close(stage->pipe[1]);
    stage->timers[0] = loop_timer_add(stage->loop, note_b_and_stop, stage);
    loop_timer_arm(stage->timers[0], clock_monotonic_ns() + 2 * CLOCK_MS_NS);
    assert_int_equal(loop_run(stage->loop, NULL), 0);
    assert_string_equal(stage->order, "b");
    loop_watch_set(stage->watches[0], LOOP_READ);
    assert_int_equal(loop_run(stage->loop, NULL), 0);
    assert_int_equal(stage->calls, 2);
    loop_watch_remove(stage->watches[1]);
    close(end);
    stage->pipe[1] = dup(stage->pipe[0]); /* for tear_down */
}

static void caught(int signal, void *context)
{
    struct stage *stage = context;
    stage->calls = signal;
    loop_stop(stage->loop);
}

static void *wait_on_a_pipe(void *context)
{
    const struct stage *stage = context;
    char byte;
    return read(stage->pipe[0], &byte, 1) == 1 ? NULL : context;
}

static void signals_that_other_threads_get_arrive_in_the_loop(void **state)
{
    struct stage *stage = *state;
    const int signals[] = {SIGUSR2, 0};
    pthread_t thread;
    sigset_t set;
    void *failed;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    /* As a library's thread, there before the loop. */
    assert_int_equal(pthread_create(&thread, NULL, wait_on_a_pipe, stage), 0);
    assert_int_equal(loop_signals(stage->loop, signals, caught, stage, NULL), 0);
    assert_int_equal(pthread_kill(thread, SIGUSR2), 0);
    assert_int_equal(loop_run(stage->loop, NULL), 0);
    assert_int_equal(stage->calls, SIGUSR2);
    assert_int_equal(write(stage->pipe[1], "x", 1), 1);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
}

static void ignored_signals_stay_ignored(void **state)
{
    struct stage *stage = *state;
    const int signals[] = {SIGHUP, SIGUSR1, 0};
    signal(SIGHUP, SIG_IGN); /* as nohup does */
    assert_int_equal(loop_signals(stage->loop, signals, caught, stage, NULL), 0);
    raise(SIGHUP);
    raise(SIGUSR1);
    assert_int_equal(loop_run(stage->loop, NULL), 0);
    assert_int_equal(stage->calls, SIGUSR1);
    signal(SIGHUP, SIG_DFL);
}

static void signals_arrive_in_the_loop(void **state)
{
    struct stage *stage = *state;
    const int signals[] = {SIGUSR1, 0};
    assert_int_equal(loop_signals(stage->loop, signals, caught, stage, NULL), 0);
    raise(SIGUSR1);
    assert_int_equal(loop_run(stage->loop, NULL), 0);
    assert_int_equal(stage->calls, SIGUSR1);
}

static void a_file_that_cannot_be_watched_is_a_sentence(void **state)
{
    struct stage *stage = *state;
    struct error error;
    assert_null(loop_watch_add(stage->loop, 9999, LOOP_READ, remove_both, stage, &error));
    assert_int_equal(error.code, ERROR_SYSTEM);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(timers_run_in_the_order_of_their_times),
        LOOP_TEST(a_removed_timer_does_not_run),
        LOOP_TEST(a_watch_removed_in_the_same_round_is_not_called),
        LOOP_TEST(a_watch_for_nothing_does_not_see_a_hang_up),
        LOOP_TEST(signals_that_other_threads_get_arrive_in_the_loop),
        LOOP_TEST(ignored_signals_stay_ignored),
        LOOP_TEST(signals_arrive_in_the_loop),
        LOOP_TEST(a_file_that_cannot_be_watched_is_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
