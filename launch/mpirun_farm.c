#include "config.h"

#include "launch/mpirun_farm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/farmfile.h"
#include "common/json.h"
#include "launch/disk.h"

#define ATTEMPTS 3 /* nodes may be lost; what the program says is not tried again */

/* --- Looking beforehand --- */

static int program_check(const struct mpirun_order *order, struct error *ret_error)
{
    const char *program = order->words[0];
    struct stat stat_now;
    if (!*program)
        return error_set(ret_error, ERROR_USAGE, "the program's name is empty");
    if (!strchr(program, '/') || program[0] == '/')
        return 0; /* it is the nodes' own */
    char *path = disk_join(order->folder, program, ret_error);
    if (!path)
        return -1;
    bool there = stat(path, &stat_now) == 0 && S_ISREG(stat_now.st_mode);
    bool runs = there && access(path, X_OK) == 0;
    free(path);
    if (there && runs)
        return 0;
    return error_set(
        ret_error, ERROR_USAGE,
        there ? "\"%s\" may not be executed; chmod +x it"
              : "there is no program \"%s\" here; the folder from which `beofarm mpirun` is "
                "started is what the nodes get",
        program);
}

/* Is `name` on the PATH of this machine? */
static bool is_on_path(const char *name)
{
    char path[4096];
    const char *next = getenv("PATH");
    while (next && *next) {
        int size = (int)strcspn(next, ":");
        if (snprintf(path, sizeof path, "%.*s/%s", size, next, name) < (int)sizeof path &&
            access(path, X_OK) == 0)
            return true;
        next += size + (next[size] == ':');
    }
    return false;
}

/* On this machine it can be seen beforehand what mpirun would not find. It looks into the folder,
 * too. */
static int local_check(const struct mpirun_order *order, struct error *ret_error)
{
    const char *program = order->words[0];
    struct stat stat_now;
    bool absolute = program[0] == '/';
    if (program[0] == '-' || (strchr(program, '/') && !absolute))
        return 0; /* an option of mpirun's; or it was looked for */
    char *path = absolute ? strdup(program) : disk_join(order->folder, program, ret_error);
    if (!path)
        return absolute ? error_set(ret_error, ERROR_SYSTEM, "no memory for a path") : -1;
    bool there = (stat(path, &stat_now) == 0 && S_ISREG(stat_now.st_mode)) ||
                 (!absolute && is_on_path(program));
    free(path);
    if (there)
        return 0;
    return error_set(
        ret_error, ERROR_USAGE, "there is no program \"%s\" %s%s", program,
        absolute ? "on this machine" : "on this machine's PATH, nor in this folder",
        strchr(program, ' ') ? "; the program and each of its arguments are words of their own"
                             : "");
}

static int order_check(const struct mpirun_order *order, bool local, struct error *ret_error)
{
    if (order->ranks && order->ranks < order->nodes)
        return error_set(ret_error, ERROR_USAGE,
                         "-n %lld is less than --nodes %lld: some nodes would have no rank",
                         (long long)order->ranks, (long long)order->nodes);
    if (local && !is_on_path("mpirun"))
        return error_set(
            ret_error, ERROR_USAGE,
            "no mpirun is on this machine's PATH; install Open MPI (openmpi-bin), or name "
            "a backend that has it");
    int rc = program_check(order, ret_error);
    return rc == 0 && local ? local_check(order, ret_error) : rc;
}

/* --- The backend --- */

/* Paths in it are relative to its own file, and the farm's is elsewhere. */
static int paths_settle(cJSON *backend, const char *file, struct error *ret_error)
{
    static const char *const keys[] = {"credentials", "bundle", "token_cache"};
    char *absolute = disk_resolve(file, ret_error);
    if (!absolute)
        return -1;
    *strrchr(absolute, '/') = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof keys / sizeof *keys; i++) {
        const char *path = cJSON_GetStringValue(json_member(backend, keys[i]));
        char *whole = path && *path ? disk_join(absolute, path, ret_error) : NULL;
        if (whole)
            cJSON_ReplaceItemInObjectCaseSensitive(backend, keys[i], cJSON_CreateString(whole));
        else if (path && *path)
            rc = -1;
        free(whole);
    }
    free(absolute);
    return rc;
}

/* Take over what is said of machines, into `farm`. */
static int backend_take(cJSON *farm, const char *file, struct error *ret_error)
{
    static const char *const keys[] = {"backend", "network", "mpi",   "transport",
                                       "port",    "limits",  "worker"};
    cJSON *root = NULL;
    if (json_read_file(file, JSON_COMMENTS, &root, ret_error) != 0)
        return -1;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(root, keys[i]);
        if (item)
            cJSON_AddItemToObject(farm, keys[i], item);
    }
    cJSON *backend = cJSON_GetObjectItemCaseSensitive(farm, "backend");
    if (!backend && json_member(root, "kind")) {
        cJSON_AddItemToObject(farm, "backend", root);
        backend = root;
    } else {
        cJSON_Delete(root);
    }
    if (!cJSON_IsObject(backend))
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: there is no \"backend\"; name a farm file, or one with a backend alone", file);
    return paths_settle(backend, file, ret_error);
}

/* One worker that stays, and has one slot. */
static void backend_adapt(cJSON *farm)
{
    cJSON *backend = cJSON_GetObjectItemCaseSensitive(farm, "backend");
    if (!backend) {
        backend = cJSON_AddObjectToObject(farm, "backend");
        cJSON_AddStringToObject(backend, "kind", "local");
    }
    cJSON_DeleteItemFromObjectCaseSensitive(backend, "workers");
    cJSON_AddNumberToObject(backend, "workers", 1);
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(backend, "pool"),
                                            "min");
    cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(farm, "worker"),
                                            "slots");
}

static void limits_put(cJSON *farm, const struct mpirun_order *order)
{
    cJSON *limits = cJSON_GetObjectItemCaseSensitive(farm, "limits");
    if (!limits)
        limits = cJSON_AddObjectToObject(farm, "limits");
    cJSON_DeleteItemFromObjectCaseSensitive(limits, "tasks");
    if (order->timeout_s) {
        cJSON_DeleteItemFromObjectCaseSensitive(limits, "task_timeout_s");
        cJSON_AddNumberToObject(limits, "task_timeout_s", (double)order->timeout_s);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(limits, "attempts");
    cJSON_AddNumberToObject(limits, "attempts",
                            json_member(limits, "task_timeout_s") ? 1 : ATTEMPTS);
}

/* --- The work --- */

/* A word for a shell, inside a template: quoted, with doubled braces. */
static void word_put(struct buf *buf, const char *word)
{
    buf_append_text(buf, " '");
    for (; *word; word++)
        if (*word == '\'')
            buf_append_text(buf, "'\\''");
        else if (*word == '{' || *word == '}')
            buf_printf(buf, "%c%c", *word, *word);
        else
            buf_append(buf, word, 1);
    buf_append_text(buf, "'");
}

static int command_put(cJSON *work, const struct mpirun_order *order, struct error *ret_error)
{
    struct buf line;
    buf_init(&line, 8 << 20);
    /* Both files are to be seen while they grow, and after this directory is gone. */
    buf_append_text(&line,
                    ": >" MPIRUN_OUT "; : >" MPIRUN_ERR "; for f in " MPIRUN_OUT " " MPIRUN_ERR
                    "; do ln -f $f \"$BEOFARM_WORKER_DIR/$f\" 2>/dev/null || "
                    "ln -sf \"$PWD/$f\" \"$BEOFARM_WORKER_DIR/$f\"; done; mpirun");
    if (order->ranks)
        buf_printf(&line, " -n %lld", (long long)order->ranks);
    for (size_t i = 0; i < order->count; i++)
        word_put(&line, order->words[i]);
    buf_append_text(&line, " >>" MPIRUN_OUT " 2>>" MPIRUN_ERR "; echo $? >" MPIRUN_EXIT);
    const char *text = buf_failed(&line) ? NULL : buf_text(&line);
    int rc = text && cJSON_AddStringToObject(work, "command", text)
                 ? 0
                 : error_set(ret_error, ERROR_SYSTEM, "no memory for the command");
    buf_fini(&line);
    return rc;
}

static int work_put(cJSON *farm, const struct mpirun_order *order, struct error *ret_error)
{
    static const char *const outputs[] = {MPIRUN_OUT, MPIRUN_ERR, MPIRUN_EXIT, "**"};
    cJSON *work = cJSON_AddObjectToObject(farm, "work");
    cJSON_AddStringToObject(work, "kind", "sweep");
    cJSON_AddTrueToObject(work, "shell");
    cJSON_AddNumberToObject(work, "nodes", (double)order->nodes);
    if (order->ranks)
        cJSON_AddNumberToObject(work, "ranks", (double)order->ranks);
    /* A task has parameters; this one's says nothing. */
    cJSON *grid = cJSON_AddObjectToObject(cJSON_AddObjectToObject(work, "params"), "grid");
    const double one = 1;
    cJSON_AddItemToObject(grid, "run", cJSON_CreateDoubleArray(&one, 1));
    cJSON_AddItemToObject(work, "outputs", cJSON_CreateStringArray(outputs, 4));
    cJSON *value = cJSON_CreateObject();
    cJSON_AddStringToObject(value, "name", "exit");
    cJSON_AddStringToObject(value, "from", MPIRUN_EXIT);
    cJSON_AddStringToObject(value, "regex", "^([0-9]+)");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(work, "values"), value);
    cJSON *file = cJSON_CreateObject();
    cJSON_AddStringToObject(file, "path", ".");
    cJSON_AddTrueToObject(file, "copy"); /* programs may write into what they find */
    cJSON_AddItemToArray(cJSON_AddArrayToObject(farm, "files"), file);
    return command_put(work, order, ret_error);
}

/* The farm is called as the program, as far as its letters are good. */
static void name_put(cJSON *farm, const char *program)
{
    char name[65] = "mpirun";
    size_t size = 0;
    const char *slash = strrchr(program, '/');
    for (const char *next = slash ? slash + 1 : program; *next && size < sizeof name - 1;
         next++)
        if (isalnum((unsigned char)*next) || (size > 0 && strchr("._-", *next)))
            name[size++] = *next;
    if (size > 0)
        name[size] = 0;
    cJSON_AddStringToObject(farm, "name", name);
}

int mpirun_farm_put(struct buf *buf, const struct mpirun_order *order, struct error *ret_error)
{
    cJSON *farm = cJSON_CreateObject();
    name_put(farm, order->words[0]);
    int rc = order->backend ? backend_take(farm, order->backend, ret_error) : 0;
    if (rc == 0) {
        backend_adapt(farm);
        limits_put(farm, order);
        rc = order_check(order, farmfile_nodes_are_here(farm), ret_error);
    }
    if (rc == 0)
        rc = work_put(farm, order, ret_error);
    char *text = rc == 0 ? cJSON_Print(farm) : NULL;
    if (rc == 0 && (!text || buf_append_text(buf, text) != 0))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for the farm file");
    free(text);
    cJSON_Delete(farm);
    return rc;
}
