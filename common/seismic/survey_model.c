/*
 * The model: a file or a constant for each field, all on one grid.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/seismic/cfl.h"
#include "common/seismic/survey_private.h"

#define SLAB ((size_t)4 << 20) /* values looked at at once */

/* Where fields are said, which units they may have (the first is theirs), and which values make
 * sense. */
static const struct {
    const char *object, *key, *name, *units[8];
    double fallback, least, most;
} fields[SURVEY_FIELDS] = {
    [SURVEY_VELOCITY] = {"model",
                         "velocity",
                         "velocity",
                         {"m/s", "km/s", "ft/s", "s/m", "s/km", "s2/m2", "s2/km2"},
                         0,
                         10,
                         20000},
    [SURVEY_RHO] = {"model", "density", "density", {"kg/m3", "g/cm3"}, 1000, 50, 30000},
    [SURVEY_EPSILON] = {"model", "epsilon", "epsilon", {"1"}, 0, -0.49, 5},
    [SURVEY_DELTA] = {"model", "delta", "delta", {"1"}, 0, -0.49, 5},
    [SURVEY_THETA] = {"model", "theta", "tilt", {"rad", "deg"}, 0, -7, 7},
    [SURVEY_PHI] = {"model", "phi", "azimuth of the tilt", {"rad", "deg"}, 0, -7, 7},
    [SURVEY_PERTURBATION] =
        {"model", "perturbation", "perturbation", {"s2/m2", "s2/km2"}, 0, -1, 1},
    [SURVEY_MASK] = {"inversion", "mask", "mask", {"1"}, 1, 0, 1},
};

/* Of all units that files may have. */
static const struct {
    const char *unit, *also;
    struct survey_conversion conversion;
} conversions[] = {
    {"m/s", NULL, {1, 0}},
    {"km/s", NULL, {1000, 0}},
    {"ft/s", NULL, {0.3048, 0}},
    {"s/m", NULL, {1, 1}},
    {"s/km", NULL, {1e-3, 1}},
    {"kg/m3", "kg/m^3", {1, 0}},
    {"g/cm3", "g/cm^3", {1000, 0}},
    {"rad", NULL, {1, 0}},
    {"deg", "degrees", {M_PI / 180, 0}},
    {"1", "", {1, 0}},
    {"s2/m2", "s^2/m^2", {1, 2}},
    {"s2/km2", "s^2/km^2", {1e-6, 2}},
};

static bool unit_allowed(enum survey_field field, const char *unit)
{
    for (size_t i = 0; fields[field].units[i]; i++) {
        if (!strcmp(fields[field].units[i], unit))
            return true;
    }
    return false;
}

static int conversion_find(struct survey_part *part, enum survey_field field, const char *unit,
                           struct error *ret_error)
{
    for (size_t i = 0; i < sizeof(conversions) / sizeof(*conversions); i++) {
        bool same = !strcmp(unit, conversions[i].unit) ||
                    (conversions[i].also && !strcmp(unit, conversions[i].also));
        if (!same || !unit_allowed(field, conversions[i].unit))
            continue;
        part->conversion = conversions[i].conversion;
        if (field == SURVEY_PERTURBATION)
            part->conversion.root = 0; /* is a squared slowness already */
        return 0;
    }
    return error_set(ret_error, ERROR_CONFIG, "%s: a %s is not in \"%s\" (%s, say)", part->path,
                     fields[field].name, unit, fields[field].units[0]);
}

static int triple_option(const cJSON *object, const char *path, const char *key, int *dims,
                         double triple[GRID_AXES], bool *ret_has, struct error *ret_error)
{
    char where[128];
    const cJSON *list = json_member(object, key);
    *ret_has = list != NULL;
    if (!list)
        return 0;
    int count = cJSON_GetArraySize(list);
    snprintf(where, sizeof(where), "%s.%s", path, key);
    if (*dims && *dims != count)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: has %d numbers where others of the model have %d", where, count,
                         *dims);
    *dims = count;
    return survey_triple_read(list, where, count, triple, ret_error);
}

int survey_triple_read(const cJSON *list, const char *path, int dims, double triple[GRID_AXES],
                       struct error *ret_error)
{
    int count = cJSON_GetArraySize(list);
    if (count != dims)
        return error_set(ret_error, ERROR_CONFIG, "%s: has %d numbers; %d are wanted", path,
                         count, dims);
    for (int i = 0; i < count; i++)
        triple[count == 2 ? 2 * i : i] = cJSON_GetArrayItem(list, i)->valuedouble;
    return 0;
}

static int options_read(const cJSON *object, const char *path, struct model_options *options,
                        struct error *ret_error)
{
    static const char *const names[] = {"auto", "segy", "raw", "rsf"};
    const char *format;
    if (json_get_text(object, path, "format", "auto", &format, ret_error) < 0 ||
        triple_option(object, path, "spacing_m", &options->dims, options->spacing,
                      &options->has_spacing, ret_error) < 0 ||
        triple_option(object, path, "origin_m", &options->dims, options->origin,
                      &options->has_origin, ret_error) < 0)
        return -1;
    for (int i = 0; i < 4; i++) {
        if (!strcmp(format, names[i]))
            options->format = (enum model_format)i;
    }
    return survey_headers_read(object, &options->segy, ret_error);
}

/* The file with its values travels, too, under a path in the same folder as the header's. */
static int data_add(struct survey *survey, struct model *model, const char *said,
                    struct error *ret_error)
{
    const char *data = model_data_path(model);
    return data ? survey_file_add(survey, survey_name(survey, data, said), true, ret_error) : 0;
}

static int file_open(struct survey *survey, enum survey_field field, const char *said,
                     const cJSON *object, struct error *ret_error)
{
    struct survey_part *part = &survey->state->parts[field];
    struct model_options options = {0};
    const char *told = NULL;
    if (object && (options_read(object, part->path, &options, ret_error) < 0 ||
                   json_get_text(object, part->path, "units", NULL, &told, ret_error) < 0))
        return -1;
    char *path = survey_path(survey, said);
    if (!path)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    part->model = model_open(path, &options, ret_error);
    free(path);
    if (!part->model)
        return error_prefix(ret_error, "%s", part->path);
    if (survey_file_add(survey, said, true, ret_error) < 0 ||
        data_add(survey, part->model, said, ret_error) < 0)
        return -1;
    const char *unit = told ? told : model_units(part->model);
    return conversion_find(part, field, unit ? unit : fields[field].units[0], ret_error);
}

static int part_open(struct survey *survey, enum survey_field field, struct error *ret_error)
{
    struct survey_part *part = &survey->state->parts[field];
    const cJSON *object = json_member(survey->root, fields[field].object);
    const cJSON *item = json_member(object, fields[field].key);
    part->constant = fields[field].fallback;
    part->conversion.scale = 1;
    if (!item)
        return 0;
    survey->has[field] = true;
    if (asprintf(&part->path, "$.%s.%s", fields[field].object, fields[field].key) < 0) {
        part->path = NULL;
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    if (cJSON_IsNumber(item)) {
        part->constant = item->valuedouble;
        if (part->constant >= fields[field].least && part->constant <= fields[field].most)
            return 0;
        const char *unit = fields[field].units[0];
        bool none = strcmp(unit, "1") == 0;
        return error_set(ret_error, ERROR_CONFIG, "%s: %g%s%s is not plausible (%g to %g)",
                         part->path, part->constant, none ? "" : " ", none ? "" : unit,
                         fields[field].least, fields[field].most);
    }
    const char *said =
        cJSON_IsString(item) ? item->valuestring : json_member(item, "path")->valuestring;
    return file_open(survey, field, said, cJSON_IsObject(item) ? item : NULL, ret_error);
}

/* "grid", where no file says it. */
static int grid_said(struct survey *survey, const cJSON *object, struct error *ret_error)
{
    struct grid *grid = &survey->grid;
    const cJSON *points = json_member(object, "points"),
                *origin = json_member(object, "origin_m");
    double counts[GRID_AXES] = {1, 1, 1};
    int dims = cJSON_GetArraySize(points);
    if (survey_triple_read(points, "$.model.grid.points", dims, counts, ret_error) < 0 ||
        survey_triple_read(json_member(object, "spacing_m"), "$.model.grid.spacing_m", dims,
                           grid->spacing, ret_error) < 0 ||
        (origin && survey_triple_read(origin, "$.model.grid.origin_m", dims, grid->origin,
                                      ret_error) < 0))
        return -1;
    grid->dims = dims;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        grid->n[axis] = (size_t)counts[axis];
        if ((axis != GRID_Y || dims == 3) && !(grid->spacing[axis] > 0))
            return error_set(ret_error, ERROR_CONFIG,
                             "$.model.grid.spacing_m: %g is no spacing; it must be above 0",
                             grid->spacing[axis]);
    }
    if (!grid_size(grid))
        return error_set(ret_error, ERROR_CONFIG, "$.model.grid.points: are too many");
    return 0;
}

static void grid_print(const struct grid *grid, char *text, size_t size)
{
    if (grid->dims == 2)
        snprintf(text, size, "%zu x %zu points, spacing %g x %g m, origin %g, %g m",
                 grid->n[GRID_X], grid->n[GRID_Z], grid->spacing[GRID_X], grid->spacing[GRID_Z],
                 grid->origin[GRID_X], grid->origin[GRID_Z]);
    else
        snprintf(text, size,
                 "%zu x %zu x %zu points, spacing %g x %g x %g m, origin %g, %g, %g m",
                 grid->n[GRID_X], grid->n[GRID_Y], grid->n[GRID_Z], grid->spacing[GRID_X],
                 grid->spacing[GRID_Y], grid->spacing[GRID_Z], grid->origin[GRID_X],
                 grid->origin[GRID_Y], grid->origin[GRID_Z]);
}

/* All fields have the grid of the first that is a file. */
static int grids_check(struct survey *survey, struct error *ret_error)
{
    const struct survey_part *parts = survey->state->parts, *first = NULL;
    for (int i = 0; i < SURVEY_FIELDS; i++) {
        if (!parts[i].model)
            continue;
        const struct grid *grid = model_grid(parts[i].model);
        if (!first) {
            first = &parts[i];
            survey->grid = *grid;
        } else if (!grid_equal(grid, &survey->grid)) {
            char mine[200], other[200];
            grid_print(grid, mine, sizeof(mine));
            grid_print(&survey->grid, other, sizeof(other));
            return error_set(ret_error, ERROR_CONFIG, "%s: has %s, but %s has %s",
                             parts[i].path, mine, first->path, other);
        }
    }
    const cJSON *said = json_member(json_member(survey->root, "model"), "grid");
    if (first && said)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.model.grid: %s says the grid already; leave it out", first->path);
    if (!first && !said)
        return error_set(
            ret_error, ERROR_CONFIG,
            "$.model.grid: is missing, and no field of the model is a file that says "
            "it");
    return first ? 0 : grid_said(survey, said, ret_error);
}

int survey_model_open(struct survey *survey, struct error *ret_error)
{
    for (int i = 0; i < SURVEY_FIELDS; i++) {
        if (part_open(survey, (enum survey_field)i, ret_error) < 0)
            return -1;
    }
    return grids_check(survey, ret_error);
}

static float convert(const struct survey_conversion *conversion, float value)
{
    double scaled = (double)value * conversion->scale;
    switch (conversion->root) {
    case 1:
        return (float)(1 / scaled);
    case 2:
        return (float)(1 / sqrt(scaled));
    default:
        return (float)scaled;
    }
}

static int implausible(const struct survey *survey, enum survey_field field,
                       const struct grid_box *box, size_t at, float value,
                       struct error *ret_error)
{
    size_t iz = at % box->n[GRID_Z], row = at / box->n[GRID_Z];
    size_t ix = box->first[GRID_X] + row / box->n[GRID_Y];
    size_t iy = box->first[GRID_Y] + row % box->n[GRID_Y];
    const char *unit = strcmp(fields[field].units[0], "1") ? fields[field].units[0] : NULL;
    return error_set(ret_error, ERROR_CONFIG,
                     "%s: the %s at index x %zu, y %zu, z %zu (from 0) is %g%s%s, which is not "
                     "plausible (%g to "
                     "%g%s)",
                     survey->state->parts[field].path, fields[field].name, ix, iy,
                     box->first[GRID_Z] + iz, (double)value, unit ? " " : "", unit ? unit : "",
                     fields[field].least, fields[field].most,
                     fields[field].units[1] ? "; or say other \"units\"" : "");
}

int survey_field_read(const struct survey *survey, enum survey_field field,
                      const struct grid_box *box, float *values, struct error *ret_error)
{
    const struct survey_part *part = &survey->state->parts[field];
    size_t count = box->n[GRID_X] * box->n[GRID_Y] * box->n[GRID_Z];
    if (!part->model) {
        for (size_t i = 0; i < count; i++)
            values[i] = (float)part->constant;
        return 0;
    }
    if (model_read(part->model, box, values, ret_error) < 0)
        return error_prefix(ret_error, "%s", part->path);
    for (size_t i = 0; i < count; i++) {
        float value = convert(&part->conversion, values[i]);
        /* Bounds are inclusive but for rounding: 0.1 as a float is over 0.1. */
        if (!(value >= (float)fields[field].least && value <= (float)fields[field].most))
            return implausible(survey, field, box, i, value, ret_error);
        values[i] = value;
    }
    return 0;
}

struct extent {
    float least, most;
};

/* Read a whole field, slab by slab along x. */
static int field_scan(const struct survey *survey, enum survey_field field,
                      struct extent *ret_extent, struct error *ret_error)
{
    const struct survey_part *part = &survey->state->parts[field];
    const struct grid *grid = &survey->grid;
    size_t plane = grid->n[GRID_Y] * grid->n[GRID_Z];
    size_t thick = plane < SLAB ? SLAB / plane : 1;
    *ret_extent = (struct extent){(float)part->constant, (float)part->constant};
    if (!part->model)
        return 0;
    thick = thick < grid->n[GRID_X] ? thick : grid->n[GRID_X];
    float *values = malloc(thick * plane * sizeof(*values));
    int status =
        values ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory to look at the model");
    *ret_extent = (struct extent){INFINITY, -INFINITY};
    for (size_t x = 0; status == 0 && x < grid->n[GRID_X]; x += thick) {
        struct grid_box box = grid_whole(grid);
        box.first[GRID_X] = x;
        box.n[GRID_X] = thick < grid->n[GRID_X] - x ? thick : grid->n[GRID_X] - x;
        status = survey_field_read(survey, field, &box, values, ret_error);
        for (size_t i = 0; status == 0 && i < box.n[GRID_X] * plane; i++) {
            ret_extent->least = fminf(ret_extent->least, values[i]);
            ret_extent->most = fmaxf(ret_extent->most, values[i]);
        }
    }
    free(values);
    return status;
}

int survey_scan(struct survey *survey, struct error *ret_error)
{
    struct extent extent;
    double most = 0;
    for (int i = 0; i < SURVEY_FIELDS; i++) {
        if (field_scan(survey, (enum survey_field)i, &extent, ret_error) < 0)
            return -1;
        if (i == SURVEY_VELOCITY) {
            survey->velocity_min_m_s = (double)extent.least;
            survey->velocity_max_m_s = (double)extent.most;
        }
        if (i == SURVEY_EPSILON || i == SURVEY_DELTA)
            most = fmax(most, (double)extent.most);
    }
    survey->state->anisotropy_max = most;
    return 0;
}

double survey_dt_limit(const struct survey *survey)
{
    const struct grid *grid = &survey->grid;
    double fastest = survey->velocity_max_m_s * sqrt(1 + 2 * survey->state->anisotropy_max);
    int order = survey->numerics.space_order;
    bool staggered = survey->physics == SURVEY_DENSITY;
    return cfl_limit(staggered ? CFL_STAGGERED : CFL_CENTRED, order, grid, fastest);
}

double survey_dt(const struct survey *survey)
{
    if (survey->numerics.dt_s > 0)
        return survey->numerics.dt_s;
    return survey->numerics.cfl * survey_dt_limit(survey);
}
