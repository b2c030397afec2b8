/*
 * beofarm check: everything that is wrong with a farm file, at once.
 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/farmfile.h"
#include "common/plain.h"
#include "launch/command.h"
#include "launch/backend.h"
#include "launch/disk.h"
#include "launch/prepare.h"
#include "launch/request.h"
#include "launch/screen.h"

#define FARM_FILE "farm.json"

struct check_options {
    bool json;
};

static const struct command_option options[] = {
    {"json", 0, NULL, "print JSON", OPTION_FLAG, offsetof(struct check_options, json), 0},
};

struct findings {
    cJSON *errors;
    cJSON *rent; /* what the backend says of it */
    bool json;
};

static void finding_add(void *context, const char *sentence)
{
    struct findings *findings = context;
    cJSON_AddItemToArray(findings->errors, cJSON_CreateString(sentence));
    if (!findings->json)
        fprintf(stderr, "%s\n", sentence);
}

static void names_print(const char *title, const cJSON *names)
{
    const cJSON *name;
    const char *separator = " ";
    if (cJSON_GetArraySize(names) == 0)
        return;
    printf("  %-10s", title);
    cJSON_ArrayForEach(name, names)
    {
        fputs(separator, stdout);
        screen_put_text(stdout, cJSON_IsString(name) ? name->valuestring : "?");
        separator = ", ";
    }
    printf("\n");
}

static void warning_print(const char *text)
{
    printf("  %-10s ", "warning");
    screen_put_text(stdout, text);
    putchar('\n');
}

static void summary_print(const struct preparation *preparation)
{
    char size[32];
    const struct farmfile *farm = &preparation->request.farm;
    const struct inputs *inputs = &preparation->inputs;
    char text[ERROR_TEXT_MAX];
    printf("%s is good\n", plain_text(text, sizeof text, preparation->request.path));
    printf("  %-10s %s on the %s backend, %d worker%s\n", "farm", farm->name,
           farm->backend_kind, preparation->request.workers,
           preparation->request.workers == 1 ? "" : "s");
    if (preparation->plan.contents)
        printf("  %-10s %s\n", "work", prepare_describe(preparation, text, sizeof text));
    else if (prepare_tasks(preparation) >= 0)
        printf("  %-10s %lld (%s)\n", "tasks", (long long)prepare_tasks(preparation),
               farm->work_kind);
    else
        printf("  %-10s a number not known beforehand (%s)\n", "tasks", farm->work_kind);
    if (preparation->plan.takes)
        printf("  %-10s %s\n", "each", preparation->plan.takes);
    names_print("columns", preparation->plan.columns);
    printf("  %-10s %zu, %s\n", "files", inputs->count,
           disk_format_size(inputs->bytes, size, sizeof size));
    if (inputs_warn(inputs, text, sizeof text))
        warning_print(text);
    const cJSON *said;
    cJSON_ArrayForEach(said, preparation->plan.warnings) if (cJSON_IsString(said))
    {
        warning_print(said->valuestring);
    }
}

static void summary_print_json(const struct preparation *preparation,
                               const struct findings *findings)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddBoolToObject(root, "good", cJSON_GetArraySize(findings->errors) == 0);
    cJSON_AddItemToObject(root, "errors", cJSON_Duplicate(findings->errors, true));
    if (preparation) {
        cJSON_AddNumberToObject(root, "tasks", (double)prepare_tasks(preparation));
        if (preparation->plan.takes)
            cJSON_AddStringToObject(root, "takes", preparation->plan.takes);
        cJSON_AddNumberToObject(root, "workers", preparation->request.workers);
        cJSON_AddNumberToObject(root, "files", (double)preparation->inputs.count);
        cJSON_AddNumberToObject(root, "bytes", (double)preparation->inputs.bytes);
        if (preparation->plan.columns)
            cJSON_AddItemToObject(root, "columns",
                                  cJSON_Duplicate(preparation->plan.columns, true));
        if (cJSON_GetArraySize(findings->rent) > 0)
            cJSON_AddItemToObject(root, "rent", cJSON_Duplicate(findings->rent, true));
        char warning[ERROR_TEXT_MAX];
        cJSON *warnings = cJSON_AddArrayToObject(root, "warnings");
        if (inputs_warn(&preparation->inputs, warning, sizeof warning))
            cJSON_AddItemToArray(warnings, cJSON_CreateString(warning));
        const cJSON *said;
        cJSON_ArrayForEach(said, preparation->plan.warnings)
            cJSON_AddItemToArray(warnings, cJSON_Duplicate(said, true));
    }
    char *text = cJSON_PrintUnformatted(root);
    puts(text ? text : "{}");
    free(text);
    cJSON_Delete(root);
}

static void sentence_print(void *context, const char *sentence)
{
    (void)context;
    size_t size = strcspn(sentence, ":");
    bool titled = size <= 10 && sentence[size] == ':';
    printf("  %-10.*s ", titled ? (int)size : 0, sentence);
    screen_put_text(stdout, titled ? sentence + size + 2 : sentence);
    printf("\n");
}

static void sentence_add(void *context, const char *sentence)
{
    cJSON_AddItemToArray(context, cJSON_CreateString(sentence));
}

/* Ask the backend. A farm file is good also where nobody can be asked; that is said. */
static int backend_check(const struct preparation *preparation, struct findings *findings,
                         struct error *ret_error)
{
    const struct request *request = &preparation->request;
    struct backend_context context = {.run_dir = "",
                                      .settings = request->farm.backend,
                                      .farm = request->farm.name,
                                      .folder = request->folder};
    struct backend_listener listener = {.say = findings->json ? sentence_add : sentence_print,
                                        .context = findings->json ? findings->rent : NULL};
    struct backend *backend = backend_open(&context, ret_error);
    int rc = backend ? 0 : -1;
    if (rc == 0 && backend->ops->check)
        rc = backend->ops->check(backend, request->workers * request->nodes, &listener,
                                 ret_error);
    backend_close(backend);
    if (rc != 0 && ret_error->code != ERROR_CONFIG && ret_error->code != ERROR_BACKEND) {
        char text[ERROR_TEXT_MAX + 32];
        snprintf(text, sizeof text, "not asked: %s", ret_error->text);
        listener.say(listener.context, text);
        rc = 0;
    }
    return rc;
}

/* 0, an exit code once everything was said, or -1 with one more sentence. */
static int check_run(const char *path, struct findings *findings, struct error *ret_error)
{
    struct preparation preparation = {0};
    int count = farmfile_check(path, finding_add, findings, ret_error);
    int code = count < 0 ? -1 : count > 0 ? ERROR_CONFIG : 0;
    if (code == 0)
        code = prepare_read(path, NULL, &preparation, ret_error);
    if (code == 0 && !findings->json)
        summary_print(&preparation);
    if (code == 0)
        code = backend_check(&preparation, findings, ret_error);
    if (code == 0 && findings->json)
        summary_print_json(&preparation, findings);
    prepare_close(&preparation);
    return code;
}

static int check_do(const void *values, char **arguments, size_t count, struct error *ret_error)
{
    const struct check_options *given = values;
    struct findings findings = {
        .errors = cJSON_CreateArray(), .rent = cJSON_CreateArray(), .json = given->json};
    char *farm_file = request_find(count > 0 ? arguments[0] : FARM_FILE, ret_error);
    int code = farm_file ? check_run(farm_file, &findings, ret_error) : -1;
    free(farm_file);
    if (code < 0 && given->json) {
        finding_add(&findings, ret_error->text);
        code = ret_error->code;
    }
    if (code > 0 && given->json)
        summary_print_json(NULL, &findings);
    cJSON_Delete(findings.errors);
    cJSON_Delete(findings.rent);
    return code;
}

const struct command command_check = {
    .name = "check",
    .arguments = "[FARM.json | CASE.pst]",
    .summary = "Check a farm file and what it names",
    .details = "Without a farm file, ./farm.json is checked.\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct check_options),
    .arguments_max = 1,
    .run = check_do,
};
