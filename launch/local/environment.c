#include "config.h"

#include "launch/local/environment.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Does this "NAME=VALUE" of ours go on to the task? */
static bool entry_inherited(const char *entry, bool inside_mpirun)
{
    if (begins_with(entry, "BEOFARM_"))
        return begins_with(entry, "BEOFARM_LOG=") || begins_with(entry, "BEOFARM_BIN=");
    if (begins_with(entry, "MASTER_HOSTNAME=") || begins_with(entry, "PMIX_") ||
        begins_with(entry, "OMPI_COMM_WORLD_"))
        return false;
    /* mpirun tells its children of itself in OMPI_MCA_* as well; outside of it they are the
     * user's settings. */
    return !(inside_mpirun && begins_with(entry, "OMPI_"));
}

static bool entry_replaced(const char *entry, const struct backend_variable *variables,
                           size_t count)
{
    size_t size = strcspn(entry, "=");
    for (size_t i = 0; i < count; i++)
        if (strncmp(entry, variables[i].name, size) == 0 && !variables[i].name[size])
            return true;
    return false;
}

char **environment_create(const struct backend_variable *variables, size_t count,
                          struct error *ret_error)
{
    bool inside_mpirun = getenv("OMPI_COMM_WORLD_SIZE") != NULL;
    size_t inherited = 0, used = 0;
    while (environ && environ[inherited])
        inherited++;
    char **list = calloc(inherited + count + 1, sizeof *list);
    bool failed = !list;
    for (size_t i = 0; !failed && i < inherited; i++)
        if (entry_inherited(environ[i], inside_mpirun) &&
            !entry_replaced(environ[i], variables, count))
            failed = !(list[used++] = strdup(environ[i]));
    for (size_t i = 0; !failed && i < count; i++) {
        failed = asprintf(&list[used], "%s=%s", variables[i].name, variables[i].value) < 0;
        if (failed)
            list[used] = NULL;
        used++;
    }
    if (!failed)
        return list;
    environment_destroy(list);
    error_set(ret_error, ERROR_SYSTEM, "no memory for a task's environment");
    return NULL;
}

void environment_destroy(char **environment)
{
    for (size_t i = 0; environment && environment[i]; i++)
        free(environment[i]);
    free(environment);
}
