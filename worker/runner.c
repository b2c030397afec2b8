#include "config.h"

#include <string.h>

#include "worker/runner.h"
#include "worker/runner_persistent.h"
#include "worker/runner_pest.h"
#include "worker/runner_process.h"
#include "worker/runner_shots.h"

static const struct runner_ops *const members[] = {
    &runner_process,
    &runner_persistent,
    &runner_pest,
    &runner_shots,
};

void runner_unprepared(const struct runner_context *context, const struct error *error)
{
    /* What the farm file or the task did wrong has another code. */
    if (error->code == ERROR_SYSTEM)
        context->owner.broken(context->owner.context, error);
}

const struct runner_ops *runner_find(const char *name)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (strcmp(members[i]->name, name) == 0)
            return members[i];
    return NULL;
}
