#include "config.h"

#include "launch/crew.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "launch/interrupt.h"

#define PAUSE_FIRST_NS   (100 * CLOCK_MS_NS) /* before the first restart; doubled each time */
#define PAUSE_LONGEST_NS (10 * CLOCK_SECOND_NS)
#define KILL_LIMIT_NS    (10 * CLOCK_SECOND_NS)
#define DISMISS_STEP_NS  (10 * CLOCK_MS_NS)

enum member_state {
    MEMBER_RUNNING,
    MEMBER_PAUSING, /* to be submitted again at restart_ns */
    MEMBER_LEFT,    /* exit code 0 */
    MEMBER_DEAD
};

struct member {
    int number, generation;
    char id[BACKEND_TASK_ID_MAX + 1];
    enum member_state state;
    unsigned restarts; /* used */
    bool seen;         /* in the present look at the backend's tasks */
    int64_t restart_ns;
};

struct crew {
    struct crew_context context;
    struct member *members;
    int count;
    bool dismissed;
    const struct member *last_dead;
    struct backend_status last_status;
};

struct crew *crew_create(const struct crew_context *context, struct error *ret_error)
{
    struct crew *crew = calloc(1, sizeof *crew);
    if (crew)
        crew->context = *context;
    else
        error_set(ret_error, ERROR_SYSTEM, "no memory for the list of workers");
    return crew;
}

void crew_destroy(struct crew *crew)
{
    if (crew)
        free(crew->members);
    free(crew);
}

__attribute__((format(printf, 2, 3))) static void notice_say(struct crew *crew,
                                                             const char *format, ...)
{
    char text[2 * ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    crew->context.notice(crew->context.notice_context, text);
}

static int member_submit(struct crew *crew, struct member *member, struct error *ret_error)
{
    struct submission submission;
    struct backend *backend = crew->context.backend;
    submission_make_worker(&submission, crew->context.farm, crew->context.master,
                           member->number, member->generation);
    if (backend->ops->task_submit(backend, &submission.task, ret_error) != 0)
        return -1;
    snprintf(member->id, sizeof member->id, "%s", submission.id);
    member->state = MEMBER_RUNNING;
    return 0;
}

/* Codes that a second try would end with as well. */
static bool ended_for_good(const struct backend_status *status)
{
    return !status->lost && !status->signal &&
           (status->exit_code == ERROR_USAGE || status->exit_code == ERROR_CONFIG ||
            status->exit_code == ERROR_AUTH);
}

static void member_restart_later(struct crew *crew, struct member *member,
                                 const struct backend_status *status)
{
    char how[BACKEND_HOW_SIZE];
    backend_status_describe(status, how, sizeof how);
    crew->last_dead = member;
    crew->last_status = *status;
    if (ended_for_good(status) || member->restarts >= crew->context.restarts) {
        member->state = MEMBER_DEAD;
        notice_say(crew, "%s ended (%s) and is not started again", member->id, how);
        return;
    }
    int64_t pause = PAUSE_FIRST_NS << (member->restarts < 10 ? member->restarts : 10);
    member->restarts++;
    member->generation++;
    member->state = MEMBER_PAUSING;
    member->restart_ns =
        clock_monotonic_ns() + (pause < PAUSE_LONGEST_NS ? pause : PAUSE_LONGEST_NS);
    notice_say(crew, "%s ended (%s); starting it again (%u of %u)", member->id, how,
               member->restarts, crew->context.restarts);
}

/* Submit it again if its pause is over. */
static void member_restart(struct crew *crew, struct member *member)
{
    struct error error;
    if (member->state != MEMBER_PAUSING || clock_monotonic_ns() < member->restart_ns ||
        member_submit(crew, member, &error) == 0)
        return;
    notice_say(crew, "%s", error.text);
    member_restart_later(crew, member, &crew->last_status);
}

static void member_see(struct crew *crew, struct member *member,
                       const struct backend_status *status)
{
    if (member->state != MEMBER_RUNNING || status->state != BACKEND_ENDED)
        return;
    if (crew->dismissed || (!status->lost && !status->signal && status->exit_code == 0))
        member->state = MEMBER_LEFT;
    else
        member_restart_later(crew, member, status);
}

static int member_compare(const void *key, const void *item)
{
    const struct member *left = key, *right = item;
    return (left->number > right->number) - (left->number < right->number);
}

/* One of the backend's tasks; those of earlier generations are nobody's. */
static int task_see(void *context, const char *id, const struct backend_status *status)
{
    struct crew *crew = context;
    struct member key = {0};
    if (roster_id_parse(id, &key.number, &key.generation) != 0)
        return 0;
    struct member *member = bsearch(&key, crew->members, (size_t)crew->count,
                                    sizeof *crew->members, member_compare);
    if (member && member->generation == key.generation) {
        member->seen = true;
        member_see(crew, member, status);
    }
    return 0;
}

/* Take over workers 1 to `count`, and any more that run: those that do not are MEMBER_PAUSING. */
static int members_find(struct crew *crew, int count, const struct roster *roster,
                        struct error *ret_error)
{
    int known = roster_workers(roster);
    if (known < count)
        known = count;
    crew->members = calloc((size_t)known + 1, sizeof *crew->members);
    if (!crew->members)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the list of workers");
    for (int number = 1; number <= known; number++) {
        struct member *member = &crew->members[crew->count];
        const struct roster_task *task = roster_worker(roster, number);
        bool running = task && task->status.state != BACKEND_ENDED;
        if (!running && number > count)
            continue; /* an earlier run of this farm had more workers */
        member->number = number;
        member->generation = task ? task->generation + !running : 1;
        member->state = running ? MEMBER_RUNNING : MEMBER_PAUSING;
        roster_id_format(number, member->generation, member->id);
        crew->count++;
    }
    return 0;
}

/* What is submitted together. */
struct draft {
    struct crew *crew;
    int *members; /* by their places */
    size_t count;
    struct submission submission;
};

static int draft_give(void *context, size_t index, struct backend_task *ret_task,
                      struct error *ret_error)
{
    struct draft *draft = context;
    const struct crew_context *crew = &draft->crew->context;
    const struct member *member = &draft->crew->members[draft->members[index]];
    (void)ret_error;
    submission_make_worker(&draft->submission, crew->farm, crew->master, member->number,
                           member->generation);
    *ret_task = draft->submission.task;
    return 0;
}

/* Submit all that are to be, and whose pause is over. Those behind the first that could not be
 * started are forgotten. */
static int members_submit(struct crew *crew, size_t *ret_accepted, struct error *ret_error)
{
    struct draft draft = {.crew = crew,
                          .members = calloc((size_t)crew->count + 1, sizeof(int))};
    if (!draft.members)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the list of workers");
    for (int i = 0; i < crew->count; i++)
        if (crew->members[i].state == MEMBER_PAUSING &&
            crew->members[i].restart_ns <= clock_monotonic_ns())
            draft.members[draft.count++] = i;
    struct backend_lot lot = {.count = draft.count, .give = draft_give, .context = &draft};
    int rc =
        draft.count ? backend_submit(crew->context.backend, &lot, ret_accepted, ret_error) : 0;
    for (size_t i = 0; i < *ret_accepted; i++) {
        struct member *member = &crew->members[draft.members[i]];
        member->state = MEMBER_RUNNING;
        roster_id_format(member->number, member->generation, member->id);
    }
    free(draft.members);
    return rc;
}

int crew_start(struct crew *crew, int count, const struct roster *roster,
               struct error *ret_error)
{
    size_t accepted = 0;
    int running = 0, wanted;
    if (members_find(crew, count, roster, ret_error) != 0)
        return -1;
    wanted = crew->count;
    int rc = members_submit(crew, &accepted, ret_error);
    for (int i = 0; i < wanted; i++) /* in the order of their numbers, as before */
        if (crew->members[i].state == MEMBER_RUNNING)
            crew->members[running++] = crew->members[i];
    crew->count = running;
    if (running == 0 && count > 0)
        return -1;
    if (rc != 0)
        notice_say(crew, "only %d of %d workers could be started: %s", running, wanted,
                   ret_error->text);
    return 0;
}

int crew_check(struct crew *crew, struct error *ret_error)
{
    static const struct backend_status gone = {.state = BACKEND_ENDED, .lost = true};
    struct backend *backend = crew->context.backend;
    for (int i = 0; i < crew->count; i++) {
        member_restart(crew, &crew->members[i]);
        crew->members[i].seen = crew->members[i].state != MEMBER_RUNNING;
    }
    if (backend->ops->task_list(backend, task_see, crew, ret_error) != 0)
        return -1;
    for (int i = 0; i < crew->count; i++)
        if (!crew->members[i].seen)
            member_see(crew, &crew->members[i], &gone);
    return 0;
}

int crew_refill(struct crew *crew, int64_t count, struct error *ret_error)
{
    size_t accepted = 0;
    for (int i = 0; i < crew->count && count > 0 && !crew->dismissed; i++)
        if (crew->members[i].state == MEMBER_LEFT) {
            crew->members[i].state = MEMBER_PAUSING;
            crew->members[i].restart_ns = 0;
            crew->members[i].generation++;
            count--;
        }
    return members_submit(crew, &accepted, ret_error);
}

const char *crew_first(const struct crew *crew)
{
    return crew->count > 0 && *crew->members[0].id ? crew->members[0].id : NULL;
}

int crew_alive(const struct crew *crew)
{
    int alive = 0;
    for (int i = 0; i < crew->count; i++)
        alive += crew->members[i].state <= MEMBER_PAUSING;
    return alive;
}

bool crew_hopeless(struct crew *crew, char *text, size_t size)
{
    char how[BACKEND_HOW_SIZE];
    struct buf tail;
    if (!crew->last_dead || crew_alive(crew) > 0)
        return false;
    buf_init(&tail, 128 << 10);
    backend_tail(crew->context.backend, crew->last_dead->id, "stderr.txt", 3, &tail, NULL);
    while (tail.size > 0 && tail.data[tail.size - 1] == '\n')
        tail.size--;
    backend_status_describe(&crew->last_status, how, sizeof how);
    const char *said = buf_text(&tail);
    snprintf(text, size,
             "no worker is left and none may be started again; %s was the last (%s)%s%s",
             crew->last_dead->id, how, tail.size ? "; it said: " : "", said ? said : "");
    for (char *next = text; *next; next++)
        if (*next == '\n')
            *next = '|';
    buf_fini(&tail);
    return true;
}

/* Wait until none runs, at most until `limit_ns` or the next Ctrl-C. How many still do. */
static int ends_wait(struct crew *crew, int64_t limit_ns, struct error *ret_error)
{
    int interrupts = interrupt_count();
    for (;;) {
        if (crew_check(crew, ret_error) != 0)
            return -1;
        int alive = crew_alive(crew);
        if (alive == 0 || clock_monotonic_ns() >= limit_ns || interrupt_count() != interrupts)
            return alive;
        interrupt_sleep(DISMISS_STEP_NS);
    }
}

static int members_terminate(struct crew *crew, bool at_once, struct error *ret_error)
{
    struct backend *backend = crew->context.backend;
    for (int i = 0; i < crew->count; i++)
        if (crew->members[i].state == MEMBER_RUNNING &&
            backend->ops->task_terminate(backend, crew->members[i].id, at_once, ret_error) != 0)
            return -1;
    return 0;
}

int crew_dismiss(struct crew *crew, int64_t patience_ns, struct error *ret_error)
{
    crew->dismissed = true;
    for (int i = 0; i < crew->count; i++)
        if (crew->members[i].state == MEMBER_PAUSING)
            crew->members[i].state = MEMBER_DEAD;
    int left = ends_wait(crew, clock_monotonic_ns() + patience_ns, ret_error);
    if (left <= 0)
        return left;
    struct backend *backend = crew->context.backend;
    if (backend->ops->tasks_submit) /* many: not one by one */
        return backend->ops->job_terminate(backend, ret_error);
    if (interrupt_count() < 2) { /* the second Ctrl-C means at once */
        if (members_terminate(crew, false, ret_error) != 0)
            return -1;
        left = ends_wait(crew, clock_monotonic_ns() + patience_ns, ret_error);
        if (left <= 0)
            return left;
    }
    if (members_terminate(crew, true, ret_error) != 0)
        return -1;
    left = ends_wait(crew, clock_monotonic_ns() + KILL_LIMIT_NS, ret_error);
    return left <= 0 ? left
                     : error_set(ret_error, ERROR_BACKEND, "%d workers did not end when killed",
                                 left);
}
