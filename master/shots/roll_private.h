/* roll_private.h - what the files of the roll share. */
#ifndef BEOFARM_MASTER_SHOTS_ROLL_PRIVATE_H
#define BEOFARM_MASTER_SHOTS_ROLL_PRIVATE_H

#include "master/shots/roll.h"

/* Free what a wave, or a task, owns. */
void roll_wave_free(struct roll_wave *wave);
void roll_task_free(struct roll_task *task);

/* List this process, unless it is listed. -1 without memory. */
int roll_process_add(struct roll *roll, uint64_t instance);

#endif
