/*
 * log.h - log lines on stderr, for the programs alone.
 *
 * Modules return sentences (error.h); a program logs them once, where the context is known. A
 * line reads "2026-11-21T11:46:05.123Z warn master@node7: sentence". Control characters in a
 * sentence become blanks, so that one event is always one line.
 */
#ifndef BEOFARM_COMMON_LOG_H
#define BEOFARM_COMMON_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Who is speaking ("master", "worker 3"); the host's name is added. The text is copied. */
void log_open(const char *who);

/* Write a line to stderr, printed as by printf. Lines above a level are dropped: that of
 * $BEOFARM_LOG (error, warn, info, debug) where it is set, else LOG_INFO. */
void log_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
