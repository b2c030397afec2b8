/*
 * recipe.h - what a task's work directory is made of: the job's "templates", "inputs", "outputs".
 */
#ifndef BEOFARM_WORKER_RECIPE_H
#define BEOFARM_WORKER_RECIPE_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/message.h"
#include "worker/params.h"
#include "worker/workdir.h"

struct recipe;
struct preparation;

/* Compile the job's work; a job that is NULL has common files alone. `names` gives the parameters'
 * names (copied); job and workplace are borrowed. NULL with a sentence. */
struct recipe *recipe_create(const cJSON *job, const struct params *names,
                             struct workplace *place, struct error *ret_error);
void recipe_destroy(struct recipe *recipe); /* NULL is allowed */

/* Are there templates, inputs or outputs, so that a task needs a directory of its own? */
bool recipe_is_per_task(const struct recipe *recipe);

/* Is `name` among the outputs, literally? */
bool recipe_has_output(const struct recipe *recipe, const char *name);

/* Make the task's work directory with everything in it, fetching what the cache lacks. Calls
 * done(context, workdir, NULL), which takes the workdir, or done(context, NULL, error): before
 * this returns, which then is NULL, or later, unless recipe_cancel comes first. `params` must stay
 * as they are until then. */
struct preparation *recipe_prepare(struct recipe *recipe, uint32_t slot, struct attempt_id id,
                                   const struct params *params,
                                   void (*done)(void *context, struct workdir *workdir,
                                                const struct error *error),
                                   void *context);
void recipe_cancel(struct preparation *preparation); /* NULL is allowed */

/* Find the declared outputs: workdir_collect. */
int recipe_collect(const struct recipe *recipe, struct workdir *workdir,
                   struct error *ret_error);

#endif
