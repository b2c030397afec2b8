/* What is hardly meant in a survey, and remarked: odd settings, traces that stand there twice. */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/seismic/survey.h"
#include "tests/common/seismic/survey_bench.h"
#include "tests/scratch.h"

static void keep(void *context, const char *sentence)
{
    snprintf(context, ERROR_TEXT_MAX, "%s", sentence);
}

/* That the survey opens, and is remarked with a sentence that has `part`, or not at all (""). */
static void expect_remark(const char *text, const char *part)
{
    struct survey survey;
    char said[ERROR_TEXT_MAX] = "";
    bench_open(text, &survey);
    survey_remarks(&survey, keep, said);
    if (*part ? !strstr(said, part) : *said)
        fail_msg("\"%s\" where \"%s\" was expected of %s", said, part, text);
    survey_close(&survey);
}

static void expect_shots(const char *text, int count)
{
    struct survey survey;
    bench_open(text, &survey);
    assert_int_equal(survey.shot_count, count);
    survey_close(&survey);
}

static void identical_traces_of_a_shot_are_remarked(void **state)
{
    (void)state;
    const char *twins = "{\"data\": \"twins.segy\", " MODEL ", " WAVELET "}";
    uint8_t trace[340];
    bench_model(0, 1500);
    bench_data("twins.segy", 0, 4, 25, 0);
    int fd = open("twins.segy", O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, trace, sizeof(trace), 3600 + 8 * 340), 340);
    assert_int_equal(pwrite(fd, trace, sizeof(trace), 3600 + 10 * 340), 340);
    expect_remark(twins,
                  "$.data: 1 trace has the receiver and all samples of another one of the "
                  "same shot, and counts twice: in twins.segy, shot 1002, trace 11 those "
                  "of trace 9, at (0, 0, 20) m");
    /* Both are dead. */
    memset(trace + 240, 0, sizeof(trace) - 240);
    assert_int_equal(pwrite(fd, trace, sizeof(trace), 3600 + 8 * 340), 340);
    assert_int_equal(pwrite(fd, trace, sizeof(trace), 3600 + 10 * 340), 340);
    expect_remark(twins, "");
    /* Another component: the same place, other samples. */
    assert_int_equal(pwrite(fd, "\x40\x40\x40\x40", 4, 3600 + 10 * 340 + 240), 4);
    expect_remark(twins, "");
    close(fd);
}

static void identical_traces_in_two_files_are_remarked(void **state)
{
    (void)state;
    const char *both =
        "{\"data\": {\"paths\": [\"one.segy\", \"two.segy\"]}, " MODEL ", " WAVELET "}";
    bench_model(0, 1500);
    bench_data("one.segy", 0, 3, 25, 0);
    bench_data("two.segy", 2, 2, 25, 0);
    expect_shots(both, 5);
    expect_remark(both,
                  "$.data: 4 traces have the receiver and all samples of another one of the "
                  "same shot, and count twice: in two.segy, shot 1002, trace 1 those of "
                  "trace 9 of one.segy, at (0, 0, 20) m");
    /* The same receivers, but what they recorded is not the same. */
    int fd = open("two.segy", O_RDWR | O_CLOEXEC);
    for (int trace = 0; trace < 4; trace++)
        assert_int_equal(pwrite(fd, "\x40\x40\x40\x40", 4, 3600 + trace * 340 + 240), 4);
    close(fd);
    expect_remark(both, "");
}

static void half_a_shot_with_another_source_is_remarked(void **state)
{
    (void)state;
    const char *halves = "{\"data\": \"halves.segy\", " MODEL ", " WAVELET "}";
    const uint8_t elsewhere[] = {0, 0, 1, 44}; /* 300: 3 m or 300 m, as the scalar says */
    bench_model(0, 1500);
    bench_data("halves.segy", 0, 4, 25, 0);
    expect_remark(halves, "");
    int fd = open("halves.segy", O_WRONLY | O_CLOEXEC);
    for (int trace = 6; trace < 8; trace++)
        assert_int_equal(pwrite(fd, elsewhere, 4, 3600 + trace * 340 + 72), 4);
    close(fd);
    expect_shots(halves, 5);
    expect_remark(halves,
                  "of number 1001 in halves.segy, 2 traces are from (150, 0, 10) m and 2 ");
}

#define RECORDED(interval)                                                                     \
    "{" MODEL ", " WAVELET ", " LINES                                                          \
    ", \"record\": {\"length_s\": 0.6, \"interval_ms\": " interval "}}"
/* A Ricker wavelet of 10 Hz has a twentieth of its peak left at 25 Hz. */
static void recording_too_seldom_is_remarked(void **state)
{
    (void)state;
    bench_model(0, 1500);
    expect_remark(RECORDED("18"), "");
    expect_remark(RECORDED("60"),
                  "$.record: a sample every 60 ms is too seldom for waves up to 2");
    expect_remark(RECORDED("60"), "what is above 8.33 Hz is recorded as if it were below");
}

static void what_is_hardly_meant_is_remarked(void **state)
{
    (void)state;
    bench_model(0, 1500);
    bench_data("a.segy", 0, 2, 25, 0);
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
        cmocka_unit_test(half_a_shot_with_another_source_is_remarked),
        cmocka_unit_test(identical_traces_of_a_shot_are_remarked),
        cmocka_unit_test(identical_traces_in_two_files_are_remarked),
        cmocka_unit_test(what_is_hardly_meant_is_remarked),
        cmocka_unit_test(recording_too_seldom_is_remarked),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
