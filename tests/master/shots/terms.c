/* What may not change while a run goes on. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "master/shots/roll.h"

static const struct terms begun = {
    .operation = "gradient", .exact = true, .shots = 7, .n = {81, 1, 51}};
static const struct terms modelled = {
    .operation = "model", .shots = 7, .n = {81, 1, 51}, .traces = "101 samples every 2 ms"};

/* What a later master with these terms says to the note of the first; "": nothing. */
static void expect_of(const struct terms *first, const struct terms *now, const char *said,
                      enum error_code code)
{
    struct roll roll;
    struct error error = {0};
    struct buf note;
    buf_init(&note, 1 << 16);
    assert_int_equal(terms_note(first, &note), 0);
    roll_init(&roll, now->shots);
    roll.terms = *now;
    int rc = roll_take(&roll, note.data, note.size, &error);
    assert_int_equal(rc, *said ? -1 : 0);
    if (*said && (error.code != code || !strstr(error.text, said)))
        fail_msg("\"%s\" where \"%s\" was expected", error.text, said);
    assert_true(rc < 0 || roll.agreed);
    roll_fini(&roll);
    buf_fini(&note);
}

static void expect(const struct terms *now, const char *said, enum error_code code)
{
    expect_of(&begun, now, said, code);
}

static void traces_of_one_file_stay_as_they_are(void **state)
{
    (void)state;
    struct terms now = modelled;
    expect_of(&modelled, &now, "", 0);
    strcpy(now.traces, "151 samples every 2 ms");
    expect_of(&modelled, &now,
              "traces of 101 samples every 2 ms, where now there is 151 samples every 2 ms",
              ERROR_CHANGED);
    *now.traces = '\0'; /* into a file each, now: whatever they are */
    expect_of(&modelled, &now, "", 0);
    expect_of(&now, &modelled, "", 0); /* noted before traces were */
}

static void misfits_of_an_inversion_stay_what_they_are(void **state)
{
    (void)state;
    struct terms first = begun, now;
    first.operation = "fwi";
    strcpy(first.misfits, "l2, a Ricker wavelet of 10 Hz");
    now = first;
    expect_of(&first, &now, "", 0);
    strcpy(now.misfits, "l2, a Ricker wavelet of 12 Hz");
    expect_of(&first, &now,
              "misfits of l2, a Ricker wavelet of 10 Hz, where now there is l2, a Ricker "
              "wavelet of 12 Hz",
              ERROR_CHANGED);
    *first.misfits = '\0'; /* noted before misfits were */
    expect_of(&first, &now, "", 0);
}

static void terms_that_stay_are_no_change(void **state)
{
    (void)state;
    const struct terms none = {0};
    expect(&begun, "", 0);
    expect(&none, "", 0);
}

static void each_change_is_told(void **state)
{
    (void)state;
    struct terms now = begun;
    now.operation = "rtm";
    expect(&now, "the operation gradient, where now there is rtm", ERROR_CHANGED);
    now = begun;
    now.exact = false;
    expect(&now, "the sum exact, where now there is double", ERROR_CHANGED);
    now = begun;
    now.shots = 3;
    expect(&now, "a number of shots of 7, where now there is 3", ERROR_CHANGED);
    now = begun;
    now.n[2] = 50;
    expect(&now, "a model of 81 x 1 x 51 points, where now there is 81 x 1 x 50 points",
           ERROR_CHANGED);
}

static void notes_of_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"terms\":7}", "{\"terms\":{\"operation\":\"rtm\",\"sum\":\"exact\",\"shots\":1}}",
        "{\"terms\":{\"operation\":1,\"sum\":\"exact\",\"shots\":1,\"points\":[1,1,1]}}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct roll roll;
        struct error error = {0};
        roll_init(&roll, 7);
        assert_int_equal(roll_take(&roll, bad[i], strlen(bad[i]), &error), -1);
        assert_int_equal(error.code, ERROR_SYSTEM);
        roll_fini(&roll);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misfits_of_an_inversion_stay_what_they_are),
        cmocka_unit_test(terms_that_stay_are_no_change), cmocka_unit_test(each_change_is_told),
        cmocka_unit_test(traces_of_one_file_stay_as_they_are),
        cmocka_unit_test(notes_of_no_sense_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
