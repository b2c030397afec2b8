#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/message.h"

static void output_paths_cannot_leave_their_folder(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "/etc/passwd", "..",  "a/../b",
                                      "a//b", "a/",          "./a", "a/.."};
    static const char *const good[] = {"a", "a b/c\nd", "..a/b..", ".hidden"};
    struct buf buf;
    buf_init(&buf, MESSAGE_MAX);
    struct output_piece piece = {.id = {1, 1}}, back;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        piece.path = bad[i];
        piece.path_size = strlen(bad[i]);
        message_put_output(&buf, &piece);
        assert_int_equal(message_get_output(&buf, &back, NULL), -1);
    }
    piece.path = "a\0b";
    piece.path_size = 3;
    message_put_output(&buf, &piece);
    assert_int_equal(message_get_output(&buf, &back, NULL), -1);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        piece.path = good[i];
        piece.path_size = strlen(good[i]);
        message_put_output(&buf, &piece);
        assert_int_equal(message_get_output(&buf, &back, NULL), 0);
        assert_memory_equal(back.path, good[i], strlen(good[i]));
    }
    buf_fini(&buf);
}

static void links_are_names_in_one_folder(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "..", ".", "a/b", "/a"};
    struct buf buf;
    buf_init(&buf, MESSAGE_MAX);
    struct output_link link = {.id = {7, 2},
                               .path = "a/b",
                               .path_size = 3,
                               .mode = 0640,
                               .total_size = 12,
                               .name = "7.2.x.0",
                               .name_size = 7};
    struct output_link back;
    message_put_linked(&buf, &link);
    assert_int_equal(message_get_linked(&buf, &back, NULL), 0);
    assert_true(back.id.task == 7 && back.id.attempt == 2 && back.mode == 0640);
    assert_true(back.total_size == 12 && back.path_size == 3 && back.name_size == 7);
    assert_memory_equal(back.name, "7.2.x.0", 7);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        link.name = bad[i];
        link.name_size = strlen(bad[i]);
        message_put_linked(&buf, &link);
        assert_int_equal(message_get_linked(&buf, &back, NULL), -1);
    }
    link.name = "n";
    link.name_size = 1;
    link.path = "../b";
    link.path_size = 4;
    message_put_linked(&buf, &link);
    assert_int_equal(message_get_linked(&buf, &back, NULL), -1);
    buf.size--;
    assert_int_equal(message_get_linked(&buf, &back, NULL), -1);
    buf_fini(&buf);
}

static void pieces_lie_inside_their_file(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, MESSAGE_MAX);
    struct file_piece piece = {.offset = 10, .total_size = 12, .bytes = "abc", .size = 3}, back;
    message_put_data(&buf, &piece);
    assert_int_equal(message_get_data(&buf, &back, NULL), -1);
    piece.total_size = 13;
    message_put_data(&buf, &piece);
    assert_int_equal(message_get_data(&buf, &back, NULL), 0);
    assert_int_equal(back.size, 3);
    buf_fini(&buf);
}

static void results_go_there_and_back(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, MESSAGE_MAX);
    const struct result in = {.id = {UINT64_MAX, 7},
                              .status = RESULT_SIGNAL,
                              .code = -9,
                              .slot = 3,
                              .started_ns = 1234567890123456789,
                              .elapsed_s = 0.25,
                              .max_rss_bytes = 1 << 20,
                              .output_files = 2,
                              .values = "v",
                              .values_size = 1,
                              .error = "sentence",
                              .error_size = 8,
                              .stderr_tail = "err",
                              .stderr_size = 3};
    message_begin(&buf, MESSAGE_RESULTS);
    message_add_result(&buf, &in);
    message_add_result(&buf, &in);
    struct wire_reader reader = message_body(&buf);
    struct result out;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(message_next_result(&reader, &out, NULL), 1);
        assert_true(out.id.task == UINT64_MAX && out.id.attempt == 7);
        assert_int_equal(out.code, -9);
        assert_true(out.started_ns == in.started_ns && out.elapsed_s == in.elapsed_s);
        assert_memory_equal(out.error, "sentence", 8);
        assert_memory_equal(out.stderr_tail, "err", 3);
    }
    assert_int_equal(message_next_result(&reader, &out, NULL), 0);
    buf_fini(&buf);
}

static void every_cut_of_a_batch_is_noticed(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, MESSAGE_MAX);
    const struct result in = {.id = {5, 1}, .values = "v", .values_size = 1};
    message_begin(&buf, MESSAGE_RESULTS);
    message_add_result(&buf, &in);
    for (size_t size = 2; size < buf.size; size++) {
        struct buf cut = buf;
        cut.size = size;
        struct wire_reader reader = message_body(&cut);
        struct result out;
        struct error error;
        assert_int_equal(message_next_result(&reader, &out, &error), -1);
        assert_int_equal(error.code, ERROR_NETWORK);
    }
    buf_fini(&buf);
}

static void tasks_and_attempts_count_from_one(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    message_begin(&buf, MESSAGE_ACK);
    message_add_attempt(&buf, (struct attempt_id){0, 1});
    struct wire_reader reader = message_body(&buf);
    struct attempt_id id;
    assert_int_equal(message_next_attempt(&reader, &id, NULL), -1);
    buf_fini(&buf);
}

static void a_pause_says_why_and_its_end_says_nothing(void **state)
{
    (void)state;
    struct buf buf;
    struct error error;
    const char *sentence;
    size_t size;
    buf_init(&buf, MESSAGE_MAX);
    assert_int_equal(message_get_paused(&buf, &sentence, &size, &error), -1);
    message_put_paused(&buf, "the disk is full");
    assert_int_equal(message_type(&buf), MESSAGE_PAUSED);
    assert_int_equal(message_get_paused(&buf, &sentence, &size, &error), 0);
    assert_int_equal(size, strlen("the disk is full"));
    assert_memory_equal(sentence, "the disk is full", size);
    message_put_paused(&buf, "");
    assert_int_equal(message_get_paused(&buf, &sentence, &size, &error), 0);
    assert_int_equal(size, 0);
    while (buf.size <= 1 + ERROR_TEXT_MAX)
        buf_append(&buf, "x", 1);
    assert_int_equal(message_get_paused(&buf, &sentence, &size, &error), -1);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_paths_cannot_leave_their_folder),
        cmocka_unit_test(links_are_names_in_one_folder),
        cmocka_unit_test(pieces_lie_inside_their_file),
        cmocka_unit_test(results_go_there_and_back),
        cmocka_unit_test(every_cut_of_a_batch_is_noticed),
        cmocka_unit_test(tasks_and_attempts_count_from_one),
        cmocka_unit_test(a_pause_says_why_and_its_end_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
