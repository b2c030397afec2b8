/*
 * persistent_private.h - what the parts of the persistent runner share: the runner itself
 * (runner_persistent.c), its tasks (persistent_queue.c), its process (persistent_process.c) and
 * what that says (persistent_replies.c).
 */
#ifndef BEOFARM_WORKER_PERSISTENT_PRIVATE_H
#define BEOFARM_WORKER_PERSISTENT_PRIVATE_H

#include "common/buf.h"
#include "worker/child.h"
#include "worker/command.h"
#include "worker/environment.h"
#include "worker/params.h"
#include "worker/recipe.h"
#include "worker/reply.h"
#include "worker/runner.h"
#include "worker/runner_persistent.h"
#include "worker/stream.h"
#include "worker/tail.h"
#include "worker/workdir.h"

#define PERSISTENT_DEPTH_MAX 1000
#define PERSISTENT_LINE_MAX  (MESSAGE_MAX / 2) /* bytes of a reply */

enum state { DOWN, HOMING, UP, ENDING };

struct task {
    struct runner *runner;
    struct attempt_id id;
    struct buf line;       /* what the process is sent */
    bool ready, sent;      /* the line is complete; it was sent to the present process */
    bool dropped;          /* cancelled: the owner was told, its reply is ignored */
    struct params *params; /* while it is being prepared */
    struct preparation *preparation;
    struct workdir *workdir;
    struct task *next;
};

struct runner {
    struct runner_context context;
    const struct persistent_hooks *hooks; /* NULL: none */
    struct params params;
    struct recipe *recipe;      /* of tasks; has directories if per_task */
    struct recipe *home_recipe; /* the common files alone */
    bool per_task;
    struct environment *environment;
    struct command *command;
    struct reply_reader *reader;
    double timeout_s, stall_s;
    struct loop_timer *timer;
    struct loop_timer *deaf; /* it closed a pipe of ours: armed for when it should have ended */
    const char *deaf_pipe;   /* which one */

    enum state state;
    uint32_t starts; /* of the process */
    struct preparation *home_preparation;
    struct workdir *home;
    struct child *child;
    struct stream out, err;
    int in_fd;
    struct loop_watch *in_watch;
    struct buf outgoing; /* lines not written yet */
    struct buf incoming; /* an unfinished reply */
    struct tail err_tail;
    uint64_t err_told; /* err_tail.total when the latest answer came */

    struct task *first, **last; /* oldest first */
    size_t count;
    struct task *free_tasks;
    size_t free_count;
    int64_t head_since_ns; /* when the process turned to the head */
    int64_t head_since_wall_ns;
    int64_t mean_ns;  /* between replies; 0: not known */
    uint64_t answers; /* of this process */
    unsigned deaths;  /* of processes before it, since the last answer, with tasks in hand */
    unsigned ends_told;
    struct buf values;

    /* Why the process is being killed: the head's result. */
    enum result_status verdict; /* RESULT_OK: it was not */
    struct error verdict_error;
    bool canceled;        /* it was for the charged task's cancellation */
    size_t careful;       /* so many tasks are to be sent one by one */
    struct task *charged; /* whose result it will be; NULL if that has ended otherwise */
};

/* --- persistent_queue.c: tasks from start to result --- */

/* A new task at the end; NULL if memory is short. */
struct task *queue_add(struct runner *runner, struct attempt_id id);

/* Forget a task, with its directory. */
void queue_remove(struct runner *runner, struct task *task);
void queue_free_task(struct task *task);

/* The task that the process is on, NULL if it has none. */
struct task *queue_head(const struct runner *runner);

/* Tell the owner and forget the task. `result` has the status; where that is ok, runner->values are
 * its values, otherwise `sentence` is its error. */
void queue_finish(struct runner *runner, struct task *task, struct result *result,
                  const char *sentence, size_t sentence_size);
void queue_fail(struct runner *runner, struct task *task, enum result_status status, int code,
                const struct error *error);

/* --- persistent_process.c: the process --- */

/* Start it; the tasks that wait are sent when it is up. */
void persistent_bring_up(struct runner *runner);

/* Kill it, because of the task it is on, whose result this will be. */
void persistent_condemn(struct runner *runner, enum result_status status, enum child_kill how,
                        const struct error *error);

/* Send what is ready. */
void persistent_flush(struct runner *runner);

/* Set the timer for when the task that it is on has had its time, or it has been silent too
 * long. */
void persistent_arm_timer(struct runner *runner);
/* The loop's callback of that timer; context is the runner. */
void persistent_timer_passed(void *context);
/* The callback of `deaf`; context is the runner. */
void persistent_deaf_passed(void *context);
/* Close its stdin, stdout and stderr. */
void persistent_close_pipes(struct runner *runner);

/* --- persistent_replies.c --- */

/* The process wrote something. */
void persistent_stdout_came(void *context, const char *bytes, size_t size);

#endif
