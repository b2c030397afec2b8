#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/kin.h"

#define KEY   "7-test:1:1"
#define GROUP 0x3fffffff /* no process has this number */

static struct kin *kin;

static int setup(void **state)
{
    struct error error;
    (void)state;
    kin = kin_create(&error);
    return kin ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    kin_destroy(kin);
    return 0;
}

/* A child in a group of its own that runs a script of the shell in this environment. With the
 * process id `wanted`, unless that is 0; -1 if there is no such child to be had. */
static pid_t start_as(pid_t wanted, const char *script, char *variable)
{
    struct clone_args how = {.exit_signal = SIGCHLD};
    if (wanted) {
        how.set_tid = (uintptr_t)&wanted;
        how.set_tid_size = 1;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));
    if (pid == 0) {
        char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
        char *environment[] = {variable, NULL};
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        setsid();
        execve("/bin/sh", argv, environment);
        _exit(127);
    }
    return pid;
}

static pid_t start(const char *script, char *variable)
{
    pid_t pid = start_as(0, script, variable);
    assert_true(pid >= 0);
    return pid;
}

static void assert_killed(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool is_marked(pid_t pid)
{
    return kin_may_have_key(kin, pid, KEY);
}

/* Wait until the shell stands in its script: it stops itself there. */
static void wait_stopped(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

static void keys_are_told_apart(void **state)
{
    (void)state;
    pid_t ours = start("kill -STOP $$", (char *)"BEOFARM_ATTEMPT_KEY=" KEY);
    pid_t longer = start("kill -STOP $$", (char *)"BEOFARM_ATTEMPT_KEY=" KEY "2");
    wait_stopped(ours);
    wait_stopped(longer);
    assert_true(is_marked(ours));
    assert_false(is_marked(longer));
    kin_kill(kin, GROUP, KEY, SIGKILL, true);
    assert_killed(ours);
    assert_int_equal(waitpid(longer, NULL, WNOHANG), 0);
    end(longer);
}

/* Field `number` of this process's stat, an address; 0 if unknown. */
static uintptr_t own_stat(int number)
{
    char text[1024] = "";
    int fd = open("/proc/self/stat", O_RDONLY);
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    char *next = got > 0 ? strrchr(text, ')') : NULL;
    for (int field = 2; next && field < number; field++)
        next = strchr(next + 1, ' ');
    return next ? strtoul(next, NULL, 10) : 0;
}

/* On a stack of its own, so that the pages of command line and environment can go. */
static int bare(void *context)
{
    (void)context;
    char *argv[] = {(char *)"sleep", (char *)"60", NULL};
    char *environment[] = {(char *)"BEOFARM_ATTEMPT_KEY=" KEY, NULL};
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = own_stat(48) & ~(page - 1);
    uintptr_t end = (own_stat(51) + page - 1) & ~(page - 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): so the kernel gives them */
    if (!first || munmap((void *)first, end - first) < 0)
        _exit(77);
    raise(SIGSTOP);
    usleep(5000);
    execve("/bin/sleep", argv, environment);
    _exit(127);
}

/* As in the middle of an exec, only longer: a child that stops itself without environment and
 * command line, and 5 ms after it may go on has a key. */
static pid_t start_bare(void)
{
    static char stack[1 << 16] __attribute__((aligned(16)));
    return clone(bare, stack + sizeof(stack), SIGCHLD, NULL);
}

static void a_process_whose_environment_is_not_there_yet_is_looked_at_again(void **state)
{
    (void)state;
    int status;
    pid_t pid = start_bare();
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_true(is_marked(pid));
    kill(pid, SIGCONT);
    kin_kill(kin, GROUP, KEY, SIGKILL, true);
    /* It has been killed by now, or never will be. */
    for (int i = 0; i < 1000 && waitpid(pid, &status, WNOHANG) == 0; i++)
        usleep(1000);
    assert_int_equal(kill(pid, 0), -1);
}

static void a_process_without_environment_is_left_alone(void **state)
{
    (void)state;
    pid_t pid = start("kill -STOP $$", NULL);
    wait_stopped(pid);
    kin_kill(kin, GROUP, KEY, SIGKILL, true);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    end(pid);
}

/* Whoever lists our children and then finds this one dead has not seen its own children, which came
 * to us in between: a daemon's first process, which forks and ends. */
static void a_zombie_may_have_left_somebody(void **state)
{
    (void)state;
    pid_t pid = start("kill -STOP $$", NULL);
    wait_stopped(pid);
    kill(pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_true(is_marked(pid));
    end(pid);
}

/* One that was seen to have no key is not asked again; its number may come again. */
static void a_number_that_comes_again_is_looked_at_again(void **state)
{
    (void)state;
    pid_t before = start("kill -STOP $$", (char *)"OTHER=1");
    wait_stopped(before);
    assert_false(is_marked(before));
    assert_false(is_marked(before));
    end(before);
    assert_false(is_marked(before));
    pid_t now = start_as(before, "kill -STOP $$", (char *)"BEOFARM_ATTEMPT_KEY=" KEY);
    if (now < 0) {
        print_message("# this process may not choose the number of its child\n");
        skip();
    }
    assert_int_equal(now, before);
    wait_stopped(now);
    assert_true(is_marked(now));
    end(now);
}

static bool is_expected(void *context, pid_t pid)
{
    *(size_t *)context += kin_may_have_key(kin, pid, KEY) ? 0 : 1;
    return true;
}

/* Their list is longer than a page: it must outlast what is read of each. */
static void many_children_are_all_asked_for(void **state)
{
    (void)state;
    enum { MANY = 900 };
    pid_t pids[MANY];
    size_t asked = 0;
    for (size_t i = 0; i < MANY; i++)
        if ((pids[i] = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            pause();
            _exit(0);
        }
    assert_false(kin_has_orphans(kin, is_expected, &asked));
    for (size_t i = 0; i < MANY; i++)
        end(pids[i]);
    assert_int_equal(asked, MANY);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(keys_are_told_apart),
        T(a_process_whose_environment_is_not_there_yet_is_looked_at_again),
        T(a_process_without_environment_is_left_alone),
        T(a_zombie_may_have_left_somebody),
        T(a_number_that_comes_again_is_looked_at_again),
        T(many_children_are_all_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
