/* How many processors there are. */
#include "config.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/processors.h"

static void ours_are_those_that_we_may_run_on(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(processors_ours(), CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    int online = processors_online();
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(processors_ours(), 1);
    assert_int_equal(processors_online(), online); /* those of others are there still */
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(processors_ours(), CPU_COUNT(&before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_are_those_that_we_may_run_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
