/*
 * A survey is opened in steps: JSON with comments, the schema, the rules between keys, the schema's
 * defaults, the settings, the model's files (which say the grid), then data and geometry. With
 * SURVEY_CHECK everything is looked at, too.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/schema.h"
#include "common/seismic/survey_private.h"

static struct schema *schema_open(struct error *ret_error)
{
    return schema_create((const char *)survey_schema_bytes, survey_schema_size,
                         "survey.schema.json", ret_error);
}

/* Turns the mistakes of a document into full sentences. */
struct collector {
    const char *name;
    void (*report)(void *context, const char *sentence);
    void *context;
};

static void collect(void *context, const char *path, const char *sentence)
{
    struct collector *collector = context;
    struct error full;
    error_set(&full, ERROR_CONFIG, "%s: %s: %s", collector->name, path, sentence);
    if (collector->report)
        collector->report(collector->context, full.text);
}

/* The number of mistakes reported, or -1; *ret_root is there if it is 0, with its defaults. */
static int load(const char *text, size_t size, const char *name,
                void (*report)(void *context, const char *sentence), void *context,
                cJSON **ret_root, struct error *ret_error)
{
    cJSON *root;
    if (json_parse(text, size, name, JSON_COMMENTS, &root, ret_error) < 0)
        return -1;
    struct schema *schema = schema_open(ret_error);
    if (!schema) {
        cJSON_Delete(root);
        return -1;
    }
    struct collector collector = {.name = name, .report = report, .context = context};
    size_t count = schema_check(schema, root, collect, &collector);
    if (!count)
        count = survey_check_rules(root, collect, &collector);
    int status = count > INT32_MAX ? INT32_MAX : (int)count;
    if (!count)
        status = schema_fill(schema, root, ret_error);
    schema_destroy(schema);
    if (status)
        cJSON_Delete(root);
    else
        *ret_root = root;
    return status;
}

/* Keeps the first mistake. */
static void keep_first(void *context, const char *sentence)
{
    struct error *first = context;
    if (!first->code)
        error_set(first, ERROR_CONFIG, "%s", sentence);
}

static int read_root(const char *path, cJSON **ret_root, struct error *ret_error)
{
    char *text;
    size_t size;
    struct error first = {0};
    if (json_read_text(path, JSON_SIZE_MAX, &text, &size, ret_error) < 0)
        return -1;
    int count = load(text, size, path, keep_first, &first, ret_root, ret_error);
    free(text);
    if (count > 1)
        return error_set(ret_error, ERROR_CONFIG, "%.900s (and %d more)", first.text,
                         count - 1);
    if (count == 1)
        return error_set(ret_error, ERROR_CONFIG, "%s", first.text);
    return count;
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
    return flags & SURVEY_CHECK ? survey_look(survey, ret_error) : 0;
}

int survey_open(const char *path, unsigned flags, const char *cache, struct survey *ret_survey,
                struct error *ret_error)
{
    struct survey survey = {0};
    if (read_root(path, &survey.root, ret_error) < 0)
        return -1;
    const char *slash = strrchr(path, '/');
    if (state_create(&survey, path, cache, ret_error) < 0 ||
        survey_file_add(&survey, slash ? slash + 1 : path, false, ret_error) < 0) {
        survey_close(&survey);
        return -1;
    }
    if (open_parts(&survey, flags, ret_error) < 0) {
        survey_close(&survey);
        return ret_error && strncmp(ret_error->text, path, strlen(path)) == 0
                   ? -1
                   : error_prefix(ret_error, "%s", path);
    }
    *ret_survey = survey;
    return 0;
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
