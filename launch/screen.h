/*
 * screen.h - what a farm looks like to the person who watches it.
 *
 * On a terminal: one line that is drawn again and again, with notices above it. Where stdout is no
 * terminal: plain lines, ever more seldom. With --json: the master's own events as they come, and
 * launch's in the same form. With --quiet: only what went wrong, and the summary.
 */
#ifndef BEOFARM_LAUNCH_SCREEN_H
#define BEOFARM_LAUNCH_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "launch/progress.h"

enum screen_mode { SCREEN_TERMINAL, SCREEN_PLAIN, SCREEN_JSON, SCREEN_QUIET };

struct screen {
    enum screen_mode mode;
    bool line_shown; /* an unfinished progress line stands on the terminal */
    int64_t next_ns; /* when the progress may be shown again */
    int64_t interval_ns;
    double shown_s;  /* elapsed_s of the progress shown last, to say nothing twice */
    size_t failures; /* failed tasks whose sentences were shown */
};

/* Terminal or plain by what stdout is. */
void screen_init(struct screen *screen, bool json, bool quiet);

/* A line of the master's stdout came in (progress_feed's `each`, with the screen as context). */
void screen_event(struct screen *screen, const char *text, const cJSON *event);

/* Something to know, from launch itself. */
void screen_notice(struct screen *screen, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Show how far the farm is, if it is time to. */
void screen_progress(struct screen *screen, const struct progress *progress);

/* Take the progress line away. */
void screen_finish(struct screen *screen);

/* How a farm ended, on one screen. `run_dir` is shown as given. */
struct screen_summary {
    const char *name, *run_dir;
    const char *outcome; /* a sentence; NULL if all went well */
    bool resumable;      /* say how */
    int exit_code;
    bool has_outputs; /* there are files in out/ */
    const char *home; /* where files were copied from there; NULL: nowhere */
};
void screen_summarize(struct screen *screen, const struct progress *progress,
                      const struct screen_summary *summary);

/* Print text for a terminal: no control characters. */
void screen_put_text(FILE *stream, const char *text);

/* The same for bytes that may hold anything; lines stay lines. */
void screen_put_lines(FILE *stream, const char *bytes, size_t size);

/* "1 h 02 min", "3 min 20 s", "12.3 s". Returns text. */
char *screen_format_time(double seconds, char *text, size_t size);

/* "iteration 2, phi 12.3, Jacobian 7/12, 17/240 done, 1 failed, 3.1/s, 2 workers, 8 slots, 1 min 12
 * s left". Returns text. */
char *screen_format_progress(const struct progress *progress, char *text, size_t size);

#endif
