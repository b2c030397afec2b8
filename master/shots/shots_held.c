/*
 * What workers hold of a wave when its shots have ended, on its way to the master: rounds in which
 * they listen and take (reduction.h), as long as many hold something, and then one that collects
 * from those who are left. Whoever cannot be reached by others, or is not here, is left out of the
 * former; so all that can go wrong there is that more comes to the master itself.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "common/clock.h"
#include "master/shots/reduction.h"
#include "master/shots/shots_private.h"

/* Workers that outlived a master dial again, most of them at once; they are not waited for longer
 * than it takes to do without them. */
#define REJOIN_LEAST_NS (CLOCK_SECOND_NS / 2)
#define REJOIN_MOST_NS  (30 * CLOCK_SECOND_NS)

bool shots_is_held(const struct driver *driver)
{
    const struct roll *roll = &driver->roll;
    for (size_t t = roll_wave(roll)->first; t < roll->task_count; t++)
        if (roll->tasks[t].held_by)
            return true;
    return false;
}

/* --- who is waited for --- */

static bool is_here(const struct driver *driver, uint64_t instance)
{
    return !driver->context.is_here ||
           driver->context.is_here(driver->context.wake_context, instance);
}

/* What a task brought would take so long to compute again. 0 if it ended under this master: then
 * its holder is lost, not late. */
static double late_seconds(const struct roll_task *task)
{
    if (task->sequence)
        return 0;
    return isnan(task->seconds) ? 1 : task->seconds;
}

/* Whether those who are late are waited for no more. */
static bool has_waited(struct driver *driver, double late)
{
    double wait_ns = 1e9 * late + REJOIN_LEAST_NS;
    int64_t due_ns =
        driver->opened_ns + (wait_ns < REJOIN_MOST_NS ? (int64_t)wait_ns : REJOIN_MOST_NS);
    if (late == 0 || clock_monotonic_ns() >= due_ns)
        return true;
    shots_wake_at(driver, due_ns);
    return false;
}

/* What an absent process is asked about. */
static double late_collect(const struct driver *driver, const struct roll_task *collect)
{
    double sum = 0;
    for (size_t i = 0; i < collect->attempt_count; i++) {
        double seconds = late_seconds(roll_task(&driver->roll, collect->attempts[i].task));
        if (seconds == 0)
            return 0;
        sum += seconds;
    }
    return sum;
}

bool shots_holders_ready(struct driver *driver)
{
    const struct roll *roll = &driver->roll;
    double late = 0;
    for (size_t t = roll->round; t < roll->task_count; t++) {
        const struct roll_task *task = &roll->tasks[t];
        if (task->holder && !task->ended && !is_here(driver, task->holder))
            late += late_collect(driver, task);
    }
    return has_waited(driver, late);
}

/* The same before it is decided who gives to whom. */
static bool holders_are_here(struct driver *driver)
{
    const struct roll *roll = &driver->roll;
    double late = 0;
    for (size_t t = roll_wave(roll)->first; t < roll->task_count; t++) {
        const struct roll_task *task = &roll->tasks[t];
        if (task->held_by && !task->sequence && !is_here(driver, task->held_by))
            late += late_seconds(task);
    }
    return has_waited(driver, late);
}

/* --- one worker to another --- */

/* Nobody reaches anybody: not tried any more, as each attempt may take seconds. */
static bool are_apart(const struct roll *roll)
{
    return roll->gifts == 0 && roll->refusals >= REDUCTION_FAN - 1;
}

/* Those who may give and take, at the beginning of the list; how many. */
static size_t able_ones(const struct driver *driver, struct roll_holding *holdings,
                        size_t count)
{
    size_t able = 0;
    for (size_t i = 0; !are_apart(&driver->roll) && i < count; i++) {
        const struct roll_process *process = roll_process(&driver->roll, holdings[i].holder);
        bool shut = process && (process->shut || process->shut_wave == driver->roll.wave_count);
        if (!shut && is_here(driver, holdings[i].holder))
            holdings[able++] = holdings[i];
    }
    return able;
}

/* Ask those who were not asked yet to listen. How many; -1 without memory. */
static int listen_note(const struct driver *driver, const struct roll_holding *holdings,
                       size_t count, struct buf *note)
{
    uint64_t *asked = calloc(count, sizeof(*asked));
    int number = 0;
    for (size_t i = 0; asked && i < count; i++)
        if (!roll_process(&driver->roll, holdings[i].holder))
            asked[number++] = holdings[i].holder;
    int rc = !asked   ? -1
             : number ? roll_note_listen(&driver->roll, asked, (size_t)number, note)
                      : 0;
    free(asked);
    return rc < 0 ? -1 : number;
}

static void holders_fill(const struct driver *driver, const struct roll_holding *holdings,
                         size_t count, struct reduction_holder *holders)
{
    for (size_t i = 0; i < count; i++) {
        const struct roll_process *process = roll_process(&driver->roll, holdings[i].holder);
        holders[i] = (struct reduction_holder){.instance = holdings[i].holder,
                                               .host = process->at.port ? process->at.host : "",
                                               .attempts = holdings[i].attempts};
    }
}

/* The next level of the tree. How many give; -1 without memory. */
static int take_note(const struct driver *driver, const struct roll_holding *holdings,
                     size_t count, struct buf *note)
{
    struct reduction_holder *holders = calloc(count, sizeof(*holders));
    struct reduction_gift *plan = calloc(count, sizeof(*plan));
    struct roll_gift *gifts = calloc(count, sizeof(*gifts));
    size_t number = 0;
    int rc = holders && plan && gifts ? 0 : -1;
    if (rc == 0) {
        holders_fill(driver, holdings, count, holders);
        number = reduction_plan(holders, count, plan);
    }
    for (size_t i = 0; i < number; i++)
        gifts[i] = (struct roll_gift){
            .taker = holders[plan[i].receiver].instance,
            .giver = roll_process(&driver->roll, holders[plan[i].giver].instance)->at};
    if (number)
        rc = roll_note_take(&driver->roll, gifts, number, note);
    free(holders);
    free(plan);
    free(gifts);
    return rc < 0 ? -1 : (int)number;
}

/* 1: the note of a round in which workers give to each other; 0: few enough hold something, or can
 * be reached. */
static int reduction_note(const struct driver *driver, struct buf *note)
{
    size_t count, able;
    struct roll_holding *holdings = roll_holdings(&driver->roll, &count);
    int rc = holdings ? 0 : -1;
    if (rc == 0 && (able = able_ones(driver, holdings, count)) > REDUCTION_FAN) {
        rc = listen_note(driver, holdings, able, note);
        if (rc == 0)
            rc = take_note(driver, holdings, able, note);
    }
    free(holdings);
    return rc < 0 ? -1 : rc > 0;
}

/* --- the master --- */

bool shots_held_begin(struct driver *driver)
{
    struct buf note;
    size_t count;
    struct error error;
    if (!holders_are_here(driver))
        return false;
    buf_init(&note, SHOTS_NOTE_MAX);
    int rc = reduction_note(driver, &note);
    if (rc == 0)
        rc = roll_note_collect(&driver->roll, &note, &count);
    if (rc >= 0)
        return shots_note(driver, &note) == 0;
    error_set(&error, ERROR_SYSTEM, "no memory for collecting the sums");
    shots_fail(driver, &error);
    buf_fini(&note);
    return false;
}

int64_t shots_fetch(struct driver *driver, uint64_t instance)
{
    struct roll *roll = &driver->roll;
    struct error error;
    struct buf note;
    size_t count = 0;
    if (!instance || !driver->running || !roll_wave(roll) || !shots_sums(driver))
        return 0;
    uint64_t task = roll_fetch(roll, instance);
    if (task || errand_is_busy(driver->digest.errand))
        return (int64_t)task; /* what is being digested is here already */
    buf_init(&note, SHOTS_NOTE_MAX);
    int rc = roll_note_fetch(roll, instance, &note, &count);
    if (rc < 0) {
        error_set(&error, ERROR_SYSTEM, "no memory for collecting a sum");
        shots_fail(driver, &error);
    } else if (count) {
        rc = shots_note(driver, &note);
    }
    buf_fini(&note);
    return rc < 0 || !count ? 0 : (int64_t)roll->task_count;
}

int64_t shots_stopped(struct driver *driver)
{
    const struct roll *roll = &driver->roll;
    const struct roll_wave *wave = roll_wave(roll);
    int64_t count = 0;
    bool cancelled = driver->asked.served && !asked_is_under_way(driver);
    driver->stopped = true;
    if (!wave || roll->finished || cancelled || !shots_sums(driver))
        return -1;
    if (driver->digest.done && errand_is_busy(driver->digest.errand))
        return 0; /* what the thread digests, which has the roll, is here already */
    size_t *good = roll_holders(roll, false), *holders = roll_holders(roll, true);
    for (size_t i = 0; good && holders && i < wave->shot_count; i++)
        count +=
            good[i] != SIZE_MAX && (holders[i] == SIZE_MAX || !roll->tasks[holders[i]].taken);
    free(good);
    free(holders);
    return count;
}
