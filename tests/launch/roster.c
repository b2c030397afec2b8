#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "launch/roster.h"

static void other_names_are_no_tasks_of_ours(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",           "maste",      "master-",      "master-1",           "master-x",
        "master-2-3", "worker",     "worker-",      "worker-0",           "worker-01",
        "worker--1",  "worker-3-1", "worker-3-2-4", "worker-99999999999", "worker-3 "};
    int number, generation;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(roster_id_parse(wrong[i], &number, &generation), -1);
}

static void names_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        int number, generation;
        const char *id;
    } cases[] = {
        {0, 1, "master"}, {0, 2, "master-2"}, {7, 1, "worker-7"}, {12, 30, "worker-12-30"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char id[BACKEND_TASK_ID_MAX + 1];
        int number, generation;
        roster_id_format(cases[i].number, cases[i].generation, id);
        assert_string_equal(id, cases[i].id);
        assert_int_equal(roster_id_parse(id, &number, &generation), 0);
        assert_int_equal(number, cases[i].number);
        assert_int_equal(generation, cases[i].generation);
    }
}

/* A backend that knows these tasks. */
static const char *const listed[] = {"worker-2", "master-2",   "worker-2-10", "stranger",
                                     "worker-1", "worker-2-9", "master",      "worker-11"};

static int list(struct backend *backend,
                int (*visit)(void *context, const char *id,
                             const struct backend_status *status),
                void *context, struct error *ret_error)
{
    (void)backend;
    (void)ret_error;
    for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
        struct backend_status status = {.exit_code = (int)i};
        int rc = visit(context, listed[i], &status);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void the_highest_generation_counts(void **state)
{
    (void)state;
    static const struct backend_ops ops = {.task_list = list};
    struct backend backend = {.ops = &ops};
    struct roster roster;
    assert_int_equal(roster_read(&backend, &roster, NULL), 0);
    assert_int_equal(roster.count, 7);
    assert_string_equal(roster_master(&roster)->id, "master-2");
    assert_string_equal(roster_worker(&roster, 2)->id, "worker-2-10");
    assert_string_equal(roster_worker(&roster, 1)->id, "worker-1");
    assert_null(roster_worker(&roster, 3));
    assert_null(roster_worker(&roster, 0));
    assert_int_equal(roster_workers(&roster), 11);
    roster_close(&roster);
    assert_null(roster_master(&roster));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_names_are_no_tasks_of_ours),
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(the_highest_generation_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
