#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/manifest.h"
#include "common/store.h"

struct manifest {
    struct manifest_file *files;
    size_t count;
    cJSON *root; /* owns the paths */
};

static int read_entry(const cJSON *item, const char *where, struct manifest_file *file,
                      struct error *ret_error)
{
    const char *hash, *mode;
    int64_t size;
    char *end;
    if (json_get_text(item, where, "path", "", &file->path, ret_error) < 0 ||
        json_get_text(item, where, "hash", "", &hash, ret_error) < 0 ||
        json_get_text(item, where, "mode", "0644", &mode, ret_error) < 0 ||
        json_get_integer(item, where, "size", -1, &size, ret_error) < 0 ||
        json_get_bool(item, where, "common", false, &file->common, ret_error) < 0 ||
        json_get_bool(item, where, "copy", false, &file->copy, ret_error) < 0)
        return -1;
    if (store_hash_parse(hash, file->hash) < 0 || size < 0)
        return error_set(ret_error, ERROR_CONFIG, "%s has a bad hash or size", where);
    file->size = (uint64_t)size;
    unsigned long bits = strtoul(mode, &end, 8);
    if (!*mode || *end || bits > 0777)
        return error_set(ret_error, ERROR_CONFIG, "%s.mode is not an octal mode", where);
    file->mode = (unsigned)bits;
    /* Absolute paths are on the nodes already and are never laid. */
    if (file->path[0] == '/' && !file->common)
        return 0;
    if (!message_path_is_safe(file->path, strlen(file->path)))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s.path must be relative, without empty, \".\" or \"..\" components",
                         where);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct manifest_file *)a)->path,
                  ((const struct manifest_file *)b)->path);
}

static int read_files(struct manifest *manifest, struct error *ret_error)
{
    const cJSON *list, *item;
    if (json_get_array(manifest->root, "$", "files", &list, ret_error) < 0)
        return -1;
    manifest->files = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*manifest->files));
    if (!manifest->files)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the list of files");
    cJSON_ArrayForEach(item, list)
    {
        char where[64];
        snprintf(where, sizeof(where), "$.files[%zu]", manifest->count);
        if (read_entry(item, where, &manifest->files[manifest->count], ret_error) < 0)
            return -1;
        manifest->count++;
    }
    qsort(manifest->files, manifest->count, sizeof(*manifest->files), compare);
    for (size_t i = 1; i < manifest->count; i++)
        if (compare(&manifest->files[i - 1], &manifest->files[i]) == 0)
            return error_set(ret_error, ERROR_CONFIG, "the file \"%s\" is listed twice",
                             manifest->files[i].path);
    return 0;
}

struct manifest *manifest_create(const char *json, size_t size, struct error *ret_error)
{
    struct manifest *manifest = calloc(1, sizeof(*manifest));
    if (!manifest) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the list of files");
        return NULL;
    }
    if (json_parse(json, size, "files.json", JSON_STRICT, &manifest->root, ret_error) < 0)
        goto failed;
    if (read_files(manifest, ret_error) < 0) {
        error_prefix(ret_error, "files.json");
        goto failed;
    }
    return manifest;
failed:
    manifest_destroy(manifest);
    return NULL;
}

void manifest_destroy(struct manifest *manifest)
{
    if (!manifest)
        return;
    free(manifest->files);
    cJSON_Delete(manifest->root);
    free(manifest);
}

size_t manifest_count(const struct manifest *manifest)
{
    return manifest ? manifest->count : 0;
}

const struct manifest_file *manifest_get(const struct manifest *manifest, size_t index)
{
    return &manifest->files[index];
}

const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path)
{
    struct manifest_file key = {.path = path};
    if (!manifest || !manifest->count)
        return NULL;
    return bsearch(&key, manifest->files, manifest->count, sizeof(key), compare);
}
