/*
 * http_retry.h - whether to send a request again, and when. Pure: no clock, no network.
 */
#ifndef BEOFARM_COMMON_AZURE_HTTP_RETRY_H
#define BEOFARM_COMMON_AZURE_HTTP_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* What became of a try. */
enum retry_kind {
    RETRY_SETTLED,    /* an answer that stands, or a failure that would repeat itself */
    RETRY_UNTOUCHED,  /* the server cannot have acted on it: no connection, 429 */
    RETRY_UNCERTAIN,  /* it may have: 408, 5xx, a dropped connection */
    RETRY_UNRESOLVED, /* the host's name is not known: as UNTOUCHED, but rarely mends itself */
};

enum retry_kind retry_kind_of_status(int status);

/* The retries that all requests of one http share, so that a service in trouble is not asked ever
 * more. In halves, for an answer earns half a retry. */
struct retry_budget {
    int64_t halves, most;
};

void retry_budget_init(struct retry_budget *budget, int retries);
bool retry_budget_take(struct retry_budget *budget); /* false: none is left */
void retry_budget_earn(struct retry_budget *budget);

struct retry_try {
    enum retry_kind kind;
    bool idempotent;
    int number, tries;      /* this was try `number` of at most `tries` */
    int64_t age_ms;         /* since the request's first try began */
    int64_t retry_after_ms; /* what the answer asks for; -1: nothing */
    int64_t base_ms, cap_ms, patience_ms;
    double random; /* uniform in 0 ... 1 */
};

/* How long to wait before the next try, in ms, or -1: do not. The budget is not asked. */
int64_t retry_wait_ms(const struct retry_try *try);

/* Read a Retry-After: seconds, or a date, which is taken against the server's clock `now_s`. In
 * ms; -1 where the text is NULL or neither. */
int64_t retry_after_ms(const char *text, int64_t now_s);

#endif
