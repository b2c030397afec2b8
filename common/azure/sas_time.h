/*
 * sas_time.h - times as Storage writes them into SAS and errors: whole seconds, UTC.
 */
#ifndef BEOFARM_COMMON_AZURE_SAS_TIME_H
#define BEOFARM_COMMON_AZURE_SAS_TIME_H

#include <stdint.h>

/* "2026-11-21T09:00:00Z" for seconds since 1970. Returns text. */
#define SAS_TIME_SIZE 21
char *sas_time_format(int64_t unix_s, char text[SAS_TIME_SIZE]);

/* Read such a time (a fraction of a second is dropped). 0 or -1. */
int sas_time_parse(const char *text, int64_t *ret_unix_s);

#endif
