#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "master/shots/reduction.h"

#define MOST 300

static struct reduction_holder holders[MOST];
static struct reduction_gift gifts[MOST];

/* `count` workers, so many on each host; the first of all holds the most. */
static void lay(size_t count, size_t on_a_host)
{
    static char hosts[MOST][16];
    for (size_t i = 0; i < count; i++) {
        snprintf(hosts[i], sizeof(hosts[i]), "10.0.0.%zu", i / on_a_host + 1);
        holders[i] = (struct reduction_holder){
            .instance = 1000 - i, .host = hosts[i], .attempts = i ? 5 : 9};
    }
}

/* A level is sound: a giver gives once, and receives nothing; a group is no larger than it may
 * be. */
static void assert_sound(size_t count, size_t made)
{
    size_t gives[MOST] = {0}, receives[MOST] = {0};
    for (size_t i = 0; i < made; i++) {
        assert_true(gifts[i].giver < count && gifts[i].receiver < count);
        gives[gifts[i].giver]++;
        receives[gifts[i].receiver]++;
    }
    for (size_t i = 0; i < count; i++) {
        assert_true(gives[i] <= 1);
        assert_true(!gives[i] || !receives[i]);
        assert_true(receives[i] <= REDUCTION_FAN - 1);
        assert_true(!gives[i] || holders[i].host[0]);
    }
}

/* Do a level: givers are holders no more. Returns how many are left. */
static size_t reduce(size_t count, size_t made)
{
    size_t left = 0;
    for (size_t i = 0; i < made; i++)
        holders[gifts[i].receiver].attempts += holders[gifts[i].giver].attempts;
    for (size_t i = 0; i < made; i++)
        holders[gifts[i].giver].instance = 0;
    for (size_t i = 0; i < count; i++)
        if (holders[i].instance)
            holders[left++] = holders[i];
    return left;
}

static void a_few_holders_give_nothing(void **state)
{
    (void)state;
    for (size_t count = 0; count <= REDUCTION_FAN; count++) {
        lay(count, 1);
        assert_int_equal(reduction_plan(holders, count, gifts), 0);
    }
}

static void few_are_left_whatever_there_were(void **state)
{
    (void)state;
    static const size_t on_hosts[] = {1, 2, 3, 4, 7, 64, MOST};
    for (size_t count = REDUCTION_FAN + 1; count <= MOST; count++)
        for (size_t k = 0; k < sizeof(on_hosts) / sizeof(*on_hosts); k++) {
            size_t left = count, attempts = 0, made;
            lay(count, on_hosts[k]);
            while ((made = reduction_plan(holders, left, gifts))) {
                assert_sound(left, made);
                left = reduce(left, made);
            }
            assert_true(left >= 1 && left <= REDUCTION_FAN);
            for (size_t i = 0; i < left; i++)
                attempts += holders[i].attempts;
            assert_int_equal(attempts, 5 * count + 4); /* nothing is lost on the way */
        }
}

static void workers_on_one_host_give_to_each_other_first(void **state)
{
    (void)state;
    lay(12, 2);
    size_t made = reduction_plan(holders, 12, gifts);
    assert_int_equal(made, 6);
    for (size_t i = 0; i < made; i++)
        assert_string_equal(holders[gifts[i].giver].host, holders[gifts[i].receiver].host);
    size_t left = reduce(12, made);
    assert_int_equal(left, 6);
    made = reduction_plan(holders, left, gifts);
    assert_int_equal(made, 4); /* two groups of three hosts */
    assert_sound(left, made);
}

static void groups_are_equal_rather_than_full(void **state)
{
    (void)state;
    lay(9, 9);
    assert_int_equal(reduction_plan(holders, 9, gifts), 6);
    assert_sound(9, 6);
    assert_int_equal(reduce(9, 6), 3);
}

static void who_holds_the_most_receives(void **state)
{
    (void)state;
    lay(5, 5);
    size_t made = reduction_plan(holders, 5, gifts);
    bool found = false;
    for (size_t i = 0; i < made; i++) {
        assert_int_not_equal(holders[gifts[i].giver].attempts, 9);
        found |= holders[gifts[i].receiver].attempts == 9;
    }
    assert_true(found);
}

static void who_cannot_be_reached_receives_alone(void **state)
{
    (void)state;
    size_t left = 12, made;
    lay(12, 3);
    for (size_t i = 0; i < 12; i += 2)
        holders[i].host = "";
    while ((made = reduction_plan(holders, left, gifts))) {
        assert_sound(left, made);
        left = reduce(left, made);
    }
    assert_int_equal(left, 6);
    for (size_t i = 0; i < left; i++)
        assert_string_equal(holders[i].host, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_holders_give_nothing),
        cmocka_unit_test(few_are_left_whatever_there_were),
        cmocka_unit_test(workers_on_one_host_give_to_each_other_first),
        cmocka_unit_test(groups_are_equal_rather_than_full),
        cmocka_unit_test(who_holds_the_most_receives),
        cmocka_unit_test(who_cannot_be_reached_receives_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
