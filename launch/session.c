#include "config.h"

#include "launch/session_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "launch/interrupt.h"

#define HOSTNAME_LIMIT_S 120 /* for the first line, from when the master runs */
#define PORT_LIMIT_S     1   /* for the listening event, from the first line */
#define PORT_LIMIT_POLLS 10  /* and so many of the shortest polls */
#define DISMISS_NS       (1 * CLOCK_SECOND_NS) /* for workers to go by themselves at the end */
#define DISMISS_POLLS    20
#define BLIND_LIMIT_NS   (1800 * CLOCK_SECOND_NS)
#define FAILED_LINES     5 /* of a master's stderr that never said its hostname */

void session_notice(void *context, const char *sentence)
{
    screen_notice(context, "%s", sentence);
}

/* Whether people know the sentence of an event already, from before the farm began. */
static bool was_told(const struct session *session, const cJSON *event)
{
    const char *sentence = cJSON_GetStringValue(json_member(event, "sentence"));
    const cJSON *told;
    cJSON_ArrayForEach(told, session->context->told)
    {
        if (sentence && cJSON_IsString(told) && strcmp(sentence, told->valuestring) == 0)
            return true;
    }
    return false;
}

static void session_event(void *context, const char *text, const cJSON *event)
{
    struct session *session = context;
    const char *name = cJSON_GetStringValue(json_member(event, "event"));
    if (session->screen->mode == SCREEN_JSON || !was_told(session, event))
        screen_event(session->screen, text, event);
    if (name && strcmp(name, "estimate") == 0)
        session->has_news = true;
}

/* Files of the driver to where its user looks for them. That they cannot be copied ends nothing:
 * they are in the run directory. */
static void outputs_bring(struct session *session)
{
    struct error error;
    struct homecoming *homecoming = &session->context->homecoming;
    if (homecoming_bring(homecoming, &error) == 0 && homecoming->kept == 0)
        return;
    if (!session->told_home && homecoming->kept)
        screen_notice(
            session->screen,
            "\"%s\" is one of the farm's files and is left as it is; the new one is in "
            "%s",
            homecoming->kept_name, homecoming->from);
    else if (!session->told_home)
        screen_notice(session->screen, "results stay in %s: %s", homecoming->from, error.text);
    session->told_home = true;
}

static int session_init(struct session *session, struct session_context *context,
                        struct error *ret_error)
{
    const struct request *request = context->request;
    struct backend *backend = context->backend;
    const char *log = getenv("BEOFARM_LOG");
    memset(session, 0, sizeof *session);
    session->context = context;
    session->backend = backend;
    session->screen = context->screen;
    session->listener =
        (struct backend_listener){.say = session_notice, .context = context->screen};
    buf_init(&session->address, 256);
    session->farm_json = rundir_path(context->rundir, "farm.json", ret_error);
    session->files_json = rundir_path(context->rundir, "files.json", ret_error);
    session->farm = (struct submission_farm){
        .name = request->farm.name,
        .secret = session->secret,
        .machine_workers = backend->ops->one_machine ? request->workers : 0,
        .worker_nodes = backend->ops->one_machine ? 1 : request->nodes,
        .network =
            request->farm.network ? request->farm.network : backend->ops->network(backend),
        .log = log && *log ? log : "info",
        .store_uri = backend->ops->store_uri(backend),
        .run_dir = backend->ops->run_dir(backend),
        .farm_json = session->farm_json,
        .files_json = session->files_json,
    };
    if (!session->farm_json || !session->files_json ||
        rundir_secret(context->rundir, session->secret, ret_error) != 0)
        return -1;
    return roster_read(backend, &session->roster, ret_error);
}

static void session_fini(struct session *session)
{
    crew_destroy(session->crew);
    buf_fini(&session->address);
    roster_close(&session->roster);
    if (session->follow.backend)
        follow_fini(&session->follow);
    explicit_bzero(session->secret, sizeof session->secret);
    free(session->farm_json);
    free(session->files_json);
}

/* Do what a new Ctrl-C asks for: first to end gracefully, then at once. */
static int session_heed(struct session *session, struct error *ret_error)
{
    int count = interrupt_count();
    struct backend *backend = session->backend;
    if (count == session->heeded)
        return 0;
    session->heeded = count;
    if (count == 1) {
        screen_notice(session->screen, "stopping: the master saves what is finished; once more "
                                       "(Ctrl-C) stops at once");
        return backend->ops->task_terminate(backend, session->follow.id, false, ret_error);
    }
    screen_notice(session->screen, "stopping at once");
    return backend->ops->job_terminate(backend, ret_error);
}

static void session_sleep(const struct session *session)
{
    int64_t passed =
        session->follow.progress.ended ? 0 : clock_monotonic_ns() - session->poll_started_ns;
    backend_await(session->backend, session->follow.id, passed);
}

static bool master_ended(const struct session *session)
{
    return session->follow.status.state == BACKEND_ENDED;
}

/* One poll. The master's lines go to the screen. */
static int session_poll(struct session *session, struct error *ret_error)
{
    struct backend *backend = session->backend;
    session->displaced =
        backend->ops->lead_check && backend->ops->lead_check(backend, ret_error) != 0;
    if (session->displaced || session_heed(session, ret_error) != 0 ||
        follow_step(&session->follow, session_event, session, ret_error) < 0)
        return -1;
    if (session->has_news)
        outputs_bring(session);
    session->has_news = false;
    if (!session->running_ns && session->follow.status.state == BACKEND_RUNNING)
        session->running_ns = clock_monotonic_ns();
    return 0;
}

/* The port of the master before, if workers of it may still be dialling it. */
static int old_port_find(struct session *session, struct error *ret_error)
{
    const struct roster_task *old = roster_master(&session->roster);
    struct follow follow;
    bool workers = false;
    for (size_t i = 0; i < session->roster.count; i++)
        workers |= !session->roster.tasks[i].master &&
                   session->roster.tasks[i].status.state != BACKEND_ENDED;
    if (!old || !workers)
        return 0;
    follow_init(&follow, session->backend, old->id);
    int rc = follow_step(&follow, NULL, NULL, ret_error);
    session->old_port = follow.progress.port;
    follow_fini(&follow);
    return rc < 0 ? rc : 0;
}

/* Step 1. */
static int master_submit(struct session *session, struct error *ret_error)
{
    struct submission submission;
    struct backend *backend = session->backend;
    const struct request *request = session->context->request;
    const struct roster_task *old = roster_master(&session->roster);
    if (old_port_find(session, ret_error) != 0 || !(session->rented = true) ||
        backend->ops->pool_create(backend, &session->listener, ret_error) != 0 ||
        backend->ops->job_create(backend, ret_error) != 0)
        return -1;
    submission_make_master(&submission, &session->farm,
                           session->old_port ? session->old_port : request->farm.port,
                           old ? old->generation + 1 : 1);
    if (backend->ops->task_submit(backend, &submission.task, ret_error) != 0)
        return -1;
    follow_init(&session->follow, backend, submission.id);
    return 0;
}

/* Instead of step 1: what it said so far is not shown again. */
static int master_attach(struct session *session, const struct roster_task *task,
                         struct error *ret_error)
{
    session->attached = true;
    screen_notice(session->screen, "this farm still runs: following it");
    follow_init(&session->follow, session->backend, task->id);
    return follow_step(&session->follow, NULL, NULL, ret_error) < 0 ? -1 : 0;
}

/* Let the backend look after its nodes; it may give up the farm. */
static int nodes_check(struct session *session, bool alone, struct error *ret_error)
{
    struct backend *backend = session->backend;
    if (!backend->ops->look_after || session->heeded || session->follow.progress.ended)
        return 0;
    return backend->ops->look_after(backend, alone, &session->listener, ret_error);
}

static int64_t hostname_limit_ns(const struct session *session)
{
    const struct backend *backend = session->backend;
    return backend->ops->master_limit_ns ? backend->ops->master_limit_ns(backend)
                                         : HOSTNAME_LIMIT_S * CLOCK_SECOND_NS;
}

/* It runs and says nothing: what it said on stderr tells why, or nothing does. */
static int hostname_miss(struct session *session, struct error *ret_error)
{
    struct buf said;
    buf_init(&said, 128 << 10);
    backend_tail(session->backend, session->follow.id, "stderr.txt", FAILED_LINES, &said, NULL);
    while (said.size > 0 && said.data[said.size - 1] == '\n')
        said.size--;
    for (size_t i = 0; i < said.size; i++)
        if (said.data[i] == '\n')
            said.data[i] = '|';
    const char *text = buf_text(&said);
    error_set(ret_error, ERROR_BACKEND, "the master did not say its hostname within %.0f s%s%s",
              (double)hostname_limit_ns(session) / CLOCK_SECOND_NS,
              said.size ? "; its stderr: " : "; its stderr is empty", text ? text : "");
    buf_fini(&said);
    return -1;
}

void session_address_ask(struct session *session)
{
    struct backend *backend = session->backend;
    if (backend->ops->task_address && session->address.size == 0)
        backend->ops->task_address(backend, session->follow.id, &session->address, NULL);
}

/* Where the master's stdout does not come, the address of its node and the port that it was to try
 * lead to it as well. */
static bool hostname_replace(struct session *session)
{
    if (session->context->request->farm.port == 0)
        return false;
    session_address_ask(session);
    if (session->address.size > 0)
        screen_notice(session->screen,
                      "the master's stdout does not come; going on with its node's address");
    return session->address.size > 0;
}

/* Step 2. Ends early if the master does. Where its stdout is late, the address of its node does
 * as well. */
static int hostname_await(struct session *session, struct error *ret_error)
{
    const struct progress *progress = &session->follow.progress;
    int64_t named_ns = 0;
    session->poll_started_ns = clock_monotonic_ns();
    for (;;) {
        if (session_poll(session, ret_error) != 0)
            return -1;
        /* Once the master listens nothing stands before its workers. */
        if (!progress->listening &&
            nodes_check(session, session->running_ns == 0, ret_error) != 0)
            return -1;
        int64_t now = clock_monotonic_ns();
        int64_t silent_ns = session->running_ns ? now - session->running_ns : 0;
        if (progress->host[0] && !named_ns)
            named_ns = now;
        if (master_ended(session) || (progress->host[0] && progress->listening) ||
            (named_ns && now - named_ns > PORT_LIMIT_S * CLOCK_SECOND_NS &&
             now - named_ns > PORT_LIMIT_POLLS * session->backend->ops->poll_shortest_ns))
            return 0;
        if (!named_ns && silent_ns > hostname_limit_ns(session) / 2 &&
            hostname_replace(session))
            return 0;
        if (!named_ns && silent_ns > hostname_limit_ns(session))
            return hostname_miss(session, ret_error);
        session_sleep(session);
    }
}

/* A farm that ends by itself is not ended because we cannot see it for a while: the network is
 * gone, or this machine slept. True: go on. */
static bool blind_bear(struct session *session, const struct error *error)
{
    int64_t now = clock_monotonic_ns();
    if (!session->backend->ops->detach || !session->crew || session->heeded)
        return false;
    if (!session->blind_ns)
        screen_notice(session->screen, "%s; trying on, the farm goes on meanwhile",
                      error->text);
    session->blind_ns = session->blind_ns ? session->blind_ns : now;
    session->left = error->code == ERROR_AUTH || now - session->blind_ns > BLIND_LIMIT_NS;
    return true;
}

static void watcher_tell(struct session *session)
{
    struct lead_watcher *watcher = session->context->watcher;
    const char *worker = watcher && session->crew ? crew_first(session->crew) : NULL;
    if (worker)
        watcher->poll(watcher, session->backend, worker, session->screen);
}

/* Step 4. */
static int master_follow(struct session *session, struct error *ret_error)
{
    session->poll_started_ns = clock_monotonic_ns();
    while (!session->left) {
        bool blind = session_poll(session, ret_error) != 0;
        screen_progress(session->screen, &session->follow.progress);
        if (!blind && master_ended(session))
            return 0;
        if (!blind)
            watcher_tell(session);
        if (!blind && session->crew)
            blind = session_workers_check(session, ret_error) != 0;
        if (blind && (session->displaced || !blind_bear(session, ret_error)))
            return -1;
        if (!blind && nodes_check(session, false, ret_error) != 0)
            return -1;
        session->blind_ns = blind ? session->blind_ns : 0;
        session_sleep(session);
    }
    return 0;
}

/* The workers were told by the master that the farm is over; give back what was rented. */
static int session_clear(struct session *session, struct error *ret_error)
{
    struct backend *backend = session->backend;
    int64_t patience = DISMISS_POLLS * backend->ops->poll_shortest_ns;
    int rc = 0;
    /* A master that was told to go has told no worker: where they cannot be asked one by one there
     * is nothing to wait for. */
    bool wait = session->heeded < (backend->ops->tasks_submit ? 1 : 2);
    if (session->crew && wait)
        rc = crew_dismiss(session->crew, patience > DISMISS_NS ? patience : DISMISS_NS,
                          ret_error);
    if (backend->ops->job_terminate(backend, rc == 0 ? ret_error : NULL) != 0)
        rc = -1;
    if (backend->ops->pool_delete(backend, &session->listener, rc == 0 ? ret_error : NULL) != 0)
        rc = -1;
    if (backend->ops->results_bring &&
        backend->ops->results_bring(backend, &session->listener, rc == 0 ? ret_error : NULL) !=
            0)
        rc = -1;
    if (master_ended(session) &&
        rundir_near_remove(session->context->rundir, rc == 0 ? ret_error : NULL) != 0)
        rc = -1;
    return rc;
}

/* Workers hold the sums of shots until they are asked for them, which takes a moment. */
static void stop_judge(const struct session *session, char *outcome, size_t size)
{
    const struct progress *progress = &session->follow.progress;
    long long lost = progress->unwritten ? progress->unwritten : progress->lost;
    if (lost)
        snprintf(outcome, size,
                 "stopped; what was finished is kept, but for %lld %s%s, to be computed again",
                 lost, progress->unwritten ? "unjournaled result" : "summed shot",
                 lost == 1 ? "" : "s");
    else /* without an end: killed, or told to leave at once */
        snprintf(outcome, size, "stopped; what %s is kept",
                 progress->ended ? "was finished" : "the master had");
}

static void session_judge(struct session *session, struct session_result *ret_result)
{
    char outcome[2 * ERROR_TEXT_MAX];
    int code = follow_outcome(&session->follow, outcome, sizeof outcome);
    if (session->hopeless) {
        code = ERROR_BACKEND;
        snprintf(outcome, sizeof outcome, "%s", session->hopeless_text);
    } else if (session->heeded) {
        code = ERROR_INTERRUPTED;
        stop_judge(session, outcome, sizeof outcome);
    }
    ret_result->exit_code = code;
    ret_result->resumable = code != ERROR_NONE && code != ERROR_TASKS;
    snprintf(ret_result->outcome, sizeof ret_result->outcome, "%.*s",
             (int)sizeof ret_result->outcome - 1, outcome);
}

static int session_steps(struct session *session, struct error *ret_error)
{
    const struct roster_task *task = roster_master(&session->roster);
    bool alive = task && task->status.state != BACKEND_ENDED;
    int rc =
        alive ? master_attach(session, task, ret_error) : master_submit(session, ret_error);
    if (rc == 0)
        rc = hostname_await(session, ret_error);
    if (rc == 0 && !master_ended(session) && !session->heeded)
        rc = session_workers_submit(session, ret_error);
    session->left =
        rc == 0 && session->context->detach && !master_ended(session) && !session->heeded;
    return rc == 0 && !session->left ? master_follow(session, ret_error) : rc;
}

/* Give back what was rented, also where the rest went wrong: what cannot be is said. */
static void session_abandon(struct session *session)
{
    struct error error;
    if (!session->displaced && (session->rented || session->attached) &&
        session_clear(session, &error) != 0)
        screen_notice(session->screen, "%s", error.text);
}

/* Whatever went wrong then, this is why. */
static int rundir_check(const struct session_context *context, struct error *ret_error)
{
    const char *path = context->rundir->path;
    if (rundir_is(path))
        return 0;
    return error_set(ret_error, ERROR_SYSTEM,
                     "\"%s\" was removed or moved away while the farm ran; the master notices, "
                     "and ends with its workers; a run that was moved goes on where it is now "
                     "(`beofarm run --resume ITS_NEW_PATH`)",
                     path);
}

int session_run(struct session_context *context, struct session_result *ret_result,
                struct progress *ret_progress, struct error *ret_error)
{
    struct session session;
    memset(ret_result, 0, sizeof *ret_result);
    progress_init(ret_progress);
    int rc = session_init(&session, context, ret_error);
    if (rc == 0) {
        rc = session_steps(&session, ret_error);
        screen_finish(session.screen);
        if (rc != 0)
            session_abandon(&session);
        else if (!session.left)
            rc = session_clear(&session, ret_error);
        outputs_bring(&session);
        if (rundir_check(context, ret_error) != 0)
            rc = -1;
    }
    ret_result->detached = rc == 0 && session.left;
    if (rc == 0 && !session.left) {
        session_judge(&session, ret_result);
        progress_fini(ret_progress);
        *ret_progress = session.follow.progress; /* taken */
        progress_init(&session.follow.progress);
    }
    session_fini(&session);
    return rc;
}
