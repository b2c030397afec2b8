#include "config.h"

#include "master/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/azure/container.h"
#include "common/errand.h"
#include "common/fd.h"
#include "master/ship.h"

#define COPY_BLOCK ((size_t)256 << 10)

static const char *const tables[] = {"results.csv", "outputs.csv", "said.txt"};
#define TABLES (sizeof(tables) / sizeof(*tables))

/* What a file was when it was delivered. */
struct stamp {
    off_t size;
    struct timespec changed;
};

struct delivery {
    struct errand *errand;
    const char *store, *run, *run_dir;
    struct container *container; /* the thread's; opened when first needed */
    struct stamp stamps[TABLES];
    enum delivery_extent extent;
    struct whereabouts whereabouts;
    bool has_whereabouts, failed;
    struct error error;
    void (*done)(void *context, const struct error *error);
    void *context;
};

struct delivery *delivery_create(struct loop *loop, const char *store, const char *run,
                                 const char *run_dir, struct error *ret_error)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    if (!delivery) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for deliveries");
        return NULL;
    }
    delivery->store = store;
    delivery->run = run;
    delivery->run_dir = run_dir;
    delivery->errand = errand_create(loop, ret_error);
    if (delivery->errand)
        return delivery;
    delivery_destroy(delivery);
    return NULL;
}

void delivery_destroy(struct delivery *delivery)
{
    if (!delivery)
        return;
    errand_destroy(delivery->errand);
    container_close(delivery->container);
    free(delivery);
}

bool delivery_is_busy(const struct delivery *delivery)
{
    return errand_is_busy(delivery->errand);
}

/* --- in the thread ------------------------------------------------------------------------ */

/* The first `size` bytes of a file. */
static int copy_beginning(const char *from_path, const char *to_path, off_t size,
                          struct error *ret_error)
{
    int rc = 0;
    uint8_t *block = malloc(COPY_BLOCK);
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    int to = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (!block || from < 0 || to < 0)
        rc = error_errno(ret_error, block ? errno : ENOMEM, "\"%s\" cannot be copied",
                         from_path);
    while (rc == 0 && size > 0) {
        ssize_t got = read(from, block, (size_t)size < COPY_BLOCK ? (size_t)size : COPY_BLOCK);
        if (got <= 0 || fd_write(to, block, (size_t)got) < 0)
            rc = error_errno(ret_error, errno, "\"%s\" cannot be copied", from_path);
        size -= got;
    }
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    free(block);
    return rc;
}

static int table_deliver(struct delivery *delivery, size_t which, struct error *ret_error)
{
    char *path = NULL, *copy = NULL;
    struct stat status;
    int rc = 0;
    if (asprintf(&path, "%s/%s", delivery->run_dir, tables[which]) < 0 ||
        asprintf(&copy, "%s/.%s.delivery", delivery->run_dir, tables[which]) < 0) {
        free(path);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    struct stamp *stamp = &delivery->stamps[which];
    if (stat(path, &status) == 0 &&
        (status.st_size != stamp->size ||
         memcmp(&status.st_mtim, &stamp->changed, sizeof(stamp->changed)) != 0)) {
        rc = copy_beginning(path, copy, status.st_size, ret_error);
        if (rc == 0)
            rc = ship_file(delivery->container, copy, tables[which], ret_error);
        if (rc == 0)
            *stamp = (struct stamp){status.st_size, status.st_mtim};
        unlink(copy);
    }
    free(path);
    free(copy);
    return rc;
}

static int deliver(struct delivery *delivery, struct error *ret_error)
{
    if (!delivery->container)
        delivery->container = container_open(delivery->store, delivery->run, NULL, ret_error);
    if (!delivery->container)
        return -1;
    if (delivery->has_whereabouts &&
        whereabouts_put(delivery->container, &delivery->whereabouts, ret_error) != 0)
        return -1;
    for (size_t i = 0; i < TABLES; i++)
        if (table_deliver(delivery, i, ret_error) != 0)
            return -1;
    return delivery->extent == DELIVERY_ALL
               ? ship_folder(delivery->container, delivery->run_dir, "out/master", ret_error)
               : 0;
}

static void work(void *context)
{
    struct delivery *delivery = context;
    delivery->failed = deliver(delivery, &delivery->error) != 0;
}

static void worked(void *context)
{
    struct delivery *delivery = context;
    delivery->done(delivery->context, delivery->failed ? &delivery->error : NULL);
}

void delivery_start(struct delivery *delivery, enum delivery_extent extent,
                    const struct whereabouts *whereabouts,
                    void (*done)(void *context, const struct error *error), void *context)
{
    delivery->extent = extent;
    delivery->has_whereabouts = whereabouts != NULL;
    if (whereabouts)
        delivery->whereabouts = *whereabouts;
    delivery->done = done;
    delivery->context = context;
    errand_start(delivery->errand, work, worked, delivery);
}
