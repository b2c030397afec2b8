#include "config.h"

#include <stdio.h>
#include <time.h>

#include "common/clock.h"

static int64_t (*monotonic_source)(void);
static int64_t (*wall_source)(void);

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * CLOCK_SECOND_NS + now.tv_nsec;
}

int64_t clock_monotonic_ns(void)
{
    return monotonic_source ? monotonic_source() : read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
    return wall_source ? wall_source() : read_clock(CLOCK_REALTIME);
}

void clock_replace(int64_t (*monotonic_ns)(void), int64_t (*wall_ns)(void))
{
    monotonic_source = monotonic_ns;
    wall_source = wall_ns;
}

char *clock_format_utc(int64_t wall_ns, char *text, size_t size)
{
    time_t seconds = wall_ns / CLOCK_SECOND_NS;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t used = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + used, size - used, ".%03dZ",
             (int)(wall_ns % CLOCK_SECOND_NS / CLOCK_MS_NS));
    return text;
}
