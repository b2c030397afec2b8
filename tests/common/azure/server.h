/*
 * server.h - a small HTTP server in a thread, whose answers a test writes itself, bytes and all.
 */
#ifndef BEOFARM_TESTS_COMMON_AZURE_SERVER_H
#define BEOFARM_TESTS_COMMON_AZURE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* A request as it came. Borrowed during the call. */
struct server_request {
    int number;     /* of all requests, from 1 */
    int connection; /* of all connections, from 1 */
    const char *method, *target;
    const char *head; /* request line and headers, as they came */
    const char *body;
    size_t body_size;
};

/* Writes the answer into ret_answer: all of it, status line and headers too. False: close the
 * connection after what was written. Called from the server's threads, one at a time. */
typedef bool server_answer(void *context, const struct server_request *request,
                           struct buf *ret_answer);

struct server;

/* Listens on a free port of 127.0.0.1; ends the test where it cannot. */
struct server *server_start(server_answer *answer, void *context);
void server_stop(struct server *server);

/* "http://127.0.0.1:PORT". Borrowed until server_stop. */
const char *server_url(const struct server *server);
int server_requests(struct server *server);
int server_connections(struct server *server);

/* Append "HTTP/1.1 STATUS X\r\nContent-Length: ...\r\nHEADERS\r\nBODY"; `headers` end in \r\n each,
 * and may be NULL. */
void server_put(struct buf *answer, int status, const char *headers, const char *body);

/* The value of a request's header, copied into text (""), its name in any case. */
const char *server_header(const struct server_request *request, const char *name, char *text,
                          size_t size);

#endif
