/* What is said of shots that are too large for this machine. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/seismic/shot_cost.h"
#include "master/shots/room.h"
#include "tests/scratch.h"

#define NEEDED UINT64_C(5000000000)

static void expect(const char *more, const char *text)
{
    char whole[1000];
    struct survey survey;
    struct error error = {0};
    snprintf(
        whole, sizeof(whole),
        "{\"model\": {\"velocity\": 2000, \"grid\": {\"points\": [101, 51], "
        "\"spacing_m\": [10, 10]}}, \"wavelet\": {\"kind\": \"ricker\", \"peak_hz\": 10}, "
        "\"record\": {\"length_s\": 0.5}, \"geometry\": {\"sources\": {\"points\": [[9, 9]]}, "
        "\"receivers\": {\"points\": [[9, 9]]}}%s}",
        more);
    scratch_text("survey.json", whole);
    if (survey_open("survey.json", SURVEY_CHECK, NULL, &survey, &error) < 0)
        fail_msg("%s: %s", error.text, whole);
    double dt_s = survey_dt(&survey);
    assert_int_equal(room_check(&survey, 2, NEEDED, dt_s, 0, &error), 0);
    assert_int_equal(room_check(&survey, 2, NEEDED, dt_s, NEEDED, &error), 0);
    assert_int_equal(room_check(&survey, 2, NEEDED, dt_s, NEEDED - 1, &error), -1);
    assert_int_equal(error.code, ERROR_CONFIG);
    if (!strstr(error.text, text) || !strstr(error.text, "shot 3") ||
        !strstr(error.text, "needs 5 GB of memory"))
        fail_msg("\"%s\" where \"%s\" was expected", error.text, text);
    snprintf(whole, sizeof(whole), "takes %llu time steps of",
             (unsigned long long)shot_steps(&survey, dt_s));
    assert_non_null(strstr(error.text, whole));
    survey_close(&survey);
}

static void the_key_that_asks_for_too_much_is_named(void **state)
{
    (void)state;
    expect(", \"numerics\": {\"dt_ms\": 1e-5}", "$.numerics.dt_ms: ");
    expect(", \"numerics\": {\"dt_ms\": 1e-5}", "leave it out");
    expect(", \"numerics\": {\"dt_ms\": 1}", "$.aperture.limit_m: "); /* a fair step */
    expect("", "$.aperture.limit_m: ");
}

static void this_machine_has_memory(void **state)
{
    (void)state;
    assert_true(room_here() > 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_that_asks_for_too_much_is_named),
        cmocka_unit_test(this_machine_has_memory),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
