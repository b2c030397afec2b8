/*
 * json_private.h - shared by the json_*.c files alone.
 */
#ifndef BEOFARM_COMMON_JSON_PRIVATE_H
#define BEOFARM_COMMON_JSON_PRIVATE_H

#include "common/json.h"

/* Is `text` one JSON value, strictly? 0, or -1 with a sentence that begins NAME:LINE:COL. With
 * JSON_COMMENTS, comments are overwritten by blanks (line ends stay), so that positions hold. */
int json_check_syntax(char *text, size_t size, const char *name, unsigned flags,
                      struct error *ret_error);

/* The members of an object sorted by key: an allocated array (caller must free; NULL with count 0,
 * or if memory is short). */
const cJSON **json_sort_members(const cJSON *object, size_t *ret_count);

#endif
