/*
 * The scheduler in simulated farms (farm_sim.h): one large one, and thousands of small ones in
 * which everything goes wrong all the time. BEOFARM_SIM_TASKS, BEOFARM_SIM_WORKERS,
 * BEOFARM_SIM_FARMS and BEOFARM_SIM_SEED change the sizes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/clock.h"
#include "tests/master/farm_sim.h"

/* Sanitizers make it ten times slower; gcc and clang each have their way of telling. */
#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define LARGE_TASKS   30000
#define LARGE_WORKERS 500
#define SMALL_FARMS   1000
#else
#define LARGE_TASKS   1000000
#define LARGE_WORKERS 10000
#define SMALL_FARMS   20000
#endif

static uint64_t setting(const char *name, uint64_t value)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : value;
}

static void every_task_of_a_large_farm_ends_once(void **state)
{
    (void)state;
    struct sim_config config = {
        .seed = setting("BEOFARM_SIM_SEED", 1),
        .tasks = (uint32_t)setting("BEOFARM_SIM_TASKS", LARGE_TASKS),
        .workers = (uint32_t)setting("BEOFARM_SIM_WORKERS", LARGE_WORKERS),
        .slots_max = 8,
        .prefetch_max = 8,
        .policy = scheduler_policy_default(3),
        .task_ns = CLOCK_SECOND_NS,
        .delay_ns = 20 * CLOCK_MS_NS,
        .away_ns = 5 * CLOCK_SECOND_NS,
        .poison = 0.002,
        .flaky = 0.01,
        .killer = 0.0002,
        .straggler = 0.001,
        .bad_workers = 0.005,
        .twice = 0.02,
        .deaf = 0.1,
        .kill_rate = 0.005,
        .cut_rate = 0.01,
        .drain_rate = 0.005,
        .credit_rate = 0.02,
        .master_restarts = 3,
    };
    struct sim_report r;
    int64_t begin_ns = clock_monotonic_ns();
    int rc = sim_run(&config, &r);
    double wall_s = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
    print_message("# %u tasks, %u workers: %.1f s simulated in %.1f s; %llu events told, %llu "
                  "actions pulled: %.0f a second, simulated farm included\n",
                  config.tasks, config.workers, r.seconds, wall_s, (unsigned long long)r.events,
                  (unsigned long long)r.actions, (double)(r.events + r.actions) / wall_s);
    print_message("# done %llu, failed %llu (sound %llu); %llu leases, %llu duplicates, %llu "
                  "recalls, %llu adopted, %llu late, %llu dropped; workers lost %llu, set "
                  "aside %llu\n",
                  (unsigned long long)r.done, (unsigned long long)r.failed,
                  (unsigned long long)r.failed_sound, (unsigned long long)r.leases,
                  (unsigned long long)r.duplicates, (unsigned long long)r.recalls,
                  (unsigned long long)r.adoptions, (unsigned long long)r.late,
                  (unsigned long long)r.repeated, (unsigned long long)r.losses,
                  (unsigned long long)r.set_asides);
    print_message("# scheduler's memory: %.1f bytes per waiting task, %.0f per worker\n",
                  r.bytes_per_task, r.bytes_per_worker);
    if (rc < 0)
        fail_msg("%s", r.failure);
    assert_true(r.bytes_per_task <= 48);
    assert_true(r.bytes_per_worker <= 1024);
    /* Bad workers fail sound tasks, but not so often that a task meets `attempts` of them. */
    assert_true(r.failed_sound <= config.tasks / 10000);
}

static uint64_t draws;

static uint64_t draw(uint64_t below)
{
    draws = draws * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (draws >> 33) % below;
}

/* A number that is often 0. */
static double sometimes(double most)
{
    return draw(2) ? most * (double)draw(1000) / 1000 : 0;
}

static struct scheduler_policy any_policy(void)
{
    struct scheduler_policy policy = scheduler_policy_default(1 + (uint32_t)draw(4));
    policy.losses = (uint32_t)draw(4);
    policy.retry_delay_ns = (int64_t)draw(3) * 50 * CLOCK_MS_NS;
    policy.retry_elsewhere_ns = (int64_t)draw(3) * CLOCK_SECOND_NS;
    policy.set_aside_failures = (uint32_t)draw(6);
    policy.set_aside_ns = 1 + (int64_t)draw(3) * CLOCK_SECOND_NS;
    policy.prefetch = draw(4) > 0;
    policy.steal = draw(4) > 0;
    policy.duplicates = draw(4) > 0;
    policy.duplicate_floor_ns = (int64_t)draw(2) * 100 * CLOCK_MS_NS;
    policy.duplicate_samples = (uint32_t)draw(4);
    policy.duplicate_quantile = draw(2) ? -1 : 0.9;
    policy.overdue_factor = (double)draw(3) * 2;
    policy.overdue_floor_ns = (int64_t)draw(3) * 200 * CLOCK_MS_NS;
    if (draw(2))
        policy.overdue_ns = (int64_t)(1 + draw(20)) * 200 * CLOCK_MS_NS;
    return policy;
}

static struct sim_config any_small_farm(uint64_t seed)
{
    draws = seed;
    struct sim_config config = {
        .seed = seed,
        .tasks = 1 + (uint32_t)draw(40),
        .workers = 1 + (uint32_t)draw(5),
        .slots_max = 1 + (uint32_t)draw(3),
        .prefetch_max = (uint32_t)draw(6),
        .policy = any_policy(),
        .task_ns = (int64_t)draw(4) * 100 * CLOCK_MS_NS,
        .delay_ns = (int64_t)draw(3) * 20 * CLOCK_MS_NS,
        .away_ns = (int64_t)draw(3) * 300 * CLOCK_MS_NS,
        .poison = sometimes(0.3),
        .flaky = sometimes(0.5),
        .straggler = sometimes(0.3),
        .bad_workers = sometimes(1),
        .twice = sometimes(0.5),
        .deaf = sometimes(1),
        .kill_rate = sometimes(1),
        .cut_rate = sometimes(2),
        .drain_rate = sometimes(1),
        .credit_rate = sometimes(2),
        .master_restarts = (uint32_t)draw(3),
    };
    /* Without a limit, a task that kills workers does so for ever. */
    if (config.policy.losses)
        config.killer = sometimes(0.2);
    return config;
}

static void every_task_of_any_small_farm_ends_once(void **state)
{
    (void)state;
    uint64_t first = setting("BEOFARM_SIM_SEED", 1);
    uint64_t farms = setting("BEOFARM_SIM_FARMS", SMALL_FARMS);
    struct sim_report all = {0};
    for (uint64_t seed = first; seed < first + farms; seed++) {
        struct sim_config config = any_small_farm(seed);
        struct sim_report r;
        if (sim_run(&config, &r) < 0)
            fail_msg("%s", r.failure);
        all.done += r.done;
        all.failed += r.failed;
        all.events += r.events;
        all.duplicates += r.duplicates;
        all.given_up += r.given_up;
        all.recalls += r.recalls;
        all.set_asides += r.set_asides;
        all.adoptions += r.adoptions;
        all.late += r.late;
    }
    print_message("# %llu farms: done %llu, failed %llu; %llu events, %llu duplicates, %llu "
                  "recalls, %llu set aside, %llu adopted, %llu late\n",
                  (unsigned long long)farms, (unsigned long long)all.done,
                  (unsigned long long)all.failed, (unsigned long long)all.events,
                  (unsigned long long)all.duplicates, (unsigned long long)all.recalls,
                  (unsigned long long)all.set_asides, (unsigned long long)all.adoptions,
                  (unsigned long long)all.late);
    /* Every kind of trouble was met. */
    assert_true(all.given_up && all.duplicates && all.recalls && all.set_asides &&
                all.adoptions && all.late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_of_any_small_farm_ends_once),
        cmocka_unit_test(every_task_of_a_large_farm_ends_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
