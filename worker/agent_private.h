/* agent_private.h - what agent.c (tasks, site, leaving) and agent_link.c (the master) share. */
#ifndef BEOFARM_WORKER_AGENT_PRIVATE_H
#define BEOFARM_WORKER_AGENT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/farmfile.h"
#include "common/link.h"
#include "common/loop.h"
#include "worker/agent.h"
#include "worker/child.h"
#include "worker/credit.h"
#include "worker/depot.h"
#include "worker/eviction.h"
#include "worker/hand.h"
#include "worker/redial.h"
#include "worker/shortage.h"
#include "worker/site.h"
#include "worker/workdir.h"

struct agent {
    const struct agent_options *options;
    struct loop *loop;
    struct children *children;
    struct hand *hand;
    struct credit credit;
    bool credit_changed;

    cJSON *job;        /* as the master gave it; outlives the site */
    struct site *site; /* NULL before the first job */
    bool site_ready;

    struct link *link; /* NULL while the master is lost */
    struct loop_watch *watch;
    struct redial *redial;
    struct depot *depot;       /* NULL: output files go over the link */
    int near_fd;               /* of the master (common/near.h): they are linked there; -1 */
    struct eviction *eviction; /* NULL: nobody takes machines away here */
    struct renewal *renewal;   /* NULL: no container, or by a right that does not end */
    bool evicted;              /* this one is about to go */
    double evicted_left_s;     /* so long it stays at least; 0: not known */
    int64_t lost_ns;           /* since when */
    int64_t heartbeat_ns;
    int64_t pulse_due_ns;
    bool said_ready; /* on this link */
    bool more;       /* messages were left for the next turn */
    bool news;       /* messages came since the turn began: it must come round again */
    bool unmoved;    /* something was sent since the link was moved */
    struct buf incoming;
    struct buf results;  /* RESULTS being gathered */
    struct buf handback; /* HANDBACK being gathered */
    struct buf scratch;
    unsigned quiet_rounds;

    int64_t results_due_ns; /* when gathered results must go; INT64_MAX: none wait */

    struct shortage shortage; /* of its disk */
    bool paused;              /* until there may be room: nothing is started or wanted */
    bool pause_told;          /* to the master, and not yet that it is over */
    struct error paused_why;
    int64_t paused_ns; /* since when it was waited, and is not counted yet */

    struct loop_timer *started, *drain, *pulse, *results_wait, *idle, *pause;
    bool idle_armed;
    bool started_armed;
    bool leaving;         /* SIGTERM came */
    bool last_words;      /* the grace is over */
    struct error trouble; /* of our own; the code is ERROR_NONE while all is well */
    bool over;
    struct error end;
};

/* agent.c */
void agent_end(struct agent *agent, const struct error *error); /* NULL: all is well */
void agent_task_done(void *context, uint32_t slot, const struct result *result,
                     struct workdir *workdir);
void agent_open_depot(struct agent *agent); /* if the job wants files in the container */
void agent_attach_cache(struct agent *agent);
void agent_open_site(struct agent *agent, struct error *ret_error);
void agent_close_site(struct agent *agent);

/* agent_shortage.c */
/* A task that runs has ended. True if that was for want of room, and `held` is dealt with. False
 * if its result is to be told, which then may have got another sentence, in *text. */
bool agent_meets_shortage(struct agent *agent, struct held *held, struct result *result,
                          struct error *text);
void agent_pause_over(void *context);
void agent_tell_pause(struct agent *agent); /* to a master that came to it meanwhile */
void agent_site_full(void *context, const struct error *error); /* site_events.full */

/* agent_link.c */
int agent_dial_first(struct agent *agent, struct error *ret_error);
void agent_send(struct agent *agent, struct buf *message); /* takes the content */
void agent_send_ready(struct agent *agent);
void agent_hand_back(struct agent *agent, struct attempt_id id);
void agent_flush(struct agent *agent); /* send what is due, move the link */
void agent_pulse(void *context);

#endif
