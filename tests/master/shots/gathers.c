#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/seismic/segy_write.h"
#include "master/shots/gathers.h"

#define FILES 3

struct bench {
    char folder[40];
    char paths[FILES][80], joined[80], temporary[80];
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    strcpy(bench->folder, "/tmp/beofarm-gathers-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    for (int i = 0; i < FILES; i++)
        snprintf(bench->paths[i], sizeof(bench->paths[i]), "%s/%d.segy", bench->folder, i);
    snprintf(bench->joined, sizeof(bench->joined), "%s/joined.segy", bench->folder);
    snprintf(bench->temporary, sizeof(bench->temporary), "%s/growing", bench->folder);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < FILES; i++)
        unlink(bench->paths[i]);
    unlink(bench->joined);
    assert_int_equal(rmdir(bench->folder), 0);
    free(bench);
    return 0;
}

static void gather_write(const char *path, int revision, int shot, uint32_t traces,
                         uint32_t samples)
{
    const struct segy_write_format format = {.revision = revision,
                                             .samples = samples,
                                             .interval_us = 4000,
                                             .traces = traces,
                                             .title = "a gather"};
    float values[64];
    struct segy_writer *writer = segy_write_open(path, &format, NULL);
    assert_non_null(writer);
    for (uint32_t t = 0; t < traces; t++) {
        const struct segy_write_trace trace = {.shot = shot,
                                               .channel = t + 1,
                                               .source = {100 * shot, 0, 5},
                                               .receiver = {10 * t, 0, 10}};
        for (uint32_t i = 0; i < samples; i++)
            values[i] = (float)(1000 * shot + (int)t) + (float)i / 64;
        assert_int_equal(segy_write_next(writer, &trace, values, NULL), 0);
    }
    assert_int_equal(segy_write_commit(writer, NULL), 0);
}

static const char *const *list(const struct bench *bench)
{
    static const char *paths[FILES];
    for (int i = 0; i < FILES; i++)
        paths[i] = bench->paths[i];
    return paths;
}

static void joined_check(const struct bench *bench, uint64_t wanted)
{
    const struct segy_options options = {0};
    struct segy_trace trace;
    struct error error;
    struct segy *segy = segy_open(bench->joined, &options, &error);
    assert_non_null(segy);
    uint64_t count = 0;
    float values[64];
    int shot = 1, channel = 0;
    segy_rewind(segy);
    while (segy_next(segy, &trace, &error) > 0) {
        if (channel == shot + 1) {
            shot++;
            channel = 0;
        }
        assert_int_equal(segy_samples_read(segy, &trace, 0, trace.samples, values, &error), 0);
        assert_true(values[3] == (float)(1000 * shot + channel) + 3.0f / 64);
        assert_true(segy_word(segy, &trace, SEGY_SHOT) == shot);
        count++;
        assert_int_equal((trace.header[2] << 8) + trace.header[3], count);
        channel++;
    }
    assert_int_equal(count, wanted);
    if (segy_describe(segy)->traces)
        assert_int_equal(segy_describe(segy)->traces, wanted);
    segy_close(segy);
}

static void gathers_follow_each_other(void **state)
{
    const struct bench *bench = *state;
    for (int revision = 1; revision <= 2; revision++) {
        uint64_t traces;
        struct error error;
        for (int i = 0; i < FILES; i++)
            gather_write(bench->paths[i], revision, i + 1, (uint32_t)i + 2, 30);
        assert_int_equal(
            gathers_join(list(bench), FILES, bench->joined, bench->temporary, &traces, &error),
            0);
        assert_int_equal(traces, 2 + 3 + 4);
        joined_check(bench, traces);
    }
}

static void gathers_that_do_not_fit_leave_nothing(void **state)
{
    const struct bench *bench = *state;
    uint64_t traces;
    struct error error;
    for (int i = 0; i < FILES; i++)
        gather_write(bench->paths[i], 1, i + 1, 2, i == 2 ? 31 : 30);
    assert_int_equal(
        gathers_join(list(bench), FILES, bench->joined, bench->temporary, &traces, &error), -1);
    assert_non_null(strstr(error.text, "2.segy"));
    assert_int_equal(access(bench->joined, F_OK), -1);
    assert_int_equal(truncate(bench->paths[2], 3700), 0);
    assert_int_equal(
        gathers_join(list(bench), FILES, bench->joined, bench->temporary, &traces, &error), -1);
    unlink(bench->paths[2]);
    assert_int_equal(
        gathers_join(list(bench), FILES, bench->joined, bench->temporary, &traces, &error), -1);
    assert_int_equal(access(bench->joined, F_OK), -1);
}

static const uint64_t expected[FILES] = {2, 3, 4};

static void gathers_are_laid_in_any_order(void **state)
{
    const struct bench *bench = *state;
    for (int revision = 1; revision <= 2; revision++) {
        struct error error;
        for (int i = 0; i < FILES; i++)
            gather_write(bench->paths[i], revision, i + 1, (uint32_t)i + 2, 30);
        struct gathers *gathers =
            gathers_create(bench->joined, bench->temporary, expected, FILES, &error);
        assert_non_null(gathers);
        unlink(bench->joined);
        assert_int_equal(gathers_lay(gathers, 2, bench->paths[2], &error), 0);
        assert_int_equal(gathers_lay(gathers, 0, bench->paths[0], &error), 0);
        gathers_push(gathers);
        assert_false(gathers_are_whole(gathers));
        assert_int_equal(access(bench->joined, F_OK), -1);
        assert_int_equal(gathers_lay(gathers, 1, bench->paths[1], &error), 0);
        assert_true(gathers_are_whole(gathers));
        assert_int_equal(gathers_commit(gathers, &error), 0);
        joined_check(bench, 2 + 3 + 4);
    }
}

/* Traces (of how many samples) in place of the 3 of 30 that file 1 is to have. */
static void misfit_is_refused(const struct bench *bench, uint32_t traces, uint32_t samples)
{
    struct error error;
    for (int i = 0; i < FILES; i++)
        gather_write(bench->paths[i], 2, i + 1, i == 1 ? traces : (uint32_t)i + 2,
                     i == 1 ? samples : 30);
    struct gathers *gathers =
        gathers_create(bench->joined, bench->temporary, expected, FILES, &error);
    assert_int_equal(gathers_lay(gathers, 2, bench->paths[2], &error), 0);
    assert_int_equal(gathers_lay(gathers, 1, bench->paths[1], &error), -1);
    assert_non_null(strstr(error.text, "1.segy"));
    assert_false(gathers_are_whole(gathers));
    gathers_abandon(gathers);
    assert_int_equal(access(bench->joined, F_OK), -1);
}

static void gathers_that_are_not_as_expected_are_not_laid(void **state)
{
    const struct bench *bench = *state;
    misfit_is_refused(bench, 2, 30);
    misfit_is_refused(bench, 4, 30);
    misfit_is_refused(bench, 3, 31);
}

static void a_gather_is_laid_once(void **state)
{
    const struct bench *bench = *state;
    struct error error;
    for (int i = 0; i < FILES; i++)
        gather_write(bench->paths[i], 1, i + 1, (uint32_t)i + 2, 30);
    struct gathers *gathers =
        gathers_create(bench->joined, bench->temporary, expected, FILES, &error);
    assert_int_equal(gathers_lay(gathers, 0, bench->paths[0], &error), 0);
    assert_int_equal(gathers_lay(gathers, 0, bench->paths[0], &error), -1);
    assert_int_equal(gathers_lay(gathers, FILES, bench->paths[1], &error), -1);
    gathers_abandon(gathers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gathers_that_do_not_fit_leave_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(gathers_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(gathers_are_laid_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(gathers_that_are_not_as_expected_are_not_laid, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_gather_is_laid_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
