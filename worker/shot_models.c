#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/seismic/shot_settings.h"
#include "worker/shot_models.h"

struct item {
    struct item *next;
    uint8_t hash[MESSAGE_HASH_SIZE];
    uint64_t wave; /* the last one that had it */
};

struct shot_models {
    struct item *first;
    uint64_t dropped; /* wave for which that was done last */
};

struct shot_models *shot_models_create(void)
{
    return calloc(1, sizeof(struct shot_models));
}

void shot_models_destroy(struct shot_models *models)
{
    struct item *next;
    for (struct item *item = models ? models->first : NULL; item; item = next) {
        next = item->next;
        free(item);
    }
    free(models);
}

/* Others, such as the data of a task's shots, are wanted again by whoever gets these shots. */
static bool is_own(const char *name)
{
    static const char *const fields[] = {SHOT_FIELD_VELOCITY ".", SHOT_FIELD_PERTURBATION "."};
    bool own = strcmp(name, SHOT_SURVEY_FILE) == 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        own = own || strncmp(name, fields[i], strlen(fields[i])) == 0;
    return own;
}

static struct item *find(const struct shot_models *models, const uint8_t *hash)
{
    struct item *item = models->first;
    while (item && memcmp(item->hash, hash, sizeof(item->hash)) != 0)
        item = item->next;
    return item;
}

void shot_models_note(struct shot_models *models, const struct shot_task *task,
                      struct cache *cache)
{
    for (size_t i = 0; i < task->file_count; i++) {
        const struct shot_file *file = &task->files[i];
        struct item *item = find(models, file->hash);
        if (!item && is_own(file->name) && !cache_has(cache, file->hash) &&
            (item = calloc(1, sizeof(*item)))) {
            memcpy(item->hash, file->hash, sizeof(item->hash));
            item->next = models->first;
            models->first = item;
        }
        if (item && item->wave < task->keep_from)
            item->wave = task->keep_from;
    }
}

void shot_models_drop(struct shot_models *models, uint64_t number, struct cache *cache)
{
    if (number <= models->dropped)
        return;
    models->dropped = number;
    for (struct item **link = &models->first; *link;) {
        struct item *item = *link;
        if (item->wave + 1 >= number) {
            link = &item->next;
            continue;
        }
        cache_drop(cache, item->hash);
        *link = item->next;
        free(item);
    }
}
