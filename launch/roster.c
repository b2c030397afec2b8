#include "config.h"

#include "launch/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 1000000000

void roster_id_format(int number, int generation, char *id)
{
    char role[32] = "master";
    if (number > 0)
        snprintf(role, sizeof role, "worker-%d", number);
    if (generation > 1)
        snprintf(id, BACKEND_TASK_ID_MAX + 1, "%s-%d", role, generation);
    else
        snprintf(id, BACKEND_TASK_ID_MAX + 1, "%s", role);
}

/* A count from 1 at *text, which is moved behind it; 0 if there is none. */
static int count_take(const char **text)
{
    char *end;
    long count = **text >= '1' && **text <= '9' ? strtol(*text, &end, 10) : 0;
    if (count <= 0 || count > COUNT_MAX)
        return 0;
    *text = end;
    return (int)count;
}

int roster_id_parse(const char *id, int *ret_number, int *ret_generation)
{
    int number = 0, generation = 1;
    const char *rest = id;
    if (strncmp(id, "master", 6) == 0) {
        rest += 6;
    } else if (strncmp(id, "worker-", 7) == 0) {
        rest += 7;
        number = count_take(&rest);
        if (number == 0)
            return -1;
    } else {
        return -1;
    }
    if (*rest == '-') {
        rest++;
        generation = count_take(&rest);
        if (generation < 2)
            return -1;
    }
    if (*rest)
        return -1;
    *ret_number = number;
    *ret_generation = generation;
    return 0;
}

struct listing {
    struct roster *roster;
    size_t capacity;
};

static int task_add(void *context, const char *id, const struct backend_status *status)
{
    struct listing *listing = context;
    struct roster *roster = listing->roster;
    struct roster_task task = {.status = *status};
    if (roster_id_parse(id, &task.number, &task.generation) != 0)
        return 0;
    task.master = task.number == 0;
    snprintf(task.id, sizeof task.id, "%s", id);
    if (roster->count == listing->capacity) {
        size_t capacity = listing->capacity ? 2 * listing->capacity : 16;
        struct roster_task *tasks = realloc(roster->tasks, capacity * sizeof *tasks);
        if (!tasks)
            return 1;
        roster->tasks = tasks;
        listing->capacity = capacity;
    }
    roster->tasks[roster->count++] = task;
    return 0;
}

static int task_compare(const void *a, const void *b)
{
    const struct roster_task *left = a, *right = b;
    int order = (left->number > right->number) - (left->number < right->number);
    return order ? order : left->generation - right->generation;
}

int roster_read(struct backend *backend, struct roster *ret_roster, struct error *ret_error)
{
    struct roster roster = {0};
    struct listing listing = {.roster = &roster};
    int rc = backend->ops->task_list(backend, task_add, &listing, ret_error);
    if (rc > 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for the list of tasks");
    if (roster.count > 0)
        qsort(roster.tasks, roster.count, sizeof *roster.tasks, task_compare);
    if (rc == 0)
        *ret_roster = roster;
    else
        roster_close(&roster);
    return rc;
}

void roster_close(struct roster *roster)
{
    free(roster->tasks);
    memset(roster, 0, sizeof *roster);
}

/* Sorted by generation: the last of its number. */
static const struct roster_task *number_find(const struct roster *roster, int number)
{
    for (size_t i = roster->count; i-- > 0;)
        if (roster->tasks[i].number == number)
            return &roster->tasks[i];
    return NULL;
}

const struct roster_task *roster_master(const struct roster *roster)
{
    return number_find(roster, 0);
}

const struct roster_task *roster_worker(const struct roster *roster, int number)
{
    return number > 0 ? number_find(roster, number) : NULL;
}

int roster_workers(const struct roster *roster)
{
    return roster->count > 0 ? roster->tasks[roster->count - 1].number : 0;
}
