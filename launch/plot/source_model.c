/*
 * A 2-D field is one panel; a 3-D one is cut along each of its axes. Columns are read one at a
 * time.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/model.h"
#include "launch/plot/source_private.h"

static const char axis_names[GRID_AXES] = {'x', 'y', 'z'};
static const char *const axis_labels[GRID_AXES] = {"x (m)", "y (m)", "z (m)"};

struct section {
    enum grid_axis across, down, cut;
    size_t at; /* index along `cut` */
};

static int columns_read(struct model *model, const struct section *section,
                        const struct thinning *thinning, struct picture_panel *panel,
                        float *counts, float *column, struct error *ret_error)
{
    const struct grid *grid = model_grid(model);
    struct grid_box box = grid_whole(grid);
    size_t across = box.n[section->across];
    box.first[section->cut] = section->at;
    box.n[section->cut] = box.n[section->across] = 1;
    for (size_t i = 0; i < across; i++) {
        box.first[section->across] = i;
        if (model_read(model, &box, column, ret_error) < 0)
            return -1;
        thinning_add(panel, thinning, i, column, grid->n[section->down], counts);
    }
    return 0;
}

static struct picture_axis axis_of(const struct grid *grid, enum grid_axis axis, size_t thinned)
{
    double step = grid->spacing[axis];
    return (struct picture_axis){axis_labels[axis],
                                 grid->origin[axis] + step * ((double)thinned - 1) / 2,
                                 step * (double)thinned, false};
}

static int section_read(struct model *model, const struct section *section,
                        struct picture *picture, struct error *ret_error)
{
    const struct grid *grid = model_grid(model);
    size_t across = grid->n[section->across], down = grid->n[section->down];
    struct thinning thinning = thinning_of(across, down);
    struct picture_panel *panel = &picture->panels[picture->count];
    float *counts, *column = malloc(down * sizeof *column);
    if (!column)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a column of the model");
    if (thinning_begin(panel, &thinning, across, down, &counts, ret_error) < 0) {
        free(column);
        return -1;
    }
    int rc = columns_read(model, section, &thinning, panel, counts, column, ret_error);
    thinning_end(panel, counts);
    free(column);
    picture->count++;
    panel->x = axis_of(grid, section->across, thinning.across);
    panel->y = axis_of(grid, section->down, thinning.down);
    panel->lengths = true;
    panel->map = section->cut == GRID_Z;
    if (grid->dims == 3)
        snprintf(panel->title, sizeof panel->title, "%c = %g m", axis_names[section->cut],
                 grid->origin[section->cut] +
                     grid->spacing[section->cut] * (double)section->at);
    return rc;
}

/* The index along an axis at which to cut. */
static int cut_at(const struct grid *grid, const struct source_options *options,
                  enum grid_axis axis, size_t *ret_index, struct error *ret_error)
{
    *ret_index = grid->n[axis] / 2;
    if (!options->has_at[axis])
        return 0;
    double index = round((options->at[axis] - grid->origin[axis]) / grid->spacing[axis]);
    if (!(index >= 0 && index < (double)grid->n[axis]))
        return error_set(ret_error, ERROR_USAGE,
                         "%c = %g m lies outside of the model, which goes from %g to %g m",
                         axis_names[axis], options->at[axis], grid->origin[axis],
                         grid_end(grid, axis));
    *ret_index = (size_t)index;
    return 0;
}

static int sections_read(struct model *model, const struct source_options *options,
                         struct picture *picture, struct error *ret_error)
{
    static const struct section cuts[] = {
        {GRID_X, GRID_Z, GRID_Y, 0}, {GRID_Y, GRID_Z, GRID_X, 0}, {GRID_X, GRID_Y, GRID_Z, 0}};
    const struct grid *grid = model_grid(model);
    size_t count = grid->dims == 3 ? 3 : 1;
    for (size_t i = 0; i < count; i++) {
        struct section section = cuts[i];
        if ((grid->dims == 3 &&
             cut_at(grid, options, section.cut, &section.at, ret_error) < 0) ||
            section_read(model, &section, picture, ret_error) < 0)
            return -1;
    }
    return 0;
}

int source_model_read(const char *path, const struct source_options *options,
                      struct picture *picture, struct error *ret_error)
{
    const struct model_options plain = {0};
    struct model *model = model_open(path, &plain, ret_error);
    if (!model)
        return -1;
    const char *slash = strrchr(path, '/'), *units = model_units(model);
    snprintf(picture->title, sizeof picture->title, "%.200s", slash ? slash + 1 : path);
    snprintf(picture->scale, sizeof picture->scale, "%.40s", units ? units : "");
    int rc = sections_read(model, options, picture, ret_error);
    model_close(model);
    if (rc < 0)
        picture_fini(picture);
    return rc;
}
