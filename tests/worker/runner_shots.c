#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/fd.h"
#include "common/seismic/sum.h"
#include "common/store.h"
#include "tests/worker/runner_rig.h"
#include "worker/instance.h"

#define NX     3
#define NZ     5
#define POINTS (NX * NZ)
#define MODEL  "velocities"

static struct rig rig;
static struct runner *second; /* another slot */

/* What the program does is in the settings of a task: python that sees the line as t, its params as
 * p, and may change the reply r. Without any, the gradient of shot s is s + 1 everywhere. */
static const char program[] =
    "import sys, json, os, signal, array, time\n"
    "def put(name, values):\n"
    "    with open(os.path.join(t['dir'], name + '.f32'), 'wb') as f:\n"
    "        array.array('f', values).tofile(f)\n"
    "for line in sys.stdin:\n"
    "    t = json.loads(line); p = t['params']; s = sum(i + 1 for i in p['shots'])\n"
    "    g = p.get('grid', [0, 0, 0]); n = g[0] * g[1] * g[2]\n"
    "    assert open(p['survey']).read() == '{}'\n"
    "    for name in p.get('arrays', []): put(name, [s] * n)\n"
    "    r = {'task': t['task'], 'ok': True, 'values': {'misfit': 0.5 * s}}\n"
    "    exec(p.get('settings', {}).get('do', ''))\n"
    "    print(json.dumps(r), flush=True)\n";

static const struct rig_file files[] = {
    {"r.py", program, 0644, true, false},
    {"survey.json", "{}", 0644, true, false},
    {"model", MODEL, 0644, false, false},
    {0},
};

#define JOB(more)                                                                              \
    "{\"runner\":\"shots\",\"work\":{\"survey\":\"survey.json\"," more                         \
    "\"command\":[\"python3\",\"r.py\"]}}"

static int close_rig(void **state)
{
    (void)state;
    if (second)
        rig.ops->close(second);
    second = NULL;
    if (rig.loop)
        rig_close(&rig);
    rig.loop = NULL;
    return 0;
}

static struct shot_task task_of(struct shot_ref *shot, const char *python, char *settings,
                                size_t size)
{
    struct shot_task task = {.operation = SHOT_GRADIENT,
                             .sum = 1,
                             .exact = true,
                             .shots = shot,
                             .shot_count = 1,
                             .n = {NX, 1, NZ},
                             .arrays = {"gradient"},
                             .array_count = 1,
                             .max_hz = INFINITY};
    if (python) {
        snprintf(settings, size, "{\"do\":\"%s\"}", python);
        task.settings = settings;
    }
    return task;
}

static void start_on(struct runner *runner, struct attempt_id id, const struct shot_task *task)
{
    struct error error;
    struct buf payload;
    buf_init(&payload, 1 << 20);
    if (shot_task_encode(task, &payload, &error) < 0)
        fail_msg("%s", error.text);
    rig.ops->start(runner, id, payload.data, payload.size);
    buf_fini(&payload);
}

/* Shot `shot` as task 10 + shot of sum 1. */
static void start_shot(struct runner *runner, uint64_t shot, uint32_t attempt,
                       const char *python)
{
    char settings[1000];
    struct shot_ref ref = {shot, 1};
    struct shot_task task = task_of(&ref, python, settings, sizeof(settings));
    start_on(runner, (struct attempt_id){10 + shot, attempt}, &task);
}

/* The first `count` shots, in a new rig. */
static void run_shots(uint64_t count)
{
    rig_open(&rig, JOB(""), files);
    for (uint64_t shot = 0; shot < count; shot++)
        start_shot(rig.runner, shot, 1, NULL);
    rig_wait(&rig, count);
}

static void collect(struct runner *runner, uint64_t id, struct attempt_id *wanted, size_t count)
{
    const struct shot_task task = {
        .operation = SHOT_COLLECT, .sum = 1, .attempts = wanted, .attempt_count = count};
    start_on(runner, (struct attempt_id){id, 1}, &task);
}

static void settle(uint64_t task, uint32_t attempt, bool counts)
{
    rig.ops->settled(rig.runner, (struct attempt_id){task, attempt}, counts);
}

static void assert_failed(uint64_t task, enum result_status status, const char *part)
{
    const struct rig_result *result = rig_result(&rig, task);
    assert_int_equal(result->result.status, status);
    const char *at = strstr(result->error, part);
    if (!at)
        fail_msg("\"%s\" is not in: %s", part, result->error);
    /* A shot is named once. */
    if (strncmp(part, "shot ", 5) == 0 && at != result->error)
        fail_msg("\"%s\" does not begin: %s", part, result->error);
}

static void assert_good(uint64_t task)
{
    const struct rig_result *result = rig_result(&rig, task);
    if (result->result.status != RESULT_OK)
        fail_msg("task %d: %s\n%s", (int)task, result->error, result->stderr_tail);
}

/* The collected sum: one value everywhere, of so many attempts. */
static void assert_sum(uint64_t task, float value, size_t attempts)
{
    struct error error;
    const struct rig_result *result = rig_result(&rig, task);
    struct shot_result said;
    char path[300];
    const char *paths[] = {path};
    float values[POINTS];
    static const char head[] = SHOT_SUM_FILE "=";
    assert_good(task);
    assert_memory_equal(result->outputs, head, sizeof(head) - 1);
    snprintf(path, sizeof(path), "%s", rig_path(&rig, "sum"));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(
        fd_write(fd, result->outputs + sizeof(head) - 1, result->outputs_size - sizeof(head)),
        0);
    close(fd);
    if (sum_read_array(paths, 1, "gradient", values, POINTS, &error) < 0)
        fail_msg("%s", error.text);
    for (int i = 0; i < POINTS; i++)
        if (values[i] != value)
            fail_msg("the sum is %g, not %g", (double)values[i], (double)value);
    struct sum_reader *reader = sum_reader_open(paths, 1, &error);
    assert_int_equal(sum_names_count(sum_reader_names(reader)), attempts);
    sum_reader_close(reader);
    assert_int_equal(
        shot_result_decode(result->values_bytes, result->result.values_size, &said, &error), 0);
    assert_int_equal(said.counted, attempts);
    shot_result_fini(&said);
}

#define IDS(...)                                                                               \
    (struct attempt_id[])                                                                      \
    {                                                                                          \
        __VA_ARGS__                                                                            \
    }

/* --- What is wrong --- */

static void a_job_without_a_survey_is_refused(void **state)
{
    (void)state;
    struct error error;
    rig_open_place(&rig, NULL);
    rig.ops = runner_find("shots");
    rig.job = cJSON_Parse("{\"work\":{\"command\":[\"x\"]}}");
    const struct runner_context context = {
        .job = rig.job, .workplace = rig.place, .children = rig.children, .loop = rig.loop};
    assert_null(rig.ops->open(&context, &error));
    assert_non_null(strstr(error.text, "$.work.survey"));
}

static void a_payload_that_is_none_fails(void **state)
{
    (void)state;
    rig_open(&rig, JOB(""), files);
    rig.ops->start(rig.runner, (struct attempt_id){1, 1}, "nonsense", 8);
    rig_wait(&rig, 1);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_NO_START);
}

static void what_the_program_does_wrong_fails_that_shot_and_no_sum_has_it(void **state)
{
    (void)state;
    static const struct {
        const char *python;
        enum result_status status;
        const char *part;
    } cases[] = {
        {"put('gradient', [1.0] * 7 + [float('nan')] + [1.0] * 7)", RESULT_NO_VALUE,
         "shot of index 0: gradient.f32 has NaN at point (1, 0, 2)"},
        {"put('gradient', [1.0] * 14)", RESULT_NO_VALUE,
         "shot of index 1: gradient.f32 has 56"},
        {"os.remove(t['dir'] + '/gradient.f32')", RESULT_NO_VALUE,
         "shot of index 2: the program left no gradient.f32"},
        {"os.remove(t['dir'] + '/gradient.f32'); os.symlink('/dev/zero', t['dir'] + "
         "'/gradient.f32')",
         RESULT_NO_VALUE, "shot of index 3: the program left no gradient.f32"},
        {"r['values'] = {}", RESULT_NO_VALUE, "shot of index 4: the program gave no misfit"},
        {"r['values']['window'] = '0 0 0 4 1 5'", RESULT_NO_VALUE, "window"},
        {"r['values']['window'] = 'all of it'", RESULT_NO_VALUE,
         "shot of index 6: \"all of it\""},
        {"r = {'task': t['task'], 'ok': False, 'error': 'no source'}", RESULT_EXIT,
         "shot of index 7: no source"},
        {"print('hello')", RESULT_NO_VALUE, "shot of index 8: "},
        {"os.kill(os.getpid(), signal.SIGSEGV)", RESULT_SIGNAL, "shot of index 9: "},
        {"sys.exit(3)", RESULT_EXIT, "shot of index 10: "},
        {"r = {'task': t['task'], 'ok': False, 'error': 'shot 9: no source'}", RESULT_EXIT,
         "shot 9: no source"},
        {"r['values']['window'] = '0 0 0 0 0 0'", RESULT_NO_VALUE,
         "shot of index 12: \"0 0 0 0 0 0\" is no window: "},
    };
    size_t count = sizeof(cases) / sizeof(*cases);
    rig_open(&rig, JOB(""), files);
    for (size_t i = 0; i < count; i++) {
        start_shot(rig.runner, i, 1, cases[i].python);
        rig_wait(&rig, i + 1);
        assert_failed(10 + i, cases[i].status, cases[i].part);
        settle(10 + i, 1, true); /* as the master acknowledges failures, too */
    }
    start_shot(rig.runner, 0, 2, NULL);
    start_shot(rig.runner, 50, 1, NULL);
    rig_wait(&rig, count + 2);
    settle(10, 2, true);
    settle(60, 1, true);
    collect(rig.runner, 100, IDS({10, 2}, {60, 1}), 2);
    rig_wait(&rig, count + 3);
    assert_sum(100, 1 + 51, 2);
}

static void a_shot_that_needs_more_memory_than_there_is_fails(void **state)
{
    (void)state;
    char settings[10];
    struct shot_ref ref = {0, 1};
    struct shot_task task = task_of(&ref, NULL, settings, sizeof(settings));
    task.memory_bytes = 3 << 20;
    rig_open(&rig, JOB("\"memory_bytes\":2097152,"), files);
    start_on(rig.runner, (struct attempt_id){1, 1}, &task);
    rig_wait(&rig, 1);
    assert_failed(1, RESULT_NO_START, "it needs 3.0 MB of memory, but this worker has 2.0 MB");
}

static void a_file_that_the_master_does_not_have_fails_the_shot(void **state)
{
    (void)state;
    char settings[10];
    struct shot_ref ref = {0, 1};
    struct shot_file file = {.name = "velocity.raw", .hash = {1, 2, 3}};
    struct shot_task task = task_of(&ref, NULL, settings, sizeof(settings));
    task.files = &file;
    task.file_count = 1;
    rig_open(&rig, JOB(""), files);
    start_on(rig.runner, (struct attempt_id){1, 1}, &task);
    rig_wait(&rig, 1);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_NO_START);
}

static void no_task_sees_what_another_wrote_into_its_copy_of_a_file(void **state)
{
    (void)state;
    static const struct rig_file more[] = {
        {"r.py", program, 0644, true, false},
        {"survey.json", "{}", 0644, true, false},
        {"table", "1 2", 0644, true, true},
        {0},
    };
    rig_open(&rig, JOB(""), more);
    for (uint64_t i = 0; i < 3; i++) {
        start_shot(rig.runner, i, 1,
                   "q = os.path.join(os.path.dirname(p['survey']), 'table'); "
                   "assert open(q).read() == '1 2'; open(q, 'w').write('3')");
        rig_wait(&rig, i + 1);
        assert_good(10 + i);
    }
}

static void start_with_model(uint64_t id, const char *python)
{
    char settings[400];
    struct shot_ref ref = {id, 1};
    struct shot_file file = {.name = "velocity.raw"};
    struct shot_task task = task_of(&ref, python, settings, sizeof(settings));
    store_hash_bytes(MODEL, strlen(MODEL), file.hash);
    task.files = &file;
    task.file_count = 1;
    start_on(rig.runner, (struct attempt_id){id, 1}, &task);
}

static void the_model_stays_where_it_is_and_writing_into_it_is_noticed(void **state)
{
    (void)state;
    rig_open(&rig, JOB(""), files);
    start_with_model(1, "was = p['survey'], p['files']; "
                        "assert open(p['files']['velocity.raw']).read() == 'velocities'");
    rig_wait(&rig, 1);
    assert_good(1);
    start_with_model(
        2,
        "assert was == (p['survey'], p['files']); os.chmod(p['files']['velocity.raw'], 0o600); "
        "open(p['files']['velocity.raw'], 'w').write('other')");
    rig_wait(&rig, 2);
    assert_failed(2, RESULT_NO_VALUE, "wrote into its input file \"velocity.raw\"");
    start_with_model(3, "assert open(p['files']['velocity.raw']).read() == 'velocities'");
    rig_wait(&rig, 3);
    assert_good(3);
}

/* --- Sums --- */

static void shots_of_all_slots_are_in_one_sum(void **state)
{
    (void)state;
    rig_open(&rig, JOB(""), files);
    second = rig_open_slot(&rig, 4);
    for (uint64_t shot = 0; shot < 6; shot++)
        start_shot(shot & 1 ? second : rig.runner, shot, 1, NULL);
    rig.ops->flush(second);
    rig_wait(&rig, 6);
    for (uint64_t shot = 0; shot < 6; shot++) {
        struct shot_result said;
        struct error error;
        const struct rig_result *result = rig_result(&rig, 10 + shot);
        assert_good(10 + shot);
        assert_int_equal(
            shot_result_decode(result->values_bytes, result->result.values_size, &said, &error),
            0);
        assert_string_equal(said.holder, instance_text());
        assert_int_equal(said.counted, 1);
        assert_true(said.misfit == 0.5 * (double)(shot + 1));
        shot_result_fini(&said);
        settle(10 + shot, 1, true);
    }
    collect(second, 100, IDS({10, 1}, {11, 1}, {12, 1}, {13, 1}, {14, 1}, {15, 1}), 6);
    rig_wait(&rig, 7);
    assert_sum(100, 1 + 2 + 3 + 4 + 5 + 6, 6);
}

static void a_result_that_did_not_count_is_in_no_sum_unless_it_is_asked_for(void **state)
{
    (void)state;
    run_shots(3);
    settle(10, 1, true);
    settle(11, 1, false);                               /* another worker was first */
    collect(rig.runner, 100, IDS({10, 1}, {12, 1}), 2); /* 12 was not acknowledged yet */
    rig_wait(&rig, 4);
    assert_sum(100, 1 + 3, 2);
    /* A master that was started anew finds in its journal that it counted after all. */
    collect(rig.runner, 101, IDS({10, 1}, {11, 1}, {12, 1}), 3);
    rig_wait(&rig, 5);
    assert_sum(101, 1 + 2 + 3, 3);
}

static void a_worker_that_leaves_gives_what_the_list_names_and_then_the_rest(void **state)
{
    (void)state;
    run_shots(3);
    settle(10, 1, true);
    rig.ops->leave(rig.runner);
    settle(11, 1, true); /* after the master had made the list */
    collect(rig.runner, 100, IDS({10, 1}), 1);
    rig_wait(&rig, 4);
    assert_sum(100, 1, 1);
    settle(100, 1, true);
    collect(rig.runner, 101, IDS({11, 1}, {12, 1}), 2);
    rig_wait(&rig, 5);
    assert_sum(101, 2 + 3, 2);
}

static void what_is_not_there_is_said_to_be_missing(void **state)
{
    (void)state;
    struct shot_result said;
    struct error error;
    run_shots(1);
    collect(rig.runner, 100, IDS({12, 1}), 1);
    rig_wait(&rig, 2);
    assert_failed(100, RESULT_NO_VALUE, "this worker holds nothing");
    collect(rig.runner, 101, IDS({10, 1}, {11, 1}), 2);
    rig_wait(&rig, 3);
    assert_sum(101, 1, 1);
    const struct rig_result *result = rig_result(&rig, 101);
    assert_int_equal(
        shot_result_decode(result->values_bytes, result->result.values_size, &said, &error), 0);
    assert_string_equal(said.extra, "{\"missing\":1}");
    shot_result_fini(&said);
}

static void a_sum_with_something_that_is_not_wanted_is_left_alone(void **state)
{
    (void)state;
    run_shots(2);
    settle(10, 1, true);
    settle(11, 1, true);
    collect(rig.runner, 100, IDS({10, 1}), 1);
    rig_wait(&rig, 3);
    assert_failed(100, RESULT_NO_VALUE, "this worker holds nothing");
    collect(rig.runner, 101, IDS({10, 1}, {11, 2}), 2); /* another attempt of it */
    rig_wait(&rig, 4);
    assert_failed(101, RESULT_NO_VALUE, "this worker holds nothing");
    collect(rig.runner, 102, IDS({10, 1}, {11, 1}), 2);
    rig_wait(&rig, 5);
    assert_sum(102, 3, 2);
}

static void what_was_delivered_is_kept_until_the_master_has_it(void **state)
{
    (void)state;
    run_shots(1);
    settle(10, 1, true);
    collect(rig.runner, 100, IDS({10, 1}), 1);
    rig_wait(&rig, 2);
    assert_sum(100, 1, 1);
    settle(100, 1, false); /* that result got lost */
    /* Shots of a lost worker come here, in the same wave: they begin a new sum. */
    start_shot(rig.runner, 1, 1, NULL);
    rig_wait(&rig, 3);
    settle(11, 1, true);
    collect(rig.runner, 101, IDS({10, 1}), 1);
    rig_wait(&rig, 4);
    assert_sum(101, 1, 1);
    settle(101, 1, true);
    collect(rig.runner, 102, IDS({10, 1}), 1);
    rig_wait(&rig, 5);
    assert_failed(102, RESULT_NO_VALUE, "this worker holds nothing");
    collect(rig.runner, 103, IDS({11, 1}), 1);
    rig_wait(&rig, 6);
    assert_sum(103, 2, 1);
}

/* The master lost this worker, farmed its shots again, and the worker came back and got one of
 * them. */
static void a_shot_that_is_farmed_again_begins_a_new_sum(void **state)
{
    (void)state;
    char settings[10];
    struct shot_ref ref = {0, 1};
    struct shot_task again = task_of(&ref, NULL, settings, sizeof(settings));
    run_shots(2);
    settle(10, 1, true);
    settle(11, 1, true);
    start_on(rig.runner, (struct attempt_id){50, 1}, &again);
    rig_wait(&rig, 3);
    settle(50, 1, true);
    collect(rig.runner, 100, IDS({50, 1}), 1);
    rig_wait(&rig, 4);
    assert_sum(100, 1, 1);
    collect(rig.runner, 101, IDS({11, 1}, {50, 1}), 2); /* 11 cannot be had without 10 */
    rig_wait(&rig, 5);
    assert_sum(101, 1, 1);
    collect(rig.runner, 102, IDS({10, 1}, {11, 1}), 2);
    rig_wait(&rig, 6);
    assert_sum(102, 3, 2);
}

static void the_next_wave_makes_older_sums_forgotten(void **state)
{
    (void)state;
    char settings[10];
    struct shot_ref ref = {7, 1};
    struct shot_task next = task_of(&ref, NULL, settings, sizeof(settings));
    next.sum = next.keep_from = 2;
    run_shots(2);
    settle(10, 1, true); /* the other one is held */
    start_on(rig.runner, (struct attempt_id){20, 1}, &next);
    rig_wait(&rig, 3);
    assert_good(20);
    collect(rig.runner, 100, IDS({10, 1}, {11, 1}), 2);
    rig_wait(&rig, 4);
    assert_failed(100, RESULT_NO_VALUE, "this worker holds nothing");
}

static void a_window_is_added_where_it_lies(void **state)
{
    (void)state;
    rig_open(&rig, JOB(""), files);
    start_shot(rig.runner, 0, 1,
               "put('gradient', [7.0, 8.0]); r['values']['window'] = '2 0 3 1 1 2'");
    start_shot(rig.runner, 1, 1, "put('gradient', [2.0] * 13 + [-5.0, -6.0])");
    rig_wait(&rig, 2);
    assert_good(10);
    collect(rig.runner, 100, IDS({10, 1}, {11, 1}), 2);
    rig_wait(&rig, 3);
    assert_sum(100, 2, 2);
}

static void traces_are_output_files_and_need_no_sum(void **state)
{
    (void)state;
    struct shot_ref ref = {5, 1};
    const struct shot_task task = {
        .operation = SHOT_MODEL,
        .shots = &ref,
        .shot_count = 1,
        .max_hz = INFINITY,
        .settings = "{\"do\":\"open(t['dir'] + '/shot.sgy', 'w').write('traces'); "
                    "r = {'task': t['task'], 'ok': True, 'outputs': ['shot.sgy']}\"}"};
    rig_open(&rig, JOB(""), files);
    start_on(rig.runner, (struct attempt_id){1, 1}, &task);
    rig_wait(&rig, 1);
    assert_good(1);
    assert_string_equal(rig_result(&rig, 1)->outputs, "shot.sgy=traces\n");
}

/* Where a wave sums nothing, as a line search does, a program may say its window all the same. */
static void a_window_of_no_array_is_passed_over(void **state)
{
    (void)state;
    struct shot_ref ref = {5, 1};
    const struct shot_task task = {.operation = SHOT_MISFIT,
                                   .shots = &ref,
                                   .shot_count = 1,
                                   .max_hz = INFINITY,
                                   .settings =
                                       "{\"do\":\"r['values']['window'] = '2 0 3 1 1 2'\"}"};
    rig_open(&rig, JOB(""), files);
    start_on(rig.runner, (struct attempt_id){1, 1}, &task);
    rig_wait(&rig, 1);
    assert_good(1);
}

static void a_source_that_is_not_estimated_fails(void **state)
{
    (void)state;
    static const char *const said[] = {"{}", "{\"do\":\"r['values']['extra'] = '{not'\"}",
                                       "{\"do\":\"r['values']['extra'] = '[1]'\"}",
                                       "{\"do\":\"r['values']['extra'] = '{}'\"}"};
    size_t count = sizeof(said) / sizeof(*said);
    rig_open(&rig, JOB(""), files);
    for (size_t i = 0; i < count; i++) {
        struct shot_ref ref = {i, 1};
        const struct shot_task task = {.operation = SHOT_SOURCE,
                                       .shots = &ref,
                                       .shot_count = 1,
                                       .max_hz = INFINITY,
                                       .settings = (char *)said[i]};
        start_on(rig.runner, (struct attempt_id){1 + i, 1}, &task);
        rig_wait(&rig, i + 1);
        if (i + 1 < count)
            assert_failed(1 + i, RESULT_NO_VALUE, "the program gave no estimate of the source");
    }
    assert_good(count);
}

/* --- Memory, cancelling --- */

/* Each takes a lock that only one may have; two at a time would fail. */
static void shots_that_do_not_fit_beside_each_other_wait(void **state)
{
    (void)state;
    char settings[400], python[300];
    rig_open(&rig, JOB("\"memory_bytes\":2097152,"), files);
    second = rig_open_slot(&rig, 4);
    snprintf(python, sizeof(python), "os.mkdir('%s'); time.sleep(0.02); os.rmdir('%s')",
             rig_path(&rig, "lock"), rig_path(&rig, "lock"));
    for (uint64_t i = 0; i < 8; i++) {
        struct shot_ref ref = {i, 1};
        struct shot_task task = task_of(&ref, python, settings, sizeof(settings));
        task.memory_bytes = (1 << 20) + (1 << 18);
        start_on(i & 1 ? second : rig.runner, (struct attempt_id){1 + i, 1}, &task);
    }
    rig_wait(&rig, 8);
    for (uint64_t i = 0; i < 8; i++)
        assert_good(1 + i);
}

static bool has_file(void *context)
{
    return access(context, F_OK) == 0;
}

static void an_attempt_can_be_cancelled_wherever_it_is(void **state)
{
    (void)state;
    char settings[1000], python[400], path[300];
    struct shot_ref refs[] = {{0, 1}, {1, 1}};
    rig_open(&rig, JOB("\"memory_bytes\":1048576,"), files);
    second = rig_open_slot(&rig, 4);
    snprintf(path, sizeof(path), "%s", rig_path(&rig, "began"));
    snprintf(python, sizeof(python), "open('%s', 'w').close(); time.sleep(1000)", path);
    struct shot_task task = task_of(&refs[0], python, settings, sizeof(settings));
    task.memory_bytes = 600000;
    start_on(rig.runner, (struct attempt_id){1, 1}, &task);
    rig.ops->flush(rig.runner);
    rig_wait_until(&rig, has_file, path);
    task.shots = &refs[1];
    start_on(second, (struct attempt_id){2, 1}, &task); /* waits for memory */
    rig.ops->cancel(second, (struct attempt_id){2, 1}, RUNNER_CANCEL_NOW);
    rig_wait(&rig, 1);
    assert_failed(2, RESULT_SIGNAL, "cancelled");
    rig.ops->cancel(rig.runner, (struct attempt_id){1, 1}, RUNNER_CANCEL_NOW);
    rig.ops->cancel(rig.runner, (struct attempt_id){1, 1}, RUNNER_CANCEL_NOW); /* harmless */
    rig_wait(&rig, 2);
    assert_int_equal(rig_result(&rig, 1)->result.status, RESULT_SIGNAL);
    start_shot(second, 2, 1, NULL); /* the memory is free again */
    collect(second, 100, IDS({12, 1}), 1);
    rig.ops->cancel(second, (struct attempt_id){100, 1}, RUNNER_CANCEL_NOW);
    rig_wait(&rig, 4);
    assert_good(12);
    assert_failed(100, RESULT_SIGNAL, "cancelled");
}

static void closing_in_the_middle_leaves_nothing(void **state)
{
    (void)state;
    rig_open(&rig, JOB(""), files);
    second = rig_open_slot(&rig, 4);
    start_shot(rig.runner, 0, 1, NULL);
    start_shot(second, 1, 1, NULL);
    rig_wait(&rig, 1);
    collect(rig.runner, 100, IDS({10, 1}), 1);
    start_shot(rig.runner, 2, 1, "time.sleep(1000)");
}

#define test(name) cmocka_unit_test_teardown(name, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_job_without_a_survey_is_refused),
        test(a_payload_that_is_none_fails),
        test(what_the_program_does_wrong_fails_that_shot_and_no_sum_has_it),
        test(a_shot_that_needs_more_memory_than_there_is_fails),
        test(a_file_that_the_master_does_not_have_fails_the_shot),
        test(no_task_sees_what_another_wrote_into_its_copy_of_a_file),
        test(the_model_stays_where_it_is_and_writing_into_it_is_noticed),
        test(shots_of_all_slots_are_in_one_sum),
        test(a_result_that_did_not_count_is_in_no_sum_unless_it_is_asked_for),
        test(a_worker_that_leaves_gives_what_the_list_names_and_then_the_rest),
        test(what_is_not_there_is_said_to_be_missing),
        test(a_sum_with_something_that_is_not_wanted_is_left_alone),
        test(what_was_delivered_is_kept_until_the_master_has_it),
        test(a_shot_that_is_farmed_again_begins_a_new_sum),
        test(the_next_wave_makes_older_sums_forgotten),
        test(a_window_is_added_where_it_lies),
        test(a_window_of_no_array_is_passed_over),
        test(a_source_that_is_not_estimated_fails),
        test(traces_are_output_files_and_need_no_sum),
        test(shots_that_do_not_fit_beside_each_other_wait),
        test(an_attempt_can_be_cancelled_wherever_it_is),
        test(closing_in_the_middle_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
