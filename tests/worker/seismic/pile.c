/*
 * Windows put back where they belong, and spectra that travel.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <complex.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/seismic/pile.h"
#include "worker/seismic/spectrum.h"

static char path[] = "/tmp/beofarm-pile-XXXXXX";

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static size_t read_floats(float *values, size_t most)
{
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    size_t count = fread(values, sizeof(float), most, stream);
    fclose(stream);
    return count;
}

static void two_apertures_add_up_where_they_overlap(void **state)
{
    (void)state;
    const struct grid grid = {.dims = 2, .n = {6, 1, 3}};
    const struct grid_box none = {0}, a = {.first = {1, 0, 0}, .n = {2, 1, 3}},
                          b = {.first = {2, 0, 1}, .n = {3, 1, 2}};
    const wave_real ones[6] = {1, 1, 1, 1, 1, 1}, twos[6] = {2, 2, 2, 2, 2, 2};
    struct pile pile;
    float values[30];
    struct grid_box window = pile_join(&none, &a);
    window = pile_join(&window, &b);
    assert_int_equal(window.first[GRID_X], 1);
    assert_int_equal(window.n[GRID_X], 4);
    assert_int_equal(window.n[GRID_Z], 3);
    assert_int_equal(pile_init(&pile, &window, NULL), 0);
    pile_add(&pile, PILE_IMAGE, &a, ones, 1);
    pile_add(&pile, PILE_IMAGE, &b, twos, 5);
    assert_int_equal(pile_write(&pile, PILE_IMAGE, &grid, path, NULL), 0);
    const float whole[18] = {0, 0, 0, 1, 1, 1, 1, 11, 11, 0, 10, 10, 0, 10, 10, 0, 0, 0};
    assert_int_equal(read_floats(values, 30), 18);
    assert_memory_equal(values, whole, sizeof(whole));
    assert_int_equal(pile_write(&pile, PILE_IMAGE, NULL, path, NULL), 0);
    assert_int_equal(read_floats(values, 30), 12);
    assert_memory_equal(values, whole + 3, 12 * sizeof(float));
    pile_fini(&pile);
}

static void an_image_that_is_not_finite_is_not_written(void **state)
{
    (void)state;
    const struct grid_box box = {.n = {1, 1, 2}};
    const wave_real values[2] = {1, (wave_real)NAN};
    struct pile pile;
    struct error error;
    assert_int_equal(pile_init(&pile, &box, NULL), 0);
    pile_add(&pile, PILE_ILLUMINATION, &box, values, 1);
    assert_int_equal(pile_write(&pile, PILE_ILLUMINATION, NULL, path, &error), -1);
    assert_non_null(strstr(error.text, "nan"));
    pile_fini(&pile);
}

static int parse(const char *text, struct spectrum *spectrum, struct error *error)
{
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    int rc = spectrum_parse(root, "$.source_filter", spectrum, error);
    cJSON_Delete(root);
    return rc;
}

static void spectra_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "{\"df_hz\":0,\"values\":[[1,0]]}",
        "{\"df_hz\":1,\"first\":-1,\"values\":[[1,0]]}",
        "{\"df_hz\":1,\"values\":[]}",
        "{\"df_hz\":1,\"values\":[1]}",
        "{\"df_hz\":1,\"values\":[[1]]}",
        "{\"df_hz\":1,\"values\":[[1e999,0]]}",
        "{\"df_hz\":1,\"values\":3}",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct spectrum spectrum;
        struct error error;
        assert_int_equal(parse(wrong[i], &spectrum, &error), -1);
        assert_non_null(strstr(error.text, "$.source_filter"));
    }
}

static void a_spectrum_is_read_between_its_values(void **state)
{
    (void)state;
    struct spectrum spectrum;
    assert_int_equal(
        parse("{\"df_hz\":0.5,\"delay_s\":0.25,\"first\":2,\"values\":[[1,0],[3,-2]]}",
              &spectrum, NULL),
        0);
    assert_true(spectrum_at(&spectrum, 1) == 1);
    assert_true(spectrum_at(&spectrum, 1.25) == 2 - I);
    assert_true(spectrum_at(&spectrum, 1.5) == 3 - 2 * I);
    /* A quarter of a second is a quarter of a turn at one Hertz. */
    assert_true(cabs(spectrum_at(&spectrum, 2.5) - (3 - 2 * I) * -I) < 1e-12);
    assert_true(cabs(spectrum_at(&spectrum, 0) - I) < 1e-12);
    spectrum_fini(&spectrum);
}

/* The filter that the sums say turns the one signal into the other: a delay and a factor. */
static void sums_know_the_filter_between_two_signals(void **state)
{
    (void)state;
    enum { N = 256, LATER = 9 };
    wave_real u[2 * N] = {0}, d[2 * N] = {0};
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < N - LATER; i++) {
            u[t * N + i] = (wave_real)exp(-0.01 * (i - 80 - 20 * t) * (i - 80 - 20 * t));
            d[t * N + i + LATER] = 3 * u[t * N + i];
        }
    struct spectrum_sums sums;
    assert_int_equal(spectrum_sums_init(&sums, N, 0.002, 0, 30, NULL), 0);
    assert_int_equal(spectrum_sums_add(&sums, 2, N, d, u, NULL), 0);
    for (size_t i = 0; i < sums.count; i++) {
        double hz = (double)(sums.first + i) * sums.df_hz;
        double complex filter = sums.cross[i] / sums.power[i];
        assert_true(cabs(filter - 3 * cexp(-2 * M_PI * I * hz * 0.002 * LATER)) < 1e-3);
    }
    struct buf buf;
    buf_init(&buf, 1 << 20);
    spectrum_sums_put(&sums, &buf);
    assert_false(buf_failed(&buf));
    assert_non_null(strstr(buf_text(&buf), "\"first\":0,\"cross\":[["));
    buf_fini(&buf);
    /* As a filter of the wavelet it does the same. */
    struct spectrum filter = {.df_hz = sums.df_hz,
                              .delay_s = 0.002 * LATER,
                              .count = sums.count,
                              .values = calloc(sums.count, sizeof(double complex))};
    for (size_t i = 0; i < sums.count; i++)
        filter.values[i] = sums.cross[i] / sums.power[i];
    assert_int_equal(spectrum_apply(&filter, 0.002, u, N, NULL), 0);
    for (int i = 0; i < N; i++) /* above 30 Hz it goes on as it ends */
        assert_true(fabs((double)u[i] - (double)d[i]) < 0.01);
    spectrum_fini(&filter);
    spectrum_sums_fini(&sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spectra_that_make_no_sense_are_refused),
        cmocka_unit_test(an_image_that_is_not_finite_is_not_written),
        cmocka_unit_test(two_apertures_add_up_where_they_overlap),
        cmocka_unit_test(a_spectrum_is_read_between_its_values),
        cmocka_unit_test(sums_know_the_filter_between_two_signals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
