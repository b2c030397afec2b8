/*
 * batch.h - the Batch service's operations: what all of them share.
 *
 * Operations are grouped by what they act on: batch_image.h, batch_pool.h, batch_node.h,
 * batch_job.h, batch_task.h, batch_lot.h (many tasks at once), batch_file.h. They speak
 * api-version 2025-06-01 unless the account was opened with another (account.h), and ask and
 * answer while the caller waits.
 *
 * Each returns 0, or -1 with a sentence "DOING: CODE (STATUS): MESSAGE ..." (azure_error.h). Where
 * an operation finds that what was wanted is so already, or that what it acts on is not there, it
 * returns BATCH_ALREADY or BATCH_MISSING instead, with the sentence filled in too, so that a caller
 * to whom that is an error can pass it on. So everything may be asked again after a lost answer.
 *
 * What the service describes is read into structs of borrowed texts: `json` owns them. Members that
 * are missing, null or of an unexpected type read as NULL, 0 or unknown; members that we do not
 * know are ignored. Times are ns since 1970 UTC, 0 where not given.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_H
#define BEOFARM_LAUNCH_AZURE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "launch/azure/account.h"

#define BATCH_ALREADY 1 /* it is so already: exists, is being deleted, is completed */
#define BATCH_MISSING 2 /* there is no such pool, node, job, task or file */

#define BATCH_ID_MAX                                                                           \
    64 /* of pools, jobs and tasks: letters, digits, '-' and '_'; case is kept
                           but does not tell two ids apart */

/* Whether the service takes this for an id. */
bool batch_id_valid(const char *id);

/* Something that went wrong on the service's side of a good answer: a resize error, a node error,
 * a task's failure. Texts are NULL where not given; borrowed. */
struct batch_fault {
    const char *category; /* "usererror", "servererror"; of tasks and jobs alone */
    const char *code, *message;
    const cJSON *json; /* all of it; NULL: there is no fault */
};

/* Read one. `item` may be NULL or null: no fault. */
void batch_fault_read(const cJSON *item, struct batch_fault *ret_fault);

/* Append it as a sentence, with every value it brings. 0, or -1 (buf failed). */
int batch_fault_put(struct buf *buf, const struct batch_fault *fault);

/* Append all faults of an array, "; " in between (NULL: nothing). 0, or -1 (buf failed). */
int batch_faults_put(struct buf *buf, const cJSON *faults);

/* A label on a pool or a job, by which a farm knows what it made. */
struct batch_label {
    const char *name, *value;
};

/* The value of a label in a "metadata" array, or NULL. Borrowed. */
const char *batch_label_find(const cJSON *metadata, const char *name);

/* What a list is to hold. All may be NULL or 0. */
struct batch_query {
    const char *filter; /* OData: "state eq 'running'" */
    const char
        *select; /* "id,state": members to send; fewer are faster. Not all lists take it */
    const char *expand;
    int page; /* items per answer, at most 1000; 0: as the service likes */
};

/*
 * batch_time: ISO 8601 as the service writes it.
 */

/* "2026-11-21T09:00:00.1234567Z", also without fraction, and with +HH:MM, into ns since 1970.
 * Digits behind the ninth are dropped. 0 or -1. */
int batch_time_parse(const char *text, int64_t *ret_ns);

/* "2026-11-21T09:00:00Z" for ns since 1970, into text. Returns text. */
#define BATCH_TIME_SIZE 21
char *batch_time_format(int64_t ns, char text[BATCH_TIME_SIZE]);

/* "PT15M", "P1DT2H3M4.5S" into seconds, rounded down; INT64_MAX where there is more ("P10675199D"
 * and the like stand for no limit). 0 or -1. */
int batch_duration_parse(const char *text, int64_t *ret_s);

/* "PT900S" for seconds (0 or more). Returns text. */
#define BATCH_DURATION_SIZE 32
char *batch_duration_format(int64_t s, char text[BATCH_DURATION_SIZE]);

#endif
