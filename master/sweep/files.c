#include "config.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/json.h"
#include "master/sweep/files.h"

#define PATTERN_MAX ((size_t)1 << 16)

struct adding {
    const char *folder;
    int (*add)(void *context, const char *path, bool common, bool copy);
    void *context;
    struct error *error;
};

static int add(const struct adding *adding, const char *path, bool common)
{
    if (adding->add(adding->context, path, common, false) < 0)
        return error_set(adding->error, ERROR_SYSTEM, "no memory to list the file %s", path);
    return 0;
}

/* Is there a regular file of that name in the folder? */
static bool file_is_there(const char *folder, const char *path)
{
    struct stat info;
    char *full;
    bool there;

    if (asprintf(&full, "%s/%s", folder, path) < 0)
        return false;
    there = stat(full, &info) == 0 && S_ISREG(info.st_mode);
    free(full);
    return there;
}

static const char *without_dot(const char *path)
{
    while (path[0] == '.' && path[1] == '/')
        for (path += 2; *path == '/'; path++)
            ;
    return path;
}

void sweep_file_blame(const char *path, struct error *error)
{
    struct stat status;
    if (error && stat(path, &status) < 0 && (errno == ENOENT || errno == ENOTDIR))
        error->code = ERROR_CONFIG;
}

bool sweep_makes_file(const cJSON *work, const char *path)
{
    static const char *const keys[] = {"templates", "inputs"};
    const cJSON *entry;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cJSON_ArrayForEach(entry, json_member(work, keys[i]))
        {
            const cJSON *to = json_member(entry, "to");

            if (cJSON_IsString(to) &&
                (strchr(to->valuestring, '{') ||
                 strcmp(without_dot(to->valuestring), without_dot(path)) == 0))
                return true;
        }
    return false;
}

/* --- names with places -------------------------------------------------------------------- */

static void literal_put(struct buf *buf, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (strchr("*?[]\\", text[i]))
            buf_append(buf, "\\", 1);
        buf_append(buf, text + i, 1);
    }
}

/* A text with places as a glob: each place is a star, all else stands for itself. True if there
 * was a place. (The text was checked: its braces match.) */
static bool pattern_put(struct buf *buf, const char *text)
{
    bool places = false;

    while (*text) {
        size_t plain = strcspn(text, "{}");

        literal_put(buf, text, plain);
        text += plain;
        if (*text && text[1] == *text) {
            buf_append(buf, text, 1);
            text += 2;
        } else if (*text) {
            const char *close = strchr(text, '}');

            buf_append(buf, "*", 1);
            places = true;
            text = close ? close + 1 : text + strlen(text);
        }
    }
    return places;
}

/* All files that `from` may name. *ret_strip: how much of each path is the folder. */
static int input_glob(const char *folder, const char *from, glob_t *ret_glob, size_t *ret_strip,
                      struct error *ret_error)
{
    struct buf pattern;
    const char *text;
    int rc;

    buf_init(&pattern, PATTERN_MAX);
    *ret_strip = 0;
    if (*from != '/') {
        literal_put(&pattern, folder, strlen(folder));
        buf_append(&pattern, "/", 1);
        *ret_strip = strlen(folder) + 1;
    }
    pattern_put(&pattern, from);
    text = buf_text(&pattern);
    rc = buf_failed(&pattern) || !text ? GLOB_NOSPACE : glob(text, GLOB_NOSORT, NULL, ret_glob);
    buf_fini(&pattern);
    if (rc == 0 || rc == GLOB_NOMATCH)
        return rc == 0 ? 1 : 0;
    return error_set(ret_error, ERROR_SYSTEM, "cannot look for the input files %s", from);
}

int sweep_input_look(const char *folder, const char *from, const char *where,
                     struct error *ret_error)
{
    glob_t found;
    size_t strip;
    int rc = input_glob(folder, from, &found, &strip, ret_error);

    if (rc > 0)
        globfree(&found);
    if (rc == 0)
        return error_set(ret_error, ERROR_CONFIG, "%s: there is no file \"%s\"%s%s", where,
                         from, *from == '/' ? "" : " in ", *from == '/' ? "" : folder);
    return rc < 0 ? -1 : 0;
}

static int input_add(const struct adding *adding, const char *from)
{
    glob_t found;
    size_t strip;
    int rc = input_glob(adding->folder, from, &found, &strip, adding->error);

    if (rc <= 0)
        return rc;
    rc = 0;
    for (size_t i = 0; i < found.gl_pathc && rc == 0; i++) {
        struct stat info;

        if (stat(found.gl_pathv[i], &info) == 0 && S_ISREG(info.st_mode))
            rc = add(adding, without_dot(found.gl_pathv[i] + strip), false);
    }
    globfree(&found);
    return rc;
}

/* --- the command -------------------------------------------------------------------------- */

/* The program, if it lies in the folder; else it is an interpreter, and its first argument that is
 * no option may be a script of the folder. */
static int command_add(const struct adding *adding, const cJSON *work)
{
    const cJSON *command = json_member(work, "command"), *item;

    if (!cJSON_IsArray(command))
        return 0;
    cJSON_ArrayForEach(item, command)
    {
        const char *text = cJSON_IsString(item) ? item->valuestring : "";

        if (item != command->child && *text == '-')
            continue;
        if (*text && *text != '/' && file_is_there(adding->folder, text))
            return add(adding, without_dot(text), true);
        if (item != command->child)
            break;
    }
    return 0;
}

int sweep_files(const cJSON *work, const struct params *params, const char *folder,
                int (*add_file)(void *context, const char *path, bool common, bool copy),
                void *context, struct error *ret_error)
{
    const struct adding adding = {folder, add_file, context, ret_error};
    const cJSON *stdin_file = json_member(work, "stdin"), *entry, *from;
    const char *table = params_file(params);

    if ((table && add(&adding, without_dot(table), false) < 0) ||
        command_add(&adding, work) < 0)
        return -1;
    if (cJSON_IsString(stdin_file) && file_is_there(folder, stdin_file->valuestring) &&
        add(&adding, without_dot(stdin_file->valuestring), true) < 0)
        return -1;
    cJSON_ArrayForEach(
        entry,
        json_member(work, "templates")) if (cJSON_IsString(from = json_member(entry, "from")) &&
                                            add(&adding, without_dot(from->valuestring),
                                                false) < 0) return -1;
    cJSON_ArrayForEach(
        entry,
        json_member(work, "inputs")) if (cJSON_IsString(from = json_member(entry, "from")) &&
                                         input_add(&adding, from->valuestring) < 0) return -1;
    return 0;
}
