/* Names stand in one array in the order of tasks, their shots in one block each; all shots of all
 * names once more in one sorted array, where a second of the same is found. A sum has thousands of
 * names at most, and each was a shot that took seconds, so inserting may move them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/seismic/sum_private.h"

#define NAMES_MAX ((uint64_t)10000000)

struct entry {
    struct attempt_id id;
    uint64_t *shots; /* owned */
    size_t shot_count;
};

struct sum_names {
    struct entry *entries;
    size_t count, capacity;
    uint64_t *shots; /* of all entries, ascending */
    size_t shot_count, shot_capacity;
};

struct sum_names *sum_names_create(void)
{
    return calloc(1, sizeof(struct sum_names));
}

void sum_names_destroy(struct sum_names *names)
{
    if (!names)
        return;
    for (size_t i = 0; i < names->count; i++)
        free(names->entries[i].shots);
    free(names->entries);
    free(names->shots);
    free(names);
}

/* The first entry whose task is not below `task`. */
static size_t find(const struct sum_names *names, uint64_t task)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->entries[middle].id.task < task)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool sum_names_have_task(const struct sum_names *names, uint64_t task)
{
    size_t i = find(names, task);
    return i < names->count && names->entries[i].id.task == task;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

bool sum_names_have_shot(const struct sum_names *names, uint64_t shot)
{
    return names->shot_count && bsearch(&shot, names->shots, names->shot_count,
                                        sizeof(*names->shots), compare) != NULL;
}

/* Whether two ascending lists have one in common; which. */
static bool meet(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count,
                 uint64_t *ret_common)
{
    for (size_t i = 0, j = 0; i < a_count && j < b_count;) {
        if (a[i] == b[j]) {
            *ret_common = a[i];
            return true;
        }
        if (a[i] < b[j])
            i++;
        else
            j++;
    }
    return false;
}

static int grow(void *array, size_t *capacity, size_t need, size_t size)
{
    void **memory = array;
    if (need <= *capacity)
        return 0;
    size_t more = need > 2 * *capacity ? need : 2 * *capacity;
    void *grown = reallocarray(*memory, more, size);
    if (!grown)
        return -1;
    *memory = grown;
    *capacity = more;
    return 0;
}

/* Merge an ascending list into all shots, from the end; there is room. */
static void insert_shots(struct sum_names *names, const uint64_t *shots, size_t count)
{
    size_t i = names->shot_count, j = count, to = i + j;
    while (j > 0)
        names->shots[--to] =
            i > 0 && names->shots[i - 1] > shots[j - 1] ? names->shots[--i] : shots[--j];
    names->shot_count += count;
}

static int refuse_task(struct error *ret_error, uint64_t task)
{
    return error_set(ret_error, ERROR_TASKS, "task %llu would be in the sum twice",
                     (unsigned long long)task);
}

static int refuse_shot(struct error *ret_error, uint64_t shot, uint64_t task)
{
    return error_set(ret_error, ERROR_TASKS,
                     "the shot of index %llu, of task %llu, would be in the sum twice",
                     (unsigned long long)shot, (unsigned long long)task);
}

/* -1 if one of them is there, or comes twice. */
static int check_new(const struct sum_names *names, struct attempt_id id,
                     const uint64_t *sorted, size_t count, struct error *ret_error)
{
    uint64_t common;
    if (sum_names_have_task(names, id.task))
        return refuse_task(ret_error, id.task);
    for (size_t i = 1; i < count; i++)
        if (sorted[i] == sorted[i - 1])
            return refuse_shot(ret_error, sorted[i], id.task);
    if (meet(names->shots, names->shot_count, sorted, count, &common))
        return refuse_shot(ret_error, common, id.task);
    return 0;
}

int sum_names_add(struct sum_names *names, struct attempt_id id, const uint64_t *shots,
                  size_t count, struct error *ret_error)
{
    uint64_t *sorted = malloc(count ? count * sizeof(*sorted) : 1);
    if (!sorted ||
        grow(&names->entries, &names->capacity, names->count + 1, sizeof(*names->entries)) <
            0 ||
        grow(&names->shots, &names->shot_capacity, names->shot_count + count,
             sizeof(*names->shots)) < 0) {
        free(sorted);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the names of shots");
    }
    memcpy(sorted, shots, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare);
    if (check_new(names, id, sorted, count, ret_error) < 0) {
        free(sorted);
        return -1;
    }
    size_t at = find(names, id.task);
    memmove(names->entries + at + 1, names->entries + at,
            (names->count - at) * sizeof(*names->entries));
    names->entries[at] = (struct entry){id, sorted, count};
    names->count++;
    insert_shots(names, sorted, count);
    return 0;
}

int sum_names_merge(struct sum_names *names, const struct sum_names *from,
                    struct error *ret_error)
{
    uint64_t shot;
    for (size_t i = 0; i < from->count; i++)
        if (sum_names_have_task(names, from->entries[i].id.task))
            return refuse_task(ret_error, from->entries[i].id.task);
    if (meet(names->shots, names->shot_count, from->shots, from->shot_count, &shot))
        return error_set(ret_error, ERROR_TASKS,
                         "the shot of index %llu would be in the sum twice",
                         (unsigned long long)shot);
    for (size_t i = 0; i < from->count; i++) {
        const struct entry *entry = &from->entries[i];
        if (sum_names_add(names, entry->id, entry->shots, entry->shot_count, ret_error) == 0)
            continue;
        while (i-- > 0)
            sum_names_remove(names, from->entries[i].id.task);
        return -1;
    }
    return 0;
}

void sum_names_remove(struct sum_names *names, uint64_t task)
{
    size_t at = find(names, task), kept = 0;
    if (at == names->count || names->entries[at].id.task != task)
        return;
    struct entry entry = names->entries[at];
    for (size_t i = 0, j = 0; i < names->shot_count; i++) {
        if (j < entry.shot_count && names->shots[i] == entry.shots[j])
            j++;
        else
            names->shots[kept++] = names->shots[i];
    }
    names->shot_count = kept;
    free(entry.shots);
    names->count--;
    memmove(names->entries + at, names->entries + at + 1,
            (names->count - at) * sizeof(*names->entries));
}

size_t sum_names_count(const struct sum_names *names)
{
    return names->count;
}

struct sum_name sum_names_get(const struct sum_names *names, size_t i)
{
    const struct entry *entry = &names->entries[i];
    return (struct sum_name){entry->id, entry->shots, entry->shot_count};
}

uint64_t sum_names_shots(const struct sum_names *names)
{
    return names->shot_count;
}

bool sum_names_have(const struct sum_names *names, struct attempt_id id)
{
    size_t i = find(names, id.task);
    return i < names->count && names->entries[i].id.task == id.task &&
           names->entries[i].id.attempt == id.attempt;
}

bool sum_names_within(const struct sum_names *names, const struct attempt_id *ids, size_t count)
{
    size_t j = 0;
    for (size_t i = 0; i < names->count; i++) {
        struct attempt_id id = names->entries[i].id;
        while (j < count && ids[j].task < id.task)
            j++;
        if (j == count || ids[j].task != id.task || ids[j].attempt != id.attempt)
            return false;
    }
    return true;
}

uint64_t sum_names_bytes(const struct sum_names *names)
{
    return names->capacity * sizeof(struct entry) +
           (names->shot_capacity + names->shot_count) * sizeof(uint64_t);
}

void sum_names_encode(const struct sum_names *names, struct buf *buf)
{
    wire_put_varint(buf, names->count);
    for (size_t i = 0; i < names->count; i++) {
        const struct entry *entry = &names->entries[i];
        wire_put_varint(buf, entry->id.task);
        wire_put_varint(buf, entry->id.attempt);
        wire_put_varint(buf, entry->shot_count);
        for (size_t j = 0; j < entry->shot_count; j++)
            wire_put_varint(buf, entry->shots[j]);
    }
}

static int decode_entry(struct sum_names *names, struct wire_reader *reader,
                        struct error *ret_error)
{
    struct attempt_id id = {.task = wire_get_varint(reader)};
    uint64_t attempt = wire_get_varint(reader), count = wire_get_varint(reader);
    id.attempt = (uint32_t)attempt;
    if (reader->failed || attempt > UINT32_MAX || count > wire_left(reader))
        return error_set(ret_error, ERROR_TASKS, "its list of names is damaged");
    uint64_t *shots = malloc(count ? count * sizeof(*shots) : 1);
    if (!shots)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the names of shots");
    for (uint64_t i = 0; i < count; i++)
        shots[i] = wire_get_varint(reader);
    int rc = reader->failed ? error_set(ret_error, ERROR_TASKS, "its list of names is damaged")
                            : sum_names_add(names, id, shots, count, ret_error);
    free(shots);
    return rc;
}

struct sum_names *sum_names_decode(struct wire_reader *reader, struct error *ret_error)
{
    struct sum_names *names = sum_names_create();
    uint64_t count = wire_get_varint(reader);
    int rc = names ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for names");
    if (rc == 0 && (reader->failed || count > NAMES_MAX))
        rc = error_set(ret_error, ERROR_TASKS, "its list of names is damaged");
    for (uint64_t i = 0; rc == 0 && i < count; i++)
        rc = decode_entry(names, reader, ret_error);
    if (rc == 0)
        return names;
    sum_names_destroy(names);
    return NULL;
}
