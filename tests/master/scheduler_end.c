/* The scheduler at the end of a farm: what is recalled, duplicated and given up. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/clock.h"
#include "master/durations.h"
#include "master/scheduler.h"
#include "tests/master/scheduler_play.h"

/* ---- The end ---- */

static void idle_workers_get_what_others_have_not_started(void **state)
{
    (void)state;
    play_default("join 1 1 9\n"
                 "add 17 = lease 1 1.1 2.1 3.1 4.1 5.1 6.1 7.1 8.1 9.1\n"
                 "join 2 8 8 = lease 2 10.1 11.1 12.1 13.1 14.1 15.1 16.1 17.1\n"
                 "ok 2 10.1 = accept; recall 1 x4\n" /* half of what it cannot run now */
                 "ok 2 11.1 = accept\n"
                 "back 1 9.1 = lease 2 9.2\n"
                 "back 1 8.1 = lease 2 8.2\n"
                 "back 1 7.1\n" /* no slot idle now; it waits here, not there */
                 "ok 2 12.1 = accept; lease 2 7.2\n"
                 "ok 2 13.1 = accept\n" /* one more is still to come back */
                 "ok 2 14.1 = accept; recall 1 x2\n"
                 "wake = 1000\n"
                 "at 1000 = recall 1 x3\n" /* unanswered: asked again */
                 "back 1 6.1 = lease 2 6.2\n");
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.steal = false;
    play_script(&policy, "join 1 1 3\n"
                         "add 5 = lease 1 1.1 2.1 3.1\n"
                         "join 2 2 2 = lease 2 4.1 5.1\n"
                         "ok 2 4.1 = accept\n"
                         "wake = never\n");
}

static void the_slowest_task_gets_a_duplicate(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "join 2 1 1\n"
                 "add 4 = lease 1 1.1; lease 2 2.1\n"
                 "start 1 1.1\n"
                 "at 1000\n"
                 "ok 2 2.1 1000 = accept; lease 2 3.1\n"
                 "at 2000\n"
                 "ok 2 3.1 1000 = accept; lease 2 4.1\n"
                 "ok 2 4.1 1000 = accept; lease 2 1.2\n" /* 2 s > 1.5 x 1 s */
                 "start 2 1.2\n"
                 "wake = never\n"
                 "ok 2 1.2 = accept; cancel 1 1.1\n"
                 "ok 1 1.1 = duplicate\n");
}

static void a_duplicate_comes_when_it_is_time(void **state)
{
    (void)state;
    static const char begin[] = "join 1 1 1\n join 2 1 1\n add 4 = lease 1 1.1; lease 2 2.1\n"
                                "start 1 1.1\n"
                                "ok 2 2.1 10 = accept; lease 2 3.1\n"
                                "ok 2 3.1 10 = accept; lease 2 4.1\n"
                                "ok 2 4.1 10 = accept\n";
    struct play play;
    struct scheduler_policy policy = scheduler_policy_default(3);
    play_begin(&play, &policy);
    play_lines(&play, begin);
    play_lines(&play, "wake = 500\n" /* the floor */
                      "at 499\n"
                      "at 500 = lease 2 1.2\n"
                      "lose 2\n" /* the first goes on, and may be duplicated again */
                      "join 3 1 1 = lease 3 1.3\n"
                      "bad 1 1.1 = retry\n"
                      "ok 3 1.3 = accept\n");
    play_end(&play);
    policy.duplicates = false;
    play_begin(&play, &policy);
    play_lines(&play, begin);
    play_lines(&play, "wake = never\n at 500000\n");
    play_end(&play);
}

static void an_attempt_that_hangs_is_given_up(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(2);
    policy.duplicates = false;
    policy.overdue_factor = 10;
    play_script(&policy, "join 1 1 1\n join 2 1 1\n add 4 = lease 1 1.1; lease 2 2.1\n"
                         "start 1 1.1\n"
                         "at 10\n"
                         "ok 2 2.1 1000 = accept; lease 2 3.1\n"
                         "wake = never\n" /* two do not make a mean */
                         "ok 2 3.1 2000 = accept; lease 2 4.1\n"
                         "ok 2 4.1 3000 = accept\n"
                         "wake = 20000\n" /* 10 x 2 s */
                         "at 19999\n"
                         "at 20000 = give-up 1 1.1\n"
                         "at 20100 = lease 2 1.2\n" /* elsewhere */
                         "start 2 1.2\n"
                         "wake = 40100\n"
                         "at 40100 = give-up failed 2 1.2\n"
                         "state 1 = failed\n"
                         "ok 1 1.1 = duplicate\n"
                         "counts = waiting 0 leased 0 done 3 failed 1 live 0 running 0\n");
}

static void two_attempts_that_hang_are_both_given_up(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(2);
    policy.overdue_ns = 5 * CLOCK_SECOND_NS;
    play_script(&policy, "join 1 1 1\n join 2 1 1\n add 4 = lease 1 1.1; lease 2 2.1\n"
                         "start 1 1.1\n"
                         "ok 2 2.1 10 = accept; lease 2 3.1\n"
                         "ok 2 3.1 10 = accept; lease 2 4.1\n"
                         "ok 2 4.1 10 = accept\n"
                         "at 500 = lease 2 1.2\n"
                         "start 2 1.2\n"
                         "wake = 5000\n"
                         "at 5000 = give-up 1 1.1\n"
                         "at 5500 = give-up failed 2 1.2\n");
}

static void short_tasks_are_not_overdue_for_a_hiccup(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(1);
    policy.duplicates = false;
    policy.overdue_factor = 2;
    play_script(&policy, "join 1 1 1\n join 2 1 1\n add 4 = lease 1 1.1; lease 2 2.1\n"
                         "ok 2 2.1 1 = accept; lease 2 3.1\n"
                         "ok 2 3.1 1 = accept; lease 2 4.1\n"
                         "ok 2 4.1 1 = accept\n"
                         "start 1 1.1\n"
                         "wake = 2000\n"
                         "ok 1 1.1 = accept\n"
                         "wake = never\n");
}

static void duplicates_may_go_by_the_mean(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(1);
    struct play play;
    policy.duplicate_quantile = -1;
    policy.duplicate_factor = 1.25; /* exact in binary */
    play_begin(&play, &policy);
    play_lines(&play, "join 1 1 1\n join 2 1 1\n add 4 = lease 1 1.1; lease 2 2.1\n"
                      "start 1 1.1\n"
                      "ok 2 2.1 1000 = accept; lease 2 3.1\n"
                      "ok 2 3.1 2000 = accept; lease 2 4.1\n"
                      "ok 2 4.1 6000 = accept\n"
                      "wake = 3750\n"); /* 1.25 x 3 s */
    play_end(&play);
}

static void a_task_fails_when_its_last_live_attempt_does(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(1);
    static const char begin[] = "join 1 1 1\n join 2 1 1\n add 1 = lease 1 1.1\n"
                                "adopt 2 1.2 = adopted\n"
                                "bad 1 1.1 = retry\n"; /* the other may still succeed */
    struct play play;
    play_begin(&play, &policy);
    play_lines(&play, begin);
    play_lines(&play, "bad 2 1.2 = fail\n");
    play_end(&play);
    play_begin(&play, &policy);
    play_lines(&play, begin);
    play_lines(&play, "lose 2 = fail-task 1.2\n");
    play_end(&play);
    play_begin(&play, &policy);
    play_lines(&play, begin);
    play_lines(&play, "ok 2 1.2 = accept\n");
    play_end(&play);
}

static void of_no_use_cancels_the_duplicate_too(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "add 1 = lease 1 1.1\n"
                 "join 2 1 1\n"
                 "adopt 2 1.2 = adopted\n"
                 "fatal 1 1.1 = fail; cancel 2 1.2\n");
}

/* ---- Durations ---- */

static void attempts_that_did_not_run_are_not_counted(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.retry_delay_ns = 0;
    struct scheduler *s = scheduler_create(&policy, NULL);
    struct scheduler_action action;
    scheduler_add(s, 1, NULL);
    scheduler_worker_joined(s, 1, 1, 1, 0, NULL);
    assert_int_equal(scheduler_next_action(s, 0, &action, NULL), 1);
    struct attempt_id first = action.attempts[0];
    assert_int_equal(scheduler_attempts(s, first), 1);
    scheduler_worker_leaving(s, 1);
    scheduler_handed_back(s, 1, first, 0);
    scheduler_worker_joined(s, 2, 1, 1, 0, NULL);
    assert_int_equal(scheduler_next_action(s, CLOCK_SECOND_NS, &action, NULL), 1);
    struct attempt_id second = action.attempts[0];
    assert_int_equal(second.attempt, 2);
    assert_int_equal(scheduler_attempts(s, second), 1);
    assert_int_equal(scheduler_result(s, 2, second, SCHEDULER_FAILED, 1, CLOCK_SECOND_NS),
                     SCHEDULER_RETRY);
    struct attempt_id third = {second.task, 3};
    assert_int_equal(scheduler_attempts(s, third), 2);
    assert_int_equal(scheduler_attempts(s, second), 1);
    scheduler_destroy(s);
}

static void quantiles_are_right_within_their_bucket(void **state)
{
    (void)state;
    struct durations *durations = calloc(1, sizeof(*durations));
    assert_int_equal(durations_quantile(durations, 0.5), 0);
    for (int64_t i = 1; i <= 1000; i++)
        durations_add(durations, i * 1000000);
    /* A bucket is an eighth of an octave: at most 1/8 wider than its beginning. */
    assert_in_range(durations_quantile(durations, 0.5), 500000000, 563000000);
    assert_in_range(durations_quantile(durations, 0.9), 900000000, 1013000000);
    assert_in_range(durations_quantile(durations, 1.0), 1000000000, 1125000000);
    assert_in_range(durations_quantile(durations, 0.0), 1000000, 1125000);
    durations_add(durations, INT64_MAX);
    durations_add(durations, -5);
    for (int i = 0; i < 100; i++)
        durations_add(durations, INT64_MAX);
    assert_true(durations_quantile(durations, 1.0) == INT64_MAX);
    free(durations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_workers_get_what_others_have_not_started),
        cmocka_unit_test(the_slowest_task_gets_a_duplicate),
        cmocka_unit_test(a_duplicate_comes_when_it_is_time),
        cmocka_unit_test(an_attempt_that_hangs_is_given_up),
        cmocka_unit_test(two_attempts_that_hang_are_both_given_up),
        cmocka_unit_test(short_tasks_are_not_overdue_for_a_hiccup),
        cmocka_unit_test(duplicates_may_go_by_the_mean),
        cmocka_unit_test(a_task_fails_when_its_last_live_attempt_does),
        cmocka_unit_test(of_no_use_cancels_the_duplicate_too),
        cmocka_unit_test(attempts_that_did_not_run_are_not_counted),
        cmocka_unit_test(quantiles_are_right_within_their_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
