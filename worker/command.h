/*
 * command.h - what a job starts: "command", "shell" and "rlimits".
 */
#ifndef BEOFARM_WORKER_COMMAND_H
#define BEOFARM_WORKER_COMMAND_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "worker/child.h"
#include "worker/params.h"

struct command;

/* Compile the job's work. NULL with a sentence. */
struct command *command_create(const cJSON *work, const struct params *names,
                               struct error *ret_error);
void command_destroy(struct command *command); /* NULL is allowed */

/* Whether a parameter stands in it. */
bool command_has_places(const struct command *command);

/* Fill in the parameters (NULL where there are no places), find the program on the PATH of
 * `environment`, and set program, argv and limits of *ret_spec; they belong to the command and are
 * valid until the next call. In a shell's text, values are quoted for the shell unless they
 * consist of letters, digits and -+_./:=@%, only. 0 or -1. */
int command_fill(struct command *command, const struct params *params, char *const *environment,
                 struct child_spec *ret_spec, struct error *ret_error);

#endif
