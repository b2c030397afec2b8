#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/json.h"
#include "common/plain.h"
#include "master/shots/outside.h"

void outside_fini(struct outside *outside)
{
    for (size_t i = 0; i < outside->count; i++)
        free(outside->files[i].path);
    free(outside->files);
    *outside = (struct outside){0};
}

static void file_set(struct outside_file *file, const struct stat *status)
{
    file->size = (uint64_t)status->st_size;
    file->changed_s = status->st_mtim.tv_sec;
    file->changed_ns = status->st_mtim.tv_nsec;
    file->touched = status->st_ctim;
}

int outside_look(const struct survey_file *files, size_t count, struct outside *ret_outside,
                 struct error *ret_error)
{
    struct outside outside = {.files = calloc(count + 1, sizeof(*outside.files))};
    int rc = outside.files ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for files");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct stat status;
        if (files[i].path[0] != '/' || files[i].index)
            continue;
        struct outside_file *file = &outside.files[outside.count];
        if (stat(files[i].path, &status) < 0)
            rc = error_set(ret_error, ERROR_SYSTEM, "%s: %s", files[i].path, strerror(errno));
        else if (!(file->path = strdup(files[i].path)))
            rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        else
            file_set(&outside.files[outside.count++], &status);
    }
    if (rc < 0)
        outside_fini(&outside);
    *ret_outside = outside;
    return rc;
}

/* --- the note --- */

int outside_note(const struct outside *outside, struct buf *note)
{
    char hex[STORE_HASH_TEXT];
    store_hash_format(outside->survey, hex);
    buf_printf(note, "{\"outside\":{\"survey\":\"%s\",\"files\":[", hex);
    for (size_t i = 0; i < outside->count; i++) {
        const struct outside_file *file = &outside->files[i];
        buf_append_text(note, i ? ",[" : "[");
        json_put_text(note, file->path, strlen(file->path));
        buf_printf(note, ",%" PRIu64 ",%" PRId64 ",%" PRId64 "]", file->size, file->changed_s,
                   file->changed_ns);
    }
    buf_append_text(note, "]}}");
    return buf_failed(note) ? -1 : 0;
}

static int file_take(const cJSON *said, struct outside_file *file)
{
    const char *path = cJSON_GetStringValue(cJSON_GetArrayItem(said, 0));
    const cJSON *size = cJSON_GetArrayItem(said, 1), *seconds = cJSON_GetArrayItem(said, 2),
                *ns = cJSON_GetArrayItem(said, 3);
    if (!path || path[0] != '/' || !json_is_integer(size) || size->valuedouble < 0 ||
        !json_is_integer(seconds) || !json_is_integer(ns) || !(file->path = strdup(path)))
        return -1;
    file->size = (uint64_t)size->valuedouble;
    file->changed_s = (int64_t)seconds->valuedouble;
    file->changed_ns = (int64_t)ns->valuedouble;
    return 0;
}

int outside_take(struct outside *outside, const cJSON *said)
{
    const cJSON *list = json_member(said, "files"), *item;
    const char *survey = cJSON_GetStringValue(json_member(said, "survey"));
    struct outside taken = {0};
    if (!cJSON_IsArray(list) || !survey || store_hash_parse(survey, taken.survey) < 0)
        return -1;
    taken.files = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*taken.files));
    if (!taken.files)
        return -1;
    cJSON_ArrayForEach(item, list)
    {
        if (file_take(item, &taken.files[taken.count]) < 0) {
            outside_fini(&taken);
            return -1;
        }
        taken.count++;
    }
    outside_fini(outside);
    *outside = taken;
    return 0;
}

/* --- comparing --- */

/* A file that was only touched, or was fetched from an archive again, is not read to find that out:
 * it may have terabytes. Who knows that it is the same can say so with its time. */
static int file_compare(const struct outside_file *then, bool sizes_only,
                        struct error *ret_error)
{
    struct outside_file now;
    struct stat status;
    if (stat(then->path, &status) < 0)
        return error_set(ret_error, ERROR_CHANGED,
                         "%s: %s; it was there when this run began: put it back as it was, "
                         "with its time, and resume, or begin a new run",
                         then->path, strerror(errno));
    file_set(&now, &status);
    if (now.size != then->size)
        return error_set(ret_error, ERROR_CHANGED,
                         "%s has changed since this run began: from %" PRIu64 " to %" PRIu64
                         " bytes; begin a new run, as this one's results are of what it was",
                         then->path, then->size, now.size);
    if (sizes_only || (now.changed_s == then->changed_s && now.changed_ns == then->changed_ns))
        return 0;
    char word[4096];
    return error_set(ret_error, ERROR_CHANGED,
                     "%s was written since this run began (%" PRIu64
                     " bytes as before, but another time of change); begin a new run, as this "
                     "one's results are of what it was; if you are sure that its content is "
                     "the same, give it its time back and resume: touch -d @%" PRId64
                     ".%09" PRId64 " %s",
                     then->path, now.size, then->changed_s, then->changed_ns,
                     plain_argument(word, sizeof(word), then->path));
}

static bool has(const struct outside *outside, const char *path)
{
    for (size_t i = 0; i < outside->count; i++)
        if (strcmp(outside->files[i].path, path) == 0)
            return true;
    return false;
}

int outside_compare(const struct outside *then, const struct outside *now, bool sizes_only,
                    struct error *ret_error)
{
    for (size_t i = 0; i < then->count; i++)
        if (file_compare(&then->files[i], sizes_only, ret_error) < 0)
            return -1;
    for (size_t i = 0; now && i < now->count; i++)
        if (!has(then, now->files[i].path))
            return error_set(ret_error, ERROR_CHANGED,
                             "%s was not among the survey's files when this run began; take it "
                             "away, or begin a new run",
                             now->files[i].path);
    return 0;
}

const char *outside_touched(const struct outside *then)
{
    for (size_t i = 0; i < then->count; i++) {
        const struct outside_file *file = &then->files[i];
        struct stat now;
        if (stat(file->path, &now) == 0 && (now.st_ctim.tv_sec != file->touched.tv_sec ||
                                            now.st_ctim.tv_nsec != file->touched.tv_nsec))
            return file->path;
    }
    return NULL;
}
