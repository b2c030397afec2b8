/*
 * row_group.h - the journal rows that go into one transaction, with copies of all they point to.
 */
#ifndef BEOFARM_MASTER_ROW_GROUP_H
#define BEOFARM_MASTER_ROW_GROUP_H

#include <stddef.h>

#include "common/buf.h"
#include "master/journal.h"

struct row_group {
    struct journal_row *rows; /* what they point to is valid after row_group_resolve alone */
    size_t count, capacity;
    struct buf bytes;
};

/* No rows; allocates nothing. */
void row_group_init(struct row_group *group);
/* Free everything; the group is as after row_group_init. */
void row_group_fini(struct row_group *group);

/* Forget the rows, and keep the memory if it is not much. */
void row_group_clear(struct row_group *group);

/* Append a copy of the row. 0, or -1 if memory is short; the group is then as before. */
int row_group_add(struct row_group *group, const struct journal_row *row);

/* Point the rows at their bytes. Call it when no more will be added. */
void row_group_resolve(struct row_group *group);

/* Bytes that the rows take in memory. */
size_t row_group_memory(const struct row_group *group);

#endif
