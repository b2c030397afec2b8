/*
 * Processes, from `beofarm` down:
 *
 *   beofarm ── fork ── (setsid, fork, exit) ── supervisor ── fork ── program (setsid, exec)
 *
 * The supervisor is nobody's child but init's, so it neither becomes a zombie of `beofarm` nor
 * ends with it. It is a subreaper: whatever the program's descendants leave behind becomes its
 * child, and is found and killed even in sessions of its own. It tells `beofarm` through a pipe
 * how the start went.
 */
#include "config.h"

#include "launch/local/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "launch/local/process.h"
#include "launch/local/task.h"

#define DESCRIPTORS_MAX 4096 /* closed one by one where the kernel has no close_range */
#define KILL_LIMIT_S    5 /* for processes that not even SIGKILL ends (stuck in the kernel) */
#define END_RETRY_S     3600 /* how long recording the end is tried on a failing disk */

static void signals_reset(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int output_open(const char *name)
{
    return open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

/* In the program's process, before it becomes the program. Working directory: the task's folder.
 * Returns only if that failed, with errno set. */
static void program_exec(const struct supervisor_task *task, pid_t supervisor)
{
    size_t count = 0;
    while (task->args && task->args[count])
        count++;
    const char **argv = calloc(count + 2, sizeof *argv);
    if (!argv)
        return;
    argv[0] = task->program;
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = task->args[i];
    signals_reset();
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) /* it died before that request */
        _exit(127);
    int in = open("/dev/null", O_RDONLY), out = output_open("stdout.txt");
    int err = output_open("stderr.txt");
    if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(err, 2) < 0 || chdir("wd") != 0)
        return;
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    execve(task->program, (char *const *)argv, task->environment);
}

/* Fork the program. Its number, or -1 with errno set. */
static pid_t program_start(const struct supervisor_task *task)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return -1;
    pid_t supervisor = getpid(), program = fork();
    if (program == 0) {
        program_exec(task, supervisor);
        int failure = errno;
        ssize_t ignored = write(report[1], &failure, sizeof failure);
        (void)ignored;
        _exit(127);
    }
    close(report[1]);
    int failure = program < 0 ? errno : 0;
    if (program > 0 && read(report[0], &failure, sizeof failure) == sizeof failure) {
        waitpid(program, NULL, 0);
        program = -1;
    }
    close(report[0]);
    errno = failure;
    return program;
}

static void children_kill(void)
{
    pid_t pids[256];
    int count = process_children(pids, 256);
    for (int i = 0; i < count; i++)
        kill(pids[i], SIGKILL);
}

struct watch {
    pid_t program;
    bool ended;      /* the program has; it is not reaped yet, so its number is still its own */
    int wait_status; /* after it was reaped: from waitpid */
    int64_t deadline_ns; /* kill everything then; INT64_MAX: never */
};

/* Has the program ended? Leaves it unreaped. */
static void program_look(struct watch *watch)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)watch->program, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == watch->program)
        watch->ended = true;
}

/* Reap whoever has ended. False once we have no child left. */
static bool children_reap(struct watch *watch)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == watch->program)
            watch->wait_status = status;
    return pid == 0;
}

/* Sleep until one of `signals` comes, at most until deadline_ns. The signal, or -1. */
static int signal_wait(const sigset_t *signals, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX)
        return sigwaitinfo(signals, NULL);
    int64_t left = deadline_ns - clock_monotonic_ns();
    if (left < 0)
        left = 0;
    struct timespec limit = {.tv_sec = left / CLOCK_SECOND_NS,
                             .tv_nsec = left % CLOCK_SECOND_NS};
    return sigtimedwait(signals, NULL, &limit);
}

/* Until the program has ended. */
static void program_watch(struct watch *watch, const sigset_t *signals)
{
    program_look(watch);
    while (!watch->ended) {
        int caught = signal_wait(signals, watch->deadline_ns);
        if (caught == SIGTERM) {
            kill(watch->program, SIGTERM);
            if (watch->deadline_ns == INT64_MAX)
                watch->deadline_ns =
                    clock_monotonic_ns() + SUPERVISOR_GRACE_S * CLOCK_SECOND_NS;
        } else if (caught == SIGUSR1 || clock_monotonic_ns() >= watch->deadline_ns) {
            kill(-watch->program, SIGKILL);
            kill(watch->program, SIGKILL);
            children_kill();
            watch->deadline_ns = clock_monotonic_ns() + CLOCK_SECOND_NS;
        }
        program_look(watch);
    }
}

/* What the program left behind becomes our child as its parents die: kill until none is left. */
static void rest_kill(struct watch *watch, const sigset_t *signals)
{
    int64_t limit = clock_monotonic_ns() + KILL_LIMIT_S * CLOCK_SECOND_NS;
    kill(-watch->program, SIGKILL);
    while (children_reap(watch) && clock_monotonic_ns() < limit) {
        children_kill();
        signal_wait(signals, clock_monotonic_ns() + 20 * CLOCK_MS_NS);
    }
}

static void end_record(const struct watch *watch)
{
    struct backend_status status = {.state = BACKEND_ENDED, .ended_ns = clock_wall_ns()};
    if (WIFSIGNALED(watch->wait_status))
        status.signal = WTERMSIG(watch->wait_status);
    else
        status.exit_code = WEXITSTATUS(watch->wait_status);
    /* A disk may have room again later; a folder that was removed does not come back. */
    for (int i = 0; i < END_RETRY_S && task_end(".", &status, NULL) != 0; i++) {
        struct stat folder;
        if (stat(".", &folder) != 0 || folder.st_nlink == 0)
            return;
        sleep(1);
    }
}

/* What the supervisor tells `beofarm` through the pipe: an error of code ERROR_NONE, or why not. */
static void start_report(int pipe_fd, const struct error *error)
{
    ssize_t ignored = write(pipe_fd, error, sizeof *error);
    (void)ignored;
    close(pipe_fd);
}

static int task_start(const struct supervisor_task *task, pid_t *ret_program,
                      struct error *ret_error)
{
    struct task_record record = {.status = {.state = BACKEND_RUNNING}};
    pid_t program = program_start(task);
    if (program < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be started", task->program);
    record.status.pid = program;
    record.status.started_ns = clock_wall_ns();
    process_identify(getpid(), &record.supervisor);
    *ret_program = program;
    if (task_begin(".", task->id, task->program, task->args, &record, ret_error) == 0)
        return 0;
    kill(-program, SIGKILL);
    kill(program, SIGKILL);
    return -1;
}

/* Standard descriptors are needed by nobody; the pipe becomes number 3; all else is closed. */
static void descriptors_clear(int *pipe_fd)
{
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3 && null >= 0; i++)
        dup2(null, i);
    if (*pipe_fd != 3)
        *pipe_fd = dup2(*pipe_fd, 3);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    /* Not least the lock of the run directory, which would outlive `beofarm` in our hands. */
    if (close_range(4, ~0U, 0) != 0)
        for (int fd = 4; fd < DESCRIPTORS_MAX; fd++)
            close(fd);
}

static void supervisor_main(const struct supervisor_task *task, int pipe_fd)
{
    struct error error = {.code = ERROR_NONE};
    struct watch watch = {.deadline_ns = INT64_MAX};
    sigset_t signals;
    signals_reset();
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    prctl(PR_SET_NAME, "beofarm-task");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    descriptors_clear(&pipe_fd);
    if (chdir(task->folder) != 0)
        error_errno(&error, errno, "\"%s\" cannot be entered", task->folder);
    else if (task_start(task, &watch.program, &error) == 0)
        error.code = ERROR_NONE;
    start_report(pipe_fd, &error);
    if (error.code == ERROR_NONE) {
        program_watch(&watch, &signals);
        rest_kill(&watch, &signals);
        end_record(&watch);
    }
    _exit(0);
}

static int report_read(int pipe_fd, struct error *ret_error)
{
    struct error error;
    size_t got = 0;
    while (got < sizeof error) {
        ssize_t count = read(pipe_fd, (char *)&error + got, sizeof error - got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return error_set(ret_error, ERROR_SYSTEM,
                             "the process that watches a task died while it started: somebody "
                             "killed it, or the kernel did for want of memory, which dmesg "
                             "would tell; try again (beofarm run --resume)");
        got += (size_t)count;
    }
    return error.code == ERROR_NONE ? 0 : error_set(ret_error, error.code, "%s", error.text);
}

int supervisor_start(const struct supervisor_task *task, struct error *ret_error)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return error_errno(ret_error, errno, "no pipe can be made");
    pid_t middle = fork();
    if (middle == 0) {
        setsid();
        pid_t supervisor = fork();
        if (supervisor == 0)
            supervisor_main(task, report[1]);
        _exit(supervisor < 0);
    }
    close(report[1]);
    int rc = -1;
    if (middle < 0)
        error_errno(ret_error, errno, "no process can be started");
    else
        rc = report_read(report[0], ret_error);
    close(report[0]);
    if (middle > 0)
        while (waitpid(middle, NULL, 0) < 0 && errno == EINTR)
            ;
    return rc;
}
