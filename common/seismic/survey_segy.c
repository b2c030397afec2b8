/*
 * The SEG-Y files that a survey names: globs resolved, headers read as told, indexed, and their
 * shots put one behind the other.
 */
#include "config.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/seismic/survey_private.h"

static const struct {
    const char *key;
    enum segy_word word;
} keys[] = {
    {"shot", SEGY_SHOT},
    {"source_x", SEGY_SOURCE_X},
    {"source_y", SEGY_SOURCE_Y},
    {"source_depth", SEGY_SOURCE_DEPTH},
    {"source_elevation", SEGY_SOURCE_ELEVATION},
    {"receiver_x", SEGY_RECEIVER_X},
    {"receiver_y", SEGY_RECEIVER_Y},
    {"receiver_elevation", SEGY_RECEIVER_ELEVATION},
    {"receiver_depth", SEGY_RECEIVER_DEPTH},
    {"coordinate_scalar", SEGY_COORDINATE_SCALAR},
    {"elevation_scalar", SEGY_ELEVATION_SCALAR},
    {"delay", SEGY_DELAY},
    {"samples", SEGY_SAMPLES},
    {"interval", SEGY_INTERVAL},
    {"dead", SEGY_DEAD},
    {"cdp_x", SEGY_CDP_X},
    {"cdp_y", SEGY_CDP_Y},
    {"inline", SEGY_INLINE},
    {"crossline", SEGY_CROSSLINE},
};

static enum segy_type type_find(const char *name)
{
    static const char *const names[] = {"",      "int16",  "uint16", "int32",   "uint32",
                                        "int64", "uint64", "ibm32",  "float32", "float64"};
    for (int i = 1; name && i < (int)(sizeof(names) / sizeof(*names)); i++) {
        if (!strcmp(name, names[i]))
            return (enum segy_type)i;
    }
    return SEGY_TYPE_STANDARD;
}

int survey_headers_read(const cJSON *object, struct segy_options *options,
                        struct error *ret_error)
{
    const cJSON *headers = json_member(object, "headers");
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const cJSON *item = json_member(headers, keys[i].key);
        struct segy_place *place = &options->words[keys[i].word];
        int64_t byte;
        const char *type;
        if (cJSON_IsNumber(item))
            *place = (struct segy_place){.kind = SEGY_CONSTANT, .constant = item->valuedouble};
        if (!cJSON_IsObject(item))
            continue;
        if (json_get_integer(item, keys[i].key, "byte", 1, &byte, ret_error) < 0 ||
            json_get_text(item, keys[i].key, "type", NULL, &type, ret_error) < 0)
            return -1;
        *place = (struct segy_place){
            .kind = SEGY_PLACE, .byte = (unsigned)byte, .type = type_find(type)};
    }
    return 0;
}

static int project_read(struct survey_segy *segy, const cJSON *said, struct error *ret_error)
{
    const cJSON *project = json_member(said, "project");
    const cJSON *origin = json_member(project, "origin_m");
    if (!project)
        return 0;
    segy->projected = true;
    segy->geometry.origin_x = cJSON_GetArrayItem(origin, 0)->valuedouble;
    segy->geometry.origin_y = cJSON_GetArrayItem(origin, 1)->valuedouble;
    return json_get_real(project, "project", "azimuth_deg", 90, &segy->geometry.azimuth_deg,
                         ret_error);
}

static int geometry_read(struct survey_segy *segy, const cJSON *said, const char *path,
                         struct error *ret_error)
{
    struct segy_geometry *geometry = &segy->geometry;
    const char *order, *elevations;
    int64_t format;
    segy_geometry_init(geometry);
    if (!cJSON_IsObject(said))
        return 0;
    if (json_get_text(said, path, "byte_order", "auto", &order, ret_error) < 0 ||
        json_get_text(said, path, "elevations", "up", &elevations, ret_error) < 0 ||
        json_get_integer(said, path, "sample_format", 0, &format, ret_error) < 0 ||
        json_get_real(said, path, "source_z_m", geometry->source_z, &geometry->source_z,
                      ret_error) < 0 ||
        json_get_real(said, path, "receiver_z_m", geometry->receiver_z, &geometry->receiver_z,
                      ret_error) < 0 ||
        json_get_real(said, path, "datum_m", 0, &geometry->datum, ret_error) < 0)
        return -1;
    geometry->segy.order = !strcmp(order, "big")      ? SEGY_BIG
                           : !strcmp(order, "little") ? SEGY_LITTLE
                                                      : SEGY_AUTO;
    geometry->segy.sample_format = (int)format;
    geometry->down = !strcmp(elevations, "down");
    if (survey_headers_read(said, &geometry->segy, ret_error) < 0)
        return -1;
    geometry->by_word = geometry->segy.words[SEGY_SHOT].kind == SEGY_PLACE;
    return project_read(segy, said, ret_error);
}

static int path_add(const struct survey *survey, struct survey_segy *segy, const char *path,
                    const char *said, struct error *ret_error)
{
    size_t count = segy->file_count + 1;
    char **paths = reallocarray(segy->paths, count, sizeof(*paths));
    if (paths)
        segy->paths = paths;
    const char **names = reallocarray(segy->names, count, sizeof(*names));
    if (names)
        segy->names = names;
    char *copy = paths && names ? strdup(path) : NULL;
    if (!copy)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the names of files");
    paths[segy->file_count] = copy;
    names[segy->file_count++] = survey_name(survey, copy, said);
    return 0;
}

/* The folder's own name is no pattern. */
static char *pattern_make(const struct survey *survey, const char *said)
{
    struct buf buf;
    buf_init(&buf, 1 << 16);
    for (const char *at = *said == '/' ? "" : survey->state->folder; *at; at++) {
        if (strchr("*?[]\\", *at))
            buf_append(&buf, "\\", 1);
        buf_append(&buf, at, 1);
    }
    buf_append_text(&buf, said);
    const char *text = buf_failed(&buf) ? NULL : buf_text(&buf);
    char *pattern = text ? strdup(text) : NULL;
    buf_fini(&buf);
    return pattern;
}

static int pattern_add(const struct survey *survey, struct survey_segy *segy, const char *said,
                       const char *where, struct error *ret_error)
{
    glob_t found;
    char *pattern = pattern_make(survey, said);
    int got = pattern ? glob(pattern, 0, NULL, &found) : GLOB_NOSPACE;
    free(pattern);
    if (got == GLOB_NOMATCH)
        return error_set(ret_error, ERROR_CONFIG, "%s: there is no file \"%s\"", where, said);
    if (got != 0)
        return error_set(ret_error, ERROR_SYSTEM, "%s: files like \"%s\" cannot be looked for",
                         where, said);
    int status = 0;
    for (size_t i = 0; status == 0 && i < found.gl_pathc; i++)
        status = path_add(survey, segy, found.gl_pathv[i], said, ret_error);
    globfree(&found);
    return status;
}

/* Whoever gets the document next finds the files by their names, wherever they were put. */
static void paths_settle(const struct survey_segy *segy, cJSON *list)
{
    while (list->child)
        cJSON_DeleteItemFromArray(list, 0);
    for (size_t i = 0; i < segy->file_count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(segy->names[i]));
}

static int paths_find(const struct survey *survey, struct survey_segy *segy, const cJSON *said,
                      const char *path, struct error *ret_error)
{
    if (cJSON_IsString(said))
        return pattern_add(survey, segy, said->valuestring, path, ret_error);
    cJSON *list = cJSON_GetObjectItemCaseSensitive(said, "paths");
    int index = 0;
    for (const cJSON *item = list->child; item; item = item->next) {
        char where[128];
        snprintf(where, sizeof(where), "%s.paths[%d]", path, index++);
        if (pattern_add(survey, segy, item->valuestring, where, ret_error) < 0)
            return -1;
    }
    if (index < (int)segy->file_count)
        paths_settle(segy, list);
    return 0;
}

/* A file, whatever it is called. */
struct identity {
    dev_t device;
    ino_t inode;
    size_t file;
};

static int identity_compare(const void *a, const void *b)
{
    const struct identity *left = a, *right = b;
    if (left->device != right->device)
        return left->device < right->device ? -1 : 1;
    if (left->inode != right->inode)
        return left->inode < right->inode ? -1 : 1;
    return (left->file > right->file) - (left->file < right->file);
}

/* Each shot of a file that is named twice would count twice. Where shots are computed, files with
 * the same bytes may be links to one: there nothing is looked at. */
static int paths_check(const struct survey *survey, const struct survey_segy *segy,
                       const char *path, struct error *ret_error)
{
    if (!survey->state->checking)
        return 0;
    struct identity *all = calloc(segy->file_count + 1, sizeof(*all));
    size_t count = 0;
    int status = 0;
    if (!all)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the names of files");
    for (size_t i = 0; i < segy->file_count; i++) {
        struct stat about;
        if (stat(segy->paths[i], &about) == 0) /* else whoever opens it says so */
            all[count++] = (struct identity){about.st_dev, about.st_ino, i};
    }
    qsort(all, count, sizeof(*all), identity_compare);
    for (size_t i = 1; status == 0 && i < count; i++)
        if (all[i].device == all[i - 1].device && all[i].inode == all[i - 1].inode)
            status = error_set(ret_error, ERROR_CONFIG,
                               "%s: %s and %s are one file, and each of its shots would count "
                               "twice; leave out one of them",
                               path, segy->names[all[i - 1].file], segy->names[all[i].file]);
    free(all);
    return status;
}

/* Where indices are kept: as told, else beside the file, else, where that cannot be written, beside
 * the survey. */
static const char *cache_choose(const struct survey *survey, const char *path)
{
    const struct survey_state *state = survey->state;
    const char *slash = strrchr(path, '/');
    if (state->cache)
        return state->cache;
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    bool beside = folder && access(folder, W_OK) == 0;
    free(folder);
    if (beside)
        return NULL;
    return *state->folder ? state->folder : ".";
}

static int file_index(struct survey *survey, struct survey_segy *segy, size_t file,
                      struct error *ret_error)
{
    const char *path = segy->paths[file], *name = segy->names[file];
    const char *cache = cache_choose(survey, path);
    segy->geometry.copy = !survey->state->checking;
    segy->indices[file] = segy_index_open(path, &segy->geometry, cache, ret_error);
    if (!segy->indices[file] || survey_file_add(survey, name, false, ret_error) < 0)
        return -1;
    segy->shot_count += segy_index_describe(segy->indices[file])->shots;
    const char *kept = segy_index_path(segy->indices[file]);
    if (!kept)
        return 0;
    /* Beside the survey it travels, wherever the file is. */
    bool here = cache && cache != survey->state->cache;
    if (here && !strncmp(kept, "./", 2))
        kept += 2;
    kept = survey_name(survey, kept, here ? "" : name);
    if (survey_file_add(survey, kept, false, ret_error) < 0)
        return -1;
    struct survey_file *last = &survey->state->files[survey->state->file_count - 1];
    last->index = last->index || !strcmp(last->path, kept); /* else it was there before */
    return 0;
}

static int files_index(struct survey *survey, struct survey_segy *segy, struct error *ret_error)
{
    segy->indices = calloc(segy->file_count, sizeof(*segy->indices));
    if (!segy->indices)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for indices of files");
    for (size_t i = 0; i < segy->file_count; i++) {
        if (file_index(survey, segy, i, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* Whether a shot is among those that "shots" names, if it does. */
static bool is_wanted(const cJSON *numbers, int64_t number)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, numbers)
    {
        if ((int64_t)item->valuedouble == number)
            return true;
    }
    return !numbers;
}

static int number_compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int uniqueness_find(struct survey_segy *segy, struct error *ret_error)
{
    int64_t *numbers = calloc(segy->shot_count, sizeof(*numbers));
    if (!numbers)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the numbers of shots");
    for (size_t i = 0; i < segy->shot_count; i++)
        numbers[i] = segy->shots[i].shot->number;
    qsort(numbers, segy->shot_count, sizeof(*numbers), number_compare);
    segy->unique = true;
    for (size_t i = 1; i < segy->shot_count; i++)
        segy->unique = segy->unique && numbers[i] != numbers[i - 1];
    free(numbers);
    return 0;
}

static int shots_take(struct survey_segy *segy, const cJSON *numbers, const char *path,
                      struct error *ret_error)
{
    size_t taken = 0;
    segy->shots = calloc(segy->shot_count, sizeof(*segy->shots));
    if (!segy->shots)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu shots", segy->shot_count);
    for (size_t file = 0; file < segy->file_count; file++) {
        const struct segy_index_shot *shots = segy_index_shots(segy->indices[file]);
        uint64_t count = segy_index_describe(segy->indices[file])->shots;
        for (uint64_t i = 0; i < count; i++) {
            if (!is_wanted(numbers, shots[i].number))
                continue;
            segy->shots[taken].file = (uint32_t)file;
            segy->shots[taken++].shot = &shots[i];
        }
    }
    segy->picked = taken < segy->shot_count;
    segy->shot_count = taken;
    const cJSON *item;
    cJSON_ArrayForEach(item, numbers)
    {
        size_t i = 0;
        while (i < taken && segy->shots[i].shot->number != (int64_t)item->valuedouble)
            i++;
        if (i == taken)
            return error_set(ret_error, ERROR_CONFIG, "%s.shots: there is no shot %.0f", path,
                             item->valuedouble);
    }
    return uniqueness_find(segy, ret_error);
}

int survey_segy_open(struct survey *survey, const cJSON *said, const char *path,
                     struct survey_segy **ret_segy, struct error *ret_error)
{
    struct survey_segy *segy = calloc(1, sizeof(*segy));
    if (!segy)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %s", path);
    if (geometry_read(segy, said, path, ret_error) < 0 ||
        paths_find(survey, segy, said, path, ret_error) < 0 ||
        paths_check(survey, segy, path, ret_error) < 0 ||
        files_index(survey, segy, ret_error) < 0 ||
        shots_take(segy, cJSON_IsObject(said) ? json_member(said, "shots") : NULL, path,
                   ret_error) < 0) {
        survey_segy_close(segy);
        return -1;
    }
    *ret_segy = segy;
    return 0;
}

void survey_segy_close(struct survey_segy *segy)
{
    if (!segy)
        return;
    for (size_t i = 0; i < segy->file_count; i++) {
        if (segy->indices)
            segy_index_close(segy->indices[i]);
        free(segy->paths[i]);
    }
    free(segy->indices);
    free(segy->paths);
    free(segy->names);
    free(segy->shots);
    free(segy);
}

const struct segy_index_trace *survey_segy_traces(const struct survey_segy *segy, size_t index,
                                                  struct error *ret_error)
{
    const struct survey_segy_shot *at = &segy->shots[index];
    return segy_index_traces(segy->indices[at->file], at->shot, ret_error);
}
