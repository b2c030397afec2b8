#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/link_tcp.h"
#include "common/message.h"

struct ends {
    struct link *left, *right;
};

static void ends_open(struct ends *ends)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ends->left = link_tcp_create(fds[0], NULL);
    ends->right = link_tcp_create(fds[1], NULL);
}

static void ends_close(struct ends *ends)
{
    link_close(ends->left);
    link_close(ends->right);
}

/* One end is a link, the other a bare blocking socket. */
static struct link *half_open(int *ret_fd)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *ret_fd = fds[1];
    return link_tcp_create(fds[0], NULL);
}

/* Message number i: a size from a fixed sequence and bytes that depend on both. */
static size_t size_of(unsigned i)
{
    static const size_t sizes[] = {1,     64,     5000, 16384,   16385, 65532,
                                   65533, 300000, 2,    1 << 20, 3};
    return sizes[i % (sizeof sizes / sizeof *sizes)];
}

static void message_fill(struct buf *message, unsigned i)
{
    buf_clear(message);
    uint8_t *bytes = buf_reserve(message, size_of(i));
    for (size_t k = 0; k < size_of(i); k++)
        bytes[k] = (uint8_t)(i * 31 + k * 7 + (k >> 8));
    buf_commit(message, size_of(i));
}

static void message_check(const struct buf *message, struct buf *scratch, unsigned i)
{
    message_fill(scratch, i);
    assert_int_equal(message->size, scratch->size);
    assert_memory_equal(message->data, scratch->data, scratch->size);
}

static void messages_of_all_sizes_arrive_whole_and_in_order(void **state)
{
    (void)state;
    const unsigned count = 200;
    struct ends ends;
    struct buf out, in, scratch;
    buf_init(&out, MESSAGE_MAX);
    buf_init(&in, MESSAGE_MAX);
    buf_init(&scratch, MESSAGE_MAX);
    ends_open(&ends);
    unsigned sent = 0, got = 0;
    while (got < count) {
        /* Twenty in flight at most, so that a socketpair's small buffer fills again and again. */
        for (; sent < count && sent - got < 20; sent++) {
            message_fill(&out, sent);
            assert_int_equal(link_send(ends.left, &out, NULL), 0);
            assert_int_equal(out.size, 0);
        }
        assert_int_equal(link_progress(ends.left, NULL), 0);
        int more;
        while ((more = link_receive(ends.right, &in, NULL)) == 1)
            message_check(&in, &scratch, got++);
        assert_int_equal(more, 0);
    }
    assert_int_equal(link_unsent_bytes(ends.left), 0);
    assert_false(link_wants_write(ends.left));
    ends_close(&ends);
    buf_fini(&out);
    buf_fini(&in);
    buf_fini(&scratch);
}

static void a_message_that_comes_byte_by_byte_is_received_once_whole(void **state)
{
    (void)state;
    int fd;
    struct link *link = half_open(&fd);
    struct buf in;
    const char bytes[] = "\0\0\0\0\x03\0\0\0abc\x01\0\0\0d"; /* a pulse, then two messages */
    buf_init(&in, MESSAGE_MAX);
    for (size_t i = 0; i < 4 + 7 - 1; i++) {
        assert_int_equal(write(fd, bytes + i, 1), 1);
        assert_int_equal(link_receive(link, &in, NULL), 0);
    }
    assert_int_equal(write(fd, bytes + 10, 6), 6);
    assert_int_equal(link_receive(link, &in, NULL), 1);
    assert_memory_equal(in.data, "abc", 3);
    assert_int_equal(link_receive(link, &in, NULL), 1);
    assert_memory_equal(in.data, "d", 1);
    assert_int_equal(link_receive(link, &in, NULL), 0);
    link_close(link);
    close(fd);
    buf_fini(&in);
}

static void a_pulse_is_heard_and_is_no_message(void **state)
{
    (void)state;
    struct ends ends;
    struct buf in;
    buf_init(&in, MESSAGE_MAX);
    ends_open(&ends);
    ends.right->heard_ns = 0;
    assert_int_equal(link_pulse(ends.left, NULL), 0);
    assert_int_equal(link_receive(ends.right, &in, NULL), 0);
    assert_true(ends.right->heard_ns > 0);
    ends_close(&ends);
    buf_fini(&in);
}

static void last_words_are_received_before_the_loss(void **state)
{
    (void)state;
    struct ends ends;
    struct buf message;
    struct error error;
    buf_init(&message, MESSAGE_MAX);
    ends_open(&ends);
    buf_append_text(&message, "bye");
    assert_int_equal(link_send(ends.left, &message, NULL), 0);
    link_close(ends.left); /* sends what it can without waiting */
    buf_append_text(&message, "are you there");
    assert_int_equal(link_send(ends.right, &message, NULL), 0);
    assert_int_equal(link_progress(ends.right, NULL), 0); /* fails, and is not told yet */
    assert_int_equal(link_receive(ends.right, &message, NULL), 1);
    assert_memory_equal(message.data, "bye", 3);
    int end; /* 0 once: "wait until the descriptor is readable", as it is */
    while ((end = link_receive(ends.right, &message, &error)) == 0)
        ;
    assert_int_equal(end, -1);
    assert_int_equal(error.code, ERROR_NETWORK);
    assert_int_equal(link_send(ends.right, &message, &error), -1);
    assert_false(link_wants_write(ends.right));
    link_close(ends.right);
    buf_fini(&message);
}

static void an_oversized_message_is_a_breach(void **state)
{
    (void)state;
    static const char *const lengths[] = {"\x01\0\0\x01", "\xff\xff\xff\xff"};
    for (size_t i = 0; i < 2; i++) {
        int fd;
        struct link *link = half_open(&fd);
        struct buf in;
        struct error error;
        buf_init(&in, MESSAGE_MAX);
        assert_int_equal(write(fd, "\x02\0\0\0ok", 6), 6);
        assert_int_equal(write(fd, lengths[i], 4), 4);
        assert_int_equal(link_receive(link, &in, NULL), 1);
        assert_int_equal(link_receive(link, &in, &error), -1);
        assert_non_null(strstr(error.text, "protocol"));
        link_close(link);
        close(fd);
        buf_fini(&in);
    }
}

static void a_cut_message_is_never_delivered(void **state)
{
    (void)state;
    int fd;
    struct link *link = half_open(&fd);
    struct buf in;
    struct error error;
    buf_init(&in, MESSAGE_MAX);
    assert_int_equal(write(fd, "\0\0\x10\0half", 8), 8);
    assert_int_equal(link_receive(link, &in, NULL), 0);
    close(fd);
    assert_int_equal(link_receive(link, &in, &error), -1);
    assert_non_null(strstr(error.text, "in the middle"));
    link_close(link);
    buf_fini(&in);
}

static void empty_and_oversized_sends_are_bugs(void **state)
{
    (void)state;
    struct ends ends;
    struct buf message;
    struct error error;
    buf_init(&message, 2 * MESSAGE_MAX);
    ends_open(&ends);
    assert_int_equal(link_send(ends.left, &message, &error), -1);
    assert_int_equal(error.code, ERROR_BUG);
    assert_non_null(buf_reserve(&message, MESSAGE_MAX + 1));
    buf_commit(&message, MESSAGE_MAX + 1);
    assert_int_equal(link_send(ends.left, &message, &error), -1);
    assert_int_equal(error.code, ERROR_BUG);
    ends_close(&ends);
    buf_fini(&message);
}

static void random_bytes_never_crash_and_never_pass_the_bound(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    for (int round = 0; round < 200; round++) {
        int fd;
        struct link *link = half_open(&fd);
        struct buf in;
        uint8_t bytes[512];
        buf_init(&in, MESSAGE_MAX);
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525 + 1013904223; /* Numerical Recipes' quick generator */
            bytes[i] =
                (uint8_t)((seed >> 16) % (round % 2 ? 256 : 4)); /* half: short lengths */
        }
        assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
        close(fd);
        int got;
        while ((got = link_receive(link, &in, NULL)) >= 0)
            assert_true(in.size <= MESSAGE_MAX);
        assert_int_equal(got, -1);
        link_close(link);
        buf_fini(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_and_oversized_sends_are_bugs),
        cmocka_unit_test(an_oversized_message_is_a_breach),
        cmocka_unit_test(a_cut_message_is_never_delivered),
        cmocka_unit_test(random_bytes_never_crash_and_never_pass_the_bound),
        cmocka_unit_test(messages_of_all_sizes_arrive_whole_and_in_order),
        cmocka_unit_test(a_message_that_comes_byte_by_byte_is_received_once_whole),
        cmocka_unit_test(a_pulse_is_heard_and_is_no_message),
        cmocka_unit_test(last_words_are_received_before_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
