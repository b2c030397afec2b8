#include "config.h"

#include "launch/backend.h"

#include <stdio.h>
#include <string.h>

#include "launch/local/local.h"

static const struct backend_ops *const members[] = {
    &local_backend_ops,
};

const struct backend_ops *backend_find(const char *kind)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(members[i]->kind, kind) == 0)
            return members[i];
    return NULL;
}

struct backend *backend_open(const struct backend_context *context, struct error *ret_error)
{
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItem(context->settings, "kind"));
    const struct backend_ops *ops = backend_find(kind ? kind : local_backend_ops.kind);
    if (!ops) {
        error_set(ret_error, ERROR_CONFIG,
                  "/backend/kind: this beofarm has no backend \"%s\"; it has \"local\"", kind);
        return NULL;
    }
    return ops->open(context, ret_error);
}

void backend_close(struct backend *backend)
{
    if (backend)
        backend->ops->close(backend);
}

const char *backend_state_name(enum backend_state state)
{
    static const char *const names[] = {"waiting", "running", "ended"};
    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "?";
}

const char *backend_status_describe(const struct backend_status *status, char *text,
                                    size_t size)
{
    if (status->state != BACKEND_ENDED)
        snprintf(text, size, "it is %s", backend_state_name(status->state));
    else if (status->lost)
        snprintf(text, size, "it was lost together with what watched it");
    else if (status->signal)
        snprintf(text, size, "signal %d (%s)", status->signal, strsignal(status->signal));
    else
        snprintf(text, size, "exit code %d", status->exit_code);
    return text;
}
