/*
 * batch_private.h - how Batch operations are asked, for the parts of batch alone.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_PRIVATE_H
#define BEOFARM_LAUNCH_AZURE_BATCH_PRIVATE_H

#include "common/azure/azure_error.h"
#include "launch/azure/batch.h"

#define BATCH_DOING_MAX 512 /* bytes of what a sentence says we were doing */
#define BATCH_PATH_MAX  8192

struct batch_call {
    const char *method;
    const char *path;  /* encoded: batch_path */
    const char *query; /* encoded; NULL: none */
    const cJSON *body; /* NULL: none */
    const char *doing; /* "creating pool \"p\"" */
    /* Codes that mean that it is so already; ends with NULL. NULL: none do. */
    const char *const *already;
    bool once; /* sending it twice would do harm */
};

/* Ask. 0 where the answer is good: its JSON goes to *ret_json if that is not NULL (NULL where the
 * answer is empty; caller: cJSON_Delete). BATCH_ALREADY, BATCH_MISSING or -1 with a sentence. */
int batch_ask(struct account *account, const struct batch_call *call, cJSON **ret_json,
              struct error *ret_error);

/* As batch_ask for a call without a body or an answer worth reading. */
int batch_tell(struct account *account, const char *method, const char *path,
               const char *const *already, const char *doing, struct error *ret_error);

/* What a refusal comes to: BATCH_ALREADY, BATCH_MISSING or -1, with the sentence. */
int batch_refuse(const struct http_response *response, const char *const *already,
                 const char *doing, struct error *ret_error);

/* Ask for all pages of a list and call `visit` for each item of its "value" until it returns
 * non-zero. Returns that, 0, BATCH_MISSING (before any visit), or -1. `more` is further query text,
 * encoded; it and `query` may be NULL. */
int batch_pages(struct account *account, const char *path, const struct batch_query *query,
                const char *more, const char *doing,
                int (*visit)(void *context, const cJSON *item), void *context,
                struct error *ret_error);

/* The same for the list /OWNERs/ID/WHAT, such as the "nodes" of a "pool": an id that is too long is
 * a sentence, too. */
int batch_pages_of(struct account *account, const char *owner, const char *id, const char *what,
                   const struct batch_query *query,
                   int (*visit)(void *context, const cJSON *item), void *context,
                   struct error *ret_error);

/* Append "/A/B/C", each part encoded, '/' too; the last argument is NULL. 0, or -1 (buf failed). */
int batch_path(struct buf *buf, ...) __attribute__((sentinel));

/* Append [&]NAME=VALUE, VALUE encoded. Nothing where value is NULL. */
void batch_query_put(struct buf *buf, const char *name, const char *value);

/* Reads that shrug at what is missing or of another type. `item` may be NULL. Integers may come as
 * texts. */
const char *batch_text(const cJSON *item, const char *key);
int64_t batch_integer(const cJSON *item, const char *key);
int batch_int(const cJSON *item, const char *key); /* cut to what an int holds */
bool batch_bool(const cJSON *item, const char *key);
int64_t batch_time(const cJSON *item, const char *key);
const cJSON *batch_array(const cJSON *item, const char *key); /* NULL too where it is empty */
/* Where a member's text stands in a table of names, 0 for none of them (entry 0 is skipped). */
int batch_choice(const cJSON *item, const char *key, const char *const *names, int count);

/* Writes that remember whether memory was short. */
struct batch_writer {
    bool failed;
};

void batch_put_text(struct batch_writer *writer, cJSON *object, const char *key,
                    const char *text); /* nothing where text is NULL */
void batch_put_integer(struct batch_writer *writer, cJSON *object, const char *key,
                       int64_t number);
void batch_put_bool(struct batch_writer *writer, cJSON *object, const char *key, bool value);
void batch_put_duration(struct batch_writer *writer, cJSON *object, const char *key,
                        int64_t s); /* nothing where s is 0 */
cJSON *batch_put_object(struct batch_writer *writer, cJSON *object, const char *key);
cJSON *batch_put_array(struct batch_writer *writer, cJSON *object, const char *key);
cJSON *batch_put_item(struct batch_writer *writer, cJSON *array); /* an object */
void batch_put_labels(struct batch_writer *writer, cJSON *object,
                      const struct batch_label *labels, size_t count);
/* Put members over those of `object`; objects in objects are merged. */
void batch_put_more(struct batch_writer *writer, cJSON *object, const cJSON *more);

/* The finished object, or NULL (and it is gone) where memory was short. */
cJSON *batch_writer_end(struct batch_writer *writer, cJSON *object);

#endif
