#include "config.h"

#include <string.h>

#include "common/hidden.h"

bool hidden_variable(const char *variable)
{
    static const char *const prefixes[] = {"OMPI_", "PMIX_",           "PMI_",          "PRTE_",
                                           "ORTE_", "BEOFARM_SECRET=", "BEOFARM_STORE="};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}
