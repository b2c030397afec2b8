/*
 * asked.h - operations on a survey that somebody asks for, one after the other: the driver of
 * shots.h in the service of another (master/socket/model_survey.c, for clients of a socket).
 *
 * What is asked is a JSON object (docs/shots.md; all members but the first are optional):
 *
 *   {"operation":"gradient",           "model", "born", "rtm", "gradient" or "misfit"
 *    "velocity":"/home/me/v.json",     a field as $.model.velocity of a survey says one, but its
 *                                      path absolute; on the survey's grid; read when the operation
 *                                      begins
 *    "perturbation":"/home/me/p.json", the same of $.model.perturbation; of "born" alone
 *    "shots":[0,5],                    indices in the survey; absent: all
 *    "band_hz":[0,12.5],               null in place of infinity; absent: everything passes
 *    "illumination":true}              of "rtm" and "gradient"; absent: as the survey says
 *
 * What comes of it is told as members of a JSON object, each with a comma before it:
 *
 *   ,"values":{"misfit":1.5},"shots":[{"shot":0,"misfit":0.7},…],"left_out":[{"shot":7,"name":"8",
 *   "why":"…"}],"files":{"gradient":"/…/survey-3.gradient.json"}
 *
 * An operation is a wave of the roll, whose note has its number. So a resumed master knows which
 * operation it was at, and goes on with that if it is still wanted.
 */
#ifndef BEOFARM_MASTER_SHOTS_ASKED_H
#define BEOFARM_MASTER_SHOTS_ASKED_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"
#include "master/driver.h"

/* Who asks. Called from the loop, within `next` of the driver. */
struct asker {
    /* What is wanted next: 1, with its number (above 0, and never that of another operation,
     * whatever master asked) and what was asked (checked; the callee deletes it). 0: nothing
     * now. */
    int (*next)(void *context, uint64_t *ret_number, cJSON **ret_asked);
    /* Whether the operation has neither been told nor cancelled. */
    bool (*wanted)(void *context, uint64_t number);
    /* It ended. `members` as above, "" where nothing came of it; `sentence` why it is not
     * RESULT_OK: RESULT_NO_START (what was asked makes no sense: a model with NaN, data that are
     * all zero), RESULT_NO_VALUE (more shots failed than $.work.skip_ratio allows, or it turned out
     * that the data are zero). */
    void (*told)(void *context, uint64_t number, enum result_status status,
                 const char *sentence, const char *members);
    void *context;
};

/* Open the driver for $.work of the kind "socket" that has a "survey". All functions of
 * driver_shots go for it. NULL with a sentence. */
struct driver *asked_open(const struct driver_context *context, struct error *ret_error);

/* Before `next` is asked for the first time. `asker` is borrowed until the end. */
void asked_serve(struct driver *driver, const struct asker *asker);

/* Whether this makes sense, as far as can be told without reading files; appends it in one
 * canonical form (no newline), so that the same operations are the same bytes. -1 with a
 * sentence. */
int asked_check(const struct driver *driver, const cJSON *asked, struct buf *ret_canonical,
                struct error *ret_error);

/* The operation is not wanted any more (`wanted` says so already): its tasks are ended. */
void asked_cancel(struct driver *driver, uint64_t number);

/* Append what clients want to know of the survey: ,"grid":{…},"shots":["1",…],"velocity":{…} */
void asked_describe(const struct driver *driver, struct buf *out);

#endif
