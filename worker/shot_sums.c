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

/* Whether one of these attempts is in a sum already. */
static bool have_any(const struct shot_sums *sums, const struct sum_names *names)
{
    for (const struct item *item = sums->first; item; item = item->next)
        for (size_t i = 0; i < sum_names_count(names); i++)
            if (sum_names_have(sum_get_names(item->sum), sum_names_get(names, i).id))
                return true;
    return false;
}

/* The open sum of this shape, or a new one: if there is none, or what comes now meets what is in
 * it. */
static struct item **open_for(struct shot_sums *sums, const struct sum_shape *shape, bool meets,
                              struct error *ret_error)
{
    struct item **link = find_open(sums, shape->number);
    if (*link && meets) {
        (*link)->sealed = OUTLIVED;
        link = find_open(sums, shape->number);
    }
    if (*link)
        return link;
    return make_open(sums, shape, ret_error) ? find_open(sums, shape->number) : NULL;
}

/* An open sum that is of no use, as adding to it failed. */
static void remove_bad(struct item **link, bool spoiled)
{
    if (spoiled || sum_names_count(sum_get_names((*link)->sum)) == 0)
        remove_item(link);
}

int shot_sums_adopt(struct shot_sums *sums, const char *path, struct error *ret_error)
{
    struct item **link = NULL;
    bool spoiled;
    struct sum_reader *reader = sum_reader_open(&path, 1, ret_error);
    if (!reader)
        return -1;
    const struct sum_shape *shape = sum_reader_shape(reader);
    const struct sum_names *names = sum_reader_names(reader);
    const struct item *open = *find_open(sums, shape->number);
    if (have_any(sums, names))
        error_set(ret_error, ERROR_TASKS, "what another worker gave is here already");
    else
        link = open_for(sums, shape, open && sum_meets(open->sum, names), ret_error);
    sum_reader_close(reader);
    int rc = link ? sum_add_file((*link)->sum, path, &spoiled, ret_error) : -1;
    if (link && rc < 0)
        remove_bad(link, spoiled);
    return rc;
}

int shot_sums_add(struct shot_sums *sums, const struct sum_shape *shape,
                  const struct sum_part *part, struct error *ret_error)
{
    const struct item *open = *find_open(sums, shape->number);
    struct item **link =
        open_for(sums, shape, open && sum_overlaps(open->sum, part), ret_error);
    bool spoiled;
    if (!link)
        return -1;
    if (!sum_shape_equal(sum_get_shape((*link)->sum), shape))
        return error_set(ret_error, ERROR_TASKS,
                         "sum %llu has another grid, other arrays or another mode",
                         (unsigned long long)shape->number);
    int rc = sum_add((*link)->sum, part, &spoiled, ret_error);
    if (rc < 0)
        remove_bad(link, spoiled);
    return rc;
}

static size_t seal(struct shot_sums *sums, const struct shot_delivery *delivery,
                   const struct sum **chosen)
{
    size_t count = 0;
    for (struct item *item = sums->first; item; item = item->next) {
        if (sum_get_shape(item->sum)->number != delivery->number ||
            !sum_names_within(sum_get_names(item->sum), delivery->wanted,
                              delivery->wanted_count))
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
    int rc = delivery->path ? sum_write(chosen, count, delivery->path, ret_error)
                            : sum_send(chosen, count, delivery->fd, ret_error);
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
