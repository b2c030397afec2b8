#include "config.h"

#include "common/azure/http_retry.h"

#include <errno.h>
#include <stdlib.h>

#include "common/azure/http.h"

#define UNRESOLVED_TRIES 3 /* a wrong account name should be told soon */

enum retry_kind retry_kind_of_status(int status)
{
    if (status == 429)
        return RETRY_UNTOUCHED;
    /* What a server has not implemented, or a version it does not speak, will not change. */
    if (status == 408 || (status >= 500 && status != 501 && status != 505))
        return RETRY_UNCERTAIN;
    return RETRY_SETTLED;
}

void retry_budget_init(struct retry_budget *budget, int retries)
{
    budget->halves = budget->most = 2 * (int64_t)retries;
}

bool retry_budget_take(struct retry_budget *budget)
{
    if (budget->halves < 2)
        return false;
    budget->halves -= 2;
    return true;
}

void retry_budget_earn(struct retry_budget *budget)
{
    if (budget->halves < budget->most)
        budget->halves++;
}

static int64_t backoff_ms(const struct retry_try *try)
{
    int64_t most = try->base_ms;
    for (int i = 1; i < try->number && most < try->cap_ms; i++)
        most *= 2;
    if (most > try->cap_ms)
        most = try->cap_ms;
    return (int64_t)((double)most * try->random);
}

int64_t retry_wait_ms(const struct retry_try *try)
{
    if (try->kind == RETRY_SETTLED || try->number >= try->tries)
        return -1;
    if (try->kind == RETRY_UNCERTAIN && !try->idempotent)
        return -1;
    if (try->kind == RETRY_UNRESOLVED && try->number >= UNRESOLVED_TRIES)
        return -1;
    /* On top of what the server asks for, lest all clients come back in the same second. */
    int64_t wait = backoff_ms(try) + (try->retry_after_ms > 0 ? try->retry_after_ms : 0);
    return try->age_ms + wait > try->patience_ms ? -1 : wait;
}

int64_t retry_after_ms(const char *text, int64_t now_s)
{
    const int64_t most_s = 365 * 86400;
    int64_t date, seconds;
    char *end;
    if (!text)
        return -1;
    if (http_date_parse(text, &date) == 0) {
        seconds = date - now_s;
    } else {
        errno = 0;
        seconds = strtoll(text, &end, 10);
        if (end == text || *end || errno || text[0] == '-' || text[0] == '+')
            return -1;
    }
    if (seconds < 0)
        seconds = 0;
    return (seconds < most_s ? seconds : most_s) * 1000;
}
