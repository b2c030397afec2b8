/*
 * follow.h - follows a master through the backend: its state, and the fold of its stdout.
 */
#ifndef BEOFARM_LAUNCH_FOLLOW_H
#define BEOFARM_LAUNCH_FOLLOW_H

#include <stdint.h>

#include "common/error.h"
#include "launch/backend.h"
#include "launch/progress.h"

struct follow {
    struct backend *backend; /* borrowed */
    char id[BACKEND_TASK_ID_MAX + 1];
    struct backend_status status;
    struct progress progress;
    uint64_t offset;    /* of stdout.txt: read so far */
    int64_t started_ns; /* when it was started last, as far as the backend said */
};

/* Follow the task `id` from the beginning of its stdout; asks nothing yet. */
void follow_init(struct follow *follow, struct backend *backend, const char *id);
void follow_fini(struct follow *follow);

/* Ask for the state and read what is new (from the beginning again, where the backend has moved the
 * task to another node and started it anew); `each` as for progress_feed. Once the state says that
 * the task has ended, all it said has been read. 1 if there was anything new, 0 if not, -1 with a
 * sentence. */
int follow_step(struct follow *follow,
                void (*each)(void *context, const char *text, const cJSON *event),
                void *context, struct error *ret_error);

/* How the master ended, as an exit code of beofarm; its sentence goes to `text` ("" if all went
 * well). Call it once it has ended. */
int follow_outcome(struct follow *follow, char *text, size_t size);

#endif
