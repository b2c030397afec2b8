#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "launch/plot/picture.h"
#include "launch/plot/ticks.h"

static void ticks_are_round(void **state)
{
    (void)state;
    static const struct {
        double low, high;
        int wanted;
        size_t count;
        double first, second;
        int decimals;
    } cases[] = {{0, 10, 5, 6, 0, 2, 0},
                 {0, 17020, 10, 9, 0, 2000, 0},
                 {0.03, 0.26, 5, 5, 0.05, 0.1, 2},
                 {5, -5, 10, 11, -5, -4, 0},
                 /* Three at least, where that many are wanted. */
                 {1450, 2490, 5, 5, 1600, 1800, 0},
                 {0, 3, 3, 4, 0, 1, 0},
                 {0.6, 1.4, 3, 5, 0.6, 0.8, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ticks ticks;
        ticks_choose(&ticks, cases[i].low, cases[i].high, cases[i].wanted);
        assert_int_equal(ticks.count, cases[i].count);
        assert_true(fabs(ticks.at[0] - cases[i].first) < 1e-12);
        assert_true(fabs(ticks.at[1] - cases[i].second) < 1e-12);
        assert_int_equal(ticks.decimals, cases[i].decimals);
    }
}

static void an_empty_range_has_no_ticks(void **state)
{
    (void)state;
    struct ticks ticks;
    ticks_choose(&ticks, 3, 3, 5);
    assert_int_equal(ticks.count, 0);
    ticks_choose(&ticks, NAN, 3, 5);
    assert_int_equal(ticks.count, 0);
    ticks_choose(&ticks, 0, INFINITY, 5);
    assert_int_equal(ticks.count, 0);
}

static void colours_go_from_end_to_end(void **state)
{
    (void)state;
    assert_int_equal(palette_colour(PALETTE_GREY, 0), 0xffffff);
    assert_int_equal(palette_colour(PALETTE_GREY, 1), 0x000000);
    assert_int_equal(palette_colour(PALETTE_GREY, 7), 0x000000);
    assert_int_equal(palette_colour(PALETTE_RWB, 0.5), 0xffffff);
    assert_int_equal(palette_colour(PALETTE_RWB, -1), 0xb2182b);
    assert_int_equal(palette_colour(PALETTE_VIRIDIS, 1), 0xfde725);
    assert_int_not_equal(palette_colour(PALETTE_VIRIDIS, NAN),
                         palette_colour(PALETTE_VIRIDIS, 0));
}

static void picture_of(struct picture *picture, const float *values, size_t count)
{
    struct error error;
    *picture = (struct picture){.count = 1};
    assert_non_null(picture_panel_reserve(&picture->panels[0], 1, count, &error));
    memcpy(picture->panels[0].values, values, count * sizeof *values);
}

static void the_clip_leaves_out_the_strongest(void **state)
{
    (void)state;
    struct picture picture;
    struct error error;
    float values[101];
    for (int i = 0; i <= 100; i++)
        values[i] = (float)(i % 2 ? -i : i);
    picture_of(&picture, values, 101);
    assert_int_equal(picture_clip(&picture, 90, true, &error), 0);
    assert_true(picture.high == 90 && picture.low == -90);
    assert_int_equal(picture_clip(&picture, 100, false, &error), 0);
    assert_true(picture.high == 100 && picture.low == -99);
    picture_fini(&picture);
}

static void values_that_are_all_alike_have_a_range(void **state)
{
    (void)state;
    struct picture picture;
    struct error error;
    const float alike[] = {1500, 1500, NAN}, none[] = {NAN, NAN}, zero[] = {0, 0};
    picture_of(&picture, alike, 3);
    assert_int_equal(picture_clip(&picture, 100, false, &error), 0);
    assert_true(picture.low < 1500 && picture.high > 1500);
    picture_fini(&picture);
    picture_of(&picture, none, 2);
    assert_int_equal(picture_clip(&picture, 98, true, &error), 0);
    assert_true(picture.low < picture.high);
    picture_fini(&picture);
    picture_of(&picture, zero, 2);
    assert_int_equal(picture_clip(&picture, 98, true, &error), 0);
    assert_true(picture.low < 0 && picture.high > 0);
    picture_fini(&picture);
}

/* Pixels, as the file's header says. */
static uint32_t height_drawn(bool map, size_t across, size_t down)
{
    static const float values[20] = {1, 2, 3, 4};
    struct picture picture = {.count = 1, .low = 1, .high = 4};
    struct picture_panel *panel = &picture.panels[0];
    struct error error;
    uint8_t bytes[24];
    assert_non_null(picture_panel_reserve(panel, across, down, &error));
    memcpy(panel->values, values, across * down * sizeof *values);
    panel->x = panel->y = (struct picture_axis){"m", 0, 10, false};
    panel->lengths = true;
    panel->map = map;
    assert_int_equal(picture_write(&picture, "map.png", &error), 0);
    picture_fini(&picture);
    FILE *file = fopen("map.png", "rb");
    assert_non_null(file);
    assert_int_equal(fread(bytes, sizeof bytes, 1, file), 1);
    fclose(file);
    remove("map.png");
    return (uint32_t)bytes[22] << 8 | bytes[23];
}

static void a_map_is_drawn_to_scale_however_low_that_is(void **state)
{
    (void)state;
    assert_int_equal(height_drawn(true, 4, 4), height_drawn(false, 4, 4));
    assert_true(height_drawn(true, 20, 1) + 100 < height_drawn(false, 20, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_are_round),
        cmocka_unit_test(an_empty_range_has_no_ticks),
        cmocka_unit_test(colours_go_from_end_to_end),
        cmocka_unit_test(the_clip_leaves_out_the_strongest),
        cmocka_unit_test(values_that_are_all_alike_have_a_range),
        cmocka_unit_test(a_map_is_drawn_to_scale_however_low_that_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
