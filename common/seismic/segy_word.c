/*
 * Words of trace headers: where the standard has them, and what they mean.
 */
#include "config.h"

#include <math.h>

#include "common/seismic/segy_private.h"

/* Where a word stands; and in the first extension (from 0; 0: nowhere), as 8 bytes but for
 * samples. */
static const struct {
    const char *name;
    unsigned byte;
    enum segy_type type;
    unsigned extension;
    enum segy_type extension_type;
} standard[SEGY_WORDS] = {
    [SEGY_SHOT] = {"field record number (byte 9)", 9, SEGY_INT32, 16, SEGY_INT64},
    [SEGY_SOURCE_X] = {"source x (byte 73)", 73, SEGY_INT32, 96, SEGY_FLOAT64},
    [SEGY_SOURCE_Y] = {"source y (byte 77)", 77, SEGY_INT32, 104, SEGY_FLOAT64},
    [SEGY_SOURCE_DEPTH] = {"source depth (byte 49)", 49, SEGY_INT32, 56, SEGY_FLOAT64},
    [SEGY_SOURCE_ELEVATION] = {"surface elevation at the source (byte 45)", 45, SEGY_INT32, 48,
                               SEGY_FLOAT64},
    [SEGY_RECEIVER_X] = {"receiver x (byte 81)", 81, SEGY_INT32, 112, SEGY_FLOAT64},
    [SEGY_RECEIVER_Y] = {"receiver y (byte 85)", 85, SEGY_INT32, 120, SEGY_FLOAT64},
    [SEGY_RECEIVER_ELEVATION] = {"receiver elevation (byte 41)", 41, SEGY_INT32, 32,
                                 SEGY_FLOAT64},
    [SEGY_RECEIVER_DEPTH] = {"receiver depth", 0, SEGY_INT32, 40, SEGY_FLOAT64},
    [SEGY_COORDINATE_SCALAR] = {"coordinate scalar (byte 71)", 71, SEGY_INT16, 0, 0},
    [SEGY_ELEVATION_SCALAR] = {"elevation scalar (byte 69)", 69, SEGY_INT16, 0, 0},
    [SEGY_DELAY] = {"delay recording time (byte 109)", 109, SEGY_INT16, 0, 0},
    [SEGY_SAMPLES] = {"number of samples (byte 115)", 115, SEGY_UINT16, 136, SEGY_UINT32},
    [SEGY_INTERVAL] = {"sample interval (byte 117)", 117, SEGY_UINT16, 144, SEGY_FLOAT64},
    [SEGY_DEAD] = {"trace identification code (byte 29)", 29, SEGY_INT16, 0, 0},
    [SEGY_CDP_X] = {"CDP x (byte 181)", 181, SEGY_INT32, 160, SEGY_FLOAT64},
    [SEGY_CDP_Y] = {"CDP y (byte 185)", 185, SEGY_INT32, 168, SEGY_FLOAT64},
    [SEGY_INLINE] = {"in-line number (byte 189)", 189, SEGY_INT32, 0, 0},
    [SEGY_CROSSLINE] = {"cross-line number (byte 193)", 193, SEGY_INT32, 0, 0},
    [SEGY_COORDINATE_UNITS] = {"coordinate units (byte 89)", 89, SEGY_INT16, 0, 0},
    [SEGY_TIME_SCALAR] = {"scalar of times (byte 215)", 215, SEGY_INT16, 0, 0},
};

const char *segy_word_name(enum segy_word word)
{
    return standard[word].name;
}

/* Whether revision 1 has a word of two bytes there, where revision 0 has nothing. */
static bool is_late_short(unsigned byte)
{
    return byte == 201 || byte == 203 || (byte >= 209 && byte <= 223) || byte == 229 ||
           byte == 231;
}

/* The type of the standard's word at `byte`. What the standard does not assign is used for words of
 * four bytes; and so is what it assigned late, but for what has two bytes anywhere, as scalars. */
static enum segy_type type_at(unsigned byte, enum segy_word word)
{
    if (standard[word].type == SEGY_INT16 && is_late_short(byte))
        return SEGY_INT16;
    if ((byte >= 29 && byte <= 36) || (byte >= 69 && byte <= 72) || (byte >= 89 && byte <= 180))
        return byte >= 115 && byte <= 118 ? SEGY_UINT16 : SEGY_INT16;
    if (byte <= 240)
        return SEGY_INT32;
    if (byte <= 272)
        return SEGY_INT64;
    if (byte == 377 || byte == 381 || byte == 393)
        return SEGY_INT32;
    return byte == 397 || byte == 399 ? SEGY_INT16 : SEGY_FLOAT64;
}

static const unsigned type_bytes[] = {
    [SEGY_INT16] = 2,  [SEGY_UINT16] = 2,  [SEGY_INT32] = 4,
    [SEGY_UINT32] = 4, [SEGY_INT64] = 8,   [SEGY_UINT64] = 8,
    [SEGY_IBM32] = 4,  [SEGY_FLOAT32] = 4, [SEGY_FLOAT64] = 8};

static double value_at(const uint8_t *at, enum segy_type type, enum segy_order order)
{
    switch (type) {
    case SEGY_IBM32:
        return segy_ibm_decode((uint32_t)segy_get_unsigned(at, 4, order));
    case SEGY_FLOAT32:
        return (double)segy_get_float32(at, order);
    case SEGY_FLOAT64:
        return segy_get_float64(at, order);
    case SEGY_UINT16:
    case SEGY_UINT32:
    case SEGY_UINT64:
        return (double)segy_get_unsigned(at, type_bytes[type], order);
    default:
        return (double)segy_get_signed(at, type_bytes[type], order);
    }
}

/* The value, and whether it is a whole number that a scalar applies to. A word that would lie
 * outside the header is NaN. */
static double word_get(const struct segy *segy, const struct segy_trace *trace,
                       enum segy_word word, bool *ret_scaled)
{
    const struct segy_place *place = &segy->options.words[word];
    enum segy_order order = segy->format.order;
    *ret_scaled = false;
    if (place->kind == SEGY_CONSTANT)
        return place->constant;
    if (place->kind == SEGY_STANDARD) {
        if (trace->extension && standard[word].extension) {
            double value = value_at(trace->extension + standard[word].extension,
                                    standard[word].extension_type, order);
            if (value != 0) /* NaN goes on, to be refused */
                return value;
        }
        if (!standard[word].byte)
            return 0;
        *ret_scaled = true;
        return value_at(trace->header + standard[word].byte - 1, standard[word].type, order);
    }
    enum segy_type type =
        place->type == SEGY_TYPE_STANDARD ? type_at(place->byte, word) : place->type;
    if (place->byte < 1 || place->byte - 1 + type_bytes[type] > trace->header_size)
        return NAN;
    *ret_scaled = type <= SEGY_UINT64;
    return value_at(trace->header + place->byte - 1, type, order);
}

double segy_word(const struct segy *segy, const struct segy_trace *trace, enum segy_word word)
{
    bool scaled;
    return word_get(segy, trace, word, &scaled);
}

static bool is_elevation(enum segy_word word)
{
    return word == SEGY_SOURCE_DEPTH || word == SEGY_SOURCE_ELEVATION ||
           word == SEGY_RECEIVER_ELEVATION || word == SEGY_RECEIVER_DEPTH;
}

int segy_length(const struct segy *segy, const struct segy_trace *trace, enum segy_word word,
                double *ret_m, struct error *ret_error)
{
    bool scaled;
    double value = word_get(segy, trace, word, &scaled);
    if (!isfinite(value))
        return segy_trace_mistake(segy, trace, ret_error,
                                  "%s is %g, not a number that is there", standard[word].name,
                                  value);
    double units = is_elevation(word) ? 1 : segy_word(segy, trace, SEGY_COORDINATE_UNITS);
    if (scaled && units >= 2 && units <= 4 && value != 0)
        return segy_trace_mistake(
            segy, trace, ret_error,
            "coordinates are %s (bytes 89 and 90 say %g), not metres; project them, or give "
            "\"headers\"",
            units == 2 ? "seconds of arc" : "degrees", units);
    if (scaled) {
        double scalar = segy_word(
            segy, trace, is_elevation(word) ? SEGY_ELEVATION_SCALAR : SEGY_COORDINATE_SCALAR);
        if (scalar > 0)
            value *= scalar;
        else if (scalar < 0)
            value /= -scalar;
    }
    bool constant = segy->options.words[word].kind == SEGY_CONSTANT;
    *ret_m = segy->format.feet && !constant ? value * SEGY_FOOT_M : value;
    return 0;
}

static bool is_time_scalar(double scalar)
{
    double size = fabs(scalar);
    return size == 1 || size == 10 || size == 100 || size == 1000 || size == 10000;
}

int segy_delay(const struct segy *segy, const struct segy_trace *trace, double *ret_s,
               struct error *ret_error)
{
    double ms = segy_word(segy, trace, SEGY_DELAY);
    double scalar = segy_word(segy, trace, SEGY_TIME_SCALAR);
    bool standard_place = segy->options.words[SEGY_DELAY].kind == SEGY_STANDARD;
    *ret_s = ms * 1e-3;
    /* Revision 0 does not assign these bytes, and what others keep there is no scalar. */
    if (!standard_place || segy->format.revision < 1 || ms == 0 || scalar == 0)
        return 0;
    if (!is_time_scalar(scalar))
        return segy_trace_mistake(
            segy, trace, ret_error,
            "its delay recording time (byte 109) is %g, but the %s is %g, which is none; say "
            "what the milliseconds are with \"headers\": {\"delay\": ...}",
            ms, standard[SEGY_TIME_SCALAR].name, scalar);
    *ret_s = scalar > 0 ? ms * scalar * 1e-3 : ms / (-scalar * 1e3);
    return 0;
}
