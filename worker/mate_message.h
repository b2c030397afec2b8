/*
 * mate_message.h - what a worker of several nodes and its mates say to each other.
 *
 * A worker that has several nodes runs on the first of them. On each of the others a *mate* stands
 * in for it (mate.h): it has the task's directory, and starts there what the task's mpirun wants
 * started. The way from an mpirun to a mate is: mpirun starts a *remote* for a node (remote.h), as
 * it would start ssh; the remote asks the worker, by a socket in /tmp; the worker asks the mate.
 *
 * All three speak by links (common/link.h). A message is its type (u8) and a body (wire.h; texts
 * are bytes without NUL). `turn` counts the tasks of a connection: what a mate says of an earlier
 * one is nobody's any more.
 */
#ifndef BEOFARM_WORKER_MATE_MESSAGE_H
#define BEOFARM_WORKER_MATE_MESSAGE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/wire.h"

#define MATE_PORT        4005        /* BEOFARM_MATE_PORT says otherwise */
#define MATE_PIECE       (256 << 10) /* bytes of a file or of output in a message */
#define MESSAGE_MATE_MAX (16 << 20)
#define MATE_UNSENT      (4 << 20) /* so much may be under way */
#define MATE_PULSE_NS    (INT64_C(5) * 1000000000)
#define MATE_SILENT_NS   (INT64_C(60) * 1000000000) /* then it is gone */

enum mate_message {
    /* The worker, of a task: */
    /* turn, directory, stash, mark, count and variables ("NAME=value"). Do you see `mark` in that
     * directory? Else empty it. `stash`: where files stay between tasks */
    MATE_LAY = 1,
    MATE_FOLDER, /* path, mode */
    MATE_LINK,   /* path, target */
    MATE_FILE, /* path, mode, size, key, known (0, 1). key: "" or a name by which its content is
                     kept; known: it was sent before */
    MATE_BYTES,  /* bytes of that file, until it has its size */
    MATE_LAID,   /* that was all */
    MATE_RUN,    /* run, command for a shell */
    MATE_KILL,   /* run */
    MATE_GATHER, /* end what runs; send the files that are new or have changed */
    MATE_CLEAR,  /* end what runs and remove the directory */
    /* A mate, of a task: */
    MATE_SEEN, /* turn, 1: the directory is the worker's own, on a shared disk; 0: it is not */
    MATE_HERE, /* turn: all files are there */
    MATE_FAILED,   /* turn, sentence */
    MATE_CHANGED,  /* turn, path, mode, size: a file; its bytes follow */
    MATE_CONTENT,  /* turn, bytes */
    MATE_GATHERED, /* turn: that was all */
    /* A mate to the worker, and the worker to a remote: */
    MATE_OUTPUT, /* run, 1 or 2 (stdout, stderr), bytes */
    MATE_ENDED,  /* run, exit code */
    /* A remote: */
    MATE_ASK, /* node, command */
};

/* Empty the buffer and begin a message. */
void mate_begin(struct buf *message, enum mate_message type);

/* A NUL-terminated copy of the next text (caller frees); NULL and the reader failed if it has a NUL
 * inside or memory is short. */
char *mate_get_text(struct wire_reader *reader);

#endif
