#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/worker/runner_rig.h"
#include "worker/inside.h"

static struct rig rig;
static struct workdir *workdir;

static int setup(void **state)
{
    struct error error;
    (void)state;
    rig_open_place(&rig, NULL);
    workdir = workdir_create(rig.place, 0, (struct attempt_id){5, 2}, &error);
    assert_non_null(workdir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    workdir_destroy(workdir);
    rig_close(&rig);
    return 0;
}

static void make(const char *path)
{
    struct error error;
    assert_int_equal(inside_make_parents(workdir_fd(workdir), path, &error), 0);
    int fd = openat(workdir_fd(workdir), path, O_WRONLY | O_CREAT, 0640);
    assert_true(fd >= 0);
    close(fd);
}

static void paths_that_lead_out_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "/etc/passwd", "..", "a/../../b", ".", "./"};
    struct error error;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(workdir_write(workdir, bad[i], "x", 1, 0644, &error), -1);
        assert_int_equal(workdir_open_file(workdir, bad[i], &error), -1);
        assert_int_equal(workdir_collect(workdir, &bad[i], 1, &error), -1);
    }
}

static void links_do_not_lead_out(void **state)
{
    (void)state;
    struct error error;
    const char *globs[] = {"etc/*", "**/passwd", "file"};
    symlinkat("/etc", workdir_fd(workdir), "etc");
    symlinkat("/etc/passwd", workdir_fd(workdir), "file");
    assert_int_equal(workdir_open_file(workdir, "etc/passwd", &error), -1);
    assert_int_equal(workdir_open_file(workdir, "file", &error), -1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(workdir_collect(workdir, &globs[i], 1, &error), -1);
        assert_non_null(strstr(error.text, globs[i]));
    }
    assert_int_equal(workdir_collect_path(workdir, "etc/passwd", &error), -1);
    workdir_destroy(workdir);
    workdir = NULL;
    assert_int_equal(access("/etc/passwd", R_OK), 0);
}

static void a_fifo_is_no_output(void **state)
{
    (void)state;
    struct error error;
    const char *glob = "*";
    assert_int_equal(mkfifoat(workdir_fd(workdir), "fifo", 0600), 0);
    assert_int_equal(workdir_open_file(workdir, "fifo", &error), -1);
    assert_int_equal(workdir_collect(workdir, &glob, 1, &error), -1);
}

static void globs_find_what_they_name_each_once(void **state)
{
    (void)state;
    struct error error;
    static const char *const files[] = {"a.csv",       "b c.csv",      "new\nline.csv",
                                        ".hidden.csv", "x/d.csv",      "x/y/e.csv",
                                        "x/.h/f.csv",  "\xc3\xa4.csv", "z.txt"};
    static const struct {
        const char *glob;
        size_t count;
    } cases[] = {{"*.csv", 4},       {"**/*.csv", 6},  {"x/**", 2},
                 {"?.txt", 1},       {"[ab]*.csv", 2}, {"x/y/../../a.csv", 0},
                 {"**/**/e.csv", 1}, {".*.csv", 1},    {"b c.csv", 1}};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        make(files[i]);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        /* A fresh workdir on the same files would be empty, so count what is new. */
        struct workdir *other =
            workdir_create(rig.place, 1, (struct attempt_id){i + 1, 1}, &error);
        for (size_t j = 0; j < sizeof(files) / sizeof(*files); j++) {
            inside_make_parents(workdir_fd(other), files[j], &error);
            close(openat(workdir_fd(other), files[j], O_WRONLY | O_CREAT, 0640));
        }
        int rc = workdir_collect(other, &cases[i].glob, 1, &error);
        assert_int_equal(rc, cases[i].count ? 0 : -1);
        assert_int_equal(workdir_output_count(other), cases[i].count);
        workdir_destroy(other);
    }
}

static void inputs_are_outputs_only_when_changed_or_named(void **state)
{
    (void)state;
    struct error error;
    const char *star = "*.in", *name = "k.in";
    assert_int_equal(workdir_write(workdir, "k.in", "x", 1, 0644, &error), 0);
    assert_int_equal(workdir_collect(workdir, &star, 1, &error), -1);
    assert_int_equal(workdir_collect(workdir, &name, 1, &error), 0);
    assert_int_equal(utimensat(workdir_fd(workdir), "k.in", NULL, 0), 0);
    assert_int_equal(workdir_collect(workdir, &star, 1, &error), 0);
    assert_int_equal(workdir_output_count(workdir), 1);
}

static void large_and_empty_files_come_in_pieces(void **state)
{
    (void)state;
    struct error error;
    struct output_piece piece;
    const char *star = "*";
    uint64_t total = 0;
    size_t pieces = 0;
    make("empty");
    make("large");
    int fd = openat(workdir_fd(workdir), "large", O_WRONLY);
    assert_int_equal(ftruncate(fd, 2 * MESSAGE_CHUNK + 1), 0);
    close(fd);
    assert_int_equal(workdir_collect(workdir, &star, 1, &error), 0);
    while (workdir_next_piece(workdir, &piece, &error) == 1) {
        assert_int_equal(piece.id.task, 5);
        assert_int_equal(piece.mode, 0640);
        total += piece.size;
        pieces++;
    }
    assert_int_equal(pieces, 4);
    assert_int_equal(total, 2 * MESSAGE_CHUNK + 1);
}

static void files_are_linked_where_they_can_be(void **state)
{
    (void)state;
    struct error error;
    struct stat near, own;
    struct output_link link;
    struct output_piece piece;
    const char *star = "[abc]";
    make("a");
    make("b");
    make("c");
    assert_int_equal(linkat(workdir_fd(workdir), "b", workdir_fd(workdir), "other", 0), 0);
    assert_int_equal(workdir_collect(workdir, &star, 1, &error), 0);
    assert_int_equal(mkdirat(workdir_fd(workdir), "near", 0700), 0);
    int near_fd = openat(workdir_fd(workdir), "near", O_RDONLY | O_DIRECTORY);
    assert_true(workdir_link_next(workdir, near_fd, "me", &link));
    assert_string_equal(link.name, "5.2.me.0");
    assert_int_equal(link.id.task, 5);
    assert_int_equal(link.mode, 0640);
    assert_memory_equal(link.path, "a", link.path_size);
    assert_int_equal(fstatat(near_fd, link.name, &near, 0), 0);
    assert_int_equal(fstatat(workdir_fd(workdir), "a", &own, 0), 0);
    assert_true(near.st_ino == own.st_ino);
    /* One with another name may change by that. */
    assert_false(workdir_link_next(workdir, near_fd, "me", &link));
    assert_int_equal(workdir_next_piece(workdir, &piece, &error), 1);
    assert_memory_equal(piece.path, "b", piece.path_size);
    assert_true(workdir_link_next(workdir, near_fd, "me", &link));
    assert_string_equal(link.name, "5.2.me.2");
    assert_false(workdir_link_next(workdir, near_fd, "me", &link));
    assert_int_equal(workdir_next_piece(workdir, &piece, &error), 0);
    /* Once more, by another link: what the master did not take goes in pieces, and does not stay
     * there. */
    workdir_rewind(workdir);
    assert_false(workdir_link_next(workdir, near_fd, "me", &link));
    assert_int_equal(faccessat(near_fd, "5.2.me.0", F_OK, 0), -1);
    assert_true(workdir_link_next(workdir, near_fd, "me", &link));
    close(near_fd);
}

static void a_file_that_somebody_may_still_write_to_is_not_linked(void **state)
{
    (void)state;
    struct error error;
    struct output_link link;
    struct output_piece piece;
    const char *name = "log";
    make("log");
    int writer = openat(workdir_fd(workdir), "log", O_WRONLY | O_APPEND);
    assert_int_equal(workdir_collect(workdir, &name, 1, &error), 0);
    assert_int_equal(mkdirat(workdir_fd(workdir), "near", 0700), 0);
    int near_fd = openat(workdir_fd(workdir), "near", O_RDONLY | O_DIRECTORY);
    assert_false(workdir_link_next(workdir, near_fd, "me", &link));
    assert_int_equal(workdir_next_piece(workdir, &piece, &error), 1);
    assert_memory_equal(piece.path, "log", piece.path_size);
    workdir_rewind(workdir);
    close(writer);
    assert_true(workdir_link_next(workdir, near_fd, "me", &link));
    close(near_fd);
}

static void many_files_are_removed_aside(void **state)
{
    (void)state;
    struct stat stat_buffer;
    struct error error;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "f%d", i);
        close(openat(workdir_fd(workdir), name, O_WRONLY | O_CREAT, 0600));
    }
    mkdirat(workdir_fd(workdir), "locked", 0000);
    workdir_destroy(workdir);
    workdir = NULL;
    assert_int_equal(stat(rig_path(&rig, "work/slot-0/work-1"), &stat_buffer), -1);
    workdir = workdir_create(rig.place, 0, (struct attempt_id){5, 2}, &error);
    assert_non_null(workdir);
}

/* End the task and begin another. Returns whether it has the same directory. */
static bool begin_next(void)
{
    struct stat before, after;
    struct error error;
    assert_int_equal(fstat(workdir_fd(workdir), &before), 0);
    workdir_destroy(workdir);
    workdir = workdir_create(rig.place, 0, (struct attempt_id){6, 1}, &error);
    assert_non_null(workdir);
    assert_int_equal(fstat(workdir_fd(workdir), &after), 0);
    struct stat named;
    assert_int_equal(stat(workdir_path(workdir), &named), 0);
    assert_int_equal(named.st_ino, after.st_ino);
    return before.st_ino == after.st_ino;
}

static void an_empty_directory_serves_the_next_task(void **state)
{
    char path[PATH_MAX];
    (void)state;
    snprintf(path, sizeof(path), "%s", workdir_path(workdir));
    assert_true(begin_next());
    assert_string_equal(workdir_path(workdir), path);
}

static void a_directory_that_is_not_as_it_was_made_serves_nobody(void **state)
{
    char path[PATH_MAX], moved[PATH_MAX + 8];
    (void)state;
    snprintf(path, sizeof(path), "%s", workdir_path(workdir));
    make("left");
    begin_next();
    assert_string_not_equal(workdir_path(workdir), path);

    snprintf(path, sizeof(path), "%s", workdir_path(workdir));
    fchmod(workdir_fd(workdir), 0500);
    begin_next();
    assert_string_not_equal(workdir_path(workdir), path);

    snprintf(path, sizeof(path), "%s", workdir_path(workdir));
    snprintf(moved, sizeof(moved), "%s-moved", path);
    assert_int_equal(rename(path, moved), 0);
    begin_next();
    assert_string_not_equal(workdir_path(workdir), path);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(paths_that_lead_out_are_refused),
        T(links_do_not_lead_out),
        T(a_fifo_is_no_output),
        T(globs_find_what_they_name_each_once),
        T(inputs_are_outputs_only_when_changed_or_named),
        T(large_and_empty_files_come_in_pieces),
        T(files_are_linked_where_they_can_be),
        T(a_file_that_somebody_may_still_write_to_is_not_linked),
        T(many_files_are_removed_aside),
        T(an_empty_directory_serves_the_next_task),
        T(a_directory_that_is_not_as_it_was_made_serves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
