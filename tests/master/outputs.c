#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/near.h"
#include "common/tree.h"
#include "common/whole.h"
#include "master/outputs.h"

struct place {
    char folder[64];
    struct outputs *outputs;
};

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void place_open(struct place *place)
{
    struct error error = {0};

    place->outputs = outputs_open(place->folder, &error);
    assert_non_null(place->outputs);
}

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    strcpy(place->folder, "/tmp/beofarm-outputs-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    place_open(place);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    outputs_close(place->outputs);
    nftw(place->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(place);
    return 0;
}

static struct output_piece piece_of(const char *path, const char *bytes)
{
    return (struct output_piece){.id = {7, 1},
                                 .path = path,
                                 .path_size = strlen(path),
                                 .mode = 0644,
                                 .total_size = strlen(bytes),
                                 .bytes = bytes,
                                 .size = strlen(bytes)};
}

static int add(struct place *place, const struct output_piece *piece, struct error *ret_error)
{
    return outputs_add(place->outputs, 1, piece, ret_error);
}

static void adds(struct place *place, struct output_piece piece)
{
    struct error error = {0};

    if (add(place, &piece, &error) < 0)
        fail_msg("%s", error.text);
}

static void refuses(struct place *place, struct output_piece piece)
{
    struct error error = {0};

    assert_int_equal(add(place, &piece, &error), -1);
    assert_int_equal(error.code, ERROR_NETWORK);
    assert_non_null(strstr(error.text, "task 7"));
}

/* The text of RUN_DIR/PATH, NULL if it is not there. */
static const char *content(const struct place *place, const char *path)
{
    static char text[256];
    char full[512];
    FILE *file;
    size_t size;

    snprintf(full, sizeof full, "%s/%s", place->folder, path);
    file = fopen(full, "r");
    if (!file)
        return NULL;
    size = fread(text, 1, sizeof text - 1, file);
    text[size] = 0;
    fclose(file);
    return text;
}

static struct journal_row row_of(uint64_t task, uint32_t files)
{
    return (struct journal_row){
        .ended = true, .worker_id = 1, .result = {.id = {task, 1}, .output_files = files}};
}

static void prepares(struct place *place, const struct journal_row *rows, size_t count)
{
    struct error error = {0};

    if (outputs_prepare(place->outputs, rows, count, &error) < 0)
        fail_msg("%s", error.text);
}

/* --- linked files --- */

static cJSON *offer(struct place *place)
{
    cJSON *job = cJSON_CreateObject();

    outputs_offer_near(place->outputs, job);
    return job;
}

/* Lay a file of this text, as a worker links it. */
static void near_write(const struct place *place, const char *name, const char *text)
{
    char path[256];
    struct error error;

    snprintf(path, sizeof path, "%s/near/%s", place->folder, name);
    assert_int_equal(whole_write(path, text, strlen(text), &error), 0);
}

static struct output_link link_of(const char *path, const char *name, uint64_t size)
{
    return (struct output_link){.id = {7, 1},
                                .path = path,
                                .path_size = strlen(path),
                                .mode = 0644,
                                .total_size = size,
                                .name = name,
                                .name_size = strlen(name)};
}

static void takes_what_was_linked(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    const struct journal_row row = row_of(7, 3);
    cJSON *job = offer(place);
    const struct output_link first = link_of("sub/a.txt", "n1", 3),
                             second = link_of("b.txt", "n2", 0);

    int fd = near_open(job);
    assert_true(fd >= 0);
    close(fd);
    cJSON_Delete(job);
    near_write(place, "n1", "one");
    near_write(place, "n2", "");
    assert_int_equal(outputs_take(place->outputs, 1, &first, &error), 0);
    adds(place, piece_of("c.txt", "in pieces"));
    assert_int_equal(outputs_take(place->outputs, 1, &second, &error), 0);
    assert_int_equal(outputs_seal(place->outputs, 1, row.result.id, 3, &error), 0);
    prepares(place, &row, 1);
    assert_string_equal(content(place, "out/7/sub/a.txt"), "one");
    assert_string_equal(content(place, "out/7/b.txt"), "");
    assert_string_equal(content(place, "out/7/c.txt"), "in pieces");
    assert_null(content(place, "near/n1"));
}

static void linked_files_have_the_permissions_that_were_said_within_the_umask(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    struct stat status;
    char path[256];
    struct output_link link = link_of("a", "n", 4);

    link.mode = 0666;
    cJSON_Delete(offer(place));
    near_write(place, "n", "four");
    snprintf(path, sizeof path, "%s/near/n", place->folder);
    assert_int_equal(chmod(path, 06644), 0);
    assert_int_equal(outputs_take(place->outputs, 1, &link, &error), 0);
    snprintf(path, sizeof path, "%s/out/.partial/7.1.1/a", place->folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
}

/* In place of libc's: NFS has none. */
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    (void)from_fd;
    (void)from;
    (void)to_fd;
    (void)to;
    (void)flags;
    errno = EINVAL;
    return -1;
}

static void takes_what_was_linked_where_moves_replace(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    const struct output_link link = link_of("a", "n", 4);

    cJSON_Delete(offer(place));
    near_write(place, "n", "four");
    if (outputs_take(place->outputs, 1, &link, &error) < 0)
        fail_msg("%s", error.text);
    assert_string_equal(content(place, "out/.partial/7.1.1/a"), "four");
    assert_null(content(place, "near/n"));
}

static void takes_what_cannot_be_moved_by_copying_it(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    struct stat here, there;
    char out[256], other[] = "/dev/shm/beofarm-out-XXXXXX";
    const struct output_link link = link_of("sub/a", "n", 4);
    const struct journal_row row = row_of(7, 1);

    assert_non_null(mkdtemp(other));
    cJSON_Delete(offer(place));
    near_write(place, "n", "four");
    snprintf(out, sizeof out, "%s/out", place->folder);
    assert_int_equal(symlink(other, out), 0);
    assert_int_equal(stat(place->folder, &here), 0);
    assert_int_equal(stat(other, &there), 0);
    int rc = outputs_take(place->outputs, 1, &link, &error);
    if (rc == 0)
        rc = outputs_seal(place->outputs, 1, row.result.id, 1, &error);
    if (rc == 0)
        prepares(place, &row, 1);
    const char *text = content(place, "out/7/sub/a");
    bool came = text && strcmp(text, "four") == 0, left = content(place, "near/n") != NULL;
    outputs_close(place->outputs); /* before the folder that it uses goes */
    place->outputs = NULL;
    unlink(out);
    tree_remove(AT_FDCWD, other);
    if (rc < 0)
        fail_msg("%s", error.text);
    assert_true(came);
    assert_false(left);
    if (here.st_dev == there.st_dev)
        skip(); /* it was moved */
}

static void refuses_links(struct place *place, struct output_link link)
{
    struct error error = {0};

    assert_int_equal(outputs_take(place->outputs, 1, &link, &error), -1);
    assert_int_equal(error.code, ERROR_NETWORK);
    assert_non_null(strstr(error.text, "task 7"));
}

static void refuses_what_was_not_linked_well(void **state)
{
    struct place *place = *state;
    char path[256];

    refuses_links(place, link_of("a", "n", 1)); /* nothing was offered */
    cJSON_Delete(offer(place));
    refuses_links(place, link_of("a", "n", 1));
    near_write(place, "n", "four");
    refuses_links(place, link_of("a", "n", 3));
    refuses_links(place, link_of("../a", "n", 4));
    snprintf(path, sizeof path, "%s/near/l", place->folder);
    assert_int_equal(symlink("n", path), 0);
    refuses_links(place, link_of("a", "l", 4));
    snprintf(path, sizeof path, "%s/near/f", place->folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuses_links(place, link_of("a", "f", 0));
    adds(place, piece_of("a", "here already"));
    refuses_links(place, link_of("a", "n", 4));
    struct output_piece half = piece_of("half", "of it");
    half.total_size = 10;
    adds(place, half);
    refuses_links(place, link_of("b", "n", 4)); /* the file before it is not whole */
}

static void nothing_of_links_stays(void **state)
{
    struct place *place = *state;
    const struct output_link link = link_of("a", "n", 4);

    cJSON_Delete(offer(place));
    near_write(place, "n", "four");
    near_write(place, "m", "four");
    outputs_refuse(place->outputs, &link);
    assert_null(content(place, "near/n"));
    outputs_close(place->outputs);
    assert_null(content(place, "near/m"));
    place_open(place);
}

static void refuses_paths_that_lead_out(void **state)
{
    static const char *const paths[] = {
        "/etc/passwd", "..", "../x", "a/../../x", "a/..",   "a//b", "a/./b",
        ".",           "a/", "./a",  "",          "a/../b", "/"};
    char deep[400] = "a", wide[300];

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        refuses(*state, piece_of(paths[i], "x"));
    for (int i = 0; i < 70; i++)
        strcat(deep, "/a");
    refuses(*state, piece_of(deep, "x"));
    memset(wide, 'w', sizeof wide);
    wide[256] = 0;
    refuses(*state, piece_of(wide, "x"));
    struct output_piece nul = piece_of("abc", "x");
    nul.path = "a\0c";
    refuses(*state, nul);
    nul.path_size = MESSAGE_PATH_MAX + 1;
    refuses(*state, nul);
}

static void follows_no_symbolic_link(void **state)
{
    struct place *place = *state;
    char link_path[256], target[256];

    adds(place, piece_of("a/first", "1"));
    snprintf(target, sizeof target, "%s/elsewhere", place->folder);
    assert_int_equal(mkdir(target, 0700), 0);
    snprintf(link_path, sizeof link_path, "%s/out/.partial/7.1.1/a/link", place->folder);
    assert_int_equal(symlink(target, link_path), 0);
    refuses(place, piece_of("a/link", "2"));
    struct output_piece through = piece_of("a/link/x", "3");
    struct error error = {0};
    assert_int_equal(add(place, &through, &error), -1);
    assert_null(content(place, "elsewhere/x"));
}

static void refuses_pieces_out_of_order(void **state)
{
    struct place *place = *state;
    struct output_piece piece = piece_of("a", "12345");

    piece.offset = 1; /* does not begin at 0, and passes the end */
    refuses(place, piece);
    piece.total_size = 100;
    refuses(place, piece); /* does not begin at 0 */
    piece.offset = 0;
    piece.size = 0;
    refuses(place, piece); /* empty, though the file is not */
    piece.size = 5;
    adds(place, piece);
    refuses(place, piece_of("b", "x")); /* a is not whole */
    refuses(place, piece);              /* the same again */
    piece.offset = 6;
    refuses(place, piece); /* a gap */
    piece.offset = 5;
    piece.total_size = 99;
    refuses(place, piece); /* another size */
    piece.total_size = UINT64_MAX;
    piece.offset = UINT64_MAX - 2;
    refuses(place, piece);
}

static void refuses_a_file_twice(void **state)
{
    adds(*state, piece_of("a", "1"));
    refuses(*state, piece_of("a", "2"));
    refuses(*state, piece_of("a/b", "2")); /* a is a file */
    adds(*state, piece_of("c/d", "1"));
    refuses(*state, piece_of("c", "2")); /* c is a folder */
}

static void a_result_must_speak_of_the_files_that_came(void **state)
{
    struct place *place = *state;
    struct attempt_id id = {7, 1};
    struct output_piece half = piece_of("b", "12");
    struct error error = {0};

    assert_int_equal(outputs_seal(place->outputs, 1, id, 0, &error), 0);
    assert_int_equal(outputs_seal(place->outputs, 1, id, 1, &error), -1);
    assert_int_equal(error.code, ERROR_NETWORK);
    adds(place, piece_of("a", "1"));
    assert_int_equal(outputs_seal(place->outputs, 1, id, 2, &error), -1);
    half.total_size = 4;
    adds(place, half);
    assert_int_equal(outputs_seal(place->outputs, 1, id, 1, &error), -1);
    half.offset = 2;
    adds(place, half);
    assert_int_equal(outputs_seal(place->outputs, 1, id, 2, &error), 0);
    refuses(place, piece_of("c", "late"));
}

static void files_arrive_whole_under_their_task(void **state)
{
    struct place *place = *state;
    struct journal_row row = row_of(7, 4);
    struct output_piece script = piece_of("bin/run it\n\xc3\xa9", "#!"), second;
    struct stat info;
    char path[256];

    adds(place, piece_of("a", "alpha"));
    adds(place, piece_of("empty", ""));
    script.mode = 0755;
    adds(place, script);
    second = piece_of("big", "abcd");
    second.total_size = 8;
    adds(place, second);
    second.offset = 4;
    adds(place, second);
    assert_null(content(place, "out/7/a")); /* not before it is sealed and prepared */
    assert_int_equal(outputs_seal(place->outputs, 1, row.result.id, 4, NULL), 0);
    prepares(place, &row, 1);
    prepares(place, &row, 1); /* a group that could not be committed is prepared again */
    assert_string_equal(content(place, "out/7/a"), "alpha");
    assert_string_equal(content(place, "out/7/empty"), "");
    assert_string_equal(content(place, "out/7/big"), "abcdabcd");
    snprintf(path, sizeof path, "%s/out/7/bin/run it\n\xc3\xa9", place->folder);
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_mode & 0100);
    assert_null(content(place, "out/.partial/7.1.1/a"));
}

static void many_files_in_a_group_arrive_too(void **state)
{
    struct place *place = *state;
    struct journal_row rows[30];

    for (uint64_t task = 1; task <= 30; task++) {
        struct output_piece piece = piece_of("f", "x");

        piece.id.task = task;
        adds(place, piece);
        assert_int_equal(outputs_seal(place->outputs, 1, piece.id, 1, NULL), 0);
        rows[task - 1] = row_of(task, 1);
    }
    prepares(place, rows, 30);
    assert_string_equal(content(place, "out/1/f"), "x");
    assert_string_equal(content(place, "out/30/f"), "x");
}

static void discarded_attempts_leave_nothing_and_may_come_again(void **state)
{
    struct place *place = *state;
    struct attempt_id id = {7, 1};

    adds(place, piece_of("deep/er/a", "1"));
    outputs_discard(place->outputs, 1, id);
    assert_null(content(place, "out/.partial/7.1.1/deep/er/a"));
    outputs_discard(place->outputs, 1, id); /* nothing there: nothing to do */
    adds(place, piece_of("deep/er/a", "2"));
    outputs_discard_worker(place->outputs, 2); /* another worker's loss */
    assert_string_equal(content(place, "out/.partial/7.1.1/deep/er/a"), "2");
    outputs_discard_worker(place->outputs, 1);
    assert_null(content(place, "out/.partial/7.1.1/deep/er/a"));
    adds(place, piece_of("deep/er/a", "3"));
}

static void two_workers_do_not_mix(void **state)
{
    struct place *place = *state;
    struct output_piece piece = piece_of("a", "one");
    struct journal_row row = row_of(7, 1);

    adds(place, piece);
    piece.bytes = "two";
    assert_int_equal(outputs_add(place->outputs, 2, &piece, NULL), 0);
    assert_int_equal(outputs_seal(place->outputs, 2, piece.id, 1, NULL), 0);
    row.worker_id = 2;
    prepares(place, &row, 1);
    outputs_discard(place->outputs, 1, piece.id);
    assert_string_equal(content(place, "out/7/a"), "two");
}

static void what_a_crash_left_is_removed_or_replaced(void **state)
{
    struct place *place = *state;
    struct journal_row row = row_of(7, 1);
    char path[256];

    adds(place, piece_of("old", "1"));
    assert_int_equal(outputs_seal(place->outputs, 1, row.result.id, 1, NULL), 0);
    prepares(place, &row, 1); /* and a crash before the commit: out/7 is of no ended task */
    adds(place, piece_of("half", "1"));
    snprintf(path, sizeof path, "%s/out/.partial/7.1.1/half", place->folder);
    assert_int_equal(access(path, F_OK), 0);
    outputs_close(place->outputs);
    place_open(place);
    assert_int_equal(access(path, F_OK), -1);
    adds(place, piece_of("new", "2"));
    assert_int_equal(outputs_seal(place->outputs, 1, row.result.id, 1, NULL), 0);
    prepares(place, &row, 1);
    assert_string_equal(content(place, "out/7/new"), "2");
    assert_null(content(place, "out/7/old"));
}

static void a_full_disk_takes_the_same_piece_later(void **state)
{
    struct place *place = *state;
    static char block[1 << 20];
    struct output_piece piece = {
        .id = {7, 1}, .path = "a", .path_size = 1, .mode = 0644, .bytes = block};
    struct error error = {0};
    char filler[256];
    struct journal_row row = row_of(7, 1);

    if (geteuid() != 0 || mount("tmpfs", place->folder, "tmpfs", 0, "size=3m") < 0) {
        print_message("# skipped: only root can mount a small tmpfs\n");
        skip();
    }
    memset(block, 'b', sizeof block);
    snprintf(filler, sizeof filler, "%s/filler", place->folder);
    int fd = open(filler, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, block, sizeof block), sizeof block);
    assert_int_equal(write(fd, block, sizeof block / 2), sizeof block / 2);
    close(fd);
    piece.size = sizeof block;
    piece.total_size = 2 * sizeof block;
    adds(place, piece);
    piece.offset = sizeof block;
    assert_int_equal(add(place, &piece, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_non_null(strstr(error.text, "No space left"));
    unlink(filler);
    adds(place, piece);
    assert_int_equal(outputs_seal(place->outputs, 1, row.result.id, 1, NULL), 0);
    prepares(place, &row, 1);
    assert_non_null(content(place, "out/7/a"));
    outputs_close(place->outputs);
    umount2(place->folder, MNT_DETACH);
    place_open(place);
}

static void refuses_a_run_directory_that_is_not_there(void **state)
{
    struct error error = {0};

    (void)state;
    assert_null(outputs_open("/nowhere/at/all", &error));
    assert_int_equal(error.code, ERROR_SYSTEM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    umask(022);
    const struct CMUnitTest tests[] = {
        TEST(takes_what_was_linked),
        TEST(linked_files_have_the_permissions_that_were_said_within_the_umask),
        TEST(takes_what_was_linked_where_moves_replace),
        TEST(takes_what_cannot_be_moved_by_copying_it),
        TEST(refuses_what_was_not_linked_well),
        TEST(nothing_of_links_stays),
        TEST(refuses_paths_that_lead_out),
        TEST(follows_no_symbolic_link),
        TEST(refuses_pieces_out_of_order),
        TEST(refuses_a_file_twice),
        TEST(a_result_must_speak_of_the_files_that_came),
        TEST(files_arrive_whole_under_their_task),
        TEST(many_files_in_a_group_arrive_too),
        TEST(discarded_attempts_leave_nothing_and_may_come_again),
        TEST(two_workers_do_not_mix),
        TEST(what_a_crash_left_is_removed_or_replaced),
        TEST(a_full_disk_takes_the_same_piece_later),
        TEST(refuses_a_run_directory_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
