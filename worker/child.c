/*
 * How a process tree is held together, from the cheapest means to the dearest:
 *
 * - Each child leads a process group; killing the group reaches nearly everything.
 * - The worker is a subreaper, so what loses its parent becomes the worker's own child. When a
 *   child has ended, the worker's list of children (one read of /proc/self/task/TID/children) shows
 *   whether it left any behind; those are killed until there are none.
 * - For a kill in the middle, or leftovers, all of /proc is searched for processes that descend
 *   from the child, are in its group, or carry its BEOFARM_ATTEMPT_KEY.
 *
 * A child is waited for only after its group was killed: until then its zombie keeps the group's
 * number from being given to somebody else.
 *
 * vfork lends the child our memory and stops this thread until it has executed its program, so
 * the child does system calls only, and tells of a failure by a variable.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/descriptors.h"
#include "common/fd.h"
#include "common/loop.h"
#include "worker/child.h"
#include "worker/guard.h"
#include "worker/kin.h"
#include "worker/slot.h"

#define BUCKETS 256

/* How long a program that is open for writing is waited for: 1, 2, 4, ... ms, some 1 s in all. */
#define BUSY_FIRST_NS 1000000L
#define BUSY_LAST_NS  (512 * BUSY_FIRST_NS)

/* How old the list of signals to reset may be. A task's start would else ask for each of 64, and
 * what changes it (a library that is initialised) happens once in a worker's life. */
#define RESETS_AGE_NS CLOCK_SECOND_NS

struct child {
    struct children *children;
    pid_t pid;
    char *key;
    void (*ended)(void *context, const struct child_end *end);
    void *context;
    struct loop_timer *timer; /* until SIGKILL; NULL unless killed gently */
    bool killed;
    struct child *next; /* in its bucket */
};

struct children {
    struct loop *loop;
    int signal_fd;
    struct loop_watch *watch;
    pid_t worker;
    int null_fd;
    char key[32];
    struct guard *guard;
    struct kin *kin;
    int resets[NSIG];  /* signals that are not at their default here, then 0 */
    int64_t resets_ns; /* when that was found out */
    struct child *buckets[BUCKETS];
    size_t count;
};

static void reap(unsigned events, void *context);

/* --- The worker's part --- */

static int open_signals(struct children *children, struct error *ret_error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    children->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children->signal_fd < 0)
        return error_errno(ret_error, errno, "cannot watch for ended processes");
    children->watch = loop_watch_add(children->loop, children->signal_fd, LOOP_READ, reap,
                                     children, ret_error);
    return children->watch ? 0 : -1;
}

struct children *children_create(struct loop *loop, struct error *ret_error)
{
    struct children *children = calloc(1, sizeof(*children));
    if (!children) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the list of children");
        return NULL;
    }
    children->loop = loop;
    children->worker = getpid();
    children->signal_fd = -1;
    unsigned noise = 0;
    if (getrandom(&noise, sizeof(noise), GRND_NONBLOCK) < 0)
        noise = (unsigned)clock_wall_ns();
    snprintf(children->key, sizeof(children->key), "%d-%08x", (int)children->worker, noise);
    children->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (children->null_fd < 0) {
        error_errno(ret_error, errno, "cannot open /dev/null");
        goto failed;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fd_signals_ignore();
    if (!(children->kin = kin_create(ret_error)) ||
        !(children->guard = guard_create(children->key, ret_error)) ||
        open_signals(children, ret_error) < 0)
        goto failed;
    return children;
failed:
    children_destroy(children);
    return NULL;
}

void children_destroy(struct children *children)
{
    if (!children)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (children->buckets[i])
            child_abandon(children->buckets[i]);
    loop_watch_remove(children->watch);
    if (children->signal_fd >= 0)
        close(children->signal_fd);
    if (children->null_fd >= 0)
        close(children->null_fd);
    guard_destroy(children->guard);
    kin_destroy(children->kin);
    free(children);
}

const char *children_key(const struct children *children)
{
    return children->key;
}

static struct child *find(struct children *children, pid_t pid)
{
    struct child *child = children->buckets[(unsigned)pid % BUCKETS];
    while (child && child->pid != pid)
        child = child->next;
    return child;
}

static void child_unlink(struct child *child)
{
    struct child **link = &child->children->buckets[(unsigned)child->pid % BUCKETS];
    while (*link != child)
        link = &(*link)->next;
    *link = child->next;
    child->children->count--;
}

static void child_free(struct child *child)
{
    loop_timer_remove(child->timer);
    free(child->key);
    free(child);
}

/* --- Starting --- */

static bool is_executable(const char *path, struct stat *stat_buffer)
{
    return stat(path, stat_buffer) == 0 && S_ISREG(stat_buffer->st_mode) &&
           access(path, X_OK) == 0;
}

static const char *search_path(char *const *environment)
{
    for (; environment && *environment; environment++)
        if (strncmp(*environment, "PATH=", 5) == 0)
            return *environment + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

int child_find_program(const char *name, char *const *environment, char **ret_path,
                       struct error *ret_error)
{
    struct stat stat_buffer;
    char *found = NULL;
    if (strchr(name, '/')) {
        if (name[0] == '/' && !is_executable(name, &stat_buffer))
            return error_errno(ret_error, errno ? errno : EACCES, "cannot execute \"%s\"",
                               name);
        *ret_path = strdup(name);
        return *ret_path ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    const char *path = search_path(environment);
    for (bool more = *name; more;) {
        size_t size = strcspn(path, ":");
        if (asprintf(&found, "%.*s/%s", size ? (int)size : 1, size ? path : ".", name) < 0)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        if (is_executable(found, &stat_buffer)) {
            *ret_path = found;
            return 0;
        }
        free(found);
        more = path[size] != 0;
        path += size + 1;
    }
    return error_set(
        ret_error, ERROR_SYSTEM,
        "there is no program \"%s\" on this node's PATH; a program among the farm's "
        "files is called \"./%s\"",
        name, name);
}

/* What the child needs, and how it tells of a failure. */
struct start {
    const struct child_spec *spec;
    const struct children *children;
    const sigset_t *no_signals;
    int fds[3];
    volatile int failure;      /* errno */
    const char *volatile what; /* which step failed */
};

/* Handlers would run in our memory, and ignored signals would stay ignored. */
static void find_resets(struct children *children)
{
    struct sigaction action;
    size_t count = 0;
    int64_t now = clock_monotonic_ns();
    if (children->resets_ns && now - children->resets_ns < RESETS_AGE_NS)
        return;
    for (int number = 1; number < NSIG; number++)
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            children->resets[count++] = number;
    children->resets[count] = 0;
    children->resets_ns = now;
}

static void reset_signals(const int *numbers)
{
    const struct sigaction action = {.sa_handler = SIG_DFL};
    for (; *numbers; numbers++)
        sigaction(*numbers, &action, NULL);
}

static int place_fds(const struct start *start)
{
    /* None of them is 0 to 2 (child_start saw to it), so they cannot overwrite each other. */
    for (int i = 0; i < 3; i++)
        if (dup2(start->fds[i], i) < 0)
            return -1;
    syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC); /* what libraries left open */
    return 0;
}

static void fail_child(struct start *start, const char *what)
{
    start->failure = errno;
    start->what = what;
    _exit(127);
}

/* A thread of ours may have been writing the program when another child was made: that one has its
 * descriptor, too, until the kernel is through with that child's own execve, which is a moment
 * after vfork has returned. Returns where there is no hope. */
static void execute(const struct child_spec *spec)
{
    struct timespec pause = {.tv_nsec = BUSY_FIRST_NS};
    for (;;) {
        execve(spec->program, spec->argv, spec->environment);
        if (errno != ETXTBSY || pause.tv_nsec > BUSY_LAST_NS)
            return;
        nanosleep(&pause, NULL);
        pause.tv_nsec *= 2;
    }
}

/* In the child. System calls only. */
static void become(struct start *start)
{
    const struct child_spec *spec = start->spec;
    reset_signals(start->children->resets);
    if (setpgid(0, 0) < 0) /* not setsid: a session is a scheduling group, and 40 us dearer */
        fail_child(start, "begin a process group for");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != start->children->worker)
        _exit(127);
    if (spec->slot)
        slot_bind_child(spec->slot); /* unbound is better than not at all */
    if (spec->dir_fd >= 0 && fchdir(spec->dir_fd) < 0)
        fail_child(start, "enter the work directory of");
    descriptors_restore();
    for (size_t i = 0; i < spec->limit_count; i++)
        if (setrlimit(spec->limits[i].resource, &spec->limits[i].limit) < 0)
            fail_child(start, "set the limits of");
    if (place_fds(start) < 0)
        fail_child(start, "place the files of");
    sigprocmask(SIG_SETMASK, start->no_signals, NULL);
    execute(spec);
    fail_child(start, "execute");
}

/* In its own function: what lives here must not be touched by both. */
__attribute__((noinline)) static pid_t spawn(struct start *start)
{
    sigset_t all, before, none;
    sigfillset(&all);
    sigemptyset(&none);
    start->no_signals = &none;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0)
        become(start);
    int saved = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

/* A number above 2 that is the same file: our own 0 to 2 may be closed, and given out anew. */
static int above_2(int fd, int null_fd, int *ret_made)
{
    *ret_made = -1;
    if (fd < 0)
        fd = null_fd;
    if (fd > 2)
        return fd;
    return *ret_made = fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int start_process(struct children *children, const struct child_spec *spec,
                         pid_t *ret_pid, struct error *ret_error)
{
    int made[3];
    const int given[3] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd};
    struct start start = {.spec = spec, .children = children};
    for (int i = 0; i < 3; i++)
        start.fds[i] = above_2(given[i], children->null_fd, &made[i]);
    find_resets(children);
    pid_t pid = spawn(&start);
    int saved = errno;
    for (int i = 0; i < 3; i++)
        if (made[i] >= 0)
            close(made[i]);
    if (pid < 0)
        return error_errno(ret_error, saved, CHILD_NO_PROCESS " \"%s\"", spec->program);
    if (start.what) {
        waitpid(pid, NULL, 0);
        return error_errno(ret_error, start.failure, "cannot %s \"%s\"", start.what,
                           spec->program);
    }
    *ret_pid = pid;
    return 0;
}

struct child *child_start(struct children *children, const struct child_spec *spec,
                          struct error *ret_error)
{
    struct child *child = calloc(1, sizeof(*child));
    if (!child || !(child->key = strdup(spec->key))) {
        free(child);
        error_set(ret_error, ERROR_SYSTEM, "no memory for a child");
        return NULL;
    }
    child->children = children;
    child->ended = spec->ended;
    child->context = spec->context;
    if (start_process(children, spec, &child->pid, ret_error) < 0) {
        child_free(child);
        return NULL;
    }
    struct child **bucket = &children->buckets[(unsigned)child->pid % BUCKETS];
    child->next = *bucket;
    *bucket = child;
    children->count++;
    return child;
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

/* --- Killing --- */

/* Another child; or somebody's whom we do not know (the guard, a daemon of the MPI library), or
 * whose child still runs: not what the child `context` left behind. */
static bool is_expected(void *context, pid_t pid)
{
    struct child *child = context;
    if (find(child->children, pid) || pid == guard_pid(child->children->guard))
        return true;
    return getpgid(pid) != child->pid &&
           !kin_may_have_key(child->children->kin, pid, child->key);
}

static void kill_hard(struct child *child)
{
    kill(-child->pid, SIGKILL);
    kin_kill(child->children->kin, child->pid, child->key, SIGKILL, false);
}

static void grace_over(void *context)
{
    kill_hard(context);
}

void child_kill(struct child *child, enum child_kill how)
{
    struct children *children = child->children;
    if (how == CHILD_KILL_NOW) {
        kill_hard(child);
    } else if (!child->killed) {
        kin_kill(children->kin, child->pid, child->key, SIGTERM, false);
        child->timer = loop_timer_add(children->loop, grace_over, child);
        if (child->timer)
            loop_timer_arm(child->timer, clock_monotonic_ns() + CHILD_GRACE_NS);
        else
            kill_hard(child);
    }
    child->killed = true;
}

/* The leader has ended and is still a zombie: end what it left, and wait for the leader. */
static void clear_away(struct child *child, int *ret_status, struct rusage *ret_usage)
{
    struct children *children = child->children;
    kill(-child->pid, SIGKILL);
    if (child->killed || kin_has_orphans(children->kin, is_expected, child))
        kin_kill(children->kin, child->pid, child->key, SIGKILL, true);
    while (wait4(child->pid, ret_status, 0, ret_usage) < 0 && errno == EINTR)
        ;
}

void child_abandon(struct child *child)
{
    int status;
    struct rusage usage;
    if (!child)
        return;
    kill_hard(child);
    child_unlink(child);
    clear_away(child, &status, &usage);
    child_free(child);
}

/* --- Ending --- */

static void finish(struct child *child)
{
    int status = 0;
    struct rusage usage = {0};
    clear_away(child, &status, &usage);
    child_unlink(child);
    struct child_end end = {
        .signaled = WIFSIGNALED(status),
        .code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
        .cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
        .max_rss_bytes = (int64_t)usage.ru_maxrss * 1024,
    };
    child->ended(child->context, &end);
    child_free(child);
}

/* SIGCHLD came; several ends may hide behind one signal. */
static void reap(unsigned events, void *context)
{
    struct children *children = context;
    struct signalfd_siginfo info[8];
    (void)events;
    while (read(children->signal_fd, info, sizeof(info)) == (ssize_t)sizeof(info))
        ;
    for (;;) {
        siginfo_t ended = {0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 || !ended.si_pid)
            return;
        struct child *child = find(children, ended.si_pid);
        if (child)
            finish(child);
        else
            waitpid(ended.si_pid, NULL, WNOHANG); /* an orphan that came to us */
    }
}
