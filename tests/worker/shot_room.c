#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/loop.h"
#include "worker/shot_room.h"

#define LIMIT 1000

static struct loop *loop;
static struct shot_room *room;
static struct shot_claim claims[6];
static char order[64]; /* "0 2 1! ": those granted, with ! those refused */

static void granted(void *context, const struct error *error)
{
    struct shot_claim *claim = context;
    size_t used = strlen(order);
    snprintf(order + used, sizeof(order) - used, "%d%s ", (int)(claim - claims),
             error ? "!" : "");
}

static void stop(void *context)
{
    loop_stop(context);
}

/* Let the loop do what is due now. */
static const char *granted_now(void)
{
    static char said[sizeof(order)];
    struct error error;
    struct loop_timer *timer = loop_timer_add(loop, stop, loop);
    loop_timer_arm(timer, clock_monotonic_ns() + CLOCK_MS_NS);
    assert_int_equal(loop_run(loop, &error), 0);
    loop_timer_remove(timer);
    memcpy(said, order, sizeof(order));
    order[0] = 0;
    return said;
}

static void claim(int number, uint32_t slot, uint64_t bytes)
{
    claims[number] = (struct shot_claim){
        .slot = slot, .bytes = bytes, .granted = granted, .context = &claims[number]};
    shot_room_claim(room, &claims[number]);
    assert_string_equal(order, ""); /* never at once */
}

static int open_room(void **state)
{
    struct error error;
    (void)state;
    order[0] = 0;
    loop = loop_create(&error);
    room = shot_room_create(loop, LIMIT, &error);
    return room ? 0 : -1;
}

static int close_room(void **state)
{
    (void)state;
    shot_room_destroy(room);
    loop_destroy(loop);
    return 0;
}

static void what_can_never_fit_is_refused(void **state)
{
    (void)state;
    claim(0, 0, LIMIT + 1);
    assert_string_equal(granted_now(), "0! ");
    shot_room_release(room, &claims[0]); /* harmless */
    shot_room_set_used(room, 600);
    claim(1, 0, 401);
    claim(2, 0, 400);
    assert_string_equal(granted_now(), "1! 2 ");
}

static void a_large_claim_waits_and_nothing_overtakes_it(void **state)
{
    (void)state;
    claim(0, 0, 600);
    claim(1, 1, 900);
    claim(2, 2, 100);
    assert_string_equal(granted_now(), "0 ");
    shot_room_release(room, &claims[0]);
    assert_string_equal(granted_now(), "1 2 ");
    claim(3, 0, 1);
    assert_string_equal(granted_now(), "");
    shot_room_release(room, &claims[1]);
    assert_string_equal(granted_now(), "3 ");
}

static void tasks_of_one_slot_come_one_after_the_other_and_count_once(void **state)
{
    (void)state;
    claim(0, 7, 700);
    claim(1, 7, 900);
    claim(2, 7, 300);
    claim(3, 1, 100);
    claim(4, 2, 1);
    assert_string_equal(granted_now(), "0 1 2 3 ");
    shot_room_release(room, &claims[1]); /* 700 are left */
    assert_string_equal(granted_now(), "4 ");
    shot_room_release(room, &claims[0]);
    claim(5, 3, 599);
    assert_string_equal(granted_now(), "5 ");
}

static void a_claim_can_be_taken_back_while_it_waits(void **state)
{
    (void)state;
    claim(0, 0, 900);
    claim(1, 1, 500);
    claim(2, 2, 100);
    assert_string_equal(granted_now(), "0 ");
    shot_room_release(room, &claims[1]);
    assert_string_equal(granted_now(), "2 ");
    claim(3, 3, 500); /* the queue is whole */
    shot_room_release(room, &claims[0]);
    assert_string_equal(granted_now(), "3 ");
}

static void sums_that_grow_hold_back_what_comes(void **state)
{
    (void)state;
    claim(0, 0, 500);
    assert_string_equal(granted_now(), "0 ");
    shot_room_set_used(room, 600); /* more than there is: nothing more fits */
    claim(1, 1, 1);
    assert_string_equal(granted_now(), "");
    shot_room_set_used(room, 499);
    assert_string_equal(granted_now(), "1 ");
}

#define test(name) cmocka_unit_test_setup_teardown(name, open_room, close_room)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(what_can_never_fit_is_refused),
        test(a_large_claim_waits_and_nothing_overtakes_it),
        test(tasks_of_one_slot_come_one_after_the_other_and_count_once),
        test(a_claim_can_be_taken_back_while_it_waits),
        test(sums_that_grow_hold_back_what_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
