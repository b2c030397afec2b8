#include "config.h"

#include <stdio.h>
#include <sys/stat.h>

#include "worker/cache_file.h"

void cache_file_name(const uint8_t *hash, bool executable, char name[CACHE_NAME_SIZE])
{
    char hex[STORE_HASH_TEXT];
    store_hash_format(hash, hex);
    snprintf(name, CACHE_NAME_SIZE, "%s%s", hex, executable ? ".x" : "");
}

int cache_file_stamp(int fd)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = CACHE_MTIME_S}};
    return futimens(fd, times);
}

bool cache_file_is_stamped(const struct stat *stat)
{
    return stat->st_mtim.tv_sec == CACHE_MTIME_S && stat->st_mtim.tv_nsec == 0;
}
