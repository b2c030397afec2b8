#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/umask.h"

#define STATUS "/proc/self/status"
#define FIELD  "Umask:"

/* 0, or -1: it is not said there. */
static int find(mode_t *ret_mask)
{
    char line[256];
    int rc = -1;
    FILE *stream = fopen(STATUS, "re");
    while (stream && rc < 0 && fgets(line, sizeof(line), stream)) {
        if (strncmp(line, FIELD, strlen(FIELD)) != 0)
            continue;
        *ret_mask = (mode_t)strtoul(line + strlen(FIELD), NULL, 8);
        rc = 0;
    }
    if (stream)
        fclose(stream);
    return rc;
}

mode_t umask_get(void)
{
    mode_t mask;
    if (find(&mask) < 0) {
        mask = umask(0);
        umask(mask);
    }
    return mask;
}
