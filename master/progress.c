#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "common/clock.h"
#include "master/progress.h"

#define RATE_MEMORY_S 10.0 /* how far back "of late" goes */

struct progress {
    struct loop_timer *timer;
    bool touched; /* the timer is armed */
    void (*counts)(void *context, struct announce_progress *ret);
    void *context;
    int64_t started_ns;
    int64_t said_ns;
    uint64_t ended_at_last;
    uint64_t ended_at_start; /* by an earlier master: they say nothing of our rate */
    double rate;
};

static void expired(void *context)
{
    progress_say(context);
}

static uint64_t ended(const struct announce_progress *numbers)
{
    return numbers->done + numbers->failed + numbers->cancelled;
}

struct progress *progress_create(struct loop *loop,
                                 void (*counts)(void *context, struct announce_progress *ret),
                                 void *context)
{
    struct progress *progress = calloc(1, sizeof(*progress));
    if (!progress || !(progress->timer = loop_timer_add(loop, expired, progress))) {
        free(progress);
        return NULL;
    }
    progress->counts = counts;
    progress->context = context;
    progress->started_ns = progress->said_ns = clock_monotonic_ns();
    struct announce_progress now = {0};
    counts(context, &now);
    progress->ended_at_start = progress->ended_at_last = ended(&now);
    return progress;
}

void progress_destroy(struct progress *progress)
{
    if (!progress)
        return;
    loop_timer_remove(progress->timer);
    free(progress);
}

static int64_t interval_ns(const struct progress *progress)
{
    int64_t age = clock_monotonic_ns() - progress->started_ns;
    int64_t interval = age / 100 - 400 * CLOCK_MS_NS;
    if (interval < 200 * CLOCK_MS_NS)
        return 200 * CLOCK_MS_NS;
    return interval > 10 * CLOCK_SECOND_NS ? 10 * CLOCK_SECOND_NS : interval;
}

void progress_touch(struct progress *progress)
{
    if (progress->touched)
        return;
    progress->touched = true;
    loop_timer_arm(progress->timer, progress->said_ns + interval_ns(progress));
}

/* An average that forgets: exponential in time, the mean of all while the farm is young. */
static void update_rate(struct progress *progress, uint64_t count, int64_t now)
{
    double span = (double)(now - progress->said_ns) / 1e9;
    double age = (double)(now - progress->started_ns) / 1e9;
    if (span <= 0)
        return;
    double latest = (double)(count - progress->ended_at_last) / span;
    if (age <= RATE_MEMORY_S)
        progress->rate = (double)(count - progress->ended_at_start) / age;
    else
        progress->rate += (latest - progress->rate) * (1 - exp(-span / RATE_MEMORY_S));
    progress->ended_at_last = count;
    progress->said_ns = now;
}

void progress_read(struct progress *progress, struct announce_progress *ret_numbers)
{
    *ret_numbers = (struct announce_progress){0};
    progress->counts(progress->context, ret_numbers);
    int64_t now = clock_monotonic_ns();
    update_rate(progress, ended(ret_numbers), now);
    ret_numbers->resumed = progress->ended_at_start;
    ret_numbers->rate = progress->rate;
    ret_numbers->elapsed_s = (double)(now - progress->started_ns) / 1e9;
}

void progress_say(struct progress *progress)
{
    struct announce_progress numbers;
    progress_read(progress, &numbers);
    progress->touched = false;
    loop_timer_disarm(progress->timer);
    announce_progress(&numbers);
}
