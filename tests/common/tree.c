/*
 * Folders that models leave behind. Some tests are about permissions, which root does not feel:
 * where root runs them, a child process does so as nobody.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/tree.h"
#include "common/umask.h"

#define NOBODY 65534

static char root[64];
static int root_fd;

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/beofarm-test-tree-XXXXXX");
    if (!mkdtemp(root) || chmod(root, 0777) < 0)
        return -1;
    root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    close(root_fd);
    return tree_remove(AT_FDCWD, root);
}

static bool is_there(const char *name)
{
    return faccessat(root_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void lay_file(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

/* root/doomed with `depth` folders in it, each inside the one before. */
static void lay_nested(unsigned depth)
{
    int at = root_fd;
    assert_int_equal(mkdirat(at, "doomed", 0777), 0);
    at = openat(at, "doomed", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(at, "inner", 0777), 0);
        int next = openat(at, "inner", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    lay_file(at, "bottom");
    close(at);
}

static void what_is_not_there_is_removed(void **state)
{
    (void)state;
    assert_int_equal(tree_remove(root_fd, "nothing"), 0);
    assert_int_equal(tree_remove(root_fd, "nothing/below"), 0);
}

static void a_parent_that_is_a_file_is_an_error(void **state)
{
    (void)state;
    lay_file(root_fd, "file");
    assert_int_equal(tree_remove(root_fd, "file/below"), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(tree_sync(root_fd, "file/below"), -1);
    assert_int_equal(tree_remove(root_fd, "file"), 0);
    assert_false(is_there("file"));
}

static void links_are_removed_and_not_followed(void **state)
{
    (void)state;
    mkdirat(root_fd, "kept", 0777);
    lay_file(root_fd, "kept/file");
    mkdirat(root_fd, "doomed", 0777);
    assert_int_equal(symlinkat("../kept", root_fd, "doomed/to-folder"), 0);
    assert_int_equal(symlinkat("../kept/file", root_fd, "doomed/to-file"), 0);
    assert_int_equal(symlinkat("nowhere", root_fd, "doomed/to-nothing"), 0);
    assert_int_equal(tree_sync(root_fd, "doomed"), 0);
    assert_int_equal(tree_remove(root_fd, "doomed"), 0);
    assert_false(is_there("doomed"));
    assert_int_equal(symlinkat("kept", root_fd, "link"), 0);
    assert_int_equal(tree_remove(root_fd, "link"), 0);
    assert_false(is_there("link"));
    assert_true(is_there("kept/file"));
}

/* More than a process may have open, and with a path longer than any that the system takes. */
static void thousands_of_folders_inside_each_other_are_removed(void **state)
{
    (void)state;
    lay_nested(3000);
    assert_int_equal(tree_remove(root_fd, "doomed"), 0);
    assert_false(is_there("doomed"));
}

static void names_that_moved_folders_would_get_may_be_taken(void **state)
{
    (void)state;
    lay_nested(200);
    lay_file(root_fd, "doomed/.beofarm-removing-0");
    mkdirat(root_fd, "doomed/.beofarm-removing-1", 0777);
    assert_int_equal(tree_remove(root_fd, "doomed"), 0);
    assert_false(is_there("doomed"));
}

/* More than one reading of the folder tells of. */
static void thousands_of_files_are_removed(void **state)
{
    (void)state;
    char name[32];
    mkdirat(root_fd, "doomed", 0777);
    lay_file(root_fd, "doomed/0");
    for (int i = 1; i < 5000; i++) {
        snprintf(name, sizeof name, "doomed/%d", i);
        assert_int_equal(linkat(root_fd, "doomed/0", root_fd, name, 0), 0);
    }
    assert_int_equal(tree_remove(root_fd, "doomed"), 0);
    assert_false(is_there("doomed"));
}

static void names_may_hold_any_byte(void **state)
{
    (void)state;
    mkdirat(root_fd, "doomed", 0777);
    mkdirat(root_fd, "doomed/two\nlines", 0777);
    lay_file(root_fd, "doomed/two\nlines/\xff\x01 -rf *");
    lay_file(root_fd, "doomed/...");
    lay_file(root_fd, "doomed/..hidden");
    assert_int_equal(tree_sync(root_fd, "doomed"), 0);
    assert_int_equal(tree_remove(root_fd, "doomed"), 0);
    assert_false(is_there("doomed"));
}

static void removal_in_portions_comes_to_an_end(void **state)
{
    (void)state;
    int portions = 1;
    lay_nested(300);
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "doomed/%d", i);
        lay_file(root_fd, name);
    }
    while (tree_remove_some(root_fd, "doomed", 1) == 1 && portions < 10000)
        portions++;
    assert_false(is_there("doomed"));
    /* A folder that became empty goes without being counted. */
    assert_in_range(portions, 21, 330);
}

static void what_folders_without_permissions_hold_is_removed_too(void)
{
    static const mode_t modes[] = {0, 0100, 0200, 0400, 0500, 0300};
    char name[64];
    mkdirat(root_fd, "doomed", 0777);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        snprintf(name, sizeof name, "doomed/%03o", modes[i]);
        mkdirat(root_fd, name, 0777);
        strcat(name, "/file");
        lay_file(root_fd, name);
        *strrchr(name, '/') = 0;
        strcat(name, "/inner");
        mkdirat(root_fd, name, modes[i]);
        *strrchr(name, '/') = 0;
        fchmodat(root_fd, name, modes[i], 0);
    }
    fchmodat(root_fd, "doomed", 0, 0);
    assert_int_equal(tree_remove(root_fd, "doomed"), 0);
    assert_false(is_there("doomed"));
}

/* Folders that are moved up need the permission to be written. */
static void deep_folders_without_permissions_are_removed_too(void)
{
    int at = root_fd;
    lay_nested(150);
    for (int i = 0; i < 150; i++) {
        int next = openat(at, i ? "inner" : "doomed", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fchmod(next, 0555);
        if (at != root_fd)
            close(at);
        at = next;
    }
    close(at);
    assert_int_equal(tree_remove(root_fd, "doomed"), 0);
    assert_false(is_there("doomed"));
}

/* The folder of a link is not ours to open up. */
static void permissions_outside_stay_as_they_are(void)
{
    struct stat stat;
    mkdirat(root_fd, "kept", 0777);
    fchmodat(root_fd, "kept", 0, 0);
    mkdirat(root_fd, "doomed", 0777);
    assert_int_equal(symlinkat("../kept", root_fd, "doomed/link"), 0);
    assert_int_equal(tree_remove(root_fd, "doomed"), 0);
    assert_int_equal(fstatat(root_fd, "kept", &stat, 0), 0);
    assert_int_equal(stat.st_mode & 0777, 0);
}

/* Failed assertions end the child with a status that is not 0. */
static void run_without_privileges(void (*test)(void))
{
    int status;
    if (geteuid() != 0) {
        test();
        return;
    }
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
            _exit(99);
        test();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void permissions_do_not_stop_a_removal(void **state)
{
    (void)state;
    run_without_privileges(what_folders_without_permissions_hold_is_removed_too);
    run_without_privileges(deep_folders_without_permissions_are_removed_too);
    run_without_privileges(permissions_outside_stay_as_they_are);
}

static void remove_all_but_what_is_foreign(void)
{
    mkdirat(root_fd, "doomed/full", 0777);
    lay_file(root_fd, "doomed/a");
    lay_file(root_fd, "doomed/full/file");
    lay_file(root_fd, "doomed/z");
    assert_int_equal(tree_remove(root_fd, "doomed"), -1);
    assert_int_equal(errno, EACCES);
    assert_false(is_there("doomed/a"));
    assert_false(is_there("doomed/full"));
    assert_false(is_there("doomed/z"));
    assert_true(is_there("doomed/foreign/file"));
}

/* A folder of somebody else's with something in it cannot be emptied; all else can. */
static void what_cannot_be_removed_does_not_keep_the_rest(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can give a folder away */
    mkdirat(root_fd, "doomed", 0777);
    mkdirat(root_fd, "doomed/foreign", 0755);
    lay_file(root_fd, "doomed/foreign/file");
    run_without_privileges(remove_all_but_what_is_foreign);
}

static void folders_too_deep_to_sync_are_refused(void **state)
{
    (void)state;
    lay_nested(TREE_SYNC_DEPTH - 1); /* and the outermost */
    assert_int_equal(tree_sync(root_fd, "doomed"), 0);
    assert_int_equal(tree_remove(root_fd, "doomed"), 0);
    lay_nested(TREE_SYNC_DEPTH);
    assert_int_equal(tree_sync(root_fd, "doomed"), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(tree_sync(root_fd, "nothing"), -1);
    assert_int_equal(errno, ENOENT);
}

static void folders_are_made_with_those_above_them(void **state)
{
    (void)state;
    char path[128];
    struct error error;
    snprintf(path, sizeof path, "%s/a//b/./c/", root);
    assert_int_equal(tree_make(path, &error), 0);
    assert_int_equal(tree_make(path, &error), 0);
    assert_true(is_there("a/b/c"));
    assert_int_equal(tree_make("/", &error), 0);
}

static void where_a_file_stands_no_folder_is_made(void **state)
{
    (void)state;
    char path[128];
    struct error error;
    lay_file(root_fd, "file");
    snprintf(path, sizeof path, "%s/file", root);
    assert_int_equal(tree_make(path, &error), -1);
    assert_non_null(strstr(error.text, path));
    strcat(path, "/below");
    assert_int_equal(tree_make(path, &error), -1);
    assert_int_equal(tree_make("", &error), -1);
}

static void what_new_files_may_is_read_and_stays(void **state)
{
    static const mode_t masks[] = {0, 022, 0147, 0777};
    (void)state;
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        umask(masks[i]);
        assert_int_equal(umask_get(), masks[i]);
        assert_int_equal(umask(0), masks[i]);
    }
}

int main(void)
{
    umask(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_there_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_parent_that_is_a_file_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(links_are_removed_and_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(thousands_of_folders_inside_each_other_are_removed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_moved_folders_would_get_may_be_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(thousands_of_files_are_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(names_may_hold_any_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(removal_in_portions_comes_to_an_end, setup, teardown),
        cmocka_unit_test_setup_teardown(permissions_do_not_stop_a_removal, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_removed_does_not_keep_the_rest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(folders_too_deep_to_sync_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_are_made_with_those_above_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(where_a_file_stands_no_folder_is_made, setup, teardown),
        cmocka_unit_test(what_new_files_may_is_read_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
