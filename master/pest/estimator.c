/* The members of the seam; see estimator.h. */
#include "config.h"

#include <string.h>

#include "master/pest/estimator.h"
#include "master/pest/glm.h"
#include "master/pest/ies.h"
#include "master/pest/sweep.h"

static const struct estimator_ops *const members[] = {
    &estimator_glm,
    &estimator_sweep,
    &estimator_ies,
};

const struct estimator_ops *estimator_find(const char *mode)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        if (strcmp(members[i]->mode, mode) == 0)
            return members[i];
    return NULL;
}
