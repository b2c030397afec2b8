/*
 * error.h - how a failing call hands up a sentence.
 *
 * A fallible function takes `struct error *ret_error` last, returns -1 (or NULL), and fills the
 * error with a code and a sentence that says what was wrong, where, and what to do about it.
 * Library code never logs: the program that knows the context prints the sentence once. Secrets
 * (keys, SAS, the farm's secret) never go into a sentence.
 */
#ifndef BEOFARM_COMMON_ERROR_H
#define BEOFARM_COMMON_ERROR_H

#include <stdarg.h>
#include <stddef.h>

/* The kinds of failure. Their values are the exit codes of all three programs (docs/man). */
enum error_code {
    ERROR_NONE = 0,
    ERROR_TASKS = 1,   /* the farm ended, but some tasks failed */
    ERROR_USAGE = 2,   /* the command line was wrong */
    ERROR_CONFIG = 3,  /* farm.json, or a file it names, was wrong */
    ERROR_SYSTEM = 4,  /* the machine refused: disk, memory, permission, missing program */
    ERROR_NETWORK = 5, /* a connection failed, was lost, or spoke nonsense */
    ERROR_AUTH = 6,    /* the secret was wrong */
    ERROR_BACKEND = 7, /* the backend refused, or its tasks could not run */
    ERROR_CHANGED = 8, /* --resume found that the farm's files have changed */
    ERROR_BUG = 70,    /* beofarm broke its own rules; please report */
    ERROR_INTERRUPTED = 130, /* stopped by Ctrl-C or SIGTERM; resumable */
};

#define ERROR_TEXT_MAX 1024

struct error {
    enum error_code code;
    char text
        [ERROR_TEXT_MAX]; /* a sentence, always NUL-terminated; cut with "..." if too long */
};

/* Whatever names of files and other texts are put into a sentence, it is one line: control
 * characters become escapes, and words that are too long are cut in their middle
 * (common/plain.h). */

/* Fill *error (which may be NULL) and return -1, so that failing is a single line. */
int error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int error_vset(struct error *error, enum error_code code, const char *format, va_list args);

/* As error_set with ERROR_SYSTEM, and appends ": " and strerror(errno_value). */
int error_errno(struct error *error, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "CONTEXT: " before the sentence already there, keeping its code. Returns -1. */
int error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What follows `name` (of a file, say) in a sentence that begins with it; NULL if it does not. */
const char *error_after(const struct error *error, const char *name);

#endif
