/*
 * The variables that stay are made once, without those that a task will set; per task only the
 * values are printed, into one buffer that keeps its memory. Offsets become pointers at the end,
 * because the buffer may move while it grows.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/hidden.h"
#include "common/template.h"
#include "worker/environment.h"
#include "worker/slot.h"

#define TASK_TEXT_MAX (256 << 20) /* far above what the kernel takes (a quarter of the stack) */

static const char *const own_names[] = {
    "BEOFARM_TASK", "BEOFARM_ATTEMPT", "BEOFARM_ATTEMPT_KEY", "BEOFARM_SLOT", "BEOFARM_DEATHS"};

/* A variable of the job's env with places in it. */
struct variable {
    char *name;
    struct template *text;
};

struct environment {
    char **list; /* the variables that stay (owned), then pointers into text, then NULL */
    size_t fixed_count, capacity;
    char **names; /* of the parameters; owned */
    size_t name_count;
    struct variable *variables;
    size_t variable_count;
    struct buf text;
    size_t *offsets;
};

static bool has_name(const char *variable, const char *name, size_t size)
{
    return strncmp(variable, name, size) == 0 && variable[size] == '=';
}

static bool is_set_per_task(const struct environment *environment, const char *variable)
{
    for (size_t i = 0; i < sizeof(own_names) / sizeof(*own_names); i++)
        if (has_name(variable, own_names[i], strlen(own_names[i])))
            return true;
    for (size_t i = 0; i < environment->name_count; i++)
        if (has_name(variable, environment->names[i], strlen(environment->names[i])))
            return true;
    for (size_t i = 0; i < environment->variable_count; i++)
        if (has_name(variable, environment->variables[i].name,
                     strlen(environment->variables[i].name)))
            return true;
    return false;
}

/* Set a variable that stays; `variable` is taken (NULL: memory was short). */
static int set_fixed(struct environment *environment, char *variable)
{
    if (!variable)
        return -1;
    if (is_set_per_task(environment, variable)) {
        free(variable);
        return 0;
    }
    size_t size = strcspn(variable, "=");
    for (size_t i = 0; i < environment->fixed_count; i++)
        if (has_name(environment->list[i], variable, size)) {
            free(environment->list[i]);
            environment->list[i] = variable;
            return 0;
        }
    if (environment->fixed_count == environment->capacity) {
        size_t wanted = environment->capacity * 2 + 64;
        char **grown = realloc(environment->list, wanted * sizeof(*grown));
        if (!grown) {
            free(variable);
            return -1;
        }
        environment->list = grown;
        environment->capacity = wanted;
    }
    environment->list[environment->fixed_count++] = variable;
    return 0;
}

static int set_inherited(struct environment *environment)
{
    for (char *const *variable = hidden_given(); *variable; variable++)
        if (!hidden_variable(*variable) && strchr(*variable, '=') &&
            set_fixed(environment, strdup(*variable)) < 0)
            return -1;
    return 0;
}

static int set_names(struct environment *environment, const struct params *params)
{
    environment->names = calloc(params->count + 1, sizeof(char *));
    if (!environment->names)
        return -1;
    for (size_t i = 0; i < params->count; i++) {
        if (!(environment->names[i] = strdup(params->names[i])))
            return -1;
        environment->name_count++;
    }
    return 0;
}

/* One member of the job's env: fixed, unless it has places. */
static int set_job_variable(struct environment *environment, const cJSON *item,
                            const struct params *params, struct error *ret_error)
{
    char where[300], *variable = NULL;
    if (!cJSON_IsString(item) || !item->string || !*item->string || strchr(item->string, '='))
        return error_set(ret_error, ERROR_CONFIG, "$.work.env must have texts by name");
    snprintf(where, sizeof(where), "$.work.env.%s", item->string);
    const char *text = item->valuestring;
    struct template *template = template_create(text, strlen(text), where, params->names,
                                                params->count, NULL, ret_error);
    if (!template)
        return -1;
    if (template_has_places(template)) {
        struct variable *added = &environment->variables[environment->variable_count++];
        added->text = template;
        added->name = strdup(item->string);
        return added->name ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a variable");
    }
    /* Without places it may still hold doubled braces. */
    struct buf plain;
    buf_init(&plain, TASK_TEXT_MAX);
    template_fill(template, NULL, &plain, NULL);
    int size = asprintf(&variable, "%s=%s", item->string, buf_text(&plain));
    int rc = set_fixed(environment, size < 0 ? NULL : variable);
    buf_fini(&plain);
    template_destroy(template);
    return rc < 0 ? error_set(ret_error, ERROR_SYSTEM, "no memory for a variable") : 0;
}

static int set_job(struct environment *environment, const cJSON *env,
                   const struct params *params, struct error *ret_error)
{
    const cJSON *item;
    environment->variables =
        calloc((size_t)cJSON_GetArraySize(env) + 1, sizeof(*environment->variables));
    if (!environment->variables)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for an environment");
    cJSON_ArrayForEach(item, env)
    {
        if (set_job_variable(environment, item, params, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* Room behind the fixed ones for the task's. */
static int make_room(struct environment *environment)
{
    size_t more = environment->name_count + environment->variable_count +
                  sizeof(own_names) / sizeof(*own_names) + 1;
    char **grown =
        realloc(environment->list, (environment->fixed_count + more) * sizeof(*grown));
    if (!grown)
        return -1;
    environment->list = grown;
    environment->offsets = calloc(more, sizeof(*environment->offsets));
    return environment->offsets ? 0 : -1;
}

static int set_slot(struct environment *environment, const struct slot *slot)
{
    for (char **variable = slot ? slot->environment : NULL; variable && *variable; variable++)
        if (set_fixed(environment, strdup(*variable)) < 0)
            return -1;
    return 0;
}

/* Drop from the fixed ones what a job's variable with places will set. */
static void drop_replaced(struct environment *environment)
{
    size_t kept = 0;
    for (size_t i = 0; i < environment->fixed_count; i++) {
        if (is_set_per_task(environment, environment->list[i]))
            free(environment->list[i]);
        else
            environment->list[kept++] = environment->list[i];
    }
    environment->fixed_count = kept;
}

struct environment *environment_create(const struct slot *slot, uint32_t slot_number,
                                       const cJSON *env, const struct params *params,
                                       struct error *ret_error)
{
    char *number = NULL;
    struct environment *environment = calloc(1, sizeof(*environment));
    if (!environment)
        goto no_memory;
    buf_init(&environment->text, TASK_TEXT_MAX);
    if (set_names(environment, params) < 0 || set_inherited(environment) < 0 ||
        set_slot(environment, slot) < 0)
        goto no_memory;
    if (set_job(environment, env, params, ret_error) < 0)
        goto failed;
    drop_replaced(environment);
    if (make_room(environment) < 0 || asprintf(&number, "BEOFARM_SLOT=%u", slot_number) < 0)
        goto no_memory;
    environment->list[environment->fixed_count++] = number;
    return environment;
no_memory:
    error_set(ret_error, ERROR_SYSTEM, "no memory for an environment");
failed:
    environment_destroy(environment);
    return NULL;
}

void environment_destroy(struct environment *environment)
{
    if (!environment)
        return;
    for (size_t i = 0; i < environment->fixed_count; i++)
        free(environment->list[i]);
    for (size_t i = 0; i < environment->name_count; i++)
        free(environment->names[i]);
    for (size_t i = 0; i < environment->variable_count; i++) {
        template_destroy(environment->variables[i].text);
        free(environment->variables[i].name);
    }
    free(environment->variables);
    buf_fini(&environment->text);
    free(environment->list);
    free(environment->names);
    free(environment->offsets);
    free(environment);
}

static void begin_variable(struct environment *environment, size_t *count, const char *name)
{
    environment->offsets[(*count)++] = environment->text.size;
    buf_append_text(&environment->text, name);
    buf_append(&environment->text, "=", 1);
}

static char *const *finish(struct environment *environment, size_t count,
                           struct error *ret_error)
{
    if (buf_failed(&environment->text)) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a task's environment");
        return NULL;
    }
    char **list = environment->list + environment->fixed_count;
    for (size_t i = 0; i < count; i++)
        list[i] = (char *)environment->text.data + environment->offsets[i];
    list[count] = NULL;
    return environment->list;
}

char *const *environment_fill_idle(struct environment *environment, const char *key,
                                   unsigned deaths, struct error *ret_error)
{
    size_t count = 0;
    if (environment->variable_count) {
        error_set(ret_error, ERROR_CONFIG,
                  "$.work.env.%s has a {NAME} place, but a persistent runner is started before "
                  "it gets a task; it finds the parameters in each task",
                  environment->variables[0].name);
        return NULL;
    }
    buf_clear(&environment->text);
    begin_variable(environment, &count, "BEOFARM_ATTEMPT_KEY");
    buf_append(&environment->text, key, strlen(key) + 1);
    begin_variable(environment, &count, "BEOFARM_DEATHS");
    buf_printf(&environment->text, "%u%c", deaths, 0);
    return finish(environment, count, ret_error);
}

static bool is_job_variable(const struct environment *environment, const char *name)
{
    for (size_t i = 0; i < environment->variable_count; i++)
        if (strcmp(environment->variables[i].name, name) == 0)
            return true;
    return false;
}

char *const *environment_fill(struct environment *environment, struct attempt_id id,
                              const struct params *params, const char *key,
                              struct error *ret_error)
{
    size_t count = 0;
    struct buf *text = &environment->text;
    buf_clear(text);
    begin_variable(environment, &count, "BEOFARM_ATTEMPT_KEY");
    buf_append(text, key, strlen(key) + 1);
    begin_variable(environment, &count, "BEOFARM_TASK");
    buf_printf(text, "%llu%c", (unsigned long long)id.task, 0);
    begin_variable(environment, &count, "BEOFARM_ATTEMPT");
    buf_printf(text, "%u%c", id.attempt, 0);
    for (size_t i = 0; i < environment->name_count; i++) {
        if (!*environment->names[i] || is_job_variable(environment, environment->names[i]))
            continue;
        begin_variable(environment, &count, environment->names[i]);
        buf_append(text, params->texts[i].text, params->texts[i].size);
        buf_append(text, "", 1);
    }
    for (size_t i = 0; i < environment->variable_count; i++) {
        begin_variable(environment, &count, environment->variables[i].name);
        if (template_fill(environment->variables[i].text, params->texts, text, ret_error) < 0)
            return NULL;
        buf_append(text, "", 1);
    }
    return finish(environment, count, ret_error);
}
