/*
 * Indices of SEG-Y files: shots told apart, kept, made again.
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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/seismic/segy_index.h"
#include "tests/common/seismic/segy_bench.h"
#include "tests/scratch.h"

static const char path[] = "a.segy";

/* Traces of shots at x = 100, 200, 300, of which each has `receivers`, shot by shot or all
 * mixed. */
static void write_file(struct segy_bench *bench, int receivers, bool mixed)
{
    segy_bench_init(bench, false);
    segy_bench_binary(bench, 1, 3, 10, 2000);
    for (int i = 0; i < 3 * receivers; i++) {
        int shot = mixed ? i % 3 : i / receivers, receiver = mixed ? i / 3 : i % receivers;
        segy_bench_trace(bench, 3, 0, 50 + shot, 100 + 100 * shot, 10 * receiver, 10);
    }
    segy_bench_save(bench, path);
}

#define TRACE (240 + 2 * 10)

static struct segy_index *open_index(const struct segy_geometry *geometry)
{
    struct error error = {0};
    struct segy_index *index = segy_index_open(path, geometry, NULL, &error);
    if (!index)
        fail_msg("%s", error.text);
    return index;
}

static void check_shots(const struct segy_index *index, int receivers)
{
    struct error error;
    assert_int_equal(segy_index_describe(index)->shots, 3);
    assert_int_equal(segy_index_describe(index)->traces, 3 * receivers);
    assert_true(segy_index_describe(index)->interval_s == 2e-3);
    for (int i = 0; i < 3; i++) {
        const struct segy_index_shot *shot = &segy_index_shots(index)[i];
        const struct segy_index_trace *traces = segy_index_traces(index, shot, &error);
        assert_int_equal(shot->number, 50 + i);
        assert_true(shot->source.x == 100 + 100 * i);
        assert_int_equal(shot->count, receivers);
        for (int k = 0; k < receivers; k++)
            assert_true(traces[k].receiver.x == 10 * k);
    }
}

static void traces_of_a_shot_are_found_wherever_they_are(void **state)
{
    (void)state;
    for (int mixed = 0; mixed < 2; mixed++) {
        struct segy_bench bench;
        struct segy_geometry geometry;
        segy_geometry_init(&geometry);
        write_file(&bench, 40, mixed);
        struct segy_index *index = open_index(&geometry);
        check_shots(index, 40);
        segy_index_close(index);
        segy_bench_fini(&bench);
    }
}

/* Time of the last change of what keeps the index, in nanoseconds. */
static int64_t kept_at(const struct segy_index *index)
{
    struct stat status;
    assert_non_null(segy_index_path(index));
    assert_int_equal(stat(segy_index_path(index), &status), 0);
    return (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec +
           (int64_t)status.st_ino;
}

static void an_index_is_kept_until_the_file_changes(void **state)
{
    (void)state;
    struct segy_bench bench;
    struct segy_geometry geometry;
    segy_geometry_init(&geometry);
    write_file(&bench, 5, false);
    struct segy_index *index = open_index(&geometry);
    int64_t first = kept_at(index);
    segy_index_close(index);
    /* A copy with another time of change has the same headers, if it may be one. */
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    geometry.copy = true;
    index = open_index(&geometry);
    assert_int_equal(kept_at(index), first);
    segy_index_close(index);
    geometry.copy = false;
    index = open_index(&geometry);
    assert_int_not_equal(kept_at(index), first);
    first = kept_at(index);
    segy_index_close(index);
    /* A header has changed, at the same size. */
    segy_bench_put(&bench, 3600 + 4 * TRACE + 81, 4, 77);
    segy_bench_save(&bench, path);
    index = open_index(&geometry);
    assert_int_not_equal(kept_at(index), first);
    struct error error;
    assert_true(segy_index_traces(index, segy_index_shots(index), &error)[4].receiver.x == 77);
    segy_index_close(index);
    segy_bench_fini(&bench);
    /* Of many headers one has changed, which no sample of them has. */
    write_file(&bench, 100, false);
    segy_index_close(open_index(&geometry));
    segy_bench_put(&bench, 3600 + 99 * TRACE + 81, 4, 77);
    segy_bench_save(&bench, path);
    index = open_index(&geometry);
    assert_true(segy_index_traces(index, segy_index_shots(index), &error)[99].receiver.x == 77);
    segy_index_close(index);
    segy_bench_fini(&bench);
}

static void a_damaged_index_is_made_again(void **state)
{
    (void)state;
    struct segy_bench bench;
    struct segy_geometry geometry;
    char kept[300];
    segy_geometry_init(&geometry);
    write_file(&bench, 5, false);
    struct segy_index *index = open_index(&geometry);
    snprintf(kept, sizeof(kept), "%s", segy_index_path(index));
    segy_index_close(index);
    assert_int_equal(truncate(kept, 200), 0);
    index = open_index(&geometry);
    check_shots(index, 5);
    segy_index_close(index);
    assert_int_equal(truncate(kept, 0), 0);
    index = open_index(&geometry);
    check_shots(index, 5);
    segy_index_close(index);
    segy_bench_fini(&bench);
}

/* Turn a bit of the file, and leave its times as they are. */
static void bit_flip(const char *name, off_t at)
{
    uint8_t byte;
    int fd = open(name, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void an_index_with_any_bit_flipped_is_made_again(void **state)
{
    struct segy_bench bench;
    struct segy_geometry geometry;
    struct stat status;
    char kept[300];
    (void)state;
    segy_geometry_init(&geometry);
    write_file(&bench, 2, true); /* runs of one trace */
    struct segy_index *index = open_index(&geometry);
    snprintf(kept, sizeof(kept), "%s", segy_index_path(index));
    segy_index_close(index);
    assert_int_equal(stat(kept, &status), 0);
    for (off_t at = 0; at < status.st_size; at += 5) {
        geometry.copy = at % 2;
        bit_flip(kept, at);
        index = open_index(&geometry);
        check_shots(index, 2);
        segy_index_close(index);
    }
    segy_bench_fini(&bench);
}

/* Too large to be looked at whole by those who need one shot of it. */
static void a_damaged_record_of_a_large_index_is_found_when_it_is_asked_for(void **state)
{
    struct segy_bench bench;
    struct segy_geometry geometry;
    struct stat status;
    struct error error = {0};
    char kept[300];
    (void)state;
    segy_geometry_init(&geometry);
    write_file(&bench, 30000, false);
    struct segy_index *index = open_index(&geometry);
    snprintf(kept, sizeof(kept), "%s", segy_index_path(index));
    segy_index_close(index);
    assert_int_equal(stat(kept, &status), 0);
    assert_true(status.st_size > 4 << 20);
    bit_flip(kept, status.st_size - 1000);
    index = open_index(&geometry);
    assert_true(segy_index_is_mended(index));
    segy_index_close(index);
    bit_flip(kept, status.st_size - 1000);
    geometry.copy = true;
    index = open_index(&geometry);
    assert_non_null(segy_index_traces(index, &segy_index_shots(index)[1], &error));
    assert_null(segy_index_traces(index, &segy_index_shots(index)[2], &error));
    assert_non_null(strstr(error.text, "damaged; it was removed"));
    segy_index_close(index);
    index = open_index(&geometry);
    assert_false(segy_index_is_mended(index));
    check_shots(index, 30000);
    segy_index_close(index);
    segy_bench_fini(&bench);
}

static void where_no_index_can_be_kept_it_is_made_all_the_same(void **state)
{
    (void)state;
    struct segy_bench bench;
    struct segy_geometry geometry;
    struct error error = {0};
    segy_geometry_init(&geometry);
    write_file(&bench, 5, true);
    struct segy_index *index = segy_index_open(path, &geometry, "/dev/null", &error);
    assert_non_null(index);
    assert_null(segy_index_path(index));
    check_shots(index, 5);
    segy_index_close(index);
    segy_bench_fini(&bench);
}

static void expect(const struct segy_geometry *geometry, const char *part)
{
    struct error error = {0};
    struct segy_index *index = segy_index_open(path, geometry, NULL, &error);
    if (index || !strstr(error.text, part) || strncmp(error.text, path, strlen(path)) != 0)
        fail_msg("\"%s\" where \"%s\" was expected", error.text, part);
}

static void what_contradicts_itself_is_named(void **state)
{
    (void)state;
    struct segy_bench bench;
    struct segy_geometry plain, by_word;
    segy_geometry_init(&plain);
    segy_geometry_init(&by_word);
    by_word.by_word = true;
    by_word.segy.words[SEGY_SHOT] = (struct segy_place){SEGY_PLACE, 17, SEGY_INT32, 0};
    write_file(&bench, 5, false);
    expect(&by_word,
           "shot 0, trace 6 (header at byte 4900): its source is at (200, 0, 0), that of "
           "the shot's first trace at (100, 0, 0)");
    segy_bench_put(&bench, 3600 + 3 * TRACE + 109, 2, 8);
    segy_bench_save(&bench, path);
    expect(&plain,
           "shot 50, trace 4 (header at byte 4380): is sampled every 2 ms from 8 ms on, "
           "traces before it every 2 ms from 0 ms on");
    for (int i = 0; i < 15; i++)
        segy_bench_put(&bench, (uint64_t)(3600 + i * TRACE + 29), 2, 2);
    segy_bench_save(&bench, path);
    expect(&plain, "all its traces are dead or auxiliary ones");
    bench.bytes.size = 3600;
    segy_bench_save(&bench, path);
    expect(&plain, "there are no traces in it");
    segy_bench_fini(&bench);
}

/* The same with one trace's source elsewhere: the first of a shot, one within, the last of all. */
static void a_single_trace_with_another_source_is_no_shot(void **state)
{
    (void)state;
    static const int odd[] = {5, 7, 14};
    struct segy_bench bench;
    struct segy_geometry plain;
    struct error error = {0};
    char sentence[200];
    segy_geometry_init(&plain);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        int shot = odd[i] / 5;
        write_file(&bench, 5, false);
        segy_bench_put(&bench, (uint64_t)(3600 + odd[i] * TRACE + 73), 4, 777);
        segy_bench_save(&bench, path);
        snprintf(sentence, sizeof sentence,
                 "shot %d, trace %d (header at byte %d): its source is at (777, 0, 0), that of "
                 "the 4 other traces with this number around it at (%d, 0, 0)",
                 50 + shot, odd[i] + 1, 3600 + odd[i] * TRACE, 100 + 100 * shot);
        expect(&plain, sentence);
        segy_bench_fini(&bench);
    }
    /* Where all traces have one number it tells nothing: sources alone tell shots apart. */
    write_file(&bench, 5, false);
    for (int k = 0; k < 15; k++)
        segy_bench_put(&bench, (uint64_t)(3600 + k * TRACE + 9), 4, 1);
    segy_bench_put(&bench, 3600 + 7 * TRACE + 73, 4, 777);
    segy_bench_save(&bench, path);
    struct segy_index *index = segy_index_open(path, &plain, NULL, &error);
    assert_non_null(index);
    assert_int_equal(segy_index_describe(index)->shots, 4);
    segy_index_close(index);
    segy_bench_fini(&bench);
    /* Gathers of receivers: a number in a row has many sources, one trace each. */
    write_file(&bench, 5, false);
    for (int k = 0; k < 15; k++)
        segy_bench_put(&bench, (uint64_t)(3600 + k * TRACE + 73), 4, 10 * k);
    segy_bench_save(&bench, path);
    index = segy_index_open(path, &plain, NULL, &error);
    assert_non_null(index);
    assert_int_equal(segy_index_describe(index)->shots, 15);
    segy_index_close(index);
    segy_bench_fini(&bench);
}

static void nobody_is_waited_for_at_a_fifo(void **state)
{
    (void)state;
    struct segy_geometry plain;
    segy_geometry_init(&plain);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect(&plain, "is not a regular file");
    unlink(path);
}

static void coordinates_are_turned_and_depths_counted_down(void **state)
{
    (void)state;
    struct segy_bench bench;
    struct segy_geometry geometry;
    struct error error;
    segy_geometry_init(&geometry);
    segy_bench_init(&bench, false);
    segy_bench_binary(&bench, 1, 3, 10, 2000);
    uint64_t at = segy_bench_trace(&bench, 3, 0, 1, 1000, 1300, 10) - 1;
    segy_bench_put(&bench, at + 41, 4, (uint32_t)-80); /* receiver elevation */
    segy_bench_put(&bench, at + 45, 4, 10);            /* surface at the source */
    segy_bench_put(&bench, at + 49, 4, 15);            /* source below it */
    segy_bench_put(&bench, at + 77, 4, 500);           /* source y */
    segy_bench_put(&bench, at + 85, 4, 900);           /* receiver y */
    segy_bench_save(&bench, path);
    geometry.origin_x = 1000;
    geometry.origin_y = 500;
    geometry.azimuth_deg = atan2(300, 400) * 180 / M_PI; /* 300 east, 400 north */
    geometry.datum = 10;                                 /* z = 0 is 10 m above sea level */
    struct segy_index *index = open_index(&geometry);
    const struct segy_index_shot *shot = segy_index_shots(index);
    const struct segy_index_trace *trace = segy_index_traces(index, shot, &error);
    assert_true(fabs(shot->source.x) < 1e-9 && fabs(shot->source.y) < 1e-9);
    assert_true(shot->source.z == 15);
    assert_true(fabs(trace->receiver.x - 500) < 1e-9 && fabs(trace->receiver.y) < 1e-9);
    assert_true(trace->receiver.z == 90);
    segy_index_close(index);
    geometry.down = true;
    geometry.datum = 0;
    index = open_index(&geometry);
    assert_true(segy_index_shots(index)->source.z == 25);
    segy_index_close(index);
    segy_bench_fini(&bench);
}

static void delays_are_scaled(void **state)
{
    (void)state;
    static const struct {
        unsigned revision;
        int delay, scalar;
        double seconds; /* NAN: refused */
    } table[] = {{1, 400, 0, 0.4},         {1, 400, -10, 0.04},   {1, -4, 10, -0.04},
                 {1, 400, 1, 0.4},         {2, 123, -10, 0.0123}, {0, 400, -10, 0.4},
                 {1, 400, 7, (double)NAN}, {1, 0, 7, 0}};
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct segy_bench bench;
        struct segy_trace trace;
        struct error error = {0};
        double seconds = -1;
        segy_bench_init(&bench, false);
        segy_bench_binary(&bench, table[i].revision, 5, 2, 4000);
        segy_bench_trace(&bench, 5, 0, 1, 0, 0, 2);
        segy_bench_put(&bench, 3600 + 109, 2, (uint16_t)table[i].delay);
        segy_bench_put(&bench, 3600 + 215, 2, (uint16_t)table[i].scalar);
        segy_bench_save(&bench, path);
        struct segy *segy = segy_open(path, &(struct segy_options){0}, &error);
        assert_int_equal(segy_next(segy, &trace, &error), 1);
        int rc = segy_delay(segy, &trace, &seconds, &error);
        assert_int_equal(rc, isnan(table[i].seconds) ? -1 : 0);
        if (rc < 0)
            assert_non_null(
                strstr(error.text, "scalar of times (byte 215) is 7, which is none"));
        else
            assert_true(fabs(seconds - table[i].seconds) < 1e-15);
        segy_close(segy);
        segy_bench_fini(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traces_of_a_shot_are_found_wherever_they_are),
        cmocka_unit_test(an_index_is_kept_until_the_file_changes),
        cmocka_unit_test(a_damaged_index_is_made_again),
        cmocka_unit_test(an_index_with_any_bit_flipped_is_made_again),
        cmocka_unit_test(a_damaged_record_of_a_large_index_is_found_when_it_is_asked_for),
        cmocka_unit_test(where_no_index_can_be_kept_it_is_made_all_the_same),
        cmocka_unit_test(what_contradicts_itself_is_named),
        cmocka_unit_test(a_single_trace_with_another_source_is_no_shot),
        cmocka_unit_test(nobody_is_waited_for_at_a_fifo),
        cmocka_unit_test(coordinates_are_turned_and_depths_counted_down),
        cmocka_unit_test(delays_are_scaled),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
