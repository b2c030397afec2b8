/*
 * beofarm report: one page about a farm.
 */
#include "config.h"

#include <stdio.h>

#include "common/plain.h"
#include "launch/command.h"
#include "launch/report.h"

static int report_do(const void *values, char **arguments, size_t count,
                     struct error *ret_error)
{
    struct view view = {0};
    char path[ERROR_TEXT_MAX];
    (void)values;
    int code = view_open(count > 0 ? arguments[0] : NULL, &view, ret_error);
    if (code == 0)
        code = report_write(&view, ret_error);
    if (code == 0)
        printf("%s/report.html\n", plain_text(path, sizeof path, view.rundir.path));
    if (view.rundir.path)
        view_close(&view);
    return code;
}

const struct command command_report = {
    .name = "report",
    .arguments = "[RUN | FARM.json]",
    .summary = "Write a page about a run, with pictures of what it made",
    .details =
        "RUN/report.html shows how the farm went, how an objective function fell, and models,\n"
        "gradients, images and gathers below RUN/out/. Without RUN, the newest in ./runs.\n",
    .arguments_max = 1,
    .run = report_do,
};
