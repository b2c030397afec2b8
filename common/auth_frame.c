/* The bodies of the handshake's frames, and the secret as text. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "common/auth_private.h"
#include "common/hex.h"
#include "common/wire.h"

static const char magic[] = "beofarm";
#define MAGIC_SIZE (sizeof magic - 1)

int auth_secret_create(struct auth_secret *ret_secret, struct error *ret_error)
{
    if (RAND_bytes(ret_secret->bytes, sizeof ret_secret->bytes) != 1)
        return error_set(ret_error, ERROR_SYSTEM,
                         "the system has no random numbers for the farm's secret");
    return 0;
}

int auth_secret_parse(const char *hex, struct auth_secret *ret_secret, struct error *ret_error)
{
    while (isspace((unsigned char)*hex))
        hex++;
    size_t size = strlen(hex);
    while (size > 0 && isspace((unsigned char)hex[size - 1]))
        size--;
    struct auth_secret secret;
    bool good = size == AUTH_SECRET_HEX && hex_parse(hex, secret.bytes, AUTH_SECRET_SIZE) == 0;
    if (good)
        *ret_secret = secret;
    auth_secret_wipe(&secret);
    return good ? 0
                : error_set(ret_error, ERROR_AUTH,
                            "the farm's secret (BEOFARM_SECRET) is not %d hex digits",
                            AUTH_SECRET_HEX);
}

void auth_secret_format(const struct auth_secret *secret, char hex[AUTH_SECRET_HEX + 1])
{
    hex_format(secret->bytes, AUTH_SECRET_SIZE, hex);
}

void auth_secret_wipe(struct auth_secret *secret)
{
    OPENSSL_cleanse(secret, sizeof *secret);
}

/* Type, magic, version, fresh nonce. */
static int put_head(struct buf *buf, char type, struct error *ret_error)
{
    uint8_t nonce[AUTH_NONCE_SIZE];
    if (RAND_bytes(nonce, sizeof nonce) != 1)
        return error_set(ret_error, ERROR_SYSTEM,
                         "the system has no random numbers for a handshake");
    wire_put_u8(buf, (uint8_t)type);
    buf_append(buf, magic, MAGIC_SIZE);
    wire_put_u32(buf, AUTH_VERSION);
    buf_append(buf, nonce, sizeof nonce);
    return 0;
}

static int check_put(const struct buf *buf, struct error *ret_error)
{
    if (buf_failed(buf))
        return error_set(ret_error, ERROR_BUG, "a handshake frame does not fit %d bytes",
                         AUTH_FRAME_MAX);
    return 0;
}

int auth_hello_encode(struct buf *buf, const struct auth_hello *hello, struct error *ret_error)
{
    if (put_head(buf, AUTH_FRAME_HELLO, ret_error) < 0)
        return -1;
    wire_put_text(buf, hello->farm);
    wire_put_text(buf, hello->host);
    wire_put_varint(buf, (uint64_t)hello->pid);
    wire_put_u8(buf, hello->mpi);
    wire_put_text(buf, hello->universe);
    return check_put(buf, ret_error);
}

int auth_challenge_encode(struct buf *buf, struct error *ret_error)
{
    if (put_head(buf, AUTH_FRAME_CHALLENGE, ret_error) < 0)
        return -1;
    return check_put(buf, ret_error);
}

int auth_welcome_encode(struct buf *buf, const struct auth_welcome *welcome,
                        struct error *ret_error)
{
    wire_put_varint(buf, welcome->id);
    wire_put_u8(buf, (uint8_t)welcome->transport);
    wire_put_text(buf, welcome->instance);
    wire_put_text(buf, welcome->mpi_uri);
    wire_put_text(buf, welcome->mpi_mca);
    return check_put(buf, ret_error);
}

void auth_refusal_encode(struct buf *buf, enum error_code code, const char *sentence)
{
    wire_put_u8(buf, AUTH_FRAME_REFUSAL);
    wire_put_u8(buf, (uint8_t)code);
    wire_put_text(buf, sentence);
}

static int nonsense(const char *what, struct error *ret_error)
{
    return error_set(
        ret_error, ERROR_NETWORK,
        "the peer sent nonsense instead of %s; it does not speak beofarm's protocol", what);
}

/* Read what put_head wrote. */
static int get_head(struct wire_reader *reader, char type, const char *what,
                    struct error *ret_error)
{
    bool good = wire_get_u8(reader) == (uint8_t)type && wire_left(reader) >= MAGIC_SIZE &&
                memcmp(reader->next, magic, MAGIC_SIZE) == 0;
    if (!good)
        return nonsense(what, ret_error);
    reader->next += MAGIC_SIZE;
    uint32_t version = wire_get_u32(reader);
    if (reader->failed)
        return nonsense(what, ret_error);
    if (version != AUTH_VERSION)
        return error_set(
            ret_error, ERROR_CONFIG,
            "one end speaks version %d of beofarm's protocol, the other %u; install "
            "the same beofarm on both",
            AUTH_VERSION, version);
    if (wire_left(reader) < AUTH_NONCE_SIZE)
        return nonsense(what, ret_error);
    reader->next += AUTH_NONCE_SIZE;
    return 0;
}

/* Read a text of fewer than `size` bytes into `text`; a NUL inside, or with `plain` anything but
 * visible ASCII, marks the reader failed: such names end up in logs and on terminals. */
static void get_text(struct wire_reader *reader, char *text, size_t size, bool plain)
{
    size_t length;
    const char *bytes = wire_get_bytes(reader, &length);
    if (reader->failed || length >= size || (length && memchr(bytes, 0, length))) {
        reader->failed = true;
        length = 0;
    }
    for (size_t i = 0; plain && i < length; i++)
        reader->failed = reader->failed || bytes[i] < 0x21 || bytes[i] > 0x7e;
    if (length)
        memcpy(text, bytes, length);
    text[length] = 0;
}

int auth_hello_decode(const void *bytes, size_t size, struct auth_hello *ret_hello,
                      struct error *ret_error)
{
    struct wire_reader reader;
    wire_reader_init(&reader, bytes, size);
    if (get_head(&reader, AUTH_FRAME_HELLO, "a hello", ret_error) < 0)
        return -1;
    get_text(&reader, ret_hello->farm, sizeof ret_hello->farm, false);
    get_text(&reader, ret_hello->host, sizeof ret_hello->host, true);
    ret_hello->pid = (int64_t)wire_get_varint(&reader);
    uint8_t mpi = wire_get_u8(&reader);
    ret_hello->mpi = mpi == 1;
    get_text(&reader, ret_hello->universe, sizeof ret_hello->universe, true);
    if (reader.failed || wire_left(&reader) > 0 || mpi > 1 || ret_hello->host[0] == 0 ||
        ret_hello->pid < 0)
        return nonsense("a hello", ret_error);
    return 0;
}

int auth_challenge_check(const void *bytes, size_t size, struct error *ret_error)
{
    struct wire_reader reader;
    wire_reader_init(&reader, bytes, size);
    if (get_head(&reader, AUTH_FRAME_CHALLENGE, "a challenge", ret_error) < 0)
        return -1;
    return wire_left(&reader) > 0 ? nonsense("a challenge", ret_error) : 0;
}

int auth_welcome_decode(const void *bytes, size_t size, struct auth_welcome *ret_welcome,
                        struct error *ret_error)
{
    struct wire_reader reader;
    wire_reader_init(&reader, bytes, size);
    ret_welcome->id = wire_get_varint(&reader);
    uint8_t transport = wire_get_u8(&reader);
    ret_welcome->transport = transport == AUTH_MPI ? AUTH_MPI : AUTH_TCP;
    get_text(&reader, ret_welcome->instance, sizeof ret_welcome->instance, true);
    get_text(&reader, ret_welcome->mpi_uri, sizeof ret_welcome->mpi_uri, false);
    get_text(&reader, ret_welcome->mpi_mca, sizeof ret_welcome->mpi_mca, false);
    if (reader.failed || wire_left(&reader) > 0 || transport > AUTH_MPI)
        return nonsense("a welcome", ret_error);
    return 0;
}

int auth_refusal_decode(const void *bytes, size_t size, const char *whom,
                        struct error *ret_error)
{
    struct wire_reader reader;
    wire_reader_init(&reader, bytes, size);
    char text[512];
    uint8_t type = wire_get_u8(&reader);
    uint8_t code = wire_get_u8(&reader);
    get_text(&reader, text, sizeof text, false);
    if (reader.failed || wire_left(&reader) > 0 || type != AUTH_FRAME_REFUSAL)
        return nonsense("a refusal", ret_error);
    /* Only what a master has reason to say; anything else is worth another try. */
    bool known = code == ERROR_AUTH || code == ERROR_CONFIG;
    return error_set(ret_error, known ? (enum error_code)code : ERROR_NETWORK, "%s refused: %s",
                     whom, text);
}
