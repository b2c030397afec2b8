#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/seismic/shot_task.h"
#include "common/values.h"

static struct error error;

static struct shot_ref two_shots[] = {{12, 1}, {40, -0.5}};
static struct shot_file one_file[] = {{.name = "velocity.raw", .hash = {0xab, 1, 2}}};

static struct shot_task gradient_task(void)
{
    return (struct shot_task){.operation = SHOT_GRADIENT,
                              .sum = 3,
                              .keep_from = 2,
                              .exact = true,
                              .shots = two_shots,
                              .shot_count = 2,
                              .encoded = true,
                              .files = one_file,
                              .file_count = 1,
                              .n = {851, 1, 176},
                              .arrays = {"gradient", "illumination"},
                              .array_count = 2,
                              .min_hz = 0,
                              .max_hz = 12.5,
                              .memory_bytes = 1000000,
                              .settings = "{\"a\": [1,\n2]}"};
}

static struct shot_task again(const struct shot_task *task)
{
    struct buf buf;
    struct shot_task back;
    buf_init(&buf, 1 << 20);
    if (shot_task_encode(task, &buf, &error) < 0)
        fail_msg("%s", error.text);
    if (shot_task_decode(buf.data, buf.size, &back, &error) < 0)
        fail_msg("%s", error.text);
    buf_fini(&buf);
    return back;
}

static void a_task_of_shots_comes_back_as_it_was(void **state)
{
    (void)state;
    struct shot_task task = gradient_task(), back = again(&task);
    assert_int_equal(back.operation, SHOT_GRADIENT);
    assert_int_equal(back.sum, 3);
    assert_int_equal(back.keep_from, 2);
    assert_true(back.exact && back.encoded);
    assert_int_equal(back.shot_count, 2);
    assert_memory_equal(back.shots, two_shots, sizeof(two_shots));
    assert_memory_equal(back.files, one_file, sizeof(one_file));
    assert_memory_equal(back.n, task.n, sizeof(task.n));
    assert_string_equal(back.arrays[1], "illumination");
    assert_int_equal(back.array_count, 2);
    assert_true(back.min_hz == 0 && back.max_hz == 12.5);
    assert_int_equal(back.memory_bytes, 1000000);
    assert_string_equal(back.settings, task.settings);
    shot_task_fini(&back);
}

static void a_task_without_arrays_comes_back_as_it_was(void **state)
{
    (void)state;
    struct shot_ref shot = {0, 1};
    const struct shot_task task = {
        .operation = SHOT_MODEL, .shots = &shot, .shot_count = 1, .max_hz = INFINITY};
    struct shot_task back = again(&task);
    assert_int_equal(back.operation, SHOT_MODEL);
    assert_int_equal(back.array_count, 0);
    assert_true(isinf(back.max_hz));
    assert_null(back.settings);
    shot_task_fini(&back);
}

static void what_is_collected_comes_back_and_ranges_are_short(void **state)
{
    (void)state;
    struct attempt_id ids[1003];
    for (size_t i = 0; i < 1000; i++)
        ids[i] = (struct attempt_id){i + 5, 1};
    ids[1000] = (struct attempt_id){1005, 3};
    ids[1001] = (struct attempt_id){1006, 1};
    ids[1002] = (struct attempt_id){2000, 1};
    const struct shot_task task = {
        .operation = SHOT_COLLECT, .sum = 7, .attempts = ids, .attempt_count = 1003};
    struct buf buf;
    buf_init(&buf, 200);
    assert_int_equal(shot_task_encode(&task, &buf, &error), 0);
    buf_fini(&buf);
    struct shot_task back = again(&task);
    assert_int_equal(back.attempt_count, 1003);
    for (size_t i = 0; i < 1003; i++) {
        assert_int_equal(back.attempts[i].task, ids[i].task);
        assert_int_equal(back.attempts[i].attempt, ids[i].attempt);
    }
    shot_task_fini(&back);
}

static struct shot_task taking_task(struct attempt_id *ids, size_t count)
{
    return (struct shot_task){.operation = SHOT_TAKE,
                              .sum = 7,
                              .attempts = ids,
                              .attempt_count = count,
                              .giver = {0xa1, "10.0.0.5", 4711}};
}

static void whom_a_sum_is_taken_from_comes_back(void **state)
{
    (void)state;
    struct attempt_id ids[] = {{5, 1}, {9, 2}};
    const struct shot_task task = taking_task(ids, 2);
    struct shot_task back = again(&task);
    assert_int_equal(back.operation, SHOT_TAKE);
    assert_int_equal(back.attempt_count, 2);
    assert_int_equal(back.giver.instance, 0xa1);
    assert_string_equal(back.giver.host, "10.0.0.5");
    assert_int_equal(back.giver.port, 4711);
    shot_task_fini(&back);
    struct shot_task listens = {
        .operation = SHOT_LISTEN, .sum = 7, .attempts = ids, .attempt_count = 2};
    back = again(&listens);
    assert_int_equal(back.operation, SHOT_LISTEN);
    assert_int_equal(back.giver.instance, 0);
    shot_task_fini(&back);
}

static void assert_refused(struct shot_task task, const char *part)
{
    struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_int_equal(shot_task_encode(&task, &buf, &error), -1);
    if (!strstr(error.text, part))
        fail_msg("\"%s\" is not in: %s", part, error.text);
    buf_fini(&buf);
}

static void tasks_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    struct shot_ref twice[] = {{4, 1}, {4, 1}};
    struct attempt_id ids[] = {{2, 1}, {2, 2}};
    struct shot_task task = gradient_task();
    task.shots = twice;
    assert_refused(task, "twice");
    task = gradient_task();
    task.encoded = false; /* but weights */
    assert_refused(task, "weight");
    task = gradient_task();
    task.sum = 0;
    assert_refused(task, "go together");
    task = gradient_task();
    task.keep_from = 4;
    assert_refused(task, "forgotten");
    task = gradient_task();
    task.n[1] = 0;
    assert_refused(task, "points");
    task = gradient_task();
    task.max_hz = 0;
    assert_refused(task, "band");
    task = gradient_task();
    strcpy(task.arrays[0], "../x");
    assert_refused(task, "name");
    task = gradient_task();
    memset(task.arrays[0], 'a', sizeof(task.arrays[0])); /* no NUL */
    assert_refused(task, "name");
    task = gradient_task();
    task.shot_count = 0;
    assert_refused(task, "no shots");
    task = (struct shot_task){
        .operation = SHOT_COLLECT, .sum = 1, .attempts = ids, .attempt_count = 2};
    assert_refused(task, "order");
    task = taking_task(ids, 1);
    task.giver.instance = 0;
    assert_refused(task, "take");
    task.operation = SHOT_COLLECT;
    task.giver.instance = 1;
    assert_refused(task, "take");
}

/* Every truncation, and every byte changed: a task or a sentence, never more. */
static void damaged_payloads_give_sentences(void **state)
{
    (void)state;
    struct shot_task task = gradient_task(), back;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_int_equal(shot_task_encode(&task, &buf, &error), 0);
    for (size_t size = 0; size < buf.size; size++)
        assert_int_equal(shot_task_decode(buf.data, size, &back, &error), -1);
    for (size_t i = 0; i < buf.size; i++) {
        uint8_t before = buf.data[i];
        buf.data[i] = (uint8_t)(before ^ 0x15);
        if (shot_task_decode(buf.data, buf.size, &back, &error) == 0)
            shot_task_fini(&back);
        buf.data[i] = before;
    }
    buf_fini(&buf);
}

static int decode_column(size_t column, const char *text)
{
    struct shot_task task = {.operation = SHOT_COLLECT,
                             .sum = 7,
                             .attempts = (struct attempt_id[]){{5, 1}},
                             .attempt_count = 1};
    struct shot_task back;
    struct buf buf, changed;
    struct value *values;
    size_t count;
    if (column == 13)
        task = taking_task(task.attempts, 1);
    else if (column != 12)
        task = gradient_task();
    buf_init(&buf, 1 << 20);
    buf_init(&changed, 1 << 20);
    assert_int_equal(shot_task_encode(&task, &buf, &error), 0);
    assert_int_equal(values_decode(buf.data, buf.size, &values, &count, &error), 0);
    values[column] =
        (struct value){.kind = VALUE_TEXT, .text = text, .text_size = strlen(text)};
    assert_int_equal(values_encode(&changed, values, count), 0);
    int rc = shot_task_decode(changed.data, changed.size, &back, &error);
    if (rc == 0)
        shot_task_fini(&back);
    free(values);
    buf_fini(&buf);
    buf_fini(&changed);
    return rc;
}

static void lists_in_columns_are_read_to_the_last_digit(void **state)
{
    (void)state;
    static const struct {
        size_t column; /* of shot_task_put_columns */
        const char *text;
        int rc;
    } cases[] = {
        {2, "12*1 40*-1", 0},
        {2, "12 40", 0},
        {2, "12 40*1", -1},
        {2, "12*nan", -1},
        {2, "12*1e999", -1},
        {2, "-1", -1},
        {2, "12x", -1},
        {2, "99999999999999999999", -1},
        {3, "gradient a b c d e f g h", -1},
        {3, "gra/dient", -1},
        {4, "851 1", -1},
        {4, "851 1 176 4", -1},
        {5, "velocity=12", -1},
        {5, "=0000000000000000000000000000000000000000000000000000000000000000", -1},
        {9, "maybe", -1},
        {11, "{}", 0},
        {12, "5.1", 0},
        {12, "5-9.1 11.2", 0},
        {12, "9-5.1", -1},
        {12, "5.0", -1},
        {13, "00000000000000a1 10.0.0.5 4711", 0},
        {13, "00000000000000a1 fe80::1 65535", 0},
        {13, "0000000000000000 10.0.0.5 4711", -1},
        {13, "0x000000000000a1 10.0.0.5 4711", -1},
        {13, "a1 10.0.0.5 4711", -1},
        {13, "00000000000000a1 10.0.0.5", -1},
        {13, "00000000000000a1 10.0.0.5 0", -1},
        {13, "00000000000000a1 10.0.0.5 65536", -1},
        {13, "00000000000000a1 10.0.0.5 4711 5", -1},
        {13,
         "00000000000000a1 0123456789012345678901234567890123456789012345678901234567890123 1",
         -1},
        {12, "5", -1},
        {12, "5.", -1},
        {12, "5.1 5.2", -1},
        {12, "0.1", -1},
        {12, "1-9999999999999.1", -1},
        {12, "5.4294967296", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (decode_column(cases[i].column, cases[i].text) != cases[i].rc)
            fail_msg("column %zu, \"%s\"", cases[i].column, cases[i].text);
}

static void a_result_comes_back_as_it_was(void **state)
{
    (void)state;
    const struct shot_result result = {.holder = "0123456789abcdef",
                                       .counted = 2,
                                       .misfit = 1.25,
                                       .norm = NAN,
                                       .seconds = 0.5,
                                       .peak_bytes = 123456789,
                                       .points = 1e12,
                                       .has_window = true,
                                       .window = {{1, 0, 2}, {10, 1, 20}},
                                       .extra = "{\"memory\":\"revolve\"}"};
    struct shot_result back;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_int_equal(shot_result_encode(&result, &buf, &error), 0);
    assert_int_equal(shot_result_decode(buf.data, buf.size, &back, &error), 0);
    assert_string_equal(back.holder, result.holder);
    assert_int_equal(back.counted, 2);
    assert_true(back.misfit == 1.25 && isnan(back.norm) && back.seconds == 0.5);
    assert_int_equal(back.peak_bytes, 123456789);
    assert_true(back.has_window);
    assert_memory_equal(&back.window, &result.window, sizeof(back.window));
    assert_string_equal(back.extra, result.extra);
    shot_result_fini(&back);
    for (size_t size = 0; size < buf.size; size++)
        assert_int_equal(shot_result_decode(buf.data, size, &back, &error), -1);
    buf_fini(&buf);
}

static void a_window_outside_the_model_is_refused(void **state)
{
    (void)state;
    const uint64_t n[GRID_AXES] = {10, 1, 20};
    struct grid_box window;
    static const struct {
        const char *text;
        int rc;
    } cases[] = {{"0 0 0 10 1 20", 0},
                 {"9 0 19 1 1 1", 0},
                 {"9 0 19 2 1 1", -1},
                 {"10 0 0 1 1 1", -1},
                 {"0 0 0 0 1 1", -1},
                 {"0 0 0 10 1", -1},
                 {"0 0 0 10 1 20 1", -1},
                 {"18446744073709551615 0 0 1 1 1", -1},
                 {"", -1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(
            shot_window_parse(cases[i].text, strlen(cases[i].text), n, &window, &error),
            cases[i].rc);
}

static void the_line_for_programs_can_be_read_back(void **state)
{
    (void)state;
    struct shot_task task = gradient_task(), back;
    struct shot_line line = {.id = {17, 2},
                             .dir = "/a \"b\"/work-17",
                             .folder = "/a \"b\"/work-3",
                             .survey = "/s/survey.json",
                             .threads = 3};
    struct shot_line read;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    task.max_hz = INFINITY;
    assert_int_equal(shot_task_put_line(&task, &line, &buf, &error), 0);
    assert_ptr_equal(memchr(buf.data, '\n', buf.size), buf.data + buf.size - 1);
    if (shot_line_parse((char *)buf.data, buf.size - 1, &back, &read, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(read.id.task, 17);
    assert_int_equal(read.id.attempt, 2);
    assert_string_equal(read.dir, line.dir);
    assert_string_equal(read.folder, line.folder);
    assert_string_equal(read.survey, line.survey);
    assert_int_equal(read.threads, 3);
    assert_memory_equal(back.shots, two_shots, sizeof(two_shots));
    assert_true(back.encoded && isinf(back.max_hz));
    assert_string_equal(back.files[0].name, "velocity.raw");
    assert_memory_equal(back.n, task.n, sizeof(task.n));
    assert_int_equal(back.memory_bytes, 1000000);
    assert_string_equal(back.settings, "{\"a\":[1,2]}");
    shot_task_fini(&back);
    shot_line_fini(&read);
    for (size_t size = 0; size + 1 < buf.size; size++)
        assert_int_equal(shot_line_parse((char *)buf.data, size, &back, &read, &error), -1);
    task.settings = "{";
    assert_int_equal(shot_task_put_line(&task, &line, &buf, &error), -1);
    buf_fini(&buf);
}

static void the_job_gets_its_columns(void **state)
{
    (void)state;
    cJSON *job = cJSON_CreateObject();
    assert_int_equal(shot_task_put_columns(job, &error), 0);
    assert_int_equal(shot_task_put_columns(job, &error), 0); /* again: replaced */
    const cJSON *params = cJSON_GetObjectItem(job, "params");
    const cJSON *results = cJSON_GetObjectItem(job, "results");
    assert_int_equal(cJSON_GetArraySize(params), 14);
    assert_int_equal(cJSON_GetArraySize(results), 9);
    assert_string_equal(cJSON_GetArrayItem(results, 0)->valuestring, "holder");
    cJSON_Delete(job);
}

/* A result whose value of that column is another one is refused with these words. */
static void expect_wrong(size_t column, struct value value, const char *words)
{
    const struct shot_result result = {.counted = 1, .misfit = 1.5, .extra = "{}"};
    struct shot_result back;
    struct buf buf, changed;
    struct value *values;
    size_t count;
    buf_init(&buf, 1 << 20);
    buf_init(&changed, 1 << 20);
    assert_int_equal(shot_result_encode(&result, &buf, &error), 0);
    assert_int_equal(values_decode(buf.data, buf.size, &values, &count, &error), 0);
    values[column] = value;
    assert_int_equal(values_encode(&changed, values, count), 0);
    assert_int_equal(shot_result_decode(changed.data, changed.size, &back, &error), -1);
    assert_non_null(strstr(error.text, words));
    free(values);
    buf_fini(&buf);
    buf_fini(&changed);
}

static void a_value_of_the_wrong_kind_is_named(void **state)
{
    (void)state;
    const struct value text = {.kind = VALUE_TEXT, .text = "low", .text_size = 3};
    const struct value number = {.kind = VALUE_REAL, .real = 1.5};
    expect_wrong(0, number, "does not say where it is held");
    expect_wrong(1, text, "does not say where it is held");
    expect_wrong(2, text, "\"misfit\" in the result of a shot is no number");
    expect_wrong(6, text, "\"points\" in the result of a shot is no number");
    expect_wrong(7, number, "\"window\" in the result of a shot is no text");
    expect_wrong(8, number, "\"extra\" in the result of a shot is no text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_of_the_wrong_kind_is_named),
        cmocka_unit_test(tasks_that_contradict_themselves_are_refused),
        cmocka_unit_test(damaged_payloads_give_sentences),
        cmocka_unit_test(lists_in_columns_are_read_to_the_last_digit),
        cmocka_unit_test(a_window_outside_the_model_is_refused),
        cmocka_unit_test(a_task_of_shots_comes_back_as_it_was),
        cmocka_unit_test(a_task_without_arrays_comes_back_as_it_was),
        cmocka_unit_test(what_is_collected_comes_back_and_ranges_are_short),
        cmocka_unit_test(whom_a_sum_is_taken_from_comes_back),
        cmocka_unit_test(a_result_comes_back_as_it_was),
        cmocka_unit_test(the_line_for_programs_can_be_read_back),
        cmocka_unit_test(the_job_gets_its_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
