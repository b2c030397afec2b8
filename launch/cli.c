#include "config.h"

#include "launch/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/limits.h"
#include "common/nearest.h"

static const struct command *const commands[] = {
    &command_init,    &command_check, &command_run,    &command_status, &command_watch,
    &command_results, &command_logs,  &command_cancel, &command_clean,  &command_doctor,
    &command_mpirun,  &command_pest,  &command_plot,   &command_report,
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void usage_print(FILE *stream)
{
    fprintf(stream, "Usage: beofarm COMMAND [OPTION...] [ARGUMENT]\n"
                    "Run a farm of tasks: a master, its workers, and their results.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(stream, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(stream, "\n`beofarm COMMAND --help` says more; so does `man beofarm`.\n"
                    "`beofarm --version` prints the version.\n");
}

static void command_usage_print(const struct command *command)
{
    printf("Usage: beofarm %s [OPTION...]%s%s\n%s.\n", command->name,
           *command->arguments ? " " : "", command->arguments, command->summary);
    if (command->details)
        printf("\n%s", command->details);
    printf("\n");
    for (size_t i = 0; i < command->option_count; i++) {
        const struct command_option *option = &command->options[i];
        char left[64], letter[8] = "    ";
        if (option->letter)
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
                 option->value ? " " : "", option->value ? option->value : "");
        printf("  %-24s %s\n", left, option->help);
    }
    printf("  %-24s %s\n", "    --help", "print this and exit");
}

static const struct command *command_find(const char *name, struct error *ret_error)
{
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; i++) {
        names[i] = commands[i]->name;
        if (strcmp(name, names[i]) == 0)
            return commands[i];
    }
    const char *nearest = nearest_find(name, names, COMMANDS);
    if (nearest)
        error_set(ret_error, ERROR_USAGE, "there is no command \"%s\"; did you mean \"%s\"?",
                  name, nearest);
    else
        error_set(ret_error, ERROR_USAGE,
                  "there is no command \"%s\"; `beofarm --help` lists them", name);
    return NULL;
}

static int option_unknown(const struct command *command, const char *text,
                          struct error *ret_error)
{
    const char *names[32], *nearest = NULL;
    size_t count = 0;
    for (; count < command->option_count && count < 31; count++)
        names[count] = command->options[count].name;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
    const char *bare = name + strspn(name, "-");
    if (count > 0)
        nearest = nearest_find(bare, names, count);
    if (nearest)
        return error_set(ret_error, ERROR_USAGE,
                         "beofarm %s has no option \"%s\"; did you mean \"--%s\"?",
                         command->name, name, nearest);
    return error_set(ret_error, ERROR_USAGE,
                     "beofarm %s has no option \"%s\"; `beofarm %s --help` lists them",
                     command->name, name, command->name);
}

/* The option that `text` ("--name", "--name=value", "-n", "-nvalue") means, NULL if none. A value
 * inside the text goes to *ret_value, else NULL. */
static const struct command_option *option_find(const struct command *command, const char *text,
                                                const char **ret_value)
{
    bool is_long = text[1] == '-';
    size_t size = strcspn(text + 2, "=");
    for (size_t i = 0; i < command->option_count; i++) {
        const struct command_option *option = &command->options[i];
        if (is_long && strlen(option->name) == size &&
            strncmp(option->name, text + 2, size) == 0) {
            *ret_value = text[2 + size] ? text + 2 + size + 1 : NULL;
            return option;
        }
        if (!is_long && option->letter && option->letter == text[1]) {
            *ret_value = text[2] ? text + 2 : NULL;
            return option;
        }
    }
    return NULL;
}

static int option_store(const struct command_option *option, const char *value, char *options,
                        struct error *ret_error)
{
    char *end;
    switch (option->kind) {
    case OPTION_FLAG:
        if (value)
            return error_set(ret_error, ERROR_USAGE, "--%s takes no value", option->name);
        *(bool *)(void *)(options + option->offset) = true;
        return 0;
    case OPTION_TEXT:
        if (!*value)
            return error_set(ret_error, ERROR_USAGE, "--%s needs a value", option->name);
        *(const char **)(void *)(options + option->offset) = value;
        return 0;
    case OPTION_COUNT:
        errno = 0;
        long long count = strtoll(value, &end, 10);
        if (errno || end == value || *end || count < option->least)
            return error_set(ret_error, ERROR_USAGE,
                             "--%s \"%s\": a whole number from %lld is needed", option->name,
                             value, (long long)option->least);
        *(int64_t *)(void *)(options + option->offset) = count;
        return 0;
    }
    return error_set(ret_error, ERROR_BUG, "--%s is of no known kind", option->name);
}

static void options_clear(const struct command *command, char *options)
{
    memset(options, 0, command->options_size);
    for (size_t i = 0; i < command->option_count; i++)
        if (command->options[i].kind == OPTION_COUNT)
            *(int64_t *)(void *)(options + command->options[i].offset) = OPTION_NOT_GIVEN;
}

int cli_parse(const struct command *command, char **texts, size_t count, void *options,
              size_t *ret_arguments, bool *ret_help, struct error *ret_error)
{
    size_t arguments = 0;
    bool only_arguments = false;
    options_clear(command, options);
    *ret_help = false;
    for (size_t i = 0; i < count; i++) {
        const char *text = texts[i], *value = NULL;
        if (only_arguments || text[0] != '-' || !text[1]) {
            texts[arguments++] = texts[i];
            continue;
        }
        only_arguments = strcmp(text, "--") == 0;
        if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)
            *ret_help = true;
        if (only_arguments || *ret_help)
            continue;
        const struct command_option *option = option_find(command, text, &value);
        if (!option)
            return option_unknown(command, text, ret_error);
        if (option->kind != OPTION_FLAG && !value && ++i < count)
            value = texts[i];
        if (option->kind != OPTION_FLAG && !value)
            return error_set(ret_error, ERROR_USAGE, "--%s needs a value (%s)", option->name,
                             option->value);
        if (option_store(option, value, options, ret_error) != 0)
            return -1;
    }
    if (arguments > command->arguments_max && !*ret_help)
        return error_set(
            ret_error, ERROR_USAGE,
            "beofarm %s does not know what to do with \"%s\"; see `beofarm %s --help`",
            command->name, texts[command->arguments_max], command->name);
    *ret_arguments = arguments;
    return 0;
}

static int command_do(const struct command *command, char **texts, size_t count,
                      struct error *ret_error)
{
    size_t arguments = 0;
    bool help;
    void *options = calloc(1, command->options_size + 1);
    if (!options)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the command line");
    int code = cli_parse(command, texts, count, options, &arguments, &help, ret_error);
    if (code == 0 && help)
        command_usage_print(command);
    else if (code == 0)
        code = command->run(options, texts, arguments, ret_error);
    free(options);
    return code;
}

/* "help COMMAND" is "COMMAND --help". */
static int command_start(int argc, char **argv, struct error *ret_error)
{
    bool help = argc == 3 && strcmp(argv[1], "help") == 0;
    const struct command *command = command_find(argv[help ? 2 : 1], ret_error);
    if (!command)
        return -1;
    if (!help)
        return command_do(command, argv + 2, (size_t)argc - 2, ret_error);
    command_usage_print(command);
    return 0;
}

/* What was printed must have arrived: a results file cut short by a full disk is a failure. */
static int output_close(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno != EPIPE)
        fprintf(stderr, "beofarm: standard output cannot be written: %s\n", strerror(errno));
    return code ? code : ERROR_SYSTEM;
}

static int sentence_end(const struct error *error)
{
    fflush(stdout);
    fprintf(stderr, "beofarm: %s\n", error->text);
    return output_close(error->code);
}

int cli_run(int argc, char **argv)
{
    struct error error = {.code = ERROR_NONE};
    fd_signals_ignore(); /* a reader that went away must not take the farm with it */
    if (limits_check_stack(&error) < 0)
        return sentence_end(&error);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        (strcmp(argv[1], "help") == 0 && argc == 2)) {
        usage_print(argc < 2 ? stderr : stdout);
        return output_close(argc < 2 ? ERROR_USAGE : 0);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("beofarm %s\n", PACKAGE_VERSION);
        return output_close(0);
    }
    int code = command_start(argc, argv, &error);
    return code < 0 ? sentence_end(&error) : output_close(code);
}
