/* What is wrong with a survey, and the sentences that say so before a farm starts. */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/seismic/survey.h"
#include "tests/common/seismic/survey_bench.h"
#include "tests/scratch.h"

#define MUTE(more) "\"mute\": {\"keep\": \"reflections\", \"velocity_m_s\": 1500, " more "}"

struct mistake {
    const char *text, *sentence; /* of the survey; a part of what is said of it */
};

static void expect_each(const struct mistake *table, size_t count)
{
    bench_model(0, 1500);
    for (size_t i = 0; i < count; i++)
        bench_refused(table[i].text, table[i].sentence);
}

static void mistakes_in_the_file_name_their_place(void **state)
{
    (void)state;
    static const struct mistake table[] = {
        {"{}", "$: the key \"model\" is missing"},
        {"{\"operatoin\": \"model\", " MODEL ", " WAVELET "}",
         "$.operatoin: unknown key; did you mean \"operation\"?"},
        {"{" MODEL ", " WAVELET ", " RECORD "}",
         "$.geometry: is missing, and there are no data"},
        {"{" MODEL ", " WAVELET ", " LINES "}", "$.record.length_s: is missing"},
        {"{\"operation\": \"rtm\", " MODEL ", " WAVELET ", " LINES ", " RECORD "}",
         "$.data: is missing; this operation needs observed data"},
        {"{\"operation\": \"born\", " MODEL ", " WAVELET ", " LINES ", " RECORD "}",
         "$.model.perturbation: is missing"},
        {"{" MODEL ", " WAVELET ", " LINES
         ", \"record\": {\"length_s\": 1, \"interval_ms\": 0.5005}}",
         "$.output.traces: SEG-Y revision 1 cannot say 1999 samples every 500.5 microseconds"},
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"memory\": {\"method\": \"fourier\"}}",
         "$.memory.frequencies_hz: is missing"},
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"numerics\": {\"absorbing_points\": 201}}",
         "$.numerics.absorbing_points: expected a whole number from 0 to 200, found 201"},
        {"{" MODEL ", " WAVELET ", \"data\": \"no*.segy\"}",
         "$.data: there is no file \"no*.segy\""},
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"inversion\": {\"bands\": [{\"min_hz\": 5, \"max_hz\": 4}]}}",
         "$.inversion.bands[0]: min_hz is not below max_hz"},
    };
    expect_each(table, sizeof(table) / sizeof(*table));
}

static void mistakes_in_model_and_wavelet_name_their_place(void **state)
{
    (void)state;
    static const struct mistake table[] = {
        {"{\"model\": {\"velocity\": 1500}, " WAVELET ", " LINES ", " RECORD "}",
         "$.model.grid: is missing, and no field"},
        {"{\"model\": {\"velocity\": -1500, \"grid\": {\"points\": [9, 9], \"spacing_m\": [1, "
         "1]}}, " WAVELET ", " LINES ", " RECORD "}",
         "$.model.velocity: -1500 m/s is not plausible (10 to 20000)"},
        {"{\"model\": {\"velocity\": \"vp.json\", \"delta\": -0.6}, " WAVELET ", " LINES
         ", " RECORD "}",
         "$.model.delta: -0.6 is not plausible (-0.49 to 5)"},
        {"{\"model\": {\"velocity\": \"vp.json\", \"epsilon\": 0.1}, \"physics\": "
         "\"acoustic\", " WAVELET ", " LINES ", " RECORD "}",
         "$.model.epsilon: has no effect in this physics"},
        {"{\"model\": {\"velocity\": \"vq.json\"}, " WAVELET ", " LINES ", " RECORD "}",
         "$.model.velocity: "},
        {"{\"model\": {\"velocity\": {\"path\": \"vp.json\", \"units\": \"kg/m3\"}}, " WAVELET
         ", " LINES ", " RECORD "}",
         "$.model.velocity: a velocity is not in \"kg/m3\" (m/s, say)"},
        {"{" MODEL ", \"wavelet\": {\"kind\": \"sampled\", \"values\": [1, 2]}, " LINES
         ", " RECORD "}",
         "$.wavelet.interval_ms: is missing"},
    };
    expect_each(table, sizeof(table) / sizeof(*table));
}

static void mistakes_in_the_geometry_name_their_place(void **state)
{
    (void)state;
    static const struct mistake table[] = {
        {"{" MODEL ", " WAVELET ", " RECORD
         ", \"output\": {\"traces\": \"segy2\"}, \"numerics\": {\"free_surface\": true}, "
         "\"geometry\": {\"sources\": {\"points\": [[1, 1]]}, \"receivers\": {\"points\": "
         "[[2, 2], [2, 0]]}}}",
         "shot 1: receiver 2 at x 2, y 0, z 0 m lies on the free surface"},
        {"{" MODEL ", " WAVELET ", " RECORD
         ", \"geometry\": {\"sources\": {\"points\": [[1, 1]]}, \"receivers\": {\"points\": "
         "[[1]]}}}",
         "$.geometry.receivers.points[0]"},
        {"{" MODEL ", " WAVELET ", " RECORD
         ", \"geometry\": {\"sources\": {\"line\": {\"start\": [1, 1], \"count\": 3}}, "
         "\"receivers\": {\"points\": [[1, 1]]}}}",
         "$.geometry.sources.line: give \"step\" or \"end\""},
        {"{" MODEL ", " WAVELET ", " RECORD
         ", \"geometry\": {\"sources\": {\"points\": [[1, 1]]}, \"receivers\": {\"points\": "
         "[[[1, 1]], [[2, 2]]]}}}",
         "$.geometry.receivers: are those of 2 shots, but there are 1"},
        {"{" MODEL ", " WAVELET ", " RECORD
         ", \"geometry\": {\"recievers\": {\"points\": [[1, 1]]}}}",
         "$.geometry.recievers: unknown key; did you mean \"receivers\"?"},
        {"{" MODEL ", " WAVELET ", " RECORD
         ", \"geometry\": {\"receivers\": {\"points\": [[1, 1]]}}}",
         "$.geometry.sources: is missing"},
        {"{" MODEL ", " WAVELET ", " RECORD ", \"geometry\": {\"sources\": {\"points\": [[1, "
         "[2, 3]]]}, \"receivers\": {\"points\": "
         "[[1, 1]]}}}",
         "$.geometry.sources.points: places and lists of places are mixed"},
    };
    expect_each(table, sizeof(table) / sizeof(*table));
}

static void apertures_that_leave_nothing_are_refused(void **state)
{
    (void)state;
    static const struct mistake table[] = {
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"aperture\": {\"min_offset_m\": 200, \"max_offset_m\": 200}}",
         "$.aperture.min_offset_m: is not below max_offset_m"},
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"aperture\": {\"min_offset_m\": 2000}}",
         "$.aperture.min_offset_m: shot 1 has no receiver beyond 2000 m"},
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"aperture\": {\"min_offset_m\": 1, \"max_offset_m\": 30}}",
         "$.aperture.max_offset_m: shot 1 has no receiver within 30 m that is not nearer"},
    };
    expect_each(table, sizeof(table) / sizeof(*table));
}

static void mistakes_in_mutes_name_their_place(void **state)
{
    (void)state;
    static const struct mistake table[] = {
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD ", " MUTE("\"delay_s\": 0") "}",
         "$.mute: has no effect without observed data ($.data)"},
        {"{\"data\": \"a.segy\", " MODEL ", " WAVELET
         ", \"program\": [\"./shot\"], " MUTE("\"delay_s\": 0") "}",
         "$.mute: is what beofarm-shot does, while another program mutes data itself"},
        {"{\"data\": \"a.segy\", " MODEL ", " WAVELET
         ", \"batch\": {\"encoded\": 2}, " MUTE("\"delay_s\": 0") "}",
         "$.mute: has a line for each shot, but shots that are fired as one"},
        {"{\"data\": \"a.segy\", " MODEL ", " WAVELET ", \"mute\": {\"keep\": \"turning\"}}",
         "$.mute: the key \"velocity_m_s\" is missing"},
        {"{\"data\": \"a.segy\", " MODEL ", " WAVELET
         ", \"mute\": {\"keep\": \"turning\", \"velocity_m_s\": -1500, \"delay_s\": 0}}",
         "$.mute.velocity_m_s: "},
        {"{\"data\": \"a.segy\", " MODEL ", " WAVELET ", " MUTE("\"delay_s\": -1e7") "}",
         "$.mute.delay_s: "},
        {"{\"data\": \"a.segy\", " MODEL ", " WAVELET
         ", " MUTE("\"delay_s\": 0, \"taper_s\": -0.1") "}",
         "$.mute.taper_s: "},
        {"{\"data\": \"a.segy\", " MODEL ", " WAVELET
         ", \"mute\": {\"keep\": \"refractions\", \"velocity_m_s\": 1500, \"delay_s\": 0}}",
         "$.mute.keep: "},
    };
    expect_each(table, sizeof(table) / sizeof(*table));
}

static void what_does_not_fit_is_told_beforehand(void **state)
{
    (void)state;
    char text[800];
    const char *survey = "{" MODEL ", " WAVELET ", " LINES ", " RECORD "}";
    bench_model(51 * 7 + 3, (float)NAN);
    bench_refused(
        survey, "$.model.velocity: vp.json: the value at index x 7, y 0, z 3 (from 0) is nan");
    bench_model(51 * 7 + 3, -1500);
    bench_refused(survey,
                  "the velocity at index x 7, y 0, z 3 (from 0) is -1500 m/s, which is not");
    bench_model(0, 1500);
    bench_refused("{" MODEL ", " WAVELET ", " LINES ", " RECORD
                  ", \"memory\": {\"method\": \"fourier\", \"frequencies_hz\": [5, 251]}, "
                  "\"numerics\": {\"dt_ms\": 2}}",
                  "$.memory.frequencies_hz: 251 Hz cannot be told from lower frequencies");
    bench_refused("{" MODEL ", " RECORD ", " LINES ", " WAVELET
                  ", \"memory\": {\"method\": \"fourier\", \"frequencies_hz\": [5, 8, 5]}}",
                  "$.memory.frequencies_hz: has 5 Hz twice");
    bench_refused("{" MODEL ", " RECORD ", " LINES ", " WAVELET
                  ", \"batch\": {\"shots\": 2, \"encoded\": 2}}",
                  "$.batch.shots: has no effect beside \"encoded\"");
    bench_refused("{" RECORD ", " LINES ", " WAVELET
                  ", \"model\": {\"velocity\": \"vp.json\", \"theta\": 0.1, \"phi\": 0.2}}",
                  "$.model.phi: turns the symmetry axis out of a model of 2 dimensions");
    bench_model(0, 3000);
    bench_refused("{" MODEL ", " WAVELET ", " LINES ", " RECORD
                  ", \"numerics\": {\"dt_ms\": 2.5}}",
                  "$.numerics.dt_ms: 2.5 ms is above the stability limit of 1.8");
    bench_refused("{" MODEL ", " WAVELET ", " LINES ", " RECORD
                  ", \"numerics\": {\"dt_ms\": 1e-300}}",
                  "$.numerics.dt_ms: 1e-300 ms makes ");
    snprintf(text, sizeof(text),
             "{" MODEL ", " WAVELET ", " RECORD
             ", \"geometry\": {\"sources\": {\"line\": {\"start\": [100, 10], "
             "\"step\": [300, 0], \"count\": 4}}, \"receivers\": {\"streamer\": "
             "{\"offset\": [-50, 20], \"step\": [-25, 0], \"count\": 4}}}}");
    bench_refused(
        text,
        "shot 1: receiver 4 at x -25, y 0, z 20 m is outside the model, which goes from x 0");
    snprintf(text, sizeof(text),
             "{" MODEL ", " WAVELET ", " RECORD
             ", \"geometry\": {\"sources\": {\"points\": [[5, 5], [5, 501]]}, "
             "\"receivers\": {\"points\": [[5, 5]]}}}");
    bench_refused(text, "shot 2: source 1 at x 5, y 0, z 501 m is outside the model");
    snprintf(text, sizeof(text),
             "{" MODEL ", " WAVELET ", " RECORD
             ", \"geometry\": {\"sources\": {\"points\": [[500005, 5]]}, \"receivers\": "
             "{\"points\": [[500100, 5]]}}}");
    bench_refused(
        text,
        "survey and model do not overlap: sources and receivers have x from 500005 to 500100");
}

static void data_that_do_not_fit_are_told_beforehand(void **state)
{
    (void)state;
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
    bench_data("b.segy", 2, 2, 20, 0);
    bench_data("c.segy", 0, 2, 25, 30);
    bench_data("far.segy", 18, 2, 25, 0);
    bench_refused(
        "{\"data\": {\"paths\": [\"a.segy\", \"b.segy\"]}, " MODEL ", " WAVELET "}",
        "b.segy: shot 1002, trace 1 (header at byte 3600) has 20 samples where 25 are wanted");
    bench_refused(
        "{\"data\": \"a.segy\", " MODEL ", " WAVELET ", \"record\": {\"length_s\": 1}}",
        "a.segy: shot 1000, trace 1 (header at byte 3600) has 25 samples where 251 are wanted");
    bench_refused("{\"data\": \"a.segy\", " MODEL ", " WAVELET
                  ", \"record\": {\"interval_ms\": 2}}",
                  "$.record.interval_ms: is 2, but the data are sampled every 4 ms");
    bench_refused("{\"data\": \"a.segy\", " MODEL ", " WAVELET ", " LINES "}",
                  "$.data: has 2 shots, but the geometry has 5");
    bench_refused(
        "{\"data\": {\"paths\": [\"a.segy\", \"far.segy\", \"a*.segy\"]}, " MODEL ", " WAVELET
        "}",
        "$.data: a.segy and a.segy are one file, and each of its shots would count twice");
    bench_refused("{\"data\": {\"paths\": [\"a.segy\"], \"shots\": [1001, 7]}, " MODEL
                  ", " WAVELET "}",
                  "$.data.shots: there is no shot 7");
    bench_refused(
        "{\"data\": \"c.segy\", " MODEL ", " WAVELET "}",
        "c.segy: up to shot 1000, trace 2, y goes from 0 to 30 m, but the model is 2-D");
    bench_refused(
        "{\"data\": {\"paths\": [\"a.segy\"], \"elevations\": \"down\"}, " MODEL ", " WAVELET
        "}",
        "shot 1000: receiver 1 (trace 1 of a.segy) at x 0, y 0, z -20 m is outside the model");
    bench_refused("{\"data\": \"a.segy\", \"operation\": \"fwi\", " MODEL ", " WAVELET
                  ", \"inversion\": {\"bands\": [{\"max_hz\": 9}, {\"min_hz\": 125}]}}",
                  "$.inversion.bands[1].min_hz: 125 Hz and more is not in data");
    bench_refused(
        "{\"data\": \"a.segy\", \"operation\": \"fwi\", " MODEL ", " WAVELET
        ", \"inversion\": {\"frozen_depth_m\": 501}}",
        "$.inversion.frozen_depth_m: is 501, but the model ends at z 500 m: everything is");
    bench_refused("{\"data\": \"a.segy\", \"operation\": \"fwi\", " MODEL ", " WAVELET
                  ", \"inversion\": {\"mask\": 0}}",
                  "$.inversion.mask: is zero at each point: everything is frozen");
    bench_refused("{\"data\": \"a.segy\", " MODEL ", " WAVELET
                  ", " MUTE("\"delay_s\": 0, \"taper_s\": 0.097") "}",
                  "$.mute.taper_s: 0.097 s is longer than the record, which has 0.096 s");
    /* The nearest trace of the first shot ends within its taper. */
    bench_refused("{\"data\": \"a.segy\", " MODEL ", " WAVELET
                  ", " MUTE("\"delay_s\": 0.1, \"taper_s\": 0.04") "}",
                  "$.mute: leaves nothing of shot 1001: its first line comes at 0.160");
    bench_refused("{\"data\": \"far.segy\", " MODEL ", " WAVELET "}",
                  "shot 1019: source 1 (trace 5 of far.segy) at x 1050");
}

/* As a farm file may say another one than the survey. */
static void what_is_checked_is_the_operation_that_was_set(void **state)
{
    (void)state;
    struct error error = {0};
    struct survey survey = {0};
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
    scratch_text("survey.json", "{\"data\": \"a.segy\", " MODEL ", " WAVELET
                                ", \"inversion\": {\"bands\": [{\"min_hz\": 125}]}}");
    assert_int_equal(survey_open("survey.json", SURVEY_CHECK_LATER, NULL, &survey, &error), 0);
    assert_int_equal(survey.operation, SURVEY_MODEL);
    assert_int_equal(survey_check(&survey, &error), 0);
    survey.operation = SURVEY_FWI;
    assert_int_equal(survey_check(&survey, &error), -1);
    assert_int_equal(strncmp(error.text, "survey.json: $.inversion.bands[0]", 33), 0);
    survey_close(&survey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_in_the_file_name_their_place),
        cmocka_unit_test(mistakes_in_model_and_wavelet_name_their_place),
        cmocka_unit_test(mistakes_in_the_geometry_name_their_place),
        cmocka_unit_test(apertures_that_leave_nothing_are_refused),
        cmocka_unit_test(mistakes_in_mutes_name_their_place),
        cmocka_unit_test(what_does_not_fit_is_told_beforehand),
        cmocka_unit_test(data_that_do_not_fit_are_told_beforehand),
        cmocka_unit_test(what_is_checked_is_the_operation_that_was_set),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
