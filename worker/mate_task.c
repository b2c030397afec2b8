/*
 * A task's directory on another node: laid from what the worker sends, looked through at its end.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/tree.h"
#include "worker/inside.h"
#include "worker/mate_private.h"

#define VARIABLES_MAX 100000

static void file_close(struct mate_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file->key);
    *file = (struct mate_file){.fd = -1};
}

void mate_task_clear(struct mate *mate)
{
    mate_run_end_all(mate);
    file_close(&mate->file);
    snapshot_fini(&mate->before);
    snapshot_fini(&mate->after);
    if (mate->dir_fd >= 0)
        close(mate->dir_fd);
    if (mate->dir_fd >= 0 && !mate->shared)
        tree_remove(AT_FDCWD, mate->directory);
    mate->dir_fd = -1;
    mate->sending = false;
    mate_variables_free(mate->variables);
    mate->variables = NULL;
    free(mate->directory);
    mate->directory = NULL;
}

/* --- Laying --- */

static int directory_open(struct mate *mate, const char *mark, struct error *ret_error)
{
    mate->dir_fd = open(mate->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mate->shared = mate->dir_fd >= 0 && faccessat(mate->dir_fd, mark, F_OK, 0) == 0;
    if (mate->shared)
        return 0;
    if (mate->dir_fd >= 0)
        close(mate->dir_fd);
    mate->dir_fd = -1;
    if (tree_remove(AT_FDCWD, mate->directory) < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be emptied", mate->directory);
    if (tree_make(mate->directory, ret_error) < 0 || tree_make(mate->stash, ret_error) < 0)
        return -1;
    mate->dir_fd = open(mate->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return mate->dir_fd >= 0
               ? 0
               : error_errno(ret_error, errno, "\"%s\" cannot be opened", mate->directory);
}

static char **variables_read(struct wire_reader *reader)
{
    extern char **environ;
    uint64_t count = wire_get_varint(reader), i = 0;
    char **task = count < VARIABLES_MAX ? calloc(count + 1, sizeof *task) : NULL;
    char **merged = NULL;
    for (; task && i < count && !reader->failed; i++)
        task[i] = mate_get_text(reader);
    if (task && !reader->failed)
        merged = mate_variables_merge(task, environ);
    mate_variables_free(task);
    return merged;
}

static int lay_take(struct mate *mate, struct wire_reader *reader)
{
    struct error error;
    mate_task_clear(mate);
    free(mate->stash);
    mate->turn = wire_get_varint(reader);
    mate->directory = mate_get_text(reader);
    mate->stash = mate_get_text(reader);
    char *mark = mate_get_text(reader);
    mate->variables = variables_read(reader);
    if (reader->failed || !mate->variables || mate->directory[0] != '/' ||
        mate->stash[0] != '/' || strchr(mark, '/')) {
        free(mark);
        return -1;
    }
    int rc = directory_open(mate, mark, &error);
    free(mark);
    if (rc < 0) {
        mate_fail(mate, &error);
        return 0;
    }
    mate_begin(&mate->message, MATE_SEEN);
    wire_put_varint(&mate->message, mate->turn);
    wire_put_u8(&mate->message, mate->shared);
    mate_send(mate);
    return 0;
}

/* The next text as a path inside the directory. */
static int path_get(struct wire_reader *reader, char clean[PATH_MAX])
{
    struct error error;
    char *path = mate_get_text(reader);
    int rc = path ? inside_clean_path(path, clean, PATH_MAX, &error) : -1;
    free(path);
    return rc;
}

static int folder_take(struct mate *mate, struct wire_reader *reader)
{
    char path[PATH_MAX];
    struct error error;
    int rc = path_get(reader, path);
    uint32_t mode = wire_get_u32(reader);
    if (rc < 0 || reader->failed)
        return -1;
    if (mkdirat(mate->dir_fd, path, mode | 0700) < 0 && errno != EEXIST) {
        error_errno(&error, errno, "cannot make the directory \"%s\"", path);
        mate_fail(mate, &error);
    }
    return 0;
}

static int link_take(struct mate *mate, struct wire_reader *reader)
{
    char path[PATH_MAX];
    struct error error;
    int rc = path_get(reader, path);
    char *target = mate_get_text(reader);
    if (rc == 0 && target && inside_create_link(mate->dir_fd, path, target, false) < 0) {
        error_errno(&error, errno, "cannot make the link \"%s\"", path);
        mate_fail(mate, &error);
    }
    rc = rc == 0 && target ? 0 : -1;
    free(target);
    return rc;
}

/* "DEVICE-INODE-SIZE-SECONDS.NANOSECONDS", all hex: the times are the file's. */
static int key_read(const char *key, struct timespec *ret_time)
{
    char *end;
    const char *last = strrchr(key, '-');
    if (key[strspn(key, "0123456789abcdef-.")] || !last || strlen(key) > 120)
        return -1;
    ret_time->tv_sec = (time_t)strtoull(last + 1, &end, 16);
    ret_time->tv_nsec = *end == '.' ? (long)strtoul(end + 1, &end, 16) : -1;
    return *end || ret_time->tv_nsec < 0 || ret_time->tv_nsec > 999999999 ? -1 : 0;
}

/* A file that is kept here becomes one of the task's. */
static int kept_lay(struct mate *mate, const char *path, const char *key, uint64_t size,
                    struct error *ret_error)
{
    char kept[PATH_MAX];
    struct timespec time;
    struct stat stat_now;
    if (snprintf(kept, sizeof kept, "%s/%s", mate->stash, key) >= (int)sizeof kept ||
        key_read(key, &time) < 0)
        return error_set(ret_error, ERROR_NETWORK, "\"%s\" has no good key", path);
    if (stat(kept, &stat_now) < 0)
        return error_errno(ret_error, errno, "\"%s\" is not there any more", kept);
    if ((uint64_t)stat_now.st_size != size || stat_now.st_mtim.tv_sec != time.tv_sec ||
        stat_now.st_mtim.tv_nsec != time.tv_nsec)
        return error_set(
            ret_error, ERROR_TASKS,
            "a task wrote into \"%s\", which tasks share; give it in \"files\" with "
            "\"copy\": true",
            path);
    return inside_create_link(mate->dir_fd, path, kept, true) == 0
               ? 0
               : error_errno(ret_error, errno, "cannot lay \"%s\"", path);
}

/* All of it has come. */
static int file_end(struct mate *mate, struct error *ret_error)
{
    struct mate_file *file = &mate->file;
    char kept[PATH_MAX], own[PATH_MAX];
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {0}};
    int rc = 0;
    if (*file->key &&
        (key_read(file->key, &times[1]) < 0 || futimens(file->fd, times) < 0 ||
         snprintf(kept, sizeof kept, "%s/%s", mate->stash, file->key) >= (int)sizeof kept ||
         snprintf(own, sizeof own, "%s/%s", mate->directory, file->path) >= (int)sizeof own ||
         (unlink(kept) < 0 && errno != ENOENT) || link(own, kept) < 0))
        rc = error_errno(ret_error, errno, "\"%s\" cannot be kept", file->path);
    file_close(file);
    return rc;
}

static int file_begin(struct mate *mate, const char *path, uint32_t mode, uint64_t size,
                      char *key, struct error *ret_error)
{
    struct mate_file *file = &mate->file;
    *file = (struct mate_file){.fd = inside_create_file(mate->dir_fd, path, mode),
                               .left = size,
                               .path = strdup(path),
                               .key = strdup(key)};
    if (file->fd < 0 || !file->path || !file->key) {
        error_errno(ret_error, errno, "cannot write \"%s\"", path);
        file_close(file);
        return -1;
    }
    return size == 0 ? file_end(mate, ret_error) : 0;
}

static int file_take(struct mate *mate, struct wire_reader *reader)
{
    char path[PATH_MAX];
    struct error error;
    int rc = path_get(reader, path);
    uint32_t mode = wire_get_u32(reader);
    uint64_t size = wire_get_varint(reader);
    char *key = mate_get_text(reader);
    bool known = wire_get_u8(reader);
    if (rc == 0 && !reader->failed && mate->file.fd < 0) {
        int done = known ? kept_lay(mate, path, key, size, &error)
                         : file_begin(mate, path, mode, size, key, &error);
        if (done < 0)
            mate_fail(mate, &error);
    } else {
        rc = -1;
    }
    free(key);
    return rc;
}

static int bytes_take(struct mate *mate, struct wire_reader *reader)
{
    struct mate_file *file = &mate->file;
    struct error error;
    size_t size;
    const void *bytes = wire_get_bytes(reader, &size);
    if (reader->failed || file->fd < 0 || size > file->left)
        return -1;
    file->left -= size;
    int rc = fd_write(file->fd, bytes, size);
    if (rc < 0)
        error_errno(&error, errno, "cannot write \"%s\"", file->path);
    else if (file->left == 0)
        rc = file_end(mate, &error);
    if (rc < 0)
        mate_fail(mate, &error);
    return 0;
}

static void laid_take(struct mate *mate)
{
    struct error error;
    if (snapshot_take(&mate->before, mate->dir_fd, &error) < 0) {
        mate_fail(mate, &error);
        return;
    }
    mate_begin(&mate->message, MATE_HERE);
    wire_put_varint(&mate->message, mate->turn);
    mate_send(mate);
}

/* --- Looking through --- */

static void gather_take(struct mate *mate)
{
    struct error error;
    mate_run_end_all(mate);
    mate->sending = true;
    mate->cursor = 0;
    snapshot_fini(&mate->after);
    if (!mate->shared && snapshot_take(&mate->after, mate->dir_fd, &error) < 0)
        mate_fail(mate, &error);
}

static void changed_begin(struct mate *mate, const struct snapshot_item *item)
{
    struct stat stat;
    int fd = inside_open_file(mate->dir_fd, item->path, &stat);
    if (fd < 0) { /* nothing runs here any more, but who knows */
        mate->cursor++;
        return;
    }
    mate_begin(&mate->message, MATE_CHANGED);
    wire_put_varint(&mate->message, mate->turn);
    wire_put_text(&mate->message, item->path);
    wire_put_u32(&mate->message, stat.st_mode & 07777);
    wire_put_varint(&mate->message, (uint64_t)stat.st_size);
    mate_send(mate);
    mate->file = (struct mate_file){.fd = fd, .left = (uint64_t)stat.st_size};
    if (stat.st_size == 0) {
        file_close(&mate->file);
        mate->cursor++;
    }
}

static void changed_go_on(struct mate *mate)
{
    static char bytes[MATE_PIECE];
    struct mate_file *file = &mate->file;
    struct error error;
    size_t wanted = file->left < sizeof bytes ? (size_t)file->left : sizeof bytes;
    ssize_t got = read(file->fd, bytes, wanted);
    if (got <= 0) {
        error_errno(&error, got < 0 ? errno : EIO, "cannot read \"%s\"",
                    mate->after.items[mate->cursor].path);
        mate_fail(mate, &error);
        return;
    }
    mate_begin(&mate->message, MATE_CONTENT);
    wire_put_varint(&mate->message, mate->turn);
    wire_put_bytes(&mate->message, bytes, (size_t)got);
    mate_send(mate);
    file->left -= (uint64_t)got;
    if (file->left == 0) {
        file_close(file);
        mate->cursor++;
    }
}

void mate_task_feed(struct mate *mate)
{
    while (mate->sending && mate->link && link_unsent_bytes(mate->link) < MATE_UNSENT) {
        if (mate->file.fd >= 0) {
            changed_go_on(mate);
        } else if (mate->cursor == mate->after.count) {
            mate->sending = false;
            mate_begin(&mate->message, MATE_GATHERED);
            wire_put_varint(&mate->message, mate->turn);
            mate_send(mate);
        } else {
            const struct snapshot_item *item = &mate->after.items[mate->cursor];
            if (S_ISREG(item->stat.st_mode) &&
                snapshot_differs(&mate->before, item->path, &item->stat))
                changed_begin(mate, item);
            else
                mate->cursor++;
        }
    }
}

int mate_task_take(struct mate *mate, enum mate_message type, struct wire_reader *reader)
{
    if (type == MATE_LAY)
        return lay_take(mate, reader);
    if (type == MATE_CLEAR)
        mate_task_clear(mate);
    if (mate->dir_fd < 0) /* it failed, or was cleared, while this was under way */
        return 0;
    switch (type) {
    case MATE_FOLDER:
        return folder_take(mate, reader);
    case MATE_LINK:
        return link_take(mate, reader);
    case MATE_FILE:
        return file_take(mate, reader);
    case MATE_BYTES:
        return bytes_take(mate, reader);
    case MATE_LAID:
        laid_take(mate);
        return 0;
    case MATE_GATHER:
        gather_take(mate);
        return 0;
    default:
        return -1;
    }
}
