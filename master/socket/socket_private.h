/*
 * socket_private.h - what the parts of the socket driver share.
 *
 * socket.c is the driver: which task is next, what has ended; what a task is, model.h. records.c
 * writes what must outlive the master into the ledger, and reads it back. guest.c is one
 * connection: lines in, lines out, neither without bound. requests.c does what a line asks for.
 * desk.c is for sets that are many tasks.
 */
#ifndef BEOFARM_MASTER_SOCKET_SOCKET_PRIVATE_H
#define BEOFARM_MASTER_SOCKET_SOCKET_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/loop.h"
#include "master/driver.h"
#include "master/socket/book.h"
#include "master/socket/door.h"
#include "master/socket/ledger.h"
#include "master/socket/model.h"

#define SOCKET_PROTOCOL    1
#define SOCKET_LINE_MAX    ((size_t)4 << 20)   /* bytes of a request's line */
#define SOCKET_OUT_HIGH    ((size_t)256 << 10) /* not read: no more is answered or asked */
#define SOCKET_OUT_MAX     ((size_t)64 << 20)  /* one long answer may pass SOCKET_OUT_HIGH */
#define SOCKET_UNACKED_MAX 65536
#define SOCKET_GUESTS_MAX  256
#define SOCKET_TEXT_MAX    1024 /* bytes of an id, a tag or a client's name */

/* A list of entries, taken from the front. */
struct entry_list {
    uint32_t *entries;
    size_t first, end, capacity;
};

/* A connection. */
struct guest {
    struct guest *next, *previous;
    struct driver *driver;
    int fd;
    struct loop_watch *watch;
    struct buf in, out;
    bool skipping;   /* the rest of a line that was too long */
    bool attached;   /* it has said whose it is */
    bool half_open;  /* it will say no more, but still listens */
    bool dropped;    /* to be freed */
    uint32_t client; /* in the book */
    uint64_t told;   /* its client's results up to this seq have been put into `out` */
    uint64_t line;   /* of its input, from 1 */
    uint32_t left;   /* entries up to this were looked at for those that the limit leaves */
    cJSON *wishes;   /* its "attach" (model_places); NULL */
    struct entry_list unacked; /* submissions not yet durable */
    struct entry_list again;   /* known ids submitted again, to be told once more */
};

struct driver {
    struct driver_context context;
    char *socket_path;
    const struct model_ops *ops;
    struct model *model;
    struct driver *work; /* model_ops.work: another one's driver, never looked into; NULL */
    struct asker asker;  /* of that: ourselves */
    struct ledger *ledger;
    struct book *book;
    struct door *door;
    struct guest *guests;
    size_t guest_count;
    struct loop_timer *flush, *linger;
    struct buf record, body, text; /* scratch: of records.c, of what is read, of requests.c */
    struct buf digest;             /* and of results.c */

    uint32_t given;       /* tasks that `next` has said */
    uint32_t ended_tasks; /* of those numbers that have been given, or are yet to be */
    uint32_t slots;
    uint32_t reserved;         /* task numbers up to this may be used after the next sync … */
    uint32_t reserved_durable; /* … and up to this now */
    uint64_t reserved_at;
    uint32_t generation; /* how often the machine has gone down under the ledger */
    char boot[64];       /* of the master that wrote the ledger last */
    char worker[256];    /* of the result that `ended` will bring (driver_ops.ran) */
    uint32_t attempts;

    int64_t window_ns; /* since when ends are counted, and how many */
    uint64_t window_ends;
    uint32_t ahead; /* tasks to hand out beyond the slots */

    uint64_t limit;   /* $.limits.tasks, once no more tasks may be given; 0 before */
    bool closing_all; /* a client has finished for all */
    bool lingering, lingered;
    bool ended; /* the end was said */
    bool ledger_troubled;
};

/* ---- records.c ---- */

/* A submission as its record holds it; borrowed from the buf that it was read into. */
struct submission {
    uint32_t client;
    double priority;
    const uint8_t *id, *tag, *set; /* id, tag: JSON texts; set: as the model keeps it */
    size_t id_size, tag_size, set_size;
};

/* Read the ledger (into the book) and take up what an earlier master left. */
int records_open(struct driver *driver, struct error *ret_error);

/* Each writes a record, and the book follows; 0 or -1: nothing has changed. */
int records_add_client(struct driver *driver, const char *name, size_t size,
                       uint32_t *ret_client, struct error *ret_error);
int records_submit(struct driver *driver, const struct submission *submission,
                   uint32_t *ret_entry, struct error *ret_error);
int records_take(struct driver *driver, uint32_t entry, struct error *ret_error);
int records_reserve(struct driver *driver, uint32_t tasks, struct error *ret_error);
/* `text` is the result as JSON, all after its "seq". */
int records_end(struct driver *driver, uint32_t entry, enum result_status status,
                const struct buf *text, struct error *ret_error);
int records_finish(struct driver *driver, uint32_t client, bool all, struct error *ret_error);

/* Read an entry's submission, or the text of its end, into driver->body. */
int records_read(struct driver *driver, uint32_t entry, struct submission *ret_submission,
                 struct error *ret_error);
int records_read_end(struct driver *driver, uint32_t entry, const uint8_t **ret_text,
                     size_t *ret_size, struct error *ret_error);

/* The entry with a client's id (JSON text); 0: none. */
uint32_t records_find(struct driver *driver, uint32_t client, const void *id, size_t size);

/* ---- guest.c ---- */

/* A connection came. */
void guest_came(void *context, int fd);
/* Put what there is to tell into the guests' buffers, and send what they take. */
void guests_pump(struct driver *driver);

/* Likewise, and do the lines that had been left for want of room. Not from within the driver's
 * functions. */
void guests_serve(struct driver *driver);
/* Tell its client's results after this seq (once more). */
void guest_seek(struct guest *guest, uint64_t since);
/* Whether a connection has been told everything. */
bool guest_is_content(const struct guest *guest);
/* {"event":"error"} */
void guest_complain(struct guest *guest, const char *request, const cJSON *id,
                    const char *sentence);
/* Tell all that it is over, and free them. */
void guests_end(struct driver *driver, bool finished);
void guests_free(struct driver *driver);
/* After its buffer was changed outside of a pump: see to it that it is sent. */
void guests_flush_soon(struct driver *driver);
int entry_list_add(struct entry_list *list, uint32_t entry); /* 0, or -1: no memory */

/* ---- requests.c ---- */

/* Do what a line (without its newline) asks for, answering into guest->out. */
void request_do(struct guest *guest, const char *line, size_t size);

/* ---- results.c ---- */

/* Write the end of an entry down and have it told. */
void result_end(struct driver *driver, uint32_t entry, const struct result *result);
/* An entry that waits is ended as cancelled. */
void result_cancel_waiting(struct driver *driver, uint32_t entry);

/* ---- desk.c: where a set is many tasks, which driver->work makes of it ---- */

/* Before it is asked for anything. */
void desk_open(struct driver *driver);
enum driver_next desk_next(struct driver *driver);
/* An entry that was taken is ended as cancelled. */
void desk_cancel(struct driver *driver, uint32_t entry);

/* ---- socket.c ---- */

/* The next task number may be used (records.c). */
bool socket_number_is_ready(struct driver *driver);
/* Everything has ended, and all clients have finished and were told: the end is said. */
bool socket_end_if_over(struct driver *driver);
/* All clients know how everything ended, or have had the time to hear it. */
bool socket_told_or_lingered(struct driver *driver);

/* Whether a client may submit. */
bool socket_is_finished(const struct driver *driver, uint32_t client);
/* Whether the limit of tasks keeps this entry from being run. */
bool socket_is_left(const struct driver *driver, uint32_t entry);
/* The sentence of it, for clients. */
int socket_limit_say(const struct driver *driver, struct error *ret_error);
/* Say a trouble once. */
void socket_tell(struct driver *driver, const char *sentence);

#endif
