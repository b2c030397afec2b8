#include "config.h"

#include "common/near.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/boot.h"

#define ID_MAX 40

/* "DEVICE:INODE" */
static void id_print(const struct stat *stat, char id[ID_MAX])
{
    snprintf(id, ID_MAX, "%" PRIx64 ":%" PRIx64, (uint64_t)stat->st_dev,
             (uint64_t)stat->st_ino);
}

int near_put(cJSON *job, const char *dir, int dir_fd)
{
    char boot[BOOT_MAX], id[ID_MAX];
    struct stat stat;
    if (dir[0] != '/' || fstat(dir_fd, &stat) < 0 || !boot_read(boot))
        return -1;
    id_print(&stat, id);
    cJSON *near = cJSON_AddObjectToObject(job, "near");
    return cJSON_AddStringToObject(near, "dir", dir) &&
                   cJSON_AddStringToObject(near, "boot", boot) &&
                   cJSON_AddStringToObject(near, "id", id)
               ? 0
               : -1;
}

static const char *text_of(const cJSON *near, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(near, name));
}

static bool is_same(int fd, const char *wanted)
{
    char id[ID_MAX];
    struct stat stat;
    if (fstat(fd, &stat) < 0 || stat.st_uid != geteuid())
        return false;
    id_print(&stat, id);
    return strcmp(id, wanted) == 0;
}

int near_open(const cJSON *job)
{
    char mine[BOOT_MAX];
    const cJSON *near = cJSON_GetObjectItemCaseSensitive(job, "near");
    const char *dir = text_of(near, "dir"), *boot = text_of(near, "boot"),
               *id = text_of(near, "id");
    if (!dir || !boot || !id || !boot_read(mine) || strcmp(mine, boot) != 0)
        return -1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || is_same(fd, id))
        return fd;
    close(fd);
    return -1;
}
