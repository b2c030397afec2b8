#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/segy_private.h"
#include "common/seismic/segy_write.h"
#include "common/whole.h"

struct segy_writer {
    struct whole whole;
    struct segy_write_format format;
    uint8_t *bytes; /* one trace */
    uint64_t written;
};

/* EBCDIC (code page 037) of ASCII 32 to 126. */
static const uint8_t ebcdic[] = {
    0x40, 0x5a, 0x7f, 0x7b, 0x5b, 0x6c, 0x50, 0x7d, 0x4d, 0x5d, 0x5c, 0x4e, 0x6b, 0x60,
    0x4b, 0x61, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0x7a, 0x5e,
    0x4c, 0x7e, 0x6e, 0x6f, 0x7c, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9,
    0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6,
    0xe7, 0xe8, 0xe9, 0xba, 0xe0, 0xbb, 0xb0, 0x6d, 0x79, 0x81, 0x82, 0x83, 0x84, 0x85,
    0x86, 0x87, 0x88, 0x89, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0xa2,
    0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xc0, 0x4f, 0xd0, 0xa1};

/* Big-endian, at a byte counted from 1 as the standard does. */
static void put(uint8_t *header, unsigned byte, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        header[byte - 1 + i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static void put_float(uint8_t *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put(at, 1, 4, bits);
}

static void put_double(uint8_t *header, unsigned byte, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put(header, byte, 8, bits);
}

#define LINES      40
#define LINE_BYTES 80

void segy_text_encode(const char *ascii, size_t size, uint8_t *ret_ebcdic)
{
    for (size_t i = 0; i < size; i++)
        ret_ebcdic[i] = ebcdic[ascii[i] >= 32 && ascii[i] < 127 ? ascii[i] - 32 : 0];
}

static void text_fill(const struct segy_write_format *format, uint8_t *text)
{
    for (int i = 0; i < LINES; i++) {
        char line[LINE_BYTES + 1];
        const char *said =
            i == 0    ? (format->title ? format->title : "")
            : i == 1  ? "written by beofarm; IEEE floats, big-endian"
            : i == 2  ? (format->depth ? SEGY_COLUMNS_TEXT ": sample interval in millimetres"
                                       : "coordinates in metres; receivers' depth is minus "
                                         "their elevation")
            : i == 38 ? (format->revision == 2 ? "SEG-Y REV2.0" : "SEG Y REV1")
            : i == 39 ? "END TEXTUAL HEADER"
                      : "";
        int size = snprintf(line, sizeof(line), "C%2d %s", i + 1, said);
        if (size < LINE_BYTES)
            memset(line + size, ' ', (size_t)(LINE_BYTES - size));
        segy_text_encode(line, LINE_BYTES, text + i * LINE_BYTES);
    }
}

static uint64_t least(uint64_t value, uint64_t most)
{
    return value < most ? value : most;
}

static void binary_fill(const struct segy_write_format *format, uint8_t *header)
{
    bool whole =
        format->interval_us == floor(format->interval_us) && format->interval_us <= 65535;
    uint64_t interval = whole ? (uint64_t)format->interval_us : 0;
    uint64_t samples = format->samples <= 65535 ? format->samples : 0;
    put(header, 1, 4, 1); /* job */
    put(header, 5, 4, 1); /* line */
    put(header, 9, 4, 1); /* reel */
    put(header, 13, 2, least(format->ensemble, 32767));
    put(header, 17, 2, interval);
    put(header, 19, 2, interval);
    put(header, 21, 2, samples);
    put(header, 23, 2, samples);
    put(header, 25, 2, 5);                     /* IEEE float */
    put(header, 27, 2, 1);                     /* fold */
    put(header, 29, 2, format->depth ? 4 : 5); /* stacked; by common source */
    put(header, 55, 2, 1);                     /* metres */
    put(header, 301, 1, (uint64_t)format->revision);
    put(header, 303, 2, 1); /* all traces have one length */
    if (format->revision < 2)
        return;
    put(header, 61, 4, least(format->ensemble, INT32_MAX));
    put(header, 69, 4, format->samples);
    put_double(header, 73, format->interval_us);
    put_double(header, 81, format->interval_us);
    put(header, 89, 4, format->samples);
    put(header, 97, 4, 0x01020304);
    put(header, 313, 8, format->traces);
    put(header, 321, 8, SEGY_FIRST);
}

/* What a delay is multiplied by (the scalar of times tells, as a divisor) to be a whole number of
 * 16 bits; 0: nothing does. */
static int delay_divisor(double delay_s)
{
    for (int divisor = 1; divisor <= 10000; divisor *= 10) {
        double scaled = delay_s * 1e3 * divisor;
        if (fabs(scaled) > INT16_MAX)
            return 0;
        if (fabs(scaled - rint(scaled)) <= 1e-6)
            return divisor;
    }
    return 0;
}

int segy_write_check(const struct segy_write_format *format, const char *name,
                     struct error *ret_error)
{
    double us = format->interval_us;
    if (!(us > 0) || !format->samples)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: traces of %u samples every %g microseconds cannot be written",
                         name, format->samples, us);
    if (format->revision < 2 && (format->samples > 65535 || us > 65535 || us != floor(us)))
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: SEG-Y revision 1 cannot say %u samples every %g microseconds (65535 "
            "of both at most, and whole ones); write revision 2",
            name, format->samples, us);
    if (!delay_divisor(format->delay_s))
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: SEG-Y cannot say that recording begins at %.9g ms (up to 32767, in "
            "as many digits)",
            name, format->delay_s * 1e3);
    return 0;
}

struct segy_writer *segy_write_open(const char *path, const struct segy_write_format *format,
                                    struct error *ret_error)
{
    uint8_t head[SEGY_FIRST] = {0};
    if (segy_write_check(format, path, ret_error) < 0)
        return NULL;
    struct segy_writer *writer = calloc(1, sizeof(*writer));
    if (writer) {
        writer->format = *format;
        writer->format.title = NULL;
        writer->bytes = malloc(SEGY_HEADER_SIZE + (size_t)4 * format->samples);
    }
    if (!writer || !writer->bytes) {
        free(writer);
        error_set(ret_error, ERROR_SYSTEM, "no memory to write %s", path);
        return NULL;
    }
    if (whole_open(&writer->whole, path, ret_error) < 0) {
        segy_write_abandon(writer);
        return NULL;
    }
    text_fill(format, head);
    binary_fill(format, head + SEGY_TEXT_SIZE);
    fwrite(head, sizeof(head), 1, writer->whole.stream); /* commit tells whether it worked */
    return writer;
}

/* The divisor that keeps all values as whole numbers of 32 bits: exactly if one does, else the
 * finest that fits. 0 if none does. */
static int divisor_choose(const double *values, size_t count)
{
    int best = 0;
    for (int divisor = 1; divisor <= 10000; divisor *= 10) {
        bool fits = true, exact = true;
        for (size_t i = 0; i < count; i++) {
            double scaled = values[i] * divisor;
            fits = fits && fabs(scaled) <= INT32_MAX;
            exact = exact && fabs(scaled - rint(scaled)) <= 1e-6;
        }
        if (!fits)
            break;
        best = divisor;
        if (exact)
            break;
    }
    return best;
}

static void put_scaled(uint8_t *header, unsigned byte, double value, int divisor)
{
    put(header, byte, 4, (uint64_t)(int64_t)rint(value * divisor));
}

static int coordinates_fill(const struct segy_writer *writer,
                            const struct segy_write_trace *trace, uint8_t *header,
                            struct error *ret_error)
{
    const struct point *s = writer->format.depth ? &trace->cdp : &trace->source;
    const struct point *r = writer->format.depth ? &trace->cdp : &trace->receiver;
    double cdp_x = (s->x + r->x) / 2, cdp_y = (s->y + r->y) / 2;
    const double places[] = {s->x, s->y, r->x, r->y}, depths[] = {s->z, r->z};
    int divisor = divisor_choose(places, 4), depth_divisor = divisor_choose(depths, 2);
    if (!divisor || !depth_divisor)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: trace %llu: coordinates (%g, %g, %g) and (%g, %g, %g) do not fit in "
            "SEG-Y's words",
            writer->whole.path, (unsigned long long)writer->written + 1, s->x, s->y, s->z, r->x,
            r->y, r->z);
    put(header, 69, 2, (uint64_t)(depth_divisor == 1 ? 1 : -depth_divisor));
    put(header, 71, 2, (uint64_t)(divisor == 1 ? 1 : -divisor));
    put_scaled(header, 41, -r->z, depth_divisor);
    put_scaled(header, 49, s->z, depth_divisor);
    put_scaled(header, 73, s->x, divisor);
    put_scaled(header, 77, s->y, divisor);
    put_scaled(header, 81, r->x, divisor);
    put_scaled(header, 85, r->y, divisor);
    put_scaled(header, 181, cdp_x, divisor);
    put_scaled(header, 185, cdp_y, divisor);
    double offset = hypot(r->x - s->x, r->y - s->y);
    put(header, 37, 4, (uint64_t)(int64_t)rint(r->x < s->x ? -offset : offset));
    put(header, 89, 2, 1); /* units of length */
    return 0;
}

static void header_fill(const struct segy_writer *writer, const struct segy_write_trace *trace,
                        uint8_t *header)
{
    const struct segy_write_format *format = &writer->format;
    uint64_t number = writer->written + 1;
    int delay = delay_divisor(format->delay_s);
    put(header, 1, 4, number);
    put(header, 5, 4, number);
    put(header, 9, 4, (uint64_t)trace->shot);
    put(header, 13, 4, (uint64_t)trace->channel);
    put(header, 17, 4, (uint64_t)trace->shot);
    put(header, 21, 4, format->depth ? number : (uint64_t)trace->shot);
    put(header, 25, 4, format->depth ? 1 : (uint64_t)trace->channel);
    put(header, 29, 2, 1); /* seismic data */
    put(header, 31, 2, 1);
    put(header, 33, 2, 1);
    put(header, 35, 2, 1);
    put(header, 109, 2, (uint64_t)(int64_t)rint(format->delay_s * 1e3 * delay));
    if (delay > 1)
        put(header, 215, 2, (uint64_t)(int64_t)-delay);
    put(header, 115, 2, format->samples <= 65535 ? format->samples : 0);
    if (format->interval_us == floor(format->interval_us) && format->interval_us <= 65535)
        put(header, 117, 2, (uint64_t)format->interval_us);
    put(header, 189, 4, (uint64_t)(int64_t)trace->inline_number);
    put(header, 193, 4, (uint64_t)(int64_t)trace->crossline_number);
    put(header, 197, 4, (uint64_t)trace->shot);
}

int segy_write_next(struct segy_writer *writer, const struct segy_write_trace *trace,
                    const float *samples, struct error *ret_error)
{
    uint8_t *header = writer->bytes;
    memset(header, 0, SEGY_HEADER_SIZE);
    if (trace->shot < INT32_MIN || trace->shot > INT32_MAX)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: the shot's number %lld does not fit in SEG-Y's four bytes",
                         writer->whole.path, (long long)trace->shot);
    header_fill(writer, trace, header);
    if (coordinates_fill(writer, trace, header, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < writer->format.samples; i++)
        put_float(header + SEGY_HEADER_SIZE + 4 * i, samples[i]);
    size_t size = SEGY_HEADER_SIZE + (size_t)4 * writer->format.samples;
    if (fwrite(header, size, 1, writer->whole.stream) != 1)
        return error_errno(ret_error, errno, "%s cannot be written", writer->whole.path);
    writer->written++;
    return 0;
}

static void writer_free(struct segy_writer *writer)
{
    free(writer->bytes);
    free(writer);
}

int segy_write_commit(struct segy_writer *writer, struct error *ret_error)
{
    int status;
    if (writer->format.traces && writer->format.traces != writer->written) {
        status = error_set(ret_error, ERROR_BUG, "%s: %llu traces written where %llu were told",
                           writer->whole.path, (unsigned long long)writer->written,
                           (unsigned long long)writer->format.traces);
        whole_abandon(&writer->whole);
    } else {
        status = whole_commit(&writer->whole, ret_error);
    }
    writer_free(writer);
    return status;
}

void segy_write_abandon(struct segy_writer *writer)
{
    if (!writer)
        return;
    whole_abandon(&writer->whole);
    writer_free(writer);
}
