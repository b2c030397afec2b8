/*
 * ignore_pattern.h - one pattern of gitignore(5), compiled and matched. Pure.
 */
#ifndef BEOFARM_LAUNCH_IGNORE_PATTERN_H
#define BEOFARM_LAUNCH_IGNORE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct ignore_pattern {
    char *glob;    /* owned; without '!', and without '/' at either end */
    bool negated;  /* takes back what earlier patterns left out */
    bool folder;   /* of folders alone */
    bool anchored; /* of the whole path below its file's folder; else of the last part */
};

/* Read a line (no line end in it). 1: it is a pattern; 0: it is none (blank, comment); -1: no
 * memory. */
int ignore_pattern_read(struct ignore_pattern *pattern, const char *line, size_t size);
void ignore_pattern_fini(struct ignore_pattern *pattern);

/* Does `path`, relative to the folder of the pattern's file, match it? */
bool ignore_pattern_matches(const struct ignore_pattern *pattern, const char *path,
                            bool is_folder);

/* git's wildmatch with WM_PATHNAME: '*' and '?' stop at '/', "**" (or more of them) between slashes
 * or at an end does not. A pattern that makes no sense ("[a", "a\") matches nothing. */
bool ignore_glob_matches(const char *glob, const char *text);

#endif
