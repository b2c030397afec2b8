/*
 * site.h - where a worker computes: the slots of its node with their runners, the file cache,
 * the place for work directories. Built from the job when a master first gives it.
 */
#ifndef BEOFARM_WORKER_SITE_H
#define BEOFARM_WORKER_SITE_H

#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/loop.h"
#include "worker/cache.h"
#include "worker/child.h"
#include "worker/runner.h"

struct site;

struct site_events {
    /* All files are here and every slot has its runner: tasks may be started. Never called from
     * site_create. */
    void (*ready)(void *context);
    /* There is no room for the farm's files, and it waits; NULL: now there is. */
    void (*full)(void *context, const struct error *error);
    /* It will not become ready; the sentence says why. */
    void (*failed)(void *context, const struct error *error);
    /* A task ended; as runner_owner.done. */
    void (*done)(void *context, uint32_t slot, const struct result *result,
                 struct workdir *workdir);
    /* As runner_owner.broken; but not of a full disk, if its room is to be waited for: then `done`
     * alone tells. */
    void (*broken)(void *context, const struct error *error);
};

/* Divide the node as the job's "worker" says and ask for the farm's files. `job` is borrowed and
 * must outlive the site. Files lie under job.worker.dir, or the current directory, in
 * "beofarm/". NULL with a sentence. */
struct site *site_create(struct loop *loop, struct children *children, const cJSON *job,
                         const struct site_events *events, void *context,
                         struct error *ret_error);

/* Kill what runs, remove the work directories, keep the cache. NULL is allowed. */
void site_destroy(struct site *site);

/* For cache_set_source and cache_take. */
struct cache *site_cache(struct site *site);

/* How many slots there are. */
uint32_t site_slots(const struct site *site);

/* The slot that can take a task now and has fewest; -1 if none can. */
int site_free_slot(const struct site *site);

/* Start a task on a slot that site_free_slot gave. */
void site_start(struct site *site, uint32_t slot, struct attempt_id id, const void *payload,
                size_t size);

/* After a run of starts. */
void site_flush(struct site *site);

/* The task's result is no longer wanted; `done` is called as the runner says (worker/runner.h). */
void site_cancel(struct site *site, uint32_t slot, struct attempt_id id,
                 enum runner_cancel how);

/* As runner_ops.settled. */
void site_settled(struct site *site, uint32_t slot, struct attempt_id id, bool counts);

/* Where the work directories are, for sentences. Owned by the site. */
const char *site_dir(const struct site *site);

/* $.worker.disk_wait_s of the job. */
double site_disk_wait_s(const struct site *site);

/* As workplace_is_full. */
bool site_is_full(const struct site *site);

/* As runner_ops.stays. */
bool site_stays(const struct site *site);

/* As runner_ops.leave, of all slots. */
void site_leave(struct site *site);

/* As runner_ops.holds and runner_ops.owes, of any slot. */
bool site_holds(const struct site *site);
bool site_owes(const struct site *site, const void *payload, size_t size);

#endif
