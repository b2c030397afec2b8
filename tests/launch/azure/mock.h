/*
 * mock.h - an account whose services are played by a test, with what both mocks share: a request
 * taken apart, and faults on command.
 */
#ifndef BEOFARM_TESTS_LAUNCH_AZURE_MOCK_H
#define BEOFARM_TESTS_LAUNCH_AZURE_MOCK_H

#include "launch/azure/account.h"
#include "tests/common/azure/server.h"

/* A request's target, decoded. */
struct mock_request {
    const struct server_request *raw;
    char path[2048];     /* "/pools/p/nodes": as it came, still encoded */
    char parts[8][1100]; /* its parts, decoded */
    int parts_count;
    char query[2048];
};

void mock_request_read(struct mock_request *request, const struct server_request *raw);

/* "PUT", and the like. */
bool mock_is(const struct mock_request *request, const char *method, int parts);

/* A query parameter's value, decoded, into text (""). Returns text. */
char *mock_query(const struct mock_request *request, const char *name, char *text, size_t size);

/* A header's value into text (""). Returns text. */
char *mock_header(const struct mock_request *request, const char *name, char *text,
                  size_t size);

/* What happens to a request, before or after the mock has acted on it. */
enum mock_fault {
    MOCK_FINE = 0,
    MOCK_BUSY,      /* 503, without acting */
    MOCK_DROP,      /* acts, and closes the connection without a word */
    MOCK_CUT,       /* acts, and closes after half of the answer */
    MOCK_FORBIDDEN, /* 403, without acting: never tried again */
    MOCK_DAMAGE,    /* of a blob's bytes: one of them is another */
};

struct mock_faults {
    const char *method,
        *part; /* which requests: NULL any; `part` is looked for in the target */
    int skip;  /* so many of them are fine first */
    int count; /* so many are hit, then */
    enum mock_fault fault;
    int seen; /* how many matched so far */
};

/* What is to happen to this request. `faults` may be NULL. */
enum mock_fault mock_fault_next(struct mock_faults *faults, const struct server_request *raw);

/* An error as Batch and as Storage say it. */
void mock_batch_error(struct buf *answer, int status, const char *code, const char *message);
void mock_blob_error(struct buf *answer, int status, const char *code, bool head);

/* An account with keys whose services both answer at `url`, with short waits. */
struct account *mock_account_open(const char *url);

#endif
