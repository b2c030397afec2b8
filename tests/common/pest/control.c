/*
 * Classic control files: every field, what is assumed where one is absent, and what real files do
 * to the format.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "common/buf.h"
#include "tests/common/pest/control_bench.h"

static void every_field_of_the_classic_format_is_read(void **state)
{
    (void)state;
    struct pest_control *c = bench_read(
        "pcf\n* control data\nnorestart regularisation\n3 2 1 1 2 7 1e-5\n"
        "1 1 double nopoint 2 0 1 noobsreref\n11 -4 0.31 0.032 9 999 lamforgive derforgive\n"
        "3 4 0.002 1 1 absparmax(1)=0.5 absparmax(10) = 7\n0.2 2 1.2 noaui senreuse "
        "boundscale\n"
        "31 0.006 5 4 0.007 3 1.5 0 2.5\n"
        "0 1 0 1 jcosave verboserec jcosaveitn reisaveitn parsaveitn parsaverun\n"
        "* singular value decomposition\n1\n17 1e-7\n1\n"
        "* lsqr\n1\n1e-3 1e-5 100 40\n0\n"
        "* parameter groups\n"
        "g rel_to_max 0.02 0.001 always_3 1.5 best_fit 1e-4 0.4 previous\n"
        "* parameter data\n"
        "K log factor 1.5 0.1 10 g 1 0 1\n"
        "s none absolute(10) 2 -3 4 g 2 0.5 2\n"
        "T tied factor 3 0.1 10 none 1 0 1\n"
        "T K\n"
        "* observation groups\nh 0.5 cov.mat\nregul_k\n"
        "* observation data\no1 1.25 1 h\no2 -2 0 h\n"
        "* model command line\nfirst | tee x\nsecond\n"
        "* model input/output\na.tpl a.in\nb.ins b.out\n"
        "* prior information\npr 1.0 * log(k) = 0.5 2 regul_k\n"
        "* regularisation\n6 6.6 0.1 nomemsave\n2 1e-9 1e9 linreg continue\n"
        "1.4 0.02 4 2 5 0.3\n");
    assert_false(c->restart);
    assert_int_equal(c->pestmode, PEST_REGULARISATION);
    assert_int_equal(c->maxcompdim, 7);
    assert_true(c->derzerolim == 1e-5 && c->double_precision && !c->point);
    assert_true(c->numcom == 2 && c->jacfile == 0 && c->messfile == 1);
    assert_true(c->rlambda1 == 11 && c->rlamfac == -4 && c->phiratsuf == 0.31);
    assert_true(c->phiredlam == 0.032 && c->numlam == 9 && c->jacupdate == 999);
    assert_true(c->lamforgive == 1 && c->derforgive == 1);
    assert_true(c->relparmax == 3 && c->facparmax == 4 && c->facorig == 0.002);
    assert_true(c->iboundstick == 1 && c->upvecbend == 1);
    assert_true(c->absparmax[0] == 0.5 && c->absparmax[9] == 7 && c->absparmax[5] == 0);
    assert_true(c->phiredswh == 0.2 && c->noptswitch == 2 && c->splitswh == 1.2);
    assert_true(c->doaui == 0 && c->dosenreuse && c->boundscale);
    assert_true(c->noptmax == 31 && c->phiredstp == 0.006 && c->nphistp == 5);
    assert_true(c->nphinored == 4 && c->relparstp == 0.007 && c->nrelpar == 3);
    assert_true(c->phistopthresh == 1.5 && c->lastrun == 0 && c->phiabandon == 2.5);
    assert_true(!c->icov && c->icor && !c->ieig && c->ires);
    assert_true(c->jcosave && c->verboserec && c->jcosaveitn && c->reisaveitn);
    assert_true(c->parsaveitn && c->parsaverun);
    assert_true(c->svdmode == 1 && c->maxsing == 17 && c->eigthresh == 1e-7 && c->eigwrite);
    assert_true(c->lsqrmode == 1 && c->lsqr_atol == 1e-3 && c->lsqr_btol == 1e-5);
    assert_true(c->lsqr_conlim == 100 && c->lsqr_itnlim == 40 && c->lsqrwrite == 0);
    assert_true(c->phimlim == 6 && c->phimaccept == 6.6 && c->fracphim == 0.1);
    assert_true(c->wfinit == 2 && c->wfmin == 1e-9 && c->wfmax == 1e9);
    assert_true(c->linreg && c->regcontinue && c->wffac == 1.4 && c->wftol == 0.02);
    assert_true(c->iregadj == 4 && c->noptregadj == 2 && c->regweightrat == 5);
    assert_true(c->regsingthresh == 0.3);
    assert_int_equal(c->command_count, 2);
    assert_string_equal(c->commands[0], "first | tee x");
    pest_control_free(c);
}

static void records_of_the_classic_format_are_read(void **state)
{
    (void)state;
    struct pest_control *c = bench_read(
        "pcf\n* control data\nrestart estimation\n3 2 1 0 1\n1 1 single point\n10 -3 .3 .03 "
        "10\n"
        "5 6 .001\n.1\n30 .005 4 3 .006 2\n1 0 1\n* parameter groups\n"
        "G rel_to_max 0.02 0.001 always_3 1.5 best_fit 1e-4 0.4 previous\n"
        "* parameter data\nK LOG FACTOR 1.5 0.1 10 G 1 0 1\n"
        "s none absolute(3) 2 -3 4 g 2 0.5 2\nt tied factor 3 0.1 10 none 1 0 1\nT K\n"
        "* observation groups\nh 0.5 \"my cov.mat\"\n"
        "* observation data\nO1 1.25 1.5 H\no2 -2 0 h\n"
        "* model command line\n./m\n* model input/output\n\"a b.tpl\" 'a c.in'\nb.ins b.out\n");
    const struct pest_parameter_group *g = &c->parameter_groups[0];
    assert_string_equal(g->pargpnme, "g");
    assert_true(g->inctyp == PEST_INC_REL_TO_MAX && g->derinc == 0.02 && g->derinclb == 0.001);
    assert_true(g->forcen == PEST_ALWAYS_3 && g->derincmul == 1.5);
    assert_true(g->dermthd == PEST_BEST_FIT && g->splitthresh == 1e-4);
    assert_true(g->splitreldiff == 0.4 && g->splitaction == 2);
    const struct pest_parameter *p = c->parameters;
    assert_string_equal(p[0].parnme, "k");
    assert_true(p[0].partrans == PEST_LOG && p[0].parchglim == PEST_FACTOR && p[0].pargp == 0);
    assert_true(p[0].parval1 == 1.5 && p[0].parlbnd == 0.1 && p[0].parubnd == 10);
    assert_true(p[1].parchglim == PEST_ABSOLUTE && p[1].absparmax == 3 && p[1].dercom == 2);
    assert_true(p[1].scale == 2 && p[1].offset == 0.5 && p[1].tied_to == -1);
    assert_true(p[2].partrans == PEST_TIED && p[2].tied_to == 0 && p[2].tied_ratio == 2);
    assert_int_equal(p[2].pargp, -1);
    assert_int_equal(pest_control_adjustable(c), 2);
    assert_true(c->observation_groups[0].gtarg == 0.5);
    assert_string_equal(c->observation_groups[0].covfle, "my cov.mat");
    assert_string_equal(c->observations[0].obsnme, "o1");
    assert_true(c->observations[0].obsval == 1.25 && c->observations[0].weight == 1.5);
    assert_int_equal(pest_control_parameter(c, "S"), 1);
    assert_int_equal(pest_control_observation(c, "O2"), 1);
    assert_int_equal(pest_control_observation(c, "o3"), -1);
    assert_int_equal(pest_control_observation_group(c, "H"), 0);
    assert_string_equal(c->inputs[0].pest_file, "a b.tpl");
    assert_string_equal(c->inputs[0].model_file, "a c.in");
    assert_string_equal(c->outputs[0].model_file, "b.out");
    pest_control_free(c);
}

static void absent_fields_are_what_pest_assumes(void **state)
{
    (void)state;
    struct pest_control *c = bench_read(bench_classic);
    assert_int_equal(c->version, 1);
    assert_true(c->restart && !c->double_precision && c->point);
    assert_true(c->numcom == 1 && c->jacfile == 0 && c->jacupdate == 0 && c->lamforgive == -1);
    assert_true(c->noptswitch == 1 && c->doaui == 0 && !c->dosenreuse && !c->boundscale);
    assert_true(c->phistopthresh == 0 && c->lastrun == 1 && c->phiabandon < 0);
    assert_true(c->svdmode == 0 && c->lsqrmode == 0);
    assert_true(c->icov && !c->icor && c->ieig && !c->ires && !c->jcosave);
    assert_true(c->warning_count == 0 && c->unused_count == 0);
    pest_control_free(c);
}

static void texts_of_all_machines_are_read(void **state)
{
    (void)state;
    struct buf text;
    struct error error;
    buf_init(&text, 1 << 16);
    buf_append_text(&text, "\xef\xbb\xbf# made by hand\r\n \t\r\n");
    for (const char *c = bench_classic; *c; c++)
        if (*c == '\n')
            buf_append_text(&text, " \t# it's so\r\n\r\n");
        else
            buf_append_text(&text, *c == ' ' ? "\t " : (const char[]){*c, 0});
    buf_append(&text, "\x1a\0\0", 3);
    bench_write_bytes("dos.pst", text.data, text.size);
    struct pest_control *c = pest_control_read(bench_path("dos.pst"), &error);
    assert_non_null(c);
    assert_int_equal(c->parameter_count, 2);
    assert_string_equal(c->commands[0], "./model");
    assert_int_equal(c->warning_count, 0);
    pest_control_free(c);
    buf_clear(&text);
    for (const char *at = bench_classic; *at; at++)
        buf_append(&text, *at == '\n' ? "\r" : at, 1);
    bench_write_bytes("mac.pst", text.data, text.size);
    c = pest_control_read(bench_path("mac.pst"), &error);
    assert_non_null(c);
    pest_control_free(c);
    buf_fini(&text);
}

static void sections_stand_in_any_order_case_and_spacing(void **state)
{
    (void)state;
    struct pest_control *c = bench_read(
        "PCF\n*Model   Input / Output\nb.tpl a.in\nb.ins b.out\n"
        "*  OBSERVATION\tDATA  # theirs\no1 1 1 h\n* Observation Groups\nh\n"
        "*parameter data\nk none relative 1 0 2 g 1 0 1\n"
        "++ies_num_reals(5)\n* Parameter Groups *\ng relative .01 0 switch 2 parabolic\n"
        "* model command line\n./m\n* control data\nrestart regul\n1 1 1 0 1\n"
        "1 1 single point\n10 2 .3 .03 10\n5 6 .001\n.1\n30 .005 4 3 .006 2\n");
    assert_int_equal(c->pestmode, PEST_REGULARISATION);
    assert_int_equal(c->parameter_count, 1);
    assert_int_equal(c->input_count, 1);
    assert_int_equal(c->option_count, 1);
    pest_control_free(c);
}

static void numbers_are_fortrans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } table[] = {{"1.0d-1", 0.1}, {"1.0D0", 1},    {".2", 0.2},  {"+3.", 3},
                 {"4e0", 4},      {"1.0+0", 1.0},  {"5-1", 0.5}, {"1.0e-001", 0.1},
                 {"007", 7},      {"1.000Q0", 1.0}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char field[64];
        snprintf(field, sizeof field, "factor %s ", table[i].text);
        struct pest_control *c = bench_read(bench_change("factor 1.5 ", field));
        assert_true(c->parameters[0].parval1 == table[i].value);
        pest_control_free(c);
    }
}

static void names_of_files_may_come_from_windows(void **state)
{
    (void)state;
    struct pest_control *c =
        bench_read(bench_change("a.tpl a.in", ".\\in\\m.tpl \"my in\\m.in\""));
    assert_string_equal(c->inputs[0].pest_file, "./in/m.tpl");
    assert_string_equal(c->inputs[0].model_file, "my in/m.in");
    pest_control_free(c);
}

static void commas_may_separate_fields(void **state)
{
    (void)state;
    struct pest_control *c =
        bench_read(bench_change("10 -3 0.3 0.03 10\n", "10, -3,0.3,0.03 ,10\n"));
    assert_true(c->rlambda1 == 10 && c->rlamfac == -3 && c->numlam == 10);
    pest_control_free(c);
}

/* Lines that real tools write. */
static void words_stand_where_they_like(void **state)
{
    (void)state;
    struct pest_control *c = bench_read(
        bench_change("10 -3 0.3 0.03 10\n", "10 -3 .3 .03 -7 lamforgive UPTESTMIN=20\n"));
    assert_true(c->lamforgive == 1 && c->numlam == -7);
    assert_true(bench_noted(c->unused, c->unused_count,
                            "case.pst:6: \"UPTESTMIN=20\" has no effect here"));
    pest_control_free(c);
    c = bench_read(bench_change("0.1\n", "0.1 noaui\n"));
    assert_true(c->phiredswh == 0.1 && c->noptswitch == 1);
    pest_control_free(c);
    c = bench_read(bench_change("1 0 1\n* par", "1 0 1 JCOSAVEITN parsaverun\n* par"));
    assert_true(c->jcosaveitn && c->parsaverun && !c->ires);
    pest_control_free(c);
    c = bench_read(bench_change("0.006 2\n", "0.006 2 0 1 case.phi\n"));
    assert_true(c->phiabandon < 0 && c->lastrun == 1);
    pest_control_free(c);
}

static void counts_that_differ_are_told_and_the_lines_believed(void **state)
{
    (void)state;
    struct pest_control *c = bench_read(bench_change("2 2 1 0 1\n", "5 1 2 3 4\n"));
    assert_int_equal(c->parameter_count, 2);
    assert_int_equal(c->observation_count, 2);
    assert_int_equal(c->warning_count, 5);
    assert_true(bench_noted(c->warnings, c->warning_count,
                            "case.pst:4: npar: 5, but there are 2 parameters; these are used"));
    pest_control_free(c);
    /* The endings of the names tell templates from instructions. */
    c = bench_read(bench_change("1 1 single", "2 1 single"));
    assert_int_equal(c->input_count, 1);
    assert_int_equal(c->output_count, 1);
    pest_control_free(c);
}

static void groups_that_no_section_names_are_added(void **state)
{
    (void)state;
    struct pest_control *c = bench_read(bench_change("4 g 2 0.5", "4 other 2 0.5"));
    assert_int_equal(c->parameter_group_count, 2);
    assert_int_equal(c->parameters[1].pargp, 1);
    assert_true(c->parameter_groups[1].derinc == 0.01);
    assert_string_equal(c->parameter_group_names[1], "other");
    pest_control_free(c);
    c = bench_read(bench_change("o2 -2 0 h", "o2 -2 0 regul_x"));
    assert_int_equal(c->observations[1].obgnme, 1);
    assert_true(c->observation_groups[1].regularisation);
    assert_int_equal(pest_control_observation_group(c, "regul_x"), 1);
    pest_control_free(c);
}

static void what_pest_would_not_like_is_a_warning(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *warning;
    } table[] = {
        {"factor 1.5", "factor 99",
         "case.pst:14: \"k\" has an initial value (parval1) outside of its bounds"},
        {"5 6 0.001", "5 1 0.001", "case.pst:7: facparmax: 1: PEST expects more than 1"},
        {"5 6 0.001", "-5 6 0.001", "case.pst:7: relparmax: -5: PEST expects more than 0"},
        {"-3 0.3", "-3 1.3", "case.pst:6: phiratsuf: 1.3: PEST expects 0 to 1"},
        {"o1 1.25 1", "o1 1.25 0", "case.pst: all observations have the weight 0"},
        {"relative 0.01", "relative 0",
         "case.pst:12: \"g\" has derinc 0: there are no derivatives by its parameters"},
        {"2 parabolic\n", "2 parabolic\nu relative 1 0 switch 2 parabolic\n",
         "case.pst:13: \"u\" has no parameter"},
        {"h\n* obs", "h\nv\n* obs",
         "case.pst:18: \"v\" has no observation and no prior information"},
        {"4 g 2", "-3 g 2", "case.pst:15: \"s\" has no room between its bounds"},
        {"s none relative", "s none factor",
         "case.pst:15: \"s\" has parchglim factor, but bounds on both sides of 0, which it "
         "cannot pass"},
        {"estimation", "regularisation",
         "case.pst: pestmode is regularisation, but section \"* regularisation\" is missing; "
         "PEST++'s defaults are used"},
        {"g 1 0 1", "g 1 0 1\ns k", "case.pst:15: \"s\" is not tied: this line has no effect"},
        {"1.5 0.1", "1.5 0",
         "case.pst:14: parlbnd: 0 of \"k\", which is log-transformed; the smallest number "
         "above "
         "0 is used"},
        {"g 1 0 1", "g", "case.pst:14: scale is missing; 1 is assumed"},
        {"relative 0.01", "absolute -1",
         "case.pst:12: derinc: -1 is negative; its magnitude is used"},
        {"o1 1.25 1", "o1 1.25 -1", "case.pst:19: weight: -1 is negative; 0 is used"},
        {"o1 1.25 1", "o1 NaN 0", "case.pst:19: obsval: NaN; 0 is used, for its weight is 0"},
        {"* model command", "++lambdas(1) ++LAMBDAS(2)\n* model command",
         "case.pst:21: ++lambdas is also in line 21, with another value; the last counts"},
        {"pcf\n", "", "case.pst:1: \"pcf\" is missing above this line"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pest_control *c = bench_read(bench_change(table[i].old, table[i].new));
        if (!bench_noted(c->warnings, c->warning_count, table[i].warning))
            fail_msg("not told: %s", table[i].warning);
        pest_control_free(c);
    }
}

static void what_has_no_effect_is_listed(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *unused;
    } table[] = {
        {"0.1\n", "0.1 1 1.1 aui\n", "case.pst:8: aui: has no effect here"},
        {"single point\n", "single point 1 1 0\n",
         "case.pst: JACFILE 1: derivatives are made by finite differences, not read from the "
         "model"},
        {"* parameter groups", "* svd assist\nbase.pst\n* parameter groups",
         "case.pst:11: section \"* svd assist\" has no effect here"},
        {"* parameter groups", "* parameter datum\n1\n* parameter groups",
         "case.pst:11: section \"* parameter datum\" is not known and has no effect; did you "
         "mean \"* parameter data\"?"},
        {"o1 1.25 1 h", "o1 1.25 1 h extra",
         "case.pst:19: columns of \"* observation data\" after the 4 known ones have no "
         "effect"},
        {"30 0.005 4 3 0.006 2", "30 0.005 4 3 0.006 2 0 1 -1 8",
         "case.pst:9: \"8\" is a field too many"},
        {"pcf\n", "pcf of mine\n", "case.pst:1: \"of mine\" behind pcf has no effect"},
        {"* model command", "++lambdas 1\n* model command",
         "case.pst:21: ++lambdas has no effect: ++name(value) is expected"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pest_control *c = bench_read(bench_change(table[i].old, table[i].new));
        if (!bench_noted(c->unused, c->unused_count, table[i].unused))
            fail_msg("not told: %s", table[i].unused);
        pest_control_free(c);
    }
}

/* PEST++ computes with parents that are tied or fixed themselves. */
static void parents_that_do_not_vary_are_looked_through(void **state)
{
    (void)state;
    struct pest_control *c = bench_read(bench_change(
        "s none relative 2 -3 4 g 2 0.5 1\n",
        "s fixed relative 2 -3 4 g 2 0.5 1\nt tied factor 3 0 9 g 1 0 1\n"
        "u tied factor 6 0 9 none 1 0 1\nv tied factor 5 0 9 none 1 0 1\nu t\nt k\nv s\n"));
    assert_true(c->parameters[2].partrans == PEST_TIED && c->parameters[2].tied_to == 0);
    assert_true(c->parameters[3].partrans == PEST_TIED && c->parameters[3].tied_to == 0);
    assert_true(c->parameters[2].tied_ratio == 2 && c->parameters[3].tied_ratio == 4);
    assert_true(c->parameters[4].partrans == PEST_FIXED && c->parameters[4].parval1 == 5);
    assert_int_equal(pest_control_adjustable(c), 1);
    assert_true(bench_noted(c->warnings, c->warning_count,
                            "case.pst:18: partied: \"v\" is tied to a fixed parameter, and so "
                            "fixed, too (of 1 such)"));
    pest_control_free(c);
}

static void bounds_in_the_wrong_order_are_borne_where_nothing_is_estimated(void **state)
{
    (void)state;
    char once[4096];
    snprintf(once, sizeof once, "%s", bench_change("30 0.005", "0 0.005"));
    char *bounds = strstr(once, "2 -3 4");
    memcpy(bounds, "2 4 -3", 6);
    struct pest_control *c = bench_read(once);
    assert_true(bench_noted(c->warnings, c->warning_count,
                            "case.pst:15: parlbnd: 4 of \"s\" is above parubnd, -3"));
    pest_control_free(c);
}

/* Utilities write parts of a case for each other. */
static void parts_of_a_case_are_read(void **state)
{
    (void)state;
    struct pest_control *c =
        bench_read("pcf\n* control data\nrestart estimation\n1 0 1 0 0\n1 0 single point\n"
                   "10 -3 .3 .03 10 lamforgive\n5 6 .001\n.1\n0 .005 4 3 .006 2\n0 0 0\n"
                   "* parameter groups\ng relative .01 0 switch 2 parabolic\n"
                   "* parameter data\nk log factor 1 .1 10 g 1 0\n* observation groups\n"
                   "* observation data\n* model command line\n* model input/output\na.tpl a\n");
    assert_true(c->parameter_count == 1 && c->observation_count == 0 && c->command_count == 0);
    assert_true(bench_noted(c->warnings, c->warning_count,
                            "case.pst:4: nobs: 0: this is a part of a case, which can be read "
                            "but not run"));
    pest_control_free(c);
}

static void names_of_200_characters_and_any_bytes_are_kept(void **state)
{
    (void)state;
    char name[PEST_NAME_MAX + 1], text[512];
    memset(name, 'x', PEST_NAME_MAX);
    name[PEST_NAME_MAX] = 0;
    name[7] = (char)0xe9; /* Latin-1 */
    snprintf(text, sizeof text, "%s 1.25 1", name);
    struct pest_control *c = bench_read(bench_change("o1 1.25 1", text));
    assert_string_equal(c->observations[0].obsnme, name);
    pest_control_free(c);
}

static void paths_start_at_the_control_file(void **state)
{
    (void)state;
    struct pest_control *c = bench_read(bench_classic);
    char *path = pest_control_path(c, "a.tpl"), *base = pest_control_base(c);
    assert_string_equal(path, bench_path("a.tpl"));
    assert_string_equal(base, bench_path("case"));
    free(path);
    free(base);
    path = pest_control_path(c, "/x/a.tpl");
    assert_string_equal(path, "/x/a.tpl");
    free(path);
    pest_control_free(c);
}

/* A hundred thousand of each: if anything were looked up by a walk, this would take minutes. */
static void large_files_are_read_at_once(void **state)
{
    (void)state;
    const int count = 100000;
    struct buf text;
    struct error error = {0};
    struct timespec start, end;
    buf_init(&text, 64 << 20);
    buf_append_text(&text, "pcf\n* control data\nrestart estimation\n100000 100000 1 0 100000\n"
                           "1 1 single point\n10 -3 .3 .03 10\n5 6 .001\n.1\n"
                           "30 .005 4 3 .006 2\n1 1 1\n* parameter groups\n"
                           "g relative 0.01 0 switch 2 parabolic\n* parameter data\n");
    for (int i = 0; i < count; i++)
        buf_printf(&text, "parameter_%d %s factor 1.5 1e-3 1.0e3 g 1.0 0.0 1\n", i,
                   i % 2 ? "tied" : "log");
    for (int i = 1; i < count; i += 2)
        buf_printf(&text, "parameter_%d parameter_%d\n", i, i - 1);
    buf_append_text(&text, "* observation data\n");
    for (int i = 0; i < count; i++)
        buf_printf(&text, "observation_%d 1.5 1.0 group_%d\n", i, i);
    buf_append_text(&text, "* model command line\nm\n* model input/output\na.tpl a\nb.ins b\n");
    assert_false(buf_failed(&text));
    bench_write_bytes("large.pst", text.data, text.size);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    struct pest_control *c = pest_control_read(bench_path("large.pst"), &error);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_non_null(c);
    assert_int_equal(c->parameters[99999].tied_to, 99998);
    assert_int_equal(c->observation_group_count, count);
    assert_int_equal(pest_control_observation_group(c, "group_99999"), 99999);
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    print_message("read in %.2f s of processor time\n", seconds);
    /* 0.3 s on a slow machine; sanitizers and valgrind make it slower, a square by 1000. */
    assert_true(seconds < 60);
    pest_control_free(c);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_the_classic_format_is_read),
        cmocka_unit_test(records_of_the_classic_format_are_read),
        cmocka_unit_test(absent_fields_are_what_pest_assumes),
        cmocka_unit_test(texts_of_all_machines_are_read),
        cmocka_unit_test(sections_stand_in_any_order_case_and_spacing),
        cmocka_unit_test(numbers_are_fortrans),
        cmocka_unit_test(names_of_files_may_come_from_windows),
        cmocka_unit_test(commas_may_separate_fields),
        cmocka_unit_test(words_stand_where_they_like),
        cmocka_unit_test(counts_that_differ_are_told_and_the_lines_believed),
        cmocka_unit_test(groups_that_no_section_names_are_added),
        cmocka_unit_test(what_pest_would_not_like_is_a_warning),
        cmocka_unit_test(parents_that_do_not_vary_are_looked_through),
        cmocka_unit_test(bounds_in_the_wrong_order_are_borne_where_nothing_is_estimated),
        cmocka_unit_test(what_has_no_effect_is_listed),
        cmocka_unit_test(parts_of_a_case_are_read),
        cmocka_unit_test(names_of_200_characters_and_any_bytes_are_kept),
        cmocka_unit_test(paths_start_at_the_control_file),
        cmocka_unit_test(large_files_are_read_at_once),
    };
    return cmocka_run_group_tests(tests, bench_open, bench_close);
}
