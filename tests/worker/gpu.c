#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/worker/machines.h"

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

static void makes_a_slot_for_each_gpu_near_it(void **state)
{
    (void)state;
    struct topology_request wanted = request(0, 0);
    wanted.slot_per_gpu = true;
    const struct topology_plan *made = plan("gpus-nvidia.xml", wanted);
    assert_int_equal(made->slot_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(made->slots[i].gpu_count, 1);
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "0");
    assert_string_not_equal(variable(made, 1, "CUDA_VISIBLE_DEVICES"),
                            variable(made, 2, "CUDA_VISIBLE_DEVICES"));
    /* one GPU is near the first package, and two are near the second */
    assert_string_equal(made->slots[0].cpus, "0-1");
    assert_string_equal(made->slots[1].cpus, "4-5");
    assert_string_equal(made->slots[2].cpus, "6-7");
    wanted.threads_per_slot = 4; /* do not all fit near: the first come first */
    made = plan("gpus-nvidia.xml", wanted);
    assert_string_equal(made->slots[0].cpus, "0-3");
    assert_true(made->slots[0].shared);
    wanted.threads_per_slot = 0;
    made = plan("gpus-amd.xml", wanted); /* both near the second */
    assert_int_equal(made->slot_count, 2);
    assert_string_equal(made->slots[0].cpus, "4-5");
    assert_string_equal(made->slots[1].cpus, "6-7");
    assert_string_equal(made->slots[0].nodes, "1");
    wanted.slots = 2; /* a number is a number */
    made = plan("gpus-nvidia.xml", wanted);
    assert_int_equal(made->slot_count, 2);
    wanted.slots = 0;
    made = plan("core:4 pu:1", wanted); /* no GPU */
    assert_int_equal(made->slot_count, 4);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_plan(tells_cuda_and_rocm_which_devices_to_see),
        with_plan(makes_a_slot_for_each_gpu_near_it),
        with_plan(deals_only_the_devices_it_was_given),
        with_root(finds_nvidia_gpus_through_the_driver),
        with_root(finds_nvidia_gpus_by_their_devices_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
