/*
 * report_private.h - the parts of a report; for report*.c alone.
 */
#ifndef BEOFARM_LAUNCH_REPORT_PRIVATE_H
#define BEOFARM_LAUNCH_REPORT_PRIVATE_H

#include <stdio.h>

#include "launch/report.h"

/* Text with what HTML would take for itself escaped. */
void report_text(FILE *html, const char *text);

/* The objective function over the runs of an estimation, as inline SVG; nothing if there is none.
 * Reads what every master of the farm said. */
int report_curve(struct view *view, FILE *html, struct error *ret_error);

/* Draw what lies below `out` (a folder; it may be missing) into `folder`, which is there, and show
 * it; `shown` is how the page calls that folder. */
int report_pictures(const char *out, const char *folder, const char *shown, FILE *html,
                    struct error *ret_error);

#endif
