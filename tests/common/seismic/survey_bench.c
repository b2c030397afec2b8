#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/seismic/segy_write.h"
#include "tests/common/seismic/survey_bench.h"
#include "tests/scratch.h"

void bench_model(size_t at, float odd)
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

void bench_data(const char *path, int first, int shots, uint32_t samples, double receiver_y)
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

void bench_refused(const char *text, const char *part)
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

void bench_open(const char *text, struct survey *survey)
{
    struct error error = {0};
    scratch_text("survey.json", text);
    if (survey_open("survey.json", SURVEY_CHECK, NULL, survey, &error) < 0)
        fail_msg("%s: %s", error.text, text);
}

void bench_shot(const struct survey *survey, size_t index, struct shot *shot)
{
    struct error error = {0};
    if (survey_shot_open(survey, index, shot, &error) < 0)
        fail_msg("%s", error.text);
}

void bench_close(struct survey *survey, struct shot *shot)
{
    survey_shot_close(shot);
    survey_close(survey);
}
