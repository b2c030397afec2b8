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

#include "common/tree.h"
#include "launch/disk.h"
#include "launch/homecoming.h"

struct place {
    char folder[64];
    struct rundir rundir;
    struct homecoming homecoming;
};

static void put(const struct place *place, const char *name, const char *text)
{
    struct error error;
    char *path = disk_join(place->folder, name, &error);
    assert_int_equal(disk_write(path, text, strlen(text), 0644, false, &error), 0);
    free(path);
}

static void is(const struct place *place, const char *name, const char *text)
{
    struct buf buf;
    struct error error;
    char *path = disk_join(place->folder, name, &error);
    buf_init(&buf, 1 << 20);
    if (text)
        assert_int_equal(disk_read(path, 1000, &buf, &error), 0);
    else
        assert_false(disk_exists(path));
    assert_string_equal(buf_text(&buf), text ? text : "");
    buf_fini(&buf);
    free(path);
}

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    struct error error;
    char path[128];
    strcpy(place->folder, "/tmp/beofarm-home-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(path, sizeof path, "%s/run/out/master/deep", place->folder);
    assert_int_equal(tree_make(path, &error), 0);
    snprintf(path, sizeof path, "%s/model", place->folder);
    assert_int_equal(tree_make(path, &error), 0);
    snprintf(path, sizeof path, "%s/run", place->folder);
    place->rundir = (struct rundir){.path = strdup(path), .lock = -1};
    put(place, "run/files.json",
        "{\"files\": [{\"path\": \"case.par\", \"hash\": "
        "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\", \"size\": 0, "
        "\"mode\": \"0644\", \"common\": true, \"copy\": false}]}");
    assert_int_equal(
        homecoming_open(&place->homecoming, &place->rundir, place->folder, "model", &error), 0);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    homecoming_close(&place->homecoming);
    free(place->rundir.path);
    disk_remove(place->folder, NULL);
    free(place);
    return 0;
}

static void at_root(struct place *place)
{
    homecoming_close(&place->homecoming);
    assert_int_equal(
        homecoming_open(&place->homecoming, &place->rundir, place->folder, ".", NULL), 0);
}

static void no_input_is_overwritten(void **state)
{
    struct place *place = *state;
    at_root(place);
    put(place, "case.par", "mine");
    put(place, "run/out/master/case.par", "new");
    put(place, "run/out/master/case.rec", "new");
    assert_int_equal(homecoming_bring(&place->homecoming, NULL), 0);
    is(place, "case.par", "mine");
    is(place, "case.rec", "new");
    assert_int_equal(place->homecoming.kept, 1);
    assert_string_equal(place->homecoming.kept_name, "case.par");
}

static void what_is_no_file_is_left_alone(void **state)
{
    struct place *place = *state;
    struct error error;
    char path[128];
    at_root(place);
    put(place, "run/out/master/model", "a file where a folder is");
    assert_int_equal(homecoming_bring(&place->homecoming, &error), -1);
    assert_non_null(strstr(error.text, "left as it is"));
    snprintf(path, sizeof path, "%s/deep", place->folder);
    assert_int_equal(access(path, F_OK), -1); /* folders stay where they are */
}

static void only_what_changed_is_copied_again(void **state)
{
    struct place *place = *state;
    put(place, "run/out/master/case.rec", "one");
    assert_int_equal(homecoming_bring(&place->homecoming, NULL), 0);
    is(place, "model/case.rec", "one");
    put(place, "run/out/master/case.rec", "one, two");
    assert_int_equal(homecoming_bring(&place->homecoming, NULL), 0);
    is(place, "model/case.rec", "one, two");
    assert_int_equal(place->homecoming.kept, 0);
}

static void what_is_hidden_comes_home_too(void **state)
{
    struct place *place = *state;
    put(place, "run/out/master/.case.rec", "of a control file that is hidden, too");
    assert_int_equal(homecoming_bring(&place->homecoming, NULL), 0);
    is(place, "model/.case.rec", "of a control file that is hidden, too");
    assert_int_equal(place->homecoming.brought, 1);
}

static void what_is_still_being_written_stays(void **state)
{
    struct place *place = *state;
    put(place, "run/out/master/case.jco.new.221", "half");
    put(place, "run/out/master/case.new.par", "whole");
    put(place, "run/out/master/case.new.", "whole");
    assert_int_equal(homecoming_bring(&place->homecoming, NULL), 0);
    is(place, "model/case.jco.new.221", NULL);
    is(place, "model/case.new.par", "whole");
    is(place, "model/case.new.", "whole");
}

static struct input *add(struct inputs *inputs, const char *path)
{
    struct input *input = &inputs->items[inputs->count++];
    *input = (struct input){.path = strdup(path), .size = 1};
    inputs->bytes++;
    return input;
}

static void what_came_home_is_no_input_of_a_resumed_run(void **state)
{
    struct place *place = *state;
    struct inputs inputs = {.items = calloc(4, sizeof *inputs.items)};
    put(place, "run/out/master/case.rec", "");
    add(&inputs, "case.par");
    add(&inputs, "case.rec"); /* beside the folder that things come home to */
    add(&inputs, "model/case.rec");
    add(&inputs, "model/case.tpl");
    assert_int_equal(homecoming_forget(&place->homecoming, &inputs, NULL), 0);
    assert_int_equal(inputs.count, 3);
    assert_int_equal(inputs.bytes, 3);
    assert_string_equal(inputs.items[1].path, "case.rec");
    assert_string_equal(inputs.items[2].path, "model/case.tpl");
    inputs_close(&inputs);
}

static void work_without_a_home_brings_nothing(void **state)
{
    struct place *place = *state;
    struct homecoming none;
    assert_int_equal(homecoming_open(&none, &place->rundir, place->folder, NULL, NULL), 0);
    put(place, "run/out/master/case.rec", "");
    assert_int_equal(homecoming_bring(&none, NULL), 0);
    is(place, "case.rec", NULL);
    homecoming_close(&none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_input_is_overwritten),
        TEST(what_is_no_file_is_left_alone),
        TEST(only_what_changed_is_copied_again),
        TEST(what_is_hidden_comes_home_too),
        TEST(what_is_still_being_written_stays),
        TEST(what_came_home_is_no_input_of_a_resumed_run),
        TEST(work_without_a_home_brings_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
