#include "config.h"

#include "launch/follow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define READ_MAX   ((size_t)256 << 10)
#define TAIL_LINES 3

void follow_init(struct follow *follow, struct backend *backend, const char *id)
{
    memset(follow, 0, sizeof *follow);
    follow->backend = backend;
    snprintf(follow->id, sizeof follow->id, "%s", id);
    progress_init(&follow->progress);
}

void follow_fini(struct follow *follow)
{
    progress_fini(&follow->progress);
}

/* A master that was moved to another node begins again, and so does what it says. */
static void moved_notice(struct follow *follow)
{
    int64_t now_ns = follow->status.started_ns;
    if (!now_ns)
        return;
    if (follow->started_ns && follow->started_ns != now_ns) {
        follow->offset = 0;
        progress_fini(&follow->progress);
        progress_init(&follow->progress);
    }
    follow->started_ns = now_ns;
}

int follow_step(struct follow *follow,
                void (*each)(void *context, const char *text, const cJSON *event),
                void *context, struct error *ret_error)
{
    struct backend *backend = follow->backend;
    enum backend_state before = follow->status.state;
    struct buf bytes;
    buf_init(&bytes, READ_MAX);
    /* First the state, then the bytes: what an ended task said is all there. */
    int rc = backend->ops->task_status(backend, follow->id, &follow->status, ret_error);
    int news = rc == 0 && follow->status.state != before;
    if (rc == 0)
        moved_notice(follow);
    while (rc == 0) {
        buf_clear(&bytes);
        int64_t count = backend->ops->task_read(backend, follow->id, "stdout.txt",
                                                follow->offset, READ_MAX, &bytes, ret_error);
        if (count < 0)
            rc = -1;
        if (count <= 0)
            break;
        follow->offset += (uint64_t)count;
        news = 1;
        rc = progress_feed(&follow->progress, bytes.data, bytes.size, each, context, ret_error);
        if ((size_t)count < READ_MAX)
            break; /* there is no more at present */
    }
    buf_fini(&bytes);
    return rc == 0 ? news : rc;
}

/* The last lines of stderr in one: "; it said: a | b". */
static void tail_format(struct follow *follow, char *text, size_t size)
{
    struct buf tail;
    buf_init(&tail, 128 << 10);
    backend_tail(follow->backend, follow->id, "stderr.txt", TAIL_LINES, &tail, NULL);
    const char *said = buf_text(&tail);
    size_t length = said ? strlen(said) : 0;
    while (length > 0 && said[length - 1] == '\n')
        length--;
    text[0] = '\0';
    if (length > 0)
        snprintf(text, size, "; it said: %.*s", (int)length, said);
    for (char *next = text; *next; next++)
        if (*next == '\n')
            *next = '|';
    buf_fini(&tail);
}

/* A library that ends the master itself (Open MPI does) uses codes of its own: 1 would mean that
 * tasks failed, which only a master that announced its end can know. */
static int sound_code(int code)
{
    bool ours = (code >= ERROR_USAGE && code <= ERROR_CHANGED) || code == ERROR_BUG ||
                code == ERROR_INTERRUPTED;
    return ours ? code : ERROR_BACKEND;
}

/* What may be behind an end of which the master itself can say nothing. */
static const char *hint(const struct backend_status *status)
{
    if (status->lost && !status->why[0])
        return "; both were killed, or the machine went down: what was finished is kept, and "
               "the farm can be gone on with";
    if (!status->lost && status->signal == SIGKILL)
        return "; somebody killed it, or the kernel did for want of memory, which dmesg would "
               "tell: what was finished is kept, and the farm can be gone on with";
    return "";
}

int follow_outcome(struct follow *follow, char *text, size_t size)
{
    const struct backend_status *status = &follow->status;
    const struct progress *progress = &follow->progress;
    char how[BACKEND_HOW_SIZE], said[ERROR_TEXT_MAX];
    text[0] = '\0';
    if (!status->lost && !status->signal) {
        if (progress->sentence && progress->sentence[0])
            snprintf(text, size, "%s", progress->sentence);
        if (status->exit_code == 0 || text[0])
            return status->exit_code;
    }
    backend_status_describe(status, how, sizeof how);
    tail_format(follow, said, sizeof said);
    snprintf(text, size, "the master ended%s%s (%s)%s%s",
             progress->ended ? "" : " unexpectedly",
             progress->host[0] ? "" : " before it said its hostname", how, said, hint(status));
    if (status->lost || status->signal)
        return ERROR_BACKEND;
    return progress->ended ? status->exit_code : sound_code(status->exit_code);
}
