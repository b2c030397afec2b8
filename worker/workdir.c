/*
 * Everything laid carries the time CACHE_MTIME_S, so an input that the task did not touch is known
 * when outputs are collected.
 *
 * Until a task starts nobody but us writes into its directory, so laying may use whole paths;
 * afterwards every path is walked without following links (tree.h).
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/tree.h"
#include "worker/cache_file.h"
#include "worker/inside.h"
#include "worker/workdir_private.h"

/* Removals done in the loop, about a millisecond's worth, before the sweeper thread takes over. */
#define REMOVE_AT_ONCE 200

static enum cache_lay how_to_lay(const struct workplace *place,
                                 const struct manifest_file *file, bool copy)
{
    size_t index = (size_t)(file - manifest_get(place->manifest, 0));
    return copy || file->copy || place->copied[index] ? CACHE_COPY : CACHE_LINK;
}

static int lay_common(struct workdir *workdir, struct error *ret_error)
{
    struct workplace *place = workdir->place;
    if (!place->common_count)
        return 0;
    if (!(workdir->linked = calloc(place->common_count, sizeof(*workdir->linked))))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a work directory");
    for (size_t i = 0; i < place->dir_count; i++)
        if (mkdirat(workdir->fd, place->dirs[i], 0777) < 0)
            return error_errno(ret_error, errno, "cannot make the directory \"%s\"",
                               place->dirs[i]);
    for (size_t i = 0; i < place->common_count; i++) {
        const struct manifest_file *file = place->common[i];
        enum cache_lay how = how_to_lay(place, file, false);
        if (cache_lay(place->cache, file->hash, how, file->mode, workdir->fd, file->path,
                      ret_error) < 0)
            return -1;
        workdir->linked[i] = how == CACHE_LINK;
    }
    return 0;
}

/* The slot's spare, or a new one. */
static int open_directory(struct workdir *workdir, struct error *ret_error)
{
    struct workplace *place = workdir->place;
    char *name = workdir->name;
    struct stat stat;
    if (workplace_take_spare(place, workdir))
        return 0;
    snprintf(name, sizeof(workdir->name), "slot-%u/work-%llu", workdir->slot,
             (unsigned long long)++place->made);
    if (mkdirat(place->root_fd, name, 0777) < 0) {
        if (errno == EEXIST)
            sweeper_take(place->sweeper, name);
        if (mkdirat(place->root_fd, name, 0777) < 0)
            return error_errno(ret_error, errno, "cannot make \"%s/%s\"", place->root, name);
    }
    workdir->fd = openat(place->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (workdir->fd < 0 || fstat(workdir->fd, &stat) < 0)
        return error_errno(ret_error, errno, "cannot open \"%s/%s\"", place->root, name);
    workdir->inode = stat.st_ino;
    return 0;
}

static int make_directory(struct workdir *workdir, struct error *ret_error)
{
    if (open_directory(workdir, ret_error) < 0)
        return -1;
    if (asprintf(&workdir->path, "%s/%s", workdir->place->root, workdir->name) >= 0)
        return 0;
    workdir->path = NULL;
    return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
}

static struct workdir *create(struct workplace *place, uint32_t slot, struct attempt_id id,
                              bool with_common, struct error *ret_error)
{
    if (!workplace_slot_dir(place, slot, ret_error))
        return NULL;
    struct workdir *workdir = calloc(1, sizeof(*workdir));
    if (!workdir) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a work directory");
        return NULL;
    }
    *workdir =
        (struct workdir){.place = place, .id = id, .slot = slot, .fd = -1, .current_fd = -1};
    if (make_directory(workdir, ret_error) < 0 ||
        (with_common && lay_common(workdir, ret_error) < 0)) {
        int saved = errno;
        workdir_destroy(workdir);
        errno = saved;
        return NULL;
    }
    return workdir;
}

struct workdir *workdir_create(struct workplace *place, uint32_t slot, struct attempt_id id,
                               struct error *ret_error)
{
    return create(place, slot, id, true, ret_error);
}

struct workdir *workdir_create_bare(struct workplace *place, uint32_t slot,
                                    struct attempt_id id, struct error *ret_error)
{
    return create(place, slot, id, false, ret_error);
}

static void remove_directory(struct workdir *workdir)
{
    struct workplace *place = workdir->place;
    if (workplace_keep_spare(place, workdir))
        return;
    workplace_look(place);
    close(workdir->fd);
    if (tree_remove_some(place->root_fd, workdir->name, REMOVE_AT_ONCE) != 0)
        sweeper_take(place->sweeper, workdir->name);
}

void workdir_destroy(struct workdir *workdir)
{
    if (!workdir)
        return;
    if (workdir->fd >= 0)
        remove_directory(workdir);
    if (workdir->current_fd >= 0)
        close(workdir->current_fd);
    for (size_t i = 0; i < workdir->laid_count; i++)
        free(workdir->laid[i].path);
    for (size_t i = 0; i < workdir->output_count; i++)
        free((char *)workdir->outputs[i].path);
    free(workdir->laid);
    free(workdir->linked);
    free(workdir->outputs);
    free(workdir->piece);
    free(workdir->path);
    free(workdir);
}

const char *workdir_path(const struct workdir *workdir)
{
    return workdir->path;
}

int workdir_fd(const struct workdir *workdir)
{
    return workdir->fd;
}

static int remember(struct workdir *workdir, const char *path, const struct manifest_file *file,
                    bool linked, struct error *ret_error)
{
    struct laid *grown =
        realloc(workdir->laid, (workdir->laid_count + 1) * sizeof(*workdir->laid));
    char *copy = grown ? strdup(path) : NULL;
    if (grown)
        workdir->laid = grown;
    if (!copy)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    workdir->laid[workdir->laid_count++] = (struct laid){copy, file, linked};
    return 0;
}

/* Make room for a file at the clean path `to`. */
static int clear_place(struct workdir *workdir, const char *to, struct error *ret_error)
{
    if (inside_make_parents(workdir->fd, to, ret_error) < 0)
        return -1;
    if (unlinkat(workdir->fd, to, 0) < 0 && errno != ENOENT)
        return error_errno(ret_error, errno, "cannot replace \"%s\"", to);
    return 0;
}

int workdir_lay(struct workdir *workdir, const char *from, const char *to, bool copy,
                struct error *ret_error)
{
    char clean_from[PATH_MAX], clean_to[PATH_MAX];
    if (inside_clean_path(from, clean_from, sizeof(clean_from), ret_error) < 0 ||
        inside_clean_path(to, clean_to, sizeof(clean_to), ret_error) < 0)
        return -1;
    const struct manifest_file *file = manifest_find(workdir->place->manifest, clean_from);
    if (!file)
        return error_set(ret_error, ERROR_CONFIG,
                         "the input \"%s\" is not among the farm's files; is it missing beside "
                         "farm.json, or from \"files\"?",
                         from);
    if (clear_place(workdir, clean_to, ret_error) < 0)
        return -1;
    enum cache_lay how = how_to_lay(workdir->place, file, copy);
    if (cache_lay(workdir->place->cache, file->hash, how, file->mode, workdir->fd, clean_to,
                  ret_error) < 0)
        return -1;
    return remember(workdir, clean_to, file, how == CACHE_LINK, ret_error);
}

static int write_file(int fd, const char *bytes, size_t size, unsigned mode)
{
    if (fd_write(fd, bytes, size) < 0)
        return -1;
    if (mode != 0644 && fchmod(fd, mode & 0777) < 0)
        return -1;
    return cache_file_stamp(fd);
}

int workdir_write(struct workdir *workdir, const char *to, const void *bytes, size_t size,
                  unsigned mode, struct error *ret_error)
{
    char clean[PATH_MAX];
    if (inside_clean_path(to, clean, sizeof(clean), ret_error) < 0 ||
        clear_place(workdir, clean, ret_error) < 0)
        return -1;
    int fd = openat(workdir->fd, clean, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(ret_error, errno, "cannot write \"%s\"", to);
    int rc = write_file(fd, bytes, size, mode);
    int saved = errno;
    close(fd);
    if (rc < 0)
        return error_errno(ret_error, saved, "cannot write \"%s\"", to);
    return remember(workdir, clean, NULL, false, ret_error);
}

int workdir_open_file(struct workdir *workdir, const char *path, struct error *ret_error)
{
    char clean[PATH_MAX];
    struct stat stat;
    errno = EINVAL;
    if (inside_clean_path(path, clean, sizeof(clean), ret_error) < 0)
        return -1;
    int fd = inside_open_file(workdir->fd, clean, &stat);
    if (fd >= 0)
        return fd;
    int saved = errno;
    if (saved == EINVAL || saved == ELOOP)
        error_set(ret_error, ERROR_TASKS, "\"%s\" is not a regular file", path);
    else
        error_errno(ret_error, saved, "cannot read \"%s\"", path);
    errno = saved;
    return -1;
}

/* --- Inputs, afterwards --- */

static bool is_spoiled(struct workdir *workdir, const struct manifest_file *file)
{
    struct workplace *place = workdir->place;
    size_t index = (size_t)(file - manifest_get(place->manifest, 0));
    /* Another task's check came first, and removed the evidence: this task used the file too. */
    if (place->copied[index])
        return true;
    if (!cache_check_spoiled(place->cache, file->hash, file->mode))
        return false;
    place->copied[index] = true;
    return true;
}

bool workdir_is_untouched(const struct workdir *workdir, const char *path)
{
    struct stat stat;
    return fstatat(workdir->fd, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(stat.st_mode) && stat.st_mtime == CACHE_MTIME_S;
}

bool workdir_is_sharable(const struct workdir *workdir)
{
    for (size_t i = 0; workdir->linked && i < workdir->place->common_count; i++)
        if (!workdir->linked[i] ||
            !workdir_is_untouched(workdir, workdir->place->common[i]->path))
            return false;
    return true;
}

int workdir_check_inputs(struct workdir *workdir, struct error *ret_error)
{
    const struct manifest_file *spoiled = NULL;
    for (size_t i = 0; workdir->linked && i < workdir->place->common_count; i++)
        if (workdir->linked[i] && is_spoiled(workdir, workdir->place->common[i]))
            spoiled = workdir->place->common[i];
    for (size_t i = 0; i < workdir->laid_count; i++)
        if (workdir->laid[i].linked && is_spoiled(workdir, workdir->laid[i].file))
            spoiled = workdir->laid[i].file;
    if (!spoiled)
        return 0;
    return error_set(
        ret_error, ERROR_TASKS,
        "the model wrote into its input file \"%s\", which tasks share; the result "
        "is not used; declare the file as {\"path\": \"%s\", \"copy\": true} in "
        "\"files\" (this worker gives copies from now on)",
        spoiled->path, spoiled->path);
}
