#ifndef BEOFARM_WORKER_MATE_PRIVATE_H
#define BEOFARM_WORKER_MATE_PRIVATE_H

#include "common/link.h"
#include "common/loop.h"
#include "worker/child.h"
#include "worker/mate.h"
#include "worker/mate_message.h"
#include "worker/snapshot.h"

struct mate_run;

/* A file on its way. */
struct mate_file {
    int fd; /* -1: none */
    uint64_t left;
    char *path, *key; /* key "": it is not kept */
};

struct mate {
    struct loop *loop;
    struct children *children;
    struct link *link; /* NULL: none */
    struct loop_watch *watch;
    struct loop_timer *pulse;
    bool stopped; /* by a signal */
    struct buf message, piece;

    /* The task; dir_fd is -1 where there is none. */
    uint64_t turn;
    bool shared; /* the directory is the worker's own */
    char *directory, *stash;
    int dir_fd;
    char **variables;
    struct mate_run *runs;
    struct mate_file file;
    struct snapshot before, after;
    bool sending; /* what has changed */
    size_t cursor;
};

/* Send what stands in mate->message. */
void mate_send(struct mate *mate);
/* Tell that the task cannot go on here. */
void mate_fail(struct mate *mate, const struct error *error);

/* mate_task.c: each takes a message's body; -1: it is nonsense. */
int mate_task_take(struct mate *mate, enum mate_message type, struct wire_reader *reader);
void mate_task_feed(
    struct mate *mate); /* send of what has changed as much as may be under way */
void mate_task_clear(struct mate *mate);

/* mate_run.c */
int mate_run_take(struct mate *mate, enum mate_message type, struct wire_reader *reader);
void mate_run_end_all(struct mate *mate);
/* The variables for what runs here: the task's, but for those that are a node's own. */
char **mate_variables_merge(char *const *task, char *const *own);
void mate_variables_free(char **variables);

#endif
