/*
 * Doomed directories lie in ROOT/removed-PID-RANDOM/, numbered. The thread is told how many there
 * are; it takes them in order and sleeps when it has done them all.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/thread.h"
#include "common/tree.h"
#include "worker/sweeper.h"

#define PREFIX "removed-"

struct sweeper {
    int root_fd;
    char dir[64];
    int dir_fd; /* -1 until something was taken */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    uint64_t taken; /* directories 1 to taken are there, or were */
    bool ending;
};

static void *sweep(void *context)
{
    struct sweeper *sweeper = context;
    uint64_t done = 0;
    pthread_mutex_lock(&sweeper->lock);
    for (;;) {
        while (done == sweeper->taken && !sweeper->ending)
            pthread_cond_wait(&sweeper->changed, &sweeper->lock);
        if (done == sweeper->taken)
            break;
        pthread_mutex_unlock(&sweeper->lock);
        char name[32];
        snprintf(name, sizeof(name), "%llu", (unsigned long long)++done);
        tree_remove(sweeper->dir_fd, name);
        pthread_mutex_lock(&sweeper->lock);
    }
    pthread_mutex_unlock(&sweeper->lock);
    return NULL;
}

static bool start_thread(struct sweeper *sweeper)
{
    sweeper->running = thread_start(&sweeper->thread, sweep, sweeper) == 0;
    return sweeper->running;
}

static bool start(struct sweeper *sweeper)
{
    if (sweeper->dir_fd < 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        snprintf(sweeper->dir, sizeof(sweeper->dir), PREFIX "%d-%lx", (int)getpid(),
                 (unsigned long)(now.tv_nsec ^ now.tv_sec));
        if (mkdirat(sweeper->root_fd, sweeper->dir, 0700) < 0)
            return false;
        sweeper->dir_fd =
            openat(sweeper->root_fd, sweeper->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return sweeper->dir_fd >= 0 && (sweeper->running || start_thread(sweeper));
}

void sweeper_take(struct sweeper *sweeper, const char *name)
{
    char number[32];
    if (faccessat(sweeper->root_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    snprintf(number, sizeof(number), "%llu", (unsigned long long)sweeper->taken + 1);
    if (!start(sweeper) || renameat(sweeper->root_fd, name, sweeper->dir_fd, number) < 0) {
        tree_remove(sweeper->root_fd, name); /* slow, but right */
        return;
    }
    pthread_mutex_lock(&sweeper->lock);
    sweeper->taken++;
    pthread_cond_signal(&sweeper->changed);
    pthread_mutex_unlock(&sweeper->lock);
}

/* Folders of sweepers that were killed. Two workers never share a root, so they are nobody's. */
static void take_leftovers(struct sweeper *sweeper)
{
    int copy = openat(sweeper->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            strcmp(entry->d_name, sweeper->dir) != 0)
            sweeper_take(sweeper, entry->d_name);
    closedir(dir);
}

struct sweeper *sweeper_create(int root_fd, struct error *ret_error)
{
    struct sweeper *sweeper = calloc(1, sizeof(*sweeper));
    if (!sweeper) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the sweeper");
        return NULL;
    }
    sweeper->root_fd = root_fd;
    sweeper->dir_fd = -1;
    pthread_mutex_init(&sweeper->lock, NULL);
    pthread_cond_init(&sweeper->changed, NULL);
    take_leftovers(sweeper);
    return sweeper;
}

void sweeper_destroy(struct sweeper *sweeper)
{
    if (!sweeper)
        return;
    if (sweeper->running) {
        pthread_mutex_lock(&sweeper->lock);
        sweeper->ending = true;
        pthread_cond_signal(&sweeper->changed);
        pthread_mutex_unlock(&sweeper->lock);
        pthread_join(sweeper->thread, NULL);
    }
    if (sweeper->dir_fd >= 0) {
        close(sweeper->dir_fd);
        tree_remove(sweeper->root_fd, sweeper->dir);
    }
    pthread_mutex_destroy(&sweeper->lock);
    pthread_cond_destroy(&sweeper->changed);
    free(sweeper);
}
