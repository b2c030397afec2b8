/*
 * A farm that is stopped before its work is done, or may not have more tasks, where workers hold
 * sums that nobody else has: what runs is taken back, each worker is asked for what it holds
 * (driver_ops.fetch, as one that leaves is), and only when all of it is here, or nothing gets on
 * any more, does the farm end.
 */
#include "config.h"

#include "common/clock.h"
#include "master/farm_private.h"

#define PATIENCE_NS (INT64_C(30) * CLOCK_SECOND_NS) /* for workers that do not get on */
/* In all: whoever has asked for the end kills the master after a minute. */
#define MOST_NS (INT64_C(50) * CLOCK_SECOND_NS)

bool farm_stop_begin(struct farm *farm)
{
    const struct driver_ops *ops = farm->driver_ops;
    int64_t now = clock_monotonic_ns();
    int64_t held = farm->quietly || !ops->stopped ? -1 : ops->stopped(farm->driver);
    farm->takes_back = held >= 0; /* what is summed from now on might not be fetched */
    if (held <= 0)
        return false;
    scheduler_stop(farm->scheduler, now);
    farm->driver_finished = farm->driver_finished && !farm->limited;
    farm->got_on = farm_count_steps(farm);
    farm->got_on_ns = now;
    return true;
}

bool farm_stop_refuses(const struct farm *farm, uint64_t task)
{
    return farm->takes_back && !farm_bound(farm, task);
}

struct asking {
    struct farm *farm;
    size_t open; /* workers that something is expected of */
};

static bool is_done(const struct farm *farm, uint64_t task)
{
    enum scheduler_task_state state = scheduler_task_state(farm->scheduler, task);
    return state == SCHEDULER_TASK_DONE || state == SCHEDULER_TASK_FAILED;
}

/* Each is asked again when the task that came of it has ended, until nothing comes of it. */
static void ask(void *context, struct member *member)
{
    struct asking *asking = context;
    struct farm *farm = asking->farm;
    if (member->state == MEMBER_JOINED || member->emptied)
        return;
    if (!member->fetch || is_done(farm, member->fetch)) {
        int64_t task = farm->driver_ops->fetch(farm->driver, member->instance);
        member->fetch = task > 0 ? (uint64_t)task : 0;
        member->emptied = task <= 0;
    }
    if (member->fetch)
        farm_feed_until(farm, member->fetch);
    asking->open += !member->emptied;
}

static bool has_patience(struct farm *farm)
{
    int64_t now = clock_monotonic_ns();
    uint64_t steps = farm_count_steps(farm);
    if (steps != farm->got_on) {
        farm->got_on = steps;
        farm->got_on_ns = now;
    }
    int64_t due_ns = farm->got_on_ns + PATIENCE_NS;
    if (due_ns > farm->ending_ns + MOST_NS)
        due_ns = farm->ending_ns + MOST_NS;
    loop_timer_arm(farm->parting, due_ns);
    return now < due_ns;
}

void farm_stop_ask(struct farm *farm)
{
    struct asking asking = {.farm = farm};
    crew_each(farm->crew, ask, &asking);
    if (asking.open && !farm->driver_finished && has_patience(farm))
        return;
    loop_timer_arm(farm->parting, INT64_MAX);
    farm_stop_end(farm);
    farm->phase = FARM_ENDING;
}

void farm_stop_end(struct farm *farm)
{
    int64_t lost = farm->driver_ops->stopped(farm->driver);
    const struct error why = farm->end;
    if (lost <= 0)
        return;
    farm->lost = (uint64_t)lost;
    error_set(&farm->end, why.code,
              "%s; %llu shot%s whose sums the workers have not handed over %s computed again "
              "when it is resumed",
              why.text, (unsigned long long)farm->lost, lost == 1 ? "" : "s",
              lost == 1 ? "is" : "are");
    farm_take_notice(farm, farm->end.text);
}
