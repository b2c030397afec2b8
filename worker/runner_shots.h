/*
 * runner_shots.h - the "shots" runner: shots of a survey, computed by a program that stays, and
 * what they add up to, summed in this worker. docs/runners.md tells those who write such a program.
 *
 * Of the job (docs/architecture.md) it takes
 *
 *   "params", "results": the columns of shot_task_put_columns
 *   "timeout_s": of one task
 *   "work": {
 *     "survey": "survey.json",  the survey, one of the farm's common files (or an absolute path)
 *     "command": ["./shot.py"], the program; absent: beofarm-shot --serve, beside this program
 *     "memory_bytes": 8e9,      what all shots on this worker may need together, and the sums;
 *                               absent: nine tenths of the node's memory, or of this worker's share
 *                               of it
 *     "shot": {...},            what a shot costs: chooses threads per slot (shot_threads.h)
 *     "env", "stall_s":         as of the persistent runner, which does the work
 *     "outputs": [...] }        globs of files that go home from each task that is no collect task
 *
 * A task waits until its memory_bytes fit beside those of the other slots (shot_room.h) and its
 * files are here; they lie in its directory under their names. Its arrays are checked when the
 * program has answered, and held (shot_ledger.h) until the master has accepted the result; the
 * program may be at its next task meanwhile.
 *
 * An attempt ends as one of the persistent runner does, and with
 *   RESULT_NO_START  the payload is wrong, the task needs more memory than there is, a file cannot
 *                    be had
 *   RESULT_NO_VALUE  an array is missing, or has the wrong size, or holds a value that is not
 *                    finite; a misfit was asked for and none came that is finite; a file of the
 *                    task was written into; of collect tasks: nothing that was asked for is here
 * and where it is not RESULT_OK, a sentence that names the shots; no sum has anything of it then.
 */
#ifndef BEOFARM_WORKER_RUNNER_SHOTS_H
#define BEOFARM_WORKER_RUNNER_SHOTS_H

#include "worker/runner.h"

extern const struct runner_ops runner_shots;

#endif
