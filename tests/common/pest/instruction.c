#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/fd.h"
#include "common/pest/instruction.h"
#include "common/pest/outputs.h"

static const char *const names[] = {"a", "b", "c", "Obs_Four"};
#define COUNT 4
static const double unset = -999;

struct bench {
    struct pest_index *index;
    char folder[64];
    int dirfd;
    struct error error;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->index = pest_index_create(names, COUNT, &bench->error);
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/beofarm-ins-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    bench->dirfd = open(bench->folder, O_RDONLY | O_DIRECTORY);
    assert_true(bench->dirfd >= 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    unlinkat(bench->dirfd, "out", 0);
    unlinkat(bench->dirfd, "ins", 0);
    close(bench->dirfd);
    rmdir(bench->folder);
    pest_index_destroy(bench->index);
    free(bench);
    return 0;
}

static void put_file(struct bench *bench, const char *name, const char *text, size_t size)
{
    int fd = openat(bench->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write(fd, text, size), 0);
    close(fd);
}

/* Read `output` by `text`; the values of a, b, c, obs_four, or -1 with bench->error. */
static int run_with(struct bench *bench, const char *text, const char *delimiters,
                    const char *output, double *values)
{
    for (int i = 0; i < COUNT; i++)
        values[i] = unset;
    put_file(bench, "out", output, strlen(output));
    struct pest_instructions *instructions = pest_instructions_parse(
        text, strlen(text), "ins", bench->index, delimiters, &bench->error);
    if (!instructions)
        return -1;
    int status =
        pest_instructions_run(instructions, bench->dirfd, "out", values, &bench->error);
    pest_instructions_destroy(instructions);
    return status;
}

static void check(struct bench *bench, const char *text, const char *output, double a, double b)
{
    double values[COUNT];
    if (run_with(bench, text, NULL, output, values) < 0)
        fail_msg("%s of %s: %s", text, output, bench->error.text);
    if (values[0] != a || values[1] != b)
        fail_msg("%s of %s: %.17g, %.17g", text, output, values[0], values[1]);
}

static void check_fails(struct bench *bench, const char *text, const char *output,
                        const char *sentence)
{
    double values[COUNT];
    bench->error = (struct error){0};
    if (run_with(bench, text, NULL, output, values) == 0)
        fail_msg("%s of %s is read", text, output);
    assert_int_equal(bench->error.code, ERROR_CONFIG);
    if (!strstr(bench->error.text, sentence))
        fail_msg("%s of %s: \"%s\" does not say \"%s\"", text, output, bench->error.text,
                 sentence);
}

static void what_is_no_instruction_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "ins:1: the first line must be"},
        {"ptf @\n", "ins:1: the first line must be"},
        {"pif\n", "ins:1: one character"},
        {"pif @ @\n", "ins:1: one character"},
        {"pif @@\n", "ins:1: one character"},
        {"pif a\n", "ins:1: the delimiter must not be"},
        {"pif &\n", "ins:1: the delimiter must not be"},
        {"pif @\n\n!a!\n", "ins:3: \"!a!\" cannot begin a line"},
        {"pif @\nw !a!\n", "ins:2: \"w\" cannot begin a line"},
        {"pif @\n& !a!\n", "ins:2: there is no line above"},
        {"pif @\nl1 & !a!\n", "ins:2: & stands first"},
        {"pif @\nl0 !a!\n", "ins:2: \"l0\" must be l and the number"},
        {"pif @\nl !a!\n", "must be l and the number"},
        {"pif @\nl99999999999999999999 !a!\n", "must be l and the number"},
        {"pif @\nl1 t0 !a!\n", "must be t and a column"},
        {"pif @\nl1x !a!\n", "ins:2: \"l1x\" is not an instruction"},
        {"pif @\nl1 word\n", "ins:2: \"word\" is not an instruction"},
        {"pif @\nl1 x\n", "ins:2: \"x\" is not an instruction"},
        {"pif @\nl1 @  \n", "ins:2: there is no text between two @"},
        {"pif @\nl1 @@\n", "ins:2: there is no text"},
        {"pif @\nl1 !a\n", "has no second !"},
        {"pif @\nl1 !!\n", "names no observation"},
        {"pif @\nl1 !a!!b!\n", "a blank is missing"},
        {"pif @\nl1 [a\n", "has no ]"},
        {"pif @\nl1 [a]\n", "must end in FIRST:LAST"},
        {"pif @\nl1 [a]1\n", "must end in FIRST:LAST"},
        {"pif @\nl1 [a]1:\n", "must end in FIRST:LAST"},
        {"pif @\nl1 [a]0:5\n", "must end in FIRST:LAST"},
        {"pif @\nl1 [a]6:5\n", "must end in FIRST:LAST"},
        {"pif @\nl1 (a)5:6x\n", "a blank is missing"},
        {"pif @\nl1 !obs_for!\n", "no observation \"obs_for\"; did you mean \"Obs_Four\"?"},
        {"pif @\nl1 !a!\nl1 [A]1:2\n", "ins:3: the observation \"A\" is read twice"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_fails(*state, cases[i].text, "1\n2\n3\n", cases[i].sentence);
}

static void long_names_are_refused(void **state)
{
    char text[400] = "pif @\nl1 !";
    memset(text + 10, 'n', 201);
    strncat(text, "!\n", 3);
    check_fails(*state, text, "1\n", "201 characters");
}

static void what_is_not_in_the_output_is_said_with_both_lines(void **state)
{
    static const struct {
        const char *text, *output, *sentence;
    } cases[] = {
        {"pif @\nl3 !a!\n", "1\n2\n", "ins:2: l3 in out:2: the file ends too soon"},
        {"pif @\nl1 !a!\n", "", "l1 in out:0: the file ends too soon"},
        {"pif @\nl1\n@x y@ !a!\n", "1\nx  y\n", "ins:3: @x y@ in out:2: the file ends without"},
        {"pif @\nl2 !a!\n", "1\nabc\n", "ins:2: !a! in out:2: \"abc\" is not a number"},
        {"pif @\nl1 !a!\n", "NaN\n", "\"NaN\" is NaN"},
        {"pif @\nl1 !a!\n", "-inf\n", "\"-inf\" is infinite"},
        {"pif @\nl1 !a!\n", "*****\n", "\"*****\" are asterisks"},
        {"pif @\nl1 !a! !b!\n", " 1 \t\n",
         "!b! in out:1: the line ends before it; the line is"},
        {"pif @\nl1 w !a!\n", "word\n", "w in out:1: there is no other word"},
        {"pif @\nl1 t9 !a!\n", "12345678\n", "t9 in out:1: the line is shorter"},
        {"pif @\nl1 t4 t3 !a!\n", "12345678\n", "t3 in out:1: reading has passed"},
        {"pif @\nl1 [a]3:5\n", "12\n", "[a]3:5 in out:1: the line is shorter"},
        {"pif @\nl1 [a]1:3\n", "   4\n", "\"   \" is blank"},
        {"pif @\nl1 [a]1:3\n", "1 24\n", "\"1 2\" is not a number"},
        {"pif @\nl1 (a)1:3\n", "   4\n", "the columns are blank"},
        {"pif @\nl1 @x@ !a!\n", "y x\t1z\n", "\"1z\" is not a number"},
        {"pif @\nl1 @q@ !a!\n", "1\n", "@q@ in out:1: it is not in the rest"},
        {"pif @\n@p@ w @q@ !a!\n", "p  1\np q 2\n", "@q@ in out:1: it is not in the rest"},
        {"pif @\n@p@ !b! @q@ !a!\n", "p 1\np 1 q 2\n", "@q@ in out:1: it is not in the rest"},
        {"pif @\nl1 @q@\n@q@ !a!\n", "q 1\n2\n", "ins:3: @q@ in out:2: the file ends without"},
        {"pif @\nl1 @X@\n", "x\n", "it is not in the rest"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_fails(*state, cases[i].text, cases[i].output, cases[i].sentence);
}

static void a_missing_output_is_the_models_fault(void **state)
{
    struct bench *bench = *state;
    double values[COUNT];
    const char *text = "pif @\nl1 !a!\n";
    struct pest_instructions *instructions =
        pest_instructions_parse(text, strlen(text), "ins", bench->index, NULL, &bench->error);
    unlinkat(bench->dirfd, "out", 0);
    assert_int_equal(
        pest_instructions_run(instructions, bench->dirfd, "out", values, &bench->error), -1);
    assert_string_equal(bench->error.text, "out: the model has not written this file");
    assert_int_equal(
        pest_instructions_run(instructions, bench->dirfd, ".", values, &bench->error), -1);
    assert_string_equal(bench->error.text, ".: not a regular file");
    pest_instructions_destroy(instructions);
}

static void lines_and_words_are_counted(void **state)
{
    check(*state, "pif @\nl1 !a!\nl2 !b!\n", "1\n2\n3\n", 1, 3);
    check(*state, "pif @\nl3 !a! !b!", "\n\n 7 8", 7, 8);
    check(*state, "PIF @\n\nL1 W !A! w !B!\n\n", "x 1.5D0 2.5-1\n", 1.5, .25);
    check(*state, "pif @\nl1 w w !a!\n", "x y 5\n", 5, unset); /* w leaves the first word */
    check(*state, "pif @\nl1 !dum! !a! !DUM! !b!\n", "text 1 more 2\n", 1, 2);
    check(*state, "jif ~\nl1 !a!\n&!b!\n& \n", "1 2\n", 1, 2);
}

static void columns_are_counted_from_one(void **state)
{
    check(*state, "pif @\nl1 [a]1:2 [b]3:5\n", "12345\n", 12, 345);
    check(*state, "pif @\nl1 [a]1:9 [b]10:99\n", "  1.5    2.5\n", 1.5, 2.5);
    check(*state, "pif @\nl1 [b]4:5 [a]1:2\n", "12 34\n", 12, 34); /* fixed ones may go back */
    check(*state, "pif @\nl1 (a)3:4 (b)7:9\n", "123456 7\n", 123456, 7);
    check(*state, "pif @\nl1 (a)1:3 !b!\n", "  123456 7\n", 123456, 7);
    check(*state, "pif @\nl1 t4 !a!\n", "abcd5\n", 5, unset);
    check(*state, "pif @\nl1 t4 w !a!\n", "abcde 5\n", 5, unset);
    check(*state, "pif @\nl1 [dum]1:3 !a!\n", "abc 5\n", 5, unset);
}

static void tabs_reach_to_the_next_eighth_column(void **state)
{
    check(*state, "pif @\nl1 [a]9:10 [b]17:17\n", "x\t12\t7\n", 12, 7);
    check(*state, "pif @\nl1 w !a! t16 !b!\n", "\t1\t2\n", 1, 2);
    check(*state, "pif @\nl1 @x  @ !a!\n", "abcdex\t12\n", 12, unset);
    check(*state, "pif @\n@x  @\nl1 !a!\n", "x \n12\n", 12, unset); /* at a line's end */
}

static void markers_search_lines_and_within_them(void **state)
{
    check(*state, "pif @\n@head@ !a!\n@head@ !b!\n", "\nhead 1 head 9\nxhead2\n", 1, 2);
    check(*state, "pif @\n@t = @ !a!\n", "t=1\nt = 2\n", 2, unset);
    check(*state, "pif @\n@end of@\nl1 !a!\n", "an end of\n5", 5, unset);
    check(*state, "pif @\nl1 @:@ @:@ !a!\n", "1:2:3\n", 3, unset);
    check(*state, "pif @\nl1 @x@!a! @y@!b!\n", "x1y2\n", 1, 2);
    check(*state, "pif @\n@é@ !a!\n", "\xc3\xa9 4\n", 4, unset);
    check(*state, "pif @\n@\t@ !a!\n", "1\n2\t3\n", 3, unset);
}

static void the_last_marker_of_a_line_may_be_open(void **state)
{
    check(*state, "pif $\n$time,$ $q\nl1 !a! !b!", "time\ntime,q\n1 2\n", 1, 2);
    check(*state, "pif $\nl1 !a! !b! $end of it \t\r\n", "1 2 end of it\n", 1, 2);
}

/* With a delimiter like this, there are no free numbers. */
static void exclamation_marks_may_delimit_markers(void **state)
{
    check(*state, "pif !\n!x! [a]2:3\nl1 [b]1:2\n", "x12\n34\n", 12, 34);
}

static void a_marker_after_markers_sends_the_search_on(void **state)
{
    check(*state, "pif @\n@period@ @step 2@ !a!\n", "period step 1 7\nperiod step 2 8\n", 8,
          unset);
    check(*state, "pif @\n@p@ @q@\n& @r@ !a!\n& !b!\n", "p q 1\np r q\np q r 2 3\n", 2, 3);
    check(*state, "pif @\n@p@ @q@ !a!\n", "p\n\nq\np\np q 3\n", 3, unset);
}

static void a_free_number_ends_where_it_must(void **state)
{
    check(*state, "pif @\nl1 !a! !b!\n", "1.5,2.5\n", 1.5, 2.5);
    check(*state, "pif @\nl1 !a! !b!\n", ",,1.5 , 2.5\n", 1.5, 2.5);
    check(*state, "pif @\nl1 !a! @%@ !b!\n", "3.1% 4\n", 3.1, 4);
    check(*state, "pif @\nl1 !a! @%@ !b!\n", "3.1 % 4\n", 3.1, 4);
    check(*state, "pif @\nl1 !a! @m@ !b! @m@\n", "3.1m4m\n", 3.1, 4);
}

static void more_delimiters_separate_words(void **state)
{
    struct bench *bench = *state;
    double values[COUNT];
    assert_int_equal(
        run_with(bench, "pif @\nl1 w !a! !b! w !c!\n", "|;", "x|1;2|y;3\n", values), -1);
    assert_int_equal(
        run_with(bench, "pif @\nl1 w !a! !b! w w !c!\n", "|;", "x|1;2|y;3\n", values), 0);
    assert_true(values[0] == 1 && values[1] == 2 && values[2] == 3);
}

static void line_ends_of_dos_are_line_ends(void **state)
{
    check(*state, "pif @\r\nl1 [a]1:9\r\n@x@\r\nl1 !b!\r\n\x1a", "1\r\nx\r\n2.5\r\n\x1a", 1,
          2.5);
    check(*state, "pif @\r\nl2 !a!\r\n", "x\r\n2.5\x1a", 2.5, unset);
}

/* Behind the mark there is no letter that a hexadecimal number could go on with. */
static void a_byte_order_mark_takes_no_columns(void **state)
{
    check(*state, "pif @\nl1 [a]1:3 [b]5:6\n", "\xef\xbb\xbf 12 34\n", 12, 34);
    check(*state, "pif @\nl2 !a!\n", "\xef\xbb\xbfx\n7\n", 7, unset);
    check(*state, "pif @\nl1 !a!\n", "\xef\xbb\xbf 5", 5, unset);
}

/* A line of bytes that are in the key, but never the key, which stands in the last line alone. */
static int put_line(char *room, int line, const char *key, bool last)
{
    size_t size = strlen(key);
    if (last)
        return snprintf(room, 40, "x%s 42", key);
    int at = 0;
    for (; at < 30 && size > 1; at++)
        room[at] = at % 7 == 6 ? '_' : key[(size_t)(at * (line + 1)) % (size - 1)];
    room[at++] = '\n';
    return at;
}

/* Keys whose rarest byte is rare, is everywhere, and stands first, last, or alone. */
static void markers_are_found_however_common_their_letters(void **state)
{
    struct bench *bench = *state;
    static const char *const keys[] = {"Zq",   "qZ",  "Z", "aaab", "baaa",
                                       "abab", "0.5", "e", "aZb"};
    enum { LINES = 3000 };
    char *output = malloc((size_t)LINES * 40), text[64];
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        size_t size = 0;
        for (int line = 0; line < LINES; line++)
            size += (size_t)put_line(output + size, line, keys[i], line + 1 == LINES);
        put_file(bench, "out", output, size);
        snprintf(text, sizeof(text), "pif @\n@%s@ !a!\n", keys[i]);
        struct pest_instructions *instructions = pest_instructions_parse(
            text, strlen(text), "ins", bench->index, NULL, &bench->error);
        double values[COUNT];
        if (pest_instructions_run(instructions, bench->dirfd, "out", values, &bench->error) < 0)
            fail_msg("%s: %s", keys[i], bench->error.text);
        assert_true(values[0] == 42);
        pest_instructions_destroy(instructions);
    }
    free(output);
}

/* Lines around the window's edges, and one longer than it. */
static void large_files_are_read_as_a_stream(void **state)
{
    struct bench *bench = *state;
    size_t filler = 300000, size = 0, room = 40000000;
    char *output = malloc(room);
    for (int i = 0; i < 200000; i++)
        size += (size_t)snprintf(output + size, room - size, "line %d%*s\n", i, i % 90, "");
    size +=
        (size_t)snprintf(output + size, room - size, "%*sneedle 1.25\n", (int)filler, "nee");
    for (int i = 0; i < 100000; i++)
        size += (size_t)snprintf(output + size, room - size, "needl %d\n", i);
    size += (size_t)snprintf(output + size, room - size, "needle 2.5");
    put_file(bench, "out", output, size);
    free(output);
    const char *text = "pif @\nl199999 @line@ @199998@\n@needle@ !a!\nl50001 @needl@ !c!\n"
                       "@needle@ !b!\n";
    struct pest_instructions *instructions =
        pest_instructions_parse(text, strlen(text), "ins", bench->index, NULL, &bench->error);
    assert_non_null(instructions);
    double values[COUNT];
    if (pest_instructions_run(instructions, bench->dirfd, "out", values, &bench->error) < 0)
        fail_msg("%s", bench->error.text);
    assert_true(values[0] == 1.25 && values[1] == 2.5 && values[2] == 50000);
    pest_instructions_destroy(instructions);
}

static void a_line_without_end_is_refused(void **state)
{
    struct bench *bench = *state;
    double values[COUNT];
    put_file(bench, "out", "x", 1);
    int fd = openat(bench->dirfd, "out", O_WRONLY);
    assert_int_equal(ftruncate(fd, (off_t)80 << 20), 0); /* NULs, which take no room on disk */
    close(fd);
    const char *text = "pif @\n@needle@ !a!\n";
    struct pest_instructions *instructions =
        pest_instructions_parse(text, strlen(text), "ins", bench->index, NULL, &bench->error);
    assert_int_equal(
        pest_instructions_run(instructions, bench->dirfd, "out", values, &bench->error), -1);
    assert_string_equal(bench->error.text, "out: a line is longer than 64 MiB");
    pest_instructions_destroy(instructions);
}

static void every_observation_is_read_once(void **state)
{
    struct bench *bench = *state;
    char path[100];
    snprintf(path, sizeof(path), "%s/ins", bench->folder);
    const char *text = "pif @\nl1 !a! !b!\n";
    put_file(bench, "ins", text, strlen(text));
    struct pest_file_pair list[] = {{path, "out"}, {path, "other"}};
    assert_null(pest_outputs_read(list, 1, "", bench->index, NULL, &bench->error));
    assert_string_equal(bench->error.text, "no instruction file reads the observation \"c\"");
    assert_null(pest_outputs_read(list, 2, "", bench->index, NULL, &bench->error));
    assert_non_null(strstr(bench->error.text, "\"a\" is read by"));
    text = "pif @\nl1 !a! !b! !c! !OBS_FOUR!\n";
    put_file(bench, "ins", text, strlen(text));
    struct pest_outputs *outputs =
        pest_outputs_read(list, 1, "", bench->index, NULL, &bench->error);
    assert_non_null(outputs);
    double values[COUNT];
    put_file(bench, "out", "1 2 3 4", 7);
    assert_int_equal(pest_outputs_collect(outputs, bench->dirfd, values, &bench->error), 0);
    assert_true(values[0] == 1 && values[3] == 4);
    assert_int_equal(pest_outputs_remove(outputs, bench->dirfd, &bench->error), 0);
    assert_int_equal(pest_outputs_remove(outputs, bench->dirfd, &bench->error), 0);
    assert_int_equal(pest_outputs_collect(outputs, bench->dirfd, values, &bench->error), -1);
    pest_outputs_destroy(outputs);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_instruction_is_refused_with_its_line),
        TEST(long_names_are_refused),
        TEST(what_is_not_in_the_output_is_said_with_both_lines),
        TEST(a_missing_output_is_the_models_fault),
        TEST(lines_and_words_are_counted),
        TEST(columns_are_counted_from_one),
        TEST(tabs_reach_to_the_next_eighth_column),
        TEST(markers_search_lines_and_within_them),
        TEST(the_last_marker_of_a_line_may_be_open),
        TEST(exclamation_marks_may_delimit_markers),
        TEST(a_marker_after_markers_sends_the_search_on),
        TEST(a_free_number_ends_where_it_must),
        TEST(more_delimiters_separate_words),
        TEST(line_ends_of_dos_are_line_ends),
        TEST(a_byte_order_mark_takes_no_columns),
        TEST(markers_are_found_however_common_their_letters),
        TEST(large_files_are_read_as_a_stream),
        TEST(a_line_without_end_is_refused),
        TEST(every_observation_is_read_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
