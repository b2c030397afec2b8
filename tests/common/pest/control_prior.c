/*
 * Prior information in the many spellings of real files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/common/pest/control_bench.h"

#define HEAD                                                                                   \
    "pcf\n* control data\nrestart estimation\n5 1 1 1 1\n1 1 single point\n10 -3 .3 .03 10\n"  \
    "5 6 .001\n.1\n30 .005 4 3 .006 2\n* parameter groups\n"                                   \
    "g relative .01 0 switch 2 parabolic\n* parameter data\n"                                  \
    "k log factor 1 .1 10 g 1 0 1\ns none relative 1 0 2 g 1 0 1\n"                            \
    "a-1 log factor 1 .1 10 g 1 0 1\na log factor 1 .1 10 g 1 0 1\n"                           \
    "logk none relative 1 0 2 g 1 0 1\n* observation groups\nh\n* observation data\no 1 1 h\n" \
    "* model command line\nm\n* model input/output\na.tpl a\nb.ins b\n* prior information\n"

static struct pest_control *prior_read(const char *line)
{
    char text[2048];
    snprintf(text, sizeof text, HEAD "%s\n", line);
    return bench_read(text);
}

static void all_spellings_of_a_term_are_one(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "p 1.0 * log(k) = 2.0 0.5 h",         "p 1.0*log(k)=2.0 0.5 h",
        "P 1.0 *LOG( K ) = 2.0 0.5 H",        "p\t1.0\t* log (k)\t=\t2.0\t0.5\th",
        "p +1.0 * log(k) = +2 .5 h",          "p 1 * log10(k) =2 5d-1 'h'",
        "p + 1.0 * log(k) = 2.0, 0.5, h",     "p 1.0D0 * log(k) = 2.0D+00 0.5 h",
        "p - -1.0 * log(k) = 2.0 0.5 h # x",  "p 1.0 * log(k)\n& = 2.0 0.5 h",
        "p 1.0 *\n&log(k) =\n& 2.0\n& 0.5 h",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct pest_control *c = prior_read(lines[i]);
        assert_int_equal(c->prior_count, 1);
        const struct pest_prior *prior = &c->priors[0];
        assert_string_equal(prior->pilbl, "p");
        assert_int_equal(prior->term_count, 1);
        assert_true(prior->terms[0].pifac == 1 && prior->terms[0].log);
        assert_int_equal(prior->terms[0].parnme, 0);
        assert_true(prior->pival == 2 && prior->weight == 0.5 && prior->obgnme == 0);
        pest_control_free(c);
    }
}

static void terms_are_added_and_subtracted(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "p 1.5 * log(k) - 2 * s + 3e-1 * log(a-1) = 0 1 h",
        "p 1.5*log(k)-2*s+3e-1*log(a-1)=0 1 h",
        "p 1.5 * log(k)\n& - 2 * s\n& + 3e-1 * log(a-1)\n& = 0 1 h",
        "p 1.5 * log(k) + -2 * s - -0.3 * log(a-1) = 0 1 h",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct pest_control *c = prior_read(lines[i]);
        const struct pest_prior *prior = &c->priors[0];
        assert_int_equal(prior->term_count, 3);
        assert_true(prior->terms[0].pifac == 1.5 && prior->terms[1].pifac == -2);
        assert_true(prior->terms[2].pifac == 0.3 && !prior->terms[1].log);
        assert_int_equal(prior->terms[1].parnme, 1);
        assert_int_equal(prior->terms[2].parnme, 2);
        pest_control_free(c);
    }
}

static void names_may_look_like_something_else(void **state)
{
    (void)state;
    struct pest_control *c = prior_read("p 1*a-1*s = 0 1 h");
    assert_int_equal(c->priors[0].term_count, 2); /* "a-1" is no term that "*s" could follow */
    pest_control_free(c);
    c = prior_read("p 1 * logk = 0 1 h");
    assert_int_equal(c->priors[0].terms[0].parnme, 4);
    assert_false(c->priors[0].terms[0].log);
    pest_control_free(c);
    c = prior_read("p 1 * a-1 = 0 1 h");
    assert_int_equal(c->priors[0].terms[0].parnme, 2);
    pest_control_free(c);
}

static void mistakes_say_what_is_expected(void **state)
{
    (void)state;
    static const struct {
        const char *line, *sentence;
    } table[] = {
        {"p log(k) = 1 1 h",
         "case.pst:28: prior information \"p\": a number is expected at \"log(k) = 1 1 h\""},
        {"p 1 log(k) = 1 1 h",
         "case.pst:28: prior information \"p\": \"*\" is expected at \"log(k) = 1 1 h\""},
        {"p 1 * log(k = 1 1 h",
         "case.pst:28: prior information \"p\": \")\" is expected at \"= 1 1 h\""},
        {"p 1 * kk = 1 1 h",
         "case.pst:28: prior information \"p\": \"kk\" is no parameter; did you mean \"k\"?"},
        {"p 1 * k 1 * s = 1 1 h",
         "case.pst:28: prior information \"p\": +, - or = is expected at \"1 * s = 1 1 h\""},
        {"p 1 * k", "case.pst:28: prior information \"p\": \"=\" is expected at \"\""},
        {"p 1 * = 1 1 h",
         "case.pst:28: prior information \"p\": the name of a parameter is expected at \"= 1 1 "
         "h\""},
        {"p 1 * k = 1 1",
         "case.pst:28: prior information \"p\": obgnme is missing behind \"=\""},
        {"p 1 * k =", "case.pst:28: prior information \"p\": pival is missing behind \"=\""},
        {"p 1 * k = x 1 h", "case.pst:28: pival: \"x\" is not a number"},
        {"p 1 * k = 1 -1 h", "case.pst:28: prior information \"p\": weight: -1 is negative"},
        {"& 1 * k = 1 1 h", "case.pst:28: & goes on with a line that is not there"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text, HEAD "%s\n", table[i].line);
        assert_string_equal(bench_mistakes(text), table[i].sentence);
    }
}

static void odd_equations_are_warned_of(void **state)
{
    (void)state;
    static const struct {
        const char *line, *warning;
    } table[] = {
        {"p 1 * log(s) = 1 1 h",
         "case.pst: \"p\" (prior information) has the log of a parameter that is not "
         "log-transformed"},
        {"p 1 * k = 1 1 h",
         "case.pst: \"p\" (prior information) has a log-transformed parameter without log()"},
        {"p 1 * log(k) = 1 1 regul",
         "case.pst:28: prior information \"p\": group \"regul\" is not in \"* observation "
         "groups\"; it is added"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pest_control *c = prior_read(table[i].line);
        assert_true(bench_noted(c->warnings, c->warning_count, table[i].warning));
        pest_control_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_spellings_of_a_term_are_one),
        cmocka_unit_test(terms_are_added_and_subtracted),
        cmocka_unit_test(names_may_look_like_something_else),
        cmocka_unit_test(mistakes_say_what_is_expected),
        cmocka_unit_test(odd_equations_are_warned_of),
    };
    return cmocka_run_group_tests(tests, bench_open, bench_close);
}
