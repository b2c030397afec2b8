#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/worker/machines.h"
#include "worker/memory.h"

#define MB ((uint64_t)1 << 20)

static void nothing_that_can_be_read_is_no_limit(void **state)
{
    (void)state;
    assert_int_equal(memory_limit(root_dir, NULL), 0);
}

static void memory_is_that_of_the_node_or_of_the_tightest_cgroup(void **state)
{
    (void)state;
    write_file("proc/meminfo", "MemFree: 1 kB\nMemTotal:    1048576 kB\nSwapTotal: 9 kB\n");
    assert_int_equal(memory_limit(root_dir, NULL), 1024 * MB);
    write_file("proc/self/cgroup", "0::/pod/abc\n");
    write_file("sys/fs/cgroup/pod/abc/memory.max", "max\n");
    assert_int_equal(memory_limit(root_dir, NULL), 1024 * MB);
    write_file("sys/fs/cgroup/pod/memory.max", "104857600\n"); /* a parent's counts */
    assert_int_equal(memory_limit(root_dir, NULL), 100 * MB);
    write_file("sys/fs/cgroup/pod/memory.max", "9223372036854771712\n");
    assert_int_equal(memory_limit(root_dir, NULL), 1024 * MB);
}

static void cgroups_of_version_1_are_read(void **state)
{
    (void)state;
    write_file("proc/meminfo", "MemTotal: 1048576 kB\n");
    write_file("proc/self/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n");
    write_file("sys/fs/cgroup/memory/memory.limit_in_bytes", "209715200\n");
    assert_int_equal(memory_limit(root_dir, NULL), 200 * MB);
}

static void workers_that_share_a_node_share_its_memory(void **state)
{
    (void)state;
    write_file("proc/meminfo", "MemTotal: 1048576 kB\n");
    assert_int_equal(memory_limit(root_dir, "2/4"), 256 * MB);
    assert_int_equal(memory_limit(root_dir, "nonsense"), 1024 * MB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_root(nothing_that_can_be_read_is_no_limit),
        with_root(memory_is_that_of_the_node_or_of_the_tightest_cgroup),
        with_root(cgroups_of_version_1_are_read),
        with_root(workers_that_share_a_node_share_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
