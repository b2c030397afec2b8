/*
 * message.h - what master and worker say to each other (the table in docs/architecture.md).
 *
 * A message is a type byte and a body. Batches are written one entry at a time into a buf that
 * message_begin started, and read back with an iterator whose texts and bytes are borrowed from
 * the message. Decoders check everything: a bad message is ERROR_NETWORK, never a crash.
 */
#ifndef BEOFARM_COMMON_MESSAGE_H
#define BEOFARM_COMMON_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/wire.h"

#define MESSAGE_MAX        (16 << 20) /* bytes of one message, type byte included */
#define MESSAGE_CHUNK      (1 << 20)  /* file bytes in one DATA or OUTPUT */
#define MESSAGE_STDERR_MAX (64 << 10)
#define MESSAGE_PATH_MAX   4096
#define MESSAGE_LINK_MAX   128
#define MESSAGE_HASH_SIZE  32 /* SHA-256 */

enum message_type {
    MESSAGE_JOB = 1,
    MESSAGE_READY,
    MESSAGE_CREDIT,
    MESSAGE_LEASE,
    MESSAGE_STARTED,
    MESSAGE_RESULTS,
    MESSAGE_ACK,
    MESSAGE_CANCEL,
    MESSAGE_RECALL,
    MESSAGE_HANDBACK,
    MESSAGE_FETCH,
    MESSAGE_DATA,
    MESSAGE_OUTPUT,
    MESSAGE_LEAVING,
    MESSAGE_STOP,
    MESSAGE_LINKED,
    MESSAGE_PAUSED,
    MESSAGE_TYPES
};

/* The type's name, for sentences: "LEASE". "?" if unknown. */
const char *message_type_name(int type);

/* One try of a task. Tasks count from 1; attempts of a task count from 1. */
struct attempt_id {
    uint64_t task;
    uint32_t attempt;
};

enum result_status {
    RESULT_OK = 0,
    RESULT_EXIT = 1,    /* code: the exit status, not 0 */
    RESULT_SIGNAL = 2,  /* code: the signal */
    RESULT_TIMEOUT = 3, /* code: unused */
    RESULT_NO_START =
        4, /* the command could not be started, an input could not be laid; error says */
    RESULT_NO_VALUE = 5,  /* it ran, but a declared value or output was missing; error says */
    RESULT_LOST = 6,      /* its workers were lost, again and again; said by the master alone */
    RESULT_CANCELLED = 7, /* its driver did not want it any more; said by the master alone */
    RESULT_STATUSES
};

/* "ok", "exit", "signal", "timeout", "no-start", "no-value", "lost", "cancelled". */
const char *result_status_name(int status);

struct result {
    struct attempt_id id;
    enum result_status status;
    int32_t code;          /* exit status or signal, see status */
    uint32_t slot;         /* the worker's slot, from 0 */
    int64_t started_ns;    /* wall clock of the worker's node */
    double elapsed_s;      /* from start to end, wall */
    double cpu_s;          /* user + system of the process tree waited for; 0 if not known */
    int64_t max_rss_bytes; /* largest resident size; 0 if not known */
    uint32_t output_files; /* how many files were sent as OUTPUT, or LINKED, for this attempt */
    bool stored;        /* they were not sent, but put into the farm's container, which lies in
                              the folder that message_put_folder tells */
    const void *values; /* a values.h list; borrowed */
    size_t values_size;
    const char *error; /* a sentence where status is not ok; borrowed, not NUL-terminated */
    size_t error_size;
    const char *stderr_tail; /* the last bytes of stderr where status is not ok; borrowed */
    size_t stderr_size;      /* at most MESSAGE_STDERR_MAX */
    size_t stderr_before;    /* of it, what was there before the attempt began; not sent */
};

/* The folder, below the run in the farm's container, of an attempt's output files: its name tells
 * task, attempt and the worker's process (READY), since attempts of different masters may have the
 * same number. Appends "outputs/TASK.ATTEMPT.INSTANCE". 0, or -1 (buf failed). */
int message_put_folder(struct buf *buf, struct attempt_id id, uint64_t instance);

/* Start a message of `type` in buf (cleared first). */
void message_begin(struct buf *buf, enum message_type type);

/* The type byte of a received message, 0 if empty. */
int message_type(const struct buf *message);

/* Reader over a received message's body (after the type byte). */
struct wire_reader message_body(const struct buf *message);

/* Entries of STARTED, ACK, CANCEL, HANDBACK. */
void message_add_attempt(struct buf *buf, struct attempt_id id);
/* Entries of LEASE: payload is a values.h list. */
void message_add_lease(struct buf *buf, struct attempt_id id, const void *payload, size_t size);
/* Entries of RESULTS. */
void message_add_result(struct buf *buf, const struct result *result);

/* Next entry of a batch: 1, 0 at its end, -1 if the message is bad. Start the reader with
 * message_body. */
int message_next_attempt(struct wire_reader *reader, struct attempt_id *ret_id,
                         struct error *ret_error);
int message_next_lease(struct wire_reader *reader, struct attempt_id *ret_id,
                       const void **ret_payload, size_t *ret_size, struct error *ret_error);
int message_next_result(struct wire_reader *reader, struct result *ret_result,
                        struct error *ret_error);

/* CREDIT and RECALL: one count. */
void message_put_count(struct buf *buf, enum message_type type, uint32_t count);
int message_get_count(const struct buf *message, uint32_t *ret_count, struct error *ret_error);

/* READY: who the worker is. The attempts it still holds (running, waiting, or with a result not
 * yet acknowledged) follow as attempt entries, read with message_next_attempt. */
struct ready {
    const char *host; /* borrowed, host_size bytes */
    size_t host_size;
    int64_t pid;
    uint32_t slots;
    uint32_t credits;
    uint64_t
        instance; /* of the worker's process: a random number above 0; tasks may be bound to it */
};
void message_put_ready(struct buf *buf, const struct ready *ready);
int message_get_ready(struct wire_reader *reader, struct ready *ret_ready,
                      struct error *ret_error);

/* FETCH, DATA: a piece of a content-addressed file. In DATA, total_size is the file's size;
 * UINT64_MAX means that the master has no such file. */
struct file_piece {
    uint8_t hash[MESSAGE_HASH_SIZE];
    uint64_t offset;
    uint64_t total_size;
    const void *bytes; /* borrowed */
    size_t size;       /* at most MESSAGE_CHUNK */
};
void message_put_fetch(struct buf *buf, const uint8_t *hash, uint64_t offset);
void message_put_data(struct buf *buf, const struct file_piece *piece);
int message_get_fetch(const struct buf *message, struct file_piece *ret_piece,
                      struct error *ret_error);
int message_get_data(const struct buf *message, struct file_piece *ret_piece,
                     struct error *ret_error);

/* OUTPUT: a piece of an output file of an attempt. Pieces of one file come in order. */
struct output_piece {
    struct attempt_id id;
    const char *path; /* relative to the work directory; borrowed, not NUL-terminated */
    size_t path_size; /* 1 to MESSAGE_PATH_MAX; no NUL, no leading '/', no ".." component */
    uint32_t mode;    /* permission bits */
    uint64_t offset;
    uint64_t total_size;
    const void *bytes;
    size_t size; /* at most MESSAGE_CHUNK */
};
void message_put_output(struct buf *buf, const struct output_piece *piece);
int message_get_output(const struct buf *message, struct output_piece *ret_piece,
                       struct error *ret_error);

/* LINKED: an output file of an attempt, all of it, which lies in the job's near folder (near.h) as
 * `name`. */
struct output_link {
    struct attempt_id id;
    const char *path; /* as that of a piece */
    size_t path_size;
    uint32_t mode; /* permission bits */
    uint64_t total_size;
    const char *name; /* borrowed, not NUL-terminated; one component */
    size_t name_size; /* 1 to MESSAGE_LINK_MAX */
};
void message_put_linked(struct buf *buf, const struct output_link *link);
int message_get_linked(const struct buf *message, struct output_link *ret_link,
                       struct error *ret_error);

/* Whether a path is one of OUTPUT's: it stays inside its folder. */
bool message_path_is_safe(const char *path, size_t size);

/* PAUSED: why the worker takes no tasks for now, a sentence (borrowed, not NUL-terminated; at most
 * ERROR_TEXT_MAX bytes count); empty: it does again. */
void message_put_paused(struct buf *buf, const char *sentence);
int message_get_paused(const struct buf *message, const char **ret_sentence, size_t *ret_size,
                       struct error *ret_error);

/* JOB: JSON text (docs/architecture.md). Borrowed, not NUL-terminated. */
int message_get_job(const struct buf *message, const char **ret_json, size_t *ret_size,
                    struct error *ret_error);

#endif
