/*
 * devices.h - shots that were computed by something else than what the survey wanted, for people.
 *
 * beofarm-shot says in its answer's `extra` why processors stood in for a GPU (docs/shots.md). Each
 * reason is told once, with the first task of which it was given; of many different ones, the first
 * few.
 */
#ifndef BEOFARM_MASTER_SHOTS_DEVICES_H
#define BEOFARM_MASTER_SHOTS_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICES_TOLD_MAX 8

/* All zero: nothing was told. */
struct devices {
    char *told[DEVICES_TOLD_MAX]; /* reasons; owned */
    size_t count;
};
void devices_fini(struct devices *devices);

/* Whether the task's extra (JSON text; NULL: none) has a reason that was not told yet. It counts as
 * told then, and the sentence to tell is in ret_sentence. Extras of other programs may say
 * anything. */
bool devices_look(struct devices *devices, uint64_t task, const char *extra, char *ret_sentence,
                  size_t size);

#endif
