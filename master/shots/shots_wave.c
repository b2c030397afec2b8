/*
 * What comes next. All that is decided here goes into a note before it is done, so a resumed master
 * never decides it again; what was not noted, it decides from the same results.
 *
 *     no wave, or one that is through -> digest (a thread) -> the next wave, or the end
 *     a wave without tasks            -> a round of all its shots
 *     that round has ended            -> rounds about the sums, if there are any (shots_held.c)
 *     they, and the journal has it    -> digest -> shots are gone with their holders: a round of
 *                                     those
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "master/shots/shots_private.h"
#include "master/shots/subset.h"

/* So often are shots farmed again whose holders are gone: more, and workers die faster than one
 * wave takes. */
#define ROUNDS_MAX 50
/* The last shots are given up when they are this share of a mean shot behind, but not at once. */
#define SKIP_SHARE    0.5
#define SKIP_FLOOR_NS CLOCK_SECOND_NS

void shots_wake_at(struct driver *driver, int64_t at_ns)
{
    if (driver->timer)
        loop_timer_arm(driver->timer, at_ns);
}

/* --- rounds --- */

static int tasks_note(struct driver *driver, const size_t *shots, const size_t *sizes,
                      size_t count)
{
    struct buf note;
    buf_init(&note, SHOTS_NOTE_MAX);
    roll_note_tasks(shots, sizes, count, &note);
    return shots_note(driver, &note);
}

/* Shots that are fired as one: which ones is drawn. */
static int encoded_note(struct driver *driver, const size_t *shots, size_t count)
{
    size_t together = driver->survey.batch.encoded, tasks = (count + together - 1) / together;
    size_t *order = calloc(count + 1, sizeof(*order));
    size_t *sizes = calloc(tasks + 1, sizeof(*sizes));
    uint64_t random =
        driver->survey.batch.seed + shots_draw(driver, driver->roll.wave_count - 1);
    int rc = -1;
    for (size_t i = 0; order && sizes && i < count; i++) {
        size_t at = (size_t)(subset_random(&random) % (i + 1)); /* Fisher and Yates */
        order[i] = order[at];
        order[at] = shots[i];
        sizes[i / together]++;
    }
    if (order && sizes)
        rc = tasks_note(driver, order, sizes, tasks);
    free(order);
    free(sizes);
    return rc;
}

static int ordered_note(struct driver *driver, const size_t *shots, size_t count,
                        uint32_t slots)
{
    /* Who asked is told the misfit of each shot. */
    size_t together = driver->survey.batch.shots;
    if (driver->rounds || (driver->asked.served && !together))
        together = 1;
    const struct order_wish wish = {.together = together,
                                    .most = driver->extract ? SHOT_FILES_MAX / 2 : 0,
                                    .slots = slots,
                                    .fixed = driver->exact};
    size_t *order, *sizes;
    size_t tasks = order_make(&driver->costs, shots, count, &wish, &order, &sizes);
    if (tasks == 0)
        return -1;
    int rc = tasks_note(driver, order, sizes, tasks);
    free(order);
    free(sizes);
    return rc;
}

/* Tasks whose arrays were lost as they were, so that they round the same; shots that failed with
 * others one by one. */
static int again_note(struct driver *driver, const size_t *shots, size_t count)
{
    size_t *list = calloc(count + 1, sizeof(*list)), *sizes = calloc(count + 1, sizeof(*sizes));
    size_t tasks = 0, at = 0;
    for (size_t i = 0; list && sizes && i < count; i++) {
        const struct roll_task *last = roll_last_of(&driver->roll, shots[i]);
        bool whole = last && last->status == RESULT_OK;
        if (whole && last->shots[0] != shots[i])
            continue; /* comes with the first one of that task */
        sizes[tasks] = whole ? last->shot_count : 1;
        if (at + sizes[tasks] > count)
            break; /* cannot be: all shots of a lost task are lost */
        memcpy(list + at, whole ? last->shots : &shots[i], sizes[tasks] * sizeof(*list));
        at += sizes[tasks++];
    }
    int rc = tasks ? tasks_note(driver, list, sizes, tasks) : -1;
    free(list);
    free(sizes);
    return rc;
}

/* A round of these shots. */
static bool round_begin(struct driver *driver, const size_t *shots, size_t count,
                        uint32_t slots)
{
    struct error error;
    bool encoded = driver->survey.batch.encoded > 1;
    int rc = driver->rounds && (encoded || driver->exact) ? again_note(driver, shots, count)
             : encoded                                    ? encoded_note(driver, shots, count)
                       : ordered_note(driver, shots, count, slots);
    driver->skip_due_ns = INT64_MAX;
    if (rc < 0 && driver->phase == SHOTS_WORK) {
        error_set(&error, ERROR_SYSTEM, "no memory for a round of %zu shots", count);
        shots_fail(driver, &error);
    }
    return rc == 0;
}

static uint32_t slots_planned(const struct driver *driver, uint32_t slots)
{
    uint32_t expected = driver->context.slots_expected
                            ? driver->context.slots_expected(driver->context.wake_context)
                            : 0;
    return expected > slots ? expected : slots;
}

static void wave_tell(const struct driver *driver)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    struct driver_estimate estimate = driver->digest.estimate;
    if (driver->operation != SURVEY_FWI || !driver->context.estimate)
        return;
    estimate.wave = roll_wave_number(&driver->roll);
    estimate.first = wave->first + 1;
    estimate.runs = driver->roll.task_count - wave->first;
    estimate.purpose = wave->purpose;
    estimate.iteration = wave->iteration;
    driver->context.estimate(driver->context.wake_context, &estimate);
}

/* What the last wave came to: no other begins that would say it. */
static void end_tell(const struct driver *driver)
{
    struct driver_estimate estimate = driver->digest.estimate;
    if (driver->operation != SURVEY_FWI || !driver->context.estimate)
        return;
    estimate.wave = roll_wave_number(&driver->roll);
    estimate.first = driver->roll.task_count + 1;
    estimate.purpose = "end";
    driver->context.estimate(driver->context.wake_context, &estimate);
}

static bool wave_begin(struct driver *driver, uint32_t slots)
{
    const struct roll_wave *wave = roll_wave(&driver->roll);
    if (slots == 0)
        return false; /* how many there are says how shots are shared out */
    driver->rounds = 0;
    if (!round_begin(driver, wave->shots, wave->shot_count, slots_planned(driver, slots)))
        return false;
    wave_tell(driver);
    return true;
}

/* Shots whose arrays are gone with those who held them, or that failed together: another round. */
static bool missing_begin(struct driver *driver, uint32_t slots)
{
    const struct roll *roll = &driver->roll;
    const struct roll_wave *wave = roll_wave(roll);
    bool encoded = driver->survey.batch.encoded > 1;
    size_t *holders = roll_holders(roll, shots_sums(driver)), count = 0;
    size_t *shots = calloc(wave->shot_count + 1, sizeof(*shots));
    struct error error;
    for (size_t i = 0; holders && shots && i < wave->shot_count; i++)
        if (holders[i] == SIZE_MAX && roll_wants_again(roll, wave->shots[i], encoded))
            shots[count++] = wave->shots[i];
    bool begun = false;
    if (++driver->rounds > ROUNDS_MAX) {
        error_set(
            &error, ERROR_TASKS,
            "%zu shots were computed %d times, and each time their worker was lost with what "
            "it had summed",
            count, ROUNDS_MAX);
        shots_fail(driver, &error);
    } else if (count) {
        shots_say(driver, "%zu %s lost with %s worker, or failed with others: once more", count,
                  count == 1 ? "shot was" : "shots were", count == 1 ? "its" : "their");
        begun = round_begin(driver, shots, count, slots_planned(driver, slots));
    }
    free(holders);
    free(shots);
    return begun;
}

/* --- digestion --- */

static void digest_done(void *context)
{
    struct driver *driver = context;
    shots_leftovers_remove(driver);
    if (driver->context.wake)
        driver->context.wake(driver->context.wake_context);
}

static bool wave_note(struct driver *driver)
{
    struct buf note;
    buf_init(&note, SHOTS_NOTE_MAX);
    roll_note_wave(&driver->digest.next, &note);
    size_t before = driver->roll.wave_count;
    int rc = shots_note(driver, &note);
    shots_wave_fini(&driver->digest.next);
    /* The wave before this may have to be digested once more, if this note is lost with the master;
     * the one before that not. */
    if (rc == 0 && before > 1)
        shots_sums_remove(driver, before - 2);
    return rc == 0;
}

static bool finish(struct driver *driver)
{
    struct buf note;
    buf_init(&note, SHOTS_NOTE_MAX);
    roll_note_finished(driver->digest.text, driver->digest.failed, &note);
    if (shots_note(driver, &note) < 0)
        return false;
    if (driver->digest.failed || driver->digest.amiss)
        shots_say(driver, "%s", driver->digest.text);
    else
        shots_news(driver, driver->digest.text);
    end_tell(driver);
    driver->phase = SHOTS_FINISHED;
    return true;
}

/* To who resumes it, maybe for more iterations. */
static void over_tell(struct driver *driver)
{
    if (driver->operation == SURVEY_FWI)
        shots_say(driver,
                  "%s; an inversion that is over stays so: to go on from its model, "
                  "%s.velocity.json, begin a new run",
                  driver->roll.finished, strrchr(driver->output_base, '/') + 1);
}

/* Once: it may be nothing, and who did it knows. */
static void touched_tell(struct driver *driver)
{
    if (!driver->touched || driver->touched_told)
        return;
    driver->touched_told = true;
    shots_say(
        driver,
        "%s was touched while this run went on, though its size and time are as before (it "
        "was rewritten and given its time back, or just renamed, linked or given to "
        "somebody else): if its content was another one meanwhile, begin a new run",
        driver->touched);
}

static bool conclude(struct driver *driver, uint32_t slots)
{
    struct shots_digest *digest = &driver->digest;
    if (digest->verdict == SHOTS_MISSING && slots == 0)
        return false; /* nobody to farm them now: again when there is */
    digest->done = false;
    touched_tell(driver);
    if (driver->asked.number &&
        !driver->asked.from->wanted(driver->asked.from->context, driver->asked.number)) {
        shots_wave_fini(&digest->next); /* cancelled meanwhile */
        return true;
    }
    if (digest->told && digest->notice[0] && digest->amiss)
        shots_say(driver, "%s", digest->notice);
    else if (digest->told && digest->notice[0])
        shots_news(driver, digest->notice);
    if (digest->verdict == SHOTS_MISSING)
        return missing_begin(driver, slots);
    if (digest->verdict == SHOTS_NEXT_WAVE)
        return wave_note(driver);
    if (digest->verdict == SHOTS_OVER)
        return finish(driver);
    if (digest->verdict == SHOTS_TOLD) {
        asked_tell(driver);
        return true;
    }
    shots_fail(driver, &digest->error);
    return true;
}

/* In the thread: a file system may be slow. */
static void digest_work(void *context)
{
    struct driver *driver = context;
    struct shots_digest *digest = &driver->digest;
    if (shots_outside_check(driver, &digest->error) == 0) {
        shots_outside_look(driver);
        shots_digest_work(driver);
        return;
    }
    digest->told = false;
    digest->verdict = SHOTS_BROKEN;
}

static bool digest_begin(struct driver *driver)
{
    driver->digest.done = true; /* when the errand is not busy any more */
    errand_start(driver->digest.errand, digest_work, digest_done, driver);
    return !errand_is_busy(driver->digest.errand);
}

bool shots_advance(struct driver *driver, uint32_t slots)
{
    const struct roll *roll = &driver->roll;
    const struct roll_wave *wave = roll_wave(roll);
    if (driver->digest.done)
        return conclude(driver, slots);
    if (roll->finished) {
        over_tell(driver);
        driver->phase = SHOTS_FINISHED;
        return true;
    }
    if (driver->asked.served && !asked_is_under_way(driver))
        return asked_begin(driver);
    if (wave && roll->task_count == wave->first)
        return wave_begin(driver, slots);
    if (wave && shots_sums(driver) && shots_is_held(driver))
        return shots_held_begin(driver);
    if (wave && driver->durable < roll_sequence(roll))
        return false; /* files are in their places when the journal has the results */
    if (!shots_lay(driver))
        return false;
    return digest_begin(driver);
}

/* --- who is not waited for --- */

static void skip_all(struct driver *driver)
{
    size_t count = 0, end = driver->roll.task_count;
    const struct roll_task *tasks = driver->roll.tasks;
    for (size_t t = driver->roll.round; t < end; t++)
        count += !tasks[t].ended && !tasks[t].holder;
    shots_say(driver, "%zu %s not waited for any more (skip_ratio)", count,
              count == 1 ? "task is" : "tasks are");
    driver->skip_due_ns = INT64_MAX;
    for (size_t t = driver->roll.round; t < end; t++)
        if (!tasks[t].ended && !tasks[t].holder)
            driver->context.cancel(driver->context.wake_context, t + 1);
}

/* Half as long again as a shot takes in the mean. */
static int64_t patience_ns(const struct driver *driver)
{
    double sum = 0;
    size_t count = 0;
    for (size_t t = roll_wave(&driver->roll)->first; t < driver->roll.task_count; t++) {
        double seconds = driver->roll.tasks[t].holder ? NAN : driver->roll.tasks[t].seconds;
        sum += isnan(seconds) ? 0 : seconds;
        count += !isnan(seconds);
    }
    double ns = count ? SKIP_SHARE * sum / (double)count * 1e9 : 0;
    return ns > (double)SKIP_FLOOR_NS && ns < 1e18 ? (int64_t)ns : SKIP_FLOOR_NS;
}

void shots_look_at_skips(struct driver *driver)
{
    const struct roll *roll = &driver->roll;
    const struct roll_wave *wave = roll_wave(roll);
    size_t open = 0, bad = 0;
    if (driver->stopped || !(driver->skip_ratio > 0) || !wave || wave->collecting ||
        !driver->running || shot_makes_traces(wave->operation))
        return;
    for (size_t t = roll->round; t < roll->task_count; t++) {
        open += roll->tasks[t].ended ? 0 : roll->tasks[t].shot_count;
        bad += roll->tasks[t].ended && roll->tasks[t].status != RESULT_OK
                   ? roll->tasks[t].shot_count
                   : 0;
    }
    if (open == 0 || (double)(open + bad) > driver->skip_ratio * (double)wave->shot_count)
        return;
    int64_t now_ns = clock_monotonic_ns();
    if (driver->skip_due_ns == INT64_MAX)
        driver->skip_due_ns = now_ns + patience_ns(driver);
    if (now_ns >= driver->skip_due_ns)
        skip_all(driver);
    else
        shots_wake_at(driver, driver->skip_due_ns);
}

void shots_look_again(void *context)
{
    struct driver *driver = context;
    if (!errand_is_busy(driver->digest.errand))
        shots_look_at_skips(driver);
    driver->context.wake(driver->context.wake_context);
}
