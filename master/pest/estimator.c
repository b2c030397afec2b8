/* The members of the seam; see estimator.h. */
#include "config.h"

#include <string.h>

#include "master/pest/estimator.h"

static const struct estimator_ops *const members[] = {
    NULL, /* until there is one */
};

const struct estimator_ops *estimator_find(const char *mode)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (members[i] && strcmp(members[i]->mode, mode) == 0)
            return members[i];
    return NULL;
}
