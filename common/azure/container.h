/*
 * container.h - a container reached by a SAS: all that a node knows of Azure.
 *
 * BEOFARM_STORE=blob:URL names it, where URL is
 * "https://ACCOUNT.blob.core.windows.net/CONTAINER?SAS" (an emulator's may hold the account in its
 * path: the last part is the container), and BEOFARM_RUN the run (the farm's name, if not set). The
 * SAS gives the right to read, add, create, write, delete and list ("racwdl"). It is a secret: no
 * sentence shows it, models do not see it (common/hidden.h). In the container lie
 *
 *     store/HASH            files by content, of all runs (common/store_blob.h); launch puts them
 *     RUN/sas               a SAS (a query, without '?') that replaces the one that nodes were
 *                           started with; launch puts it there before that ends
 *     RUN/master.json       where the master is (common/whereabouts.h)
 *     RUN/journal/NNNNNN    the master's journal (master/replica.h)
 *     RUN/outputs/TASK.ATTEMPT.WORKER/PATH
 *                           output files of attempts, as workers put them there
 *     RUN/outputs.csv       which of them count: one line "task,folder,files" per task
 *     RUN/results.csv       as in the run directory
 *     RUN/said.txt          what the master wrote to its standard output
 *     RUN/out/TASK/PATH     output files that the driver reads: they went over the link, and are
 *                           there before their result counts (master/ship.h)
 *     RUN/out/master/PATH   the files of the driver (master/delivery.h)
 *
 * One thread at a time: every thread that wants to speak opens its own.
 */
#ifndef BEOFARM_COMMON_AZURE_CONTAINER_H
#define BEOFARM_COMMON_AZURE_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/azure/blob.h"
#include "common/error.h"

#define CONTAINER_NAME_SIZE (BLOB_NAME_MAX + 1)
#define CONTAINER_SCHEME    "blob:"

struct container;

/* Whether a BEOFARM_STORE names a container ("blob:..."). NULL is none. */
bool container_is(const char *store);

/* What BEOFARM_STORE and BEOFARM_RUN (or BEOFARM_FARM) say. Borrowed; `store` NULL where the store
 * is no container. */
struct container_target {
    const char *store; /* "blob:URL" */
    const char *run;
};
struct container_target container_target_get(void);

/* Open it; nothing is asked yet. `store` is "blob:URL", `run` may be NULL where nothing of a run is
 * wanted, `http` may be NULL. NULL with a sentence (ERROR_CONFIG: no such URL). */
struct container *container_open(const char *store, const char *run,
                                 const struct http_options *http, struct error *ret_error);
void container_close(struct container *container); /* NULL is allowed */

/* For blob operations (common/azure/blob.h and its like), with places that container_place made. A
 * SAS that has a good part of its life behind it is first looked for anew. */
struct blob_service *container_service(struct container *container);

/* The container's own name. Borrowed. */
const char *container_name(const struct container *container);

/* The place of RUN/NAME, NAME being printed, into name. 0, or -1 with a sentence: too long. */
int container_place(const struct container *container, char name[CONTAINER_NAME_SIZE],
                    struct blob_place *ret_place, struct error *ret_error, const char *format,
                    ...) __attribute__((format(printf, 5, 6)));

/* The same for what belongs to no run: NAME. */
int container_place_shared(const struct container *container, char name[CONTAINER_NAME_SIZE],
                           struct blob_place *ret_place, struct error *ret_error,
                           const char *format, ...) __attribute__((format(printf, 5, 6)));

/* When its SAS ends, in seconds since 1970; INT64_MAX where it does not say. */
int64_t container_expiry_s(const struct container *container);

/* When container_service next looks for another one; INT64_MAX: never. */
int64_t container_look_s(const struct container *container);

#endif
