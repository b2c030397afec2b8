/* How large shots are: the part of the model that each needs, and how it is found. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/seismic/survey_private.h"
#include "tests/scratch.h"

/* A model of 101 x 51 points at 10 m. */
static void open_survey(const char *sources, const char *receivers, const char *aperture,
                        struct survey *survey)
{
    char text[2000];
    struct error error = {0};
    snprintf(text, sizeof(text),
             "{\"model\": {\"velocity\": 1500, \"grid\": {\"points\": [101, 51], "
             "\"spacing_m\": [10, 10]}}, \"wavelet\": {\"kind\": \"ricker\", \"peak_hz\": 10}, "
             "\"record\": {\"length_s\": 0.5}, \"aperture\": {\"limit_m\": true, %s}, "
             "\"geometry\": {\"sources\": {%s}, \"receivers\": {%s}}}",
             aperture, sources, receivers);
    scratch_text("survey.json", text);
    if (survey_open("survey.json", SURVEY_CHECK, NULL, survey, &error) < 0)
        fail_msg("%s: %s", error.text, text);
}

static void an_aperture_is_a_box_of_the_model(void **state)
{
    (void)state;
    struct survey survey;
    struct survey_shot_size size;
    struct error error = {0};
    open_survey("\"points\": [[[300, 10]], [[20, 10], [40, 10]]]",
                "\"streamer\": {\"offset\": [0, 20], \"step\": [10, 0], \"count\": 2}",
                "\"buffer_m\": 95", &survey);
    assert_int_equal(survey_shot_measure(&survey, 0, &size, &error), 0);
    assert_int_equal(size.receivers, 2);
    assert_int_equal(size.box.first[GRID_X], 20); /* 205 m */
    assert_int_equal(size.box.n[GRID_X], 22);     /* to 405 m */
    assert_int_equal(size.box.n[GRID_Z], 51);
    assert_int_equal(survey_shot_measure(&survey, 1, &size, &error), 0);
    assert_int_equal(size.box.first[GRID_X], 0);
    assert_true(size.source.x == 30);
    survey_close(&survey);
}

static void assert_within(const struct point *point, const struct point *least,
                          const struct point *most)
{
    assert_true(least->x <= point->x && point->x <= most->x);
    assert_true(least->z <= point->z && point->z <= most->z);
}

static void shot_compare(const struct survey *survey, size_t index, bool shared)
{
    struct shot shot;
    struct survey_shot_size size;
    struct error error = {0};
    struct point least, most;
    assert_int_equal(survey_shot_extent(survey, index, &least, &most), shared);
    assert_int_equal(survey_shot_measure(survey, index, &size, &error), 0);
    assert_int_equal(survey_shot_open(survey, index, &shot, &error), 0);
    struct grid_box box = survey_shot_box(survey, &shot);
    assert_memory_equal(&size.box, &box, sizeof(box));
    assert_int_equal(size.receivers, shot.receiver_count);
    for (size_t i = 0; shared && i < shot.receiver_count; i++)
        assert_within(&shot.receivers[i], &least, &most);
    for (size_t i = 0; shared && i < shot.source_count; i++)
        assert_within(&shot.sources[i], &least, &most);
    survey_shot_close(&shot);
}

/* What is measured is what the opened shots are; `shared`: without opening them. */
static void sizes_compare(const char *sources, const char *receivers, const char *aperture,
                          bool shared)
{
    struct survey survey;
    struct survey_shot_size size;
    struct error error = {0};
    open_survey(sources, receivers, aperture, &survey);
    assert_true(survey.shot_count > 1);
    for (size_t i = 0; i < survey.shot_count; i++)
        shot_compare(&survey, i, shared);
    assert_int_equal(survey_shot_measure(&survey, survey.shot_count, &size, &error), -1);
    survey_close(&survey);
}

static void shots_with_the_same_receivers_are_measured_without_a_look_at_these(void **state)
{
    static const char *const sources[] = {
        "\"line\": {\"start\": [100.3, 10], \"step\": [40.1, 3], \"count\": 4}",
        "\"points\": [[[300, 10]], [[220, 10], [240, 30]]]"};
    static const char *const receivers[] = {
        "\"line\": {\"start\": [380.7, 20], \"step\": [-7.9, 5.1], \"count\": 21}",
        "\"streamer\": {\"offset\": [10.1, 20], \"step\": [5.3, 0.1], \"count\": 9}",
        "\"points\": [[170.1, 20], [90.9, 44], [130, 1]]"};
    (void)state;
    for (int s = 0; s < 2; s++)
        for (int r = 0; r < 3; r++) {
            sizes_compare(sources[s], receivers[r], "\"buffer_m\": 31.7", true);
            sizes_compare(sources[s], receivers[r], "\"max_offset_m\": 299", false);
            sizes_compare(sources[s], receivers[r], "\"min_offset_m\": 15", false);
        }
    /* Each its own. */
    sizes_compare(sources[1], "\"points\": [[[170.1, 20], [90.9, 44]], [[400, 1]]]",
                  "\"buffer_m\": 0", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_aperture_is_a_box_of_the_model),
        cmocka_unit_test(shots_with_the_same_receivers_are_measured_without_a_look_at_these),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
