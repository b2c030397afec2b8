/*
 * batch_bench.h - an account of the mock Batch service, for tests.
 */
#ifndef BEOFARM_TESTS_LAUNCH_AZURE_BATCH_BENCH_H
#define BEOFARM_TESTS_LAUNCH_AZURE_BATCH_BENCH_H

#include "launch/azure/batch_task.h"
#include "tests/launch/azure/mock_batch.h"

struct bench {
    struct mock_batch mock;
    struct account *account;
    struct error error;
};

/* For cmocka: *state is a bench. */
int bench_open(void **state);
int bench_close(void **state);
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

/* Add the job "j", and a task to it, as batch_task_add. */
void bench_job(struct bench *bench);
int bench_task(struct bench *bench, const char *id, const char *line);

#endif
