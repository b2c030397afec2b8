#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/fd.h"
#include "common/pest/parfile.h"

static char path[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/beofarm-par-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static int read_text(const char *text, struct pest_parfile *ret, struct error *error)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(fd_write(fd, text, strlen(text)), 0);
    close(fd);
    return pest_parfile_read(path, ret, error);
}

static void what_is_no_parameter_file_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", ":1: the file is empty"},
        {"# only this\n", ":2: the file is empty"},
        {"k1 1.0\n", ":1: a parameter value file begins with"},
        {"single\n", ":1: a parameter value file begins with"},
        {"single points\n", ":1: a parameter value file begins with"},
        {"single point x\n", ":1: a parameter value file begins with"},
        {"single point\nk1\n", ":2: a row has a name"},
        {"single point\nk1 1 1 0 0\n", ":2: a row has a name"},
        {"single point\n\nk1 one\n", ":3: the value \"one\" is not a number"},
        {"single point\nk1 1 NaN\n", ":2: the scale \"NaN\" is NaN"},
        {"single point\nk1 1 1 1e999\n", ":2: the offset \"1e999\" is too large"},
        {"single point\nk1 1\nK1 2\n", "the parameter \"k1\" stands twice"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct pest_parfile parfile;
        struct error error = {0};
        assert_int_equal(read_text(cases[i].text, &parfile, &error), -1);
        assert_int_equal(error.code, ERROR_CONFIG);
        if (!strstr(error.text, cases[i].sentence))
            fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].sentence);
    }
}

static void values_are_taken_for_all_parameters_or_none(void **state)
{
    (void)state;
    struct pest_parfile parfile;
    struct error error;
    const char *const names[] = {"b", "a", "c"};
    double values[3] = {0};
    struct pest_index *two = pest_index_create(names, 2, &error);
    struct pest_index *three = pest_index_create(names, 3, &error);
    struct pest_index *one = pest_index_create(names, 1, &error);
    const char *text =
        "DOUBLE NoPoint\r\n# comment\r\n A 1.5D-3 2 # more\r\nb 2. 1.0 -3\r\n\x1a";
    assert_int_equal(read_text(text, &parfile, &error), 0);
    assert_true(parfile.style.double_precision && !parfile.style.point);
    assert_int_equal(parfile.count, 2);
    assert_string_equal(parfile.rows[0].name, "a");
    assert_true(parfile.rows[0].scale == 2 && parfile.rows[0].offset == 0);
    assert_true(parfile.rows[1].scale == 1 && parfile.rows[1].offset == -3);
    assert_int_equal(pest_parfile_take(&parfile, path, two, values, &error), 0);
    assert_true(values[0] == 2 && values[1] == 1.5e-3);
    assert_int_equal(pest_parfile_take(&parfile, path, three, values, &error), -1);
    assert_non_null(strstr(error.text, "\"c\" is missing"));
    assert_int_equal(pest_parfile_take(&parfile, path, one, values, &error), -1);
    assert_non_null(strstr(error.text, "no parameter \"a\""));
    pest_parfile_fini(&parfile);
    pest_index_destroy(one);
    pest_index_destroy(two);
    pest_index_destroy(three);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    struct pest_parfile_row rows[] = {{"k1", 1.0 / 3, 1, 0}, {"x", -4.9e-324, 1e10, 0.1}};
    const struct pest_parfile parfile = {
        .style = {.double_precision = true, .point = true}, .rows = rows, .count = 2};
    struct pest_parfile back;
    struct error error;
    assert_int_equal(pest_parfile_write(path, &parfile, &error), 0);
    assert_int_equal(pest_parfile_read(path, &back, &error), 0);
    assert_int_equal(back.count, 2);
    assert_true(back.style.double_precision && back.style.point);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(back.rows[i].name, rows[i].name);
        assert_true(back.rows[i].value == rows[i].value);
        assert_true(back.rows[i].scale == rows[i].scale);
        assert_true(back.rows[i].offset == rows[i].offset);
    }
    pest_parfile_fini(&back);
    char below[80]; /* a file is no folder */
    snprintf(below, sizeof(below), "%s/x.par", path);
    assert_int_equal(pest_parfile_write(below, &parfile, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_parameter_file_is_refused_with_its_line),
        TEST(values_are_taken_for_all_parameters_or_none),
        TEST(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
