/*
 * forget.h - beofarm-master --forget-failed RUN_DIR: forget that tasks failed.
 */
#ifndef BEOFARM_MASTER_FORGET_H
#define BEOFARM_MASTER_FORGET_H

#include <stdio.h>

#include "common/error.h"

/* Remove from the journal of a run every task that ended without success, so that a resumed master
 * runs it again with fresh attempts, and print how many they were. Refused while a master
 * writes the journal, and for work whose tasks build on each other's results. Where BEOFARM_STORE
 * is a container, the journal is the copy in there (master/replica.h), from which
 * RUN_DIR/journal.db is made anew. 0 or -1 with a sentence. */
int forget_failed(const char *run_dir, FILE *stream, struct error *ret_error);

#endif
