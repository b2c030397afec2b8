/*
 * overdue.h - how patient a farm is with model runs: PEST++'s options, as limits of the farm.
 *
 *   ++max_run_fail(N)            a run is tried N times before it counts as failed
 *   ++overdue_resched_fac(F)     a run that takes F times the mean of those that ended is started a
 *                                second time elsewhere, where slots are idle
 *   ++overdue_giveup_fac(F)      one that takes F times the mean is given up: it counts as failed
 *   ++overdue_giveup_minutes(M)  and so does one that takes M minutes
 *
 * Defaults are PEST++'s (manual, chapter 5, run management): 3, 1.15, 100 and never; for
 * ensembles ("ies") 1 and 2, because an ensemble can do without a realisation. What farm.json's
 * "limits" say counts more.
 */
#ifndef BEOFARM_MASTER_PEST_OVERDUE_H
#define BEOFARM_MASTER_PEST_OVERDUE_H

#include "common/error.h"
#include "common/pest/control.h"
#include "master/scheduler.h"

/* Change `policy` by the options. -1 (ERROR_CONFIG) if one is malformed or out of range. */
int overdue_apply(struct pest_control *control, const char *mode,
                  struct scheduler_policy *policy, struct error *ret_error);

#endif
