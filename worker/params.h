/*
 * params.h - a task's parameters, decoded and printed.
 */
#ifndef BEOFARM_WORKER_PARAMS_H
#define BEOFARM_WORKER_PARAMS_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/template.h"
#include "common/values.h"

struct params {
    const char **names; /* of the job's "params"; the texts are borrowed from the job */
    size_t count;
    struct value *values;        /* of the task, count of them: borrowed from `payload` */
    struct template_text *texts; /* the same printed: point into `printed` or `payload` */
    struct buf payload;          /* a copy of the task's list */
    struct buf printed;
};

/* Names from the job (which must outlive the params). 0 or -1. */
int params_init(struct params *params, const cJSON *job, struct error *ret_error);
void params_fini(struct params *params);

/* Take a task's payload (copied). Missing values at its end are VALUE_NONE; too many are an
 * error. */
int params_take(struct params *params, const void *payload, size_t size,
                struct error *ret_error);

#endif
