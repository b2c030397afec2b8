/* The driver of PEST work: what it refuses, and how its waves go. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "master/driver.h"
#include "master/pest/estimator.h"
#include "tests/master/tiny.h"

static void refuses(struct place *place, enum error_code code, const char *part)
{
    tiny_begin(place, true);
    assert_null(place->driver);
    if (!strstr(place->error.text, part) || place->error.code != code)
        print_message("# %d: %s\n", place->error.code, place->error.text);
    assert_int_equal(place->error.code, code);
    assert_non_null(strstr(place->error.text, part));
}

static void what_cannot_be_run_is_refused_in_a_sentence(void **state)
{
    struct place *place = *state;
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"no.pst\"}");
    refuses(place, ERROR_CONFIG, "no.pst");
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"../case.pst\"}");
    refuses(place, ERROR_CONFIG, "outside of the farm file's folder");
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"mode\": \"ies\"}");
    refuses(place, ERROR_CONFIG, "no estimator \"ies\"");
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"options\": "
                         "{\"max_run_fale\": 2}}");
    refuses(place, ERROR_CONFIG, "did you mean \"max_run_fail\"?");
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"options\": "
                         "{\"max_run_fail\": 0}}");
    refuses(place, ERROR_CONFIG, "++max_run_fail(…) must be 1 to 1000");
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\"}");
    tiny_put(place, "in.tpl", "ptf ~\n~c ~\n");
    refuses(place, ERROR_CONFIG, "in.tpl:2");
    tiny_put(place, "in.tpl", "ptf ~\n~a ~ ~b ~\n");
    tiny_put(place, "out.ins", "pif @\nl1 !y1!\n");
    refuses(place, ERROR_CONFIG, "y2");
}

static void notes_of_another_kind_are_refused(void **state)
{
    struct place *place = *state;
    static const char *const bad[] = {"",
                                      "wave 1",
                                      "{}",
                                      "{\"wave\":2,\"task\":1,\"runs\":1}",
                                      "{\"wave\":2,\"task\":1,\"runs\":1,\"slots\":1,"
                                      "\"parameters\":\"12\"}",
                                      "{\"wave\":1,\"task\":1,\"runs\":1,\"slots\":0,"
                                      "\"parameters\":\"12\"}"};
    tiny_begin(place, false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(
            driver_find("pest")->noted(place->driver, bad[i], strlen(bad[i]), &place->error),
            -1);
}

static void a_value_that_fits_no_field_ends_the_estimation(void **state)
{
    struct place *place = *state;
    tiny_put(place, "in.tpl", "ptf ~\n~a~ ~b  ~\n");
    tiny.first[0] = -1.5e-30; /* needs more than three characters */
    tiny_begin(place, false);
    assert_non_null(place->driver);
    assert_int_equal(tiny_next(place, 1), DRIVER_FINISHED);
    assert_int_equal(tiny_outcome(place), -1);
    assert_non_null(strstr(place->error.text, "wave 1, run 1"));
    assert_non_null(strstr(place->error.text, "in.tpl"));
}

static void results_of_the_wrong_size_are_failures(void **state)
{
    struct place *place = *state;
    tiny_begin(place, false);
    assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    tiny_tell(place, 1, (double[]){1, 2, 3}, 3, false);
    assert_non_null(strstr(tiny.log, "run 0 failed: a list has 3 values instead of 2"));
}

/* --- waves -------------------------------------------------------------------------------- */

static void a_wave_begins_when_the_one_before_has_ended(void **state)
{
    struct place *place = *state;
    tiny_begin(place, false);
    assert_int_equal(tiny_next(place, 0), DRIVER_WAIT); /* nobody could run it */
    assert_string_equal(tiny.log, "");
    assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    assert_int_equal(tiny_next(place, 1), DRIVER_WAIT);
    tiny_run(place, 2);
    assert_int_equal(tiny_next(place, 3), DRIVER_WAIT);
    tiny_run(place, 1);
    for (int i = 0; i < 5; i++) /* wave 2: 2 + 3 runs */
        assert_int_equal(tiny_next(place, 3), DRIVER_TASK);
    assert_int_equal(tiny_next(place, 3), DRIVER_WAIT);
    assert_int_equal(tiny_outcome(place), -1); /* it is not finished */
    for (uint64_t task = 3; task <= 7; task++)
        tiny_run(place, task);
    for (uint64_t task = 8; task <= 11; task++) {
        assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
        tiny_run(place, task);
    }
    assert_int_equal(tiny_next(place, 1), DRIVER_FINISHED);
    assert_int_equal(tiny_outcome(place), 0);
    assert_int_equal(place->note_count, TINY_WAVES);
    assert_non_null(strstr(place->notes[1], "{\"wave\":2,\"task\":3,\"runs\":5,\"slots\":3,"));
    assert_int_equal(tiny_next(place, 1), DRIVER_FINISHED);
    assert_int_equal(driver_find("pest")->payload(place->driver, 12, &(struct buf){0}), -1);
}

static void workers_that_are_yet_to_come_count_as_slots(void **state)
{
    struct place *place = *state;
    place->expected = 4;
    tiny_begin(place, false);
    assert_int_equal(tiny_next(place, 0), DRIVER_WAIT);
    assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    assert_non_null(strstr(place->notes[0], "\"slots\":4,"));
    place->expected = 0;
    for (uint64_t task = 1; task <= 5; task++) {
        tiny_run(place, task);
        assert_int_equal(tiny_next(place, 6),
                         DRIVER_TASK); /* the fifth is the next wave's first */
    }
    assert_non_null(strstr(place->notes[1], "\"slots\":6,"));
}

static void models_see_values_scaled_and_rounded(void **state)
{
    struct place *place = *state;
    double values[2];
    tiny.first[0] = 1.23456789012345; /* a has 9 characters */
    tiny.first[1] = 1.0 / 3;          /* b: 2 x + 10, in 8 */
    tiny_begin(place, false);
    assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    tiny_values(place, 1, values);
    assert_true(values[0] == 1.2345679);
    /* Back through scale and offset: a few units in the last place. */
    assert_true(fabs(values[1] - 10.66667) < 1e-14);
    tiny_tell(place, 1, (double[]){1, 2}, 2, false);
    tiny_values(place, 1, values); /* the same for a retry */
    assert_true(values[0] == 1.2345679);
}

static void a_run_that_failed_is_marked_and_told(void **state)
{
    struct place *place = *state;
    tiny_begin(place, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    tiny_run_badly(place, 1, false);
    tiny_run_badly(place, 1, false); /* twice makes no difference */
    assert_int_equal(tiny_next(place, 1), DRIVER_WAIT);
    tiny_run(place, 2);
    assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    assert_non_null(strstr(tiny.log, "run 0 failed: the model ended with exit status 1\n"));
    assert_non_null(strstr(tiny.log, "step 2: 2 ran, 1 failed, sum 22"));
}

static void streamed_waves_keep_no_observations(void **state)
{
    struct place *place = *state;
    tiny.streamed = true;
    tiny_begin(place, false);
    for (uint64_t task = 1; task <= 2; task++) {
        assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
        tiny_run(place, task);
    }
    assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
    assert_non_null(strstr(tiny.log, "run 0: 2 15\nrun 1: 4 18\n"));
    assert_non_null(strstr(tiny.log, "step 2: 2 ran, 0 failed, sum 0"));
}

static void an_estimator_that_gives_up_ends_the_farm_with_its_sentence(void **state)
{
    struct place *place = *state;
    tiny.fails = true;
    tiny_begin(place, false);
    for (uint64_t task = 1; task <= 2; task++) {
        assert_int_equal(tiny_next(place, 1), DRIVER_TASK);
        tiny_run(place, task);
    }
    assert_int_equal(tiny_next(place, 1), DRIVER_FINISHED);
    assert_int_equal(tiny_outcome(place), -1);
    assert_string_equal(place->error.text, "the tiny estimator gives up");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TINY_TEST(what_cannot_be_run_is_refused_in_a_sentence),
        TINY_TEST(notes_of_another_kind_are_refused),
        TINY_TEST(a_value_that_fits_no_field_ends_the_estimation),
        TINY_TEST(results_of_the_wrong_size_are_failures),
        TINY_TEST(a_wave_begins_when_the_one_before_has_ended),
        TINY_TEST(workers_that_are_yet_to_come_count_as_slots),
        TINY_TEST(models_see_values_scaled_and_rounded),
        TINY_TEST(a_run_that_failed_is_marked_and_told),
        TINY_TEST(streamed_waves_keep_no_observations),
        TINY_TEST(an_estimator_that_gives_up_ends_the_farm_with_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
