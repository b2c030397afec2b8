#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/shot_parcel.h"

struct shot_parcel *shot_parcel_create(struct attempt_id id, const struct shot_task *task)
{
    struct shot_parcel *parcel = calloc(1, sizeof(*parcel));
    if (!parcel)
        return NULL;
    parcel->id = id;
    parcel->shape = sum_shape_of(task);
    parcel->shot_count = task->shot_count;
    for (size_t i = 0; i < SHOT_ARRAYS_MAX; i++)
        parcel->files[i] = -1;
    parcel->shots = malloc(task->shot_count * sizeof(*task->shots));
    if (!parcel->shots) {
        free(parcel);
        return NULL;
    }
    memcpy(parcel->shots, task->shots, task->shot_count * sizeof(*task->shots));
    return parcel;
}

void shot_parcel_destroy(struct shot_parcel *parcel)
{
    if (!parcel)
        return;
    for (size_t i = 0; i < SHOT_ARRAYS_MAX; i++)
        if (parcel->files[i] >= 0)
            close(parcel->files[i]);
    free(parcel->shots);
    free(parcel);
}

struct sum_part shot_parcel_part(const struct shot_parcel *parcel)
{
    return (struct sum_part){.id = parcel->id,
                             .shots = parcel->shots,
                             .shot_count = parcel->shot_count,
                             .window = parcel->has_window ? &parcel->window : NULL,
                             .files = parcel->files};
}
