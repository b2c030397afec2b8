#include "config.h"

#include "launch/mpirun_home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/tree.h"
#include "launch/disk.h"
#include "launch/mpirun_farm.h"

static bool is_later(const struct timespec *left, const struct timespec *right)
{
    return left->tv_sec > right->tv_sec ||
           (left->tv_sec == right->tv_sec && left->tv_nsec > right->tv_nsec);
}

static int file_bring(const char *from, const char *to, const struct timespec *began,
                      struct mpirun_home *home, struct error *ret_error)
{
    struct stat target;
    bool there = lstat(to, &target) == 0;
    if (there && (!S_ISREG(target.st_mode) || is_later(&target.st_mtim, began))) {
        home->kept++;
        snprintf(home->kept_name, sizeof home->kept_name, "%s", to);
        return 0;
    }
    if (there && unlink(to) < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be replaced", to);
    home->brought++;
    return disk_copy(from, to, ret_error);
}

static int folder_bring(const char *from, const char *to, bool top,
                        const struct timespec *began, struct mpirun_home *home,
                        struct error *ret_error);

static int entry_bring(const char *from, const char *to, const char *name,
                       const struct timespec *began, struct mpirun_home *home,
                       struct error *ret_error)
{
    struct stat stat_now;
    char *source = disk_join(from, name, ret_error);
    char *target = source ? disk_join(to, name, ret_error) : NULL;
    int rc = target ? 0 : -1;
    if (rc == 0 && lstat(source, &stat_now) < 0)
        rc = error_errno(ret_error, errno, "\"%s\" cannot be looked at", source);
    else if (rc == 0 && S_ISDIR(stat_now.st_mode))
        rc = folder_bring(source, target, false, began, home, ret_error);
    else if (rc == 0 && S_ISREG(stat_now.st_mode))
        rc = file_bring(source, target, began, home, ret_error);
    free(source);
    free(target);
    return rc;
}

static int folder_bring(const char *from, const char *to, bool top,
                        const struct timespec *began, struct mpirun_home *home,
                        struct error *ret_error)
{
    DIR *folder = opendir(from);
    const struct dirent *entry;
    if (!folder)
        return error_errno(ret_error, errno, "\"%s\" cannot be read", from);
    int rc = tree_make(to, ret_error);
    while (rc == 0 && (entry = readdir(folder)))
        if (!tree_is_dots(entry->d_name) &&
            !(top && strncmp(entry->d_name, MPIRUN_PREFIX, strlen(MPIRUN_PREFIX)) == 0))
            rc = entry_bring(from, to, entry->d_name, began, home, ret_error);
    closedir(folder);
    return rc;
}

int mpirun_home_bring(const char *from, const char *to, const struct timespec *began,
                      struct mpirun_home *ret_home, struct error *ret_error)
{
    *ret_home = (struct mpirun_home){0};
    if (!disk_exists(from))
        return 0;
    return folder_bring(from, to, true, began, ret_home, ret_error);
}
