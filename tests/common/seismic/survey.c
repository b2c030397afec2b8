/* Surveys: what a file says and what follows from it. */
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
#include "common/seismic/survey.h"
#include "tests/common/seismic/survey_bench.h"
#include "tests/scratch.h"

static void ten_lines_are_a_survey(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    size_t count;
    bench_model(0, 3000);
    bench_open("{" MODEL ", " WAVELET ", " LINES ", " RECORD "}", &survey);
    assert_int_equal(survey.operation, SURVEY_MODEL);
    assert_int_equal(survey.physics, SURVEY_ACOUSTIC);
    assert_int_equal(survey.shot_count, 5);
    assert_int_equal(survey.receivers_max, 11);
    assert_int_equal(survey.record.samples, 126);
    assert_true(survey.wavelet.delay_s == 0.1);
    assert_true(survey.velocity_min_m_s == 1500 && survey.velocity_max_m_s == 3000);
    assert_true(survey_dt(&survey) == 0.9 * cfl_limit(CFL_CENTRED, 8, &survey.grid, 3000));
    bench_shot(&survey, 4, &shot);
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

static void steps_to_image_are_chosen_by_what_waves_and_data_hold(void **state)
{
    (void)state;
#define SUBSAMPLED(subsampling, wavelet)                                                       \
    "{\"operation\": \"gradient\", \"data\": \"a.segy\", " MODEL ", " wavelet                  \
    ", \"memory\": {\"subsampling\": " subsampling "}}"
#define SAMPLED(values)                                                                        \
    "\"wavelet\": {\"kind\": \"sampled\", \"interval_ms\": 2, \"values\": [" values "]}"
    struct survey survey;
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
    bench_open(SUBSAMPLED("3", WAVELET), &survey);
    assert_int_equal(survey_subsampling(&survey, 0.004), 3);
    survey_close(&survey);
    /* 4 peaks of 10 Hz and the 125 Hz of 4 ms. */
    bench_open(SUBSAMPLED("\"auto\"", WAVELET), &survey);
    assert_int_equal(survey_subsampling(&survey, 1 / 165.1), 1);
    assert_int_equal(survey_subsampling(&survey, 0.5 / 165.1), 2);
    assert_int_equal(survey_subsampling(&survey, 0.5 / 164.9), 1);
    assert_int_equal(survey_subsampling(&survey, 0.2 / 165.1), 5);
    assert_int_equal(survey_subsampling(&survey, 1), 1);
    survey_close(&survey);
    /* A spike has all up to 250 Hz. */
    bench_open(SUBSAMPLED("\"auto\"", SAMPLED("1, 0")), &survey);
    assert_int_equal(survey_subsampling(&survey, 0.5 / 375.1), 2);
    assert_int_equal(survey_subsampling(&survey, 0.5 / 374.9), 1);
    survey_close(&survey);
    bench_refused(SUBSAMPLED("\"often\"", WAVELET), "$.memory.subsampling");
    bench_refused(SUBSAMPLED("0", WAVELET), "$.memory.subsampling");
}

static void traces_are_read_shot_by_shot(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    struct error error = {0};
    float traces[4 * 25];
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
    bench_data("b.segy", 2, 2, 25, 0);
    bench_open("{\"operation\": \"gradient\", \"data\": {\"paths\": [\"[ab].segy\"]}, " MODEL
               ", " WAVELET ", \"aperture\": {\"max_offset_m\": 200}}",
               &survey);
    assert_int_equal(survey.shot_count, 4);
    assert_true(survey.record.start_s == 0.008 && survey.record.samples == 25);
    bench_shot(&survey, 3, &shot);
    assert_string_equal(shot.name, "1003");
    assert_int_equal(shot.receiver_count, 1); /* the one at 60 of 0, 20, 40, 60, from 250 */
    assert_int_equal(survey_data_read(&survey, &shot, traces, &error), 0);
    for (int j = 0; j < 25; j++)
        assert_true(traces[j] == (float)(330 + j));
    /* Who opens what this survey has become needs no globs. */
    char *text = cJSON_Print(json_member(json_member(survey.root, "data"), "paths"));
    assert_non_null(strstr(text, "\"b.segy\""));
    free(text);
    bench_close(&survey, &shot);
}

static void receivers_near_to_a_source_are_left_out(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    bench_model(0, 1500);
    /* From 0 to 1000 m every 100, sources at 300 and 550 m. */
    bench_open(
        "{" MODEL ", " WAVELET ", " RECORD ", \"aperture\": {\"min_offset_m\": 100, "
        "\"max_offset_m\": 350}, \"geometry\": {\"sources\": {\"points\": [[[300, 10], "
        "[550, 10]]]}, \"receivers\": {\"line\": {\"start\": [0, 20], \"step\": [100, 0], "
        "\"count\": 11}}}}",
        &survey);
    bench_shot(&survey, 0, &shot);
    static const size_t kept[] = {0, 1, 2, 4, 7, 8, 9};
    assert_int_equal(shot.receiver_count, sizeof(kept) / sizeof(*kept));
    for (size_t i = 0; i < shot.receiver_count; i++) {
        assert_int_equal(shot.rows[i], kept[i]);
        assert_true(shot.receivers[i].x == 100 * (double)kept[i]);
    }
    bench_close(&survey, &shot);
}

/* mixed.segy: the shots of two files, whose traces have not one length any more. */
static void data_join(const char *one, const char *other)
{
    size_t size, more;
    char *bytes = scratch_read(one, &size), *behind = scratch_read(other, &more);
    bytes[3503] = 0;
    FILE *file = fopen("mixed.segy", "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, size, 1, file), 1);
    assert_int_equal(fwrite(behind + 3600, more - 3600, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    free(bytes);
    free(behind);
}

/* slow.segy: one shot that is sampled every 8 ms. */
static void data_slow(int shot)
{
    size_t size;
    bench_data("slow.segy", shot, 1, 25, 0);
    char *bytes = scratch_read("slow.segy", &size);
    for (size_t at = 3600; at < size; at += 240 + 4 * 25)
        memcpy(bytes + at + 116, "\x1f\x40", 2);
    memcpy(bytes + 3216, "\x1f\x40", 2);
    scratch_write("slow.segy", bytes, size);
    free(bytes);
}

static void shots_that_are_not_picked_do_not_count(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t samples;
    } table[] = {
        {"\"paths\": [\"a.segy\", \"long.segy\", \"slow.segy\"], \"shots\": [1001, 1000]", 25},
        {"\"paths\": [\"long.segy\", \"a.segy\"], \"shots\": [1000]", 25},
        {"\"paths\": [\"long.segy\", \"a.segy\"], \"shots\": [1003]", 40},
        {"\"paths\": [\"mixed.segy\"], \"shots\": [1000, 1001]", 25},
        {"\"paths\": [\"slow.segy\", \"mixed.segy\"], \"shots\": [1002]", 40},
    };
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
    bench_data("long.segy", 2, 2, 40, 0);
    data_join("a.segy", "long.segy");
    data_slow(4);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct survey survey;
        struct shot shot;
        char text[400];
        snprintf(text, sizeof(text), "{\"data\": {%s}, " MODEL ", " WAVELET "}", table[i].data);
        bench_open(text, &survey);
        assert_int_equal(survey.record.samples, table[i].samples);
        assert_true(survey.record.interval_s == 4e-3);
        bench_shot(&survey, 0, &shot);
        bench_close(&survey, &shot);
    }
    bench_refused("{\"data\": {\"paths\": [\"mixed.segy\"], \"shots\": [1001, 1002]}, " MODEL
                  ", " WAVELET "}",
                  "mixed.segy: shot 1001, trace 5 (header at byte 4960) has 25 samples where "
                  "40 are wanted");
    bench_refused(
        "{\"data\": {\"paths\": [\"slow.segy\", \"a.segy\"], \"shots\": [1001, 1004]}, " MODEL
        ", " WAVELET "}",
        "a.segy: is sampled every 4 ms from 8 ms on, but slow.segy every 8 ms from 8 ms on");
}

/* Not where it lies while a task runs. */
static void a_bad_sample_is_in_the_file_that_the_survey_names(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    struct error error = {0};
    float traces[4 * 25];
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
    int fd = open("a.segy", O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\x7f\xc0\0\0", 4, 3600 + 5 * 340 + 240 + 8), 4);
    close(fd);
    scratch_text("survey.json", "{\"data\": \"a.segy\", " MODEL ", " WAVELET "}");
    assert_int_equal(survey_open("././survey.json", 0, NULL, &survey, &error), 0);
    bench_shot(&survey, 1, &shot);
    assert_int_equal(survey_data_read(&survey, &shot, traces, &error), -1);
    if (strncmp(error.text, "a.segy: shot 1001, trace 6 ", 27) != 0)
        fail_msg("%s", error.text);
    bench_close(&survey, &shot);
}

static void zeroes_put(const char *path, int trace, int first, int count)
{
    static const char zeroes[100];
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(
        pwrite(fd, zeroes, 4 * (size_t)count, 3600 + trace * 340 + 240 + 4 * first), 4 * count);
    close(fd);
}

static void data_are_zero_where_nothing_that_counts_is_not(void **state)
{
    (void)state;
    struct survey survey;
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
    for (int trace = 0; trace < 8; trace++) {
        bench_open("{\"data\": \"a.segy\", " MODEL ", " WAVELET "}", &survey);
        assert_false(survey_data_are_zero(&survey, 1000));
        survey_close(&survey);
        /* The last one keeps a sample: 4 ms a sample from 8 ms on, so at 48 ms. */
        zeroes_put("a.segy", trace, 0, trace < 7 ? 25 : 10);
        zeroes_put("a.segy", trace, trace < 7 ? 0 : 11, trace < 7 ? 25 : 14);
    }
    bench_open("{\"data\": \"a.segy\", " MODEL ", " WAVELET "}", &survey);
    assert_false(survey_data_are_zero(&survey, 1000));
    survey_close(&survey);
    /* At that receiver, 90.6 m away, the line comes at 60 or 160 ms. */
    for (int late = 0; late < 2; late++) {
        bench_open(late ? "{\"data\": \"a.segy\", " MODEL ", " WAVELET
                          ", \"mute\": {\"keep\": \"turning\", \"velocity_m_s\": 1500, "
                          "\"delay_s\": 0.1, \"taper_s\": 0}}"
                        : "{\"data\": \"a.segy\", " MODEL ", " WAVELET
                          ", \"mute\": {\"keep\": \"reflections\", \"velocity_m_s\": 1500, "
                          "\"delay_s\": 0, \"taper_s\": 0}}",
                   &survey);
        assert_int_equal(survey_data_are_zero(&survey, 1000), !late);
        survey_close(&survey);
    }
    zeroes_put("a.segy", 7, 0, 25);
    bench_open("{\"data\": \"a.segy\", " MODEL ", " WAVELET "}", &survey);
    assert_true(survey_data_are_zero(&survey, 8 * 25));
    assert_false(survey_data_are_zero(&survey, 8 * 25 - 1)); /* nobody knows */
    survey_close(&survey);
}

static void changed_data_are_noticed(void **state)
{
    (void)state;
    struct survey survey;
    struct shot shot;
    struct error error = {0};
    float traces[4 * 25];
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
    bench_open("{\"data\": \"a.segy\", " MODEL ", " WAVELET "}", &survey);
    bench_data("a.segy", 0, 2, 25, 5);
    bench_shot(&survey, 1, &shot);
    assert_int_equal(survey_data_read(&survey, &shot, traces, &error), -1);
    assert_non_null(strstr(error.text, "shot 1001: a.segy: trace 6"));
    assert_non_null(strstr(error.text, "has changed since the file was indexed"));
    bench_close(&survey, &shot);
}

static void what_a_survey_writes_it_reads(void **state)
{
    (void)state;
    struct survey survey, again;
    struct shot shot, same;
    struct error error = {0};
    float traces[11 * 126], read[11 * 126];
    bench_model(0, 1500);
    bench_open("{" MODEL ", " WAVELET ", " LINES ", " RECORD "}", &survey);
    for (int i = 0; i < 11 * 126; i++)
        traces[i] = (float)i * 0.25f;
    bench_shot(&survey, 2, &shot);
    assert_int_equal(survey_traces_write(&survey, &shot, traces, "out.segy", &error), 0);
    bench_open("{\"data\": \"out.segy\", " MODEL ", " WAVELET "}", &again);
    bench_shot(&again, 0, &same);
    assert_string_equal(same.name, shot.name);
    assert_int_equal(same.receiver_count, shot.receiver_count);
    assert_memory_equal(same.sources, shot.sources, sizeof(*shot.sources));
    assert_memory_equal(same.receivers, shot.receivers,
                        shot.receiver_count * sizeof(*shot.receivers));
    assert_int_equal(survey_data_read(&again, &same, read, &error), 0);
    assert_memory_equal(read, traces, sizeof(read));
    survey_shot_close(&shot);
    bench_close(&again, &same);
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
    bench_open("{\"model\": {\"velocity\": \"slow.json\", \"density\": 2100}, " WAVELET
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
    bench_model(0, 1500);
    scratch_text("r.csv", "shot, x , z\n7, 10 ,20\n7,30,20\n8,50,20\n");
    scratch_text("w.txt", "# three\n0, 1.5\n-2e-1\n");
    bench_open(
        "{" MODEL ", " RECORD
        ", \"wavelet\": {\"kind\": \"sampled\", \"path\": \"w.txt\", \"interval_ms\": 2}, "
        "\"geometry\": {\"sources\": {\"points\": [[100, 10], [200, 10]]}, \"receivers\": "
        "{\"csv\": \"r.csv\"}}}",
        &survey);
    assert_int_equal(survey.wavelet.count, 3);
    assert_true(survey.wavelet.values[1] == 1.5f && survey.wavelet.interval_s == 2e-3);
    assert_int_equal(survey.receivers_max, 2);
    bench_shot(&survey, 1, &shot);
    assert_int_equal(shot.receiver_count, 1);
    assert_true(shot.receivers[0].x == 50);
    assert_string_equal(shot.name, "8"); /* as the table calls it */
    bench_close(&survey, &shot);
    scratch_text("w.txt", "1 x 2");
    bench_refused(
        "{" MODEL ", " RECORD ", " LINES
        ", \"wavelet\": {\"kind\": \"sampled\", \"path\": \"w.txt\", \"interval_ms\": 2}}",
        "w.txt:1: \"x\" is no number");
}

static void wavelets_of_files_say_when_they_begin(void **state)
{
    (void)state;
    struct survey survey;
    bench_model(0, 1500);
    bench_data("wavelet.segy", 0, 1, 25, 0); /* from 8 ms on */
    bench_open("{" MODEL ", " RECORD ", " LINES
               ", \"wavelet\": {\"kind\": \"sampled\", \"path\": \"wavelet.segy\"}}",
               &survey);
    assert_true(fabs(survey.wavelet.delay_s - 0.008) < 1e-12);
    survey_close(&survey);
    bench_refused(
        "{" MODEL ", " RECORD ", " LINES
        ", \"wavelet\": {\"kind\": \"sampled\", \"path\": \"wavelet.segy\", \"delay_s\": 0.1}}",
        "$.wavelet.delay_s: is 0.1, but the header of wavelet.segy says 0.008 s");
    bench_refused(
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
        bench_refused("{" MODEL ", " RECORD ", " LINES ", \"wavelet\": {\"kind\": \"sampled\", "
                      "\"path\": \"pairs.txt\", \"interval_ms\": 4}}",
                      pairs[i][1]);
    }
    static const char *const plain[] = {"0,1,2,1", "0, 1\n2, 1, 0\n", "0 1\n2 1\n0",
                                        "0,\n1,\n2"};
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        scratch_text("plain.txt", plain[i]);
        bench_open("{" MODEL ", " RECORD ", " LINES ", \"wavelet\": {\"kind\": \"sampled\", "
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
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
    bench_data("b.segy", 2, 2, 25, 0);
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
    bench_shot(&survey, 1, &shot);
    assert_true(shot.sources[0].x == 1100 && shot.sources[0].z == 20);
    assert_int_equal(shot.receiver_count, 120);
    assert_true(shot.receivers[0].x == 50 && shot.receivers[0].z == 50);
    float *traces = calloc(120 * 501, sizeof(*traces));
    assert_int_equal(survey_data_read(&survey, &shot, traces, &error), 0);
    free(traces);
    bench_close(&survey, &shot);
}
/* `name` is that of the second of three shots. */
static void expect_name(const char *table, const char *name)
{
    struct survey survey;
    struct shot shot;
    scratch_text("s.csv", table);
    bench_open("{" MODEL ", " RECORD ", " WAVELET
               ", \"geometry\": {\"sources\": {\"csv\": \"s.csv\"}, \"receivers\": "
               "{\"points\": [[10, 20]]}}}",
               &survey);
    assert_int_equal(survey.shot_count, 3);
    bench_shot(&survey, 1, &shot);
    assert_string_equal(shot.name, name);
    bench_close(&survey, &shot);
}

static void shots_are_called_what_their_table_calls_them(void **state)
{
    (void)state;
    bench_model(0, 1500);
    expect_name("shot,x,z\n7,10,10\n9,30,10\n8,50,10\n", "9");
    expect_name("shot,x,z\n7,10,10\n9,30,10\n7,50,10\n", "9@2"); /* two are called 7 */
    expect_name("shot,x,z\n7,10,10\n9.5,30,10\n8,50,10\n", "2");
    expect_name("shot,x,z\n7,10,10\n9e9,30,10\n8,50,10\n", "2");
    expect_name("x,z\n10,10\n30,10\n50,10\n", "2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_lines_are_a_survey),
        cmocka_unit_test(steps_to_image_are_chosen_by_what_waves_and_data_hold),
        cmocka_unit_test(traces_are_read_shot_by_shot),
        cmocka_unit_test(receivers_near_to_a_source_are_left_out),
        cmocka_unit_test(data_are_zero_where_nothing_that_counts_is_not),
        cmocka_unit_test(shots_that_are_not_picked_do_not_count),
        cmocka_unit_test(a_bad_sample_is_in_the_file_that_the_survey_names),
        cmocka_unit_test(changed_data_are_noticed),
        cmocka_unit_test(what_a_survey_writes_it_reads),
        cmocka_unit_test(units_and_numbers_become_fields),
        cmocka_unit_test(tables_and_wavelets_are_read_from_files),
        cmocka_unit_test(wavelets_of_files_say_when_they_begin),
        cmocka_unit_test(files_are_listed_as_the_survey_names_them),
        cmocka_unit_test(files_of_judi_are_read),
        cmocka_unit_test(shots_are_called_what_their_table_calls_them),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
