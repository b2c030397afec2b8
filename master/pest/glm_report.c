/* glm_report.c - see glm_report.h. A member is a line of `members`. */
#include "config.h"

#include "master/pest/glm_report.h"

#include <stdlib.h>

#include "master/pest/report.h"

static const struct glm_report_member *const members[] = {
    &report_record,        &report_parameters, &report_residuals,
    &report_sensitivities, &report_tables,     &report_jacobian,
};
#define MEMBERS (sizeof members / sizeof members[0])

struct glm_report {
    void *states[MEMBERS];
};

struct glm_report *glm_report_open(const struct glm_view *view, struct error *ret_error)
{
    struct glm_report *report = calloc(1, sizeof *report);
    if (!report)
        error_set(ret_error, ERROR_SYSTEM, "no memory for the reports");
    for (size_t i = 0; report && i < MEMBERS; i++) {
        report->states[i] = members[i]->open(view, ret_error);
        if (!report->states[i]) {
            glm_report_close(report);
            report = NULL;
        }
    }
    return report;
}

int glm_report_tell(struct glm_report *report, enum glm_event event,
                    const struct glm_view *view, struct error *ret_error)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (members[i]->tell(report->states[i], event, view, ret_error) < 0)
            return -1;
    return 0;
}

void glm_report_close(struct glm_report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < MEMBERS; i++)
        members[i]->close(report->states[i]);
    free(report);
}
