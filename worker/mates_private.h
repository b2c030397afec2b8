#ifndef BEOFARM_WORKER_MATES_PRIVATE_H
#define BEOFARM_WORKER_MATES_PRIVATE_H

#include "common/link.h"
#include "worker/door.h"
#include "worker/mate_message.h"
#include "worker/mates.h"
#include "worker/snapshot.h"

enum mates_phase {
    MATES_IDLE,
    MATES_ASKED,    /* LAY is sent */
    MATES_LAYING,   /* files are being sent */
    MATES_CHECKING, /* LAID is sent */
    MATES_READY,    /* the task may run */
    MATES_GATHERING,
    MATES_GATHERED,
};

/* What is being received from a mate. */
struct incoming {
    int fd; /* -1: none, or not wanted */
    uint64_t left;
};

/* A node beside our own. */
struct peer {
    struct mates *mates;
    const char *host;  /* borrowed from mates */
    struct link *link; /* NULL: not there (yet) */
    struct loop_watch *watch;
    enum mates_phase phase;
    size_t cursor; /* in the snapshot */
    int out_fd;    /* of the file at the cursor; -1 */
    uint64_t offset;
    struct incoming incoming;
    char **known; /* keys of the files that it keeps; sorted */
    size_t known_count, known_capacity;
};

/* A remote's connection. */
struct visitor {
    struct mates *mates;
    struct link *link;
    struct loop_watch *watch;
    struct peer *peer; /* whom it asked; NULL: nobody yet */
    uint64_t run;
    bool over; /* to be closed when all is sent */
    struct visitor *next;
};

struct mates {
    struct loop *loop;
    struct mates_settings settings;
    char **hosts, *farm, *folder, *stash; /* copies that settings points to */
    struct auth_secret secret;
    struct peer *peers; /* settings.count - 1 */
    size_t peer_count;
    struct door *door;
    int socket_fd;
    struct loop_watch *socket_watch;
    struct loop_timer *pulse; /* also the limit of patience */
    struct loop_timer *later; /* calls `done` from the loop */
    struct visitor *visitors;
    uint64_t last_run;
    int64_t patience_until_ns;
    bool said_ready, said_lost;

    /* The task. */
    uint64_t turn;
    int dir_fd;
    struct snapshot snapshot;
    mates_done done;
    void *context;
    struct error error; /* code 0: none */
    struct buf message, piece;
};

/* Send a message that stands in mates->message. */
void mates_send(struct peer *peer);
/* After messages were given to its link: what may leave leaves. */
void mates_flush(struct peer *peer);
/* The peer broke the protocol or is gone. */
void mates_lose(struct peer *peer, const struct error *error);

/* mates_files.c: send what there is room for; take what a mate says of a task (the reader stands
 * behind the type). -1: it is nonsense. */
void mates_files_feed(struct peer *peer);
int mates_files_take(struct peer *peer, enum mate_message type, struct wire_reader *reader);
void mates_files_forget(struct peer *peer); /* its connection is new or gone */

/* mates_remotes.c */
int mates_remotes_open(struct mates *mates, struct error *ret_error);
void mates_remotes_close(struct mates *mates);
/* MATE_OUTPUT or MATE_ENDED of a mate, for whoever asked. */
int mates_remotes_pass(struct peer *peer, enum mate_message type, struct wire_reader *reader);
void mates_remotes_orphan(struct peer *peer); /* it is gone: its remotes fail */

#endif
