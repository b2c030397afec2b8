#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static char speaker[128] = "beofarm";
static enum log_level threshold = LOG_INFO;

void log_open(const char *who)
{
    char host[65] = "";
    gethostname(host, sizeof(host) - 1);
    snprintf(speaker, sizeof(speaker), "%s@%s", who, host);
    const char *wanted = getenv("BEOFARM_LOG");
    for (int i = 0; wanted && i <= LOG_DEBUG; i++)
        if (strcmp(wanted, level_names[i]) == 0)
            threshold = (enum log_level)i;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level > threshold)
        return;
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' ';
    char when[32];
    /* One write per line, so that lines of several processes do not mix. */
    char line[2300];
    int length = snprintf(line, sizeof(line), "%s %s %s: %s\n",
                          clock_format_utc(clock_wall_ns(), when, sizeof(when)),
                          level_names[level], speaker, text);
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written; /* A full disk must not stop the farm for the sake of a log line. */
}
