/*
 * http.h - requests over HTTP: several at once in one thread, retried with patience.
 *
 * One `struct http` is one libcurl multi handle with its connections, which are reused. Start any
 * number of requests with http_start and drive them with http_wait; http_perform does both for
 * one. Nothing here is thread-safe: a thread that wants to speak has its own.
 *
 * A request is sent until it has an answer that is none of 408, 429 and 5xx, or until its tries,
 * its time or the budget that all requests share are used up. Before a retry it waits: full
 * jitter (Brooker 2015: uniform in 0 ... min(cap, base 2^n)), but not less than the answer's
 * Retry-After asks, be that seconds or a date. A request that is not idempotent is sent again
 * only where the server cannot have acted on it: no connection came about, or it said 429. No
 * other 4xx is ever retried. Bodies come from and go to the caller by offset, so a retry needs no
 * memory of them.
 *
 * TLS certificates are always verified (TLS 1.2 or later; $SSL_CERT_FILE and $SSL_CERT_DIR as for
 * OpenSSL); proxies come from the environment as curl reads it; redirects are not followed, since
 * nothing that we ask redirects and a followed one would carry credentials elsewhere.
 *
 * Sentences name METHOD and URL; of the URL's query only harmless parameters are shown as sent, all
 * others as "..." (secret.h). Headers are never shown.
 */
#ifndef BEOFARM_COMMON_AZURE_HTTP_H
#define BEOFARM_COMMON_AZURE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

struct http;

/* What holds for all requests. A zero stands for the default in brackets. All borrowed until
 * http_destroy. */
struct http_options {
    int connections;         /* requests at once; others queue [8] */
    int tries;               /* of one request, the first one counted [6]; 1: never retry */
    int connect_timeout_s;   /* [15] */
    int stall_timeout_s;     /* without a byte in either direction [60] */
    int64_t backoff_base_ms; /* [500] */
    int64_t backoff_cap_ms;  /* [30000] */
    int64_t patience_ms; /* from a request's start to the beginning of its last try [300000] */
    int budget;          /* retries that may follow each other before answers of the server
                                earn new ones, half of one each [100] */
    const char *user_agent; /* ["beofarm/VERSION"] */
    /* Asked several times a second while waiting; true ends every request with
     * ERROR_INTERRUPTED. NULL: nobody interrupts. */
    bool (*stop)(void *context);
    void *stop_context;
};

/* NULL with a sentence. `options` may be NULL. */
struct http *http_create(const struct http_options *options, struct error *ret_error);

/* Ends what is under way, without calling anybody. NULL is allowed. */
void http_destroy(struct http *http);

struct http_header {
    const char *name, *value; /* no line ends in either */
};

#define HTTP_ID_SIZE 37 /* a GUID as text, with its NUL */

/* Make a random one. 0, or -1 with a sentence if OpenSSL has no random numbers. */
int http_id_make(char id[HTTP_ID_SIZE], struct error *ret_error);

/* One try of a request, shown to `prepare` to be dated and signed. Borrowed during that call. */
struct http_try {
    const char *method, *url;
    const struct http_header *headers; /* those of the request and those added so far */
    size_t headers_count;
    int64_t body_size; /* bytes of the body; -1: there is none */
    const char *id;    /* names the request in both sides' logs: the same for all its tries */
    int number;        /* from 1 */
    struct http_request_state *state; /* for http_try_add */
};

/* Add a header to this try (both copied). 0, or -1 with a sentence. `try->headers` and its count
 * are up to date afterwards. */
int http_try_add(struct http_try *try, const char *name, const char *value,
                 struct error *ret_error);

/* The value of a header, its name in any case; NULL if there is none. Of several, the first. */
const char *http_header_find(const struct http_header *headers, size_t count, const char *name);

struct http_response {
    int status;
    struct http_header *headers; /* names in lower case; interim (1xx) headers are left out */
    size_t headers_count;
    struct buf body;   /* what no sink took; of an error at most its first 256 KiB */
    uint64_t received; /* bytes that the sink took */
    char id[HTTP_ID_SIZE];
    int tries; /* how often it was sent, also by curl on its own after a dead connection */
    /* The server's clock less ours, in seconds, from the Date header; 0 if that is missing. It
     * is uncertain by the time that the answer took, and by a second. */
    int64_t skew_s;
};

/* Free what an answer holds. One of zeros is allowed. */
void http_response_fini(struct http_response *response);

/* A header's value, or NULL. `name` in any case. */
const char *http_response_header(const struct http_response *response, const char *name);

enum http_retry {
    HTTP_RETRY_METHOD =
        0,             /* GET, HEAD, PUT and DELETE are idempotent, POST and PATCH are not */
    HTTP_RETRY_ALWAYS, /* sending it twice does no harm: the caller knows */
    HTTP_RETRY_NEVER,  /* one try */
};

struct http_request {
    const char *method; /* "GET", "HEAD", "PUT", "POST", "PATCH", "DELETE" */
    const char *url;    /* as it goes out: percent-encoded */
    const struct http_header *headers;
    size_t headers_count;

    /* The body: either bytes (borrowed until the request is done), or a source; neither: none. An
     * empty body is body != NULL with a size of 0. POST, PUT and PATCH without a body say
     * Content-Length 0. No Content-Type is added to what `headers` say. */
    const void *body;
    uint64_t body_size;
    /* Fill `bytes` with `size` bytes of the body from `offset`, at least one; offsets go back for
     * a retry. Returns how many, or -1 with a sentence, which ends the request. */
    int64_t (*source)(void *context, uint64_t offset, void *bytes, size_t size,
                      struct error *ret_error);
    void *source_context;

    /* Takes the body of a 2xx answer piece by piece; NULL: gather it in the response. A retry
     * begins again at offset 0. 0, or -1 with a sentence, which ends the request. */
    int (*sink)(void *context, uint64_t offset, const void *bytes, size_t size,
                struct error *ret_error);
    void *sink_context;
    size_t response_max; /* bytes to gather of a 2xx answer [16 MiB]; more is an error */

    /* Called before every try, to add headers that depend on the time. -1 with a sentence ends
     * the request. NULL: nothing to add. */
    int (*prepare)(void *context, struct http_try *try, struct error *ret_error);
    void *prepare_context;

    enum http_retry retry;
    int tries;      /* instead of options.tries; 0: those */
    int timeout_s;  /* for one try as a whole; 0: as long as bytes flow */
    bool plain;     /* allow http:// to hosts other than this one */
    bool unproxied; /* whatever the environment says: link-local services */

    /* Called once, from http_wait: with the answer, whatever its status (borrowed during the
     * call; the body's buffer may be taken by leaving a buf_init'ed one), or with NULL and a
     * sentence if there was none. It may start further requests, but not wait. */
    void (*done)(void *context, struct http_response *response, const struct error *error);
    void *done_context;
};

/* Begin a request: what it points to, other than the body, is copied. -1 with a sentence: then
 * `done` is not called. */
int http_start(struct http *http, const struct http_request *request, struct error *ret_error);

/* Go on with all requests until one of them is done or `limit_ms` have passed (-1: no limit).
 * Returns how many are not done yet. */
size_t http_wait(struct http *http, int limit_ms);

/* Send one request and wait for its answer (`done` is not used). Others go on meanwhile. 0 with
 * the answer, whatever its status (caller calls http_response_fini), or -1 with a sentence. Not
 * to be called from the callbacks of the same http. */
int http_perform(struct http *http, const struct http_request *request,
                 struct http_response *ret_response, struct error *ret_error);

/* The server's clock less ours, in seconds, as the latest answer with a Date said. */
int64_t http_skew_s(const struct http *http);

/* Requests sent so far, retries counted. */
uint64_t http_count(const struct http *http);

/* Called with every try that was answered (records, tests). `request_body` is NULL where it came
 * from a source, the response's body empty where it went to a sink. The headers hold secrets. */
void http_observe(struct http *http,
                  void (*observer)(void *context, const struct http_try *try,
                                   const void *request_body,
                                   const struct http_response *response),
                  void *context);

/* "Sat, 21 Nov 2026 09:00:00 GMT" for seconds since 1970 into text (at least 30 bytes). Returns
 * text. */
#define HTTP_DATE_SIZE 30
char *http_date_format(int64_t unix_s, char text[HTTP_DATE_SIZE]);

/* Read such a date, or -1 (RFC 9110's preferred form alone; it is what Azure sends). */
int http_date_parse(const char *text, int64_t *ret_unix_s);

/* Append `text` with everything but RFC 3986's unreserved characters percent-encoded; `keep` are
 * further characters to leave ("/" for paths). 0, or -1 (buf failed). */
int http_encode(struct buf *buf, const char *text, const char *keep);

/* Append `size` bytes with %XX decoded (a bad escape stays as it is). 0, or -1 (buf failed). */
int http_decode(struct buf *buf, const char *text, size_t size);

#endif
