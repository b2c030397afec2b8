/*
 * child.h - starting and killing process trees.
 *
 * A `children` object serves a whole worker: it makes the worker the reaper of orphans, catches
 * SIGCHLD, and tells the owner of each child when that child has ended. A child leads a
 * process group; at its end, or when it is killed, everything it started goes with it,
 * also processes that left the group (found by their ancestry and by BEOFARM_ATTEMPT_KEY in
 * their environment). If the worker is killed with SIGKILL, a guard process does the same for
 * all.
 */
#ifndef BEOFARM_WORKER_CHILD_H
#define BEOFARM_WORKER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/error.h"

struct loop;
struct slot;
struct children;
struct child;

/* How long a process tree has between SIGTERM and SIGKILL. */
#define CHILD_GRACE_NS (INT64_C(2) * 1000000000)

/* What the sentence says where the system makes no process: there are too many, or too little
 * memory (EAGAIN, ENOMEM). */
#define CHILD_NO_PROCESS "cannot make a process for"

/* One per worker, made before any thread starts (it blocks SIGCHLD in this thread, and children
 * die with the thread that made them). SIGPIPE is ignored from then on. */
struct children *children_create(struct loop *loop, struct error *ret_error);
void children_destroy(
    struct children *children); /* kills all that still run; NULL is allowed */

/* The first half of every BEOFARM_ATTEMPT_KEY of this worker: "PID-RANDOM", unique on the node.
 */
const char *children_key(const struct children *children);

struct child_limit {
    int resource; /* RLIMIT_... */
    struct rlimit limit;
};

struct child_end {
    bool signaled;
    int code;              /* exit status, or the signal */
    double cpu_s;          /* user + system, of what it waited for */
    int64_t max_rss_bytes; /* largest resident size of one process */
};

/* What to start. All borrowed during child_start. */
struct child_spec {
    const char *program; /* path, as child_find_program gave it */
    char *const *argv;   /* NULL-terminated */
    char *const
        *environment; /* NULL-terminated "NAME=value"; must hold BEOFARM_ATTEMPT_KEY=`key` */
    const char *key;  /* children_key() ":" and anything; unique among living children */
    int dir_fd;       /* the directory it starts in (O_PATH will do), or -1 */
    int stdin_fd, stdout_fd, stderr_fd; /* what becomes its 0, 1, 2; -1: /dev/null */
    const struct slot *slot;            /* bound to it; NULL: not bound */
    const struct child_limit *limits;   /* limit_count of them */
    size_t limit_count;
    /* The child ended and nothing of its tree is left. Called from the loop, never from
     * child_start; the child is freed after it returns. */
    void (*ended)(void *context, const struct child_end *end);
    void *context;
};

/* The program that `name` means: itself if it holds a '/', otherwise the first match on PATH of
 * the environment given. *ret_path is allocated; caller must free. -1 with a sentence if there
 * is none, or it may not be executed. A relative name with '/' is taken from the child's
 * directory, so it is not checked. */
int child_find_program(const char *name, char *const *environment, char **ret_path,
                       struct error *ret_error);

/* Start it. A program that is open for writing is waited for, some 1 s at most. NULL with a
 * sentence naming the program if it cannot be executed. */
struct child *child_start(struct children *children, const struct child_spec *spec,
                          struct error *ret_error);

/* Its process id, which is its process group's too; for tests. */
pid_t child_pid(const struct child *child);

enum child_kill {
    CHILD_KILL_GENTLY, /* SIGTERM to the tree, SIGKILL after CHILD_GRACE_NS */
    CHILD_KILL_NOW,    /* SIGKILL */
};

/* Make the tree end; `ended` is called as ever. Again is allowed (and may sharpen). */
void child_kill(struct child *child, enum child_kill how);

/* Kill now, and never call `ended`. NULL is allowed. */
void child_abandon(struct child *child);

#endif
