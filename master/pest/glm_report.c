/* glm_report.c - see glm_report.h. A member is a line of `members`. */
#include "config.h"

#include <stdlib.h>

#include "master/pest/glm_report.h"

static const struct glm_report_member *const members[] = {
    NULL, /* the end */
};

#define MEMBER_COUNT (sizeof members / sizeof *members - 1)

struct glm_report {
    void *states[MEMBER_COUNT + 1];
    size_t count;
};

struct glm_report *glm_report_open(const struct glm_view *view, struct error *ret_error)
{
    struct glm_report *report = calloc(1, sizeof *report);

    if (!report) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the report");
        return NULL;
    }
    for (; members[report->count]; report->count++) {
        report->states[report->count] = members[report->count]->open(view, ret_error);
        if (!report->states[report->count]) {
            glm_report_close(report);
            return NULL;
        }
    }
    return report;
}

int glm_report_tell(struct glm_report *report, enum glm_event event,
                    const struct glm_view *view, struct error *ret_error)
{
    for (size_t i = 0; i < report->count; i++)
        if (members[i]->tell(report->states[i], event, view, ret_error) != 0)
            return error_prefix(ret_error, "%s", members[i]->name);
    return 0;
}

void glm_report_close(struct glm_report *report)
{
    for (size_t i = 0; report && i < report->count; i++)
        members[i]->close(report->states[i]);
    free(report);
}
