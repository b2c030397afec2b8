/* What PEST work says before it runs: the files that travel, the job, and patience. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "master/driver.h"
#include "master/scheduler.h"
#include "tests/master/tiny.h"

/* --- files, job, patience ----------------------------------------------------------------- */

static int list_file(void *context, const char *path, bool common, bool copy)
{
    char *text = context;
    assert_false(copy);
    tiny_add(text, "%s%s\n", path, common ? "" : " (master)");
    return 0;
}

static int list_pattern(void *context, const char *pattern)
{
    tiny_add(context, "%s\n", pattern);
    return 0;
}

static void the_folder_travels_and_what_options_name_stays(void **state)
{
    struct place *place = *state;
    char text[TINY_LOG_MAX] = "";
    tiny_put(place, "prior.cov", "");
    tiny_put(place, "swp.csv", "");
    tiny_put_control(place, "++parcov(prior.cov) ++sweep_output_file(swp.csv)\n");
    tiny_set_work(place,
                  "{\"kind\": \"pest\", \"control\": \"./case.pst\", \"mode\": \"glm\"}");
    tiny_begin(place, true);
    assert_non_null(place->driver);
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, NULL), 0);
    assert_string_equal(text, ".\nin.tpl\nout.ins\nmodel\ncase.pst (master)\n"
                              "prior.cov (master)\n");
    text[0] = '\0';
    assert_int_equal(driver_find("pest")->except(place->driver, list_pattern, text, NULL), 0);
    assert_non_null(strstr(text, "case.rec\n"));
    assert_non_null(strstr(text, "\nprior.cov\n"));
    assert_non_null(strstr(text, "\nswp.csv\n"));
    assert_null(strstr(text, "case.pst"));
    cJSON_AddItemToArray(cJSON_GetObjectItem(place->farm, "files"),
                         cJSON_Parse("{\"path\": \"restart.bin\", \"copy\": true}"));
    text[0] = '\0';
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, NULL), 0);
    assert_true(strncmp(text, ".\n", 2) == 0); /* still the whole folder */
    cJSON_AddItemToArray(cJSON_GetObjectItem(place->farm, "files"), cJSON_CreateString("x"));
    text[0] = '\0';
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, NULL), 0);
    assert_true(strncmp(text, "in.tpl\n", 7) == 0);
}

static void paths_out_of_the_farm_are_refused(void **state)
{
    struct place *place = *state;
    char text[TINY_LOG_MAX] = "";
    char path[128];
    snprintf(path, sizeof path, "%s/sub", place->folder);
    assert_int_equal(mkdir(path, 0777), 0);
    tiny_put_control(place, "");
    snprintf(text, sizeof text,
             "cd %s && sed 's/^in.tpl/..\\/in.tpl/; s/^out.ins/..\\/out.ins/' "
             "case.pst >sub/case.pst",
             place->folder);
    assert_int_equal(system(text), 0);
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"sub/case.pst\"}");
    tiny_begin(place, true);
    assert_non_null(place->driver);
    text[0] = '\0';
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, NULL), 0);
    assert_string_equal(text, "sub\nin.tpl\nout.ins\nsub/case.pst (master)\n");
    assert_string_equal(driver_find("pest")->home(place->driver), "sub");
    char folder[64];
    strcpy(folder, place->folder);
    strcat(place->folder, "/sub");
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\"}");
    tiny_begin(place, true);
    assert_non_null(place->driver);
    assert_int_equal(driver_find("pest")->files(place->driver, list_file, text, &place->error),
                     -1);
    assert_int_equal(place->error.code, ERROR_CONFIG);
    assert_non_null(strstr(place->error.text, "\"../in.tpl\""));
    strcpy(place->folder, folder);
}

static void workers_are_told_what_to_do(void **state)
{
    struct place *place = *state;
    cJSON *job = cJSON_CreateObject();
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"fresh\": true, "
                         "\"env\": {\"A\": \"b\"}}");
    tiny_begin(place, true);
    assert_int_equal(driver_find("pest")->job(place->driver, job, NULL), 0);
    char *text = cJSON_PrintUnformatted(job);
    assert_string_equal(
        text,
        "{\"runner\":\"pest\",\"params\":[\"a\",\"b\"],\"results\":[\"y1\",\"y2\"],"
        "\"prefetch\":"
        "true,\"work\":{\"folder\":\".\",\"commands\":[\"./model "
        "now\"],\"inputs\":[{\"template\":"
        "\"in.tpl\",\"file\":\"in.dat\"}],\"outputs\":[{\"instructions\":\"out.ins\",\"file\":"
        "\"out.dat\"}],\"precision\":\"single\",\"point\":true,\"env\":{\"A\":\"b\"},\"fresh\":"
        "true}}");
    cJSON_free(text);
    cJSON_Delete(job);
    assert_false(driver_find("pest")->brief(place->driver));
}

static void patience_is_what_the_options_say(void **state)
{
    struct place *place = *state;
    struct scheduler_policy policy = scheduler_policy_default(1);
    tiny_begin(place, true);
    assert_int_equal(driver_find("pest")->policy(place->driver, &policy, NULL), 0);
    assert_int_equal(policy.attempts, 3);
    assert_true(policy.overdue_factor == 100 && policy.overdue_ns == INT64_MAX);
    assert_true(policy.duplicate_factor == 1.15 && policy.duplicate_quantile < 0);
    tiny_put_control(place, "++max_run_fail(2) ++overdue_giveup_fac(7.5)\n");
    tiny_set_work(place, "{\"kind\": \"pest\", \"control\": \"case.pst\", \"options\": "
                         "{\"overdue_giveup_fac\": 3, \"overdue_giveup_minutes\": 0.5}}");
    tiny_begin(place, true);
    assert_int_equal(driver_find("pest")->policy(place->driver, &policy, NULL), 0);
    assert_int_equal(policy.attempts, 2);
    assert_true(policy.overdue_factor == 3); /* the farm file's word */
    assert_true(policy.overdue_ns == INT64_C(30000000000));
}

static void what_has_no_effect_is_told_once(void **state)
{
    struct place *place = *state;
    tiny_put_control(place, "++hotstart_resfile(x)\n");
    tiny_begin(place, false);
    assert_non_null(strstr(place->said, "++hotstart_resfile has no effect here"));
    assert_null(strstr(place->said, "/case.pst"));
    assert_null(strstr(place->said, "overdue"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TINY_TEST(the_folder_travels_and_what_options_name_stays),
        TINY_TEST(paths_out_of_the_farm_are_refused),
        TINY_TEST(workers_are_told_what_to_do),
        TINY_TEST(patience_is_what_the_options_say),
        TINY_TEST(what_has_no_effect_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
