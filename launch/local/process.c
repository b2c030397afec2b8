#include "config.h"

#include "launch/local/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

static int text_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t count = read(fd, text, size - 1);
    close(fd);
    if (count < 0)
        return -1;
    text[count] = '\0';
    return 0;
}

struct stat_line {
    char state;
    pid_t parent;
    uint64_t start;
};

#define FIELD_STATE  3 /* numbers as in proc(5) */
#define FIELD_PARENT 4
#define FIELD_START  22

/* The fields after the program's name, which stands in parentheses and may itself hold blanks
 * and parentheses: so from the last ')'. */
static int stat_read(pid_t pid, struct stat_line *ret_line)
{
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (text_read(path, text, sizeof text) != 0)
        return -1;
    const char *next = strrchr(text, ')');
    if (!next)
        return -1;
    next++;
    for (int field = FIELD_STATE; field <= FIELD_START; field++) {
        next += strspn(next, " ");
        if (!*next)
            return -1;
        if (field == FIELD_STATE)
            ret_line->state = *next;
        else if (field == FIELD_PARENT)
            ret_line->parent = (pid_t)strtol(next, NULL, 10);
        else if (field == FIELD_START)
            ret_line->start = strtoull(next, NULL, 10);
        next += strcspn(next, " ");
    }
    return 0;
}

int process_identify(pid_t pid, struct process *ret_process)
{
    struct stat_line line;
    if (pid <= 0 || stat_read(pid, &line) != 0)
        return -1;
    ret_process->pid = pid;
    ret_process->start = line.start;
    boot_read(ret_process->boot);
    return 0;
}

bool process_alive(const struct process *process)
{
    struct stat_line line;
    char boot[BOOT_MAX];
    if (process->pid <= 0 || stat_read(process->pid, &line) != 0)
        return false;
    boot_read(boot);
    return line.start == process->start && strcmp(boot, process->boot) == 0 &&
           line.state != 'Z' && line.state != 'X';
}

int process_signal(const struct process *process, int signal, struct error *ret_error)
{
    if (process->pid <= 0)
        return 0;
    /* The descriptor holds on to whoever has the number now; only then is it compared. */
    int fd = pidfd_open(process->pid, 0);
    if (fd < 0 && errno == ESRCH)
        return 0;
    if (fd < 0)
        return error_errno(ret_error, errno, "cannot reach process %d", (int)process->pid);
    int result = 0;
    if (process_alive(process) && pidfd_send_signal(fd, signal, NULL, 0) != 0 && errno != ESRCH)
        result = error_errno(ret_error, errno, "cannot send signal %d to process %d", signal,
                             (int)process->pid);
    close(fd);
    return result;
}

/* Kernels built without CONFIG_PROC_CHILDREN list no children: look at everybody's parent. */
static int children_scan(pid_t *ret_pids, int max)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return 0;
    int count = 0;
    struct dirent *entry;
    while (count < max && (entry = readdir(proc))) {
        struct stat_line line;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && stat_read(pid, &line) == 0 && line.parent == getpid())
            ret_pids[count++] = pid;
    }
    closedir(proc);
    return count;
}

int process_children(pid_t *ret_pids, int max)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    if (text_read(path, text, sizeof text) != 0)
        return children_scan(ret_pids, max);
    int count = 0;
    char *next = text;
    while (count < max) {
        char *end;
        long pid = strtol(next, &end, 10);
        /* A number cut by the end of our buffer has no blank behind it: leave it for later. */
        if (end == next || *end != ' ')
            break;
        ret_pids[count++] = (pid_t)pid;
        next = end;
    }
    return count;
}
