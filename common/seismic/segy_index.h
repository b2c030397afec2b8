/*
 * segy_index.h - which traces of a SEG-Y file belong to which shot, and where everything stood.
 *
 * An index is made in one pass over the file and kept in a file of its own (56 bytes a trace),
 * which later opens map into memory: they cost nothing, and what is not looked at is not read. It
 * is made anew when the SEG-Y file's size or its time of change have changed, or when it is to be
 * read differently. Who says that the file may be a copy, whose time of change is another, takes an
 * index if the file headers and 64 trace headers all over the file are those of then.
 *
 * It has checksums of all its parts, and is made anew where one is wrong. Who says that the file
 * may be a copy does not read a large index whole: there the traces of a shot are checked when they
 * are asked for.
 *
 * A shot is what has one source: the traces with the same shot number (SEGY_SHOT) and source
 * position, wherever in the file they are; where the user says in which word shots are told apart,
 * the same value there. Dead and auxiliary traces (identification codes 2 to 8) are left out.
 */
#ifndef BEOFARM_COMMON_SEISMIC_SEGY_INDEX_H
#define BEOFARM_COMMON_SEISMIC_SEGY_INDEX_H

#include "common/seismic/grid.h"
#include "common/seismic/segy.h"

/* From header words to coordinates of the model. */
struct segy_geometry {
    struct segy_options segy;
    bool by_word;                /* shots are told apart by the word SEGY_SHOT alone */
    bool copy;                   /* the file may be a copy of the one that was indexed */
    bool down;                   /* elevations count down, as JUDI writes them */
    double source_z, receiver_z; /* metres, of all; NaN: as headers say */
    double datum;                /* elevation of z = 0 */
    double origin_x, origin_y;   /* what becomes x = y = 0 */
    double azimuth_deg;          /* where x goes: clockwise from Y; 90: as it stands */
};

/* Nothing but what the standard says. */
void segy_geometry_init(struct segy_geometry *geometry);

struct segy_index_shot {
    int64_t number; /* SEGY_SHOT of its first trace */
    struct point source;
    uint64_t first, count; /* its traces in the index; at least 1 */
    uint64_t sum;          /* checksum of their records */
};

struct segy_index_trace {
    uint64_t offset, number; /* as in struct segy_trace */
    struct point receiver;
    uint32_t samples;
    uint32_t unused;
    double delay_s; /* from the shot to the first sample */
};

struct segy_index_summary {
    uint64_t shots, traces; /* in the index; at least 1 each */
    uint64_t skipped;       /* dead and auxiliary traces */
    uint32_t samples_min, samples_max;
    uint64_t shortest, longest; /* numbers of traces that have so many */
    double interval_s;          /* of all its traces */
    double delay_s;             /* the same */
};

struct segy_index;

/* Open the index of the file at `path`, made if need be. It is kept in the folder `cache` (NULL:
 * the file's own), unless that cannot be written. NULL with a sentence: what segy_next says; a file
 * without traces; traces of different intervals or delays; coordinates that are no numbers; one
 * shot with two source positions. */
struct segy_index *segy_index_open(const char *path, const struct segy_geometry *geometry,
                                   const char *cache, struct error *ret_error);
void segy_index_close(struct segy_index *index); /* NULL is allowed */

const struct segy_index_summary *segy_index_describe(const struct segy_index *index);
const struct segy_index_shot *segy_index_shots(const struct segy_index *index);
/* The traces of a shot, shot->count of them. NULL with a sentence if the index file is damaged,
 * which is then removed, so that the next open makes another. */
const struct segy_index_trace *segy_index_traces(const struct segy_index *index,
                                                 const struct segy_index_shot *shot,
                                                 struct error *ret_error);
/* Whether it was made again because the one that was kept was damaged. */
bool segy_index_is_mended(const struct segy_index *index);
/* The path of the file that keeps it; NULL if it is kept nowhere. */
const char *segy_index_path(const struct segy_index *index);

/* Where a trace's source and receiver are. 0 or -1. */
int segy_source_place(const struct segy *segy, const struct segy_trace *trace,
                      const struct segy_geometry *geometry, struct point *ret_point,
                      struct error *ret_error);
int segy_receiver_place(const struct segy *segy, const struct segy_trace *trace,
                        const struct segy_geometry *geometry, struct point *ret_point,
                        struct error *ret_error);

#endif
