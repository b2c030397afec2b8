/*
 * starter.h - a commented farm file to start from.
 *
 * What the keys mean is taken from the schema, so that the comments and the check never disagree.
 */
#ifndef BEOFARM_LAUNCH_STARTER_H
#define BEOFARM_LAUNCH_STARTER_H

#include "common/buf.h"
#include "common/error.h"

/* Append the starting point for `kind` of work to ret_text. -1 with a sentence if there is no such
 * kind. */
int starter_write(const char *kind, struct buf *ret_text, struct error *ret_error);

/* Append a commented survey file to begin with, which needs no other file: the one that the farm
 * file of "shots" names. */
int starter_write_survey(struct buf *ret_text, struct error *ret_error);

/* The kinds, for sentences: "sweep, pest". */
const char *starter_kinds(void);

#endif
