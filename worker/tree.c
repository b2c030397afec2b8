/*
 * Removal goes depth first with one open directory per level. A tree deeper than REMOVE_DEPTH
 * would run out of descriptors (a model may make one by mistake, mkdir a; cd a; ...), so what
 * lies deeper is first moved up to the top, where it is found by the same loop.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/tree.h"

#define REMOVE_DEPTH 60
#define FIND_DEPTH   200
#define DIR_FLAGS    (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int tree_clean_path(const char *path, char *clean, size_t size, struct error *ret_error)
{
    size_t used = 0;
    if (path[0] == '/')
        return error_set(ret_error, ERROR_CONFIG,
                         "\"%s\" is absolute, but must be relative to the work directory",
                         path);
    while (*path) {
        size_t length = strcspn(path, "/");
        if (length == 2 && memcmp(path, "..", 2) == 0)
            return error_set(ret_error, ERROR_CONFIG,
                             "a \"..\" would lead out of the work directory");
        if (length > NAME_MAX || used + length + 2 > size)
            return error_set(ret_error, ERROR_CONFIG, "a path is longer than %zu bytes", size);
        if (length && !(length == 1 && path[0] == '.')) {
            if (used)
                clean[used++] = '/';
            memcpy(clean + used, path, length);
            used += length;
        }
        path += length + (path[length] == '/');
    }
    if (!used)
        return error_set(ret_error, ERROR_CONFIG, "a path is empty");
    clean[used] = 0;
    return 0;
}

int tree_make_path(const char *path, struct error *ret_error)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (!length || length >= sizeof(part))
        return error_set(ret_error, ERROR_CONFIG, "\"%s\" is no usable path", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0777) < 0 && errno != EEXIST && errno != EISDIR)
            return error_errno(ret_error, errno, "cannot make the directory \"%s\"", part);
    }
    return 0;
}

int tree_make_parents(int dir_fd, const char *path, struct error *ret_error)
{
    char part[PATH_MAX];
    for (size_t i = 0; path[i] && i < sizeof(part); i++) {
        part[i] = path[i];
        if (path[i] != '/')
            continue;
        part[i] = 0;
        if (mkdirat(dir_fd, part, 0777) < 0 && errno != EEXIST)
            return error_errno(ret_error, errno, "cannot make the directory \"%s\"", part);
        part[i] = '/';
    }
    return 0;
}

/* The directory that holds the last name of path: dir_fd itself, or a descriptor to close. */
static int open_parent(int dir_fd, const char *path, const char **ret_name)
{
    int at = dir_fd;
    const char *slash;
    while ((slash = strchr(path, '/'))) {
        char name[NAME_MAX + 1];
        size_t length = (size_t)(slash - path);
        if (length > NAME_MAX) {
            errno = ENAMETOOLONG;
            length = 0;
        }
        memcpy(name, path, length);
        name[length] = 0;
        int next =
            length ? openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        int saved = errno;
        if (at != dir_fd)
            close(at);
        errno = saved;
        if (next < 0)
            return -1;
        at = next;
        path = slash + 1;
    }
    *ret_name = path;
    return at;
}

int tree_open_file(int dir_fd, const char *path, struct stat *ret_stat)
{
    const char *name;
    int parent = open_parent(dir_fd, path, &name);
    if (parent < 0)
        return -1;
    /* O_NONBLOCK: a FIFO must not hang us before fstat says what it is. */
    int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    int saved = errno;
    if (fd >= 0 && (fstat(fd, ret_stat) < 0 || !S_ISREG(ret_stat->st_mode))) {
        close(fd);
        fd = -1;
        saved = EINVAL;
    }
    if (parent != dir_fd)
        close(parent);
    errno = saved;
    return fd;
}

/* --- Removing --- */

struct removal {
    int top_fd;     /* the directory that is being removed */
    size_t *budget; /* removals left */
    uint64_t moved; /* how many subtrees were moved up, for their names */
    bool moved_now; /* something was moved up in this pass */
};

static bool is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Open a directory that may forbid us to. */
static int open_directory(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, DIR_FLAGS);
    if (fd >= 0 || errno != EACCES)
        return fd;
    struct stat stat;
    if (fstatat(dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(stat.st_mode))
        return -1;
    fchmodat(dir_fd, name, 0700, 0);
    return openat(dir_fd, name, DIR_FLAGS);
}

static int move_up(struct removal *removal, int dir_fd, const char *name)
{
    char up[64];
    do
        snprintf(up, sizeof(up), ".beofarm-removing-%llu",
                 (unsigned long long)removal->moved++);
    while (faccessat(removal->top_fd, up, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    removal->moved_now = true;
    return renameat(dir_fd, name, removal->top_fd, up);
}

static int remove_content(struct removal *removal, int dir_fd, unsigned depth);

static int remove_entry(struct removal *removal, int dir_fd, const char *name, int type,
                        unsigned depth)
{
    if (!*removal->budget)
        return 1;
    --*removal->budget;
    if (type != DT_DIR) {
        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR && errno != EPERM)
            return -1;
    }
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return -1;
    if (depth >= REMOVE_DEPTH)
        return move_up(removal, dir_fd, name);
    int fd = open_directory(dir_fd, name);
    if (fd < 0)
        return -1;
    int rc = remove_content(removal, fd, depth + 1); /* closes fd */
    if (rc != 0)
        return rc;
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return -1;
    return 0;
}

/* Remove all in dir_fd, and close it. */
static int remove_content(struct removal *removal, int dir_fd, unsigned depth)
{
    DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        close(dir_fd);
        return -1;
    }
    int rc = 0, worst = 0;
    bool opened = false;
    for (struct dirent *entry; rc != 1 && (entry = readdir(dir));) {
        if (is_dots(entry->d_name))
            continue;
        rc = remove_entry(removal, dir_fd, entry->d_name, entry->d_type, depth);
        if (rc < 0 && errno == EACCES && !opened) { /* a directory that we may not write */
            opened = true;
            fchmod(dir_fd, 0700);
            rc = remove_entry(removal, dir_fd, entry->d_name, entry->d_type, depth);
        }
        if (rc < 0)
            worst = errno;
    }
    closedir(dir);
    errno = worst;
    return rc == 1 ? 1 : worst ? -1 : 0;
}

int tree_remove(int dir_fd, const char *name, size_t *budget)
{
    /* Nearly always an empty directory. */
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno == ENOTDIR)
        return unlinkat(dir_fd, name, 0);
    struct removal removal = {.budget = budget};
    do {
        removal.moved_now = false;
        removal.top_fd = open_directory(dir_fd, name);
        if (removal.top_fd < 0)
            return -1;
        int copy = fcntl(removal.top_fd, F_DUPFD_CLOEXEC, 3);
        int rc = copy < 0 ? -1 : remove_content(&removal, copy, 0);
        int saved = errno;
        close(removal.top_fd);
        errno = saved;
        if (rc != 0)
            return rc;
    } while (removal.moved_now);
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/* --- Finding --- */

struct find {
    int (*found)(void *context, const char *path, const struct stat *stat);
    void *context;
    char path[PATH_MAX]; /* of the directory being read, with a '/' behind it */
};

bool tree_is_pattern(const char *pattern)
{
    return strpbrk(pattern, "*?[\\") != NULL;
}

static int find_in(struct find *find, int dir_fd, size_t used, const char *pattern,
                   unsigned depth);

/* `name` matched the first component of the pattern; go on with `rest`, NULL where that was the
 * last. */
static int find_name(struct find *find, int dir_fd, size_t used, const char *name,
                     const char *rest, unsigned depth)
{
    struct stat stat;
    size_t length = strlen(name);
    if (used + length + 2 > sizeof(find->path) || depth > FIND_DEPTH ||
        fstatat(dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return 0; /* it went away, or nothing that we could name */
    memcpy(find->path + used, name, length + 1);
    if (!rest)
        return S_ISREG(stat.st_mode) ? find->found(find->context, find->path, &stat) : 0;
    if (!S_ISDIR(stat.st_mode))
        return 0;
    int fd = openat(dir_fd, name, DIR_FLAGS);
    if (fd < 0)
        return -1;
    find->path[used + length] = '/';
    int rc = find_in(find, fd, used + length + 1, rest, depth + 1);
    close(fd);
    return rc;
}

/* Every entry of dir_fd that matches `component` (NULL: every directory, with the pattern itself
 * as what comes after it). */
static int find_each(struct find *find, int dir_fd, size_t used, const char *component,
                     const char *rest, unsigned depth)
{
    int copy = openat(dir_fd, ".", DIR_FLAGS);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        if (copy >= 0)
            close(copy);
        return -1;
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        if (is_dots(entry->d_name))
            continue;
        if (component ? fnmatch(component, entry->d_name, FNM_PERIOD) == 0
                      : entry->d_name[0] != '.')
            rc = find_name(find, dir_fd, used, entry->d_name, rest, depth);
    }
    closedir(dir);
    return rc;
}

static int find_in(struct find *find, int dir_fd, size_t used, const char *pattern,
                   unsigned depth)
{
    char component[NAME_MAX + 1];
    size_t length = strcspn(pattern, "/");
    if (length > NAME_MAX)
        return 0;
    memcpy(component, pattern, length);
    component[length] = 0;
    const char *rest = pattern[length] ? pattern + length + 1 : NULL;
    if (strcmp(component, "**") == 0) {
        /* No directory, then any one with ** again. A last ** means every file below. */
        int rc = find_in(find, dir_fd, used, rest ? rest : "*", depth);
        return rc ? rc : find_each(find, dir_fd, used, NULL, pattern, depth);
    }
    if (!tree_is_pattern(component))
        return find_name(find, dir_fd, used, component, rest, depth);
    return find_each(find, dir_fd, used, component, rest, depth);
}

int tree_find(int dir_fd, const char *pattern,
              int (*found)(void *context, const char *path, const struct stat *stat),
              void *context)
{
    struct find find = {.found = found, .context = context};
    return find_in(&find, dir_fd, 0, pattern, 0);
}
