/*
 * folders.h - outputs.csv: in which folders of the farm's container the output files of tasks lie.
 *
 * Workers put the files of every attempt into a folder of its own (message_put_folder); only that
 * of the accepted one counts, and stands here: a line "task,folder,files" for each task that has
 * files there, in the order in which they ended. Made anew from the journal when a master begins,
 * and appended to as groups are committed.
 */
#ifndef BEOFARM_MASTER_FOLDERS_H
#define BEOFARM_MASTER_FOLDERS_H

#include <stddef.h>

#include "common/error.h"
#include "master/journal.h"

struct folders;

/* Write `path` from the journal. NULL with a sentence. */
struct folders *folders_open(const char *path, struct journal *journal,
                             struct error *ret_error);

/* After each commit; in the journal's thread. */
void folders_append(struct folders *folders, const struct journal_row *rows, size_t count);

void folders_close(struct folders *folders); /* NULL is allowed; after journal_close */

#endif
