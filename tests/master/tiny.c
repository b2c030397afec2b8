/*
 * An estimator of three waves, whose values depend on the results of the wave before and on the
 * slots. It stands in place of all others.
 */
#include <ftw.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/loop.h"
#include "common/values.h"
#include "master/driver.h"
#include "master/pest/estimator.h"
#include "tests/master/tiny.h"

/* --- the estimator ------------------------------------------------------------------------ */

struct estimator {
    struct estimator_context context;
    int steps;
};

struct tiny tiny;

static struct estimator *tiny_open(const struct estimator_context *context,
                                   struct error *ret_error)
{
    struct estimator *estimator = calloc(1, sizeof *estimator);
    (void)ret_error;
    estimator->context = *context;
    return estimator;
}

static void tiny_close(struct estimator *estimator)
{
    free(estimator);
}

static int64_t tiny_count(const struct estimator *estimator)
{
    (void)estimator;
    return -1;
}

/* Append to a text of at least `TINY_LOG_MAX` bytes. */
void tiny_add(char *text, const char *format, ...)
{
    size_t end = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + end, TINY_LOG_MAX - end, format, args);
    va_end(args);
}

static double sum_of(const struct wave *wave)
{
    double sum = 0;
    for (size_t i = 0; i < wave->run_count * wave->observation_count; i++)
        if (!wave->failed[i / wave->observation_count])
            sum += wave->observations[i];
    return sum;
}

/* Wave n has n + slots runs. */
static enum estimator_next tiny_step(struct estimator *estimator, struct wave *ended,
                                     struct wave *wanted, uint32_t slots,
                                     struct error *ret_error)
{
    double sum = ended->run_count && !tiny.streamed ? sum_of(ended) : 0;
    size_t failed = 0;
    for (size_t i = 0; i < ended->run_count; i++)
        failed += ended->failed[i];
    tiny_add(tiny.log, "step %d: %zu ran, %zu failed, sum %.17g, %u slots\n",
             ++estimator->steps, ended->run_count, failed, sum, slots);
    estimator->context.say(estimator->context.say_context, "one step");
    tiny.thread = pthread_self();
    if (tiny.waits == estimator->steps)
        sem_wait(&tiny.gate);
    if (tiny.fails && estimator->steps == 2) {
        error_set(ret_error, ERROR_TASKS, "the tiny estimator gives up");
        return ESTIMATOR_FAILED;
    }
    if (estimator->steps > TINY_WAVES)
        return ESTIMATOR_FINISHED;
    wanted->purpose = "tries";
    wanted->streamed = tiny.streamed;
    for (uint32_t run = 0; run < (uint32_t)estimator->steps + slots; run++) {
        double values[2] = {tiny.first[0] + sum / 7 + run, tiny.first[1] + run};
        assert_true(wave_add(wanted, values) == (long)run);
    }
    return ESTIMATOR_WAVE;
}

static void tiny_run_ended(struct estimator *estimator, size_t run, const double *observations,
                           const char *sentence)
{
    (void)estimator;
    if (observations)
        tiny_add(tiny.log, "run %zu: %g %g\n", run, observations[0], observations[1]);
    else
        tiny_add(tiny.log, "run %zu failed: %s\n", run, sentence);
}

static void tiny_replayed(struct estimator *estimator)
{
    (void)estimator;
    tiny_add(tiny.log, "replayed\n");
}

static const struct estimator_ops tiny_ops = {
    .mode = "glm",
    .open = tiny_open,
    .close = tiny_close,
    .count = tiny_count,
    .step = tiny_step,
    .run_ended = tiny_run_ended,
    .replayed = tiny_replayed,
};

/* In place of master/pest/estimator.c's. */
const struct estimator_ops *estimator_find(const char *mode)
{
    return strcmp(mode, "glm") == 0 ? &tiny_ops : NULL;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

void tiny_put(const struct place *place, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", place->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char control_text[] = "pcf\n"
                                   "* control data\n"
                                   "restart estimation\n"
                                   "2 2 1 0 1\n"
                                   "1 1 single point 1 0 0\n"
                                   "10 -3 0.3 0.03 10\n"
                                   "3 3 0.001\n"
                                   "0.1\n"
                                   "30 0.005 4 4 0.005 4\n"
                                   "0 0 0\n"
                                   "* parameter groups\n"
                                   "g relative 0.01 0 always_2 2 parabolic\n"
                                   "* parameter data\n"
                                   "a none relative 1 -1e10 1e10 g 1 0 1\n"
                                   "b none relative 1 -1e10 1e10 g 2 10 1\n"
                                   "* observation groups\n"
                                   "obs\n"
                                   "* observation data\n"
                                   "y1 1 1 obs\n"
                                   "y2 1 1 obs\n"
                                   "* model command line\n"
                                   "./model now\n"
                                   "* model input/output\n"
                                   "in.tpl in.dat\n"
                                   "out.ins out.dat\n"
                                   "%s";

void tiny_put_control(const struct place *place, const char *rest)
{
    char text[4096];
    snprintf(text, sizeof text, control_text, rest);
    tiny_put(place, "case.pst", text);
}

int tiny_setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    strcpy(place->folder, "/tmp/beofarm-pest-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->run_dir, sizeof place->run_dir, "%s/run", place->folder);
    assert_int_equal(mkdir(place->run_dir, 0777), 0);
    tiny_put_control(place, "");
    tiny_put(place, "in.tpl", "ptf ~\n~a      ~\n~b     ~\n");
    tiny_put(place, "out.ins", "pif @\nl1 !y1!\nl1 !y2!\n");
    tiny_put(place, "model", "#!/bin/sh\n");
    memset(&tiny, 0, sizeof tiny);
    tiny.first[0] = 1;
    tiny.first[1] = 2;
    place->work = cJSON_Parse("{\"kind\": \"pest\", \"control\": \"case.pst\"}");
    place->farm = cJSON_Parse("{\"files\": []}");
    *state = place;
    return 0;
}

int tiny_teardown(void **state)
{
    struct place *place = *state;
    if (place->driver)
        driver_find("pest")->close(place->driver);
    nftw(place->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    cJSON_Delete(place->work);
    cJSON_Delete(place->farm);
    loop_destroy(place->loop);
    free(place);
    return 0;
}

static uint64_t take_note(void *context, const void *bytes, size_t size)
{
    struct place *place = context;
    snprintf(place->notes[place->note_count++], 256, "%.*s", (int)size, (const char *)bytes);
    return ++place->sequence;
}

static void hear(void *context, const char *sentence)
{
    struct place *place = context;
    tiny_add(place->said, "%s\n", sentence);
}

static uint32_t expect_slots(void *context)
{
    const struct place *place = context;
    return place->expected;
}

static void hear_estimate(void *context, const struct driver_estimate *estimate)
{
    (void)context;
    assert_true(estimate->wave >= 1 && estimate->runs >= 1 && isnan(estimate->phi));
    assert_string_equal(estimate->purpose, "tries");
}

static void wake(void *context)
{
    ((struct place *)context)->woken++;
}

/* A master begins; place->driver is NULL with the sentence if it cannot. */
void tiny_begin(struct place *place, bool plan_only)
{
    const struct driver_context context = {.work = place->work,
                                           .farm = place->farm,
                                           .folder = place->folder,
                                           .plan_only = plan_only,
                                           .loop = place->loop,
                                           .wake = wake,
                                           .wake_context = place,
                                           .note = take_note,
                                           .say = hear,
                                           .news = hear,
                                           .slots_expected = expect_slots,
                                           .estimate = hear_estimate,
                                           .run_dir = place->run_dir};
    const struct driver_ops *ops = driver_find("pest");
    assert_non_null(ops);
    if (place->driver)
        ops->close(place->driver);
    place->driver = ops->open(&context, &place->error);
}

enum driver_next tiny_next(struct place *place, uint32_t slots)
{
    return driver_find("pest")->next(place->driver, slots);
}

/* The values that the model of a task gets. */
void tiny_values(struct place *place, uint64_t task, double values[2])
{
    struct buf payload;
    buf_init(&payload, 1000);
    assert_int_equal(driver_find("pest")->payload(place->driver, task, &payload), 0);
    assert_int_equal(values_decode_reals(payload.data, payload.size, values, 2, NULL), 0);
    buf_fini(&payload);
}

void tiny_tell(struct place *place, uint64_t task, const double *y, size_t count, bool resumed)
{
    struct buf values;
    buf_init(&values, 1000);
    values_encode_reals(&values, y, count);
    const struct result result = {
        .id = {task, 1}, .values = values.data, .values_size = values.size};
    driver_find("pest")->ended(place->driver, &result, resumed);
    buf_fini(&values);
}

void tiny_run(struct place *place, uint64_t task)
{
    double values[2];
    tiny_values(place, task, values);
    tiny_tell(place, task, (double[]){2 * values[0], values[0] + values[1]}, 2, false);
}

void tiny_run_badly(struct place *place, uint64_t task, bool resumed)
{
    static const char sentence[] = "the model ended with exit status 1";
    const struct result result = {.id = {task, 1},
                                  .status = RESULT_EXIT,
                                  .error = sentence,
                                  .error_size = sizeof sentence - 1};
    driver_find("pest")->ended(place->driver, &result, resumed);
}

int tiny_outcome(struct place *place)
{
    return driver_find("pest")->outcome(place->driver, &place->error);
}

/* --- bad input ---------------------------------------------------------------------------- */

void tiny_set_work(struct place *place, const char *json)
{
    cJSON_Delete(place->work);
    place->work = cJSON_Parse(json);
    assert_non_null(place->work);
}
