#include "config.h"

#include "launch/drawing.h"

#include <string.h>

#include "launch/program.h"

#define DRAWER  "beofarm-plot"
#define LIMIT_S 600 /* a slow disk, a huge file */

int drawing_option(struct drawing *drawing, const char *option, const char *value,
                   struct error *ret_error)
{
    if (drawing->count + 2 > sizeof drawing->options / sizeof *drawing->options)
        return error_set(ret_error, ERROR_USAGE, "there are too many options for a drawing");
    drawing->options[drawing->count++] = option;
    drawing->options[drawing->count++] = value;
    return 0;
}

int drawing_make(const struct drawing *drawing, const char *file, const char *png,
                 struct error *ret_error)
{
    const char *args[2 * DRAWING_OPTIONS_MAX + 4];
    struct program_answer answer;
    memcpy(args, drawing->options, drawing->count * sizeof *args);
    const char *const rest[] = {"--", file, png, NULL}; /* a file may be called --help */
    memcpy(args + drawing->count, rest, sizeof rest);
    int rc = program_ask(DRAWER, args, LIMIT_S, &answer, ret_error);
    if (rc == 0 && answer.exit_code != 0)
        rc = program_answer_refuse("beofarm plot", &answer, ret_error);
    program_answer_fini(&answer);
    return rc;
}
