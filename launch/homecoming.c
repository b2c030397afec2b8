/*
 * A copy gets its original's time of change; so the two tell whether there is anything new.
 */
#include "config.h"

#include "launch/homecoming.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "common/manifest.h"
#include "launch/disk.h"

int homecoming_open(struct homecoming *homecoming, const struct rundir *rundir,
                    const char *folder, const char *home, struct error *ret_error)
{
    memset(homecoming, 0, sizeof *homecoming);
    if (!home)
        return 0;
    const char *subfolder = strcmp(home, ".") == 0 ? "" : home;
    homecoming->from = rundir_path(rundir, "out/master", ret_error);
    homecoming->manifest = rundir_path(rundir, "files.json", ret_error);
    homecoming->subfolder = strdup(subfolder);
    homecoming->to = *subfolder ? disk_join(folder, subfolder, ret_error) : strdup(folder);
    if (homecoming->from && homecoming->manifest && homecoming->subfolder && homecoming->to)
        return 0;
    homecoming_close(homecoming);
    return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
}

void homecoming_close(struct homecoming *homecoming)
{
    free(homecoming->from);
    free(homecoming->to);
    free(homecoming->subfolder);
    free(homecoming->manifest);
    manifest_destroy(homecoming->inputs);
    memset(homecoming, 0, sizeof *homecoming);
}

static struct manifest *manifest_load(const struct homecoming *homecoming,
                                      struct error *ret_error)
{
    char *text = NULL;
    size_t size;
    if (json_read_text(homecoming->manifest, JSON_SIZE_MAX, &text, &size, ret_error) != 0)
        return NULL;
    struct manifest *manifest = manifest_create(text, size, ret_error);
    free(text);
    return manifest;
}

static bool is_input(const struct homecoming *homecoming, const struct manifest *manifest,
                     const char *name)
{
    char *path = disk_join(homecoming->subfolder, name, NULL);
    bool is = !path || manifest_find(manifest, path);
    free(path);
    return is;
}

/* 1 if it was copied, 0 if there was no need to. */
static int file_bring(const char *from, const char *to, struct error *ret_error)
{
    struct stat source, target;
    if (lstat(from, &source) < 0 || !S_ISREG(source.st_mode))
        return 0;
    bool there = lstat(to, &target) == 0;
    if (there && !S_ISREG(target.st_mode))
        return error_set(ret_error, ERROR_SYSTEM, "\"%s\" is no file, and is left as it is",
                         to);
    if (there && target.st_size == source.st_size &&
        target.st_mtim.tv_sec == source.st_mtim.tv_sec &&
        target.st_mtim.tv_nsec == source.st_mtim.tv_nsec)
        return 0;
    if (there && unlink(to) < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be replaced", to);
    if (disk_copy(from, to, ret_error) != 0)
        return -1;
    const struct timespec times[2] = {source.st_atim, source.st_mtim};
    utimensat(AT_FDCWD, to, times, 0); /* without it, it is copied once more */
    return 1;
}

/* A file that is being written, and gets its name when it is whole (common/whole.h). */
static bool is_unfinished(const char *name)
{
    const char *at = NULL;
    for (const char *next = name; (next = strstr(next, ".new.")); next++)
        at = next + strlen(".new.");
    return at && *at && at[strspn(at, "0123456789")] == 0;
}

static int entry_bring(struct homecoming *homecoming, const struct manifest *manifest,
                       const char *name, struct error *ret_error)
{
    if (is_input(homecoming, manifest, name)) {
        homecoming->kept++;
        snprintf(homecoming->kept_name, sizeof homecoming->kept_name, "%s", name);
        return 0;
    }
    char *from = disk_join(homecoming->from, name, ret_error);
    char *to = disk_join(homecoming->to, name, ret_error);
    int rc = from && to ? file_bring(from, to, ret_error) : -1;
    homecoming->brought += rc > 0;
    free(from);
    free(to);
    return rc < 0 ? -1 : 0;
}

int homecoming_bring(struct homecoming *homecoming, struct error *ret_error)
{
    DIR *folder = homecoming->from ? opendir(homecoming->from) : NULL;
    const struct dirent *entry;
    int rc = 0;
    homecoming->kept = 0;
    if (!folder)
        return 0; /* nothing was written yet */
    if (!homecoming->inputs)
        homecoming->inputs = manifest_load(homecoming, ret_error);
    const struct manifest *inputs = homecoming->inputs;
    while (inputs && rc == 0 && (entry = readdir(folder)))
        if (!is_unfinished(entry->d_name)) /* what is no file is left, "." and ".." too */
            rc = entry_bring(homecoming, inputs, entry->d_name, ret_error);
    closedir(folder);
    return inputs ? rc : -1;
}

int homecoming_forget(const struct homecoming *homecoming, struct inputs *inputs,
                      struct error *ret_error)
{
    size_t kept = 0, skip = homecoming->from ? strlen(homecoming->subfolder) : 0;
    if (!homecoming->from || !disk_exists(homecoming->manifest))
        return 0;
    struct manifest *manifest = manifest_load(homecoming, ret_error);
    if (!manifest)
        return -1;
    for (size_t i = 0; i < inputs->count; i++) {
        struct input *input = &inputs->items[i];
        const char *name = input->path;
        bool home =
            strncmp(name, homecoming->subfolder, skip) == 0 && (skip == 0 || name[skip] == '/');
        name += home && skip ? skip + 1 : 0;
        char *from =
            home && !strchr(name, '/') ? disk_join(homecoming->from, name, NULL) : NULL;
        if (from && disk_exists(from) && !manifest_find(manifest, input->path)) {
            inputs->bytes -= input->size;
            free(input->path);
        } else {
            inputs->items[kept++] = *input;
        }
        free(from);
    }
    inputs->count = kept;
    manifest_destroy(manifest);
    return 0;
}
