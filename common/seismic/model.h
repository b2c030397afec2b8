/*
 * model.h - a field of a model in a file: SEG-Y, raw binary with a JSON header, or RSF.
 *
 *   raw   the path is that of the header, a JSON object with "data" (the binary file, relative to
 *         the header; without it the header's path with .bin for .json), "points" and "spacing_m"
 *         (of x, z or x, y, z), "origin_m" (default 0), "order" (axes from slowest to fastest, "xz"
 *         or "xyz" by default: z fastest), "dtype" (float32, float64, int8, int16, int32, uint8,
 *         uint16), "byte_order" (little or big), "offset_bytes", "units", "name".
 *   RSF   Madagascar's: a header with n1, o1, d1, label1, unit1 ..., in and data_format (native_,
 *         xdr_ or ascii_ float or int; native_float where there is none, as for Madagascar); axes
 *         are told by labels (z or depth, x, y), else the first is z, the second x, the third y.
 *         Each axis of more than one point has its d, or it is an error. Units km and ft become
 *         metres.
 *   SEG-Y columns of the model; where they stand is in the words CDP_X and CDP_Y, or if these are
 *         all zero in the source's or the receiver's. Sample intervals are millimetres (what files
 *         say where 10 m is 10000), and delays metres: the depth of the first samples; of files in
 *         feet, thousandths of feet and feet. With a spacing told, traces are in order of x (2-D),
 *         or crossline is x and inline y (3-D), and nothing of this is looked at. Written, the top
 *         keeps four or five digits.
 *
 * A file opens only if its size is what its header says. Values are read as they are wanted.
 */
#ifndef BEOFARM_COMMON_SEISMIC_MODEL_H
#define BEOFARM_COMMON_SEISMIC_MODEL_H

#include "common/seismic/grid.h"
#include "common/seismic/segy.h"

enum model_format { MODEL_AUTO, MODEL_SEGY, MODEL_RAW, MODEL_RSF };

/* What a file does not say, or is not to say. */
struct model_options {
    enum model_format format; /* MODEL_AUTO: by the path's ending */
    int dims;                 /* 2 or 3 where spacing or origin is told; else 0 */
    bool has_spacing, has_origin;
    double spacing[GRID_AXES], origin[GRID_AXES];
    struct segy_options segy;
};

struct model;

/* NULL with a sentence (ERROR_CONFIG) that names the file and the place in it. */
struct model *model_open(const char *path, const struct model_options *options,
                         struct error *ret_error);
void model_close(struct model *model); /* NULL is allowed */
const struct grid *model_grid(const struct model *model);
const char *
model_units(const struct model *model); /* as the file says them; NULL: it does not */
/* The file that holds the values, if it is another than `path` of model_open; else NULL. */
const char *model_data_path(const struct model *model);

/* Values of a box (inside the grid), ordered as grid.h says, into `values`. A value that is no
 * finite float is an error that names file and index. At most 1 MiB is used besides. */
int model_read(struct model *model, const struct grid_box *box, float *values,
               struct error *ret_error);

/* Write a field. Raw: `path`, the header, and beside it the values with .bin for .json; RSF:
 * `path`, and `path`@; SEG-Y: `path`. Files appear whole, the one that names the other last.
 * `units` and `name` may be NULL. */
int model_write(const char *path, enum model_format format, const struct grid *grid,
                const float *values, const char *name, const char *units,
                struct error *ret_error);

/* The format that the ending of a path says; MODEL_AUTO if none. */
enum model_format model_format_of(const char *path);

#endif
