#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "worker/doctor.h"
#include "worker/topology.h"

/* ---- machines ---- */

#define TWO_SOCKETS "pack:2 [numa(memory=1073741824)] l3:1 core:8 pu:1"
#define SMT_SOCKETS "pack:2 [numa(memory=1073741824)] l3:1 core:4 pu:2(indexes=core:pack)"
#define CHIPLETS    "pack:1 [numa(memory=1073741824)] l3:4 core:4 pu:1"
#define FOUR_NODES  "numa:4 l3:2 core:4 pu:1"

/* A file of tests/worker/topologies. */
static const char *recorded_path(const char *name)
{
    static char path[4096];
    const char *source = getenv("BEOFARM_SOURCE");
    snprintf(path, sizeof path, "%s/tests/worker/topologies/%s", source ? source : ".", name);
    return path;
}

/* A source by name: "*.xml" is a recorded machine, else synthetic. */
static struct topology_source machine(const char *name)
{
    struct topology_source source = {0};
    if (strstr(name, ".xml"))
        source.xml = recorded_path(name);
    else
        source.synthetic = name;
    return source;
}

static struct topology *open_machine(const char *name)
{
    struct error error = {0};
    struct topology_source source = machine(name);
    struct topology *topology = topology_open(&source, &error);
    if (!topology)
        fail_msg("%s: %s", name, error.text);
    return topology;
}

/* ---- a root with /proc, /sys and /dev of its own ---- */

static char root_dir[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root_dir, sizeof root_dir, "/tmp/beofarm-topology-XXXXXX");
    return mkdtemp(root_dir) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root_dir);
    return system(command);
}

static void write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root_dir, name);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) < 0)
            assert_int_equal(errno, EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* ---- a plan in one line ---- */

/* "0-1;2-3 |0;|" : the slots' cpusets, then (where there are any) their GPUs. */
static void describe(struct buf *buf, const struct topology_plan *plan)
{
    bool gpus = false;
    for (size_t i = 0; i < plan->slot_count; i++) {
        buf_printf(buf, "%s%s", i > 0 ? ";" : "", plan->slots[i].cpus);
        gpus = gpus || plan->slots[i].gpu_count > 0;
    }
    for (size_t i = 0; gpus && i < plan->slot_count; i++) {
        buf_append_text(buf, i > 0 ? ";" : " |");
        for (size_t k = 0; k < plan->slots[i].gpu_count; k++)
            buf_printf(buf, "%s%u", k > 0 ? "," : "", plan->slots[i].gpus[k]);
    }
}

static struct topology_request request(unsigned slots, unsigned threads)
{
    return (struct topology_request){
        .slots = slots, .threads_per_slot = threads, .pin = true, .gpus = true};
}

/* ---- the table ---- */

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
};

static void divides_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct error error = {0};
        struct topology *topology = open_machine(row->machine);
        struct topology_request wanted = request(row->slots, row->threads);
        wanted.smt = row->smt;
        struct topology_plan *plan = topology_plan_create(topology, &wanted, &error);
        if (!plan)
            fail_msg("%s: %s", row->machine, error.text);
        struct buf line;
        buf_init(&line, 10000);
        describe(&line, plan);
        if (strcmp(buf_text(&line), row->expected) != 0)
            fail_msg("%s, %u x %u%s: expected %s, got %s", row->machine, row->slots,
                     row->threads, row->smt ? " smt" : "", row->expected, buf_text(&line));
        for (size_t k = 0; k < plan->slot_count; k++) {
            assert_int_equal(plan->slots[k].index, k);
            assert_int_equal(plan->slots[k].threads, plan->slots[0].threads);
        }
        buf_fini(&line);
        topology_plan_destroy(plan);
        topology_close(topology);
    }
}

/* ---- one plan at a time ---- */

static struct topology *opened;
static struct topology_plan *planned;

static const struct topology_plan *plan_from(const struct topology_source *source,
                                             struct topology_request wanted)
{
    struct error error = {0};
    topology_plan_destroy(planned);
    topology_close(opened);
    planned = NULL;
    opened = topology_open(source, &error);
    if (!opened)
        fail_msg("%s", error.text);
    planned = topology_plan_create(opened, &wanted, &error);
    if (!planned)
        fail_msg("%s", error.text);
    return planned;
}

static const struct topology_plan *plan(const char *name, struct topology_request wanted)
{
    struct topology_source source = machine(name);
    return plan_from(&source, wanted);
}

static int forget_plan(void **state)
{
    (void)state;
    topology_plan_destroy(planned);
    topology_close(opened);
    planned = NULL;
    opened = NULL;
    return 0;
}

static const char *variable(const struct topology_plan *made, size_t slot, const char *name)
{
    const char *value = slot_getenv(&made->slots[slot], name);
    return value ? value : "(unset)";
}

static bool notes_say(const struct topology_plan *made, const char *words)
{
    for (size_t i = 0; i < made->note_count; i++)
        if (strstr(made->notes[i], words))
            return true;
    return false;
}

static void refuses_more_threads_than_there_are_cores(void **state)
{
    (void)state;
    struct error error = {0};
    struct topology *topology = open_machine("core:4 pu:2");
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
    assert_string_equal(variable(made, 1, "OMP_PROC_BIND"), "close");
    assert_string_equal(variable(made, 1, "BEOFARM_SLOT"), "1");
    assert_string_equal(variable(made, 1, "CUDA_VISIBLE_DEVICES"), "(unset)");

    struct topology_request wanted = request(4, 0);
    wanted.smt = true;
    made = plan(SMT_SOCKETS, wanted);
    assert_string_equal(variable(made, 0, "OMP_NUM_THREADS"), "4");
    assert_string_equal(variable(made, 0, "OMP_PLACES"), "{0},{8},{1},{9}");
}

static void says_nothing_of_places_where_nothing_is_pinned(void **state)
{
    (void)state;
    struct topology_request wanted = request(0, 0);
    wanted.pin = false;
    const struct topology_plan *made = plan(SMT_SOCKETS, wanted);
    assert_string_equal(variable(made, 0, "OMP_NUM_THREADS"), "1");
    assert_string_equal(variable(made, 0, "OMP_PLACES"), "(unset)");
    assert_string_equal(variable(made, 0, "OMP_PROC_BIND"), "(unset)");
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

/* ---- several workers on a node ---- */

static void shares_a_node_with_other_workers(void **state)
{
    (void)state;
    static const struct {
        const char *machine, *share, *expected;
    } shares[] = {
        {TWO_SOCKETS, "1/2", "0;1;2;3;4;5;6;7"},
        {TWO_SOCKETS, "2/2", "8;9;10;11;12;13;14;15"},
        {"core:3 pu:2", "2/2", "2-3;4-5"},
        {"core:2 pu:1", "3/4", "0"}, /* more workers than cores */
        {"gpus-nvidia.xml", "1/2", "0;1;2;3 |0;;;"},
        {"gpus-nvidia.xml", "2/2", "4;5;6;7 |0;1;;"}, /* indices into its own two */
    };
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct buf line;
        struct topology_source source = machine(shares[i].machine);
        source.share = shares[i].share;
        buf_init(&line, 10000);
        describe(&line, plan_from(&source, request(0, 0)));
        assert_string_equal(buf_text(&line), shares[i].expected);
        buf_fini(&line);
    }
    struct topology_source source = machine("gpus-nvidia.xml");
    source.share = "2/4";
    const struct topology_plan *made = plan_from(&source, request(0, 0));
    assert_string_equal(made->slots[0].cpus, "2");
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), ""); /* the others' */
    source.share = "4/4";
    made = plan_from(&source, request(0, 0));
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "2");
}

static void refuses_what_is_no_share(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",   "1",  "0/2",  "3/2", "-1/2",
                                        "1/", "/2", "1/2x", "a/b", "1/99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error error = {0};
        struct topology_source source = machine(TWO_SOCKETS);
        source.share = wrong[i];
        assert_null(topology_open(&source, &error));
        assert_int_equal(error.code, ERROR_USAGE);
        assert_non_null(strstr(error.text, "BEOFARM_SHARE"));
    }
}

/* ---- quotas ---- */

static size_t slots_under_quota(struct topology_request wanted)
{
    struct topology_source source = {.synthetic = TWO_SOCKETS, .root = root_dir};
    return plan_from(&source, wanted)->slot_count;
}

static void keeps_to_a_quota_of_cgroup_version_2(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "0::/kubepods/pod1/abc\n");
    write_file("sys/fs/cgroup/kubepods/pod1/abc/cpu.max", "max 100000\n");
    assert_int_equal(slots_under_quota(request(0, 0)), 16);
    write_file("sys/fs/cgroup/kubepods/pod1/cpu.max",
               "250000 100000\n"); /* a parent's counts */
    assert_int_equal(slots_under_quota(request(0, 0)), 3);
    assert_true(notes_say(planned, "the time of 2.5 CPUs"));
    assert_string_equal(planned->slots[1].cpus, "1"); /* spread: two here, one there */
    assert_string_equal(planned->slots[2].cpus, "8");
    assert_int_equal(slots_under_quota(request(0, 2)), 1);
    assert_int_equal(slots_under_quota(request(2, 0)), 2);
    assert_int_equal(planned->slots[0].threads, 1);
    assert_int_equal(slots_under_quota(request(16, 1)),
                     16); /* told so: not limited, but noted */
    assert_true(notes_say(planned, "held up"));
    write_file("sys/fs/cgroup/kubepods/pod1/abc/cpu.max", "20000 100000\n");
    assert_int_equal(slots_under_quota(request(0, 0)), 1);
    write_file("sys/fs/cgroup/kubepods/pod1/abc/cpu.max", "nonsense\n");
    assert_int_equal(slots_under_quota(request(0, 0)), 3);
}

static void keeps_to_a_quota_of_cgroup_version_1(void **state)
{
    (void)state;
    write_file("proc/self/cgroup",
               "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:cpuset:/\n0::/\n");
    write_file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n");
    write_file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    assert_int_equal(slots_under_quota(request(0, 0)), 4); /* the group itself is not mounted */
    write_file("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
    write_file("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
    assert_int_equal(slots_under_quota(request(0, 0)), 4);
    write_file("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "200000\n");
    assert_int_equal(slots_under_quota(request(0, 0)), 2);
}

/* ---- GPUs ---- */

static void tells_cuda_and_rocm_which_devices_to_see(void **state)
{
    (void)state;
    const struct topology_plan *made = plan("gpus-nvidia.xml", request(0, 0));
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "0");
    assert_string_equal(variable(made, 0, "CUDA_DEVICE_ORDER"), "PCI_BUS_ID");
    assert_string_equal(variable(made, 1, "CUDA_VISIBLE_DEVICES"), "");
    assert_string_equal(variable(made, 5, "CUDA_VISIBLE_DEVICES"), "2");
    assert_string_equal(variable(made, 5, "ROCR_VISIBLE_DEVICES"), "(unset)");
    made = plan("gpus-nvidia.xml", request(2, 0));
    assert_string_equal(variable(made, 1, "CUDA_VISIBLE_DEVICES"), "1,2");
    made = plan("gpus-amd.xml", request(0, 0));
    assert_string_equal(variable(made, 4, "ROCR_VISIBLE_DEVICES"), "0");
    assert_string_equal(variable(made, 0, "ROCR_VISIBLE_DEVICES"), "");
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "(unset)");

    struct topology_request wanted = request(0, 0);
    wanted.gpus = false;
    made = plan("gpus-nvidia.xml", wanted);
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "(unset)");
    assert_int_equal(made->slots[0].gpu_count, 0);
}

static void deals_only_the_devices_it_was_given(void **state)
{
    (void)state;
    struct topology_source source = machine("gpus-nvidia.xml");
    source.cuda_visible = "2,0";
    const struct topology_plan *made = plan_from(&source, request(2, 0));
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "0");
    assert_string_equal(variable(made, 1, "CUDA_VISIBLE_DEVICES"), "2");
    assert_string_equal(variable(made, 1, "CUDA_DEVICE_ORDER"), "(unset)");
    source.cuda_visible = "GPU-81818181";
    made = plan_from(&source, request(2, 0));
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "");
    assert_string_equal(variable(made, 1, "CUDA_VISIBLE_DEVICES"), "GPU-81818181");
    source.cuda_visible = "MIG-1234,1";
    made = plan_from(&source, request(1, 0));
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "MIG-1234,1");
    source.cuda_visible = "1,-1,2";
    made = plan_from(&source, request(1, 0));
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "1");
    source.cuda_visible = "";
    made = plan_from(&source, request(1, 0));
    assert_int_equal(made->slots[0].gpu_count, 0);
}

static void finds_nvidia_gpus_through_the_driver(void **state)
{
    (void)state;
    struct topology_source source = machine("gpus-nvidia.xml");
    source.root = root_dir;
    write_file("proc/driver/nvidia/gpus/0000:17:00.0/information",
               "Model: \t\t NVIDIA H100\nDevice Minor: \t 0\n");
    write_file("dev/nvidia0", "");
    const struct topology_plan *made = plan_from(&source, request(1, 0));
    assert_int_equal(made->slots[0].gpu_count, 3); /* hwloc had it already */

    source = machine("cgroup.xml");
    source.root = root_dir;
    write_file("proc/driver/nvidia/gpus/0000:81:00.0/information",
               "Model: \t\t NVIDIA H100\nGPU UUID: \t GPU-8181\nDevice Minor: \t 1\n");
    made = plan_from(&source, request(2, 0)); /* the second one's device is not ours */
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "0");
    assert_string_equal(variable(made, 1, "CUDA_VISIBLE_DEVICES"), "");
    write_file("dev/nvidia1", "");
    made = plan_from(&source, request(2, 0));
    assert_string_equal(variable(made, 1, "CUDA_VISIBLE_DEVICES"), "1");
}

static void finds_nvidia_gpus_by_their_devices_alone(void **state)
{
    (void)state;
    struct topology_source source = {.synthetic = TWO_SOCKETS, .root = root_dir};
    write_file("dev/nvidia0", "");
    write_file("dev/nvidia3", "");
    write_file("dev/nvidiactl", "");
    assert_int_equal(plan_from(&source, request(1, 0))->slots[0].gpu_count, 2);
}

/* ---- farm.json ---- */

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

/* ---- this machine ---- */

/* Our own CPUs, one of them in *ret_last. */
static int own_cpus(cpu_set_t *ret_set)
{
    assert_int_equal(sched_getaffinity(0, sizeof *ret_set, ret_set), 0);
    int last = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, ret_set))
            last = cpu;
    return last;
}

/* Start a shell bound to a slot; what it says of its CPUs. The child of the shell inherits. */
static void child_cpus(const struct slot *slot, char *line, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = vfork();
    assert_true(child >= 0);
    if (child == 0) {
        if (slot_bind_child(slot) != 0)
            _exit(99);
        dup2(ends[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c",
              "sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status; exit 0",
              (char *)NULL);
        _exit(98);
    }
    close(ends[1]);
    FILE *file = fdopen(ends[0], "r");
    assert_non_null(file);
    assert_non_null(fgets(line, (int)size, file));
    line[strcspn(line, "\n")] = '\0';
    fclose(file);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void binds_children_of_this_machine(void **state)
{
    (void)state;
    struct error error = {0};
    const struct topology_plan *made = plan_from(NULL, request(0, 0));
    for (size_t i = 0; i < made->slot_count && i < 4; i++) {
        char line[4096];
        if (slot_try(&made->slots[i], &error) < 0) {
            print_message("skipped: %s\n", error.text);
            skip();
        }
        child_cpus(&made->slots[i], line, sizeof line);
        assert_string_equal(line, made->slots[i].cpus);
    }
}

static void keeps_to_the_cpus_it_was_started_with(void **state)
{
    (void)state;
    cpu_set_t before;
    cpu_set_t one;
    char expected[16];
    int cpu = own_cpus(&before);
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    struct topology_request wanted = request(0, 0);
    wanted.smt = true;
    const struct topology_plan *made = plan_from(NULL, wanted);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    snprintf(expected, sizeof expected, "%d", cpu);
    assert_int_equal(made->slot_count, 1);
    assert_string_equal(made->slots[0].cpus, expected);
}

static void tries_a_binding_and_undoes_it(void **state)
{
    (void)state;
    struct error error = {0};
    cpu_set_t before;
    cpu_set_t after;
    own_cpus(&before);
    const struct topology_plan *made = plan_from(NULL, request(0, 0));
    if (slot_try(&made->slots[0], &error) < 0)
        skip();
    own_cpus(&after);
    assert_true(CPU_EQUAL(&before, &after));

    made = plan("pack:4 core:4000 pu:1", request(0, 0)); /* these CPUs are not here */
    assert_int_equal(slot_try(&made->slots[15999], &error), -1);
    assert_non_null(strstr(error.text, "CPUs 15999"));
    assert_int_not_equal(slot_bind_child(&made->slots[15999]), 0);
    own_cpus(&after);
    assert_true(CPU_EQUAL(&before, &after));
}

/* ---- what it tells others ---- */

static void prints_json_that_reads_back(void **state)
{
    (void)state;
    struct buf buf;
    const struct topology_plan *made = plan("gpus-nvidia.xml", request(2, 0));
    buf_init(&buf, 1 << 20);
    assert_int_equal(doctor_print_json(&buf, opened, made), 0);
    assert_int_equal(buf.data[buf.size - 1], '\n');
    cJSON *root = cJSON_Parse(buf_text(&buf));
    assert_non_null(root);
    assert_int_equal(cJSON_GetObjectItem(root, "cores")->valueint, 8);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "numa")), 2);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "gpus")), 3);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(root, "cpu_quota")));
    cJSON *slot = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "slots"), 1);
    assert_string_equal(cJSON_GetObjectItem(slot, "cpus")->valuestring, "4-7");
    cJSON *environment = cJSON_GetObjectItem(slot, "environment");
    assert_string_equal(cJSON_GetObjectItem(environment, "CUDA_VISIBLE_DEVICES")->valuestring,
                        "1,2");
    cJSON_Delete(root);
    buf_fini(&buf);

    buf_init(&buf, 10); /* no room */
    assert_int_equal(doctor_print_json(&buf, opened, made), -1);
    assert_int_equal(doctor_print_text(&buf, opened, made), -1);
    buf_fini(&buf);
}

static void prints_text_for_people(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    const struct topology_plan *made = plan("hybrid.xml", request(0, 0));
    assert_int_equal(doctor_print_text(&buf, opened, made), 0);
    assert_non_null(strstr(buf_text(&buf), "4 efficiency cores: CPUs 8-11"));
    assert_non_null(strstr(buf_text(&buf), "7: CPUs 11, NUMA 0, 1 thread\n"));
    buf_clear(&buf);
    made = plan("core:300 pu:1", request(0, 0));
    assert_int_equal(doctor_print_text(&buf, opened, made), 0);
    assert_non_null(strstr(buf_text(&buf), "299: CPUs 299"));
    assert_null(strstr(buf_text(&buf), "150: CPUs 150"));
    buf_fini(&buf);
}

#define with_plan(test) cmocka_unit_test_teardown(test, forget_plan)
#define with_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_more_threads_than_there_are_cores),
        cmocka_unit_test(refuses_what_is_no_topology),
        cmocka_unit_test(reads_the_settings_of_a_farm),
        cmocka_unit_test(refuses_what_is_no_share),
        cmocka_unit_test(divides_as_the_table_says),
        with_plan(shares_a_node_with_other_workers),
        with_plan(tells_openmp_where_to_compute),
        with_plan(says_nothing_of_places_where_nothing_is_pinned),
        with_plan(makes_masks_beyond_1024_cpus),
        with_plan(prefers_the_memory_of_one_node_only),
        with_plan(notes_what_a_user_should_know),
        with_root(keeps_to_a_quota_of_cgroup_version_2),
        with_root(keeps_to_a_quota_of_cgroup_version_1),
        with_plan(tells_cuda_and_rocm_which_devices_to_see),
        with_plan(deals_only_the_devices_it_was_given),
        with_root(finds_nvidia_gpus_through_the_driver),
        with_root(finds_nvidia_gpus_by_their_devices_alone),
        with_plan(binds_children_of_this_machine),
        with_plan(keeps_to_the_cpus_it_was_started_with),
        with_plan(tries_a_binding_and_undoes_it),
        with_plan(prints_json_that_reads_back),
        with_plan(prints_text_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
