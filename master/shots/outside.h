/*
 * outside.h - the files that a survey names by absolute paths: how they were when its run began.
 *
 * They do not travel, so nobody hashes them: their sizes and times of change (to the nanosecond)
 * stand for them. Noted once in the journal, they are compared by every later master before it
 * hands anything out, and by each master as often as a wave is through. What workers see of them
 * does not count.
 */
#ifndef BEOFARM_MASTER_SHOTS_OUTSIDE_H
#define BEOFARM_MASTER_SHOTS_OUTSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/seismic/survey.h"
#include "common/store.h"

struct outside_file {
    char *path;
    uint64_t size; /* bytes, below 2^53 */
    int64_t changed_s;
    int64_t changed_ns;
    struct timespec
        touched; /* when anything of it was: that nobody can set; zeros: not known */
};

struct outside {
    struct outside_file *files;
    size_t count;
    uint8_t survey[STORE_HASH_SIZE]; /* of the survey file that names them; zeros: not known */
};

/* Those of `files` that are absolute, but for indices, as they are now. 0, or -1 with a sentence
 * (ERROR_SYSTEM: gone, or memory is short), and *ret_outside is as outside_fini leaves it. */
int outside_look(const struct survey_file *files, size_t count, struct outside *ret_outside,
                 struct error *ret_error);
void outside_fini(struct outside *outside); /* a zeroed one is allowed */

/* As a note of the journal:
 *
 *     {"outside":{"survey":"64 hex","files":[["/data/obs.segy",16640,1795000000,123456789],…]}}
 *
 * path, bytes, time of change in seconds and nanoseconds. -1 without memory. */
int outside_note(const struct outside *outside, struct buf *note);

/* Read the member of that note, in place of what *outside was. 0, or -1: it is none, or memory is
 * short, and nothing has changed. */
int outside_take(struct outside *outside, const cJSON *said);

/* Whether all files are still as they were `then`, and, if `now` is not NULL, whether those of now
 * were all among them. `sizes_only`: their times say nothing, because this master may be on another
 * machine, which has copies of its own. 0, or -1 (ERROR_CHANGED) with a sentence that names the
 * file, what changed, and how to go on. */
int outside_compare(const struct outside *then, const struct outside *now, bool sizes_only,
                    struct error *ret_error);

/* One of these files, as outside_look found them, that was touched since, though it is no other by
 * size and time of change: rewritten and given its time back, or but renamed, linked or given to
 * somebody else. Its path, borrowed; NULL: there is none. */
const char *outside_touched(const struct outside *then);

#endif
