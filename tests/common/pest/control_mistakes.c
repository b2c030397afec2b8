/*
 * What is refused, and how: each sentence names file, line and field, and says what was expected.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/buf.h"
#include "tests/common/pest/control_bench.h"

static void each_mistake_has_its_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *sentences;
    } table[] = {
        {"pcf\n", "ptf #\n",
         "case.pst:1: a PEST control file begins with \"pcf\", not with \"ptf\""},
        {"pcf\n", "pcf version=3\n", "case.pst:1: version: \"3\": 1 or 2 is expected"},
        {"pcf\n", "pcf\n1 2\n",
         "case.pst:2: \"1 2\" is in no section; \"* control data\" is expected"},
        {"restart est", "rstart est",
         "case.pst:3: rstfle: \"rstart\": restart or norestart is expected"},
        {"estimation", "estimate",
         "case.pst:3: pestmode: \"estimate\": estimation, prediction, regularisation or pareto "
         "is expected; did you mean estimation?"},
        {" estimation", "", "case.pst:3: pestmode is missing"},
        {"2 2 1 0 1", "2 2 1 0",
         "case.pst:4: nobsgp is missing (line 2 of \"* control data\")"},
        {"10 -3 0.3", "10 -3 x", "case.pst:6: phiratsuf: \"x\" is not a number"},
        {"30 0.005", "3.5 0.005", "case.pst:9: noptmax: \"3.5\" is no whole number"},
        {"30 0.005", "3e10 0.005", "case.pst:9: noptmax: 3e10 is too large"},
        {"5 6 0.001", "5 6 0.001 absparmax(11)=3",
         "case.pst:7: absparmax: \"absparmax(11)=3\": absparmax(N)=number is expected, N from "
         "1 to 10"},
        {"g relative", "g relatve",
         "case.pst:12: inctyp: \"relatve\": relative, absolute or rel_to_max is expected"},
        {"switch", "always",
         "case.pst:12: forcen: \"always\": switch, always_2, always_3, always_5 or switch_5 is "
         "expected"},
        {" parabolic", "",
         "case.pst:12: dermthd is missing: a line of \"* parameter groups\" has at least 7 "
         "fields"},
        {"k log", "k lag",
         "case.pst:14: partrans: \"lag\": none, log, fixed or tied is expected"},
        {"k log factor", "k log fact",
         "case.pst:14: parchglim: \"fact\": relative, factor or absolute(N) is expected, N "
         "from "
         "1 to 10"},
        {"factor 1.5", "factor 1.5x", "case.pst:14: parval1: \"1.5x\" is not a number"},
        {"factor 1.5", "factor -1.5",
         "case.pst:14: parval1: -1.5 of \"k\", which is log-transformed; more than 0 is "
         "expected"},
        {"1.5 0.1 10", "1.5 -2 -1",
         "case.pst:14: parubnd: -1 of \"k\", which is log-transformed; more than 0 is "
         "expected"},
        {"2 -3 4", "2 4 -3", "case.pst:15: parlbnd: 4 of \"s\" is above parubnd, -3"},
        {"g 2 0.5", "g 0 0.5",
         "case.pst:15: scale: 0: the model would never see the parameter"},
        {"k log factor 1.5 0.1 10 g 1 0 1", "k log factor 1.5 0.1 10",
         "case.pst:14: pargp is missing: parnme partrans parchglim parval1 parlbnd parubnd "
         "pargp scale offset dercom are expected"},
        {"s none", "k none",
         "case.pst:15: parnme: \"k\" is there twice; it is also in "
         "case.pst:14"},
        {"s none", "s tied",
         "case.pst:15: partrans: \"s\" is tied, but to what? A line \"s PARENT\" is expected "
         "below the parameters"},
        {"s none relative 2 -3 4 g 2 0.5 1", "s tied relative 2 -3 4 g 2 0.5 1\ns kk",
         "case.pst:15: partied: \"kk\" is no parameter; did you mean \"k\"?"},
        {"s none relative 2 -3 4 g 2 0.5 1", "s tied relative 2 -3 4 g 2 0.5 1\ns s",
         "case.pst:15: partied: \"s\" is tied to itself, or through too many others"},
        {"o1 1.25 1 h", "o1 1.25",
         "case.pst:19: weight is missing: a line of \"* observation data\" has at least 3 "
         "fields"},
        {"o1 1.25", "o1 nan", "case.pst:19: obsval: \"nan\" is NaN, not a number"},
        {"o2 -2", "O1 -2",
         "case.pst:20: obsnme: \"o1\" is there twice; it is also in case.pst:19"},
        {"* model command line\n./model\n", "",
         "case.pst: there is no command (\"* model command line\")"},
        {"* model input/output\na.tpl a.in\nb.ins b.out\n", "",
         "case.pst: there are no templates and instructions (\"* model input/output\")"},
        {"a.tpl a.in\n", "a.tpl\n",
         "case.pst:24: model_file is missing: a line of \"* model input/output\" has at least "
         "2 "
         "fields"},
        {"1 1 single", "5 1 single", NULL /* read by the names' endings */},
        {"a.tpl a.in\nb.ins b.out\n", "a.tpl a.in\nb.ins b.out\nx y\n",
         NULL /* the first is a template, as ntplfle says */},
        {"* model command", "++lambdas(1\n* model command",
         "case.pst:21: ++lambdas( is not closed with )"},
        {"* parameter data", "* parameter datum",
         "case.pst: there are no parameters (\"* parameter data\")"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *told = bench_mistakes(bench_change(table[i].old, table[i].new));
        assert_string_equal(told, table[i].sentences ? table[i].sentences : "");
    }
}

static void one_mistake_hides_no_other(void **state)
{
    (void)state;
    assert_string_equal(
        bench_mistakes("pcf\n* control data\nrestart estimation\n2 2 1 0 1\n1 1 single point\n"
                       "10 x 0.3 0.03 10\n5 6 y\n0.1\n30 0.005 4 3 0.006 2\n1 0 1\n"
                       "* parameter groups\ng relative z 0 switch 2 parabolic\n"
                       "* parameter data\nk log factor 1.5 0.1 w g 1 0 1\n"
                       "* observation groups\nh\n* observation data\no1 v 1 h\n"
                       "* model command line\nm\n* model input/output\na.tpl a\nb.ins b\n"
                       "* prior information\np 1.0 * log(q) = 1 1 h\n"),
        "case.pst:6: rlamfac: \"x\" is not a number\n"
        "case.pst:7: facorig: \"y\" is not a number\n"
        "case.pst:12: derinc: \"z\" is not a number\n"
        "case.pst:14: parubnd: \"w\" is not a number\n"
        "case.pst:18: obsval: \"v\" is not a number\n"
        "case.pst:25: prior information \"p\": \"q\" is no parameter");
}

static void count_lines(void *context, const char *sentence)
{
    assert_true(*sentence);
    ++*(size_t *)context;
}

static void a_hundred_mistakes_are_enough(void **state)
{
    (void)state;
    struct buf text;
    size_t told = 0;
    buf_init(&text, 1 << 20);
    buf_append_text(&text, bench_classic);
    buf_append_text(&text, "* observation data\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "x%d ? 1 h\n", i);
    bench_write("case.pst", buf_text(&text));
    assert_int_equal(pest_control_check(bench_path("case.pst"), count_lines, &told), 100);
    assert_int_equal(told, 100);
    buf_fini(&text);
}

static void what_is_no_control_file_is_refused(void **state)
{
    (void)state;
    struct error error = {0};
    size_t told = 0;
    assert_null(pest_control_read(bench_path("absent.pst"), &error));
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_int_equal(pest_control_check(bench_path("absent.pst"), count_lines, &told), 1);
    assert_int_equal(told, 1);
    assert_null(pest_control_read(bench_path("."), &error));
    assert_int_equal(error.code, ERROR_CONFIG);
    bench_write_bytes("case.pst", "\xff\xfep\0c\0f\0", 8);
    assert_null(pest_control_read(bench_path("case.pst"), &error));
    assert_non_null(strstr(error.text, "case.pst:1: is UTF-16 text"));
    bench_write_bytes("case.pst", "pcf\n\0", 5);
    assert_null(pest_control_read(bench_path("case.pst"), &error));
    assert_non_null(strstr(error.text, "case.pst:2: holds a NUL byte"));
    bench_write("case.pst", "# nothing\n\n");
    assert_null(pest_control_read(bench_path("case.pst"), &error));
    assert_non_null(strstr(error.text, "case.pst: the file is empty"));
}

static void long_names_are_refused(void **state)
{
    (void)state;
    char name[PEST_NAME_MAX + 2], text[512];
    memset(name, 'x', PEST_NAME_MAX + 1);
    name[PEST_NAME_MAX + 1] = 0;
    snprintf(text, sizeof text, "%s 1.25 1", name);
    assert_string_equal(
        bench_mistakes(bench_change("o1 1.25 1", text)),
        "case.pst:19: obsnme: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" is "
        "longer than 200 characters");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_has_its_sentence),
        cmocka_unit_test(one_mistake_hides_no_other),
        cmocka_unit_test(a_hundred_mistakes_are_enough),
        cmocka_unit_test(what_is_no_control_file_is_refused),
        cmocka_unit_test(long_names_are_refused),
    };
    return cmocka_run_group_tests(tests, bench_open, bench_close);
}
