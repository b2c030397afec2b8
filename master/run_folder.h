/*
 * run_folder.h - whether the run directory is still where it was.
 *
 * Somebody may remove it, or move it elsewhere, while the farm runs. The kernel tells us (inotify),
 * which costs nothing until it does; where it cannot (a network file system, no inotify to be had,
 * a folder further up that was moved), it is found out when somebody asks.
 */
#ifndef BEOFARM_MASTER_RUN_FOLDER_H
#define BEOFARM_MASTER_RUN_FOLDER_H

#include <stdbool.h>

#include "common/loop.h"

struct run_folder;

/* Watch the run directory, whose journal.db is there. `changed(context)` is called from the loop
 * when something was removed or moved that may have been it. NULL with a sentence if the journal
 * cannot be looked at, or memory is short. */
struct run_folder *run_folder_open(struct loop *loop, const char *run_dir,
                                   void (*changed)(void *context), void *context,
                                   struct error *ret_error);
void run_folder_close(struct run_folder *folder); /* NULL is allowed */

/* Whether the journal at that path is gone, or another one: one look at the disk. */
bool run_folder_is_gone(const struct run_folder *folder);

#endif
