#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/cgroup.h"

struct walk {
    const char *root, *controller;
    void (*visit)(void *context, const char *folder);
    void *context;
};

bool cgroup_read(const char *folder, const char *name, char *line, int size)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(line, size, file) != NULL;
    fclose(file);
    return read;
}

/* From MOUNT/GROUP up to MOUNT. A group that does not exist under the mount (it is named from
 * outside of the container) leaves its ancestors that do. */
static void walk_mount(const struct walk *walk, const char *mount, const char *group)
{
    char dir[PATH_MAX];
    size_t mount_length = strlen(mount);
    if (strstr(group, "..") ||
        snprintf(dir, sizeof dir, "%s%s", mount, group) >= (int)sizeof dir) {
        walk->visit(walk->context, mount);
        return;
    }
    for (;;) {
        walk->visit(walk->context, dir);
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < mount_length)
            return;
        *slash = '\0';
    }
}

static void walk_named(const struct walk *walk, const char *name, const char *group)
{
    char mount[PATH_MAX];
    int length = snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", walk->root,
                          *name ? "/" : "", name);
    if (length < (int)sizeof mount)
        walk_mount(walk, mount, strcmp(group, "/") == 0 ? "" : group);
}

/* One line of /proc/self/cgroup, "ID:CONTROLLERS:GROUP"; version 2 has "0::GROUP". */
static void walk_entry(const struct walk *walk, char *line)
{
    char *controllers = strchr(line, ':'), *rest = NULL;
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    bool ruled = false;
    if (!group)
        return;
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*++controllers == '\0') {
        walk_named(walk, "", group);
        walk_named(walk, "unified", group);
        return;
    }
    /* A version 1 hierarchy is mounted under the names of its controllers, or under one of them. */
    char *all = strdup(controllers);
    for (char *name = strtok_r(controllers, ",", &rest); name;
         name = strtok_r(NULL, ",", &rest))
        ruled = ruled || strcmp(name, walk->controller) == 0;
    if (ruled)
        walk_named(walk, walk->controller, group);
    if (ruled && all && strcmp(all, walk->controller) != 0)
        walk_named(walk, all, group);
    if (ruled && strcmp(walk->controller, "cpu") == 0 && all && strcmp(all, "cpu,cpuacct") != 0)
        walk_named(walk, "cpu,cpuacct", group);
    free(all);
}

void cgroup_each(const char *root, const char *controller,
                 void (*visit)(void *context, const char *folder), void *context)
{
    const struct walk walk = {root, controller, visit, context};
    char path[PATH_MAX], *line = NULL;
    size_t capacity = 0;
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path)
        return;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (getline(&line, &capacity, file) >= 0)
        walk_entry(&walk, line);
    free(line);
    fclose(file);
}
