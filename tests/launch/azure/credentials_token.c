/* Tokens: from whom they are had, how long they are kept, and that none is ever shown. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/clock.h"
#include "common/json.h"
#include "tests/common/azure/server.h"
#include "tests/launch/azure/credentials_bench.h"

/* A token endpoint, a metadata service and a storage service in one. */
struct issuer {
    int tokens, identities;
    int expires_in;
    const char *refusal; /* a body for 401 */
    bool no_identity;
    char last_body[8192];
    char last_target[4096];
};

static bool issuer_answer(void *context, const struct server_request *request,
                          struct buf *answer)
{
    struct issuer *issuer = context;
    char metadata[16], body[512];
    snprintf(issuer->last_target, sizeof(issuer->last_target), "%s", request->target);
    if (strstr(request->target, "/metadata/")) {
        bool told =
            strcmp(server_header(request, "Metadata", metadata, sizeof(metadata)), "true") == 0;
        snprintf(body, sizeof(body),
                 "{\"access_token\":\"" BENCH_TOKEN
                 "I%d\",\"expires_in\":\"%d\",\"expires_on\":\"%lld\"}",
                 issuer->identities + 1, issuer->expires_in,
                 (long long)(clock_wall_ns() / CLOCK_SECOND_NS + issuer->expires_in));
        if (!told || issuer->no_identity)
            server_put(answer, 400, NULL,
                       "{\"error\":\"invalid_request\",\"error_description\":\"Identity not "
                       "found\"}");
        else {
            issuer->identities++;
            server_put(answer, 200, NULL, body);
        }
        return true;
    }
    snprintf(issuer->last_body, sizeof(issuer->last_body), "%.*s", (int)request->body_size,
             request->body);
    snprintf(body, sizeof(body),
             "{\"token_type\":\"Bearer\",\"expires_in\":%d,\"access_token\":\"" BENCH_TOKEN
             "%d\"}",
             issuer->expires_in, issuer->tokens + 1);
    if (issuer->refusal) {
        server_put(answer, 401, NULL, issuer->refusal);
    } else {
        issuer->tokens++;
        server_put(answer, 200, NULL, body);
    }
    return true;
}

static void principal_set(const struct server *server)
{
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", BENCH_BATCH_URL, 1);
    setenv("AZURE_TENANT_ID", "tenant-1", 1);
    setenv("AZURE_CLIENT_ID", "client-1", 1);
    setenv("AZURE_AUTHORITY_HOST", server_url(server), 1);
}

static void check_token(struct credentials *credentials, enum credentials_audience audience,
                        const char *expected)
{
    const char *token = NULL;
    struct error error = {0};
    if (credentials_token(credentials, audience, &token, &error) != 0)
        fail_msg("%s", error.text);
    assert_string_equal(token, expected);
}

static void a_principals_tokens_are_kept_and_renewed_in_time(void **state)
{
    (void)state;
    struct issuer issuer = {.expires_in = 3600};
    struct server *server = server_start(issuer_answer, &issuer);
    struct error error;
    principal_set(server);
    setenv("AZURE_CLIENT_SECRET", BENCH_SECRET, 1);
    struct credentials *credentials = bench_open(&(struct credentials_wishes){0}, &error);
    assert_non_null(credentials);
    bench_check_described(
        credentials, CREDENTIALS_BATCH,
        "client client-1 of tenant tenant-1 with a secret, from the environment");
    check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "1");
    assert_string_equal(issuer.last_target, "/tenant-1/oauth2/v2.0/token");
    assert_string_equal(issuer.last_body,
                        "grant_type=client_credentials&client_id=client-1&scope=https%3A%2F%2F"
                        "batch.core.windows.net%2F.default&client_secret=" BENCH_SECRET);
    check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "1"); /* kept */
    issuer.expires_in = 299;                                      /* due for renewal at once */
    check_token(credentials, CREDENTIALS_STORAGE, BENCH_TOKEN "2");
    assert_non_null(strstr(issuer.last_body, "storage.azure.com"));
    check_token(credentials, CREDENTIALS_STORAGE, BENCH_TOKEN "3");
    issuer.refusal = "{\"error\":\"temporarily_unavailable\"}"; /* good for a while yet */
    check_token(credentials, CREDENTIALS_STORAGE, BENCH_TOKEN "3");
    issuer.refusal = NULL;
    credentials_token_forget(credentials, CREDENTIALS_BATCH);
    check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "4");
    credentials_close(credentials);
    server_stop(server);
}

static void a_principal_that_is_refused_says_why_and_shows_no_secret(void **state)
{
    (void)state;
    struct issuer issuer = {
        .refusal =
            "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid "
            "client_secret=" BENCH_SECRET " provided.\"}"};
    struct server *server = server_start(issuer_answer, &issuer);
    struct error error;
    const char *token;
    principal_set(server);
    setenv("AZURE_CLIENT_SECRET", BENCH_SECRET, 1);
    struct credentials *credentials = bench_open(&(struct credentials_wishes){0}, &error);
    assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &token, &error), -1);
    bench_search(error.text);
    assert_int_equal(error.code, ERROR_AUTH);
    assert_non_null(strstr(error.text, "signing in as client client-1 of tenant tenant-1"));
    assert_non_null(strstr(error.text, "give its value, not its id"));
    credentials_close(credentials);
    server_stop(server);
}

static void tokens_are_kept_in_a_private_file(void **state)
{
    (void)state;
    struct issuer issuer = {.expires_in = 3600};
    struct server *server = server_start(issuer_answer, &issuer);
    struct error error;
    struct stat status;
    char path[256];
    snprintf(path, sizeof(path), "%s/tokens.json", bench_folder());
    struct credentials_wishes wishes = {.token_cache = path};
    principal_set(server);
    setenv("AZURE_CLIENT_SECRET", BENCH_SECRET, 1);
    for (int i = 0; i < 2; i++) { /* another process finds it */
        struct credentials *credentials = bench_open(&wishes, &error);
        check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "1");
        credentials_close(credentials);
    }
    assert_int_equal(issuer.tokens, 1);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(chmod(path, 0644), 0); /* somebody else may have read or written it */
    struct credentials *credentials = bench_open(&wishes, &error);
    check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "2");
    credentials_token_forget(credentials, CREDENTIALS_BATCH);
    check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "3");
    credentials_close(credentials);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    server_stop(server);
}

/* A self-signed certificate with its key, in PEM. */
static const char *certificate_write(EVP_PKEY **ret_key)
{
    static char path[256];
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"beofarm", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    snprintf(path, sizeof(path), "%s/client.pem", bench_folder());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
    X509_free(certificate);
    *ret_key = key;
    return path;
}

static size_t base64url_decode(const char *text, size_t size, uint8_t *bytes)
{
    char padded[4096];
    size_t length = 0;
    for (; length < size; length++)
        padded[length] = text[length] == '-' ? '+' : text[length] == '_' ? '/' : text[length];
    size_t padding = (4 - length % 4) % 4;
    memset(padded + length, '=', padding);
    int count = EVP_DecodeBlock(bytes, (const uint8_t *)padded, (int)(length + padding));
    assert_true(count > 0);
    return (size_t)count - padding;
}

static void check_assertion(const char *token, EVP_PKEY *key, const char *audience)
{
    uint8_t claims[4096], signature[4096];
    const char *dot = strchr(token, '.'), *last = strrchr(token, '.');
    assert_true(dot && last > dot);
    size_t size = base64url_decode(last + 1, strlen(last + 1), signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(context, signature, size, (const uint8_t *)token,
                                      (size_t)(last - token)),
                     1);
    EVP_MD_CTX_free(context);
    size = base64url_decode(dot + 1, (size_t)(last - dot) - 1, claims);
    cJSON *root = NULL;
    assert_int_equal(json_parse((char *)claims, size, "claims", JSON_STRICT, &root, NULL), 0);
    assert_string_equal(json_member(root, "aud")->valuestring, audience);
    assert_string_equal(json_member(root, "iss")->valuestring, "client-1");
    assert_string_equal(json_member(root, "sub")->valuestring, "client-1");
    int64_t now = clock_wall_ns() / CLOCK_SECOND_NS;
    assert_in_range(json_member(root, "exp")->valuedouble, now + 500, now + 700);
    cJSON_Delete(root);
}

static void a_certificate_signs_what_proves_it(void **state)
{
    (void)state;
    struct issuer issuer = {.expires_in = 3600};
    struct server *server = server_start(issuer_answer, &issuer);
    struct error error;
    EVP_PKEY *key;
    char audience[256];
    principal_set(server);
    setenv("AZURE_CLIENT_CERTIFICATE_PATH", certificate_write(&key), 1);
    struct credentials *credentials = bench_open(&(struct credentials_wishes){0}, &error);
    check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "1");
    const char *assertion = strstr(issuer.last_body, "&client_assertion=");
    assert_non_null(assertion);
    assert_non_null(strstr(issuer.last_body,
                           "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
                           "client-assertion-type%3Ajwt-bearer"));
    snprintf(audience, sizeof(audience), "%s/tenant-1/oauth2/v2.0/token", server_url(server));
    check_assertion(assertion + strlen("&client_assertion="), key, audience);
    credentials_close(credentials);
    EVP_PKEY_free(key);
    server_stop(server);
}

static void certificates_that_cannot_sign_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "TOPSECRET", "-----BEGIN CERTIFICATE-----\nTOPSECRET\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct buf token;
        struct error error = {0};
        buf_init(&token, 65536);
        setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
        setenv("AZURE_BATCH_ENDPOINT", BENCH_BATCH_URL, 1);
        setenv("AZURE_TENANT_ID", "tenant-1", 1);
        setenv("AZURE_CLIENT_ID", "client-1", 1);
        setenv("AZURE_CLIENT_CERTIFICATE_PATH", bench_write("bad.pem", texts[i]), 1);
        struct credentials *credentials = bench_open(&(struct credentials_wishes){0}, &error);
        const char *text;
        assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &text, &error), -1);
        bench_search(error.text);
        assert_non_null(strstr(error.text, "bad.pem: no "));
        credentials_close(credentials);
        buf_fini(&token);
    }
}

static void a_managed_identity_is_asked_by_resource(void **state)
{
    (void)state;
    struct issuer issuer = {.expires_in = 86400};
    struct server *server = server_start(issuer_answer, &issuer);
    struct error error;
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", BENCH_BATCH_URL, 1);
    struct credentials_wishes wishes = {.metadata_url = server_url(server),
                                        .identity = "identity-1"};
    struct credentials *credentials = bench_open(&wishes, &error);
    check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "I1");
    assert_string_equal(
        issuer.last_target,
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F"
        "%2Fbatch.core.windows.net%2F&client_id=identity-1");
    bench_check_described(credentials, CREDENTIALS_BATCH,
                          "managed identity of this machine identity-1");
    credentials_close(credentials);
    server_stop(server);
}

static void az_write(const char *script)
{
    const char *path = bench_write("az", script);
    assert_int_equal(chmod(path, 0755), 0);
}

static void the_azure_cli_comes_last_and_gets_no_secret(void **state)
{
    (void)state;
    struct issuer issuer = {.no_identity = true};
    struct server *server = server_start(issuer_answer, &issuer);
    struct error error;
    char path[256], *text;
    size_t size;
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", BENCH_BATCH_URL, 1);
    az_write("#!/bin/sh\necho \"$0 $*\" > \"${0%/*}/said\"\n"
             "echo '{\"accessToken\": \"" BENCH_TOKEN "C\", \"expires_on\": 4102444800}'\n");
    struct credentials_wishes wishes = {.metadata_url = server_url(server),
                                        .tenant = "tenant-1"};
    struct credentials *credentials = bench_open(&wishes, &error);
    check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "C");
    check_token(credentials, CREDENTIALS_BATCH, BENCH_TOKEN "C");
    snprintf(path, sizeof(path), "%s/said", bench_folder());
    assert_int_equal(json_read_text(path, 4096, &text, &size, &error), 0);
    assert_non_null(strstr(text, "/az account get-access-token --resource "
                                 "https://batch.core.windows.net/ --output json --tenant "
                                 "tenant-1\n"));
    free(text);
    credentials_close(credentials);
    server_stop(server);
}

static void nobody_signed_in_says_all_that_was_tried(void **state)
{
    (void)state;
    struct issuer issuer = {.no_identity = true};
    struct server *server = server_start(issuer_answer, &issuer);
    struct error error;
    const char *token;
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", BENCH_BATCH_URL, 1);
    struct credentials_wishes wishes = {.metadata_url = server_url(server)};
    struct credentials *credentials = bench_open(&wishes, &error);
    assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &token, &error), -1);
    assert_int_equal(error.code, ERROR_AUTH);
    assert_non_null(strstr(error.text, "Identity not found"));
    assert_non_null(strstr(error.text, "az is not in PATH"));
    assert_non_null(strstr(error.text, "az login"));
    az_write(
        "#!/bin/sh\necho 'ERROR: Please run az login; accessToken \"Bearer TOPSECRET\"' >&2\n"
        "exit 1\n");
    assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &token, &error), -1);
    bench_search(error.text);
    assert_non_null(strstr(error.text, "Please run az login"));
    az_write("#!/bin/sh\necho '" BENCH_TOKEN "'\n");
    assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &token, &error), -1);
    bench_search(error.text);
    credentials_close(credentials);
    server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(certificates_that_cannot_sign_are_refused),
        BENCH_TEST(a_principals_tokens_are_kept_and_renewed_in_time),
        BENCH_TEST(a_principal_that_is_refused_says_why_and_shows_no_secret),
        BENCH_TEST(tokens_are_kept_in_a_private_file),
        BENCH_TEST(a_certificate_signs_what_proves_it),
        BENCH_TEST(a_managed_identity_is_asked_by_resource),
        BENCH_TEST(the_azure_cli_comes_last_and_gets_no_secret),
        BENCH_TEST(nobody_signed_in_says_all_that_was_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
