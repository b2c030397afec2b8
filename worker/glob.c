#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "worker/glob.h"

#define FIND_DEPTH   200
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct find {
    int (*found)(void *context, const char *path, const struct stat *stat);
    void *context;
    char path[PATH_MAX]; /* of the directory being read, with a '/' behind it */
};

static bool is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

bool glob_is_pattern(const char *pattern)
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
    int fd = openat(dir_fd, name, FOLDER_FLAGS);
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
    int copy = openat(dir_fd, ".", FOLDER_FLAGS);
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
    if (!glob_is_pattern(component))
        return find_name(find, dir_fd, used, component, rest, depth);
    return find_each(find, dir_fd, used, component, rest, depth);
}

int glob_find(int dir_fd, const char *pattern,
              int (*found)(void *context, const char *path, const struct stat *stat),
              void *context)
{
    struct find find = {.found = found, .context = context};
    return find_in(&find, dir_fd, 0, pattern, 0);
}
