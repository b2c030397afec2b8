/* What computed shots in place of what was wanted is told once for each reason. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "master/shots/devices.h"

static void what_says_nothing_of_devices_is_passed_over(void **state)
{
    (void)state;
    static const char *const extras[] = {
        NULL,
        "",
        "{}",
        "\"device_why\"",
        "[\"device_why\"]",
        "{\"device_why\":",
        "{\"device_why\":17}",
        "{\"device_why\":\"\"}",
        "{\"device_why\":null,\"device\":\"processors\"}",
        "{\"device\":\"NVIDIA H100 (NVIDIA CUDA)\"}",
    };
    struct devices devices = {0};
    char sentence[200] = "as it was";
    for (size_t i = 0; i < sizeof(extras) / sizeof(*extras); i++)
        assert_false(devices_look(&devices, 1, extras[i], sentence, sizeof(sentence)));
    assert_string_equal(sentence, "as it was");
    devices_fini(&devices);
}

static void each_reason_is_told_once(void **state)
{
    (void)state;
    struct devices devices = {0};
    char sentence[200];
    const char *none = "{\"device\":\"processors\",\"device_why\":\"no GPU is here\"}";
    assert_true(devices_look(&devices, 7, none, sentence, sizeof(sentence)));
    assert_string_equal(sentence,
                        "task 7 was computed by processors in place of a GPU: no GPU is here");
    assert_false(devices_look(&devices, 8, none, sentence, sizeof(sentence)));
    assert_true(
        devices_look(&devices, 9, "{\"device_why\":\"lost\"}", sentence, sizeof(sentence)));
    assert_false(devices_look(&devices, 10, none, sentence, sizeof(sentence)));
    devices_fini(&devices);
}

static void of_many_reasons_the_first_are_told(void **state)
{
    (void)state;
    struct devices devices = {0};
    char extra[100], sentence[20];
    size_t told = 0;
    for (uint64_t i = 1; i <= 3 * DEVICES_TOLD_MAX; i++) {
        snprintf(extra, sizeof(extra), "{\"device_why\":\"reason %llu\"}",
                 (unsigned long long)i);
        told += devices_look(&devices, i, extra, sentence, sizeof(sentence));
    }
    assert_int_equal(told, DEVICES_TOLD_MAX);
    assert_int_equal(strlen(sentence), sizeof(sentence) - 1); /* cut, not beyond its end */
    devices_fini(&devices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_says_nothing_of_devices_is_passed_over),
        cmocka_unit_test(each_reason_is_told_once),
        cmocka_unit_test(of_many_reasons_the_first_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
