/*
 * A folder that is open somewhere, or anybody's working directory, is not told to be deleted before
 * it is let go. But what lies in it is told to be removed by its name, the journal among the rest;
 * and the journal is what a farm cannot do without.
 */
#include "config.h"

#include "master/run_folder.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/journal.h"

#define CHANGES (IN_DELETE | IN_MOVED_FROM | IN_MOVE_SELF)

struct run_folder {
    char *journal; /* its path */
    dev_t device;  /* and which file it is */
    ino_t inode;   /* the same */
    int fd;        /* of inotify; -1: none */
    struct loop_watch *watch;
    void (*changed)(void *context);
    void *context;
};

static void noticed(unsigned events, void *context)
{
    struct run_folder *folder = context;
    char bytes[4096];
    (void)events;
    while (read(folder->fd, bytes, sizeof(bytes)) > 0)
        ; /* what it was does not matter: the journal is there, or it is not */
    folder->changed(folder->context);
}

/* Without it a farm does as well, as long as its folder stays where it is. */
static void watch_begin(struct run_folder *folder, struct loop *loop, const char *run_dir)
{
    struct error ignored;
    folder->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (folder->fd >= 0 && inotify_add_watch(folder->fd, run_dir, CHANGES) >= 0)
        folder->watch = loop_watch_add(loop, folder->fd, LOOP_READ, noticed, folder, &ignored);
}

struct run_folder *run_folder_open(struct loop *loop, const char *run_dir,
                                   void (*changed)(void *context), void *context,
                                   struct error *ret_error)
{
    struct run_folder *folder = calloc(1, sizeof(*folder));
    struct stat status;
    if (!folder) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to watch the run directory");
        return NULL;
    }
    folder->fd = -1;
    folder->journal = journal_path(run_dir, ret_error);
    if (!folder->journal) {
        run_folder_close(folder);
        return NULL;
    }
    folder->changed = changed;
    folder->context = context;
    watch_begin(folder, loop, run_dir);
    if (stat(folder->journal, &status) < 0) {
        error_errno(ret_error, errno, "\"%s\" cannot be looked at", folder->journal);
        run_folder_close(folder);
        return NULL;
    }
    folder->device = status.st_dev;
    folder->inode = status.st_ino;
    return folder;
}

void run_folder_close(struct run_folder *folder)
{
    if (!folder)
        return;
    loop_watch_remove(folder->watch);
    if (folder->fd >= 0)
        close(folder->fd);
    free(folder->journal);
    free(folder);
}

bool run_folder_is_gone(const struct run_folder *folder)
{
    struct stat status;
    if (stat(folder->journal, &status) < 0)
        return errno == ENOENT || errno == ENOTDIR; /* a disk that fails may recover */
    return status.st_dev != folder->device || status.st_ino != folder->inode;
}
