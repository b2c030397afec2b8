#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/clock.h"
#include "tests/master/scheduler_play.h"

static void say(struct play *play, const char *text)
{
    if (play->said.size)
        buf_append_text(&play->said, "; ");
    buf_append_text(&play->said, text);
}

static void say_action(struct play *play, const struct scheduler_action *action)
{
    static const char *const names[] = {
        [SCHEDULER_LEASE] = "lease",        [SCHEDULER_CANCEL] = "cancel",
        [SCHEDULER_RECALL] = "recall",      [SCHEDULER_FAIL_TASK] = "fail-task",
        [SCHEDULER_GIVE_UP] = "give-up",    [SCHEDULER_SET_ASIDE] = "set-aside",
        [SCHEDULER_REINSTATE] = "reinstate"};
    say(play, names[action->kind]);
    if (action->failed)
        buf_append_text(&play->said, " failed");
    if (action->worker)
        buf_printf(&play->said, " %u", action->worker);
    if (!action->attempts && action->count)
        buf_printf(&play->said, " x%u", action->count);
    for (uint32_t i = 0; action->attempts && i < action->count; i++)
        buf_printf(&play->said, " %llu.%u", (unsigned long long)action->attempts[i].task,
                   action->attempts[i].attempt);
}

void play_pull(struct play *play)
{
    struct scheduler_action action;
    struct error error;
    int rc;
    int actions = 0;
    while ((rc = scheduler_next_action(play->scheduler, play->now_ns, &action, &error)) > 0) {
        say_action(play, &action);
        assert_true(actions++ < 1000);
    }
    assert_int_equal(rc, 0);
}

static void say_counts(struct play *play)
{
    struct scheduler_counts c = scheduler_counts(play->scheduler);
    say(play, "");
    buf_printf(&play->said, "waiting %d leased %d done %d failed %d live %d running %d",
               (int)c.waiting, (int)c.leased, (int)c.done, (int)c.failed, (int)c.live,
               (int)c.running);
}

static void ask_worker(struct play *play, uint32_t worker)
{
    static const char *const names[] = {"unknown", "active", "trial", "set-aside", "leaving"};
    struct scheduler_worker_view view = scheduler_worker_view(play->scheduler, worker);
    say(play, names[view.state]);
    buf_printf(&play->said, " leased %u failures %u", view.leased, view.failures);
}

static void ask_wake(struct play *play)
{
    int64_t wake_ns = scheduler_wake_ns(play->scheduler);
    say(play, wake_ns == INT64_MAX ? "never" : "");
    if (wake_ns != INT64_MAX)
        buf_printf(&play->said, "%lld", (long long)(wake_ns / CLOCK_MS_NS));
}

/* Events that concern the farm or a worker. Returns whether it was one. */
static int farm_event(struct play *play, const char *verb, const long long *n, const char *word)
{
    static const char *const states[] = {"unknown", "waiting", "leased", "done", "failed"};
    struct scheduler *s = play->scheduler;
    struct error error;
    int rc = 0;
    if (!strcmp(verb, "add"))
        rc = scheduler_add(s, (uint64_t)n[0], &error);
    else if (!strcmp(verb, "bind"))
        rc = scheduler_bind(s, (uint64_t)n[0], (uint32_t)n[1], &error);
    else if (!strcmp(verb, "bound"))
        rc = scheduler_add(s, 1, &error) < 0 ||
                     scheduler_bind(s, scheduler_counts(s).tasks, (uint32_t)n[0], &error) < 0
                 ? -1
                 : 0;
    else if (!strcmp(verb, "restore"))
        rc = scheduler_restore(s, (uint64_t)n[0], strstr(word, "done") != NULL, &error);
    else if (!strcmp(verb, "failures"))
        rc = scheduler_restore_failures(s, (uint64_t)n[0], (uint32_t)n[1], (uint32_t)n[2],
                                        &error);
    else if (!strcmp(verb, "join"))
        rc = scheduler_worker_joined(s, (uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2],
                                     play->now_ns, &error);
    else if (!strcmp(verb, "credits"))
        scheduler_worker_credits(s, (uint32_t)n[0], (uint32_t)n[1]);
    else if (!strcmp(verb, "leave"))
        scheduler_worker_leaving(s, (uint32_t)n[0]);
    else if (!strcmp(verb, "lose"))
        scheduler_worker_lost(s, (uint32_t)n[0], play->now_ns);
    else if (!strcmp(verb, "stop"))
        scheduler_stop(s, play->now_ns);
    else if (!strcmp(verb, "at"))
        play->now_ns = n[0] * CLOCK_MS_NS;
    else if (!strcmp(verb, "wake"))
        ask_wake(play);
    else if (!strcmp(verb, "counts"))
        say_counts(play);
    else if (!strcmp(verb, "state"))
        say(play, states[scheduler_task_state(s, (uint64_t)n[0])]);
    else if (!strcmp(verb, "cancel"))
        say(play, scheduler_cancel(s, (uint64_t)n[0]) ? "cancelled" : "nothing");
    else if (!strcmp(verb, "worker"))
        ask_worker(play, (uint32_t)n[0]);
    else
        return 0;
    if (rc < 0)
        say(play, "error");
    return 1;
}

static void attempt_event(struct play *play, const char *verb, uint32_t worker,
                          struct attempt_id id, int64_t ns)
{
    static const char *const adoptions[] = {"adopted", "cancel-it", "unknown"};
    static const char *const outcomes[] = {"ok", "bad", "fatal"};
    struct scheduler *s = play->scheduler;
    for (int i = 0; i < 3; i++) {
        if (!strcmp(verb, outcomes[i])) {
            say(play, scheduler_verdict_name(scheduler_result(
                          s, worker, id, (enum scheduler_outcome)i, ns, play->now_ns)));
            return;
        }
    }
    if (!strcmp(verb, "start"))
        scheduler_started(s, worker, id, play->now_ns);
    else if (!strcmp(verb, "back"))
        scheduler_handed_back(s, worker, id, play->now_ns);
    else if (!strcmp(verb, "adopt"))
        say(play, adoptions[scheduler_adopted(s, worker, id, play->now_ns)]);
    else
        fail_msg("no such event: %s", verb);
}

static void event(struct play *play, const char *line)
{
    char verb[16] = "";
    long long n[3] = {0};
    unsigned long long task = 0;
    unsigned worker = 0, attempt = 0;
    long long ms = 0;
    sscanf(line, "%15s %lld %lld %lld", verb, &n[0], &n[1], &n[2]);
    if (farm_event(play, verb, n, line))
        return;
    sscanf(line, "%*s %u %llu.%u %lld", &worker, &task, &attempt, &ms);
    attempt_event(play, verb, worker, (struct attempt_id){.task = task, .attempt = attempt},
                  ms * CLOCK_MS_NS);
}

static char *trimmed(char *text)
{
    text += strspn(text, " ");
    size_t length = strlen(text);
    while (length && text[length - 1] == ' ')
        text[--length] = 0;
    return text;
}

static void play_line(struct play *play, int number, char *line)
{
    char *expected = strchr(line, '=');
    if (expected)
        *expected++ = 0;
    buf_clear(&play->said);
    event(play, trimmed(line));
    play_pull(play);
    const char *said = buf_text(&play->said);
    const char *wanted = expected ? trimmed(expected) : "";
    if (strcmp(said, wanted) != 0)
        fail_msg("line %d, `%s`: said `%s`, not `%s`", number, line, said, wanted);
}

void play_script(const struct scheduler_policy *policy, const char *script)
{
    struct play play = {.scheduler = scheduler_create(policy, NULL)};
    assert_non_null(play.scheduler);
    buf_init(&play.said, 1 << 20);
    char *text = strdup(script);
    char *rest = text;
    char *line;
    for (int number = 1; (line = strsep(&rest, "\n")); number++) {
        if (*trimmed(line))
            play_line(&play, number, line);
    }
    free(text);
    buf_fini(&play.said);
    scheduler_destroy(play.scheduler);
}

void play_default(const char *script)
{
    struct scheduler_policy policy = scheduler_policy_default(3);
    play_script(&policy, script);
}

void play_begin(struct play *play, const struct scheduler_policy *policy)
{
    *play = (struct play){.scheduler = scheduler_create(policy, NULL)};
    buf_init(&play->said, 1 << 20);
}
void play_lines(struct play *play, const char *script)
{
    char *text = strdup(script);
    char *rest = text;
    char *line;
    for (int number = 1; (line = strsep(&rest, "\n")); number++) {
        if (*trimmed(line))
            play_line(play, number, line);
    }
    free(text);
}
void play_end(struct play *play)
{
    buf_fini(&play->said);
    scheduler_destroy(play->scheduler);
}

const char set_aside_script[] =
    "join 1 1 1\n join 2 1 1\n add 40 = lease 1 1.1; lease 2 2.1\n"
    "ok 2 2.1 = accept; lease 2 3.1\n  bad 1 1.1 = retry; lease 1 4.1\n"
    "ok 2 3.1 = accept; lease 2 5.1\n  bad 1 4.1 = retry; lease 1 6.1\n"
    "ok 2 5.1 = accept; lease 2 7.1\n  bad 1 6.1 = retry; lease 1 8.1\n"
    "ok 2 7.1 = accept; lease 2 9.1\n  bad 1 8.1 = retry; lease 1 10.1\n"
    "ok 2 9.1 = accept; lease 2 11.1\n bad 1 10.1 = retry; lease 1 12.1\n"
    "ok 2 11.1 = accept; lease 2 13.1\n bad 1 12.1 = retry; lease 1 14.1\n"
    "ok 2 13.1 = accept; lease 2 15.1\n bad 1 14.1 = retry; set-aside 1 x7\n";

struct scheduler_policy set_aside_policy(void)
{
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.retry_delay_ns = policy.retry_delay_max_ns = INT64_C(3600) * CLOCK_SECOND_NS;
    return policy;
}

void play_set_aside(const char *script)
{
    struct play play;
    struct scheduler_policy policy = set_aside_policy();
    play_begin(&play, &policy);
    play_lines(&play, set_aside_script);
    play_lines(&play, script);
    play_end(&play);
}
