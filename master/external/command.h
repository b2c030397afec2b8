/*
 * command.h - the foreign master: one process, started in a folder, watched by the farm's loop.
 */
#ifndef BEOFARM_MASTER_EXTERNAL_COMMAND_H
#define BEOFARM_MASTER_EXTERNAL_COMMAND_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/loop.h"

struct command;

/* Start `settings` ({"command", "shell", "env"}, valid against the schema) in `folder`, with its
 * output in folder/stdout.txt and folder/stderr.txt. It leads a process group of its own, and is
 * killed with us. `ended` is called from the loop when it has ended. NULL with a sentence. */
struct command *command_start(struct loop *loop, const cJSON *settings, const char *folder,
                              void (*ended)(void *context), void *context,
                              struct error *ret_error);

/* Whether it has ended. *ret_good is true where it exited with 0; otherwise the sentence says how
 * it ended. */
bool command_ended(const struct command *command, bool *ret_good, struct error *ret_error);

/* Terminate it if it still runs (SIGTERM, and SIGKILL two seconds later), and free. NULL is
 * allowed. */
void command_stop(struct command *command);

#endif
