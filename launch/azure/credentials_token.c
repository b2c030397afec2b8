/*
 * Tokens of what credentials.c has chosen: kept until shortly before they end, asked for when they
 * are needed.
 */
#include "config.h"

#include "launch/azure/credentials_private.h"

#include <string.h>

#include "common/clock.h"
#include "launch/azure/token_cache.h"

#define RENEW_S  300 /* a token that ends sooner is renewed ... */
#define USABLE_S 120 /* ... and if that fails, used as long as this is left */

static const char *audience_name(enum credentials_audience audience)
{
    static const char *const names[] = {"Azure Batch", "Azure Storage",
                                        "Azure Resource Manager"};
    return names[audience];
}

static const char *scope_of(const struct credentials *credentials,
                            enum credentials_audience audience)
{
    static const enum credentials_field fields[] = {FIELD_SCOPE_BATCH, FIELD_SCOPE_STORAGE,
                                                    FIELD_SCOPE_MANAGEMENT};
    return credentials_text(credentials, fields[audience]);
}

/* Under which name a principal's token is cached. The other two have caches of their own. */
static int cache_name(const struct credentials *credentials, enum credentials_audience audience,
                      struct buf *name)
{
    return buf_printf(name, "%s %s %s %s", credentials_text(credentials, FIELD_AUTHORITY),
                      credentials_text(credentials, FIELD_TENANT),
                      credentials_text(credentials, FIELD_CLIENT_ID),
                      scope_of(credentials, audience));
}

static int principal_get(struct credentials *credentials, enum credentials_audience audience,
                         struct token *token, struct error *ret_error)
{
    char *const *text = credentials->chosen.text;
    struct token_principal principal = {
        .authority = text[FIELD_AUTHORITY],
        .tenant = text[FIELD_TENANT],
        .client_id = text[FIELD_CLIENT_ID],
        .secret = text[FIELD_CLIENT_SECRET],
        .certificate = text[FIELD_CERTIFICATE],
        .certificate_password = text[FIELD_CERTIFICATE_PASSWORD],
        .federated_file = text[FIELD_FEDERATED_FILE],
    };
    struct buf name;
    buf_init(&name, 8192);
    bool cached = credentials->cache && cache_name(credentials, audience, &name) == 0;
    int rc = 0;
    if (!cached || token_cache_find(credentials->cache, buf_text(&name), RENEW_S, token) != 0) {
        rc = token_principal_get(credentials->http, &principal, scope_of(credentials, audience),
                                 token, ret_error);
        /* A cache that cannot be written costs a request, no more. */
        if (rc == 0 && cached)
            token_cache_keep(credentials->cache, buf_text(&name), token, NULL);
    }
    buf_fini(&name);
    return rc;
}

static int method_get(struct credentials *credentials, enum credentials_method method,
                      enum credentials_audience audience, struct token *token,
                      struct error *ret_error)
{
    const char *scope = scope_of(credentials, audience);
    switch (method) {
    case CREDENTIALS_PRINCIPAL:
        if (!credentials->principal_source)
            return error_set(ret_error, ERROR_CONFIG,
                             "no source has a tenant, a client id and a secret or certificate; "
                             "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET");
        return principal_get(credentials, audience, token, ret_error);
    case CREDENTIALS_IDENTITY:
        return token_identity_get(credentials->metadata_http, credentials->metadata_url,
                                  credentials_text(credentials, FIELD_IDENTITY), scope, token,
                                  ret_error);
    case CREDENTIALS_CLI:
        return token_cli_get(credentials->chosen.text[FIELD_TENANT], scope, token, ret_error);
    default:
        return error_set(ret_error, ERROR_CONFIG,
                         "\"auth\" is \"key\", but there is no key for %s, or it takes none",
                         audience_name(audience));
    }
}

static void attempt_note(struct buf *tried, const char *what, const char *result)
{
    buf_printf(tried, "%s%s: %.240s", tried->size ? "; " : "", what, result);
}

static int nobody_signs_in(enum credentials_audience audience, struct buf *tried,
                           struct error *ret_error)
{
    error_set(ret_error, ERROR_AUTH,
              "nobody is signed in to %s. Tried: %s. Do one of: run `az login`; set "
              "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; %s(docs/azure.md)",
              audience_name(audience), buf_text(tried),
              audience == CREDENTIALS_BATCH     ? "give the key in AZURE_BATCH_ACCESS_KEY "
              : audience == CREDENTIALS_STORAGE ? "give the key in AZURE_STORAGE_KEY "
                                                : "");
    return -1;
}

/* Whatever there is, in order. A principal that is there and is refused is the user's mistake, and
 * nothing else is tried then. */
static int auto_get(struct credentials *credentials, enum credentials_audience audience,
                    struct token *token, struct error *ret_error)
{
    struct buf tried;
    struct error error = {0};
    int rc = -1;
    if (credentials->worked != CREDENTIALS_AUTO)
        return method_get(credentials, credentials->worked, audience, token, ret_error);
    credentials->worked = CREDENTIALS_PRINCIPAL;
    if (credentials->principal_source) {
        rc = method_get(credentials, CREDENTIALS_PRINCIPAL, audience, token, ret_error);
        credentials->worked = rc == 0 ? CREDENTIALS_PRINCIPAL : CREDENTIALS_AUTO;
        return rc;
    }
    buf_init(&tried, CREDENTIALS_TRIED_MAX);
    attempt_note(&tried, "principal", "no source has one");
    credentials->worked = CREDENTIALS_IDENTITY;
    if (!token_identity_probe(credentials->metadata_http, credentials->metadata_url)) {
        attempt_note(&tried, "managed identity", "no metadata service answers here");
    } else {
        rc = method_get(credentials, CREDENTIALS_IDENTITY, audience, token, &error);
        if (rc != 0)
            attempt_note(&tried, "managed identity", error.text);
    }
    if (rc != 0) {
        credentials->worked = CREDENTIALS_CLI;
        rc = method_get(credentials, CREDENTIALS_CLI, audience, token, &error);
        if (rc != 0)
            attempt_note(&tried, "Azure CLI", error.text);
    }
    if (rc != 0) {
        credentials->worked = CREDENTIALS_AUTO;
        nobody_signs_in(audience, &tried, ret_error);
    }
    buf_fini(&tried);
    return rc;
}

int credentials_token(struct credentials *credentials, enum credentials_audience audience,
                      const char **ret_token, struct error *ret_error)
{
    struct token *token = &credentials->tokens[audience], fresh = {0};
    int64_t now = clock_wall_ns() / CLOCK_SECOND_NS;
    if (token->text && token->expires_s > now + RENEW_S) {
        *ret_token = token->text;
        return 0;
    }
    int rc = credentials->method == CREDENTIALS_AUTO
                 ? auto_get(credentials, audience, &fresh, ret_error)
                 : method_get(credentials, credentials->method, audience, &fresh, ret_error);
    if (rc == 0) {
        token_fini(token);
        *token = fresh;
    } else if (!token->text || token->expires_s <= now + USABLE_S) {
        return -1;
    }
    *ret_token = token->text;
    return 0;
}

void credentials_token_forget(struct credentials *credentials,
                              enum credentials_audience audience)
{
    struct buf name;
    token_fini(&credentials->tokens[audience]);
    buf_init(&name, 8192);
    if (credentials->cache && cache_name(credentials, audience, &name) == 0)
        token_cache_forget(credentials->cache, buf_text(&name));
    buf_fini(&name);
}

/* --- in words ----------------------------------------------------------------------------- */

static const char *proof_name(const struct credentials *credentials)
{
    return credentials->chosen.text[FIELD_CLIENT_SECRET] ? "secret"
           : credentials->chosen.text[FIELD_CERTIFICATE] ? "certificate"
                                                         : "federated token";
}

int credentials_describe(const struct credentials *credentials,
                         enum credentials_audience audience, struct buf *ret_text)
{
    const struct signing_key *key = credentials_key(credentials, audience);
    enum credentials_method method =
        credentials->method == CREDENTIALS_AUTO ? credentials->worked : credentials->method;
    if (method == CREDENTIALS_AUTO && credentials->principal_source)
        method = CREDENTIALS_PRINCIPAL;
    if (key)
        return buf_printf(ret_text, "SharedKey of %s account %s, from %s",
                          audience == CREDENTIALS_BATCH ? "batch" : "storage", key->account,
                          audience == CREDENTIALS_BATCH ? credentials->batch_source
                                                        : credentials->storage_source);
    switch (method) {
    case CREDENTIALS_PRINCIPAL:
        if (!credentials->principal_source)
            break;
        return buf_printf(ret_text, "client %s of tenant %s with a %s, from %s",
                          credentials_text(credentials, FIELD_CLIENT_ID),
                          credentials_text(credentials, FIELD_TENANT), proof_name(credentials),
                          credentials->principal_source);
    case CREDENTIALS_IDENTITY:
        return buf_printf(ret_text, "managed identity of this machine %s",
                          credentials_text(credentials, FIELD_IDENTITY));
    case CREDENTIALS_CLI:
        return buf_printf(ret_text, "login of the Azure CLI");
    case CREDENTIALS_AUTO:
        return buf_printf(ret_text,
                          "managed identity of this machine, or login of the Azure CLI");
    default:
        break;
    }
    return buf_printf(ret_text, "nothing yet: no %s was found",
                      method == CREDENTIALS_KEY ? "key" : "principal");
}
