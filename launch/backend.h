/*
 * backend.h - where machines come from: pools, jobs and tasks, in the shape of Azure Batch.
 *
 * A pool is a number of nodes; a job belongs to a pool; a task of a job runs one program on a
 * node, in wd/ of a directory of its own, with stdout.txt and stderr.txt beside it. Everything
 * about a task is learnt by asking for its status and by reading ranges of its files, which a
 * backend behind a network can do as well as one on this disk. Nothing here blocks for longer
 * than one such question.
 *
 * Members stand in the array of backend.c. What a member knows outlives the process: another
 * `beofarm` that opens the same backend finds the same tasks.
 */
#ifndef BEOFARM_LAUNCH_BACKEND_H
#define BEOFARM_LAUNCH_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"

struct backend;

struct inputs;

/* What a backend is opened with. All borrowed, and valid until the backend is closed. */
struct backend_context {
    const char *run_dir;   /* absolute path of the farm's run directory */
    const cJSON *settings; /* farm.json's "backend"; NULL if the run directory has none left */
    const char *farm;      /* the farm's name; NULL if not known */
    const char *folder; /* in which relative paths of the settings begin; NULL if not known */
};

struct backend_variable {
    const char *name, *value;
};

/* A file laid into a task's wd/ before its program starts. */
struct backend_file {
    const char *path;   /* where, relative to wd/: no leading '/', no ".." */
    const char *source; /* a file on this machine */
};

/* One task to submit. All borrowed during the call. */
struct backend_task {
    const char *id; /* letters, digits, '-' and '_', at most 64 */
    const char
        *program; /* "beofarm-master", "beofarm-worker": the backend knows where it lies */
    const char *const *args; /* after the program's name; NULL-terminated; NULL for none */
    const struct backend_variable *variables;
    size_t variables_count;
    const struct backend_file *files;
    size_t files_count;
    int nodes; /* that it has; 0 or 1: the one on which its program runs. Of a worker: on the others
                  `beofarm-worker --mate` is started where they are machines of their own */
};

#define BACKEND_TASK_ID_MAX 64

/* Tasks that are made as they are needed: fill in task `index` (from 0), borrowed until the next
 * call. It may be asked for more than once. */
struct backend_lot {
    size_t count;
    int (*give)(void *context, size_t index, struct backend_task *ret_task,
                struct error *ret_error);
    void *context;
};

/* Who is told what goes on, in sentences. */
struct backend_listener {
    void (*say)(void *context, const char *sentence); /* NULL: nobody */
    void *context;
};

enum backend_state {
    BACKEND_WAITING, /* accepted; no node has begun it */
    BACKEND_RUNNING,
    BACKEND_ENDED
};

/* "waiting", "running", "ended". */
const char *backend_state_name(enum backend_state state);

#define BACKEND_WHY_MAX 255

struct backend_status {
    enum backend_state state;
    /* once ended: */
    bool lost;     /* nobody saw how it ended: the node, or what watched the task, is gone */
    int exit_code; /* where neither lost nor killed by a signal */
    int signal;    /* the signal that ended it, else 0 */
    int64_t started_ns, ended_ns;  /* wall clock; 0 if not known */
    int64_t pid;                   /* of the program, where the backend knows one; else 0 */
    char why[BACKEND_WHY_MAX + 1]; /* of a lost one: what the backend says of it; "": nothing */
};

struct backend_ops {
    const char *kind; /* "backend.kind" */

    /* All nodes of the pool are one machine: its workers divide it among them (BEOFARM_SHARE). */
    bool one_machine;

    /* Workers may leave for want of work, and are submitted again when there is some. */
    bool workers_leave;

    /* Looks at a farm are at least and at most so far apart: the more time has passed, the farther.
     */
    int64_t poll_shortest_ns, poll_longest_ns;

    /* NULL with a sentence. Starts and changes nothing. */
    struct backend *(*open)(const struct backend_context *context, struct error *ret_error);
    void (*close)(struct backend *backend);

    /* Where `program` lies on the nodes, in words fit for people, appended to ret_path; -1 with a
     * sentence if the nodes have no such program. */
    int (*program_find)(struct backend *backend, const char *program, struct buf *ret_path,
                        struct error *ret_error);

    /* Ask whether a farm of so many workers' nodes could be had, and say what it would need and
     * cost: may ask a service, and rents nothing. -1: it cannot be had. NULL: nothing to ask. */
    int (*check)(struct backend *backend, int workers, const struct backend_listener *listener,
                 struct error *ret_error);

    /* The store (common/store.h) that the farm's master reads, fit to be shown; where that needs a
     * secret, the backend adds the variable with it to the master's task. Borrowed. */
    const char *(*store_uri)(const struct backend *backend);

    /* Bring the farm's inputs to that store; as inputs_put (launch/inputs.h). */
    int (*inputs_put)(struct backend *backend, struct inputs *inputs, const bool *known,
                      void (*shown)(void *context, uint64_t bytes, uint64_t total),
                      void *context, struct error *ret_error);

    /* BEOFARM_RUN_DIR for the master, or NULL where the run directory cannot be seen from the
     * nodes. Borrowed from the backend. */
    const char *(*run_dir)(const struct backend *backend);

    /* The network to keep to if farm.json names none, or NULL for any. */
    const char *(*network)(const struct backend *backend);

    /* The pool of this farm. It is created with the one node that the master needs, and resized
     * when the master runs: nodes are the master's and one for each worker. Creating one that
     * exists is no error. Deleting gives back what was rented, as the settings say, and says so;
     * 0 also if there is none. */
    int (*pool_create)(struct backend *backend, const struct backend_listener *listener,
                       struct error *ret_error);
    int (*pool_resize)(struct backend *backend, int nodes, struct error *ret_error);
    int (*pool_delete)(struct backend *backend, const struct backend_listener *listener,
                       struct error *ret_error);

    /* Look after pool and nodes, as often as the backend thinks fit (this is called at every poll):
     * replace nodes that failed, renew what nodes were given that ends. `alone`: the master does
     * not run yet. -1: the farm is to be given up, with the reason. NULL: there is nothing to
     * do. */
    int (*look_after)(struct backend *backend, bool alone,
                      const struct backend_listener *listener, struct error *ret_error);

    /* Lead the run, whatever machine another `beofarm` may lead it from: -1 with a sentence that
     * says who and since when. Nothing for a run that was not begun yet, and where we lead it.
     * `take_over`: instead of whoever leads. NULL: the run directory's lock is enough. */
    int (*lead)(struct backend *backend, bool take_over,
                const struct backend_listener *listener, struct error *ret_error);

    /* -1 with a sentence once another one has taken our place. NULL as `lead`. */
    int (*lead_check)(struct backend *backend, struct error *ret_error);

    /* How long a master that runs may take to say its hostname. NULL: as the session likes. */
    int64_t (*master_limit_ns)(const struct backend *backend);

    /* All tasks are submitted: see to it that the farm ends, and that what was rented goes back,
     * when they have ended, with nobody watching. NULL: tasks end by themselves. */
    int (*detach)(struct backend *backend, struct error *ret_error);

    /* The job of this farm on that pool. Creating one that exists (also a terminated one) opens it
     * for more tasks; terminating it kills what still runs in it. */
    int (*job_create)(struct backend *backend, struct error *ret_error);
    int (*job_terminate)(struct backend *backend, struct error *ret_error);

    /* Accept a task. -1 if the id was used before, or the task cannot be started. */
    int (*task_submit)(struct backend *backend, const struct backend_task *task,
                       struct error *ret_error);

    /* Accept many. *ret_accepted says how many were, also where an error ended it. NULL: they are
     * submitted one by one. Callers use backend_submit. */
    int (*tasks_submit)(struct backend *backend, const struct backend_lot *lot,
                        size_t *ret_accepted, struct error *ret_error);

    int (*task_status)(struct backend *backend, const char *id,
                       struct backend_status *ret_status, struct error *ret_error);

    /* Append the address of the node on which a task runs, for other nodes of the pool; nothing
     * where it is not known. NULL: the task says it better. */
    int (*task_address)(struct backend *backend, const char *id, struct buf *ret_address,
                        struct error *ret_error);

    /* Append up to `max` bytes of a task's file, from `offset`, to ret_bytes. `file` is
     * "stdout.txt", "stderr.txt" or "wd/...". Returns how many, fewer than `max` only where there
     * is no more at present; 0 if there is nothing (yet); -1 with a sentence. */
    int64_t (*task_read)(struct backend *backend, const char *id, const char *file,
                         uint64_t offset, size_t max, struct buf *ret_bytes,
                         struct error *ret_error);

    /* How many bytes that file has now, into *ret_size; 0 if there is none (yet). */
    int (*task_file_size)(struct backend *backend, const char *id, const char *file,
                          uint64_t *ret_size, struct error *ret_error);

    /* Sleep until the task may have said more on its stdout or have ended, for `ns` at most, or
     * until a signal comes (interrupt.h). NULL: the backend does not notice; callers use
     * backend_await. */
    void (*task_await)(struct backend *backend, const char *id, int64_t ns);

    /* Ask a task to end (SIGTERM, and after a grace time SIGKILL to all its processes), or end all
     * its processes at once. Returns before they have ended; see task_status. 0 also if it has
     * ended already. */
    int (*task_terminate)(struct backend *backend, const char *id, bool at_once,
                          struct error *ret_error);

    /* Call `visit` for every task of the job, in no particular order, until it returns non-zero.
     * Returns that, 0, or -1 with a sentence. */
    int (*task_list)(struct backend *backend,
                     int (*visit)(void *context, const char *id,
                                  const struct backend_status *status),
                     void *context, struct error *ret_error);

    /* Bring what the farm has left with the backend into the run directory, as far as it is not
     * there: the journal, results, output files. NULL: it is all there. */
    int (*results_bring)(struct backend *backend, const struct backend_listener *listener,
                         struct error *ret_error);

    /* Append the store (with its right: secret) and the name under which the farm's journal has
     * a copy there, for BEOFARM_STORE and BEOFARM_RUN. NULL: the journal lies in the run
     * directory. */
    int (*journal_put)(struct backend *backend, struct buf *ret_store, struct buf *ret_run,
                       struct error *ret_error);

    /* Say what was used so far, and what it costs by the user's own prices. NULL: nothing. */
    int (*usage_say)(struct backend *backend, const struct backend_listener *listener,
                     struct error *ret_error);

    /* Say what `clean` would remove, a thing a sentence. NULL: what lies in the run directory. */
    int (*belongings_say)(struct backend *backend, const struct backend_listener *listener,
                          struct error *ret_error);

    /* Remove what the backend keeps of this farm; nothing may be running in it. */
    int (*clean)(struct backend *backend, struct error *ret_error);

    /* Fill a run directory (context->run_dir) that has the farm file alone with what is needed to
     * look after the farm's newest run, which was started elsewhere, its farm file as run among it.
     * The backend was opened on it. NULL: there is no elsewhere. */
    int (*adopt)(struct backend *backend, struct error *ret_error);

    /* Append a name that tells this run from all others, or nothing where none was begun; and the
     * newest run that the service knows of. Both NULL: there is no elsewhere. */
    int (*run_put)(struct backend *backend, struct buf *ret_name, struct error *ret_error);
    int (*newest_put)(struct backend *backend, struct buf *ret_name, struct error *ret_error);
};

/* What every member begins with. */
struct backend {
    const struct backend_ops *ops;
};

/* The member for `kind`, NULL if there is none. */
const struct backend_ops *backend_find(const char *kind);

/* Open the backend that settings.kind names ("local" if it names none). NULL with a sentence. */
struct backend *backend_open(const struct backend_context *context, struct error *ret_error);

/* NULL is allowed. The tasks go on. */
void backend_close(struct backend *backend);

/* Submit a lot of tasks, all at once where the backend can. */
int backend_submit(struct backend *backend, const struct backend_lot *lot, size_t *ret_accepted,
                   struct error *ret_error);

/* How long to wait before the next look, when `passed_ns` have passed since the first one. */
int64_t backend_poll_ns(const struct backend *backend, int64_t passed_ns);

/* Sleep until the next look at a task is due: when it has news, where the backend notices;
 * otherwise for backend_poll_ns. Less if a signal comes. */
void backend_await(struct backend *backend, const char *id, int64_t passed_ns);

__attribute__((format(printf, 2, 3))) void backend_say(const struct backend_listener *listener,
                                                       const char *format, ...);

/* Append the last `lines` lines of a task's file to ret_text, at most 64 KiB. */
int backend_tail(struct backend *backend, const char *id, const char *file, int lines,
                 struct buf *ret_text, struct error *ret_error);

/* A sentence's end for how a task ended: "exit code 3", "signal 9 (Killed)", "it was lost", or what
 * the backend says of it; BACKEND_HOW_SIZE is room enough. */
#define BACKEND_HOW_SIZE (BACKEND_WHY_MAX + 65)
const char *backend_status_describe(const struct backend_status *status, char *text,
                                    size_t size);

#endif
