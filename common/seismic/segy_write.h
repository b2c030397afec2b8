/*
 * segy_write.h - SEG-Y files written: revision 1 or 2, big-endian, IEEE floats (format 5), traces
 * of one length, textual header in EBCDIC: what public readers accept.
 *
 * Coordinates and depths become whole numbers with the scalar (1, -10, -100, -1000 or -10000) that
 * keeps them exactly, or else the finest that fits. Receivers below the surface get negative
 * elevations, sources depths. A revision 2 file has no trace header extensions; it is what may have
 * more than 65535 samples a trace, or intervals that are no whole microseconds.
 */
#ifndef BEOFARM_COMMON_SEISMIC_SEGY_WRITE_H
#define BEOFARM_COMMON_SEISMIC_SEGY_WRITE_H

#include "common/seismic/grid.h"
#include "common/seismic/segy.h"

struct segy_write_format {
    int revision; /* 1 or 2 */
    uint32_t samples;
    double interval_us; /* microseconds; of models, millimetres of depth */
    double delay_s;  /* of the first sample; in whole 0.1 microseconds, as far as 16 bits go */
    bool depth;      /* traces are columns of a model */
    uint64_t traces; /* how many there will be */
    uint64_t ensemble; /* traces of a shot; 0: not said */
    const char *title; /* a line for the textual header */
};

struct segy_write_trace {
    int64_t shot;    /* number, bytes 9 and 17 */
    int64_t channel; /* number in the shot, from 1, byte 13 */
    struct point source, receiver;
    struct point cdp; /* depth: where the column stands; else not looked at */
    int32_t inline_number, crossline_number; /* 0: not said */
};

/* Whether the revision can say the format; else -1 with a sentence that begins with `name`. */
int segy_write_check(const struct segy_write_format *format, const char *name,
                     struct error *ret_error);

struct segy_writer;

/* Begin; the file appears whole at segy_write_commit. NULL with a sentence: also where the revision
 * cannot say the format. */
struct segy_writer *segy_write_open(const char *path, const struct segy_write_format *format,
                                    struct error *ret_error);

/* The next trace. -1 with a sentence where a coordinate does not fit in its word. */
int segy_write_next(struct segy_writer *writer, const struct segy_write_trace *trace,
                    const float *samples, struct error *ret_error);

/* End. Either way the writer is destroyed. */
int segy_write_commit(struct segy_writer *writer, struct error *ret_error);
void segy_write_abandon(struct segy_writer *writer); /* NULL is allowed */

#endif
