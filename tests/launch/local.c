/* The local backend by its table alone, as any backend will be tested. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "launch/backend.h"
#include "launch/disk.h"
#include "launch/local/process.h"

#define LIMIT_NS (100 * CLOCK_SECOND_NS)

static char folder[] = "/tmp/beofarm-local-XXXXXX";
static char run_dir[256];
static int run_number;
static struct backend *backend;
static struct error error;

static int backend_setup(void **state)
{
    (void)state;
    snprintf(run_dir, sizeof run_dir, "%s/run %d", folder, ++run_number);
    struct backend_context context = {.run_dir = run_dir};
    mkdir(run_dir, 0777);
    backend = backend_open(&context, &error);
    return !backend || backend->ops->pool_create(backend, NULL, &error) ||
           backend->ops->job_create(backend, &error);
}

static int backend_teardown(void **state)
{
    (void)state;
    int rc = backend->ops->clean(backend, &error);
    backend_close(backend);
    return rc;
}

/* Submit `beofarm-script`, which is this shell script. */
static int submit(const char *id, const char *script)
{
    char path[512];
    snprintf(path, sizeof path, "%s/beofarm-script", folder);
    FILE *file = fopen(path, "w");
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    chmod(path, 0755);
    static const struct backend_variable variables[] = {{"GREETING", "hello = 'you'\n"}};
    static const char *const args[] = {"one two", "", NULL};
    struct backend_task task = {.id = id,
                                .program = "beofarm-script",
                                .args = args,
                                .variables = variables,
                                .variables_count = 1};
    return backend->ops->task_submit(backend, &task, &error);
}

static struct backend_status await(const char *id, enum backend_state state)
{
    struct backend_status status;
    int64_t limit = clock_monotonic_ns() + LIMIT_NS;
    do {
        assert_int_equal(backend->ops->task_status(backend, id, &status, &error), 0);
        nanosleep(&(struct timespec){.tv_nsec = CLOCK_MS_NS}, NULL);
    } while (status.state != state && clock_monotonic_ns() < limit);
    assert_int_equal(status.state, state);
    return status;
}

static void await_output(const char *id, const char *text)
{
    int64_t limit = clock_monotonic_ns() + LIMIT_NS;
    struct buf buf;
    buf_init(&buf, 1000);
    do {
        buf_clear(&buf);
        assert_true(backend->ops->task_read(backend, id, "stdout.txt", 0, 1000, &buf, &error) >=
                    0);
        nanosleep(&(struct timespec){.tv_nsec = CLOCK_MS_NS}, NULL);
    } while (strcmp(buf_text(&buf), text) != 0 && clock_monotonic_ns() < limit);
    assert_string_equal(buf_text(&buf), text);
    buf_fini(&buf);
}

static void touch(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", run_dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static void unknown_tasks_and_names_are_refused(void **state)
{
    (void)state;
    struct backend_status status;
    assert_int_equal(backend->ops->task_status(backend, "nobody", &status, &error), -1);
    static const char *const wrong[] = {"", "../x", "a b", "a/b", "."};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(submit(wrong[i], "true"), -1);
}

static void a_program_that_cannot_start_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(submit("bad", "true"), 0);
    char path[512];
    struct backend_task task = {.id = "gone", .program = "beofarm-nothing"};
    assert_int_equal(backend->ops->task_submit(backend, &task, &error), -1);
    assert_non_null(strstr(error.text, "beofarm-nothing"));
    snprintf(path, sizeof path, "%s/beofarm-broken", folder);
    FILE *file = fopen(path, "w");
    fputs("#!/nowhere/interpreter\n", file);
    fclose(file);
    chmod(path, 0755);
    task.program = "beofarm-broken";
    assert_int_equal(backend->ops->task_submit(backend, &task, &error), -1);
    assert_non_null(strstr(error.text, "cannot be started"));
    snprintf(path, sizeof path, "%s/backend/tasks/gone", run_dir);
    assert_false(disk_exists(path));
}

/* No file can be written from now on, as on a full disk; `before` is for disk_free. Children
 * inherit it, and die of it. */
static void disk_fill(struct rlimit *before)
{
    assert_int_equal(getrlimit(RLIMIT_FSIZE, before), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before->rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
}

static void disk_free(const struct rlimit *before)
{
    assert_int_equal(setrlimit(RLIMIT_FSIZE, before), 0);
    signal(SIGXFSZ, SIG_DFL);
}

static void a_full_disk_leaves_no_task_behind(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(submit("long", "exec sleep 1000"), 0);
    disk_fill(&before);
    int rc = backend->ops->job_terminate(backend, &error);
    disk_free(&before);
    assert_int_equal(rc, 0);
    struct backend_status status = await("long", BACKEND_ENDED);
    assert_int_equal(status.signal, SIGKILL);
    assert_int_equal(backend->ops->job_create(backend, &error), 0);
}

static void a_watcher_that_is_killed_says_what_may_be_behind_it(void **state)
{
    (void)state;
    char path[512];
    struct rlimit before;
    const struct backend_task task = {.id = "killed", .program = "beofarm-script"};
    assert_int_equal(submit("good", "true"), 0); /* the script is there */
    disk_fill(&before);
    int rc = backend->ops->task_submit(backend, &task, &error);
    disk_free(&before);
    assert_int_equal(rc, -1);
    assert_non_null(strstr(error.text, "for want of memory"));
    assert_non_null(strstr(error.text, "beofarm run --resume"));
    snprintf(path, sizeof path, "%s/backend/tasks/killed", run_dir);
    assert_false(disk_exists(path));
}

static void an_id_is_used_once(void **state)
{
    (void)state;
    assert_int_equal(submit("once", "true"), 0);
    assert_int_equal(submit("once", "true"), -1);
}

static void a_task_gets_arguments_environment_and_a_directory(void **state)
{
    (void)state;
    assert_int_equal(submit("task",
                            "printf '%s|%s|%s|' \"$1\" \"$2\" \"$GREETING\"; basename \"$PWD\";"
                            "echo oops >&2; exit 3"),
                     0);
    struct backend_status status = await("task", BACKEND_ENDED);
    assert_int_equal(status.exit_code, 3);
    assert_int_equal(status.signal, 0);
    assert_false(status.lost);
    assert_true(status.ended_ns >= status.started_ns && status.started_ns > 0);
    await_output("task", "one two||hello = 'you'\n|wd\n");
    struct buf tail;
    buf_init(&tail, 128 << 10);
    assert_int_equal(backend_tail(backend, "task", "stderr.txt", 1, &tail, &error), 0);
    assert_string_equal(buf_text(&tail), "oops\n");
    buf_fini(&tail);
}

static void files_are_read_by_ranges(void **state)
{
    (void)state;
    struct buf buf;
    uint64_t size;
    assert_int_equal(submit("ranges", "printf 0123456789; printf inner >file"), 0);
    await("ranges", BACKEND_ENDED);
    buf_init(&buf, 100);
    assert_int_equal(
        backend->ops->task_read(backend, "ranges", "stdout.txt", 3, 4, &buf, &error), 4);
    assert_string_equal(buf_text(&buf), "3456");
    assert_int_equal(
        backend->ops->task_read(backend, "ranges", "stdout.txt", 50, 4, &buf, &error), 0);
    assert_int_equal(backend->ops->task_read(backend, "ranges", "wd/file", 0, 50, &buf, &error),
                     5);
    assert_int_equal(backend->ops->task_read(backend, "ranges", "wd/none", 0, 50, &buf, &error),
                     0);
    assert_int_equal(
        backend->ops->task_file_size(backend, "ranges", "stdout.txt", &size, &error), 0);
    assert_int_equal(size, 10);
    buf_fini(&buf);
}

static void a_signal_is_told_from_an_exit_code(void **state)
{
    (void)state;
    assert_int_equal(submit("killed", "kill -SEGV $$"), 0);
    assert_int_equal(await("killed", BACKEND_ENDED).signal, SIGSEGV);
}

static void terminating_asks_first(void **state)
{
    (void)state;
    assert_int_equal(
        submit("polite", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done"),
        0);
    await_output("polite", "up\n");
    assert_int_equal(backend->ops->task_terminate(backend, "polite", false, &error), 0);
    assert_int_equal(await("polite", BACKEND_ENDED).exit_code, 5);
    await_output("polite", "up\nbye\n");
    assert_int_equal(backend->ops->task_terminate(backend, "polite", true, &error), 0);
}

static void terminating_at_once_asks_nobody(void **state)
{
    (void)state;
    assert_int_equal(submit("rude", "trap '' TERM; echo up; while :; do sleep 0.01; done"), 0);
    await_output("rude", "up\n");
    assert_int_equal(backend->ops->task_terminate(backend, "rude", false, &error), 0);
    assert_int_equal(backend->ops->task_terminate(backend, "rude", true, &error), 0);
    assert_int_equal(await("rude", BACKEND_ENDED).signal, SIGKILL);
}

static void what_a_task_leaves_behind_is_killed(void **state)
{
    (void)state;
    struct buf buf;
    struct process child;
    buf_init(&buf, 100);
    assert_int_equal(submit("parent", "setsid sleep 1000 & echo $!; exit 0"), 0);
    await("parent", BACKEND_ENDED);
    assert_true(backend->ops->task_read(backend, "parent", "stdout.txt", 0, 100, &buf, &error) >
                0);
    /* Its end is recorded after its children are gone. */
    assert_int_equal(process_identify((pid_t)strtol(buf_text(&buf), NULL, 10), &child), -1);
    buf_fini(&buf);
}

static void a_terminated_job_takes_no_tasks_until_created_again(void **state)
{
    (void)state;
    assert_int_equal(submit("first", "sleep 1000"), 0);
    assert_int_equal(backend->ops->job_terminate(backend, &error), 0);
    assert_int_equal(await("first", BACKEND_ENDED).signal, SIGKILL);
    assert_int_equal(submit("second", "true"), -1);
    assert_int_equal(error.code, ERROR_BACKEND);
    assert_int_equal(backend->ops->job_create(backend, &error), 0);
    assert_int_equal(submit("second", "true"), 0);
}

static void ending_a_job_makes_nothing_that_was_removed(void **state)
{
    (void)state;
    char job[300];
    snprintf(job, sizeof job, "%s/backend/job.json", run_dir);
    assert_int_equal(disk_remove(job, &error), 0);
    assert_int_equal(backend->ops->job_terminate(backend, &error), 0);
    assert_false(disk_exists(job));
    assert_int_equal(disk_remove(run_dir, &error), 0);
    assert_int_equal(backend->ops->job_terminate(backend, &error), 0);
    assert_int_equal(backend->ops->pool_delete(backend, NULL, &error), 0);
    assert_false(disk_exists(run_dir));
}

static void a_second_opener_finds_the_tasks(void **state)
{
    (void)state;
    struct backend_context context = {.run_dir = run_dir};
    struct backend_status status;
    assert_int_equal(submit("shared", "sleep 1000"), 0);
    struct backend *other = backend_open(&context, &error);
    assert_non_null(other);
    assert_int_equal(other->ops->task_status(other, "shared", &status, &error), 0);
    assert_int_equal(status.state, BACKEND_RUNNING);
    assert_int_equal(other->ops->task_terminate(other, "shared", true, &error), 0);
    backend_close(other);
    await("shared", BACKEND_ENDED);
}

static void a_number_used_again_is_noticed(void **state)
{
    (void)state;
    struct process self;
    assert_int_equal(process_identify(getpid(), &self), 0);
    assert_true(process_alive(&self));
    self.start++;
    assert_false(process_alive(&self));
    /* so the signal, which would end this test, is not sent */
    assert_int_equal(process_signal(&self, SIGKILL, &error), 0);
    self.start--;
    self.boot[0] ^= 1;
    assert_false(process_alive(&self));
}

static void what_a_task_says_and_its_end_are_noticed_at_once(void **state)
{
    (void)state;
    struct backend_status status = {0};
    char script[1024];
    int64_t limit = clock_monotonic_ns() + LIMIT_NS;
    snprintf(script, sizeof script,
             "cd '%s'; until test -e speak; do sleep 0.01; done; echo word; "
             "until test -e end; do sleep 0.01; done",
             run_dir);
    assert_int_equal(submit("t", script), 0);
    backend->ops->task_await(backend, "t", LIMIT_NS); /* the first look is never late */
    touch("speak");
    for (uint64_t size = 0; size == 0;) {
        backend->ops->task_await(backend, "t", LIMIT_NS);
        assert_int_equal(
            backend->ops->task_file_size(backend, "t", "stdout.txt", &size, &error), 0);
    }
    touch("end");
    while (status.state != BACKEND_ENDED) {
        backend->ops->task_await(backend, "t", LIMIT_NS);
        assert_int_equal(backend->ops->task_status(backend, "t", &status, &error), 0);
    }
    assert_true(clock_monotonic_ns() < limit); /* what is not noticed takes so long */
}

static void what_cannot_be_noticed_is_waited_for(void **state)
{
    (void)state;
    int64_t before = clock_monotonic_ns();
    backend->ops->task_await(backend, "none", 20 * CLOCK_MS_NS);
    backend->ops->task_await(backend, "../t", 20 * CLOCK_MS_NS);
    assert_true(clock_monotonic_ns() - before >= 40 * CLOCK_MS_NS);
}

#define backend_test(f) cmocka_unit_test_setup_teardown(f, backend_setup, backend_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        backend_test(unknown_tasks_and_names_are_refused),
        backend_test(a_program_that_cannot_start_leaves_nothing),
        backend_test(a_watcher_that_is_killed_says_what_may_be_behind_it),
        backend_test(a_full_disk_leaves_no_task_behind),
        backend_test(an_id_is_used_once),
        backend_test(a_task_gets_arguments_environment_and_a_directory),
        backend_test(files_are_read_by_ranges),
        backend_test(a_signal_is_told_from_an_exit_code),
        backend_test(terminating_asks_first),
        backend_test(terminating_at_once_asks_nobody),
        backend_test(what_a_task_leaves_behind_is_killed),
        backend_test(a_terminated_job_takes_no_tasks_until_created_again),
        backend_test(ending_a_job_makes_nothing_that_was_removed),
        backend_test(a_second_opener_finds_the_tasks),
        backend_test(what_a_task_says_and_its_end_are_noticed_at_once),
        backend_test(what_cannot_be_noticed_is_waited_for),
        cmocka_unit_test(a_number_used_again_is_noticed),
    };
    if (!mkdtemp(folder))
        return 1;
    setenv("BEOFARM_BIN", folder, 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    disk_remove(folder, NULL);
    return failed;
}
