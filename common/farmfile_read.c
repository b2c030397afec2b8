/*
 * A PEST control file stands for the farm file that a PEST user would have written: all defaults,
 * named like it.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/farmfile.h"
#include "common/json.h"

#define NAME_MAX_BYTES 64 /* as the schema says */

bool farmfile_is_control(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strcasecmp(dot, ".pst") == 0;
}

/* "my case.pst" is the farm "my-case". */
static void name_make(const char *file, char name[NAME_MAX_BYTES + 1])
{
    size_t size = strlen(file) - strlen(".pst"), out = 0;
    if (size == 0 || !isalnum((unsigned char)*file))
        out = (size_t)(stpcpy(name, "pest-") - name);
    for (size_t i = 0; i < size && out < NAME_MAX_BYTES; i++) {
        unsigned char c = (unsigned char)file[i];
        name[out++] = c < 128 && (isalnum(c) || strchr("._-", c)) ? (char)c : '-';
    }
    name[out] = '\0';
}

static char *control_text(const char *path)
{
    char name[NAME_MAX_BYTES + 1];
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    name_make(file, name);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "name", name);
    cJSON *work = cJSON_AddObjectToObject(root, "work");
    cJSON_AddStringToObject(work, "kind", "pest");
    cJSON_AddStringToObject(work, "control", file);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    return text;
}

int farmfile_read(const char *path, char **ret_text, size_t *ret_size, struct error *ret_error)
{
    if (!farmfile_is_control(path))
        return json_read_text(path, JSON_SIZE_MAX, ret_text, ret_size, ret_error);
    if (access(path, R_OK) < 0) {
        error_errno(ret_error, errno, "%s: cannot be read", path);
        ret_error->code = ERROR_CONFIG;
        return -1;
    }
    *ret_text = control_text(path);
    if (!*ret_text)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the farm file");
    *ret_size = strlen(*ret_text);
    return 0;
}
