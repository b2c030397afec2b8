/*
 * http_bench.h - a client of common/azure/http.h and a server beside it, for tests.
 */
#ifndef BEOFARM_TESTS_COMMON_AZURE_HTTP_BENCH_H
#define BEOFARM_TESTS_COMMON_AZURE_HTTP_BENCH_H

#include "common/azure/http.h"
#include "tests/common/azure/server.h"

/* Waits short enough for tests, and few. */
extern const struct http_options bench_options;

struct bench {
    struct server *server;
    struct http *http;
    char url[256]; /* with a secret in it */
};

void bench_open(struct bench *bench, server_answer *answer, void *context);
void bench_close(struct bench *bench);

/* The texts of a scenario: number n of the requests gets the n-th, the last one for ever. A text
 * that ends in "!" is cut there, and the connection closed. */
struct script {
    const char *const *answers;
    int count;
    char last_body[64];
    char last_head[4096];
};

/* A server_answer by a script. */
bool script_answer(void *context, const struct server_request *request, struct buf *answer);

#define OK_ANSWER   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define BUSY_ANSWER "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"

/* What a request comes to against a script: its status, or -1; how often it was sent. */
int script_outcome(const char *const *answers, int count, struct http_request request,
                   int *ret_sent);

#endif
