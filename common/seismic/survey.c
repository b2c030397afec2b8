/*
 * A survey is opened in steps: the document with its defaults (document.h), the settings, the
 * model's files (which say the grid), then data and geometry. With SURVEY_CHECK everything is
 * looked at, too.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/seismic/survey_private.h"

static const struct document_kind kind = {.schema = survey_schema_bytes,
                                          .schema_size = &survey_schema_size,
                                          .schema_name = "survey.schema.json",
                                          .check = survey_check_rules,
                                          .remedy = ""};

struct schema *survey_schema_create(struct error *ret_error)
{
    return document_schema_create(&kind, ret_error);
}

static int state_create(struct survey *survey, const char *path, const char *cache,
                        struct error *ret_error)
{
    const char *slash = strrchr(path, '/');
    struct survey_state *state = calloc(1, sizeof(*state));
    if (!state)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", path);
    survey->state = state;
    state->path = strdup(path);
    state->folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
    state->cache = cache ? strdup(cache) : NULL;
    if (!state->path || !state->folder || (cache && !state->cache))
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", path);
    survey->path = state->path;
    return 0;
}

static int open_parts(struct survey *survey, unsigned flags, struct error *ret_error)
{
    if (survey_settings_read(survey, ret_error) < 0 ||
        survey_wavelet_read(survey, ret_error) < 0 ||
        survey_model_open(survey, ret_error) < 0 || survey_geometry_open(survey, ret_error) < 0)
        return -1;
    if (survey->memory.subsampling == 0)
        survey->memory.product_hz = survey_product_hz(survey);
    return flags & SURVEY_CHECK ? survey_look(survey, ret_error) : 0;
}

static int name_file(const char *path, struct error *ret_error)
{
    return error_after(ret_error, path) ? -1 : error_prefix(ret_error, "%s", path);
}

int survey_open(const char *path, unsigned flags, const char *cache, struct survey *ret_survey,
                struct error *ret_error)
{
    struct survey survey = {0};
    if (document_read(&kind, path, &survey.root, ret_error) < 0)
        return -1;
    const char *slash = strrchr(path, '/');
    if (state_create(&survey, path, cache, ret_error) < 0 ||
        survey_file_add(&survey, slash ? slash + 1 : path, false, ret_error) < 0) {
        survey_close(&survey);
        return -1;
    }
    survey.state->checking = flags & (SURVEY_CHECK | SURVEY_CHECK_LATER);
    if (open_parts(&survey, flags, ret_error) < 0) {
        survey_close(&survey);
        return name_file(path, ret_error);
    }
    *ret_survey = survey;
    return 0;
}

int survey_check(struct survey *survey, struct error *ret_error)
{
    return survey_look(survey, ret_error) < 0 ? name_file(survey->path, ret_error) : 0;
}

static void state_destroy(struct survey_state *state)
{
    for (int i = 0; i < SURVEY_FIELDS; i++) {
        model_close(state->parts[i].model);
        free(state->parts[i].path);
    }
    survey_segy_close(state->data);
    survey_segy_close(state->geometry);
    places_fini(&state->sources);
    places_fini(&state->receivers);
    for (size_t i = 0; i < state->file_count; i++)
        free((char *)state->files[i].path);
    free(state->files);
    free(state->wavelet);
    free(state->frequencies);
    free(state->bands);
    free(state->program);
    free(state->path);
    free(state->folder);
    free(state->cache);
    free(state);
}

void survey_close(struct survey *survey)
{
    if (survey->state)
        state_destroy(survey->state);
    cJSON_Delete(survey->root);
    *survey = (struct survey){0};
}

char *survey_path(const struct survey *survey, const char *said)
{
    char *path = NULL;
    if (asprintf(&path, "%s%s", *said == '/' ? "" : survey->state->folder, said) < 0)
        return NULL;
    return path;
}

const char *survey_name(const struct survey *survey, const char *path, const char *said)
{
    size_t folder = strlen(survey->state->folder);
    bool beside = *said != '/' && !strncmp(path, survey->state->folder, folder);
    return beside ? path + folder : path;
}

int survey_file_add(struct survey *survey, const char *said, bool model,
                    struct error *ret_error)
{
    struct survey_state *state = survey->state;
    for (size_t i = 0; i < state->file_count; i++) {
        if (!strcmp(state->files[i].path, said))
            return 0;
    }
    if (state->file_count == state->file_capacity) {
        size_t capacity = state->file_capacity ? 2 * state->file_capacity : 16;
        void *grown = reallocarray(state->files, capacity, sizeof(*state->files));
        if (!grown)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for the names of files");
        state->files = grown;
        state->file_capacity = capacity;
    }
    char *copy = strdup(said);
    if (!copy)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the names of files");
    state->files[state->file_count++] = (struct survey_file){.path = copy, .model = model};
    return 0;
}

const struct survey_file *survey_files(const struct survey *survey, size_t *ret_count)
{
    *ret_count = survey->state->file_count;
    return survey->state->files;
}
