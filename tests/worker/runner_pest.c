/* Jobs of PEST cases, right and wrong, and what their models may do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/adder.h"

/* --- What a job may be wrong in --- */

static void open_is_refused(const char *job, const struct rig_file *files, const char *words)
{
    struct error error = {0};
    rig_open_place(&rig, files);
    rig.job = cJSON_Parse(job);
    assert_non_null(rig.job);
    struct runner_context context = {
        .job = rig.job, .workplace = rig.place, .children = rig.children, .loop = rig.loop};
    assert_null(runner_find("pest")->open(&context, &error));
    if (!strstr(error.text, words))
        fail_msg("\"%s\" is not in: %s", words, error.text);
}

static void a_job_without_commands_is_refused(void **state)
{
    (void)state;
    open_is_refused(CASE("", ""), adder_files, "no model command line");
}

static void an_open_quote_in_a_command_is_refused(void **state)
{
    (void)state;
    open_is_refused(CASE("\"model 'x\"", ""), adder_files, "quote");
}

static void a_template_that_does_not_travel_is_refused(void **state)
{
    (void)state;
    open_is_refused(CASE("\"model\"", ""), adder_files + 1, "in.tpl");
}

static void a_model_file_outside_of_the_farms_folder_is_refused(void **state)
{
    (void)state;
    open_is_refused("{\"runner\":\"pest\",\"params\":[],\"results\":[],\"work\":{"
                    "\"commands\":[\"model\"],\"inputs\":[{\"template\":\"in.tpl\",\"file\":"
                    "\"x/../../in.dat\"}]}}",
                    adder_files, "leads out");
    rig_close(&rig);
    open_is_refused("{\"runner\":\"pest\",\"params\":[],\"results\":[],\"work\":{"
                    "\"commands\":[\"model\"],\"outputs\":[{\"instructions\":\"out.ins\","
                    "\"file\":\"/tmp/out.dat\"}]}}",
                    adder_files, "absolute");
}

static void an_unknown_precision_is_refused(void **state)
{
    (void)state;
    open_is_refused("{\"runner\":\"pest\",\"params\":[],\"results\":[],\"work\":{"
                    "\"commands\":[\"model\"],\"precision\":\"half\"}}",
                    adder_files, "half");
}

static void the_wrong_number_of_parameters_fails_the_attempt(void **state)
{
    (void)state;
    const double params[] = {1, 2, 3};
    rig_open(&rig, CASE("\"model\"", ""), adder_files);
    rig_start_reals(&rig, 1, params, 1);
    rig_start_reals(&rig, 2, params, 3);
    rig_wait(&rig, 2);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_NO_START);
    assert_int_equal(rig_result(&rig, 2)->result.status, RESULT_NO_START);
    assert_int_equal(rig.trouble.code, 0);
}

static void a_wrong_instruction_file_is_told_by_its_own_name(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        {"in.tpl", TEMPLATE, 0644, true, false},
        {"out.ins", "pif @\nl1 !nobody!\n", 0644, true, false},
        MODEL(ADD),
        {0}};
    struct rig_result *kept = adder_run_one(CASE("\"model\"", ""), files);
    assert_said(kept, RESULT_NO_START, "nobody");
    assert_memory_equal(kept->error, "out.ins:2", 9);
    assert_said(adder_run(8, 1, 1), RESULT_NO_START, "nobody");
}

/* --- How a run fails --- */

static void an_exit_status_fails_the_run_and_the_last_line_is_shown(void **state)
{
    (void)state;
    struct rig_result *kept =
        adder_run_model("#!/bin/sh\necho begins; echo 'no convergence' >&2; echo; exit 3\n");
    assert_said(kept, RESULT_EXIT, "exit status 3");
    assert_said(kept, RESULT_EXIT, "\"no convergence\"");
    assert_int_equal(kept->result.code, 3);
    assert_string_equal(kept->stderr_tail, "begins\nno convergence\n\n");
    assert_int_equal(kept->result.slot, 3);
}

static void of_much_output_the_last_64_kib_are_kept(void **state)
{
    (void)state;
    struct rig_result *kept = adder_run_model(
        "#!/bin/sh\nseq 1 200000; printf '10%%\\rthe end: \\001x\\r\\n' >&2; exit 1\n");
    assert_said(kept, RESULT_EXIT, "\"the end:  x\"");
    assert_int_equal(kept->result.stderr_size, MESSAGE_STDERR_MAX);
}

static void a_signal_fails_the_run(void **state)
{
    (void)state;
    struct rig_result *kept = adder_run_model("#!/bin/sh\nkill -SEGV $$\n");
    assert_said(kept, RESULT_SIGNAL, "signal 11");
    assert_int_equal(kept->result.code, 11);
}

static void a_missing_output_file_is_named(void **state)
{
    (void)state;
    assert_said(
        adder_run_model("#!/bin/sh\necho did nothing\n"), RESULT_NO_VALUE,
        "the model wrote no file \"out.dat\"; the last line it wrote is \"did nothing\"");
}

static void an_output_that_is_no_file_is_named(void **state)
{
    (void)state;
    assert_said(adder_run_model("#!/bin/sh\nmkfifo out.dat\n"), RESULT_NO_VALUE,
                "\"out.dat\" is no");
}

static void an_instruction_that_fails_is_named_with_its_place(void **state)
{
    (void)state;
    struct rig_result *kept = adder_run_model("#!/bin/sh\necho 5 > out.dat\n");
    assert_said(kept, RESULT_NO_VALUE, "out.ins:3");
    assert_null(strstr(kept->error, rig.root));
}

static void nan_fails_the_run(void **state)
{
    (void)state;
    struct rig_result *kept = adder_run_model("#!/bin/sh\nprintf '1\\n  NaN\\n' > out.dat\n");
    assert_said(kept, RESULT_NO_VALUE, "NaN");
}

static void a_model_that_hangs_is_killed_with_all_it_started(void **state)
{
    (void)state;
    struct rig_file files[] = {CASE_FILES, MODEL("echo I wait; $SLEEP & $SLEEP"), {0}};
    files[2].content = adder_with_sleep(files[2].content);
    struct rig_result *kept = adder_run_one(
        "{\"runner\":\"pest\",\"params\":[\"a\",\"b\"],\"results\":[\"sum\",\"first\"],"
        "\"timeout_s\":0.2,\"work\":{\"commands\":[\"model\"],"
        "\"inputs\":[{\"template\":\"in.tpl\",\"file\":\"in.dat\"}],"
        "\"outputs\":[{\"instructions\":\"out.ins\",\"file\":\"out.dat\"}]}}",
        files);
    assert_said(kept, RESULT_TIMEOUT, "killed after 0.2 s");
    assert_said(kept, RESULT_TIMEOUT, "\"I wait\"");
    assert_int_equal(rig_count_processes(adder_sleep), 0);
}

static void a_value_that_does_not_fit_its_field_is_the_tasks_own_trouble(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        {"in.tpl", "ptf ~\n~a~~  b   ~\n", 0644, true, false},
        {"out.ins", INSTRUCTIONS, 0644, true, false},
        MODEL(ADD),
        {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    struct rig_result *kept = adder_run(1, 123456, 1);
    assert_said(kept, RESULT_NO_START, "in.tpl:2");
    assert_null(strstr(kept->error, rig.root));
    assert_int_equal(rig.trouble.code, 0);
}

static void a_model_that_asks_for_input_is_told_that_there_is_none(void **state)
{
    (void)state;
    assert_said(
        adder_run_model("#!/bin/sh\nprintf ' Name of the input file: '; read x || exit 2\n"),
        RESULT_EXIT, "standard input is empty");
}

static void a_missing_program_is_named(void **state)
{
    (void)state;
    struct rig_result *kept = adder_run_one(CASE("\"no-such-model x\"", ""), adder_files);
    assert_said(kept, RESULT_NO_START, "\"no-such-model\"");
    assert_int_equal(rig.trouble.code, 0);
}

static void a_program_for_windows_is_told(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"mf.exe", "MZ\x90", 0755, true, false}, {0}};
    assert_said(adder_run_one(CASE("\"mf.exe\"", ""), files), RESULT_NO_START, "Windows");
}

static void a_batch_file_is_told(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"model.bat", "@echo off\r\nmf2005\r\n", 0755, true, false}, {0}};
    assert_said(adder_run_one(CASE("\"model.bat\"", ""), files), RESULT_NO_START,
                "\"model.bat\" is a batch file for Windows");
}

static void a_script_with_windows_lines_is_told(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"model", "#!/bin/sh\r\ntrue\r\n", 0755, true, false}, {0}};
    assert_said(adder_run_one(CASE("\"./model\"", ""), files), RESULT_NO_START, "CRLF");
}

static void a_script_that_names_no_shell_gets_one(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"model.bat", "echo \"$1\" >said\nexit 4\n", 0755, true, false}, {0}};
    struct rig_result *kept = adder_run_one(CASE("\"model.bat 'a b'\"", ""), files);
    assert_said(kept, RESULT_EXIT, "exit status 4");
    assert_true(adder_has("work/slot-3/model/said"));
}

static void a_program_without_execute_bits_is_told(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"model", "#!/bin/sh\n", 0644, true, false}, {0}};
    assert_said(adder_run_one(CASE("\"model\"", ""), files), RESULT_NO_START, "chmod +x");
}

static void the_first_command_that_fails_ends_the_run(void **state)
{
    (void)state;
    static const struct rig_file files[] = {CASE_FILES, MODEL("exit 4"), {0}};
    struct rig_result *kept =
        adder_run_one(CASE("\"true\",\"model now\",\"touch went-on\"", ""), files);
    assert_said(kept, RESULT_EXIT, "command 2 of 3 (model now) ended with exit status 4");
    assert_false(adder_has("work/slot-3/model/went-on"));
}

/* --- How a run succeeds --- */

static void observations_come_in_the_order_of_the_job(void **state)
{
    (void)state;
    struct rig_result *kept = adder_run_one(CASE("\"model\"", ""), adder_files);
    assert_values(kept, 1.5, -2.25);
    assert_string_equal(kept->error, "");
    assert_int_equal(kept->result.slot, 3);
}

static void an_exit_status_can_be_ignored(void **state)
{
    (void)state;
    static const struct rig_file files[] = {CASE_FILES, MODEL(ADD "; exit 9"), {0}};
    assert_values(adder_run_one(CASE("\"model\",\"true\"", ",\"ignore_exit\":true"), files),
                  1.5, -2.25);
    rig_close(&rig);
    static const struct rig_file idle[] = {CASE_FILES, MODEL("exit 9"), {0}};
    assert_said(adder_run_one(CASE("\"model\"", ",\"ignore_exit\":true"), idle),
                RESULT_NO_VALUE, "no file \"out.dat\" (it ended with exit status 9)");
}

static void commands_run_one_after_the_other(void **state)
{
    (void)state;
    assert_values(adder_run_one(CASE("\"cp in.dat mid.dat\",\"sleep 0.05\","
                                     "\"sort -g mid.dat > out.dat\"",
                                     ""),
                                adder_files),
                  1.5, -2.25);
}

static void lines_may_be_written_as_on_windows(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES,
        {"bin/model", "#!/bin/sh\ncat $1 > out.dat\n", 0755, true, false},
        {"data/given.dat", "1\n2\n", 0644, true, false},
        {0}};
    static const char *const lines[] = {
        "\".\\\\bin\\\\MODEL.exe x\"",
        "\"bin\\\\model.exe data\\\\given.dat\"",
        "\".\\\\bin\\\\model.EXE data/given.dat\"",
        "\"bin\\\\model data/given.dat > screen.txt\"",
        "\"\\\"bin/model\\\" 'data/given.dat'\"",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char job[1024];
        snprintf(job, sizeof(job), CASE("%s", ""), lines[i]);
        struct rig_result *kept = adder_run_one(job, files);
        if (i == 0) /* names keep their case */
            assert_int_equal(kept->result.status, RESULT_EXIT);
        else
            assert_values(kept, 2, 1);
        rig_close(&rig);
    }
    rig.loop = NULL;
}

static void the_model_folder_is_the_end_of_the_path(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES,
        MODEL("helper; true"),
        {"helper", "#!/bin/sh\n" ADD "\n", 0755, true, false},
        {"sort", "#!/bin/sh\nexit 1\n", 0755, true, false},
        {0}};
    assert_values(adder_run_one(CASE("\"model | cat\",\"sort in.dat\"", ""), files), 1.5,
                  -2.25);
}

static void assignments_and_builtins_are_for_the_shell(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, MODEL("echo $X > out.dat; echo $EXTRA >> out.dat"), {0}};
    assert_values(
        adder_run_one(
            CASE("\"X=5 model\",\"cd nowhere || true\"", ",\"env\":{\"EXTRA\":\"6\"}"), files),
        6, 5);
}

static void the_folder_may_lie_below_the_farms(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        {"case/in.tpl", TEMPLATE, 0644, true, false},
        {"case/ins/out.ins", INSTRUCTIONS, 0644, true, false},
        {"bin/model", "#!/bin/sh\nsort -g ../in/in.dat > new/out.dat\n", 0755, true, false},
        {0}};
    struct rig_result *kept = adder_run_one(
        "{\"runner\":\"pest\",\"params\":[\"a\",\"b\"],\"results\":[\"sum\",\"first\"],"
        "\"work\":{\"folder\":\"./case/\",\"commands\":[\"../bin/model\"],"
        "\"inputs\":[{\"template\":\"in.tpl\",\"file\":\"../in/in.dat\"}],"
        "\"outputs\":[{\"instructions\":\"ins\\\\out.ins\",\"file\":\"new/out.dat\"}]}}",
        files);
    assert_values(kept, -2.25, 1.5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, adder_close)
    const struct CMUnitTest tests[] = {
        TEST(a_job_without_commands_is_refused),
        TEST(an_open_quote_in_a_command_is_refused),
        TEST(a_template_that_does_not_travel_is_refused),
        TEST(a_model_file_outside_of_the_farms_folder_is_refused),
        TEST(an_unknown_precision_is_refused),
        TEST(the_wrong_number_of_parameters_fails_the_attempt),
        TEST(a_wrong_instruction_file_is_told_by_its_own_name),
        TEST(an_exit_status_fails_the_run_and_the_last_line_is_shown),
        TEST(of_much_output_the_last_64_kib_are_kept),
        TEST(a_signal_fails_the_run),
        TEST(a_missing_output_file_is_named),
        TEST(an_output_that_is_no_file_is_named),
        TEST(an_instruction_that_fails_is_named_with_its_place),
        TEST(nan_fails_the_run),
        TEST(a_model_that_hangs_is_killed_with_all_it_started),
        TEST(a_value_that_does_not_fit_its_field_is_the_tasks_own_trouble),
        TEST(a_model_that_asks_for_input_is_told_that_there_is_none),
        TEST(a_missing_program_is_named),
        TEST(a_program_for_windows_is_told),
        TEST(a_batch_file_is_told),
        TEST(a_script_with_windows_lines_is_told),
        TEST(a_script_that_names_no_shell_gets_one),
        TEST(a_program_without_execute_bits_is_told),
        TEST(the_first_command_that_fails_ends_the_run),
        TEST(observations_come_in_the_order_of_the_job),
        TEST(an_exit_status_can_be_ignored),
        TEST(commands_run_one_after_the_other),
        TEST(lines_may_be_written_as_on_windows),
        TEST(the_model_folder_is_the_end_of_the_path),
        TEST(assignments_and_builtins_are_for_the_shell),
        TEST(the_folder_may_lie_below_the_farms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
