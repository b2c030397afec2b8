/*
 * beofarm init: write a farm file to start from.
 */
#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/plain.h"
#include "launch/command.h"
#include "launch/disk.h"
#include "launch/starter.h"

#define FARM_FILE   "farm.json"
#define SURVEY_FILE "survey.json"
#define TEXT_MAX    ((size_t)1 << 20)

struct init_options {
    const char *output;
    bool force;
};

static const struct command_option options[] = {
    {"output", 'o', "FILE", "write to FILE instead of farm.json; - is stdout", OPTION_TEXT,
     offsetof(struct init_options, output), 0},
    {"force", 'f', NULL, "replace a file that is there", OPTION_FLAG,
     offsetof(struct init_options, force), 0},
};

static int file_write(const char *path, struct buf *text, bool force, struct error *ret_error)
{
    if (!force && disk_exists(path))
        return error_set(ret_error, ERROR_USAGE, "\"%s\" is there already; --force replaces it",
                         path);
    if (disk_write(path, text->data, text->size, 0644, false, ret_error) != 0)
        return -1;
    char shown[ERROR_TEXT_MAX];
    printf("wrote %s: edit it, then `beofarm check` and `beofarm run`\n",
           plain_text(shown, sizeof shown, path));
    return 0;
}

/* The survey that a farm file of shots names, beside it. One that is there is somebody's work. */
static int survey_write(const char *farm_path, struct error *ret_error)
{
    const char *slash = strrchr(farm_path, '/');
    char *path;
    struct buf text;
    if (asprintf(&path, "%.*s" SURVEY_FILE, slash ? (int)(slash - farm_path) + 1 : 0,
                 farm_path) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc = 0;
    if (disk_exists(path)) {
        char shown[ERROR_TEXT_MAX];
        printf("%s is there already, and stays as it is\n",
               plain_text(shown, sizeof shown, path));
    } else {
        buf_init(&text, TEXT_MAX);
        rc = starter_write_survey(&text, ret_error);
        if (rc == 0)
            rc = file_write(path, &text, false, ret_error);
        buf_fini(&text);
    }
    free(path);
    return rc;
}

static int init_do(const void *values, char **arguments, size_t count, struct error *ret_error)
{
    const struct init_options *given = values;
    const char *path = given->output ? given->output : FARM_FILE;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    int rc = starter_write(count > 0 ? arguments[0] : "sweep", &text, ret_error);
    if (rc == 0 && strcmp(path, "-") == 0)
        fwrite(text.data, 1, text.size, stdout);
    else if (rc == 0)
        rc = file_write(path, &text, given->force, ret_error);
    if (rc == 0 && count > 0 && strcmp(arguments[0], "shots") == 0 && strcmp(path, "-") != 0)
        rc = survey_write(path, ret_error);
    buf_fini(&text);
    return rc;
}

const struct command command_init = {
    .name = "init",
    .arguments = "[KIND]",
    .summary = "Write a commented farm file to start from",
    .details =
        "KIND is the kind of work: sweep (without KIND, this), socket, external, pest or\n"
        "shots. With shots, a survey that can be run is written beside it.\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct init_options),
    .arguments_max = 1,
    .run = init_do,
};
