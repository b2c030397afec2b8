/*
 * How the handshake works: each end sends a frame and waits for one, so neither ever reads past
 * the frame it waits for (the bytes behind the welcome belong to the link). Frames are read in
 * two bites, length and body, into a buffer that grows only as far as the length says and never
 * beyond AUTH_FRAME_MAX. A frame's body starts with its type.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "common/auth.h"
#include "common/auth_private.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/fd.h"
#include "common/wire.h"

enum step { STEP_HELLO, STEP_CHALLENGE, STEP_PROOF, STEP_PROVEN, STEP_WELCOME, STEP_DONE };

struct auth {
    int fd;
    enum step step; /* the frame waited for, or PROVEN or DONE */
    struct auth_secret secret;
    char farm[AUTH_NAME_MAX];
    const char *whom;                      /* client: borrowed */
    struct buf in;                         /* the frame being read: length and body */
    struct buf out;                        /* frames to send */
    struct buf said_hello, said_challenge; /* bodies as sent or received, for the proofs */
    struct auth_hello hello;
    struct auth_welcome welcome;
};

int auth_prove(const struct auth_secret *secret, const char *role,
               const struct auth_part *parts, size_t count, uint8_t proof[AUTH_PROOF_SIZE],
               struct error *ret_error)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    bool good =
        context && EVP_MAC_init(context, secret->bytes, sizeof secret->bytes, params) == 1;
    for (size_t i = 0; good && i <= count; i++) {
        /* Lengths go in too, or bytes could move from one part to its neighbour unnoticed. */
        struct auth_part part = i == 0 ? (struct auth_part){role, strlen(role)} : parts[i - 1];
        uint8_t length[8];
        for (int byte = 0; byte < 8; byte++)
            length[byte] = (uint8_t)((uint64_t)part.size >> (8 * byte));
        good = EVP_MAC_update(context, length, sizeof length) == 1 &&
               EVP_MAC_update(context, part.bytes, part.size) == 1;
    }
    size_t size = 0;
    good = good && EVP_MAC_final(context, proof, &size, AUTH_PROOF_SIZE) == 1 &&
           size == AUTH_PROOF_SIZE;
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return good ? 0 : error_set(ret_error, ERROR_SYSTEM, "OpenSSL has no HMAC-SHA256");
}

/* The proof of `role` over all that was said; `body` (may be NULL) is the welcome's. */
static int prove_role(const struct auth *auth, const char *role, const struct buf *body,
                      size_t body_offset, uint8_t proof[AUTH_PROOF_SIZE],
                      struct error *ret_error)
{
    struct auth_part parts[4] = {
        {auth->farm, strlen(auth->farm)},
        {auth->said_hello.data, auth->said_hello.size},
        {auth->said_challenge.data, auth->said_challenge.size},
    };
    if (body)
        parts[3] = (struct auth_part){body->data + body_offset, body->size - body_offset};
    return auth_prove(&auth->secret, role, parts, body ? 4 : 3, proof, ret_error);
}

static struct auth *create(int fd, const struct auth_secret *secret, const char *farm,
                           struct error *ret_error)
{
    if (strlen(farm) >= AUTH_NAME_MAX) {
        error_set(ret_error, ERROR_CONFIG, "the farm's name is longer than %d bytes",
                  AUTH_NAME_MAX - 1);
        return NULL;
    }
    struct auth *auth = calloc(1, sizeof *auth);
    if (!auth) {
        error_errno(ret_error, ENOMEM, "no memory for a handshake");
        return NULL;
    }
    auth->fd = fd;
    auth->secret = *secret;
    snprintf(auth->farm, sizeof auth->farm, "%s", farm);
    buf_init(&auth->in, 4 + AUTH_FRAME_MAX);
    buf_init(&auth->out, 2 * (4 + AUTH_FRAME_MAX));
    buf_init(&auth->said_hello, AUTH_FRAME_MAX);
    buf_init(&auth->said_challenge, AUTH_FRAME_MAX);
    return auth;
}

struct auth *auth_server_create(int fd, const struct auth_secret *secret, const char *farm,
                                struct error *ret_error)
{
    struct auth *auth = create(fd, secret, farm, ret_error);
    if (auth)
        auth->step = STEP_HELLO;
    return auth;
}

/* Queue a frame. */
static int frame_put(struct auth *auth, const void *body, size_t size, struct error *ret_error)
{
    if (size == 0 || size > AUTH_FRAME_MAX)
        return error_set(ret_error, ERROR_BUG, "a handshake frame of %zu bytes is too large",
                         size);
    wire_put_u32(&auth->out, (uint32_t)size);
    buf_append(&auth->out, body, size);
    if (buf_failed(&auth->out))
        return error_errno(ret_error, ENOMEM, "no memory for a handshake frame");
    return 0;
}

struct auth *auth_client_create(int fd, const struct auth_secret *secret,
                                const struct auth_hello *hello, struct error *ret_error)
{
    struct auth *auth = create(fd, secret, hello->farm, ret_error);
    if (!auth)
        return NULL;
    auth->step = STEP_CHALLENGE;
    auth->whom = "the master";
    auth->hello = *hello;
    if (auth_hello_encode(&auth->said_hello, hello, ret_error) < 0 ||
        frame_put(auth, auth->said_hello.data, auth->said_hello.size, ret_error) < 0) {
        auth_destroy(auth);
        return NULL;
    }
    return auth;
}

void auth_set_whom(struct auth *auth, const char *whom)
{
    auth->whom = whom;
}

void auth_destroy(struct auth *auth)
{
    if (!auth)
        return;
    auth_secret_wipe(&auth->secret);
    buf_fini(&auth->in);
    buf_fini(&auth->out);
    buf_fini(&auth->said_hello);
    buf_fini(&auth->said_challenge);
    free(auth);
}

bool auth_wants_write(const struct auth *auth)
{
    return auth->out.size > 0;
}

const struct auth_hello *auth_hello(const struct auth *auth)
{
    return &auth->hello;
}

const struct auth_welcome *auth_answer(const struct auth *auth)
{
    return &auth->welcome;
}

/* Send what is queued. 1: all gone; 0: the socket is full; -1. */
static int flush_out(struct auth *auth, struct error *ret_error)
{
    while (auth->out.size > 0) {
        ssize_t sent =
            send(auth->fd, auth->out.data, auth->out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (sent < 0)
            return error_set(ret_error, ERROR_NETWORK,
                             "the connection broke in the handshake: %s", strerror(errno));
        buf_consume(&auth->out, (size_t)sent);
    }
    return 1;
}

/* Read up to `wanted` bytes of the frame altogether. 1: there; 0: not yet; -1. */
static int fill_in(struct auth *auth, size_t wanted, struct error *ret_error)
{
    while (auth->in.size < wanted) {
        size_t missing = wanted - auth->in.size;
        uint8_t *room = buf_reserve(&auth->in, missing);
        if (!room)
            return error_errno(ret_error, ENOMEM, "no memory for a handshake frame");
        ssize_t got = recv(auth->fd, room, missing, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (got < 0)
            return error_set(ret_error, ERROR_NETWORK,
                             "the connection broke in the handshake: %s", strerror(errno));
        if (got == 0)
            return error_set(ret_error, ERROR_NETWORK,
                             "the peer closed the connection in the handshake");
        buf_commit(&auth->in, (size_t)got);
    }
    return 1;
}

/* Read one frame; its body stands behind the first four bytes of `in`. 1: there; 0; -1. */
static int frame_get(struct auth *auth, struct error *ret_error)
{
    int got = fill_in(auth, 4, ret_error);
    if (got <= 0)
        return got;
    struct wire_reader reader;
    wire_reader_init(&reader, auth->in.data, 4);
    uint32_t size = wire_get_u32(&reader);
    if (size == 0 || size > AUTH_FRAME_MAX)
        return error_set(
            ret_error, ERROR_NETWORK,
            "the peer announced a handshake frame of %u bytes (1 to %d are allowed); "
            "it does not speak beofarm's protocol",
            size, AUTH_FRAME_MAX);
    return fill_in(auth, 4 + (size_t)size, ret_error);
}

void auth_refuse(struct auth *auth, enum error_code code, const char *sentence)
{
    struct buf body;
    buf_init(&body, AUTH_FRAME_MAX);
    auth_refusal_encode(&body, code, sentence);
    if (!buf_failed(&body) && frame_put(auth, body.data, body.size, NULL) == 0)
        flush_out(auth, NULL);
    buf_fini(&body);
}

static int server_take_hello(struct auth *auth, struct error *ret_error)
{
    const uint8_t *body = auth->in.data + 4;
    size_t size = auth->in.size - 4;
    struct error why;
    if (auth_hello_decode(body, size, &auth->hello, &why) < 0) {
        if (why.code == ERROR_CONFIG)
            auth_refuse(auth, why.code, why.text);
        return error_set(ret_error, why.code, "%s", why.text);
    }
    if (strcmp(auth->hello.farm, auth->farm) != 0) {
        auth_refuse(auth, ERROR_AUTH,
                    "this master serves another farm; check the worker's "
                    "BEOFARM_FARM and the port it dials");
        return error_set(ret_error, ERROR_AUTH, "a worker of another farm called here");
    }
    if (buf_append(&auth->said_hello, body, size) < 0 ||
        auth_challenge_encode(&auth->said_challenge, ret_error) < 0)
        return error_errno(ret_error, ENOMEM, "no memory or no random numbers for a challenge");
    auth->step = STEP_PROOF;
    return frame_put(auth, auth->said_challenge.data, auth->said_challenge.size, ret_error);
}

static int server_take_proof(struct auth *auth, struct error *ret_error)
{
    uint8_t expected[AUTH_PROOF_SIZE];
    if (prove_role(auth, "worker", NULL, 0, expected, ret_error) < 0)
        return -1;
    const uint8_t *body = auth->in.data + 4;
    if (auth->in.size != 4 + 1 + AUTH_PROOF_SIZE || body[0] != AUTH_FRAME_PROOF)
        return error_set(ret_error, ERROR_NETWORK,
                         "the peer sent nonsense instead of its proof");
    if (CRYPTO_memcmp(expected, body + 1, AUTH_PROOF_SIZE) != 0) {
        auth_refuse(auth, ERROR_AUTH,
                    "the secret is wrong: BEOFARM_SECRET of the worker is not the farm's");
        return error_set(ret_error, ERROR_AUTH,
                         "a worker that calls itself %s did not know the farm's secret",
                         auth->hello.host);
    }
    auth->step = STEP_PROVEN;
    return 0;
}

int auth_welcome(struct auth *auth, const struct auth_welcome *welcome, struct error *ret_error)
{
    if (auth->step != STEP_PROVEN)
        return error_set(ret_error, ERROR_BUG, "a welcome before the worker was proven");
    struct buf body;
    buf_init(&body, AUTH_FRAME_MAX);
    const size_t head = 1 + AUTH_PROOF_SIZE; /* type and proof, then what the proof covers */
    uint8_t *room = buf_reserve(&body, head);
    if (room) {
        room[0] = AUTH_FRAME_WELCOME;
        buf_commit(&body, head);
    }
    int result = auth_welcome_encode(&body, welcome, ret_error);
    if (result == 0)
        result = prove_role(auth, "master", &body, head, body.data + 1, ret_error);
    if (result == 0)
        result = frame_put(auth, body.data, body.size, ret_error);
    if (result == 0)
        auth->step = STEP_DONE; /* reported once `out` is flushed */
    buf_fini(&body);
    return result;
}

static int client_take_challenge(struct auth *auth, struct error *ret_error)
{
    const uint8_t *body = auth->in.data + 4;
    size_t size = auth->in.size - 4;
    uint8_t answer[1 + AUTH_PROOF_SIZE] = {AUTH_FRAME_PROOF};
    if (auth_challenge_check(body, size, ret_error) < 0)
        return -1;
    if (buf_append(&auth->said_challenge, body, size) < 0)
        return error_errno(ret_error, ENOMEM, "no memory for a challenge");
    if (prove_role(auth, "worker", NULL, 0, answer + 1, ret_error) < 0)
        return -1;
    auth->step = STEP_WELCOME;
    return frame_put(auth, answer, sizeof answer, ret_error);
}

static int client_take_welcome(struct auth *auth, struct error *ret_error)
{
    const size_t head = 1 + AUTH_PROOF_SIZE;
    uint8_t expected[AUTH_PROOF_SIZE];
    if (auth->in.size < 4 + head || auth->in.data[4] != AUTH_FRAME_WELCOME)
        return error_set(ret_error, ERROR_NETWORK, "%s sent nonsense instead of a welcome",
                         auth->whom);
    if (prove_role(auth, "master", &auth->in, 4 + head, expected, ret_error) < 0)
        return -1;
    if (CRYPTO_memcmp(expected, auth->in.data + 4 + 1, AUTH_PROOF_SIZE) != 0)
        return error_set(ret_error, ERROR_AUTH,
                         "whoever answers there does not know the farm's secret, so it is not "
                         "%s",
                         auth->whom);
    if (auth_welcome_decode(auth->in.data + 4 + head, auth->in.size - 4 - head, &auth->welcome,
                            ret_error) < 0)
        return -1;
    auth->step = STEP_DONE;
    return 0;
}

/* Act on the frame in `in`. */
static int frame_take(struct auth *auth, struct error *ret_error)
{
    bool client = auth->step == STEP_CHALLENGE || auth->step == STEP_WELCOME;
    if (client && auth->in.data[4] == AUTH_FRAME_REFUSAL)
        return auth_refusal_decode(auth->in.data + 4, auth->in.size - 4, auth->whom, ret_error);
    switch (auth->step) {
    case STEP_HELLO:
        return server_take_hello(auth, ret_error);
    case STEP_PROOF:
        return server_take_proof(auth, ret_error);
    case STEP_CHALLENGE:
        return client_take_challenge(auth, ret_error);
    default:
        return client_take_welcome(auth, ret_error);
    }
}

int auth_progress(struct auth *auth, struct error *ret_error)
{
    for (;;) {
        int sent = flush_out(auth, ret_error);
        if (sent <= 0)
            return sent < 0 ? -1 : AUTH_MOVING;
        if (auth->step == STEP_PROVEN)
            return AUTH_PROVEN;
        if (auth->step == STEP_DONE)
            return AUTH_DONE;
        int got = frame_get(auth, ret_error);
        if (got <= 0)
            return got < 0 ? -1 : AUTH_MOVING;
        if (frame_take(auth, ret_error) < 0)
            return -1;
        buf_clear(&auth->in);
    }
}

int auth_client_run(struct auth *auth, int64_t deadline_ns, int cancel_fd,
                    struct error *ret_error)
{
    for (;;) {
        int state = auth_progress(auth, ret_error);
        if (state < 0 || state == AUTH_DONE)
            return state < 0 ? -1 : 0;
        short events = auth_wants_write(auth) ? POLLIN | POLLOUT : POLLIN;
        int ready = clock_monotonic_ns() < deadline_ns /* whatever still comes */
                        ? fd_wait(auth->fd, events, deadline_ns, cancel_fd)
                        : 0;
        if (ready == 0)
            return error_set(ret_error, ERROR_NETWORK, "%s did not answer in time", auth->whom);
        if (ready < 0 && errno == ECANCELED)
            return error_set(ret_error, ERROR_INTERRUPTED, "interrupted while dialling");
        if (ready < 0)
            return error_errno(ret_error, errno, "cannot wait for %s", auth->whom);
    }
}
