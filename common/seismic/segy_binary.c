/*
 * The binary header, which says how everything behind it is to be read; so what it says is looked
 * at with suspicion.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "common/seismic/segy_private.h"

/* Bytes of the binary header, from 0. */
enum {
    AT_INTERVAL = 16,
    AT_SAMPLES = 20,
    AT_FORMAT = 24,
    AT_UNITS = 54,
    AT_EXTENDED_SAMPLES = 68,
    AT_EXTENDED_INTERVAL = 72,
    AT_MARK = 96,
    AT_REVISION = 300,
    AT_FIXED = 302,
    AT_TEXTS = 304,
    AT_EXTENSIONS = 306,
    AT_TRACES = 312,
    AT_FIRST = 320,
    AT_TRAILERS = 328,
};

#define EXTENSIONS_MAX 1000
#define LABEL_BYTES    128

static int mistake(const struct segy *segy, struct error *ret_error, unsigned at,
                   const char *what)
{
    return error_set(ret_error, ERROR_CONFIG, "%s: binary header, byte %u: %s", segy->path,
                     SEGY_TEXT_SIZE + at + 1, what);
}

/* The order that bytes 3297 to 3300 mark, if they do. */
static int mark_read(const struct segy *segy, const uint8_t *header, enum segy_order *ret_order,
                     struct error *ret_error)
{
    uint64_t mark = segy_get_unsigned(header + AT_MARK, 4, SEGY_BIG);
    *ret_order = mark == 0x01020304 ? SEGY_BIG : mark == 0x04030201 ? SEGY_LITTLE : SEGY_AUTO;
    if (mark == 0x02010403 || mark == 0x03040102)
        return mistake(
            segy, ret_error, AT_MARK,
            "the mark of byte order says that bytes are swapped in pairs, which is not "
            "supported; rewrite the file in big-endian order");
    return 0;
}

/* Which order makes the sample format one that exists; SEGY_AUTO if none does. */
static enum segy_order order_of_format(const uint8_t *header)
{
    if (segy_format_bytes((int)segy_get_unsigned(header + AT_FORMAT, 2, SEGY_BIG)))
        return SEGY_BIG;
    if (segy_format_bytes((int)segy_get_unsigned(header + AT_FORMAT, 2, SEGY_LITTLE)))
        return SEGY_LITTLE;
    return SEGY_AUTO;
}

static int order_read(struct segy *segy, const uint8_t *header, struct error *ret_error)
{
    enum segy_order told = segy->options.order, mark;
    if (mark_read(segy, header, &mark, ret_error) < 0)
        return -1;
    enum segy_order by_format = order_of_format(header);
    if (told && mark && told != mark)
        return mistake(segy, ret_error, AT_MARK,
                       "the mark of byte order says another order than \"byte_order\"");
    if (mark && by_format && mark != by_format && !segy->options.sample_format)
        return mistake(
            segy, ret_error, AT_FORMAT,
            "the sample format is none in the byte order that bytes 3297 to 3300 mark; "
            "give \"sample_format\"");
    segy->format.order = told ? told : mark ? mark : by_format ? by_format : SEGY_BIG;
    return 0;
}

static int sample_format_read(struct segy *segy, const uint8_t *header, struct error *ret_error)
{
    struct segy_format *format = &segy->format;
    int code = (int)segy_get_unsigned(header + AT_FORMAT, 2, format->order);
    format->sample_format = segy->options.sample_format ? segy->options.sample_format : code;
    format->sample_bytes = segy_format_bytes(format->sample_format);
    if (!format->sample_bytes)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: binary header, byte %u: there is no sample format %d (1 IBM float, "
            "5 IEEE float, 3 and 2 integers of 2 and 4 bytes, ...); is it a SEG-Y "
            "file? If so, give \"sample_format\"",
            segy->path, SEGY_TEXT_SIZE + AT_FORMAT + 1, format->sample_format);
    return 0;
}

/* Major and minor number have a byte each; revision 1 as a number of two bytes, written in
 * little-endian order, has them the other way. Blanks were never written. */
static int revision_read(struct segy *segy, const uint8_t *header, struct error *ret_error)
{
    unsigned major = header[AT_REVISION], minor = header[AT_REVISION + 1];
    if (!major && (minor == 1 || minor == 2))
        major = minor;
    if (major == minor && (major == 0x20 || major == 0x40))
        major = 0;
    if (major > 2)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: binary header, byte %u: SEG-Y revision %u.%u is not known (0, 1 and 2 "
            "are)",
            segy->path, SEGY_TEXT_SIZE + AT_REVISION + 1, major, minor);
    segy->format.revision = (int)major;
    return 0;
}

/* Whether a textual header of 3200 bytes is the last of the extended ones, in ASCII or EBCDIC. */
static bool text_ends(const uint8_t *text)
{
    static const uint8_t ascii[] = "EndText))";
    static const uint8_t ebcdic[] = {0xc5, 0x95, 0x84, 0xe3, 0x85, 0xa7, 0xa3, 0x5d, 0x5d};
    return memmem(text, SEGY_TEXT_SIZE, ascii, sizeof(ascii) - 1) ||
           memmem(text, SEGY_TEXT_SIZE, ebcdic, sizeof(ebcdic));
}

/* Skip extended textual headers; as many as there are if count is -1. */
static int texts_skip(struct segy *segy, int64_t count, struct error *ret_error)
{
    uint64_t at = segy->base + SEGY_FIRST;
    if (count < -1)
        return mistake(segy, ret_error, AT_TEXTS,
                       "the number of extended textual headers is below -1");
    if (count >= 0) {
        at += (uint64_t)count * SEGY_TEXT_SIZE;
        if (at > segy->format.size)
            return mistake(segy, ret_error, AT_TEXTS,
                           "more extended textual headers than the file has room for");
        segy->format.first = at;
        return 0;
    }
    for (;;) {
        if (segy->format.size - at < SEGY_TEXT_SIZE)
            return mistake(
                segy, ret_error, AT_TEXTS,
                "extended textual headers up to ((SEG: EndText)) are announced, which "
                "does not come");
        const uint8_t *text = segy_window_get(segy, &segy->window, at, SEGY_TEXT_SIZE,
                                              16 * SEGY_TEXT_SIZE, ret_error);
        if (!text)
            return -1;
        at += SEGY_TEXT_SIZE;
        if (text_ends(text)) {
            segy->format.first = at;
            return 0;
        }
    }
}

/* Four bytes in revision 2.0; in 2.1 two of them, and the others are the survey's type. Some write
 * the latter and call it 2.0. */
static int64_t extensions_read(const uint8_t *header, enum segy_order order)
{
    int64_t wide = segy_get_signed(header + AT_EXTENSIONS, 4, order);
    bool narrow = header[AT_REVISION + 1] > 0 || wide < 0 || wide > EXTENSIONS_MAX;
    return narrow ? segy_get_signed(header + AT_EXTENSIONS, 2, order) : wide;
}

/* What revision 2 adds. */
static int extended_read(struct segy *segy, const uint8_t *header, struct error *ret_error)
{
    struct segy_format *format = &segy->format;
    enum segy_order order = format->order;
    int64_t samples = segy_get_signed(header + AT_EXTENDED_SAMPLES, 4, order);
    double interval = segy_get_float64(header + AT_EXTENDED_INTERVAL, order);
    int64_t extensions = extensions_read(header, order);
    if (samples < 0 || samples > SEGY_SAMPLES_MAX)
        return mistake(segy, ret_error, AT_EXTENDED_SAMPLES,
                       "the extended number of samples is negative or over 2^28");
    if (!(interval >= 0) || !isfinite(interval))
        return mistake(segy, ret_error, AT_EXTENDED_INTERVAL,
                       "the extended sample interval is negative or not a number");
    if (extensions < 0 || extensions > EXTENSIONS_MAX)
        return mistake(segy, ret_error, AT_EXTENSIONS,
                       "the number of additional trace headers is not from 0 to 1000");
    if (samples)
        format->samples = (uint32_t)samples;
    if (interval > 0)
        format->interval = interval;
    format->extensions = (uint32_t)extensions;
    format->traces = segy_get_unsigned(header + AT_TRACES, 8, order);
    return 0;
}

/* Where traces begin and end. */
static int bounds_read(struct segy *segy, const uint8_t *header, struct error *ret_error)
{
    struct segy_format *format = &segy->format;
    enum segy_order order = format->order;
    format->end = format->size;
    format->first = segy->base + SEGY_FIRST;
    if (format->revision < 1)
        return 0;
    int64_t texts = segy_get_signed(header + AT_TEXTS, 2, order);
    uint64_t first = format->revision < 2 ? 0 : segy_get_unsigned(header + AT_FIRST, 8, order);
    if (first && (first < segy->base + SEGY_FIRST || first > format->size))
        return mistake(segy, ret_error, AT_FIRST,
                       "the byte of the first trace lies outside the file");
    int64_t trailers =
        format->revision < 2 ? 0 : segy_get_signed(header + AT_TRAILERS, 4, order);
    if (!first && texts_skip(segy, texts, ret_error) < 0)
        return -1;
    if (first)
        format->first = first;
    if (trailers < -1 ||
        (trailers > 0 && (uint64_t)trailers * SEGY_TEXT_SIZE > format->size - format->first))
        return mistake(segy, ret_error, AT_TRAILERS,
                       "the number of data trailers does not fit the file");
    segy->trailers_unknown = trailers == -1;
    if (trailers > 0)
        format->end -= (uint64_t)trailers * SEGY_TEXT_SIZE;
    return 0;
}

/* Whether the text is that of a model as segy_write.h writes it. */
static bool text_is_of_columns(const uint8_t *text)
{
    uint8_t wanted[sizeof(SEGY_COLUMNS_TEXT) - 1];
    segy_text_encode(SEGY_COLUMNS_TEXT, sizeof(wanted), wanted);
    return memcmp(text + SEGY_COLUMNS_AT, wanted, sizeof(wanted)) == 0;
}

/* A tape label of 128 bytes may stand before everything: "   1SY2.0RECORD". */
static int label_skip(struct segy *segy, struct error *ret_error)
{
    size_t size = SEGY_FIRST;
    const uint8_t *bytes = segy_window_get(segy, &segy->window, 0, size, 2 * size, ret_error);
    if (bytes && !memcmp(bytes + 4, "SY", 2) && !memcmp(bytes + 9, "RECORD", 6) &&
        segy->format.size >= LABEL_BYTES + size)
        segy->base = LABEL_BYTES;
    return bytes ? 0 : -1;
}

int segy_binary_read(struct segy *segy, struct error *ret_error)
{
    struct segy_format *format = &segy->format;
    uint8_t header[SEGY_BINARY_SIZE];
    if (format->size < SEGY_FIRST)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: %llu bytes are fewer than the 3600 of SEG-Y's file headers",
                         segy->path, (unsigned long long)format->size);
    if (label_skip(segy, ret_error) < 0)
        return -1;
    const uint8_t *bytes =
        segy_window_get(segy, &segy->window, segy->base, SEGY_FIRST, SEGY_FIRST, ret_error);
    if (!bytes)
        return -1;
    format->columns = text_is_of_columns(bytes);
    memcpy(header, bytes + SEGY_TEXT_SIZE, sizeof(header));
    if (order_read(segy, header, ret_error) < 0 ||
        sample_format_read(segy, header, ret_error) < 0 ||
        revision_read(segy, header, ret_error) < 0)
        return -1;
    format->samples = (uint32_t)segy_get_unsigned(header + AT_SAMPLES, 2, format->order);
    format->interval = (double)segy_get_unsigned(header + AT_INTERVAL, 2, format->order);
    format->feet = segy_get_unsigned(header + AT_UNITS, 2, format->order) == 2;
    format->fixed =
        format->revision && segy_get_unsigned(header + AT_FIXED, 2, format->order) == 1;
    if (format->revision == 2 && extended_read(segy, header, ret_error) < 0)
        return -1;
    return bounds_read(segy, header, ret_error);
}
