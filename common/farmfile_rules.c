/*
 * The rules between keys, which JSON Schema could say only in ways that give bad sentences.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/farmfile_private.h"
#include "common/json.h"

static bool is_kind(const cJSON *work, const char *kind)
{
    const cJSON *item = json_member(work, "kind");
    return cJSON_IsString(item) && !strcmp(item->valuestring, kind);
}

/* No shell unless asked, and then one text, because arguments glued together by us would be
 * quoted wrongly. */
static void check_command(struct document_rules *rules, const cJSON *holder, const char *path)
{
    const cJSON *command = json_member(holder, "command");
    bool shell = cJSON_IsTrue(json_member(holder, "shell"));
    if (cJSON_IsString(command) && !shell)
        document_note(
            rules, path,
            "a command of one text needs \"shell\": true; or write an array, one text for each "
            "argument");
    else if (cJSON_IsArray(command) && shell)
        document_note(rules, path,
                      "with \"shell\": true the command is one text, not an array");
    else if (cJSON_IsArray(command) && !*command->child->valuestring)
        document_note(rules, path, "the first text, the program, is empty");
}

static void check_value(struct document_rules *rules, const cJSON *value, bool persistent,
                        size_t index)
{
    struct buf path;
    buf_init(&path, 100);
    buf_append_text(&path, "$.work.values");
    json_path_put_index(&path, index);
    bool regex = json_member(value, "regex"), json = json_member(value, "path");
    /* "stdout" may have been filled in: a farm file as run has its defaults written out. */
    const cJSON *from = json_member(value, "from");
    bool from_file = from && strcmp(from->valuestring, "stdout") != 0;
    if (persistent && (regex || json || from_file))
        document_note(
            rules, buf_text(&path),
            "a persistent runner sends its values by name; \"from\", \"regex\" and \"path\" do "
            "not apply");
    else if (!persistent && regex == json)
        document_note(rules, buf_text(&path),
                      regex ? "may have \"regex\" or \"path\", not both"
                            : "needs \"regex\" or \"path\", to say where the number stands");
    buf_fini(&path);
}

static void check_sweep(struct document_rules *rules, const cJSON *work)
{
    const cJSON *runner = json_member(work, "runner"), *value;
    bool persistent = runner && !strcmp(runner->valuestring, "persistent");
    check_command(rules, work, "$.work.command");
    if (persistent && json_member(work, "stdin"))
        document_note(
            rules, "$.work.stdin",
            "a persistent runner reads its tasks from standard input; remove \"stdin\"");
    if (!persistent && json_member(work, "stall_s"))
        document_note(
            rules, "$.work.stall_s",
            "is for \"runner\": \"persistent\"; limits.task_timeout_s bounds a process");
    size_t index = 0;
    cJSON_ArrayForEach(value, json_member(work, "values"))
        check_value(rules, value, persistent, index++);
}

/* A task of several nodes has a worker to itself, and a process of its own. */
static void check_nodes(struct document_rules *rules, const cJSON *root, const cJSON *work)
{
    const cJSON *nodes = json_member(work, "nodes"), *ranks = json_member(work, "ranks");
    const cJSON *runner = json_member(work, "runner"), *backend = json_member(root, "backend");
    const cJSON *slots = json_member(json_member(root, "worker"), "slots");
    if (ranks && !nodes)
        document_note(rules, "$.work.ranks", "needs \"nodes\", over which ranks are spread");
    if (!nodes)
        return;
    if (ranks && ranks->valuedouble < nodes->valuedouble)
        document_note(rules, "$.work.ranks", "is less than \"nodes\": some would have none");
    if (runner && strcmp(runner->valuestring, "persistent") == 0)
        document_note(rules, "$.work.nodes", "is for \"runner\": \"process\"");
    if (cJSON_IsNumber(slots) && slots->valuedouble != 1)
        document_note(rules, "$.worker.slots",
                      "is 1 where tasks have nodes of their own (work.nodes)");
    if (is_kind(backend, "azure"))
        farmfile_check_azure_nodes(rules, backend, nodes->valuedouble);
}

/* Whether a key says more than what was filled in where it was left out: false, 0, the usual
 * runner, and nothing but these in arrays and objects. */
static bool says_something(const cJSON *item)
{
    const cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        if (says_something(child))
            return true;
    }
    return cJSON_IsTrue(item) || (cJSON_IsNumber(item) && item->valuedouble != 0) ||
           (cJSON_IsString(item) && strcmp(item->valuestring, "process") != 0);
}

/* Keys of `keys` that are given although another one says what is run. */
static void check_strangers(struct document_rules *rules, const cJSON *work,
                            const char *const *keys, const char *sentence)
{
    char path[64];
    for (; *keys; keys++) {
        if (!says_something(json_member(work, *keys)))
            continue;
        snprintf(path, sizeof path, "$.work.%s", *keys);
        document_note(rules, path, sentence);
    }
}

/* A command, a PEST case or a survey, and the keys of the one do not go with the others. */
static void check_socket(struct document_rules *rules, const cJSON *work)
{
    static const char *const of_command[] = {"command", "shell",     "runner", "params",
                                             "stdin",   "templates", "inputs", "outputs",
                                             "values",  "rlimits",   NULL};
    static const char *const of_runner[] = {"stall_s", NULL};
    static const char *const of_case[] = {"options", "fresh", "ignore_exit", NULL};
    static const char *const of_survey[] = {"sum", "skip_ratio", "data", NULL};
    bool is_case = json_member(work, "control"), is_survey = json_member(work, "survey");
    if (is_case && is_survey)
        document_note(rules, "$.work.survey",
                      "does not go with \"control\": a socket is for one of them");
    if (!is_case)
        check_strangers(rules, work, of_case, "is for a PEST case, which \"control\" names");
    if (!is_survey)
        check_strangers(rules, work, of_survey, "is for a survey, which \"survey\" names");
    if (is_case)
        check_strangers(rules, work, of_runner,
                        "does not go with \"control\": the control file says what is run, and "
                        "for which parameters");
    if (is_case || is_survey) {
        check_strangers(rules, work, of_command,
                        is_case ? "does not go with \"control\": the control file says what is "
                                  "run, and for which parameters"
                                : "does not go with \"survey\": the survey says what is run");
        return;
    }
    if (!json_member(work, "command") || !json_member(work, "params"))
        document_note(
            rules, "$.work",
            "needs \"command\" and \"params\"; or \"control\", the control file of a PEST "
            "case; or \"survey\", a seismic survey");
    check_sweep(rules, work);
}

static double external_port(const cJSON *work)
{
    const cJSON *port = json_member(work, "port");
    return port ? port->valuedouble : FARMFILE_PORT;
}

static void check_external(struct document_rules *rules, const cJSON *root, const cJSON *work)
{
    check_command(rules, json_member(work, "master"), "$.work.master.command");
    check_command(rules, json_member(work, "worker"), "$.work.worker.command");
    const cJSON *port = json_member(root, "port");
    if (port && port->valuedouble == external_port(work))
        document_note(
            rules, "$.port",
            "the foreign master wants this port (work.port); choose another, or leave it out");
}

void farmfile_check_rules(struct document_rules *rules, const cJSON *root)
{
    const cJSON *work = json_member(root, "work");
    if (is_kind(work, "sweep")) {
        check_sweep(rules, work);
        check_nodes(rules, root, work);
    } else if (is_kind(work, "socket")) {
        check_socket(rules, work);
    } else if (is_kind(work, "external")) {
        check_external(rules, root, work);
    }
    if (is_kind(json_member(root, "backend"), "azure"))
        farmfile_check_azure(rules, json_member(root, "backend"));
}
