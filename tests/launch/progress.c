#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "launch/progress.h"

static int feed(struct progress *progress, const char *text)
{
    struct error error;
    return progress_feed(progress, text, strlen(text), NULL, NULL, &error);
}

static void first_lines_that_are_no_hostname_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "\n",         "hostname\nx\n", "two words\n", "hostname a b\n",
        "a;rm -rf\n", "näme\n",        "hostname \n", "$(reboot)\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct progress progress;
        progress_init(&progress);
        /* "hostname" alone is a name like any other */
        assert_int_equal(feed(&progress, wrong[i]),
                         strncmp(wrong[i], "hostname\n", 9) ? -1 : 0);
        progress_fini(&progress);
    }
}

static void a_hostname_of_any_length_is_bounded(void **state)
{
    (void)state;
    struct progress progress;
    char text[PROGRESS_HOST_MAX + 3];
    memset(text, 'a', sizeof text);
    text[PROGRESS_HOST_MAX] = '\n';
    text[PROGRESS_HOST_MAX + 1] = '\0';
    progress_init(&progress);
    assert_int_equal(feed(&progress, text), 0);
    assert_int_equal(strlen(progress.host), PROGRESS_HOST_MAX);
    progress_fini(&progress);
    text[PROGRESS_HOST_MAX] = 'a';
    text[PROGRESS_HOST_MAX + 1] = '\n';
    text[PROGRESS_HOST_MAX + 2] = '\0';
    progress_init(&progress);
    assert_int_equal(feed(&progress, text), -1);
    progress_fini(&progress);
}

static void both_forms_of_the_first_line_are_read(void **state)
{
    (void)state;
    static const char *const lines[] = {"n1.example\n", "hostname n1.example\n",
                                        "hostname\tn1.example \r\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct progress progress;
        progress_init(&progress);
        /* Nothing is known before the line is whole. */
        assert_int_equal(progress_feed(&progress, lines[i], 4, NULL, NULL, NULL), 0);
        assert_string_equal(progress.host, "");
        assert_int_equal(feed(&progress, lines[i] + 4), 0);
        assert_string_equal(progress.host, "n1.example");
        progress_fini(&progress);
    }
}

static void lines_that_are_no_events_are_passed_by(void **state)
{
    (void)state;
    struct progress progress;
    progress_init(&progress);
    assert_int_equal(feed(&progress, "n1\n\nhello\n[1,2]\n{\"event\":7}\n{\"event\":\"new\"}\n"
                                     "{\"event\":\"progress\",\"done\":\"x\"}\n{\"eve"),
                     0);
    assert_int_equal(progress.done, 0);
    assert_int_equal(feed(&progress, "nt\":\"progress\",\"done\":5,\"total\":9}\n"), 0);
    assert_int_equal(progress.done, 5);
    progress_fini(&progress);
}

static void a_line_beyond_all_bounds_is_dropped(void **state)
{
    (void)state;
    struct progress progress;
    size_t size = PROGRESS_LINE_MAX + 100;
    char *text = malloc(size);
    memset(text, 'x', size);
    progress_init(&progress);
    assert_int_equal(feed(&progress, "n1\n"), 0);
    assert_int_equal(progress_feed(&progress, text, size, NULL, NULL, NULL), 0);
    assert_int_equal(feed(&progress, "\n{\"event\":\"progress\",\"done\":6}\n"), 0);
    assert_int_equal(progress.done, 6);
    assert_true(progress.line.size == 0);
    progress_fini(&progress);
    free(text);
}

static void events_fold_into_what_is_known(void **state)
{
    (void)state;
    struct progress progress;
    progress_init(&progress);
    assert_int_equal(
        feed(
            &progress,
            "n1\n"
            "{\"event\":\"listening\",\"address\":\"10.0.0.4\",\"port\":4004,\"transport\":"
            "\"mpi\"}\n"
            "{\"event\":\"worker\",\"id\":3,\"state\":\"joined\",\"host\":\"n2\",\"transport\":"
            "\"mpi\",\"slots\":4}\n"
            "{\"event\":\"worker\",\"id\":4,\"state\":\"joined\",\"host\":\"n3\",\"slots\":2}\n"
            "{\"event\":\"worker\",\"id\":3,\"state\":\"lost\"}\n"
            "{\"event\":\"progress\",\"done\":9,\"failed\":2,\"total\":30,\"cancelled\":1,"
            "\"workers\":1,"
            "\"slots\":2,\"rate\":3}\n"
            "{\"event\":\"failed\",\"task\":7,\"sentence\":\"why\"}\n"),
        0);
    assert_true(progress.listening);
    assert_int_equal(progress.port, 4004);
    assert_string_equal(progress.address, "10.0.0.4");
    assert_int_equal(progress.worker_count, 2);
    assert_string_equal(progress.workers[0].state, "lost");
    assert_string_equal(progress.workers[0].host, "n2");
    assert_int_equal(progress.workers_joined, 1);
    assert_int_equal(progress.failure_count, 1);
    assert_int_equal(progress_ended(&progress), 12);
    /* 30 - 12 = 18 tasks at 3 per second; both are whole numbers, so the quotient is exact */
    assert_true(progress_left_s(&progress) == 6.0);
    assert_int_equal(feed(&progress, "{\"event\":\"end\",\"status\":\"failed\",\"done\":28,"
                                     "\"failed\":2,\"sentence\":\"some failed\"}\n"),
                     0);
    assert_true(progress.ended);
    assert_string_equal(progress.status, "failed");
    assert_true(progress_left_s(&progress) < 0.0);
    progress_fini(&progress);
}

static void only_the_first_failures_are_kept(void **state)
{
    (void)state;
    struct progress progress;
    progress_init(&progress);
    assert_int_equal(feed(&progress, "n1\n"), 0);
    for (int i = 0; i < 3 * PROGRESS_FAILURES_MAX; i++)
        assert_int_equal(
            feed(&progress, "{\"event\":\"failed\",\"task\":1,\"sentence\":\"x\"}\n"), 0);
    assert_int_equal(progress.failure_count, PROGRESS_FAILURES_MAX);
    progress_fini(&progress);
}

static void an_estimate_is_folded_and_printed(void **state)
{
    (void)state;
    struct progress progress;
    progress_init(&progress);
    feed(&progress, "n1\n{\"event\":\"estimate\",\"wave\":3,\"first\":25,\"runs\":12,"
                    "\"purpose\":\"Jaco\\u001bbian\",\"iteration\":2,\"phi\":12.5}\n");
    assert_true(progress.estimate.known && progress.estimate.wave == 3 &&
                progress.estimate.first == 25 && progress.estimate.runs == 12);
    assert_true(progress.estimate.iteration == 2 && progress.estimate.phi == 12.5);
    assert_string_equal(progress.estimate.purpose, "Jaco?bian"); /* for a terminal */
    cJSON *whole = progress_print(&progress);
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItem(whole, "estimate"));
    assert_string_equal(text, "{\"wave\":3,\"first\":25,\"runs\":12,\"purpose\":\"Jaco?bian\","
                              "\"iteration\":2,\"phi\":12.5,\"lambda\":null}");
    cJSON_free(text);
    cJSON_Delete(whole);
    assert_false(progress.estimate.misfit);
    feed(&progress, "{\"event\":\"estimate\",\"phi\":2,\"called\":\"misfit\"}\n");
    assert_true(progress.estimate.misfit);
    feed(&progress, "{\"event\":\"estimate\",\"phi\":\"low\",\"runs\":[]}\n");
    assert_true(progress.estimate.phi != progress.estimate.phi);
    progress_fini(&progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_estimate_is_folded_and_printed),
        cmocka_unit_test(first_lines_that_are_no_hostname_are_refused),
        cmocka_unit_test(a_hostname_of_any_length_is_bounded),
        cmocka_unit_test(both_forms_of_the_first_line_are_read),
        cmocka_unit_test(lines_that_are_no_events_are_passed_by),
        cmocka_unit_test(a_line_beyond_all_bounds_is_dropped),
        cmocka_unit_test(events_fold_into_what_is_known),
        cmocka_unit_test(only_the_first_failures_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
