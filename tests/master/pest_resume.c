/* PEST work that is resumed, and whose steps take long. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/errand.h"
#include "common/loop.h"
#include "master/driver.h"
#include "tests/master/tiny.h"

/* --- resuming ----------------------------------------------------------------------------- */

/* Run the whole estimation; the values of every task into `all`. Slots change from wave to wave. */
static uint64_t run_all(struct place *place, uint64_t from, double (*all)[2])
{
    uint64_t task = from;
    enum driver_next said;
    uint32_t slots = 2;
    while ((said = tiny_next(place, slots)) == DRIVER_TASK) {
        if (++task == 1 + 3)
            slots = 4;
        tiny_values(place, task, all[task]);
        tiny_run(place, task);
    }
    assert_int_equal(said, DRIVER_FINISHED);
    return task;
}

static void resume(struct place *place)
{
    tiny_begin(place, false);
    for (size_t i = 0; i < place->note_count; i++)
        assert_int_equal(driver_find("pest")->noted(place->driver, place->notes[i],
                                                    strlen(place->notes[i]), &place->error),
                         0);
}

static void a_resumed_estimation_is_the_same_bit_for_bit(void **state)
{
    struct place *place = *state;
    double all[64][2], again[64][2];
    tiny_begin(place, false);
    uint64_t count = run_all(place, 0, all);
    assert_true(count > 10);
    size_t notes = place->note_count;
    for (uint64_t killed = 0; killed <= count; killed++) { /* after so many results */
        tiny.log[0] = place->said[0] = '\0';
        resume(place);
        for (uint64_t task = 1; task <= killed; task++)
            tiny_tell(place, task, (double[]){2 * all[task][0], all[task][0] + all[task][1]}, 2,
                      true);
        assert_null(strstr(tiny.log, "replayed"));
        memset(again, 0, sizeof again);
        for (uint64_t task = 1; task <= count; task++) {
            assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
            if (task <= killed)
                continue;
            tiny_values(place, task, again[task]);
            assert_memory_equal(again[task], all[task], sizeof *all);
            tiny_run(place, task);
        }
        assert_int_equal(tiny_next(place, 1), DRIVER_FINISHED);
        assert_int_equal(place->note_count, notes);               /* none is noted twice */
        assert_string_equal(place->said, "one step\none step\n"); /* the last, and a new one */
    }
}

static void results_may_be_missing_in_the_last_wave(void **state)
{
    struct place *place = *state;
    double all[64][2];
    tiny_begin(place, false);
    run_all(place, 0, all);
    resume(place);
    tiny_tell(place, 1, (double[]){2 * all[1][0], all[1][0] + all[1][1]}, 2, true);
    tiny_run_badly(place, 3, true); /* wave 1 has three runs; the second is to be run yet */
    for (int i = 0; i < 3; i++)
        assert_int_equal(tiny_next(place, 2), DRIVER_TASK);
    assert_int_equal(tiny_next(place, 2), DRIVER_WAIT);
    tiny_run(place, 2);
    /* With a failed run instead of a good one, wave 2 is another one than was noted. */
    assert_int_equal(tiny_next(place, 2), DRIVER_FINISHED);
    assert_int_equal(tiny_outcome(place), -1);
    assert_int_equal(place->error.code, ERROR_CHANGED);
    assert_non_null(strstr(place->error.text, "wave 2"));
    assert_non_null(strstr(place->error.text, "other parameters"));
}

static void a_journal_with_holes_is_told(void **state)
{
    struct place *place = *state;
    double all[64][2];
    tiny_begin(place, false);
    run_all(place, 0, all);
    resume(place);
    tiny_tell(place, 5, (double[]){1, 2}, 2, true);
    assert_int_equal(tiny_next(place, 2), DRIVER_FINISHED);
    assert_int_equal(tiny_outcome(place), -1);
    assert_non_null(strstr(place->error.text, "task 5"));
    place->note_count = 0;
    resume(place);
    tiny_tell(place, 1, (double[]){1, 2}, 2, true);
    assert_int_equal(tiny_next(place, 2), DRIVER_FINISHED);
    assert_int_equal(tiny_outcome(place), -1);
    assert_non_null(strstr(place->error.text, "no note"));
}

/* --- long steps ---------------------------------------------------------------------------- */

static int64_t turn(void *context)
{
    struct place *place = context;
    if (tiny.waits && strstr(place->said, "one step\none step\n"))
        sem_post(&tiny.gate); /* what it said has been told while it waits */
    if (place->woken)
        loop_stop(place->loop);
    return INT64_MAX;
}

static void begin_beside_a_loop(struct place *place)
{
    place->loop = loop_create(&place->error);
    assert_non_null(place->loop);
    loop_set_turn(place->loop, turn, place);
    sem_init(&tiny.gate, 0, 0);
    tiny_begin(place, false);
}

/* Until the driver says that there is something new; it may be what an earlier step said late. */
static void wait_woken(struct place *place)
{
    place->woken = 0;
    assert_int_equal(loop_run(place->loop, NULL), 0);
    assert_int_equal(place->woken, 1);
}

/* The next task, after the step that it takes. */
static void step_and_next(struct place *place)
{
    while (tiny_next(place, 1) != DRIVER_TASK)
        wait_woken(place);
}

static void the_loop_turns_while_a_step_takes_long(void **state)
{
    struct place *place = *state;
    tiny.waits = 2;
    begin_beside_a_loop(place);
    step_and_next(place);
    assert_false(pthread_equal(tiny.thread, pthread_self()));
    assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    tiny_run(place, 1);
    tiny_run(place, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tiny_next(place, 1), DRIVER_WAIT);
        tiny_tell(place, 1, (double[]){1, 2}, 2, false); /* nobody's any more */
    }
    assert_int_equal(driver_find("pest")->payload(place->driver, 1, &(struct buf){0}), -1);
    assert_int_equal(driver_find("pest")->count(place->driver), -1);
    assert_int_equal(place->note_count, 1);
    while (place->note_count < 2)
        wait_woken(place);
    for (uint64_t task = 3; task <= 5; task++) {
        assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
        tiny_run(place, task);
    }
    step_and_next(place);
    assert_non_null(strstr(tiny.log, "step 2: 2 ran, 0 failed, sum"));
}

static void steps_that_were_noted_are_done_at_once(void **state)
{
    struct place *place = *state;
    double all[64][2];
    tiny_begin(place, false);
    run_all(place, 0, all);
    begin_beside_a_loop(place);
    resume(place);
    for (uint64_t task = 1; task <= 3; task++)
        tiny_tell(place, task, (double[]){2 * all[task][0], all[task][0] + all[task][1]}, 2,
                  true);
    for (uint64_t task = 1; task <= 4; task++) /* the fourth is of the second wave */
        assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    assert_true(pthread_equal(tiny.thread, pthread_self()));
    assert_non_null(strstr(tiny.log, "step 2"));
}

static void closing_does_not_wait_for_a_long_step(void **state)
{
    struct place *place = *state;
    static struct driver *abandoned;
    tiny.waits = 1;
    begin_beside_a_loop(place);
    assert_int_equal(tiny_next(place, 1), DRIVER_WAIT);
    abandoned = place->driver;
    driver_find("pest")->close(abandoned);
    place->driver = NULL;
    assert_true(errand_is_abroad());
    sem_post(&tiny.gate); /* it goes on with what it was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TINY_TEST(a_resumed_estimation_is_the_same_bit_for_bit),
        TINY_TEST(results_may_be_missing_in_the_last_wave),
        TINY_TEST(a_journal_with_holes_is_told),
        TINY_TEST(the_loop_turns_while_a_step_takes_long),
        TINY_TEST(steps_that_were_noted_are_done_at_once),
        TINY_TEST(
            closing_does_not_wait_for_a_long_step), /* the last: its thread may still run */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
