/*
 * model_failure.h - what more can be said of a run that failed.
 */
#ifndef BEOFARM_WORKER_MODEL_FAILURE_H
#define BEOFARM_WORKER_MODEL_FAILURE_H

#include "common/error.h"
#include "worker/model_folder.h"
#include "worker/tail.h"

/* Put behind the sentence the last line that the model wrote, and what may have been the cause as
 * far as can be told from that line and the folder: a full disk, input that it asked for and did
 * not get, a file that it may not write. One line whatever the model wrote. */
void model_failure_explain(struct error *error, const struct tail *tail,
                           const struct model_folder *folder);

#endif
