#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <cjson/cJSON.h>

#include "tests/worker/machines.h"

struct row {
    const char *machine;
    unsigned slots, threads; /* 0: auto */
    bool smt;
    const char *expected;
};

static const struct row rows[] = {
    /* a slot per core; its hardware threads come along */
    {"core:1 pu:1", 0, 0, false, "0"},
    {"core:1 pu:2", 0, 0, false, "0-1"},
    {"core:1 pu:2", 0, 0, true, "0;1"},
    {SMT_SOCKETS, 0, 0, false, "0,8;1,9;2,10;3,11;4,12;5,13;6,14;7,15"},
    {"cgroup.xml", 0, 0, false, "2;3;4;5;9;10;11"},
    {"hybrid.xml", 0, 0, false, "0-1;2-3;4-5;6-7;8;9;10;11"},
    /* N slots, auto threads */
    {TWO_SOCKETS, 1, 0, false, "0-15"},
    {TWO_SOCKETS, 2, 0, false, "0-7;8-15"},
    {TWO_SOCKETS, 4, 0, false, "0-3;4-7;8-11;12-15"},
    {TWO_SOCKETS, 3, 0, false, "0-4;5-7,13-14;8-12"},
    {"hybrid.xml", 2, 0, false, "0-7;8-11"},
    {"hybrid.xml", 1, 0, false, "0-11"},
    {"hybrid.xml", 2, 0, true, "0-5;6-11"},
    {"cgroup.xml", 2, 0, false, "2-4;9-11"},
    /* auto slots, T threads: no straddling of an L3 ... */
    {CHIPLETS, 0, 3, false, "0-2;4-6;8-10;12-14"},
    {CHIPLETS, 0, 2, false, "0-1;2-3;4-5;6-7;8-9;10-11;12-13;14-15"},
    {"lowpower.xml", 0, 2, false, "0-1;2-3;4-5"},
    {"lowpower.xml", 0, 4, false, "0-3"},
    {"hybrid.xml", 0, 3, false, "0-5;8-10"},
    {"cgroup.xml", 0, 2, false, "2-3;4-5;9-10"},
    {"cgroup.xml", 0, 4, false, "2-5"},
    /* ... nor of a NUMA node, nor of a package, if T fits into one */
    {FOUR_NODES, 0, 6, false, "0-5;8-13;16-21;24-29"},
    {FOUR_NODES, 0, 8, false, "0-7;8-15;16-23;24-31"},
    {FOUR_NODES, 0, 12, false, "0-11;12-23"},
    {FOUR_NODES, 0, 32, false, "0-31"},
    {"pack:2 numa:2 l3:1 core:4 pu:1", 0, 6, false, "0-5;8-13"},
    {"hybrid.xml", 0, 5, false, "0-8"},
    /* a package that has one NUMA node with another */
    {"numa:1 pack:2 core:8 pu:1", 0, 6, false, "0-5;8-13"},
    /* N slots, T threads: spread */
    {TWO_SOCKETS, 2, 1, false, "0;8"},
    {TWO_SOCKETS, 2, 4, false, "0-3;8-11"},
    {FOUR_NODES, 5, 1, false, "0;4;8;16;24"},
    {CHIPLETS, 4, 1, false, "0;4;8;12"},
    {"hybrid.xml", 3, 1, false, "0-1;2-3;4-5"},
    {"hybrid.xml", 5, 1, false, "0-1;2-3;4-5;6-7;8"},
    {"core:4 pu:2", 4, 1, true, "0;2;4;6"},
    {"core:4 pu:2", 5, 1, true, "0;1;2;4;6"},
    /* ... and straddle rather than fail */
    {CHIPLETS, 5, 3, false, "0-2;3,7,11;4-6;8-10;12-14"},
    /* hardware threads counted */
    {SMT_SOCKETS, 0, 2, true, "0,8;1,9;2,10;3,11;4,12;5,13;6,14;7,15"},
    {SMT_SOCKETS, 2, 0, true, "0-3,8-11;4-7,12-15"},
    /* more slots than cores: round and round */
    {"core:2 pu:1", 5, 0, false, "0;1;0;1;0"},
    {"core:2 pu:1", 5, 1, false, "0;1;0;1;0"},
    {"core:8 pu:1", 3, 5, false, "0-4;0-1,5-7;2-6"},
    {"core:2 pu:2", 4, 1, false, "0-1;2-3;0-1;2-3"},
    /* GPUs: by locality, balanced, numbered by PCI bus; the VGA chip is none */
    {"gpus-nvidia.xml", 0, 0, false, "0;1;2;3;4;5;6;7 |0;;;;1;2;;"},
    {"gpus-nvidia.xml", 2, 0, false, "0-3;4-7 |0;1,2"},
    {"gpus-nvidia.xml", 1, 0, false, "0-7 |0,1,2"},
    {"gpus-nvidia.xml", 3, 2, false, "0-1;2-3;4-5 |0;2;1"},
    {"gpus-amd.xml", 2, 0, false, "0-3;4-7 |1;0"},
    {"gpus-amd.xml", 4, 0, false, "0-1;2-3;4-5;6-7 |;;0;1"},
    {"gpus-amd-opencl.xml", 4, 0, false, "0-1;2-3;4-5;6-7 |;;0;1"},
};

static void divides_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct topology_request wanted = request(row->slots, row->threads);
        wanted.smt = row->smt;
        const struct topology_plan *made = plan(row->machine, wanted);
        if (strcmp(describe(made), row->expected) != 0)
            fail_msg("%s, %u x %u%s: expected %s, got %s", row->machine, row->slots,
                     row->threads, row->smt ? " smt" : "", row->expected, describe(made));
        for (size_t k = 0; k < made->slot_count; k++) {
            assert_int_equal(made->slots[k].index, k);
            assert_int_equal(made->slots[k].threads, made->slots[0].threads);
        }
    }
}

static void refuses_more_threads_than_there_are_cores(void **state)
{
    (void)state;
    struct error error = {0};
    struct topology_source source = machine("core:4 pu:2");
    struct topology *topology = topology_open(&source, &error);
    struct topology_request wanted = request(0, 5);
    assert_null(topology_plan_create(topology, &wanted, &error));
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_non_null(strstr(error.text, "4 cores"));
    assert_non_null(strstr(error.text, "worker.smt"));
    wanted = request(2, 9);
    assert_null(topology_plan_create(topology, &wanted, &error));
    assert_null(strstr(error.text, "worker.smt"));
    topology_close(topology);
}

static void refuses_what_is_no_topology(void **state)
{
    (void)state;
    struct error error = {0};
    struct topology_source source = {.synthetic = "sock:2 nonsense"};
    assert_null(topology_open(&source, &error));
    assert_non_null(strstr(error.text, "sock:2 nonsense"));
    source = (struct topology_source){.xml = "/nonexistent/machine.xml"};
    assert_null(topology_open(&source, &error));
    assert_non_null(strstr(error.text, "/nonexistent/machine.xml"));
}

static void tells_openmp_where_to_compute(void **state)
{
    (void)state;
    const struct topology_plan *made = plan(SMT_SOCKETS, request(2, 3));
    assert_string_equal(variable(made, 0, "OMP_NUM_THREADS"), "3");
    assert_string_equal(variable(made, 0, "OMP_PLACES"), "{0,8},{1,9},{2,10}");
    assert_string_equal(variable(made, 1, "OMP_PLACES"), "{4,12},{5,13},{6,14}");
    assert_string_equal(variable(made, 1, "OMP_PROC_BIND"), "false");
    assert_string_equal(variable(made, 1, "BEOFARM_SLOT"), "1");
    assert_string_equal(variable(made, 1, "CUDA_VISIBLE_DEVICES"), "(unset)");

    struct topology_request wanted = request(4, 0);
    wanted.smt = true;
    made = plan(SMT_SOCKETS, wanted);
    assert_string_equal(variable(made, 0, "OMP_NUM_THREADS"), "4");
    assert_string_equal(variable(made, 0, "OMP_PLACES"), "{0},{8},{1},{9}");

    wanted.bind_threads = true;
    assert_string_equal(variable(plan(SMT_SOCKETS, wanted), 0, "OMP_PROC_BIND"), "close");
    wanted.pin = false;
    assert_string_equal(variable(plan(SMT_SOCKETS, wanted), 0, "OMP_PROC_BIND"), "false");
}

/* mpirun knows of no slots: it would bind the first rank of every task to the same core. */
static void lets_open_mpi_bind_ranks_only_where_a_slot_is_all_of_the_machine(void **state)
{
    (void)state;
    static const char *const names[] = {"OMPI_MCA_hwloc_base_binding_policy",
                                        "PRTE_MCA_hwloc_default_binding_policy"};
    for (size_t i = 0; i < 2; i++) {
        struct topology_request wanted = request(2, 0);
        assert_string_equal(variable(plan(SMT_SOCKETS, wanted), 1, names[i]), "none");
        wanted.pin = false;
        assert_string_equal(variable(plan(SMT_SOCKETS, wanted), 1, names[i]), "none");
        wanted = request(1, 4);
        assert_string_equal(variable(plan(SMT_SOCKETS, wanted), 0, names[i]), "none");
        wanted = request(1, 0);
        assert_string_equal(variable(plan(SMT_SOCKETS, wanted), 0, names[i]), "(unset)");
        wanted = request(2, 8); /* two slots that are all of the machine each */
        assert_string_equal(variable(plan(SMT_SOCKETS, wanted), 0, names[i]), "none");
    }
}

static void says_nothing_of_places_where_nothing_is_pinned(void **state)
{
    (void)state;
    struct topology_request wanted = request(0, 0);
    wanted.pin = false;
    const struct topology_plan *made = plan(SMT_SOCKETS, wanted);
    assert_string_equal(variable(made, 0, "OMP_NUM_THREADS"), "1");
    assert_string_equal(variable(made, 0, "OMP_PLACES"), "(unset)");
    /* What the user's environment may say would bind all slots to the same first core. */
    assert_string_equal(variable(made, 0, "OMP_PROC_BIND"), "false");
    assert_int_equal(slot_bind_child(&made->slots[7]), 0); /* would fail if it did something */
}

static void makes_masks_beyond_1024_cpus(void **state)
{
    (void)state;
    const struct topology_plan *made = plan("pack:4 core:300 pu:2", request(0, 0));
    assert_int_equal(made->slot_count, 1200);
    const struct slot *last = &made->slots[1199];
    assert_string_equal(last->cpus, "2398-2399");
    assert_int_equal(last->cpu_mask_size, 2400 / 64 * 8 + 8);
    assert_int_equal(last->cpu_mask[2398 / 64], UINT64_C(3) << (2398 % 64));
    assert_int_equal(last->cpu_mask[0], 0);
}

static void prefers_the_memory_of_one_node_only(void **state)
{
    (void)state;
    const struct topology_plan *made = plan(FOUR_NODES, request(0, 8));
    assert_string_equal(made->slots[3].nodes, "3");
    assert_int_equal(made->slots[3].memory_mask[0], 1 << 3);
    assert_int_equal(made->slots[3].memory_bits, 64);
    made = plan(FOUR_NODES, request(0, 16));
    assert_string_equal(made->slots[1].nodes, "2-3");
    assert_null(made->slots[1].memory_mask);
    made = plan("pack:1 core:4 pu:1", request(0, 0)); /* nowhere else to go */
    assert_null(made->slots[0].memory_mask);
    made = plan("pack:2 [numa(memory=1073741824)] [numa(memory=1073741824)] core:2 pu:1",
                request(0, 0)); /* two kinds of memory */
    assert_string_equal(made->slots[2].nodes, "2-3");
    assert_int_equal(made->slots[2].memory_mask[0], 1 << 2);
}

static void notes_what_a_user_should_know(void **state)
{
    (void)state;
    assert_int_equal(plan(TWO_SOCKETS, request(0, 0))->note_count, 0);
    assert_true(notes_say(plan(TWO_SOCKETS, request(0, 3)), "4 of 16 cores stay idle"));
    assert_true(notes_say(plan(TWO_SOCKETS, request(3, 0)), "1 of 3 slots reach over"));
    assert_true(notes_say(plan(TWO_SOCKETS, request(20, 0)), "share 16 cores"));
    assert_true(planned->slots[19].shared);
    assert_false(notes_say(planned, "worker.smt"));
    assert_true(notes_say(plan(SMT_SOCKETS, request(16, 1)), "worker.smt"));
    assert_true(notes_say(plan("gpus-nvidia.xml", request(0, 0)), "5 of 8 slots see no GPU"));
    assert_int_equal(plan("gpus-nvidia.xml", request(3, 0))->note_count, 0 + 1); /* idle */
}

static void reads_the_settings_of_a_farm(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *error; /* NULL: none */
        struct topology_request expected;
    } settings[] = {
        {"{\"slots\": 0}", "worker.slots", {0}},
        {"{\"slots\": -1}", "worker.slots", {0}},
        {"{\"slots\": 1.5}", "worker.slots", {0}},
        {"{\"slots\": 1e30}", "worker.slots", {0}},
        {"{\"slots\": \"many\"}", "worker.slots", {0}},
        {"{\"threads_per_slot\": true}", "worker.threads_per_slot", {0}},
        {"{\"pin\": 1}", "worker.pin", {0}},
        {"{\"smt\": \"yes\"}", "worker.smt", {0}},
        {"{\"gpus\": 2}", "worker.gpus", {0}},
        {"[]", "worker", {0}},
        {"{}", NULL, {.pin = true, .gpus = true}},
        {"{\"slots\": \"auto\", \"threads_per_slot\": 4, \"smt\": true, \"other\": []}",
         NULL,
         {.threads_per_slot = 4, .pin = true, .smt = true, .gpus = true}},
        {"{\"slots\": 4096, \"pin\": false, \"gpus\": \"none\"}", NULL, {.slots = 4096}},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        struct error error = {0};
        struct topology_request got = {0};
        cJSON *json = cJSON_Parse(settings[i].json);
        assert_non_null(json);
        int status = topology_request_read(&got, json, &error);
        cJSON_Delete(json);
        assert_int_equal(status, settings[i].error ? -1 : 0);
        if (settings[i].error) {
            assert_int_equal(error.code, ERROR_CONFIG);
            assert_non_null(strstr(error.text, settings[i].error));
            continue;
        }
        assert_int_equal(got.slots, settings[i].expected.slots);
        assert_int_equal(got.threads_per_slot, settings[i].expected.threads_per_slot);
        assert_int_equal(got.pin, settings[i].expected.pin);
        assert_int_equal(got.smt, settings[i].expected.smt);
        assert_int_equal(got.gpus, settings[i].expected.gpus);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_plan(divides_as_the_table_says),
        cmocka_unit_test(refuses_more_threads_than_there_are_cores),
        cmocka_unit_test(refuses_what_is_no_topology),
        with_plan(lets_open_mpi_bind_ranks_only_where_a_slot_is_all_of_the_machine),
        with_plan(tells_openmp_where_to_compute),
        with_plan(says_nothing_of_places_where_nothing_is_pinned),
        with_plan(makes_masks_beyond_1024_cpus),
        with_plan(prefers_the_memory_of_one_node_only),
        with_plan(notes_what_a_user_should_know),
        cmocka_unit_test(reads_the_settings_of_a_farm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
