/*
 * case.h - a PEST case as a whole: whether the control file and the files that it names fit.
 */
#ifndef BEOFARM_COMMON_PEST_CASE_H
#define BEOFARM_COMMON_PEST_CASE_H

#include "common/pest/control.h"

enum pest_finding {
    PEST_FINDING_MISTAKE, /* the case cannot run */
    PEST_FINDING_WARNING,
    PEST_FINDING_UNUSED, /* was read and has no effect */
};

/* Tell everything that is to be said of a case: each mistake of the control file (at most 100), or,
 * where there is none,
 *   - its warnings and what is unused, `++` options among that: those that PEST++ does not know
 *     (with the nearest it knows), and those of its programs for which there is nothing here;
 *   - the mistakes of each template and instruction file; files that are missing; parameters that
 *     are in no template; observations that are read nowhere, or twice; two templates for the same
 *     model input file.
 * If none of the files that the control file names is there, it is looked at away from its model:
 * that is a warning. If some are, each missing one is a mistake.
 *
 * *ret_control is the control file if it could be read, else NULL; pest_control_free it. Returns
 * the number of mistakes. */
size_t pest_case_check(const char *path,
                       void (*tell)(void *context, enum pest_finding finding,
                                    const char *sentence),
                       void *context, struct pest_control **ret_control);

#endif
