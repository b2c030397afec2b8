#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/worker/adder.h"

struct rig rig;

const struct rig_file adder_files[] = {CASE_FILES, MODEL(ADD), {0}};

int adder_close(void **state)
{
    (void)state;
    if (rig.loop)
        rig_close(&rig);
    rig.loop = NULL;
    return 0;
}

struct rig_result *adder_run(uint64_t task, double a, double b)
{
    const double params[] = {a, b};
    size_t before = rig.count;
    rig_start_reals(&rig, task, params, 2);
    rig_wait(&rig, before + 1);
    return &rig.results[before];
}

struct rig_result *adder_run_one(const char *job, const struct rig_file *files)
{
    rig_open(&rig, job, files);
    return adder_run(7, 1.5, -2.25);
}

struct rig_result *adder_run_model(const char *text)
{
    static struct rig_file files[] = {CASE_FILES, {"model", NULL, 0755, true, false}, {0}};
    files[2].content = text;
    return adder_run_one(CASE("\"model\"", ""), files);
}

void assert_said(const struct rig_result *kept, enum result_status status, const char *words)
{
    if (!strstr(kept->error, words))
        fail_msg("\"%s\" is not in: %s", words, kept->error);
    assert_int_equal(kept->result.status, status);
    assert_null(strchr(kept->error, '\n'));
    assert_int_equal(kept->value_count, 0);
}

void assert_values(const struct rig_result *kept, double first, double second)
{
    if (kept->result.status != RESULT_OK)
        fail_msg("%s (%s)", kept->error, kept->stderr_tail);
    assert_int_equal(kept->value_count, 2);
    assert_int_equal(kept->values[0].kind, VALUE_REAL);
    /* The same digits, read by the same rule. */
    assert_true(kept->values[0].real == first);
    assert_true(kept->values[1].real == second);
}

void adder_write(const char *name, const char *text)
{
    FILE *file = fopen(rig_path(&rig, name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

bool adder_has(const char *name)
{
    return access(rig_path(&rig, name), F_OK) == 0;
}

char adder_sleep[64];

const char *adder_with_sleep(const char *model)
{
    static char text[512];
    snprintf(adder_sleep, sizeof(adder_sleep), "sleep 98765.%d", (int)getpid());
    snprintf(text, sizeof(text), "#!/bin/sh\nSLEEP=\"%s\"\n%s", adder_sleep, model);
    return text;
}
