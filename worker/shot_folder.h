/*
 * shot_folder.h - the folder where a survey lies with the files of tasks, for as long as tasks have
 * the same ones.
 *
 * A program that keeps a survey open finds it at the same place in task after task. Had every task
 * its own copy of the folder, the program would read a survey's document, tables and indices again
 * for each shot (256 files of data: 10 ms, a tenth of a small gradient).
 *
 * What lies there: the farm's common files, or, where a task brings a survey of its own
 * (SHOT_SURVEY_FILE), which has all it needs beside it, the task's files alone. All are links to
 * the cache, or copies where those cannot be made. Nobody is to write into them; whoever finds that
 * somebody did forgets the folder, and one whose files have another time, or are gone, is not used
 * again. Where tasks may write into copies of common files ("copy" of the farm's files), each has a
 * folder of its own.
 */
#ifndef BEOFARM_WORKER_SHOT_FOLDER_H
#define BEOFARM_WORKER_SHOT_FOLDER_H

#include <stdint.h>

#include "common/error.h"
#include "common/seismic/shot_task.h"
#include "worker/workdir.h"

struct shot_folder;

/* The folder for a task's files, all of which are in the cache: *kept, if it has the same ones, as
 * they were laid; otherwise a new one, of slot `slot`, which takes its place there (*kept may be
 * NULL). The caller has to unref it; *kept has a reference of its own. NULL with a sentence. */
struct shot_folder *shot_folder_ref(struct shot_folder **kept, struct workplace *place,
                                    uint32_t slot, const struct shot_task *task,
                                    struct error *ret_error);

/* The last one removes the folder. NULL is allowed. */
void shot_folder_unref(struct shot_folder *folder);

/* The next task gets a new one: drops *kept, which becomes NULL. */
void shot_folder_forget(struct shot_folder **kept);

const char *shot_folder_path(const struct shot_folder *folder); /* absolute; the folder's */

#endif
