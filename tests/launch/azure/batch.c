/* What all requests to the Batch service share, and images. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/clock.h"
#include "launch/azure/batch_image.h"
#include "launch/azure/batch_job.h"
#include "tests/launch/azure/batch_bench.h"

static void ids_are_checked(void **state)
{
    char id[BATCH_ID_MAX + 2];
    (void)state;
    assert_false(batch_id_valid(""));
    assert_false(batch_id_valid("a b"));
    assert_false(batch_id_valid("a/b"));
    assert_false(batch_id_valid("ä"));
    memset(id, 'a', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    assert_false(batch_id_valid(id));
    id[BATCH_ID_MAX] = '\0';
    assert_true(batch_id_valid(id));
    assert_true(batch_id_valid("Henry_2-master"));
}

static void times_are_read_as_the_service_writes_them(void **state)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01T00:00:00Z",
                                      "2026-11-21 09:00:00Z",
                                      "2026-11-21T09:00:00Zx",
                                      "2026-11-21T25:00:00Z",
                                      "2026-11-21T09:00:00+1:00"};
    int64_t ns;
    char text[BATCH_TIME_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(batch_time_parse(bad[i], &ns), -1);
    assert_int_equal(batch_time_parse("1970-01-01T00:00:01Z", &ns), 0);
    assert_int_equal(ns, CLOCK_SECOND_NS);
    assert_int_equal(batch_time_parse("1970-01-01T00:00:00.1234567Z", &ns), 0);
    assert_int_equal(ns, 123456700);
    assert_int_equal(batch_time_parse("1970-01-01T02:00:00.1234567899+02:00", &ns), 0);
    assert_int_equal(ns, 123456789);
    assert_int_equal(batch_time_parse("2026-11-21T09:00:00Z", &ns), 0);
    assert_string_equal(batch_time_format(ns, text), "2026-11-21T09:00:00Z");
}

static void durations_are_read_as_the_service_writes_them(void **state)
{
    static const char *const bad[] = {"",     "P",      "PT",  "15M", "PT15",
                                      "P15M", "PT1.5H", "PTM", "P1Y"};
    int64_t s;
    char text[BATCH_DURATION_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(batch_duration_parse(bad[i], &s), -1);
    assert_int_equal(batch_duration_parse("PT15M", &s), 0);
    assert_int_equal(s, 900);
    assert_int_equal(batch_duration_parse("P1DT2H3M4.5S", &s), 0);
    assert_int_equal(s, 86400 + 7200 + 180 + 4);
    assert_int_equal(batch_duration_parse("P10675199DT2H48M5.4775807S", &s), 0);
    assert_true(s == INT64_MAX);
    assert_int_equal(batch_duration_parse("PT99999999999999999999S", &s), 0);
    assert_true(s == INT64_MAX);
    assert_string_equal(batch_duration_format(900, text), "PT900S");
}

static void words_are_quoted_for_the_shell(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf, 100);
    assert_int_equal(batch_quote(&buf, "it's $HOME"), 0);
    assert_string_equal(buf_text(&buf), "'it'\\''s $HOME'");
    buf_fini(&buf);
}

struct images {
    int count, docker;
    int64_t end_ns;
};

static int image_see(void *context, const struct batch_image *image)
{
    struct images *images = context;
    images->count++;
    images->docker += batch_image_can(image, "dockercompatible");
    if (image->linux_os) {
        assert_true(image->verified);
        assert_string_equal(image->agent, "batch.node.ubuntu 24.04");
        images->end_ns = image->end_ns;
    }
    return 0;
}

static void images_are_listed_with_their_ends(void **state)
{
    struct bench *bench = *state;
    struct images images = {0};
    int64_t end;
    assert_int_equal(batch_image_list(bench->account, true, image_see, &images, &bench->error),
                     0);
    assert_int_equal(images.count, 3); /* the third is no object: nothing is known of it */
    assert_int_equal(images.docker, 1);
    assert_int_equal(batch_time_parse("2029-04-25T00:00:00Z", &end), 0);
    assert_true(images.end_ns == end);
    assert_non_null(strstr(bench->mock.last_query, "$filter=verificationType%20eq%20"));
}

static bool elsewhere_answer(void *context, const struct server_request *request,
                             struct buf *answer)
{
    (void)context, (void)request;
    server_put(answer, 200, NULL,
               "{\"value\":[{\"id\":\"a\"}],\"odata.nextLink\":\"http://evil.example/jobs\"}");
    return true;
}

static bool garbage_answer(void *context, const struct server_request *request,
                           struct buf *answer)
{
    static const char *const bodies[] = {"<html>",
                                         "{\"value\":",
                                         "[]",
                                         "7",
                                         "{\"value\":{}}",
                                         "{\"value\":[null,7,\"x\",[],{}]}",
                                         "{\"state\":7}"};
    (void)context;
    server_put(answer, 200, NULL, bodies[(request->number - 1) % 7]);
    return true;
}

static int job_see(void *context, const struct batch_job *job)
{
    (void)job;
    ++*(int *)context;
    return 0;
}

static void a_next_page_elsewhere_is_not_asked_for(void **state)
{
    struct server *server = server_start(elsewhere_answer, NULL);
    struct account *account = mock_account_open(server_url(server));
    struct error error = {0};
    int count = 0;
    (void)state;
    assert_int_equal(batch_job_list(account, NULL, job_see, &count, &error), -1);
    assert_non_null(strstr(error.text, "another host"));
    assert_int_equal(count, 1);
    account_close(account);
    server_stop(server);
}

static void garbage_is_an_error_or_nothing_but_never_a_crash(void **state)
{
    struct server *server = server_start(garbage_answer, NULL);
    struct account *account = mock_account_open(server_url(server));
    struct error error = {0};
    struct batch_job job;
    int count = 0;
    (void)state;
    for (int i = 0; i < 7; i++)
        batch_job_list(account, NULL, job_see, &count, &error);
    for (int i = 0; i < 7; i++)
        if (batch_job_get(account, "j", &job, &error) == 0) {
            assert_int_equal(job.state, BATCH_JOB_UNKNOWN);
            batch_job_fini(&job);
        }
    assert_int_equal(count, 5);
    account_close(account);
    server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_checked),
        cmocka_unit_test(times_are_read_as_the_service_writes_them),
        cmocka_unit_test(durations_are_read_as_the_service_writes_them),
        cmocka_unit_test(words_are_quoted_for_the_shell),
        WITH_BENCH(images_are_listed_with_their_ends),
        cmocka_unit_test(a_next_page_elsewhere_is_not_asked_for),
        cmocka_unit_test(garbage_is_an_error_or_nothing_but_never_a_crash),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
