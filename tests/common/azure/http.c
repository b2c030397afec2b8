/* Requests over HTTP: what goes out, what comes in, and what is refused. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/azure/http.h"
#include "common/clock.h"
#include "tests/common/azure/http_bench.h"

static void garbage_is_an_error_and_no_more(void **state)
{
    (void)state;
    static const char *const garbage[] = {
        "SSH-2.0-OpenSSH_9.2\r\n!",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n!",
        "\r\n\r\n\r\n!",
    };
    for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
        int sent;
        struct http_request once = {.method = "GET", .retry = HTTP_RETRY_NEVER};
        int status = script_outcome(&garbage[i], 1, once, &sent);
        if (status != -1)
            print_message("# %d for %zu\n", status, i);
        assert_int_equal(status, -1);
    }
}

static void answers_beyond_their_bound_are_refused(void **state)
{
    (void)state;
    static const char *const good[] = {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"};
    int sent;
    struct http_request small = {.method = "GET", .response_max = 4};
    struct http_request fits = {.method = "GET", .response_max = 5};
    assert_int_equal(script_outcome(good, 1, small, &sent), -1);
    assert_int_equal(sent, 1);
    assert_int_equal(script_outcome(good, 1, fits, &sent), 200);
}

static void bodies_and_headers_arrive_as_given(void **state)
{
    (void)state;
    static const struct {
        const char *method, *body, *length;
    } cases[] = {{"POST", "hello", "5"}, {"PUT", "hello", "5"}, {"PATCH", "hello", "5"},
                 {"POST", NULL, "0"},    {"PUT", NULL, "0"},    {"PUT", "", "0"},
                 {"GET", NULL, ""},      {"DELETE", NULL, ""}};
    static const struct http_header headers[] = {{"x-ms-empty", ""}, {"If-Match", "*"}};
    static const char *const answers[] = {OK_ANSWER};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bench bench;
        struct script script = {.answers = answers, .count = 1};
        struct http_response response = {0};
        struct error error = {0};
        char text[256];
        bench_open(&bench, script_answer, &script);
        struct http_request request = {.method = cases[i].method,
                                       .url = bench.url,
                                       .headers = headers,
                                       .headers_count = 2,
                                       .body = cases[i].body,
                                       .body_size = cases[i].body ? strlen(cases[i].body) : 0};
        assert_int_equal(http_perform(bench.http, &request, &response, &error), 0);
        struct server_request got = {.head = script.last_head};
        assert_string_equal(script.last_body, cases[i].body ? cases[i].body : "");
        assert_string_equal(server_header(&got, "content-length", text, sizeof(text)),
                            cases[i].length);
        assert_string_equal(server_header(&got, "content-type", text, sizeof(text)), "");
        assert_string_equal(server_header(&got, "expect", text, sizeof(text)), "");
        assert_string_equal(server_header(&got, "if-match", text, sizeof(text)), "*");
        assert_non_null(strstr(script.last_head, "x-ms-empty:"));
        assert_string_equal(buf_text(&response.body), "ok");
        assert_int_equal(strlen(response.id), 36);
        http_response_fini(&response);
        bench_close(&bench);
    }
}

#define BIG_SIZE ((size_t)3 << 20)

static uint8_t big_byte(uint64_t offset)
{
    return (uint8_t)(offset * 2654435761u >> 13);
}

/* Takes a big body and sends it back; cuts the first of them in the middle. */
static bool echo_answer(void *context, const struct server_request *request, struct buf *answer)
{
    (void)context;
    buf_printf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", request->body_size);
    buf_append(answer, request->body,
               request->number == 1 ? request->body_size / 2 : request->body_size);
    return request->number != 1;
}

struct stream {
    uint8_t *bytes;
    uint64_t most;
    int starts;
    int fail_after; /* calls of sink or source until they refuse; 0: never */
};

static int64_t big_source(void *context, uint64_t offset, void *bytes, size_t size,
                          struct error *ret_error)
{
    struct stream *stream = context;
    if (stream->fail_after && --stream->fail_after == 0)
        return error_set(ret_error, ERROR_SYSTEM, "the disk is gone");
    stream->starts += offset == 0;
    size_t count = size < 7777 ? size : 7777; /* less than asked for is fine */
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = big_byte(offset + i);
    return (int64_t)count;
}

static int big_sink(void *context, uint64_t offset, const void *bytes, size_t size,
                    struct error *ret_error)
{
    struct stream *stream = context;
    if (stream->fail_after && --stream->fail_after == 0)
        return error_set(ret_error, ERROR_SYSTEM, "the disk is full");
    assert_true(offset + size <= BIG_SIZE);
    stream->starts += offset == 0;
    memcpy(stream->bytes + offset, bytes, size);
    stream->most = offset + size;
    return 0;
}

static int stream_big(struct stream *up, struct stream *down, struct http_response *response,
                      struct error *error)
{
    struct bench bench;
    bench_open(&bench, echo_answer, NULL);
    struct http_request request = {.method = "PUT",
                                   .url = bench.url,
                                   .body_size = BIG_SIZE,
                                   .source = big_source,
                                   .source_context = up,
                                   .sink = big_sink,
                                   .sink_context = down};
    int rc = http_perform(bench.http, &request, response, error);
    bench_close(&bench);
    return rc;
}

static void bodies_stream_both_ways_and_begin_again_after_a_cut(void **state)
{
    (void)state;
    struct stream up = {0}, down = {.bytes = calloc(1, BIG_SIZE)};
    struct http_response response = {0};
    struct error error = {0};
    assert_int_equal(stream_big(&up, &down, &response, &error), 0);
    assert_int_equal(response.status, 200);
    assert_int_equal(response.tries, 2);
    assert_int_equal(response.received, BIG_SIZE);
    assert_int_equal(response.body.size, 0);
    assert_int_equal(up.starts, 2);
    assert_int_equal(down.starts, 2);
    for (size_t i = 0; i < BIG_SIZE; i++)
        if (down.bytes[i] != big_byte(i))
            fail_msg("byte %zu differs", i);
    http_response_fini(&response);
    free(down.bytes);
}

static void a_source_or_sink_that_fails_ends_the_request(void **state)
{
    (void)state;
    struct stream fine = {0}, broken = {.fail_after = 3};
    struct stream down = {.bytes = calloc(1, BIG_SIZE)};
    struct http_response response = {0};
    struct error error = {0};
    assert_int_equal(stream_big(&broken, &down, &response, &error), -1);
    assert_string_equal(error.text, "the disk is gone");
    down.fail_after = 3;
    assert_int_equal(stream_big(&fine, &down, &response, &error), -1);
    assert_string_equal(error.text, "the disk is full");
    free(down.bytes);
}

static void an_error_does_not_go_to_the_sink(void **state)
{
    (void)state;
    static const char *const answers[] = {"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone"};
    struct bench bench;
    struct script script = {.answers = answers, .count = 1};
    struct stream down = {0};
    struct http_response response = {0};
    struct error error = {0};
    bench_open(&bench, script_answer, &script);
    struct http_request request = {
        .method = "GET", .url = bench.url, .sink = big_sink, .sink_context = &down};
    assert_int_equal(http_perform(bench.http, &request, &response, &error), 0);
    assert_int_equal(down.starts, 0);
    assert_string_equal(buf_text(&response.body), "none");
    http_response_fini(&response);
    bench_close(&bench);
}

struct tally {
    struct bench *bench;
    int done, again;
};

static void tally_done(void *context, struct http_response *response, const struct error *error)
{
    struct tally *tally = context;
    assert_null(error);
    assert_int_equal(response->status, 200);
    tally->done++;
    if (tally->again-- > 0) {
        struct http_request request = {.method = "GET",
                                       .url = tally->bench->url,
                                       .done = tally_done,
                                       .done_context = tally};
        assert_int_equal(http_start(tally->bench->http, &request, NULL), 0);
    }
}

static void many_requests_share_a_few_connections(void **state)
{
    (void)state;
    static const char *const answers[] = {OK_ANSWER};
    struct bench bench;
    struct script script = {.answers = answers, .count = 1};
    struct tally tally = {.bench = &bench, .again = 20};
    bench_open(&bench, script_answer, &script);
    for (int i = 0; i < 40; i++) {
        struct http_request request = {
            .method = "GET", .url = bench.url, .done = tally_done, .done_context = &tally};
        assert_int_equal(http_start(bench.http, &request, NULL), 0);
    }
    while (http_wait(bench.http, 10000) > 0)
        ;
    assert_int_equal(tally.done, 60);
    assert_int_equal(server_requests(bench.server), 60);
    assert_int_equal(http_count(bench.http), 60);
    assert_in_range(server_connections(bench.server), 1, 8);
    bench_close(&bench);
}

static int stamp(void *context, struct http_try *try, struct error *ret_error)
{
    int *calls = context;
    char text[64];
    assert_int_equal(try->number, ++*calls);
    snprintf(text, sizeof(text), "%s/%d", try->id, try->number);
    assert_int_equal(http_try_add(try, "x-stamp", text, ret_error), 0);
    assert_string_equal(http_header_find(try->headers, try->headers_count, "X-Stamp"), text);
    return *calls == 4 ? error_set(ret_error, ERROR_AUTH, "no more stamps") : 0;
}

static void every_try_is_prepared_anew_under_one_id(void **state)
{
    (void)state;
    static const char *const answers[] = {BUSY_ANSWER, BUSY_ANSWER, OK_ANSWER, BUSY_ANSWER};
    struct bench bench;
    struct script script = {.answers = answers, .count = 4};
    struct http_response response = {0};
    struct error error = {0};
    char text[64], expected[64];
    int calls = 0;
    bench_open(&bench, script_answer, &script);
    struct http_request request = {
        .method = "GET", .url = bench.url, .prepare = stamp, .prepare_context = &calls};
    assert_int_equal(http_perform(bench.http, &request, &response, &error), 0);
    assert_int_equal(calls, 3);
    struct server_request got = {.head = script.last_head};
    snprintf(expected, sizeof(expected), "%s/3", response.id);
    assert_string_equal(server_header(&got, "x-stamp", text, sizeof(text)), expected);
    http_response_fini(&response);
    calls = 3;
    request.prepare = stamp;
    bench_close(&bench);
}

static int refuse(void *context, struct http_try *try, struct error *ret_error)
{
    (void)context;
    (void)try;
    return error_set(ret_error, ERROR_AUTH, "no token");
}

static void a_prepare_that_fails_ends_the_request_unsent(void **state)
{
    (void)state;
    static const char *const answers[] = {OK_ANSWER};
    struct bench bench;
    struct script script = {.answers = answers, .count = 1};
    struct http_response response = {0};
    struct error error = {0};
    bench_open(&bench, script_answer, &script);
    struct http_request request = {.method = "GET", .url = bench.url, .prepare = refuse};
    assert_int_equal(http_perform(bench.http, &request, &response, &error), -1);
    assert_int_equal(error.code, ERROR_AUTH);
    assert_string_equal(error.text, "no token");
    assert_int_equal(server_requests(bench.server), 0);
    bench_close(&bench);
}

static void clocks_that_differ_are_noticed(void **state)
{
    (void)state;
    char answer[256], date[HTTP_DATE_SIZE];
    const char *answers[] = {answer};
    struct bench bench;
    struct script script = {.answers = answers, .count = 1};
    struct http_response response = {0};
    struct error error = {0};
    http_date_format(clock_wall_ns() / CLOCK_SECOND_NS - 1200, date);
    snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\ndate: %s\r\nContent-Length: 0\r\n\r\n",
             date);
    bench_open(&bench, script_answer, &script);
    struct http_request request = {.method = "GET", .url = bench.url};
    assert_int_equal(http_perform(bench.http, &request, &response, &error), 0);
    assert_in_range(-response.skew_s, 1195, 1205); /* the time that a slow machine takes */
    assert_int_equal(http_skew_s(bench.http), response.skew_s);
    assert_string_equal(http_response_header(&response, "DATE"), date);
    http_response_fini(&response);
    bench_close(&bench);
}

static bool stop_at_once(void *context)
{
    int *asked = context;
    return ++*asked > 2;
}

static bool silent_answer(void *context, const struct server_request *request,
                          struct buf *answer)
{
    (void)context;
    (void)request;
    buf_append_text(answer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    return true;
}

/* Ask a server that does not say what it promised: how the call fails. */
static enum error_code silence_code(const struct http_options *options)
{
    struct server *server = server_start(silent_answer, NULL);
    struct error error = {0};
    struct http *http = http_create(options, &error);
    struct http_request request = {.method = "GET", .url = server_url(server)};
    struct http_response response = {0};
    assert_int_equal(http_perform(http, &request, &response, &error), -1);
    http_destroy(http);
    server_stop(server);
    return error.code;
}

static void an_interrupt_ends_what_waits(void **state)
{
    (void)state;
    int asked = 0;
    const struct http_options options = {.stop = stop_at_once, .stop_context = &asked};
    assert_int_equal(silence_code(&options), ERROR_INTERRUPTED);
}

static void a_server_that_stalls_is_given_up(void **state)
{
    (void)state;
    const struct http_options options = {.stall_timeout_s = 1, .tries = 1};
    assert_int_equal(silence_code(&options), ERROR_NETWORK);
}

static void urls_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "henry.batch.azure.com",
                                      "ftp://h/",
                                      "file:///etc/passwd",
                                      "https://",
                                      "https://h/a b",
                                      "https://h/a\nb",
                                      "https://h/\xc3\xa4",
                                      "https://h/a#b",
                                      "http://henry.batch.azure.com/?sig=TOPSECRET",
                                      "http://127.0.0.1.example.com/",
                                      "http://localhost.example.com/",
                                      "http://127.0.0.1@example.com/"};
    struct http *http = http_create(&bench_options, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct error error = {0};
        struct http_request request = {.method = "GET", .url = bad[i]};
        if (http_start(http, &request, &error) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(error.code, ERROR_CONFIG);
        assert_null(strstr(error.text, "TOPSECRET"));
    }
    http_destroy(http);
}

static void headers_cannot_be_smuggled_in(void **state)
{
    (void)state;
    static const struct http_header bad[] = {
        {"x", "a\r\nAuthorization: b"}, {"x\r\ny", "a"}, {"x: y", "a"}, {"", "a"}};
    struct http *http = http_create(&bench_options, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct error error = {0};
        struct http_request request = {
            .method = "GET", .url = "https://h/", .headers = &bad[i], .headers_count = 1};
        assert_int_equal(http_start(http, &request, &error), -1);
    }
    http_destroy(http);
}

static void a_host_that_is_not_there_is_told_with_what_to_do(void **state)
{
    (void)state;
    struct http *http = http_create(&bench_options, NULL);
    struct error error = {0};
    struct http_response response = {0};
    struct http_request request = {.method = "GET",
                                   .url = "https://henry.invalid/?sig=TOPSECRET"};
    /* RFC 2606 keeps .invalid free; without any DNS the sentence is the same. */
    assert_int_equal(http_perform(http, &request, &response, &error), -1);
    assert_int_equal(error.code, ERROR_NETWORK);
    assert_non_null(strstr(error.text, "henry.invalid"));
    assert_non_null(strstr(error.text, "Check "));
    assert_null(strstr(error.text, "TOPSECRET"));
    http_destroy(http);
}

static void texts_are_encoded_and_decoded(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1024);
    http_encode(&buf, "a b/\xc3\xa4~%&", "/");
    assert_string_equal(buf_text(&buf), "a%20b/%C3%A4~%25%26");
    buf_clear(&buf);
    http_decode(&buf, "a%20b%2f%zz%4", 13);
    assert_string_equal(buf_text(&buf), "a b/%zz%4");
    buf_fini(&buf);
}

int main(void)
{
    /* The tests' own servers are reached without a proxy. */
    setenv("no_proxy", "*", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_that_cannot_be_are_refused),
        cmocka_unit_test(headers_cannot_be_smuggled_in),
        cmocka_unit_test(garbage_is_an_error_and_no_more),
        cmocka_unit_test(answers_beyond_their_bound_are_refused),
        cmocka_unit_test(a_host_that_is_not_there_is_told_with_what_to_do),
        cmocka_unit_test(bodies_and_headers_arrive_as_given),
        cmocka_unit_test(bodies_stream_both_ways_and_begin_again_after_a_cut),
        cmocka_unit_test(a_source_or_sink_that_fails_ends_the_request),
        cmocka_unit_test(an_error_does_not_go_to_the_sink),
        cmocka_unit_test(many_requests_share_a_few_connections),
        cmocka_unit_test(every_try_is_prepared_anew_under_one_id),
        cmocka_unit_test(a_prepare_that_fails_ends_the_request_unsent),
        cmocka_unit_test(clocks_that_differ_are_noticed),
        cmocka_unit_test(an_interrupt_ends_what_waits),
        cmocka_unit_test(a_server_that_stalls_is_given_up),
        cmocka_unit_test(texts_are_encoded_and_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
