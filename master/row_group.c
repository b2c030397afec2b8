/*
 * A row is a fixed struct, and its variable bytes lie one after the other in the group's buffer.
 * Pointers are set when the group is complete, because the buffer moves while it grows.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "master/row_group.h"

#define KEEP_BYTES (4 << 20) /* a group that grew larger gives its memory back */

void row_group_init(struct row_group *group)
{
    memset(group, 0, sizeof *group);
    buf_init(&group->bytes, SIZE_MAX / 4);
}

void row_group_fini(struct row_group *group)
{
    free(group->rows);
    buf_fini(&group->bytes);
    row_group_init(group);
}

void row_group_clear(struct row_group *group)
{
    if (group->bytes.capacity + group->capacity * sizeof *group->rows > KEEP_BYTES) {
        row_group_fini(group);
    } else {
        group->count = 0;
        buf_clear(&group->bytes);
    }
}

static size_t row_bytes(const struct journal_row *row)
{
    return strlen(row->worker) + 1 + strlen(row->folder) + 1 + row->params_size +
           row->result.values_size + row->result.error_size + row->result.stderr_size;
}

int row_group_add(struct row_group *group, const struct journal_row *row)
{
    const struct result *result = &row->result;
    struct buf *bytes = &group->bytes;

    if (group->count == group->capacity) {
        size_t capacity = group->capacity ? 2 * group->capacity : 64;
        struct journal_row *rows = reallocarray(group->rows, capacity, sizeof *rows);

        if (!rows)
            return -1;
        group->rows = rows;
        group->capacity = capacity;
    }
    if (!buf_reserve(bytes, row_bytes(row))) {
        bytes->failed = false; /* what was there before is whole */
        return -1;
    }
    buf_append(bytes, row->worker, strlen(row->worker) + 1);
    buf_append(bytes, row->folder, strlen(row->folder) + 1);
    buf_append(bytes, row->params, row->params_size);
    buf_append(bytes, result->values, result->values_size);
    buf_append(bytes, result->error, result->error_size);
    buf_append(bytes, result->stderr_tail, result->stderr_size);
    group->rows[group->count++] = *row;
    return 0;
}

/* Point the rows at their bytes, which row_group_add laid down in this order. */
void row_group_resolve(struct row_group *group)
{
    const char *at = (const char *)group->bytes.data;

    for (size_t i = 0; i < group->count; i++) {
        struct journal_row *row = &group->rows[i];
        struct result *result = &row->result;

        row->worker = at;
        at += strlen(at) + 1;
        row->folder = at;
        at += strlen(at) + 1;
        row->params = at;
        at += row->params_size;
        result->values = at;
        at += result->values_size;
        result->error = at;
        at += result->error_size;
        result->stderr_tail = at;
        at += result->stderr_size;
    }
}

size_t row_group_memory(const struct row_group *group)
{
    return group->count * sizeof *group->rows + group->bytes.size;
}
