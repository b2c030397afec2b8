#include "config.h"

#include "common/azure/sas_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

char *sas_time_format(int64_t unix_s, char text[SAS_TIME_SIZE])
{
    struct tm tm;
    time_t time = (time_t)unix_s;
    if (!gmtime_r(&time, &tm))
        memset(&tm, 0, sizeof(tm));
    snprintf(text, SAS_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ",
             (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
             (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
             (unsigned)tm.tm_sec % 100);
    return text;
}

int sas_time_parse(const char *text, int64_t *ret_unix_s)
{
    static const char pattern[] = "0000-00-00T00:00:00";
    size_t size = sizeof(pattern) - 1;
    for (size_t i = 0; i < size; i++)
        if (pattern[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != pattern[i])
            return -1;
    const char *end = text + size;
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (strcmp(end, "Z") != 0)
        return -1;
    struct tm tm = {.tm_year = (int)strtol(text, NULL, 10) - 1900,
                    .tm_mon = (int)strtol(text + 5, NULL, 10) - 1,
                    .tm_mday = (int)strtol(text + 8, NULL, 10),
                    .tm_hour = (int)strtol(text + 11, NULL, 10),
                    .tm_min = (int)strtol(text + 14, NULL, 10),
                    .tm_sec = (int)strtol(text + 17, NULL, 10)};
    if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return -1;
    *ret_unix_s = (int64_t)timegm(&tm);
    return 0;
}
