/*
 * model_case_private.h - for the model_case*.c files alone.
 */
#ifndef BEOFARM_MASTER_SOCKET_MODEL_CASE_PRIVATE_H
#define BEOFARM_MASTER_SOCKET_MODEL_CASE_PRIVATE_H

#include <stdint.h>

#include "master/pest/glm_objective.h"
#include "master/pest/glm_parameters.h"
#include "master/pest/problem.h"
#include "master/socket/model.h"

struct model {
    const cJSON *work, *farm;
    const char *folder;
    struct problem *problem;
    struct pest_control *control; /* the problem's */
    struct glm_parameters parameters;
    struct glm_objective *objective;
    uint32_t fingerprint;             /* of the names of all parameters and observations */
    double *values, *written;         /* [parameters] scratch, like all below */
    bool *given;                      /* [parameters] */
    bool *chosen;                     /* [observations] */
    double *observations, *residuals; /* [observations]; [rows of the objective] */
    double *groups;                   /* [observation groups] phi */
};

/* model_ops.heed, model_ops.take */
int set_heed(struct model *model, model_places places, struct error *ret_error);
int set_take(struct model *model, model_places places, struct buf *kept,
             struct error *ret_error);

/* Set model->values (as submitted), model->written and model->chosen to what was kept. -1 with a
 * sentence if that was of another control file. */
int set_read(struct model *model, const void *kept, size_t size, bool *ret_tell_written,
             struct error *ret_error);

#endif
