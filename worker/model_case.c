/*
 * Cases that are in use stand in a list, where a second slot finds that of the first; there is one
 * in all but tests. Names of files stay as they are written, relative to the folder, for the sake
 * of sentences; what they mean from the root of the farm's files on is worked out beside them.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "worker/inside.h"
#include "worker/model_case.h"

#define LARGE_TEMPLATES  (1 << 20) /* bytes: milliseconds to write */
#define LARGE_PARAMETERS 5000      /* numbers: a millisecond to print */

/* Templates, or instruction files, with the model's. */
struct pairs {
    struct pest_file_pair *list; /* relative to the folder */
    char **paths;                /* of the model's files, from the root of the farm's files */
    size_t count;
};

struct names {
    const char **list; /* borrowed from the job */
    size_t count;
    struct pest_index *index;
};

struct model_case {
    struct model_case *next;
    unsigned refs;
    const cJSON *job;
    const struct manifest *manifest;
    char folder[PATH_MAX];
    struct names parameters, observations;
    struct pairs inputs, outputs;
    struct pest_style style;
    const char *delimiters; /* NULL: none */
    bool large;
    atomic_bool *copied; /* per file of the manifest */

    pthread_mutex_t lock; /* guards what follows until it is loaded */
    bool loaded;
    struct error failure;
    char *source; /* the folder it was read from, with a slash */
    struct pest_inputs *read_inputs;
    struct pest_outputs *read_outputs;
};

static struct model_case *cases;

/* --- Paths --- */

/* `name`, relative to the folder, from the root on: no ".", no "..". 0 or -1. */
static int join(const char *folder, const char *name, char *path, struct error *ret_error)
{
    size_t used = strlen(folder);
    if (name[0] == '/')
        return error_set(
            ret_error, ERROR_CONFIG,
            "\"%s\" is absolute, so that all slots would use the same file; give a "
            "name relative to the control file",
            name);
    memcpy(path, folder, used + 1);
    for (const char *next = name; *next;) {
        size_t length = strcspn(next, "/");
        bool up = length == 2 && memcmp(next, "..", 2) == 0;
        if (up && !used)
            return error_set(ret_error, ERROR_CONFIG,
                             "\"%s\" leads out of the folder of the farm's files", name);
        if (up) {
            const char *slash = strrchr(path, '/');
            used = slash ? (size_t)(slash - path) : 0;
        } else if (length && !(length == 1 && next[0] == '.')) {
            if (used + length + 2 > PATH_MAX)
                return error_set(ret_error, ERROR_CONFIG, "a path is longer than %d bytes",
                                 PATH_MAX);
            if (used)
                path[used++] = '/';
            memcpy(path + used, next, length);
            used += length;
        }
        path[used] = 0;
        next += length + (next[length] == '/');
    }
    return 0;
}

static void turn_backslashes(char *name)
{
    for (; *name; name++)
        if (*name == '\\')
            *name = '/';
}

const struct manifest_file *model_case_find(const struct model_case *model, const char *name,
                                            char *ret_name)
{
    char path[PATH_MAX];
    if (strlen(name) >= PATH_MAX)
        return NULL;
    memcpy(ret_name, name, strlen(name) + 1);
    for (int i = 0; i < 2; i++, turn_backslashes(ret_name)) {
        const struct manifest_file *file = NULL;
        if (join(model->folder, ret_name, path, NULL) == 0)
            file = manifest_find(model->manifest, path);
        if (file)
            return file;
    }
    return NULL;
}

/* Is there a farm's file below the folder that `name` (with slashes) lies in? */
static bool has_folder(const struct model_case *model, const char *name)
{
    char path[PATH_MAX];
    if (join(model->folder, name, path, NULL) < 0 || !strrchr(path, '/'))
        return false;
    size_t size = (size_t)(strrchr(path, '/') - path) + 1;
    for (size_t i = 0; i < manifest_count(model->manifest); i++)
        if (strncmp(manifest_get(model->manifest, i)->path, path, size) == 0)
            return true;
    return false;
}

/* A name of the model's file as it will be used. It need not exist, so backslashes are turned
 * where that leads into a folder that does. */
static char *clean_model_file(const struct model_case *model, const char *name)
{
    char found[PATH_MAX];
    if (model_case_find(model, name, found))
        return strdup(found);
    char *turned = strdup(name);
    if (turned && strchr(name, '\\')) {
        turn_backslashes(turned);
        if (!has_folder(model, turned)) {
            free(turned);
            turned = strdup(name);
        }
    }
    return turned;
}

/* --- The job --- */

static int read_names(const cJSON *job, const char *key, struct names *names,
                      struct error *ret_error)
{
    const cJSON *list, *item;
    if (json_get_array(job, "job", key, &list, ret_error) < 0)
        return -1;
    names->list = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*names->list));
    if (!names->list)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for names");
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return error_set(ret_error, ERROR_NETWORK, "the job has no text in \"%s\"[%zu]",
                             key, names->count);
        names->list[names->count++] = item->valuestring;
    }
    names->index = pest_index_create(names->list, names->count, ret_error);
    return names->index ? 0 : -1;
}

static int read_pair(struct model_case *model, const cJSON *item, const char *where,
                     const char *key, struct pest_file_pair *pair, char **ret_path,
                     struct error *ret_error)
{
    char path[PATH_MAX], found[PATH_MAX];
    const char *from, *file;
    if (json_get_text(item, where, key, "", &from, ret_error) < 0 ||
        json_get_text(item, where, "file", "", &file, ret_error) < 0)
        return -1;
    if (!*from || !*file)
        return error_set(ret_error, ERROR_CONFIG, "%s must have \"%s\" and \"file\"", where,
                         key);
    if (!model_case_find(model, from, found))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: the farm's files have no \"%s\" in the model's folder \"%s\"",
                         where, from, *model->folder ? model->folder : ".");
    pair->pest_file = strdup(found);
    pair->model_file = clean_model_file(model, file);
    if (!pair->pest_file || !pair->model_file)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (join(model->folder, pair->model_file, path, ret_error) < 0)
        return error_prefix(ret_error, "%s.file", where);
    *ret_path = strdup(path);
    return *ret_path ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
}

static int read_pairs(struct model_case *model, const cJSON *work, const char *key,
                      const char *from, struct pairs *pairs, struct error *ret_error)
{
    const cJSON *list, *item;
    if (json_get_array(work, "$.work", key, &list, ret_error) < 0)
        return -1;
    size_t count = (size_t)cJSON_GetArraySize(list);
    pairs->list = calloc(count + 1, sizeof(*pairs->list));
    pairs->paths = calloc(count + 1, sizeof(*pairs->paths));
    if (!pairs->list || !pairs->paths)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for $.work.%s", key);
    cJSON_ArrayForEach(item, list)
    {
        char where[64];
        snprintf(where, sizeof(where), "$.work.%s[%zu]", key, pairs->count);
        size_t at = pairs->count++;
        if (read_pair(model, item, where, from, &pairs->list[at], &pairs->paths[at],
                      ret_error) < 0)
            return -1;
    }
    return 0;
}

static int read_style(struct model_case *model, const cJSON *work, struct error *ret_error)
{
    const char *precision;
    if (json_get_text(work, "$.work", "precision", "single", &precision, ret_error) < 0 ||
        json_get_bool(work, "$.work", "point", true, &model->style.point, ret_error) < 0 ||
        json_get_text(work, "$.work", "delimiters", NULL, &model->delimiters, ret_error) < 0)
        return -1;
    model->style.double_precision = strcmp(precision, "double") == 0;
    if (!model->style.double_precision && strcmp(precision, "single") != 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.work.precision must be \"single\" or \"double\", not \"%s\"",
                         precision);
    return 0;
}

static int read_job(struct model_case *model, struct error *ret_error)
{
    const cJSON *work;
    const char *folder;
    if (json_get_object(model->job, "job", "work", &work, ret_error) < 0 ||
        json_get_text(work, "$.work", "folder", ".", &folder, ret_error) < 0 ||
        join("", folder, model->folder, ret_error) < 0 ||
        read_style(model, work, ret_error) < 0 ||
        read_names(model->job, "params", &model->parameters, ret_error) < 0 ||
        read_names(model->job, "results", &model->observations, ret_error) < 0 ||
        read_pairs(model, work, "inputs", "template", &model->inputs, ret_error) < 0 ||
        read_pairs(model, work, "outputs", "instructions", &model->outputs, ret_error) < 0)
        return -1;
    uint64_t size = 0;
    char name[PATH_MAX];
    for (size_t i = 0; i < model->inputs.count; i++)
        size += model_case_find(model, model->inputs.list[i].pest_file, name)->size;
    model->large = size > LARGE_TEMPLATES || model->parameters.count > LARGE_PARAMETERS;
    return 0;
}

/* --- The list of cases --- */

static void fini_names(struct names *names)
{
    pest_index_destroy(names->index);
    free(names->list);
}

static void fini_pairs(struct pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->list[i].pest_file);
        free(pairs->list[i].model_file);
        free(pairs->paths[i]);
    }
    free(pairs->list);
    free(pairs->paths);
}

static void destroy(struct model_case *model)
{
    pest_inputs_destroy(model->read_inputs);
    pest_outputs_destroy(model->read_outputs);
    fini_names(&model->parameters);
    fini_names(&model->observations);
    fini_pairs(&model->inputs);
    fini_pairs(&model->outputs);
    pthread_mutex_destroy(&model->lock);
    free(model->copied);
    free(model->source);
    free(model);
}

struct model_case *model_case_ref(const cJSON *job, const struct manifest *manifest,
                                  struct error *ret_error)
{
    for (struct model_case *model = cases; model; model = model->next)
        if (model->job == job && model->manifest == manifest) {
            model->refs++;
            return model;
        }
    struct model_case *model = calloc(1, sizeof(*model));
    if (!model) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a PEST case");
        return NULL;
    }
    model->refs = 1;
    model->job = job;
    model->manifest = manifest;
    pthread_mutex_init(&model->lock, NULL);
    model->copied = calloc(manifest_count(manifest) + 1, sizeof(*model->copied));
    if (!model->copied)
        error_set(ret_error, ERROR_SYSTEM, "no memory for a PEST case");
    if (!model->copied || read_job(model, ret_error) < 0) {
        destroy(model);
        return NULL;
    }
    model->next = cases;
    cases = model;
    return model;
}

void model_case_unref(struct model_case *model)
{
    if (!model || --model->refs)
        return;
    struct model_case **link = &cases;
    while (*link != model)
        link = &(*link)->next;
    *link = model->next;
    destroy(model);
}

/* --- Asking --- */

const char *model_case_folder(const struct model_case *model)
{
    return model->folder;
}

static bool has_path(const struct pairs *pairs, const char *path)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->paths[i], path) == 0)
            return true;
    return false;
}

bool model_case_replaces(const struct model_case *model, const char *path)
{
    return has_path(&model->inputs, path) || has_path(&model->outputs, path);
}

size_t model_case_parameters(const struct model_case *model)
{
    return model->parameters.count;
}

size_t model_case_observations(const struct model_case *model)
{
    return model->observations.count;
}

const char *model_case_observation(const struct model_case *model, size_t number)
{
    return model->observations.list[number];
}

size_t model_case_outputs(const struct model_case *model)
{
    return model->outputs.count;
}

const char *model_case_output(const struct model_case *model, size_t number)
{
    return model->outputs.list[number].model_file;
}

static int make_folders(const struct pairs *pairs, int root_fd, struct error *ret_error)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (inside_make_parents(root_fd, pairs->paths[i], ret_error) < 0)
            return -1;
    return 0;
}

int model_case_make_folders(const struct model_case *model, int root_fd,
                            struct error *ret_error)
{
    if (make_folders(&model->inputs, root_fd, ret_error) < 0)
        return -1;
    return make_folders(&model->outputs, root_fd, ret_error);
}

const struct pest_inputs *model_case_read_inputs(const struct model_case *model)
{
    return model->read_inputs;
}

const struct pest_outputs *model_case_read_outputs(const struct model_case *model)
{
    return model->read_outputs;
}

bool model_case_is_large(const struct model_case *model)
{
    return model->large;
}

bool model_case_set_copied(struct model_case *model, const struct manifest_file *file)
{
    return !atomic_exchange(&model->copied[file - manifest_get(model->manifest, 0)], true);
}

bool model_case_is_copied(const struct model_case *model, const struct manifest_file *file)
{
    return model->copied[file - manifest_get(model->manifest, 0)];
}

/* --- Loading --- */

static int load_inputs(struct model_case *model, struct error *ret_error)
{
    model->read_inputs =
        pest_inputs_read(model->inputs.list, model->inputs.count, model->source,
                         model->parameters.index, &model->style, ret_error);
    return model->read_inputs ? 0 : -1;
}

static int load_outputs(struct model_case *model, struct error *ret_error)
{
    model->read_outputs =
        pest_outputs_read(model->outputs.list, model->outputs.count, model->source,
                          model->observations.index, model->delimiters, ret_error);
    return model->read_outputs ? 0 : -1;
}

/* A template that is wrong stays wrong; memory, and what a disk refuses, may do better later. */
static int load(struct model_case *model, const char *path)
{
    free(model->source);
    model->source = NULL;
    if (asprintf(&model->source, "%s/", path) < 0) {
        model->source = NULL;
        return error_set(&model->failure, ERROR_SYSTEM, "no memory for a path");
    }
    pest_inputs_destroy(model->read_inputs);
    model->read_inputs = NULL;
    if (load_inputs(model, &model->failure) == 0 && load_outputs(model, &model->failure) == 0) {
        model->loaded = true;
        return 0;
    }
    model->loaded = model->failure.code != ERROR_SYSTEM;
    return -1;
}

int model_case_load(struct model_case *model, const char *path, struct error *ret_error)
{
    pthread_mutex_lock(&model->lock);
    int rc = 0;
    if (!model->loaded)
        rc = load(model, path);
    else if (!model->read_outputs)
        rc = -1;
    if (rc < 0) {
        *ret_error = model->failure;
        model_case_shorten(model, ret_error);
    }
    pthread_mutex_unlock(&model->lock);
    return rc;
}

void model_case_shorten(const struct model_case *model, struct error *error)
{
    size_t size = model->source ? strlen(model->source) : 0;
    if (!size)
        return;
    for (char *found; (found = strstr(error->text, model->source));)
        memmove(found, found + size, strlen(found + size) + 1);
}
