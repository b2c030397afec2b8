#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static struct rig_result *run_one(const char *job, const struct rig_file *files,
                                  const char *param)
{
    rig_open(&rig, job, files);
    rig_start(&rig, 7, &param, 1);
    rig_wait(&rig, 1);
    return rig_result(&rig, 7);
}

#define JOB(work)                                                                              \
    "{\"runner\":\"process\",\"params\":[\"K\"],\"results\":[\"head\"],\"work\":" work "}"
#define HEAD_RULE "\"values\":[{\"name\":\"head\",\"regex\":\"^head = (.*)$\"}]"

static void a_missing_program_is_named(void **state)
{
    (void)state;
    struct rig_result *kept = run_one(JOB("{\"command\":[\"no-such-model\"]}"), NULL, "1");
    assert_int_equal(kept->result.status, RESULT_NO_START);
    assert_non_null(strstr(kept->error, "no-such-model"));
}

static void a_file_that_is_no_program_is_refused_by_the_kernel(void **state)
{
    (void)state;
    static const struct rig_file files[] = {{"model", "\x01\x02", 0755, true, false}, {0}};
    struct rig_result *kept = run_one(JOB("{\"command\":[\"./model\"]}"), files, "1");
    assert_int_equal(kept->result.status, RESULT_NO_START);
    assert_non_null(strstr(kept->error, "Exec format error"));
}

static void an_exit_status_and_stderr_are_kept(void **state)
{
    (void)state;
    struct rig_result *kept =
        run_one(JOB("{\"command\":\"echo it broke >&2; exit 3\",\"shell\":true}"), NULL, "1");
    assert_int_equal(kept->result.status, RESULT_EXIT);
    assert_int_equal(kept->result.code, 3);
    assert_string_equal(kept->stderr_tail, "it broke\n");
    assert_int_equal(kept->result.slot, 3);
}

static void a_signal_is_told(void **state)
{
    (void)state;
    struct rig_result *kept =
        run_one(JOB("{\"command\":\"kill -SEGV $$\",\"shell\":true}"), NULL, "1");
    assert_int_equal(kept->result.status, RESULT_SIGNAL);
    assert_int_equal(kept->result.code, 11);
}

static void parameters_come_by_argument_and_variable(void **state)
{
    (void)state;
    struct rig_result *kept = run_one(
        JOB("{\"command\":[\"sh\",\"-c\",\"echo head = $1/$K/$BEOFARM_TASK/$BEOFARM_ATTEMPT/"
            "$BEOFARM_SLOT/$EXTRA/$OMPI_X/$BEOFARM_SECRET/\",\"x\",\"{K:.2f}\"],"
            "\"env\":{\"EXTRA\":\"k{K}\"}," HEAD_RULE "}"),
        NULL, "1.5");
    assert_string_equal(kept->error, "");
    assert_int_equal(kept->values[0].kind, VALUE_TEXT);
    assert_memory_equal(kept->values[0].text, "1.50/1.5/7/1/3/k1.5///", 22);
}

static void a_shell_gets_values_quoted(void **state)
{
    (void)state;
    struct rig_result *kept = run_one(
        JOB("{\"command\":\"printf 'head = %s\\\\n' {K}\",\"shell\":true," HEAD_RULE "}"), NULL,
        "a'b; $(c) \"d");
    assert_string_equal(kept->error, "");
    assert_int_equal(kept->values[0].text_size, 12);
    assert_memory_equal(kept->values[0].text, "a'b; $(c) \"d", 12);
}

static void the_last_match_counts_and_fortran_numbers_are_numbers(void **state)
{
    (void)state;
    struct rig_result *kept = run_one(
        JOB("{\"command\":[\"printf\",\"head = 9\\nhead =  1.5D-3 \\n\"]," HEAD_RULE "}"), NULL,
        "1");
    assert_int_equal(kept->result.status, RESULT_OK);
    assert_int_equal(kept->values[0].kind, VALUE_REAL);
    assert_true(kept->values[0].real == 1.5e-3); /* the same text, read by strtod */
}

static void a_missing_value_fails_the_attempt(void **state)
{
    (void)state;
    struct rig_result *kept = run_one(JOB("{\"command\":[\"true\"]," HEAD_RULE "}"), NULL, "1");
    assert_int_equal(kept->result.status, RESULT_NO_VALUE);
    assert_non_null(strstr(kept->error, "\"head\""));
}

static void a_missing_output_fails_the_attempt_and_is_named(void **state)
{
    (void)state;
    struct rig_result *kept =
        run_one(JOB("{\"command\":[\"true\"],\"outputs\":[\"*.csv\"]}"), NULL, "1");
    assert_int_equal(kept->result.status, RESULT_NO_VALUE);
    assert_non_null(strstr(kept->error, "*.csv"));
}

static void files_are_laid_filled_and_collected(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        {"grid/a b.dat", "grid\n", 0644, true, false},
        {"model.sh",
         "#!/bin/sh\ncat 'grid/a b.dat' - in.txt > out.txt; mkdir p; echo 1 > p/x.txt\n", 0755,
         true, false},
        {"fields/k5.dat", "field 5\n", 0644, false, false},
        {"tpl", "K is {K:6.2f}\n", 0644, false, false},
        {0}};
    struct rig_result *kept =
        run_one(JOB("{\"command\":[\"./model.sh\"],\"stdin\":\"field.dat\","
                    "\"inputs\":[{\"from\":\"fields/k{K}.dat\",\"to\":\"field.dat\"}],"
                    "\"templates\":[{\"from\":\"tpl\",\"to\":\"in.txt\"}],"
                    "\"outputs\":[\"*.txt\",\"**/*.txt\"]}"),
                files, "5");
    assert_string_equal(kept->error, "");
    assert_int_equal(kept->result.output_files, 2);
    assert_string_equal(kept->outputs, "out.txt=grid\nfield 5\nK is   5.00\n\np/x.txt=1\n\n");
}

static void an_input_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct rig_result *kept =
        run_one(JOB("{\"command\":[\"true\"],\"inputs\":[{\"from\":\"f{K}\",\"to\":\"x\"}]}"),
                NULL, "5");
    assert_int_equal(kept->result.status, RESULT_NO_START);
    assert_non_null(strstr(kept->error, "f5"));
}

static void an_input_may_not_leave_the_directory(void **state)
{
    (void)state;
    static const struct rig_file files[] = {{"f", "x", 0644, false, false}, {0}};
    struct rig_result *kept =
        run_one(JOB("{\"command\":[\"true\"],\"inputs\":[{\"from\":\"f\",\"to\":\"{K}\"}]}"),
                files, "../../evil");
    assert_int_equal(kept->result.status, RESULT_NO_START);
    assert_non_null(strstr(kept->error, ".."));
}

static void a_model_that_spoils_a_shared_input_is_told_and_healed(void **state)
{
    (void)state;
    static const struct rig_file files[] = {{"in.dat", "fresh\n", 0644, true, false}, {0}};
    rig_open(&rig,
             JOB("{\"command\":\"cat in.dat > seen; chmod u+w in.dat; echo stale >> in.dat\","
                 "\"shell\":true,\"outputs\":[\"seen\"]}"),
             files);
    for (uint64_t task = 1; task <= 2; task++) {
        const char *param = "1";
        rig_start(&rig, task, &param, 1);
        rig_wait(&rig, task);
    }
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_NO_VALUE);
    assert_non_null(strstr(rig_result(&rig, 1)->error, "\"copy\": true"));
    /* From then on it gets copies, of the right content. */
    assert_string_equal(rig_result(&rig, 2)->error, "");
    assert_string_equal(rig_result(&rig, 2)->outputs, "seen=fresh\n\n");
}

/* Open the rig with a job in which every % is this process's number: so the sleeps that a test
 * looks for are not those of the same test beside it. */
static void open_with_own_sleeps(const char *job, char sleeps[32])
{
    char own[1024], *to = own;
    for (const char *from = job; *from; from++)
        to +=
            *from == '%' ? snprintf(to, 12, "%d", (int)getpid()) : snprintf(to, 2, "%c", *from);
    rig_open(&rig, own, NULL);
    snprintf(sleeps, 32, "sleep 98%d", (int)getpid());
}

static void a_tree_dies_with_its_time_out(void **state)
{
    (void)state;
    char sleeps[32];
    open_with_own_sleeps(
        "{\"runner\":\"process\",\"params\":[],\"timeout_s\":0.3,\"work\":{\"shell\":true,"
        "\"command\":\"trap '' TERM; (setsid sleep 98%1 &) ; sleep 98%2 & sleep 98%3; "
        "sleep 98%4\"}}",
        sleeps);
    rig_start(&rig, 1, NULL, 0);
    rig_wait(&rig, 1);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_TIMEOUT);
    assert_int_equal(rig_count_processes(sleeps), 0);
}

static void what_is_left_behind_is_ended(void **state)
{
    (void)state;
    char sleeps[32];
    open_with_own_sleeps(JOB("{\"shell\":true,\"command\":\"(setsid setsid sleep 98%1 &); "
                             "sleep 98%2 & exit 0\"}"),
                         sleeps);
    rig_start(&rig, 1, NULL, 0);
    rig_wait(&rig, 1);
    assert_string_equal(rig_result(&rig, 1)->error, "");
    assert_int_equal(rig_count_processes(sleeps), 0);
}

static void a_flood_on_stderr_leaves_its_end(void **state)
{
    (void)state;
    rig_open(&rig,
             JOB("{\"shell\":true,\"command\":\"head -c 200000000 /dev/zero >&2; echo end >&2; "
                 "exit 1\"}"),
             NULL);
    rig_start(&rig, 1, NULL, 0);
    rig_wait(&rig, 1);
    struct rig_result *kept = rig_result(&rig, 1);
    assert_int_equal(kept->result.stderr_size, MESSAGE_STDERR_MAX);
    assert_int_equal(kept->result.status, RESULT_EXIT);
}

static void stdout_is_an_output_where_it_is_named(void **state)
{
    (void)state;
    rig_open(&rig, JOB("{\"command\":[\"echo\",\"hello\"],\"outputs\":[\"stdout.txt\"]}"),
             NULL);
    rig_start(&rig, 1, NULL, 0);
    rig_wait(&rig, 1);
    assert_string_equal(rig_result(&rig, 1)->outputs, "stdout.txt=hello\n\n");
}

static void a_cancelled_attempt_ends_at_once(void **state)
{
    (void)state;
    char sleeps[32];
    open_with_own_sleeps(JOB("{\"command\":[\"sleep\",\"98%1\"]}"), sleeps);
    rig_start(&rig, 1, NULL, 0);
    rig.ops->cancel(rig.runner, (struct attempt_id){1, 2}, RUNNER_CANCEL_NOW); /* another */
    /* It is there from vfork on, but nameless until its exec is over. */
    for (int i = 0; i < 5000 && rig_count_processes(sleeps) != 1; i++)
        usleep(1000);
    assert_int_equal(rig_count_processes(sleeps), 1);
    rig.ops->cancel(rig.runner, (struct attempt_id){1, 1}, RUNNER_CANCEL_NOW);
    rig_wait(&rig, 1);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_SIGNAL);
    assert_int_equal(rig_count_processes(sleeps), 0);
}

static void closing_ends_what_runs(void **state)
{
    (void)state;
    char sleeps[32];
    open_with_own_sleeps(JOB("{\"shell\":true,\"command\":\"setsid sleep 98%1 & sleep 98%2\"}"),
                         sleeps);
    rig_start(&rig, 1, NULL, 0);
    close_rig(NULL);
    assert_int_equal(rig_count_processes(sleeps), 0);
}

static void limits_hold(void **state)
{
    (void)state;
    rig_open(&rig,
             JOB("{\"shell\":true,\"command\":\"echo head = $(ulimit -c)/$(ulimit -n)/"
                 "$(ulimit -f)\",\"rlimits\":{\"open_files\":77,\"file_mb\":2}," HEAD_RULE "}"),
             NULL);
    rig_start(&rig, 1, NULL, 0);
    rig_wait(&rig, 1);
    assert_memory_equal(rig_result(&rig, 1)->values[0].text, "0/77/4096", 9);
}

static void json_paths_pick_values(void **state)
{
    (void)state;
    rig_open(&rig,
             "{\"runner\":\"process\",\"params\":[],\"results\":[\"a\",\"b\"],\"work\":{"
             "\"command\":\"echo '{{\\\"w\\\":[{{\\\"h\\\":2.5}}]}}' > r.json; echo "
             "'{{\\\"n\\\":3}}'\","
             "\"shell\":true,\"values\":[{\"name\":\"b\",\"path\":\"$.n\"},{\"name\":\"a\","
             "\"from\":\"r.json\",\"path\":\"$.w[0].h\"}]}}",
             NULL);
    rig_start(&rig, 1, NULL, 0);
    rig_wait(&rig, 1);
    struct rig_result *kept = rig_result(&rig, 1);
    assert_string_equal(kept->error, "");
    assert_true(kept->values[0].real == 2.5);
    assert_int_equal(kept->values[1].integer, 3);
}

static void work_directories_go_away(void **state)
{
    (void)state;
    struct stat stat_buffer;
    rig_open(&rig,
             JOB("{\"shell\":true,\"command\":\"i=0; while [ $i -lt 500 ]; do i=$((i+1)); "
                 "mkdir d; cd d; : > 'f\\n\\\"'; done\"}"),
             NULL);
    rig_start(&rig, 1, NULL, 0);
    rig_wait(&rig, 1);
    assert_string_equal(rig_result(&rig, 1)->error, "");
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/work-1"), &stat_buffer), -1);
    workplace_destroy(rig.place); /* waits for the sweeper */
    rig.place = NULL;
    assert_int_equal(rmdir(rig_path(&rig, "work")), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, close_rig)
    const struct CMUnitTest tests[] = {
        T(a_missing_program_is_named),
        T(a_file_that_is_no_program_is_refused_by_the_kernel),
        T(an_exit_status_and_stderr_are_kept),
        T(a_signal_is_told),
        T(parameters_come_by_argument_and_variable),
        T(a_shell_gets_values_quoted),
        T(the_last_match_counts_and_fortran_numbers_are_numbers),
        T(a_missing_value_fails_the_attempt),
        T(a_missing_output_fails_the_attempt_and_is_named),
        T(files_are_laid_filled_and_collected),
        T(an_input_that_is_not_there_is_named),
        T(an_input_may_not_leave_the_directory),
        T(a_model_that_spoils_a_shared_input_is_told_and_healed),
        T(a_tree_dies_with_its_time_out),
        T(what_is_left_behind_is_ended),
        T(a_flood_on_stderr_leaves_its_end),
        T(stdout_is_an_output_where_it_is_named),
        T(a_cancelled_attempt_ends_at_once),
        T(closing_ends_what_runs),
        T(limits_hold),
        T(json_paths_pick_values),
        T(work_directories_go_away),
    };
    setenv("OMPI_X", "hidden", 1);
    setenv("BEOFARM_SECRET", "hidden", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
