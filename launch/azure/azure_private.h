/*
 * azure_private.h - what the parts of the azure backend share.
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_PRIVATE_H
#define BEOFARM_LAUNCH_AZURE_AZURE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/azure/blob.h"
#include "launch/azure/account.h"
#include "launch/azure/azure_image.h"
#include "launch/azure/azure_note.h"
#include "launch/azure/azure_settings.h"
#include "launch/azure/batch.h"
#include "launch/azure/batch_pool.h"
#include "launch/backend.h"

#define AZURE_BUNDLE_PREFIX "bundle/" /* of bundles in the container */

#define AZURE_NAME_MAX 1024 /* bytes of a blob's name, and of what a sentence calls a thing */

/* What look_after remembers between its looks. */
struct azure_watch {
    int64_t looked_ns;  /* 0: never */
    int64_t created_ns; /* when we began to wait for the master's node */
    int replaced;       /* nodes that failed and were removed */
    int given_up;       /* of these, nodes that are wanted no more */
    int resizes;        /* times that the pool was asked again */
    int64_t resized_ns; /* the latest resize that was looked at, by Batch's clock */
    bool node_seen;     /* a node that works was there */
    bool fault_said;    /* the formula's fault */
};

struct azure_lead;

struct azure {
    struct backend base;
    struct azure_settings settings;
    char *run_dir, *folder, *farm;
    struct azure_note note;
    char container[BLOB_CONTAINER_MAX + 1];
    struct account *account; /* NULL until somebody asks: azure_account */
    char *store_uri;         /* fit to be shown */
    struct azure_image_choice image;
    struct azure_watch watch;
    struct azure_lead *lead; /* while we lead the run (azure_lead.h) */
    int job_looked;          /* the job of which job_over tells; 0: none */
    bool job_over;           /* it takes no more tasks, and begins none */
    int workers;             /* nodes for them that are wanted, as of pool_resize */
    bool nodes_checked;      /* the pool can run tasks of several nodes */
    int64_t asked_ns;        /* when Batch was last asked how things go */
    int heeded;              /* interrupts before the present request */
    struct buf sas;          /* the nodes' right to the container; secret */
    int64_t sas_expiry_s;    /* of it; 0: none yet */
    char *bundle;            /* its blob; "" where there is none; NULL: not sent yet */
    struct {                 /* of the task asked for last */
        char id[BACKEND_TASK_ID_MAX + 1];
        struct backend_status status;
        int64_t asked_ns;
    } seen;
};

static inline struct azure *azure_of(struct backend *backend)
{
    return (struct azure *)backend;
}

/* The account, for what is asked next; NULL with a sentence if no credentials are found. */
struct account *azure_account(struct azure *azure, struct error *ret_error);

/* Wait until Batch may be asked again how things go, and note that it is asked. */
void azure_pace(struct azure *azure);

/* Pool (azure_pool.c). */
int azure_pool_create(struct backend *backend, const struct backend_listener *listener,
                      struct error *ret_error);
int azure_pool_resize(struct backend *backend, int nodes, struct error *ret_error);
int azure_pool_delete(struct backend *backend, const struct backend_listener *listener,
                      struct error *ret_error);
const char *azure_pool_id(const struct azure *azure);
/* Whether it bears our run's name: a later run may have made one of the same id. */
bool azure_pool_ours(const struct azure *azure, const struct batch_pool *pool);
/* Delete it, if it is there and this run's. 0, BATCH_MISSING, or as batch_pool_delete. */
int azure_pool_remove(struct azure *azure, struct error *ret_error);
/* Say the formula once more, with the nodes that are wanted now. */
int azure_pool_scale(struct azure *azure, struct error *ret_error);

/* Keep the run's note in the run directory, and in the container for whoever comes without that
 * (azure_job.c). */
int azure_note_keep(struct azure *azure, struct error *ret_error);

/* Nodes (azure_nodes.c). */
int azure_look_after(struct backend *backend, bool alone,
                     const struct backend_listener *listener, struct error *ret_error);

/* Job and tasks (azure_job.c, azure_task.c, azure_read.c). */
int azure_job_create(struct backend *backend, struct error *ret_error);
int azure_job_terminate(struct backend *backend, struct error *ret_error);
int azure_detach(struct backend *backend, struct error *ret_error);
int azure_task_submit(struct backend *backend, const struct backend_task *task,
                      struct error *ret_error);
int azure_tasks_submit(struct backend *backend, const struct backend_lot *lot,
                       size_t *ret_accepted, struct error *ret_error);
int azure_task_status(struct backend *backend, const char *id,
                      struct backend_status *ret_status, struct error *ret_error);
int azure_task_address(struct backend *backend, const char *id, struct buf *ret_address,
                       struct error *ret_error);
int64_t azure_task_read(struct backend *backend, const char *id, const char *file,
                        uint64_t offset, size_t max, struct buf *ret_bytes,
                        struct error *ret_error);
int azure_task_file_size(struct backend *backend, const char *id, const char *file,
                         uint64_t *ret_size, struct error *ret_error);
int azure_task_terminate(struct backend *backend, const char *id, bool at_once,
                         struct error *ret_error);
int azure_task_list(struct backend *backend,
                    int (*visit)(void *context, const char *id,
                                 const struct backend_status *status),
                    void *context, struct error *ret_error);

/* Bundle (azure_bundle.c): see that the container has it; azure->bundle says where. */
int azure_bundle_send(struct azure *azure, struct error *ret_error);
/* Where it lies on this machine, appended; nothing where none is wanted. */
int azure_bundle_find(const struct azure *azure, struct buf *ret_path, struct error *ret_error);

/* The nodes' right to the container (azure_access.c): have one that lasts, in azure->sas. */
int azure_access_open(struct azure *azure, struct error *ret_error);
/* Give nodes that run a new one if theirs is half over. */
int azure_access_renew(struct azure *azure, struct error *ret_error);
/* Append the URL of a blob of the container with that right (NULL: of the container). Secret. */
int azure_access_put_url(struct azure *azure, const char *name, struct buf *ret_url,
                         struct error *ret_error);
/* "blob:URL" with it, for BEOFARM_STORE. Secret. */
int azure_access_put_store(struct azure *azure, struct buf *ret_uri, struct error *ret_error);

/* Money (azure_money.c, azure_quota.c). */
int azure_check(struct backend *backend, int workers, const struct backend_listener *listener,
                struct error *ret_error);
int azure_usage_say(struct backend *backend, const struct backend_listener *listener,
                    struct error *ret_error);

/* At home and away (azure_home.c, azure_clean.c, azure_adopt.c). */
int azure_results_bring(struct backend *backend, const struct backend_listener *listener,
                        struct error *ret_error);
int azure_belongings_say(struct backend *backend, const struct backend_listener *listener,
                         struct error *ret_error);
/* Fetch the run's blob FOLDER + FILE (FOLDER is empty or ends in a slash) to RUN_DIR/FILE. 0;
 * BLOB_MISSING: the container has none; or -1. */
int azure_file_fetch(struct azure *azure, const char *folder, const char *file,
                     struct error *ret_error);
int azure_clean(struct backend *backend, struct error *ret_error);
int azure_adopt(struct backend *backend, struct error *ret_error);
int azure_journal_put(struct backend *backend, struct buf *ret_store, struct buf *ret_run,
                      struct error *ret_error);
int azure_run_put(struct backend *backend, struct buf *ret_name, struct error *ret_error);
int azure_newest_put(struct backend *backend, struct buf *ret_name, struct error *ret_error);

#endif
