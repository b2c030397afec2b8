#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/hand.h"

static void one_attempt_is_taken_once(void **state)
{
    (void)state;
    struct hand *hand = hand_create();
    bool known;
    assert_non_null(hand_add(hand, (struct attempt_id){7, 1}, "abc", 3, &known));
    assert_false(known);
    assert_null(hand_add(hand, (struct attempt_id){7, 1}, "abc", 3, &known));
    assert_true(known);
    assert_non_null(hand_add(hand, (struct attempt_id){7, 2}, "", 0, &known));
    assert_int_equal(hand_count(hand, HAND_QUEUED), 2);
    hand_destroy(hand);
}

static void states_keep_the_order_of_arrival(void **state)
{
    (void)state;
    struct hand *hand = hand_create();
    bool known;
    struct held *held[3];
    for (uint64_t i = 0; i < 3; i++)
        held[i] = hand_add(hand, (struct attempt_id){i + 1, 1}, "", 0, &known);
    hand_move(hand, held[1], HAND_DONE);
    hand_move(hand, held[0], HAND_DONE);
    assert_ptr_equal(hand_first(hand, HAND_DONE), held[1]);
    assert_ptr_equal(hand_last(hand, HAND_DONE), held[0]);
    assert_ptr_equal(hand_first(hand, HAND_QUEUED), held[2]);
    hand_remove(hand, held[1]);
    assert_ptr_equal(hand_first(hand, HAND_DONE), held[0]);
    assert_null(hand_find(hand, (struct attempt_id){2, 1}));
    hand_destroy(hand);
}

static void thousands_are_found_again(void **state)
{
    (void)state;
    struct hand *hand = hand_create();
    bool known;
    for (uint64_t i = 1; i <= 20000; i++)
        assert_non_null(hand_add(hand, (struct attempt_id){i, (uint32_t)(i % 3 + 1)}, &i,
                                 sizeof(i), &known));
    for (uint64_t i = 1; i <= 20000; i++) {
        struct held *held = hand_find(hand, (struct attempt_id){i, (uint32_t)(i % 3 + 1)});
        assert_non_null(held);
        assert_memory_equal(held->payload, &i, sizeof(i));
        if (i % 2)
            hand_remove(hand, held);
    }
    assert_int_equal(hand_count(hand, HAND_QUEUED), 10000);
    hand_destroy(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_attempt_is_taken_once),
        cmocka_unit_test(states_keep_the_order_of_arrival),
        cmocka_unit_test(thousands_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
