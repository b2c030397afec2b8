/* The scheduler: workers that come back, with what they hold, and workers that fail everything. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/buf.h"
#include "master/scheduler.h"
#include "tests/master/scheduler_play.h"

/* ---- Coming back ---- */

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

static void one_task_on_trial_brings_a_worker_back(void **state)
{
    (void)state;
    play_set_aside("wake = 10000\n"
                   "at 9999\n"
                   "at 10000 = lease 1 16.1\n"
                   "worker 1 = trial leased 1 failures 7\n"
                   "bad 1 16.1 = retry; set-aside 1 x8\n"
                   "wake = 30000\n" /* twice as long */
                   "at 30000 = lease 1 17.1\n"
                   "ok 1 17.1 = accept; reinstate 1; lease 1 18.1\n"
                   "worker 1 = active leased 1 failures 0\n");
}

static void the_last_worker_is_never_set_aside(void **state)
{
    (void)state;
    struct play play;
    struct scheduler_policy policy = set_aside_policy();
    play_set_aside("lose 2 = reinstate 1; lease 1 15.2\n" /* the other went */
                   "bad 1 15.2 = retry; lease 1 16.1\n"
                   "worker 1 = active leased 1 failures 1\n");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
