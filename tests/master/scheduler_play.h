/*
 * scheduler_play.h - scripts for tests of the scheduler.
 *
 * Each test is a script: an event per line, then "=" and what the scheduler says to it (the
 * verdict, then every action that follows, separated by "; "). Attempts are written TASK.ATTEMPT,
 * times are in milliseconds.
 *
 *     add N               join W SLOTS CREDITS   start W T.A      restore T done|failed
 *     at MS (tick)        credits W N            ok W T.A [MS]    failures T COUNT ATTEMPT
 *     wake (prints it)    leave W                bad W T.A        state T
 *     counts              lose W                 fatal W T.A      worker W
 *                                                                 cancel T
 *                                                back W T.A
 *     bind T W            bound W (add, bind)    adopt W T.A
 */
#ifndef BEOFARM_TESTS_MASTER_SCHEDULER_PLAY_H
#define BEOFARM_TESTS_MASTER_SCHEDULER_PLAY_H

#include <stdint.h>

#include "common/buf.h"
#include "master/scheduler.h"

struct play {
    struct scheduler *scheduler;
    int64_t now_ns;
    struct buf said;
};

/* A script with a policy, or with the usual one of three attempts. A line that goes otherwise
 * fails. */
void play_script(const struct scheduler_policy *policy, const char *script);
void play_default(const char *script);

/* The same in parts. */
void play_begin(struct play *play, const struct scheduler_policy *policy);
void play_lines(struct play *play, const char *script);
void play_end(struct play *play);

/* Take all actions that there are, into `said`. */
void play_pull(struct play *play);

/* Worker 1 fails everything, and is set aside: at time 0, with its 7th failure, when worker 2 had 7
 * good results. */
extern const char set_aside_script[];

/* A script that goes on from there. What failed waits for an hour. */
struct scheduler_policy set_aside_policy(void);
void play_set_aside(const char *script);

#endif
