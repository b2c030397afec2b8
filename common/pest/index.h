/*
 * index.h - from a name to its place in a list.
 *
 * Names of parameters and observations compare without regard to the case of ASCII letters.
 * Looking one up costs about the same in a list of ten and of a million.
 */
#ifndef BEOFARM_COMMON_PEST_INDEX_H
#define BEOFARM_COMMON_PEST_INDEX_H

#include <stddef.h>

#include "common/error.h"

struct pest_index;

/* An index of `count` names (at most INT_MAX). `names` and its texts are borrowed until
 * destroy. Of two equal names the first is found. NULL with a sentence: no memory. */
struct pest_index *pest_index_create(const char *const *names, size_t count,
                                     struct error *ret_error);
void pest_index_destroy(struct pest_index *index); /* NULL is allowed */

/* The place of a name, from 0; -1: it is not in the list. No NUL is needed behind the text. */
int pest_index_find(const struct pest_index *index, const char *name, size_t size);

size_t pest_index_count(const struct pest_index *index);

/* The name at a place, as it was given. Borrowed. */
const char *pest_index_name(const struct pest_index *index, size_t place);

/* The name of the list nearest to a mistyped one, or NULL. Looks at all of them: for errors. */
const char *pest_index_nearest(const struct pest_index *index, const char *name, size_t size);

#endif
