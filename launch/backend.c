#include "config.h"

#include "launch/backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "launch/azure/azure.h"
#include "launch/interrupt.h"
#include "launch/local/local.h"

#define TAIL_MAX   ((size_t)64 << 10)
#define POLL_SHARE 50 /* a look comes after 1/50 of the time that has passed */

static const struct backend_ops *const members[] = {
    &backend_local,
    &backend_azure,
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
    const struct backend_ops *ops = backend_find(kind ? kind : backend_local.kind);
    if (!ops) {
        error_set(ret_error, ERROR_CONFIG, "$.backend.kind: this beofarm has no backend \"%s\"",
                  kind);
        return NULL;
    }
    return ops->open(context, ret_error);
}

void backend_close(struct backend *backend)
{
    if (backend)
        backend->ops->close(backend);
}

int backend_submit(struct backend *backend, const struct backend_lot *lot, size_t *ret_accepted,
                   struct error *ret_error)
{
    *ret_accepted = 0;
    if (backend->ops->tasks_submit)
        return backend->ops->tasks_submit(backend, lot, ret_accepted, ret_error);
    for (size_t i = 0; i < lot->count; i++) {
        struct backend_task task;
        if (lot->give(lot->context, i, &task, ret_error) != 0 ||
            backend->ops->task_submit(backend, &task, ret_error) != 0)
            return -1;
        ++*ret_accepted;
    }
    return 0;
}

int64_t backend_poll_ns(const struct backend *backend, int64_t passed_ns)
{
    int64_t pause = passed_ns / POLL_SHARE;
    if (pause < backend->ops->poll_shortest_ns)
        pause = backend->ops->poll_shortest_ns;
    return pause < backend->ops->poll_longest_ns ? pause : backend->ops->poll_longest_ns;
}

void backend_await(struct backend *backend, const char *id, int64_t passed_ns)
{
    if (backend->ops->task_await)
        backend->ops->task_await(backend, id, backend->ops->poll_longest_ns);
    else
        interrupt_sleep(backend_poll_ns(backend, passed_ns));
}

void backend_say(const struct backend_listener *listener, const char *format, ...)
{
    char text[2 * ERROR_TEXT_MAX];
    va_list args;
    if (!listener || !listener->say)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    listener->say(listener->context, text);
}

/* Drop all but the last `lines` lines; a line break at the very end starts no line. */
static void lines_keep_last(struct buf *text, int lines)
{
    size_t start = text->size;
    while (start > 0) {
        if (text->data[start - 1] == '\n' && start < text->size && --lines == 0)
            break;
        start--;
    }
    buf_consume(text, start);
}

int backend_tail(struct backend *backend, const char *id, const char *file, int lines,
                 struct buf *ret_text, struct error *ret_error)
{
    uint64_t size;
    struct buf text;
    buf_init(&text, TAIL_MAX);
    int rc = backend->ops->task_file_size(backend, id, file, &size, ret_error);
    uint64_t offset = rc == 0 && size > TAIL_MAX ? size - TAIL_MAX : 0;
    if (rc == 0)
        rc = backend->ops->task_read(backend, id, file, offset, TAIL_MAX, &text, ret_error) < 0
                 ? -1
                 : 0;
    lines_keep_last(&text, lines);
    if (rc == 0 && buf_append(ret_text, text.data, text.size) != 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for the end of %s", file);
    buf_fini(&text);
    return rc;
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
    else if (status->lost && status->why[0])
        snprintf(text, size, "%s", status->why);
    else if (status->lost)
        snprintf(text, size, "it was lost together with what watched it");
    else if (status->signal)
        snprintf(text, size, "signal %d (%s)", status->signal, strsignal(status->signal));
    else
        snprintf(text, size, "exit code %d", status->exit_code);
    return text;
}
