/* The scheduler, event by event. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/clock.h"
#include "master/durations.h"
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

/* ---- Coming back ---- */

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

/* Joining and offering belong together: no pull between them. */
static void rejoin(struct play *play, uint32_t worker, uint32_t slots, struct attempt_id id,
                   enum scheduler_adoption answer)
{
    struct scheduler *s = play->scheduler;
    assert_int_equal(scheduler_worker_joined(s, worker, slots, slots, play->now_ns, NULL), 0);
    assert_int_equal(scheduler_adopted(s, worker, id, play->now_ns), answer);
    buf_clear(&play->said);
    play_pull(play);
}

static void an_adopted_attempt_takes_its_loss_back(void **state)
{
    (void)state;
    struct play play;
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.losses = 2;
    play_begin(&play, &policy);
    play_lines(&play, "join 1 1 1\n add 2 = lease 1 1.1\n");
    for (uint32_t i = 0; i < 5; i++) {
        play_lines(&play, "lose 1\n");
        rejoin(&play, 1, 1, (struct attempt_id){.task = 1, .attempt = 1}, SCHEDULER_ADOPTED);
        assert_string_equal(buf_text(&play.said), "");
    }
    play_lines(&play, "ok 1 1.1 = accept; lease 1 2.1\n");
    play_end(&play);
}

static void an_attempt_of_an_earlier_master_is_adopted(void **state)
{
    (void)state;
    struct play play;
    struct scheduler_policy policy = scheduler_policy_default(3);
    play_begin(&play, &policy);
    play_lines(&play, "restore 1 done\n restore 2 failed\n add 4\n");
    rejoin(&play, 1, 2, (struct attempt_id){.task = 3, .attempt = 7}, SCHEDULER_ADOPTED);
    assert_string_equal(buf_text(&play.said), "lease 1 4.1");
    play_lines(&play, "adopt 1 1.1 = cancel-it\n"
                      "adopt 1 2.1 = cancel-it\n"
                      "adopt 1 3.7 = adopted\n"
                      "bad 1 3.7 = retry\n"
                      "at 100 = lease 1 3.8\n" /* numbers go on from there */
                      "ok 1 3.8 = accept\n"
                      "ok 1 4.1 = accept\n"
                      "counts = waiting 0 leased 0 done 3 failed 1 live 0 running 0\n");
    play_end(&play);
}

static void what_runs_elsewhere_is_adopted_as_a_duplicate(void **state)
{
    (void)state;
    struct play play;
    struct scheduler_policy policy = scheduler_policy_default(3);
    for (int duplicates = 0; duplicates < 2; duplicates++) {
        policy.duplicates = duplicates;
        play_begin(&play, &policy);
        play_lines(&play, "join 1 1 1\n add 1 = lease 1 1.1\n");
        rejoin(&play, 2, 1, (struct attempt_id){.task = 1, .attempt = 1},
               duplicates ? SCHEDULER_ADOPTED : SCHEDULER_CANCEL_IT);
        /* The same number, but another attempt. */
        play_lines(&play, duplicates
                              ? "counts = waiting 0 leased 1 done 0 failed 0 live 2 running 2\n"
                                "ok 2 1.1 = accept; cancel 1 1.1\n"
                              : "ok 2 1.1 = accept; cancel 1 1.1\n");
        play_end(&play);
    }
}

static void at_most_two_attempts_of_a_task_are_live(void **state)
{
    (void)state;
    play_default("add 1\n"
                 "join 1 1 1 = lease 1 1.1\n"
                 "join 2 1 1\n"
                 "join 3 1 1\n"
                 "adopt 2 1.4 = adopted\n"
                 "adopt 3 1.5 = cancel-it\n"
                 "bad 1 1.1 = retry\n"
                 "lose 2 = lease 3 1.6\n" /* 1.5 is out there, and might bring a result */
                 "ok 2 1.4 = accept; cancel 3 1.6\n");
}

static void adoption_may_exceed_credits_but_leases_do_not(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "add 3 = lease 1 1.1\n"
                 "adopt 1 2.1 = adopted\n"
                 "ok 1 1.1 = accept\n"
                 "ok 1 2.1 = accept; lease 1 3.1\n");
}

/* ---- Cancelled ---- */

static void a_cancelled_task_ends_wherever_it_is(void **state)
{
    (void)state;
    play_default("cancel 1 = nothing\n"
                 "add 3\n"
                 "cancel 0 = nothing\n"
                 "cancel 4 = nothing\n"
                 "cancel 2 = cancelled\n"
                 "cancel 2 = nothing\n"
                 "join 1 1 1 = lease 1 1.1\n"
                 "start 1 1.1\n"
                 "cancel 1 = cancelled; cancel 1 1.1; lease 1 3.1\n"
                 "ok 1 1.1 = duplicate\n"
                 "state 1 = done\n"
                 "counts = waiting 0 leased 1 done 2 failed 0 live 1 running 1\n"
                 "bad 1 3.1 = retry\n"
                 "cancel 3 = cancelled\n"
                 "counts = waiting 0 leased 0 done 3 failed 0 live 0 running 0\n");
}

/* ---- Resume ---- */

static void restored_tasks_are_not_run_again(void **state)
{
    (void)state;
    play_default("restore 2 done\n"
                 "restore 5 failed\n"
                 "state 5 = failed\n"
                 "counts = waiting 0 leased 0 done 1 failed 1 live 0 running 0\n"
                 "add 3\n"
                 "restore 3 done\n"
                 "join 1 4 4 = lease 1 1.1\n"
                 "add 3 = lease 1 4.1 6.1\n"
                 "restore 2 done = error\n"
                 "restore 4 done = error\n"
                 "counts = waiting 0 leased 3 done 2 failed 1 live 3 running 3\n");
}

/* ---- Set aside ---- */

static void a_worker_that_fails_everything_is_set_aside(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(2);
    policy.retry_delay_ns = 0;
    struct play play;
    play_begin(&play, &policy);
    play_lines(&play, "join 1 1 1\n join 2 1 1\n add 1000 = lease 1 1.1; lease 2 2.1\n");
    /* Worker 1 fails what it gets, worker 2 does all, also what 1 failed. */
    int failures = 0;
    uint64_t now1 = 1, now2 = 2;
    uint32_t attempt1 = 1, attempt2 = 1;
    bool aside = false;
    while (!aside) {
        struct attempt_id good = {.task = now2, .attempt = attempt2};
        struct attempt_id bad = {.task = now1, .attempt = attempt1};
        assert_int_equal(scheduler_result(play.scheduler, 2, good, SCHEDULER_OK, 1, 0),
                         SCHEDULER_ACCEPT);
        assert_int_equal(scheduler_result(play.scheduler, 1, bad, SCHEDULER_FAILED, 1, 0),
                         SCHEDULER_RETRY);
        failures++;
        struct scheduler_action action;
        while (scheduler_next_action(play.scheduler, 0, &action, NULL) > 0) {
            if (action.kind == SCHEDULER_SET_ASIDE) {
                assert_int_equal(action.worker, 1);
                assert_int_equal(action.count, failures);
                aside = true;
            } else if (action.worker == 1) {
                now1 = action.attempts[0].task;
                attempt1 = action.attempts[0].attempt;
            } else {
                now2 = action.attempts[0].task;
                attempt2 = action.attempts[0].attempt;
            }
        }
        assert_in_range(failures, 1, 20);
    }
    assert_in_range(failures, 5, 10);
    assert_int_equal(scheduler_counts(play.scheduler).set_aside, 1);
    play_lines(&play, "worker 2 = active leased 1 failures 0\n wake = 10000\n");
    play_end(&play);
}

/* Worker 1 set aside at time 0, with its 7th failure, when worker 2 had 7 good results. */

static void one_task_on_trial_brings_a_worker_back(void **state)
{
    (void)state;
    struct play play;
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.retry_delay_ns = policy.retry_delay_max_ns = INT64_C(3600) * CLOCK_SECOND_NS;
    play_begin(&play, &policy);
    play_lines(&play, set_aside_script);
    play_lines(&play, "wake = 10000\n"
                      "at 9999\n"
                      "at 10000 = lease 1 16.1\n"
                      "worker 1 = trial leased 1 failures 7\n"
                      "bad 1 16.1 = retry; set-aside 1 x8\n"
                      "wake = 30000\n" /* twice as long */
                      "at 30000 = lease 1 17.1\n"
                      "ok 1 17.1 = accept; reinstate 1; lease 1 18.1\n"
                      "worker 1 = active leased 1 failures 0\n");
    play_end(&play);
}

static void the_last_worker_is_never_set_aside(void **state)
{
    (void)state;
    struct play play;
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.retry_delay_ns = policy.retry_delay_max_ns = INT64_C(3600) * CLOCK_SECOND_NS;
    play_begin(&play, &policy);
    play_lines(&play, set_aside_script);
    play_lines(&play, "lose 2 = reinstate 1; lease 1 15.2\n" /* the other went */
                      "bad 1 15.2 = retry; lease 1 16.1\n"
                      "worker 1 = active leased 1 failures 1\n");
    play_end(&play);
    /* Nor when the other goes just before the failure that would do it. */
    play_begin(&play, &policy);
    char *but_one = strdup(set_aside_script);
    *strrchr(but_one, 'b') = 0;
    play_lines(&play, but_one);
    free(but_one);
    play_lines(&play, "credits 2 0\n"
                      "bad 1 14.1 = retry; lease 1 16.1\n"
                      "worker 1 = active leased 1 failures 7\n");
    play_end(&play);
}

static void a_bad_region_of_tasks_sets_nobody_aside(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(1);
    struct scheduler *s = scheduler_create(&policy, NULL);
    assert_int_equal(scheduler_add(s, 400, NULL), 0);
    assert_int_equal(scheduler_worker_joined(s, 1, 1, 1, 0, NULL), 0);
    assert_int_equal(scheduler_worker_joined(s, 2, 1, 1, 0, NULL), 0);
    struct scheduler_action action;
    struct attempt_id held[3] = {{0}};
    for (int i = 0; i < 400; i++) {
        while (scheduler_next_action(s, 0, &action, NULL) > 0) {
            assert_int_equal(action.kind, SCHEDULER_LEASE);
            held[action.worker] = action.attempts[0];
        }
        uint32_t worker = 1 + (uint32_t)i % 2;
        uint64_t task = held[worker].task;
        scheduler_result(s, worker, held[worker],
                         task > 100 && task < 300 ? SCHEDULER_FAILED : SCHEDULER_OK, 1, 0);
    }
    assert_int_equal(scheduler_counts(s).failed, 199);
    assert_int_equal(scheduler_counts(s).done, 201);
    scheduler_destroy(s);
}

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
    struct play play;
    policy.duplicates = false;
    policy.overdue_factor = 10;
    play_begin(&play, &policy);
    play_lines(&play, "join 1 1 1\n join 2 1 1\n add 4 = lease 1 1.1; lease 2 2.1\n"
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
    play_end(&play);
}

static void two_attempts_that_hang_are_both_given_up(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(2);
    struct play play;
    policy.overdue_ns = 5 * CLOCK_SECOND_NS;
    play_begin(&play, &policy);
    play_lines(&play, "join 1 1 1\n join 2 1 1\n add 4 = lease 1 1.1; lease 2 2.1\n"
                      "start 1 1.1\n"
                      "ok 2 2.1 10 = accept; lease 2 3.1\n"
                      "ok 2 3.1 10 = accept; lease 2 4.1\n"
                      "ok 2 4.1 10 = accept\n"
                      "at 500 = lease 2 1.2\n"
                      "start 2 1.2\n"
                      "wake = 5000\n"
                      "at 5000 = give-up 1 1.1\n"
                      "at 5500 = give-up failed 2 1.2\n");
    play_end(&play);
}

static void short_tasks_are_not_overdue_for_a_hiccup(void **state)
{
    (void)state;
    struct scheduler_policy policy = scheduler_policy_default(1);
    struct play play;
    policy.duplicates = false;
    policy.overdue_factor = 2;
    play_begin(&play, &policy);
    play_lines(&play, "join 1 1 1\n join 2 1 1\n add 4 = lease 1 1.1; lease 2 2.1\n"
                      "ok 2 2.1 1 = accept; lease 2 3.1\n"
                      "ok 2 3.1 1 = accept; lease 2 4.1\n"
                      "ok 2 4.1 1 = accept\n"
                      "start 1 1.1\n"
                      "wake = 2000\n"
                      "ok 1 1.1 = accept\n"
                      "wake = never\n");
    play_end(&play);
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
        cmocka_unit_test(an_adopted_attempt_takes_its_loss_back),
        cmocka_unit_test(an_attempt_of_an_earlier_master_is_adopted),
        cmocka_unit_test(what_runs_elsewhere_is_adopted_as_a_duplicate),
        cmocka_unit_test(at_most_two_attempts_of_a_task_are_live),
        cmocka_unit_test(adoption_may_exceed_credits_but_leases_do_not),
        cmocka_unit_test(a_cancelled_task_ends_wherever_it_is),
        cmocka_unit_test(restored_tasks_are_not_run_again),
        cmocka_unit_test(a_worker_that_fails_everything_is_set_aside),
        cmocka_unit_test(one_task_on_trial_brings_a_worker_back),
        cmocka_unit_test(the_last_worker_is_never_set_aside),
        cmocka_unit_test(a_bad_region_of_tasks_sets_nobody_aside),
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
