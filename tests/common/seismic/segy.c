/*
 * SEG-Y files of all kinds, and what is wrong with some. Files are made by segy_bench.h.
 */
#include "config.h"

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

#include "common/seismic/segy.h"
#include "common/seismic/segy_write.h"
#include "tests/common/seismic/segy_bench.h"

static char folder[] = "/tmp/beofarm-segy-XXXXXX";
static char path[100];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/a.segy", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static const struct segy_options plain;

static bool lying; /* values are then not looked at */

/* Scan the file at `path`, reading every sample: how many traces, or -1. */
static int scan(const struct segy_options *options, struct error *error)
{
    struct segy *segy = segy_open(path, options, error);
    struct segy_trace trace;
    int got = -1, count = 0;
    while (segy && (got = segy_next(segy, &trace, error)) > 0) {
        float *samples = malloc(trace.samples * sizeof(*samples));
        assert_non_null(samples);
        got = segy_samples_read(segy, &trace, 0, trace.samples, samples, error);
        for (uint32_t k = 0; got == 0 && !lying && k < trace.samples; k++)
            assert_true(samples[k] == (float)(k + 1));
        free(samples);
        if (got < 0)
            break;
        count++;
    }
    segy_close(segy);
    return got < 0 ? -1 : count;
}

/* Three traces of 20 samples every 2 ms, good in every way. */
static void good(struct segy_bench *bench, unsigned revision, unsigned format, bool little)
{
    segy_bench_init(bench, little);
    segy_bench_binary(bench, revision, format, 20, 2000);
    for (int i = 0; i < 3; i++)
        segy_bench_trace(bench, format, 0, 7, 100, 10 * i, 20);
}

#define TRACE_BYTES (240 + 20 * 4) /* of good() in formats of 4 bytes */

static void expect(struct segy_bench *bench, const struct segy_options *options,
                   const char *part)
{
    struct error error = {0};
    segy_bench_save(bench, path);
    lying = true;
    int got = scan(options, &error);
    lying = false;
    if (got >= 0 || !strstr(error.text, part) || strncmp(error.text, path, strlen(path)) != 0)
        fail_msg("%d, \"%s\" where \"%s\" was expected", got, error.text, part);
    assert_int_equal(error.code, ERROR_CONFIG);
}

static void wrong_headers_are_named(void **state)
{
    (void)state;
    static const struct {
        unsigned revision, byte, size;
        uint64_t value;
        const char *sentence;
    } table[] = {
        {0, 3225, 2, 13, "binary header, byte 3225: there is no sample format 13"},
        {0, 3225, 2, 0, "there is no sample format 0"},
        {2, 3225, 2, 0x0500, "none in the byte order that bytes 3297 to 3300 mark"},
        {2, 3297, 4, 0x02010403, "swapped in pairs"},
        {2, 3297, 4, 0x04030201, "binary header, byte 3225"},
        {1, 3501, 1, 9, "byte 3501: SEG-Y revision 9.0 is not known"},
        {1, 3505, 2, 5, "byte 3505: more extended textual headers than"},
        {1, 3505, 2, 0xffff, "which does not come"},
        {1, 3505, 2, 0xfff0, "below -1"},
        {2, 3269, 4, 0xffffffff, "byte 3269: the extended number of samples"},
        {2, 3273, 8, 0xbff0000000000000, "byte 3273: the extended sample interval"},
        {2, 3273, 8, 0x7ff8000000000000, "byte 3273: the extended sample interval"},
        {2, 3507, 4, 0x7fffffff, "byte 3507: the number of additional trace headers"},
        {2, 3513, 8, 4, "says that there are 4 traces (byte 3513), but the file has 3"},
        {2, 3521, 8, 100, "byte 3521: the byte of the first trace"},
        {2, 3521, 8, 1 << 20, "byte 3521: the byte of the first trace"},
        {2, 3529, 4, 2, "byte 3529: the number of data trailers"},
        {2, 3529, 4, 0xfffffffe, "byte 3529: the number of data trailers"},
        {1, 3221, 2, 19, "trace 1 (header at byte 3600): has 20 samples by its header where"},
        {0, 3600 + TRACE_BYTES + 115, 2, 19, "is trace 2, header at byte 3920)"},
        {0, 3600 + TRACE_BYTES + 115, 2, 60000, "trace 2 (header at byte 3920): its 60000"},
        {1, 3600 + 2 * TRACE_BYTES + 115, 2, 65535, "trace 3 (header at byte 4240): has 65535"},
        {0, 3600 + TRACE_BYTES + 117, 2, 1000,
         "trace 2 (header at byte 3920): its sample interval "
         "is 1000 where the binary header says 2000"},
        {0, 3217, 2, 0, "trace 1 (header at byte 3600): neither its header nor"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct segy_bench bench;
        good(&bench, table[i].revision, 5, false);
        segy_bench_put(&bench, table[i].byte, table[i].size, table[i].value);
        expect(&bench, &plain, table[i].sentence);
        segy_bench_fini(&bench);
    }
}

/* Wherever a file is cut, that is noticed, unless a whole number of traces remains; then only a
 * header of revision 2 knows better. */
static void cut_files_are_noticed(void **state)
{
    (void)state;
    for (unsigned revision = 0; revision <= 2; revision++) {
        struct segy_bench bench;
        good(&bench, revision, 5, false);
        if (revision == 2)
            segy_bench_put(&bench, 3513, 8, 3);
        for (size_t size = 0; size < bench.bytes.size; size += 20) {
            struct segy_bench part = bench;
            struct error error = {0};
            part.bytes.size = size;
            segy_bench_save(&part, path);
            bool whole = size >= 3600 && (size - 3600) % TRACE_BYTES == 0 && revision < 2;
            int got = scan(&plain, &error);
            assert_int_equal(got, whole ? (int)((size - 3600) / TRACE_BYTES) : -1);
            assert_true(whole || strstr(error.text, path) == error.text);
        }
        segy_bench_fini(&bench);
    }
}

static void samples_that_are_no_floats_are_named(void **state)
{
    (void)state;
    static const struct {
        unsigned format, size;
        uint64_t bits;
    } table[] = {
        {5, 4, 0x7fc00000},         /* NaN */
        {5, 4, 0xff800000},         /* -infinity */
        {6, 8, 0x7fe0000000000000}, /* over FLT_MAX */
        {1, 4, 0x7fffffff},         /* over FLT_MAX */
        {4, 4, 0x01000001},         /* the byte that is not used is */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct segy_bench bench;
        char part[100];
        good(&bench, 1, table[i].format, false);
        unsigned trace = 240 + 20 * table[i].size, at = 3600 + trace + 240 + 4 * table[i].size;
        segy_bench_put(&bench, at + 1, table[i].size, table[i].bits);
        snprintf(part, sizeof(part), "trace 2 (header at byte %u): sample 5 (at byte %u)",
                 3600 + trace, at);
        expect(&bench, &plain, part);
        segy_bench_fini(&bench);
    }
}

static void every_format_is_read_in_either_order(void **state)
{
    (void)state;
    static const unsigned formats[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16};
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        for (unsigned kind = 0; kind < 6; kind++) {
            struct segy_bench bench;
            struct error error = {0};
            good(&bench, kind / 2, formats[i], kind % 2);
            segy_bench_save(&bench, path);
            int got = scan(&plain, &error);
            if (got != 3)
                fail_msg("format %u revision %u: %d %s", formats[i], kind / 2, got, error.text);
            segy_bench_fini(&bench);
        }
    }
}

static void negative_numbers_keep_their_sign(void **state)
{
    (void)state;
    static const int signed_formats[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (size_t i = 0; i < sizeof(signed_formats) / sizeof(*signed_formats); i++) {
        struct segy_bench bench;
        float value = 0;
        segy_bench_init(&bench, true);
        segy_bench_sample(&bench, (unsigned)signed_formats[i], -118);
        assert_int_equal(
            segy_decode(signed_formats[i], SEGY_LITTLE, bench.bytes.data + 3600, 1, &value), 1);
        assert_true(value == -118);
        segy_bench_fini(&bench);
    }
    assert_true(segy_ibm_decode(0xC276A000) == -118.625); /* IBM's own example */
    assert_true(segy_ibm_decode(0x00000000) == 0);
    assert_true(segy_ibm_decode(0x00100000) == ldexp(1, -260)); /* 16^-65 */
}

/* Formats without a mark are told apart by the sample format; revision 1 in little-endian order has
 * its number the other way round. */
static void swapped_revision_numbers_are_understood(void **state)
{
    (void)state;
    struct segy_bench bench;
    struct error error;
    good(&bench, 1, 5, true);
    bench.bytes.data[3500] = 0;
    bench.bytes.data[3501] = 1;
    segy_bench_save(&bench, path);
    struct segy *segy = segy_open(path, &plain, &error);
    assert_non_null(segy);
    assert_int_equal(segy_describe(segy)->revision, 1);
    assert_int_equal(segy_describe(segy)->order, SEGY_LITTLE);
    segy_close(segy);
    segy_bench_fini(&bench);
}

static void textual_headers_and_trailers_are_skipped(void **state)
{
    (void)state;
    static const uint8_t ebcdic[] = {0x4d, 0x4d, 0xe2, 0xc5, 0xc7, 0x7a, 0x40, 0xc5,
                                     0x95, 0x84, 0xe3, 0x85, 0xa7, 0xa3, 0x5d, 0x5d};
    for (int kind = 0; kind < 5; kind++) {
        struct segy_bench bench;
        struct error error = {0};
        segy_bench_init(&bench, false);
        segy_bench_binary(&bench, 2, 3, 20, 2000);
        segy_bench_append(&bench, 2 * 3200);
        if (kind == 0)
            segy_bench_put(&bench, 3505, 2, 2);
        if (kind == 1 || kind == 2)
            segy_bench_put(&bench, 3505, 2, 0xffff);
        if (kind == 1)
            memcpy(bench.bytes.data + 3600 + 3200, "((SEG: EndText))", 16);
        if (kind == 2)
            memcpy(bench.bytes.data + 3600 + 3200 + 80, ebcdic, 16);
        if (kind >= 3)
            segy_bench_put(&bench, 3521, 8, 3600 + 2 * 3200);
        segy_bench_trace(&bench, 3, 0, 1, 1, 1, 20);
        segy_bench_trace(&bench, 3, 0, 1, 1, 1, 20);
        if (kind == 3 || kind == 4) {
            uint64_t at = segy_bench_append(&bench, 3 * 3200);
            memcpy(bench.bytes.data + at - 1, "((SEG: x))", 10);
            segy_bench_put(&bench, 3529, 4, kind == 3 ? 3 : 0xffffffff);
        }
        segy_bench_save(&bench, path);
        if (scan(&plain, &error) != 2)
            fail_msg("%d: %s", kind, error.text);
        segy_bench_fini(&bench);
    }
}

/* Revision 2.1 has two bytes for the number of extensions, and some write them so in 2.0; a tape
 * label goes before everything. */
static void later_layouts_and_labels_are_understood(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 6; kind++) {
        struct segy_bench bench;
        struct error error = {0};
        segy_bench_init(&bench, kind % 2);
        segy_bench_binary(&bench, 2, 5, 20, 2000);
        bench.bytes.data[3501] = kind < 2 ? 1 : 0;
        segy_bench_put(&bench, 3507, 2, 1);
        segy_bench_put(&bench, 3509, 2, kind < 2 ? 18 : 0);
        if (kind >= 4)
            segy_bench_put(&bench, 3507, 4, 1);
        segy_bench_put(&bench, 3513, 8, 2);
        segy_bench_put(&bench, 3521, 8, 3600 + (kind >= 4 ? 128 : 0));
        segy_bench_trace(&bench, 5, 1, 1, 1, 1, 20);
        segy_bench_trace(&bench, 5, 1, 1, 1, 1, 20);
        if (kind >= 4) {
            segy_bench_append(&bench, 128);
            memmove(bench.bytes.data + 128, bench.bytes.data, bench.bytes.size - 128);
            memcpy(bench.bytes.data, "   1SY2.0RECORD", 15);
        }
        segy_bench_save(&bench, path);
        if (scan(&plain, &error) != 2)
            fail_msg("%u: %s", kind, error.text);
        segy_bench_fini(&bench);
    }
}

static void traces_may_have_lengths_of_their_own(void **state)
{
    (void)state;
    for (unsigned revision = 0; revision <= 2; revision++) {
        struct segy_bench bench;
        struct error error = {0};
        segy_bench_init(&bench, false);
        segy_bench_binary(&bench, revision, 8, 20, 2000);
        segy_bench_put(&bench, 3503, 2, 0);
        for (unsigned i = 0; i < 5; i++)
            segy_bench_trace(&bench, 8, 0, 1, 1, 1, 10 + 3 * i);
        uint64_t at = segy_bench_trace(&bench, 8, 0, 1, 1, 1, 20);
        segy_bench_put(&bench, at + 114, 2, 0); /* as the binary header says */
        segy_bench_save(&bench, path);
        if (scan(&plain, &error) != 6)
            fail_msg("%s", error.text);
        segy_bench_fini(&bench);
    }
}

/* 60,000 and 70,000 samples: two bytes hold the one without a sign, and the other not at all. */
static void long_traces_are_read(void **state)
{
    (void)state;
    for (unsigned samples = 60000; samples <= 70000; samples += 10000) {
        struct segy_bench bench;
        struct error error = {0};
        segy_bench_init(&bench, false);
        segy_bench_binary(&bench, 2, 5, samples, 2000);
        segy_bench_put(&bench, 3269, 4, samples);
        segy_bench_trace(&bench, 5, 0, 1, 1, 1, samples);
        segy_bench_trace(&bench, 5, 0, 1, 1, 1, samples);
        segy_bench_save(&bench, path);
        if (scan(&plain, &error) != 2)
            fail_msg("%s", error.text);
        segy_bench_fini(&bench);
    }
}

static void extensions_say_more_digits(void **state)
{
    (void)state;
    struct segy_bench bench;
    struct error error = {0};
    struct segy_trace trace;
    double x = 0, z = 0;
    segy_bench_init(&bench, true);
    segy_bench_binary(&bench, 2, 16, 20, 2000);
    segy_bench_put(&bench, 3503, 2, 0);
    segy_bench_put(&bench, 3507, 4, 3);
    uint64_t at = segy_bench_trace(&bench, 16, 2, 5, 100, 200, 20);
    memcpy(bench.bytes.data + at - 1 + 240 + 232, "SEG00001", 8);
    segy_bench_put(&bench, at + 71 - 1, 2, (uint16_t)-10);
    segy_bench_put(&bench, at + 115 - 1, 2, 7); /* the extension goes first */
    segy_bench_put(&bench, at + 240 + 136, 4, 20);
    segy_bench_put(&bench, at + 240 + 156, 2, 2);
    segy_bench_put(&bench, at + 240 + 16, 8, 123456789012);
    segy_bench_put_double(&bench, at + 240 + 96, 512345.678);
    segy_bench_put_double(&bench, at + 240 + 40, 12.5);
    segy_bench_put_double(&bench, at + 240 + 144, 2000.25);
    segy_bench_save(&bench, path);
    struct segy *segy = segy_open(path, &plain, &error);
    assert_non_null(segy);
    assert_int_equal(segy_next(segy, &trace, &error), 1);
    assert_int_equal(trace.header_size, 720);
    assert_int_equal(trace.samples, 20);
    assert_true(trace.interval == 2000.25);
    assert_true(segy_word(segy, &trace, SEGY_SHOT) == 123456789012.0);
    assert_int_equal(segy_length(segy, &trace, SEGY_SOURCE_X, &x, &error), 0);
    assert_true(x == 512345.678);
    assert_int_equal(segy_length(segy, &trace, SEGY_RECEIVER_X, &x, &error), 0);
    assert_true(x == 20); /* not in the extension: 200 / 10 */
    assert_int_equal(segy_length(segy, &trace, SEGY_RECEIVER_DEPTH, &z, &error), 0);
    assert_true(z == 12.5);
    assert_int_equal(segy_next(segy, &trace, &error), 0);
    segy_close(segy);
    segy_bench_put(&bench, at + 240 + 156, 2, 9);
    expect(&bench, &plain, "has 9 additional headers where the file has 3 at most");
    segy_bench_put_double(&bench, at + 240 + 144, NAN);
    segy_bench_put(&bench, at + 240 + 156, 2, 2);
    expect(&bench, &plain, "sample interval (byte 117) is nan");
    segy_bench_fini(&bench);
}

static void words_are_read_where_the_user_says(void **state)
{
    (void)state;
    struct segy_bench bench;
    struct error error = {0};
    struct segy_trace trace;
    struct segy_options options = {.order = SEGY_BIG, .sample_format = 5};
    double x = 0;
    segy_bench_init(&bench, false);
    segy_bench_binary(&bench, 0, 99, 20, 0); /* a format that the user corrects */
    uint64_t at = segy_bench_trace(&bench, 5, 0, 1, 1, 1, 20);
    segy_bench_put(&bench, at + 204, 4, (uint32_t)-4711);
    segy_bench_put_double(&bench, at + 210, 1.5);
    segy_bench_put(&bench, at + 70, 2, 100);
    options.words[SEGY_SHOT] = (struct segy_place){SEGY_PLACE, 205, SEGY_TYPE_STANDARD, 0};
    options.words[SEGY_SOURCE_X] = (struct segy_place){SEGY_PLACE, 211, SEGY_FLOAT64, 0};
    options.words[SEGY_RECEIVER_Y] = (struct segy_place){SEGY_PLACE, 239, SEGY_INT32, 0};
    options.words[SEGY_INTERVAL] = (struct segy_place){.kind = SEGY_CONSTANT, .constant = 500};
    /* The standard's scalar of shot points, of two bytes. */
    segy_bench_put(&bench, at + 80, 4, 1234);
    segy_bench_put(&bench, at + 200, 2, (uint32_t)-100);
    segy_bench_put(&bench, at + 202, 2, 7);
    options.words[SEGY_RECEIVER_X] = (struct segy_place){SEGY_PLACE, 81, SEGY_TYPE_STANDARD, 0};
    options.words[SEGY_SOURCE_Y] = (struct segy_place){.kind = SEGY_CONSTANT, .constant = 3};
    options.words[SEGY_COORDINATE_SCALAR] =
        (struct segy_place){SEGY_PLACE, 201, SEGY_TYPE_STANDARD, 0};
    segy_bench_save(&bench, path);
    struct segy *segy = segy_open(path, &options, &error);
    assert_non_null(segy);
    assert_int_equal(segy_next(segy, &trace, &error), 1);
    assert_true(trace.interval == 500);
    assert_true(segy_word(segy, &trace, SEGY_SHOT) == -4711);
    assert_int_equal(segy_length(segy, &trace, SEGY_SOURCE_X, &x, &error), 0);
    assert_true(x == 1.5); /* a scalar applies to whole numbers alone */
    assert_int_equal(segy_length(segy, &trace, SEGY_SOURCE_Y, &x, &error), 0);
    assert_true(x == 3);
    assert_int_equal(segy_length(segy, &trace, SEGY_RECEIVER_X, &x, &error), 0);
    assert_true(x == 12.34);
    assert_int_equal(segy_length(segy, &trace, SEGY_RECEIVER_Y, &x, &error), -1);
    assert_non_null(strstr(error.text, "trace 1 (header at byte 3600): receiver y (byte 85)"));
    segy_close(segy);
    segy_bench_fini(&bench);
}

static void scalars_and_feet_are_applied(void **state)
{
    (void)state;
    static const struct {
        int scalar;
        unsigned units;
        double metres;
    } table[] = {
        {0, 1, 120}, {1, 1, 120}, {10, 0, 1200}, {-100, 1, 1.2}, {-10, 2, 12 * 0.3048}};
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct segy_bench bench;
        struct error error = {0};
        struct segy_trace trace;
        double x = 0;
        good(&bench, 1, 5, false);
        segy_bench_put(&bench, 3255, 2, table[i].units);
        segy_bench_put(&bench, 3600 + 71, 2, (uint16_t)table[i].scalar);
        segy_bench_put(&bench, 3600 + 81, 4, 120);
        segy_bench_save(&bench, path);
        struct segy *segy = segy_open(path, &plain, &error);
        assert_int_equal(segy_next(segy, &trace, &error), 1);
        assert_int_equal(segy_length(segy, &trace, SEGY_RECEIVER_X, &x, &error), 0);
        assert_true(fabs(x - table[i].metres) < 1e-12);
        segy_close(segy);
        segy_bench_put(&bench, 3600 + 89, 2, 2);
        segy_bench_save(&bench, path);
        segy = segy_open(path, &plain, &error);
        assert_int_equal(segy_next(segy, &trace, &error), 1);
        assert_int_equal(segy_length(segy, &trace, SEGY_RECEIVER_X, &x, &error), -1);
        assert_non_null(strstr(error.text, "coordinates are seconds of arc"));
        segy_close(segy);
        segy_bench_fini(&bench);
    }
}

static void write_two(int revision, uint32_t samples, double interval_us)
{
    struct error error = {0};
    struct segy_write_format format = {.revision = revision,
                                       .samples = samples,
                                       .interval_us = interval_us,
                                       .delay_s = revision == 1 ? -0.012 : -0.0125,
                                       .traces = 2,
                                       .ensemble = 2,
                                       .title = "two traces"};
    struct segy_write_trace trace = {
        .shot = 42, .source = {100.25, -7.5, 6}, .receiver = {1e6 + 0.125, 3, 8.5}};
    float *values = malloc(samples * sizeof(*values));
    struct segy_writer *writer = segy_write_open(path, &format, &error);
    if (!writer)
        fail_msg("%s", error.text);
    for (uint32_t k = 0; k < samples; k++)
        values[k] = (float)(k + 1);
    for (int i = 0; i < 2; i++) {
        trace.channel = i + 1;
        assert_int_equal(segy_write_next(writer, &trace, values, &error), 0);
    }
    assert_int_equal(segy_write_commit(writer, &error), 0);
    free(values);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (int revision = 1; revision <= 2; revision++) {
        struct error error = {0};
        struct segy_trace trace;
        double at[5] = {0}, delay_s = 0;
        write_two(revision, revision == 1 ? 500 : 70001, revision == 1 ? 4000 : 333.25);
        assert_int_equal(scan(&plain, &error), 2);
        struct segy *segy = segy_open(path, &plain, &error);
        assert_int_equal(segy_next(segy, &trace, &error), 1);
        assert_true(trace.interval == (revision == 1 ? 4000 : 333.25));
        assert_int_equal(segy_length(segy, &trace, SEGY_SOURCE_X, &at[0], &error), 0);
        assert_int_equal(segy_length(segy, &trace, SEGY_SOURCE_Y, &at[1], &error), 0);
        assert_int_equal(segy_length(segy, &trace, SEGY_SOURCE_DEPTH, &at[2], &error), 0);
        assert_int_equal(segy_length(segy, &trace, SEGY_RECEIVER_X, &at[3], &error), 0);
        assert_int_equal(segy_length(segy, &trace, SEGY_RECEIVER_ELEVATION, &at[4], &error), 0);
        assert_true(at[0] == 100.25 && at[1] == -7.5 && at[2] == 6);
        assert_true(at[3] == 1e6 + 0.125 && at[4] == -8.5);
        assert_int_equal(segy_delay(segy, &trace, &delay_s, &error), 0);
        assert_true(fabs(delay_s - (revision == 1 ? -0.012 : -0.0125)) < 1e-15);
        assert_true(segy_word(segy, &trace, SEGY_SHOT) == 42);
        segy_close(segy);
    }
}

static void what_a_revision_cannot_say_is_refused(void **state)
{
    (void)state;
    struct error error = {0};
    struct segy_write_format format = {.revision = 1, .samples = 70000, .interval_us = 4000};
    assert_null(segy_write_open(path, &format, &error));
    assert_non_null(strstr(error.text, "write revision 2"));
    format.samples = 100;
    format.interval_us = 333.25;
    assert_null(segy_write_open(path, &format, &error));
    format.interval_us = 4000;
    format.delay_s = 0.012345678;
    assert_null(segy_write_open(path, &format, &error));
    assert_non_null(strstr(error.text, "begins at 12.345678 ms"));
    format.delay_s = 0;
    struct segy_writer *writer = segy_write_open(path, &format, &error);
    struct segy_write_trace trace = {.receiver = {3e9, 0, 0}};
    float values[100] = {0};
    assert_int_equal(segy_write_next(writer, &trace, values, &error), -1);
    assert_non_null(strstr(error.text, "trace 1: coordinates"));
    segy_write_abandon(writer);
}

/* A reader that shares nothing with ours. */
static void an_independent_reader_agrees(void **state)
{
    (void)state;
    char command[400];
    const char *source = getenv("BEOFARM_SOURCE");
    if (!source || system("python3 -c pass 2>/dev/null") != 0)
        skip();
    write_two(1, 500, 4000);
    snprintf(command, sizeof(command), "python3 '%s/tests/common/seismic/segy_peer.py' '%s'",
             source, path);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_headers_are_named),
        cmocka_unit_test(cut_files_are_noticed),
        cmocka_unit_test(samples_that_are_no_floats_are_named),
        cmocka_unit_test(every_format_is_read_in_either_order),
        cmocka_unit_test(negative_numbers_keep_their_sign),
        cmocka_unit_test(swapped_revision_numbers_are_understood),
        cmocka_unit_test(textual_headers_and_trailers_are_skipped),
        cmocka_unit_test(later_layouts_and_labels_are_understood),
        cmocka_unit_test(traces_may_have_lengths_of_their_own),
        cmocka_unit_test(long_traces_are_read),
        cmocka_unit_test(extensions_say_more_digits),
        cmocka_unit_test(words_are_read_where_the_user_says),
        cmocka_unit_test(scalars_and_feet_are_applied),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_a_revision_cannot_say_is_refused),
        cmocka_unit_test(an_independent_reader_agrees),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
