#include "config.h"

#include "master/ship.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/azure/blob_download.h"
#include "common/azure/blob_upload.h"
#include "common/message.h"
#include "common/tree.h"

#define DEPTH_MAX 64

struct load {
    struct container *container;
    const char *run_dir;
    struct error *error;
    size_t prefix; /* bytes of "RUN/" */
};

int ship_file(struct container *container, const char *path, const char *name,
              struct error *ret_error)
{
    char blob[CONTAINER_NAME_SIZE];
    struct blob_place place;
    if (container_place(container, blob, &place, ret_error, "%s", name) != 0)
        return -1;
    return blob_upload(container_service(container), &place, path, NULL, NULL, ret_error) == 0
               ? 0
               : -1;
}

static int folder_ship(const struct load *load, const char *name, int depth);

/* A file or folder under the run directory. Links are nobody's results. */
static int entry_ship(const struct load *load, const char *folder, const char *entry, int depth)
{
    char *name = NULL, *path = NULL;
    struct stat status;
    int rc = 0;
    if (asprintf(&name, "%s/%s", folder, entry) < 0)
        return error_set(load->error, ERROR_SYSTEM, "no memory for a path");
    if (asprintf(&path, "%s/%s", load->run_dir, name) < 0)
        rc = error_set(load->error, ERROR_SYSTEM, "no memory for a path");
    else if (lstat(path, &status) < 0)
        rc = 0; /* gone meanwhile */
    else if (S_ISREG(status.st_mode))
        rc = ship_file(load->container, path, name, load->error);
    else if (S_ISDIR(status.st_mode))
        rc = folder_ship(load, name, depth + 1);
    free(name);
    free(path);
    return rc;
}

static int folder_ship(const struct load *load, const char *name, int depth)
{
    char *path = NULL;
    int rc = 0;
    if (asprintf(&path, "%s/%s", load->run_dir, name) < 0)
        return error_set(load->error, ERROR_SYSTEM, "no memory for a path");
    DIR *folder = depth < DEPTH_MAX ? opendir(path) : NULL;
    free(path);
    for (struct dirent *entry; rc == 0 && folder && (entry = readdir(folder));)
        if (!tree_is_dots(entry->d_name))
            rc = entry_ship(load, name, entry->d_name, depth);
    if (folder)
        closedir(folder);
    return rc;
}

int ship_folder(struct container *container, const char *run_dir, const char *name,
                struct error *ret_error)
{
    struct error error;
    const struct load load = {
        .container = container, .run_dir = run_dir, .error = ret_error ? ret_error : &error};
    return folder_ship(&load, name, 0);
}

/* --- back --------------------------------------------------------------------------------- */

/* "out/17/a": of a task. */
static bool is_output(const char *name)
{
    if (strncmp(name, "out/", 4) != 0 || !message_path_is_safe(name, strlen(name)))
        return false;
    size_t digits = strspn(name + 4, "0123456789");
    return digits > 0 && name[4 + digits] == '/';
}

static int file_fetch(const struct load *load, const struct blob_item *item, char *path)
{
    char blob[CONTAINER_NAME_SIZE];
    struct blob_place place;
    char *slash = strrchr(path, '/');
    *slash = '\0';
    int rc = tree_make(path, load->error);
    *slash = '/';
    if (rc < 0 || container_place(load->container, blob, &place, load->error, "%s",
                                  item->name + load->prefix) != 0)
        return -1;
    return blob_download(container_service(load->container), &place, path, NULL, NULL,
                         load->error) == 0
               ? 0
               : -1;
}

static int blob_seen(void *context, const struct blob_item *item)
{
    const struct load *load = context;
    const char *name = item->name + load->prefix;
    struct stat status;
    char *path = NULL;
    if (!is_output(name))
        return 0;
    if (asprintf(&path, "%s/%s", load->run_dir, name) < 0)
        return error_set(load->error, ERROR_SYSTEM, "no memory for a path");
    int rc = stat(path, &status) == 0 && (uint64_t)status.st_size == item->properties.size
                 ? 0
                 : file_fetch(load, item, path);
    free(path);
    return rc;
}

int ship_outputs_back(struct container *container, const char *run_dir, struct error *ret_error)
{
    char prefix[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct error error;
    struct load load = {
        .container = container, .run_dir = run_dir, .error = ret_error ? ret_error : &error};
    if (container_place(container, prefix, &place, load.error, "out/") != 0)
        return -1;
    load.prefix = strlen(prefix) - strlen("out/");
    int rc = blob_list(container_service(container), place.container, prefix, NULL, 0,
                       blob_seen, &load, load.error);
    return rc == 0 ? 0 : -1;
}
