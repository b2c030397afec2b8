#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/boot.h"

bool boot_read(char boot[BOOT_MAX])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, boot, BOOT_MAX - 1);
    if (fd >= 0)
        close(fd);
    boot[size > 0 ? size : 0] = '\0';
    boot[strcspn(boot, "\n")] = '\0';
    return *boot;
}
