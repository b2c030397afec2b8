/*
 * Most farms of tiny tasks need an empty directory and no more, and making and removing one costs
 * a tenth of starting a process. So one that is empty at its task's end is kept as the slot's
 * spare, and renamed for the next task. What the manifest puts into every directory is worked out once: the directories
 * to make, parents first, and the files.
 *
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
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/sweeper.h"
#include "worker/tree.h"
#include "worker/workdir.h"

/* Removals done in the loop, about a millisecond's worth, before the sweeper thread takes over. */
#define REMOVE_AT_ONCE 200

/* An empty directory in wait. */
struct spare {
    int fd; /* valid if name is not empty */
    char name[64];
};

struct workplace {
    char *root; /* absolute */
    int root_fd;
    struct cache *cache;
    const struct manifest *manifest;
    struct sweeper *sweeper;
    char **slot_dirs;
    struct spare *spares; /* one per slot */
    size_t slot_count;
    char **dirs; /* to be made in each work directory, parents first */
    size_t dir_count;
    const struct manifest_file **common;  /* to be laid in each, ordered by path */
    uint8_t (*hashes)[MESSAGE_HASH_SIZE]; /* theirs */
    size_t common_count;
    unsigned dir_mode; /* of directories that are made here */
    bool *copied;      /* per file of the manifest: links to it were written into, so copy */
};

struct laid {
    char *path;                       /* owned */
    const struct manifest_file *file; /* NULL: written */
    bool linked;
};

struct workdir {
    struct workplace *place;
    struct attempt_id id;
    uint32_t slot;
    int fd;
    char *path;
    struct laid *laid; /* the task's own inputs */
    size_t laid_count;
    bool *linked; /* per common file, NULL if there are none */
    struct workdir_output *outputs;
    size_t output_count;
    bool sorted;
    size_t current; /* the output being read */
    int current_fd; /* -1: not open */
    uint64_t current_offset;
    char *piece; /* MESSAGE_CHUNK bytes, once needed */
};

/* --- Workplace --- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Add the directories above `path` to the list; those already there are added again. */
static int add_parents(struct workplace *place, const char *path, size_t *capacity)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (place->dir_count == *capacity) {
            size_t wanted = *capacity * 2 + 16;
            char **grown = realloc(place->dirs, wanted * sizeof(*grown));
            if (!grown)
                return -1;
            place->dirs = grown;
            *capacity = wanted;
        }
        char *dir = strndup(path, (size_t)(slash - path));
        if (!dir)
            return -1;
        place->dirs[place->dir_count++] = dir;
    }
    return 0;
}

/* Sort the directories (a parent is a prefix, so it comes first) and keep each once. */
static void sort_dirs(struct workplace *place)
{
    size_t kept = 0;
    if (place->dir_count)
        qsort(place->dirs, place->dir_count, sizeof(*place->dirs), compare_texts);
    for (size_t i = 0; i < place->dir_count; i++) {
        if (kept && strcmp(place->dirs[kept - 1], place->dirs[i]) == 0)
            free(place->dirs[i]);
        else
            place->dirs[kept++] = place->dirs[i];
    }
    place->dir_count = kept;
}

static int plan_common(struct workplace *place)
{
    size_t count = manifest_count(place->manifest), capacity = 0;
    place->common = calloc(count + 1, sizeof(*place->common));
    place->hashes = calloc(count + 1, sizeof(*place->hashes));
    place->copied = calloc(count + 1, sizeof(*place->copied));
    if (!place->common || !place->hashes || !place->copied)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const struct manifest_file *file = manifest_get(place->manifest, i);
        if (!file->common)
            continue;
        memcpy(place->hashes[place->common_count], file->hash, MESSAGE_HASH_SIZE);
        place->common[place->common_count++] = file;
        if (add_parents(place, file->path, &capacity) < 0)
            return -1;
    }
    sort_dirs(place);
    return 0;
}

struct workplace *workplace_create(const char *root, struct cache *cache,
                                   const struct manifest *manifest, struct error *ret_error)
{
    if (tree_make_path(root, ret_error) < 0)
        return NULL;
    struct workplace *place = calloc(1, sizeof(*place));
    if (!place) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the work directories");
        return NULL;
    }
    place->cache = cache;
    place->manifest = manifest;
    place->root_fd = -1;
    mode_t mask = umask(0);
    umask(mask);
    place->dir_mode = 0777 & ~mask;
    place->root = realpath(root, NULL);
    if (place->root)
        place->root_fd = open(place->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->root_fd < 0 || faccessat(place->root_fd, ".", W_OK, AT_EACCESS) < 0) {
        error_errno(ret_error, errno, "the work directory \"%s\" cannot be used", root);
        goto failed;
    }
    if (plan_common(place) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the list of common files");
        goto failed;
    }
    if (!(place->sweeper = sweeper_create(place->root_fd, ret_error)))
        goto failed;
    return place;
failed:
    workplace_destroy(place);
    return NULL;
}

void workplace_destroy(struct workplace *place)
{
    if (!place)
        return;
    for (size_t i = 0; i < place->slot_count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "slot-%zu", i);
        if (*place->spares[i].name)
            close(place->spares[i].fd);
        if (place->slot_dirs[i])
            sweeper_take(place->sweeper, name);
        free(place->slot_dirs[i]);
    }
    sweeper_destroy(place->sweeper);
    for (size_t i = 0; i < place->dir_count; i++)
        free(place->dirs[i]);
    if (place->root_fd >= 0)
        close(place->root_fd);
    free(place->slot_dirs);
    free(place->spares);
    free(place->dirs);
    free(place->common);
    free(place->hashes);
    free(place->copied);
    free(place->root);
    free(place);
}

struct cache *workplace_cache(struct workplace *place)
{
    return place->cache;
}

const struct manifest *workplace_manifest(const struct workplace *place)
{
    return place->manifest;
}

size_t workplace_common(const struct workplace *place,
                        const uint8_t (**ret_hashes)[MESSAGE_HASH_SIZE])
{
    *ret_hashes = (const uint8_t(*)[MESSAGE_HASH_SIZE])place->hashes;
    return place->common_count;
}

static int make_slot_dir(struct workplace *place, uint32_t slot, struct error *ret_error)
{
    char name[32];
    snprintf(name, sizeof(name), "slot-%u", slot);
    sweeper_take(place->sweeper, name); /* what an earlier worker left */
    if (mkdirat(place->root_fd, name, 0777) < 0)
        return error_errno(ret_error, errno, "cannot make \"%s/%s\"", place->root, name);
    if (asprintf(&place->slot_dirs[slot], "%s/%s", place->root, name) < 0) {
        place->slot_dirs[slot] = NULL;
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    return 0;
}

static int make_room_for_slot(struct workplace *place, uint32_t slot, struct error *ret_error)
{
    size_t count = (size_t)slot + 1, more = count - place->slot_count;
    char **dirs = realloc(place->slot_dirs, count * sizeof(*dirs));
    if (dirs)
        place->slot_dirs = dirs;
    struct spare *spares = dirs ? realloc(place->spares, count * sizeof(*spares)) : NULL;
    if (!spares)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu slots", count);
    place->spares = spares;
    memset(dirs + place->slot_count, 0, more * sizeof(*dirs));
    memset(spares + place->slot_count, 0, more * sizeof(*spares));
    place->slot_count = count;
    return 0;
}

const char *workplace_slot_dir(struct workplace *place, uint32_t slot, struct error *ret_error)
{
    if (slot >= place->slot_count && make_room_for_slot(place, slot, ret_error) < 0)
        return NULL;
    if (!place->slot_dirs[slot] && make_slot_dir(place, slot, ret_error) < 0)
        return NULL;
    return place->slot_dirs[slot];
}

/* --- Spares --- */

static bool is_empty(int fd)
{
    char entries[1024];
    if (lseek(fd, 0, SEEK_SET) < 0)
        return false;
    /* "." and ".." take 48 bytes; anything else makes it more. */
    ssize_t got = syscall(SYS_getdents64, fd, entries, sizeof(entries));
    return got >= 0 && got <= 48;
}

/* Keep the directory for the slot's next task, if it is as it was made. */
static bool keep_spare(struct workplace *place, uint32_t slot, int fd, const char *name)
{
    struct stat stat;
    struct spare *spare = &place->spares[slot];
    if (*spare->name || !is_empty(fd) || fstat(fd, &stat) < 0 ||
        (stat.st_mode & 07777) != place->dir_mode)
        return false;
    spare->fd = fd;
    snprintf(spare->name, sizeof(spare->name), "%s", name);
    return true;
}

/* The spare under a new name: its descriptor, or -1. */
static int take_spare(struct workplace *place, uint32_t slot, const char *name)
{
    struct spare *spare = &place->spares[slot];
    if (!*spare->name)
        return -1;
    int fd = spare->fd;
    /* Not onto an older attempt's directory; rename would replace that where it is empty. */
    if (renameat2(place->root_fd, spare->name, place->root_fd, name, RENAME_NOREPLACE) < 0) {
        close(fd);
        unlinkat(place->root_fd, spare->name, AT_REMOVEDIR);
        fd = -1;
    }
    spare->name[0] = 0;
    return fd;
}

/* --- Laying --- */

static void task_name(uint32_t slot, struct attempt_id id, char *name, size_t size)
{
    snprintf(name, size, "slot-%u/task-%llu.%u", slot, (unsigned long long)id.task, id.attempt);
}

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

static int make_directory(struct workdir *workdir, struct error *ret_error)
{
    struct workplace *place = workdir->place;
    char name[64];
    task_name(workdir->slot, workdir->id, name, sizeof(name));
    if (asprintf(&workdir->path, "%s/%s", place->root, name) < 0) {
        workdir->path = NULL;
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    workdir->fd = take_spare(place, workdir->slot, name);
    if (workdir->fd >= 0)
        return 0;
    if (mkdirat(place->root_fd, name, 0777) < 0) {
        if (errno == EEXIST)
            sweeper_take(place->sweeper, name);
        if (mkdirat(place->root_fd, name, 0777) < 0)
            return error_errno(ret_error, errno, "cannot make \"%s\"", workdir->path);
    }
    workdir->fd = openat(place->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (workdir->fd < 0)
        return error_errno(ret_error, errno, "cannot open \"%s\"", workdir->path);
    return 0;
}

struct workdir *workdir_create(struct workplace *place, uint32_t slot, struct attempt_id id,
                               struct error *ret_error)
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
    if (make_directory(workdir, ret_error) < 0 || lay_common(workdir, ret_error) < 0) {
        int saved = errno;
        workdir_destroy(workdir);
        errno = saved;
        return NULL;
    }
    return workdir;
}

static void remove_directory(struct workdir *workdir)
{
    char name[64];
    size_t budget = REMOVE_AT_ONCE;
    struct workplace *place = workdir->place;
    task_name(workdir->slot, workdir->id, name, sizeof(name));
    if (keep_spare(place, workdir->slot, workdir->fd, name))
        return;
    close(workdir->fd);
    if (tree_remove(place->root_fd, name, &budget) != 0)
        sweeper_take(place->sweeper, name);
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
    if (tree_make_parents(workdir->fd, to, ret_error) < 0)
        return -1;
    if (unlinkat(workdir->fd, to, 0) < 0 && errno != ENOENT)
        return error_errno(ret_error, errno, "cannot replace \"%s\"", to);
    return 0;
}

int workdir_lay(struct workdir *workdir, const char *from, const char *to, bool copy,
                struct error *ret_error)
{
    char clean_from[PATH_MAX], clean_to[PATH_MAX];
    if (tree_clean_path(from, clean_from, sizeof(clean_from), ret_error) < 0 ||
        tree_clean_path(to, clean_to, sizeof(clean_to), ret_error) < 0)
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
    for (size_t done = 0; done < size;) {
        ssize_t put = write(fd, bytes + done, size - done);
        if (put < 0 && errno != EINTR)
            return -1;
        done += put < 0 ? 0 : (size_t)put;
    }
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = CACHE_MTIME_S}};
    if (mode != 0644 && fchmod(fd, mode & 0777) < 0)
        return -1;
    return futimens(fd, times);
}

int workdir_write(struct workdir *workdir, const char *to, const void *bytes, size_t size,
                  unsigned mode, struct error *ret_error)
{
    char clean[PATH_MAX];
    if (tree_clean_path(to, clean, sizeof(clean), ret_error) < 0 ||
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
    if (tree_clean_path(path, clean, sizeof(clean), ret_error) < 0)
        return -1;
    int fd = tree_open_file(workdir->fd, clean, &stat);
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

/* --- Outputs --- */

static int compare_common(const void *key, const void *element)
{
    return strcmp(key, (*(const struct manifest_file *const *)element)->path);
}

/* Is it an input, as it was laid? */
static bool is_untouched_input(const struct workdir *workdir, const char *path,
                               const struct stat *stat)
{
    const struct workplace *place = workdir->place;
    if (stat->st_mtim.tv_sec != CACHE_MTIME_S || stat->st_mtim.tv_nsec != 0)
        return false;
    if (place->common_count && bsearch(path, place->common, place->common_count,
                                       sizeof(*place->common), compare_common))
        return true;
    for (size_t i = 0; i < workdir->laid_count; i++)
        if (strcmp(workdir->laid[i].path, path) == 0)
            return true;
    return false;
}

static int add_output(struct workdir *workdir, const char *path, const struct stat *stat)
{
    if ((workdir->output_count & (workdir->output_count - 1)) == 0) { /* 0 or a power of two */
        size_t wanted = workdir->output_count ? workdir->output_count * 2 : 1;
        struct workdir_output *grown = realloc(workdir->outputs, wanted * sizeof(*grown));
        if (!grown)
            return -1;
        workdir->outputs = grown;
    }
    char *copy = strdup(path);
    if (!copy)
        return -1;
    workdir->outputs[workdir->output_count++] = (struct workdir_output){
        .path = copy, .mode = stat->st_mode & 0777, .size = (uint64_t)stat->st_size};
    workdir->sorted = false;
    return 0;
}

struct collect {
    struct workdir *workdir;
    bool is_pattern;
    size_t found;
};

static int collect_one(void *context, const char *path, const struct stat *stat)
{
    struct collect *collect = context;
    if (strlen(path) > MESSAGE_PATH_MAX)
        return 0;
    if (collect->is_pattern && is_untouched_input(collect->workdir, path, stat))
        return 0;
    collect->found++;
    return add_output(collect->workdir, path, stat);
}

int workdir_collect(struct workdir *workdir, const char *const *globs, size_t count,
                    struct error *ret_error)
{
    for (size_t i = 0; i < count; i++) {
        char clean[PATH_MAX];
        if (tree_clean_path(globs[i], clean, sizeof(clean), ret_error) < 0)
            return error_prefix(ret_error, "outputs[%zu]", i);
        struct collect collect = {workdir, tree_is_pattern(clean), 0};
        if (tree_find(workdir->fd, clean, collect_one, &collect) < 0)
            return error_errno(ret_error, errno, "cannot look for the output \"%s\"", globs[i]);
        if (!collect.found)
            return error_set(ret_error, ERROR_TASKS, "the model wrote no output \"%s\"%s",
                             globs[i],
                             collect.is_pattern ? " (unchanged input files do not count)" : "");
    }
    return 0;
}

int workdir_collect_path(struct workdir *workdir, const char *path, struct error *ret_error)
{
    char clean[PATH_MAX];
    struct stat stat;
    if (tree_clean_path(path, clean, sizeof(clean), ret_error) < 0)
        return error_prefix(ret_error, "the output \"%s\"", path);
    int fd = tree_open_file(workdir->fd, clean, &stat);
    if (fd < 0)
        return error_errno(ret_error, errno, "the output \"%s\" cannot be read", path);
    close(fd);
    if (add_output(workdir, clean, &stat) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for an output's path");
    return 0;
}

static int compare_outputs(const void *a, const void *b)
{
    return strcmp(((const struct workdir_output *)a)->path,
                  ((const struct workdir_output *)b)->path);
}

static void sort_outputs(struct workdir *workdir)
{
    struct workdir_output *list = workdir->outputs;
    size_t kept = 0;
    if (workdir->output_count)
        qsort(list, workdir->output_count, sizeof(*list), compare_outputs);
    for (size_t i = 0; i < workdir->output_count; i++) {
        if (kept && compare_outputs(&list[kept - 1], &list[i]) == 0)
            free((char *)list[i].path);
        else
            list[kept++] = list[i];
    }
    /* add_output grows at powers of two, so the count must not fall back below one it passed. */
    if (kept != workdir->output_count && kept) {
        size_t capacity = 1;
        while (capacity < kept)
            capacity *= 2;
        struct workdir_output *shrunk = realloc(list, capacity * sizeof(*list));
        if (shrunk)
            workdir->outputs = shrunk;
    }
    workdir->output_count = kept;
    workdir->sorted = true;
}

size_t workdir_output_count(const struct workdir *workdir)
{
    if (!workdir->sorted)
        sort_outputs((struct workdir *)workdir);
    return workdir->output_count;
}

static int open_output(struct workdir *workdir, struct workdir_output *output,
                       struct error *ret_error)
{
    struct stat stat;
    workdir->current_fd = tree_open_file(workdir->fd, output->path, &stat);
    if (workdir->current_fd < 0)
        return error_errno(ret_error, errno, "the output \"%s\" cannot be read", output->path);
    output->size = (uint64_t)stat.st_size;
    workdir->current_offset = 0;
    if (!workdir->piece && !(workdir->piece = malloc(MESSAGE_CHUNK)))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a piece of an output");
    return 0;
}

/* Read exactly `size` bytes of the current output. */
static int read_piece(struct workdir *workdir, size_t size, struct error *ret_error)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(workdir->current_fd, workdir->piece + done, size - done,
                            (off_t)(workdir->current_offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(ret_error, errno, "the output \"%s\" cannot be read",
                               workdir->outputs[workdir->current].path);
        if (got == 0)
            return error_set(ret_error, ERROR_TASKS,
                             "the output \"%s\" shrank while it was read",
                             workdir->outputs[workdir->current].path);
        done += (size_t)got;
    }
    return 0;
}

int workdir_next_piece(struct workdir *workdir, struct output_piece *ret_piece,
                       struct error *ret_error)
{
    if (workdir->current == workdir_output_count(workdir))
        return 0;
    struct workdir_output *output = &workdir->outputs[workdir->current];
    if (workdir->current_fd < 0 && open_output(workdir, output, ret_error) < 0)
        return -1;
    uint64_t left = output->size - workdir->current_offset;
    size_t size = left < MESSAGE_CHUNK ? (size_t)left : MESSAGE_CHUNK;
    if (read_piece(workdir, size, ret_error) < 0)
        return -1;
    *ret_piece = (struct output_piece){.id = workdir->id,
                                       .path = output->path,
                                       .path_size = strlen(output->path),
                                       .mode = output->mode,
                                       .offset = workdir->current_offset,
                                       .total_size = output->size,
                                       .bytes = workdir->piece,
                                       .size = size};
    workdir->current_offset += size;
    if (workdir->current_offset == output->size) {
        close(workdir->current_fd);
        workdir->current_fd = -1;
        workdir->current++;
    }
    return 1;
}

void workdir_rewind(struct workdir *workdir)
{
    if (workdir->current_fd >= 0)
        close(workdir->current_fd);
    workdir->current_fd = -1;
    workdir->current = 0;
    workdir->current_offset = 0;
}
