/*
 * model_private.h - shared by the model*.c files alone.
 */
#ifndef BEOFARM_COMMON_SEISMIC_MODEL_PRIVATE_H
#define BEOFARM_COMMON_SEISMIC_MODEL_PRIVATE_H

#include "common/seismic/model.h"

/* Numbers in a file, one beside the other. */
struct model_array {
    int fd;
    uint64_t offset;
    int code; /* sample format of SEG-Y that its numbers have */
    enum segy_order order;
    enum grid_axis axes[GRID_AXES]; /* slowest first; fastest last */
    float *text;                    /* owned: the values of an ascii file; NULL: read from fd */
};

struct model {
    char *path, *data_path, *units; /* owned; the latter two may be NULL */
    struct grid grid;
    struct model_array array; /* raw and RSF */
    struct segy *segy;        /* SEG-Y: owned; NULL else */
    uint64_t *columns;        /* SEG-Y: byte of the trace at (ix, iy), and its number: pairs */
};

/* Fill in a zeroed model whose path is set. 0 or -1. */
int model_open_raw(struct model *model, struct error *ret_error);
int model_open_rsf(struct model *model, struct error *ret_error);
int model_open_segy(struct model *model, const struct model_options *options,
                    struct error *ret_error);

int model_read_segy(struct model *model, const struct grid_box *box, float *values,
                    struct error *ret_error);

/* Open the data file of an array, whose numbers must fill it from array.offset to its end. */
int model_array_open(struct model *model, const char *path, struct error *ret_error);

/* `name` as found in the folder of the model's header. Caller frees; NULL without memory. */
char *model_beside(const struct model *model, const char *name);

/* Whether the grid has sensible points, spacings and origin. 0, or -1 with a sentence. */
int model_grid_check(const struct model *model, struct error *ret_error);

/* A value that is no finite float, at a place of the whole grid. Returns -1. */
int model_bad_value(const struct model *model, size_t ix, size_t iy, size_t iz, double value,
                    struct error *ret_error);

int model_write_segy(const char *path, const struct grid *grid, const float *values,
                     const char *name, struct error *ret_error);

#endif
