/*
 * Surveys: what a file says and what follows from it, and everything that is told before a farm
 * starts.
 */
#include "config.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/json.h"
#include "common/seismic/cfl.h"
#include "common/seismic/segy_write.h"
#include "common/seismic/survey.h"
#include "tests/scratch.h"

/* A 101 x 51 model at 10 m, 1500 m/s but for one value. */
static void put_model(size_t at, float odd)
{
    FILE *file = fopen("vp.bin", "w");
    assert_non_null(file);
    for (size_t i = 0; i < 101 * 51; i++) {
        float value = i == at ? odd : 1500;
        assert_int_equal(fwrite(&value, sizeof(value), 1, file), 1);
    }
    assert_int_equal(fclose(file), 0);
    scratch_text("vp.json",
                 "{\"points\": [101, 51], \"spacing_m\": [10, 10], \"units\": \"m/s\"}");
}

/* SEG-Y: `shots` shots at x = 100 + 50 i, of 4 receivers at 20 k, 25 samples every 4 ms. Sample j
 * of trace k of shot i is 100 i + 10 k + j. */
static void put_data(const char *path, int first, int shots, uint32_t samples,
                     double receiver_y)
{
    struct error error = {0};
    struct segy_write_format format = {
        .revision = 1, .samples = samples, .interval_us = 4000, .delay_s = 0.008};
    struct segy_writer *writer = segy_write_open(path, &format, &error);
    float values[100];
    assert_non_null(writer);
    for (int i = first; i < first + shots; i++) {
        for (int k = 0; k < 4; k++) {
            struct segy_write_trace trace = {.shot = 1000 + i,
                                             .channel = k + 1,
                                             .source = {100 + 50 * i, 0, 10},
                                             .receiver = {20 * k, k * receiver_y, 20}};
            for (uint32_t j = 0; j < samples; j++)
                values[j] = (float)(100 * i + 10 * k) + (float)j;
            assert_int_equal(segy_write_next(writer, &trace, values, &error), 0);
        }
    }
    assert_int_equal(segy_write_commit(writer, &error), 0);
}

#define MODEL   "\"model\": {\"velocity\": \"vp.json\"}"
#define WAVELET "\"wavelet\": {\"kind\": \"ricker\", \"peak_hz\": 10}"
#define RECORD  "\"record\": {\"length_s\": 0.5}"
#define LINES                                                                                  \
    "\"geometry\": {\"sources\": {\"line\": {\"start\": [100, 10], \"step\": [50, 0], "        \
    "\"count\": 5}}, \"receivers\": {\"line\": {\"start\": [0, 20], \"end\": [1000, 20], "     \
    "\"count\": 11}}}"

#define MUTE(more) "\"mute\": {\"keep\": \"reflections\", \"velocity_m_s\": 1500, " more "}"

static void expect(const char *text, const char *part)
{
    struct error error = {0};
    struct survey survey = {0};
    scratch_text("survey.json", text);
    if (survey_open("survey.json", SURVEY_CHECK, NULL, &survey, &error) == 0)
        fail_msg("\"%s\" was expected of %s", part, text);
    if (!strstr(error.text, part) || strncmp(error.text, "survey.json: ", 13) != 0)
        fail_msg("\"%s\" where \"%s\" was expected of %s", error.text, part, text);
    /* A file that is not there is the system's word. */
    assert_true(error.code == ERROR_CONFIG || error.code == ERROR_SYSTEM);
    assert_null(survey.root);
}

static void open_survey(const char *text, struct survey *survey)
{
    struct error error = {0};
    scratch_text("survey.json", text);
    if (survey_open("survey.json", SURVEY_CHECK, NULL, survey, &error) < 0)
        fail_msg("%s: %s", error.text, text);
}

static void open_shot(const struct survey *survey, size_t index, struct shot *shot)
{
    struct error error = {0};
    if (survey_shot_open(survey, index, shot, &error) < 0)
        fail_msg("%s", error.text);
}

static void close_shot(struct survey *survey, struct shot *shot)
{
    survey_shot_close(shot);
    survey_close(survey);
}

static void mistakes_in_the_file_name_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } table[] = {
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
        {"{\"model\": {\"velocity\": 1500}, " WAVELET ", " LINES ", " RECORD "}",
         "$.model.grid: is missing, and no field"},
        {"{\"model\": {\"velocity\": -1500, \"grid\": {\"points\": [9, 9], \"spacing_m\": [1, "
         "1]}}, " WAVELET ", " LINES ", " RECORD "}",
         "$.model.velocity: -1500 m/s is not plausible (10 to 20000)"},
        {"{\"model\": {\"velocity\": \"vp.json\", \"delta\": -0.6}, " WAVELET ", " LINES
         ", " RECORD "}",
         "$.model.delta: -0.6 is not plausible (-0.49 to 5)"},
        {"{" MODEL ", " WAVELET ", " LINES
         ", \"record\": {\"length_s\": 1, \"interval_ms\": 0.5005}}",
         "$.output.traces: SEG-Y revision 1 cannot say 1999 samples every 500.5 microseconds"},
        {"{" MODEL ", " WAVELET ", " RECORD
         ", \"output\": {\"traces\": \"segy2\"}, \"numerics\": {\"free_surface\": true}, "
         "\"geometry\": {\"sources\": {\"points\": [[1, 1]]}, \"receivers\": {\"points\": "
         "[[2, 2], [2, 0]]}}}",
         "shot 1: receiver 2 at x 2, y 0, z 0 m lies on the free surface"},
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
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"memory\": {\"method\": \"fourier\"}}",
         "$.memory.frequencies_hz: is missing"},
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
        {"{" MODEL ", " WAVELET ", \"data\": \"no*.segy\"}",
         "$.data: there is no file \"no*.segy\""},
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"inversion\": {\"bands\": [{\"min_hz\": 5, \"max_hz\": 4}]}}",
         "$.inversion.bands[0]: min_hz is not below max_hz"},
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"aperture\": {\"min_offset_m\": 200, \"max_offset_m\": 200}}",
         "$.aperture.min_offset_m: is not below max_offset_m"},
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"aperture\": {\"min_offset_m\": 2000}}",
         "$.aperture.min_offset_m: shot 1 has no receiver beyond 2000 m"},
        {"{" MODEL ", " WAVELET ", " LINES ", " RECORD
         ", \"aperture\": {\"min_offset_m\": 1, \"max_offset_m\": 30}}",
         "$.aperture.max_offset_m: shot 1 has no receiver within 30 m that is not nearer"},
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
    put_model(0, 1500);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        expect(table[i].text, table[i].sentence);
}

static void what_does_not_fit_is_told_beforehand(void **state)
{
    (void)state;
    char text[800];
    const char *survey = "{" MODEL ", " WAVELET ", " LINES ", " RECORD "}";
    put_model(51 * 7 + 3, (float)NAN);
    expect(survey,
           "$.model.velocity: vp.json: the value at index x 7, y 0, z 3 (from 0) is nan");
    put_model(51 * 7 + 3, -1500);
    expect(survey, "the velocity at index x 7, y 0, z 3 (from 0) is -1500 m/s, which is not");
    put_model(0, 1500);
    expect("{" MODEL ", " WAVELET ", " LINES ", " RECORD
           ", \"memory\": {\"method\": \"fourier\", \"frequencies_hz\": [5, 251]}, "
           "\"numerics\": {\"dt_ms\": 2}}",
           "$.memory.frequencies_hz: 251 Hz cannot be told from lower frequencies");
    expect("{" MODEL ", " RECORD ", " LINES ", " WAVELET
           ", \"memory\": {\"method\": \"fourier\", \"frequencies_hz\": [5, 8, 5]}}",
           "$.memory.frequencies_hz: has 5 Hz twice");
    expect("{" MODEL ", " RECORD ", " LINES ", " WAVELET
           ", \"batch\": {\"shots\": 2, \"encoded\": 2}}",
           "$.batch.shots: has no effect beside \"encoded\"");
    expect("{" RECORD ", " LINES ", " WAVELET
           ", \"model\": {\"velocity\": \"vp.json\", \"theta\": 0.1, \"phi\": 0.2}}",
           "$.model.phi: turns the symmetry axis out of a model of 2 dimensions");
    put_model(0, 3000);
    expect("{" MODEL ", " WAVELET ", " LINES ", " RECORD ", \"numerics\": {\"dt_ms\": 2.5}}",
           "$.numerics.dt_ms: 2.5 ms is above the stability limit of 1.8");
    expect("{" MODEL ", " WAVELET ", " LINES ", " RECORD ", \"numerics\": {\"dt_ms\": 1e-300}}",
           "$.numerics.dt_ms: 1e-300 ms makes ");
    snprintf(text, sizeof(text),
             "{" MODEL ", " WAVELET ", " RECORD
             ", \"geometry\": {\"sources\": {\"line\": {\"start\": [100, 10], "
             "\"step\": [300, 0], \"count\": 4}}, \"receivers\": {\"streamer\": "
             "{\"offset\": [-50, 20], \"step\": [-25, 0], \"count\": 4}}}}");
    expect(
        text,
        "shot 1: receiver 4 at x -25, y 0, z 20 m is outside the model, which goes from x 0");
    snprintf(text, sizeof(text),
             "{" MODEL ", " WAVELET ", " RECORD
             ", \"geometry\": {\"sources\": {\"points\": [[5, 5], [5, 501]]}, "
             "\"receivers\": {\"points\": [[5, 5]]}}}");
    expect(text, "shot 2: source 1 at x 5, y 0, z 501 m is outside the model");
    snprintf(text, sizeof(text),
             "{" MODEL ", " WAVELET ", " RECORD
             ", \"geometry\": {\"sources\": {\"points\": [[500005, 5]]}, \"receivers\": "
             "{\"points\": [[500100, 5]]}}}");
    expect(
        text,
        "survey and model do not overlap: sources and receivers have x from 500005 to 500100");
}

static void data_that_do_not_fit_are_told_beforehand(void **state)
{
    (void)state;
    put_model(0, 1500);
    put_data("a.segy", 0, 2, 25, 0);
    put_data("b.segy", 2, 2, 20, 0);
    put_data("c.segy", 0, 2, 25, 30);
    put_data("far.segy", 18, 2, 25, 0);
    expect(
        "{\"data\": {\"paths\": [\"a.segy\", \"b.segy\"]}, " MODEL ", " WAVELET "}",
        "b.segy: shot 1002, trace 1 (header at byte 3600) has 20 samples where 25 are wanted");
    expect(
        "{\"data\": \"a.segy\", " MODEL ", " WAVELET ", \"record\": {\"length_s\": 1}}",
        "a.segy: shot 1000, trace 1 (header at byte 3600) has 25 samples where 251 are wanted");
    expect("{\"data\": \"a.segy\", " MODEL ", " WAVELET ", \"record\": {\"interval_ms\": 2}}",
           "$.record.interval_ms: is 2, but the data are sampled every 4 ms");
    expect("{\"data\": \"a.segy\", " MODEL ", " WAVELET ", " LINES "}",
           "$.data: has 2 shots, but the geometry has 5");
    expect("{\"data\": {\"paths\": [\"a.segy\", \"far.segy\", \"a*.segy\"]}, " MODEL
           ", " WAVELET "}",
           "$.data: a.segy and a.segy are one file, and each of its shots would count twice");
    expect("{\"data\": {\"paths\": [\"a.segy\"], \"shots\": [1001, 7]}, " MODEL ", " WAVELET
           "}",
           "$.data.shots: there is no shot 7");
    expect("{\"data\": \"c.segy\", " MODEL ", " WAVELET "}",
           "c.segy: up to shot 1000, trace 2, y goes from 0 to 30 m, but the model is 2-D");
    expect(
        "{\"data\": {\"paths\": [\"a.segy\"], \"elevations\": \"down\"}, " MODEL ", " WAVELET
        "}",
        "shot 1000: receiver 1 (trace 1 of a.segy) at x 0, y 0, z -20 m is outside the model");
    expect("{\"data\": \"a.segy\", \"operation\": \"fwi\", " MODEL ", " WAVELET
           ", \"inversion\": {\"bands\": [{\"max_hz\": 9}, {\"min_hz\": 125}]}}",
           "$.inversion.bands[1].min_hz: 125 Hz and more is not in data");
    expect("{\"data\": \"a.segy\", \"operation\": \"fwi\", " MODEL ", " WAVELET
           ", \"inversion\": {\"frozen_depth_m\": 501}}",
           "$.inversion.frozen_depth_m: is 501, but the model ends at z 500 m: everything is");
    expect("{\"data\": \"a.segy\", \"operation\": \"fwi\", " MODEL ", " WAVELET
           ", \"inversion\": {\"mask\": 0}}",
           "$.inversion.mask: is zero at each point: everything is frozen");
    expect("{\"data\": \"a.segy\", " MODEL ", " WAVELET
           ", " MUTE("\"delay_s\": 0, \"taper_s\": 0.097") "}",
           "$.mute.taper_s: 0.097 s is longer than the record, which has 0.096 s");
    /* The nearest trace of the first shot ends within its taper. */
    expect("{\"data\": \"a.segy\", " MODEL ", " WAVELET
           ", " MUTE("\"delay_s\": 0.1, \"taper_s\": 0.04") "}",
           "$.mute: leaves nothing of shot 1001: its first line comes at 0.160");
    expect("{\"data\": \"far.segy\", " MODEL ", " WAVELET "}",
           "shot 1019: source 1 (trace 5 of far.segy) at x 1050");
}

/* As a farm file may say another one than the survey. */
static void what_is_checked_is_the_operation_that_was_set(void **state)
{
    (void)state;
    struct error error = {0};
    struct survey survey = {0};
    put_model(0, 1500);
    put_data("a.segy", 0, 2, 25, 0);
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

static void ten_lines_are_a_survey(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    size_t count;
    put_model(0, 3000);
    open_survey("{" MODEL ", " WAVELET ", " LINES ", " RECORD "}", &survey);
    assert_int_equal(survey.operation, SURVEY_MODEL);
    assert_int_equal(survey.physics, SURVEY_ACOUSTIC);
    assert_int_equal(survey.shot_count, 5);
    assert_int_equal(survey.receivers_max, 11);
    assert_int_equal(survey.record.samples, 126);
    assert_true(survey.wavelet.delay_s == 0.1);
    assert_true(survey.velocity_min_m_s == 1500 && survey.velocity_max_m_s == 3000);
    assert_true(survey_dt(&survey) == 0.9 * cfl_limit(CFL_CENTRED, 8, &survey.grid, 3000));
    open_shot(&survey, 4, &shot);
    assert_string_equal(shot.name, "5");
    assert_true(shot.sources[0].x == 300 && shot.sources[0].z == 10);
    assert_true(shot.receivers[10].x == 1000 && shot.receivers[10].z == 20);
    survey_shot_close(&shot);
    const struct survey_file *files = survey_files(&survey, &count);
    assert_int_equal(count, 3);
    assert_string_equal(files[0].path, "survey.json");
    assert_string_equal(files[1].path, "vp.json");
    assert_string_equal(files[2].path, "vp.bin");
    assert_true(files[2].model && !files[0].model);
    survey_close(&survey);
}

static void traces_are_read_shot_by_shot(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    struct error error = {0};
    float traces[4 * 25];
    put_model(0, 1500);
    put_data("a.segy", 0, 2, 25, 0);
    put_data("b.segy", 2, 2, 25, 0);
    open_survey("{\"operation\": \"gradient\", \"data\": {\"paths\": [\"[ab].segy\"]}, " MODEL
                ", " WAVELET ", \"aperture\": {\"max_offset_m\": 200}}",
                &survey);
    assert_int_equal(survey.shot_count, 4);
    assert_true(survey.record.start_s == 0.008 && survey.record.samples == 25);
    open_shot(&survey, 3, &shot);
    assert_string_equal(shot.name, "1003");
    assert_int_equal(shot.receiver_count, 1); /* the one at 60 of 0, 20, 40, 60, from 250 */
    assert_int_equal(survey_data_read(&survey, &shot, traces, &error), 0);
    for (int j = 0; j < 25; j++)
        assert_true(traces[j] == (float)(330 + j));
    /* Who opens what this survey has become needs no globs. */
    char *text = cJSON_Print(json_member(json_member(survey.root, "data"), "paths"));
    assert_non_null(strstr(text, "\"b.segy\""));
    free(text);
    close_shot(&survey, &shot);
}

static void receivers_near_to_a_source_are_left_out(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    put_model(0, 1500);
    /* From 0 to 1000 m every 100, sources at 300 and 550 m. */
    open_survey(
        "{" MODEL ", " WAVELET ", " RECORD ", \"aperture\": {\"min_offset_m\": 100, "
        "\"max_offset_m\": 350}, \"geometry\": {\"sources\": {\"points\": [[[300, 10], "
        "[550, 10]]]}, \"receivers\": {\"line\": {\"start\": [0, 20], \"step\": [100, 0], "
        "\"count\": 11}}}}",
        &survey);
    open_shot(&survey, 0, &shot);
    static const size_t kept[] = {0, 1, 2, 4, 7, 8, 9};
    assert_int_equal(shot.receiver_count, sizeof(kept) / sizeof(*kept));
    for (size_t i = 0; i < shot.receiver_count; i++) {
        assert_int_equal(shot.rows[i], kept[i]);
        assert_true(shot.receivers[i].x == 100 * (double)kept[i]);
    }
    close_shot(&survey, &shot);
}

/* Not where it lies while a task runs. */
static void a_bad_sample_is_in_the_file_that_the_survey_names(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    struct error error = {0};
    float traces[4 * 25];
    put_model(0, 1500);
    put_data("a.segy", 0, 2, 25, 0);
    int fd = open("a.segy", O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\x7f\xc0\0\0", 4, 3600 + 5 * 340 + 240 + 8), 4);
    close(fd);
    scratch_text("survey.json", "{\"data\": \"a.segy\", " MODEL ", " WAVELET "}");
    assert_int_equal(survey_open("././survey.json", 0, NULL, &survey, &error), 0);
    open_shot(&survey, 1, &shot);
    assert_int_equal(survey_data_read(&survey, &shot, traces, &error), -1);
    if (strncmp(error.text, "a.segy: shot 1001, trace 6 ", 27) != 0)
        fail_msg("%s", error.text);
    close_shot(&survey, &shot);
}

static void changed_data_are_noticed(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    struct error error = {0};
    float traces[4 * 25];
    put_model(0, 1500);
    put_data("a.segy", 0, 2, 25, 0);
    open_survey("{\"data\": \"a.segy\", " MODEL ", " WAVELET "}", &survey);
    put_data("a.segy", 0, 2, 25, 5);
    open_shot(&survey, 1, &shot);
    assert_int_equal(survey_data_read(&survey, &shot, traces, &error), -1);
    assert_non_null(strstr(error.text, "shot 1001: a.segy: trace 6"));
    assert_non_null(strstr(error.text, "has changed since the file was indexed"));
    close_shot(&survey, &shot);
}

static void what_a_survey_writes_it_reads(void **state)
{
    (void)state;
    struct survey survey, again;
    struct shot shot, same;
    struct error error = {0};
    float traces[11 * 126], read[11 * 126];
    put_model(0, 1500);
    open_survey("{" MODEL ", " WAVELET ", " LINES ", " RECORD "}", &survey);
    for (int i = 0; i < 11 * 126; i++)
        traces[i] = (float)i * 0.25f;
    open_shot(&survey, 2, &shot);
    assert_int_equal(survey_traces_write(&survey, &shot, traces, "out.segy", &error), 0);
    open_survey("{\"data\": \"out.segy\", " MODEL ", " WAVELET "}", &again);
    open_shot(&again, 0, &same);
    assert_string_equal(same.name, shot.name);
    assert_int_equal(same.receiver_count, shot.receiver_count);
    assert_memory_equal(same.sources, shot.sources, sizeof(*shot.sources));
    assert_memory_equal(same.receivers, shot.receivers,
                        shot.receiver_count * sizeof(*shot.receivers));
    assert_int_equal(survey_data_read(&again, &same, read, &error), 0);
    assert_memory_equal(read, traces, sizeof(read));
    survey_shot_close(&shot);
    close_shot(&again, &same);
    survey_close(&survey);
}

static void units_and_numbers_become_fields(void **state)
{
    (void)state;
    struct survey survey;
    struct error error = {0};
    float values[4];
    FILE *file = fopen("slow.bin", "w");
    static const float slow[] = {0.25f, 0.25f, 0.0625f, 0.25f}; /* s2/km2 */
    fwrite(slow, sizeof(slow), 1, file);
    assert_int_equal(fclose(file), 0);
    scratch_text("slow.json",
                 "{\"points\": [2, 2], \"spacing_m\": [1000, 1000], \"units\": \"s2/km2\"}");
    open_survey("{\"model\": {\"velocity\": \"slow.json\", \"density\": 2100}, " WAVELET
                ", " LINES ", " RECORD "}",
                &survey);
    assert_int_equal(survey.physics, SURVEY_DENSITY);
    struct grid_box box = grid_whole(&survey.grid);
    assert_int_equal(survey_field_read(&survey, SURVEY_VELOCITY, &box, values, &error), 0);
    /* 0.25 s2/km2 is 2 km/s; float and double roundings of 1e-7 each. */
    assert_true(fabsf(values[0] - 2000) < 1e-3f && fabsf(values[2] - 4000) < 1e-3f);
    assert_int_equal(survey_field_read(&survey, SURVEY_RHO, &box, values, &error), 0);
    assert_true(values[3] == 2100);
    assert_true(survey_dt_limit(&survey) ==
                cfl_limit(CFL_STAGGERED, 8, &survey.grid, survey.velocity_max_m_s));
    survey_close(&survey);
}

static void tables_and_wavelets_are_read_from_files(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    put_model(0, 1500);
    scratch_text("r.csv", "shot, x , z\n7, 10 ,20\n7,30,20\n8,50,20\n");
    scratch_text("w.txt", "# three\n0, 1.5\n-2e-1\n");
    open_survey(
        "{" MODEL ", " RECORD
        ", \"wavelet\": {\"kind\": \"sampled\", \"path\": \"w.txt\", \"interval_ms\": 2}, "
        "\"geometry\": {\"sources\": {\"points\": [[100, 10], [200, 10]]}, \"receivers\": "
        "{\"csv\": \"r.csv\"}}}",
        &survey);
    assert_int_equal(survey.wavelet.count, 3);
    assert_true(survey.wavelet.values[1] == 1.5f && survey.wavelet.interval_s == 2e-3);
    assert_int_equal(survey.receivers_max, 2);
    open_shot(&survey, 1, &shot);
    assert_int_equal(shot.receiver_count, 1);
    assert_true(shot.receivers[0].x == 50);
    assert_string_equal(shot.name, "8"); /* as the table calls it */
    close_shot(&survey, &shot);
    scratch_text("w.txt", "1 x 2");
    expect("{" MODEL ", " RECORD ", " LINES
           ", \"wavelet\": {\"kind\": \"sampled\", \"path\": \"w.txt\", \"interval_ms\": 2}}",
           "w.txt:1: \"x\" is no number");
}

static void wavelets_of_files_say_when_they_begin(void **state)
{
    (void)state;
    struct survey survey;
    put_model(0, 1500);
    put_data("wavelet.segy", 0, 1, 25, 0); /* from 8 ms on */
    open_survey("{" MODEL ", " RECORD ", " LINES
                ", \"wavelet\": {\"kind\": \"sampled\", \"path\": \"wavelet.segy\"}}",
                &survey);
    assert_true(fabs(survey.wavelet.delay_s - 0.008) < 1e-12);
    survey_close(&survey);
    expect(
        "{" MODEL ", " RECORD ", " LINES
        ", \"wavelet\": {\"kind\": \"sampled\", \"path\": \"wavelet.segy\", \"delay_s\": 0.1}}",
        "$.wavelet.delay_s: is 0.1, but the header of wavelet.segy says 0.008 s");
    expect(
        "{" MODEL ", " RECORD ", " LINES
        ", \"wavelet\": {\"kind\": \"sampled\", \"path\": \"wavelet.segy\", \"delay_s\": 0}}",
        "$.wavelet.delay_s: is 0, but the header of wavelet.segy says 0.008 s");
    static const char *const pairs[][2] = {
        {"# s, Pa\n0 0.5\n0.004 1\n0.008 0.5\n\n0.012 0\n", "has two numbers on each line"},
        {"0.000,0.5\n0.001, 1\n0.003 0.5\n",
         "has two numbers on each line"}, /* rounded times */
        {"0\n1,5\n-0,25 # so\n0\n", "has lines of two numbers with a comma between them"},
        {"1,5\n2,5", "has lines of two numbers with a comma between them"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        scratch_text("pairs.txt", pairs[i][0]);
        expect("{" MODEL ", " RECORD ", " LINES ", \"wavelet\": {\"kind\": \"sampled\", "
               "\"path\": \"pairs.txt\", \"interval_ms\": 4}}",
               pairs[i][1]);
    }
    static const char *const plain[] = {"0,1,2,1", "0, 1\n2, 1, 0\n", "0 1\n2 1\n0",
                                        "0,\n1,\n2"};
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        scratch_text("plain.txt", plain[i]);
        open_survey("{" MODEL ", " RECORD ", " LINES ", \"wavelet\": {\"kind\": \"sampled\", "
                    "\"path\": \"plain.txt\", \"interval_ms\": 4}}",
                    &survey);
        survey_close(&survey);
    }
}

/* However the survey file is named, what it names relative to its folder is listed so, and what it
 * names absolutely is listed so. */
static void files_are_listed_as_the_survey_names_them(void **state)
{
    (void)state;
    struct survey survey;
    struct error error = {0};
    char text[600], path[100], cut[100];
    size_t count;
    put_model(0, 1500);
    put_data("a.segy", 0, 2, 25, 0);
    put_data("b.segy", 2, 2, 25, 0);
    snprintf(text, sizeof(text),
             "{" MODEL ", " WAVELET ", \"data\": {\"paths\": [\"a*.segy\", "
             "\"%s/b.segy\"]}}",
             scratch_folder());
    scratch_text("survey.json", text);
    snprintf(path, sizeof(path), "%s/survey.json", scratch_folder());
    if (survey_open(path, SURVEY_CHECK, NULL, &survey, &error) < 0)
        fail_msg("%s", error.text);
    const struct survey_file *files = survey_files(&survey, &count);
    assert_int_equal(count, 7);
    assert_string_equal(files[0].path, "survey.json");
    assert_string_equal(files[2].path, "vp.bin");
    assert_string_equal(files[3].path, "a.segy");
    assert_true(!strncmp(files[4].path, "a.segy.", 7) && strstr(files[4].path, ".index"));
    snprintf(cut, sizeof(cut), "%s/b.segy", scratch_folder());
    assert_string_equal(files[5].path, cut);
    assert_true(files[6].path[0] == '/');
    survey_close(&survey);
}

/* The small synthetic files that JUDI ships, where they are at hand. */
static void files_of_judi_are_read(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    struct error error = {0};
    char text[800], data[500];
    const char *source = getenv("BEOFARM_SOURCE");
    snprintf(data, sizeof(data), "%s/../shared/seismic/data/judi_segy", source ? source : ".");
    if (access(data, R_OK) != 0) {
        print_message("# %s is not there\n", data);
        skip();
    }
    snprintf(
        text, sizeof(text),
        "{\"operation\": \"rtm\", \"model\": {\"velocity\": 1500, \"grid\": {\"points\": [201, "
        "101], \"spacing_m\": [10, 10]}}, " WAVELET
        ", \"data\": {\"paths\": [\"%s/unit_test_shot_records_2.segy\"], \"elevations\": "
        "\"down\"}}",
        data);
    scratch_text("survey.json", text);
    if (survey_open("survey.json", SURVEY_CHECK, scratch_folder(), &survey, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(survey.shot_count, 2);
    assert_int_equal(survey.record.samples, 501);
    open_shot(&survey, 1, &shot);
    assert_true(shot.sources[0].x == 1100 && shot.sources[0].z == 20);
    assert_int_equal(shot.receiver_count, 120);
    assert_true(shot.receivers[0].x == 50 && shot.receivers[0].z == 50);
    float *traces = calloc(120 * 501, sizeof(*traces));
    assert_int_equal(survey_data_read(&survey, &shot, traces, &error), 0);
    free(traces);
    close_shot(&survey, &shot);
}

static void keep(void *context, const char *sentence)
{
    snprintf(context, ERROR_TEXT_MAX, "%s", sentence);
}

/* `name` is that of the second of three shots. */
static void expect_name(const char *table, const char *name)
{
    struct survey survey;
    struct shot shot;
    scratch_text("s.csv", table);
    open_survey("{" MODEL ", " RECORD ", " WAVELET
                ", \"geometry\": {\"sources\": {\"csv\": \"s.csv\"}, \"receivers\": "
                "{\"points\": [[10, 20]]}}}",
                &survey);
    assert_int_equal(survey.shot_count, 3);
    open_shot(&survey, 1, &shot);
    assert_string_equal(shot.name, name);
    close_shot(&survey, &shot);
}

static void shots_are_called_what_their_table_calls_them(void **state)
{
    (void)state;
    put_model(0, 1500);
    expect_name("shot,x,z\n7,10,10\n9,30,10\n8,50,10\n", "9");
    expect_name("shot,x,z\n7,10,10\n9,30,10\n7,50,10\n", "9@2"); /* two are called 7 */
    expect_name("shot,x,z\n7,10,10\n9.5,30,10\n8,50,10\n", "2");
    expect_name("shot,x,z\n7,10,10\n9e9,30,10\n8,50,10\n", "2");
    expect_name("x,z\n10,10\n30,10\n50,10\n", "2");
}

static void identical_traces_of_a_shot_are_remarked(void **state)
{
    (void)state;
    struct survey survey;
    char said[ERROR_TEXT_MAX] = "";
    uint8_t trace[340];
    put_model(0, 1500);
    put_data("twins.segy", 0, 4, 25, 0);
    int fd = open("twins.segy", O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, trace, sizeof(trace), 3600 + 8 * 340), 340);
    assert_int_equal(pwrite(fd, trace, sizeof(trace), 3600 + 10 * 340), 340);
    close(fd);
    open_survey("{\"data\": \"twins.segy\", " MODEL ", " WAVELET "}", &survey);
    survey_remarks(&survey, keep, said);
    if (!strstr(said, "$.data: 1 trace has the receiver and all samples of another one of the "
                      "same shot, and counts twice: in twins.segy, shot 1002, trace 11 those "
                      "of trace 9, at (0, 0, 20) m"))
        fail_msg("%s", said);
    survey_close(&survey);
    /* Both are dead. */
    memset(trace + 240, 0, sizeof(trace) - 240);
    fd = open("twins.segy", O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, trace, sizeof(trace), 3600 + 8 * 340), 340);
    assert_int_equal(pwrite(fd, trace, sizeof(trace), 3600 + 10 * 340), 340);
    close(fd);
    *said = '\0';
    open_survey("{\"data\": \"twins.segy\", " MODEL ", " WAVELET "}", &survey);
    survey_remarks(&survey, keep, said);
    assert_string_equal(said, "");
    survey_close(&survey);
    /* Another component: the same place, other samples. */
    fd = open("twins.segy", O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\x40\x40\x40\x40", 4, 3600 + 10 * 340 + 240), 4);
    close(fd);
    *said = '\0';
    open_survey("{\"data\": \"twins.segy\", " MODEL ", " WAVELET "}", &survey);
    survey_remarks(&survey, keep, said);
    assert_string_equal(said, "");
    survey_close(&survey);
}

static void identical_traces_in_two_files_are_remarked(void **state)
{
    (void)state;
    struct survey survey;
    char said[ERROR_TEXT_MAX] = "";
    put_model(0, 1500);
    put_data("one.segy", 0, 3, 25, 0);
    put_data("two.segy", 2, 2, 25, 0);
    open_survey("{\"data\": {\"paths\": [\"one.segy\", \"two.segy\"]}, " MODEL ", " WAVELET "}",
                &survey);
    assert_int_equal(survey.shot_count, 5);
    survey_remarks(&survey, keep, said);
    if (!strstr(said,
                "$.data: 4 traces have the receiver and all samples of another one of the "
                "same shot, and count twice: in two.segy, shot 1002, trace 1 those of "
                "trace 9 of one.segy, at (0, 0, 20) m"))
        fail_msg("%s", said);
    survey_close(&survey);
    /* The same receivers, but what they recorded is not the same. */
    int fd = open("two.segy", O_RDWR | O_CLOEXEC);
    for (int trace = 0; trace < 4; trace++)
        assert_int_equal(pwrite(fd, "\x40\x40\x40\x40", 4, 3600 + trace * 340 + 240), 4);
    close(fd);
    *said = '\0';
    open_survey("{\"data\": {\"paths\": [\"one.segy\", \"two.segy\"]}, " MODEL ", " WAVELET "}",
                &survey);
    survey_remarks(&survey, keep, said);
    assert_string_equal(said, "");
    survey_close(&survey);
}

static void half_a_shot_with_another_source_is_remarked(void **state)
{
    (void)state;
    struct survey survey;
    char said[ERROR_TEXT_MAX] = "";
    const uint8_t elsewhere[] = {0, 0, 1, 44}; /* 300: 3 m or 300 m, as the scalar says */
    put_model(0, 1500);
    put_data("halves.segy", 0, 4, 25, 0);
    open_survey("{\"data\": \"halves.segy\", " MODEL ", " WAVELET "}", &survey);
    survey_remarks(&survey, keep, said);
    assert_string_equal(said, "");
    survey_close(&survey);
    int fd = open("halves.segy", O_WRONLY | O_CLOEXEC);
    for (int trace = 6; trace < 8; trace++)
        assert_int_equal(pwrite(fd, elsewhere, 4, 3600 + trace * 340 + 72), 4);
    close(fd);
    open_survey("{\"data\": \"halves.segy\", " MODEL ", " WAVELET "}", &survey);
    assert_int_equal(survey.shot_count, 5);
    survey_remarks(&survey, keep, said);
    if (!strstr(said, "of number 1001 in halves.segy, 2 traces are from (150, 0, 10) m and 2 "))
        fail_msg("%s", said);
    survey_close(&survey);
}

static void expect_remark(const char *text, const char *part)
{
    struct survey survey;
    char said[ERROR_TEXT_MAX] = "";
    open_survey(text, &survey);
    survey_remarks(&survey, keep, said);
    if (*part ? !strstr(said, part) : *said)
        fail_msg("\"%s\" where \"%s\" was expected of %s", said, part, text);
    survey_close(&survey);
}

static void what_is_hardly_meant_is_remarked(void **state)
{
    (void)state;
    put_model(0, 1500);
    put_data("a.segy", 0, 2, 25, 0);
#define BANDS(bands) BANDS_OF("", bands)
#define BANDS_OF(more, bands)                                                                  \
    "{" more "\"data\": \"a.segy\", \"operation\": \"fwi\", " MODEL ", " WAVELET               \
    ", \"inversion\": {\"bands\": [" bands "]}}"
    expect_remark(BANDS("{\"max_hz\": 3}, {\"min_hz\": 3, \"max_hz\": 25}"), "");
    expect_remark(BANDS("{\"max_hz\": 9}, {\"min_hz\": 60, \"max_hz\": 100}"),
                  "$.inversion.bands[1]: has ");
#define FREQUENCIES "\"memory\": {\"method\": \"fourier\", \"frequencies_hz\": [5, 17]}, "
    expect_remark(BANDS_OF(FREQUENCIES, "{\"max_hz\": 4}, {\"min_hz\": 8, \"max_hz\": 20}"),
                  "");
    expect_remark(BANDS_OF(FREQUENCIES, "{\"max_hz\": 7}, {\"min_hz\": 8, \"max_hz\": 11}"),
                  "$.memory.frequencies_hz: none is in $.inversion.bands[1]");
#define SPREAD(step)                                                                           \
    "{" MODEL ", " WAVELET ", " RECORD ", \"geometry\": {\"sources\": {\"points\": [[5, 5], "  \
    "[50, 5]]}, \"receivers\": {\"line\": "                                                    \
    "{\"start\": [100, 20], \"step\": [0, " step "], \"count\": 4}}}}"
    expect_remark(SPREAD("4"), ""); /* in a well */
    expect_remark(SPREAD("0.5"),
                  "shot 1: all 4 receivers lie within a cell of the grid, at (100, 0, 20) m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_in_the_file_name_their_place),
        cmocka_unit_test(what_does_not_fit_is_told_beforehand),
        cmocka_unit_test(data_that_do_not_fit_are_told_beforehand),
        cmocka_unit_test(what_is_checked_is_the_operation_that_was_set),
        cmocka_unit_test(ten_lines_are_a_survey),
        cmocka_unit_test(traces_are_read_shot_by_shot),
        cmocka_unit_test(receivers_near_to_a_source_are_left_out),
        cmocka_unit_test(changed_data_are_noticed),
        cmocka_unit_test(a_bad_sample_is_in_the_file_that_the_survey_names),
        cmocka_unit_test(what_a_survey_writes_it_reads),
        cmocka_unit_test(units_and_numbers_become_fields),
        cmocka_unit_test(tables_and_wavelets_are_read_from_files),
        cmocka_unit_test(wavelets_of_files_say_when_they_begin),
        cmocka_unit_test(files_are_listed_as_the_survey_names_them),
        cmocka_unit_test(files_of_judi_are_read),
        cmocka_unit_test(half_a_shot_with_another_source_is_remarked),
        cmocka_unit_test(identical_traces_of_a_shot_are_remarked),
        cmocka_unit_test(identical_traces_in_two_files_are_remarked),
        cmocka_unit_test(what_is_hardly_meant_is_remarked),
        cmocka_unit_test(shots_are_called_what_their_table_calls_them),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
