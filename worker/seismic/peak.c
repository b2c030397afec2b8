#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/seismic/peak.h"

#define RESET_PEAK "5" /* proc(5), /proc/pid/clear_refs */

void peak_reset(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    /* An old kernel refuses; then the peak goes on from before. */
    if (write(fd, RESET_PEAK, 1) < 0) {
        close(fd);
        return;
    }
    close(fd);
}

/* The number behind `name` in a file of "Name:  123 kB" lines, in bytes. */
static uint64_t find(const char *path, const char *name)
{
    char line[256];
    uint64_t bytes = 0;
    FILE *stream = fopen(path, "re");
    if (!stream)
        return 0;
    while (fgets(line, sizeof(line), stream))
        if (strncmp(line, name, strlen(name)) == 0)
            bytes = strtoull(line + strlen(name), NULL, 10) * 1024;
    fclose(stream);
    return bytes;
}

uint64_t peak_bytes(void)
{
    return find("/proc/self/status", "VmHWM:");
}

uint64_t peak_available(void)
{
    return find("/proc/meminfo", "MemAvailable:");
}
