#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/farmfile.h"
#include "common/json.h"
#include "common/tree.h"
#include "launch/disk.h"
#include "launch/mpirun_farm.h"
#include "launch/mpirun_home.h"

static struct error error;
static char folder[64];

static int folder_make(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/beofarm-mpirun-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    return tree_remove(AT_FDCWD, folder);
}

static char *at(const char *name)
{
    static char paths[8][256];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, 256, "%s/%s", folder, name);
    return path;
}

static void file_put(const char *name, const char *text, mode_t mode)
{
    assert_int_equal(disk_write(at(name), text, strlen(text), mode, false, &error), 0);
}

/* An mpirun is on the PATH. */
static void path_set(void)
{
    file_put("mpirun", "#!/bin/sh\n", 0755);
    setenv("PATH", folder, 1);
}

static void farm_make(const struct mpirun_order *order, struct farmfile *ret_farm)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    if (mpirun_farm_put(&text, order, &error) != 0 ||
        farmfile_parse(buf_text(&text), text.size, "farm", ret_farm, &error) != 0)
        fail_msg("%s", error.text);
    buf_fini(&text);
}

static void orders_that_cannot_be_met_are_refused(void **state)
{
    (void)state;
    char *words[] = {(char[]){"./program"}, NULL};
    struct mpirun_order order = {.nodes = 1, .folder = folder, .words = words, .count = 1};
    struct buf text;
    buf_init(&text, 1 << 20);
    setenv("PATH", folder, 1);
    assert_int_equal(mpirun_farm_put(&text, &order, &error), -1);
    assert_non_null(strstr(error.text, "no mpirun is on this machine's PATH"));
    path_set();
    assert_int_equal(mpirun_farm_put(&text, &order, &error), -1);
    assert_non_null(strstr(error.text, "there is no program"));
    file_put("program", "x", 0644);
    assert_int_equal(mpirun_farm_put(&text, &order, &error), -1);
    assert_non_null(strstr(error.text, "chmod +x"));
    order.nodes = 3;
    order.ranks = 2;
    assert_int_equal(mpirun_farm_put(&text, &order, &error), -1);
    assert_non_null(strstr(error.text, "some nodes would have no rank"));
    order.backend = at("none.json");
    assert_int_equal(mpirun_farm_put(&text, &order, &error), -1);
    file_put("bad.json", "{\"name\": \"x\"}", 0644);
    order.backend = at("bad.json");
    assert_int_equal(mpirun_farm_put(&text, &order, &error), -1);
    assert_non_null(strstr(error.text, "there is no \"backend\""));
    assert_int_equal(text.size, 0);
    buf_fini(&text);
}

static void words_reach_the_program_as_they_are(void **state)
{
    (void)state;
    char *words[] = {(char[]){"./program"}, (char[]){"it's {a} $HOME"}, NULL};
    const struct mpirun_order order = {
        .ranks = 4, .nodes = 2, .folder = folder, .words = words, .count = 2};
    struct farmfile farm;
    path_set();
    file_put("program", "x", 0755);
    farm_make(&order, &farm);
    const char *command = cJSON_GetStringValue(json_member(farm.work, "command"));
    assert_non_null(strstr(command, "; mpirun -n 4 './program' 'it'\\''s {{a}} $HOME' >>"));
    assert_string_equal(farm.name, "program");
    assert_string_equal(farm.backend_kind, "local");
    assert_int_equal(farm.limits.attempts, 3);
    farmfile_close(&farm);
}

static void a_farm_files_backend_is_taken_and_its_work_is_not(void **state)
{
    (void)state;
    char *words[] = {(char[]){"/usr/bin/solve it"}, NULL};
    const struct mpirun_order order = {.nodes = 2,
                                       .timeout_s = 9,
                                       .folder = folder,
                                       .words = words,
                                       .count = 1,
                                       .backend = at("other/farm.json")};
    struct farmfile farm;
    assert_int_equal(mkdir(at("other"), 0777), 0);
    file_put("other/farm.json",
             "{\"name\": \"x\", // a farm\n"
             "\"backend\": {\"kind\": \"azure\", \"workers\": 7, \"credentials\": \"c.json\","
             "\"pool\": {\"vm_size\": \"S\", \"min\": 1}},"
             "\"worker\": {\"slots\": 4, \"rejoin_s\": 5}, \"limits\": {\"tasks\": 3},"
             "\"work\": {\"kind\": \"pest\", \"control\": \"gone.pst\"}}",
             0644);
    farm_make(&order, &farm);
    assert_string_equal(farm.name, "solveit");
    assert_int_equal(json_member(farm.backend, "workers")->valueint, 1);
    assert_string_equal(json_member(farm.backend, "credentials")->valuestring,
                        at("other/c.json"));
    assert_null(json_member(json_member(farm.backend, "pool"), "min"));
    assert_int_equal(farm.workers.slots, 0);
    assert_true(farm.workers.rejoin_s == 5);
    assert_true(farm.limits.task_timeout_s == 9);
    assert_int_equal(farm.limits.attempts, 1);
    assert_int_equal(farm.limits.tasks, 0);
    farmfile_close(&farm);
}

static void what_was_changed_meanwhile_is_not_overwritten(void **state)
{
    (void)state;
    struct mpirun_home home;
    struct buf text;
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}}, began = {.tv_sec = 2000};
    assert_int_equal(mkdir(at("from"), 0777), 0);
    assert_int_equal(mkdir(at("from/deep"), 0777), 0);
    assert_int_equal(mkdir(at("to"), 0777), 0);
    file_put("from/deep/new", "1", 0644);
    file_put("from/old", "2", 0644);
    file_put("from/mine", "3", 0644);
    file_put("from/" MPIRUN_OUT, "4", 0644);
    file_put("to/old", "0", 0644);
    file_put("to/mine", "0", 0644);
    assert_int_equal(utimensat(AT_FDCWD, at("to/old"), old, 0), 0);
    assert_int_equal(symlink("/etc", at("from/link")), 0);
    if (mpirun_home_bring(at("from"), at("to"), &began, &home, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(home.brought, 2);
    assert_int_equal(home.kept, 1);
    assert_string_equal(home.kept_name, at("to/mine"));
    assert_true(disk_exists(at("to/deep/new")));
    assert_false(disk_exists(at("to/" MPIRUN_OUT)));
    assert_false(disk_exists(at("to/link")));
    buf_init(&text, 1 << 20);
    assert_int_equal(disk_read(at("to/old"), 10, &text, &error), 0);
    assert_string_equal(buf_text(&text), "2");
    buf_fini(&text);
}

int main(void)
{
#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(orders_that_cannot_be_met_are_refused),
        FOLDER_TEST(words_reach_the_program_as_they_are),
        FOLDER_TEST(a_farm_files_backend_is_taken_and_its_work_is_not),
        FOLDER_TEST(what_was_changed_meanwhile_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
