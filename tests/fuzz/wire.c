/*
 * Any bytes, as whatever a peer may send: the handshake's frames, and messages of every type.
 * Decoding never crashes and never passes the end; a hello or a welcome that was understood
 * keeps its names within their bounds; and batches end.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/auth.h"
#include "common/link_tcp.h"
#include "common/message.h"
#include "common/values.h"
#include "tests/fuzz/target.h"

static void try_handshake(const uint8_t *data, size_t size)
{
    struct auth_hello hello;
    struct auth_welcome welcome;
    struct error error;
    if (auth_hello_decode(data, size, &hello, &error) == 0) {
        FUZZ_CHECK(memchr(hello.farm, 0, sizeof hello.farm));
        FUZZ_CHECK(memchr(hello.host, 0, sizeof hello.host) && hello.host[0]);
        FUZZ_CHECK(memchr(hello.universe, 0, sizeof hello.universe));
        FUZZ_CHECK(hello.pid >= 0);
    }
    if (auth_welcome_decode(data, size, &welcome, &error) == 0) {
        FUZZ_CHECK(memchr(welcome.instance, 0, sizeof welcome.instance));
        FUZZ_CHECK(memchr(welcome.mpi_uri, 0, sizeof welcome.mpi_uri));
        FUZZ_CHECK(memchr(welcome.mpi_mca, 0, sizeof welcome.mpi_mca));
    }
}

/* Every reader of a batch takes at least a byte per entry, so it ends. */
static void try_batches(const struct buf *message)
{
    struct error error;
    struct attempt_id id;
    struct result result;
    struct ready ready;
    const void *payload;
    size_t payload_size, count = 0;
    struct wire_reader reader = message_body(message);
    while (message_next_attempt(&reader, &id, &error) > 0)
        FUZZ_CHECK(++count <= message->size);
    reader = message_body(message);
    for (count = 0; message_next_lease(&reader, &id, &payload, &payload_size, &error) > 0;)
        FUZZ_CHECK(++count <= message->size && payload_size <= message->size);
    reader = message_body(message);
    for (count = 0; message_next_result(&reader, &result, &error) > 0;)
        FUZZ_CHECK(++count <= message->size && result.status < RESULT_STATUSES);
    reader = message_body(message);
    if (message_get_ready(&reader, &ready, &error) == 0)
        FUZZ_CHECK(ready.host_size <= message->size);
}

static void try_messages(const struct buf *message)
{
    struct error error;
    struct file_piece piece;
    struct output_piece output;
    struct value *values;
    const char *json;
    uint32_t number;
    size_t size;
    FUZZ_CHECK(message_type_name(message_type(message)));
    message_get_count(message, &number, &error);
    message_get_fetch(message, &piece, &error);
    if (message_get_data(message, &piece, &error) == 0)
        FUZZ_CHECK(piece.size <= MESSAGE_CHUNK);
    if (message_get_output(message, &output, &error) == 0)
        FUZZ_CHECK(output.path_size >= 1 && output.path_size <= MESSAGE_PATH_MAX &&
                   output.size <= MESSAGE_CHUNK && output.path[0] != '/');
    if (message_get_job(message, &json, &size, &error) == 0)
        FUZZ_CHECK(size <= message->size);
    if (message_get_paused(message, &json, &size, &error) == 0)
        FUZZ_CHECK(size < message->size);
    if (values_decode(message->data, message->size, &values, &size, &error) == 0)
        free(values);
}

/* The same bytes through a socket: the master's end of a handshake, and a link. */
static void try_sockets(const uint8_t *data, size_t size)
{
    static const struct auth_secret secret;
    int fds[2];
    struct error error;
    struct buf message;
    if (size > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
        return;
    struct auth *auth = auth_server_create(fds[0], &secret, "farm", &error);
    FUZZ_CHECK(auth && write(fds[1], data, size) == (ssize_t)size);
    FUZZ_CHECK(auth_progress(auth, &error) != AUTH_PROVEN);
    auth_destroy(auth);
    struct link *link = link_tcp_create(fds[0], &error);
    FUZZ_CHECK(link);
    close(fds[1]);
    buf_init(&message, MESSAGE_MAX);
    int got;
    while ((got = link_receive(link, &message, &error)) >= 0)
        FUZZ_CHECK(message.size <= MESSAGE_MAX);
    link_close(link);
    buf_fini(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf message;
    buf_init(&message, MESSAGE_MAX);
    if (size == 0 || buf_append(&message, data, size) < 0)
        return 0;
    try_handshake(data, size);
    try_batches(&message);
    try_messages(&message);
    try_sockets(data, size);
    buf_fini(&message);
    return 0;
}
