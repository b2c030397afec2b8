/*
 * ies_report_private.h - what the parts of a smoother's report share.
 */
#ifndef BEOFARM_MASTER_PEST_IES_REPORT_PRIVATE_H
#define BEOFARM_MASTER_PEST_IES_REPORT_PRIVATE_H

#include <stdio.h>

#include "master/pest/ies_report.h"

enum table { ACTUAL, MEASURED, COMPOSITE, REGULARISATION, GROUPS, LAMBDA, RECORD, TABLES };

struct ies_report {
    struct ies_report_source source;
    FILE *tables[TABLES];
};

/* BASE.ENDING, allocated; NULL with a sentence. */
char *ies_report_path(const struct ies_report *report, const char *ending,
                      struct error *ret_error);

#endif
