/*
 * All of /proc is read: pid, parent, group and state of every process. Processes appear and
 * change parents while we look, so with SIGKILL the search is repeated until it finds nobody. One
 * that forks after its directory was listed, and ends before its state is read, hides its child;
 * but then it is one more zombie of ours (nobody else waits for them meanwhile), so a search counts
 * only if the one before saw as many. A process in the middle of an exec has neither environment
 * nor command line for a moment, on a busy machine for many: whether it carries the key cannot be
 * told then, so one that is our own child (as orphans are) is looked at again.
 */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/buf.h"
#include "worker/kin.h"

#define PASSES          250  /* searches before giving up on processes that will not die */
#define PASS_PAUSE_US   2000 /* what the kernel may need to make a killed process a zombie */
#define QUIET_PASSES    3    /* searches that find nobody before kin_kill_all is content */
#define ENVIRONMENT_MAX (4 << 20) /* how much of a process's environment is looked at */
#define KEY_NAME        "BEOFARM_ATTEMPT_KEY="
#define STRANGERS       16 /* processes that are known to carry no key; MPI's daemons, say */

/* A process without any key. Its descriptor tells it from a later one of the same number. */
struct stranger {
    pid_t pid; /* 0: none */
    int fd;
};

struct kin {
    int children_fd;     /* /proc/self/task/TID/children, -1 if the kernel has none */
    struct buf text;     /* whatever was read last */
    struct buf children; /* our children's pids; is_expected may read other files meanwhile */
    struct stranger strangers[STRANGERS];
    unsigned next_stranger; /* whom the next one replaces */
};

struct process {
    pid_t pid, parent, group;
    bool is_zombie, is_kin;
};

enum key { KEY_ABSENT, KEY_CARRIED, KEY_UNKNOWN };

struct processes {
    struct process *list; /* that live */
    size_t count, capacity;
    size_t zombies; /* our own children among those that do not */
};

struct kin *kin_create(struct error *ret_error)
{
    struct kin *kin = calloc(1, sizeof(*kin));
    char path[64];
    if (!kin) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the search of processes");
        return NULL;
    }
    buf_init(&kin->text, ENVIRONMENT_MAX);
    buf_init(&kin->children, ENVIRONMENT_MAX);
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)gettid());
    kin->children_fd = open(path, O_RDONLY | O_CLOEXEC);
    return kin;
}

void kin_destroy(struct kin *kin)
{
    if (!kin)
        return;
    for (size_t i = 0; i < STRANGERS; i++)
        if (kin->strangers[i].pid)
            close(kin->strangers[i].fd);
    if (kin->children_fd >= 0)
        close(kin->children_fd);
    buf_fini(&kin->text);
    buf_fini(&kin->children);
    free(kin);
}

/* Read fd from its start into buf, at most what buf may hold; closes nothing. */
static int read_whole(int fd, struct buf *buf)
{
    off_t offset = 0;
    buf_clear(buf);
    for (;;) {
        uint8_t *room = buf_reserve(buf, 4096);
        if (!room)
            return 0; /* the bound: what was read must do */
        ssize_t got = pread(fd, room, 4096, offset);
        if (got <= 0)
            return got < 0 ? -1 : 0;
        buf_commit(buf, (size_t)got);
        offset += got;
    }
}

bool kin_has_orphans(struct kin *kin, bool (*is_expected)(void *context, pid_t pid),
                     void *context)
{
    char few[4096], *next = few;
    ssize_t got = kin->children_fd < 0 ? -1 : pread(kin->children_fd, few, sizeof(few), 0);
    if (got < 0)
        return true;
    if (got < (ssize_t)sizeof(few) - 64)
        few[got] = 0; /* the kernel would have filled the page up to a number */
    else if (read_whole(kin->children_fd, &kin->children) < 0 ||
             !(next = (char *)buf_text(&kin->children)))
        return true;
    while (*next) {
        pid_t pid = (pid_t)strtol(next, &next, 10);
        if (pid > 0 && !is_expected(context, pid))
            return true;
        next += strspn(next, " \n");
    }
    return false;
}

/* "pid (name, which may hold anything) state parent group ..." */
static bool read_stat(int proc_fd, pid_t pid, struct process *process)
{
    char path[32], text[512];
    snprintf(path, sizeof(path), "%d/stat", (int)pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    char *end = strrchr(text, ')');
    if (!end || strlen(end) < 4)
        return false;
    *process = (struct process){.pid = pid, .is_zombie = end[2] == 'Z' || end[2] == 'X'};
    process->parent = (pid_t)strtol(end + 3, &end, 10);
    process->group = (pid_t)strtol(end, NULL, 10);
    return true;
}

/* Every living process but this one. */
static int list_processes(int proc_fd, struct processes *processes)
{
    int copy = fcntl(proc_fd, F_DUPFD_CLOEXEC, 3);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir)
        return -1;
    rewinddir(dir);
    processes->count = processes->zombies = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (processes->count == processes->capacity) {
            size_t wanted = processes->capacity * 2 + 256;
            void *grown = realloc(processes->list, wanted * sizeof(*processes->list));
            if (!grown)
                break;
            processes->list = grown;
            processes->capacity = wanted;
        }
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        struct process *process = &processes->list[processes->count];
        if (pid == getpid() || !read_stat(proc_fd, pid, process))
            continue;
        processes->count += !process->is_zombie;
        processes->zombies += process->is_zombie && process->parent == getpid();
    }
    closedir(dir);
    return 0;
}

/* "environ" or "cmdline", what the process was started with; false if it is gone. */
static bool read_start(int proc_fd, pid_t pid, const char *file, struct buf *text)
{
    char path[32];
    snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
    buf_clear(text);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno ==
               ESRCH; /* a zombie, for newer kernels; older ones give nothing to read */
    read_whole(fd, text);
    close(fd);
    return true;
}

/* Has the process BEOFARM_ATTEMPT_KEY=key, or, if `prefix`, one that begins with key and ':'? */
static enum key find_key(int proc_fd, pid_t pid, const char *key, bool prefix, struct buf *text)
{
    if (!read_start(proc_fd, pid, "environ", text))
        return KEY_ABSENT;
    size_t name_size = strlen(KEY_NAME), key_size = strlen(key);
    const char *next = (const char *)text->data, *end = next + text->size;
    while (next < end) {
        size_t size = strnlen(next, (size_t)(end - next));
        if (size >= name_size + key_size && memcmp(next, KEY_NAME, name_size) == 0 &&
            memcmp(next + name_size, key, key_size) == 0 &&
            (prefix ? next[name_size + key_size] == ':' : size == name_size + key_size))
            return KEY_CARRIED;
        next += size + 1;
    }
    if (text->size)
        return KEY_ABSENT;
    bool is_whole = read_start(proc_fd, pid, "cmdline", text) && text->size;
    buf_clear(text);
    return is_whole ? KEY_ABSENT : KEY_UNKNOWN;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = ((const struct process *)a)->pid, y = ((const struct process *)b)->pid;
    return (x > y) - (x < y);
}

static bool parent_is_kin(const struct processes *processes, const struct process *process)
{
    struct process key = {.pid = process->parent};
    const struct process *parent =
        bsearch(&key, processes->list, processes->count, sizeof(key), compare_pids);
    return parent && parent->is_kin;
}

/* Mark the kin; the parents' relation is followed until nothing changes. Returns how many they
 * are, and counts those of our own children that may yet prove to be. */
static size_t mark(int proc_fd, struct processes *processes, pid_t pid, const char *key,
                   struct buf *text, size_t *ret_doubtful)
{
    size_t marked = 0;
    pid_t self = getpid();
    *ret_doubtful = 0;
    if (processes->count)
        qsort(processes->list, processes->count, sizeof(*processes->list), compare_pids);
    for (size_t i = 0; i < processes->count; i++) {
        struct process *process = &processes->list[i];
        enum key found = find_key(proc_fd, process->pid, key, false, text);
        process->is_kin = process->pid == pid || process->group == pid || found == KEY_CARRIED;
        marked += process->is_kin;
        *ret_doubtful += found == KEY_UNKNOWN && process->parent == self && !process->is_kin;
    }
    for (bool changed = marked > 0; changed;) {
        changed = false;
        for (size_t i = 0; i < processes->count; i++)
            if (!processes->list[i].is_kin && parent_is_kin(processes, &processes->list[i])) {
                processes->list[i].is_kin = changed = true;
                marked++;
            }
    }
    return marked;
}

/* --- Strangers --- */

static bool is_alive(int pid_fd)
{
    return syscall(SYS_pidfd_send_signal, pid_fd, 0, NULL, 0) == 0;
}

static bool is_stranger(struct kin *kin, pid_t pid)
{
    for (size_t i = 0; i < STRANGERS; i++) {
        struct stranger *stranger = &kin->strangers[i];
        if (stranger->pid != pid)
            continue;
        if (is_alive(stranger->fd))
            return true;
        close(stranger->fd); /* it is gone, and this is somebody else */
        stranger->pid = 0;
    }
    return false;
}

/* Remember the process behind pid_fd (taken) if the environment that was read has no key at all. */
static void note_stranger(struct kin *kin, pid_t pid, int pid_fd)
{
    struct stranger *stranger = &kin->strangers[kin->next_stranger];
    const struct buf *text = &kin->text;
    if (!text->size || memmem(text->data, text->size, KEY_NAME, strlen(KEY_NAME)) ||
        !is_alive(pid_fd)) { /* the number may have changed hands before it was read */
        close(pid_fd);
        return;
    }
    if (stranger->pid)
        close(stranger->fd);
    *stranger = (struct stranger){pid, pid_fd};
    kin->next_stranger = (kin->next_stranger + 1) % STRANGERS;
}

bool kin_may_have_key(struct kin *kin, pid_t pid, const char *key)
{
    if (is_stranger(kin, pid))
        return false;
    int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc_fd < 0)
        return false;
    int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0); /* Linux 5.3 */
    bool may = find_key(proc_fd, pid, key, false, &kin->text) != KEY_ABSENT;
    if (pid_fd >= 0)
        note_stranger(kin, pid, pid_fd);
    close(proc_fd);
    return may;
}

void kin_kill(struct kin *kin, pid_t pid, const char *key, int number, bool thorough)
{
    struct processes processes = {0};
    int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc_fd < 0 || list_processes(proc_fd, &processes) < 0)
        kill(-pid, number); /* no /proc: the group must do */
    size_t zombies = SIZE_MAX;
    for (int pass = 0; proc_fd >= 0 && pass < PASSES; pass++) {
        size_t doubtful, marked = mark(proc_fd, &processes, pid, key, &kin->text, &doubtful);
        for (size_t i = 0; i < processes.count; i++)
            if (processes.list[i].is_kin)
                kill(processes.list[i].pid, number);
        bool found_nobody = !marked && !doubtful;
        if (!thorough || (found_nobody && processes.zombies == zombies))
            break;
        zombies = processes.zombies;
        if (!found_nobody)
            usleep(PASS_PAUSE_US);
        if (list_processes(proc_fd, &processes) < 0)
            break;
    }
    if (proc_fd >= 0)
        close(proc_fd);
    free(processes.list);
}

void kin_kill_all(const char *prefix)
{
    struct processes processes = {0};
    struct buf text;
    buf_init(&text, ENVIRONMENT_MAX);
    int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int pass = 0, quiet = 0; proc_fd >= 0 && pass < PASSES; pass++) {
        size_t found = 0;
        if (list_processes(proc_fd, &processes) < 0)
            break;
        for (size_t i = 0; i < processes.count; i++)
            if (find_key(proc_fd, processes.list[i].pid, prefix, true, &text) == KEY_CARRIED) {
                kill(processes.list[i].pid, SIGKILL);
                found++;
            }
        quiet = found ? 0 : quiet + 1;
        if (quiet == QUIET_PASSES)
            break;
        usleep(PASS_PAUSE_US);
    }
    if (proc_fd >= 0)
        close(proc_fd);
    free(processes.list);
    buf_fini(&text);
}
