/*
 * lock_file.h - PATH.lock, so that two masters never write one journal.
 *
 * The kernel releases the lock when its holder dies, however it dies. The file itself stays: were
 * it removed, one master could hold the lock of a file that another has just made anew.
 */
#ifndef BEOFARM_MASTER_LOCK_FILE_H
#define BEOFARM_MASTER_LOCK_FILE_H

#include "common/error.h"

/* Lock PATH.lock: a descriptor (closing it unlocks), or -1 with a sentence that names the holder's
 * host and process. */
int lock_file_take(const char *path, struct error *ret_error);

#endif
