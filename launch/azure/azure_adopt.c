/*
 * A run that was started elsewhere: run.json in the container tells what it is made of, and the
 * files of its first master task are the farm file as run and the manifest. The farm's secret,
 * which a new master's workers would need, is in the environment of the master's task.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/secret.h"
#include "common/json.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/batch_task.h"
#include "launch/disk.h"

#define NOTE_MAX 65536

struct newest {
    const char *stem;
    char run[BATCH_ID_MAX + 1];
};

/* Whether `name` is STEM and a date, a time and four digits: no other farm's whose name begins
 * alike. */
static bool run_of(const char *stem, const char *name, size_t size)
{
    static const char form[] = "dddddddd-dddddd-xxxx";
    size_t skip = strlen(stem);
    if (strncmp(name, stem, skip) != 0 || size != skip + strlen(form))
        return false;
    for (size_t i = 0; form[i]; i++) {
        char letter = name[skip + i];
        bool digit = letter >= '0' && letter <= '9';
        bool hex = digit || (letter >= 'a' && letter <= 'f');
        if (form[i] == 'd' ? !digit : form[i] == 'x' ? !hex : letter != '-')
            return false;
    }
    return true;
}

/* Names sort by time. */
static int run_visit(void *context, const struct blob_item *item)
{
    struct newest *newest = context;
    size_t size = strcspn(item->name, "/");
    if (item->prefix && size <= BATCH_ID_MAX && run_of(newest->stem, item->name, size)) {
        memcpy(newest->run, item->name, size);
        newest->run[size] = '\0';
    }
    return 0;
}

static int newest_find(struct azure *azure, struct newest *newest, struct error *ret_error)
{
    char stem[AZURE_STEM_SIZE];
    azure_note_stem(azure->farm, stem);
    *newest = (struct newest){.stem = stem};
    if (!azure_account(azure, ret_error))
        return -1;
    int rc = blob_list(account_blobs(azure->account), azure->container, stem, "/", 0, run_visit,
                       newest, ret_error);
    newest->stem = NULL;
    return rc == BLOB_MISSING ? 0 : rc;
}

int azure_newest_put(struct backend *backend, struct buf *ret_name, struct error *ret_error)
{
    struct newest newest;
    if (newest_find(azure_of(backend), &newest, ret_error) != 0)
        return -1;
    buf_append_text(ret_name, newest.run);
    return 0;
}

int azure_run_put(struct backend *backend, struct buf *ret_name, struct error *ret_error)
{
    (void)ret_error;
    buf_append_text(ret_name, azure_of(backend)->note.run);
    return 0;
}

static int note_fetch(struct azure *azure, const char *run, struct error *ret_error)
{
    char name[AZURE_NAME_MAX];
    struct blob_place place = {.container = azure->container, .name = name};
    struct buf text;
    bool missing = false;
    buf_init(&text, NOTE_MAX);
    snprintf(name, sizeof name, "%s/run.json", run);
    int rc = blob_get(account_blobs(azure->account), &place, 0, NOTE_MAX, &text, &missing,
                      ret_error) < 0
                 ? -1
                 : 0;
    if (missing)
        error_set(ret_error, ERROR_BACKEND,
                  "the run %s in container \"%s\" was only just begun, or never was: it has no "
                  "run.json",
                  run, azure->container);
    if (rc == 0)
        rc =
            azure_note_parse((const char *)text.data, text.size, name, &azure->note, ret_error);
    buf_fini(&text);
    return rc;
}

/* Write RUN_DIR/secret. A job that is gone needs none. */
static int secret_fetch(struct azure *azure, struct error *ret_error)
{
    struct batch_task task = {0};
    struct error ignored;
    char job[BATCH_ID_MAX + 1];
    const cJSON *variable;
    char *path = disk_join(azure->run_dir, "secret", ret_error);
    int rc = path ? 0 : -1;
    if (rc == 0 && batch_task_get(azure->account, azure_note_job(&azure->note, job), "master",
                                  NULL, &task, &ignored) == 0) {
        cJSON_ArrayForEach(variable, json_member(task.json, "environmentSettings"))
        {
            const char *name = cJSON_GetStringValue(json_member(variable, "name"));
            const char *value = cJSON_GetStringValue(json_member(variable, "value"));
            if (name && value && strcmp(name, "BEOFARM_SECRET") == 0)
                rc = disk_write(path, value, strlen(value), 0600, true, ret_error);
        }
    }
    batch_task_fini(&task);
    free(path);
    return rc;
}

int azure_adopt(struct backend *backend, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct newest newest;
    if (newest_find(azure, &newest, ret_error) != 0)
        return -1;
    if (!newest.run[0])
        return error_set(ret_error, ERROR_USAGE,
                         "container \"%s\" holds no run of a farm \"%s\"", azure->container,
                         azure->farm);
    if (note_fetch(azure, newest.run, ret_error) != 0)
        return -1;
    /* A run that was killed before it had a master has no files; it can be cleaned all the same. */
    int rc = azure_file_fetch(azure, "tasks/master/", "farm.json", ret_error);
    if (rc == 0)
        rc = azure_file_fetch(azure, "tasks/master/", "files.json", ret_error);
    if (rc == 0)
        rc = secret_fetch(azure, ret_error);
    if (rc != 0 && rc != BLOB_MISSING)
        return -1;
    return azure_note_write(azure->run_dir, &azure->note, ret_error);
}
