#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/machines.h"

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

static void binds_nothing_where_others_may_have_the_same_quota(void **state)
{
    static const struct {
        const char *machine, *quota;
        bool pin;
    } cases[] = {
        {TWO_SOCKETS, "200000 100000\n", false}, /* 2 of 16 */
        {TWO_SOCKETS, "800000 100000\n", false},
        {TWO_SOCKETS, "900000 100000\n", true}, /* nobody else has more than half */
        {TWO_SOCKETS, "1600000 100000\n", true},
        {SMT_SOCKETS, "400000 100000\n", false},
        {SMT_SOCKETS, "800000 100000\n", true}, /* a slot on each core that there is */
    };
    (void)state;
    write_file("proc/self/cgroup", "0::/\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct topology_source source = {.synthetic = cases[i].machine, .root = root_dir};
        struct topology_request wanted = request(0, 0);
        write_file("sys/fs/cgroup/cpu.max", cases[i].quota);
        wanted.bind_threads = true;
        plan_from(&source, wanted);
        assert_int_equal(planned->slots[0].pin, cases[i].pin);
        assert_string_equal(variable(planned, 1, "OMP_PROC_BIND"),
                            cases[i].pin ? "close" : "false");
        assert_int_equal(strcmp(variable(planned, 1, "OMP_PLACES"), "(unset)") != 0,
                         cases[i].pin);
        assert_int_equal(notes_say(planned, "not bound"), !cases[i].pin);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_root(keeps_to_a_quota_of_cgroup_version_2),
        with_root(keeps_to_a_quota_of_cgroup_version_1),
        with_root(binds_nothing_where_others_may_have_the_same_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
