#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "launch/disk.h"
#include "launch/screen.h"

static void times_are_told_in_fitting_units(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{-1, "0.00 s"},       {0.004, "0.00 s"},   {9.99, "9.99 s"},
                 {61.24, "61.2 s"},    {100, "1 min 40 s"}, {3599, "59 min 59 s"},
                 {7260, "2 h 01 min"}, {864000, "10 days"}};
    char text[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(screen_format_time(cases[i].seconds, text, sizeof text),
                            cases[i].text);
}

static void sizes_are_told_in_fitting_units(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 bytes"},       {999, "999 bytes"}, {1000, "1.0 kB"},
                 {999949, "999.9 kB"}, {999950, "1.0 MB"}, {UINT64_MAX, "18446.7 PB"}};
    char text[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(disk_format_size(cases[i].bytes, text, sizeof text), cases[i].text);
}

static void control_characters_reach_no_terminal(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    screen_put_text(stream, "a\033[31m\nb\x7f\xc2\x9b"
                            "c\xff\xc3\xa4");
    fclose(stream);
    assert_string_equal(text, "a [31m b  c?\xc3\xa4");
    free(text);
}

static void progress_is_one_sentence(void **state)
{
    (void)state;
    char text[256];
    struct progress progress = {.counted = true,
                                .done = 17,
                                .failed = 1,
                                .total = 240,
                                .rate = 3.0,
                                .workers_joined = 1,
                                .slots = 8};
    assert_string_equal(screen_format_progress(&progress, text, sizeof text),
                        "17/240 done, 1 failed, 3/s, 1 worker, 8 slots, 74.0 s left");
    progress.done = 14;
    progress.cancelled = 3;
    assert_string_equal(
        screen_format_progress(&progress, text, sizeof text),
        "14/240 done, 1 failed, 3 cancelled, 3/s, 1 worker, 8 slots, 74.0 s left");
    progress.done = 17;
    progress.cancelled = 0;
    progress.total = -1;
    progress.failed = 0;
    progress.slots = 1;
    progress.workers_joined = 0;
    assert_string_equal(screen_format_progress(&progress, text, sizeof text),
                        "17 done, 3/s, 0 workers, 1 slot");
    progress.estimate.known = true;
    progress.estimate.first = 13;
    progress.estimate.runs = 12;
    progress.estimate.phi = NAN;
    progress.estimate.purpose = (char[]){"Jacobian"};
    assert_string_equal(screen_format_progress(&progress, text, sizeof text),
                        "Jacobian 5/12, 17 done, 3/s, 0 workers, 1 slot");
    progress.estimate.iteration = 2;
    progress.estimate.phi = 1234.5678;
    progress.done = 30; /* the next wave has begun, and was not told of yet */
    assert_string_equal(screen_format_progress(&progress, text, sizeof text),
                        "iteration 2, phi 1234.57, Jacobian 12/12, 30 done, 3/s, 0 workers, "
                        "1 slot");
    progress.estimate.misfit = true;
    assert_non_null(strstr(screen_format_progress(&progress, text, sizeof text),
                           "iteration 2, misfit 1234.57, Jacobian"));
}

/* What the screen printed for an event. */
static void event_show(struct screen *screen, const char *text, char *ret_shown, size_t size)
{
    FILE *file = tmpfile();
    int terminal = dup(STDOUT_FILENO);
    assert_true(file && terminal >= 0);
    fflush(stdout);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    cJSON *event = cJSON_Parse(text);
    screen_event(screen, text, event);
    cJSON_Delete(event);
    fflush(stdout);
    assert_true(dup2(terminal, STDOUT_FILENO) >= 0);
    close(terminal);
    rewind(file);
    ret_shown[fread(ret_shown, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void a_lost_worker_is_told_once(void **state)
{
    (void)state;
    char shown[256];
    struct screen screen = {.mode = SCREEN_PLAIN};
    event_show(&screen, "{\"event\":\"worker\",\"id\":2,\"state\":\"lost\",\"host\":\"n1\"}",
               shown, sizeof shown);
    assert_string_equal(shown, "");
    event_show(&screen,
               "{\"event\":\"notice\",\"sentence\":\"worker 2 on n1 is lost: it was silent\"}",
               shown, sizeof shown);
    assert_string_equal(shown, "worker 2 on n1 is lost: it was silent\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_told_in_fitting_units),
        cmocka_unit_test(sizes_are_told_in_fitting_units),
        cmocka_unit_test(control_characters_reach_no_terminal),
        cmocka_unit_test(progress_is_one_sentence),
        cmocka_unit_test(a_lost_worker_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
