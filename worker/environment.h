/*
 * environment.h - the environment of a slot's children.
 *
 * It is the worker's own, without what belongs to the farm (BEOFARM_SECRET) or would make a
 * model believe that it is a process of our MPI job (OMPI_*, PMIX_*, PMI_*, ORTE_*, PRTE_*),
 * then the slot's variables, then the job's "env", then the task's parameters by name and
 * BEOFARM_TASK, BEOFARM_ATTEMPT, BEOFARM_SLOT (of a persistent runner BEOFARM_SLOT and
 * BEOFARM_DEATHS); a later one replaces an earlier one of that name.
 */
#ifndef BEOFARM_WORKER_ENVIRONMENT_H
#define BEOFARM_WORKER_ENVIRONMENT_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/message.h"
#include "worker/params.h"

struct slot;
struct environment;

/* What stays the same from task to task. `env` is the job's object of texts (NULL: none), in which
 * {NAME} places are filled per task; `params` are the names. All is copied. NULL with a
 * sentence. */
struct environment *environment_create(const struct slot *slot, uint32_t slot_number,
                                       const cJSON *env, const struct params *params,
                                       struct error *ret_error);
void environment_destroy(struct environment *environment); /* NULL is allowed */

/* Put in a task's id and parameters and BEOFARM_ATTEMPT_KEY=key. Returns the NULL-terminated list,
 * owned by the environment and valid until the next call. NULL with a sentence if a place in `env`
 * cannot be filled. */
char *const *environment_fill(struct environment *environment, struct attempt_id id,
                              const struct params *params, const char *key,
                              struct error *ret_error);

/* The same without a task, for a persistent runner; it cannot fill places in `env`.
 * BEOFARM_DEATHS is how many of the slot's processes died before this one, one after the other,
 * without an answer. */
char *const *environment_fill_idle(struct environment *environment, const char *key,
                                   unsigned deaths, struct error *ret_error);

#endif
