/*
 * outputs.c - see outputs.h.
 *
 * How far each attempt has come is kept in master/arrivals.h. Files are not kept open between
 * pieces (a thousand slots may be sending); an open costs little beside a piece of up to 1 MiB.
 *
 * Making files durable: fsync per file costs a wait for the disk each; syncfs costs one for all,
 * but writes whatever else is dirty on that file system too. So a group with few files uses the
 * first, one with many the second.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/tree.h"
#include "common/umask.h"
#include "master/outputs_private.h"

#define FSYNC_FILES_MAX 8  /* a group with more files is made durable by syncfs */
#define PATH_DEPTH_MAX  64 /* components of a path; less than TREE_SYNC_DEPTH */
#define NAME_SIZE       64 /* "TASK.ATTEMPT.WORKER" */

static char *partial_name(struct arrival_key key, char *name)
{
    snprintf(name, NAME_SIZE, "%" PRIu64 ".%" PRIu32 ".%" PRIu32, key.id.task, key.id.attempt,
             key.worker);
    return name;
}

/* --- pieces ------------------------------------------------------------------------------- */

int outputs_piece_bad(const struct output_piece *piece, const char *why,
                      struct error *ret_error)
{
    int size = piece->path_size > 200 ? 200 : (int)piece->path_size;

    return error_set(ret_error, ERROR_NETWORK,
                     "a worker sent a bad piece of an output of task %" PRIu64
                     " (\"%.*s\"): %s",
                     piece->id.task, size, piece->path, why);
}

int outputs_path_check(const struct output_piece *piece, char **ret_path,
                       struct error *ret_error)
{
    size_t start = 0, depth = 0;

    if (piece->path_size == 0 || piece->path_size > MESSAGE_PATH_MAX)
        return outputs_piece_bad(piece, "its path is empty or too long", ret_error);
    if (memchr(piece->path, 0, piece->path_size))
        return outputs_piece_bad(piece, "its path holds a NUL", ret_error);
    for (size_t i = 0; i <= piece->path_size; i++) {
        const char *name = piece->path + start;
        size_t size = i - start;

        if (i < piece->path_size && piece->path[i] != '/')
            continue;
        if (size == 0 || (size == 1 && name[0] == '.') ||
            (size == 2 && name[0] == '.' && name[1] == '.'))
            return outputs_piece_bad(
                piece,
                "its path is not relative, or has an empty, \".\" or \"..\" "
                "component",
                ret_error);
        if (size > 255 || ++depth > PATH_DEPTH_MAX)
            return outputs_piece_bad(
                piece, "its path has a name over 255 bytes or too many folders", ret_error);
        start = i + 1;
    }
    *ret_path = strndup(piece->path, piece->path_size);
    return *ret_path ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for an output's path");
}

static int piece_check(const struct arrival *arrival, const struct output_piece *piece,
                       const char *path, struct error *ret_error)
{
    if (piece->size > MESSAGE_CHUNK || piece->offset > piece->total_size ||
        piece->size > piece->total_size - piece->offset || piece->total_size > INT64_MAX)
        return outputs_piece_bad(piece, "its place is outside the file", ret_error);
    if (piece->size == 0 && piece->total_size != 0)
        return outputs_piece_bad(piece, "it is empty", ret_error);
    if (!arrival)
        return piece->offset
                   ? outputs_piece_bad(piece, "its file does not begin at 0", ret_error)
                   : 0;
    if (!arrival->path)
        return piece->offset
                   ? outputs_piece_bad(piece, "its file does not begin at 0", ret_error)
                   : 0;
    if (strcmp(arrival->path, path) != 0)
        return outputs_piece_bad(piece, "the file before it is not whole", ret_error);
    if (piece->offset != arrival->offset || piece->total_size != arrival->total_size)
        return outputs_piece_bad(piece, "it does not follow the piece before", ret_error);
    return 0;
}

int outputs_folders_make(struct outputs *outputs, struct error *ret_error)
{
    int run_fd, rc = -1;

    if (outputs->partial_fd >= 0)
        return 0;
    run_fd = open(outputs->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run_fd < 0)
        return error_errno(ret_error, errno, "cannot open %s", outputs->run_dir);
    if ((mkdirat(run_fd, "out", 0777) < 0 && errno != EEXIST) ||
        (outputs->out_fd < 0 &&
         (outputs->out_fd = openat(run_fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) ||
        (mkdirat(outputs->out_fd, ".partial", 0777) < 0 && errno != EEXIST) ||
        (outputs->partial_fd = openat(outputs->out_fd, ".partial",
                                      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0 ||
        fsync(run_fd) < 0)
        error_errno(ret_error, errno, "cannot make %s/out for output files", outputs->run_dir);
    else
        rc = 0;
    close(run_fd);
    return rc;
}

/* Open the folder `name` of dir_fd, made if there is none; closes dir_fd. -1 with errno. */
static int folder_enter(int dir_fd, const char *name)
{
    int fd = -1, saved;

    if (mkdirat(dir_fd, name, 0777) == 0 || errno == EEXIST)
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    saved = errno;
    close(dir_fd);
    errno = saved;
    return fd;
}

int outputs_parent_open(struct outputs *outputs, struct arrival_key key, char *path,
                        char **ret_name)
{
    char name[NAME_SIZE], *slash;
    int fd = dup(outputs->partial_fd);

    if (fd >= 0)
        fd = folder_enter(fd, partial_name(key, name));
    for (; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        *slash = 0;
        fd = folder_enter(fd, path);
        *slash = '/';
    }
    *ret_name = path;
    return fd;
}

static int bytes_write_at(int fd, const void *bytes, size_t size, uint64_t offset)
{
    const char *next = bytes;

    while (size) {
        ssize_t n = pwrite(fd, next, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        next += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* Write the piece; a file that its first piece could not fill is removed again. */
static int piece_write(struct outputs *outputs, uint32_t worker,
                       const struct output_piece *piece, char *path, struct error *ret_error)
{
    char *name;
    const struct arrival_key key = {piece->id, worker};
    int dir_fd = outputs_parent_open(outputs, key, path, &name), fd = -1, rc = -1;
    int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC | (piece->offset ? 0 : O_CREAT | O_EXCL);

    if (dir_fd >= 0)
        fd = openat(dir_fd, name, flags, (piece->mode & 0777) | 0600);
    if (fd < 0 && piece->offset == 0 &&
        (errno == EEXIST || errno == EISDIR || errno == ENOTDIR || errno == ELOOP))
        outputs_piece_bad(piece, "that file has come already, or its name is in the way",
                          ret_error);
    else if (fd < 0 || bytes_write_at(fd, piece->bytes, piece->size, piece->offset) < 0)
        error_errno(ret_error, errno,
                    "cannot write the output %s of task %" PRIu64 " under %s/out", path,
                    piece->id.task, outputs->run_dir);
    else
        rc = 0;
    if (rc < 0 && fd >= 0 && piece->offset == 0)
        unlinkat(dir_fd, name, 0);
    if (fd >= 0)
        close(fd);
    if (dir_fd >= 0)
        close(dir_fd);
    return rc;
}

int outputs_add(struct outputs *outputs, uint32_t worker, const struct output_piece *piece,
                struct error *ret_error)
{
    const struct arrival_key key = {piece->id, worker};
    bool sealed;
    struct arrival *arrival = arrivals_find(outputs->arrivals, key, &sealed);
    char *path;

    if (sealed)
        return outputs_piece_bad(piece, "the result has come already", ret_error);
    if (outputs_path_check(piece, &path, ret_error) < 0)
        return -1;
    if (piece_check(arrival, piece, path, ret_error) < 0 ||
        outputs_folders_make(outputs, ret_error) < 0)
        goto fail;
    if (!arrival && !(arrival = arrivals_add(outputs->arrivals, key))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for outputs");
        goto fail;
    }
    if (piece_write(outputs, worker, piece, path, ret_error) < 0)
        goto fail;
    free(arrival->path);
    arrival->path = path;
    arrival->total_size = piece->total_size;
    arrival->offset = piece->offset + piece->size;
    if (arrival->offset == arrival->total_size) {
        arrival->files++;
        free(arrival->path);
        arrival->path = NULL;
    }
    return 0;
fail:
    free(path);
    return -1;
}

/* --- attempts -------------------------------------------------------------------------------- */

int outputs_seal(struct outputs *outputs, uint32_t worker, struct attempt_id id, uint32_t files,
                 struct error *ret_error)
{
    bool sealed;
    struct arrival *arrival =
        arrivals_find(outputs->arrivals, (struct arrival_key){id, worker}, &sealed);
    uint32_t came = arrival ? arrival->files : 0;

    if (came != files || (arrival && arrival->path))
        return error_set(ret_error, ERROR_NETWORK,
                         "the result of task %" PRIu64 " (attempt %" PRIu32
                         ") speaks of %" PRIu32 " output files, but %" PRIu32 " came whole",
                         id.task, id.attempt, files, came);
    if (arrival)
        arrivals_seal(outputs->arrivals, arrival);
    return 0;
}

static void key_discard(struct outputs *outputs, struct arrival_key key)
{
    char name[NAME_SIZE];

    tree_remove(outputs->partial_fd,
                partial_name(key, name)); /* else the next start removes it */
    arrivals_forget(outputs->arrivals, key);
}

void outputs_discard(struct outputs *outputs, uint32_t worker, struct attempt_id id)
{
    const struct arrival_key key = {id, worker};
    bool sealed;

    if (arrivals_find(outputs->arrivals, key, &sealed))
        key_discard(outputs, key);
}

void outputs_discard_worker(struct outputs *outputs, uint32_t worker)
{
    struct arrival_key key;

    while (arrivals_find_worker(outputs->arrivals, worker, &key))
        key_discard(outputs, key);
}

/* --- in the journal's thread -------------------------------------------------------------- */

static struct arrival_key row_key(const struct journal_row *row)
{
    return (struct arrival_key){row->result.id, row->worker_id};
}

static bool row_is_sealed(struct outputs *outputs, const struct journal_row *row)
{
    bool sealed = false;

    if (row->ended && row->result.output_files)
        arrivals_find(outputs->arrivals, row_key(row), &sealed);
    return sealed;
}

/* fsync the trees of few files, or syncfs for many. */
static int rows_sync(struct outputs *outputs, const struct journal_row *rows, size_t count,
                     uint64_t files, struct error *ret_error)
{
    char name[NAME_SIZE];

    if (files > FSYNC_FILES_MAX) {
        if (syncfs(outputs->partial_fd) < 0)
            return error_errno(ret_error, errno, "cannot make output files durable in %s/out",
                               outputs->run_dir);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        if (row_is_sealed(outputs, &rows[i]) &&
            tree_sync(outputs->partial_fd, partial_name(row_key(&rows[i]), name)) < 0)
            return error_errno(ret_error, errno, "cannot make %s/out/.partial/%s durable",
                               outputs->run_dir, name);
    return 0;
}

/* Put the attempt's folder in place of whatever a crash left there. */
static int row_rename(struct outputs *outputs, struct arrival_key key, struct error *ret_error)
{
    char from[NAME_SIZE], to[NAME_SIZE];
    int rc;

    partial_name(key, from);
    snprintf(to, sizeof to, "%" PRIu64, key.id.task);
    rc = renameat(outputs->partial_fd, from, outputs->out_fd, to);
    if (rc < 0 && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) &&
        tree_remove(outputs->out_fd, to) == 0)
        rc = renameat(outputs->partial_fd, from, outputs->out_fd, to);
    if (rc < 0)
        return error_errno(ret_error, errno, "cannot put %s/out/%s in place", outputs->run_dir,
                           to);
    arrivals_forget(outputs->arrivals, key);
    return 0;
}

int outputs_prepare(void *context, const struct journal_row *rows, size_t count,
                    struct error *ret_error)
{
    struct outputs *outputs = context;
    uint64_t files = 0;
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        any |= rows[i].ended && rows[i].result.output_files > 0;
        if (row_is_sealed(outputs, &rows[i]))
            files += rows[i].result.output_files;
    }
    if (files && rows_sync(outputs, rows, count, files, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (row_is_sealed(outputs, &rows[i]) &&
            row_rename(outputs, row_key(&rows[i]), ret_error) < 0)
            return -1;
    /* Also when a repeated call finds all renamed already: its sync may be what failed. */
    if (any && outputs->out_fd >= 0 && fsync(outputs->out_fd) < 0)
        return error_errno(ret_error, errno, "cannot make %s/out durable", outputs->run_dir);
    return 0;
}

/* --- opening and closing ------------------------------------------------------------------ */

static int leftovers_remove(const char *run_dir, struct error *ret_error)
{
    int run_fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;

    if (run_fd < 0)
        return error_errno(ret_error, errno, "cannot open %s", run_dir);
    if (tree_remove(run_fd, OUTPUTS_NEAR) < 0)
        rc = error_errno(ret_error, errno, "cannot remove %s/" OUTPUTS_NEAR, run_dir);
    else if (tree_remove(run_fd, "out/.partial") < 0 && errno != ENOTDIR)
        rc = error_errno(ret_error, errno, "cannot remove %s/out/.partial", run_dir);
    close(run_fd);
    return rc;
}

struct outputs *outputs_open(const char *run_dir, struct error *ret_error)
{
    struct outputs *outputs;

    if (leftovers_remove(run_dir, ret_error) < 0)
        return NULL;
    outputs = calloc(1, sizeof *outputs);
    if (!outputs || !(outputs->run_dir = strdup(run_dir)) ||
        !(outputs->arrivals = arrivals_create())) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for outputs");
        if (outputs)
            free(outputs->run_dir);
        free(outputs);
        return NULL;
    }
    outputs->out_fd = outputs->partial_fd = outputs->near_fd = -1;
    outputs->mask = umask_get();
    return outputs;
}

void outputs_close(struct outputs *outputs)
{
    if (!outputs)
        return;
    if (outputs->partial_fd >= 0) {
        close(outputs->partial_fd);
        tree_remove(outputs->out_fd, ".partial");
    }
    if (outputs->out_fd >= 0)
        close(outputs->out_fd);
    if (outputs->near_fd >= 0) {
        close(outputs->near_fd);
        leftovers_remove(outputs->run_dir, NULL);
    }
    arrivals_destroy(outputs->arrivals);
    free(outputs->run_dir);
    free(outputs);
}
