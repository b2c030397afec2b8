#include "config.h"

#include <string.h>

#include "worker/runner.h"
#include "worker/runner_persistent.h"
#include "worker/runner_process.h"

static const struct runner_ops *const members[] = {
    &runner_process,
    &runner_persistent,
};

const struct runner_ops *runner_find(const char *name)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (strcmp(members[i]->name, name) == 0)
            return members[i];
    return NULL;
}
