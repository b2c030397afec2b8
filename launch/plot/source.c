#include "config.h"

#include "launch/plot/source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/seismic/model.h"
#include "launch/plot/source_private.h"

struct thinning thinning_of(size_t across, size_t down)
{
    return (struct thinning){(across + PICTURE_CELLS - 1) / PICTURE_CELLS,
                             (down + PICTURE_CELLS - 1) / PICTURE_CELLS};
}

int thinning_begin(struct picture_panel *panel, const struct thinning *thinning, size_t across,
                   size_t down, float **ret_counts, struct error *ret_error)
{
    size_t cells_across = (across + thinning->across - 1) / thinning->across;
    size_t cells_down = (down + thinning->down - 1) / thinning->down;
    if (!picture_panel_reserve(panel, cells_across, cells_down, ret_error))
        return -1;
    *ret_counts = calloc(cells_across * cells_down, sizeof **ret_counts);
    if (!*ret_counts) {
        free(panel->values);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a picture");
    }
    memset(panel->values, 0, cells_across * cells_down * sizeof *panel->values);
    return 0;
}

void thinning_add(struct picture_panel *panel, const struct thinning *thinning, size_t i,
                  const float *column, size_t down, float *counts)
{
    size_t first = i / thinning->across * panel->down;
    for (size_t k = 0; k < down; k++)
        if (!isnan(column[k])) {
            panel->values[first + k / thinning->down] += column[k];
            counts[first + k / thinning->down] += 1;
        }
}

void thinning_end(struct picture_panel *panel, float *counts)
{
    for (size_t k = 0; k < panel->across * panel->down; k++)
        panel->values[k] = counts[k] > 0 ? panel->values[k] / counts[k] : NAN;
    free(counts);
}

/* Whether values lie on both sides of 0, neither side a mere tenth of the other. */
static bool oscillates(const struct picture *picture)
{
    double least = 0, most = 0;
    for (size_t i = 0; i < picture->count; i++) {
        const struct picture_panel *panel = &picture->panels[i];
        for (size_t k = 0; k < panel->across * panel->down; k++) {
            least = fmin(least, panel->values[k]); /* of a number and NaN, the number */
            most = fmax(most, panel->values[k]);
        }
    }
    return most > -least / 10 && -least > most / 10;
}

/* A trace that stands somewhere, without source and receiver. */
static bool is_column(const struct segy *segy, const struct segy_trace *trace)
{
    return segy_word(segy, trace, SEGY_SOURCE_X) == 0 &&
           segy_word(segy, trace, SEGY_SOURCE_Y) == 0 &&
           segy_word(segy, trace, SEGY_RECEIVER_X) == 0 &&
           segy_word(segy, trace, SEGY_RECEIVER_Y) == 0 &&
           (trace->number == 0 || segy_word(segy, trace, SEGY_CDP_X) != 0 ||
            segy_word(segy, trace, SEGY_CDP_Y) != 0);
}

static int segy_kind(const char *path, enum source_kind *ret_kind, struct error *ret_error)
{
    const struct segy_options options = {0};
    struct segy *segy = segy_open(path, &options, ret_error);
    struct segy_trace trace;
    int more = 1;
    bool columns = true, told;
    if (!segy)
        return -1;
    told = segy_describe(segy)->columns;
    for (int i = 0; i < 2 && more > 0; i++)
        if ((more = segy_next(segy, &trace, ret_error)) > 0)
            columns = columns && is_column(segy, &trace);
    segy_close(segy);
    *ret_kind = told || columns ? SOURCE_MODEL : SOURCE_GATHER;
    return more < 0 ? -1 : 0;
}

/* Raw values are described by a header, STEM.json beside STEM.bin; NULL if this is no such file. */
static char *header_beside(const char *path)
{
    size_t size = strlen(path);
    char *header;
    if (size < 4 || strcmp(path + size - 4, ".bin") != 0 ||
        asprintf(&header, "%.*s.json", (int)size - 4, path) < 0)
        return NULL;
    if (access(header, R_OK) == 0)
        return header;
    free(header);
    return NULL;
}

static int file_read(const char *path, const struct source_options *options,
                     struct picture *picture, bool *ret_symmetric, struct error *ret_error)
{
    enum source_kind kind = options->kind;
    enum model_format format = model_format_of(path);
    if (kind == SOURCE_AUTO && (format == MODEL_RAW || format == MODEL_RSF))
        kind = SOURCE_MODEL;
    if (kind == SOURCE_AUTO && segy_kind(path, &kind, ret_error) < 0)
        return -1;
    int rc = kind == SOURCE_MODEL ? source_model_read(path, options, picture, ret_error)
                                  : source_gather_read(path, options, picture, ret_error);
    if (rc < 0)
        return -1;
    *ret_symmetric = kind == SOURCE_GATHER || oscillates(picture);
    picture->palette = kind == SOURCE_GATHER ? PALETTE_GREY
                       : *ret_symmetric      ? PALETTE_RWB
                                             : PALETTE_VIRIDIS;
    return 0;
}

int source_read(const char *path, const struct source_options *options, struct picture *picture,
                bool *ret_symmetric, struct error *ret_error)
{
    char *header = header_beside(path);
    int rc = file_read(header ? header : path, options, picture, ret_symmetric, ret_error);
    free(header);
    return rc;
}
