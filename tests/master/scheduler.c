/* The scheduler, event by event. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/scheduler.h"
#include "tests/master/scheduler_play.h"

/* ---- Misuse, first ---- */

static void refuses_what_makes_no_sense(void **state)
{
    (void)state;
    play_default("join 0 1 1 = error\n"
                 "join 16777217 1 1 = error\n"
                 "join 1 0 4 = error\n"
                 "join 1 1 1\n"
                 "join 1 1 1 = error\n"
                 "add 1073741825 = error\n"
                 "restore 0 done = error\n"
                 "restore 1073741825 done = error\n"
                 "add 1 = lease 1 1.1\n"
                 "restore 1 done = error\n"
                 "failures 1 1 1 = error\n"
                 "ok 1 1.1 = accept\n"
                 "restore 1 done = error\n"
                 "failures 2 1 1 = error\n");
}

static void strangers_change_nothing(void **state)
{
    (void)state;
    play_default("ok 1 1.1 = unknown\n"
                 "adopt 1 1.1 = unknown\n"
                 "add 2\n"
                 "credits 7 3\n"
                 "leave 7\n"
                 "lose 7\n"
                 "start 7 1.1\n"
                 "back 7 1.1\n"
                 "adopt 7 1.1 = cancel-it\n"
                 "worker 7 = unknown leased 0 failures 0\n"
                 "join 1 1 1 = lease 1 1.1\n"
                 "start 1 1.2\n"
                 "start 1 2.1\n"
                 "back 1 1.2\n"
                 "back 1 2.1\n"
                 "ok 1 0.1 = unknown\n"
                 "ok 1 3.1 = unknown\n"
                 "ok 1 18446744073709551615.1 = unknown\n"
                 "adopt 1 2.0 = cancel-it\n"
                 "adopt 1 2.4294967295 = cancel-it\n"
                 "state 0 = unknown\n"
                 "state 3 = unknown\n"
                 "counts = waiting 1 leased 1 done 0 failed 0 live 1 running 1\n");
}

static void a_result_counts_once(void **state)
{
    (void)state;
    play_default("add 1\n"
                 "join 1 1 1 = lease 1 1.1\n"
                 "ok 1 1.1 = accept\n"
                 "ok 1 1.1 = duplicate\n"
                 "bad 1 1.1 = duplicate\n"
                 "adopt 1 1.1 = cancel-it\n"
                 "counts = waiting 0 leased 0 done 1 failed 0 live 0 running 0\n");
}

/* ---- Whom ---- */

static void few_tasks_are_spread_over_workers(void **state)
{
    (void)state;
    play_default("join 1 4 8\n"
                 "join 2 4 8\n"
                 "join 3 4 8\n"
                 "add 3 = lease 1 1.1; lease 2 2.1; lease 3 3.1\n");
    play_default("join 1 4 8\n"
                 "join 2 4 8\n"
                 "add 7 = lease 1 1.1 2.1 3.1 4.1; lease 2 5.1 6.1 7.1\n");
    /* In proportion to idle slots. */
    play_default("join 1 1 1\n"
                 "join 2 3 3\n"
                 "add 2 = lease 1 1.1; lease 2 2.1\n");
}

static void slots_of_all_come_before_prefetch_of_any(void **state)
{
    (void)state;
    play_default("join 1 1 3\n"
                 "join 2 1 3\n"
                 "add 2 = lease 1 1.1; lease 2 2.1\n");
    /* Two beyond the slots: half of a fair share is none. */
    play_default("join 1 1 3\n"
                 "join 2 1 3\n"
                 "add 4 = lease 1 1.1; lease 2 2.1\n"
                 "add 2 = lease 1 3.1; lease 2 4.1\n"
                 "add 20 = lease 1 5.1; lease 2 6.1\n");
}

static void a_batch_fills_slots_and_credits_at_once(void **state)
{
    (void)state;
    play_default("join 1 2 4\n"
                 "add 8 = lease 1 1.1 2.1 3.1 4.1\n");
}

static void credits_bound_what_a_worker_holds(void **state)
{
    (void)state;
    play_default("join 1 2 2\n"
                 "add 100 = lease 1 1.1 2.1\n"
                 "credits 1 4 = lease 1 3.1 4.1\n"
                 "credits 1 1\n"
                 "ok 1 1.1 = accept\n"
                 "ok 1 2.1 = accept\n"
                 "ok 1 3.1 = accept\n"
                 "ok 1 4.1 = accept; lease 1 5.1\n"
                 "credits 1 0\n"
                 "ok 1 5.1 = accept\n"
                 "credits 1 1 = lease 1 6.1\n");
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.prefetch = false;
    play_script(&policy, "join 1 2 100\n"
                         "add 100 = lease 1 1.1 2.1\n");
}

static void a_leaving_worker_gets_nothing_more(void **state)
{
    (void)state;
    play_default("join 1 1 2\n"
                 "add 4 = lease 1 1.1 2.1\n"
                 "leave 1\n"
                 "ok 1 1.1 = accept\n"
                 "back 1 2.1\n"
                 "join 2 1 1 = lease 2 2.2\n"
                 "worker 1 = leaving leased 0 failures 0\n"
                 "lose 1\n"
                 "counts = waiting 2 leased 1 done 1 failed 0 live 1 running 1\n");
}

/* ---- Failures ---- */

static void a_failed_task_goes_elsewhere_after_a_while(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "join 2 1 1\n"
                 "add 2 = lease 1 1.1; lease 2 2.1\n"
                 "bad 1 1.1 = retry\n"
                 "wake = 100\n"
                 "at 99\n"
                 "at 100\n" /* worker 1 is idle, but it failed there */
                 "wake = 2100\n"
                 "ok 2 2.1 = accept; lease 2 1.2\n"
                 "bad 2 1.2 = retry\n"
                 "at 299\n" /* twice the delay; and it failed everywhere, so anyone will do */
                 "at 300 = lease 1 1.3\n"
                 "bad 1 1.3 = fail\n"
                 "state 1 = failed\n"
                 "ok 1 1.2 = duplicate\n"
                 "wake = never\n");
}

static void nobody_waits_long_for_another_worker(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "join 2 1 1\n"
                 "add 2 = lease 1 1.1; lease 2 2.1\n"
                 "bad 1 1.1 = retry\n"
                 "at 100\n"
                 "at 2099\n"
                 "at 2100 = lease 1 1.2\n");
}

static void retried_tasks_come_first(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "add 3 = lease 1 1.1\n"
                 "bad 1 1.1 = retry; lease 1 2.1\n"
                 "at 100\n"
                 "ok 1 2.1 = accept; lease 1 1.2\n");
}

static void a_delay_that_was_cut_short_holds_nobody_up(void **state)
{
    (void)state;
    play_default("join 1 3 3\n"
                 "add 3 = lease 1 1.1 2.1 3.1\n"
                 "bad 1 1.1 = retry\n" /* until 100 */
                 "bad 1 2.1 = retry\n" /* the same */
                 "adopt 1 2.7 = adopted\n"
                 "bad 1 2.7 = retry\n" /* until 200 */
                 "at 50\n"
                 "bad 1 3.1 = retry\n" /* until 150 */
                 "at 100 = lease 1 1.2\n"
                 "wake = 150\n"
                 "at 150 = lease 1 3.2\n"
                 "wake = 200\n"
                 "at 200 = lease 1 2.8\n");
}

static void what_is_of_no_use_is_not_tried_again(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "add 1 = lease 1 1.1\n"
                 "fatal 1 1.1 = fail\n"
                 "counts = waiting 0 leased 0 done 0 failed 1 live 0 running 0\n");
}

static void a_failure_is_counted_once(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "add 1 = lease 1 1.1\n"
                 "bad 1 1.1 = retry\n"
                 "bad 1 1.1 = stale\n"
                 "adopt 1 1.1 = cancel-it\n" /* it comes back with what was counted */
                 "bad 1 1.1 = stale\n"
                 "at 100 = lease 1 1.2\n"
                 "bad 1 1.2 = retry\n"
                 "bad 1 1.65 = stale\n" /* beyond what is remembered */
                 "at 300 = lease 1 1.3\n"
                 "ok 1 1.3 = accept\n");
}

static void failures_before_a_restart_count(void **state)
{
    (void)state;
    play_default("add 2\n"
                 "failures 1 2 5\n"
                 "failures 2 3 3 = fail-task 2.3\n"
                 "join 1 1 1 = lease 1 1.6\n"
                 "bad 1 1.6 = fail\n");
}

/* ---- Losses ---- */

static void what_a_lost_worker_held_is_run_elsewhere(void **state)
{
    (void)state;
    play_default("join 1 1 2\n"
                 "add 4 = lease 1 1.1 2.1\n"
                 "join 2 1 1 = lease 2 3.1\n"
                 "lose 1\n"
                 "ok 2 3.1 = accept; lease 2 1.2\n"
                 "ok 2 1.2 = accept; lease 2 2.2\n"
                 "ok 2 2.2 = accept; lease 2 4.1\n");
}

static void a_task_that_kills_workers_ends(void **state)
{
    (void)state;
    play_default("add 2\n" /* losses: attempts + 2 */
                 "join 1 1 1 = lease 1 1.1\n"
                 "lose 1\n"
                 "join 2 1 1 = lease 2 1.2\n"
                 "lose 2\n"
                 "join 1 1 1 = lease 1 1.3\n"
                 "lose 1\n"
                 "join 4 1 1 = lease 4 1.4\n"
                 "lose 4\n"
                 "join 5 1 1 = lease 5 1.5\n"
                 "lose 5 = fail-task 1.5\n"
                 "join 6 1 1 = lease 6 2.1\n");
    struct scheduler_policy policy = scheduler_policy_default(1);
    policy.losses = 0;
    play_script(&policy, "add 1\n"
                         "join 1 1 1 = lease 1 1.1\n"
                         "lose 1\n"
                         "join 1 1 1 = lease 1 1.2\n"
                         "lose 1\n"
                         "join 1 1 1 = lease 1 1.3\n"
                         "lose 1\n"
                         "join 1 1 1 = lease 1 1.4\n");
}

static void a_task_that_did_not_run_is_not_blamed(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.losses = 1;
    play_script(&policy, "join 1 1 2\n"
                         "add 4 = lease 1 1.1 2.1\n"
                         "lose 1 = fail-task 1.1\n"
                         "state 2 = waiting\n");
    /* Nor are those of a worker that had said that it leaves. */
    play_script(&policy, "join 1 1 1\n"
                         "add 1 = lease 1 1.1\n"
                         "leave 1\n"
                         "lose 1\n"
                         "state 1 = waiting\n");
}

static void a_late_result_is_as_good_as_any(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "add 1 = lease 1 1.1\n"
                 "lose 1\n"
                 "ok 1 1.1 = accept\n" /* while it waits */
                 "state 1 = done\n"
                 "join 2 1 1\n");
    play_default("join 1 1 1\n"
                 "add 1 = lease 1 1.1\n"
                 "lose 1\n"
                 "join 2 1 1 = lease 2 1.2\n"
                 "ok 1 1.1 = accept; cancel 2 1.2\n" /* while it runs elsewhere */
                 "ok 2 1.2 = duplicate\n");
    play_default("join 1 1 1\n"
                 "add 1 = lease 1 1.1\n"
                 "lose 1\n"
                 "join 2 1 1 = lease 2 1.2\n"
                 "bad 2 1.2 = retry\n"
                 "ok 1 1.1 = accept\n" /* while it is delayed */
                 "at 5000\n"
                 "wake = never\n");
}

static void a_late_failure_counts_instead_of_the_loss(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(2);
    policy.losses = 2;
    play_script(&policy, "join 1 1 1\n"
                         "add 1 = lease 1 1.1\n"
                         "lose 1\n"
                         "bad 1 1.1 = retry\n"
                         "bad 1 1.1 = stale\n"
                         "join 2 1 1 = lease 2 1.2\n"
                         "lose 2\n" /* the first loss that counts */
                         "join 3 1 1 = lease 3 1.3\n"
                         "bad 3 1.3 = fail\n");
    play_script(&policy, "join 1 1 1\n"
                         "add 1 = lease 1 1.1\n"
                         "lose 1\n"
                         "join 2 1 1 = lease 2 1.2\n"
                         "bad 2 1.2 = retry\n"
                         "bad 1 1.1 = fail\n" /* while it is delayed */
                         "at 5000\n"
                         "wake = never\n");
}

/* ---- Handing back ---- */

static void what_nobody_asked_back_makes_no_storm(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "add 1 = lease 1 1.1\n"
                 "back 1 1.1\n"
                 "wake = 100\n"
                 "at 100 = lease 1 1.2\n"
                 "back 1 1.2\n"
                 "back 1 1.1\n"
                 "at 200 = lease 1 1.3\n"
                 "counts = waiting 0 leased 1 done 0 failed 0 live 1 running 1\n");
}

static void fewer_credits_may_be_handed_back(void **state)
{
    (void)state;
    play_default("join 1 1 4\n"
                 "add 9 = lease 1 1.1 2.1 3.1 4.1\n"
                 "credits 1 2\n"
                 "back 1 4.1\n"
                 "back 1 3.1\n"
                 "wake = never\n"
                 "join 2 2 2 = lease 2 3.2 4.2\n");
}

static void an_offer_made_too_late_is_refused(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.losses = 2;
    play_script(&policy, "join 1 1 1\n"
                         "add 1 = lease 1 1.1\n"
                         "lose 1\n"
                         "join 1 1 1 = lease 1 1.2\n" /* pulled too early, see the header */
                         "adopt 1 1.1 = cancel-it\n"
                         "adopt 1 1.2 = adopted\n"
                         "ok 1 1.2 = accept\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(strangers_change_nothing),
        cmocka_unit_test(a_result_counts_once),
        cmocka_unit_test(few_tasks_are_spread_over_workers),
        cmocka_unit_test(slots_of_all_come_before_prefetch_of_any),
        cmocka_unit_test(a_batch_fills_slots_and_credits_at_once),
        cmocka_unit_test(credits_bound_what_a_worker_holds),
        cmocka_unit_test(a_leaving_worker_gets_nothing_more),
        cmocka_unit_test(a_failed_task_goes_elsewhere_after_a_while),
        cmocka_unit_test(nobody_waits_long_for_another_worker),
        cmocka_unit_test(retried_tasks_come_first),
        cmocka_unit_test(a_delay_that_was_cut_short_holds_nobody_up),
        cmocka_unit_test(what_is_of_no_use_is_not_tried_again),
        cmocka_unit_test(a_failure_is_counted_once),
        cmocka_unit_test(failures_before_a_restart_count),
        cmocka_unit_test(what_a_lost_worker_held_is_run_elsewhere),
        cmocka_unit_test(a_task_that_kills_workers_ends),
        cmocka_unit_test(a_task_that_did_not_run_is_not_blamed),
        cmocka_unit_test(a_late_result_is_as_good_as_any),
        cmocka_unit_test(a_late_failure_counts_instead_of_the_loss),
        cmocka_unit_test(what_nobody_asked_back_makes_no_storm),
        cmocka_unit_test(fewer_credits_may_be_handed_back),
        cmocka_unit_test(an_offer_made_too_late_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
