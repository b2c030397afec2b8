#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_root(keeps_to_a_quota_of_cgroup_version_2),
        with_root(keeps_to_a_quota_of_cgroup_version_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
