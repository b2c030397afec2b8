#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/values.h"
#include "master/results.h"

static const struct journal_meta henry = {.farm = "henry",
                                          .farm_file = "{}",
                                          .params = "[\"K\",\"odd, \\\"name\\\"\"]",
                                          .results = "[\"head\"]"};

#define HEADER "task,K,\"odd, \"\"name\"\"\",head,status,code,elapsed_s,worker,attempts,error\n"

struct place {
    char folder[64], db[128], csv[128];
    struct journal *journal;
    struct results *results;
};

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void place_open_as(struct place *place, const struct journal_meta *meta)
{
    struct error error = {0};
    struct journal_hooks hooks = {.committed = results_append};

    place->journal = journal_open(place->db, JOURNAL_WRITE, meta, &error);
    assert_non_null(place->journal);
    place->results = results_open(place->csv, place->journal, &error);
    assert_non_null(place->results);
    hooks.committed_context = place->results;
    journal_set_hooks(place->journal, &hooks);
}

static void place_open(struct place *place)
{
    place_open_as(place, &henry);
}

static void place_close(struct place *place)
{
    assert_int_equal(journal_close(place->journal, NULL), 0);
    results_close(place->results);
}

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    strcpy(place->folder, "/tmp/beofarm-results-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->db, sizeof place->db, "%s/journal.db", place->folder);
    snprintf(place->csv, sizeof place->csv, "%s/results.csv", place->folder);
    place_open(place);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    place_close(place);
    nftw(place->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(place);
    return 0;
}

static void add(struct place *place, uint64_t task, const struct value *params, size_t count,
                const struct value *head, struct result result)
{
    struct journal_row row = {.ended = true, .attempts = 2, .worker = "n,1", .result = result};
    struct buf params_buf, values_buf;

    buf_init(&params_buf, 1 << 20);
    buf_init(&values_buf, 1 << 20);
    values_encode(&params_buf, params, count);
    if (head)
        values_encode(&values_buf, head, 1);
    row.params = params_buf.data;
    row.params_size = params_buf.size;
    row.result.values = values_buf.data;
    row.result.values_size = values_buf.size;
    row.result.id = (struct attempt_id){task, 2};
    assert_int_equal(journal_add(place->journal, &row, NULL, NULL), 0);
    buf_fini(&params_buf);
    buf_fini(&values_buf);
}

static void settle(struct place *place)
{
    struct pollfd poll_fd = {.fd = journal_fd(place->journal), .events = POLLIN};

    while (journal_backlog(place->journal, NULL)) {
        assert_int_equal(poll(&poll_fd, 1, -1), 1);
        journal_committed(place->journal);
    }
}

static char *content(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);

    assert_non_null(file);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static void assert_content(const char *path, const char *expected)
{
    char *text = content(path);

    assert_string_equal(text, expected);
    free(text);
}

static const struct value real_k = {.kind = VALUE_REAL, .real = 0.1};
static const struct value text_k = {.kind = VALUE_TEXT, .text = "a\"b\nc", .text_size = 5};
static const struct value head = {.kind = VALUE_REAL, .real = -1.5e-7};

/* --- names -------------------------------------------------------------------------------- */

static void clashing_names_are_refused(void **state)
{
    static const struct {
        const char *params, *values, *words;
    } cases[] = {
        {"[\"K\",\"task\"]", "[]", "\"task\""},
        {"[\"error\"]", "[]", "\"error\""},
        {"[]", "[\"elapsed_s\"]", "\"elapsed_s\""},
        {"[\"K\"]", "[\"head\",\"K\"]", "\"K\""},
    };
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *params = cJSON_Parse(cases[i].params), *values = cJSON_Parse(cases[i].values);

        memset(&error, 0, sizeof error);
        assert_int_equal(results_check_names(params, values, &error), -1);
        assert_int_equal(error.code, ERROR_CONFIG);
        assert_non_null(strstr(error.text, cases[i].words));
        cJSON_Delete(params);
        cJSON_Delete(values);
    }
    cJSON *params = cJSON_Parse("[\"K\",\"Task\"]"), *values = cJSON_Parse("[\"head\"]");
    assert_int_equal(results_check_names(params, values, &error), 0);
    cJSON_Delete(params);
    cJSON_Delete(values);
}

/* --- the file ----------------------------------------------------------------------------- */

static void rows_are_appended_as_they_end(void **state)
{
    struct place *place = *state;
    struct value params[] = {real_k, text_k};
    struct result failed = {
        .status = RESULT_EXIT, .code = 3, .error = "it, \"failed\"", .elapsed_s = 2};

    failed.error_size = strlen(failed.error);
    assert_content(place->csv, HEADER);
    add(place, 2, params, 2, &head, (struct result){.elapsed_s = 0.25});
    settle(place);
    add(place, 1, params, 1, NULL, failed); /* a value too few: an empty field */
    place_close(place);
    assert_content(place->csv,
                   HEADER "2,0.1,\"a\"\"b\nc\",-1.5e-07,ok,,0.250000,\"n,1\",2,\n"
                          "1,0.1,,,exit,3,2.000000,\"n,1\",2,\"it, \"\"failed\"\"\"\n");
    place_open(place);
}

static void rewriting_puts_tasks_in_order_and_goes_on(void **state)
{
    struct place *place = *state;
    uint64_t rows = 0;
    struct stat info;
    char temporary[160];

    for (uint64_t task = 3; task > 0; task--)
        add(place, task, &real_k, 1, &head, (struct result){0});
    settle(place);
    assert_int_equal(results_rewrite(place->results, place->journal, &rows, NULL), 0);
    assert_int_equal(rows, 3);
    assert_content(place->csv, HEADER "1,0.1,,-1.5e-07,ok,,0.000000,\"n,1\",2,\n"
                                      "2,0.1,,-1.5e-07,ok,,0.000000,\"n,1\",2,\n"
                                      "3,0.1,,-1.5e-07,ok,,0.000000,\"n,1\",2,\n");
    add(place, 4, &real_k, 1, NULL, (struct result){.status = RESULT_TIMEOUT});
    place_close(place);
    char *text = content(place->csv);
    assert_non_null(strstr(text, "3,0.1,,-1.5e-07,ok,,0.000000,\"n,1\",2,\n"
                                 "4,0.1,,,timeout,,0.000000,\"n,1\",2,\n"));
    free(text);
    snprintf(temporary, sizeof temporary, "%s.tmp", place->csv);
    assert_int_equal(stat(temporary, &info), -1);
    place_open(place);
}

static void brief_files_keep_the_books_alone(void **state)
{
    struct place *place = *state;
    struct journal_meta brief = henry;

    place_close(place);
    assert_int_equal(unlink(place->db), 0);
    assert_int_equal(unlink(place->csv), 0);
    brief.brief = true;
    place_open_as(place, &brief);
    add(place, 1, &real_k, 1, &head, (struct result){0});
    settle(place);
    assert_int_equal(results_rewrite(place->results, place->journal, NULL, NULL), 0);
    assert_content(place->csv, "task,status,code,elapsed_s,worker,attempts,error\n"
                               "1,ok,,0.000000,\"n,1\",2,\n");
}

static void a_lost_or_broken_file_is_made_again(void **state)
{
    struct place *place = *state;
    FILE *file;

    add(place, 1, &real_k, 1, &head, (struct result){0});
    settle(place);
    place_close(place);
    file = fopen(place->csv, "w");
    fputs("task,K\n1,0.", file); /* a crash in the middle of a line */
    fclose(file);
    place_open(place);
    assert_int_equal(results_rewrite(place->results, place->journal, NULL, NULL), 0);
    assert_content(place->csv, HEADER "1,0.1,,-1.5e-07,ok,,0.000000,\"n,1\",2,\n");
}

static void failed_attempts_make_no_row(void **state)
{
    struct place *place = *state;
    struct journal_row row = {.ended = false, .worker = "n", .result = {.id = {1, 1}}};

    assert_int_equal(journal_add(place->journal, &row, NULL, NULL), 0);
    settle(place);
    assert_int_equal(results_rewrite(place->results, place->journal, NULL, NULL), 0);
    assert_content(place->csv, HEADER);
}

static void lists_that_cannot_be_read_leave_fields_empty(void **state)
{
    struct place *place = *state;
    struct journal_row row = {.ended = true,
                              .worker = "",
                              .params = "\xff\xff\xff",
                              .params_size = 3,
                              .result = {.id = {1, 1}, .values = "\1\7", .values_size = 2}};

    assert_int_equal(journal_add(place->journal, &row, NULL, NULL), 0);
    place_close(place);
    assert_content(place->csv, HEADER "1,,,,ok,,0.000000,,0,\n");
    place_open(place);
}

/* Files may not grow past what results.csv has now: EFBIG, as a full disk would be ENOSPC. */
static void a_failing_write_ends_with_a_whole_line_and_is_mended(void **state)
{
    struct place *place = *state;
    struct journal_row row = {.ended = true, .worker = "n", .attempts = 1};
    struct rlimit before, low;
    struct error error = {0};

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = strlen(HEADER) + 10; /* half a line */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    row.result.id = (struct attempt_id){1, 1};
    results_append(place->results, &row, 1); /* as the journal's thread would */
    assert_int_equal(results_trouble(place->results, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_non_null(strstr(error.text, "too large"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_content(place->csv, HEADER);
    row.result.id.task = 2;
    results_append(place->results, &row, 1); /* still stopped: no gaps */
    assert_content(place->csv, HEADER);
    assert_int_equal(results_rewrite(place->results, place->journal, NULL, NULL), 0);
    assert_int_equal(results_trouble(place->results, NULL), 0);
}

static void a_rewrite_that_fails_leaves_the_old_file(void **state)
{
    struct place *place = *state;
    struct rlimit before, low;
    struct error error = {0};
    struct stat info;
    char temporary[160];

    signal(SIGXFSZ, SIG_IGN);
    add(place, 1, &real_k, 1, &head, (struct result){0});
    settle(place);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_int_equal(results_rewrite(place->results, place->journal, NULL, &error), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(error.code, ERROR_SYSTEM);
    snprintf(temporary, sizeof temporary, "%s.tmp", place->csv);
    assert_int_equal(stat(temporary, &info), -1);
    assert_int_equal(stat(place->csv, &info), 0);
    assert_true((size_t)info.st_size >= strlen(HEADER));
}

static void a_million_rows_are_rewritten(void **state)
{
    struct place *place = *state;
    struct value params[] = {real_k, real_k};
    int64_t begun;
    uint64_t rows = 0;

    for (uint64_t task = 1; task <= 1000000; task++) {
        params[0].real = (double)task / 7;
        add(place, task, params, 2, &head, (struct result){.elapsed_s = 0.001});
        if (task % 100000 == 0)
            settle(place);
    }
    begun = clock_monotonic_ns();
    assert_int_equal(results_rewrite(place->results, place->journal, &rows, NULL), 0);
    assert_int_equal(rows, 1000000);
    print_message("# rewritten in %.2f s\n", (double)(clock_monotonic_ns() - begun) / 1e9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clashing_names_are_refused),
        TEST(rows_are_appended_as_they_end),
        TEST(rewriting_puts_tasks_in_order_and_goes_on),
        TEST(brief_files_keep_the_books_alone),
        TEST(a_lost_or_broken_file_is_made_again),
        TEST(failed_attempts_make_no_row),
        TEST(lists_that_cannot_be_read_leave_fields_empty),
        TEST(a_failing_write_ends_with_a_whole_line_and_is_mended),
        TEST(a_rewrite_that_fails_leaves_the_old_file),
        TEST(a_million_rows_are_rewritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
