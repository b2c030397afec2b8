#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "master/losses.h"

struct losses {
    struct loop_timer *timer; /* armed from the first loss of a span to the span's end */
    void (*say)(void *context, const char *sentence);
    void *context;
    unsigned count; /* in this span */
    char last[ERROR_TEXT_MAX];
};

static void expired(void *context)
{
    losses_flush(context);
}

struct losses *losses_create(struct loop *loop,
                             void (*say)(void *context, const char *sentence), void *context)
{
    struct losses *losses = calloc(1, sizeof(*losses));
    if (!losses || !(losses->timer = loop_timer_add(loop, expired, losses))) {
        free(losses);
        return NULL;
    }
    losses->say = say;
    losses->context = context;
    return losses;
}

void losses_destroy(struct losses *losses)
{
    if (!losses)
        return;
    loop_timer_remove(losses->timer);
    free(losses);
}

void losses_add(struct losses *losses, const char *sentence)
{
    if (losses->count == 0)
        loop_timer_arm(losses->timer, clock_monotonic_ns() + LOSSES_SPAN_NS);
    if (++losses->count <= LOSSES_TOLD)
        losses->say(losses->context, sentence);
    else
        snprintf(losses->last, sizeof(losses->last), "%s", sentence);
}

void losses_flush(struct losses *losses)
{
    unsigned more = losses->count > LOSSES_TOLD ? losses->count - LOSSES_TOLD : 0;
    struct error text; /* for its way of cutting what is too long */
    losses->count = 0;
    loop_timer_disarm(losses->timer);
    if (more == 1)
        losses->say(losses->context, losses->last);
    if (more <= 1)
        return;
    error_set(&text, ERROR_NONE, "%u more workers are lost; the last: %s", more, losses->last);
    losses->say(losses->context, text.text);
}
