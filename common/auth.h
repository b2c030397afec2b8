/*
 * auth.h - a worker and a master prove to each other that they know the farm's secret.
 *
 * Over a fresh TCP connection, in frames of u32 length + body, each at most AUTH_FRAME_MAX:
 *
 *     worker → master  hello      magic, version, worker's nonce, farm, host, pid, abilities
 *     master → worker  challenge  magic, version, master's nonce
 *     worker → master  proof      HMAC-SHA256(secret, "worker", farm, hello, challenge)
 *     master → worker  welcome    HMAC-SHA256(secret, "master", farm, hello, challenge, body),
 *                                 body
 *
 * or, instead of a challenge or a welcome, a refusal: a code and a sentence. Everything that
 * was said is under the proofs, and each side's proof starts with its role, so nothing can be
 * replayed, reflected or altered. The secret never travels and never stands in a sentence. What
 * follows the handshake is not encrypted: the farm's network is trusted to deliver, not to
 * admit.
 *
 * Both ends are state machines over a non-blocking socket that never read past their own
 * frames. They keep no time: the owner closes a connection that takes too long.
 */
#ifndef BEOFARM_COMMON_AUTH_H
#define BEOFARM_COMMON_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define AUTH_VERSION     1 /* of the handshake and of all messages behind it */
#define AUTH_SECRET_SIZE 32
#define AUTH_SECRET_HEX  (2 * AUTH_SECRET_SIZE)
#define AUTH_FRAME_MAX   8192
#define AUTH_NAME_MAX    256  /* bytes of a farm's, host's or instance's name, with its NUL */
#define AUTH_URI_MAX     1024 /* bytes of an MPI server's URI, with its NUL */
#define AUTH_MCA_MAX     4096 /* bytes of the MCA settings as JSON text, with their NUL */

struct auth_secret {
    uint8_t bytes[AUTH_SECRET_SIZE];
};

/* A new secret from the system's random numbers. 0 or -1. */
int auth_secret_create(struct auth_secret *ret_secret, struct error *ret_error);

/* Read a secret of AUTH_SECRET_HEX hex digits (blanks around them are allowed). 0, or -1
 * (ERROR_AUTH, with a sentence that does not repeat the text). */
int auth_secret_parse(const char *hex, struct auth_secret *ret_secret, struct error *ret_error);

/* Write the hex digits and a NUL into hex. */
void auth_secret_format(const struct auth_secret *secret, char hex[AUTH_SECRET_HEX + 1]);

/* Overwrite the secret in memory. */
void auth_secret_wipe(struct auth_secret *secret);

/* What a worker says of itself. */
struct auth_hello {
    char farm[AUTH_NAME_MAX];
    char host[AUTH_NAME_MAX];
    int64_t pid;
    bool mpi;                     /* it can join an MPI universe */
    char universe[AUTH_NAME_MAX]; /* instance of the master whose MPI universe it has entered;
                                     "" if none */
};

enum auth_transport { AUTH_TCP = 0, AUTH_MPI = 1 };

/* What a master answers. The MPI fields are empty for AUTH_TCP. */
struct auth_welcome {
    uint64_t id; /* the worker's number in this farm */
    enum auth_transport transport;
    char instance[AUTH_NAME_MAX]; /* of this master process */
    char mpi_uri[AUTH_URI_MAX];   /* of the ompi-server that both ends use */
    char mpi_mca[AUTH_MCA_MAX];   /* MCA settings, a JSON object of texts; "" for none */
};

/* The proof that a role ("worker", "master") owes for a handshake, for tests and fuzzing: the
 * HMAC-SHA256 over every part, each with its length. 0, or -1 if OpenSSL refuses. */
#define AUTH_PROOF_SIZE 32
struct auth_part {
    const void *bytes;
    size_t size;
};
int auth_prove(const struct auth_secret *secret, const char *role,
               const struct auth_part *parts, size_t count, uint8_t proof[AUTH_PROOF_SIZE],
               struct error *ret_error);

/* One end of one handshake. */
struct auth;

/* The master's end. The socket fd is borrowed and must be non-blocking. NULL if memory or
 * random numbers are short. */
struct auth *auth_server_create(int fd, const struct auth_secret *secret, const char *farm,
                                struct error *ret_error);

/* The worker's end. The hello is copied. */
struct auth *auth_client_create(int fd, const struct auth_secret *secret,
                                const struct auth_hello *hello, struct error *ret_error);

/* Client: who is asked, as its sentences say; without this, "the master". Borrowed. */
void auth_set_whom(struct auth *auth, const char *whom);

/* NULL is allowed; wipes the secret. The socket stays open. */
void auth_destroy(struct auth *auth);

enum auth_state {
    AUTH_MOVING, /* wait until the socket is ready (auth_wants_write), call again */
    AUTH_PROVEN, /* server: the worker is proven; auth_hello is valid; call auth_welcome or
                    auth_refuse */
    AUTH_DONE, /* server: the welcome is sent; client: auth_answer is valid. The socket is free
                */
};

/* Move the handshake: an auth_state, or -1: it failed (ERROR_AUTH: the secret or the farm is
 * wrong; ERROR_CONFIG: the versions differ; ERROR_NETWORK: the connection broke or nonsense
 * came) and the socket should be closed. A refusal owed to the peer was then already sent, as
 * far as the socket took it. */
int auth_progress(struct auth *auth, struct error *ret_error);

/* True while bytes wait to be sent; otherwise wait for the socket to be readable. */
bool auth_wants_write(const struct auth *auth);

/* Server: what the worker said. Borrowed; valid from AUTH_PROVEN on. */
const struct auth_hello *auth_hello(const struct auth *auth);

/* Server, once after AUTH_PROVEN: queue the welcome, then call auth_progress until AUTH_DONE.
 * 0 or -1 (ERROR_BUG: it does not fit a frame). */
int auth_welcome(struct auth *auth, const struct auth_welcome *welcome,
                 struct error *ret_error);

/* Server, any time before the welcome: send a refusal, as far as the socket takes it at once.
 */
void auth_refuse(struct auth *auth, enum error_code code, const char *sentence);

/* Client: what the master answered. Borrowed; valid from AUTH_DONE on. */
const struct auth_welcome *auth_answer(const struct auth *auth);

/* Client: drive the handshake to its end by sleeping in poll, until deadline_ns
 * (clock_monotonic_ns) passes or cancel_fd (or -1) becomes readable. 0 or -1 as above
 * (ERROR_NETWORK for the deadline, ERROR_INTERRUPTED for cancel_fd). */
int auth_client_run(struct auth *auth, int64_t deadline_ns, int cancel_fd,
                    struct error *ret_error);

/* Decoders of the frames' bodies, for fuzzing. 0 or -1 (ERROR_NETWORK; ERROR_CONFIG for another
 * version). */
int auth_hello_decode(const void *bytes, size_t size, struct auth_hello *ret_hello,
                      struct error *ret_error);
int auth_welcome_decode(const void *bytes, size_t size, struct auth_welcome *ret_welcome,
                        struct error *ret_error);

#endif
