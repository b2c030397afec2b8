/*
 * batch_pool.h - pools: nodes that are rented together.
 *
 * A pool grows and shrinks in the background: after batch_pool_resize its allocation is
 * `resizing`, and `steady` again when done, with or without the nodes that were wanted: then
 * resize_errors say why they are fewer.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_POOL_H
#define BEOFARM_LAUNCH_AZURE_BATCH_POOL_H

#include "launch/azure/batch.h"
#include "launch/azure/batch_command.h"

enum batch_pool_state {
    BATCH_POOL_UNKNOWN = 0,
    BATCH_POOL_ACTIVE,
    BATCH_POOL_DELETING,
};

enum batch_allocation {
    BATCH_ALLOCATION_UNKNOWN = 0,
    BATCH_ALLOCATION_STEADY,
    BATCH_ALLOCATION_RESIZING,
    BATCH_ALLOCATION_STOPPING,
};

/* A pool as the service describes it. Spot nodes are those that Batch calls low-priority. */
struct batch_pool {
    const char *id, *vm_size;
    enum batch_pool_state state;
    enum batch_allocation allocation;
    int64_t created_ns, allocation_changed_ns;
    int dedicated, spot;               /* nodes there are */
    int dedicated_target, spot_target; /* nodes that are wanted */
    int slots_per_node;
    bool inter_node;
    bool autoscaled;
    const char *formula;          /* of the autoscaled; else NULL */
    const char *autoscale_result; /* "$TargetDedicatedNodes=2;..." of the latest evaluation */
    struct batch_fault autoscale_fault;
    const cJSON
        *resize_errors;    /* array for batch_faults_put and batch_fault_read; NULL: none */
    const cJSON *metadata; /* for batch_label_find */
    const char *agent;     /* nodeAgentSKUId */
    const cJSON *image;    /* imageReference */
    const char *etag;
    const cJSON *json; /* all of it */
};

struct batch_registry {
    const char *server, *user, *password; /* the password is secret */
    const char *identity;                 /* in place of user and password; NULL: none */
};

/* An application package, by the full resource id of its application. */
struct batch_package {
    const char *id, *version; /* version NULL: the application's default */
};

/* A pool to make. NULL and 0 leave a member out, but for nodes. */
struct batch_pool_spec {
    const char *id, *display_name, *vm_size;
    const char *publisher, *offer, *sku, *version; /* the image, or: */
    const char *image_id; /* resource id of an image of one's own (needs a token) */
    const char *agent;
    int dedicated, spot;        /* ignored with a formula */
    int64_t resize_timeout_s;   /* 0: Batch's 15 minutes; 5 minutes at least */
    const char *formula;        /* autoscale; NULL: fixed counts */
    int64_t formula_interval_s; /* 0: Batch's 15 minutes; 5 minutes to 168 hours */
    int slots_per_node;         /* 0: one */
    bool pack;                  /* fill a node before the next; else spread */
    bool inter_node;
    const char *subnet_id;
    bool public_ip_less;               /* no public addresses: needs a subnet with a way out */
    const struct batch_command *start; /* start task; NULL: none */
    int start_retries;                 /* of a start task that failed; -1: for ever */
    const char *const *images; /* container images to fetch at start; a container pool if any */
    size_t images_count;
    const struct batch_registry *registries;
    size_t registries_count;
    const struct batch_package *packages; /* at most 10 */
    size_t packages_count;
    const struct batch_label *labels;
    size_t labels_count;
    const cJSON *more; /* further members, put over those above; NULL: none */
};

/* The body of POST /pools, for a dry run too (caller: cJSON_Delete). NULL: no memory. */
cJSON *batch_pool_spec_json(const struct batch_pool_spec *spec);

/* POST /pools, 201. BATCH_ALREADY: PoolExists (also after a lost answer: look whose it is by its
 * labels). "creating pool \"ID\": ...". */
int batch_pool_add(struct account *account, const struct batch_pool_spec *spec,
                   struct error *ret_error);

/* GET /pools/{id}, 200; the caller calls batch_pool_fini. BATCH_MISSING: PoolNotFound. "reading
 * pool \"ID\": ...". */
int batch_pool_get(struct account *account, const char *id, struct batch_pool *ret_pool,
                   struct error *ret_error);
void batch_pool_fini(struct batch_pool *pool); /* one of zeros is allowed */

enum batch_dealloc { /* what becomes of tasks on nodes that leave */
                     BATCH_DEALLOC_REQUEUE = 0,
                     BATCH_DEALLOC_TERMINATE,
                     BATCH_DEALLOC_COMPLETION, /* nodes leave when their tasks have ended */
};

/* POST /pools/{id}/resize, 202. A count of -1 stays as it is; timeout_s as in the spec.
 * BATCH_ALREADY: it is being resized (perhaps by this, if an answer was lost: compare the targets).
 * "resizing pool \"ID\": ...". */
int batch_pool_resize(struct account *account, const char *id, int dedicated, int spot,
                      int64_t timeout_s, enum batch_dealloc dealloc, struct error *ret_error);

/* POST /pools/{id}/stopresize, 202. BATCH_ALREADY: it was not being resized. "stopping the resize
 * of pool \"ID\": ...". */
int batch_pool_stop_resize(struct account *account, const char *id, struct error *ret_error);

/* POST /pools/{id}/enableautoscale, 200; at most once in 30 seconds (the service says so by 503,
 * which is retried). interval_s 0: as it is, or 15 minutes. "letting pool \"ID\" scale itself:
 * ...". */
int batch_pool_autoscale(struct account *account, const char *id, const char *formula,
                         int64_t interval_s, struct error *ret_error);

/* POST /pools/{id}/disableautoscale, 200. "...: ending that pool \"ID\" scales itself". */
int batch_pool_autoscale_end(struct account *account, const char *id, struct error *ret_error);

/* POST /pools/{id}/evaluateautoscale, 200: what would a formula do now? Appends the results
 * ("$TargetDedicatedNodes=0;..."). The pool must have autoscale enabled. A formula's own mistake is
 * -1 with its sentence. "evaluating the formula on pool \"ID\": ...". */
int batch_pool_evaluate(struct account *account, const char *id, const char *formula,
                        struct buf *ret_results, struct error *ret_error);

#define BATCH_REMOVE_MAX 100

/* POST /pools/{id}/removenodes, 202; as often as hundreds of nodes need, which Batch takes one
 * after the other: BATCH_ALREADY means that it is still resizing, and *ret_removed (may be NULL)
 * how many it took. "removing N nodes from pool \"ID\": ...". */
int batch_pool_remove_nodes(struct account *account, const char *id, const char *const *nodes,
                            size_t count, enum batch_dealloc dealloc, size_t *ret_removed,
                            struct error *ret_error);

/* DELETE /pools/{id}, 202; the nodes go in minutes. BATCH_MISSING; BATCH_ALREADY: it is being
 * deleted. "deleting pool \"ID\": ...". */
int batch_pool_delete(struct account *account, const char *id, struct error *ret_error);

#endif
