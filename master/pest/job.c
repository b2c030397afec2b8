#include "config.h"

#include "common/json.h"
#include "master/pest/job.h"
#include "master/results.h"

#define COLUMNS_MAX 256 /* with more, results.csv keeps the books alone */

static cJSON *parameter_names(const struct pest_control *control)
{
    cJSON *names = cJSON_CreateArray();
    for (size_t i = 0; i < control->parameter_count; i++)
        cJSON_AddItemToArray(names, cJSON_CreateString(control->parameters[i].parnme));
    return names;
}

static cJSON *observation_names(const struct pest_control *control)
{
    cJSON *names = cJSON_CreateArray();
    for (size_t i = 0; i < control->observation_count; i++)
        cJSON_AddItemToArray(names, cJSON_CreateString(control->observations[i].obsnme));
    return names;
}

static cJSON *pairs(const struct pest_file_pair *list, size_t count, const char *pest_key)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON *pair = cJSON_CreateObject();
        cJSON_AddStringToObject(pair, pest_key, list[i].pest_file);
        cJSON_AddStringToObject(pair, "file", list[i].model_file);
        cJSON_AddItemToArray(array, pair);
    }
    return array;
}

/* What runner_pest.h asks for. */
static cJSON *runner_work(const struct problem *problem, const cJSON *asked)
{
    static const char *const handed_on[] = {"env", "fresh", "ignore_exit"};
    struct pest_control *control = problem->control;
    const char *delimiters = pest_control_option(control, "additional_ins_delimiters");
    cJSON *work = cJSON_CreateObject();
    cJSON_AddStringToObject(work, "folder", problem->subfolder);
    cJSON *commands = cJSON_AddArrayToObject(work, "commands");
    for (size_t i = 0; i < control->command_count; i++)
        cJSON_AddItemToArray(commands, cJSON_CreateString(control->commands[i]));
    cJSON_AddItemToObject(work, "inputs",
                          pairs(control->inputs, control->input_count, "template"));
    cJSON_AddItemToObject(work, "outputs",
                          pairs(control->outputs, control->output_count, "instructions"));
    cJSON_AddStringToObject(work, "precision", control->double_precision ? "double" : "single");
    cJSON_AddBoolToObject(work, "point", control->point);
    if (delimiters)
        cJSON_AddStringToObject(work, "delimiters", delimiters);
    for (size_t i = 0; i < sizeof handed_on / sizeof *handed_on; i++) {
        const cJSON *item = json_member(asked, handed_on[i]);
        if (item)
            cJSON_AddItemToObject(work, handed_on[i], cJSON_Duplicate(item, true));
    }
    return work;
}

int job_fill(const struct problem *problem, const cJSON *work, cJSON *job,
             struct error *ret_error)
{
    const struct pest_control *control = problem->control;
    if (!cJSON_AddStringToObject(job, "runner", "pest") ||
        !cJSON_AddItemToObject(job, "params", parameter_names(control)) ||
        !cJSON_AddItemToObject(job, "results", observation_names(control)) ||
        !cJSON_AddTrueToObject(job, "prefetch") ||
        !cJSON_AddItemToObject(job, "work", runner_work(problem, work)))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the job");
    return 0;
}

bool job_is_wide(const struct pest_control *control)
{
    struct error ignored;
    if (control->parameter_count + control->observation_count > COLUMNS_MAX)
        return true;
    cJSON *params = parameter_names(control), *values = observation_names(control);
    bool clash = results_check_names(params, values, &ignored) < 0;
    cJSON_Delete(params);
    cJSON_Delete(values);
    return clash;
}
