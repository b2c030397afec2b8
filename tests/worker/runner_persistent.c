#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* A runner in Python that answers each line with what `reply`, an expression, gives. */
#define RUNNER(body)                                                                           \
    {                                                                                          \
        "r.py",                                                                                \
            "import sys, json, os, signal\n"                                                   \
            "def say(**reply): print(json.dumps(reply), flush=True)\n"                         \
            "for line in sys.stdin:\n"                                                         \
            "    t = json.loads(line); n = t['task']; p = t['params']\n"                       \
            "    " body "\n",                                                                  \
            0644, true, false                                                                  \
    }
#define JOB(more)                                                                              \
    "{\"runner\":\"persistent\",\"params\":[\"K\",\"name\"],\"results\":[\"head\"]," more      \
    "\"work\":{\"command\":[\"python3\",\"r.py\"]}}"

static void start_tasks(uint64_t first, uint64_t last)
{
    for (uint64_t task = first; task <= last; task++) {
        char k[32];
        snprintf(k, sizeof(k), "%llu", (unsigned long long)task);
        const char *params[] = {k, "a\"b\n"};
        rig_start(&rig, task, params, 2);
    }
}

static void a_missing_program_fails_every_task_that_waits(void **state)
{
    (void)state;
    rig_open(&rig,
             "{\"runner\":\"persistent\",\"params\":[\"K\",\"name\"],"
             "\"work\":{\"command\":[\"no-such-runner\"]}}",
             NULL);
    start_tasks(1, 1);
    rig_wait(&rig, 1);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_NO_START);
    assert_non_null(strstr(rig_result(&rig, 1)->error, "no-such-runner"));
    start_tasks(2, 2);
    rig_wait(&rig, 2);
    assert_int_equal(rig_result(&rig, 2)->result.status, RESULT_NO_START);
}

static void places_in_the_command_are_refused(void **state)
{
    (void)state;
    struct error error;
    rig_open_place(&rig, NULL);
    rig.ops = runner_find("persistent");
    rig.job = cJSON_Parse("{\"params\":[\"K\"],\"work\":{\"command\":[\"m\",\"{K}\"]}}");
    struct runner_context context = {
        .job = rig.job, .workplace = rig.place, .children = rig.children, .loop = rig.loop};
    assert_null(rig.ops->open(&context, &error));
    assert_non_null(strstr(error.text, "persistent"));
}

static void tasks_are_answered(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER("say(task=n, ok=True, values={'head': p['K'] * 0.5, 'more': p['name']})"), {0}};
    rig_open(&rig, JOB(""), files);
    start_tasks(1, 300);
    rig_wait(&rig, 300);
    for (uint64_t task = 1; task <= 300; task++) {
        struct rig_result *kept = rig_result(&rig, task);
        assert_string_equal(kept->error, "");
        assert_int_equal(kept->value_count, 1);
        const struct value *head = &kept->values[0]; /* halves are exact in binary */
        assert_true((head->kind == VALUE_INTEGER ? (double)head->integer : head->real) ==
                    0.5 * (double)task);
    }
    assert_true(rig.ops->depth(rig.runner) > 1); /* short tasks are sent ahead */
}

static void a_task_that_fails_says_why_and_the_runner_goes_on(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER("say(task=n, ok=n != 1, error='caf\\u00e9 \"K\"', values={'head': None})"), {0}};
    rig_open(&rig, JOB(""), files);
    start_tasks(1, 2);
    rig_wait(&rig, 2);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_EXIT);
    assert_string_equal(rig_result(&rig, 1)->error, "caf\xc3\xa9 \"K\"");
    assert_int_equal(rig_result(&rig, 2)->result.status, RESULT_OK);
    assert_int_equal(rig_result(&rig, 2)->values[0].kind, VALUE_NONE);
}

static void a_missing_value_is_named(void **state)
{
    (void)state;
    static const struct rig_file files[] = {RUNNER("say(task=n, ok=True)"), {0}};
    rig_open(&rig, JOB(""), files);
    start_tasks(1, 1);
    rig_wait(&rig, 1);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_NO_VALUE);
    assert_non_null(strstr(rig_result(&rig, 1)->error, "\"head\""));
}

static void noise_on_stdout_is_quoted_in_the_error(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER(
            "print('Reading grid ...', flush=True); say(task=n, ok=True, values={'head':1})"),
        {0}};
    rig_open(&rig, JOB(""), files);
    start_tasks(1, 1);
    rig_wait(&rig, 1);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_NO_VALUE);
    assert_non_null(strstr(rig_result(&rig, 1)->error, "Reading grid ..."));
    assert_non_null(strstr(rig_result(&rig, 1)->error, "standard error"));
}

static void an_answer_for_nobody_is_an_error(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER("say(task=n + 1000, ok=True, values={'head':1})"), {0}};
    rig_open(&rig, JOB(""), files);
    start_tasks(1, 1);
    rig_wait(&rig, 1);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_NO_VALUE);
    assert_non_null(strstr(rig_result(&rig, 1)->error, "1001"));
}

static void only_the_task_that_kills_the_runner_fails(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER(
            "n == 25 and (sys.stderr.write('boom'), sys.stderr.flush(), "
            "os.kill(os.getpid(), signal.SIGKILL)); say(task=n, ok=True, values={'head':n})"),
        {0}};
    rig_open(&rig, JOB(""), files);
    start_tasks(1, 50);
    rig_wait(&rig, 50);
    for (uint64_t task = 1; task <= 50; task++)
        assert_int_equal(rig_result(&rig, task)->result.status,
                         task == 25 ? RESULT_SIGNAL : RESULT_OK);
    assert_string_equal(rig_result(&rig, 25)->stderr_tail, "boom");
    assert_int_equal(rig_result(&rig, 25)->result.code, 9);
}

static void a_runner_is_told_how_many_died_before_it(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER("deaths = int(os.environ['BEOFARM_DEATHS']); "
               "n in (1, 2, 5) and os.kill(os.getpid(), signal.SIGKILL); "
               "say(task=n, ok=True, values={'head':deaths})"),
        {0}};
    static const int deaths[] = {0, 0, 2, 2, 0, 1};
    setenv("BEOFARM_DEATHS", "7", 1); /* of another farm */
    rig_open(&rig, JOB(""), files);
    unsetenv("BEOFARM_DEATHS");
    for (uint64_t task = 1; task <= 6; task++) {
        start_tasks(task, task);
        rig_wait(&rig, task);
        bool dies = task == 1 || task == 2 || task == 5;
        const struct rig_result *kept = rig_result(&rig, task);
        assert_int_equal(kept->result.status, dies ? RESULT_SIGNAL : RESULT_OK);
        if (!dies)
            assert_int_equal(kept->values[0].integer, deaths[task - 1]);
    }
}

static void a_runner_that_buffers_its_replies_gets_no_innocent_charged(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        {"r.py",
         "import sys, json, os\n"
         "out = []\n"
         "for line in sys.stdin.buffer.raw.read(1 << 16).splitlines():\n"
         "    n = json.loads(line)['task']\n"
         "    if n == 5: os._exit(4)\n"
         "    out.append(json.dumps({'task': n, 'ok': True, 'values': {'head': 1}}))\n"
         "print('\\n'.join(out), flush=True)\n",
         0644, true, false},
        {0}};
    rig_open(&rig, JOB(""), files);
    start_tasks(1, 12);
    rig_wait(&rig, 12);
    for (uint64_t task = 1; task <= 12; task++)
        assert_int_equal(rig_result(&rig, task)->result.status,
                         task == 5 ? RESULT_EXIT : RESULT_OK);
}

static void a_runner_that_ends_between_tasks_is_started_again(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER("say(task=n, ok=True, values={'head':n}); sys.exit(0)"), {0}};
    rig_open(&rig, JOB(""), files);
    start_tasks(1, 4);
    rig_wait(&rig, 4);
    for (uint64_t task = 1; task <= 4; task++)
        assert_int_equal(rig_result(&rig, task)->result.status, RESULT_OK);
}

static void a_stalled_runner_is_replaced(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER("import time; n == 1 and time.sleep(1000); say(task=n, ok=True, "
               "values={'head':n})"),
        {0}};
    rig_open(&rig, JOB("\"timeout_s\":4,"), files);
    start_tasks(1, 1);
    rig_wait(&rig, 1);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_TIMEOUT);
    start_tasks(2, 2);
    rig_wait(&rig, 2);
    assert_int_equal(rig_result(&rig, 2)->result.status, RESULT_OK);
}

static void a_runner_that_closes_its_pipes_does_not_hang_the_task(void **state)
{
    (void)state;
    static const char *const pipes[] = {"exec 1>&-; sleep 1000", "exec 0<&- 1>&-; sleep 1000"};
    for (int i = 0; i < 2; i++) {
        char job[256];
        snprintf(job, sizeof(job),
                 "{\"runner\":\"persistent\",\"params\":[\"K\",\"name\"],"
                 "\"work\":{\"command\":\"%s\",\"shell\":true}}",
                 pipes[i]);
        if (i > 0)
            rig_close(&rig);
        rig_open(&rig, job, NULL);
        start_tasks(1, 1);
        rig_wait(&rig, 1);
        assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_NO_VALUE);
        assert_non_null(strstr(rig_result(&rig, 1)->error, "closed its standard"));
    }
}

static void a_cancelled_head_frees_the_slot_and_those_behind_run(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER("import time; n == 1 and time.sleep(1000); say(task=n, ok=True, "
               "values={'head':n})"),
        {0}};
    rig_open(&rig, JOB(""), files);
    start_tasks(1, 3);
    rig.ops->flush(rig.runner);
    rig.ops->cancel(rig.runner, (struct attempt_id){2, 1}, RUNNER_CANCEL_NOW);
    rig.ops->cancel(rig.runner, (struct attempt_id){1, 1}, RUNNER_CANCEL_NOW);
    rig_wait(&rig, 3);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_SIGNAL);
    assert_int_equal(rig_result(&rig, 2)->result.status, RESULT_SIGNAL);
    assert_int_equal(rig_result(&rig, 3)->result.status, RESULT_OK);
}

static void files_come_and_go_by_directory(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        RUNNER(
            "f = open(t['dir'] + '/in.txt').read(); open(t['dir'] + '/o.txt', 'w').write(f + "
            "'!'); open(t['dir'] + '/extra', 'w').write('e'); say(task=n, ok=True, "
            "values={'head':n}, outputs=['extra'])"),
        {"tpl", "K={K}", 0644, false, false},
        {0}};
    rig_open(&rig,
             "{\"runner\":\"persistent\",\"params\":[\"K\",\"name\"],\"results\":[\"head\"],"
             "\"work\":{\"command\":[\"python3\",\"r.py\"],\"outputs\":[\"*.txt\"],"
             "\"templates\":[{\"from\":\"tpl\",\"to\":\"in.txt\"}]}}",
             files);
    start_tasks(4, 5);
    rig_wait(&rig, 2);
    assert_string_equal(rig_result(&rig, 5)->error, "");
    assert_string_equal(rig_result(&rig, 5)->outputs, "extra=e\no.txt=K=5!\n");
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, close_rig)
    const struct CMUnitTest tests[] = {
        T(a_missing_program_fails_every_task_that_waits),
        T(places_in_the_command_are_refused),
        T(tasks_are_answered),
        T(a_task_that_fails_says_why_and_the_runner_goes_on),
        T(a_missing_value_is_named),
        T(noise_on_stdout_is_quoted_in_the_error),
        T(an_answer_for_nobody_is_an_error),
        T(only_the_task_that_kills_the_runner_fails),
        T(a_runner_is_told_how_many_died_before_it),
        T(a_runner_that_buffers_its_replies_gets_no_innocent_charged),
        T(a_runner_that_ends_between_tasks_is_started_again),
        T(a_stalled_runner_is_replaced),
        T(a_runner_that_closes_its_pipes_does_not_hang_the_task),
        T(a_cancelled_head_frees_the_slot_and_those_behind_run),
        T(files_come_and_go_by_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
