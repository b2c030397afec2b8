/*
 * A table of places, open addressing, at most half full. Names are hashed in lower case with
 * FNV-1a, so that equal names meet whatever their case.
 */
#include "config.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/nearest.h"
#include "common/pest/index.h"

struct pest_index {
    const char *const *names; /* borrowed */
    size_t count;
    uint32_t *slots; /* place + 1; 0: empty */
    size_t mask;     /* number of slots - 1 */
};

static uint64_t name_hash(const char *name, size_t size)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (byte >= 'A' && byte <= 'Z')
            byte += 'a' - 'A';
        hash = (hash ^ byte) * 1099511628211u;
    }
    return hash ^ hash >> 32;
}

/* The slot where a name stands, or else the empty one where it would. */
static uint32_t *slot_find(const struct pest_index *index, const char *name, size_t size)
{
    size_t at = name_hash(name, size) & index->mask;
    while (index->slots[at]) {
        const char *known = index->names[index->slots[at] - 1];
        if (strncasecmp(known, name, size) == 0 && !known[size])
            break;
        at = (at + 1) & index->mask;
    }
    return &index->slots[at];
}

struct pest_index *pest_index_create(const char *const *names, size_t count,
                                     struct error *ret_error)
{
    size_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    struct pest_index *index = calloc(1, sizeof(*index));
    if (index && count < INT_MAX)
        index->slots = calloc(slots, sizeof(*index->slots));
    if (!index || !index->slots) {
        pest_index_destroy(index);
        error_set(ret_error, ERROR_SYSTEM, "no memory for an index of %zu names", count);
        return NULL;
    }
    index->names = names;
    index->count = count;
    index->mask = slots - 1;
    for (size_t i = 0; i < count; i++) {
        uint32_t *slot = slot_find(index, names[i], strlen(names[i]));
        if (!*slot)
            *slot = (uint32_t)(i + 1);
    }
    return index;
}

void pest_index_destroy(struct pest_index *index)
{
    if (!index)
        return;
    free(index->slots);
    free(index);
}

int pest_index_find(const struct pest_index *index, const char *name, size_t size)
{
    if (memchr(name, 0, size))
        return -1;
    return (int)*slot_find(index, name, size) - 1;
}

size_t pest_index_count(const struct pest_index *index)
{
    return index->count;
}

const char *pest_index_name(const struct pest_index *index, size_t place)
{
    return index->names[place];
}

const char *pest_index_nearest(const struct pest_index *index, const char *name, size_t size)
{
    char *word = strndup(name, size);
    const char *nearest = word ? nearest_find(word, index->names, index->count) : NULL;
    free(word);
    return nearest;
}
