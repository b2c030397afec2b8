#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/pending.h"

static void nothing_is_acknowledged_before_it_is_durable(void **state)
{
    (void)state;
    struct pending *pending = pending_create();
    struct pending_ack ack;
    for (uint64_t i = 1; i <= 3; i++)
        pending_add(pending,
                    &(struct pending_ack){.sequence = 10 * i, .worker = 1, .id = {i, 1}});
    assert_false(pending_take(pending, 9, &ack));
    assert_true(pending_take(pending, 20, &ack));
    assert_int_equal(ack.id.task, 1);
    assert_true(pending_take(pending, 20, &ack));
    assert_int_equal(ack.id.task, 2);
    assert_false(pending_take(pending, 29, &ack));
    assert_int_equal(pending_count(pending), 1);
    pending_destroy(pending);
}

static void the_order_survives_growth_and_wrapping(void **state)
{
    (void)state;
    struct pending *pending = pending_create();
    struct pending_ack ack;
    uint64_t in = 0, out = 0;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < 7; i++) {
            in++;
            pending_add(pending, &(struct pending_ack){.sequence = in, .id = {in, 1}});
        }
        for (int i = 0; i < 4; i++) {
            assert_true(pending_take(pending, UINT64_MAX, &ack));
            assert_int_equal(ack.id.task, ++out);
        }
    }
    while (pending_take(pending, UINT64_MAX, &ack))
        assert_int_equal(ack.id.task, ++out);
    assert_int_equal(out, in);
    pending_destroy(pending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_acknowledged_before_it_is_durable),
        cmocka_unit_test(the_order_survives_growth_and_wrapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
