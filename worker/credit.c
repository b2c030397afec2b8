#include "config.h"

#include "worker/credit.h"

void credit_init(struct credit *credit, uint32_t slots, bool prefetch)
{
    *credit = (struct credit){
        .slots = slots, .prefetch = prefetch, .credits = prefetch ? 2 * slots : slots};
}

static uint32_t wanted(const struct credit *credit, int64_t span_ns)
{
    double ahead = (double)credit->ended * (double)CREDIT_AHEAD_NS / (double)span_ns;
    double all = credit->slots + ahead + 0.5;
    return all > CREDIT_MAX + credit->slots ? CREDIT_MAX + credit->slots : (uint32_t)all;
}

bool credit_ended(struct credit *credit, int64_t now_ns)
{
    if (!credit->prefetch)
        return false;
    if (credit->window_ns == 0)
        credit->window_ns = now_ns;
    credit->ended++;
    int64_t span_ns = now_ns - credit->window_ns;
    if (span_ns < CREDIT_WINDOW_NS)
        return false;
    uint32_t credits = wanted(credit, span_ns);
    credit->ended = 0;
    credit->window_ns = now_ns;
    uint32_t change =
        credits > credit->credits ? credits - credit->credits : credit->credits - credits;
    if (change == 0 || change * 4 < credit->credits)
        return false;
    credit->credits = credits;
    return true;
}
