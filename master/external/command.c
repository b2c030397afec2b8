#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/descriptors.h"
#include "common/fd.h"
#include "common/hidden.h"
#include "common/json.h"
#include "master/external/command.h"

#define GRACE_MS 2000

struct command {
    struct loop_watch *watch;
    int pidfd;
    pid_t pid;
    bool over;
    int status; /* of waitpid */
    char *folder;
    void (*ended)(void *context);
    void *context;
};

/* Lists of texts for exec */

static void free_list(char **list)
{
    for (char **text = list; list && *text; text++)
        free(*text);
    free(list);
}

static char **make_argv(const cJSON *settings)
{
    const cJSON *command = json_member(settings, "command"), *part;
    bool shell = cJSON_IsTrue(json_member(settings, "shell"));
    int count = cJSON_IsArray(command) ? cJSON_GetArraySize(command) : 1;
    char **argv = calloc((size_t)count + 3, sizeof(*argv));
    size_t used = 0;
    if (!argv)
        return NULL;
    if (shell) {
        argv[used++] = strdup("/bin/sh");
        argv[used++] = strdup("-c");
    }
    if (cJSON_IsString(command))
        argv[used++] = strdup(command->valuestring);
    cJSON_ArrayForEach(part, command) argv[used++] = strdup(part->valuestring);
    return argv;
}

static bool is_set_by(const cJSON *env, const char *variable)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, env)
    {
        size_t size = strlen(item->string);
        if (strncmp(variable, item->string, size) == 0 && variable[size] == '=')
            return true;
    }
    return false;
}

static char **make_environment(const cJSON *env)
{
    size_t count = (size_t)cJSON_GetArraySize(env), used = 0;
    const cJSON *item;
    char *const *given = hidden_given();
    for (char *const *variable = given; *variable; variable++)
        count++;
    char **list = calloc(count + 1, sizeof(*list));
    if (!list)
        return NULL;
    for (char *const *variable = given; *variable; variable++)
        if (!hidden_variable(*variable) && !is_set_by(env, *variable))
            list[used++] = strdup(*variable);
    cJSON_ArrayForEach(item, env)
    {
        if (asprintf(&list[used], "%s=%s", item->string, item->valuestring) < 0)
            list[used] = NULL;
        else
            used++;
    }
    return list;
}

/* The child */

struct start {
    char **argv, **environment;
    const char *folder;
    int stdout_fd, stderr_fd, report_fd;
};

/* Between fork and exec: system calls alone, because other threads of ours may hold locks. */
static void become(const struct start *start)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    fd_signals_restore();
    descriptors_restore();
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (chdir(start->folder) == 0 && dup2(null, 0) >= 0 && dup2(start->stdout_fd, 1) >= 0 &&
        dup2(start->stderr_fd, 2) >= 0) {
        syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC); /* what libraries left open */
        execvpe(start->argv[0], start->argv, start->environment);
    }
    int why = errno;
    ssize_t written = write(start->report_fd, &why, sizeof(why));
    _exit(written < 0 ? 126 : 127);
}

static int open_output(const char *folder, const char *name, struct error *ret_error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    free(path);
    return fd;
}

static int spawn(struct command *command, struct start *start, struct error *ret_error)
{
    int report[2], why = 0;
    if (pipe2(report, O_CLOEXEC) < 0)
        return error_errno(ret_error, errno, "the external master cannot be started");
    start->report_fd = report[1];
    command->pid = fork();
    if (command->pid == 0)
        become(start);
    close(report[1]);
    if (command->pid < 0)
        why = errno;
    else if (read(report[0], &why, sizeof(why)) == (ssize_t)sizeof(why))
        waitpid(command->pid, NULL, 0);
    close(report[0]);
    if (!why)
        return 0;
    command->pid = -1;
    return error_errno(ret_error, why, "$.work.master.command: \"%s\" cannot be started",
                       start->argv[0]);
}

static int start_process(struct command *command, const cJSON *settings,
                         struct error *ret_error)
{
    struct start start = {.argv = make_argv(settings),
                          .environment = make_environment(json_member(settings, "env")),
                          .folder = command->folder,
                          .stdout_fd = open_output(command->folder, "stdout.txt", ret_error),
                          .stderr_fd = -1};
    int rc = -1;
    if (start.stdout_fd >= 0)
        start.stderr_fd = open_output(command->folder, "stderr.txt", ret_error);
    if (!start.argv || !start.environment)
        error_set(ret_error, ERROR_SYSTEM, "no memory to start the external master");
    else if (start.stderr_fd >= 0)
        rc = spawn(command, &start, ret_error);
    if (start.stdout_fd >= 0)
        close(start.stdout_fd);
    if (start.stderr_fd >= 0)
        close(start.stderr_fd);
    free_list(start.argv);
    free_list(start.environment);
    return rc;
}

/* Its end */

static void exited(unsigned events, void *context)
{
    (void)events;
    struct command *command = context;
    if (waitpid(command->pid, &command->status, WNOHANG) != command->pid)
        return;
    command->over = true;
    /* What it left running in its group goes with it. */
    kill(-command->pid, SIGKILL);
    loop_watch_remove(command->watch);
    command->watch = NULL;
    command->ended(command->context);
}

struct command *command_start(struct loop *loop, const cJSON *settings, const char *folder,
                              void (*ended)(void *context), void *context,
                              struct error *ret_error)
{
    struct command *command = calloc(1, sizeof(*command));
    if (!command || !(command->folder = strdup(folder))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to start the external master");
        free(command);
        return NULL;
    }
    command->pidfd = -1;
    command->pid = -1;
    command->ended = ended;
    command->context = context;
    if (start_process(command, settings, ret_error) < 0)
        goto fail;
    command->pidfd = (int)syscall(SYS_pidfd_open, command->pid, 0);
    if (command->pidfd < 0) {
        error_errno(ret_error, errno, "the external master cannot be watched (pidfd_open)");
        goto fail;
    }
    command->watch =
        loop_watch_add(loop, command->pidfd, LOOP_READ, exited, command, ret_error);
    if (command->watch)
        return command;
fail:
    command_stop(command);
    return NULL;
}

bool command_ended(const struct command *command, bool *ret_good, struct error *ret_error)
{
    if (!command->over)
        return false;
    *ret_good = WIFEXITED(command->status) && WEXITSTATUS(command->status) == 0;
    if (*ret_good)
        return true;
    if (WIFEXITED(command->status))
        error_set(ret_error, ERROR_TASKS,
                  "the external master ended with exit status %d; see %s/stderr.txt",
                  WEXITSTATUS(command->status), command->folder);
    else
        error_set(ret_error, ERROR_TASKS,
                  "the external master was killed by signal %d; see "
                  "%s/stderr.txt",
                  WTERMSIG(command->status), command->folder);
    return true;
}

void command_stop(struct command *command)
{
    if (!command)
        return;
    loop_watch_remove(command->watch);
    if (command->pid > 0 && !command->over) {
        kill(-command->pid, SIGTERM);
        struct pollfd gone = {.fd = command->pidfd, .events = POLLIN};
        poll(&gone, command->pidfd >= 0 ? 1 : 0, GRACE_MS);
        kill(-command->pid, SIGKILL);
        waitpid(command->pid, &command->status, 0);
    }
    if (command->pidfd >= 0)
        close(command->pidfd);
    free(command->folder);
    free(command);
}
