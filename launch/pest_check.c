#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "common/json.h"
#include "common/pest/case.h"
#include "common/plain.h"
#include "launch/pest_check.h"

struct findings {
    cJSON *mistakes, *warnings, *unused;
    bool json;
};

/* Names may hold bytes of Latin-1, which JSON cannot. */
static void bytes_clean(char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        size_t size = json_utf8_size(text, left);
        if (size == 0)
            *text = '?';
        text += size ? size : 1;
        left -= size ? size : 1;
    }
}

static void finding_add(void *context, enum pest_finding finding, const char *sentence)
{
    struct findings *findings = context;
    cJSON *list = finding == PEST_FINDING_MISTAKE   ? findings->mistakes
                  : finding == PEST_FINDING_WARNING ? findings->warnings
                                                    : findings->unused;
    cJSON *item = cJSON_CreateString(sentence);
    if (item && findings->json)
        bytes_clean(item->valuestring);
    cJSON_AddItemToArray(list, item);
}

static const char *const modes[] = {"estimation", "prediction", "regularisation", "pareto"};

static size_t weights_count(const struct pest_control *control)
{
    size_t count = 0;
    for (size_t i = 0; i < control->observation_count; i++)
        count += control->observations[i].weight > 0;
    return count;
}

static void list_print(FILE *stream, const char *title, const cJSON *list)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        fprintf(stream, "%s%s\n", title, cJSON_GetStringValue(item));
    }
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void summary_print(const struct pest_control *control)
{
    printf("  %-12s %s, %s format, noptmax %d\n", "mode", modes[control->pestmode],
           control->version == 2 ? "version 2" : "classic", control->noptmax);
    printf("  %-12s %zu, %zu of them adjustable, in %zu group%s\n", "parameters",
           control->parameter_count, pest_control_adjustable(control),
           control->parameter_group_count, plural(control->parameter_group_count));
    printf("  %-12s %zu, %zu of them with a weight, in %zu group%s\n", "observations",
           control->observation_count, weights_count(control), control->observation_group_count,
           plural(control->observation_group_count));
    if (control->prior_count > 0)
        printf("  %-12s %zu equation%s\n", "prior", control->prior_count,
               plural(control->prior_count));
    printf("  %-12s %zu template%s, %zu instruction file%s, %zu command%s\n", "model",
           control->input_count, plural(control->input_count), control->output_count,
           plural(control->output_count), control->command_count,
           plural(control->command_count));
    if (control->option_count > 0)
        printf("  %-12s %zu\n", "options", control->option_count);
}

static void text_print(const char *path, const struct pest_control *control,
                       const struct findings *findings)
{
    int mistakes = cJSON_GetArraySize(findings->mistakes);
    list_print(stderr, "", findings->mistakes);
    fflush(stderr);
    list_print(stdout, "warning: ", findings->warnings);
    list_print(stdout, "unused: ", findings->unused);
    char shown[ERROR_TEXT_MAX];
    plain_text(shown, sizeof shown, path);
    if (mistakes > 0)
        printf("%s has %d mistake%s%s\n", shown, mistakes, mistakes > 1 ? "s" : "",
               mistakes >= 100 ? ", or more" : "");
    else if (control && control->observation_count == 0)
        printf("%s is a good part of a case, without observations\n", shown);
    else
        printf("%s is good\n", shown);
    if (control)
        summary_print(control);
}

static void summary_add(cJSON *root, const struct pest_control *control)
{
    cJSON_AddStringToObject(root, "mode", modes[control->pestmode]);
    cJSON_AddNumberToObject(root, "version", control->version);
    cJSON_AddNumberToObject(root, "parameters", (double)control->parameter_count);
    cJSON_AddNumberToObject(root, "adjustable", (double)pest_control_adjustable(control));
    cJSON_AddNumberToObject(root, "observations", (double)control->observation_count);
    cJSON_AddNumberToObject(root, "weighted", (double)weights_count(control));
    cJSON_AddNumberToObject(root, "prior", (double)control->prior_count);
    cJSON_AddNumberToObject(root, "templates", (double)control->input_count);
    cJSON_AddNumberToObject(root, "instructions", (double)control->output_count);
    cJSON_AddNumberToObject(root, "commands", (double)control->command_count);
    cJSON_AddNumberToObject(root, "options", (double)control->option_count);
}

static void json_print(const struct pest_control *control, const struct findings *findings)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddBoolToObject(root, "good", cJSON_GetArraySize(findings->mistakes) == 0);
    cJSON_AddItemToObject(root, "errors", cJSON_Duplicate(findings->mistakes, true));
    cJSON_AddItemToObject(root, "warnings", cJSON_Duplicate(findings->warnings, true));
    cJSON_AddItemToObject(root, "unused", cJSON_Duplicate(findings->unused, true));
    if (control)
        summary_add(root, control);
    char *text = cJSON_PrintUnformatted(root);
    puts(text ? text : "{}");
    free(text);
    cJSON_Delete(root);
}

int pest_check_run(const char *path, bool json, struct error *ret_error)
{
    struct findings findings = {cJSON_CreateArray(), cJSON_CreateArray(), cJSON_CreateArray(),
                                json};
    struct pest_control *control = NULL;
    size_t mistakes = 0;
    int code = 0;
    if (findings.mistakes && findings.warnings && findings.unused)
        mistakes = pest_case_check(path, finding_add, &findings, &control);
    else
        code = error_set(ret_error, ERROR_SYSTEM, "no memory for what is to be said");
    if (code == 0 && json)
        json_print(control, &findings);
    else if (code == 0)
        text_print(path, control, &findings);
    pest_control_free(control);
    cJSON_Delete(findings.mistakes);
    cJSON_Delete(findings.warnings);
    cJSON_Delete(findings.unused);
    return code < 0 ? code : mistakes > 0 ? ERROR_CONFIG : 0;
}
