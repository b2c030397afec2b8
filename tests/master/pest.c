/*
 * The driver of PEST work, with an estimator of the tests: three waves, whose values depend on the
 * results of the wave before and on the slots. The "model" is y1 = 2 a, y2 = a + b.
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

#include "common/errand.h"
#include "common/loop.h"
#include "common/values.h"
#include "master/driver.h"
#include "master/pest/estimator.h"
#include "master/scheduler.h"

/* --- the estimator ------------------------------------------------------------------------ */

#define WAVES   3
#define LOG_MAX 16384

struct estimator {
    struct estimator_context context;
    int steps;
};

static struct {
    char log[LOG_MAX]; /* what it was told */
    bool streamed;     /* how it wants its waves */
    double first[2];   /* the values of the first run */
    bool fails;        /* the second step fails */
    int waits;         /* this step waits at the gate, after what it says */
    sem_t gate;
    pthread_t thread; /* of the last step */
} tiny;

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

/* Append to a text of at least `LOG_MAX` bytes. */
static void text_add(char *text, const char *format, ...)
{
    size_t end = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + end, LOG_MAX - end, format, args);
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
    text_add(tiny.log, "step %d: %zu ran, %zu failed, sum %.17g, %u slots\n",
             ++estimator->steps, ended->run_count, failed, sum, slots);
    estimator->context.say(estimator->context.say_context, "one step");
    tiny.thread = pthread_self();
    if (tiny.waits == estimator->steps)
        sem_wait(&tiny.gate);
    if (tiny.fails && estimator->steps == 2) {
        error_set(ret_error, ERROR_TASKS, "the tiny estimator gives up");
        return ESTIMATOR_FAILED;
    }
    if (estimator->steps > WAVES)
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
        text_add(tiny.log, "run %zu: %g %g\n", run, observations[0], observations[1]);
    else
        text_add(tiny.log, "run %zu failed: %s\n", run, sentence);
}

static void tiny_replayed(struct estimator *estimator)
{
    (void)estimator;
    text_add(tiny.log, "replayed\n");
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

/* --- the farm ----------------------------------------------------------------------------- */

struct place {
    char folder[64], run_dir[96];
    char notes[64][256]; /* the journal's */
    size_t note_count;
    uint64_t sequence;
    uint32_t expected; /* slots */
    char said[LOG_MAX];
    cJSON *work, *farm;
    struct loop *loop; /* NULL: steps are done at once */
    int woken;
    struct driver *driver;
    struct error error;
};

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void put(const struct place *place, const char *name, const char *text)
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

static void put_control(const struct place *place, const char *rest)
{
    char text[4096];
    snprintf(text, sizeof text, control_text, rest);
    put(place, "case.pst", text);
}

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    strcpy(place->folder, "/tmp/beofarm-pest-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->run_dir, sizeof place->run_dir, "%s/run", place->folder);
    assert_int_equal(mkdir(place->run_dir, 0777), 0);
    put_control(place, "");
    put(place, "in.tpl", "ptf ~\n~a      ~\n~b     ~\n");
    put(place, "out.ins", "pif @\nl1 !y1!\nl1 !y2!\n");
    put(place, "model", "#!/bin/sh\n");
    memset(&tiny, 0, sizeof tiny);
    tiny.first[0] = 1;
    tiny.first[1] = 2;
    place->work = cJSON_Parse("{\"kind\": \"pest\", \"control\": \"case.pst\"}");
    place->farm = cJSON_Parse("{\"files\": []}");
    *state = place;
    return 0;
}

static int teardown(void **state)
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
    text_add(place->said, "%s\n", sentence);
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
static void begin(struct place *place, bool plan_only)
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
                                           .slots_expected = expect_slots,
                                           .estimate = hear_estimate,
                                           .run_dir = place->run_dir};
    const struct driver_ops *ops = driver_find("pest");
    assert_non_null(ops);
    if (place->driver)
        ops->close(place->driver);
    place->driver = ops->open(&context, &place->error);
}

static enum driver_next next(struct place *place, uint32_t slots)
{
    return driver_find("pest")->next(place->driver, slots);
}

/* The values that the model of a task gets. */
static void values_of(struct place *place, uint64_t task, double values[2])
{
    struct buf payload;
    buf_init(&payload, 1000);
    assert_int_equal(driver_find("pest")->payload(place->driver, task, &payload), 0);
    assert_int_equal(values_decode_reals(payload.data, payload.size, values, 2, NULL), 0);
    buf_fini(&payload);
}

static void tell(struct place *place, uint64_t task, const double *y, size_t count,
                 bool resumed)
{
    struct buf values;
    buf_init(&values, 1000);
    values_encode_reals(&values, y, count);
    const struct result result = {
        .id = {task, 1}, .values = values.data, .values_size = values.size};
    driver_find("pest")->ended(place->driver, &result, resumed);
    buf_fini(&values);
}

static void run(struct place *place, uint64_t task)
{
    double values[2];
    values_of(place, task, values);
    tell(place, task, (double[]){2 * values[0], values[0] + values[1]}, 2, false);
}

static void run_badly(struct place *place, uint64_t task, bool resumed)
{
    static const char sentence[] = "the model ended with exit status 1";
    const struct result result = {.id = {task, 1},
                                  .status = RESULT_EXIT,
                                  .error = sentence,
                                  .error_size = sizeof sentence - 1};
    driver_find("pest")->ended(place->driver, &result, resumed);
}

static int outcome(struct place *place)
{
    return driver_find("pest")->outcome(place->driver, &place->error);
}

/* --- bad input ---------------------------------------------------------------------------- */

static void set_work(struct place *place, const char *json)
{
    cJSON_Delete(place->work);
    place->work = cJSON_Parse(json);
    assert_non_null(place->work);
}

static void refuses(struct place *place, enum error_code code, const char *part)
{
    begin(place, true);
    assert_null(place->driver);
    if (!strstr(place->error.text, part) || place->error.code != code)
        print_message("# %d: %s\n", place->error.code, place->error.text);
    assert_int_equal(place->error.code, code);
    assert_non_null(strstr(place->error.text, part));
}

static void what_cannot_be_run_is_refused_in_a_sentence(void **state)
{
    struct place *place = *state;
    set_work(place, "{\"kind\": \"pest\", \"control\": \"no.pst\"}");
    refuses(place, ERROR_CONFIG, "no.pst");
    set_work(place, "{\"kind\": \"pest\", \"control\": \"../case.pst\"}");
    refuses(place, ERROR_CONFIG, "outside of the farm file's folder");
    set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"mode\": \"ies\"}");
    refuses(place, ERROR_CONFIG, "no estimator \"ies\"");
    set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"options\": "
                    "{\"max_run_fale\": 2}}");
    refuses(place, ERROR_CONFIG, "did you mean \"max_run_fail\"?");
    set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"options\": "
                    "{\"max_run_fail\": 0}}");
    refuses(place, ERROR_CONFIG, "++max_run_fail(…) must be 1 to 1000");
    set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\"}");
    put(place, "in.tpl", "ptf ~\n~c ~\n");
    refuses(place, ERROR_CONFIG, "in.tpl:2");
    put(place, "in.tpl", "ptf ~\n~a ~ ~b ~\n");
    put(place, "out.ins", "pif @\nl1 !y1!\n");
    refuses(place, ERROR_CONFIG, "y2");
}

static void notes_of_another_kind_are_refused(void **state)
{
    struct place *place = *state;
    static const char *const bad[] = {"",
                                      "wave 1",
                                      "{}",
                                      "{\"wave\":2,\"task\":1,\"runs\":1}",
                                      "{\"wave\":2,\"task\":1,\"runs\":1,\"slots\":1,"
                                      "\"parameters\":\"12\"}",
                                      "{\"wave\":1,\"task\":1,\"runs\":1,\"slots\":0,"
                                      "\"parameters\":\"12\"}"};
    begin(place, false);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(
            driver_find("pest")->noted(place->driver, bad[i], strlen(bad[i]), &place->error),
            -1);
}

static void a_value_that_fits_no_field_ends_the_estimation(void **state)
{
    struct place *place = *state;
    put(place, "in.tpl", "ptf ~\n~a~ ~b  ~\n");
    tiny.first[0] = -1.5e-30; /* needs more than three characters */
    begin(place, false);
    assert_non_null(place->driver);
    assert_int_equal(next(place, 1), DRIVER_FINISHED);
    assert_int_equal(outcome(place), -1);
    assert_non_null(strstr(place->error.text, "wave 1, run 1"));
    assert_non_null(strstr(place->error.text, "in.tpl"));
}

static void results_of_the_wrong_size_are_failures(void **state)
{
    struct place *place = *state;
    begin(place, false);
    assert_int_equal(next(place, 1), DRIVER_TASK);
    tell(place, 1, (double[]){1, 2, 3}, 3, false);
    assert_non_null(strstr(tiny.log, "run 0 failed: a list has 3 values instead of 2"));
}

/* --- waves -------------------------------------------------------------------------------- */

static void a_wave_begins_when_the_one_before_has_ended(void **state)
{
    struct place *place = *state;
    begin(place, false);
    assert_int_equal(next(place, 0), DRIVER_WAIT); /* nobody could run it */
    assert_string_equal(tiny.log, "");
    assert_int_equal(next(place, 1), DRIVER_TASK);
    assert_int_equal(next(place, 1), DRIVER_TASK);
    assert_int_equal(next(place, 1), DRIVER_WAIT);
    run(place, 2);
    assert_int_equal(next(place, 3), DRIVER_WAIT);
    run(place, 1);
    for (int i = 0; i < 5; i++) /* wave 2: 2 + 3 runs */
        assert_int_equal(next(place, 3), DRIVER_TASK);
    assert_int_equal(next(place, 3), DRIVER_WAIT);
    assert_int_equal(outcome(place), -1); /* it is not finished */
    for (uint64_t task = 3; task <= 7; task++)
        run(place, task);
    for (uint64_t task = 8; task <= 11; task++) {
        assert_int_equal(next(place, 1), DRIVER_TASK);
        run(place, task);
    }
    assert_int_equal(next(place, 1), DRIVER_FINISHED);
    assert_int_equal(outcome(place), 0);
    assert_int_equal(place->note_count, WAVES);
    assert_non_null(strstr(place->notes[1], "{\"wave\":2,\"task\":3,\"runs\":5,\"slots\":3,"));
    assert_int_equal(next(place, 1), DRIVER_FINISHED);
    assert_int_equal(driver_find("pest")->payload(place->driver, 12, &(struct buf){0}), -1);
}

static void workers_that_are_yet_to_come_count_as_slots(void **state)
{
    struct place *place = *state;
    place->expected = 4;
    begin(place, false);
    assert_int_equal(next(place, 0), DRIVER_WAIT);
    assert_int_equal(next(place, 1), DRIVER_TASK);
    assert_non_null(strstr(place->notes[0], "\"slots\":4,"));
    place->expected = 0;
    for (uint64_t task = 1; task <= 5; task++) {
        run(place, task);
        assert_int_equal(next(place, 6), DRIVER_TASK); /* the fifth is the next wave's first */
    }
    assert_non_null(strstr(place->notes[1], "\"slots\":6,"));
}

static void models_see_values_scaled_and_rounded(void **state)
{
    struct place *place = *state;
    double values[2];
    tiny.first[0] = 1.23456789012345; /* a has 9 characters */
    tiny.first[1] = 1.0 / 3;          /* b: 2 x + 10, in 8 */
    begin(place, false);
    assert_int_equal(next(place, 1), DRIVER_TASK);
    values_of(place, 1, values);
    assert_true(values[0] == 1.2345679);
    /* Back through scale and offset: a few units in the last place. */
    assert_true(fabs(values[1] - 10.66667) < 1e-14);
    tell(place, 1, (double[]){1, 2}, 2, false);
    values_of(place, 1, values); /* the same for a retry */
    assert_true(values[0] == 1.2345679);
}

static void a_run_that_failed_is_marked_and_told(void **state)
{
    struct place *place = *state;
    begin(place, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(next(place, 1), DRIVER_TASK);
    run_badly(place, 1, false);
    run_badly(place, 1, false); /* twice makes no difference */
    assert_int_equal(next(place, 1), DRIVER_WAIT);
    run(place, 2);
    assert_int_equal(next(place, 1), DRIVER_TASK);
    assert_non_null(strstr(tiny.log, "run 0 failed: the model ended with exit status 1\n"));
    assert_non_null(strstr(tiny.log, "step 2: 2 ran, 1 failed, sum 22"));
}

static void streamed_waves_keep_no_observations(void **state)
{
    struct place *place = *state;
    tiny.streamed = true;
    begin(place, false);
    for (uint64_t task = 1; task <= 2; task++) {
        assert_int_equal(next(place, 1), DRIVER_TASK);
        run(place, task);
    }
    assert_int_equal(next(place, 1), DRIVER_TASK);
    assert_non_null(strstr(tiny.log, "run 0: 2 15\nrun 1: 4 18\n"));
    assert_non_null(strstr(tiny.log, "step 2: 2 ran, 0 failed, sum 0"));
}

static void an_estimator_that_gives_up_ends_the_farm_with_its_sentence(void **state)
{
    struct place *place = *state;
    tiny.fails = true;
    begin(place, false);
    for (uint64_t task = 1; task <= 2; task++) {
        assert_int_equal(next(place, 1), DRIVER_TASK);
        run(place, task);
    }
    assert_int_equal(next(place, 1), DRIVER_FINISHED);
    assert_int_equal(outcome(place), -1);
    assert_string_equal(place->error.text, "the tiny estimator gives up");
}

/* --- resuming ----------------------------------------------------------------------------- */

/* Run the whole estimation; the values of every task into `all`. Slots change from wave to wave. */
static uint64_t run_all(struct place *place, uint64_t from, double (*all)[2])
{
    uint64_t task = from;
    enum driver_next said;
    uint32_t slots = 2;
    while ((said = next(place, slots)) == DRIVER_TASK) {
        if (++task == 1 + 3)
            slots = 4;
        values_of(place, task, all[task]);
        run(place, task);
    }
    assert_int_equal(said, DRIVER_FINISHED);
    return task;
}

static void resume(struct place *place)
{
    begin(place, false);
    for (size_t i = 0; i < place->note_count; i++)
        assert_int_equal(driver_find("pest")->noted(place->driver, place->notes[i],
                                                    strlen(place->notes[i]), &place->error),
                         0);
}

static void a_resumed_estimation_is_the_same_bit_for_bit(void **state)
{
    struct place *place = *state;
    double all[64][2], again[64][2];
    begin(place, false);
    uint64_t count = run_all(place, 0, all);
    assert_true(count > 10);
    size_t notes = place->note_count;
    for (uint64_t killed = 0; killed <= count; killed++) { /* after so many results */
        tiny.log[0] = place->said[0] = '\0';
        resume(place);
        for (uint64_t task = 1; task <= killed; task++)
            tell(place, task, (double[]){2 * all[task][0], all[task][0] + all[task][1]}, 2,
                 true);
        assert_null(strstr(tiny.log, "replayed"));
        memset(again, 0, sizeof again);
        for (uint64_t task = 1; task <= count; task++) {
            assert_int_equal(next(place, 1), DRIVER_TASK);
            if (task <= killed)
                continue;
            values_of(place, task, again[task]);
            assert_memory_equal(again[task], all[task], sizeof *all);
            run(place, task);
        }
        assert_int_equal(next(place, 1), DRIVER_FINISHED);
        assert_int_equal(place->note_count, notes);               /* none is noted twice */
        assert_string_equal(place->said, "one step\none step\n"); /* the last, and a new one */
    }
}

static void results_may_be_missing_in_the_last_wave(void **state)
{
    struct place *place = *state;
    double all[64][2];
    begin(place, false);
    run_all(place, 0, all);
    resume(place);
    tell(place, 1, (double[]){2 * all[1][0], all[1][0] + all[1][1]}, 2, true);
    run_badly(place, 3, true); /* wave 1 has three runs; the second is to be run yet */
    for (int i = 0; i < 3; i++)
        assert_int_equal(next(place, 2), DRIVER_TASK);
    assert_int_equal(next(place, 2), DRIVER_WAIT);
    run(place, 2);
    /* With a failed run instead of a good one, wave 2 is another one than was noted. */
    assert_int_equal(next(place, 2), DRIVER_FINISHED);
    assert_int_equal(outcome(place), -1);
    assert_int_equal(place->error.code, ERROR_CHANGED);
    assert_non_null(strstr(place->error.text, "wave 2"));
    assert_non_null(strstr(place->error.text, "other parameters"));
}

static void a_journal_with_holes_is_told(void **state)
{
    struct place *place = *state;
    double all[64][2];
    begin(place, false);
    run_all(place, 0, all);
    resume(place);
    tell(place, 5, (double[]){1, 2}, 2, true);
    assert_int_equal(next(place, 2), DRIVER_FINISHED);
    assert_int_equal(outcome(place), -1);
    assert_non_null(strstr(place->error.text, "task 5"));
    place->note_count = 0;
    resume(place);
    tell(place, 1, (double[]){1, 2}, 2, true);
    assert_int_equal(next(place, 2), DRIVER_FINISHED);
    assert_int_equal(outcome(place), -1);
    assert_non_null(strstr(place->error.text, "no note"));
}

/* --- long steps ---------------------------------------------------------------------------- */

static int64_t turn(void *context)
{
    struct place *place = context;
    if (tiny.waits && strstr(place->said, "one step\none step\n"))
        sem_post(&tiny.gate); /* what it said has been told while it waits */
    if (place->woken)
        loop_stop(place->loop);
    return INT64_MAX;
}

static void begin_beside_a_loop(struct place *place)
{
    place->loop = loop_create(&place->error);
    assert_non_null(place->loop);
    loop_set_turn(place->loop, turn, place);
    sem_init(&tiny.gate, 0, 0);
    begin(place, false);
}

/* The next task, after the step that it takes. */
static void step_and_next(struct place *place)
{
    place->woken = 0;
    if (next(place, 1) == DRIVER_TASK)
        return; /* it took a moment */
    assert_int_equal(loop_run(place->loop, NULL), 0);
    assert_int_equal(place->woken, 1);
    assert_int_equal(next(place, 1), DRIVER_TASK);
}

static void the_loop_turns_while_a_step_takes_long(void **state)
{
    struct place *place = *state;
    tiny.waits = 2;
    begin_beside_a_loop(place);
    step_and_next(place);
    assert_false(pthread_equal(tiny.thread, pthread_self()));
    assert_int_equal(next(place, 1), DRIVER_TASK);
    run(place, 1);
    run(place, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(next(place, 1), DRIVER_WAIT);
        tell(place, 1, (double[]){1, 2}, 2, false); /* nobody's any more */
    }
    assert_int_equal(driver_find("pest")->payload(place->driver, 1, &(struct buf){0}), -1);
    assert_int_equal(driver_find("pest")->count(place->driver), -1);
    assert_int_equal(place->note_count, 1);
    assert_int_equal(loop_run(place->loop, NULL), 0);
    assert_int_equal(place->note_count, 2);
    for (uint64_t task = 3; task <= 5; task++) {
        assert_int_equal(next(place, 1), DRIVER_TASK);
        run(place, task);
    }
    step_and_next(place);
    assert_non_null(strstr(tiny.log, "step 2: 2 ran, 0 failed, sum"));
}

static void steps_that_were_noted_are_done_at_once(void **state)
{
    struct place *place = *state;
    double all[64][2];
    begin(place, false);
    run_all(place, 0, all);
    begin_beside_a_loop(place);
    resume(place);
    for (uint64_t task = 1; task <= 3; task++)
        tell(place, task, (double[]){2 * all[task][0], all[task][0] + all[task][1]}, 2, true);
    for (uint64_t task = 1; task <= 4; task++) /* the fourth is of the second wave */
        assert_int_equal(next(place, 1), DRIVER_TASK);
    assert_true(pthread_equal(tiny.thread, pthread_self()));
    assert_non_null(strstr(tiny.log, "step 2"));
}

static void closing_does_not_wait_for_a_long_step(void **state)
{
    struct place *place = *state;
    static struct driver *abandoned;
    tiny.waits = 1;
    begin_beside_a_loop(place);
    assert_int_equal(next(place, 1), DRIVER_WAIT);
    abandoned = place->driver;
    driver_find("pest")->close(abandoned);
    place->driver = NULL;
    assert_true(errand_is_abroad());
    sem_post(&tiny.gate); /* it goes on with what it was left */
}

/* --- files, job, patience ----------------------------------------------------------------- */

static int list_file(void *context, const char *path, bool common, bool copy)
{
    char *text = context;
    assert_false(copy);
    text_add(text, "%s%s\n", path, common ? "" : " (master)");
    return 0;
}

static int list_pattern(void *context, const char *pattern)
{
    text_add(context, "%s\n", pattern);
    return 0;
}

static void the_folder_travels_and_what_options_name_stays(void **state)
{
    struct place *place = *state;
    char text[LOG_MAX] = "";
    put(place, "prior.cov", "");
    put(place, "swp.csv", "");
    put_control(place, "++parcov(prior.cov) ++sweep_output_file(swp.csv)\n");
    set_work(place, "{\"kind\": \"pest\", \"control\": \"./case.pst\", \"mode\": \"glm\"}");
    begin(place, true);
    assert_non_null(place->driver);
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, NULL), 0);
    assert_string_equal(text, ".\nin.tpl\nout.ins\nmodel\ncase.pst (master)\n"
                              "prior.cov (master)\n");
    text[0] = '\0';
    assert_int_equal(driver_find("pest")->except(place->driver, list_pattern, text, NULL), 0);
    assert_non_null(strstr(text, "case.rec\n"));
    assert_non_null(strstr(text, "\nprior.cov\n"));
    assert_non_null(strstr(text, "\nswp.csv\n"));
    assert_null(strstr(text, "case.pst"));
    cJSON_AddItemToArray(cJSON_GetObjectItem(place->farm, "files"),
                         cJSON_Parse("{\"path\": \"restart.bin\", \"copy\": true}"));
    text[0] = '\0';
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, NULL), 0);
    assert_true(strncmp(text, ".\n", 2) == 0); /* still the whole folder */
    cJSON_AddItemToArray(cJSON_GetObjectItem(place->farm, "files"), cJSON_CreateString("x"));
    text[0] = '\0';
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, NULL), 0);
    assert_true(strncmp(text, "in.tpl\n", 7) == 0);
}

static void paths_out_of_the_farm_are_refused(void **state)
{
    struct place *place = *state;
    char text[LOG_MAX] = "";
    char path[128];
    snprintf(path, sizeof path, "%s/sub", place->folder);
    assert_int_equal(mkdir(path, 0777), 0);
    put_control(place, "");
    snprintf(text, sizeof text,
             "cd %s && sed 's/^in.tpl/..\\/in.tpl/; s/^out.ins/..\\/out.ins/' "
             "case.pst >sub/case.pst",
             place->folder);
    assert_int_equal(system(text), 0);
    set_work(place, "{\"kind\": \"pest\", \"control\": \"sub/case.pst\"}");
    begin(place, true);
    assert_non_null(place->driver);
    text[0] = '\0';
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, NULL), 0);
    assert_string_equal(text, "sub\nin.tpl\nout.ins\nsub/case.pst (master)\n");
    assert_string_equal(driver_find("pest")->home(place->driver), "sub");
    char folder[64];
    strcpy(folder, place->folder);
    strcat(place->folder, "/sub");
    set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\"}");
    begin(place, true);
    assert_non_null(place->driver);
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, &place->error),
                     -1);
    assert_int_equal(place->error.code, ERROR_CONFIG);
    assert_non_null(strstr(place->error.text, "\"../in.tpl\""));
    strcpy(place->folder, folder);
}

static void workers_are_told_what_to_do(void **state)
{
    struct place *place = *state;
    cJSON *job = cJSON_CreateObject();
    set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"fresh\": true, "
                    "\"env\": {\"A\": \"b\"}}");
    begin(place, true);
    assert_int_equal(driver_find("pest")->job(place->driver, job, NULL), 0);
    char *text = cJSON_PrintUnformatted(job);
    assert_string_equal(
        text,
        "{\"runner\":\"pest\",\"params\":[\"a\",\"b\"],\"results\":[\"y1\",\"y2\"],"
        "\"prefetch\":"
        "true,\"work\":{\"folder\":\".\",\"commands\":[\"./model "
        "now\"],\"inputs\":[{\"template\":"
        "\"in.tpl\",\"file\":\"in.dat\"}],\"outputs\":[{\"instructions\":\"out.ins\",\"file\":"
        "\"out.dat\"}],\"precision\":\"single\",\"point\":true,\"env\":{\"A\":\"b\"},\"fresh\":"
        "true}}");
    cJSON_free(text);
    cJSON_Delete(job);
    assert_false(driver_find("pest")->brief(place->driver));
}

static void patience_is_what_the_options_say(void **state)
{
    struct place *place = *state;
    struct scheduler_policy policy = scheduler_policy_default(1);
    begin(place, true);
    assert_int_equal(driver_find("pest")->policy(place->driver, &policy, NULL), 0);
    assert_int_equal(policy.attempts, 3);
    assert_true(policy.overdue_factor == 100 && policy.overdue_ns == INT64_MAX);
    assert_true(policy.duplicate_factor == 1.15 && policy.duplicate_quantile < 0);
    put_control(place, "++max_run_fail(2) ++overdue_giveup_fac(7.5)\n");
    set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"options\": "
                    "{\"overdue_giveup_fac\": 3, \"overdue_giveup_minutes\": 0.5}}");
    begin(place, true);
    assert_int_equal(driver_find("pest")->policy(place->driver, &policy, NULL), 0);
    assert_int_equal(policy.attempts, 2);
    assert_true(policy.overdue_factor == 3); /* the farm file's word */
    assert_true(policy.overdue_ns == INT64_C(30000000000));
}

static void what_has_no_effect_is_told_once(void **state)
{
    struct place *place = *state;
    put_control(place, "++hotstart_resfile(x)\n");
    begin(place, false);
    assert_non_null(strstr(place->said, "++hotstart_resfile has no effect here"));
    assert_null(strstr(place->said, "/case.pst"));
    assert_null(strstr(place->said, "overdue"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_cannot_be_run_is_refused_in_a_sentence),
        TEST(notes_of_another_kind_are_refused),
        TEST(a_value_that_fits_no_field_ends_the_estimation),
        TEST(results_of_the_wrong_size_are_failures),
        TEST(a_wave_begins_when_the_one_before_has_ended),
        TEST(workers_that_are_yet_to_come_count_as_slots),
        TEST(models_see_values_scaled_and_rounded),
        TEST(a_run_that_failed_is_marked_and_told),
        TEST(streamed_waves_keep_no_observations),
        TEST(an_estimator_that_gives_up_ends_the_farm_with_its_sentence),
        TEST(a_resumed_estimation_is_the_same_bit_for_bit),
        TEST(results_may_be_missing_in_the_last_wave),
        TEST(a_journal_with_holes_is_told),
        TEST(the_loop_turns_while_a_step_takes_long),
        TEST(steps_that_were_noted_are_done_at_once),
        TEST(the_folder_travels_and_what_options_name_stays),
        TEST(paths_out_of_the_farm_are_refused),
        TEST(workers_are_told_what_to_do),
        TEST(patience_is_what_the_options_say),
        TEST(what_has_no_effect_is_told_once),
        TEST(closing_does_not_wait_for_a_long_step), /* the last: its thread may still run */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
