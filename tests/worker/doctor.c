#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "tests/worker/machines.h"
#include "worker/doctor.h"

static void prints_json_that_reads_back(void **state)
{
    (void)state;
    struct buf buf;
    const struct topology_plan *made = plan("gpus-nvidia.xml", request(2, 0));
    buf_init(&buf, 1 << 20);
    assert_int_equal(doctor_print_json(&buf, opened, made, NULL), 0);
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
    assert_int_equal(doctor_print_json(&buf, opened, made, NULL), -1);
    assert_int_equal(doctor_print_text(&buf, opened, made, NULL), -1);
    buf_fini(&buf);
}

static void prints_text_for_people(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    const struct topology_plan *made = plan("hybrid.xml", request(0, 0));
    assert_int_equal(doctor_print_text(&buf, opened, made, NULL), 0);
    assert_non_null(strstr(buf_text(&buf), "4 efficiency cores: CPUs 8-11"));
    assert_non_null(strstr(buf_text(&buf), "7: CPUs 11, NUMA 0, 1 thread\n"));
    buf_clear(&buf);
    made = plan("core:300 pu:1", request(0, 0));
    assert_int_equal(doctor_print_text(&buf, opened, made, NULL), 0);
    assert_non_null(strstr(buf_text(&buf), "299: CPUs 299"));
    assert_null(strstr(buf_text(&buf), "150: CPUs 150"));
    buf_fini(&buf);
}

static void bandwidth_is_told_per_slot_and_for_the_node(void **state)
{
    (void)state;
    struct buf buf;
    double slots[] = {3e9, 4e9};
    const struct bandwidth measured = {.slots = slots, .count = 2, .total = 7e9, .alone = 5e9};
    const struct topology_plan *made = plan("gpus-nvidia.xml", request(2, 0));
    buf_init(&buf, 1 << 20);
    assert_int_equal(doctor_print_json(&buf, opened, made, &measured), 0);
    cJSON *root = cJSON_Parse(buf_text(&buf));
    cJSON *slot = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "slots"), 1);
    assert_true(cJSON_GetObjectItem(slot, "bandwidth_bytes_s")->valuedouble == 4e9);
    cJSON *all = cJSON_GetObjectItem(root, "bandwidth");
    assert_true(cJSON_GetObjectItem(all, "all_bytes_s")->valuedouble == 7e9);
    assert_true(cJSON_GetObjectItem(all, "one_slot_alone_bytes_s")->valuedouble == 5e9);
    cJSON_Delete(root);
    buf_clear(&buf);
    assert_int_equal(doctor_print_text(&buf, opened, made, &measured), 0);
    assert_non_null(strstr(buf_text(&buf), "3 to 4 GB/s per slot while all compute (7 "));
    buf_fini(&buf);
}

static void bandwidth_is_measured_in_every_slot(void **state)
{
    (void)state;
    struct bandwidth measured;
    struct error error;
    struct topology *here = topology_open(NULL, &error);
    const struct topology_request wanted = {.slots = 2, .threads_per_slot = 1, .pin = true};
    struct topology_plan *made = topology_plan_create(here, &wanted, &error);
    assert_non_null(made);
    assert_int_equal(bandwidth_measure(made, 0, 0.01, &measured, &error), 0);
    assert_int_equal(measured.count, 2);
    assert_true(measured.slots[0] > 0 && measured.slots[1] > 0 && measured.alone > 0);
    assert_true(measured.total == measured.slots[0] + measured.slots[1]);
    bandwidth_fini(&measured);
    topology_plan_destroy(made);
    topology_close(here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_plan(prints_json_that_reads_back),
        with_plan(prints_text_for_people),
        with_plan(bandwidth_is_told_per_slot_and_for_the_node),
        cmocka_unit_test(bandwidth_is_measured_in_every_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
