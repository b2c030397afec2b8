/*
 * batch_command.h - a command line on a node, with its files, variables, user and container: what
 * start tasks and tasks have in common.
 *
 * Command lines are not run by a shell; variables and pipes need `/bin/sh -c '...'`.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_COMMAND_H
#define BEOFARM_LAUNCH_AZURE_BATCH_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/buf.h"

struct batch_variable {
    const char *name, *value;
};

/* Files laid beside a command before it starts. Exactly one of the first three. */
struct batch_resource {
    const char *http_url; /* one file, to `path`. With a SAS: secret */
    const char
        *container_url; /* all blobs of it that begin with `prefix`, below `path`. Secret */
    const char *auto_container; /* the same of the account's own storage, by name */
    const char *prefix;
    const char *path;
    const char *mode; /* octal, "0770"; NULL: as Batch likes. Of http_url alone */
    const char
        *identity; /* resource id of a managed identity that may read it, in place of a SAS */
};

/* Files taken home when a command has ended. */
struct batch_output {
    const char *pattern;       /* "../std*.txt", "out/a?.csv" */
    const char *container_url; /* with a SAS: secret */
    const char *path;          /* in the container: a name, or a prefix if pattern has a '*' */
    const char *condition;     /* "tasksuccess", "taskfailure", "taskcompletion" */
    const char *identity;      /* as above */
};

struct batch_command {
    const char *line;
    const struct batch_variable *variables;
    size_t variables_count;
    const struct batch_resource *resources;
    size_t resources_count;
    bool admin;        /* run as root; else as a user without rights */
    bool pool_user;    /* as the user that all tasks of the node share, not one per task */
    const char *image; /* container image; NULL: none */
    const char *run_options; /* of `docker run`; NULL: none */
};

/* Add the command's members to a JSON object. 0, or -1: no memory. */
int batch_command_put(cJSON *object, const struct batch_command *command);

/* Add an array of resource or output files under `key`; nothing where there are none. */
int batch_resources_put(cJSON *object, const char *key, const struct batch_resource *resources,
                        size_t count);
int batch_outputs_put(cJSON *object, const char *key, const struct batch_output *outputs,
                      size_t count);

/* Append `word` quoted for /bin/sh: '...' with ' as '\''. 0, or -1 (buf failed). */
int batch_quote(struct buf *buf, const char *word);

#endif
