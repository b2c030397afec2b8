/* book_private.h - what the files of the book share. */
#ifndef BEOFARM_MASTER_SHOTS_BOOK_PRIVATE_H
#define BEOFARM_MASTER_SHOTS_BOOK_PRIVATE_H

#include "master/shots/book.h"

/* Free what a wave, or a task, owns. */
void book_wave_free(struct book_wave *wave);
void book_task_free(struct book_task *task);

#endif
