#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/farmfile.h"

static void mistake_print(void *context, const char *sentence)
{
    (void)context;
    print_message("# %s\n", sentence);
}

static void every_farm_file_of_the_examples_is_valid(void **state)
{
    (void)state;
    const char *source = getenv("BEOFARM_SOURCE");
    char pattern[4096];
    snprintf(pattern, sizeof pattern, "%s/examples/*/*.json", source ? source : ".");
    glob_t found;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    size_t checked = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct error error = {0};
        if (strstr(found.gl_pathv[i], "/case.json")) /* minipest's, not a farm file */
            continue;
        int mistakes = farmfile_check(found.gl_pathv[i], mistake_print, NULL, &error);
        if (mistakes != 0)
            fail_msg("%s has %d mistakes %s", found.gl_pathv[i], mistakes, error.text);
        checked++;
    }
    globfree(&found);
    assert_true(checked >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_farm_file_of_the_examples_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
