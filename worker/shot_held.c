#include "config.h"

#include <stdlib.h>

#include "worker/shot_held.h"

struct shot_held_parcel {
    struct shot_held_parcel *next;
    struct shot_parcel *parcel;
};

static bool is_same(struct attempt_id a, struct attempt_id b)
{
    return a.task == b.task && a.attempt == b.attempt;
}

static struct shot_parcel *unlink_parcel(struct shot_held_parcel **link)
{
    struct shot_held_parcel *item = *link;
    struct shot_parcel *parcel = item->parcel;
    *link = item->next;
    free(item);
    return parcel;
}

static struct shot_chore *unlink_gift(struct shot_chore **link)
{
    struct shot_chore *gift = *link;
    *link = gift->next;
    return gift;
}

void shot_held_fini(struct shot_held *held)
{
    while (held->gifts)
        shot_chore_destroy(unlink_gift(&held->gifts));
    while (held->parcels)
        shot_parcel_destroy(unlink_parcel(&held->parcels));
}

bool shot_held_is_empty(const struct shot_held *held)
{
    return !held->parcels && !held->gifts;
}

int shot_held_put(struct shot_held *held, struct shot_parcel *parcel, struct error *ret_error)
{
    struct shot_held_parcel *item = malloc(sizeof(*item));
    if (!item)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to hold a shot");
    *item = (struct shot_held_parcel){held->parcels, parcel};
    held->parcels = item;
    return 0;
}

struct shot_parcel *shot_held_take(struct shot_held *held, struct attempt_id id)
{
    for (struct shot_held_parcel **link = &held->parcels; *link; link = &(*link)->next)
        if (is_same((*link)->parcel->id, id))
            return unlink_parcel(link);
    return NULL;
}

void shot_held_put_gift(struct shot_held *held, struct shot_chore *gift)
{
    gift->next = held->gifts;
    held->gifts = gift;
}

struct shot_chore *shot_held_take_gift(struct shot_held *held, struct attempt_id id)
{
    for (struct shot_chore **link = &held->gifts; *link; link = &(*link)->next)
        if (is_same((*link)->id, id))
            return unlink_gift(link);
    return NULL;
}

/* Whether all that the first task names is named by the second; both lists ascend. */
static bool is_within(const struct shot_task *task, const struct shot_task *other)
{
    size_t j = 0;
    for (size_t i = 0; i < task->attempt_count; i++) {
        while (j < other->attempt_count && other->attempts[j].task < task->attempts[i].task)
            j++;
        if (j == other->attempt_count || !is_same(other->attempts[j], task->attempts[i]))
            return false;
    }
    return task->sum == other->sum;
}

struct shot_chore *shot_held_take_gift_within(struct shot_held *held,
                                              const struct shot_task *task)
{
    for (struct shot_chore **link = &held->gifts; *link; link = &(*link)->next)
        if (is_within(&(*link)->task, task))
            return unlink_gift(link);
    return NULL;
}

void shot_held_drop(struct shot_held *held, uint64_t number)
{
    for (struct shot_held_parcel **link = &held->parcels; *link;) {
        if ((*link)->parcel->shape.number >= number)
            link = &(*link)->next;
        else
            shot_parcel_destroy(unlink_parcel(link));
    }
    for (struct shot_chore **link = &held->gifts; *link;) {
        if ((*link)->task.sum >= number)
            link = &(*link)->next;
        else
            shot_chore_destroy(unlink_gift(link));
    }
}
