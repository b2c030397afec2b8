/*
 * schema.h - check a JSON document against a JSON Schema.
 *
 * The part of JSON Schema 2020-12 that farm.schema.json uses: type, properties, required,
 * additionalProperties, propertyNames, minProperties, maxProperties, items, minItems, maxItems,
 * enum, const, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength,
 * pattern (a POSIX extended regular expression; keep to what ECMAScript reads alike), $ref to
 * "#/$defs/NAME", anyOf, oneOf. Annotations ($schema, $id, $comment, title, description,
 * default, examples) are allowed. A schema with anything else is refused, so nothing is ignored
 * silently.
 *
 * Errors are for people: an unknown key names the nearest known one; of alternatives
 * that differ in the constant of one required property ("kind") the meant one is checked; of
 * alternatives that differ in type the one of the value's type is checked.
 */
#ifndef BEOFARM_COMMON_SCHEMA_H
#define BEOFARM_COMMON_SCHEMA_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/error.h"

struct schema;

/* Compile a schema's text. NULL with a sentence (ERROR_CONFIG) naming the place in the schema.
 */
struct schema *schema_create(const char *text, size_t size, const char *name,
                             struct error *ret_error);
void schema_destroy(struct schema *schema); /* NULL is allowed */

/* Check `document`. `report` is called for each mistake: `path` is the JSON path in the
 * document, `sentence` says what is wrong; both borrowed during the call; it may be NULL.
 * Returns how many mistakes there are (SIZE_MAX if memory was short). */
size_t schema_check(const struct schema *schema, const cJSON *document,
                    void (*report)(void *context, const char *path, const char *sentence),
                    void *context);

/* Add to a valid document the "default" of every key that is missing in it, at any depth. 0, or
 * -1 if memory is short. */
int schema_fill(const struct schema *schema, cJSON *document, struct error *ret_error);

/* The description of the key at JSON path `path` of `document` (which chooses among
 * alternatives and need not contain the key itself); NULL if there is none. Borrowed from the
 * schema. */
const char *schema_describe(const struct schema *schema, const cJSON *document,
                            const char *path);

#endif
