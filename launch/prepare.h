/*
 * prepare.h - from a farm file to a run directory: read it, ask the master what it comes to, find
 * its files, and lay all that into the run directory.
 */
#ifndef BEOFARM_LAUNCH_PREPARE_H
#define BEOFARM_LAUNCH_PREPARE_H

#include "common/error.h"
#include "launch/backend.h"
#include "launch/inputs.h"
#include "launch/plan.h"
#include "launch/request.h"
#include "launch/rundir.h"
#include "launch/screen.h"

struct preparation {
    struct request request;
    struct plan plan;
    struct inputs inputs;
};

/* Read and check everything; changes nothing. */
int prepare_read(const char *farm_file, const struct request_overrides *overrides,
                 struct preparation *ret_preparation, struct error *ret_error);

/* Free; a zeroed one is allowed. */
void prepare_close(struct preparation *preparation);

/* Tasks that will be run; -1: not known. */
int64_t prepare_tasks(const struct preparation *preparation);

/* What there is to do, in words: "240 tasks", "40 shots in tasks of one or more, 3 tasks at most".
 * Returns text. */
char *prepare_describe(const struct preparation *preparation, char *text, size_t size);

/* Write farm.json, the store and files.json. known: as for inputs_put. */
int prepare_lay(struct preparation *preparation, const struct rundir *rundir,
                struct backend *backend, const bool *known, struct screen *screen,
                struct error *ret_error);

/* On resume: hash the inputs and name what differs from the run directory's farm.json and
 * files.json. 0: nothing. More: how many, and the names are in ret_text, cut to fit. ret_known
 * (inputs.count of them) says which contents the store has. -1 with a sentence. `overrides` are
 * those given now: what they set is no difference. */
long prepare_compare(struct preparation *preparation, const struct rundir *rundir,
                     const struct request_overrides *overrides, bool *ret_known, char *ret_text,
                     size_t size, struct error *ret_error);

#endif
