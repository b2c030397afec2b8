#include "config.h"

#include <stdlib.h>

#include "worker/shot_sums.h"

#define OUTLIVED UINT64_MAX /* sealed because its shots came once more */

struct item {
    struct item *next;
    struct sum *sum;
    uint64_t sealed; /* the collect task, or OUTLIVED; 0: open */
};

struct shot_sums {
    struct item *first;
};

struct shot_sums *shot_sums_create(void)
{
    return calloc(1, sizeof(struct shot_sums));
}

static void remove_item(struct item **link)
{
    struct item *item = *link;
    *link = item->next;
    sum_destroy(item->sum);
    free(item);
}

void shot_sums_destroy(struct shot_sums *sums)
{
    while (sums && sums->first)
        remove_item(&sums->first);
    free(sums);
}

uint64_t shot_sums_bytes(const struct shot_sums *sums)
{
    uint64_t bytes = 0;
    for (const struct item *item = sums->first; item; item = item->next)
        bytes += sum_bytes(item->sum);
    return bytes;
}

static struct item **find_open(struct shot_sums *sums, uint64_t number)
{
    struct item **link = &sums->first;
    while (*link && ((*link)->sealed || sum_get_shape((*link)->sum)->number != number))
        link = &(*link)->next;
    return link;
}

static struct item *make_open(struct shot_sums *sums, const struct sum_shape *shape,
                              struct error *ret_error)
{
    struct item *item = calloc(1, sizeof(*item));
    if (!item) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a sum");
        return NULL;
    }
    item->sum = sum_create(shape, ret_error);
    if (!item->sum) {
        free(item);
        return NULL;
    }
    item->next = sums->first;
    sums->first = item;
    return item;
}

int shot_sums_add(struct shot_sums *sums, const struct sum_shape *shape,
                  const struct sum_part *part, struct error *ret_error)
{
    struct item **link = find_open(sums, shape->number);
    bool spoiled;
    if (*link && sum_overlaps((*link)->sum, part)) {
        (*link)->sealed = OUTLIVED;
        link = find_open(sums, shape->number);
    }
    if (!*link) {
        if (!make_open(sums, shape, ret_error))
            return -1;
        link = find_open(sums, shape->number);
    }
    if (!sum_shape_equal(sum_get_shape((*link)->sum), shape))
        return error_set(ret_error, ERROR_TASKS,
                         "sum %llu has another grid, other arrays or another mode",
                         (unsigned long long)shape->number);
    int rc = sum_add((*link)->sum, part, &spoiled, ret_error);
    if (rc < 0 && (spoiled || sum_names_count(sum_get_names((*link)->sum)) == 0))
        remove_item(link);
    return rc;
}

/* Both lists ascend. */
static bool all_wanted(const struct sum_names *names, const struct shot_delivery *delivery)
{
    size_t j = 0;
    for (size_t i = 0; i < sum_names_count(names); i++) {
        struct attempt_id id = sum_names_get(names, i).id;
        while (j < delivery->wanted_count && delivery->wanted[j].task < id.task)
            j++;
        if (j == delivery->wanted_count || delivery->wanted[j].task != id.task ||
            delivery->wanted[j].attempt != id.attempt)
            return false;
    }
    return true;
}

static size_t seal(struct shot_sums *sums, const struct shot_delivery *delivery,
                   const struct sum **chosen)
{
    size_t count = 0;
    for (struct item *item = sums->first; item; item = item->next) {
        if (sum_get_shape(item->sum)->number != delivery->number ||
            !all_wanted(sum_get_names(item->sum), delivery))
            continue;
        if (chosen) {
            chosen[count] = item->sum;
            item->sealed = delivery->task;
        }
        count++;
    }
    return count;
}

int shot_sums_deliver(struct shot_sums *sums, struct shot_delivery *delivery,
                      struct error *ret_error)
{
    size_t count = seal(sums, delivery, NULL);
    delivery->attempts = delivery->shots = 0;
    if (count == 0)
        return error_set(ret_error, ERROR_TASKS,
                         "this worker holds nothing of what is wanted of sum %llu",
                         (unsigned long long)delivery->number);
    const struct sum **chosen = calloc(count, sizeof(*chosen));
    if (!chosen)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to deliver a sum");
    seal(sums, delivery, chosen);
    for (size_t i = 0; i < count; i++) {
        delivery->attempts += sum_names_count(sum_get_names(chosen[i]));
        delivery->shots += sum_names_shots(sum_get_names(chosen[i]));
    }
    int rc = sum_write(chosen, count, delivery->path, ret_error);
    free(chosen);
    return rc;
}

void shot_sums_forget(struct shot_sums *sums, uint64_t task)
{
    for (struct item **link = &sums->first; *link;) {
        if ((*link)->sealed == task)
            remove_item(link);
        else
            link = &(*link)->next;
    }
}

void shot_sums_drop(struct shot_sums *sums, uint64_t number)
{
    for (struct item **link = &sums->first; *link;) {
        if (sum_get_shape((*link)->sum)->number < number)
            remove_item(link);
        else
            link = &(*link)->next;
    }
}
