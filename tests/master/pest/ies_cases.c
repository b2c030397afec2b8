#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/master/pest/ies_cases.h"
#include "tests/scratch.h"

const double design[6][3] = {{1, 0, 0}, {0, 1, 0}, {1, 1, 1}, {1, 2, 0}, {0, 1, -1}, {5, 5, 5}};
const double measured[5] = {4, -3, 7, 1, 2}, weights[5] = {0.5, 1, 2, 0.5, 1};
const double centre[3] = {1, 2, -1};
const char *const abc[3] = {"a", "b", "c"};

bool linear(const double *values, const char *purpose, double *observations)
{
    (void)purpose;
    for (int o = 0; o < 6; o++)
        observations[o] =
            design[o][0] * values[0] + design[o][1] * values[1] + design[o][2] * values[2];
    return true;
}

const char *const mixed_names[5] = {"k", "s", "t", "f", "z"};

bool mixed(const double *values, const char *purpose, double *observations)
{
    (void)purpose;
    observations[0] = 10 * values[0] + values[2]; /* 100 would need more than k's bound */
    observations[1] = values[1] * values[4] + values[3] - 7;
    return true;
}

bool identity(const double *values, const char *purpose, double *observations)
{
    (void)purpose;
    observations[0] = observations[1] = values[0];
    return true;
}

void run(const struct ies_rig *rig, struct ies_rig_result *ret)
{
    ies_rig_run(rig, ret);
    if (ret->failed)
        fail_msg("%s", ret->error.text);
}

void refuse(const struct ies_rig *rig, const char *part)
{
    static struct ies_rig_result result;
    ies_rig_run(rig, &result);
    assert_true(result.failed);
    if (!strstr(result.error.text, part))
        fail_msg("\"%s\" is not in: %s", part, result.error.text);
}

void same_files(const char *left, const char *right)
{
    size_t left_size, right_size;
    char *a = scratch_read(left, &left_size), *b = scratch_read(right, &right_size);
    assert_int_equal(left_size, right_size);
    assert_memory_equal(a, b, left_size);
    free(a);
    free(b);
}
