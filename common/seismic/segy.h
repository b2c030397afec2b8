/*
 * segy.h - SEG-Y files read: revisions 0, 1 and 2, either byte order, all sample formats.
 *
 * SEG, SEG-Y_r2.0 (January 2017), with revision 1 (2002) and Barry, Cavers and Kneale 1975. What a
 * file says is held against its size and against itself: a trace that does not end in the file,
 * words of the trace header that contradict the binary header, counts that do not come out, are
 * errors that name file, trace (from 1) and byte (of the file, from 0), and a way around where
 * there is one. Nothing is guessed that would show only as wrong samples.
 *
 *   - Byte order: by the mark of revision 2 (bytes 3297 to 3300), else by the sample format, which
 *     is a small number in one order alone.
 *   - Length of traces: fixed if revision 1 or 2 says so (bytes 3503, 3504); else what each trace
 *     header says, where 0 is the binary header's. Extended counts of revision 2 go first.
 *   - Textual headers are skipped, extended ones counted, or searched for ((SEG: EndText)).
 *   - Trace header extensions (revision 2): the first, if named SEG00001, says more digits than the
 *     header; its values other than 0 go first, coordinates in whole units without the scalar.
 *   - Data trailers (revision 2) are not read.
 */
#ifndef BEOFARM_COMMON_SEISMIC_SEGY_H
#define BEOFARM_COMMON_SEISMIC_SEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define SEGY_TEXT_SIZE   3200
#define SEGY_BINARY_SIZE 400
#define SEGY_FIRST       (SEGY_TEXT_SIZE + SEGY_BINARY_SIZE) /* bytes before everything else */
#define SEGY_HEADER_SIZE 240
#define SEGY_SAMPLES_MAX ((uint32_t)1 << 28) /* of a trace */

enum segy_order { SEGY_AUTO, SEGY_BIG, SEGY_LITTLE };

enum segy_type {
    SEGY_TYPE_STANDARD, /* that of the word which the standard has in this place */
    SEGY_INT16,
    SEGY_UINT16,
    SEGY_INT32,
    SEGY_UINT32,
    SEGY_INT64,
    SEGY_UINT64,
    SEGY_IBM32,
    SEGY_FLOAT32,
    SEGY_FLOAT64,
};

/* Words of trace headers. */
enum segy_word {
    SEGY_SHOT,               /* byte 9 */
    SEGY_SOURCE_X,           /* 73 */
    SEGY_SOURCE_Y,           /* 77 */
    SEGY_SOURCE_DEPTH,       /* 49 */
    SEGY_SOURCE_ELEVATION,   /* 45 */
    SEGY_RECEIVER_X,         /* 81 */
    SEGY_RECEIVER_Y,         /* 85 */
    SEGY_RECEIVER_ELEVATION, /* 41 */
    SEGY_RECEIVER_DEPTH,     /* below the surface; the first extension alone has it (41) */
    SEGY_COORDINATE_SCALAR,  /* 71, two bytes */
    SEGY_ELEVATION_SCALAR,   /* 69, two bytes */
    SEGY_DELAY,              /* 109, two bytes: milliseconds, times the scalar of times */
    SEGY_SAMPLES,            /* 115, two bytes, no sign */
    SEGY_INTERVAL,           /* 117, two bytes, no sign: microseconds */
    SEGY_DEAD,               /* 29, two bytes: what kind of trace */
    SEGY_CDP_X,              /* 181 */
    SEGY_CDP_Y,              /* 185 */
    SEGY_INLINE,             /* 189 */
    SEGY_CROSSLINE,          /* 193 */
    SEGY_COORDINATE_UNITS,   /* 89, two bytes */
    SEGY_TIME_SCALAR,        /* 215, two bytes; since revision 1 */
    SEGY_WORDS
};

/* Where a word is read from. */
struct segy_place {
    enum { SEGY_STANDARD, SEGY_PLACE, SEGY_CONSTANT } kind;
    unsigned byte; /* SEGY_PLACE: its first, from 1; 241 to 480 are the first extension's */
    enum segy_type type;
    double
        constant; /* SEGY_CONSTANT: the value of all traces; coordinates in metres, no scalar */
};

/* How a file is to be read where it does not say so itself; all zero: as the standard says. */
struct segy_options {
    enum segy_order order;
    int sample_format; /* 0: as the file says */
    bool shots;        /* its traces are those of shots: sentences name these, too */
    struct segy_place words[SEGY_WORDS];
};

#define SEGY_FOOT_M 0.3048 /* the international foot */

/* What the file says of itself. */
struct segy_format {
    int revision; /* 0, 1 or 2 */
    enum segy_order order;
    int sample_format;
    size_t sample_bytes;
    bool fixed;          /* all traces have `samples` samples */
    uint32_t samples;    /* of the binary header; 0: it does not say */
    double interval;     /* microseconds; of the binary header; 0: it does not say */
    uint32_t extensions; /* the most additional headers that a trace has */
    bool feet;           /* coordinates are in feet, not metres */
    bool columns;        /* its text says that traces are columns of a model, as ours does */
    uint64_t first;      /* the first trace's byte in the file */
    uint64_t size;       /* of the file */
    uint64_t end;        /* where traces end: less than size if trailers follow */
    uint64_t traces;     /* that the file says it has; 0: it does not say */
};

/* One trace's header. */
struct segy_trace {
    uint64_t number;          /* from 0 */
    uint64_t offset;          /* of its header in the file */
    uint32_t header_size;     /* bytes before its samples: 240 and extensions */
    uint32_t samples;         /* at least 1 */
    double interval;          /* microseconds, above 0; in depth, millimetres */
    const uint8_t *header;    /* its bytes, header_size of them; borrowed until the next call */
    const uint8_t *extension; /* the first, if it is the standard's SEG00001; else NULL */
};

struct segy;

/* Open and look at the binary header. NULL with a sentence. */
struct segy *segy_open(const char *path, const struct segy_options *options,
                       struct error *ret_error);
void segy_close(struct segy *segy); /* NULL is allowed */
const struct segy_format *segy_describe(const struct segy *segy);
const char *segy_path(const struct segy *segy);

/* Begin at the first trace; go to the next: 1, 0 behind the last, or -1 with a sentence. The file
 * is read in large pieces, or, where traces are long, header by header. */
void segy_rewind(struct segy *segy);
int segy_next(struct segy *segy, struct segy_trace *ret_trace, struct error *ret_error);

/* The header of the trace at byte `offset`, which a scan has found there as number `number`. */
int segy_trace_read(struct segy *segy, uint64_t offset, uint64_t number,
                    struct segy_trace *ret_trace, struct error *ret_error);

/* All bytes of a trace as they are in the file, its headers and samples; NULL with a sentence where
 * the file was cut short meanwhile. Borrowed until the next call. */
const uint8_t *segy_trace_bytes(struct segy *segy, const struct segy_trace *trace,
                                struct error *ret_error);

/* Samples first to first + count - 1 of a trace, as floats. Values that no float holds (too large,
 * or not finite) are errors. */
int segy_samples_read(struct segy *segy, const struct segy_trace *trace, uint32_t first,
                      uint32_t count, float *samples, struct error *ret_error);

/* A word of a trace's header, as it stands there. */
double segy_word(const struct segy *segy, const struct segy_trace *trace, enum segy_word word);

/* A coordinate or elevation in metres: scaled by its scalar (a scalar of 0 is 1), feet changed to
 * metres. -1 with a sentence where it is not finite, or not in units of length (arc seconds
 * ...). */
int segy_length(const struct segy *segy, const struct segy_trace *trace, enum segy_word word,
                double *ret_m, struct error *ret_error);

/* When a trace's first sample is, in seconds after the shot: its delay recording time in
 * milliseconds, where that stands where the standard says, scaled (since revision 1) by the scalar
 * of times. -1 with a sentence where that is none of the standard's: 1, 10, 100, 1000, 10000, with
 * or without a minus, or 0. */
int segy_delay(const struct segy *segy, const struct segy_trace *trace, double *ret_s,
               struct error *ret_error);

/* Bytes of a sample; 0 if there is no such format. */
size_t segy_format_bytes(int sample_format);

/* Decode `count` samples of a format. Returns the index of the first that is not a finite float
 * (which is NaN or infinite in `samples`), or count. */
size_t segy_decode(int sample_format, enum segy_order order, const uint8_t *bytes, size_t count,
                   float *samples);

/* An IBM/360 number of 32 bits. */
double segy_ibm_decode(uint32_t bits);

#endif
