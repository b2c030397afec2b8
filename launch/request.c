#include "config.h"

#include "launch/request.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "launch/disk.h"

char *request_find(const char *argument, struct error *ret_error)
{
    char *path = NULL;
    int size = asprintf(&path, "%s.pst", argument);
    const char *slash = strrchr(argument, '/');
    bool bare =
        !strchr(slash ? slash : argument, '.'); /* the model may be called like its case */
    if (size >= 0 && (bare || !disk_exists(argument)) && disk_exists(path))
        return path;
    if (size >= 0)
        memcpy(path, argument, strlen(argument) + 1);
    else
        error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    return size >= 0 ? path : NULL;
}

/* Set $.OBJECT.KEY. Where the file has something else than an object there, the check that
 * follows says so. */
static void member_set(cJSON *root, const char *object, const char *key, int64_t value)
{
    if (value == REQUEST_NOT_GIVEN || !cJSON_IsObject(root))
        return;
    cJSON *inner = cJSON_GetObjectItemCaseSensitive(root, object);
    if (!inner) {
        inner = cJSON_AddObjectToObject(root, object);
        if (strcmp(object, "backend") == 0)
            cJSON_AddStringToObject(inner, "kind", "local"); /* as the schema's default says */
    }
    if (!cJSON_IsObject(inner))
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(inner, key);
    cJSON_AddNumberToObject(inner, key, (double)value);
}

int request_override_socket(struct request_overrides *overrides, const char *path,
                            struct error *ret_error)
{
    char *here = *path == '/' ? strdup("") : getcwd(NULL, 0);
    char *whole = here ? disk_join(here, path, ret_error) : NULL;
    int rc = whole ? 0 : -1;
    if (!here)
        error_set(ret_error, ERROR_SYSTEM, "the working directory is not known");
    if (whole && (!*path || strlen(whole) > REQUEST_SOCKET_MAX))
        rc = error_set(ret_error, ERROR_USAGE,
                       "--driver-socket: \"%s\" cannot be a socket's path, which has 1 to %d "
                       "bytes",
                       *path ? whole : "", REQUEST_SOCKET_MAX);
    if (rc == 0)
        memcpy(overrides->socket, whole, strlen(whole) + 1);
    free(whole);
    free(here);
    return rc;
}

/* Have clients of a socket say which parameter sets are run. */
static int socket_set(cJSON *root, const char *socket, struct error *ret_error)
{
    cJSON *work = cJSON_GetObjectItemCaseSensitive(root, "work");
    const char *kind = cJSON_GetStringValue(json_member(work, "kind"));
    if (!*socket || !kind)
        return 0;
    if (strcmp(kind, "pest") != 0 && strcmp(kind, "shots") != 0 && strcmp(kind, "socket") != 0)
        return error_set(
            ret_error, ERROR_USAGE,
            "--driver-socket is for a PEST case, a survey, or work of kind \"socket\"; this "
            "is \"%s\" (for a sweep's command write a farm file with \"kind\": "
            "\"socket\" and \"params\": [names])",
            kind);
    cJSON_ReplaceItemInObjectCaseSensitive(work, "kind", cJSON_CreateString("socket"));
    cJSON_DeleteItemFromObjectCaseSensitive(work, "mode"); /* an estimation's */
    cJSON_DeleteItemFromObjectCaseSensitive(work, "noptmax");
    cJSON_DeleteItemFromObjectCaseSensitive(work, "operation"); /* a survey's */
    cJSON_DeleteItemFromObjectCaseSensitive(work, "gathers");
    cJSON_DeleteItemFromObjectCaseSensitive(work, "path");
    cJSON_AddStringToObject(work, "path", socket);
    return 0;
}

static int farm_parse(cJSON *root, struct request *request, struct error *ret_error)
{
    int64_t workers, nodes;
    char *text = cJSON_PrintUnformatted(root);
    if (!text)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the farm file");
    int rc = farmfile_parse(text, strlen(text), request->path, &request->farm, ret_error);
    free(text);
    if (rc != 0)
        return rc;
    if (json_get_integer(request->farm.backend, "$.backend", "workers", 1, &workers,
                         ret_error) ||
        json_get_integer(request->farm.work, "$.work", "nodes", 1, &nodes, ret_error))
        return -1;
    request->workers = (int)workers;
    request->nodes = (int)nodes;
    request->text = cJSON_Print(request->farm.root);
    return request->text ? 0
                         : error_set(ret_error, ERROR_SYSTEM, "no memory for the farm file");
}

int request_open(const char *path, const struct request_overrides *overrides,
                 struct request *ret_request, struct error *ret_error)
{
    struct request request = {0};
    cJSON *root = NULL;
    char *text = NULL;
    size_t size;
    int rc = -1;
    request.path = disk_resolve(path, ret_error);
    if (!request.path || farmfile_read(path, &text, &size, ret_error) != 0 ||
        json_parse(text, size, path, JSON_COMMENTS, &root, ret_error) != 0)
        goto out;
    request.folder = strdup(request.path);
    if (!request.folder) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        goto out;
    }
    char *slash = strrchr(request.folder, '/');
    slash[slash == request.folder] = '\0';
    if (overrides) {
        member_set(root, "backend", "workers", overrides->workers);
        member_set(root, "limits", "tasks", overrides->tasks);
        member_set(root, "worker", "slots", overrides->slots);
        if (socket_set(root, overrides->socket, ret_error) < 0)
            goto out;
    }
    rc = farm_parse(root, &request, ret_error);
out:
    cJSON_Delete(root);
    free(text);
    if (rc == 0)
        *ret_request = request;
    else
        request_close(&request);
    return rc;
}

void request_close(struct request *request)
{
    farmfile_close(&request->farm);
    free(request->path);
    free(request->folder);
    free(request->text);
    memset(request, 0, sizeof *request);
}
