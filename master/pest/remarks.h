/*
 * remarks.h - what a user should know of a control file, once: warnings, and what has no effect.
 */
#ifndef BEOFARM_MASTER_PEST_REMARKS_H
#define BEOFARM_MASTER_PEST_REMARKS_H

#include "common/pest/control.h"

/* Call `say` for the first few of each kind, with a line that counts the rest. Options count as
 * without effect if nobody has asked for them by now. Files are named as seen from the control
 * file's folder: where it lies on the master means nothing to the user. */
void remarks_tell(const struct pest_control *control,
                  void (*say)(void *context, const char *sentence), void *context);

#endif
