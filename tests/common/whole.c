#include "config.h"

#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/whole.h"

static char folder[] = "/tmp/beofarm-whole-XXXXXX";
static char path[64];

static int setup(void **state)
{
    (void)state;
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int entries(void)
{
    int count = 0;
    DIR *open = opendir(folder);
    for (struct dirent *entry; (entry = readdir(open));)
        count += entry->d_name[0] != '.';
    closedir(open);
    return count;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put(const char *text)
{
    struct whole whole;
    struct error error;
    assert_int_equal(whole_open(&whole, path, &error), 0);
    fputs(text, whole.stream);
    assert_int_equal(whole_commit(&whole, &error), 0);
}

static void assert_content(const char *wanted)
{
    char text[100] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) < sizeof text - 1);
    fclose(file);
    assert_string_equal(text, wanted);
}

static void a_file_takes_the_place_of_the_old_one(void **state)
{
    (void)state;
    put("one\n");
    assert_content("one\n");
    put("two\n");
    assert_content("two\n");
    struct error error;
    assert_int_equal(whole_write(path, "three\n", 6, &error), 0);
    assert_content("three\n");
    assert_int_equal(whole_write(path, NULL, 0, &error), 0);
    assert_content("");
    assert_int_equal(whole_write("/no/such/folder/file", "", 1, &error), -1);
    assert_int_equal(entries(), 1);
}

static void what_is_no_file_is_not_replaced(void **state)
{
    (void)state;
    struct whole whole;
    struct error error;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(whole_open(&whole, path, &error), -1);
    assert_non_null(strstr(error.text, "not a file"));
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    assert_int_equal(whole_open(&whole, folder, &error), -1);
    assert_non_null(strstr(error.text, "a folder"));
    assert_int_equal(entries(), 1);
}

static void a_link_stays_and_its_file_is_replaced(void **state)
{
    (void)state;
    char target[sizeof path + 8];
    snprintf(target, sizeof target, "%s.target", path);
    FILE *file = fopen(target, "we");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(symlink(target, path), 0);
    put("new\n");
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_content("new\n");
    unlink(target);
}

static void nobody_sees_it_before_the_commit(void **state)
{
    (void)state;
    struct whole whole;
    struct error error;
    put("old");
    assert_int_equal(whole_open(&whole, path, &error), 0);
    fputs("new", whole.stream);
    fflush(whole.stream);
    assert_content("old");
    whole_abandon(&whole);
    whole_abandon(&whole);
    assert_content("old");
    assert_int_equal(entries(), 1);
}

static void a_full_disk_is_told_at_the_commit(void **state)
{
    (void)state;
    struct whole whole;
    struct error error = {0};
    put("old");
    assert_int_equal(whole_open(&whole, path, &error), 0);
    assert_non_null(freopen("/dev/full", "we", whole.stream));
    fputs("new", whole.stream);
    assert_int_equal(whole_commit(&whole, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_non_null(strstr(error.text, path));
    assert_content("old");
    assert_int_equal(entries(), 1);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct whole whole;
    struct error error;
    assert_int_equal(whole_open(&whole, "/no/such/folder/file", &error), -1);
    assert_non_null(strstr(error.text, "/no/such/folder/file"));
    whole_abandon(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_takes_the_place_of_the_old_one, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_not_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_stays_and_its_file_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_sees_it_before_the_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_at_the_commit, setup, teardown),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests_name("common/whole", tests, NULL, NULL);
}
