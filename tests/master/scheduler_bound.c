/* Tasks bound to one worker. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/master/scheduler_play.h"

/* ---- Bound ---- */

static void only_waiting_tasks_can_be_bound(void **state)
{
    (void)state;
    play_default("bind 0 1 = error\n"
                 "bind 1 1 = error\n"
                 "add 1\n"
                 "join 1 1 1 = lease 1 1.1\n"
                 "bind 1 1 = error\n"
                 "ok 1 1.1 = accept\n"
                 "bind 1 1\n"
                 "restore 3 done\n"
                 "bind 3 1\n"
                 "state 3 = done\n");
}

static void a_bound_task_goes_to_its_worker_first(void **state)
{
    (void)state;
    play_default("add 3\n"
                 "bound 2 = fail-task failed 4.0\n"
                 "join 2 1 1 = lease 2 1.1\n"
                 "bound 2\n"
                 "join 1 1 1 = lease 1 2.1\n"
                 "counts = waiting 2 leased 2 done 0 failed 1 live 2 running 2\n"
                 "ok 1 2.1 = accept; lease 1 3.1\n"
                 "ok 1 3.1 = accept\n"
                 "ok 2 1.1 = accept; lease 2 5.1\n"
                 "ok 2 5.1 = accept\n");
}

static void a_bound_task_fails_with_its_worker(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "join 2 1 1\n"
                 "bound 1 = lease 1 1.1\n"
                 "bound 1\n"
                 "lose 1 = fail-task failed 1.1; fail-task failed 2.0\n"
                 "ok 1 1.1 = duplicate\n"
                 "bound 2 = lease 2 3.1\n"
                 "bound 2\n"
                 "leave 2\n"
                 "back 2 3.1 = fail-task failed 3.1; lease 2 4.1\n" /* that it may do yet */
                 "lose 2 = fail-task failed 4.1\n"
                 "counts = waiting 0 leased 0 done 0 failed 4 live 0 running 0\n");
}

static void a_bound_task_is_tried_once(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "join 2 1 1\n"
                 "bound 1 = lease 1 1.1\n"
                 "bad 1 1.1 = fail\n"
                 "state 1 = failed\n");
}

static void a_bound_task_is_adopted_by_its_worker_alone(void **state)
{
    (void)state;
    play_default("join 1 1 1\n"
                 "join 2 2 2\n"
                 "add 1 = lease 1 1.1\n"
                 "bound 1\n"
                 "adopt 2 2.4 = cancel-it\n"
                 "adopt 1 2.7 = adopted; recall 1 x1\n"
                 "ok 1 2.7 = accept\n");
}

static void a_bound_task_gets_no_duplicate(void **state)
{
    (void)state;
    play_default("join 1 4 4\n"
                 "add 3 = lease 1 1.1 2.1 3.1\n"
                 "ok 1 1.1 100 = accept\n"
                 "ok 1 2.1 100 = accept\n"
                 "ok 1 3.1 100 = accept\n"
                 "bound 1 = lease 1 4.1\n"
                 "start 1 4.1\n"
                 "join 2 1 1\n"
                 "at 100000\n"
                 "wake = never\n");
}

/* What tasks took that were bound says nothing of how long others take. */
static void bound_tasks_do_not_count_among_durations(void **state)
{
    (void)state;
    play_default("join 1 4 4\n"
                 "bound 1 = lease 1 1.1\n"
                 "ok 1 1.1 1 = accept\n"
                 "bound 1 = lease 1 2.1\n"
                 "ok 1 2.1 1 = accept\n"
                 "bound 1 = lease 1 3.1\n"
                 "ok 1 3.1 1 = accept\n"
                 "add 1 = lease 1 4.1\n"
                 "start 1 4.1\n"
                 "join 2 1 1\n"
                 "at 5000\n"
                 "wake = never\n");
}

static void a_bound_task_goes_even_to_a_worker_set_aside(void **state)
{
    (void)state;
    play_set_aside("bound 1 = lease 1 41.1\n"
                   "ok 1 41.1 = accept\n");
}

/* Tasks that run, are queued, wait, or have a duplicate; and a worker that joins late. */
static void a_stopped_farm_runs_nothing_but_what_is_bound(void **state)
{
    (void)state;
    play_default("join 1 1 2\n"
                 "join 2 1 1\n"
                 "add 4 = lease 1 1.1 2.1; lease 2 3.1\n"
                 "stop = cancel 1 1.1 2.1; cancel 2 3.1\n"
                 "counts = waiting 4 leased 0 done 0 failed 0 live 0 running 0\n"
                 "join 3 4 4\n"
                 "bound 1 = lease 1 5.1\n"
                 "bound 2 = lease 2 6.1\n"
                 "ok 2 2.1 = accept\n"
                 "ok 1 5.1 = accept\n"
                 "lose 2 = fail-task failed 6.1\n"
                 "counts = waiting 3 leased 0 done 2 failed 1 live 0 running 0\n"
                 "at 100000\n"
                 "wake = never\n");
}

/* Whose link was cut runs what was taken back; what it holds is fetched all the same. */
static void who_comes_back_to_a_stopped_farm_has_room_for_what_is_bound(void **state)
{
    (void)state;
    play_default("join 1 2 2\n"
                 "add 2 = lease 1 1.1 2.1\n"
                 "stop = cancel 1 1.1 2.1\n"
                 "lose 1\n"
                 "join 2 2 2\n"
                 "adopt 2 1.1 = cancel-it\n"
                 "adopt 2 2.1 = cancel-it\n"
                 "bound 2 = lease 2 3.1\n"
                 "lose 2 = fail-task failed 3.1\n"
                 "join 3 2 2\n"
                 "counts = waiting 2 leased 0 done 0 failed 1 live 0 running 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_waiting_tasks_can_be_bound),
        cmocka_unit_test(a_bound_task_goes_to_its_worker_first),
        cmocka_unit_test(a_bound_task_fails_with_its_worker),
        cmocka_unit_test(a_bound_task_is_tried_once),
        cmocka_unit_test(a_bound_task_is_adopted_by_its_worker_alone),
        cmocka_unit_test(a_bound_task_gets_no_duplicate),
        cmocka_unit_test(bound_tasks_do_not_count_among_durations),
        cmocka_unit_test(a_bound_task_goes_even_to_a_worker_set_aside),
        cmocka_unit_test(a_stopped_farm_runs_nothing_but_what_is_bound),
        cmocka_unit_test(who_comes_back_to_a_stopped_farm_has_room_for_what_is_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
