/*
 * A wave with a model of its own gets a survey of its own: all paths in it become names of files in
 * the task's directory, and what they name travels with the wave's tasks.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/seismic/model.h"
#include "common/seismic/shot_settings.h"
#include "common/tree.h"
#include "master/shots/shots_private.h"

/* --- the files beside it --- */

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= SHOT_NAME_MAX && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               size;
}

static int file_add(struct roll_wave *wave, const char *name, const uint8_t *hash,
                    struct error *ret_error)
{
    if (!is_name(name))
        return error_set(
            ret_error, ERROR_CONFIG,
            "an inversion hands \"%s\" to its tasks: name it with letters, digits, "
            "'-', '_' and '.', at most %d",
            name, SHOT_NAME_MAX);
    for (size_t i = 0; i < wave->file_count; i++)
        if (strcmp(wave->files[i].name, name) == 0)
            return error_set(ret_error, ERROR_CONFIG,
                             "an inversion hands all files to its tasks side by side: two are "
                             "called \"%s\"",
                             name);
    if (wave->file_count == SHOT_FILES_MAX)
        return error_set(
            ret_error, ERROR_CONFIG,
            "an inversion can have %d files; put the data into fewer, or name them "
            "by absolute paths",
            SHOT_FILES_MAX);
    struct shot_file *files =
        reallocarray(wave->files, wave->file_count + 1, sizeof(*wave->files));
    if (!files)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the list of files");
    wave->files = files;
    struct shot_file *file = &files[wave->file_count++];
    snprintf(file->name, sizeof(file->name), "%s", name);
    memcpy(file->hash, hash, sizeof(file->hash));
    return 0;
}

/* The file that the survey names for a field of its model; NULL: none. */
static const char *field_path(const struct driver *driver, const char *field)
{
    const cJSON *asked = json_member(json_member(driver->survey.root, "model"), field);
    return cJSON_IsObject(asked) ? cJSON_GetStringValue(json_member(asked, "path"))
                                 : cJSON_GetStringValue(asked);
}

/* Whether a file of the survey (its path) is that one, or beside it that with its values. */
static bool is_of_field(const struct driver *driver, const char *header, const char *path)
{
    char *from = NULL, *to = NULL;
    struct error ignored;
    if (!header || strcmp(path, header) == 0)
        return header != NULL;
    const char *slash = strrchr(driver->survey_path, '/');
    int folder = slash ? (int)(slash - driver->survey_path) + 1 : 0;
    bool is = false;
    if (asprintf(&from, "%.*s%s", folder, driver->survey_path, header) < 0)
        from = NULL;
    if (asprintf(&to, "%.*s%s", folder, driver->survey_path, path) < 0)
        to = NULL;
    struct model *model =
        from && to ? model_open(from, &(struct model_options){0}, &ignored) : NULL;
    if (model && model_data_path(model))
        is = strcmp(model_data_path(model), to) == 0;
    model_close(model);
    free(from);
    free(to);
    return is;
}

struct shots_own shots_own_of(const struct roll_wave *wave)
{
    struct shots_own own = {false, false};
    bool surveyed = false; /* else such a file is one of the survey's */
    for (size_t i = 0; i < wave->file_count; i++) {
        const char *name = wave->files[i].name;
        surveyed = surveyed || !strcmp(name, SHOT_SURVEY_FILE);
        own.velocity = own.velocity || !strcmp(name, SHOT_FIELD_VELOCITY ".json");
        own.perturbation = own.perturbation || !strcmp(name, SHOT_FIELD_PERTURBATION ".json");
    }
    return surveyed ? own : (struct shots_own){false, false};
}

/* Whether a wave whose models are `own` hands that file to its tasks, by its name. */
static bool is_carried(const struct driver *driver, struct shots_own own,
                       const struct survey_file *file)
{
    const char *velocity = own.velocity ? field_path(driver, SHOT_FIELD_VELOCITY) : NULL;
    const char *change = own.perturbation ? field_path(driver, SHOT_FIELD_PERTURBATION) : NULL;
    return file->path[0] != '/' && !shots_is_data(driver, file) &&
           !is_of_field(driver, velocity, file->path) &&
           !is_of_field(driver, change, file->path);
}

int shots_names_check(const struct driver *driver, struct error *ret_error)
{
    size_t count;
    const struct survey_file *files = survey_files(&driver->survey, &count);
    const struct shots_own own = {.velocity = true};
    const uint8_t none[MESSAGE_HASH_SIZE] = {0};
    struct roll_wave wave = {0};
    int rc = 0;
    for (size_t i = 1; rc == 0 && driver->operation == SURVEY_FWI && i < count; i++)
        if (is_carried(driver, own, &files[i]))
            rc = file_add(&wave, name_of(files[i].path), none, ret_error);
    free(wave.files);
    return rc;
}

int shots_files_carry(struct driver *driver, struct shots_own own, struct roll_wave *wave,
                      struct error *ret_error)
{
    size_t count;
    const struct survey_file *files = survey_files(&driver->survey, &count);
    uint8_t hash[MESSAGE_HASH_SIZE];
    for (size_t i = 1; i < count; i++) {
        if (!is_carried(driver, own, &files[i]))
            continue;
        char *path = shots_farm_path(driver, files[i].path);
        bool known =
            path && driver->context.file_hash(driver->context.wake_context, path, hash);
        free(path);
        if (known && file_add(wave, name_of(files[i].path), hash, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* --- the survey --- */

/* Every text that is a relative path of one of the survey's files, or a glob of some, becomes a
 * name. */
static void paths_flatten(cJSON *item, const struct survey_file *files, size_t count)
{
    for (; item; item = item->next) {
        paths_flatten(item->child, files, count);
        bool glob = cJSON_IsString(item) && item->valuestring[0] != '/' &&
                    strpbrk(item->valuestring, "*?[");
        if (glob)
            cJSON_SetValuestring(item, name_of(item->valuestring));
        for (size_t i = 1; cJSON_IsString(item) && i < count; i++)
            if (files[i].path[0] != '/' && strcmp(item->valuestring, files[i].path) == 0) {
                cJSON_SetValuestring(item, name_of(files[i].path));
                break;
            }
    }
}

double shots_step(const struct driver *driver)
{
    const struct survey *survey = &driver->survey;
    double most = survey->inversion.max_m_s, dt_s = survey_dt(survey);
    bool bounded = most > 0 && !isinf(most);
    bool models = driver->operation == SURVEY_FWI || driver->asked.served;
    if (survey->numerics.dt_s > 0 || !models)
        return dt_s;
    if (!bounded)
        return 0;
    return most > survey->velocity_max_m_s ? dt_s * survey->velocity_max_m_s / most : dt_s;
}

/* So surveys of single tasks need not look through the whole model for its highest velocity,
 * either. */
static void step_fix(const struct driver *driver, cJSON *root)
{
    double dt_s = shots_step(driver);
    cJSON *numerics = cJSON_GetObjectItemCaseSensitive(root, "numerics");
    if (!numerics || dt_s == 0 || driver->survey.numerics.dt_s > 0)
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(numerics, "dt_ms");
    cJSON_AddNumberToObject(numerics, "dt_ms", 1e3 * dt_s);
}

/* The data are SEG-Y files of the task's own, from whose headers the geometry comes, too. */
static bool data_change(cJSON *root, const char *const *data, size_t count)
{
    cJSON_DeleteItemFromObjectCaseSensitive(root, "data");
    cJSON_DeleteItemFromObjectCaseSensitive(root, "geometry");
    cJSON *said = cJSON_AddObjectToObject(root, "data");
    cJSON *paths = cJSON_AddArrayToObject(said, "paths");
    bool good = paths != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = cJSON_AddItemToArray(paths, cJSON_CreateString(data[i]));
    return good;
}

/* A field of its own; files say the grid. */
static bool field_change(cJSON *model, const char *field)
{
    char name[64];
    snprintf(name, sizeof(name), "%s.json", field);
    cJSON_DeleteItemFromObjectCaseSensitive(model, field);
    cJSON_DeleteItemFromObjectCaseSensitive(model, "grid");
    return cJSON_AddStringToObject(model, field, name) != NULL;
}

/* The schema's rules want an operation that has a use for a perturbation. */
static bool operation_change(const struct driver *driver, cJSON *root, bool perturbed)
{
    const cJSON *said = json_member(root, "operation");
    bool born = cJSON_IsString(said) && strcmp(said->valuestring, "born") == 0;
    if (!driver->asked.served || born == perturbed)
        return true;
    cJSON_DeleteItemFromObjectCaseSensitive(root, "operation");
    return cJSON_AddStringToObject(root, "operation", perturbed ? "born" : "model") != NULL;
}

static cJSON *survey_change(const struct driver *driver, struct shots_own own,
                            const char *const *data, size_t data_count)
{
    size_t count;
    const struct survey_file *files = survey_files(&driver->survey, &count);
    cJSON *root = cJSON_Duplicate(driver->survey.root, true);
    cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
    bool good = model != NULL;
    cJSON_DeleteItemFromObjectCaseSensitive(root, "$schema");
    paths_flatten(root ? root->child : NULL, files, count);
    if (good && own.velocity)
        good = field_change(model, SHOT_FIELD_VELOCITY);
    if (good && own.perturbation)
        good = field_change(model, SHOT_FIELD_PERTURBATION);
    good = good && operation_change(driver, root, json_member(model, SHOT_FIELD_PERTURBATION));
    if (good && data_count)
        good = data_change(root, data, data_count);
    step_fix(driver, root);
    if (good)
        return root;
    cJSON_Delete(root);
    return NULL;
}

int shots_survey_write(const struct driver *driver, struct shots_own own,
                       const char *const *data, size_t data_count, const char *path,
                       struct error *ret_error)
{
    cJSON *root = survey_change(driver, own, data, data_count);
    int rc = root ? json_write_file(path, root, 2, ret_error)
                  : error_set(ret_error, ERROR_SYSTEM, "no memory for a survey");
    cJSON_Delete(root);
    return rc;
}

int shots_folder_put(struct driver *driver, const char *folder, bool lasting,
                     struct roll_wave *wave, struct error *ret_error)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort), rc = 0;
    if (count < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be read", folder);
    for (int i = 0; i < count; i++) {
        char *path = NULL;
        uint8_t hash[MESSAGE_HASH_SIZE];
        if (rc == 0 && entries[i]->d_name[0] != '.') {
            if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
                rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
            else if (driver->context.put_file(driver->context.wake_context, path, lasting, hash,
                                              ret_error) < 0 ||
                     file_add(wave, entries[i]->d_name, hash, ret_error) < 0)
                rc = -1;
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int field_write(const struct driver *driver, const char *folder, const char *field,
                       const char *units, const float *values, struct error *ret_error)
{
    char *path = NULL;
    if (!values)
        return 0;
    if (asprintf(&path, "%s/%s.json", folder, field) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc =
        model_write(path, MODEL_RAW, &driver->survey.grid, values, field, units, ret_error);
    free(path);
    return rc;
}

static int survey_fill(struct driver *driver, const char *folder, struct shots_own own,
                       struct roll_wave *wave, struct error *ret_error)
{
    char *survey = NULL;
    if (asprintf(&survey, "%s/" SHOT_SURVEY_FILE, folder) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc = shots_survey_write(driver, own, NULL, 0, survey, ret_error);
    free(survey);
    if (rc < 0 || shots_folder_put(driver, folder, true, wave, ret_error) < 0)
        return -1;
    return shots_files_carry(driver, own, wave, ret_error);
}

int shots_survey_make(struct driver *driver, const float *velocity, const float *perturbation,
                      struct roll_wave *wave, struct error *ret_error)
{
    const struct shots_own own = {.velocity = true, .perturbation = perturbation != NULL};
    char *folder = NULL;
    if (asprintf(&folder, "%s/wave", driver->scratch) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    tree_remove(AT_FDCWD, folder);
    int rc = tree_make(folder, ret_error);
    if (rc == 0)
        rc = field_write(driver, folder, SHOT_FIELD_VELOCITY, "m/s", velocity, ret_error);
    if (rc == 0)
        rc = field_write(driver, folder, SHOT_FIELD_PERTURBATION, "s2/m2", perturbation,
                         ret_error);
    if (rc == 0)
        rc = survey_fill(driver, folder, own, wave, ret_error);
    tree_remove(AT_FDCWD, folder);
    free(folder);
    return rc;
}

/* --- models of waves that are done with --- */

static bool is_wanted(const struct roll *roll, size_t from, const uint8_t *hash)
{
    for (size_t w = from; w < roll->wave_count; w++) {
        const struct roll_wave *wave = &roll->waves[w];
        if (wave->has_state && memcmp(wave->state, hash, sizeof(wave->state)) == 0)
            return true;
        for (size_t i = 0; i < wave->file_count; i++)
            if (memcmp(wave->files[i].hash, hash, sizeof(wave->files[i].hash)) == 0)
                return true;
    }
    return false;
}

static void drop(const struct driver *driver, size_t wave, const uint8_t *hash)
{
    if (!is_wanted(&driver->roll, wave + 1, hash))
        driver->context.drop_file(driver->context.wake_context, hash);
}

void shots_models_drop(const struct driver *driver, size_t wave)
{
    const struct roll_wave *old = &driver->roll.waves[wave];
    for (size_t i = 0; i < old->file_count; i++)
        drop(driver, wave, old->files[i].hash);
    if (old->has_state)
        drop(driver, wave, old->state);
}
