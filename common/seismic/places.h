/*
 * places.h - where sources or receivers stand, as a survey file says it: lines, grids, streamers,
 * lists and tables. Regular ones are kept as what they are, however many places they have.
 */
#ifndef BEOFARM_COMMON_SEISMIC_PLACES_H
#define BEOFARM_COMMON_SEISMIC_PLACES_H

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/seismic/grid.h"

struct places {
    enum {
        PLACES_REGULAR,  /* a line or a grid of lines */
        PLACES_STREAMER, /* the same, relative to a source but for its z */
        PLACES_LIST,
    } kind;
    size_t count; /* of all places (of a streamer: for one source) */
    size_t per_line;
    struct point start, step, line_step;
    struct point *points; /* PLACES_LIST; owned */
    /* Places that belong to one shot: group g has places first[g] to first[g + 1] - 1. NULL: none
     * are told apart. */
    size_t *first; /* owned */
    double *names; /* owned: what a table calls its groups; NULL: nothing */
    bool numbered; /* names are whole numbers that a SEG-Y header can hold */
    bool unique;   /* no two groups have one name */
    size_t group_count;
};

/* Read a "places" object of the schema that stands at `path` ("$.geometry.sources"), in a model of
 * `dims` dimensions (2: places are x, z, or x, y, z of which y is dropped). Tables are found in
 * `folder`, which ends in a slash or is empty. 0, or -1 with a sentence that names path or
 * table. */
int places_read(const cJSON *object, const char *path, int dims, const char *folder,
                struct places *ret_places, struct error *ret_error);
void places_fini(struct places *places); /* zeroed is allowed */

/* Place `index` (below count), of a streamer relative to `source` (else not looked at). */
struct point places_get(const struct places *places, size_t index, const struct point *source);

#endif
