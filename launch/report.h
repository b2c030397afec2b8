/*
 * report.h - report.html in a run directory: how the farm went, with pictures of what it made.
 */
#ifndef BEOFARM_LAUNCH_REPORT_H
#define BEOFARM_LAUNCH_REPORT_H

#include "common/error.h"
#include "launch/view.h"

/* Write RUN/report.html, and the pictures it shows into RUN/report/: those of fields (raw or RSF)
 * and gathers (SEG-Y) below RUN/out/, the newest first, at most so many of each. Written again,
 * nothing of the old one is left. A file that cannot be drawn has its sentence instead of a
 * picture. */
#define REPORT_FIELDS_MAX  24
#define REPORT_GATHERS_MAX 6
int report_write(struct view *view, struct error *ret_error);

#endif
