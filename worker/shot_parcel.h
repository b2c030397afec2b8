/*
 * shot_parcel.h - what one attempt computed: its arrays, as open files that nobody can remove any
 * more.
 */
#ifndef BEOFARM_WORKER_SHOT_PARCEL_H
#define BEOFARM_WORKER_SHOT_PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/seismic/sum.h"

/* All owned by the parcel. */
struct shot_parcel {
    struct attempt_id id;
    struct sum_shape shape;
    struct shot_ref *shots;
    size_t shot_count;
    bool has_window;
    struct grid_box window;
    int files[SHOT_ARRAYS_MAX]; /* as many as shape has arrays; -1: none */
};

/* An empty one with the shape and shots of a task. NULL if out of memory. */
struct shot_parcel *shot_parcel_create(struct attempt_id id, const struct shot_task *task);
void shot_parcel_destroy(struct shot_parcel *parcel); /* NULL is allowed */

/* As what is added to a sum; borrows from the parcel. */
struct sum_part shot_parcel_part(const struct shot_parcel *parcel);

#endif
