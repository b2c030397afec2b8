/*
 * azure_error.h - what Azure says when it refuses, as a sentence with what to do about it.
 *
 * Batch (and Microsoft Entra's token endpoint) answer errors in JSON, Storage in XML, either of
 * them sometimes by headers alone (HEAD has no body), and proxies in between with pages of their
 * own. A sentence reads
 *
 *     creating pool "henry": PoolQuotaReached (409): MESSAGE; KEY: VALUE; ... What to do.
 *     [request 1c2f..., 2026-11-21T09:00:00Z]
 *
 * with every pair of `values` that Batch sent. Secrets that a server repeats are taken out.
 */
#ifndef BEOFARM_COMMON_AZURE_AZURE_ERROR_H
#define BEOFARM_COMMON_AZURE_AZURE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/azure/http.h"
#include "common/buf.h"
#include "common/error.h"

enum azure_service {
    AZURE_BATCH,
    AZURE_STORAGE,
    AZURE_MANAGEMENT, /* Azure Resource Manager */
    AZURE_ENTRA,      /* tokens */
    AZURE_IDENTITY,   /* tokens, from a node's own metadata service */
};

#define AZURE_CODE_MAX   96
#define AZURE_VALUES_MAX 32

struct azure_value {
    char *key, *value; /* owned */
};

/* An error answer, taken apart. */
struct azure_error {
    int status;
    char code[AZURE_CODE_MAX]; /* "PoolExists"; "" where the answer names none */
    char *message;             /* without RequestId and Time lines; owned; may be NULL */
    struct azure_value values[AZURE_VALUES_MAX];
    size_t values_count;
    char request_id[80]; /* the server's; ours where it gave none */
    int64_t skew_s;      /* http_response.skew_s */
};

/* Take an answer apart that is no success. Never fails: what cannot be read is left empty. The
 * caller calls azure_error_fini. */
void azure_error_read(enum azure_service service, const struct http_response *response,
                      struct azure_error *ret_error);
void azure_error_fini(struct azure_error *error);

/* Whether its code is this one (case counts). */
bool azure_error_is(const struct azure_error *error, const char *code);

/* Fill *ret_error with the sentence and return -1: `doing` is what was tried ("creating pool
 * \"henry\""). The code is ERROR_AUTH where credentials were refused, else ERROR_BACKEND. */
int azure_error_set(enum azure_service service, const struct azure_error *error,
                    const char *doing, struct error *ret_error);

/* Both in one: refuse an answer. Returns -1. */
int azure_error_refuse(enum azure_service service, const struct http_response *response,
                       const char *doing, struct error *ret_error);

/* An error that came inside a good answer (a resize error, a task's failureInfo, an item of a task
 * collection): code, message and values, as cJSON holds them ("code", "message" as text or as
 * {"value"}, "values" or "details"). Appends a sentence; 0, or -1 (buf failed). */
struct cJSON;
int azure_error_put_json(struct buf *buf, const struct cJSON *item);

/* What to do about a code, or NULL if there is nothing special. Static text. */
const char *azure_error_advice(enum azure_service service, const struct azure_error *error);

#endif
