#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "master/shots/reduction.h"

static int by_host(const void *a, const void *b)
{
    const struct reduction_holder *left = a, *right = b;
    int order = strcmp(left->host, right->host);
    if (order)
        return order;
    return left->instance < right->instance ? -1 : left->instance > right->instance;
}

/* Where the run of one host that begins at `first` ends. */
static size_t host_end(const struct reduction_holder *holders, size_t count, size_t first)
{
    size_t end = first + 1;
    while (end < count && strcmp(holders[end].host, holders[first].host) == 0)
        end++;
    return end;
}

/* Whether the first is the better one to receive. */
static bool receives_rather(const struct reduction_holder *one,
                            const struct reduction_holder *other)
{
    if (!one->host[0] != !other->host[0])
        return !one->host[0];
    return one->attempts > other->attempts;
}

static size_t group_receiver(const struct reduction_holder *holders, size_t first, size_t end)
{
    size_t receiver = first;
    for (size_t i = first + 1; i < end; i++)
        if (receives_rather(&holders[i], &holders[receiver]))
            receiver = i;
    return receiver;
}

/* Cut holders from `first` to `end` into equal groups; in each, those who can give to one. */
static size_t groups_plan(const struct reduction_holder *holders, size_t first, size_t end,
                          struct reduction_gift *gifts)
{
    size_t groups = (end - first + REDUCTION_FAN - 1) / REDUCTION_FAN, made = 0;
    for (; groups; groups--) {
        size_t next = first + (end - first) / groups;
        size_t receiver = group_receiver(holders, first, next);
        for (size_t i = first; i < next; i++)
            if (i != receiver && holders[i].host[0])
                gifts[made++] = (struct reduction_gift){.giver = i, .receiver = receiver};
        first = next;
    }
    return made;
}

size_t reduction_plan(struct reduction_holder *holders, size_t count,
                      struct reduction_gift *ret_gifts)
{
    size_t made = 0;
    if (count <= REDUCTION_FAN)
        return 0;
    qsort(holders, count, sizeof(*holders), by_host);
    for (size_t first = 0, end; first < count; first = end) {
        end = host_end(holders, count, first);
        made += groups_plan(holders, first, end, ret_gifts + made);
    }
    return made ? made : groups_plan(holders, 0, count, ret_gifts);
}
