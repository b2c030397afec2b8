/*
 * Models in files: each format written, read whole and by boxes, and what is wrong with some.
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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/seismic/model.h"
#include "tests/scratch.h"

static const struct model_options plain;

static void put_floats(const char *path, size_t count)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++) {
        float value = (float)i;
        assert_int_equal(fwrite(&value, sizeof(value), 1, file), 1);
    }
    assert_int_equal(fclose(file), 0);
}

static void expect(const char *path, const struct model_options *options, const char *part)
{
    struct error error = {0};
    struct model *model = model_open(path, options, &error);
    if (model || !strstr(error.text, part))
        fail_msg("%s: \"%s\" where \"%s\" was expected", path, error.text, part);
    assert_true(!strncmp(error.text, path, strlen(path)));
}

#define RSF "n1=2 d1=1 n2=3 d2=1"

static void wrong_headers_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *sentence;
    } table[] = {
        {"a.json", "[]", "$: expected an object"},
        {"a.json", "{\"point\": 1}", "$.point: unknown key; did you mean \"points\"?"},
        {"a.json", "{\"points\": [3, 2]}", "\"spacing_m\" is missing"},
        {"a.json", "{\"points\": [3], \"spacing_m\": [1, 1]}", "$.points: expected a list"},
        {"a.json", "{\"points\": [3, \"x\"], \"spacing_m\": [1, 1]}",
         "$.points[1]: expected a number"},
        {"a.json", "{\"points\": [3, 2.5], \"spacing_m\": [1, 1]}",
         "2.5 is no number of points"},
        {"a.json", "{\"points\": [3, 2], \"spacing_m\": [1, -1]}", "spacing along z is -1 m"},
        {"a.json", "{\"points\": [3, 2], \"spacing_m\": [1, 1, 1]}", "has not as many numbers"},
        {"a.json", "{\"points\": [3, 2], \"spacing_m\": [1, 1], \"order\": \"xx\"}", "$.order"},
        {"a.json", "{\"points\": [3, 2], \"spacing_m\": [1, 1], \"dtype\": \"f4\"}", "$.dtype"},
        {"a.json", "{\"points\": [3, 2], \"spacing_m\": [1, 1], \"byte_order\": \"x\"}",
         "$.byte_order"},
        {"a.json", "{\"points\": [3, 2], \"spacing_m\": [1, 1], \"offset_bytes\": -4}",
         "$.offset_bytes"},
        {"a.json", "{\"points\": [3, 2], \"spacing_m\": [1, 1]}",
         "3 x 1 x 2 values need 24 bytes from byte 0 on, but a.bin has 28 bytes"},
        {"a.json", "{\"points\": [3, 2], \"spacing_m\": [1, 1], \"data\": \"none\"}",
         "its values in none cannot be read"},
        {"a.json",
         "{\"points\": [1000000000, 1000000000, 1000000000], \"spacing_m\": [1, 1, 1]}",
         "are too many"},
        {"a.rsf", "n1=2 d1=1 n2=x", "n2=x is no number"},
        {"a.rsf", "n1=2.5 n2=3", "n1=2.5 is no number of points"},
        {"a.rsf", "n1=2 d1=1", "has 1 axes"},
        {"a.rsf", RSF " unit1=\"s\"", "unit1=\"s\" is no unit of length"},
        {"a.rsf", "n1=2 d2=1 n2=3", "d1=, the spacing of its 2 points, is missing"},
        {"a.rsf", RSF " label1=x label2=x", "labels do not name each of x and z once"},
        {"a.rsf", RSF " data_format=native_complex", "data_format=\"native_complex\""},
        {"a.rsf", RSF, "in=, where its values are, is missing"},
        {"a.rsf", RSF " in=a.bin", "has 28 bytes"},
        {"a.rsf", RSF " in=a.txt data_format=ascii_float", "number 3 is not one"},
        {"a.dat", "", "its ending says no format"},
    };
    put_floats("a.bin", 7);
    scratch_text("a.txt", "1 2 x 4 5 6");
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        scratch_text(table[i].path, table[i].text);
        expect(table[i].path, &plain, table[i].sentence);
    }
}

/* What stands at a point: no two are alike. */
static float value_at(size_t ix, size_t iy, size_t iz)
{
    return (float)(1000 + 100 * ix + 10 * iy) + (float)iz * 0.5f;
}

static void check_box(struct model *model, const struct grid_box *box)
{
    struct error error = {0};
    size_t count = box->n[0] * box->n[1] * box->n[2], at = 0;
    float *values = calloc(count, sizeof(*values));
    if (model_read(model, box, values, &error) < 0)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < box->n[0]; i++)
        for (size_t j = 0; j < box->n[1]; j++)
            for (size_t k = 0; k < box->n[2]; k++)
                assert_true(values[at++] ==
                            value_at(box->first[0] + i, box->first[1] + j, box->first[2] + k));
    free(values);
}

static void check_model(const char *path, const struct grid *grid)
{
    struct error error = {0};
    struct model *model = model_open(path, &plain, &error);
    if (!model)
        fail_msg("%s", error.text);
    assert_true(grid_equal(model_grid(model), grid));
    struct grid_box box = grid_whole(grid);
    check_box(model, &box);
    for (int axis = 0; axis < GRID_AXES; axis++) {
        if (grid->n[axis] < 3)
            continue;
        box.first[axis] = 1;
        box.n[axis] = grid->n[axis] - 2;
        check_box(model, &box);
    }
    model_close(model);
}

static float *make_values(const struct grid *grid)
{
    float *values = malloc(grid_size(grid) * sizeof(*values));
    size_t at = 0;
    for (size_t i = 0; i < grid->n[0]; i++)
        for (size_t j = 0; j < grid->n[1]; j++)
            for (size_t k = 0; k < grid->n[2]; k++)
                values[at++] = value_at(i, j, k);
    return values;
}

static const struct grid plane = {
    .dims = 2, .n = {5, 1, 4}, .spacing = {12.5, 0, 6.25}, .origin = {-100, 0, 0}};
static const struct grid cube = {
    .dims = 3, .n = {5, 3, 4}, .spacing = {12.5, 20, 5}, .origin = {1000, 2000.5, -12.5}};

static void what_is_written_is_read_whole_and_by_boxes(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum model_format format;
    } files[] = {{"b.json", MODEL_RAW}, {"b.rsf", MODEL_RSF}, {"b.segy", MODEL_SEGY}};
    for (int i = 0; i < 6; i++) {
        const struct grid *grid = i % 2 ? &cube : &plane;
        struct error error = {0};
        float *values = make_values(grid);
        if (model_write(files[i / 2].path, files[i / 2].format, grid, values, "velocity", "m/s",
                        &error) < 0)
            fail_msg("%s", error.text);
        free(values);
        check_model(files[i / 2].path, grid);
    }
}

/* All orders of axes, all types, both byte orders. */
static void raw_files_are_read_in_any_order(void **state)
{
    (void)state;
    static const char *const orders[] = {"xyz", "xzy", "yxz", "yzx", "zxy", "zyx"};
    for (int i = 0; i < 6; i++) {
        FILE *file = fopen("c.bin", "w");
        size_t n[3], index[3];
        char text[300];
        for (int a = 0; a < 3; a++)
            n[a] = cube.n[orders[i][a] - 'x'];
        for (size_t at = 0; at < n[0] * n[1] * n[2]; at++) {
            index[orders[i][0] - 'x'] = at / (n[1] * n[2]);
            index[orders[i][1] - 'x'] = at / n[2] % n[1];
            index[orders[i][2] - 'x'] = at % n[2];
            double value = (double)value_at(index[0], index[1], index[2]);
            for (int b = 0; b < 8; b++) {
                uint64_t bits;
                memcpy(&bits, &value, 8);
                fputc((int)(bits >> 8 * (i % 2 ? b : 7 - b) & 0xff), file);
            }
        }
        assert_int_equal(fclose(file), 0);
        snprintf(
            text, sizeof(text),
            "{\"points\": [5, 3, 4], \"spacing_m\": [12.5, 20, 5], \"origin_m\": "
            "[1000, 2000.5, -12.5], \"order\": \"%s\", \"dtype\": \"float64\", \"byte_order\": "
            "\"%s\"}",
            orders[i], i % 2 ? "little" : "big");
        scratch_text("c.json", text);
        check_model("c.json", &cube);
    }
}

static void rsf_headers_are_histories(void **state)
{
    (void)state;
    struct error error = {0};
    scratch_text("d.txt", "0 1, 2\n3\t4 5\n");
    scratch_text(
        "d.rsf",
        "n1=9 d1=7\nsfmath: user@host\n"
        "n1=2 n2=3 d1=0.005 d2=10 o2=-20 unit1=\"km\" label1='Depth' label2=\"X axis\"\n"
        "data_format=\"ascii_float\" in=\"./d.txt\" unit=\"km/s\"\n");
    struct model *model = model_open("d.rsf", &plain, &error);
    if (!model)
        fail_msg("%s", error.text);
    const struct grid *grid = model_grid(model);
    assert_true(grid->dims == 2 && grid->n[GRID_X] == 3 && grid->n[GRID_Z] == 2);
    assert_true(grid->spacing[GRID_Z] == 5 && grid->origin[GRID_X] == -20);
    assert_string_equal(model_units(model), "km/s");
    float values[6];
    struct grid_box box = grid_whole(grid);
    assert_int_equal(model_read(model, &box, values, &error), 0);
    for (int i = 0; i < 6; i++)
        assert_true(values[i] == (float)i);
    model_close(model);
    FILE *file = fopen("e.rsf", "w");
    fputs("n1=2 d1=1 n2=3 d2=1 data_format=\"xdr_int\" in=\"stdin\"\n\014\014\004", file);
    for (int i = 0; i < 6; i++)
        fwrite((const char[]){0, 0, 1, (char)i}, 4, 1, file);
    assert_int_equal(fclose(file), 0);
    model = model_open("e.rsf", &plain, &error);
    if (!model)
        fail_msg("%s", error.text);
    assert_int_equal(model_read(model, &box, values, &error), 0);
    assert_true(values[5] == 261);
    model_close(model);
}

static void values_that_are_none_are_named(void **state)
{
    (void)state;
    struct error error = {0};
    static const float values[] = {1, 2, 3, 4, (float)NAN, 6};
    FILE *file = fopen("f.bin", "w");
    assert_int_equal(fwrite(values, sizeof(values), 1, file), 1);
    assert_int_equal(fclose(file), 0);
    scratch_text("f.json", "{\"points\": [3, 2], \"spacing_m\": [1, 1], \"order\": \"zx\"}");
    struct model *model = model_open("f.json", &plain, &error);
    assert_non_null(model);
    struct grid_box box = grid_whole(model_grid(model));
    float read[6];
    assert_int_equal(model_read(model, &box, read, &error), -1);
    assert_non_null(strstr(error.text, "f.json: the value at index x 1, y 0, z 1 (from 0)"));
    box.n[GRID_Z] = 1;
    assert_int_equal(model_read(model, &box, read, &error), 0);
    model_close(model);
}

static void nobody_is_waited_for_at_a_fifo(void **state)
{
    (void)state;
    alarm(100); /* it hung */
    assert_int_equal(mkfifo("fifo.bin", 0600), 0);
    scratch_text("fifo.json", "{\"data\":\"fifo.bin\",\"points\":[2,2],\"spacing_m\":[1,1]}");
    expect("fifo.json", &plain, "is not a regular file");
    assert_int_equal(mkfifo("fifo.segy", 0600), 0);
    expect("fifo.segy", &plain, "is not a regular file");
    assert_int_equal(mkfifo("fifo.rsf", 0600), 0);
    expect("fifo.rsf", &plain, "fifo.rsf");
    alarm(0);
}

static void columns_of_segy_must_make_a_grid(void **state)
{
    (void)state;
    struct error error = {0};
    float *values = make_values(&plane);
    assert_int_equal(model_write("g.segy", MODEL_SEGY, &plane, values, NULL, NULL, &error), 0);
    free(values);
    FILE *file = fopen("g.segy", "r+");
    size_t trace = 240 + 4 * 4;
    /* Column 2 goes to where column 0 is. */
    assert_int_equal(fseek(file, (long)(3600 + 2 * trace + 180), SEEK_SET), 0);
    int32_t x = -100; /* its scalar is 1 */
    for (int b = 3; b >= 0; b--)
        fputc((int)((uint32_t)x >> 8 * b & 0xff), file);
    assert_int_equal(fclose(file), 0);
    expect("g.segy", &plain, "5 columns stand at");
    struct model_options told = {
        .dims = 2, .has_spacing = true, .spacing = {12.5, 0, 6.25}, .origin = {-100, 0, 0}};
    told.has_origin = true;
    file = fopen("g.segy", "r+"); /* column 1 begins a metre deeper */
    assert_int_equal(fseek(file, (long)(3600 + trace + 109), SEEK_SET), 0);
    fputc(1, file);
    assert_int_equal(fclose(file), 0);
    expect("g.segy", &plain, "trace 2 (header at byte 3856) begins at 1 where trace 1");
    struct model *model = model_open("g.segy", &told, &error);
    assert_non_null(model);
    assert_true(grid_equal(model_grid(model), &plane));
    model_close(model);
    told.dims = 3;
    expect("g.segy", &told, "has 1 points along y");
}

/* Marmousi-II, where it is at hand: 1028 to 4700 m/s, water on top. */
static void a_public_model_is_read(void **state)
{
    (void)state;
    char data[500], text[800];
    struct error error = {0};
    const char *source = getenv("BEOFARM_SOURCE");
    snprintf(data, sizeof(data),
             "%s/../shared/seismic/data/marmousi/marmousi_vp_20m_176x851.bin",
             source ? source : ".");
    if (access(data, R_OK) != 0) {
        print_message("# %s is not there\n", data);
        skip();
    }
    snprintf(text, sizeof(text),
             "{\"data\": \"%s\", \"points\": [851, 176], \"spacing_m\": [20, 20]}", data);
    scratch_text("marmousi.json", text);
    struct model *model = model_open("marmousi.json", &plain, &error);
    if (!model)
        fail_msg("%s", error.text);
    float *values = malloc(851 * 176 * sizeof(*values)), least = 1e9f, most = 0;
    struct grid_box box = grid_whole(model_grid(model));
    assert_int_equal(model_read(model, &box, values, &error), 0);
    for (size_t i = 0; i < 851 * 176; i++) {
        least = fminf(least, values[i]);
        most = fmaxf(most, values[i]);
    }
    assert_true(least == 1028 && most == 4700);
    for (size_t x = 0; x < 851; x++)
        assert_true(values[x * 176] == 1500);
    free(values);
    model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_headers_are_named),
        cmocka_unit_test(what_is_written_is_read_whole_and_by_boxes),
        cmocka_unit_test(raw_files_are_read_in_any_order),
        cmocka_unit_test(rsf_headers_are_histories),
        cmocka_unit_test(values_that_are_none_are_named),
        cmocka_unit_test(nobody_is_waited_for_at_a_fifo),
        cmocka_unit_test(columns_of_segy_must_make_a_grid),
        cmocka_unit_test(a_public_model_is_read),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
