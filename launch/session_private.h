/*
 * session_private.h - what the parts of the session share.
 *
 *   session.c          the four steps, one after the other
 *   session_workers.c  the third, and the workers while the master is followed
 */
#ifndef BEOFARM_LAUNCH_SESSION_PRIVATE_H
#define BEOFARM_LAUNCH_SESSION_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "launch/crew.h"
#include "launch/follow.h"
#include "launch/roster.h"
#include "launch/session.h"
#include "launch/submission.h"

struct session {
    struct session_context *context;
    struct backend *backend;
    struct screen *screen;
    struct roster roster;
    struct follow follow;
    struct crew *crew;
    char secret[AUTH_SECRET_HEX + 1];
    char *farm_json, *files_json;
    struct submission_farm farm;
    struct submission_master master;
    struct backend_listener listener;
    struct buf address;      /* of the master's node, as the backend says */
    bool rented;             /* a pool may be there */
    bool left;               /* the farm goes on without us */
    bool displaced;          /* another beofarm leads it */
    int64_t blind_ns;        /* since when the backend cannot be asked; 0: it can */
    bool attached;           /* the master ran before we came */
    int old_port;            /* of the master before, whose workers may still run; else 0 */
    int64_t poll_started_ns; /* of the present step */
    int64_t running_ns;      /* when the master was first seen running; 0: not yet */
    int64_t crew_checked_ns;
    int64_t hopeless_ns; /* since when nobody is left; 0: somebody is */
    bool hopeless;
    char hopeless_text[ERROR_TEXT_MAX];
    int heeded;     /* interrupts acted upon */
    bool has_news;  /* an estimation goes on: there may be new files */
    bool told_home; /* why files do not come home */
};

/* Say it; `context` is the screen. */
void session_notice(void *context, const char *sentence);

/* The address of the master's node into session->address, unless it is there; that it is not known
 * ends nothing. */
void session_address_ask(struct session *session);

/* session_workers.c: step 3. The master runs, and has said where it listens, or its node's address
 * is known. -1 with a sentence. */
int session_workers_submit(struct session *session, struct error *ret_error);
/* session_workers.c: look after them, as often as is needed (this is called at every poll); a farm
 * that has none and gets none is ended (session->hopeless). -1 with a sentence. */
int session_workers_check(struct session *session, struct error *ret_error);

#endif
