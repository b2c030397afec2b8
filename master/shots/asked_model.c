/*
 * A field that is asked for is read as a survey's: a small survey is written that has the farm's
 * model with these fields in the place of its own, and whose paths are absolute, and that is
 * opened. So formats, units and sentences are those of surveys.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/json.h"
#include "master/shots/shots_private.h"

/* All paths of the model's files, relative to the survey's folder, made absolute. */
static bool paths_complete(cJSON *item, const char *folder, size_t size)
{
    bool good = true;
    for (cJSON *field = item ? item->child : NULL; good && field; field = field->next) {
        cJSON *path =
            cJSON_IsObject(field) ? cJSON_GetObjectItemCaseSensitive(field, "path") : field;
        char *whole = NULL;
        if (!cJSON_IsString(path) || path->valuestring[0] == '/')
            continue;
        good = asprintf(&whole, "%.*s%s", (int)size, folder, path->valuestring) >= 0 &&
               cJSON_SetValuestring(path, whole);
        if (whole)
            free(whole);
    }
    return good;
}

static bool field_put(cJSON *model, const cJSON *asked, const char *field)
{
    const cJSON *item = json_member(asked, field);
    if (!item)
        return true;
    cJSON_DeleteItemFromObjectCaseSensitive(model, field);
    return cJSON_AddItemToObject(model, field, cJSON_Duplicate(item, true));
}

static bool is_file(const cJSON *model, const char *field)
{
    const cJSON *item = json_member(model, field);
    return cJSON_IsString(item) || cJSON_IsObject(item);
}

/* The grid is said where no file says it. */
static bool grid_put(const struct driver *driver, cJSON *model)
{
    static const char *const fields[] = {"velocity", "density", "epsilon",     "delta",
                                         "theta",    "phi",     "perturbation"};
    static const char *const keys[] = {"points", "spacing_m", "origin_m"};
    const struct grid *grid = &driver->survey.grid;
    cJSON_DeleteItemFromObjectCaseSensitive(model, "grid");
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (is_file(model, fields[i]))
            return true;
    cJSON *said = cJSON_AddObjectToObject(model, "grid");
    for (int k = 0; said && k < 3; k++) {
        cJSON *list = cJSON_AddArrayToObject(said, keys[k]);
        for (int axis = 0; list && axis < GRID_AXES; axis++) {
            double value = k == 0   ? (double)grid->n[axis]
                           : k == 1 ? grid->spacing[axis]
                                    : grid->origin[axis];
            if (grid->dims == 3 || axis != GRID_Y)
                cJSON_AddItemToArray(list, cJSON_CreateNumber(value));
        }
    }
    return said != NULL;
}

static cJSON *survey_print(const struct driver *driver, const cJSON *asked, const char *folder,
                           size_t size)
{
    static const char text[] =
        "{\"operation\":\"model\",\"wavelet\":{\"kind\":\"ricker\",\"peak_hz\":1},"
        "\"record\":{\"length_s\":1},\"geometry\":{\"sources\":{\"points\":[[0,0,0]]},"
        "\"receivers\":{\"points\":[[0,0,0]]}}}";
    const cJSON *old = driver->survey.root;
    cJSON *root = cJSON_Parse(text), *model = cJSON_Duplicate(json_member(old, "model"), true);
    bool good = root && model && cJSON_AddItemToObject(root, "model", model) &&
                field_put(model, asked, "velocity") &&
                field_put(model, asked, "perturbation") && grid_put(driver, model) &&
                paths_complete(model, folder, size);
    cJSON_AddItemToObject(root, "numerics",
                          cJSON_Duplicate(json_member(old, "numerics"), true));
    if (good && json_member(old, "physics"))
        cJSON_AddItemToObject(root, "physics",
                              cJSON_Duplicate(json_member(old, "physics"), true));
    if (good && json_member(model, "perturbation"))
        cJSON_ReplaceItemInObjectCaseSensitive(root, "operation", cJSON_CreateString("born"));
    if (good)
        return root;
    cJSON_Delete(root);
    return NULL;
}

static int survey_write(const struct driver *driver, const cJSON *asked, const char *path,
                        struct error *ret_error)
{
    char *folder = realpath(driver->survey_path, NULL);
    const char *slash = folder ? strrchr(folder, '/') : NULL;
    cJSON *root =
        slash ? survey_print(driver, asked, folder, (size_t)(slash - folder) + 1) : NULL;
    int rc = root ? json_write_file(path, root, 0, ret_error)
                  : error_set(ret_error, ERROR_SYSTEM, "no memory for a survey");
    cJSON_Delete(root);
    free(folder);
    return rc;
}

static void put_places(struct buf *buf, const struct grid *grid, const double values[GRID_AXES])
{
    buf_printf(buf, "(%.10g, ", values[GRID_X]);
    if (grid->dims == 3)
        buf_printf(buf, "%.10g, ", values[GRID_Y]);
    buf_printf(buf, "%.10g)", values[GRID_Z]);
}

static void put_points(struct buf *buf, const struct grid *grid)
{
    buf_printf(buf, "%zu x ", grid->n[GRID_X]);
    if (grid->dims == 3)
        buf_printf(buf, "%zu x ", grid->n[GRID_Y]);
    buf_printf(buf, "%zu points", grid->n[GRID_Z]);
}

/* What differs, and nothing else. -1. */
static int tell_grids(const struct grid *asked, const struct grid *own, struct error *ret_error)
{
    const char *join = "the model has ";
    struct grid points = *asked, spacing = *own,
                origin = *own; /* than the survey's in one thing */
    struct buf text;
    memcpy(points.spacing, own->spacing, sizeof(own->spacing));
    memcpy(points.origin, own->origin, sizeof(own->origin));
    memcpy(spacing.spacing, asked->spacing, sizeof(own->spacing));
    memcpy(origin.origin, asked->origin, sizeof(own->origin));
    buf_init(&text, ERROR_TEXT_MAX);
    if (!grid_equal(&points, own)) {
        buf_append_text(&text, join);
        put_points(&text, asked);
        buf_append_text(&text, " where the survey has ");
        put_points(&text, own);
        join = ", and ";
    }
    if (asked->dims == own->dims && !grid_equal(&spacing, own)) {
        buf_printf(&text, "%sa spacing of ", join);
        put_places(&text, own, asked->spacing);
        buf_append_text(&text, " m where the survey has ");
        put_places(&text, own, own->spacing);
        buf_append_text(&text, " m");
        join = ", and ";
    }
    if (asked->dims == own->dims && !grid_equal(&origin, own)) {
        buf_printf(&text, "%sits origin at ", join);
        put_places(&text, own, asked->origin);
        buf_append_text(&text, " m where the survey has ");
        put_places(&text, own, own->origin);
        buf_append_text(&text, " m");
    }
    error_set(ret_error, ERROR_CONFIG, "%s", buf_text(&text) ? buf_text(&text) : "no memory");
    buf_fini(&text);
    return -1;
}

/* Models that the farm's survey would not have had. */
static int model_check(const struct driver *driver, struct survey *survey,
                       struct error *ret_error)
{
    if (!grid_equal(&survey->grid, &driver->survey.grid))
        return tell_grids(&survey->grid, &driver->survey.grid, ret_error);
    if (survey_scan(survey, ret_error) < 0)
        return -1;
    double dt_s = shots_step(driver), limit_s = survey_dt_limit(survey);
    /* Tasks are told the step in milliseconds: rounding. */
    if (!(dt_s > limit_s * (1 + 1e-9)))
        return 0;
    return error_set(ret_error, ERROR_CONFIG,
                     "the model has velocities up to %g m/s, at which the survey's time step "
                     "of %.6g ms is above the stability limit of %.6g ms; keep to "
                     "$.inversion.max_velocity_m_s, or raise it",
                     survey->velocity_max_m_s, dt_s * 1e3, limit_s * 1e3);
}

static int field_read(const struct survey *survey, enum survey_field field, float **ret_values,
                      struct error *ret_error)
{
    size_t points = grid_size(&survey->grid);
    const struct grid_box box = grid_whole(&survey->grid);
    *ret_values = calloc(points + 1, sizeof(float));
    return *ret_values ? survey_field_read(survey, field, &box, *ret_values, ret_error)
                       : error_set(ret_error, ERROR_SYSTEM,
                                   "no memory for a model of %zu points", points);
}

/* The name of the small survey means nothing to anybody. */
static int unprefix(const char *path, struct error *error)
{
    const char *rest = error_after(error, path);
    if (rest && strncmp(rest, ": ", 2) == 0)
        memmove(error->text, rest + 2, strlen(rest + 2) + 1);
    return -1;
}

int asked_model_read(const struct driver *driver, const cJSON *asked, float **ret_velocity,
                     float **ret_perturbation, struct error *ret_error)
{
    struct survey survey = {0};
    char *path = NULL;
    if (asprintf(&path, "%s/asked.json", driver->scratch) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc = survey_write(driver, asked, path, ret_error);
    if (rc == 0)
        rc = survey_open(path, 0, NULL, &survey, ret_error);
    if (rc == 0)
        rc = model_check(driver, &survey, ret_error);
    if (rc == 0)
        rc = field_read(&survey, SURVEY_VELOCITY, ret_velocity, ret_error);
    if (rc == 0 && json_member(asked, "perturbation"))
        rc = field_read(&survey, SURVEY_PERTURBATION, ret_perturbation, ret_error);
    if (rc < 0)
        unprefix(path, ret_error);
    survey_close(&survey);
    unlink(path);
    free(path);
    return rc;
}
