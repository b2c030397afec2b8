#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/credit.h"

/* End `count` tasks, one every `each_ns`; returns the credits told last. */
static uint32_t run(struct credit *credit, int count, int64_t each_ns)
{
    static int64_t now = 1;
    for (int i = 0; i < count; i++)
        credit_ended(credit, now += each_ns);
    return credit->credits;
}

static void without_prefetch_it_is_the_slots(void **state)
{
    (void)state;
    struct credit credit;
    credit_init(&credit, 4, false);
    assert_int_equal(run(&credit, 10000, 1000), 4);
}

static void long_tasks_wait_nowhere(void **state)
{
    (void)state;
    struct credit credit;
    credit_init(&credit, 4, true);
    assert_int_equal(credit.credits, 8);
    assert_int_equal(run(&credit, 100, INT64_C(1000000000)), 4);
}

static void short_tasks_wait_for_as_long_as_is_looked_ahead(void **state)
{
    (void)state;
    struct credit credit;
    credit_init(&credit, 2, true);
    /* One every 10 us: 2000 in 20 ms, beside the slots. A window may begin or end a task late. */
    uint32_t credits = run(&credit, 100000, 10000);
    assert_in_range(credits, 1990, 2012);
}

static void there_is_a_bound(void **state)
{
    (void)state;
    struct credit credit;
    credit_init(&credit, 2, true);
    assert_int_equal(run(&credit, 10000000, 10), CREDIT_MAX + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_prefetch_it_is_the_slots),
        cmocka_unit_test(long_tasks_wait_nowhere),
        cmocka_unit_test(short_tasks_wait_for_as_long_as_is_looked_ahead),
        cmocka_unit_test(there_is_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
