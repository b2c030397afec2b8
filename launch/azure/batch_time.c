/*
 * Times and durations of ISO 8601, in the forms that the service uses.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "launch/azure/batch.h"

/* Read exactly `count` digits; -1 where there are fewer. */
static int digits_read(const char **text, int count)
{
    int number = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return -1;
        number = 10 * number + (**text - '0');
    }
    return number;
}

/* Read `count` digits between low and high, and `behind` (unless NUL) after them. */
static int part_read(const char **text, int count, int low, int high, char behind, int *ret)
{
    int number = digits_read(text, count);
    if (number < low || number > high)
        return -1;
    if (behind && *(*text)++ != behind)
        return -1;
    *ret = number;
    return 0;
}

/* ".1234567" in ns; nothing is 0. */
static int64_t fraction_read(const char **text)
{
    int64_t ns = 0, unit = CLOCK_SECOND_NS / 10;
    if (**text != '.')
        return 0;
    for ((*text)++; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
        ns += (**text - '0') * unit;
    return ns;
}

/* "Z", nothing, "+HH:MM" or "-HH:MM", in seconds east. */
static int zone_read(const char **text, int *ret_s)
{
    int hours, minutes, sign = **text == '-' ? -1 : 1;
    *ret_s = 0;
    if (**text == 'Z' || **text == 'z') {
        (*text)++;
        return 0;
    }
    if (**text != '+' && **text != '-')
        return 0;
    (*text)++;
    if (part_read(text, 2, 0, 23, ':', &hours) != 0 ||
        part_read(text, 2, 0, 59, '\0', &minutes) != 0)
        return -1;
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return 0;
}

int batch_time_parse(const char *text, int64_t *ret_ns)
{
    struct tm tm = {0};
    int zone_s;
    if (part_read(&text, 4, 1970, 2200, '-', &tm.tm_year) != 0 ||
        part_read(&text, 2, 1, 12, '-', &tm.tm_mon) != 0 ||
        part_read(&text, 2, 1, 31, 'T', &tm.tm_mday) != 0 ||
        part_read(&text, 2, 0, 23, ':', &tm.tm_hour) != 0 ||
        part_read(&text, 2, 0, 59, ':', &tm.tm_min) != 0 ||
        part_read(&text, 2, 0, 60, '\0', &tm.tm_sec) != 0)
        return -1;
    int64_t ns = fraction_read(&text);
    if (zone_read(&text, &zone_s) != 0 || *text)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_ns = ((int64_t)timegm(&tm) - zone_s) * CLOCK_SECOND_NS + ns;
    return 0;
}

char *batch_time_format(int64_t ns, char text[BATCH_TIME_SIZE])
{
    time_t s = (time_t)(ns / CLOCK_SECOND_NS);
    struct tm tm;
    if (!gmtime_r(&s, &tm) || strftime(text, BATCH_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        memcpy(text, "1970-01-01T00:00:00Z", BATCH_TIME_SIZE);
    return text;
}

/* One "12.5H" of a duration; the unit goes to *ret_unit. */
static int amount_read(const char **text, int64_t *ret_whole, char *ret_unit)
{
    int64_t whole = 0;
    if (**text < '0' || **text > '9')
        return -1;
    for (; **text >= '0' && **text <= '9'; (*text)++)
        whole = whole < INT64_MAX / 20 ? 10 * whole + (**text - '0') : INT64_MAX / 20;
    bool broken = **text == '.';
    fraction_read(text);
    *ret_unit = **text;
    if (!**text || (broken && **text != 'S'))
        return -1;
    (*text)++;
    *ret_whole = whole;
    return 0;
}

/* Seconds of one unit, before or after the T; 0 for none that there is. Months and years have no
 * fixed length, and the service does not use them. */
static int64_t unit_s(char unit, bool timed)
{
    if (!timed)
        return unit == 'D' ? 86400 : unit == 'W' ? 7 * 86400 : 0;
    return unit == 'H' ? 3600 : unit == 'M' ? 60 : unit == 'S' ? 1 : 0;
}

int batch_duration_parse(const char *text, int64_t *ret_s)
{
    int64_t total = 0, amount;
    bool timed = false, any = false;
    char unit;
    if (*text++ != 'P')
        return -1;
    while (*text) {
        if (*text == 'T' && !timed) {
            timed = true;
            text++;
            continue;
        }
        if (amount_read(&text, &amount, &unit) != 0 || unit_s(unit, timed) == 0)
            return -1;
        any = true;
        if (amount > (INT64_MAX - total) / unit_s(unit, timed))
            total = INT64_MAX;
        else
            total += amount * unit_s(unit, timed);
    }
    /* .NET's longest time span stands for "no limit". */
    *ret_s = total >= INT64_C(10675199) * 86400 ? INT64_MAX : total;
    return any ? 0 : -1;
}

char *batch_duration_format(int64_t s, char text[BATCH_DURATION_SIZE])
{
    snprintf(text, BATCH_DURATION_SIZE, "PT%lldS", (long long)(s > 0 ? s : 0));
    return text;
}
