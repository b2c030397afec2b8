#include "config.h"

#include "launch/azure/assertion.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

#define CERTIFICATE_MAX ((size_t)1 << 20)
#define VALID_S         600

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static void identity_fini(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

/* Without it OpenSSL would ask on the terminal. */
static int password_give(char *buffer, int size, int writing, void *context)
{
    const char *password = context ? context : "";
    size_t length = strlen(password);
    (void)writing;
    if (!length || length > (size_t)size)
        return 0;
    memcpy(buffer, password, length);
    return (int)length;
}

static BIO *bio_of(const char *bytes, size_t size)
{
    return BIO_new_mem_buf(bytes, (int)size);
}

static void pem_read(const char *bytes, size_t size, const char *password,
                     struct identity *identity)
{
    BIO *bio = bio_of(bytes, size);
    if (bio)
        identity->certificate = PEM_read_bio_X509(bio, NULL, password_give, NULL);
    BIO_free(bio);
    bio = bio_of(bytes, size);
    if (bio)
        identity->key = PEM_read_bio_PrivateKey(bio, NULL, password_give, (void *)password);
    BIO_free(bio);
}

static void pkcs12_read(const char *bytes, size_t size, const char *password,
                        struct identity *identity)
{
    BIO *bio = bio_of(bytes, size);
    PKCS12 *pkcs12 = bio ? d2i_PKCS12_bio(bio, NULL) : NULL;
    if (pkcs12)
        PKCS12_parse(pkcs12, password ? password : "", &identity->key, &identity->certificate,
                     NULL);
    PKCS12_free(pkcs12);
    BIO_free(bio);
}

static int identity_read(const char *path, const char *password, struct identity *identity,
                         struct error *ret_error)
{
    char *bytes;
    size_t size;
    if (json_read_text(path, CERTIFICATE_MAX, &bytes, &size, ret_error) != 0)
        return -1;
    if (memmem(bytes, size, "-----BEGIN", 10))
        pem_read(bytes, size, password, identity);
    else
        pkcs12_read(bytes, size, password, identity);
    OPENSSL_cleanse(bytes, size);
    free(bytes);
    ERR_clear_error();
    const char *lacks = !identity->certificate && !identity->key ? "certificate and private key"
                        : !identity->certificate                 ? "certificate"
                        : !identity->key                         ? "private key"
                                                                 : NULL;
    if (lacks)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: no %s could be read; it must be PEM or PKCS 12 with both, and "
                         "its password, if it has one, in \"certificate_password\" or "
                         "AZURE_CLIENT_CERTIFICATE_PASSWORD",
                         path, lacks);
    if (EVP_PKEY_get_base_id(identity->key) != EVP_PKEY_RSA)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: the key is not of RSA, which is what Microsoft Entra takes",
                         path);
    if (X509_check_private_key(identity->certificate, identity->key) != 1) {
        ERR_clear_error();
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: the private key is not that of the certificate", path);
    }
    return 0;
}

/* Base64 with '-' and '_', and no padding (RFC 7515). */
static void put_base64url(struct buf *buf, const void *bytes, size_t size)
{
    size_t from = buf->size, most = (size + 2) / 3 * 4 + 1;
    uint8_t *room = buf_reserve(buf, most);
    if (!room)
        return;
    buf_commit(buf, (size_t)EVP_EncodeBlock(room, bytes, (int)size));
    while (buf->size > from && buf->data[buf->size - 1] == '=')
        buf->size--;
    for (size_t i = from; i < buf->size; i++)
        buf->data[i] = buf->data[i] == '+' ? '-' : buf->data[i] == '/' ? '_' : buf->data[i];
}

static void put_header(struct buf *token, X509 *certificate)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct buf header;
    buf_init(&header, 1024);
    if (X509_digest(certificate, EVP_sha1(), digest, &size) != 1)
        token->failed = true;
    buf_append_text(&header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"x5t\":\"");
    put_base64url(&header, digest, size);
    buf_append_text(&header, "\"}");
    put_base64url(token, header.data, header.size);
    token->failed |= buf_failed(&header);
    buf_fini(&header);
}

static void put_claims(struct buf *token, const char *audience, const char *client_id,
                       const char *id, int64_t now_s)
{
    struct buf claims;
    buf_init(&claims, 8192);
    buf_append_text(&claims, "{\"aud\":");
    json_put_text(&claims, audience, strlen(audience));
    buf_append_text(&claims, ",\"iss\":");
    json_put_text(&claims, client_id, strlen(client_id));
    buf_append_text(&claims, ",\"sub\":");
    json_put_text(&claims, client_id, strlen(client_id));
    buf_printf(&claims, ",\"jti\":\"%s\",\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld}", id,
               (long long)now_s, (long long)now_s, (long long)(now_s + VALID_S));
    put_base64url(token, claims.data, claims.size);
    token->failed |= buf_failed(&claims);
    buf_fini(&claims);
}

static int put_signature(struct buf *token, EVP_PKEY *key)
{
    uint8_t signature[1024];
    size_t size = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int rc = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                     EVP_DigestSign(context, signature, &size, token->data, token->size) == 1
                 ? 0
                 : -1;
    EVP_MD_CTX_free(context);
    if (rc == 0) {
        buf_append_text(token, ".");
        put_base64url(token, signature, size);
    }
    return rc;
}

int assertion_make(const char *certificate, const char *password, const char *audience,
                   const char *client_id, const char *id, int64_t now_s, struct buf *ret_token,
                   struct error *ret_error)
{
    struct identity identity = {0};
    struct buf token;
    int rc = identity_read(certificate, password, &identity, ret_error);
    buf_init(&token, 64 << 10);
    if (rc == 0) {
        put_header(&token, identity.certificate);
        buf_append_text(&token, ".");
        put_claims(&token, audience, client_id, id, now_s);
        if (buf_failed(&token) || put_signature(&token, identity.key) != 0 ||
            buf_append(ret_token, token.data, token.size) != 0)
            rc = error_set(ret_error, ERROR_SYSTEM, "%s: OpenSSL cannot sign with this key",
                           certificate);
    }
    if (token.data)
        OPENSSL_cleanse(token.data, token.size);
    buf_fini(&token);
    identity_fini(&identity);
    ERR_clear_error();
    return rc;
}
