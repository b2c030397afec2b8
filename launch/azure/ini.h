/*
 * ini.h - configuration files as Python's configparser reads them, as far as credentials need it.
 *
 * Lines are "[section]", "key = value" or "key: value"; blank lines and lines that begin with '#'
 * or ';' are skipped. Keys have no case. One pair of quotes around a value is taken off. Values
 * that go on over several lines are refused.
 */
#ifndef BEOFARM_LAUNCH_AZURE_INI_H
#define BEOFARM_LAUNCH_AZURE_INI_H

#include <stddef.h>

#include "common/error.h"

#define INI_LINE_MAX 8192

/* Call `visit` for every key, in order, until it returns non-zero; texts are borrowed during the
 * call, `key` is in lower case, `section` is "" before the first. Returns what visit did, 0, or
 * -1 with a sentence that names NAME:LINE (never the line's content: it may be a secret). */
int ini_read(const char *text, size_t size, const char *name,
             int (*visit)(void *context, const char *section, const char *key,
                          const char *value),
             void *context, struct error *ret_error);

#endif
