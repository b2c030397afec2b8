#include "config.h"

#include "launch/local/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/json.h"
#include "launch/disk.h"

#define RECORD_MAX   (8 << 20) /* bytes; a command line cannot be longer */
#define RECORD_SPARE 256       /* bytes kept free for what task_end adds */
#define READ_TRIES   20        /* of a record that is being overwritten at this moment */

static char *record_path(const char *folder, struct error *ret_error)
{
    return disk_join(folder, TASK_RECORD, ret_error);
}

static cJSON *supervisor_print(const struct process *supervisor)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "pid", supervisor->pid);
    cJSON_AddNumberToObject(object, "start", (double)supervisor->start);
    cJSON_AddStringToObject(object, "boot", supervisor->boot);
    return object;
}

static int record_write_new(const char *path, const char *text, struct error *ret_error)
{
    struct buf padded;
    buf_init(&padded, RECORD_MAX);
    buf_printf(&padded, "%s%*s\n", text, RECORD_SPARE, "");
    int rc = buf_failed(&padded)
                 ? error_set(ret_error, ERROR_SYSTEM, "no memory for \"%s\"", path)
                 : disk_write(path, padded.data, padded.size, 0644, false, ret_error);
    buf_fini(&padded);
    return rc;
}

int task_begin(const char *folder, const char *id, const char *program, const char *const *args,
               const struct task_record *record, struct error *ret_error)
{
    int rc = -1;
    char *text = NULL, *path = record_path(folder, ret_error);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "id", id);
    cJSON_AddStringToObject(root, "program", program);
    cJSON *list = cJSON_AddArrayToObject(root, "args");
    for (size_t i = 0; args && args[i]; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(args[i]));
    cJSON_AddItemToObject(root, "supervisor", supervisor_print(&record->supervisor));
    cJSON_AddNumberToObject(root, "pid", (double)record->status.pid);
    cJSON_AddNumberToObject(root, "started_ns", (double)record->status.started_ns);
    cJSON_AddStringToObject(root, "state", backend_state_name(BACKEND_RUNNING));
    text = cJSON_PrintUnformatted(root);
    if (path && text)
        rc = record_write_new(path, text, ret_error);
    else if (path)
        error_set(ret_error, ERROR_SYSTEM, "no memory for \"%s\"", path);
    cJSON_Delete(root);
    free(text);
    free(path);
    return rc;
}

/* Overwrite all of the file, in one write so that readers seldom see half of it. */
static int record_overwrite(const char *path, const char *text, struct error *ret_error)
{
    int rc = -1;
    char *padded = NULL;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    int length = size < 0 ? -1 : asprintf(&padded, "%-*s\n", (int)size - 1, text);
    if (length < 0 || pwrite(fd, padded, (size_t)length, 0) != length)
        error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    else
        rc = 0;
    if (length >= 0)
        free(padded);
    if (fd >= 0)
        close(fd);
    return rc;
}

int task_end(const char *folder, const struct backend_status *status, struct error *ret_error)
{
    int rc = -1;
    char *text = NULL, *path = record_path(folder, ret_error);
    cJSON *root = NULL;
    if (!path || json_read_file(path, JSON_STRICT, &root, ret_error) != 0)
        goto out;
    cJSON_ReplaceItemInObject(root, "state",
                              cJSON_CreateString(backend_state_name(BACKEND_ENDED)));
    cJSON_AddNumberToObject(root, "exit_code", status->exit_code);
    cJSON_AddNumberToObject(root, "signal", status->signal);
    cJSON_AddNumberToObject(root, "ended_ns", (double)status->ended_ns);
    text = cJSON_PrintUnformatted(root);
    rc = text ? record_overwrite(path, text, ret_error)
              : error_set(ret_error, ERROR_SYSTEM, "no memory for \"%s\"", path);
out:
    cJSON_Delete(root);
    free(text);
    free(path);
    return rc;
}

static double number_get(const cJSON *object, const char *key)
{
    const cJSON *item = json_member(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0.0;
}

static void record_parse(const cJSON *root, struct task_record *ret_record)
{
    const cJSON *supervisor = json_member(root, "supervisor");
    const char *boot = cJSON_GetStringValue(json_member(supervisor, "boot"));
    const char *state = cJSON_GetStringValue(json_member(root, "state"));
    struct backend_status *status = &ret_record->status;
    memset(ret_record, 0, sizeof *ret_record);
    ret_record->supervisor.pid = (pid_t)number_get(supervisor, "pid");
    ret_record->supervisor.start = (uint64_t)number_get(supervisor, "start");
    snprintf(ret_record->supervisor.boot, BOOT_MAX, "%s", boot ? boot : "");
    status->pid = (int64_t)number_get(root, "pid");
    status->started_ns = (int64_t)number_get(root, "started_ns");
    status->ended_ns = (int64_t)number_get(root, "ended_ns");
    status->exit_code = (int)number_get(root, "exit_code");
    status->signal = (int)number_get(root, "signal");
    status->state = state && strcmp(state, "ended") == 0 ? BACKEND_ENDED : BACKEND_RUNNING;
}

/* A record may be overwritten while it is read: then it is read again. */
static int record_read_once(const char *folder, struct task_record *ret_record,
                            struct error *ret_error)
{
    cJSON *root = NULL;
    char *path = record_path(folder, ret_error);
    if (!path)
        return -1;
    int rc = -1;
    for (int i = 0; i < READ_TRIES && rc != 0; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        if (!disk_exists(path))
            break;
        rc = json_read_file(path, JSON_STRICT, &root, ret_error);
    }
    if (rc == 0)
        record_parse(root, ret_record);
    else if (!disk_exists(path)) {
        memset(ret_record, 0, sizeof *ret_record);
        ret_record->status.state = BACKEND_ENDED;
        ret_record->status.lost = true;
        rc = 0;
    }
    cJSON_Delete(root);
    free(path);
    return rc;
}

int task_read_record(const char *folder, struct task_record *ret_record,
                     struct error *ret_error)
{
    if (record_read_once(folder, ret_record, ret_error) != 0)
        return -1;
    if (ret_record->status.state == BACKEND_ENDED || process_alive(&ret_record->supervisor))
        return 0;
    /* The supervisor may have recorded the end and left just after we read. */
    if (record_read_once(folder, ret_record, ret_error) != 0)
        return -1;
    if (ret_record->status.state != BACKEND_ENDED) {
        ret_record->status.state = BACKEND_ENDED;
        ret_record->status.lost = true;
    }
    return 0;
}
