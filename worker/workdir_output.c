/* Wildcards are resolved below the directory, and what was found is read piece by piece. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/cache_file.h"
#include "worker/glob.h"
#include "worker/inside.h"
#include "worker/workdir_private.h"

static int compare_common(const void *key, const void *element)
{
    return strcmp(key, (*(const struct manifest_file *const *)element)->path);
}

/* Is it an input, as it was laid? */
static bool is_untouched_input(const struct workdir *workdir, const char *path,
                               const struct stat *stat)
{
    const struct workplace *place = workdir->place;
    if (!cache_file_is_stamped(stat))
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
        if (inside_clean_path(globs[i], clean, sizeof(clean), ret_error) < 0)
            return error_prefix(ret_error, "outputs[%zu]", i);
        struct collect collect = {workdir, glob_is_pattern(clean), 0};
        if (glob_find(workdir->fd, clean, collect_one, &collect) < 0)
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
    if (inside_clean_path(path, clean, sizeof(clean), ret_error) < 0)
        return error_prefix(ret_error, "the output \"%s\"", path);
    int fd = inside_open_file(workdir->fd, clean, &stat);
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

const struct workdir_output *workdir_output_get(const struct workdir *workdir, size_t index)
{
    return index < workdir_output_count(workdir) ? &workdir->outputs[index] : NULL;
}

/* One that another name leads to may be written to by that name (or was linked for a master that is
 * gone); one of somebody else we may not give. */
static bool may_be_linked(const struct stat *stat)
{
    return stat->st_nlink == 1 && stat->st_uid == geteuid() && (stat->st_mode & S_IRUSR);
}

/* Nobody has it open for writing, as a program that stays or one outside our tree may, who would
 * write into what is the master's by then. A lease for reading is granted then alone (fcntl(2)),
 * and not by every file system; if somebody comes just now, the kernel tells us so by a signal,
 * which is to be one that nobody minds. */
static bool is_at_rest(int fd)
{
    return fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
}

/* 0, or -1: it is to go in pieces. */
static int link_file(int fd, int near_fd, const char *name, struct stat *ret_stat)
{
    char from[sizeof("/proc/self/fd/") + 12];
    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    if (!may_be_linked(ret_stat)) {
        unlinkat(near_fd, name, 0); /* of a link that was lost before the master took it */
        return -1;
    }
    int rc = is_at_rest(fd) ? fstat(fd, ret_stat) : -1;
    if (rc == 0)
        rc = linkat(AT_FDCWD, from, near_fd, name, AT_SYMLINK_FOLLOW);
    /* A child that is being started may have the descriptor, too. */
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return rc;
}

bool workdir_link_next(struct workdir *workdir, int near_fd, const char *owner,
                       struct output_link *ret_link)
{
    struct stat stat;
    if (workdir->current == workdir_output_count(workdir) || workdir->current_fd >= 0)
        return false;
    struct workdir_output *output = &workdir->outputs[workdir->current];
    int fd = inside_open_file(workdir->fd, output->path, &stat);
    if (fd < 0)
        return false;
    snprintf(workdir->link, sizeof(workdir->link), "%llu.%u.%s.%zu",
             (unsigned long long)workdir->id.task, workdir->id.attempt, owner,
             workdir->current);
    int rc = link_file(fd, near_fd, workdir->link, &stat);
    close(fd);
    if (rc < 0)
        return false;
    workdir->current++;
    *ret_link = (struct output_link){.id = workdir->id,
                                     .path = output->path,
                                     .path_size = strlen(output->path),
                                     .mode = output->mode,
                                     .total_size = (uint64_t)stat.st_size,
                                     .name = workdir->link,
                                     .name_size = strlen(workdir->link)};
    return true;
}

static int open_output(struct workdir *workdir, struct workdir_output *output,
                       struct error *ret_error)
{
    struct stat stat;
    workdir->current_fd = inside_open_file(workdir->fd, output->path, &stat);
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
