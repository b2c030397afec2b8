/*
 * Frames are read in order, 4 MiB at a time, and their rows are committed in large groups to a
 * journal beside the one that is wanted, which is put into its place when it is whole.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/journal_db.h"
#include "master/replica_frame.h"
#include "master/replica_private.h"
#include "master/row_group.h"

#define READ_SIZE  ((size_t)4 << 20)
#define GROUP_ROWS 20000
#define GROUP_SIZE ((size_t)16 << 20)
#define META_MAX   64 /* texts */

struct reading {
    struct replica *replica;
    struct journal_db *db;
    bool created; /* the META frame has come */
    bool turned;  /* this part's last frame has come */
    struct row_group group;
    struct buf bytes; /* of the part, from `offset` */
    uint64_t offset;
    size_t used; /* of bytes */
};

static int group_commit(struct reading *reading, struct error *ret_error)
{
    struct row_group *group = &reading->group;
    if (group->count == 0)
        return 0;
    row_group_resolve(group);
    int rc = journal_db_commit(reading->db, group->rows, group->count, ret_error);
    row_group_clear(group);
    return rc;
}

static int rows_take(struct reading *reading, struct wire_reader *content,
                     struct error *ret_error)
{
    struct journal_row row;
    int rc;
    while ((rc = replica_next_row(content, &row, ret_error)) > 0) {
        if (row_group_add(&reading->group, &row) != 0)
            return error_set(ret_error, ERROR_SYSTEM, "no memory to read it");
        if ((reading->group.count >= GROUP_ROWS ||
             row_group_memory(&reading->group) >= GROUP_SIZE) &&
            group_commit(reading, ret_error) != 0)
            return -1;
    }
    return rc;
}

static int meta_take(struct reading *reading, struct wire_reader *content,
                     struct error *ret_error)
{
    const char *pairs[META_MAX][2], *text;
    size_t count = 0;
    int rc;
    while ((rc = replica_next_text(content, &text)) > 0 && count < 2 * (size_t)META_MAX) {
        pairs[count / 2][count % 2] = text;
        count++;
    }
    if (rc != 0 || count % 2 != 0 || reading->created)
        return error_set(ret_error, ERROR_SYSTEM, "what it is of cannot be read");
    reading->created = true;
    return journal_db_create(reading->db, pairs, count / 2, ret_error);
}

static int forget(struct reading *reading, struct error *ret_error)
{
    uint64_t count;
    return group_commit(reading, ret_error) == 0
               ? journal_db_forget_failed(reading->db, &count, ret_error)
               : -1;
}

static int frame_take(struct reading *reading, enum replica_kind kind,
                      struct wire_reader *content, struct error *ret_error)
{
    if (reading->turned)
        return error_set(ret_error, ERROR_SYSTEM, "something follows its last frame");
    if (kind == REPLICA_META)
        return meta_take(reading, content, ret_error);
    if (!reading->created)
        return error_set(ret_error, ERROR_SYSTEM, "it does not say what it is of");
    reading->turned = kind == REPLICA_TURN;
    return kind == REPLICA_ROWS     ? rows_take(reading, content, ret_error)
           : kind == REPLICA_TURN   ? 0
           : kind == REPLICA_FORGET ? forget(reading, ret_error)
                                    : error_set(ret_error, ERROR_SYSTEM,
                                                "it has a frame of unknown kind; use the newer "
                                                "beofarm that wrote it");
}

/* Have more of the part in memory, `wanted` bytes if there are so many. Returns how many came. */
static int64_t more_read(struct reading *reading, const struct blob_place *place, size_t wanted,
                         struct error *ret_error)
{
    buf_consume(&reading->bytes, reading->used);
    reading->offset += reading->used;
    reading->used = 0;
    size_t size = wanted > reading->bytes.size ? wanted - reading->bytes.size : 0;
    size = size > READ_SIZE ? size : READ_SIZE;
    return blob_get(container_service(reading->replica->container), place,
                    reading->offset + reading->bytes.size, size, &reading->bytes, NULL,
                    ret_error);
}

static int frames_take(struct reading *reading, const struct blob_place *place,
                       struct error *ret_error)
{
    enum replica_kind kind;
    struct wire_reader content;
    struct replica *replica = reading->replica;
    size_t size;
    for (;;) {
        const uint8_t *at = reading->bytes.data ? reading->bytes.data + reading->used : NULL;
        int rc = replica_get_frame(at, reading->bytes.size - reading->used, replica->number,
                                   &kind, &content, &size, ret_error);
        if (rc > 0)
            rc = frame_take(reading, kind, &content, ret_error) == 0 ? 1 : -1;
        if (rc < 0)
            return -1;
        if (rc > 0) {
            reading->used += size;
            replica->number++;
            continue;
        }
        int64_t got = more_read(reading, place, size, ret_error);
        if (got <= 0)
            return got < 0 ? -1 : 0;
    }
}

static int part_read(struct reading *reading, int part, struct error *ret_error)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct replica *replica = reading->replica;
    buf_clear(&reading->bytes);
    reading->offset = reading->used = 0;
    reading->turned = false;
    if (replica_place(replica, replica->container, part, name, &place, ret_error) != 0)
        return -1;
    if (frames_take(reading, &place, ret_error) != 0)
        return error_prefix(ret_error, "\"%s\"", name);
    replica->position = reading->offset + reading->bytes.size;
    /* Nothing may follow a frame that is not all there, nor the last one. */
    replica->torn = reading->turned || reading->bytes.size > reading->used;
    return 0;
}

static int parts_read(struct reading *reading, const char *path, struct error *ret_error)
{
    bool fresh;
    reading->db = journal_db_open(path, true, &fresh, ret_error);
    if (!reading->db)
        return -1;
    int rc = 0;
    for (int part = 1; rc == 0 && part <= reading->replica->part; part++)
        rc = part_read(reading, part, ret_error);
    return rc == 0 ? group_commit(reading, ret_error) : rc;
}

/* A database with its log and index, which end in these. */
static int database_remove(const char *path, struct error *ret_error)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        char *name = NULL;
        if (asprintf(&name, "%s%s", path, ends[i]) < 0)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        int rc = unlink(name);
        free(name);
        if (rc < 0 && errno != ENOENT)
            return error_errno(ret_error, errno, "\"%s\" cannot be removed", path);
    }
    return 0;
}

int replica_read(struct replica *replica, const char *path, struct error *ret_error)
{
    struct reading reading = {.replica = replica};
    char *beside = NULL;
    if (asprintf(&beside, "%s.restore", path) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    row_group_init(&reading.group);
    buf_init(&reading.bytes, REPLICA_FRAME_MAX + 2 * READ_SIZE);
    int rc = database_remove(path, ret_error);
    if (rc == 0)
        rc = database_remove(beside, ret_error);
    if (rc == 0 && replica->part > 0)
        rc = parts_read(&reading, beside, ret_error);
    journal_db_close(reading.db);
    replica->found = rc == 0 && reading.created;
    if (replica->found && rename(beside, path) < 0)
        rc = error_errno(ret_error, errno, "\"%s\" cannot be put in place", path);
    if (!replica->found && rc == 0)
        rc = database_remove(beside, ret_error);
    row_group_fini(&reading.group);
    buf_fini(&reading.bytes);
    free(beside);
    return rc;
}
