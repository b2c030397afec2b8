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

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_plan(prints_json_that_reads_back),
        with_plan(prints_text_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
