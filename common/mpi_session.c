#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/mpi_session.h"

#define NAME_START  "beofarm-mpi-"
#define QUIET_S     60 /* a daemon may still be at work in a younger one, or its lock on the way */
#define SWEEP_MAX   64 /* so that tidying up after others never delays a start much */
#define PATH_LENGTH 64
#define ROOM_BYTES  (12u << 20) /* PMIx's segments are 8 MiB a process, as seen */
#define ROOM_FILES  64u         /* of 13 to 20 */

static char session[PATH_LENGTH]; /* "" if not made */
static int lock_fd = -1;

static int remove_entry(const char *path, const struct stat *status, int kind,
                        struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_left_behind(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_uid == geteuid() &&
           time(NULL) - status.st_mtime > QUIET_S && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Whether there was anything to remove. */
static bool sweep_one(const char *base, const char *name)
{
    char path[PATH_LENGTH + sizeof(((struct dirent *)0)->d_name)];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool removes = is_left_behind(fd);
    if (removes)
        remove_tree(path);
    close(fd);
    return removes;
}

static void sweep(const char *base)
{
    DIR *dir = opendir(base);
    int removed = 0;
    if (!dir)
        return;
    for (struct dirent *entry; removed < SWEEP_MAX && (entry = readdir(dir));)
        if (strncmp(entry->d_name, NAME_START, strlen(NAME_START)) == 0)
            removed += sweep_one(base, entry->d_name);
    closedir(dir);
}

/* Open MPI ends a process whose files it has no room for, with a text of its own. */
static int room_check(const char *base, struct error *ret_error)
{
    struct statvfs room;
    if (statvfs(base, &room) != 0 || room.f_blocks == 0)
        return 0; /* what is wrong will be told, or nothing is known */
    uint64_t left = (uint64_t)room.f_bavail * room.f_frsize;
    if (left >= ROOM_BYTES && (room.f_files == 0 || room.f_favail >= ROOM_FILES))
        return 0;
    return error_set(
        ret_error, ERROR_SYSTEM,
        "%s has no room for Open MPI's files: it needs %u MiB and %u files a process, "
        "but there are %.3g MiB left; free some, or say another folder with TMPDIR",
        base, ROOM_BYTES >> 20, ROOM_FILES, (double)left / (1 << 20));
}

const char *mpi_session_make(struct error *ret_error)
{
    const char *base = getenv("TMPDIR");
    if (!base || !*base || strlen(base) > PATH_LENGTH - 32)
        base = "/tmp";
    sweep(base);
    if (room_check(base, ret_error) != 0)
        return NULL;
    snprintf(session, sizeof(session), "%s/" NAME_START "XXXXXX", base);
    if (!mkdtemp(session)) {
        session[0] = 0;
        error_errno(ret_error, errno, "cannot make a directory in %s", base);
        return NULL;
    }
    lock_fd = open(session, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_fd >= 0)
        flock(lock_fd, LOCK_EX | LOCK_NB);
    return session;
}

void mpi_session_remove(void)
{
    if (session[0])
        remove_tree(session);
    session[0] = 0;
    if (lock_fd >= 0)
        close(lock_fd);
    lock_fd = -1;
}
