/*
 * A full disk, or a system that makes no more processes. A task that failed because of it (it says
 * so, or the disk is found full) is handed back, and counts nowhere. Then the worker pauses: it
 * starts nothing, hands back what it has not started, and wants no tasks (a credit of 0), while
 * those that run go on, and may make room. It looks again after a while. What it alone can do is
 * kept, and started again by itself; where the worker leaves, there is no time for that.
 *
 * shortage.h says when patience ends: then the failure is told of as any other is, or the worker
 * leaves.
 */
#include "config.h"

#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "worker/agent_private.h"

static void tell(struct agent *agent, const char *sentence)
{
    if (!agent->link)
        return;
    message_put_paused(&agent->scratch, sentence);
    agent_send(agent, &agent->scratch);
}

void agent_site_full(void *context, const struct error *error)
{
    struct agent *agent = context;
    struct error why;
    error_set(&why, ERROR_SYSTEM, "the disk of %s is full: %s", site_dir(agent->site),
              error ? error->text : "");
    if (error)
        log_warn("%s", why.text);
    tell(agent, error ? why.text : "");
}

static void hand_back_queued(struct agent *agent)
{
    struct held *next;
    for (struct held *held = hand_first(agent->hand, HAND_QUEUED); held; held = next) {
        next = held->next;
        if (held->owed || site_owes(agent->site, held->payload, held->payload_size))
            continue;
        agent_hand_back(agent, held->id);
        hand_remove(agent->hand, held);
    }
}

void agent_tell_pause(struct agent *agent)
{
    struct error why;
    error_set(&why, ERROR_SYSTEM, "%s; what fails because of that does not count as tried",
              agent->paused_why.text);
    tell(agent, why.text);
    agent->pause_told = agent->link;
}

/* A task succeeded. It may have run since before a pause that still goes on. */
static void meet_success(struct agent *agent)
{
    shortage_end(&agent->shortage);
    if (!agent->pause_told || agent->paused)
        return;
    agent->pause_told = false;
    tell(agent, "");
}

static bool lacks_processes(const struct agent *agent)
{
    const char *why = agent->paused_why.text;
    return shortage_is_of_processes(why, strlen(why));
}

static void why_set(struct agent *agent, const char *text, size_t size)
{
    if (shortage_is_of_processes(text, size))
        error_set(&agent->paused_why, ERROR_SYSTEM, "%.*s", (int)size, text);
    else
        error_set(&agent->paused_why, ERROR_SYSTEM, "the disk of %s is full: %.*s",
                  site_dir(agent->site), (int)size, text);
}

static void pause_begin(struct agent *agent, const struct result *result)
{
    if (agent->paused)
        return;
    agent->paused = agent->credit_changed = true;
    agent->paused_ns = clock_monotonic_ns();
    loop_timer_arm(agent->pause, agent->paused_ns + shortage_pause(&agent->shortage));
    hand_back_queued(agent);
    why_set(agent, result->error, result->error_size < 300 ? result->error_size : 300);
    log_warn("%s", agent->paused_why.text);
    if (!agent->pause_told)
        agent_tell_pause(agent);
}

bool agent_meets_shortage(struct agent *agent, struct held *held, struct result *result,
                          struct error *text)
{
    bool counts = result->status == RESULT_EXIT || result->status == RESULT_SIGNAL ||
                  result->status == RESULT_NO_START || result->status == RESULT_NO_VALUE;
    bool leaving = agent->leaving || agent->trouble.code;
    if (result->status == RESULT_OK)
        meet_success(agent);
    if (!counts || !agent->shortage.patience_ns || (leaving && held->owed))
        return false;
    bool named = shortage_is_named(result);
    if (!named && !site_is_full(agent->site))
        return false;
    bool again =
        shortage_meet(&agent->shortage, held->id.task, held->owed, clock_monotonic_ns());
    if (again && held->owed) {
        hand_move(agent->hand, held, HAND_QUEUED);
    } else if (again) {
        agent_hand_back(agent, held->id);
        hand_remove(agent->hand, held);
    }
    if (!leaving)
        pause_begin(agent, result);
    if (!again && !named) {
        error_set(text, ERROR_TASKS, "%.*s; the disk of its directory was full",
                  (int)(result->error_size < 700 ? result->error_size : 700), result->error);
        result->error = text->text;
        result->error_size = strlen(text->text);
    }
    return again;
}

void agent_pause_over(void *context)
{
    struct agent *agent = context;
    int64_t now = clock_monotonic_ns();
    if (!agent->paused || agent->leaving)
        return;
    bool patient = shortage_wait(&agent->shortage, now - agent->paused_ns);
    agent->paused_ns = now;
    if (!patient) { /* and it leaves, with the turn that follows */
        error_set(&agent->trouble, ERROR_SYSTEM,
                  "%s; this worker has waited %.0f s, in vain; %s", agent->paused_why.text,
                  (double)agent->shortage.waited_ns / 1e9,
                  lacks_processes(agent)
                      ? "allow more processes there (ulimit -u, pids.max of its cgroup)"
                      : "make room there, or name another directory ($.worker.dir)");
    } else if (agent->site && site_is_full(agent->site)) {
        loop_timer_arm(agent->pause, now + shortage_look_ns(&agent->shortage));
    } else {
        agent->paused = false;
        agent->credit_changed = true;
    }
}
