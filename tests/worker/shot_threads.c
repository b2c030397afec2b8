#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/worker/machines.h"
#include "worker/shot_threads.h"

#define MB ((uint64_t)1 << 20)
#define GB ((uint64_t)1 << 30)

/* Two sockets of 24 cores, each with one cache. */
static const struct shot_node sockets = {.cores = 48,
                                         .cores_per_cache = 24,
                                         .cores_per_node = 24,
                                         .cache_bytes = 36 * MB,
                                         .memory_bytes = 192 * GB};

/* 64 cores in eights. */
static const struct shot_node chiplets = {.cores = 64,
                                          .cores_per_cache = 8,
                                          .cores_per_node = 16,
                                          .cache_bytes = 32 * MB,
                                          .memory_bytes = 256 * GB};

static unsigned choose(const struct shot_node *node, uint64_t working, uint64_t memory,
                       uint64_t shots)
{
    const struct shot_load load = {working, memory, shots};
    return shot_threads_choose(node, &load);
}

static void what_is_not_known_is_left_to_others(void **state)
{
    (void)state;
    assert_int_equal(choose(&sockets, 0, 0, 100), 0);
}

static void shots_that_fit_a_cache_share_it_if_they_fit_together(void **state)
{
    (void)state;
    assert_int_equal(choose(&chiplets, 17 * MB, 0, 10000), 8); /* one alone */
    assert_int_equal(choose(&chiplets, 12 * MB, 0, 10000), 4); /* two */
    assert_int_equal(choose(&chiplets, 8 * MB, 0, 10000), 3);  /* three */
    assert_int_equal(choose(&chiplets, 1 * MB, 0, 10000), 1);
    assert_int_equal(choose(&sockets, 25 * MB, 0, 10000), 24);
}

static void out_of_cache_the_number_of_shots_decides(void **state)
{
    (void)state;
    assert_int_equal(choose(&sockets, 1 * GB, 0, 48 * 8), 1);
    assert_int_equal(choose(&sockets, 1 * GB, 0, 48 * 8 - 1), 24);
    assert_int_equal(choose(&chiplets, 1 * GB, 0, 100), 8);
}

static void fewer_shots_run_where_memory_is_short_but_none_spans_numa_nodes(void **state)
{
    (void)state;
    assert_int_equal(choose(&sockets, 1 * GB, 16 * GB, 10000), 4); /* 12 at once */
    assert_int_equal(choose(&sockets, 1 * GB, 150 * GB, 10000), 24);
    assert_int_equal(choose(&sockets, 1 * GB, 500 * GB, 10000), 24);
    assert_int_equal(choose(&chiplets, 1 * MB, 100 * GB, 10000), 16);
}

static void the_request_follows_the_job_unless_the_farm_file_says(void **state)
{
    (void)state;
    struct error error;
    const struct topology_source source = machine("pack:1 l3:2(size=33554432) core:4 pu:1");
    struct topology *topology = topology_open(&source, &error);
    assert_non_null(topology);
    cJSON *job = cJSON_Parse("{\"work\":{\"shot\":{\"working_bytes\":2e7}}}");
    struct topology_request wanted = request(0, 0);
    shot_threads_request(job, topology, &wanted);
    assert_int_equal(wanted.threads_per_slot, 4);
    assert_true(wanted.bind_threads);
    cJSON_AddItemToObject(cJSON_GetObjectItem(job, "work"), "command", cJSON_CreateArray());
    wanted = request(0, 1);
    wanted.bind_threads = true;
    shot_threads_request(job, topology, &wanted);
    assert_int_equal(wanted.threads_per_slot, 1);
    assert_false(wanted.bind_threads); /* another program may start others */
    wanted = request(3, 0);
    shot_threads_request(job, topology, &wanted);
    assert_int_equal(wanted.threads_per_slot, 0);
    wanted = request(0, 0);
    shot_threads_request(NULL, topology, &wanted);
    assert_int_equal(wanted.threads_per_slot, 0);
    cJSON_Delete(job);
    topology_close(topology);
}

static void no_more_are_chosen_than_a_quota_allows_the_time_of(void **state)
{
    (void)state;
    struct error error;
    const struct topology_source source = {
        .synthetic = "pack:1 l3:2(size=33554432) core:4 pu:1", .root = root_dir};
    cJSON *job = cJSON_Parse("{\"work\":{\"shot\":{\"working_bytes\":2e7}}}");
    write_file("proc/self/cgroup", "0::/\n");
    write_file("sys/fs/cgroup/cpu.max", "200000 100000\n");
    struct topology *topology = topology_open(&source, &error);
    assert_non_null(topology);
    struct topology_request wanted = request(0, 0);
    shot_threads_request(job, topology, &wanted);
    assert_int_equal(wanted.threads_per_slot, 2);
    topology_close(topology);
    write_file("sys/fs/cgroup/cpu.max", "20000 100000\n");
    topology = topology_open(&source, &error);
    assert_non_null(topology);
    wanted = request(0, 0);
    shot_threads_request(job, topology, &wanted);
    assert_int_equal(wanted.threads_per_slot, 1);
    topology_close(topology);
    cJSON_Delete(job);
}

static void slots_made_for_gpus_have_their_share_of_cores(void **state)
{
    (void)state;
    struct error error;
    static const struct {
        const char *machine;
        unsigned threads;
    } cases[] = {{"gpus-nvidia.xml", 0}, {"pack:1 l3:2(size=33554432) core:4 pu:1", 4}};
    cJSON *job = cJSON_Parse("{\"work\":{\"shot\":{\"working_bytes\":2e7}}}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct topology_source source = machine(cases[i].machine);
        struct topology *topology = topology_open(&source, &error);
        struct topology_request wanted = request(0, 0);
        assert_non_null(topology);
        wanted.slot_per_gpu = true;
        shot_threads_request(job, topology, &wanted);
        assert_int_equal(wanted.threads_per_slot, cases[i].threads);
        topology_close(topology);
    }
    cJSON_Delete(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_is_left_to_others),
        cmocka_unit_test(shots_that_fit_a_cache_share_it_if_they_fit_together),
        cmocka_unit_test(out_of_cache_the_number_of_shots_decides),
        cmocka_unit_test(fewer_shots_run_where_memory_is_short_but_none_spans_numa_nodes),
        cmocka_unit_test(the_request_follows_the_job_unless_the_farm_file_says),
        with_root(no_more_are_chosen_than_a_quota_allows_the_time_of),
        cmocka_unit_test(slots_made_for_gpus_have_their_share_of_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
