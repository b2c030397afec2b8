/*
 * check.h - what a schema cannot say about a sweep: do the {NAME} places name parameters, are the
 * rules for values sound, do paths stay inside the work directory, is the program there.
 */
#ifndef BEOFARM_MASTER_SWEEP_CHECK_H
#define BEOFARM_MASTER_SWEEP_CHECK_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "master/sweep/params.h"

/* Check `work`. `look`: also look at the files in `folder` (templates' places, the program, the
 * inputs). 0, or -1 with ERROR_CONFIG and a sentence that begins with a JSON path or FILE:LINE. */
int sweep_check(const cJSON *work, const struct params *params, const char *folder, bool look,
                struct error *ret_error);

#endif
