/* Output files that go to the container with a master, and come back with the next. */
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

#include "common/tree.h"
#include "master/ship.h"
#include "tests/launch/azure/mock_blob.h"

struct bench {
    struct mock_blob mock;
    struct container *container;
    char folder[64], one[128], two[128]; /* run directories */
    struct error error;
};

static int bench_open(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    char store[256];
    mock_blob_start(&bench->mock);
    snprintf(store, sizeof(store), "blob:%s/farm?sig=c2VjcmV0", server_url(bench->mock.server));
    bench->container = container_open(store, "run-1", NULL, &bench->error);
    assert_non_null(bench->container);
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/beofarm-ship-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->one, sizeof(bench->one), "%s/one", bench->folder);
    snprintf(bench->two, sizeof(bench->two), "%s/two", bench->folder);
    assert_int_equal(mkdir(bench->one, 0777), 0);
    assert_int_equal(mkdir(bench->two, 0777), 0);
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;
    container_close(bench->container);
    mock_blob_stop(&bench->mock);
    tree_remove(AT_FDCWD, bench->folder);
    free(bench);
    return 0;
}

static void file_make(const char *dir, const char *name, const char *text)
{
    char path[512];
    struct error error;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    *strrchr(path, '/') = '\0';
    assert_int_equal(tree_make(path, &error), 0);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static const char *file_read(const char *dir, const char *name)
{
    static char text[64];
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDONLY);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = '\0';
    return size < 0 ? NULL : text;
}

static void output_files_move_with_the_master(void **state)
{
    struct bench *bench = *state;
    file_make(bench->one, "out/17/a", "first");
    file_make(bench->one, "out/17/deep/er/b", "second");
    file_make(bench->one, "out/17/.hidden", "third");
    char link[256];
    snprintf(link, sizeof(link), "%s/out/17/link", bench->one);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(ship_folder(bench->container, bench->one, "out/17", &bench->error), 0);
    assert_int_equal(ship_folder(bench->container, bench->one, "out/18", &bench->error), 0);
    assert_non_null(mock_blob_find(&bench->mock, "farm", "run-1/out/17/deep/er/b"));
    assert_null(mock_blob_find(&bench->mock, "farm", "run-1/out/17/link"));
    assert_int_equal(ship_outputs_back(bench->container, bench->two, &bench->error), 0);
    assert_string_equal(file_read(bench->two, "out/17/a"), "first");
    assert_string_equal(file_read(bench->two, "out/17/deep/er/b"), "second");
    assert_string_equal(file_read(bench->two, "out/17/.hidden"), "third");
}

static void what_is_there_is_not_fetched_again(void **state)
{
    struct bench *bench = *state;
    file_make(bench->one, "out/1/a", "12345");
    assert_int_equal(ship_folder(bench->container, bench->one, "out/1", &bench->error), 0);
    file_make(bench->two, "out/1/a", "54321");
    assert_int_equal(ship_outputs_back(bench->container, bench->two, &bench->error), 0);
    assert_string_equal(file_read(bench->two, "out/1/a"), "54321");
    file_make(bench->two, "out/1/a", "cut");
    assert_int_equal(ship_outputs_back(bench->container, bench->two, &bench->error), 0);
    assert_string_equal(file_read(bench->two, "out/1/a"), "12345");
}

static void names_that_lead_elsewhere_are_left(void **state)
{
    static const char *const names[] = {
        "run-1/out/master/case.rec", "run-1/out/../evil", "run-1/out/1/../../evil",
        "run-1/out/1//evil",         "run-1/out/evil",    "run-1/out/1x/evil",
        "run-1/out/1/./evil",        "run-1/outputs/1/x", "run-2/out/1/x"};
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        mock_blob_set(&bench->mock, "farm", names[i], "x", 1);
    assert_int_equal(ship_outputs_back(bench->container, bench->two, &bench->error), 0);
    assert_int_equal(rmdir(bench->two), 0); /* nothing was made in it */
    assert_null(file_read(bench->folder, "evil"));
}

static void a_refusal_is_told(void **state)
{
    struct bench *bench = *state;
    file_make(bench->one, "out/1/a", "x");
    bench->mock.faults = (struct mock_faults){.count = 100, .fault = MOCK_FORBIDDEN};
    assert_int_equal(ship_folder(bench->container, bench->one, "out/1", &bench->error), -1);
    assert_null(strstr(bench->error.text, "c2VjcmV0"));
    assert_int_equal(ship_outputs_back(bench->container, bench->two, &bench->error), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        TEST(output_files_move_with_the_master),
        TEST(what_is_there_is_not_fetched_again),
        TEST(names_that_lead_elsewhere_are_left),
        TEST(a_refusal_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
