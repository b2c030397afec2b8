#include "config.h"

#include <string.h>

#include "master/driver.h"
#include "master/external/external.h"
#include "master/pest/pest.h"
#include "master/shots/shots.h"
#include "master/socket/socket.h"
#include "master/sweep/sweep.h"

static const struct driver_ops *const members[] = {
    &driver_sweep, &driver_socket, &driver_external, &driver_pest, &driver_shots,
};

const struct driver_ops *driver_find(const char *kind)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i]->kind, kind) == 0)
            return members[i];
    return NULL;
}
