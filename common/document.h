/*
 * document.h - a JSON document that people write: checked against a schema and rules, all at once.
 *
 * A document is JSON with comments. It is checked against its kind's schema, then, where it is
 * valid, by the kind's rules, which say what a schema cannot. A document without a mistake gets the
 * schema's defaults. Sentences begin with the document's name and the path of the mistake:
 * "farm.json: $.limits.atempts: unknown key; …". Errors are ERROR_CONFIG (a file that cannot be
 * read, memory: ERROR_SYSTEM).
 */
#ifndef BEOFARM_COMMON_DOCUMENT_H
#define BEOFARM_COMMON_DOCUMENT_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/error.h"

struct schema;

/* Where rules tell mistakes. */
struct document_rules {
    /* `path` is the JSON path, `sentence` says what is wrong; both borrowed during the call. */
    void (*report)(void *context, const char *path, const char *sentence);
    void *context;
    size_t count; /* mistakes so far */
};

/* Tell a mistake. */
void document_note(struct document_rules *rules, const char *path, const char *sentence);

struct document_kind {
    const unsigned char *schema; /* its text */
    const size_t *schema_size;   /* bytes */
    const char *schema_name;
    /* Note what the schema cannot say of a document that is valid against it; defaults need not be
     * there. */
    void (*check)(struct document_rules *rules, const cJSON *root);
    const char *remedy; /* follows "(and 2 more" in a sentence; "" for nothing */
};

/* The kind's schema compiled (caller destroys; NULL only if memory is short). */
struct schema *document_schema_create(const struct document_kind *kind,
                                      struct error *ret_error);

/* Parse and check a text of `size` bytes; `name` is what sentences call it. Calls `report` (which
 * may be NULL) with a full sentence for each mistake. Returns how many, or -1 (the text is not JSON
 * at all, or memory was short: the sentence is in *ret_error and was not reported). *ret_root
 * (caller deletes) is there only if it is 0, with its defaults filled in. */
int document_check(const struct document_kind *kind, const char *text, size_t size,
                   const char *name, void (*report)(void *context, const char *sentence),
                   void *context, cJSON **ret_root, struct error *ret_error);

/* The same for those who go on only without mistakes. 0, or -1: the sentence names the first
 * mistake and how many more there are, and *ret_root is untouched. */
int document_parse(const struct document_kind *kind, const char *text, size_t size,
                   const char *name, cJSON **ret_root, struct error *ret_error);

/* The same for the file at `path`. */
int document_read(const struct document_kind *kind, const char *path, cJSON **ret_root,
                  struct error *ret_error);

#endif
