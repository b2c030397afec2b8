#include "config.h"

#include "launch/picture.h"

#include <string.h>

#include "launch/program.h"

#define DRAWER  "beofarm-plot"
#define LIMIT_S 600 /* a slow disk, a huge file */

int picture_option(struct picture_request *request, const char *option, const char *value,
                   struct error *ret_error)
{
    if (request->count + 2 > sizeof request->options / sizeof *request->options)
        return error_set(ret_error, ERROR_USAGE, "there are too many options for a picture");
    request->options[request->count++] = option;
    request->options[request->count++] = value;
    return 0;
}

int picture_draw(const struct picture_request *request, const char *file, const char *png,
                 struct error *ret_error)
{
    const char *args[2 * PICTURE_OPTIONS_MAX + 4];
    struct program_answer answer;
    memcpy(args, request->options, request->count * sizeof *args);
    const char *const rest[] = {"--", file, png, NULL}; /* a file may be called --help */
    memcpy(args + request->count, rest, sizeof rest);
    int rc = program_ask(DRAWER, args, LIMIT_S, &answer, ret_error);
    if (rc == 0 && answer.exit_code != 0)
        rc = program_answer_refuse("beofarm plot", &answer, ret_error);
    program_answer_fini(&answer);
    return rc;
}
