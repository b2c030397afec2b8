#include "config.h"

#include "launch/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/limits.h"

#define ANSWER_MAX ((size_t)64 << 20)
#define LONG_NS    (3 * CLOCK_SECOND_NS) /* after which one wonders */

/* FOLDER/NAME, absolute, if that is an executable file, appended to ret_path. A link keeps its
 * name, because a program may go by it. */
static bool folder_has(const char *folder, size_t size, const char *name, struct buf *ret_path)
{
    char path[PATH_MAX];
    struct stat status;
    bool found = false;
    if (size == 0 || size >= sizeof path)
        return false;
    memcpy(path, folder, size);
    path[size] = '\0';
    char *absolute = realpath(path, NULL);
    if (absolute &&
        (size_t)snprintf(path, sizeof path, "%s/%s", absolute, name) < sizeof path &&
        stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0)
        found = buf_append_text(ret_path, path) == 0;
    free(absolute);
    return found;
}

int program_find(const char *name, struct buf *ret_path, struct error *ret_error)
{
    const char *bin = getenv("BEOFARM_BIN"), *path = getenv("PATH");
    bool ours = strncmp(name, "beofarm", strlen("beofarm")) == 0;
    if (ours && bin && *bin) {
        if (folder_has(bin, strlen(bin), name, ret_path))
            return 0;
        return error_set(ret_error, ERROR_SYSTEM,
                         "the program %s is not in \"%s\", where BEOFARM_BIN says it is", name,
                         bin);
    }
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    self[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (ours && slash && folder_has(self, (size_t)(slash - self), name, ret_path))
        return 0;
    while (path && *path) {
        size_t length = strcspn(path, ":");
        if (folder_has(path, length, name, ret_path))
            return 0;
        path += length + (path[length] == ':');
    }
    if (!ours)
        return error_set(ret_error, ERROR_SYSTEM, "the program %s is not in PATH", name);
    return error_set(
        ret_error, ERROR_SYSTEM,
        "the program %s is neither beside \"%s\" nor in PATH; install it there, or "
        "set BEOFARM_BIN to its folder",
        name, self);
}

static void child_exec(const char *path, const char *name, const char *const *args, int out,
                       int err)
{
    size_t count = 0;
    while (args[count])
        count++;
    const char **argv = calloc(count + 2, sizeof *argv);
    if (!argv)
        return;
    argv[0] = name;
    memcpy(argv + 1, args, count * sizeof *argv);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    fd_signals_restore();
    int in = open("/dev/null", O_RDONLY);
    if (in >= 0 && dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0)
        execv(path, (char *const *)argv);
}

/* Read what is there. 1: more may come, 0: closed, -1: over the bound. */
static int pipe_drain(struct pollfd *pipe, struct buf *buf)
{
    if (!pipe->revents)
        return 1;
    uint8_t *space = buf_reserve(buf, 64 << 10);
    if (!space)
        return -1;
    ssize_t count = read(pipe->fd, space, 64 << 10);
    if (count > 0)
        buf_commit(buf, (size_t)count);
    if (count > 0 || (count < 0 && errno == EINTR))
        return 1;
    pipe->fd = -1;
    return 0;
}

struct patience {
    int limit_s;
    const char *meanwhile; /* to be said; NULL: nothing, or said already */
    int64_t began_ns;
};

/* How long to wait at most, ns; not above 0: too long already. */
static int64_t patience_left(struct patience *patience)
{
    int64_t waited = clock_monotonic_ns() - patience->began_ns;
    int64_t left = patience->limit_s * CLOCK_SECOND_NS - waited;
    if (!patience->meanwhile || !isatty(STDERR_FILENO))
        return left;
    if (waited < LONG_NS)
        return left < LONG_NS - waited ? left : LONG_NS - waited;
    fprintf(stderr, "%s\n", patience->meanwhile);
    patience->meanwhile = NULL;
    return left;
}

/* Until both pipes are closed. */
static int pipes_collect(int out, int err, struct patience patience,
                         struct program_answer *answer, const char *name,
                         struct error *ret_error)
{
    struct pollfd pipes[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    while (pipes[0].fd >= 0 || pipes[1].fd >= 0) {
        int64_t left = patience_left(&patience);
        if (left <= 0)
            return error_set(ret_error, ERROR_SYSTEM, "%s did not answer within %d s", name,
                             patience.limit_s);
        pipes[0].revents = pipes[1].revents = 0;
        if (poll(pipes, 2, (int)(left / CLOCK_MS_NS) + 1) < 0)
            continue;
        if (pipe_drain(&pipes[0], &answer->output) < 0 ||
            pipe_drain(&pipes[1], &answer->errors) < 0)
            return error_set(ret_error, ERROR_SYSTEM, "%s said more than %zu MiB", name,
                             ANSWER_MAX >> 20);
    }
    return 0;
}

static int child_wait(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int program_ask(const char *name, const char *const *args, int limit_s,
                struct program_answer *ret_answer, struct error *ret_error)
{
    return program_ask_patiently(name, args, limit_s, NULL, ret_answer, ret_error);
}

int program_ask_patiently(const char *name, const char *const *args, int limit_s,
                          const char *meanwhile, struct program_answer *ret_answer,
                          struct error *ret_error)
{
    const struct patience patience = {limit_s, meanwhile, clock_monotonic_ns()};
    int rc = -1, out[2] = {-1, -1}, err[2] = {-1, -1};
    struct buf path;
    buf_init(&path, 4096);
    buf_init(&ret_answer->output, ANSWER_MAX);
    buf_init(&ret_answer->errors, ANSWER_MAX);
    ret_answer->exit_code = 0;
    if (program_find(name, &path, ret_error) != 0)
        goto out;
    /* The only one with OpenBLAS. */
    if (strcmp(name, "beofarm-master") == 0 && limits_check_blas(ret_error) < 0)
        goto out;
    const char *file = buf_text(&path);
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
        error_errno(ret_error, errno, "no pipe can be made");
        goto out;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        child_exec(file, name, args, out[1], err[1]);
        dprintf(err[1], "%s cannot be started: %s\n", file, strerror(errno));
        _exit(ERROR_SYSTEM);
    }
    if (pid < 0) {
        error_errno(ret_error, errno, "%s cannot be started", file);
        goto out;
    }
    close(out[1]);
    close(err[1]);
    out[1] = err[1] = -1;
    rc = pipes_collect(out[0], err[0], patience, ret_answer, name, ret_error);
    if (rc != 0)
        kill(pid, SIGKILL);
    ret_answer->exit_code = child_wait(pid);
out:
    for (int i = 0; i < 2; i++) {
        if (out[i] >= 0)
            close(out[i]);
        if (err[i] >= 0)
            close(err[i]);
    }
    buf_fini(&path);
    return rc;
}

int program_answer_refuse(const char *name, struct program_answer *answer,
                          struct error *ret_error)
{
    const char *text = buf_text(&answer->errors);
    size_t prefix = strlen(name), size = text ? strlen(text) : 0;
    while (size > 0 && strchr(" \n\r\t", text[size - 1]))
        size--;
    if (size > prefix + 2 && strncmp(text, name, prefix) == 0 && text[prefix] == ':') {
        text += prefix + 2;
        size -= prefix + 2;
    }
    int code = answer->exit_code;
    if (code >= 128 || code == 0)
        return error_set(ret_error, ERROR_SYSTEM, "%s ended by signal %d%s%.*s", name,
                         code - 128, size ? ": " : "", (int)size, size ? text : "");
    if (!size)
        return error_set(ret_error, code, "%s ended with exit code %d and said nothing", name,
                         code);
    return error_set(ret_error, code, "%.*s", (int)size, text);
}

void program_answer_fini(struct program_answer *answer)
{
    buf_fini(&answer->output);
    buf_fini(&answer->errors);
}
