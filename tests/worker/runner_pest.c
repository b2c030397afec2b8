#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/worker/runner_rig.h"

static struct rig rig;

static int close_rig(void **state)
{
    (void)state;
    if (rig.loop)
        rig_close(&rig);
    rig.loop = NULL;
    return 0;
}

/* A model with parameters a and b, and observations sum and first. */
#define TEMPLATE     "ptf ~\n~   a          ~\n~   b          ~\n"
#define INSTRUCTIONS "pif @\nl1 !sum!\nl1 !first!\n"
#define CASE(commands, more)                                                                   \
    "{\"runner\":\"pest\",\"params\":[\"A\",\"b\"],\"results\":[\"first\",\"sum\"],"           \
    "\"timeout_s\":20,\"work\":{\"folder\":\".\",\"commands\":[" commands "],"                 \
    "\"precision\":\"double\",\"point\":true,"                                                 \
    "\"inputs\":[{\"template\":\"in.tpl\",\"file\":\"in.dat\"}],"                              \
    "\"outputs\":[{\"instructions\":\"out.ins\",\"file\":\"out.dat\"}]" more "}}"
#define MODEL(text)                                                                            \
    {                                                                                          \
        "model", "#!/bin/sh\n" text "\n", 0755, true, false                                    \
    }
#define CASE_FILES                                                                             \
    {"in.tpl", TEMPLATE, 0644, true, false},                                                   \
    {                                                                                          \
        "out.ins", INSTRUCTIONS, 0644, true, false                                             \
    }

/* What most models here do: the two numbers as they were read, so that one sees them. */
#define ADD "{ read a; read b; } < in.dat; echo $b > out.dat; echo $a >> out.dat"

static struct rig_result *run(uint64_t task, double a, double b)
{
    const double params[] = {a, b};
    size_t before = rig.count;
    rig_start_reals(&rig, task, params, 2);
    rig_wait(&rig, before + 1);
    return &rig.results[before];
}

static struct rig_result *run_one(const char *job, const struct rig_file *files)
{
    rig_open(&rig, job, files);
    return run(7, 1.5, -2.25);
}

static struct rig_result *run_model(const char *text)
{
    static struct rig_file files[] = {CASE_FILES, {"model", NULL, 0755, true, false}, {0}};
    files[2].content = text;
    return run_one(CASE("\"model\"", ""), files);
}

static void assert_said(const struct rig_result *kept, enum result_status status,
                        const char *words)
{
    if (!strstr(kept->error, words))
        fail_msg("\"%s\" is not in: %s", words, kept->error);
    assert_int_equal(kept->result.status, status);
    assert_null(strchr(kept->error, '\n'));
    assert_int_equal(kept->value_count, 0);
}

static void assert_values(const struct rig_result *kept, double first, double second)
{
    if (kept->result.status != RESULT_OK)
        fail_msg("%s (%s)", kept->error, kept->stderr_tail);
    assert_int_equal(kept->value_count, 2);
    assert_int_equal(kept->values[0].kind, VALUE_REAL);
    /* The same digits, read by the same rule. */
    assert_true(kept->values[0].real == first);
    assert_true(kept->values[1].real == second);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(rig_path(&rig, name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool exists(const char *name)
{
    return access(rig_path(&rig, name), F_OK) == 0;
}

/* A model in which $SLEEP is a command that is this test's alone, among all that may run beside. */
static char sleep_text[64];

static const char *with_sleep(const char *model)
{
    static char text[512];
    snprintf(sleep_text, sizeof(sleep_text), "sleep 98765.%d", (int)getpid());
    snprintf(text, sizeof(text), "#!/bin/sh\nSLEEP=\"%s\"\n%s", sleep_text, model);
    return text;
}

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

static const struct rig_file adding[] = {CASE_FILES, MODEL(ADD), {0}};

static void a_job_without_commands_is_refused(void **state)
{
    (void)state;
    open_is_refused(CASE("", ""), adding, "no model command line");
}

static void an_open_quote_in_a_command_is_refused(void **state)
{
    (void)state;
    open_is_refused(CASE("\"model 'x\"", ""), adding, "quote");
}

static void a_template_that_does_not_travel_is_refused(void **state)
{
    (void)state;
    open_is_refused(CASE("\"model\"", ""), adding + 1, "in.tpl");
}

static void a_model_file_outside_of_the_farms_folder_is_refused(void **state)
{
    (void)state;
    open_is_refused("{\"runner\":\"pest\",\"params\":[],\"results\":[],\"work\":{"
                    "\"commands\":[\"model\"],\"inputs\":[{\"template\":\"in.tpl\",\"file\":"
                    "\"x/../../in.dat\"}]}}",
                    adding, "leads out");
    rig_close(&rig);
    open_is_refused("{\"runner\":\"pest\",\"params\":[],\"results\":[],\"work\":{"
                    "\"commands\":[\"model\"],\"outputs\":[{\"instructions\":\"out.ins\","
                    "\"file\":\"/tmp/out.dat\"}]}}",
                    adding, "absolute");
}

static void an_unknown_precision_is_refused(void **state)
{
    (void)state;
    open_is_refused("{\"runner\":\"pest\",\"params\":[],\"results\":[],\"work\":{"
                    "\"commands\":[\"model\"],\"precision\":\"half\"}}",
                    adding, "half");
}

static void the_wrong_number_of_parameters_fails_the_attempt(void **state)
{
    (void)state;
    const double params[] = {1, 2, 3};
    rig_open(&rig, CASE("\"model\"", ""), adding);
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
    struct rig_result *kept = run_one(CASE("\"model\"", ""), files);
    assert_said(kept, RESULT_NO_START, "nobody");
    assert_memory_equal(kept->error, "out.ins:2", 9);
    assert_said(run(8, 1, 1), RESULT_NO_START, "nobody");
}

/* --- How a run fails --- */

static void an_exit_status_fails_the_run_and_the_last_line_is_shown(void **state)
{
    (void)state;
    struct rig_result *kept =
        run_model("#!/bin/sh\necho begins; echo 'no convergence' >&2; echo; exit 3\n");
    assert_said(kept, RESULT_EXIT, "exit status 3");
    assert_said(kept, RESULT_EXIT, "\"no convergence\"");
    assert_int_equal(kept->result.code, 3);
    assert_string_equal(kept->stderr_tail, "begins\nno convergence\n\n");
    assert_int_equal(kept->result.slot, 3);
}

static void of_much_output_the_last_64_kib_are_kept(void **state)
{
    (void)state;
    struct rig_result *kept = run_model(
        "#!/bin/sh\nseq 1 200000; printf '10%%\\rthe end: \\001x\\r\\n' >&2; exit 1\n");
    assert_said(kept, RESULT_EXIT, "\"the end:  x\"");
    assert_int_equal(kept->result.stderr_size, MESSAGE_STDERR_MAX);
}

static void a_signal_fails_the_run(void **state)
{
    (void)state;
    struct rig_result *kept = run_model("#!/bin/sh\nkill -SEGV $$\n");
    assert_said(kept, RESULT_SIGNAL, "signal 11");
    assert_int_equal(kept->result.code, 11);
}

static void a_missing_output_file_is_named(void **state)
{
    (void)state;
    assert_said(
        run_model("#!/bin/sh\necho did nothing\n"), RESULT_NO_VALUE,
        "the model wrote no file \"out.dat\"; the last line it wrote is \"did nothing\"");
}

static void an_output_that_is_no_file_is_named(void **state)
{
    (void)state;
    assert_said(run_model("#!/bin/sh\nmkfifo out.dat\n"), RESULT_NO_VALUE, "\"out.dat\" is no");
}

static void an_instruction_that_fails_is_named_with_its_place(void **state)
{
    (void)state;
    struct rig_result *kept = run_model("#!/bin/sh\necho 5 > out.dat\n");
    assert_said(kept, RESULT_NO_VALUE, "out.ins:3");
    assert_null(strstr(kept->error, rig.root));
}

static void nan_fails_the_run(void **state)
{
    (void)state;
    struct rig_result *kept = run_model("#!/bin/sh\nprintf '1\\n  NaN\\n' > out.dat\n");
    assert_said(kept, RESULT_NO_VALUE, "NaN");
}

static void a_model_that_hangs_is_killed_with_all_it_started(void **state)
{
    (void)state;
    struct rig_file files[] = {CASE_FILES, MODEL("echo I wait; $SLEEP & $SLEEP"), {0}};
    files[2].content = with_sleep(files[2].content);
    struct rig_result *kept =
        run_one("{\"runner\":\"pest\",\"params\":[\"a\",\"b\"],\"results\":[\"sum\",\"first\"],"
                "\"timeout_s\":0.2,\"work\":{\"commands\":[\"model\"],"
                "\"inputs\":[{\"template\":\"in.tpl\",\"file\":\"in.dat\"}],"
                "\"outputs\":[{\"instructions\":\"out.ins\",\"file\":\"out.dat\"}]}}",
                files);
    assert_said(kept, RESULT_TIMEOUT, "killed after 0.2 s");
    assert_said(kept, RESULT_TIMEOUT, "\"I wait\"");
    assert_int_equal(rig_count_processes(sleep_text), 0);
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
    struct rig_result *kept = run(1, 123456, 1);
    assert_said(kept, RESULT_NO_START, "in.tpl:2");
    assert_null(strstr(kept->error, rig.root));
    assert_int_equal(rig.trouble.code, 0);
}

static void a_model_that_asks_for_input_is_told_that_there_is_none(void **state)
{
    (void)state;
    assert_said(run_model("#!/bin/sh\nprintf ' Name of the input file: '; read x || exit 2\n"),
                RESULT_EXIT, "standard input is empty");
}

static void a_missing_program_is_named(void **state)
{
    (void)state;
    struct rig_result *kept = run_one(CASE("\"no-such-model x\"", ""), adding);
    assert_said(kept, RESULT_NO_START, "\"no-such-model\"");
    assert_int_equal(rig.trouble.code, 0);
}

static void a_program_for_windows_is_told(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"mf.exe", "MZ\x90", 0755, true, false}, {0}};
    assert_said(run_one(CASE("\"mf.exe\"", ""), files), RESULT_NO_START, "Windows");
}

static void a_batch_file_is_told(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"model.bat", "@echo off\r\nmf2005\r\n", 0755, true, false}, {0}};
    assert_said(run_one(CASE("\"model.bat\"", ""), files), RESULT_NO_START,
                "\"model.bat\" is a batch file for Windows");
}

static void a_script_with_windows_lines_is_told(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"model", "#!/bin/sh\r\ntrue\r\n", 0755, true, false}, {0}};
    assert_said(run_one(CASE("\"./model\"", ""), files), RESULT_NO_START, "CRLF");
}

static void a_script_that_names_no_shell_gets_one(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"model.bat", "echo \"$1\" >said\nexit 4\n", 0755, true, false}, {0}};
    struct rig_result *kept = run_one(CASE("\"model.bat 'a b'\"", ""), files);
    assert_said(kept, RESULT_EXIT, "exit status 4");
    assert_true(exists("work/slot-3/model/said"));
}

static void a_program_without_execute_bits_is_told(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, {"model", "#!/bin/sh\n", 0644, true, false}, {0}};
    assert_said(run_one(CASE("\"model\"", ""), files), RESULT_NO_START, "chmod +x");
}

static void the_first_command_that_fails_ends_the_run(void **state)
{
    (void)state;
    static const struct rig_file files[] = {CASE_FILES, MODEL("exit 4"), {0}};
    struct rig_result *kept =
        run_one(CASE("\"true\",\"model now\",\"touch went-on\"", ""), files);
    assert_said(kept, RESULT_EXIT, "command 2 of 3 (model now) ended with exit status 4");
    assert_false(exists("work/slot-3/model/went-on"));
}

/* --- How a run succeeds --- */

static void observations_come_in_the_order_of_the_job(void **state)
{
    (void)state;
    struct rig_result *kept = run_one(CASE("\"model\"", ""), adding);
    assert_values(kept, 1.5, -2.25);
    assert_string_equal(kept->error, "");
    assert_int_equal(kept->result.slot, 3);
}

static void an_exit_status_can_be_ignored(void **state)
{
    (void)state;
    static const struct rig_file files[] = {CASE_FILES, MODEL(ADD "; exit 9"), {0}};
    assert_values(run_one(CASE("\"model\",\"true\"", ",\"ignore_exit\":true"), files), 1.5,
                  -2.25);
    rig_close(&rig);
    static const struct rig_file idle[] = {CASE_FILES, MODEL("exit 9"), {0}};
    assert_said(run_one(CASE("\"model\"", ",\"ignore_exit\":true"), idle), RESULT_NO_VALUE,
                "no file \"out.dat\" (it ended with exit status 9)");
}

static void commands_run_one_after_the_other(void **state)
{
    (void)state;
    assert_values(run_one(CASE("\"cp in.dat mid.dat\",\"sleep 0.05\","
                               "\"sort -g mid.dat > out.dat\"",
                               ""),
                          adding),
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
        struct rig_result *kept = run_one(job, files);
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
    assert_values(run_one(CASE("\"model | cat\",\"sort in.dat\"", ""), files), 1.5, -2.25);
}

static void assignments_and_builtins_are_for_the_shell(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, MODEL("echo $X > out.dat; echo $EXTRA >> out.dat"), {0}};
    assert_values(
        run_one(CASE("\"X=5 model\",\"cd nowhere || true\"", ",\"env\":{\"EXTRA\":\"6\"}"),
                files),
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
    struct rig_result *kept = run_one(
        "{\"runner\":\"pest\",\"params\":[\"a\",\"b\"],\"results\":[\"sum\",\"first\"],"
        "\"work\":{\"folder\":\"./case/\",\"commands\":[\"../bin/model\"],"
        "\"inputs\":[{\"template\":\"in.tpl\",\"file\":\"../in/in.dat\"}],"
        "\"outputs\":[{\"instructions\":\"ins\\\\out.ins\",\"file\":\"new/out.dat\"}]}}",
        files);
    assert_values(kept, -2.25, 1.5);
}

/* --- From run to run --- */

static void a_run_does_not_see_the_outputs_of_the_one_before(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES,
        MODEL("test -e out.dat && exit 5; test -e once && exit 0; touch once; " ADD),
        {"out.dat", "8\n8\n", 0644, true, false},
        {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(run(1, 1, 2), 1, 2);
    assert_said(run(2, 1, 2), RESULT_NO_VALUE, "no file \"out.dat\"");
}

static void inputs_are_written_anew_whatever_became_of_them(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, MODEL(ADD "; rm in.dat; ln -s in.tpl in.dat"), {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(run(1, 1, 2), 1, 2);
    assert_values(run(2, 3, 4), 3, 4);
}

#define COUNTING "echo x >> log; grep -c x log > out.dat; grep -c x log >> out.dat"

static void what_a_model_leaves_its_next_run_finds(void **state)
{
    (void)state;
    static const struct rig_file files[] = {CASE_FILES, MODEL(COUNTING), {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(run(1, 1, 2), 1, 1);
    assert_values(run(2, 1, 2), 2, 2);
}

static void a_fresh_folder_is_laid_for_every_run_if_wanted(void **state)
{
    (void)state;
    static const struct rig_file files[] = {CASE_FILES, MODEL(COUNTING), {0}};
    rig_open(&rig, CASE("\"model\"", ",\"fresh\":true"), files);
    assert_values(run(1, 1, 2), 1, 1);
    assert_values(run(2, 1, 2), 1, 1);
}

static void after_a_run_that_was_killed_the_folder_is_laid_anew(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, MODEL(COUNTING "; read a < in.dat; case $a in 9*) kill -9 $$;; esac"), {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(run(1, 1, 2), 1, 1);
    assert_int_equal(run(2, 9, 2)->result.status, RESULT_SIGNAL);
    assert_values(run(3, 1, 2), 1, 1);
}

static void a_model_that_removes_its_folders_is_given_new_ones(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, MODEL("sort -g in/in.dat > out.dat; rm -r in"), {0}};
    rig_open(&rig,
             "{\"runner\":\"pest\",\"params\":[\"a\",\"b\"],\"results\":[\"sum\",\"first\"],"
             "\"work\":{\"commands\":[\"model\"],"
             "\"inputs\":[{\"template\":\"in.tpl\",\"file\":\"in/in.dat\"}],"
             "\"outputs\":[{\"instructions\":\"out.ins\",\"file\":\"out.dat\"}]}}",
             files);
    assert_values(run(1, 1, 2), 1, 2);
    assert_values(run(2, 3, 4), 3, 4);
    assert_int_equal(rig.trouble.code, 0);
}

/* --- Files that slots share --- */

/* A file so large that it is a link. */
static const char *large_text(void)
{
    static char text[(1 << 20) + 100];
    memset(text, 'a', sizeof(text) - 2);
    text[sizeof(text) - 2] = '\n';
    return text;
}

/* Writes the first character of big.dat as a number (a is 1), then changes it if parameter a is 9,
 * and waits for a file if b is 9. */
#define SPOILER                                                                                \
    "{ read a; read b; } < in.dat; "                                                           \
    "x=$(head -c 1 big.dat | tr ab 12); "                                                      \
    "case $a in 9*) chmod u+w big.dat; printf b | dd of=big.dat conv=notrunc 2>/dev/null;; "   \
    "esac; "                                                                                   \
    "case $b in 9*) touch waits; while ! test -e go; do sleep 0.01; done;; esac; "             \
    "echo $x > out.dat; echo $x >> out.dat"

static bool waits(void *context)
{
    (void)context;
    return exists("work/slot-3/model/waits");
}

static void a_link_that_was_written_into_is_mended_and_copied(void **state)
{
    (void)state;
    struct rig_file files[] = {
        CASE_FILES, MODEL(SPOILER), {"big.dat", large_text(), 0644, true, false}, {0}};
    struct stat stat_buffer;
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(run(1, 1, 1), 1, 1);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    if (stat_buffer.st_nlink == 1) {
        print_message("the file system has reflinks: there are no links to write into\n");
        skip();
    }
    /* It is run again with a file of its own, and that now stays as the model left it. */
    assert_values(run(2, 9, 1), 1, 1);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_nlink, 1);
    assert_values(run(3, 1, 1), 2, 2);
    /* Another slot gets what the farm's file is. */
    struct runner *first = rig.runner, *other = rig_open_slot(&rig, 4);
    rig.runner = other;
    assert_values(run(4, 1, 1), 1, 1);
    rig.runner = first;
    rig.ops->close(other);
}

static void a_run_that_another_slots_model_harmed_is_run_again(void **state)
{
    (void)state;
    struct rig_file files[] = {
        CASE_FILES, MODEL(SPOILER), {"big.dat", large_text(), 0644, true, false}, {0}};
    const double waiting[] = {1, 9};
    struct stat stat_buffer;
    rig_open(&rig, CASE("\"model\"", ""), files);
    struct runner *first = rig.runner, *other = rig_open_slot(&rig, 4);
    rig_start_reals(&rig, 1, waiting, 2);
    rig_wait_until(&rig, waits, NULL);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    bool links = stat_buffer.st_nlink > 1; /* no: the file system has reflinks */
    rig.runner = other;
    assert_values(run(2, 9, 1), 1, 1);
    rig.runner = first;
    /* Slot 3 has not read what was written; but that cannot be known. */
    unlink(rig_path(&rig, "work/slot-3/model/waits"));
    write_file("work/slot-3/model/go", "");
    rig_wait(&rig, 2);
    assert_values(rig_result(&rig, 1), 1, 1);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_nlink, 1);
    if (links)
        assert_true(waits(NULL)); /* the second run was there */
    assert_values(run(3, 1, 1), 1, 1);
    rig.ops->close(other);
}

static void a_link_that_was_only_touched_does_no_harm(void **state)
{
    (void)state;
    struct rig_file files[] = {CASE_FILES,
                               MODEL("touch big.dat; echo x >> runs; " ADD),
                               {"big.dat", large_text(), 0644, true, false},
                               {0}};
    struct stat stat_buffer;
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(run(1, 1, 2), 1, 2);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/runs"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_size, 2); /* one run */
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_nlink, 1);
}

static void small_files_and_those_declared_are_the_slots_own(void **state)
{
    (void)state;
    struct rig_file files[] = {CASE_FILES,
                               MODEL("echo b >> small.dat; echo b >> big.dat; " ADD),
                               {"big.dat", large_text(), 0644, true, true},
                               {"small.dat", "a\n", 0444, true, false},
                               {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    struct runner *first = rig.runner, *other = rig_open_slot(&rig, 4);
    assert_values(run(1, 1, 2), 1, 2);
    assert_values(run(2, 1, 2), 1, 2);
    rig.runner = other;
    assert_values(run(3, 1, 2), 1, 2);
    rig.runner = first;
    struct stat stat_buffer;
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/small.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_size, 6);
    assert_int_equal(stat(rig_path(&rig, "work/slot-4/model/small.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_size, 4);
    rig.ops->close(other);
}

/* --- Cancelling, large files, full disks --- */

static void a_cancelled_run_ends_with_all_it_started(void **state)
{
    (void)state;
    struct rig_file files[] = {
        CASE_FILES,
        MODEL("read a < in.dat; case $a in 9*) touch waits; $SLEEP;; esac; " COUNTING),
        {0}};
    files[2].content = with_sleep(files[2].content);
    const double params[] = {9, 9};
    rig_open(&rig, CASE("\"model\"", ""), files);
    rig_start_reals(&rig, 5, params, 2);
    rig_wait_until(&rig, waits, NULL);
    rig.ops->cancel(rig.runner, (struct attempt_id){6, 1}, RUNNER_CANCEL_NOW); /* not ours */
    rig.ops->cancel(rig.runner, (struct attempt_id){5, 1}, RUNNER_CANCEL_NOW);
    rig_wait(&rig, 1);
    assert_said(rig_result(&rig, 5), RESULT_SIGNAL, "cancelled");
    assert_int_equal(rig_count_processes(sleep_text), 0);
    assert_values(run(6, 1, 1), 1, 1);
}

static void tasks_may_be_cancelled_while_the_folder_is_laid(void **state)
{
    (void)state;
    const double params[] = {1, 2};
    rig_open(&rig, CASE("\"model\"", ""), adding);
    for (uint64_t task = 1; task <= 3; task++) {
        rig_start_reals(&rig, task, params, 2);
        rig.ops->cancel(rig.runner, (struct attempt_id){task, 1}, RUNNER_CANCEL_GENTLY);
        rig_wait(&rig, task);
        assert_said(rig_result(&rig, task), RESULT_SIGNAL, "cancelled");
    }
    assert_values(run(4, 1, 2), 1, 2);
    rig_start_reals(&rig, 5, params, 2);
    rig_close(&rig); /* in the middle */
    rig.loop = NULL;
}

/* So many lines that reading them takes a tenth of a second, then the observations. */
#define LARGE_OUTPUT                                                                           \
    "head -c 16000000 /dev/zero | tr '\\0' '\\n' > out.dat; cat in.dat >> out.dat"
static const struct rig_file large[] = {
    {"in.tpl", TEMPLATE, 0644, true, false},
    {"out.ins", "pif @\nl16000001 !first!\nl1 !sum!\n", 0644, true, false},
    MODEL(LARGE_OUTPUT "; touch done"),
    {0}};

static int count_threads(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* The model is through, and a thread more than before reads what it wrote. */
static bool is_being_read(void *context)
{
    return exists("work/slot-3/model/done") && count_threads() > *(int *)context;
}

static void start_reading(void)
{
    const double params[] = {1, 2};
    rig_open(&rig, CASE("\"model\"", ""), large);
    int threads = count_threads();
    rig_start_reals(&rig, 1, params, 2);
    rig_wait_until(&rig, is_being_read, &threads);
    assert_int_equal(rig.count, 0);
}

static void a_large_output_file_is_read_beside_the_loop(void **state)
{
    (void)state;
    start_reading();
    rig_wait(&rig, 1);
    assert_values(rig_result(&rig, 1), 1, 2);
}

static void reading_can_be_cancelled(void **state)
{
    (void)state;
    start_reading();
    rig.ops->cancel(rig.runner, (struct attempt_id){1, 1}, RUNNER_CANCEL_NOW);
    assert_int_equal(rig.count, 1); /* though it is read to its end, for nobody */
    assert_said(rig_result(&rig, 1), RESULT_SIGNAL, "cancelled");
    assert_values(run(2, 3, 4), 3, 4);
}

static void large_inputs_are_written_beside_the_loop(void **state)
{
    (void)state;
    static char template[(1 << 20) + 1000];
    int head = snprintf(template, sizeof(template), "%s", TEMPLATE);
    memset(template + head, 'x', sizeof(template) - (size_t)head - 1);
    struct rig_file files[] = {{"in.tpl", template, 0644, true, false},
                               {"out.ins", INSTRUCTIONS, 0644, true, false},
                               MODEL("test $(wc -c < in.dat) -gt 1000000 || exit 1; " ADD),
                               {0}};
    const double params[] = {5, 6};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(run(1, 1, 2), 1, 2);
    /* The folder is laid, so the first that a task does is to write. */
    rig_start_reals(&rig, 2, params, 2);
    assert_int_equal(rig.count, 1);
    rig.ops->cancel(rig.runner, (struct attempt_id){2, 1}, RUNNER_CANCEL_NOW);
    assert_int_equal(rig.count, 2);
    assert_values(run(3, 3, 4), 3, 4);
}

/* A disk of its own for slot 3. */
static void mount_small(const char *size)
{
    if (mount("none", rig_path(&rig, "work/slot-3"), "tmpfs", 0, size) < 0) {
        print_message("needs the right to mount\n");
        skip();
    }
}

static int unmount_and_close(void **state)
{
    if (rig.loop)
        umount2(rig_path(&rig, "work/slot-3"), MNT_DETACH);
    return close_rig(state);
}

static void a_model_that_fills_its_disk_fails_its_run_alone(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES,
        MODEL("read a < in.dat; case $a in 9*) head -c 9000000 /dev/zero > junk || exit 1;; "
              "esac; " ADD),
        {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    mount_small("size=2M");
    assert_values(run(1, 1, 2), 1, 2);
    assert_said(run(2, 9, 2), RESULT_EXIT, "disk of the node is full");
    assert_values(run(3, 3, 4), 3, 4);
    assert_int_equal(rig.trouble.code, 0);
}

static void a_disk_that_holds_no_model_is_the_workers_trouble(void **state)
{
    (void)state;
    struct rig_file files[] = {
        CASE_FILES, MODEL(ADD), {"big.dat", large_text(), 0644, true, false}, {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    mount_small("size=512k");
    assert_int_equal(run(1, 1, 2)->result.status, RESULT_NO_START);
    assert_int_equal(rig.trouble.code, ERROR_SYSTEM);
    assert_non_null(strstr(rig.trouble.text, "big.dat"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, close_rig)
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
        TEST(a_run_does_not_see_the_outputs_of_the_one_before),
        TEST(inputs_are_written_anew_whatever_became_of_them),
        TEST(what_a_model_leaves_its_next_run_finds),
        TEST(a_fresh_folder_is_laid_for_every_run_if_wanted),
        TEST(after_a_run_that_was_killed_the_folder_is_laid_anew),
        TEST(a_model_that_removes_its_folders_is_given_new_ones),
        TEST(a_link_that_was_written_into_is_mended_and_copied),
        TEST(a_run_that_another_slots_model_harmed_is_run_again),
        TEST(a_link_that_was_only_touched_does_no_harm),
        TEST(small_files_and_those_declared_are_the_slots_own),
        TEST(a_cancelled_run_ends_with_all_it_started),
        TEST(tasks_may_be_cancelled_while_the_folder_is_laid),
        TEST(a_large_output_file_is_read_beside_the_loop),
        TEST(reading_can_be_cancelled),
        TEST(large_inputs_are_written_beside_the_loop),
        cmocka_unit_test_teardown(a_model_that_fills_its_disk_fails_its_run_alone,
                                  unmount_and_close),
        cmocka_unit_test_teardown(a_disk_that_holds_no_model_is_the_workers_trouble,
                                  unmount_and_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
