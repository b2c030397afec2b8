#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/errand.h"
#include "common/loop.h"

struct trip {
    struct loop *loop;
    struct errand *errand;
    pthread_t loops;
    bool elsewhere;
    atomic_int worked;
    int done, wanted;
};

static void work(void *context)
{
    struct trip *trip = context;
    trip->elsewhere = !pthread_equal(pthread_self(), trip->loops);
    atomic_fetch_add(&trip->worked, 1);
}

static void done(void *context)
{
    struct trip *trip = context;
    assert_true(pthread_equal(pthread_self(), trip->loops));
    assert_false(errand_is_busy(trip->errand));
    assert_true(trip->elsewhere);
    if (++trip->done == trip->wanted)
        loop_stop(trip->loop);
    else
        errand_start(trip->errand, work, done, trip);
}

static void open_trip(struct trip *trip)
{
    struct error error;
    *trip = (struct trip){.loops = pthread_self()};
    trip->loop = loop_create(&error);
    trip->errand = errand_create(trip->loop, &error);
    assert_non_null(trip->errand);
}

static void work_is_done_in_a_thread_and_told_in_the_loop(void **state)
{
    (void)state;
    struct trip trip;
    open_trip(&trip);
    trip.wanted = 100;
    errand_start(trip.errand, work, done, &trip);
    assert_true(errand_is_busy(trip.errand));
    assert_int_equal(loop_run(trip.loop, NULL), 0);
    assert_int_equal(atomic_load(&trip.worked), 100);
    errand_destroy(trip.errand);
    loop_destroy(trip.loop);
}

static void destroying_waits_for_the_work(void **state)
{
    (void)state;
    struct trip trip;
    open_trip(&trip);
    errand_start(trip.errand, work, done, &trip);
    errand_destroy(trip.errand);
    assert_int_equal(atomic_load(&trip.worked), 1);
    assert_int_equal(trip.done, 0);
    loop_destroy(trip.loop);
    errand_destroy(NULL);
}

static sem_t gate;

static void work_at_the_gate(void *context)
{
    sem_wait(&gate);
    work(context);
}

static void work_is_waited_for_as_long_as_one_likes(void **state)
{
    (void)state;
    struct trip trip;
    open_trip(&trip);
    sem_init(&gate, 0, 0);
    assert_false(errand_wait(trip.errand, 0)); /* there is none */
    errand_start(trip.errand, work_at_the_gate, done, &trip);
    assert_false(errand_wait(trip.errand, CLOCK_MS_NS));
    assert_true(errand_is_busy(trip.errand));
    sem_post(&gate);
    assert_true(errand_wait(trip.errand, 60 * CLOCK_SECOND_NS));
    assert_false(errand_is_busy(trip.errand));
    assert_int_equal(atomic_load(&trip.worked), 1);
    trip.wanted = 1;
    errand_start(trip.errand, work, done, &trip); /* the next one is told again */
    assert_int_equal(loop_run(trip.loop, NULL), 0);
    assert_int_equal(trip.done, 1);
    errand_destroy(trip.errand);
    loop_destroy(trip.loop);
}

static void abandoned_work_goes_on_untold(void **state)
{
    (void)state;
    static struct trip trip; /* what is abandoned is not lost */
    open_trip(&trip);
    sem_init(&gate, 0, 0);
    assert_false(errand_is_abroad());
    errand_start(trip.errand, work_at_the_gate, done, &trip);
    errand_abandon(trip.errand);
    assert_true(errand_is_abroad());
    loop_destroy(trip.loop);
    sem_post(&gate);
    while (!atomic_load(&trip.worked))
        sched_yield();
    assert_int_equal(trip.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_in_a_thread_and_told_in_the_loop),
        cmocka_unit_test(destroying_waits_for_the_work),
        cmocka_unit_test(work_is_waited_for_as_long_as_one_likes),
        cmocka_unit_test(
            abandoned_work_goes_on_untold), /* the last: its thread may still run */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
