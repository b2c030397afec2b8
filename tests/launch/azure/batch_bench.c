#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "launch/azure/batch_job.h"
#include "tests/launch/azure/batch_bench.h"

int bench_open(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    mock_batch_start(&bench->mock);
    bench->account = mock_account_open(server_url(bench->mock.server));
    *state = bench;
    return 0;
}

int bench_close(void **state)
{
    struct bench *bench = *state;
    account_close(bench->account);
    mock_batch_stop(&bench->mock);
    free(bench);
    return 0;
}

void bench_job(struct bench *bench)
{
    struct batch_job_spec spec = {.id = "j", .pool = "p"};
    assert_int_equal(batch_job_add(bench->account, &spec, &bench->error), 0);
}

int bench_task(struct bench *bench, const char *id, const char *line)
{
    struct batch_task_spec spec = {.id = id, .command = {.line = line}};
    return batch_task_add(bench->account, "j", &spec, &bench->error);
}
