#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "worker/command.h"

#define TEXT_MAX   (4 << 20) /* the kernel takes less */
#define LIMITS_MAX 8

struct command {
    struct template **arguments; /* in shell mode one: the text */
    size_t count;
    bool shell, has_places;
    struct child_limit limits[LIMITS_MAX];
    size_t limit_count;
    struct buf text; /* the filled arguments */
    size_t *offsets;
    char **argv;
    char *found_name, *found; /* the program that was found last, and for which name */
};

/* --- Limits --- */

static int add_limit(struct command *command, const cJSON *list, const char *key, int resource,
                     int64_t unit, int64_t fallback, struct error *ret_error)
{
    struct rlimit now;
    int64_t count;
    if (json_get_integer(list, "$.work.rlimits", key, fallback, &count, ret_error) < 0)
        return -1;
    if (count < 0 || getrlimit(resource, &now) < 0)
        return 0;
    rlim_t wanted = (rlim_t)count * (rlim_t)unit;
    if (now.rlim_max != RLIM_INFINITY && wanted > now.rlim_max)
        wanted = now.rlim_max;
    /* The hard limit of CPU time comes later, so that the model gets SIGXCPU first. */
    rlim_t hard = resource == RLIMIT_CPU ? wanted + 5 : wanted;
    if (now.rlim_max != RLIM_INFINITY && hard > now.rlim_max)
        hard = now.rlim_max;
    if (resource == RLIMIT_CORE)
        hard = now.rlim_max; /* a model may ask for its core dump itself */
    command->limits[command->limit_count++] =
        (struct child_limit){resource, {.rlim_cur = wanted, .rlim_max = hard}};
    return 0;
}

static int compile_limits(struct command *command, const cJSON *work, struct error *ret_error)
{
    const cJSON *list;
    const int64_t mib = 1 << 20;
    if (json_get_object(work, "$.work", "rlimits", &list, ret_error) < 0 ||
        add_limit(command, list, "memory_mb", RLIMIT_AS, mib, -1, ret_error) < 0 ||
        add_limit(command, list, "cpu_s", RLIMIT_CPU, 1, -1, ret_error) < 0 ||
        add_limit(command, list, "file_mb", RLIMIT_FSIZE, mib, -1, ret_error) < 0 ||
        add_limit(command, list, "open_files", RLIMIT_NOFILE, 1, -1, ret_error) < 0 ||
        add_limit(command, list, "core_mb", RLIMIT_CORE, mib, 0, ret_error) < 0)
        return -1;
    return 0;
}

/* --- Arguments --- */

static int add_argument(struct command *command, const char *text, const char *where,
                        const struct params *names, struct error *ret_error)
{
    struct template *argument =
        template_create(text, strlen(text), where, names->names, names->count, NULL, ret_error);
    if (!argument)
        return -1;
    command->arguments[command->count++] = argument;
    command->has_places |= template_has_places(argument);
    return 0;
}

static int compile_arguments(struct command *command, const cJSON *work,
                             const struct params *names, struct error *ret_error)
{
    const cJSON *list = json_need(work, "$.work", "command", ret_error), *item;
    if (!list)
        return -1;
    size_t count = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 1;
    command->arguments = calloc(count + 1, sizeof(*command->arguments));
    command->offsets = calloc(count + 1, sizeof(*command->offsets));
    command->argv = calloc(count + 4, sizeof(*command->argv));
    if (!command->arguments || !command->offsets || !command->argv)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the command");
    if (cJSON_IsString(list) && command->shell)
        return add_argument(command, list->valuestring, "$.work.command", names, ret_error);
    if (!cJSON_IsArray(list) || !count || command->shell)
        return error_set(
            ret_error, ERROR_CONFIG,
            "$.work.command must be an array of texts, or one text with \"shell\": "
            "true");
    cJSON_ArrayForEach(item, list)
    {
        char where[64];
        snprintf(where, sizeof(where), "$.work.command[%zu]", command->count);
        if (!cJSON_IsString(item))
            return error_set(ret_error, ERROR_CONFIG, "%s must be a text", where);
        if (add_argument(command, item->valuestring, where, names, ret_error) < 0)
            return -1;
    }
    return 0;
}

struct command *command_create(const cJSON *work, const struct params *names,
                               struct error *ret_error)
{
    struct command *command = calloc(1, sizeof(*command));
    if (!command) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the command");
        return NULL;
    }
    buf_init(&command->text, TEXT_MAX);
    if (json_get_bool(work, "$.work", "shell", false, &command->shell, ret_error) < 0 ||
        compile_arguments(command, work, names, ret_error) < 0 ||
        compile_limits(command, work, ret_error) < 0) {
        command_destroy(command);
        return NULL;
    }
    return command;
}

void command_destroy(struct command *command)
{
    if (!command)
        return;
    for (size_t i = 0; i < command->count; i++)
        template_destroy(command->arguments[i]);
    buf_fini(&command->text);
    free(command->arguments);
    free(command->offsets);
    free(command->argv);
    free(command->found_name);
    free(command->found);
    free(command);
}

bool command_has_places(const struct command *command)
{
    return command->has_places;
}

/* --- Filling --- */

static bool is_plain(const struct template_text *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-+_./:=@%,";
    for (size_t i = 0; i < text->size; i++)
        if (!text->text[i] || !strchr(plain, text->text[i]))
            return false;
    return true;
}

static void put_quoted(struct buf *buf, const struct template_text *text)
{
    buf_append(buf, "'", 1);
    for (size_t i = 0; i < text->size; i++)
        if (text->text[i] == '\'')
            buf_append(buf, "'\\''", 4);
        else
            buf_append(buf, text->text + i, 1);
    buf_append(buf, "'", 1);
}

static int fill_quoted(struct command *command, const struct params *params,
                       struct error *ret_error)
{
    struct buf quoted;
    struct template_text *texts = calloc(params->count + 1, sizeof(*texts));
    size_t *offsets = calloc(params->count + 1, sizeof(*offsets));
    int rc = -1;
    buf_init(&quoted, TEXT_MAX);
    for (size_t i = 0; texts && offsets && i < params->count; i++) {
        offsets[i] = quoted.size;
        if (!is_plain(&params->texts[i]))
            put_quoted(&quoted, &params->texts[i]);
    }
    if (offsets)
        offsets[params->count] = quoted.size;
    for (size_t i = 0; texts && offsets && i < params->count; i++) {
        size_t size = offsets[i + 1] - offsets[i];
        texts[i] = params->texts[i];
        if (size)
            texts[i] = (struct template_text){(char *)quoted.data + offsets[i], size};
    }
    if (!texts || !offsets || buf_failed(&quoted))
        error_set(ret_error, ERROR_SYSTEM, "no memory for a command");
    else
        rc = template_fill(command->arguments[0], texts, &command->text, ret_error);
    buf_fini(&quoted);
    free(offsets);
    free(texts);
    return rc;
}

static int fill_arguments(struct command *command, const struct params *params,
                          struct error *ret_error)
{
    buf_clear(&command->text);
    for (size_t i = 0; i < command->count; i++) {
        command->offsets[i] = command->text.size;
        bool quote = command->shell && params && command->has_places;
        int rc = quote ? fill_quoted(command, params, ret_error)
                       : template_fill(command->arguments[i], params ? params->texts : NULL,
                                       &command->text, ret_error);
        if (rc < 0)
            return -1;
        buf_append(&command->text, "", 1);
    }
    if (buf_failed(&command->text))
        return error_set(ret_error, ERROR_SYSTEM, "the command is too long");
    return 0;
}

static int find_program(struct command *command, const char *name, char *const *environment,
                        struct error *ret_error)
{
    if (command->found_name && strcmp(command->found_name, name) == 0)
        return 0;
    free(command->found_name);
    free(command->found);
    command->found = NULL;
    command->found_name = NULL;
    if (child_find_program(name, environment, &command->found, ret_error) < 0)
        return -1;
    command->found_name = strdup(name);
    return 0;
}

int command_fill(struct command *command, const struct params *params, char *const *environment,
                 struct child_spec *ret_spec, struct error *ret_error)
{
    size_t count = 0;
    if (fill_arguments(command, params, ret_error) < 0)
        return -1;
    if (command->shell) {
        command->argv[count++] = (char *)"/bin/sh";
        command->argv[count++] = (char *)"-c";
    }
    for (size_t i = 0; i < command->count; i++)
        command->argv[count++] = (char *)command->text.data + command->offsets[i];
    command->argv[count] = NULL;
    if (find_program(command, command->argv[0], environment, ret_error) < 0)
        return -1;
    ret_spec->program = command->found;
    ret_spec->argv = command->argv;
    ret_spec->environment = environment;
    ret_spec->limits = command->limits;
    ret_spec->limit_count = command->limit_count;
    return 0;
}
