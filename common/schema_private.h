/*
 * schema_private.h - shared by the schema*.c files alone.
 */
#ifndef BEOFARM_COMMON_SCHEMA_PRIVATE_H
#define BEOFARM_COMMON_SCHEMA_PRIVATE_H

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/schema.h"

#define SCHEMA_DEPTH_MAX 1000 /* steps of one check, so that $refs in a circle end */

/* A "pattern" of the schema, compiled. */
struct schema_pattern {
    const cJSON *argument;
    regex_t regex;
};

struct schema {
    cJSON *root;
    const cJSON *defs;
    struct schema_pattern *patterns;
    size_t pattern_count;
};

/* One run of schema_check; or a trial, which ends with the first mistake. */
struct check {
    const struct schema *schema;
    bool trial;
    void (*report)(void *context, const char *path, const char *sentence);
    void *context;
    struct buf path; /* of the value that is being checked */
    size_t count;    /* mistakes so far */
    unsigned depth;
};

/* What a keyword's argument must be, and how a value is checked against it. */
enum schema_argument {
    SCHEMA_NUMBER,
    SCHEMA_COUNT, /* a whole number from 0 */
    SCHEMA_TEXT,
    SCHEMA_TEXTS,   /* an array of texts */
    SCHEMA_TYPES,   /* a type's name, or an array of them */
    SCHEMA_ANY,     /* any value */
    SCHEMA_VALUES,  /* an array of any values */
    SCHEMA_NODE,    /* a schema: an object */
    SCHEMA_CLOSED,  /* false, or a schema */
    SCHEMA_NODES,   /* an array of schemas */
    SCHEMA_NAMED,   /* an object of schemas */
    SCHEMA_REF,     /* "#/$defs/NAME" */
    SCHEMA_PATTERN, /* a regular expression */
};

struct schema_keyword {
    const char *name;
    enum schema_argument argument;
    /* NULL for annotations, and for what another keyword's check looks at. */
    void (*check)(struct check *check, const cJSON *node, const cJSON *argument,
                  const cJSON *value);
};

/* NULL if there is no such keyword. */
const struct schema_keyword *schema_keyword_find(const char *name);

/* Whether value is of the JSON Schema type `name`; whether there is such a type. */
bool schema_type_matches(const char *name, const cJSON *value);
bool schema_type_known(const char *name);

/* What `ref` points to; NULL if nothing. */
const cJSON *schema_resolve(const struct schema *schema, const char *ref);

/* The alternative (anyOf, oneOf) of node that value means: by its discriminating key, or the
 * first that it satisfies. NULL if none, or if node has no alternatives. */
const cJSON *schema_choose(const struct schema *schema, const cJSON *node, const cJSON *value);

/* node, or where it is a $ref what that points to. */
const cJSON *schema_follow(const struct schema *schema, const cJSON *node);

#endif
