/*
 * shot_models.h - the models of waves in this worker's cache, removed when no wave wants them any
 * more.
 *
 * An inversion hands each of its models to each worker once; without this a thousand evaluations
 * leave a thousand models. Only files are removed that a wave has of its own (a survey, its
 * velocity, its perturbation), that were not in the cache before this worker fetched them for a
 * task, and that no task of the present wave or the one before had: a model that was tried is
 * mostly the next one's, too.
 */
#ifndef BEOFARM_WORKER_SHOT_MODELS_H
#define BEOFARM_WORKER_SHOT_MODELS_H

#include <stdint.h>

#include "common/seismic/shot_task.h"
#include "worker/cache.h"

struct shot_models;

struct shot_models *shot_models_create(void);         /* NULL if out of memory */
void shot_models_destroy(struct shot_models *models); /* files stay; NULL is allowed */

/* A task needs its files, which are about to be asked for. Without memory they are not known. */
void shot_models_note(struct shot_models *models, const struct shot_task *task,
                      struct cache *cache);

/* A task of wave `number` (keep_from) came: remove what the waves before the last had. */
void shot_models_drop(struct shot_models *models, uint64_t number, struct cache *cache);

#endif
