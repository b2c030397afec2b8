/*
 * beofarm pest VERB CASE.pst: what PEST's own utilities do with a case, without running a farm.
 */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "common/nearest.h"
#include "launch/command.h"
#include "launch/pest_check.h"

struct pest_options {
    bool json;
};

static const struct command_option options[] = {
    {"json", 0, NULL, "check: print JSON", OPTION_FLAG, offsetof(struct pest_options, json), 0},
};

static int check_do(const struct pest_options *given, char **arguments, size_t count,
                    struct error *ret_error)
{
    if (count != 1)
        return error_set(ret_error, ERROR_USAGE, "beofarm pest check needs one control file");
    return pest_check_run(arguments[0], given->json, ret_error);
}

struct verb {
    const char *name;
    /* As the run of a command; the arguments are those behind the verb. */
    int (*run)(const struct pest_options *given, char **arguments, size_t count,
               struct error *ret_error);
};

static const struct verb verbs[] = {
    {"check", check_do},
};

#define VERBS (sizeof verbs / sizeof verbs[0])

static int pest_do(const void *values, char **arguments, size_t count, struct error *ret_error)
{
    const char *names[VERBS];
    if (count == 0)
        return error_set(ret_error, ERROR_USAGE,
                         "beofarm pest needs to know what to do; see `beofarm pest --help`");
    for (size_t i = 0; i < VERBS; i++) {
        names[i] = verbs[i].name;
        if (strcmp(arguments[0], names[i]) == 0)
            return verbs[i].run(values, arguments + 1, count - 1, ret_error);
    }
    const char *nearest = nearest_find(arguments[0], names, VERBS);
    if (nearest)
        return error_set(ret_error, ERROR_USAGE,
                         "beofarm pest does not know \"%s\"; did you mean \"%s\"?",
                         arguments[0], nearest);
    return error_set(ret_error, ERROR_USAGE,
                     "beofarm pest does not know \"%s\"; see `beofarm pest --help`",
                     arguments[0]);
}

const struct command command_pest = {
    .name = "pest",
    .arguments = "check CASE.pst",
    .summary = "Check a PEST case",
    .details =
        "check   everything that is wrong with a control file and with the templates and\n"
        "        instructions that it names (as PESTCHEK, TEMPCHEK and INSCHEK do), and\n"
        "        what is read but has no effect\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct pest_options),
    .arguments_max = 2,
    .run = pest_do,
};
