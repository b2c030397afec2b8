/*
 * cli.h - the command line of `beofarm`: finds the command, reads its options, runs it.
 */
#ifndef BEOFARM_LAUNCH_CLI_H
#define BEOFARM_LAUNCH_CLI_H

#include <stdbool.h>

#include "launch/command.h"

/* Do what the command line says; sentences go to stderr. Returns the exit code. */
int cli_run(int argc, char **argv);

/* Read the options of `command` from `count` texts into its struct (options_size bytes, zeroed
 * here); what is no option is moved to the front of `texts`, *ret_arguments of them. *ret_help is
 * set by --help. 0, or -1 (ERROR_USAGE). */
int cli_parse(const struct command *command, char **texts, size_t count, void *options,
              size_t *ret_arguments, bool *ret_help, struct error *ret_error);

#endif
