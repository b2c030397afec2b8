/*
 * shot_serve.h - beofarm-shot as a persistent runner: tasks in, answers out, a JSON line each.
 *
 * The lines are those of common/seismic/shot_task.h, the settings those of shot_settings.h. A
 * survey stays open from one task to the next while its file is the same. A task that fails is
 * answered with a sentence and the next one is taken; only a line that cannot be read at all ends
 * the program.
 */
#ifndef BEOFARM_WORKER_SEISMIC_SHOT_SERVE_H
#define BEOFARM_WORKER_SEISMIC_SHOT_SERVE_H

#include "common/error.h"

/* Read tasks from in_fd until its end, and write answers to out_fd. 0, or -1 with a sentence. */
int shot_serve(int in_fd, int out_fd, struct error *ret_error);

/* The memory that a run may use where nobody said: the share of the available memory that `threads`
 * (0: all) of the machine's processors have, less a fifth. */
unsigned long long shot_serve_share(int threads);

#endif
