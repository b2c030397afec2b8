#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/fd.h"
#include "common/pest/inputs.h"
#include "common/pest/template.h"

static const char *const names[] = {"k1", "Porosity", "h_long_name"};
#define COUNT 3

struct bench {
    struct pest_index *index;
    char folder[64], path[3][100];
    int dirfd;
    struct error error;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->index = pest_index_create(names, COUNT, &bench->error);
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/beofarm-tpl-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    bench->dirfd = open(bench->folder, O_RDONLY | O_DIRECTORY);
    assert_true(bench->dirfd >= 0);
    for (int i = 0; i < 3; i++)
        snprintf(bench->path[i], sizeof(bench->path[i]), "%s/%d.tpl", bench->folder, i);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    static const char *const files[] = {"0.tpl", "1.tpl", "2.tpl", "a", "b", "target"};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        unlinkat(bench->dirfd, files[i], 0);
    close(bench->dirfd);
    assert_int_equal(rmdir(bench->folder), 0); /* no temporary file is left */
    pest_index_destroy(bench->index);
    free(bench);
    return 0;
}

static void put_file(struct bench *bench, const char *name, const char *text)
{
    int fd = openat(bench->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write(fd, text, strlen(text)), 0);
    close(fd);
}

static void check_file(struct bench *bench, const char *name, const char *expected)
{
    char text[4096];
    int fd = openat(bench->dirfd, name, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t size = read(fd, text, sizeof(text) - 1);
    assert_true(size >= 0);
    text[size] = 0;
    close(fd);
    assert_string_equal(text, expected);
}

static void what_is_no_template_is_refused_with_its_line(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "tpl:1: the first line must be \"ptf x\""},
        {"pif ~\n", "tpl:1: the first line must be"},
        {"ptf\n", "tpl:1: one character"},
        {"ptf ~ ~\n", "tpl:1: one character"},
        {"ptf ~~\n", "tpl:1: one character"},
        {"ptfx ~\n", "tpl:1: the first line must be"},
        {"ptf a\n", "tpl:1: the delimiter must not be"},
        {"ptf 1\n", "tpl:1: the delimiter must not be"},
        {"ptf ~\n\nabc ~ k1\n~k1~\n", "tpl:3: the ~ in column 5 has no partner"},
        {"ptf ~\n~k1~ ~\n", "tpl:2: the ~ in column 6 has no partner"},
        {"ptf ~\n~~", "tpl:2: no name between two ~"},
        {"ptf ~\n~  ~", "tpl:2: no name between two ~"},
        {"ptf ~\n~k1~\n~ k2 ~\n", "tpl:3: the control file has no parameter \"k2\"; did you"},
        {"ptf ~\n~k 1~\n", "tpl:2: the control file has no parameter \"k 1\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bench->error = (struct error){0};
        assert_null(pest_template_parse(cases[i].text, strlen(cases[i].text), "tpl",
                                        bench->index, &bench->error));
        assert_int_equal(bench->error.code, ERROR_CONFIG);
        if (!strstr(bench->error.text, cases[i].sentence))
            fail_msg("\"%s\" does not say \"%s\"", bench->error.text, cases[i].sentence);
    }
}

static void long_names_are_refused(void **state)
{
    struct bench *bench = *state;
    char text[400] = "ptf ~\n~";
    memset(text + 7, 'n', 201);
    text[208] = '~';
    assert_null(pest_template_parse(text, 209, "tpl", bench->index, &bench->error));
    assert_non_null(strstr(bench->error.text, "a name of 201 characters"));
}

/* Write one template; what came of it stands in the file "a". */
static int write_one(struct bench *bench, const char *text, const struct pest_style *style,
                     const double *values)
{
    put_file(bench, "0.tpl", text);
    struct pest_file_pair input = {bench->path[0], "a"};
    struct pest_inputs *inputs =
        pest_inputs_read(&input, 1, "", bench->index, style, &bench->error);
    if (!inputs)
        return -1;
    int status = pest_inputs_write(inputs, values, bench->dirfd, &bench->error);
    pest_inputs_destroy(inputs);
    return status;
}

static const struct pest_style style = {.double_precision = true, .point = true};
static const double values[COUNT] = {1.5, 1.0 / 3, -2e-20};

static void fields_are_replaced_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(write_one(bench, "PTF ~\n", &style, values), 0);
    check_file(bench, "a", "");
    assert_int_equal(write_one(bench, "ptf ~\nno field", &style, values), 0);
    check_file(bench, "a", "no field");
    assert_int_equal(
        write_one(bench, "ptf #  \r\na\t# K1 #b\r\n\r\n#k1#,#porosity  #\r\n", &style, values),
        0);
    check_file(bench, "a", "a\t   1.5b\r\n\r\n 1.5,.33333333333\r\n");
}

static void a_value_is_the_same_in_all_its_fields(void **state)
{
    struct bench *bench = *state;
    const char *text = "ptf ~\n~porosity    ~\n~porosity~\n";
    assert_int_equal(write_one(bench, text, &style, values), 0);
    check_file(bench, "a", "    .333333333\n.333333333\n");
    put_file(bench, "0.tpl", "ptf ~\n~    k1    ~ ~porosity~");
    put_file(bench, "1.tpl", "ptf $\n$k1$ $h_long_name$");
    struct pest_file_pair list[] = {{bench->path[0], "a"}, {bench->path[1], "b"}};
    struct pest_inputs *inputs =
        pest_inputs_read(list, 2, "", bench->index, &style, &bench->error);
    assert_non_null(inputs);
    assert_int_equal(pest_inputs_width(inputs, 0), 4);
    assert_int_equal(pest_inputs_width(inputs, 1), 10);
    double given[COUNT] = {3.14159, 2, -2e-20}, written[COUNT];
    assert_int_equal(pest_inputs_round(inputs, given, written, &bench->error), 0);
    assert_true(written[0] == 3.14 && written[1] == 2 && written[2] == -2e-20);
    assert_int_equal(pest_inputs_write(inputs, given, bench->dirfd, &bench->error), 0);
    check_file(bench, "a", "        3.14        2.0");
    check_file(bench, "b", "3.14      -2.0E-20");
    pest_inputs_destroy(inputs);
}

static void json_templates_hold_json(void **state)
{
    struct bench *bench = *state;
    const double half[COUNT] = {0.5, 5, 1e-7};
    assert_int_equal(write_one(bench, "jtf ~\n[~k1~,~porosity~]\n", &style, half), 0);
    check_file(bench, "a", "[ 0.5,       5.0]\n");
    put_file(bench, "0.tpl", "jtf ~\n[~k1~]\n");
    struct pest_file_pair list[] = {{bench->path[0], "a"}};
    struct pest_inputs *inputs =
        pest_inputs_read(list, 1, "", bench->index, &style, &bench->error);
    double written; /* JSON has no ".xxx": a digit less than in a PEST template */
    assert_true(pest_inputs_written(inputs, 0, 0.123, &written) && written == 0.12);
    assert_true(pest_inputs_written(inputs, 1, 0.123456789, &written) &&
                written == 0.123456789);
    assert_false(pest_inputs_written(inputs, 0, 1e-100, &written));
    pest_inputs_destroy(inputs);
    const double many[COUNT] = {0.123, 5, 1e-7};
    assert_int_equal(write_one(bench, "jtf ~\n[~k1~]\n", &style, many), 0);
    check_file(bench, "a", "[0.12]\n");
}

static void a_value_that_does_not_fit_is_an_error(void **state)
{
    struct bench *bench = *state;
    const double large[COUNT] = {-12345678, 1, 1};
    assert_int_equal(write_one(bench, "ptf ~\n\n~    k1   ~ ~k1~\n", &style, large), -1);
    assert_int_equal(bench->error.code, ERROR_CONFIG);
    assert_non_null(
        strstr(bench->error.text, "0.tpl:3: the value -12345678 of parameter \"k1\""));
    assert_true(faccessat(bench->dirfd, "a", F_OK, 0) < 0); /* nothing was begun */
    const double nan[COUNT] = {1, NAN, 1};
    assert_int_equal(write_one(bench, "ptf ~\n~k1~ ~porosity~", &style, nan), -1);
    assert_int_equal(write_one(bench, "ptf ~\n~k1~", &style, nan), 0); /* it has no field */
}

static void links_are_replaced_not_followed(void **state)
{
    struct bench *bench = *state;
    put_file(bench, "target", "precious");
    assert_int_equal(symlinkat("target", bench->dirfd, "a"), 0);
    assert_int_equal(write_one(bench, "ptf ~\n~k1~", &style, values), 0);
    check_file(bench, "target", "precious");
    check_file(bench, "a", " 1.5");
    assert_int_equal(unlinkat(bench->dirfd, "a", 0), 0);
    assert_int_equal(linkat(bench->dirfd, "target", bench->dirfd, "a", 0), 0);
    assert_int_equal(write_one(bench, "ptf ~\n~k1~", &style, values), 0);
    check_file(bench, "target", "precious");
    check_file(bench, "a", " 1.5");
}

static void a_longer_old_file_leaves_nothing_behind(void **state)
{
    struct bench *bench = *state;
    put_file(bench, "a", "longer than what will be written");
    assert_int_equal(write_one(bench, "ptf ~\n~k1~", &style, values), 0);
    check_file(bench, "a", " 1.5");
    unlinkat(bench->dirfd, "a", 0);
    assert_int_equal(mkdirat(bench->dirfd, "a", 0700), 0);
    assert_int_equal(write_one(bench, "ptf ~\n~k1~", &style, values), -1);
    assert_int_equal(bench->error.code, ERROR_SYSTEM);
    assert_int_equal(unlinkat(bench->dirfd, "a", AT_REMOVEDIR), 0);
}

static void two_templates_of_one_file_are_refused(void **state)
{
    struct bench *bench = *state;
    put_file(bench, "0.tpl", "ptf ~\n~k1~");
    struct pest_file_pair list[] = {{bench->path[0], "a"}, {bench->path[0], "a"}};
    assert_null(pest_inputs_read(list, 2, "", bench->index, &style, &bench->error));
    assert_non_null(strstr(bench->error.text, "two templates"));
    list[0].pest_file = "/nonexistent/of/x.tpl";
    assert_null(pest_inputs_read(list, 1, "", bench->index, &style, &bench->error));
    assert_int_equal(bench->error.code, ERROR_SYSTEM);
}

/* Fields before, at and behind the ends of what is gathered for one write. */
static void large_templates_are_written_whole(void **state)
{
    struct bench *bench = *state;
    enum { LINES = 200000 };
    size_t size = 0, room = (size_t)LINES * 40;
    char *text = malloc(room), *expected = malloc(room), *got = malloc(room);
    size += (size_t)snprintf(text, room, "ptf ~\n");
    size_t expected_size = 0;
    for (int i = 0; i < LINES; i++) {
        bool field = i % 3 == 0 && i < LINES / 2; /* the second half has none */
        size +=
            (size_t)snprintf(text + size, room - size, "%d %s\n", i, field ? "~ k1 ~" : "x");
        expected_size += (size_t)snprintf(expected + expected_size, room - expected_size,
                                          "%d %s\n", i, field ? "   1.5" : "x");
    }
    assert_int_equal(write_one(bench, text, &style, values), 0);
    int fd = openat(bench->dirfd, "a", O_RDONLY);
    ssize_t got_size = read(fd, got, room);
    close(fd);
    assert_int_equal(got_size, expected_size);
    assert_memory_equal(got, expected, expected_size);
    free(text);
    free(expected);
    free(got);
}

static void names_are_found_whatever_their_case(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(pest_index_find(bench->index, "K1", 2), 0);
    assert_int_equal(pest_index_find(bench->index, "POROSITYx", 8), 1);
    assert_int_equal(pest_index_find(bench->index, "POROSITYx", 9), -1);
    assert_int_equal(pest_index_find(bench->index, "", 0), -1);
    assert_int_equal(pest_index_find(bench->index, "k1\0", 3), -1);
    enum { MANY = 100000 };
    char(*texts)[12] = calloc(MANY, sizeof(*texts));
    const char **list = calloc(MANY, sizeof(*list));
    for (int i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof(*texts), "Name%d", i);
        list[i] = texts[i];
    }
    struct pest_index *index = pest_index_create(list, MANY, &bench->error);
    for (int i = 0; i < MANY; i++) {
        texts[i][0] = 'n';
        assert_int_equal(pest_index_find(index, texts[i], strlen(texts[i])), i);
    }
    assert_int_equal(pest_index_find(index, "name100000", 10), -1);
    pest_index_destroy(index);
    free(list);
    free(texts);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_template_is_refused_with_its_line),
        TEST(long_names_are_refused),
        TEST(fields_are_replaced_and_nothing_else),
        TEST(a_value_is_the_same_in_all_its_fields),
        TEST(json_templates_hold_json),
        TEST(a_value_that_does_not_fit_is_an_error),
        TEST(links_are_replaced_not_followed),
        TEST(a_longer_old_file_leaves_nothing_behind),
        TEST(two_templates_of_one_file_are_refused),
        TEST(large_templates_are_written_whole),
        TEST(names_are_found_whatever_their_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
