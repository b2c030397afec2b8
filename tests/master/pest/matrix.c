#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/pest/matrix.h"
#include "tests/scratch.h"

#define FEW ((size_t)1 << 20)

static void refuse(const char *name, const void *bytes, size_t size, const char *says)
{
    struct error error = {0};
    struct matrix *matrix = matrix_read_memory(bytes, size, name, FEW, &error);

    if (matrix || !strstr(error.text, says))
        print_message("# %s: \"%s\" should say \"%s\"\n", name, error.text, says);
    assert_null(matrix);
    assert_non_null(strstr(error.text, says));
    assert_non_null(strstr(error.text, name));
}

static void bad_texts_are_refused_with_their_line(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"x", "the number of rows"},
        {"2 2", "a code of -1, 1 or 2"},
        {"2 2 7\n1 0 0 1\n", "a code of -1, 1 or 2"},
        {"0 2 2\n", "the number of rows"},
        {"-3 2 2\n", "the number of rows"},
        {"99999 99999 2\n1 2 3\n", "too short"},
        {"99999999999999 1 2\n", "the number of rows"},
        {"2 3 -1\n1 2\n", "as many columns as rows"},
        {"2 2 2\n1 0\n0 x1\n* row names\n", "m:3: the element of row 2 and column 2"},
        {"2 2 2\n1 0\n0 1e999\n* row names\n", "m:3: "},
        {"2 2 2\n1 0\n0 nan\n* row names\n", "is NaN"},
        {"2 2 2\n1 0\n0              \n", "the file ends"},
        {"2 2 2\n1 0\n0 1\nfoo\n", "m:4: after the elements"},
        {"2 2 2\n1 0\n0 1\n", "after the elements"},
        {"2 2 2\n1 0\n0 1\n* row names\na\n", "name 2 of 2 is expected"},
        {"2 2 2\n1 0\n0 1\n* row names\na\n* column names\nb\n", "m:6: name 2 of 2"},
        {"2 2 2\n1 0\n0 1\n* row names\na\nb\nc\n", "\"* column names\" is expected"},
        {"1 2 1\n1 0\n* row and column names\na\n", "as many rows as columns"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse("m", cases[i].text, strlen(cases[i].text), cases[i].says);
}

static void bad_binaries_are_refused(void **state)
{
    static const struct {
        int32_t words[4];
        const char *says;
    } cases[] = {
        {{-2, -3, 1, 0}, "its header promises 3 x 2 with 1 elements"},
        {{-2147483647 - 1, -2147483647, 2147483647, 0}, "its header promises"},
        {{2000000000, 2000000000, 0, 0}, "its header promises"},
        {{-2, -3, -1, 0}, "no matrix that is known here"},
        {{-2, 3, 0, 0}, "no matrix that is known here"},
        {{0, 0, 0, 0}, "no matrix that is known here"},
        {{0, -2000000000, -2000000000, 1}, "ends in the middle"},
        {{0, -1, -1, 0}, "ends in the middle"},
        {{8, -1, -1, 9}, "ends in the middle"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse("b", cases[i].words, 16, cases[i].says);
    refuse("b", "\001\002", 2, "neither");
    refuse("b", "", 0, "is empty");
}

static void elements_outside_the_matrix_are_refused(void **state)
{
    unsigned char bytes[12 + 12 + 12 + 20];
    int32_t header[3] = {-1, -1, 1}, place = 2;

    (void)state;
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes, header, 12);
    memcpy(bytes + 12, &place, 4);
    refuse("b", bytes, sizeof bytes, "element 1 of 1 (from 1) lies outside");
    place = 0;
    memcpy(bytes + 12, &place, 4);
    refuse("b", bytes, sizeof bytes, "lies outside");
}

/* 400 x 400 doubles take 1.2 MiB; the limit here is 1 MiB, and it is asked before the memory. */
static void more_memory_than_allowed_is_not_asked_for(void **state)
{
    size_t names = 400 * 12 + 400 * 20;
    unsigned char *bytes = calloc(1, 12 + names);
    int32_t header[3] = {-400, -400, 0};

    (void)state;
    memset(bytes, 'a', 12 + names);
    memcpy(bytes, header, 12);
    refuse("b", bytes, 12 + names, "takes more than the 1 MiB it may");
    free(bytes);
}

static void bad_tables_are_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"a,b\n", "has no elements"},
        {"a\nb\n", "has no elements"},
        {"a,b\nc,x\n", "t.csv:2: \"x\" in column \"b\" is not a number"},
        {"a,b\nc,\n", "is blank"},
        {"a,b\nc,1,2\n", "t.csv:2"},
        {"a,\nc,1\n", "is empty"},
        {"a,b\n,1\n", "is empty"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse("t.csv", cases[i].text, strlen(cases[i].text), cases[i].says);
}

static void texts_are_read_as_fortran_wrote_them(void **state)
{
    const char *text =
        "\xef\xbb\xbf   2  3    2\r\n 1.0D0 2\t-3.5E+1\r\n\r\n 1.5-3,.5 1e-400\r\n*  Row  "
        "Names\r\nR1\r\n r2 \r\n* COLUMN NAMES\r\nA\r\nb\r\n c d\r\n\032";
    struct error error;
    struct matrix *m = matrix_read_memory(text, strlen(text), "m", FEW, &error);
    static const double expected[] = {1, 1.5e-3, 2, 0.5, -35, 0};

    (void)state;
    assert_non_null(m);
    assert_int_equal(2, m->rows);
    assert_int_equal(3, m->columns);
    assert_memory_equal(expected, m->values, sizeof expected);
    assert_string_equal("r1", m->row_names[0]);
    assert_string_equal("r2", m->row_names[1]);
    assert_string_equal("a", m->column_names[0]);
    assert_string_equal("c d", m->column_names[2]);
    matrix_free(m);
}

static struct matrix *example(size_t rows, size_t columns, const char *row, const char *column)
{
    struct matrix *m = matrix_create(rows, columns);

    for (size_t i = 0; i < rows; i++)
        assert_true(asprintf(&m->row_names[i], row, (int)i) > 0);
    for (size_t j = 0; j < columns; j++)
        assert_true(asprintf(&m->column_names[j], column, (int)j) > 0);
    for (size_t i = 0; i < rows * columns; i++) /* every fourth is zero */
        m->values[i] = i % 4 == 0 ? 0 : ldexp(1.0 / (double)(i + 3), (int)(i % 90) - 40);
    return m;
}

static void same(const struct matrix *a, const struct matrix *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->columns, b->columns);
    assert_int_equal(a->diagonal, b->diagonal);
    assert_memory_equal(a->values, b->values,
                        (a->diagonal ? a->rows : a->rows * a->columns) * sizeof(double));
    for (size_t i = 0; i < a->rows; i++)
        assert_string_equal(a->row_names[i], b->row_names[i]);
    for (size_t j = 0; j < a->columns; j++)
        assert_string_equal(a->column_names[j], b->column_names[j]);
}

static void what_is_written_is_read_the_same(void **state)
{
    static const enum matrix_format formats[] = {MATRIX_OLD,   MATRIX_EXTENDED, MATRIX_BINARY,
                                                 MATRIX_DENSE, MATRIX_ASCII,    MATRIX_CSV};
    struct matrix *m = example(37, 11, "obs_%d", "p%d");
    struct error error = {0};

    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const char *name = formats[i] == MATRIX_CSV ? "same.csv" : "same";
        assert_int_equal(0, matrix_write(m, name, formats[i], &error));
        struct matrix *again = matrix_read(name, FEW, &error);
        assert_non_null(again);
        same(m, again);
        matrix_free(again);
    }
    matrix_free(m);
}

static void a_diagonal_stays_one_in_text(void **state)
{
    const char *text = "3 3 -1\n1\n4\n.25\n* row and column names\na\nb\nc\n";
    struct error error;
    struct matrix *m = matrix_read_memory(text, strlen(text), "m", FEW, &error), *again;

    (void)state;
    assert_non_null(m);
    assert_true(m->diagonal && m->values[1] == 4 && m->values[2] == 0.25);
    assert_int_equal(0, matrix_write(m, "diagonal", MATRIX_ASCII, &error));
    again = matrix_read("diagonal", FEW, &error);
    assert_non_null(again);
    same(m, again);
    matrix_free(again);
    assert_int_equal(0, matrix_write(m, "diagonal", MATRIX_OLD, &error));
    again = matrix_read("diagonal", FEW, &error);
    assert_non_null(again);
    assert_true(!again->diagonal && again->values[4] == 4 && again->values[1] == 0);
    matrix_free(again);
    matrix_free(m);
}

static void long_names_take_the_extended_format(void **state)
{
    struct matrix *m = example(2, 2, "an_observation_of_more_than_20_%d", "p%d"), *again;
    struct error error = {0};
    int32_t header[3];

    (void)state;
    assert_int_equal(-1, matrix_write(m, "long", MATRIX_OLD, &error));
    assert_non_null(strstr(error.text, "12 characters in columns and 20 in rows"));
    assert_int_equal(0, matrix_write(m, "long", MATRIX_BINARY, &error));
    char *bytes = scratch_read("long", NULL);
    memcpy(header, bytes, sizeof header);
    assert_int_equal(2, header[0]);
    free(bytes);
    again = matrix_read("long", FEW, &error);
    assert_non_null(again);
    same(m, again);
    matrix_free(again);
    matrix_free(m);
}

/* The layout of the old format, byte by byte, as PEST writes it. */
static void the_old_format_is_pests(void **state)
{
    struct matrix *m = example(2, 2, "o%d", "p%d");
    struct error error = {0};
    unsigned char expected[12 + 12 + 24 + 40];
    int32_t header[3] = {-2, -2, 1}, place = 3;
    double value = 7.25;
    size_t size;

    (void)state;
    memset(m->values, 0, 4 * sizeof(double));
    m->values[2] = value; /* row 0, column 1: number 3 */
    memset(expected, ' ', sizeof expected);
    memcpy(expected, header, 12);
    memcpy(expected + 12, &place, 4);
    memcpy(expected + 16, &value, 8);
    memcpy(expected + 24, "p0", 2);
    memcpy(expected + 36, "p1", 2);
    memcpy(expected + 48, "o0", 2);
    memcpy(expected + 68, "o1", 2);
    assert_int_equal(0, matrix_write(m, "old", MATRIX_BINARY, &error));
    char *bytes = scratch_read("old", &size);
    assert_int_equal(sizeof expected, size);
    assert_memory_equal(expected, bytes, size);
    free(bytes);
    matrix_free(m);
}

static void a_file_that_is_not_there_is_said(void **state)
{
    struct error error = {0};

    (void)state;
    assert_null(matrix_read("nowhere.jco", FEW, &error));
    assert_non_null(strstr(error.text, "nowhere.jco"));
    assert_null(matrix_read(".", FEW, &error));
    assert_non_null(strstr(error.text, "not a file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_texts_are_refused_with_their_line),
        cmocka_unit_test(bad_binaries_are_refused),
        cmocka_unit_test(elements_outside_the_matrix_are_refused),
        cmocka_unit_test(more_memory_than_allowed_is_not_asked_for),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_said),
        cmocka_unit_test(texts_are_read_as_fortran_wrote_them),
        cmocka_unit_test(what_is_written_is_read_the_same),
        cmocka_unit_test(a_diagonal_stays_one_in_text),
        cmocka_unit_test(long_names_take_the_extended_format),
        cmocka_unit_test(the_old_format_is_pests),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
