#include "config.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "common/farmfile.h"
#include "common/json.h"
#include "master/driver.h"
#include "master/plan.h"
#include "master/results.h"

#define CONTENTS_MAX 200

/* driver_ops.files calls this for each file. */
static int add_file(void *context, const char *path, bool common, bool copy)
{
    cJSON *file = cJSON_CreateObject();
    if (!file || !cJSON_AddItemToArray(context, file))
        return -1;
    cJSON_AddStringToObject(file, "path", path);
    cJSON_AddBoolToObject(file, "common", common);
    cJSON_AddBoolToObject(file, "copy", copy);
    return 0;
}

/* driver_ops.except calls this for each pattern. */
static int add_pattern(void *context, const char *pattern)
{
    cJSON *text = cJSON_CreateString(pattern);
    return text && cJSON_AddItemToArray(context, text) ? 0 : -1;
}

static void add_warning(void *context, const char *sentence)
{
    cJSON_AddItemToArray(context, cJSON_CreateString(sentence));
}

static int fill(cJSON *plan, const struct farmfile *farm, const struct driver_ops *ops,
                const struct driver *driver, struct error *ret_error)
{
    cJSON *job = cJSON_CreateObject();
    int64_t count = ops->count(driver);
    if (count >= 0 && farm->limits.tasks && (uint64_t)count > farm->limits.tasks)
        count = (int64_t)farm->limits.tasks;
    cJSON_AddNumberToObject(plan, "tasks", (double)count);
    if (ops->contents) {
        char text[CONTENTS_MAX];
        ops->contents(driver, text, sizeof(text));
        cJSON_AddStringToObject(plan, "contents", text);
    }
    if (ops->takes) {
        char text[CONTENTS_MAX];
        ops->takes(driver, text, sizeof(text));
        if (*text)
            cJSON_AddStringToObject(plan, "takes", text);
    }
    int rc = ops->job(driver, job, ret_error);
    const cJSON *params = json_member(job, "params"), *results = json_member(job, "results");
    bool brief = ops->brief && ops->brief(driver);
    if (rc == 0 && !brief)
        rc = results_check_names(params, results, ret_error);
    cJSON_AddItemToObject(plan, "columns",
                          params && !brief ? cJSON_Duplicate(params, true)
                                           : cJSON_CreateArray());
    cJSON_AddItemToObject(plan, "results",
                          results && !brief ? cJSON_Duplicate(results, true)
                                            : cJSON_CreateArray());
    cJSON *files = cJSON_AddArrayToObject(plan, "files");
    if (rc == 0 && ops->files)
        rc = ops->files(driver, add_file, files, ret_error);
    cJSON *except = cJSON_AddArrayToObject(plan, "except");
    if (rc == 0 && ops->except)
        rc = ops->except(driver, add_pattern, except, ret_error);
    if (rc == 0 && ops->home)
        cJSON_AddStringToObject(plan, "home", ops->home(driver));
    const char *device = rc == 0 && ops->device ? ops->device(driver) : NULL;
    if (device)
        cJSON_AddStringToObject(plan, "device", device);
    if (rc == 0 && ops->remarks)
        ops->remarks(driver, add_warning, cJSON_AddArrayToObject(plan, "warnings"));
    cJSON_Delete(job);
    return rc;
}

static int print(const cJSON *plan, struct error *ret_error)
{
    char *text = cJSON_PrintUnformatted(plan);
    if (!text)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to print the plan");
    int rc = puts(text) < 0 || fflush(stdout) != 0 ? -1 : 0;
    free(text);
    return rc < 0 ? error_set(ret_error, ERROR_SYSTEM, "the plan cannot be printed") : 0;
}

/* A PEST control file that stands for the farm file is named by its driver already. */
static bool names_file(const struct error *error, const char *path)
{
    const char *rest = error_after(error, path);
    return rest && *rest == ':';
}

int plan_print(const char *farm_path, struct error *ret_error)
{
    struct farmfile farm = {0};
    struct driver *driver = NULL;
    const struct driver_ops *ops = NULL;
    cJSON *plan = cJSON_CreateObject();
    char *path = strdup(farm_path);
    int rc = farmfile_open(farm_path, &farm, ret_error);
    if (rc < 0)
        goto out;
    ops = driver_find(farm.work_kind);
    if (!ops) {
        rc = error_set(ret_error, ERROR_CONFIG, "%s: $.work.kind: no driver for \"%s\"",
                       farm_path, farm.work_kind);
        goto out;
    }
    const struct driver_context context = {
        .work = farm.work, .farm = farm.root, .folder = dirname(path), .plan_only = true};
    driver = ops->open(&context, ret_error);
    rc = driver ? fill(plan, &farm, ops, driver, ret_error) : -1;
    if (rc == 0)
        rc = print(plan, ret_error);
    else if (!names_file(ret_error, farm_path))
        error_prefix(ret_error, "%s", farm_path);
out:
    if (driver)
        ops->close(driver);
    farmfile_close(&farm);
    cJSON_Delete(plan);
    free(path);
    return rc;
}
