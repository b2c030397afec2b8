/* The ledgers of two workers in one process: what one gives, what the other takes, and what each
 * delivers then. */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/seismic/sum.h"
#include "common/tree.h"
#include "worker/instance.h"
#include "worker/shot_ledger.h"

#define POINTS 6
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct error error;
static struct loop *loop;
static cJSON *job;
static char folder[64];
static struct shot_ledger *one, *two;
static struct shot_collected got;
static char why[ERROR_TEXT_MAX];

static void too_late(void *context)
{
    (void)context;
    fail_msg("nothing happens");
}

static int open_ledgers(void **state)
{
    (void)state;
    static int places[2]; /* ledgers are told apart by them, and no more */
    setenv("BEOFARM_SECRET", SECRET, 1);
    setenv("BEOFARM_NETWORK", "lo", 1);
    strcpy(folder, "/tmp/beofarm-ledger-XXXXXX");
    assert_non_null(mkdtemp(folder));
    loop = loop_create(&error);
    loop_timer_arm(loop_timer_add(loop, too_late, NULL),
                   clock_monotonic_ns() + 60 * CLOCK_SECOND_NS);
    job = cJSON_Parse("{\"farm\":\"toy\",\"work\":{\"memory_bytes\":1e9}}");
    one = shot_ledger_ref(loop, (const struct workplace *)&places[0], job, &error);
    two = shot_ledger_ref(loop, (const struct workplace *)&places[1], job, &error);
    assert_non_null(one);
    assert_non_null(two);
    return 0;
}

static int close_ledgers(void **state)
{
    (void)state;
    shot_ledger_unref(one);
    shot_ledger_unref(two);
    loop_destroy(loop);
    cJSON_Delete(job);
    tree_remove(AT_FDCWD, folder);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* --- What a worker does --- */

static void checked(void *context, const struct error *problem)
{
    (void)context;
    if (problem)
        fail_msg("%s", problem->text);
    loop_stop(loop);
}

/* Shot `shot`, whose array is its number everywhere, as task 10 + shot; accepted, if it
 * `counts`. */
static void compute(struct shot_ledger *ledger, uint64_t shot, bool counts)
{
    const struct attempt_id id = {10 + shot, 1};
    struct shot_ref ref = {shot, 1};
    const struct shot_task task = {.operation = SHOT_GRADIENT,
                                   .sum = 1,
                                   .exact = true,
                                   .shots = &ref,
                                   .shot_count = 1,
                                   .n = {1, 1, POINTS},
                                   .arrays = {"gradient"},
                                   .array_count = 1};
    struct shot_parcel *parcel = shot_parcel_create(id, &task);
    float values[POINTS];
    for (int i = 0; i < POINTS; i++)
        values[i] = (float)shot;
    parcel->files[0] = memfd_create("array", MFD_CLOEXEC);
    assert_int_equal(fd_write(parcel->files[0], values, sizeof(values)), 0);
    shot_ledger_check(ledger, parcel, checked, loop);
    assert_int_equal(loop_run(loop, &error), 0);
    if (counts)
        shot_ledger_settle(ledger, id, true);
}

static void collected(void *context, const struct shot_collected *result)
{
    (void)context;
    got = *result;
    why[0] = '\0';
    if (result->error)
        snprintf(why, sizeof(why), "%s", result->error->text);
    loop_stop(loop);
}

static struct shot_task task_of(enum shot_operation operation, struct attempt_id *ids,
                                const uint64_t *shots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ids[i] = (struct attempt_id){10 + shots[i], 1};
    return (struct shot_task){.operation = operation,
                              .sum = 1,
                              .exact = true,
                              .attempts = ids,
                              .attempt_count = count};
}

/* These shots of the ledger, as task `number`: the value that they come to everywhere, -1 if there
 * are none. */
static float collect(struct shot_ledger *ledger, uint64_t number, const uint64_t *shots,
                     size_t count)
{
    struct attempt_id ids[8];
    const struct shot_task task = task_of(SHOT_COLLECT, ids, shots, count);
    const char *path = path_of("collected");
    float values[POINTS];
    shot_ledger_collect(ledger, (struct attempt_id){number, 1}, &task, path, collected, loop);
    assert_int_equal(loop_run(loop, &error), 0);
    if (got.error)
        return -1;
    if (sum_read_array(&path, 1, "gradient", values, POINTS, &error) < 0)
        fail_msg("%s", error.text);
    return values[POINTS - 1];
}

/* Have `taker` take these shots from `giver`, as task `number`. Whether it has. */
static bool take(struct shot_ledger *taker, struct shot_ledger *giver, uint64_t number,
                 const uint64_t *shots, size_t count)
{
    struct attempt_id ids[8];
    struct buf payload;
    struct shot_task task = task_of(SHOT_TAKE, ids, shots, count);
    task.giver.instance = instance_get();
    assert_int_equal(shot_ledger_listen(giver, task.giver.host, &task.giver.port, &error), 0);
    buf_init(&payload, 1 << 16);
    assert_int_equal(shot_task_encode(&task, &payload, &error), 0);
    const struct shot_payload bytes = {payload.data, payload.size};
    shot_ledger_take(taker, (struct attempt_id){number, 1}, &task, &bytes, path_of("taken"),
                     collected, loop);
    assert_int_equal(loop_run(loop, &error), 0);
    unlink(path_of("taken")); /* as the task's folder goes */
    buf_fini(&payload);
    return !got.error;
}

static void settle(struct shot_ledger *ledger, uint64_t number, bool counts)
{
    shot_ledger_settle(ledger, (struct attempt_id){number, 1}, counts);
}

#define SHOTS(...)                                                                             \
    (const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)

/* --- What goes wrong --- */

static void what_is_not_held_cannot_be_taken(void **state)
{
    (void)state;
    compute(one, 1, true);
    assert_false(take(two, one, 50, SHOTS(2)));
    assert_non_null(strstr(why, "holds nothing of what is wanted"));
    /* Not even a part: what else is in the sum would come along. */
    compute(one, 2, true);
    assert_false(take(two, one, 51, SHOTS(2)));
    assert_true(collect(one, 60, SHOTS(1, 2)) == 3);
}

static void a_worker_without_the_secret_says_so(void **state)
{
    (void)state;
    char host[SHOT_HOST_MAX + 1];
    int port;
    unsetenv("BEOFARM_SECRET");
    assert_int_equal(shot_ledger_listen(one, host, &port, &error), -1);
    assert_non_null(strstr(error.text, "BEOFARM_SECRET"));
    setenv("BEOFARM_SECRET", SECRET, 1);
    setenv("BEOFARM_NETWORK", "nosuch0", 1);
    assert_int_equal(shot_ledger_listen(one, host, &port, &error), -1);
    assert_non_null(strstr(error.text, "nosuch0"));
}

static void what_was_taken_twice_counts_once(void **state)
{
    (void)state;
    compute(one, 1, true);
    compute(two, 2, true);
    assert_true(take(two, one, 50, SHOTS(1)));
    settle(two, 50, true);
    assert_true(take(two, one, 51, SHOTS(1)));
    settle(two, 51, true);
    assert_true(collect(two, 60, SHOTS(1, 2)) == 3);
    assert_int_equal(got.attempts, 2);
}

/* The master gave up on the taker: it does not want what was given of it. */
static void what_does_not_count_spoils_nothing(void **state)
{
    (void)state;
    compute(one, 1, true);
    compute(two, 2, true);
    assert_true(take(two, one, 50, SHOTS(1)));
    settle(two, 50, false);
    assert_true(collect(two, 60, SHOTS(2)) == 2);
    settle(two, 60, true);
    assert_true(collect(one, 61, SHOTS(1)) == 1);
}

static void what_was_discarded_is_gone(void **state)
{
    (void)state;
    compute(one, 1, true);
    assert_true(take(two, one, 50, SHOTS(1)));
    assert_true(shot_ledger_holds(two));
    shot_ledger_discard(two, (struct attempt_id){50, 1});
    assert_false(shot_ledger_holds(two));
    assert_true(collect(two, 60, SHOTS(1)) == -1);
}

/* --- What goes well --- */

static void what_was_taken_is_delivered_with_what_was_there(void **state)
{
    (void)state;
    compute(one, 1, true);
    compute(one, 2, false); /* its acknowledgement has not come yet */
    compute(two, 4, true);
    assert_true(take(two, one, 50, SHOTS(1, 2)));
    assert_int_equal(got.attempts, 2);
    assert_int_equal(got.shots, 2);
    settle(two, 50, true);
    compute(two, 8, true);
    assert_true(collect(two, 60, SHOTS(1, 2, 4, 8)) == 15);
    assert_int_equal(got.attempts, 4);
}

/* The acknowledgement of what was taken comes after the question for it. */
static void what_is_named_is_added_before_it_is_settled(void **state)
{
    (void)state;
    compute(one, 1, true);
    compute(two, 2, true);
    assert_true(take(two, one, 50, SHOTS(1)));
    assert_true(collect(two, 60, SHOTS(1, 2)) == 3);
    settle(two, 50, true);
    settle(two, 60, true);
    assert_true(collect(two, 61, SHOTS(1, 2)) == -1);
}

static void who_gave_has_it_still_until_the_next_wave(void **state)
{
    (void)state;
    compute(one, 1, true);
    compute(two, 2, true);
    assert_true(take(two, one, 50, SHOTS(1)));
    settle(two, 50, true);
    compute(one, 4, true); /* begins another sum */
    assert_true(collect(one, 60, SHOTS(1)) == 1);
    assert_true(collect(one, 61, SHOTS(1, 4)) == 5);
    shot_ledger_keep_from(one, 2);
    assert_true(collect(one, 62, SHOTS(1)) == -1);
    assert_true(take(two, one, 51, SHOTS(1)) == false);
}

/* As in the second level of the tree. */
static void what_was_taken_is_given_on(void **state)
{
    (void)state;
    compute(one, 1, true);
    compute(two, 2, true);
    assert_true(take(two, one, 50, SHOTS(1)));
    assert_true(take(one, two, 51, SHOTS(1, 2)) == true);
    settle(two, 50, true);
    settle(one, 51, false);
    assert_true(collect(two, 60, SHOTS(1, 2)) == 3);
}

static void gifts_of_earlier_waves_are_forgotten(void **state)
{
    (void)state;
    compute(one, 1, true);
    assert_true(take(two, one, 50, SHOTS(1)));
    shot_ledger_keep_from(two, 2);
    settle(two, 50, true);
    assert_true(collect(two, 60, SHOTS(1)) == -1);
}

#define LEDGER_TEST(name) cmocka_unit_test_setup_teardown(name, open_ledgers, close_ledgers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(what_is_not_held_cannot_be_taken),
        LEDGER_TEST(a_worker_without_the_secret_says_so),
        LEDGER_TEST(what_was_taken_twice_counts_once),
        LEDGER_TEST(what_does_not_count_spoils_nothing),
        LEDGER_TEST(what_was_discarded_is_gone),
        LEDGER_TEST(what_was_taken_is_delivered_with_what_was_there),
        LEDGER_TEST(what_is_named_is_added_before_it_is_settled),
        LEDGER_TEST(who_gave_has_it_still_until_the_next_wave),
        LEDGER_TEST(what_was_taken_is_given_on),
        LEDGER_TEST(gifts_of_earlier_waves_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
