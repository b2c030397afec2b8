/*
 * schema_check.h - what the keywords of schema_keyword.c use of a running check; private to the
 * schema*.c files.
 */
#ifndef BEOFARM_COMMON_SCHEMA_CHECK_H
#define BEOFARM_COMMON_SCHEMA_CHECK_H

#include "common/schema_private.h"

/* Whether this check is a trial, whose mistakes nobody reads: then one is noted, and no sentence to
 * be made. */
bool schema_is_trial(struct check *check);

/* Note a mistake of the value that stands at check->path, or of `member` of it. */
void schema_report(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void schema_report_member(struct check *check, const cJSON *member, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Check the value at check->path itself, a member of it, an element of it. */
void schema_check_value(struct check *check, const cJSON *node, const cJSON *value);
void schema_check_member(struct check *check, const cJSON *node, const cJSON *member);
void schema_check_item(struct check *check, const cJSON *node, const cJSON *item, size_t index);

/* anyOf, oneOf. */
void schema_check_any(struct check *check, const cJSON *node, const cJSON *argument,
                      const cJSON *value);
void schema_check_one(struct check *check, const cJSON *node, const cJSON *argument,
                      const cJSON *value);

/* Append what node wants in words: `a whole number from 1 to 4096`. */
void schema_put_phrase(const struct schema *schema, const cJSON *node, struct buf *buf);

/* Append the keys of an object: `"a", "b", "c"`. */
void schema_put_keys(const cJSON *object, struct buf *buf);

#endif
