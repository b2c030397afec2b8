#include "config.h"

#include <string.h>

#include "worker/child.h"
#include "worker/shortage.h"

#define LONG_NS (60 * CLOCK_SECOND_NS) /* a task's patience, and a pause, at most */

/* As strerror says them in the locale of programs that set none, and Fortran, Python, and others
 * with it. */
static const char *const words[] = {"No space left on device", "Disk quota exceeded",
                                    CHILD_NO_PROCESS};

bool shortage_is_in(const char *text, size_t size)
{
    for (size_t i = 0; text && i < sizeof(words) / sizeof(*words); i++)
        if (memmem(text, size, words[i], strlen(words[i])))
            return true;
    return false;
}

bool shortage_is_of_processes(const char *text, size_t size)
{
    return memmem(text, size, CHILD_NO_PROCESS, strlen(CHILD_NO_PROCESS)) != NULL;
}

bool shortage_is_named(const struct result *result)
{
    size_t before = result->stderr_before;
    return result->status != RESULT_OK &&
           (shortage_is_in(result->error, result->error_size) ||
            (before < result->stderr_size &&
             shortage_is_in(result->stderr_tail + before, result->stderr_size - before)));
}

static int64_t part_of(const struct shortage *shortage, int64_t divisor, int64_t most_ns)
{
    int64_t part_ns = shortage->patience_ns / divisor;
    return part_ns < most_ns ? part_ns : most_ns;
}

bool shortage_meet(struct shortage *shortage, uint64_t task, bool owed, int64_t now_ns)
{
    int64_t patience_ns = owed ? shortage->patience_ns / 2 : part_of(shortage, 10, LONG_NS);
    for (size_t i = 0; i < SHORTAGE_TASKS; i++)
        if (shortage->tasks[i].task == task)
            return now_ns - shortage->tasks[i].first_ns < patience_ns;
    if (patience_ns == 0)
        return false;
    shortage->tasks[shortage->next].task = task;
    shortage->tasks[shortage->next].first_ns = now_ns;
    shortage->next = (shortage->next + 1) % SHORTAGE_TASKS;
    return true;
}

int64_t shortage_look_ns(const struct shortage *shortage)
{
    return part_of(shortage, 300, 2 * CLOCK_SECOND_NS);
}

int64_t shortage_pause(struct shortage *shortage)
{
    int64_t most_ns = part_of(shortage, 10, LONG_NS);
    int64_t pause_ns = shortage->pause_ns ? 2 * shortage->pause_ns : shortage_look_ns(shortage);
    shortage->pause_ns = pause_ns < most_ns ? pause_ns : most_ns;
    return shortage->pause_ns;
}

bool shortage_wait(struct shortage *shortage, int64_t took_ns)
{
    shortage->waited_ns += took_ns;
    return shortage->waited_ns < shortage->patience_ns;
}

void shortage_end(struct shortage *shortage)
{
    shortage->pause_ns = shortage->waited_ns = 0;
}
