/*
 * Nearly always every file is in the cache and a preparation is over within recipe_prepare.
 * Otherwise it asks the cache and tries again from the start when the files are there; a second
 * lack (a common file spoiled meanwhile) is asked for again, a few times.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/text_mark.h"
#include "worker/recipe.h"
#include "worker/inside.h"

#define TRIES 5

struct pattern_file {
    struct template *from; /* of an input: a path; NULL for a template */
    struct template *to;
    const struct manifest_file *source; /* of a template */
    struct template_marks marks;
    struct template *text; /* of a template, once it was read */
};

struct recipe {
    struct workplace *place;
    const char **names;
    size_t name_count;
    struct pattern_file *templates, *inputs;
    size_t template_count, input_count;
    const char **outputs;
    size_t output_count;
};

struct preparation {
    struct recipe *recipe;
    uint32_t slot;
    struct attempt_id id;
    const struct params *params;
    void (*done)(void *context, struct workdir *workdir, const struct error *error);
    void *context;
    struct cache_request *request;
    unsigned tries;
    bool in_request; /* cache_request is running: its callback must not free us */
    bool answered;
    struct error error;
    bool failed;
};

/* --- Compiling --- */

static struct template *compile_path(struct recipe *recipe, const cJSON *item,
                                     const char *where, const char *key,
                                     struct error *ret_error)
{
    char place[96];
    const char *text;
    if (json_get_text(item, where, key, "", &text, ret_error) < 0)
        return NULL;
    snprintf(place, sizeof(place), "%s.%s", where, key);
    return template_create(text, strlen(text), place, recipe->names, recipe->name_count, NULL,
                           ret_error);
}

/* The manifest's file that is named without places; NULL with a sentence. */
static const struct manifest_file *find_file(const struct recipe *recipe, const char *path,
                                             const char *where, struct error *ret_error)
{
    char clean[PATH_MAX];
    if (inside_clean_path(path, clean, sizeof(clean), ret_error) < 0) {
        error_prefix(ret_error, "%s", where);
        return NULL;
    }
    const struct manifest_file *file = manifest_find(workplace_manifest(recipe->place), clean);
    if (!file)
        error_set(ret_error, ERROR_CONFIG, "%s: there is no file \"%s\" beside farm.json",
                  where, path);
    return file;
}

static int compile_template(struct recipe *recipe, const cJSON *item, const char *where,
                            struct pattern_file *file, struct error *ret_error)
{
    const char *from;
    if (json_get_text(item, where, "from", "", &from, ret_error) < 0 ||
        json_get_text(item, where, "open", "{", &file->marks.open, ret_error) < 0 ||
        json_get_text(item, where, "close", "}", &file->marks.close, ret_error) < 0)
        return -1;
    if (!(file->source = find_file(recipe, from, where, ret_error)) ||
        !(file->to = compile_path(recipe, item, where, "to", ret_error)))
        return -1;
    return 0;
}

static int compile_input(struct recipe *recipe, const cJSON *item, const char *where,
                         struct pattern_file *file, struct error *ret_error)
{
    file->from = compile_path(recipe, item, where, "from", ret_error);
    file->to = file->from ? compile_path(recipe, item, where, "to", ret_error) : NULL;
    return file->to ? 0 : -1;
}

static int compile_list(struct recipe *recipe, const cJSON *work, const char *key,
                        int (*compile)(struct recipe *recipe, const cJSON *item,
                                       const char *where, struct pattern_file *file,
                                       struct error *ret_error),
                        struct pattern_file **files, size_t *count, struct error *ret_error)
{
    const cJSON *list, *item;
    if (json_get_array(work, "$.work", key, &list, ret_error) < 0)
        return -1;
    *files = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(**files));
    if (!*files)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for $.work.%s", key);
    cJSON_ArrayForEach(item, list)
    {
        char where[64];
        snprintf(where, sizeof(where), "$.work.%s[%zu]", key, *count);
        struct pattern_file *file = &(*files)[(*count)++];
        if (compile(recipe, item, where, file, ret_error) < 0)
            return -1;
    }
    return 0;
}

static int compile_outputs(struct recipe *recipe, const cJSON *work, struct error *ret_error)
{
    const cJSON *list, *item;
    char clean[PATH_MAX];
    if (json_get_array(work, "$.work", "outputs", &list, ret_error) < 0)
        return -1;
    recipe->outputs = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*recipe->outputs));
    if (!recipe->outputs)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for $.work.outputs");
    cJSON_ArrayForEach(item, list)
    {
        size_t index = recipe->output_count;
        if (!cJSON_IsString(item))
            return error_set(ret_error, ERROR_CONFIG, "$.work.outputs[%zu] is not a text",
                             index);
        if (inside_clean_path(item->valuestring, clean, sizeof(clean), ret_error) < 0)
            return error_prefix(ret_error, "$.work.outputs[%zu]", index);
        recipe->outputs[recipe->output_count++] = item->valuestring;
    }
    return 0;
}

static int copy_names(struct recipe *recipe, const struct params *names)
{
    recipe->names = calloc(names->count + 1, sizeof(*recipe->names));
    if (!recipe->names)
        return -1;
    for (size_t i = 0; i < names->count; i++)
        recipe->names[recipe->name_count++] = names->names[i];
    return 0;
}

struct recipe *recipe_create(const cJSON *job, const struct params *names,
                             struct workplace *place, struct error *ret_error)
{
    const cJSON *work;
    struct recipe *recipe = calloc(1, sizeof(*recipe));
    if (!recipe || copy_names(recipe, names) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the files of tasks");
        goto failed;
    }
    recipe->place = place;
    if (json_get_object(job, "job", "work", &work, ret_error) < 0 ||
        compile_list(recipe, work, "templates", compile_template, &recipe->templates,
                     &recipe->template_count, ret_error) < 0 ||
        compile_list(recipe, work, "inputs", compile_input, &recipe->inputs,
                     &recipe->input_count, ret_error) < 0 ||
        compile_outputs(recipe, work, ret_error) < 0)
        goto failed;
    return recipe;
failed:
    recipe_destroy(recipe);
    return NULL;
}

static void destroy_list(struct pattern_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        template_destroy(files[i].from);
        template_destroy(files[i].to);
        template_destroy(files[i].text);
    }
    free(files);
}

void recipe_destroy(struct recipe *recipe)
{
    if (!recipe)
        return;
    destroy_list(recipe->templates, recipe->template_count);
    destroy_list(recipe->inputs, recipe->input_count);
    free(recipe->outputs);
    free(recipe->names);
    free(recipe);
}

bool recipe_is_per_task(const struct recipe *recipe)
{
    return recipe->template_count || recipe->input_count || recipe->output_count;
}

bool recipe_has_output(const struct recipe *recipe, const char *name)
{
    for (size_t i = 0; i < recipe->output_count; i++)
        if (strcmp(recipe->outputs[i], name) == 0)
            return true;
    return false;
}

int recipe_collect(const struct recipe *recipe, struct workdir *workdir,
                   struct error *ret_error)
{
    return workdir_collect(workdir, recipe->outputs, recipe->output_count, ret_error);
}

/* --- Preparing --- */

static int fill_path(const struct template *template, const struct params *params,
                     struct buf *path, struct error *ret_error)
{
    buf_clear(path);
    if (template_fill(template, params->texts, path, ret_error) < 0)
        return -1;
    if (memchr(path->data ? (char *)path->data : "", 0, path->size) || !buf_text(path))
        return error_set(ret_error, ERROR_CONFIG, "a path has a NUL byte in it");
    return 0;
}

static int lay_input(struct preparation *preparation, struct workdir *workdir,
                     const struct pattern_file *file, struct error *ret_error)
{
    struct buf from, to;
    buf_init(&from, PATH_MAX);
    buf_init(&to, PATH_MAX);
    int rc = -1;
    errno = 0;
    if (fill_path(file->from, preparation->params, &from, ret_error) == 0 &&
        fill_path(file->to, preparation->params, &to, ret_error) == 0)
        rc = workdir_lay(workdir, buf_text(&from), buf_text(&to), false, ret_error);
    int saved = errno;
    buf_fini(&from);
    buf_fini(&to);
    errno = saved;
    return rc;
}

/* Read and compile a template's file, the first time that it is needed. */
static int load_template(struct recipe *recipe, struct pattern_file *file,
                         struct error *ret_error)
{
    char *text;
    size_t size;
    if (file->text)
        return 0;
    if (cache_read(workplace_cache(recipe->place), file->source->hash, TEMPLATE_SIZE_MAX, &text,
                   &size, ret_error) < 0)
        return error_prefix(ret_error, "the template \"%s\"", file->source->path);
    size_t mark = text_mark_size(text, size);
    file->text = template_create(text + mark, size - mark, file->source->path, recipe->names,
                                 recipe->name_count, &file->marks, ret_error);
    free(text);
    return file->text ? 0 : -1;
}

static int write_template(struct preparation *preparation, struct workdir *workdir,
                          struct pattern_file *file, struct error *ret_error)
{
    struct buf text, to;
    buf_init(&text, TEMPLATE_SIZE_MAX);
    buf_init(&to, PATH_MAX);
    int rc = -1;
    if (load_template(preparation->recipe, file, ret_error) == 0 &&
        fill_path(file->to, preparation->params, &to, ret_error) == 0 &&
        template_fill(file->text, preparation->params->texts, &text, ret_error) == 0)
        rc = workdir_write(workdir, buf_text(&to), text.data, text.size,
                           file->source->mode | 0600, ret_error);
    buf_fini(&text);
    buf_fini(&to);
    return rc;
}

/* 0 with the workdir; 1: the cache lacks something; -1 with a sentence. */
static int make(struct preparation *preparation, struct workdir **ret_workdir,
                struct error *ret_error)
{
    struct recipe *recipe = preparation->recipe;
    errno = 0;
    struct workdir *workdir =
        workdir_create(recipe->place, preparation->slot, preparation->id, ret_error);
    if (!workdir)
        return errno == ENOENT ? 1 : -1;
    for (size_t i = 0; i < recipe->input_count; i++)
        if (lay_input(preparation, workdir, &recipe->inputs[i], ret_error) < 0) {
            int rc = errno == ENOENT ? 1 : -1;
            workdir_destroy(workdir);
            return rc;
        }
    for (size_t i = 0; i < recipe->template_count; i++)
        if (write_template(preparation, workdir, &recipe->templates[i], ret_error) < 0) {
            workdir_destroy(workdir);
            return -1;
        }
    *ret_workdir = workdir;
    return 0;
}

/* The hashes that this task needs: common ones, inputs, templates. Caller must free. */
static int list_hashes(const struct preparation *preparation, bool with_common,
                       uint8_t (**ret_hashes)[MESSAGE_HASH_SIZE], size_t *ret_count,
                       struct error *ret_error)
{
    const struct recipe *recipe = preparation->recipe;
    const uint8_t(*common)[MESSAGE_HASH_SIZE];
    size_t count = with_common ? workplace_common(recipe->place, &common) : 0;
    uint8_t(*hashes)[MESSAGE_HASH_SIZE] =
        calloc(count + recipe->input_count + recipe->template_count + 1, sizeof(*hashes));
    if (!hashes)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a list of files");
    if (count)
        memcpy(hashes, common, count * sizeof(*hashes));
    for (size_t i = 0; i < recipe->template_count; i++)
        if (!recipe->templates[i].text)
            memcpy(hashes[count++], recipe->templates[i].source->hash, sizeof(*hashes));
    for (size_t i = 0; i < recipe->input_count; i++) {
        struct buf from;
        char where[64];
        const struct manifest_file *file = NULL;
        buf_init(&from, PATH_MAX);
        snprintf(where, sizeof(where), "$.work.inputs[%zu].from", i);
        if (fill_path(recipe->inputs[i].from, preparation->params, &from, ret_error) == 0)
            file = find_file(recipe, buf_text(&from), where, ret_error);
        buf_fini(&from);
        if (!file) {
            free(hashes);
            return -1;
        }
        memcpy(hashes[count++], file->hash, sizeof(*hashes));
    }
    *ret_hashes = hashes;
    *ret_count = count;
    return 0;
}

static bool go_on(struct preparation *preparation, bool with_common);

/* Always false: it is over, and freed. */
static bool finish(struct preparation *preparation, struct workdir *workdir,
                   const struct error *error)
{
    preparation->done(preparation->context, workdir, error);
    free(preparation);
    return false;
}

static bool make_and_finish(struct preparation *preparation)
{
    struct error error = {0};
    struct workdir *workdir = NULL;
    int rc = make(preparation, &workdir, &error);
    if (rc == 1 && ++preparation->tries < TRIES)
        return go_on(preparation, true);
    return finish(preparation, workdir, rc ? &error : NULL);
}

static void files_came(void *context, const struct error *error)
{
    struct preparation *preparation = context;
    preparation->answered = true;
    preparation->request = NULL;
    preparation->failed = error != NULL;
    if (error)
        preparation->error = *error;
    if (preparation->in_request)
        return; /* go_on looks at what we noted */
    if (preparation->failed)
        finish(preparation, NULL, &preparation->error);
    else
        make_and_finish(preparation);
}

/* Ask for files, then make the directory. True if that must wait for files_came. */
static bool go_on(struct preparation *preparation, bool with_common)
{
    struct error error = {0};
    uint8_t(*hashes)[MESSAGE_HASH_SIZE] = NULL;
    size_t count = 0;
    if (list_hashes(preparation, with_common, &hashes, &count, &error) < 0)
        return finish(preparation, NULL, &error);
    preparation->answered = preparation->failed = false;
    preparation->in_request = true;
    struct cache_request *request = NULL;
    if (count)
        request = cache_request(workplace_cache(preparation->recipe->place),
                                (const uint8_t(*)[MESSAGE_HASH_SIZE])hashes, count, files_came,
                                preparation);
    else
        preparation->answered = true;
    preparation->in_request = false;
    free(hashes);
    if (preparation->failed)
        return finish(preparation, NULL, &preparation->error);
    if (preparation->answered)
        return make_and_finish(preparation);
    preparation->request = request;
    return true;
}

struct preparation *recipe_prepare(struct recipe *recipe, uint32_t slot, struct attempt_id id,
                                   const struct params *params,
                                   void (*done)(void *context, struct workdir *workdir,
                                                const struct error *error),
                                   void *context)
{
    struct preparation *preparation = calloc(1, sizeof(*preparation));
    if (!preparation) {
        struct error error;
        error_set(&error, ERROR_SYSTEM, "no memory for preparing a task");
        done(context, NULL, &error);
        return NULL;
    }
    *preparation = (struct preparation){.recipe = recipe,
                                        .slot = slot,
                                        .id = id,
                                        .params = params,
                                        .done = done,
                                        .context = context};
    return go_on(preparation, false) ? preparation : NULL;
}

void recipe_cancel(struct preparation *preparation)
{
    if (!preparation)
        return;
    cache_request_cancel(preparation->request);
    free(preparation);
}
