/*
 * A case as a whole: the control file with its templates and instructions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/pest/case.h"
#include "tests/common/pest/control_bench.h"

static struct buf told;

/* "M sentence", from the control file's name on. */
static void finding_note(void *context, enum pest_finding finding, const char *sentence)
{
    const char *folder = context, *at = strstr(sentence, folder);
    buf_printf(&told, "%s%c ", told.size ? "\n" : "", "MWU"[finding]);
    for (; at; sentence = at + strlen(folder), at = strstr(sentence, folder))
        buf_append(&told, sentence, (size_t)(at - sentence));
    buf_append_text(&told, sentence);
}

static const char *case_check(const char *text, size_t mistakes)
{
    char folder[128];
    struct pest_control *control;
    bench_write("case.pst", text);
    snprintf(folder, sizeof folder, "%s", bench_path(""));
    buf_fini(&told);
    buf_init(&told, 1 << 16);
    assert_int_equal(pest_case_check(bench_path("case.pst"), finding_note, folder, &control),
                     mistakes);
    pest_control_free(control);
    return buf_text(&told);
}

static void files_write(const char *template, const char *instructions)
{
    bench_write("a.tpl", template);
    bench_write("b.ins", instructions);
}

static void a_good_case_has_nothing_to_tell(void **state)
{
    (void)state;
    files_write("ptf ~\n~ k ~ ~ s ~\n", "pif ~\nl1 !o1! !o2!\n");
    assert_string_equal(case_check(bench_classic, 0), "");
}

static void mistakes_of_the_control_file_come_alone(void **state)
{
    (void)state;
    files_write("ptf ~\n~ k ~\n", "pif ~\nl1 !o1!\n");
    assert_string_equal(case_check(bench_change("1.5", "x"), 1),
                        "M case.pst:14: parval1: \"x\" is not a number");
}

static void parameters_and_observations_must_stand_somewhere(void **state)
{
    (void)state;
    files_write("ptf ~\n~ k ~\n", "pif ~\nl1 !o2!\n");
    assert_string_equal(
        case_check(bench_classic, 1),
        "W case.pst: parameter \"s\" in no template: the model does not see it\n"
        "M case.pst: observation \"o1\" in no instruction file: nothing reads it");
    files_write("ptf ~\n", "pif ~\n");
    assert_string_equal(
        case_check(bench_classic, 1),
        "W case.pst: parameters \"k\", \"s\" in no template: the model does not see it\n"
        "M case.pst: observations \"o1\", \"o2\" in no instruction file: nothing reads it");
}

static void names_that_are_not_in_the_control_file_are_mistakes(void **state)
{
    (void)state;
    files_write("ptf ~\n~ k ~ ~ q ~\n", "pif ~\nl1 !o1! !o9!\n");
    const char *text = case_check(bench_classic, 2);
    assert_non_null(strstr(text, "M a.tpl:2: "));
    assert_non_null(strstr(text, "\"q\""));
    assert_non_null(strstr(text, "M b.ins:2: "));
    assert_non_null(strstr(text, "\"o9\""));
}

static void files_are_told_apart_from_a_case_without_its_model(void **state)
{
    (void)state;
    files_write("ptf ~\n~ k ~ ~ s ~\n", "pif ~\nl1 !o1! !o2!\n");
    unlink(bench_path("a.tpl"));
    assert_non_null(strstr(case_check(bench_classic, 1), "M a.tpl: "));
    unlink(bench_path("b.ins"));
    assert_string_equal(case_check(bench_classic, 0),
                        "W case.pst: none of the 2 template and instruction files is here "
                        "(\"a.tpl\" …): only the control file was checked");
}

static void one_file_is_written_once_and_one_observation_read_once(void **state)
{
    (void)state;
    files_write("ptf ~\n~ k ~ ~ s ~\n", "pif ~\nl1 !o1! !o2!\n");
    bench_write("c.ins", "pif ~\nl1 !o2!\n");
    const char *text = bench_change("a.tpl a.in\nb.ins b.out\n",
                                    "a.tpl a.in\na.tpl a.in\nb.ins b.out\nc.ins c.out\n");
    assert_string_equal(
        case_check(text, 2),
        "W case.pst:5: ntplfle: 1, but there are 2 templates; these are used\n"
        "W case.pst:5: ninsfle: 1, but there are 2 instruction files; these are used\n"
        "M case.pst: templates \"a.tpl\" and \"a.tpl\" both write \"a.in\"\n"
        "M c.ins: observation \"o2\" is read twice; b.ins reads it, too");
}

static void covariance_files_must_be_there(void **state)
{
    (void)state;
    files_write("ptf ~\n~ k ~ ~ s ~\n", "pif ~\nl1 !o1! !o2!\n");
    assert_string_equal(case_check(bench_change("h\n* obs", "h h.cov\n* obs"), 1),
                        "M case.pst: the covariance file \"h.cov\" of group \"h\" is missing");
}

static void options_without_effect_are_listed(void **state)
{
    (void)state;
    files_write("ptf ~\n~ k ~ ~ s ~\n", "pif ~\nl1 !o1! !o2!\n");
    assert_string_equal(
        case_check(bench_change("* model input",
                                "++ies_num_real(3) ++mou_generator(pso) ++svd_pack(eigen)\n"
                                "++ies_num_reals(3)\n* model input"),
                   0),
        "U case.pst:23: option \"ies_num_real\" is not known; did you mean \"ies_num_reals\"?\n"
        "U case.pst:23: option \"mou_generator\" is for pestpp-mou\n"
        "U case.pst:23: option \"svd_pack\" has no effect here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_case_has_nothing_to_tell),
        cmocka_unit_test(mistakes_of_the_control_file_come_alone),
        cmocka_unit_test(parameters_and_observations_must_stand_somewhere),
        cmocka_unit_test(names_that_are_not_in_the_control_file_are_mistakes),
        cmocka_unit_test(files_are_told_apart_from_a_case_without_its_model),
        cmocka_unit_test(one_file_is_written_once_and_one_observation_read_once),
        cmocka_unit_test(covariance_files_must_be_there),
        cmocka_unit_test(options_without_effect_are_listed),
    };
    int code = cmocka_run_group_tests(tests, bench_open, bench_close);
    buf_fini(&told);
    return code;
}
