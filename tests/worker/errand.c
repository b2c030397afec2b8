#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/loop.h"
#include "worker/errand.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_in_a_thread_and_told_in_the_loop),
        cmocka_unit_test(destroying_waits_for_the_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
