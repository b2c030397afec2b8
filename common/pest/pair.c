#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/pest/pair.h"

char *pest_pair_path(const char *folder, const char *name)
{
    char *path;
    if (*name == '/' || !*folder || strcmp(folder, ".") == 0)
        return strdup(name);
    const char *between = folder[strlen(folder) - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%s", folder, between, name) < 0 ? NULL : path;
}
