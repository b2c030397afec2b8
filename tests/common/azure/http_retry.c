/* What is sent again, when, and how often. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/azure/http_retry.h"
#include "common/clock.h"
#include "tests/common/azure/http_bench.h"

static void only_408_429_and_5xx_are_sent_again(void **state)
{
    (void)state;
    static const struct {
        int status;
        bool again;
    } cases[] = {{400, false}, {401, false}, {403, false}, {404, false},
                 {409, false}, {412, false}, {413, false}, {416, false},
                 {501, false}, {301, false}, {408, true},  {429, true},
                 {500, true},  {502, true},  {503, true},  {504, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[128];
        int sent;
        snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n",
                 cases[i].status);
        const char *answers[] = {text, OK_ANSWER};
        int status = script_outcome(answers, 2, (struct http_request){.method = "GET"}, &sent);
        assert_int_equal(status, cases[i].again ? 200 : cases[i].status);
        assert_int_equal(sent, cases[i].again ? 2 : 1);
    }
}

static void what_is_not_idempotent_is_sent_again_only_where_nothing_was_done(void **state)
{
    (void)state;
    static const char *const busy[] = {BUSY_ANSWER, OK_ANSWER};
    static const char *const cut[] = {"HTTP/1.1 200 OK\r\nContent-Le!", OK_ANSWER};
    static const char *const many[] = {"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n",
                                       OK_ANSWER};
    struct http_request post = {.method = "POST"}, put = {.method = "PUT"};
    struct http_request always = {.method = "POST", .retry = HTTP_RETRY_ALWAYS};
    struct http_request never = {.method = "GET", .retry = HTTP_RETRY_NEVER};
    int sent;
    assert_int_equal(script_outcome(busy, 2, post, &sent), 503);
    assert_int_equal(sent, 1);
    assert_int_equal(script_outcome(cut, 2, post, &sent), -1);
    assert_int_equal(sent, 1);
    assert_int_equal(script_outcome(many, 2, post, &sent), 200);
    assert_int_equal(sent, 2);
    assert_int_equal(script_outcome(busy, 2, always, &sent), 200);
    assert_int_equal(script_outcome(cut, 2, always, &sent), 200);
    assert_int_equal(script_outcome(cut, 2, put, &sent), 200);
    assert_int_equal(script_outcome(many, 2, never, &sent), 429);
    assert_int_equal(sent, 1);
}

static void dropped_connections_are_taken_up_again(void **state)
{
    (void)state;
    static const char *const cuts[] = {
        "!",
        "HTTP/1.1 200!",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel!",
    };
    for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
        const char *answers[] = {cuts[i], cuts[i], OK_ANSWER};
        int sent;
        assert_int_equal(
            script_outcome(answers, 3, (struct http_request){.method = "GET"}, &sent), 200);
        assert_in_range(sent, 3, 4); /* curl itself tries a stale connection once more */
    }
}

static void tries_come_to_an_end(void **state)
{
    (void)state;
    static const char *const busy[] = {BUSY_ANSWER};
    static const char *const cut[] = {"!"};
    int sent;
    assert_int_equal(script_outcome(busy, 1, (struct http_request){.method = "GET"}, &sent),
                     503);
    assert_int_equal(sent, bench_options.tries);
    assert_int_equal(
        script_outcome(busy, 1, (struct http_request){.method = "GET", .tries = 2}, &sent),
        503);
    assert_int_equal(sent, 2);
    assert_int_equal(script_outcome(cut, 1, (struct http_request){.method = "GET"}, &sent), -1);
    assert_in_range(sent, bench_options.tries, 2 * bench_options.tries);
}

static void retry_after_is_honoured(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", OK_ANSWER};
    /* 1 s by the server's own clock, which is wrong by years. */
    static const char *const dates[] = {
        "HTTP/1.1 503 X\r\nDate: Sat, 21 Nov 2015 09:00:00 GMT\r\n"
        "Retry-After: Sat, 21 Nov 2015 09:00:01 GMT\r\nContent-Length: 0\r\n\r\n",
        OK_ANSWER};
    static const char *const hours[] = {
        "HTTP/1.1 503 X\r\nRetry-After: 7200\r\nContent-Length: 0\r\n\r\n", OK_ANSWER};
    int sent;
    int64_t start = clock_monotonic_ns();
    assert_int_equal(script_outcome(answers, 2, (struct http_request){.method = "GET"}, &sent),
                     200);
    assert_true(clock_monotonic_ns() - start >= CLOCK_SECOND_NS);
    start = clock_monotonic_ns();
    assert_int_equal(script_outcome(dates, 2, (struct http_request){.method = "GET"}, &sent),
                     200);
    assert_true(clock_monotonic_ns() - start >= CLOCK_SECOND_NS);
    /* Longer than our patience: told at once. */
    assert_int_equal(script_outcome(hours, 2, (struct http_request){.method = "GET"}, &sent),
                     503);
    assert_int_equal(sent, 1);
}

static void waits_are_those_of_full_jitter(void **state)
{
    (void)state;
    struct retry_try try = {.kind = RETRY_UNCERTAIN,
                            .idempotent = true,
                            .tries = 10,
                            .retry_after_ms = -1,
                            .base_ms = 500,
                            .cap_ms = 3000,
                            .patience_ms = 10000,
                            .random = 1};
    static const int64_t most[] = {500, 1000, 2000, 3000, 3000};
    for (int i = 0; i < 5; i++) {
        try.number = i + 1;
        assert_int_equal(retry_wait_ms(&try), most[i]);
    }
    try.random = 0;
    assert_int_equal(retry_wait_ms(&try), 0);
    try.random = 0.5;
    try.retry_after_ms = 4000;
    assert_int_equal(retry_wait_ms(&try), 4000 + 1500);
    try.age_ms = 4501;
    assert_int_equal(retry_wait_ms(&try), -1);
    try.age_ms = 0;
    try.number = 10;
    assert_int_equal(retry_wait_ms(&try), -1);
    try.kind = RETRY_UNRESOLVED;
    try.number = 3;
    assert_int_equal(retry_wait_ms(&try), -1);
}

static void retry_after_is_read_strictly(void **state)
{
    (void)state;
    assert_int_equal(retry_after_ms(NULL, 0), -1);
    assert_int_equal(retry_after_ms("", 0), -1);
    assert_int_equal(retry_after_ms("soon", 0), -1);
    assert_int_equal(retry_after_ms("-1", 0), -1);
    assert_int_equal(retry_after_ms("1.5", 0), -1);
    assert_int_equal(retry_after_ms("99999999999999999999", 0), -1);
    assert_int_equal(retry_after_ms("0", 0), 0);
    assert_int_equal(retry_after_ms("120", 0), 120000);
    assert_int_equal(retry_after_ms("Sat, 21 Nov 2026 09:00:00 GMT", 1795251600 - 7), 7000);
    assert_int_equal(retry_after_ms("Sat, 21 Nov 2026 09:00:00 GMT", 1795251600 + 7), 0);
}

static void the_budget_ends_retries_and_answers_earn_new_ones(void **state)
{
    (void)state;
    struct retry_budget budget;
    retry_budget_init(&budget, 2);
    assert_true(retry_budget_take(&budget));
    assert_true(retry_budget_take(&budget));
    assert_false(retry_budget_take(&budget));
    retry_budget_earn(&budget);
    assert_false(retry_budget_take(&budget));
    retry_budget_earn(&budget);
    assert_true(retry_budget_take(&budget));
}

int main(void)
{
    /* The tests' own servers are reached without a proxy. */
    setenv("no_proxy", "*", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_408_429_and_5xx_are_sent_again),
        cmocka_unit_test(what_is_not_idempotent_is_sent_again_only_where_nothing_was_done),
        cmocka_unit_test(dropped_connections_are_taken_up_again),
        cmocka_unit_test(tries_come_to_an_end),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(retry_after_is_read_strictly),
        cmocka_unit_test(waits_are_those_of_full_jitter),
        cmocka_unit_test(the_budget_ends_retries_and_answers_earn_new_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
