#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/common/azure/http_bench.h"

const struct http_options bench_options = {
    .backoff_base_ms = 1, .backoff_cap_ms = 5, .tries = 4};

void bench_open(struct bench *bench, server_answer *answer, void *context)
{
    struct error error = {0};
    bench->server = server_start(answer, context);
    bench->http = http_create(&bench_options, &error);
    assert_non_null(bench->http);
    snprintf(bench->url, sizeof(bench->url), "%s/path?comp=list&sig=TOPSECRET",
             server_url(bench->server));
}

void bench_close(struct bench *bench)
{
    http_destroy(bench->http);
    server_stop(bench->server);
}

bool script_answer(void *context, const struct server_request *request, struct buf *answer)
{
    struct script *script = context;
    int index = request->number <= script->count ? request->number - 1 : script->count - 1;
    const char *text = script->answers[index];
    size_t size = strlen(text);
    bool cut = size && text[size - 1] == '!';
    snprintf(script->last_body, sizeof(script->last_body), "%.*s", (int)request->body_size,
             request->body);
    snprintf(script->last_head, sizeof(script->last_head), "%s", request->head);
    buf_append(answer, text, size - cut);
    return !cut;
}

int script_outcome(const char *const *answers, int count, struct http_request request,
                   int *ret_sent)
{
    struct bench bench;
    struct script script = {.answers = answers, .count = count};
    struct http_response response = {0};
    struct error error = {0};
    bench_open(&bench, script_answer, &script);
    request.url = bench.url;
    int rc = http_perform(bench.http, &request, &response, &error);
    int status = rc == 0 ? response.status : -1;
    if (rc != 0) {
        assert_true(error.text[0]);
        assert_null(strstr(error.text, "TOPSECRET"));
        assert_non_null(strstr(error.text, "/path?comp=list&sig=..."));
    }
    *ret_sent = server_requests(bench.server);
    http_response_fini(&response);
    bench_close(&bench);
    return status;
}
