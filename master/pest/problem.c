/*
 * Scale and offset: the model gets value * scale + offset, printed in as many digits as the
 * narrowest field of the parameter holds. Where that changes nothing, a value stays the very same
 * double; so what is rounded once is not changed by being rounded again.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/nearest.h"
#include "common/pest/outputs.h"
#include "common/values.h"
#include "master/pest/problem.h"

#define OPTION_MAX ((size_t)1 << 20) /* bytes of an option's value */

/* --- options ------------------------------------------------------------------------------ */

static int option_text(struct buf *text, const cJSON *value)
{
    const cJSON *item;
    if (cJSON_IsString(value))
        return buf_append_text(text, value->valuestring);
    if (cJSON_IsBool(value))
        return buf_append_text(text, cJSON_IsTrue(value) ? "true" : "false");
    if (cJSON_IsNumber(value)) {
        char number[VALUE_NUMBER_MAX];
        value_format_real(value->valuedouble, number);
        return buf_append_text(text, number);
    }
    cJSON_ArrayForEach(item, value)
    {
        if (item != value->child)
            buf_append_text(text, ",");
        option_text(text, item);
    }
    return buf_failed(text) ? -1 : 0;
}

static int option_check(const char *name, struct error *ret_error)
{
    const char *nearest = NULL;
    if (pest_option_known(name, &nearest))
        return 0;
    return error_set(ret_error, ERROR_CONFIG, "$.work.options.%s: there is no option ++%s%s",
                     name, name, nearest_hint(nearest).text);
}

/* The farm file's word counts more than the control file's. */
static int options_override(struct problem *problem, const cJSON *work, struct error *ret_error)
{
    const cJSON *option;
    cJSON_ArrayForEach(option, json_member(work, "options"))
    {
        struct buf text;
        if (option_check(option->string, ret_error) < 0)
            return -1;
        buf_init(&text, OPTION_MAX);
        int rc = option_text(&text, option);
        if (rc == 0)
            rc = pest_control_option_set(problem->control, option->string, buf_text(&text),
                                         ret_error);
        else
            error_set(ret_error, ERROR_CONFIG, "$.work.options.%s: too long", option->string);
        buf_fini(&text);
        if (rc < 0)
            return -1;
    }
    const cJSON *noptmax = json_member(work, "noptmax");
    if (noptmax)
        problem->control->noptmax = (int)noptmax->valuedouble;
    return 0;
}

static bool has_options(const struct pest_control *control, const char *prefix)
{
    for (size_t i = 0; i < control->option_count; i++)
        if (strncmp(control->options[i].name, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

/* PEST++ has a program for each; which is meant, its options tell. */
static const char *mode_choose(const struct pest_control *control, const cJSON *work)
{
    const cJSON *mode = json_member(work, "mode");
    static const char *const modes[] = {"glm", "sweep", "ies"};
    for (size_t i = 0; cJSON_IsString(mode) && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(mode->valuestring, modes[i]) == 0)
            return modes[i];
    return has_options(control, "ies_")     ? "ies"
           : has_options(control, "sweep_") ? "sweep"
                                            : "glm";
}

/* --- paths -------------------------------------------------------------------------------- */

/* The parts of `path` joined to `clean`, "." and ".." resolved. -1: it leaves the folder. */
static int path_walk(char *clean, const char *path)
{
    while (*path) {
        size_t size = strcspn(path, "/");
        size_t end = strlen(clean);
        if (size == 2 && strncmp(path, "..", 2) == 0) {
            if (end == 0)
                return -1;
            char *slash = strrchr(clean, '/');
            *(slash ? slash : clean) = '\0';
        } else if (size > 0 && !(size == 1 && *path == '.')) {
            if (end > 0)
                clean[end++] = '/';
            memcpy(clean + end, path, size);
            clean[end + size] = '\0';
        }
        path += size + (path[size] == '/');
    }
    return 0;
}

char *problem_path(const struct problem *problem, const char *name, struct error *ret_error)
{
    if (*name == '/')
        return strdup(name);
    char *clean = calloc(1, strlen(problem->subfolder) + strlen(name) + 3);
    if (!clean) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        return NULL;
    }
    if (path_walk(clean, problem->subfolder) == 0 && path_walk(clean, name) == 0) {
        if (!*clean)
            *clean = '.';
        return clean;
    }
    free(clean);
    error_set(
        ret_error, ERROR_CONFIG,
        "%s: \"%s\" lies outside of the farm's folder, and only what lies there travels to "
        "the nodes; put a farm file into the folder that holds both, and name the control "
        "file as $.work.control from there",
        problem->control->path, name);
    return NULL;
}

/* The folder and the name of "model/case.pst". */
static int path_split(struct problem *problem, const char *path, struct error *ret_error)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    size_t size = slash ? (size_t)(slash - path) : 0;
    problem->subfolder = calloc(1, size + 2);
    problem->name = strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
    if (!problem->subfolder || !problem->name)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    char *copy = strndup(path, size);
    int rc = copy && *path != '/' ? path_walk(problem->subfolder, copy) : -1;
    free(copy);
    if (rc < 0)
        return error_set(
            ret_error, ERROR_CONFIG,
            "$.work.control: \"%s\" lies outside of the farm file's folder; put the "
            "farm file into the folder of the model, or above it",
            path);
    if (!*problem->subfolder)
        *problem->subfolder = '.';
    return 0;
}

/* --- opening ------------------------------------------------------------------------------ */

static int inputs_open(struct problem *problem, struct error *ret_error)
{
    const struct pest_control *control = problem->control;
    const struct pest_style style = {.double_precision = control->double_precision,
                                     .point = control->point};
    problem->inputs = pest_inputs_read(control->inputs, control->input_count, control->folder,
                                       control->parameter_index, &style, ret_error);
    return problem->inputs ? 0 : -1;
}

static int outputs_check(const struct problem *problem, struct error *ret_error)
{
    const struct pest_control *control = problem->control;
    const char *delimiters = pest_control_option(problem->control, "additional_ins_delimiters");
    struct pest_outputs *outputs =
        pest_outputs_read(control->outputs, control->output_count, control->folder,
                          control->observation_index, delimiters, ret_error);
    pest_outputs_destroy(outputs);
    return outputs ? 0 : -1;
}

/* What templates write and instructions read must be in the folders that slots have of their
 * own. */
static int model_file_check(const struct problem *problem, const char *name,
                            struct error *ret_error)
{
    if (*name == '/')
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: \"%s\" is an absolute path, which all runs would share; name the "
                         "model's input and output files from the control file's folder",
                         problem->control->path, name);
    char *path = problem_path(problem, name, ret_error);
    free(path);
    return path ? 0 : -1;
}

static int model_files_check(const struct problem *problem, struct error *ret_error)
{
    const struct pest_control *control = problem->control;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < control->input_count; i++)
        rc = model_file_check(problem, control->inputs[i].model_file, ret_error);
    for (size_t i = 0; rc == 0 && i < control->output_count; i++)
        rc = model_file_check(problem, control->outputs[i].model_file, ret_error);
    return rc;
}

static int problem_fill(struct problem *problem, const cJSON *work, const char *folder,
                        bool check, struct error *ret_error)
{
    const char *name = cJSON_GetStringValue(json_member(work, "control"));
    char *path = NULL;
    if (!name)
        return error_set(ret_error, ERROR_CONFIG, "$.work.control: name the control file");
    if (path_split(problem, name, ret_error) < 0)
        return -1;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    problem->control = pest_control_read(path, ret_error);
    if (!problem->control && access(path, F_OK) < 0)
        ret_error->code = ERROR_CONFIG; /* the farm file's mistake, not the machine's */
    free(path);
    if (!problem->control || options_override(problem, work, ret_error) < 0)
        return -1;
    problem->mode = mode_choose(problem->control, work);
    problem->scratch = calloc(problem->control->parameter_count + 1, sizeof *problem->scratch);
    if (!problem->scratch)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the parameters");
    if (model_files_check(problem, ret_error) < 0 || inputs_open(problem, ret_error) < 0)
        return -1;
    return check ? outputs_check(problem, ret_error) : 0;
}

struct problem *problem_open(const cJSON *work, const char *folder, bool check,
                             struct error *ret_error)
{
    struct problem *problem = calloc(1, sizeof *problem);
    if (!problem) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the estimation");
        return NULL;
    }
    if (problem_fill(problem, work, folder, check, ret_error) == 0)
        return problem;
    problem_close(problem);
    return NULL;
}

void problem_close(struct problem *problem)
{
    if (!problem)
        return;
    pest_inputs_destroy(problem->inputs);
    pest_control_free(problem->control);
    free(problem->scratch);
    free(problem->subfolder);
    free(problem->name);
    free(problem);
}

/* --- values ------------------------------------------------------------------------------- */

static double model_value(const struct pest_parameter *parameter, double value)
{
    return value * parameter->scale + parameter->offset;
}

/* Back from `written`, what the model reads instead of `model`. */
static double value_back(const struct pest_parameter *parameter, double value, double model,
                         double written)
{
    return written == model ? value : (written - parameter->offset) / parameter->scale;
}

double problem_written(const struct problem *problem, size_t number, double value)
{
    const struct pest_parameter *parameter = &problem->control->parameters[number];
    double model = model_value(parameter, value), written;
    if (!pest_inputs_written(problem->inputs, number, model, &written))
        return value;
    return value_back(parameter, value, model, written);
}

static void to_model(struct problem *problem, const double *values)
{
    const struct pest_control *control = problem->control;
    for (size_t i = 0; i < control->parameter_count; i++)
        problem->scratch[i] = model_value(&control->parameters[i], values[i]);
}

int problem_round(struct problem *problem, double *values, struct error *ret_error)
{
    const struct pest_control *control = problem->control;
    to_model(problem, values);
    if (pest_inputs_round(problem->inputs, problem->scratch, problem->scratch, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < control->parameter_count; i++) {
        const struct pest_parameter *parameter = &control->parameters[i];
        values[i] = value_back(parameter, values[i], model_value(parameter, values[i]),
                               problem->scratch[i]);
    }
    return 0;
}

/* With a scale or an offset, value * scale + offset may be one unit in the last place beside what
 * the field holds, which the runner would print all the same: no rounding is needed here. */
int problem_payload(struct problem *problem, const double *values, struct buf *payload)
{
    to_model(problem, values);
    return values_encode_reals(payload, problem->scratch, problem->control->parameter_count);
}
