/*
 * scheduler: how many events a second the scheduler takes, and what it keeps in memory.
 *
 * No-op tasks: every worker answers what it holds, and then actions are pulled, as the farm does
 * with a batch of results. An event is a lease handed out or a result judged. Prints the median
 * of several runs.
 */
#include "config.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "master/scheduler.h"

#define RUNS  5
#define TASKS UINT64_C(1000000)

struct held {
    struct attempt_id *ids;
    uint32_t count;
};

static void pull(struct scheduler *scheduler, struct held *held, uint32_t credits)
{
    struct scheduler_action action;
    struct error error;
    int rc;
    while ((rc = scheduler_next_action(scheduler, 0, &action, &error)) > 0) {
        struct held *of = &held[action.worker];
        for (uint32_t i = 0; action.kind == SCHEDULER_LEASE && i < action.count; i++) {
            if (of->count == credits)
                abort();
            of->ids[of->count++] = action.attempts[i];
        }
    }
    if (rc < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(error.code);
    }
}

/* Events a second. */
static double run(uint32_t workers, uint32_t slots, uint32_t credits)
{
    struct scheduler_policy policy = scheduler_policy_default(3);
    policy.steal = false; /* here nobody answers a RECALL */
    struct scheduler *scheduler = scheduler_create(&policy, NULL);
    struct held *held = calloc(workers + 1, sizeof(*held));
    for (uint32_t i = 1; i <= workers; i++) {
        held[i].ids = malloc(credits * sizeof(*held[i].ids));
        scheduler_worker_joined(scheduler, i, slots, credits, 0, NULL);
    }
    int64_t begin_ns = clock_monotonic_ns();
    scheduler_add(scheduler, TASKS, NULL);
    pull(scheduler, held, credits);
    for (uint32_t at = 1; scheduler_counts(scheduler).done < TASKS; at = at % workers + 1) {
        uint32_t count = held[at].count;
        held[at].count = 0;
        for (uint32_t i = 0; i < count; i++)
            scheduler_result(scheduler, at, held[at].ids[i], SCHEDULER_OK, 1000, 0);
        pull(scheduler, held, credits);
    }
    double s = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
    for (uint32_t i = 1; i <= workers; i++)
        free(held[i].ids);
    free(held);
    scheduler_destroy(scheduler);
    return 2 * (double)TASKS / s;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(uint32_t workers, uint32_t slots, uint32_t credits)
{
    double rates[RUNS];
    for (int i = 0; i < RUNS; i++)
        rates[i] = run(workers, slots, credits);
    qsort(rates, RUNS, sizeof(*rates), by_value);
    printf("%5u workers x %u slots, %4u credits: %.1f million events/s (median of "
           "%d; %.1f to %.1f)\n",
           workers, slots, credits, rates[RUNS / 2] / 1e6, RUNS, rates[0] / 1e6,
           rates[RUNS - 1] / 1e6);
}

static void measure_memory(void)
{
    const uint32_t workers = 10000;
    struct scheduler_policy policy = scheduler_policy_default(3);
    struct scheduler *scheduler = scheduler_create(&policy, NULL);
    size_t begin = mallinfo2().uordblks + mallinfo2().hblkhd;
    scheduler_add(scheduler, TASKS, NULL);
    size_t tasks = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (uint32_t i = 1; i <= workers; i++)
        scheduler_worker_joined(scheduler, i, 4, 8, 0, NULL);
    size_t joined = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct scheduler_action action;
    while (scheduler_next_action(scheduler, 0, &action, NULL) > 0)
        ;
    size_t leased = mallinfo2().uordblks + mallinfo2().hblkhd;
    printf("%.1f bytes per waiting task, %.0f per worker, %.0f per live attempt\n",
           (double)(tasks - begin) / (double)TASKS, (double)(joined - tasks) / workers,
           (double)(leased - joined) / (double)scheduler_counts(scheduler).live);
    /* The worst for memory: all that was handed out is lost. */
    uint64_t live = scheduler_counts(scheduler).live;
    for (uint32_t i = 1; i <= workers; i++)
        scheduler_worker_lost(scheduler, i, 0);
    size_t lost = mallinfo2().uordblks + mallinfo2().hblkhd;
    printf("%.0f more bytes per task that waits again after trouble\n",
           (double)(lost - leased) / (double)live);
    scheduler_destroy(scheduler);
}

int main(void)
{
    measure(2, 1, 1024);
    measure(2, 2, 16);
    measure(2, 1, 1);
    measure(10000, 4, 8);
    measure_memory();
    return 0;
}
