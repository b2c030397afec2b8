/*
 * seeker.h - finds a master that has moved: its farm's container says where it is
 * (common/whereabouts.h). Blocks, for seconds at most.
 */
#ifndef BEOFARM_WORKER_SEEKER_H
#define BEOFARM_WORKER_SEEKER_H

#include "worker/dial.h"

struct seeker;

enum seeker_news {
    SEEKER_NOTHING, /* nothing new, or nothing to be had */
    SEEKER_MOVED,   /* the options name where it is now */
    SEEKER_OVER,    /* the farm has ended */
};

/* NULL where the farm has no container (BEOFARM_STORE), or memory is short. */
struct seeker *seeker_open(void);
void seeker_close(struct seeker *seeker); /* NULL is allowed */

/* After a dial that failed: look. host, address and port of `options` are set to texts that live as
 * long as the seeker. NULL: SEEKER_NOTHING. */
enum seeker_news seeker_look(struct seeker *seeker, struct dial_options *options);

#endif
