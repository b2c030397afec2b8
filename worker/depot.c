#include "config.h"

#include "worker/depot.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/azure/blob_upload.h"
#include "common/azure/container.h"
#include "common/clock.h"
#include "common/errand.h"
#include "common/log.h"
#include "worker/instance.h"
#include "worker/workdir.h"

#define LANES    4
#define RETRY_NS (INT64_C(5) * CLOCK_SECOND_NS)

/* An attempt that waits for a lane, or is in one. */
struct parcel {
    struct parcel *next;
    struct attempt_id id;
    struct workdir *workdir;
};

struct lane {
    struct depot *depot;
    struct errand *errand;
    struct container *container; /* the thread's; opened when first needed */
    struct parcel *parcel;       /* NULL: idle */
    bool failed;
    struct error error;
};

struct depot {
    char *store;
    atomic_bool closing;
    struct lane lanes[LANES];
    struct parcel *first, **last;
    struct loop_timer *retry;
    bool waits; /* for the retry */
    bool troubled;
    void (*done)(void *context, struct attempt_id id, const struct error *error);
    void *context;
};

/* --- in a thread -------------------------------------------------------------------------- */

static bool stop(void *context)
{
    struct depot *depot = context;
    return atomic_load(&depot->closing);
}

static int lane_open(struct lane *lane, struct error *ret_error)
{
    const struct http_options http = {.stop = stop, .stop_context = lane->depot};
    if (!lane->container)
        lane->container =
            container_open(lane->depot->store, container_target_get().run, &http, ret_error);
    return lane->container ? 0 : -1;
}

/* By its descriptor: the model's folder is not to lead us elsewhere. */
static int file_put(struct lane *lane, const char *folder, const char *path,
                    struct error *ret_error)
{
    char name[CONTAINER_NAME_SIZE], opened[64];
    struct blob_place place;
    const struct blob_upload_options options = {.parallel = 4};
    if (container_place(lane->container, name, &place, ret_error, "%s/%s", folder, path) != 0)
        return -1;
    int fd = workdir_open_file(lane->parcel->workdir, path, ret_error);
    if (fd < 0)
        return -1;
    snprintf(opened, sizeof(opened), "/proc/self/fd/%d", fd);
    int rc = blob_upload(container_service(lane->container), &place, opened, &options, NULL,
                         ret_error);
    close(fd);
    return rc == 0 ? 0 : error_prefix(ret_error, "output \"%s\"", path);
}

static int parcel_put(struct lane *lane, struct error *ret_error)
{
    struct parcel *parcel = lane->parcel;
    struct buf folder;
    buf_init(&folder, 256);
    int rc = lane_open(lane, ret_error);
    if (rc == 0 &&
        (message_put_folder(&folder, parcel->id, instance_get()) != 0 || !buf_text(&folder)))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for the name of a folder");
    size_t count = workdir_output_count(parcel->workdir);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = file_put(lane, buf_text(&folder), workdir_output_get(parcel->workdir, i)->path,
                      ret_error);
    buf_fini(&folder);
    return rc;
}

static void work(void *context)
{
    struct lane *lane = context;
    lane->failed = parcel_put(lane, &lane->error) != 0;
}

/* --- in the loop -------------------------------------------------------------------------- */

static void worked(void *context);

static void lanes_fill(struct depot *depot)
{
    for (int i = 0; i < LANES && depot->first && !depot->waits; i++) {
        struct lane *lane = &depot->lanes[i];
        if (lane->parcel)
            continue;
        lane->parcel = depot->first;
        depot->first = lane->parcel->next;
        if (!depot->first)
            depot->last = &depot->first;
        errand_start(lane->errand, work, worked, lane);
    }
}

static void retry_expired(void *context)
{
    struct depot *depot = context;
    depot->waits = false;
    lanes_fill(depot);
}

static void queue(struct depot *depot, struct parcel *parcel)
{
    parcel->next = NULL;
    *depot->last = parcel;
    depot->last = &parcel->next;
}

/* Whether it is the files that are at fault, rather than the way to the container. */
static bool is_final(const struct error *error)
{
    return error->code == ERROR_SYSTEM || error->code == ERROR_CHANGED ||
           error->code == ERROR_CONFIG;
}

static void worked(void *context)
{
    struct lane *lane = context;
    struct depot *depot = lane->depot;
    struct parcel *parcel = lane->parcel;
    struct error error = lane->error;
    bool failed = lane->failed;
    lane->parcel = NULL;
    if (failed && !is_final(&error)) {
        if (!depot->troubled)
            log_warn("output files wait until they can be put into the container: %s",
                     error.text);
        depot->troubled = depot->waits = true;
        queue(depot, parcel);
        loop_timer_arm(depot->retry, clock_monotonic_ns() + RETRY_NS);
        return;
    }
    if (!failed && depot->troubled)
        log_info("output files can be put into the container again");
    depot->troubled = failed && depot->troubled;
    depot->done(depot->context, parcel->id, failed ? &error : NULL);
    free(parcel);
    lanes_fill(depot);
}

struct depot *depot_create(struct loop *loop, const char *store,
                           void (*done)(void *context, struct attempt_id id,
                                        const struct error *error),
                           void *context, struct error *ret_error)
{
    struct depot *depot = calloc(1, sizeof(*depot));
    if (!depot || !(depot->store = strdup(store))) {
        free(depot);
        error_set(ret_error, ERROR_SYSTEM, "no memory to put files into the container");
        return NULL;
    }
    depot->last = &depot->first;
    depot->done = done;
    depot->context = context;
    depot->retry = loop_timer_add(loop, retry_expired, depot);
    bool good = depot->retry != NULL;
    if (!good)
        error_set(ret_error, ERROR_SYSTEM, "no memory to put files into the container");
    for (int i = 0; good && i < LANES; i++) {
        depot->lanes[i].depot = depot;
        depot->lanes[i].errand = errand_create(loop, ret_error);
        good = depot->lanes[i].errand != NULL;
    }
    if (good)
        return depot;
    depot_destroy(depot);
    return NULL;
}

void depot_destroy(struct depot *depot)
{
    if (!depot)
        return;
    atomic_store(&depot->closing, true);
    for (int i = 0; i < LANES; i++) {
        errand_destroy(depot->lanes[i].errand);
        container_close(depot->lanes[i].container);
        free(depot->lanes[i].parcel);
    }
    for (struct parcel *next; depot->first; depot->first = next) {
        next = depot->first->next;
        free(depot->first);
    }
    loop_timer_remove(depot->retry);
    OPENSSL_cleanse(depot->store, strlen(depot->store));
    free(depot->store);
    free(depot);
}

int depot_put(struct depot *depot, struct attempt_id id, struct workdir *workdir)
{
    struct parcel *parcel = calloc(1, sizeof(*parcel));
    if (!parcel)
        return -1;
    workdir_output_count(workdir); /* puts them in order, here rather than in the thread */
    *parcel = (struct parcel){.id = id, .workdir = workdir};
    queue(depot, parcel);
    lanes_fill(depot);
    return 0;
}
