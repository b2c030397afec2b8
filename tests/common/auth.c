#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/auth.h"
#include "common/auth_private.h"
#include "common/clock.h"
#include "common/wire.h"

static const char farm[] = "henry";

struct pair {
    int server_fd, client_fd;
    struct auth *server, *client;
};

static struct auth_secret secret_of(uint8_t byte)
{
    struct auth_secret secret;
    memset(secret.bytes, byte, sizeof secret.bytes);
    return secret;
}

static struct auth_hello hello_of(const char *farm_name)
{
    struct auth_hello hello = {.host = "n2", .pid = 77, .mpi = true};
    snprintf(hello.farm, sizeof hello.farm, "%s", farm_name);
    return hello;
}

static void sockets_open(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void pair_open(struct pair *pair, struct auth_secret server, struct auth_secret client,
                      const char *client_farm)
{
    struct auth_hello hello = hello_of(client_farm);
    int fds[2];
    sockets_open(fds);
    pair->server_fd = fds[0];
    pair->client_fd = fds[1];
    pair->server = auth_server_create(fds[0], &server, farm, NULL);
    pair->client = auth_client_create(fds[1], &client, &hello, NULL);
    assert_non_null(pair->server);
    assert_non_null(pair->client);
}

static void pair_close(struct pair *pair)
{
    auth_destroy(pair->server);
    auth_destroy(pair->client);
    close(pair->server_fd);
    close(pair->client_fd);
}

/* Move both ends until neither is moving, welcoming a proven worker. */
static void pair_run(struct pair *pair, const struct auth_welcome *welcome, int *ret_server,
                     int *ret_client, struct error *server_error, struct error *client_error)
{
    *ret_server = *ret_client = AUTH_MOVING;
    for (int i = 0; i < 20; i++) {
        if (*ret_client == AUTH_MOVING)
            *ret_client = auth_progress(pair->client, client_error);
        if (*ret_server == AUTH_MOVING)
            *ret_server = auth_progress(pair->server, server_error);
        if (*ret_server == AUTH_PROVEN) {
            assert_int_equal(auth_welcome(pair->server, welcome, NULL), 0);
            *ret_server = AUTH_MOVING;
        }
    }
}

static void hmac_agrees_with_openssl_dgst(void **state)
{
    (void)state;
    /* The 8-byte lengths and parts of ("worker", "ab", "") under the key 00 01 … 1f:
     * printf '\x06\0\0\0\0\0\0\0worker\x02\0\0\0\0\0\0\0ab\0\0\0\0\0\0\0\0' | openssl dgst
     * -sha256 -mac HMAC -macopt hexkey:000102…1f */
    static const char expected[] =
        "c502a5eb43088458ee16e7edef123092674fa24ae04014890301325a002faf77";
    struct auth_secret secret;
    for (int i = 0; i < AUTH_SECRET_SIZE; i++)
        secret.bytes[i] = (uint8_t)i;
    const struct auth_part parts[] = {{"ab", 2}, {"", 0}};
    struct auth_secret proof; /* the same size, so that its hex comes for free */
    assert_int_equal(auth_prove(&secret, "worker", parts, 2, proof.bytes, NULL), 0);
    char hex[AUTH_SECRET_HEX + 1];
    auth_secret_format(&proof, hex);
    assert_string_equal(hex, expected);
}

static void a_secret_survives_its_text_and_nothing_else_is_one(void **state)
{
    (void)state;
    struct auth_secret secret, again;
    struct error error;
    char hex[AUTH_SECRET_HEX + 1], padded[AUTH_SECRET_HEX + 4];
    assert_int_equal(auth_secret_create(&secret, NULL), 0);
    auth_secret_format(&secret, hex);
    snprintf(padded, sizeof padded, " %s\n", hex);
    assert_int_equal(auth_secret_parse(padded, &again, NULL), 0);
    assert_memory_equal(&secret, &again, sizeof secret);
    hex[3] = 'g';
    const char *const bad[] = {"", "00", hex, "0x00", padded + 4};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(auth_secret_parse(bad[i], &again, &error), -1);
        assert_int_equal(error.code, ERROR_AUTH);
        if (strlen(bad[i]) > 10)
            assert_null(strstr(error.text, bad[i]));
    }
}

static void both_ends_prove_themselves_and_the_welcome_arrives(void **state)
{
    (void)state;
    struct pair pair;
    struct auth_welcome welcome = {.id = 9, .transport = AUTH_MPI, .instance = "i1"};
    strcpy(welcome.mpi_uri, "123.0;tcp://10.0.0.4:5");
    snprintf(welcome.mpi_mca, sizeof welcome.mpi_mca, "%s", "{\"btl\":\"self,tcp\"}");
    struct error a, b;
    int server, client;
    pair_open(&pair, secret_of(1), secret_of(1), farm);
    pair_run(&pair, &welcome, &server, &client, &a, &b);
    assert_int_equal(server, AUTH_DONE);
    assert_int_equal(client, AUTH_DONE);
    assert_string_equal(auth_hello(pair.server)->host, "n2");
    assert_int_equal(auth_hello(pair.server)->pid, 77);
    assert_true(auth_hello(pair.server)->mpi);
    const struct auth_welcome *answer = auth_answer(pair.client);
    assert_int_equal(answer->id, 9);
    assert_int_equal(answer->transport, AUTH_MPI);
    assert_string_equal(answer->mpi_uri, welcome.mpi_uri);
    assert_string_equal(answer->mpi_mca, welcome.mpi_mca);
    pair_close(&pair);
}

static void a_wrong_secret_is_refused_with_a_reason(void **state)
{
    (void)state;
    struct pair pair;
    struct error server_error = {0}, client_error = {0};
    int server, client;
    pair_open(&pair, secret_of(1), secret_of(2), farm);
    pair_run(&pair, NULL, &server, &client, &server_error, &client_error);
    assert_int_equal(server, -1);
    assert_int_equal(client, -1);
    assert_int_equal(server_error.code, ERROR_AUTH);
    assert_int_equal(client_error.code, ERROR_AUTH);
    assert_non_null(strstr(client_error.text, "secret is wrong"));
    pair_close(&pair);
}

static void a_worker_of_another_farm_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    struct error server_error = {0}, client_error = {0};
    int server, client;
    pair_open(&pair, secret_of(1), secret_of(1), "james");
    pair_run(&pair, NULL, &server, &client, &server_error, &client_error);
    assert_int_equal(client_error.code, ERROR_AUTH);
    assert_non_null(strstr(client_error.text, "another farm"));
    assert_null(strstr(client_error.text, farm)); /* strangers do not learn its name */
    pair_close(&pair);
}

static void frame_send(int fd, const void *body, size_t size)
{
    struct buf frame;
    buf_init(&frame, 1 << 20);
    wire_put_u32(&frame, (uint32_t)size);
    buf_append(&frame, body, size);
    assert_int_equal(send(fd, frame.data, frame.size, 0), (ssize_t)frame.size);
    buf_fini(&frame);
}

static size_t frame_receive(int fd, uint8_t *body)
{
    uint8_t head[4];
    assert_int_equal(recv(fd, head, 4, 0), 4);
    size_t size = head[0] | (size_t)head[1] << 8;
    assert_int_equal(recv(fd, body, size, 0), (ssize_t)size);
    return size;
}

/* A man in the middle records an honest handshake of the worker and plays it to the master. */
static void a_replayed_handshake_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t hello[AUTH_FRAME_MAX], challenge[AUTH_FRAME_MAX], proof[AUTH_FRAME_MAX];
    pair_open(&pair, secret_of(1), secret_of(1), farm);
    assert_int_equal(auth_progress(pair.client, NULL), AUTH_MOVING);
    size_t hello_size = frame_receive(pair.server_fd, hello);
    frame_send(pair.client_fd, hello, hello_size);
    assert_int_equal(auth_progress(pair.server, NULL), AUTH_MOVING);
    size_t challenge_size = frame_receive(pair.client_fd, challenge);
    frame_send(pair.server_fd, challenge, challenge_size);
    assert_int_equal(auth_progress(pair.client, NULL), AUTH_MOVING);
    size_t proof_size = frame_receive(pair.server_fd, proof);
    frame_send(pair.client_fd, proof, proof_size);
    assert_int_equal(auth_progress(pair.server, NULL), AUTH_PROVEN); /* the recording is good */
    pair_close(&pair);

    struct error error;
    pair_open(&pair, secret_of(1), secret_of(1), farm);
    frame_send(pair.client_fd, hello, hello_size);
    assert_int_equal(auth_progress(pair.server, NULL), AUTH_MOVING);
    frame_send(pair.client_fd, proof, proof_size);
    assert_int_equal(auth_progress(pair.server, &error), -1);
    assert_int_equal(error.code, ERROR_AUTH);
    pair_close(&pair);
}

/* An impostor that knows no secret reflects the worker's own proof as its welcome. */
static void a_reflected_proof_is_no_welcome(void **state)
{
    (void)state;
    struct pair pair;
    struct error error;
    struct buf challenge, welcome;
    uint8_t frame[AUTH_FRAME_MAX];
    buf_init(&challenge, AUTH_FRAME_MAX);
    buf_init(&welcome, AUTH_FRAME_MAX);
    pair_open(&pair, secret_of(1), secret_of(1), farm);
    assert_int_equal(auth_progress(pair.client, NULL), AUTH_MOVING);
    frame_receive(pair.server_fd, frame);
    auth_challenge_encode(&challenge, NULL);
    frame_send(pair.server_fd, challenge.data, challenge.size);
    assert_int_equal(auth_progress(pair.client, NULL), AUTH_MOVING);
    frame_receive(pair.server_fd, frame);
    frame[0] = AUTH_FRAME_WELCOME;
    struct auth_welcome body = {.id = 1, .instance = "i"};
    buf_append(&welcome, frame, 1 + AUTH_PROOF_SIZE);
    auth_welcome_encode(&welcome, &body, NULL);
    frame_send(pair.server_fd, welcome.data, welcome.size);
    assert_int_equal(auth_progress(pair.client, &error), -1);
    assert_int_equal(error.code, ERROR_AUTH);
    buf_fini(&challenge);
    buf_fini(&welcome);
    pair_close(&pair);
}

static void one_byte_at_a_time_is_enough(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t hello[AUTH_FRAME_MAX];
    pair_open(&pair, secret_of(1), secret_of(1), farm);
    auth_progress(pair.client, NULL);
    size_t size = frame_receive(pair.server_fd, hello);
    uint8_t head[4] = {(uint8_t)size, (uint8_t)(size >> 8), 0, 0};
    for (size_t i = 0; i < 4 + size; i++) {
        assert_int_equal(send(pair.client_fd, i < 4 ? head + i : hello + i - 4, 1, 0), 1);
        assert_int_equal(auth_progress(pair.server, NULL), AUTH_MOVING);
    }
    assert_true(frame_receive(pair.client_fd, hello) > 0); /* the challenge came */
    pair_close(&pair);
}

static void nonsense_is_refused_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\0\0\0\0", 4},                      /* an empty frame */
        {"\x01\x20\0\0", 4},                  /* 8193 bytes announced */
        {"\xff\xff\xff\xff", 4},              /* 4 GiB announced */
        {"GET / HTTP/1.1\r\n\r\n", 18},       /* a browser */
        {"\x03\0\0\0Hbe", 7},                 /* a truncated hello */
        {"\x0c\0\0\0HbeofarN\x01\0\0\0", 16}, /* a wrong magic */
        {"\x0c\0\0\0Hbeofarm\x01\0\0\0", 16}, /* a hello without its nonce */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pair pair;
        struct error error;
        pair_open(&pair, secret_of(1), secret_of(1), farm);
        assert_int_equal(send(pair.client_fd, bad[i].bytes, bad[i].size, 0), bad[i].size);
        assert_int_equal(auth_progress(pair.server, &error), -1);
        assert_int_equal(error.code, ERROR_NETWORK);
        pair_close(&pair);
    }
}

static void another_version_is_told_so(void **state)
{
    (void)state;
    struct pair pair;
    struct error error;
    pair_open(&pair, secret_of(1), secret_of(1), farm);
    frame_send(pair.client_fd, "Hbeofarm\x02\0\0\0what comes later may change", 40);
    assert_int_equal(auth_progress(pair.server, &error), -1);
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_int_equal(auth_progress(pair.client, &error), -1);
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_non_null(strstr(error.text, "version"));
    pair_close(&pair);
}

static void every_truncation_of_a_hello_is_refused(void **state)
{
    (void)state;
    struct buf hello;
    struct auth_hello value = hello_of(farm), read;
    buf_init(&hello, AUTH_FRAME_MAX);
    assert_int_equal(auth_hello_encode(&hello, &value, NULL), 0);
    for (size_t size = 0; size < hello.size; size++)
        assert_int_equal(auth_hello_decode(hello.data, size, &read, NULL), -1);
    assert_int_equal(auth_hello_decode(hello.data, hello.size, &read, NULL), 0);
    wire_put_u8(&hello, 0);
    assert_int_equal(auth_hello_decode(hello.data, hello.size, &read, NULL), -1);
    buf_fini(&hello);
}

static void a_host_name_with_control_characters_is_refused(void **state)
{
    (void)state;
    struct buf hello;
    struct auth_hello value = hello_of(farm), read;
    snprintf(value.host, sizeof value.host, "%s", "n2\033[2J");
    buf_init(&hello, AUTH_FRAME_MAX);
    assert_int_equal(auth_hello_encode(&hello, &value, NULL), 0);
    assert_int_equal(auth_hello_decode(hello.data, hello.size, &read, NULL), -1);
    buf_fini(&hello);
}

static void a_silent_master_is_given_up_in_time(void **state)
{
    (void)state;
    struct pair pair;
    struct error error;
    pair_open(&pair, secret_of(1), secret_of(1), farm);
    int64_t start_ns = clock_monotonic_ns();
    assert_int_equal(auth_client_run(pair.client, start_ns + 50 * CLOCK_MS_NS, -1, &error), -1);
    assert_int_equal(error.code, ERROR_NETWORK);
    /* Generous, because a loaded machine may wake us late; what matters is that it ends. */
    assert_true(clock_monotonic_ns() - start_ns < 60 * CLOCK_SECOND_NS);
    pair_close(&pair);
}

static void sentences_say_who_was_asked(void **state)
{
    (void)state;
    struct pair pair;
    struct error error;
    pair_open(&pair, secret_of(1), secret_of(1), farm);
    assert_int_equal(auth_client_run(pair.client, 0, -1, &error), -1);
    assert_string_equal(error.text, "the master did not answer in time");
    auth_set_whom(pair.client, "the worker that holds it");
    assert_int_equal(auth_client_run(pair.client, 0, -1, &error), -1);
    assert_string_equal(error.text, "the worker that holds it did not answer in time");
    auth_refuse(pair.server, ERROR_CONFIG, "not now");
    assert_int_equal(auth_client_run(pair.client, INT64_MAX, -1, &error), -1);
    assert_string_equal(error.text, "the worker that holds it refused: not now");
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_agrees_with_openssl_dgst),
        cmocka_unit_test(a_secret_survives_its_text_and_nothing_else_is_one),
        cmocka_unit_test(both_ends_prove_themselves_and_the_welcome_arrives),
        cmocka_unit_test(a_wrong_secret_is_refused_with_a_reason),
        cmocka_unit_test(a_worker_of_another_farm_is_refused),
        cmocka_unit_test(a_replayed_handshake_is_refused),
        cmocka_unit_test(a_reflected_proof_is_no_welcome),
        cmocka_unit_test(one_byte_at_a_time_is_enough),
        cmocka_unit_test(nonsense_is_refused_at_once),
        cmocka_unit_test(another_version_is_told_so),
        cmocka_unit_test(every_truncation_of_a_hello_is_refused),
        cmocka_unit_test(a_host_name_with_control_characters_is_refused),
        cmocka_unit_test(a_silent_master_is_given_up_in_time),
        cmocka_unit_test(sentences_say_who_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
