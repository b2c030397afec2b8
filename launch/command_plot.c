/*
 * beofarm plot FILE: a picture of a model, a gradient, an image or a shot's traces. beofarm-plot
 * draws.
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/command.h"
#include "launch/drawing.h"

struct plot_options {
    const char *output, *as, *at, *clip, *colours, *title;
    int64_t shot;
};

static const struct command_option options[] = {
    {"output", 'o', "PNG", "draw into this file (default: FILE.png, here)", OPTION_TEXT,
     offsetof(struct plot_options, output), 0},
    {"as", 0, "KIND", "model or gather, where a SEG-Y file does not say", OPTION_TEXT,
     offsetof(struct plot_options, as), 0},
    {"shot", 0, "N", "the traces of this shot (default: the first)", OPTION_COUNT,
     offsetof(struct plot_options, shot), INT32_MIN}, /* as SEG-Y may have them */
    {"at", 0, "y=M,...", "3-D: cut at x=, y=, z= metres (default: middle)", OPTION_TEXT,
     offsetof(struct plot_options, at), 0},
    {"clip", 0, "PERCENT", "so many of the values within the scale", OPTION_TEXT,
     offsetof(struct plot_options, clip), 0},
    {"colours", 0, "NAME", "grey, red-white-blue or viridis", OPTION_TEXT,
     offsetof(struct plot_options, colours), 0},
    {"title", 0, "TEXT", "instead of the file's name", OPTION_TEXT,
     offsetof(struct plot_options, title), 0},
};

/* The file's name with .png for its ending, in the working directory. */
static char *output_default(const char *file, struct error *ret_error)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    const char *dot = strrchr(name, '.');
    size_t size = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    char *output = malloc(size + sizeof ".png");
    if (!output) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a file's name");
        return NULL;
    }
    memcpy(output, name, size);
    memcpy(output + size, ".png", sizeof ".png");
    return output;
}

/* "x=100,z=20" as an option for each. */
static int at_add(struct drawing *drawing, char *text, struct error *ret_error)
{
    for (char *part; (part = strsep(&text, ","));)
        if (drawing_option(drawing, "--at", part, ret_error) < 0)
            return -1;
    return 0;
}

static int drawing_fill(struct drawing *drawing, const struct plot_options *given, char *at,
                        char shot[24], struct error *ret_error)
{
    const bool has_shot = given->shot != OPTION_NOT_GIVEN;
    const struct {
        const char *option, *value; /* NULL: not given */
    } table[] = {{"--as", given->as},
                 {"--clip", given->clip},
                 {"--colours", given->colours},
                 {"--title", given->title},
                 {"--shot", has_shot ? shot : NULL}};
    snprintf(shot, 24, "%" PRId64, given->shot);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].value &&
            drawing_option(drawing, table[i].option, table[i].value, ret_error) < 0)
            return -1;
    return at ? at_add(drawing, at, ret_error) : 0;
}

static int plot_do(const void *values, char **arguments, size_t count, struct error *ret_error)
{
    const struct plot_options *given = values;
    struct drawing drawing = {0};
    char shot[24];
    if (count != 1)
        return error_set(ret_error, ERROR_USAGE, "beofarm plot needs one file");
    char *at = given->at ? strdup(given->at) : NULL;
    char *output =
        given->output ? strdup(given->output) : output_default(arguments[0], ret_error);
    int rc = output ? drawing_fill(&drawing, given, at, shot, ret_error) : -1;
    if (rc == 0)
        rc = drawing_make(&drawing, arguments[0], output, ret_error);
    if (rc == 0)
        puts(output);
    free(output);
    free(at);
    return rc;
}

const struct command command_plot = {
    .name = "plot",
    .arguments = "FILE",
    .summary = "Draw a model, a gradient, an image or a shot's traces as PNG",
    .details =
        "FILE is SEG-Y, raw values with a JSON header (name the header), or RSF. Axes are in\n"
        "metres and seconds; the colour scale and what it is clipped to are written beside.\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct plot_options),
    .arguments_max = 1,
    .run = plot_do,
};
