#include "config.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "master/run_folder.h"
#include "tests/scratch.h"

#define LIMIT_NS (30 * CLOCK_SECOND_NS)

struct watched {
    struct loop *loop;
    struct run_folder *folder;
    struct loop_timer *limit;
};

static void stop(void *context)
{
    loop_stop(context);
}

static void run_lay(void)
{
    assert_int_equal(mkdir("run", 0777), 0);
    scratch_text("run/journal.db", "all");
    scratch_text("run/results.csv", "some");
}

static void watched_open(struct watched *watched)
{
    struct error error;
    run_lay();
    *watched = (struct watched){.loop = loop_create(&error)};
    assert_non_null(watched->loop);
    watched->folder = run_folder_open(watched->loop, "run", stop, watched->loop, &error);
    assert_non_null(watched->folder);
    watched->limit = loop_timer_add(watched->loop, stop, watched->loop);
    loop_timer_arm(watched->limit, clock_monotonic_ns() + LIMIT_NS);
}

static void watched_close(struct watched *watched)
{
    run_folder_close(watched->folder);
    loop_destroy(watched->loop);
}

/* Wait until the loop has told us; and what is to be seen then. */
static bool told_gone(struct watched *watched)
{
    struct error error;
    assert_int_equal(loop_run(watched->loop, &error), 0);
    return run_folder_is_gone(watched->folder);
}

static void run_remove(const char *folder)
{
    char path[64];
    snprintf(path, sizeof path, "%s/journal.db", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/results.csv", folder);
    unlink(path);
    rmdir(folder);
}

static void a_folder_that_others_have_open_is_told_to_be_removed(void **state)
{
    (void)state;
    struct watched watched;
    watched_open(&watched);
    int folder = open("run", O_RDONLY | O_DIRECTORY), journal = open("run/journal.db", O_RDWR);
    assert_false(run_folder_is_gone(watched.folder));
    run_remove("run");
    assert_true(told_gone(&watched));
    run_lay(); /* another one there is not ours */
    assert_true(run_folder_is_gone(watched.folder));
    run_remove("run");
    close(folder);
    close(journal);
    watched_close(&watched);
}

static void a_folder_that_is_moved_is_gone_until_it_is_back(void **state)
{
    (void)state;
    struct watched watched;
    watched_open(&watched);
    assert_int_equal(rename("run", "elsewhere"), 0);
    assert_true(told_gone(&watched));
    assert_int_equal(rename("elsewhere", "run"), 0);
    assert_false(told_gone(&watched));
    run_remove("run");
    watched_close(&watched);
}

static void other_files_may_go(void **state)
{
    (void)state;
    struct watched watched;
    watched_open(&watched);
    unlink("run/results.csv");
    assert_false(told_gone(&watched));
    run_remove("run");
    watched_close(&watched);
}

static void a_run_without_a_journal_is_none(void **state)
{
    (void)state;
    struct error error;
    struct loop *loop = loop_create(&error);
    assert_null(run_folder_open(loop, "run", stop, loop, &error));
    assert_string_equal(error.text,
                        "\"run/journal.db\" cannot be looked at: No such file or directory");
    run_folder_close(NULL);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_that_others_have_open_is_told_to_be_removed),
        cmocka_unit_test(a_folder_that_is_moved_is_gone_until_it_is_back),
        cmocka_unit_test(other_files_may_go),
        cmocka_unit_test(a_run_without_a_journal_is_none),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
