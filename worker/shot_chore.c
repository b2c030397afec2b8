#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/instance.h"
#include "worker/shot_chore.h"

#define FD_PATH_MAX 32

struct shot_chore *shot_chore_create(enum shot_chore_kind kind, struct attempt_id id)
{
    struct shot_chore *chore = calloc(1, sizeof(*chore));
    if (chore) {
        chore->kind = kind;
        chore->id = id;
        chore->fd = -1;
    }
    return chore;
}

void shot_chore_destroy(struct shot_chore *chore)
{
    if (!chore)
        return;
    if (chore->fd >= 0)
        close(chore->fd);
    shot_parcel_destroy(chore->parcel);
    shot_task_fini(&chore->task);
    free(chore->payload);
    free(chore->path);
    free(chore);
}

/* --- In the thread --- */

/* To a file, or to whoever is at the other end of the connection. */
static int deliver(struct shot_chore *chore, struct shot_sums *sums)
{
    struct shot_delivery delivery = {.number = chore->task.sum,
                                     .wanted = chore->task.attempts,
                                     .wanted_count = chore->task.attempt_count,
                                     .task = chore->id.task,
                                     .path = chore->path,
                                     .fd = chore->fd};
    int rc = shot_sums_deliver(sums, &delivery, &chore->error);
    chore->contents = (struct gift_contents){delivery.attempts, delivery.shots};
    return rc;
}

/* A file stays readable by this name when its folder is gone. */
static const char *fd_path(int fd, char path[FD_PATH_MAX])
{
    snprintf(path, FD_PATH_MAX, "/proc/self/fd/%d", fd);
    return path;
}

static int take(struct shot_chore *chore)
{
    char path[FD_PATH_MAX];
    chore->fd = open(chore->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (chore->fd < 0)
        return error_errno(&chore->error, errno, "\"%s\" cannot be made", chore->path);
    if (gift_fetch(chore->terms, chore->id.task, chore->payload, chore->payload_size, chore->fd,
                   &chore->error) < 0)
        return -1;
    return gift_check(fd_path(chore->fd, path), &chore->task, &chore->contents, &chore->error);
}

static int hear(struct shot_chore *chore)
{
    return gift_hear(chore->terms, chore->fd, instance_get(), &chore->task, &chore->id.task,
                     &chore->error);
}

static int give(struct shot_chore *chore, struct shot_sums *sums)
{
    int rc = deliver(chore, sums);
    if (rc < 0) /* if some of it was sent already, that is found to be damaged */
        gift_refuse(chore->fd, &chore->error);
    return rc;
}

static int add(struct shot_chore *chore, struct shot_sums *sums)
{
    const struct sum_part part = shot_parcel_part(chore->parcel);
    return shot_sums_add(sums, &chore->parcel->shape, &part, &chore->error);
}

static int check(struct shot_chore *chore)
{
    const struct sum_part part = shot_parcel_part(chore->parcel);
    return sum_check_part(&chore->parcel->shape, &part, &chore->error);
}

void shot_chore_work(struct shot_chore *chore, struct shot_sums *sums)
{
    char path[FD_PATH_MAX];
    chore->rc = 0;
    switch (chore->kind) {
    case CHORE_CHECK:
        chore->rc = check(chore);
        break;
    case CHORE_ADD:
        chore->rc = add(chore, sums);
        break;
    case CHORE_DELIVER:
        chore->rc = deliver(chore, sums);
        break;
    case CHORE_FORGET:
        shot_sums_forget(sums, chore->id.task);
        break;
    case CHORE_DROP:
        shot_sums_drop(sums, chore->number);
        break;
    case CHORE_TAKE:
        chore->rc = take(chore);
        break;
    case CHORE_ADOPT:
        chore->rc = shot_sums_adopt(sums, fd_path(chore->fd, path), &chore->error);
        break;
    case CHORE_HEAR:
        chore->rc = hear(chore);
        break;
    case CHORE_GIVE:
        chore->rc = give(chore, sums);
        break;
    }
}

/* --- Queues --- */

void shot_chores_init(struct shot_chores *chores)
{
    chores->first = NULL;
    chores->last = &chores->first;
}

void shot_chores_put(struct shot_chores *chores, struct shot_chore *chore)
{
    chore->next = NULL;
    *chores->last = chore;
    chores->last = &chore->next;
}

struct shot_chore *shot_chores_take(struct shot_chores *chores)
{
    struct shot_chore *chore = chores->first;
    if (chore && !(chores->first = chore->next))
        chores->last = &chores->first;
    return chore;
}
