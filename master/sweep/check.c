#include "config.h"

#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/template.h"
#include "master/sweep/check.h"
#include "master/sweep/files.h"

#define WHERE_MAX 1024

#define REPETITIONS_MAX 1e6

struct check {
    const cJSON *work;
    const struct params *params;
    const char *folder;
    bool look, persistent;
    struct error *error;
};

static int text_check(const struct check *check, const char *text, const char *where)
{
    struct template *template = template_create(text, strlen(text), where, check->params->names,
                                                check->params->columns, NULL, check->error);

    if (!template)
        return -1;
    template_destroy(template);
    return 0;
}

/* A path in the work directory: relative, and not leading out of it. */
static int path_check(const struct check *check, const char *path, const char *where)
{
    const char *at = path;

    if (*path == '/')
        return error_set(
            check->error, ERROR_CONFIG,
            "%s: \"%s\" is absolute; name it relative to the task's work directory", where,
            path);
    while (at) {
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || !at[2]))
            return error_set(check->error, ERROR_CONFIG,
                             "%s: \"%s\" leads out of the task's work directory", where, path);
        at = strchr(at, '/');
        at = at ? at + 1 : NULL;
    }
    return 0;
}

/* --- the command -------------------------------------------------------------------------- */

/* A persistent command is started once, so it cannot depend on the task. */
static int persistent_check(const struct check *check, const char *text, const char *where)
{
    for (size_t i = 0; i < check->params->columns; i++) {
        const char *name = check->params->names[i];
        size_t size = strlen(name);

        for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{'))
            if (strncmp(at + 1, name, size) == 0 &&
                (at[1 + size] == '}' || at[1 + size] == ':'))
                return error_set(check->error, ERROR_CONFIG,
                                 "%s: a persistent runner is started once for many tasks, so "
                                 "{%s} cannot stand here; it gets the values on its standard "
                                 "input",
                                 where, name);
    }
    return 0;
}

static int argument_check(const struct check *check, const cJSON *item, const char *where)
{
    if (!cJSON_IsString(item))
        return error_set(check->error, ERROR_CONFIG, "%s: expected a text", where);
    return check->persistent ? persistent_check(check, item->valuestring, where)
                             : text_check(check, item->valuestring, where);
}

static int program_check(const struct check *check, const char *program)
{
    char *path;
    int rc = 0;

    if (!*program)
        return error_set(check->error, ERROR_CONFIG, "$.work.command[0]: is empty");
    if (!check->look || *program == '/' || !strchr(program, '/') || strchr(program, '{') ||
        sweep_makes_file(check->work, program))
        return 0; /* found on PATH, or known only when a task runs */
    if (asprintf(&path, "%s/%s", check->folder, program) < 0)
        return error_set(check->error, ERROR_SYSTEM, "no memory to check the command");
    if (access(path, F_OK) < 0)
        rc = error_set(check->error, ERROR_CONFIG,
                       "$.work.command[0]: there is no \"%s\" in the farm file's folder",
                       program);
    else if (access(path, X_OK) < 0)
        rc = error_set(check->error, ERROR_CONFIG,
                       "$.work.command[0]: \"%s\" is not executable; try chmod +x", program);
    free(path);
    return rc;
}

static int command_check(const struct check *check)
{
    const cJSON *command = json_member(check->work, "command"), *item;
    bool shell = cJSON_IsTrue(json_member(check->work, "shell"));
    char where[WHERE_MAX];
    size_t i = 0;

    if (shell && !cJSON_IsString(command))
        return error_set(check->error, ERROR_CONFIG,
                         "$.work.command: with \"shell\": true it is one text, for /bin/sh -c");
    if (!shell && !cJSON_IsArray(command))
        return error_set(check->error, ERROR_CONFIG,
                         "$.work.command: expected an array of texts (or add \"shell\": true)");
    if (shell)
        return argument_check(check, command, "$.work.command");
    cJSON_ArrayForEach(item, command)
    {
        snprintf(where, sizeof where, "$.work.command[%zu]", i++);
        if (argument_check(check, item, where) < 0)
            return -1;
    }
    if (i == 0)
        return error_set(check->error, ERROR_CONFIG, "$.work.command: is empty");
    return program_check(check, command->child->valuestring);
}

static int env_check(const struct check *check)
{
    const cJSON *item;
    char where[WHERE_MAX];

    cJSON_ArrayForEach(item, json_member(check->work, "env"))
    {
        snprintf(where, sizeof where, "$.work.env.%.900s", item->string);
        if (strncmp(item->string, "BEOFARM_", 8) == 0)
            return error_set(check->error, ERROR_CONFIG,
                             "%s: variables that begin with BEOFARM_ are the worker's own",
                             where);
        if (cJSON_IsString(item) && argument_check(check, item, where) < 0)
            return -1;
    }
    return 0;
}

/* --- files -------------------------------------------------------------------------------- */

static int stdin_check(const struct check *check)
{
    const cJSON *item = json_member(check->work, "stdin");

    if (!cJSON_IsString(item))
        return 0;
    if (check->persistent)
        return error_set(check->error, ERROR_CONFIG,
                         "$.work.stdin: a persistent runner gets its tasks on standard input");
    return path_check(check, item->valuestring, "$.work.stdin");
}

/* "to" of a template or an input: a path, perhaps with places. */
static int target_check(const struct check *check, const cJSON *entry, const char *where)
{
    char place[WHERE_MAX + 8];
    const char *to;

    snprintf(place, sizeof place, "%s.to", where);
    if (json_get_text(entry, where, "to", "", &to, check->error) < 0)
        return -1;
    if (!*to || to[strlen(to) - 1] == '/')
        return error_set(check->error, ERROR_CONFIG, "%s: expected the name of a file", place);
    return path_check(check, to, place) < 0 ? -1 : text_check(check, to, place);
}

static int template_check(const struct check *check, const cJSON *entry, const char *where)
{
    struct template_marks marks;
    struct template *template;
    const char *from;
    char *path;

    if (target_check(check, entry, where) < 0 ||
        json_get_text(entry, where, "from", "", &from, check->error) < 0 ||
        json_get_text(entry, where, "open", "{", &marks.open, check->error) < 0 ||
        json_get_text(entry, where, "close", "}", &marks.close, check->error) < 0)
        return -1;
    if (!check->look)
        return 0;
    if (asprintf(&path, "%s%s%s", *from == '/' ? "" : check->folder, *from == '/' ? "" : "/",
                 from) < 0)
        return error_set(check->error, ERROR_SYSTEM, "no memory to check a template");
    template = template_create_file(path, check->params->names, check->params->columns, &marks,
                                    check->error);
    if (!template)
        sweep_file_blame(path, check->error);
    free(path);
    if (!template)
        return error_prefix(check->error, "%s", where);
    template_destroy(template);
    return 0;
}

static int input_check(const struct check *check, const cJSON *entry, const char *where)
{
    char place[WHERE_MAX + 8];
    const char *from;

    snprintf(place, sizeof place, "%s.from", where);
    if (target_check(check, entry, where) < 0 ||
        json_get_text(entry, where, "from", "", &from, check->error) < 0)
        return -1;
    if (!*from)
        return error_set(check->error, ERROR_CONFIG, "%s: expected the name of a file", place);
    if (text_check(check, from, place) < 0)
        return -1;
    return check->look ? sweep_input_look(check->folder, from, place, check->error) : 0;
}

/* Call `each` for the entries of an array in work, with their JSON paths. */
static int entries_check(const struct check *check, const char *key,
                         int (*each)(const struct check *check, const cJSON *entry,
                                     const char *where))
{
    char where[WHERE_MAX];
    const cJSON *entry;
    size_t i = 0;

    cJSON_ArrayForEach(entry, json_member(check->work, key))
    {
        snprintf(where, sizeof where, "$.work.%s[%zu]", key, i++);
        if (each(check, entry, where) < 0)
            return -1;
    }
    return 0;
}

static int output_check(const struct check *check, const cJSON *entry, const char *where)
{
    return cJSON_IsString(entry) ? path_check(check, entry->valuestring, where) : 0;
}

/* --- values ------------------------------------------------------------------------------- */

/* What makes glibc's regcomp or regexec take more memory or time than there is: back-references,
 * which POSIX does not give to extended expressions either, and repetitions of repetitions. */
static const char *regex_danger(const char *text)
{
    double repetitions = 1;
    bool bracket = false;

    for (const char *c = text; *c; c++) {
        if (bracket) {
            bracket = *c != ']';
        } else if (*c == '[') {
            bracket = true;
            c += c[1] == '^';
            c += c[1] == ']'; /* first of all, it stands for itself */
        } else if (*c == '\\' && c[1]) {
            if (*++c >= '1' && *c <= '9')
                return "back-references such as \\1 are not taken";
        } else if (*c == '{') {
            const char *comma = c + 1 + strspn(c + 1, "0123456789");
            double most = strtod(*comma == ',' && comma[1] != '}' ? comma + 1 : c + 1, NULL);
            repetitions *= most > 1 ? most : 1;
        }
    }
    return repetitions > REPETITIONS_MAX ? "its {repetitions} multiply to more than a million"
                                         : NULL;
}

static int regex_check(const struct check *check, const char *text, const char *where)
{
    char why[256];
    regex_t regex;
    const char *danger = regex_danger(text);

    if (danger)
        return error_set(check->error, ERROR_CONFIG, "%s.regex: %s", where, danger);
    int rc = regcomp(&regex, text, REG_EXTENDED | REG_NEWLINE);

    if (rc == 0) {
        regfree(&regex);
        return 0;
    }
    regerror(rc, &regex, why, sizeof why);
    return error_set(check->error, ERROR_CONFIG,
                     "%s.regex: not a POSIX extended regular expression: %s", where, why);
}

static int json_path_check(const struct check *check, const char *text, const char *where)
{
    struct json_path *path = json_path_create(text, check->error);

    if (!path)
        return error_prefix(check->error, "%s.path", where);
    json_path_destroy(path);
    return 0;
}

static int value_name_check(const struct check *check, const cJSON *entry, const char *where)
{
    const cJSON *list = json_member(check->work, "values"), *other;
    const char *name;

    if (json_get_text(entry, where, "name", "", &name, check->error) < 0)
        return -1;
    if (!*name)
        return error_set(check->error, ERROR_CONFIG, "%s.name: is missing or empty", where);
    for (other = list->child; other && other != entry; other = other->next) {
        const cJSON *taken = json_member(other, "name");

        if (cJSON_IsString(taken) && strcmp(taken->valuestring, name) == 0)
            return error_set(check->error, ERROR_CONFIG,
                             "%s.name: there is another value \"%s\" before it", where, name);
    }
    return 0;
}

static int value_check(const struct check *check, const cJSON *entry, const char *where)
{
    const char *regex, *path, *from;

    if (value_name_check(check, entry, where) < 0 ||
        json_get_text(entry, where, "from", "stdout", &from, check->error) < 0 ||
        json_get_text(entry, where, "regex", NULL, &regex, check->error) < 0 ||
        json_get_text(entry, where, "path", NULL, &path, check->error) < 0)
        return -1;
    if (check->persistent)
        return regex || path
                   ? error_set(check->error, ERROR_CONFIG,
                               "%s: a persistent runner sends its values by name; drop \"%s\"",
                               where, regex ? "regex" : "path")
                   : 0;
    if (!regex == !path)
        return error_set(
            check->error, ERROR_CONFIG,
            "%s: needs exactly one of \"regex\" and \"path\", to say where in \"%s\" "
            "the value is",
            where, from);
    if (strcmp(from, "stdout") != 0 && path_check(check, from, where) < 0)
        return -1;
    return regex ? regex_check(check, regex, where) : json_path_check(check, path, where);
}

/* --- all of it ---------------------------------------------------------------------------- */

int sweep_check(const cJSON *work, const struct params *params, const char *folder, bool look,
                struct error *ret_error)
{
    const cJSON *runner = json_member(work, "runner");
    struct check check = {
        .work = work, .params = params, .folder = folder, .look = look, .error = ret_error};
    int rc = -1;

    check.persistent = cJSON_IsString(runner) && strcmp(runner->valuestring, "persistent") == 0;
    if (command_check(&check) == 0 && env_check(&check) == 0 && stdin_check(&check) == 0 &&
        entries_check(&check, "templates", template_check) == 0 &&
        entries_check(&check, "inputs", input_check) == 0 &&
        entries_check(&check, "outputs", output_check) == 0 &&
        entries_check(&check, "values", value_check) == 0)
        rc = 0;
    return rc;
}
