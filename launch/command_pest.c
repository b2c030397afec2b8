/*
 * beofarm pest VERB CASE.pst: what PEST's own utilities do with a case, without running a farm.
 */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"
#include "launch/command.h"
#include "launch/pest_check.h"
#include "launch/pest_read.h"
#include "launch/pest_write.h"
#include "launch/request.h"

/* Of all verbs; each says which it knows. */
struct pest_options {
    bool json, list;
    const char *par, *values, *into, *from, *out;
};

static const struct command_option options[] = {
    {"json", 0, NULL, "check: print JSON", OPTION_FLAG, offsetof(struct pest_options, json), 0},
    {"par", 0, "FILE", "write: values from a parameter value file", OPTION_TEXT,
     offsetof(struct pest_options, par), 0},
    {"values", 0, "N=V,...", "write: values of some parameters", OPTION_TEXT,
     offsetof(struct pest_options, values), 0},
    {"into", 0, "DIR", "write: below this folder", OPTION_TEXT,
     offsetof(struct pest_options, into), 0},
    {"list", 0, NULL, "write: print fields and what is written", OPTION_FLAG,
     offsetof(struct pest_options, list), 0},
    {"from", 0, "DIR", "read: the model's files are below it", OPTION_TEXT,
     offsetof(struct pest_options, from), 0},
    {"out", 0, "FILE", "read: write the observations there", OPTION_TEXT,
     offsetof(struct pest_options, out), 0},
};

static int check_do(const struct pest_options *given, char **arguments, size_t count,
                    struct error *ret_error)
{
    if (count != 1)
        return error_set(ret_error, ERROR_USAGE, "beofarm pest check needs one control file");
    return pest_check_run(arguments[0], given->json, ret_error);
}

static int write_do(const struct pest_options *given, char **arguments, size_t count,
                    struct error *ret_error)
{
    if (count != 1)
        return error_set(ret_error, ERROR_USAGE, "beofarm pest write needs one control file");
    const struct pest_write write = {
        .par = given->par, .values = given->values, .into = given->into, .list = given->list};
    return pest_write_run(arguments[0], &write, ret_error);
}

static int read_do(const struct pest_options *given, char **arguments, size_t count,
                   struct error *ret_error)
{
    if (count != 1)
        return error_set(ret_error, ERROR_USAGE, "beofarm pest read needs one control file");
    const struct pest_read read = {.from = given->from, .out = given->out};
    return pest_read_run(arguments[0], &read, ret_error);
}

struct verb {
    const char *name;
    const char *options; /* that it knows: " json par " */
    /* As the run of a command; the arguments are those behind the verb. */
    int (*run)(const struct pest_options *given, char **arguments, size_t count,
               struct error *ret_error);
};

static const struct verb verbs[] = {
    {"check", " json ", check_do},
    {"read", " from out ", read_do},
    {"write", " par values into list ", write_do},
};

#define VERBS (sizeof verbs / sizeof verbs[0])

static bool option_is_given(const struct command_option *option, const void *values)
{
    const char *at = (const char *)values + option->offset;
    return option->kind == OPTION_FLAG ? *(const bool *)(const void *)at
                                       : *(const char *const *)(const void *)at != NULL;
}

/* An option of another verb would have no effect. */
static int verb_do(const struct verb *verb, const void *values, char **arguments, size_t count,
                   struct error *ret_error)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, " %s ", options[i].name);
        if (option_is_given(&options[i], values) && !strstr(verb->options, name))
            return error_set(ret_error, ERROR_USAGE, "beofarm pest %s has no option --%s",
                             verb->name, options[i].name);
    }
    return verb->run(values, arguments, count, ret_error);
}

/* With the case's own name in place of the argument. */
static int case_do(const struct verb *verb, const void *values, char **arguments, size_t count,
                   struct error *ret_error)
{
    char *path = count == 1 ? request_find(arguments[0], ret_error) : NULL;
    if (count == 1 && !path)
        return -1;
    int rc = verb_do(verb, values, path ? &path : arguments, count, ret_error);
    free(path);
    return rc;
}

static int pest_do(const void *values, char **arguments, size_t count, struct error *ret_error)
{
    const char *names[VERBS];
    if (count == 0)
        return error_set(ret_error, ERROR_USAGE,
                         "beofarm pest needs to know what to do; see `beofarm pest --help`");
    for (size_t i = 0; i < VERBS; i++) {
        names[i] = verbs[i].name;
        if (strcmp(arguments[0], names[i]) == 0)
            return case_do(&verbs[i], values, arguments + 1, count - 1, ret_error);
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
    .arguments = "check|write|read CASE.pst",
    .summary = "Check a PEST case, write a model's input files, read its output files",
    .details =
        "check   everything that is wrong with a control file and with the templates and\n"
        "        instructions that it names (as PESTCHEK, TEMPCHEK and INSCHEK do), and\n"
        "        what is read but has no effect\n"
        "write   the model's input files from the templates, for the initial values or for\n"
        "        those of --par and --values\n"
        "read    the observations in the model's output files, by the instructions\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct pest_options),
    .arguments_max = 2,
    .run = pest_do,
};
