/*
 * plan.h - `beofarm-master --plan FARM`: what a farm file's work comes to, as one JSON object on
 * stdout, for launch (docs/architecture.md). Starts nothing and writes nothing else.
 */
#ifndef BEOFARM_MASTER_PLAN_H
#define BEOFARM_MASTER_PLAN_H

#include "common/error.h"

/* 0, or -1 with the sentence. */
int plan_print(const char *farm_path, struct error *ret_error);

#endif
