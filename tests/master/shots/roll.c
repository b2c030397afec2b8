#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "master/shots/roll.h"

#define SHOTS 6

static const char wave_note[] =
    "{\"wave\":{\"operation\":\"gradient\",\"purpose\":\"gradient\",\"iteration\":2,"
    "\"band_hz\":[0,null],\"shots\":[0,1,2,3,5],\"files\":{\"velocity.json\":"
    "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"},"
    "\"settings\":{\"iteration\":2}}}";

static int take(struct roll *roll, const char *note, struct error *error)
{
    return roll_take(roll, note, strlen(note), error);
}

static void take_well(struct roll *roll, const char *note)
{
    struct error error = {0};
    if (take(roll, note, &error) < 0)
        fail_msg("%s: %s", note, error.text);
}

/* A result of a shot task; `holder` NULL: the attempt failed. */
static void end(struct roll *roll, uint64_t task, const char *holder, double misfit)
{
    struct buf values;
    buf_init(&values, 1 << 16);
    struct shot_result said = {.counted = 1, .misfit = misfit, .norm = NAN, .seconds = 0.5};
    struct result result = {.id = {.task = task, .attempt = 2},
                            .status = holder ? RESULT_OK : RESULT_NO_VALUE,
                            .error = "a bad one",
                            .error_size = holder ? 0 : 9};
    if (holder) {
        memcpy(said.holder, holder, sizeof(said.holder));
        assert_int_equal(shot_result_encode(&said, &values, NULL), 0);
        result.values = values.data;
        result.values_size = values.size;
    }
    assert_true(roll_end(roll, &result, 7));
    assert_false(roll_end(roll, &result, 8)); /* it has ended */
    buf_fini(&values);
}

static void end_collect(struct roll *roll, uint64_t task, enum result_status status)
{
    const struct result result = {.id = {.task = task, .attempt = 1}, .status = status};
    assert_true(roll_end(roll, &result, 9));
}

#define ONE "00000000000000a1"
#define TWO "00000000000000b2"

static void notes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"tasks\":[[0]]}",                     /* of no wave */
        "{\"collect\":[[\"" ONE "\",[[1,1]]]]}", /* the same */
        "{\"wave\":{}}",
        "{\"wave\":{\"operation\":\"gradient\",\"purpose\":\"x\",\"iteration\":0,"
        "\"band_hz\":[0,null],\"shots\":[6],\"files\":{}}}", /* no such shot */
        "{\"wave\":{\"operation\":\"gradient\",\"purpose\":\"x\",\"iteration\":0,"
        "\"band_hz\":[0,null],\"shots\":[1,1],\"files\":{}}}",
        "{\"wave\":{\"operation\":\"dance\",\"purpose\":\"x\",\"iteration\":0,"
        "\"band_hz\":[0,null],\"shots\":[1],\"files\":{}}}",
        "{\"wave\":{\"operation\":\"gradient\",\"purpose\":\"x\",\"iteration\":0,"
        "\"band_hz\":[0,null],\"shots\":[1],\"files\":{\"a\":\"12\"}}}",
        "{\"wave\":{\"operation\":\"gradient\",\"purpose\":\"x\",\"iteration\":0,"
        "\"band_hz\":[0,null],\"shots\":[1],\"files\":{},\"asked\":0}}",
    };
    static const char *const worse[] = {
        "{\"tasks\":[[0],[]]}",
        "{\"tasks\":[[0],[6]]}",
        "{\"tasks\":[[0],[-1]]}",
        "{\"tasks\":[[0],[0.5]]}",
        "{\"collect\":[[\"a1\",[[1,1]]]]}",
        "{\"collect\":[[\"" ONE "\",[[1,1]]]]}",
        "{\"collect\":[[\"" ONE "\",[]]]}",
        "{\"listen\":[[\"" ONE "\",[[1,1]]]]}",
        "{\"take\":[[\"" ONE "\",[[1,1]],\"" TWO "\",\"10.0.0.5\",0]]}",
        "{\"take\":[[\"" ONE "\",[[1,1]],\"" TWO "\"]]}",
        "{\"take\":[[\"" ONE "\",[[1,1]]]]}",
    };
    struct roll roll;
    roll_init(&roll, SHOTS);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct error error = {0};
        assert_int_equal(take(&roll, bad[i], &error), -1);
        assert_true(error.text[0]);
        assert_int_equal(roll.wave_count, 0);
    }
    take_well(&roll, wave_note);
    for (size_t i = 0; i < sizeof(worse) / sizeof(*worse); i++) {
        struct error error = {0};
        assert_int_equal(take(&roll, worse[i], &error), -1);
        assert_int_equal(roll.task_count, 0);
    }
    roll_fini(&roll);
}

static void a_wave_reads_back_as_it_was_printed(void **state)
{
    (void)state;
    struct roll roll;
    struct buf note;
    roll_init(&roll, SHOTS);
    take_well(&roll, wave_note);
    const struct roll_wave *wave = roll_wave(&roll);
    assert_int_equal(wave->operation, SHOT_GRADIENT);
    assert_true(isinf(wave->max_hz));
    assert_int_equal(wave->shot_count, 5);
    assert_int_equal(wave->files[0].hash[1], 0x11);
    buf_init(&note, 1 << 16);
    assert_int_equal(roll_note_wave(wave, &note), 0);
    assert_string_equal(buf_text(&note), wave_note);
    buf_clear(&note);
    const size_t shots[] = {5, 0, 1}, sizes[] = {1, 2};
    assert_int_equal(roll_note_tasks(shots, sizes, 2, &note), 0);
    assert_string_equal(buf_text(&note), "{\"tasks\":[[5],[0,1]]}");
    buf_fini(&note);
    roll_fini(&roll);
}

/* Five shots in four tasks; the first three held by two processes, the last one bad. */
static void begin(struct roll *roll)
{
    roll_init(roll, SHOTS);
    take_well(roll, wave_note);
    take_well(roll, "{\"tasks\":[[5],[0,1],[2],[3]]}");
    assert_int_equal(roll_open(roll), 4);
    end(roll, 1, ONE, 3);
    end(roll, 2, TWO, 4);
    end(roll, 3, ONE, 5);
    end(roll, 4, NULL, 0);
    assert_int_equal(roll_open(roll), 0);
    assert_int_equal(roll_sequence(roll), 7);
}

static void sums_are_collected_from_whom_they_are_held(void **state)
{
    (void)state;
    struct roll roll;
    struct buf note;
    size_t count;
    begin(&roll);
    assert_string_equal(roll_task(&roll, 4)->error, "a bad one");
    buf_init(&note, 1 << 16);
    assert_int_equal(roll_note_collect(&roll, &note, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(buf_text(&note), "{\"collect\":[[\"" ONE "\",[[1,2],[3,2]]],"
                                         "[\"" TWO "\",[[2,2]]]]}");
    take_well(&roll, buf_text(&note));
    assert_true(roll_wave(&roll)->collecting);
    assert_int_equal(roll_task(&roll, 5)->holder, 0xa1);
    /* One delivers, the other is gone. */
    end_collect(&roll, 5, RESULT_OK);
    end_collect(&roll, 6, RESULT_LOST);
    size_t *holders = roll_holders(&roll, true), *computed = roll_holders(&roll, false);
    const size_t kept[] = {SIZE_MAX, SIZE_MAX, 2, SIZE_MAX, 0};
    const size_t good[] = {1, 1, 2, SIZE_MAX, 0};
    assert_memory_equal(holders, kept, sizeof(kept));
    assert_memory_equal(computed, good, sizeof(good));
    free(holders);
    free(computed);
    /* Those are farmed again, and nothing else is held. */
    take_well(&roll, "{\"tasks\":[[0],[1]]}");
    assert_false(roll_wave(&roll)->collecting);
    end(&roll, 7, TWO, 2);
    end(&roll, 8, TWO, 2);
    buf_clear(&note);
    assert_int_equal(roll_note_collect(&roll, &note, &count), 0);
    assert_string_equal(buf_text(&note), "{\"collect\":[[\"" TWO "\",[[7,2],[8,2]]]]}");
    buf_fini(&note);
    roll_fini(&roll);
}

/* A later master hears of all notes first, then of all results in the order of tasks. */
static void a_replay_comes_to_the_same(void **state)
{
    (void)state;
    struct roll live, replayed;
    begin(&live);
    take_well(&live, "{\"collect\":[[\"" ONE "\",[[1,2],[3,2]]],[\"" TWO "\",[[2,2]]]]}");
    end_collect(&live, 6, RESULT_OK);
    end_collect(&live, 5, RESULT_LOST);
    roll_init(&replayed, SHOTS);
    take_well(&replayed, wave_note);
    take_well(&replayed, "{\"tasks\":[[5],[0,1],[2],[3]]}");
    take_well(&replayed, "{\"collect\":[[\"" ONE "\",[[1,2],[3,2]]],[\"" TWO "\",[[2,2]]]]}");
    end(&replayed, 1, ONE, 3);
    end(&replayed, 2, TWO, 4);
    end(&replayed, 3, ONE, 5);
    end(&replayed, 4, NULL, 0);
    end_collect(&replayed, 5, RESULT_LOST);
    end_collect(&replayed, 6, RESULT_OK);
    assert_int_equal(live.task_count, replayed.task_count);
    for (size_t t = 0; t < live.task_count; t++) {
        assert_int_equal(live.tasks[t].taken, replayed.tasks[t].taken);
        assert_int_equal(live.tasks[t].held_by, replayed.tasks[t].held_by);
        assert_int_equal(live.tasks[t].status, replayed.tasks[t].status);
    }
    assert_int_equal(live.round, replayed.round);
    roll_fini(&live);
    roll_fini(&replayed);
}

/* What a process says of a task about sums: `counted` shots, or `extra`. */
static void end_held(struct roll *roll, uint64_t task, uint64_t counted, const char *extra)
{
    struct buf values;
    buf_init(&values, 1 << 16);
    struct shot_result said = {
        .counted = counted, .misfit = NAN, .norm = NAN, .seconds = 0.1, .extra = (char *)extra};
    assert_int_equal(shot_result_encode(&said, &values, NULL), 0);
    const struct result result = {.id = {.task = task, .attempt = 1},
                                  .status = RESULT_OK,
                                  .values = values.data,
                                  .values_size = values.size};
    assert_true(roll_end(roll, &result, 9));
    buf_fini(&values);
}

static void those_who_listen_say_where(void **state)
{
    (void)state;
    static const char *const useless[] = {
        "{\"why\":\"no port\"}",
        "{\"host\":\"\",\"port\":5}",
        "{\"host\":\"a b\",\"port\":5}",
        "{\"host\":\"10.0.0.5\"}",
        "{\"host\":\"10.0.0.5\",\"port\":65536}",
        "{\"host\":\"a\\\"\",\"port\":5}",
        "[]",
    };
    for (size_t i = 0; i <= sizeof(useless) / sizeof(*useless); i++) {
        bool good = i == sizeof(useless) / sizeof(*useless);
        struct roll roll;
        struct buf note;
        begin(&roll);
        buf_init(&note, 1 << 16);
        assert_int_equal(roll_note_listen(&roll, (const uint64_t[]){0xb2}, 1, &note), 0);
        assert_string_equal(buf_text(&note), "{\"listen\":[[\"" TWO "\",[[2,2]]]]}");
        assert_null(roll_process(&roll, 0xb2));
        take_well(&roll, buf_text(&note));
        assert_int_equal(roll_process(&roll, 0xb2)->at.port, 0);
        assert_true(roll_wave(&roll)->collecting);
        end_held(&roll, 5, 0, good ? "{\"host\":\"10.0.0.5\",\"port\":4711}" : useless[i]);
        assert_int_equal(roll_process(&roll, 0xb2)->at.port, good ? 4711 : 0);
        assert_string_equal(roll_process(&roll, 0xb2)->at.host, good ? "10.0.0.5" : "");
        assert_int_equal(roll_task(&roll, 2)->held_by, 0xb2);
        buf_fini(&note);
        roll_fini(&roll);
    }
}

#define TAKE "{\"take\":[[\"" ONE "\",[[2,2]],\"" TWO "\",\"10.0.0.5\",4711]]}"

/* Up to where a take of the second's sum by the first is asked for, as task 6. */
static void begin_take(struct roll *roll)
{
    begin(roll);
    take_well(roll, "{\"listen\":[[\"" TWO "\",[[2,2]]]]}");
    end_held(roll, 5, 0, "{\"host\":\"10.0.0.5\",\"port\":4711}");
    take_well(roll, TAKE);
}

static void what_was_taken_is_held_by_who_took_it(void **state)
{
    (void)state;
    struct roll roll;
    struct buf note;
    size_t count;
    begin_take(&roll);
    buf_init(&note, 1 << 16);
    const struct roll_gift gift = {0xa1, roll_process(&roll, 0xb2)->at};
    assert_int_equal(roll_note_take(&roll, &gift, 1, &note), 0);
    assert_string_equal(buf_text(&note), TAKE);
    /* Both are at it: neither is asked for anything else. */
    assert_int_equal(roll_fetch(&roll, 0xa1), 6);
    assert_int_equal(roll_fetch(&roll, 0xb2), 6);
    end_held(&roll, 6, 2, NULL);
    assert_int_equal(roll.refusals, 0);
    assert_int_equal(roll.gifts, 1);
    assert_int_equal(roll_fetch(&roll, 0xb2), 0);
    struct roll_holding *holdings = roll_holdings(&roll, &count);
    assert_int_equal(count, 1);
    assert_int_equal(holdings[0].holder, 0xa1);
    assert_int_equal(holdings[0].attempts, 3);
    free(holdings);
    buf_clear(&note);
    assert_int_equal(roll_note_collect(&roll, &note, &count), 0);
    assert_string_equal(buf_text(&note), "{\"collect\":[[\"" ONE "\",[[1,2],[2,2],[3,2]]]]}");
    take_well(&roll, buf_text(&note));
    end_collect(&roll, 7, RESULT_OK);
    assert_int_equal(roll_task(&roll, 2)->held_by, 0);
    assert_true(roll_task(&roll, 2)->taken);
    buf_fini(&note);
    roll_fini(&roll);
}

static void what_could_not_be_taken_is_where_it_was(void **state)
{
    (void)state;
    struct roll roll;
    begin_take(&roll);
    end_held(&roll, 6, 0, "{\"why\":\"nobody is there\"}");
    assert_int_equal(roll_task(&roll, 2)->held_by, 0xb2);
    assert_string_equal(roll_task(&roll, 6)->error, "nobody is there");
    assert_true(roll_process(&roll, 0xb2)->shut);
    assert_int_equal(roll.refusals, 1);
    assert_int_equal(roll.gifts, 0);
    roll_fini(&roll);
    /* The taker was lost: that says nothing of the giver beyond this wave. */
    begin_take(&roll);
    end_collect(&roll, 6, RESULT_LOST);
    assert_int_equal(roll_task(&roll, 2)->held_by, 0xb2);
    assert_false(roll_process(&roll, 0xb2)->shut);
    assert_int_equal(roll_process(&roll, 0xb2)->shut_wave, 1);
    roll_fini(&roll);
}

static void the_giver_holds_it_again_when_the_taker_is_lost(void **state)
{
    (void)state;
    struct roll roll;
    begin_take(&roll);
    end_held(&roll, 6, 2, NULL);
    take_well(&roll, "{\"collect\":[[\"" ONE "\",[[1,2],[2,2],[3,2]]]]}");
    end_collect(&roll, 7, RESULT_LOST);
    assert_int_equal(roll_task(&roll, 1)->held_by, 0);
    assert_int_equal(roll_task(&roll, 2)->held_by, 0xb2);
    assert_int_equal(roll_task(&roll, 3)->held_by, 0);
    take_well(&roll, "{\"collect\":[[\"" TWO "\",[[2,2]]]]}");
    end_collect(&roll, 8, RESULT_LOST);
    assert_int_equal(roll_task(&roll, 2)->held_by, 0);
    roll_fini(&roll);
}

static void a_replay_of_gifts_comes_to_the_same(void **state)
{
    (void)state;
    struct roll replayed;
    roll_init(&replayed, SHOTS);
    take_well(&replayed, wave_note);
    take_well(&replayed, "{\"tasks\":[[5],[0,1],[2],[3]]}");
    take_well(&replayed, "{\"listen\":[[\"" TWO "\",[[2,2]]]]}");
    take_well(&replayed, TAKE);
    take_well(&replayed, "{\"collect\":[[\"" ONE "\",[[1,2],[2,2],[3,2]]]]}");
    end(&replayed, 1, ONE, 3);
    end(&replayed, 2, TWO, 4);
    end(&replayed, 3, ONE, 5);
    end(&replayed, 4, NULL, 0);
    end_held(&replayed, 5, 0, "{\"host\":\"10.0.0.5\",\"port\":4711}");
    end_held(&replayed, 6, 2, NULL);
    assert_int_equal(roll_task(&replayed, 2)->held_by, 0xa1);
    end_collect(&replayed, 7, RESULT_LOST);
    assert_int_equal(roll_task(&replayed, 2)->held_by, 0xb2);
    assert_int_equal(roll_process(&replayed, 0xb2)->at.port, 4711);
    roll_fini(&replayed);
}

static void shots_that_failed_together_are_tried_alone(void **state)
{
    (void)state;
    struct roll roll;
    roll_init(&roll, SHOTS);
    take_well(&roll, wave_note);
    take_well(&roll, "{\"tasks\":[[0,1],[2],[3]]}");
    end(&roll, 1, NULL, 0);
    end(&roll, 2, NULL, 0);
    end(&roll, 3, ONE, 1);
    assert_true(roll_wants_again(&roll, 0, false));
    assert_false(roll_wants_again(&roll, 0, true));
    assert_false(roll_wants_again(&roll, 2, false)); /* it was alone */
    assert_true(roll_wants_again(&roll, 3, false));  /* where its arrays are lost */
    assert_false(roll_wants_again(&roll, 5, false)); /* in no task yet */
    take_well(&roll, "{\"tasks\":[[0],[1]]}");
    end(&roll, 4, NULL, 0);
    end(&roll, 5, ONE, 1);
    assert_false(roll_wants_again(&roll, 0, false));
    roll_fini(&roll);
}

static void a_result_that_cannot_be_read_is_a_failure(void **state)
{
    (void)state;
    struct roll roll;
    const struct result result = {
        .id = {.task = 1, .attempt = 1}, .values = "x", .values_size = 1};
    roll_init(&roll, SHOTS);
    take_well(&roll, wave_note);
    take_well(&roll, "{\"tasks\":[[5]]}");
    assert_true(roll_end(&roll, &result, 0));
    assert_int_equal(roll_task(&roll, 1)->status, RESULT_NO_VALUE);
    assert_non_null(roll_task(&roll, 1)->error);
    assert_false(roll_end(&roll, &(const struct result){.id = {.task = 2}}, 0));
    roll_fini(&roll);
}

static void the_end_is_noted(void **state)
{
    (void)state;
    struct roll roll;
    struct buf note;
    roll_init(&roll, SHOTS);
    buf_init(&note, 1 << 16);
    assert_int_equal(roll_note_finished("gradient of \"5\" shots", false, &note), 0);
    take_well(&roll, buf_text(&note));
    assert_string_equal(roll.finished, "gradient of \"5\" shots");
    buf_fini(&note);
    roll_fini(&roll);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_that_do_not_fit_are_refused),
        cmocka_unit_test(a_result_that_cannot_be_read_is_a_failure),
        cmocka_unit_test(a_wave_reads_back_as_it_was_printed),
        cmocka_unit_test(sums_are_collected_from_whom_they_are_held),
        cmocka_unit_test(shots_that_failed_together_are_tried_alone),
        cmocka_unit_test(a_replay_comes_to_the_same),
        cmocka_unit_test(those_who_listen_say_where),
        cmocka_unit_test(what_was_taken_is_held_by_who_took_it),
        cmocka_unit_test(what_could_not_be_taken_is_where_it_was),
        cmocka_unit_test(the_giver_holds_it_again_when_the_taker_is_lost),
        cmocka_unit_test(a_replay_of_gifts_comes_to_the_same),
        cmocka_unit_test(the_end_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
