/*
 * What is laid is worked out once. A link is known by its inode: a model may replace it by a file
 * of its own, which harms nobody, and then is forgotten. Links carry the fixed time CACHE_MTIME_S
 * and have no write bits; one with others was written into, or touched.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/tree.h"
#include "worker/cache_file.h"
#include "worker/inside.h"
#include "worker/model_folder.h"

#define FULL_DISK (256 << 10) /* bytes left: writes of usual size fail */

struct laid_file {
    const struct manifest_file *file;
    bool linked;  /* it is a hard link, inode `inode` */
    bool touched; /* model_folder_check found it changed */
    ino_t inode;
};

struct model_folder {
    struct workplace *place;
    struct model_case *model;
    char *slot_path; /* ROOT/slot-K */
    char *path;      /* where the model runs */
    int root_fd;     /* slot_path/model; -1: not laid */
    int fd;          /* path; -1: not laid */
    bool ready;
    struct laid_file *files;
    size_t count, linked;
    uint8_t (*hashes)[MESSAGE_HASH_SIZE]; /* of those touched; room for all */
};

static int list_files(struct model_folder *folder, struct error *ret_error)
{
    const struct manifest *manifest = workplace_manifest(folder->place);
    size_t count = manifest_count(manifest);
    folder->files = calloc(count + 1, sizeof(*folder->files));
    folder->hashes = calloc(count + 1, sizeof(*folder->hashes));
    if (!folder->files || !folder->hashes)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the model folder's files");
    for (size_t i = 0; i < count; i++) {
        const struct manifest_file *file = manifest_get(manifest, i);
        if (file->common && !model_case_replaces(folder->model, file->path))
            folder->files[folder->count++].file = file;
    }
    return 0;
}

struct model_folder *model_folder_create(struct workplace *place, uint32_t slot,
                                         struct model_case *model, struct error *ret_error)
{
    const char *below = model_case_folder(model);
    const char *slot_path = workplace_slot_dir(place, slot, ret_error);
    struct model_folder *folder = slot_path ? calloc(1, sizeof(*folder)) : NULL;
    if (!slot_path)
        return NULL;
    if (!folder || !(folder->slot_path = strdup(slot_path)) ||
        asprintf(&folder->path, "%s/model%s%s", slot_path, *below ? "/" : "", below) < 0) {
        if (folder)
            free(folder->slot_path);
        free(folder);
        error_set(ret_error, ERROR_SYSTEM, "no memory for a model folder");
        return NULL;
    }
    folder->place = place;
    folder->model = model;
    folder->root_fd = folder->fd = -1;
    if (list_files(folder, ret_error) < 0) {
        model_folder_destroy(folder);
        return NULL;
    }
    return folder;
}

static void close_folder(struct model_folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    if (folder->root_fd >= 0)
        close(folder->root_fd);
    folder->fd = folder->root_fd = -1;
    folder->linked = 0;
    folder->ready = false;
}

void model_folder_destroy(struct model_folder *folder)
{
    if (!folder)
        return;
    close_folder(folder); /* the workplace removes the slot's directory at the end */
    free(folder->slot_path);
    free(folder->path);
    free(folder->files);
    free(folder->hashes);
    free(folder);
}

const char *model_folder_path(const struct model_folder *folder)
{
    return folder->path;
}

int model_folder_fd(const struct model_folder *folder)
{
    return folder->fd;
}

bool model_folder_is_ready(const struct model_folder *folder)
{
    return folder->ready;
}

/* --- Laying --- */

static int make_root(struct model_folder *folder, struct error *ret_error)
{
    int rc = -1;
    int slot_fd = open(folder->slot_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (slot_fd < 0)
        return error_errno(ret_error, errno, "cannot open \"%s\"", folder->slot_path);
    if (tree_remove(slot_fd, "model") < 0)
        error_errno(ret_error, errno, "cannot remove the old \"%s/model\"", folder->slot_path);
    else if (mkdirat(slot_fd, "model", 0777) < 0)
        error_errno(ret_error, errno, "cannot make \"%s/model\"", folder->slot_path);
    else if ((folder->root_fd = openat(slot_fd, "model", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) <
             0)
        error_errno(ret_error, errno, "cannot open \"%s/model\"", folder->slot_path);
    else
        rc = 0;
    close(slot_fd);
    return rc;
}

static int lay_file(struct model_folder *folder, struct laid_file *laid,
                    struct error *ret_error)
{
    const struct manifest_file *file = laid->file;
    struct stat stat;
    enum cache_lay how = file->copy || file->size <= MODEL_FOLDER_COPY ||
                                 model_case_is_copied(folder->model, file)
                             ? CACHE_COPY
                             : CACHE_CLONE;
    if (cache_lay(workplace_cache(folder->place), file->hash, how, file->mode, folder->root_fd,
                  file->path, ret_error) < 0)
        return -1;
    laid->linked = laid->touched = false;
    if (how == CACHE_COPY)
        return 0;
    if (fstatat(folder->root_fd, file->path, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(ret_error, errno, "cannot look at \"%s\"", file->path);
    laid->linked = stat.st_nlink > 1; /* the cache's name is one */
    laid->inode = stat.st_ino;
    folder->linked += laid->linked;
    return 0;
}

static int lay_all(struct model_folder *folder, struct error *ret_error)
{
    const char *last =
        ""; /* files come ordered by path, so many lie where the one before lay */
    for (size_t i = 0; i < folder->count; i++) {
        const char *path = folder->files[i].file->path;
        const char *slash = strrchr(path, '/');
        size_t size = slash ? (size_t)(slash - path) + 1 : 0;
        if (size && strncmp(path, last, size) != 0 &&
            inside_make_parents(folder->root_fd, path, ret_error) < 0)
            return -1;
        last = path;
        if (lay_file(folder, &folder->files[i], ret_error) < 0)
            return -1;
    }
    return model_case_make_folders(folder->model, folder->root_fd, ret_error);
}

static int open_below(struct model_folder *folder, struct error *ret_error)
{
    struct error none;
    if (tree_make(folder->path, &none) == 0)
        folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder->fd < 0 ? error_errno(ret_error, errno, "cannot open \"%s\"", folder->path)
                          : 0;
}

int model_folder_lay(struct model_folder *folder, struct error *ret_error)
{
    close_folder(folder);
    if (make_root(folder, ret_error) < 0)
        return -1;
    if (lay_all(folder, ret_error) < 0 || open_below(folder, ret_error) < 0) {
        int saved = errno;
        close_folder(folder);
        errno = saved;
        return -1;
    }
    folder->ready = true;
    return 0;
}

/* --- Links that were written into --- */

bool model_folder_check(struct model_folder *folder)
{
    struct stat stat;
    bool any = false;
    for (size_t i = 0; folder->linked && i < folder->count; i++) {
        struct laid_file *laid = &folder->files[i];
        if (!laid->linked)
            continue;
        if (fstatat(folder->root_fd, laid->file->path, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
            stat.st_ino != laid->inode) {
            laid->linked = false;
            folder->linked--;
        } else if (!cache_file_is_stamped(&stat) || (stat.st_mode & 0222)) {
            any = laid->touched = true;
        }
    }
    return any;
}

/* The cache may have lost the file already, to another slot's look: then ours, the same inode, is
 * what it was. */
static bool is_spoiled(struct model_folder *folder, const struct laid_file *laid)
{
    struct cache *cache = workplace_cache(folder->place);
    struct stat stat;
    if (cache_check_spoiled(cache, laid->file->hash, laid->file->mode))
        return true;
    /* Content that is whole got its time back. */
    return fstatat(folder->root_fd, laid->file->path, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
           !cache_file_is_stamped(&stat);
}

bool model_folder_is_harmed(struct model_folder *folder)
{
    bool harmed = false;
    for (size_t i = 0; i < folder->count; i++)
        if (folder->files[i].touched && is_spoiled(folder, &folder->files[i]))
            harmed = true;
    return harmed;
}

size_t model_folder_touched(struct model_folder *folder,
                            const uint8_t (**ret_hashes)[MESSAGE_HASH_SIZE])
{
    size_t count = 0;
    for (size_t i = 0; i < folder->count; i++)
        if (folder->files[i].touched)
            memcpy(folder->hashes[count++], folder->files[i].file->hash, MESSAGE_HASH_SIZE);
    *ret_hashes = (const uint8_t(*)[MESSAGE_HASH_SIZE])folder->hashes;
    return count;
}

bool model_folder_set_copied(struct model_folder *folder, char *text, size_t size)
{
    const struct manifest_file *named = NULL;
    size_t count = 0;
    for (size_t i = 0; i < folder->count; i++)
        if (folder->files[i].touched &&
            model_case_set_copied(folder->model, folder->files[i].file)) {
            named = folder->files[i].file;
            count++;
        }
    if (!count)
        return false;
    char others[48] = "";
    if (count > 1)
        snprintf(others, sizeof(others), " and %zu more files", count - 1);
    snprintf(
        text, size,
        "the model wrote into its file \"%s\"%s, which slots share: it is mended, given as a "
        "copy from now on, and runs that may have read it are run again; {\"path\": \"%s\", "
        "\"copy\": true} in \"files\" saves that",
        named->path, others, named->path);
    return true;
}

int model_folder_mend(struct model_folder *folder, struct error *ret_error)
{
    for (size_t i = 0; i < folder->count; i++) {
        struct laid_file *laid = &folder->files[i];
        if (!laid->touched)
            continue;
        if (unlinkat(folder->root_fd, laid->file->path, 0) < 0 && errno != ENOENT)
            return error_errno(ret_error, errno, "cannot replace \"%s\"", laid->file->path);
        folder->linked -= laid->linked;
        laid->linked = false;
        if (lay_file(folder, laid, ret_error) < 0)
            return -1;
    }
    return 0;
}

bool model_folder_has_links(const struct model_folder *folder)
{
    return folder->linked > 0;
}

bool model_folder_is_full(const struct model_folder *folder)
{
    struct statvfs stat;
    return folder->fd >= 0 && fstatvfs(folder->fd, &stat) == 0 && stat.f_blocks &&
           (unsigned long long)stat.f_bavail * stat.f_frsize < FULL_DISK;
}
