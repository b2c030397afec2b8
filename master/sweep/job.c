#include "config.h"

#include <string.h>

#include "common/json.h"
#include "master/results.h"
#include "master/sweep/job.h"

/* JSON array of the names of the parameters. */
static cJSON *param_names(const struct params *params)
{
    cJSON *names = cJSON_CreateArray();

    for (size_t i = 0; names && i < params->columns; i++)
        cJSON_AddItemToArray(names, cJSON_CreateString(params->names[i]));
    return names;
}

/* JSON array of the names of the values. */
static cJSON *value_names(const cJSON *work)
{
    cJSON *names = cJSON_CreateArray();
    const cJSON *rule;

    cJSON_ArrayForEach(rule, json_member(work, "values"))
    {
        const cJSON *name = json_member(rule, "name");

        if (cJSON_IsString(name))
            cJSON_AddItemToArray(names, cJSON_CreateString(name->valuestring));
    }
    return names;
}

int sweep_job_check(const cJSON *work, const struct params *params, struct error *ret_error)
{
    cJSON *names = param_names(params), *values = value_names(work);
    int rc = results_check_names(names, values, ret_error);

    cJSON_Delete(names);
    cJSON_Delete(values);
    return rc;
}

/* What the runner needs of work: all but what the driver itself has used up. */
static cJSON *runner_work(const cJSON *work)
{
    static const char *const used_up[] = {"kind", "runner", "params", "path"};
    cJSON *copy = cJSON_CreateObject();
    const cJSON *item;

    cJSON_ArrayForEach(item, work)
    {
        size_t i = 0;

        while (i < sizeof used_up / sizeof *used_up && strcmp(item->string, used_up[i]) != 0)
            i++;
        if (i == sizeof used_up / sizeof *used_up)
            cJSON_AddItemToObject(copy, item->string, cJSON_Duplicate(item, true));
    }
    return copy;
}

int sweep_job(const cJSON *work, const struct params *params, cJSON *job,
              struct error *ret_error)
{
    const char *runner;

    if (json_get_text(work, "$.work", "runner", "process", &runner, ret_error) < 0)
        return -1;
    if (!cJSON_AddStringToObject(job, "runner", runner) ||
        !cJSON_AddItemToObject(job, "params", param_names(params)) ||
        !cJSON_AddItemToObject(job, "results", value_names(work)) ||
        !cJSON_AddTrueToObject(job, "prefetch") ||
        !cJSON_AddItemToObject(job, "work", runner_work(work)))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the job");
    return 0;
}
