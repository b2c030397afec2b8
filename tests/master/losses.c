#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "master/losses.h"

struct told {
    struct loop *loop;
    struct losses *losses;
    unsigned count, until; /* the loop stops at so many */
    char last[1100];
};

static void say(void *context, const char *sentence)
{
    struct told *told = context;
    snprintf(told->last, sizeof told->last, "%s", sentence);
    if (++told->count == told->until)
        loop_stop(told->loop);
}

static void told_open(struct told *told)
{
    struct error error;
    *told = (struct told){.loop = loop_create(&error)};
    assert_non_null(told->loop);
    told->losses = losses_create(told->loop, say, told);
    assert_non_null(told->losses);
}

static void told_close(struct told *told)
{
    losses_destroy(told->losses);
    loop_destroy(told->loop);
}

static void lose(struct told *told, int count)
{
    char sentence[64];
    for (int i = 1; i <= count; i++) {
        snprintf(sentence, sizeof sentence, "worker %d is lost", i);
        losses_add(told->losses, sentence);
    }
}

static void a_few_are_told_one_by_one_and_nothing_follows(void **state)
{
    (void)state;
    struct told told;
    told_open(&told);
    lose(&told, 3);
    assert_int_equal(told.count, 3);
    assert_string_equal(told.last, "worker 3 is lost");
    losses_flush(told.losses);
    losses_flush(told.losses);
    assert_int_equal(told.count, 3);
    told_close(&told);
}

static void masses_are_summed_up_when_the_time_is_over(void **state)
{
    (void)state;
    struct told told;
    struct error error;
    told_open(&told);
    told.until = LOSSES_TOLD + 1;
    int64_t began_ns = clock_monotonic_ns();
    lose(&told, 5000);
    assert_int_equal(told.count, LOSSES_TOLD);
    assert_int_equal(loop_run(told.loop, &error), 0);
    assert_true(clock_monotonic_ns() - began_ns >= LOSSES_SPAN_NS);
    assert_string_equal(told.last, "4990 more workers are lost; the last: worker 5000 is lost");
    losses_add(told.losses, "worker 5001 is lost"); /* a new span */
    assert_string_equal(told.last, "worker 5001 is lost");
    told_close(&told);
}

static void one_beyond_is_told_as_it_is(void **state)
{
    (void)state;
    struct told told;
    told_open(&told);
    lose(&told, LOSSES_TOLD + 1);
    losses_flush(told.losses);
    assert_int_equal(told.count, LOSSES_TOLD + 1);
    assert_string_equal(told.last, "worker 11 is lost");
    told_close(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_are_told_one_by_one_and_nothing_follows),
        cmocka_unit_test(one_beyond_is_told_as_it_is),
        cmocka_unit_test(masses_are_summed_up_when_the_time_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
