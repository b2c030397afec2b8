#include "config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/azure/http.h"
#include "common/hex.h"

const char *http_header_find(const struct http_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(headers[i].name, name) == 0)
            return headers[i].value;
    return NULL;
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    return http_header_find(response->headers, response->headers_count, name);
}

/* By hand, since strftime and strptime speak the user's language. */
static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

char *http_date_format(int64_t unix_s, char text[HTTP_DATE_SIZE])
{
    struct tm tm;
    time_t time = (time_t)unix_s;
    if (!gmtime_r(&time, &tm) || tm.tm_year > 9999 - 1900)
        memset(&tm, 0, sizeof(tm));
    snprintf(text, HTTP_DATE_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
             days + (size_t)tm.tm_wday * 3, (unsigned)tm.tm_mday % 100,
             months + (size_t)tm.tm_mon * 3, (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    return text;
}

static int digits(const char *text, int count)
{
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = 10 * number + (text[i] - '0');
    }
    return number;
}

static int month_find(const char *text)
{
    for (int i = 0; i < 12; i++)
        if (strncmp(months + (size_t)i * 3, text, 3) == 0)
            return i;
    return -1;
}

int http_date_parse(const char *text, int64_t *ret_unix_s)
{
    /* Sat, 21 Nov 2026 09:00:00 GMT */
    static const char pattern[] = "..., .. ... .... ..:..:.. GMT";
    if (!text || strlen(text) != sizeof(pattern) - 1)
        return -1;
    for (size_t i = 0; pattern[i]; i++)
        if (pattern[i] != '.' && pattern[i] != text[i])
            return -1;
    struct tm tm = {.tm_mday = digits(text + 5, 2),
                    .tm_mon = month_find(text + 8),
                    .tm_year = digits(text + 12, 4) - 1900,
                    .tm_hour = digits(text + 17, 2),
                    .tm_min = digits(text + 20, 2),
                    .tm_sec = digits(text + 23, 2)};
    if (tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_mon < 0 || tm.tm_year < 0 ||
        tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
        tm.tm_sec > 60)
        return -1;
    *ret_unix_s = (int64_t)timegm(&tm);
    return 0;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

int http_encode(struct buf *buf, const char *text, const char *keep)
{
    for (; *text; text++) {
        if (is_unreserved(*text) || (keep && strchr(keep, *text)))
            buf_append(buf, text, 1);
        else
            buf_printf(buf, "%%%02X", (unsigned char)*text);
    }
    return buf_failed(buf) ? -1 : 0;
}

int http_decode(struct buf *buf, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        uint8_t byte;
        if (c == '%' && size - i > 2 && hex_parse(text + i + 1, &byte, 1) == 0) {
            c = (char)byte;
            i += 2;
        }
        buf_append(buf, &c, 1);
    }
    return buf_failed(buf) ? -1 : 0;
}
