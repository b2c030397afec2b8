/*
 * Step 3, and the workers from there on: those of an earlier master are taken over or ended, new
 * ones submitted, and a farm that has none and gets none is ended.
 */
#include "config.h"

#include "launch/session_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/plain.h"

#define CREW_CHECK_NS    (250 * CLOCK_MS_NS)
#define CREW_CHECK_POLLS 10 /* so many of the shortest polls lie between two checks, too */
#define HOPELESS_NS      (2 * CLOCK_SECOND_NS) /* nobody came to help meanwhile */

/* Workers of an earlier master that dial somewhere else will never find this one. */
static int old_workers_kill(struct session *session, struct error *ret_error)
{
    struct backend *backend = session->backend;
    for (size_t i = 0; i < session->roster.count; i++) {
        struct roster_task *task = &session->roster.tasks[i];
        if (task->master || task->status.state == BACKEND_ENDED)
            continue;
        if (backend->ops->task_terminate(backend, task->id, true, ret_error) != 0)
            return -1;
        task->status.state = BACKEND_ENDED;
    }
    return 0;
}

static bool is_loopback(const char *address)
{
    return address && (strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0);
}

/* A farm without workers of its own waits for some that are started by hand. */
static void hand_started_explain(struct session *session)
{
    char path[4096], *secret = rundir_path(session->context->rundir, "secret", NULL);
    if (secret && is_loopback(session->master.address))
        screen_notice(
            session->screen,
            "the master listens to this machine alone; where others are to join, name "
            "their network in a farm file: \"network\": \"eth0\" or \"10.0.0.0/24\"");
    if (secret)
        screen_notice(session->screen,
                      "no worker is started; start some with: beofarm-worker --farm %s "
                      "--secret-file %s %s:%d",
                      session->farm.name, plain_argument(path, sizeof path, secret),
                      session->master.host, session->master.port);
    free(secret);
}

int session_workers_submit(struct session *session, struct error *ret_error)
{
    const struct progress *progress = &session->follow.progress;
    const struct request *request = session->context->request;
    struct backend *backend = session->backend;
    session_address_ask(session);
    session->master = (struct submission_master){
        .host = progress->host[0] ? progress->host : buf_text(&session->address),
        .address = session->address.size ? buf_text(&session->address) : progress->address,
        .port = progress->listening ? progress->port : request->farm.port,
    };
    if (session->master.port == 0)
        return error_set(ret_error, ERROR_BACKEND,
                         "the master did not say at which port it listens; give one as $.port");
    if (!session->attached && session->old_port != session->master.port &&
        old_workers_kill(session, ret_error) != 0)
        return -1;
    if (backend->ops->pool_resize(backend, request->workers * session->farm.worker_nodes + 1,
                                  ret_error) != 0)
        return -1;
    struct crew_context crew = {.backend = backend,
                                .farm = &session->farm,
                                .master = &session->master,
                                .restarts = request->farm.limits.worker_restarts,
                                .notice = session_notice,
                                .notice_context = session->screen};
    session->crew = crew_create(&crew, ret_error);
    if (!session->crew)
        return -1;
    if (request->workers == 0)
        hand_started_explain(session);
    if (crew_start(session->crew, request->workers, &session->roster, ret_error) != 0)
        return -1;
    return backend->ops->detach ? backend->ops->detach(backend, ret_error) : 0;
}

/* Workers that left for want of work come back when more waits than those who are there can take.
 * That they cannot is told, and tried again. */
static void workers_recall(struct session *session)
{
    const struct progress *progress = &session->follow.progress;
    struct error error;
    int64_t workers = progress->workers_joined, slots = progress->slots;
    int64_t each = workers > 0 && slots > workers ? slots / workers : 1;
    if (!session->backend->ops->workers_leave || progress->waiting <= slots)
        return;
    if (crew_refill(session->crew, (progress->waiting - slots + each - 1) / each, &error) != 0)
        screen_notice(session->screen, "%s", error.text);
}

int session_workers_check(struct session *session, struct error *ret_error)
{
    int64_t now = clock_monotonic_ns();
    struct backend *backend = session->backend;
    if (session->heeded || session->hopeless || session->follow.progress.ended ||
        now - session->crew_checked_ns < CREW_CHECK_NS ||
        now - session->crew_checked_ns < CREW_CHECK_POLLS * backend->ops->poll_shortest_ns)
        return 0;
    session->crew_checked_ns = now;
    if (crew_check(session->crew, ret_error) != 0)
        return -1;
    workers_recall(session);
    /* Workers that somebody started by hand keep a farm alive. */
    if (!crew_hopeless(session->crew, session->hopeless_text, sizeof session->hopeless_text) ||
        session->follow.progress.workers_joined > 0) {
        session->hopeless_ns = 0;
        return 0;
    }
    if (!session->hopeless_ns)
        session->hopeless_ns = now;
    if (now - session->hopeless_ns < HOPELESS_NS)
        return 0;
    session->hopeless = true;
    return backend->ops->task_terminate(backend, session->follow.id, false, ret_error);
}
