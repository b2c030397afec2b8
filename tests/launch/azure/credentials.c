/* What is looked for where, and that no secret is ever said: every sentence that these tests get
 * to see is searched for the secrets that they gave. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/tree.h"
#include "launch/azure/account.h"
#include "launch/azure/credentials.h"
#include "tests/common/azure/server.h"

#define KEY       "VE9QU0VDUkVUS0VZVE9QU0VDUkVUS0VZ" /* base64 */
#define SECRET    "TOPSECRETvalue~1"
#define TOKEN     "TOPSECRETtoken"
#define BATCH_URL "https://henry.eastus.batch.azure.com"

static char folder[64];

static void no_secret_in(const char *text)
{
    static const char *const secrets[] = {KEY, "TOPSECRET", "VE9QU0VDUkVU"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
        if (strstr(text, secrets[i]))
            fail_msg("a secret is said: %s", text);
}

static char *write_file(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static int setup(void **state)
{
    static const char *const variables[] = {"AZURE_BATCH_ACCOUNT",
                                            "AZURE_BATCH_ENDPOINT",
                                            "AZURE_BATCH_ACCESS_KEY",
                                            "AZURE_STORAGE_ACCOUNT",
                                            "AZURE_STORAGE_BLOB_ENDPOINT",
                                            "AZURE_STORAGE_KEY",
                                            "AZURE_STORAGE_CONNECTION_STRING",
                                            "AZURE_TENANT_ID",
                                            "AZURE_CLIENT_ID",
                                            "AZURE_CLIENT_SECRET",
                                            "AZURE_CLIENT_CERTIFICATE_PATH",
                                            "AZURE_CLIENT_CERTIFICATE_PASSWORD",
                                            "AZURE_FEDERATED_TOKEN_FILE",
                                            "AZURE_AUTHORITY_HOST",
                                            "AZURE_SUBSCRIPTION_ID",
                                            "AZURE_RESOURCE_GROUP",
                                            "BEOFARM_AZURE_CREDENTIALS",
                                            "XDG_CONFIG_HOME"};
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        unsetenv(variables[i]);
    snprintf(folder, sizeof(folder), "/tmp/beofarm-credentials-XXXXXX");
    assert_non_null(mkdtemp(folder));
    setenv("HOME", folder, 1);
    setenv("PATH", folder, 1); /* where a test may put its own az */
    setenv("no_proxy", "*", 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return tree_remove(AT_FDCWD, folder);
}

/* Opens and checks every sentence. NULL where it fails; the error is then in *ret_error. */
static struct credentials *open_checked(const struct credentials_wishes *wishes,
                                        struct error *ret_error)
{
    struct http_options options = {.tries = 1};
    ret_error->text[0] = '\0';
    struct credentials *credentials = credentials_open(wishes, &options, ret_error);
    no_secret_in(ret_error->text);
    for (int i = 0; credentials && i < CREDENTIALS_AUDIENCES; i++) {
        struct buf text;
        buf_init(&text, 4096);
        assert_int_equal(credentials_describe(credentials, (enum credentials_audience)i, &text),
                         0);
        no_secret_in(buf_text(&text));
        buf_fini(&text);
    }
    return credentials;
}

static void check_described(const struct credentials *credentials,
                            enum credentials_audience audience, const char *expected)
{
    struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(credentials_describe(credentials, audience, &text), 0);
    assert_string_equal(buf_text(&text), expected);
    buf_fini(&text);
}

static void without_any_account_it_says_where_it_looked(void **state)
{
    (void)state;
    struct error error;
    assert_null(open_checked(&(struct credentials_wishes){0}, &error));
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_non_null(strstr(error.text, "the environment: no batch account"));
    assert_non_null(strstr(error.text, "/.config/beofarm/azure.json: not there"));
    assert_non_null(strstr(error.text, "AZURE_BATCH_ACCOUNT"));
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    assert_null(open_checked(&(struct credentials_wishes){0}, &error));
    assert_non_null(strstr(error.text, "AZURE_BATCH_ENDPOINT"));
}

static void files_that_are_wrong_are_refused_without_showing_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "no credentials"},
        {"{", "1:"},
        {"{\"batch\": {\"key\": \"" SECRET "\"", "1:"},
        {"{\"batch\": {\"key\": " SECRET "}}", "1:"},
        {"{\"batch\": {\"kee\": \"" SECRET "\"}}",
         "$.batch.kee: unknown key; did you mean \"key\""},
        {"{\"batch\": \"" SECRET "\"}", "$.batch must be an object"},
        {"{\"batch\": {\"key\": [\"" SECRET "\"]}}",
         "$.batch.key must be a text, not an array"},
        {"{\"auth\": \"keys\", \"batch\": {\"account\": \"henry\", \"url\": \"u\"}}",
         "auto, key"},
        {"[{}]", "no credentials"},
        {"[DEFAULT]\n_BATCH_ACCOUNT_KEY = a\n  " SECRET "\n", ":3: values do not go on"},
        {"[DEFAULT]\n" SECRET "\n", ":2: this is neither"},
        {"[DEFAULT\n", ":1: a section's name"},
        {"_UNKNOWN = " SECRET "\n", "no credentials"},
        {"{\"batch\": {\"account\": \"henry\", \"url\": \"u\", \"key\": \"" SECRET "\"}}",
         "is not base64"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct error error;
        struct credentials_wishes wishes = {.file = write_file("c", cases[i].text)};
        if (open_checked(&wishes, &error))
            fail_msg("%s was taken", cases[i].text);
        if (!strstr(error.text, cases[i].expected))
            fail_msg("\"%s\" is not in: %s", cases[i].expected, error.text);
    }
    struct error error;
    assert_null(open_checked(&(struct credentials_wishes){.file = "/nowhere/c"}, &error));
    assert_int_equal(error.code, ERROR_SYSTEM);
}

static void check_henry(struct credentials *credentials, const char *url, const char *blob_url)
{
    assert_string_equal(credentials_batch_account(credentials), "henry");
    assert_string_equal(credentials_batch_url(credentials), url);
    assert_string_equal(credentials_storage_account(credentials), "data");
    assert_string_equal(credentials_blob_url(credentials), blob_url);
    assert_non_null(credentials_key(credentials, CREDENTIALS_BATCH));
    assert_non_null(credentials_key(credentials, CREDENTIALS_STORAGE));
    assert_null(credentials_key(credentials, CREDENTIALS_MANAGEMENT));
    credentials_close(credentials);
}

static void every_kind_of_file_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{ // ours\n\"batch\": {\"account\": \"henry\", \"url\": \"" BATCH_URL
        "/\", \"key\": \"" KEY "\"}, \"storage\": {\"account\": \"data\", \"key\": \"" KEY
        "\"}}",
        "\xef\xbb\xbf[ {\"_BATCH_ACCOUNT_NAME\": \"other\", \"_BATCH_ACCOUNT_URL\": \"x.y\"},"
        "{\"_BATCH_ACCOUNT_URL\": \"" BATCH_URL "\", \"_BATCH_ACCOUNT_KEY\": \"" KEY
        "\", \"_STORAGE_ACCOUNT_NAME\": \"data\", \"_STORAGE_ACCOUNT_KEY\": \"" KEY
        "\", \"_REGISTRY\": 1}]",
        "# dms\n[DEFAULT]\n_BATCH_ACCOUNT_NAME = henry\r\n_batch_account_key: '" KEY
        "'\n_BATCH_ACCOUNT_URL=" BATCH_URL "\n_STORAGE_ACCOUNT_DOMAIN = "
        "blob.core.windows.net\n_STORAGE_ACCOUNT_NAME=data\n_STORAGE_ACCOUNT_KEY=" KEY,
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct error error;
        struct credentials_wishes wishes = {.file = write_file("c", texts[i]),
                                            .batch_account = "HENRY"};
        struct credentials *credentials = open_checked(&wishes, &error);
        if (!credentials)
            fail_msg("%s", error.text);
        check_henry(credentials, BATCH_URL, "https://data.blob.core.windows.net");
    }
}

static void the_environment_comes_first_and_nothing_is_mixed(void **state)
{
    (void)state;
    struct error error;
    char expected[256];
    struct credentials_wishes wishes = {
        .file = write_file("c", "{\"batch\": {\"account\": \"henry\", \"url\": \"https://x\", "
                                "\"key\": \"" KEY "\"}}")};
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", "henry.eastus.batch.azure.com", 1);
    struct credentials *credentials = open_checked(&wishes, &error);
    assert_string_equal(credentials_batch_url(credentials), BATCH_URL);
    assert_null(credentials_key(credentials, CREDENTIALS_BATCH)); /* the file's is not taken */
    credentials_close(credentials);
    setenv("AZURE_BATCH_ACCOUNT", "walter", 1);
    wishes.batch_account = "henry"; /* the environment's is another */
    credentials = open_checked(&wishes, &error);
    assert_non_null(credentials_key(credentials, CREDENTIALS_BATCH));
    snprintf(expected, sizeof(expected), "SharedKey of batch account henry, from %s",
             wishes.file);
    check_described(credentials, CREDENTIALS_BATCH, expected);
    credentials_close(credentials);
}

static void a_connection_string_names_the_storage_account(void **state)
{
    (void)state;
    struct error error;
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", BATCH_URL, 1);
    setenv("AZURE_BATCH_ACCESS_KEY", KEY, 1);
    setenv("AZURE_STORAGE_CONNECTION_STRING",
           "DefaultEndpointsProtocol=http;AccountName=data;AccountKey=" KEY
           ";BlobEndpoint=http://127.0.0.1:10000/data;",
           1);
    struct credentials *credentials = open_checked(&(struct credentials_wishes){0}, &error);
    assert_non_null(credentials);
    check_henry(credentials, BATCH_URL, "http://127.0.0.1:10000/data");
    setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=" KEY, 1);
    assert_null(open_checked(&(struct credentials_wishes){0}, &error));
}

static void a_way_that_is_asked_for_is_the_one_taken(void **state)
{
    (void)state;
    struct error error;
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", BATCH_URL, 1);
    setenv("AZURE_BATCH_ACCESS_KEY", KEY, 1);
    struct credentials_wishes wishes = {.method = CREDENTIALS_CLI};
    struct credentials *credentials = open_checked(&wishes, &error);
    assert_null(credentials_key(credentials, CREDENTIALS_BATCH));
    check_described(credentials, CREDENTIALS_BATCH, "login of the Azure CLI");
    credentials_close(credentials);
    unsetenv("AZURE_BATCH_ACCESS_KEY");
    wishes.method = CREDENTIALS_KEY;
    assert_null(open_checked(&wishes, &error));
    assert_non_null(strstr(error.text, "AZURE_BATCH_ACCESS_KEY"));
}

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
                 "{\"access_token\":\"" TOKEN
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
             "{\"token_type\":\"Bearer\",\"expires_in\":%d,\"access_token\":\"" TOKEN "%d\"}",
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
    setenv("AZURE_BATCH_ENDPOINT", BATCH_URL, 1);
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
    setenv("AZURE_CLIENT_SECRET", SECRET, 1);
    struct credentials *credentials = open_checked(&(struct credentials_wishes){0}, &error);
    assert_non_null(credentials);
    check_described(credentials, CREDENTIALS_BATCH,
                    "client client-1 of tenant tenant-1 with a secret, from the environment");
    check_token(credentials, CREDENTIALS_BATCH, TOKEN "1");
    assert_string_equal(issuer.last_target, "/tenant-1/oauth2/v2.0/token");
    assert_string_equal(issuer.last_body,
                        "grant_type=client_credentials&client_id=client-1&scope=https%3A%2F%2F"
                        "batch.core.windows.net%2F.default&client_secret=" SECRET);
    check_token(credentials, CREDENTIALS_BATCH, TOKEN "1"); /* kept */
    issuer.expires_in = 299;                                /* due for renewal at once */
    check_token(credentials, CREDENTIALS_STORAGE, TOKEN "2");
    assert_non_null(strstr(issuer.last_body, "storage.azure.com"));
    check_token(credentials, CREDENTIALS_STORAGE, TOKEN "3");
    issuer.refusal = "{\"error\":\"temporarily_unavailable\"}"; /* good for a while yet */
    check_token(credentials, CREDENTIALS_STORAGE, TOKEN "3");
    issuer.refusal = NULL;
    credentials_token_forget(credentials, CREDENTIALS_BATCH);
    check_token(credentials, CREDENTIALS_BATCH, TOKEN "4");
    credentials_close(credentials);
    server_stop(server);
}

static void a_principal_that_is_refused_says_why_and_shows_no_secret(void **state)
{
    (void)state;
    struct issuer issuer = {
        .refusal =
            "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid "
            "client_secret=" SECRET " provided.\"}"};
    struct server *server = server_start(issuer_answer, &issuer);
    struct error error;
    const char *token;
    principal_set(server);
    setenv("AZURE_CLIENT_SECRET", SECRET, 1);
    struct credentials *credentials = open_checked(&(struct credentials_wishes){0}, &error);
    assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &token, &error), -1);
    no_secret_in(error.text);
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
    snprintf(path, sizeof(path), "%s/tokens.json", folder);
    struct credentials_wishes wishes = {.token_cache = path};
    principal_set(server);
    setenv("AZURE_CLIENT_SECRET", SECRET, 1);
    for (int i = 0; i < 2; i++) { /* another process finds it */
        struct credentials *credentials = open_checked(&wishes, &error);
        check_token(credentials, CREDENTIALS_BATCH, TOKEN "1");
        credentials_close(credentials);
    }
    assert_int_equal(issuer.tokens, 1);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(chmod(path, 0644), 0); /* somebody else may have read or written it */
    struct credentials *credentials = open_checked(&wishes, &error);
    check_token(credentials, CREDENTIALS_BATCH, TOKEN "2");
    credentials_token_forget(credentials, CREDENTIALS_BATCH);
    check_token(credentials, CREDENTIALS_BATCH, TOKEN "3");
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
    snprintf(path, sizeof(path), "%s/client.pem", folder);
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
    struct credentials *credentials = open_checked(&(struct credentials_wishes){0}, &error);
    check_token(credentials, CREDENTIALS_BATCH, TOKEN "1");
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
        setenv("AZURE_BATCH_ENDPOINT", BATCH_URL, 1);
        setenv("AZURE_TENANT_ID", "tenant-1", 1);
        setenv("AZURE_CLIENT_ID", "client-1", 1);
        setenv("AZURE_CLIENT_CERTIFICATE_PATH", write_file("bad.pem", texts[i]), 1);
        struct credentials *credentials = open_checked(&(struct credentials_wishes){0}, &error);
        const char *text;
        assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &text, &error), -1);
        no_secret_in(error.text);
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
    setenv("AZURE_BATCH_ENDPOINT", BATCH_URL, 1);
    struct credentials_wishes wishes = {.metadata_url = server_url(server),
                                        .identity = "identity-1"};
    struct credentials *credentials = open_checked(&wishes, &error);
    check_token(credentials, CREDENTIALS_BATCH, TOKEN "I1");
    assert_string_equal(
        issuer.last_target,
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F"
        "%2Fbatch.core.windows.net%2F&client_id=identity-1");
    check_described(credentials, CREDENTIALS_BATCH,
                    "managed identity of this machine identity-1");
    credentials_close(credentials);
    server_stop(server);
}

static void az_write(const char *script)
{
    const char *path = write_file("az", script);
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
    setenv("AZURE_BATCH_ENDPOINT", BATCH_URL, 1);
    az_write("#!/bin/sh\necho \"$0 $*\" > \"${0%/*}/said\"\n"
             "echo '{\"accessToken\": \"" TOKEN "C\", \"expires_on\": 4102444800}'\n");
    struct credentials_wishes wishes = {.metadata_url = server_url(server),
                                        .tenant = "tenant-1"};
    struct credentials *credentials = open_checked(&wishes, &error);
    check_token(credentials, CREDENTIALS_BATCH, TOKEN "C");
    check_token(credentials, CREDENTIALS_BATCH, TOKEN "C");
    snprintf(path, sizeof(path), "%s/said", folder);
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
    setenv("AZURE_BATCH_ENDPOINT", BATCH_URL, 1);
    struct credentials_wishes wishes = {.metadata_url = server_url(server)};
    struct credentials *credentials = open_checked(&wishes, &error);
    assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &token, &error), -1);
    assert_int_equal(error.code, ERROR_AUTH);
    assert_non_null(strstr(error.text, "Identity not found"));
    assert_non_null(strstr(error.text, "az is not in PATH"));
    assert_non_null(strstr(error.text, "az login"));
    az_write(
        "#!/bin/sh\necho 'ERROR: Please run az login; accessToken \"Bearer TOPSECRET\"' >&2\n"
        "exit 1\n");
    assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &token, &error), -1);
    no_secret_in(error.text);
    assert_non_null(strstr(error.text, "Please run az login"));
    az_write("#!/bin/sh\necho '" TOKEN "'\n");
    assert_int_equal(credentials_token(credentials, CREDENTIALS_BATCH, &token, &error), -1);
    no_secret_in(error.text);
    credentials_close(credentials);
    server_stop(server);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(without_any_account_it_says_where_it_looked),
        T(files_that_are_wrong_are_refused_without_showing_them),
        T(certificates_that_cannot_sign_are_refused),
        T(every_kind_of_file_is_read),
        T(the_environment_comes_first_and_nothing_is_mixed),
        T(a_connection_string_names_the_storage_account),
        T(a_way_that_is_asked_for_is_the_one_taken),
        T(a_principals_tokens_are_kept_and_renewed_in_time),
        T(a_principal_that_is_refused_says_why_and_shows_no_secret),
        T(tokens_are_kept_in_a_private_file),
        T(a_certificate_signs_what_proves_it),
        T(a_managed_identity_is_asked_by_resource),
        T(the_azure_cli_comes_last_and_gets_no_secret),
        T(nobody_signed_in_says_all_that_was_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
