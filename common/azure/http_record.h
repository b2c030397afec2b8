/*
 * http_record.h - what was said to a service, appended to a file, for validators and for bug
 * reports.
 *
 * One JSON object a line for every exchange, retries counted:
 *
 *     {"request": {"method", "url", "headers", "body"},
 *      "response": {"statusCode", "headers", "body"}}
 *
 * `url` is path and query as sent, names of headers are in lower case, bodies are JSON (left out
 * where they are empty, or not JSON: contents of files). Secrets are taken out: Authorization and
 * its like are missing; signatures of SAS, and the values of settings whose names speak of secrets,
 * keys, tokens or passwords, are "...".
 */
#ifndef BEOFARM_COMMON_AZURE_HTTP_RECORD_H
#define BEOFARM_COMMON_AZURE_HTTP_RECORD_H

#include "common/azure/http.h"
#include "common/error.h"

struct http_record;

/* Record the exchanges of `http` whose URL begins with `prefix` (NULL: all), at the end of the file
 * `path` (made with mode 0600). NULL with a sentence. Takes http's observer. */
struct http_record *http_record_open(struct http *http, const char *path, const char *prefix,
                                     struct error *ret_error);

/* NULL is allowed. After it, or before http_destroy, nothing is recorded any more. */
void http_record_close(struct http_record *record);

#endif
