/*
 * The guard sleeps in read() on a pipe of which the worker alone holds the other end; the kernel
 * closes that however the worker dies. It leads its own session, so that whoever kills the
 * worker's group does not kill it too, and closes all else, so that it keeps no link, no file and
 * nobody's pipe open.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/guard.h"
#include "worker/kin.h"

struct guard {
    pid_t pid;
    int pipe_fd; /* its closing wakes the guard */
};

static void watch_over(int fd, const char *key)
{
    char byte;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    prctl(PR_SET_NAME, "beofarm-guard");
    /* Standard error stays with nobody: a reader of the worker's output must see its end. */
    dup2(fd, 0);
    syscall(SYS_close_range, 1, ~0u, 0);
    if (chdir("/") < 0)
        _exit(1);
    while (read(0, &byte, 1) < 0 && errno == EINTR)
        ;
    kin_kill_all(key);
    _exit(0);
}

struct guard *guard_create(const char *key, struct error *ret_error)
{
    int ends[2];
    struct guard *guard = calloc(1, sizeof(*guard));
    if (!guard || pipe2(ends, O_CLOEXEC) < 0) {
        error_errno(ret_error, errno, "cannot make a pipe to the guard process");
        free(guard);
        return NULL;
    }
    guard->pid = fork();
    if (guard->pid == 0) {
        close(ends[1]);
        watch_over(ends[0], key);
    }
    close(ends[0]);
    guard->pipe_fd = ends[1];
    if (guard->pid < 0) {
        error_errno(ret_error, errno, "cannot start the guard process");
        close(ends[1]);
        free(guard);
        return NULL;
    }
    return guard;
}

void guard_destroy(struct guard *guard)
{
    if (!guard)
        return;
    kill(guard->pid, SIGKILL);
    close(guard->pipe_fd);
    while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(guard);
}

pid_t guard_pid(const struct guard *guard)
{
    return guard->pid;
}
