#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "master/pest/run_record.h"

static char path[] = "/tmp/beofarm-rmr-XXXXXX";

static int setup(void **state)
{
    (void)state;
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static void assert_holds(const char *wanted)
{
    static char text[4000];
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    if (!strstr(text, wanted))
        fail_msg("\"%s\" is not in:\n%s", wanted, text);
}

static void runs_are_told_as_they_end_and_summed_up(void **state)
{
    (void)state;
    struct error error;
    static const char sentence[] = "the model wrote no file \"out.dat\"";
    struct run_record *record = run_record_open(path, "toy", &error);
    assert_non_null(record);
    run_record_wave(record, 2, "Jacobian", 11, 3, 2);
    struct result result = {
        .id = {12, 1}, .started_ns = INT64_C(1000000000000), .elapsed_s = 2, .cpu_s = 1.5};
    run_record_run(record, &result, "n1", 1);
    assert_holds("wave 2: Jacobian, 3 model runs, 2 at a time\n");
    assert_holds("  model run 2 completed on node n1, slot 0, in 2 s\n");
    result.id.task = 11;
    result.slot = 1;
    result.elapsed_s = 4;
    run_record_run(record, &result, "n1", 3);
    assert_holds("  model run 1 completed on node n1, slot 1, in 4 s, attempt 3\n");
    result = (struct result){.id = {13, 1},
                             .status = RESULT_NO_VALUE,
                             .error = sentence,
                             .error_size = sizeof sentence - 1};
    run_record_run(record, &result, "n2", 1);
    result.status = RESULT_LOST;
    run_record_run(record, &result, "", 1);
    assert_holds("  model run 3 failed on node n2, slot 0, in 0 s: the model wrote no file");
    assert_int_equal(run_record_finish(record, &error), 0);
    run_record_close(record);
    assert_holds("n1                                        2          0            3\n");
    assert_holds("n2                                        0          1            0\n");
    assert_holds("Total time of model runs : 6 s\n");
    assert_holds("Total CPU time           : 3 s\n");
    assert_holds("Total elapsed time       : 4 s\n");
    assert_holds("Speedup                  : 1.5\n");
}

static void a_full_disk_is_told_at_the_end(void **state)
{
    (void)state;
    struct error error = {0};
    struct run_record *record = run_record_open("/dev/full", "toy", &error);
    assert_non_null(record);
    run_record_wave(record, 1, "base run", 1, 1, 1);
    assert_int_equal(run_record_finish(record, &error), -1);
    assert_non_null(strstr(error.text, "/dev/full"));
    run_record_close(record);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct error error = {0};
    assert_null(run_record_open("/no/such/case.rmr", "toy", &error));
    assert_non_null(strstr(error.text, "/no/such/case.rmr"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_are_told_as_they_end_and_summed_up, setup,
                                        teardown),
        cmocka_unit_test(a_full_disk_is_told_at_the_end),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests_name("master/pest/run_record", tests, NULL, NULL);
}
