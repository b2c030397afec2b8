#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/worker/runner_rig.h"

static struct rig rig;

static int open_rig(void **state)
{
    (void)state;
    rig_open_place(&rig, NULL);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

struct seen {
    int ends;
    struct child_end end;
};

static void see(void *context, const struct child_end *end)
{
    struct seen *seen = context;
    seen->ends++;
    seen->end = *end;
}

static bool has_ended(void *context)
{
    return ((struct seen *)context)->ends > 0;
}

static struct child *start_program(struct children *children, const char *program,
                                   char *const *argv, struct seen *seen, struct error *error)
{
    char key[100], variable[150];
    snprintf(key, sizeof(key), "%s:test", children_key(children));
    snprintf(variable, sizeof(variable), "BEOFARM_ATTEMPT_KEY=%s", key);
    char *environment[] = {variable, (char *)"PATH=/usr/bin:/bin", NULL};
    struct child_spec spec = {.program = program,
                              .argv = argv,
                              .environment = environment,
                              .key = key,
                              .dir_fd = -1,
                              .stdin_fd = -1,
                              .stdout_fd = -1,
                              .stderr_fd = -1,
                              .ended = see,
                              .context = seen};
    return child_start(children, &spec, error);
}

static struct child *start(struct children *children, const char *script, struct seen *seen,
                           struct error *error)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
    return start_program(children, "/bin/sh", argv, seen, error);
}

static void programs_are_found_on_the_path_or_named(void **state)
{
    (void)state;
    char *path = NULL;
    struct error error;
    char *environment[] = {(char *)"PATH=/nowhere:/bin:/usr/bin", NULL};
    assert_int_equal(child_find_program("no-such-thing", environment, &path, &error), -1);
    assert_non_null(strstr(error.text, "\"no-such-thing\""));
    assert_int_equal(child_find_program("", environment, &path, &error), -1);
    assert_int_equal(child_find_program("/etc/passwd", environment, &path, &error), -1);
    assert_int_equal(child_find_program("sh", environment, &path, &error), 0);
    assert_string_equal(path, "/bin/sh");
    free(path);
}

static void signals_and_descriptors_are_the_defaults(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct error error;
    signal(SIGUSR1, SIG_IGN);
    /* No signal blocked or ignored, nothing open beyond 0 to 2 (and ls's own). Signals 32 and 33
     * are glibc's own and out of reach; posix_spawn, with which make starts things, ignores them.
     */
    assert_non_null(
        start(rig.children,
              "grep -q '^SigBlk:.*0000000000000000$' /proc/self/status || exit 2;"
              "grep -q '^SigIgn:.0000000[01][08]0000000$' /proc/self/status || exit 3;"
              "test \"$(ls /proc/self/fd | tr '\\n' ' ')\" = '0 1 2 3 ' || exit 4",
              &seen, &error));
    rig_wait_until(&rig, has_ended, &seen);
    signal(SIGUSR1, SIG_DFL);
    assert_false(seen.end.signaled);
    assert_int_equal(seen.end.code, 0);
}

static void a_gentle_kill_lets_a_model_clean_up(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct error error;
    struct child *child =
        start(rig.children, "trap 'exit 5' TERM; kill -STOP $$; sleep 7 & wait", &seen, &error);
    int status;
    /* It has set its trap when it has stopped itself. */
    assert_int_equal(waitpid(child_pid(child), &status, WUNTRACED), child_pid(child));
    kill(child_pid(child), SIGCONT);
    child_kill(child, CHILD_KILL_GENTLY);
    rig_wait_until(&rig, has_ended, &seen);
    assert_int_equal(seen.end.code, 5);
}

/* The first line of a file; "" if it cannot be read. */
static const char *proc_line(char *line, size_t size, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file || !fgets(line, (int)size, file))
        line[0] = 0;
    if (file)
        fclose(file);
    return line;
}

/* What a process does: 'R', 'S', 'Z', ...; 0 if it is not there. */
static char state_of(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    const char *name_end = strrchr(proc_line(line, sizeof(line), path), ')');
    return name_end ? name_end[2] : 0;
}

/* The last child of our first thread. */
static pid_t last_child(pid_t parent)
{
    char path[64], line[512];
    long last = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
    const char *next = proc_line(line, sizeof(line), path);
    for (char *end; *next >= '0' && *next <= '9'; next = *end ? end + 1 : end)
        last = strtol(next, &end, 10);
    return (pid_t)last;
}

/* Another process has a file open, until a later child of ours sleeps. */
static pid_t hold(int fd)
{
    pid_t parent = getpid(), holder = fork();
    if (holder)
        return holder;
    pid_t me = getpid(), other = me;
    while (getppid() == parent && (other == me || state_of(other) != 'S')) {
        sched_yield();
        other = last_child(parent);
    }
    _exit(fd < 0);
}

static void a_program_that_another_process_still_writes_is_waited_for(void **state)
{
    (void)state;
    const char text[] = "#!/bin/sh\nexit 7\n";
    char path[] = "/tmp/beofarm-busy-XXXXXX";
    char *argv[] = {path, NULL};
    struct seen seen = {0};
    struct error error = {0};
    int fd = mkostemp(path, O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, 0755), 0);
    pid_t holder = hold(fd);
    close(fd);
    struct child *child = start_program(rig.children, path, argv, &seen, &error);
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    if (child)
        rig_wait_until(&rig, has_ended, &seen);
    unlink(path);
    if (!child)
        fail_msg("%s", error.text);
    assert_int_equal(seen.end.code, 7);
}

static void many_ends_at_once_are_all_told(void **state)
{
    (void)state;
    static struct seen seen;
    struct error error;
    seen = (struct seen){0};
    for (int i = 0; i < 40; i++)
        assert_non_null(start(rig.children, "exit 0", &seen, &error));
    while (seen.ends < 40) {
        int before = seen.ends;
        seen.ends = 0;
        rig_wait_until(&rig, has_ended, &seen);
        seen.ends += before;
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* only the guard is left, alive */
}

/* In a process of its own: start a tree, tell that it stands, wait to be killed. */
static void be_worker(int ready_fd)
{
    struct seen seen = {0};
    struct error error;
    struct loop *loop = loop_create(&error);
    struct children *children = children_create(loop, &error);
    if (!children || !start(children, "(setsid sleep 54321 &) ; sleep 54322", &seen, &error))
        _exit(1);
    while (rig_count_processes("sleep 5432") < 3) /* the shell's own line counts, too */
        usleep(1000);
    if (write(ready_fd, "x", 1) != 1)
        _exit(1);
    pause();
    _exit(1);
}

static bool nothing_sleeps(void *context)
{
    (void)context;
    return rig_count_processes("sleep 5432") == 0;
}

static void a_worker_killed_outright_leaves_nothing(void **state)
{
    (void)state;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0)
        be_worker(ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    rig_wait_until(&rig, nothing_sleeps, NULL);
    close(ends[0]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        T(programs_are_found_on_the_path_or_named),
        T(signals_and_descriptors_are_the_defaults),
        T(a_gentle_kill_lets_a_model_clean_up),
        T(many_ends_at_once_are_all_told),
        T(a_worker_killed_outright_leaves_nothing),
        T(a_program_that_another_process_still_writes_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
