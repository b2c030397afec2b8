/*
 * external.h - the `external` driver: somebody else's master and workers on the farm's machines
 * (BeoPEST, PEST++ with /h).
 *
 * The foreign master runs once, beside ours, in RUN_DIR/out/master. Each foreign worker is a
 * task that is not meant to end: one for every slot that has joined. If one ends while the
 * master lives, another takes its place, after a pause that grows where they end at once. When
 * the master ends, the work is over.
 */
#ifndef BEOFARM_MASTER_EXTERNAL_EXTERNAL_H
#define BEOFARM_MASTER_EXTERNAL_EXTERNAL_H

#include "master/driver.h"

extern const struct driver_ops driver_external;

#endif
