/*
 * command.h - what a command of `beofarm` is: a row of the table in cli.c.
 *
 * Options are described by data, so that parsing, --help and the check of unknown options are
 * written once (cli.c). Their values go into the command's own struct, by offset.
 */
#ifndef BEOFARM_LAUNCH_COMMAND_H
#define BEOFARM_LAUNCH_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

enum option_kind {
    OPTION_FLAG,  /* bool: true */
    OPTION_TEXT,  /* const char *: borrowed from the command line; NULL if not given */
    OPTION_COUNT, /* int64_t: a whole number from `least`; OPTION_NOT_GIVEN if not given */
};

#define OPTION_NOT_GIVEN INT64_MIN

struct command_option {
    const char *name;  /* after "--" */
    char letter;       /* after "-"; 0 for none */
    const char *value; /* what --help calls the value; NULL for flags */
    const char *help;
    enum option_kind kind;
    size_t offset; /* of the value in the command's struct */
    int64_t least; /* of a count */
};

struct command {
    const char *name;
    const char *arguments; /* for --help: "[RUN]" */
    const char *summary;   /* one line */
    const char *details;   /* more lines for --help; NULL for none */
    const struct command_option *options;
    size_t option_count;
    size_t options_size; /* of the command's struct */
    size_t arguments_max;

    /* Do it. `options` is the filled struct, `arguments` holds `count` texts. Returns the exit
     * code, or -1 with a sentence, whose code is the exit code. */
    int (*run)(const void *options, char **arguments, size_t count, struct error *ret_error);
};

#define COMMAND_OPTIONS(table)                                                                 \
    .options = (table), .option_count = sizeof(table) / sizeof((table)[0])

extern const struct command command_init, command_check, command_run, command_status,
    command_watch, command_results, command_logs, command_cancel, command_clean, command_doctor,
    command_mpirun, command_pest, command_plot, command_report;

#endif
