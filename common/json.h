/*
 * json.h - JSON texts and files, read strictly, with errors that say where.
 *
 * Built on cJSON, whose trees are used as they are; what cJSON lets pass (leading zeros,
 * control characters, NUL by escape, bad UTF-8, duplicate keys, deep nesting, trailing garbage)
 * is refused here before it parses. Errors are ERROR_CONFIG (a file that cannot be read:
 * ERROR_SYSTEM) and begin with "NAME:LINE:COL: ", counting bytes from 1, or with "NAME: PATH:
 * ", where PATH is a JSON path such as $.work.params.grid["hydraulic K"][3].
 */
#ifndef BEOFARM_COMMON_JSON_H
#define BEOFARM_COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"

#define JSON_SIZE_MAX      ((size_t)64 << 20) /* bytes of a text or file */
#define JSON_DEPTH_MAX     200                /* arrays and objects inside each other */
#define JSON_PATH_TEXT_MAX 4096               /* bytes of a JSON path, printed or compiled */

enum json_flags {
    JSON_STRICT = 0,
    JSON_COMMENTS = 1, /* allow // and block comments, as blanks */
};

/* Parse a text of `size` bytes (no NUL needed behind it). `name` is what errors call it. The
 * tree goes to *ret_root (caller frees with cJSON_Delete). 0 or -1. */
int json_parse(const char *text, size_t size, const char *name, unsigned flags,
               cJSON **ret_root, struct error *ret_error);

/* Parse the file at `path`. */
int json_read_file(const char *path, unsigned flags, cJSON **ret_root, struct error *ret_error);

/* Read a whole file of at most `max` bytes into *ret_text, without a byte order mark (caller must
 * free; a NUL is kept behind the last byte, not counted in *ret_size). 0, or -1: ERROR_SYSTEM, or
 * ERROR_CONFIG if it is too large or not a regular file. */
int json_read_text(const char *path, size_t max, char **ret_text, size_t *ret_size,
                   struct error *ret_error);

/*
 * Typed reads of an object's members. `path` is where the object stands ("$.limits") and is
 * used in errors alone. A missing key (and null) gives `fallback`; a value of another type is
 * an error that names path and key. `object` may be NULL: everything is missing. Texts, objects
 * and arrays are borrowed from the tree.
 */
int json_get_text(const cJSON *object, const char *path, const char *key, const char *fallback,
                  const char **ret_text, struct error *ret_error);
int json_get_integer(const cJSON *object, const char *path, const char *key, int64_t fallback,
                     int64_t *ret_integer, struct error *ret_error); /* within +-2^53 */
int json_get_real(const cJSON *object, const char *path, const char *key, double fallback,
                  double *ret_real, struct error *ret_error);
int json_get_bool(const cJSON *object, const char *path, const char *key, bool fallback,
                  bool *ret_bool, struct error *ret_error);
int json_get_object(const cJSON *object, const char *path, const char *key,
                    const cJSON **ret_item, struct error *ret_error); /* NULL where missing */
int json_get_array(const cJSON *object, const char *path, const char *key,
                   const cJSON **ret_item, struct error *ret_error); /* NULL where missing */

/* The member itself, any type: NULL with a sentence if it is missing. */
const cJSON *json_need(const cJSON *object, const char *path, const char *key,
                       struct error *ret_error);

/* The member, or NULL; case-sensitive. `object` may be NULL. */
const cJSON *json_member(const cJSON *object, const char *key);

/* "an object", "a number", "null", … for sentences. */
const char *json_type_name(const cJSON *item);

/* A number that is a whole one within +-2^53, where doubles are exact. */
bool json_is_integer(const cJSON *item);

/*
 * JSON paths of the small kind: $ then any of .key, ["any key"], ['any key'], [index]. In a
 * quoted key, \ takes the next character as it is.
 */
struct json_path;

/* Compile; NULL with a sentence (ERROR_CONFIG) that quotes the path and the place in it. */
struct json_path *json_path_create(const char *text, struct error *ret_error);
void json_path_destroy(struct json_path *path); /* NULL is allowed */

/* What stands at `path` under `root`; NULL if nothing does. Borrowed. */
const cJSON *json_path_find(const struct json_path *path, const cJSON *root);

/* Append a step to a printed path: ".key", or ["any key"] where the key needs it; "[index]". */
void json_path_put_key(struct buf *buf, const char *key);
void json_path_put_index(struct buf *buf, size_t index);

/* Append `text` as a JSON string, quotes included. Every byte of invalid UTF-8 becomes U+FFFD;
 * control characters are escaped (also U+007F, U+2028, U+2029). The output has no newline. 0,
 * or -1 (buf failed). */
int json_put_text(struct buf *buf, const void *text, size_t size);

/* Append a number with the fewest digits that read back the same; null for NaN and infinities,
 * which JSON has not. */
int json_put_real(struct buf *buf, double real);

/* Append a whole tree: on one line where indent is 0, else over lines, each level indented by so
 * many blanks. Unlike cJSON_Print, which rounds at the last digit, every number reads back the
 * same. 0, or -1 (buf failed). */
int json_put(struct buf *buf, const cJSON *item, unsigned indent);

/* Write such a text of a whole tree to the file at `path`, which appears whole (common/whole.h). 0
 * or -1. */
int json_write_file(const char *path, const cJSON *item, unsigned indent,
                    struct error *ret_error);

/* Length in bytes of the valid UTF-8 character at text (size > 0 bytes are there); 0 if
 * invalid. */
size_t json_utf8_size(const void *text, size_t size);

/* A short JSON print of item for sentences: `"text"`, `3`, `[1,2,…`; cut to fit. Returns text.
 */
char *json_excerpt(const cJSON *item, char *text, size_t size);

/* Call `differ` for each JSON path where a and b differ: once per changed value, per member or
 * element that only one has (the other is NULL then), not for what lies under it. The order of
 * members is no difference. `differ` may be NULL. Returns how many. */
size_t json_diff(const cJSON *a, const cJSON *b,
                 void (*differ)(void *context, const char *path, const cJSON *a,
                                const cJSON *b),
                 void *context);

#endif
