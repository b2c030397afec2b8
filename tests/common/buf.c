#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/buf.h"

static void appends_up_to_its_bound(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_int_equal(buf_append(&buf, "12345", 5), 0);
    assert_int_equal(buf_append(&buf, "67890", 5), 0);
    assert_int_equal(buf_append(&buf, "x", 1), -1);
    assert_true(buf_failed(&buf));
    assert_string_equal(buf_text(&buf), "1234567890");
    buf_fini(&buf);
}

static void a_failure_sticks_until_cleared(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 3);
    assert_int_equal(buf_append_text(&buf, "long"), -1);
    assert_int_equal(buf_append_text(&buf, "a"), -1);
    buf_clear(&buf);
    assert_int_equal(buf_append_text(&buf, "a"), 0);
    buf_fini(&buf);
}

static void prints_and_consumes(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_int_equal(buf_printf(&buf, "%d-%s", 42, "answer"), 0);
    buf_consume(&buf, 3);
    assert_string_equal(buf_text(&buf), "answer");
    buf_consume(&buf, 100);
    assert_string_equal(buf_text(&buf), "");
    buf_fini(&buf);
}

/* With every amount of room that may be left. */
static void prints_what_there_is_room_for_and_what_there_is_none_for(void **state)
{
    (void)state;
    char expected[300] = "";
    struct buf buf;
    buf_init(&buf, 299);
    for (int i = 0; i < 99; i++) {
        assert_int_equal(buf_printf(&buf, "%03d", i), 0);
        snprintf(expected + 3 * (size_t)i, 4, "%03d", i);
        assert_string_equal(buf_text(&buf), expected);
    }
    assert_int_equal(buf_printf(&buf, "abc"), -1);
    assert_true(buf_failed(&buf));
    assert_string_equal(buf_text(&buf), expected);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_up_to_its_bound),
        cmocka_unit_test(a_failure_sticks_until_cleared),
        cmocka_unit_test(prints_and_consumes),
        cmocka_unit_test(prints_what_there_is_room_for_and_what_there_is_none_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
