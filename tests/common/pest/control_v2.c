/*
 * Version 2: keywords and external tables; `++` options, which its keywords also are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/common/pest/control_bench.h"

#define TABLES                                                                                 \
    "* parameter data external\npar.csv\n* observation data external\nobs.csv\n"               \
    "* model command line\nm\n* model input external\nin.csv\n* model output "                 \
    "external\nout.csv\n"
#define V2 "pcf version=2\n* control data keyword\nnoptmax 3\n" TABLES

static void tables_write(void)
{
    bench_write("par.csv",
                "parnme,partrans,parchglim,parval1,parlbnd,parubnd,pargp,scale,"
                "offset,dercom\n"
                "K,log,factor,1.5,0.1,10,G,1,0,1\nS,none,relative,2,-3,4,G,2,0.5,1\n");
    bench_write("obs.csv", "obsnme,obsval,weight,obgnme\nO1,1.25,1,h\nO2,-2,0,h\n");
    bench_write("in.csv", "pest_file,model_file\na.tpl,a.in\n");
    bench_write("out.csv", "pest_file,model_file\nb.ins,b.out\n");
}

static struct pest_control *v2_read(const char *text)
{
    tables_write();
    return bench_read(text);
}

static void tables_are_read(void **state)
{
    (void)state;
    struct pest_control *c = v2_read(V2);
    assert_int_equal(c->version, 2);
    assert_int_equal(c->noptmax, 3);
    assert_int_equal(c->parameter_count, 2);
    assert_string_equal(c->parameters[1].parnme, "s");
    assert_true(c->parameters[1].scale == 2 && c->parameters[1].parlbnd == -3);
    assert_int_equal(c->parameters[1].pargp, 0);
    assert_string_equal(c->parameter_groups[0].pargpnme, "g");
    assert_true(c->parameter_groups[0].derinc == 0.01);
    assert_true(c->observations[1].obsval == -2 && c->observations[1].obgnme == 0);
    assert_string_equal(c->inputs[0].model_file, "a.in");
    assert_string_equal(c->outputs[0].pest_file, "b.ins");
    assert_int_equal(c->table_count, 4);
    assert_string_equal(c->tables[0], "par.csv");
    assert_true(c->warning_count == 0 && c->unused_count == 0);
    pest_control_free(c);
}

static void absent_keywords_are_what_pestpp_assumes(void **state)
{
    (void)state;
    struct pest_control *c = v2_read(V2);
    assert_true(c->pestmode == PEST_ESTIMATION && c->relparmax == 10 && c->facparmax == 10);
    assert_true(c->phiredstp == 0.01 && c->nphistp == 3 && c->maxsing == 10000000);
    assert_true(c->eigthresh == 1e-6 && c->point && !c->double_precision);
    pest_control_free(c);
}

static void keywords_are_fields_words_and_options(void **state)
{
    (void)state;
    struct pest_control *c = v2_read(
        "pcf\n* control data keyword\nNOPTMAX = -1 # trailing\npestmode\tregularization\n"
        "phimlim 12.5\nlambdas   1, 2, 10 , 999\nies_par_en \"my prior.jcb\"\nsvdmode 1\n"
        "lamforgive lamforgive\nderforgive true\njcosave false\nabsparmax(2) 0.5\n" TABLES);
    double *list;
    size_t count;
    assert_int_equal(c->version, 2); /* whatever the first line says */
    assert_true(c->noptmax == -1 && c->pestmode == PEST_REGULARISATION && c->svdmode == 1);
    assert_true(c->phimlim == 12.5 && c->lamforgive == 1 && c->derforgive == 1 && !c->jcosave);
    assert_true(c->absparmax[1] == 0.5);
    assert_string_equal(pest_control_option(c, "IES_PAR_EN"), "my prior.jcb");
    assert_int_equal(pest_control_option_reals(c, "lambdas", &list, &count, NULL), 0);
    assert_true(count == 4 && list[0] == 1 && list[3] == 999);
    free(list);
    pest_control_free(c);
}

static void tables_have_columns_in_any_order_and_more(void **state)
{
    (void)state;
    tables_write();
    bench_write("par.csv", "# theirs\n\"note, of it\",Upper_Bound,lower_bound,value,group,"
                           "transform,name,tied_to\n"
                           "\"a \"\"b\"\", c\",10,0.1,1.5,g,LOG,K,\n"
                           "x,4,-3,3,g,tied,S,k,,\n\n");
    struct pest_control *c = bench_read(V2);
    assert_int_equal(c->parameters[0].partrans, PEST_LOG);
    assert_true(c->parameters[1].tied_to == 0 && c->parameters[1].tied_ratio == 2);
    assert_true(c->parameters[0].scale == 1 && c->parameters[0].offset == 0);
    assert_true(bench_noted(c->unused, c->unused_count,
                            "par.csv:2: column \"note, of it\" has no effect"));
    pest_control_free(c);
}

static void separators_and_missing_values_are_told(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"par.txt sep w missing_values_string nan",
         "  parnme partrans\tparval1 parlbnd parubnd  pargp scale\n"
         " k log 1.5 .1 10 g 3  \n s none 2 -3 4 g nan\n"},
        {"par.txt sep ; missing_values_string -",
         "parnme;partrans;parval1;parlbnd;parubnd;pargp;"
         "scale\nk;log;1.5;.1;10;g;3\ns;none;2;-3;4;g;-"},
        {"par.txt sep tab", "parnme\tpartrans\tparval1\tparlbnd\tparubnd\tpargp\tscale\n"
                            "k\tlog\t1.5\t.1\t10\tg\t3\ns\tnone\t2\t-3\t4\tg\t \n"},
        {"\"par.txt\" missing_value NA SEP ,",
         "parnme, partrans, parval1, parlbnd, parubnd, pargp, scale\r\n"
         "k, log, 1.5, .1, 10, g, 3\r\ns, none, 2, -3, 4, g, NA\r\n"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[1024] = "pcf version 2\n* control data keyword\nnoptmax 0\n"
                          "* parameter data external\n";
        strcat(text, lines[i][0]);
        strcat(text, "\n* observation data external\nobs.csv\n* model command line\nm\n"
                     "* model input external\nin.csv\n* model output external\nout.csv\n");
        tables_write();
        bench_write("par.txt", lines[i][1]);
        struct pest_control *c = bench_read(text);
        assert_int_equal(c->parameter_count, 2);
        assert_true(c->parameters[0].scale == 3 && c->parameters[1].scale == 1);
        assert_true(c->parameters[1].parubnd == 4);
        pest_control_free(c);
    }
}

static void a_section_may_have_several_tables(void **state)
{
    (void)state;
    tables_write();
    bench_write("par2.csv", "parnme,partrans,parval1,parlbnd,parubnd,pargp\nz,none,1,0,2,q\n");
    bench_write("groups.csv", "pargpnme,derinc,inctyp\nq,0.5,absolute\n");
    bench_write("prior.csv", "pilbl,equation,weight,obgnme\np,1.0 * z = 3,0.5,regul\n");
    struct pest_control *c =
        bench_read("pcf version=2\n* parameter data external\npar2.csv\npar.csv\n"
                   "* parameter groups external\ngroups.csv\n* prior information external\n"
                   "prior.csv\n* observation data\no1 1 1 h\n* model command line\nm\n"
                   "* model input\na.tpl a\n* model output\nb.ins b\nc.ins c\n"
                   "* control data keyword\nnoptmax 1\n");
    assert_int_equal(c->parameter_count, 3);
    assert_string_equal(c->parameters[0].parnme, "z");
    assert_true(c->parameter_groups[0].derinc == 0.5 &&
                c->parameter_groups[0].inctyp == PEST_INC_ABSOLUTE);
    assert_true(c->priors[0].pival == 3 && c->priors[0].weight == 0.5);
    assert_int_equal(c->output_count, 2);
    pest_control_free(c);
}

static void mistakes_name_the_table(void **state)
{
    (void)state;
    static const struct {
        const char *table, *sentence;
    } table[] = {
        {"parnme,partrans,parval1,parlbnd,pargp\n",
         "par.csv:1: there is no column \"parubnd\" (of \"* parameter data external\")"},
        {"parnme,partrans,parval1,parlbnd,parubnd,pargp\nk,log,1,2\n",
         "par.csv:2: 4 fields, but the first line names 6 columns"},
        {"parnme,partrans,parval1,parlbnd,parubnd,pargp\nk,log,,0.1,2,g\n",
         "par.csv:2: parval1 is missing"},
        {"parnme,partrans,parval1,parlbnd,parubnd,pargp\nk,log,x,0.1,2,g\n",
         "par.csv:2: parval1: \"x\" is not a number"},
        {"\n\n", "par.csv:2: the file is empty; a line of column names is expected"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        tables_write();
        bench_write("par.csv", table[i].table);
        assert_string_equal(bench_mistakes(V2), table[i].sentence);
    }
    assert_string_equal(
        bench_mistakes(
            "pcf version=2\n* control data keyword\nnoptmax\nsvdmode x\n"
            "pestmode estimate\n* parameter data external\nnone.csv\npar.csv sep ab\n"
            "par.csv sep\npar.csv missing_values_string\n"),
        "case.pst:3: noptmax: a value is expected behind it\n"
        "case.pst:4: svdmode: \"x\" is no whole number\n"
        "case.pst:5: pestmode: \"estimate\" is not among its values\n"
        "case.pst:7: none.csv: cannot be opened: No such file or directory\n"
        "case.pst:8: sep: one character, tab, or w for blanks is expected\n"
        "case.pst:9: sep: one character, tab, or w for blanks is expected\n"
        "case.pst:10: missing_values_string: a value is expected behind it\n"
        "case.pst: there is no command (\"* model command line\")\n"
        "case.pst: there are no templates and instructions (\"* model input/output\")");
}

static void options_are_typed_and_marked(void **state)
{
    (void)state;
    struct error error = {0};
    struct pest_control *c = bench_read(bench_change(
        "* parameter groups",
        "++# a comment\n++ies_num_reals(12)  ++Lambdas( 0.1, 1 10,1d2 )++uncertainty(no)\n"
        "++ forecasts (\"a b\",c) # more\n++parcov(dir(1)/x.cov)\n++max_n_super(x)\n"
        "* parameter groups"));
    long whole;
    double real, *reals;
    bool truth;
    char **names;
    size_t count;
    assert_int_equal(c->option_count, 6);
    assert_int_equal(pest_control_option_integer(c, "IES_NUM_REALS", 3, &whole, &error), 0);
    assert_int_equal(whole, 12);
    assert_int_equal(pest_control_option_integer(c, "absent", 3, &whole, &error), 0);
    assert_int_equal(whole, 3);
    assert_int_equal(pest_control_option_integer(c, "max_n_super", 5, &whole, &error), -1);
    assert_int_equal(whole, 5);
    assert_non_null(strstr(error.text, "case.pst:15: ++max_n_super(x) must be a whole number"));
    assert_int_equal(pest_control_option_real(c, "max_n_super", 5, &real, &error), -1);
    assert_non_null(strstr(error.text, "must be a number"));
    assert_true(real == 5);
    assert_int_equal(pest_control_option_boolean(c, "uncertainty", true, &truth, &error), 0);
    assert_false(truth);
    assert_int_equal(pest_control_option_boolean(c, "max_n_super", true, &truth, &error), -1);
    assert_non_null(strstr(error.text, "must be true or false"));
    assert_int_equal(pest_control_option_reals(c, "lambdas", &reals, &count, &error), 0);
    assert_true(count == 4 && reals[0] == 0.1 && reals[2] == 10 && reals[3] == 100);
    free(reals);
    assert_int_equal(pest_control_option_reals(c, "parcov", &reals, &count, &error), -1);
    assert_null(reals);
    assert_int_equal(pest_control_option_names(c, "forecasts", &names, &count, &error), 0);
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "a b");
    assert_string_equal(names[1], "c");
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    assert_string_equal(pest_control_option(c, "parcov"), "dir(1)/x.cov");
    assert_null(pest_control_option(c, "ies_par_en"));
    for (size_t i = 0; i < c->option_count; i++)
        assert_true(c->options[i].used);
    pest_control_free(c);
    c = bench_read(bench_change("* parameter groups", "++a(1)\n* parameter groups"));
    assert_false(c->options[0].used);
    pest_control_free(c);
}

static void mistyped_options_have_a_nearest_one(void **state)
{
    (void)state;
    const char *nearest = NULL;
    assert_true(pest_option_known("IES_Num_Reals", &nearest));
    assert_false(pest_option_known("ies_num_real", &nearest));
    assert_string_equal(nearest, "ies_num_reals");
    assert_false(pest_option_known("qqqqqqqq", &nearest));
    assert_null(nearest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_read),
        cmocka_unit_test(absent_keywords_are_what_pestpp_assumes),
        cmocka_unit_test(keywords_are_fields_words_and_options),
        cmocka_unit_test(tables_have_columns_in_any_order_and_more),
        cmocka_unit_test(separators_and_missing_values_are_told),
        cmocka_unit_test(a_section_may_have_several_tables),
        cmocka_unit_test(mistakes_name_the_table),
        cmocka_unit_test(options_are_typed_and_marked),
        cmocka_unit_test(mistyped_options_have_a_nearest_one),
    };
    return cmocka_run_group_tests(tests, bench_open, bench_close);
}
