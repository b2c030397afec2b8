/* Whose fault a full disk is, and how long it is waited for. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "worker/child.h"
#include "worker/shortage.h"

#define PATIENCE_NS (600 * CLOCK_SECOND_NS)
#define FIRST_NS    (2 * CLOCK_SECOND_NS)
#define TASK_NS     (60 * CLOCK_SECOND_NS) /* a tenth */

static struct result failure(const char *error, const char *tail)
{
    return (struct result){.status = RESULT_EXIT,
                           .code = 1,
                           .error = error,
                           .error_size = strlen(error),
                           .stderr_tail = tail,
                           .stderr_size = tail ? strlen(tail) : 0};
}

static void what_says_that_there_is_no_room_is_known(void **state)
{
    (void)state;
    struct result silent = failure("the model ended with exit status 1", NULL);
    struct result other = failure("cannot write: Permission denied", "No space in the title");
    struct result sentence = failure(strerror(ENOSPC), NULL);
    struct result tail = failure("exit status 2", "forrtl: Disk quota exceeded, unit 7\n");
    struct result good = sentence;
    good.status = RESULT_OK;
    assert_false(shortage_is_named(&silent));
    assert_false(shortage_is_named(&other));
    assert_true(shortage_is_named(&sentence));
    assert_true(shortage_is_named(&tail));
    assert_false(shortage_is_named(&good));
    /* What a program said of an earlier task. */
    tail.stderr_before = tail.stderr_size - 1;
    assert_false(shortage_is_named(&tail));
    tail.stderr_before = tail.stderr_size;
    assert_false(shortage_is_named(&tail));
    /* Texts are not terminated. */
    sentence.error_size = strlen(strerror(ENOSPC)) - 1;
    assert_false(shortage_is_named(&sentence));
    assert_true(shortage_is_in(strerror(EDQUOT), strlen(strerror(EDQUOT))));
}

static void that_there_is_no_process_is_known(void **state)
{
    (void)state;
    struct error error;
    error_errno(&error, EAGAIN, CHILD_NO_PROCESS " \"/bin/sh\"");
    struct result result = failure(error.text, NULL);
    result.status = RESULT_NO_START;
    assert_true(shortage_is_named(&result));
    assert_true(shortage_is_of_processes(error.text, strlen(error.text)));
    assert_false(shortage_is_of_processes(strerror(ENOSPC), strlen(strerror(ENOSPC))));
    /* What a program says of its own children proves nothing. */
    result = failure("the model ended with exit status 2", "sh: 1: Cannot fork\n");
    assert_false(shortage_is_named(&result));
}

static void a_task_that_fills_the_disk_again_and_again_is_told_of(void **state)
{
    (void)state;
    struct shortage shortage = {.patience_ns = PATIENCE_NS};
    const int64_t began = 5;
    assert_true(shortage_meet(&shortage, 1, false, began));
    assert_true(shortage_meet(&shortage, 1, false, began + TASK_NS - 1));
    assert_false(shortage_meet(&shortage, 1, false, began + TASK_NS));
    /* A good result of another task changes nothing about that. */
    shortage_pause(&shortage);
    shortage_end(&shortage);
    assert_false(shortage_meet(&shortage, 1, false, began + TASK_NS));
    assert_true(shortage_meet(&shortage, 2, false, began + TASK_NS));
}

static void what_nobody_else_can_do_is_tried_for_longer(void **state)
{
    (void)state;
    struct shortage shortage = {.patience_ns = PATIENCE_NS};
    assert_true(shortage_meet(&shortage, 1, true, 0));
    assert_true(shortage_meet(&shortage, 1, true, PATIENCE_NS / 2 - 1));
    assert_false(shortage_meet(&shortage, 1, true, PATIENCE_NS / 2));
}

static void without_patience_all_is_told_of(void **state)
{
    (void)state;
    struct shortage shortage = {0};
    assert_false(shortage_meet(&shortage, 1, false, 5));
    assert_false(shortage_meet(&shortage, 2, true, 5));
    assert_false(shortage_wait(&shortage, 0));
}

static void little_patience_is_divided_alike(void **state)
{
    (void)state;
    struct shortage shortage = {.patience_ns = CLOCK_SECOND_NS};
    assert_int_equal(shortage_pause(&shortage), CLOCK_SECOND_NS / 300);
    assert_int_equal(shortage_pause(&shortage), 2 * (CLOCK_SECOND_NS / 300));
    assert_true(shortage_meet(&shortage, 1, false, 0));
    assert_false(shortage_meet(&shortage, 1, false, CLOCK_SECOND_NS / 10));
}

static void the_latest_tasks_are_remembered(void **state)
{
    (void)state;
    struct shortage shortage = {.patience_ns = PATIENCE_NS};
    for (uint64_t task = 1; task <= SHORTAGE_TASKS + 1; task++)
        assert_true(shortage_meet(&shortage, task, false, 0));
    assert_false(shortage_meet(&shortage, SHORTAGE_TASKS + 1, false, TASK_NS));
    assert_false(shortage_meet(&shortage, 2, false, TASK_NS));
    assert_true(shortage_meet(&shortage, 1, false, TASK_NS));
}

static void pauses_grow_and_end(void **state)
{
    (void)state;
    struct shortage shortage = {.patience_ns = PATIENCE_NS};
    int64_t all_ns = 0;
    assert_int_equal(shortage_pause(&shortage), FIRST_NS);
    assert_int_equal(shortage_pause(&shortage), 2 * FIRST_NS);
    shortage_end(&shortage);
    for (int64_t pause_ns;; all_ns += pause_ns) {
        pause_ns = shortage_pause(&shortage);
        assert_in_range(pause_ns, FIRST_NS, TASK_NS);
        if (!shortage_wait(&shortage, pause_ns))
            break;
    }
    assert_in_range(all_ns, PATIENCE_NS - TASK_NS, PATIENCE_NS);
    assert_int_equal(shortage_pause(&shortage), TASK_NS);
    shortage_end(&shortage);
    assert_true(shortage_wait(&shortage, FIRST_NS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_says_that_there_is_no_room_is_known),
        cmocka_unit_test(that_there_is_no_process_is_known),
        cmocka_unit_test(a_task_that_fills_the_disk_again_and_again_is_told_of),
        cmocka_unit_test(what_nobody_else_can_do_is_tried_for_longer),
        cmocka_unit_test(without_patience_all_is_told_of),
        cmocka_unit_test(little_patience_is_divided_alike),
        cmocka_unit_test(the_latest_tasks_are_remembered),
        cmocka_unit_test(pauses_grow_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
