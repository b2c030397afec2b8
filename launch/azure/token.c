#include "config.h"

#include "launch/azure/token.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/azure_error.h"
#include "common/azure/secret.h"
#include "common/clock.h"
#include "common/json.h"
#include "launch/azure/assertion.h"
#include "launch/program.h"

#define TEXT_MAX    ((size_t)256 << 10)
#define CLI_LIMIT_S 60  /* the Azure CLI is a Python program that may ask the network, too */
#define UNKNOWN_S   600 /* how long to trust a token whose end is not told */

void token_fini(struct token *token)
{
    secret_free(token->text);
    token->text = NULL;
}

static int64_t now_s(void)
{
    return clock_wall_ns() / CLOCK_SECOND_NS;
}

/* A whole number as such or as text; -1 where there is none. */
static int64_t number_of(const cJSON *object, const char *key)
{
    const cJSON *item = json_member(object, key);
    if (cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 1e12)
        return (int64_t)item->valuedouble;
    if (!cJSON_IsString(item))
        return -1;
    char *end;
    errno = 0;
    long long number = strtoll(item->valuestring, &end, 10);
    return end == item->valuestring || *end || errno || number < 0 || number > 1000000000000
               ? -1
               : number;
}

static int64_t expiry_of(const cJSON *root)
{
    int64_t at = number_of(root, "expires_on"), in = number_of(root, "expires_in");
    return at >= 0 ? at : now_s() + (in >= 0 ? in : UNKNOWN_S);
}

int token_read(const char *text, size_t size, const char *issuer, struct token *ret_token,
               struct error *ret_error)
{
    cJSON *root = NULL;
    if (json_parse(text, size, issuer, JSON_STRICT, &root, NULL) != 0)
        return error_set(ret_error, ERROR_NETWORK, "%s answered no JSON", issuer);
    cJSON *item = cJSON_GetObjectItemCaseSensitive(root, "access_token");
    if (!item)
        item = cJSON_GetObjectItemCaseSensitive(root, "accessToken"); /* the Azure CLI */
    int rc = 0;
    if (!cJSON_IsString(item) || !*item->valuestring)
        rc = error_set(ret_error, ERROR_NETWORK, "%s answered without a token", issuer);
    else if (strpbrk(item->valuestring, "\r\n "))
        rc = error_set(ret_error, ERROR_NETWORK, "%s answered a token with blanks", issuer);
    else if (!(ret_token->text = strdup(item->valuestring)))
        rc = error_set(ret_error, ERROR_SYSTEM, "out of memory for a token");
    if (rc == 0)
        ret_token->expires_s = expiry_of(root);
    if (cJSON_IsString(item))
        memset(item->valuestring, 0, strlen(item->valuestring));
    cJSON_Delete(root);
    return rc;
}

/* Send it, and read the token from a 200. */
static int token_ask(struct http *http, const struct http_request *request,
                     enum azure_service service, const char *issuer, const char *doing,
                     struct token *ret_token, struct error *ret_error)
{
    struct http_response response = {0};
    if (http_perform(http, request, &response, ret_error) != 0)
        return error_prefix(ret_error, "%s", doing);
    int rc;
    if (response.status == 200)
        rc = token_read((const char *)response.body.data, response.body.size, issuer, ret_token,
                        ret_error);
    else
        rc = azure_error_refuse(service, &response, doing, ret_error);
    http_response_fini(&response);
    return rc;
}

static void put_field(struct buf *body, const char *name, const char *value)
{
    buf_printf(body, "%s%s=", body->size ? "&" : "", name);
    http_encode(body, value, NULL);
}

static int federated_put(const char *path, struct buf *body, struct error *ret_error)
{
    char *text;
    size_t size;
    if (json_read_text(path, TEXT_MAX, &text, &size, ret_error) != 0)
        return error_prefix(ret_error, "the federated token");
    text[strcspn(text, "\r\n")] = '\0';
    put_field(body, "client_assertion", text);
    secret_free(text);
    return 0;
}

static int certificate_put(const struct token_principal *principal, const char *url,
                           struct buf *body, struct error *ret_error)
{
    struct buf assertion;
    char id[HTTP_ID_SIZE];
    if (http_id_make(id, ret_error) != 0)
        return -1;
    buf_init(&assertion, 64 << 10);
    int rc = assertion_make(principal->certificate, principal->certificate_password, url,
                            principal->client_id, id, now_s(), &assertion, ret_error);
    if (rc == 0 && buf_text(&assertion))
        put_field(body, "client_assertion", buf_text(&assertion));
    secret_buf_fini(&assertion);
    return rc;
}

/* The form of RFC 6749's client credentials grant. */
static int form_put(const struct token_principal *principal, const char *url, const char *scope,
                    struct buf *body, struct error *ret_error)
{
    put_field(body, "grant_type", "client_credentials");
    put_field(body, "client_id", principal->client_id);
    put_field(body, "scope", scope);
    if (principal->secret) {
        put_field(body, "client_secret", principal->secret);
        return 0;
    }
    put_field(body, "client_assertion_type",
              "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    if (principal->certificate)
        return certificate_put(principal, url, body, ret_error);
    return federated_put(principal->federated_file, body, ret_error);
}

int token_principal_get(struct http *http, const struct token_principal *principal,
                        const char *scope, struct token *ret_token, struct error *ret_error)
{
    static const struct http_header type = {"Content-Type",
                                            "application/x-www-form-urlencoded"};
    struct buf url, body, doing;
    buf_init(&url, 4096);
    buf_init(&body, TEXT_MAX);
    buf_init(&doing, 8192);
    buf_printf(&url, "%s/", principal->authority);
    http_encode(&url, principal->tenant, NULL);
    buf_append_text(&url, "/oauth2/v2.0/token");
    buf_printf(&doing, "signing in as client %s of tenant %s for %s", principal->client_id,
               principal->tenant, scope);
    int rc = -1;
    if (buf_failed(&url) || buf_failed(&doing))
        error_set(ret_error, ERROR_CONFIG, "the tenant's or client's id is too long");
    else
        rc = form_put(principal, buf_text(&url), scope, &body, ret_error);
    if (rc == 0) {
        struct http_request request = {.method = "POST",
                                       .url = buf_text(&url),
                                       .headers = &type,
                                       .headers_count = 1,
                                       .body = body.data,
                                       .body_size = body.size,
                                       .retry = HTTP_RETRY_ALWAYS};
        rc = token_ask(http, &request, AZURE_ENTRA, "Microsoft Entra", buf_text(&doing),
                       ret_token, ret_error);
    }
    buf_fini(&url);
    secret_buf_fini(&body);
    buf_fini(&doing);
    return rc;
}

/* "https://X/.default" is the scope of the resource "https://X/". */
static void put_resource(struct buf *buf, const char *scope)
{
    static const char end[] = "/.default";
    size_t size = strlen(scope);
    if (size > sizeof(end) - 1 && strcmp(scope + size - (sizeof(end) - 1), end) == 0)
        size -= sizeof(end) - 1;
    buf_append(buf, scope, size);
    if (size && scope[size - 1] != '/')
        buf_append_text(buf, "/");
}

int token_identity_get(struct http *http, const char *metadata_url, const char *client_id,
                       const char *scope, struct token *ret_token, struct error *ret_error)
{
    static const struct http_header metadata = {"Metadata", "true"};
    struct buf url, resource;
    buf_init(&url, 8192);
    buf_init(&resource, 2048);
    put_resource(&resource, scope);
    buf_printf(&url, "%s/metadata/identity/oauth2/token?api-version=2018-02-01&resource=",
               metadata_url);
    http_encode(&url, buf_text(&resource), NULL);
    if (client_id && *client_id) {
        buf_append_text(&url, "&client_id=");
        http_encode(&url, client_id, NULL);
    }
    struct http_request request = {.method = "GET",
                                   .url = buf_text(&url),
                                   .headers = &metadata,
                                   .headers_count = 1,
                                   .plain = true,
                                   .unproxied = true};
    int rc =
        buf_failed(&url)
            ? error_set(ret_error, ERROR_CONFIG, "the scope is too long")
            : token_ask(http, &request, AZURE_IDENTITY, "the metadata service",
                        "asking for this machine's managed identity", ret_token, ret_error);
    buf_fini(&url);
    buf_fini(&resource);
    return rc;
}

bool token_identity_probe(struct http *http, const char *metadata_url)
{
    /* Without "Metadata: true" any answer is a refusal, and a proof of life. */
    struct http_response response = {0};
    struct buf url;
    buf_init(&url, 4096);
    buf_printf(&url, "%s/metadata/identity/oauth2/token?api-version=2018-02-01", metadata_url);
    struct http_request request = {.method = "GET",
                                   .url = buf_text(&url),
                                   .retry = HTTP_RETRY_NEVER,
                                   .timeout_s = 2,
                                   .plain = true,
                                   .unproxied = true};
    bool there = !buf_failed(&url) && http_perform(http, &request, &response, NULL) == 0;
    http_response_fini(&response);
    buf_fini(&url);
    return there;
}

/* What the Azure CLI said on stderr, as far as it may be shown. */
static int cli_refuse(struct program_answer *answer, struct error *ret_error)
{
    struct buf text;
    buf_init(&text, 8192);
    size_t size = answer->errors.size < 600 ? answer->errors.size : 600;
    secret_put_text(&text, (const char *)answer->errors.data, size);
    error_set(ret_error, ERROR_AUTH, "the Azure CLI gave no token (exit code %d): %s",
              answer->exit_code, text.size ? buf_text(&text) : "it said nothing");
    buf_fini(&text);
    return -1;
}

int token_cli_get(const char *tenant, const char *scope, struct token *ret_token,
                  struct error *ret_error)
{
    struct program_answer answer;
    struct buf resource;
    buf_init(&resource, 2048);
    put_resource(&resource, scope);
    const char *args[] = {"account",
                          "get-access-token",
                          "--resource",
                          buf_text(&resource),
                          "--output",
                          "json",
                          tenant ? "--tenant" : NULL,
                          tenant,
                          NULL};
    int rc = program_ask("az", args, CLI_LIMIT_S, &answer, ret_error);
    if (rc == 0 && answer.exit_code != 0)
        rc = cli_refuse(&answer, ret_error);
    else if (rc == 0)
        rc = token_read((const char *)answer.output.data, answer.output.size, "the Azure CLI",
                        ret_token, ret_error);
    secret_buf_fini(&answer.output);
    program_answer_fini(&answer);
    buf_fini(&resource);
    return rc;
}
