#include "config.h"

#include "launch/azure/sas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/azure/secret.h"
#include "common/azure/xml.h"

#define TEXT_MAX ((size_t)64 << 10)

static const char blob_permissions[] = "racwdxyltmeopi";
static const char account_permissions[] = "rwdxylacuptfi";

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* The service refuses letters in another order. */
static int permissions_check(const char *permissions, const char *known,
                             struct error *ret_error)
{
    const char *next = known;
    for (const char *c = permissions; *c; c++) {
        next = strchr(next, *c);
        if (!next)
            return error_set(ret_error, ERROR_BUG,
                             "the permissions \"%s\" of a SAS are not of \"%s\", in that order",
                             permissions, known);
        next++;
    }
    return 0;
}

static int times_check(const char *start, const char *expiry, struct error *ret_error)
{
    int64_t from = 0, to = 0;
    if ((start && sas_time_parse(start, &from) != 0) ||
        (expiry && sas_time_parse(expiry, &to) != 0))
        return error_set(ret_error, ERROR_BUG,
                         "a SAS from \"%s\" to \"%s\": times are like 2026-11-21T09:00:00Z",
                         or_empty(start), or_empty(expiry));
    if (start && expiry && from >= to)
        return error_set(ret_error, ERROR_BUG, "a SAS would end (%s) before it begins (%s)",
                         expiry, start);
    return 0;
}

static int sas_check(const struct sas *sas, struct error *ret_error)
{
    if (!sas->container || !*sas->container)
        return error_set(ret_error, ERROR_BUG, "a SAS without a container");
    if (!sas->identifier && (!sas->permissions || !*sas->permissions || !sas->expiry))
        return error_set(ret_error, ERROR_BUG, "a SAS needs permissions and an end");
    if (sas->permissions &&
        permissions_check(sas->permissions, blob_permissions, ret_error) != 0)
        return -1;
    return times_check(sas->start, sas->expiry, ret_error);
}

static void put_line(struct buf *text, const char *line)
{
    buf_printf(text, "%s\n", or_empty(line));
}

static const char *resource_letter(const struct sas *sas)
{
    return !sas->blob ? "c" : sas->snapshot ? "bs" : "b";
}

/* What both kinds begin with ... */
static void put_head(const char *account, const struct sas *sas, struct buf *text)
{
    put_line(text, sas->permissions);
    put_line(text, sas->start);
    put_line(text, sas->expiry);
    buf_printf(text, "/blob/%s/%s%s%s\n", account, sas->container, sas->blob ? "/" : "",
               or_empty(sas->blob));
}

/* ... and end with. */
static void put_tail(const struct sas *sas, struct buf *text)
{
    put_line(text, sas->ip);
    put_line(text, sas->protocol);
    put_line(text, sas->version ? sas->version : SAS_VERSION);
    put_line(text, resource_letter(sas));
    put_line(text, sas->snapshot);
    put_line(text, sas->encryption_scope);
    put_line(text, sas->cache_control);
    put_line(text, sas->content_disposition);
    put_line(text, sas->content_encoding);
    put_line(text, sas->content_language);
    buf_append_text(text, or_empty(sas->content_type));
}

static void put_parameter(struct buf *query, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(query, "%s%s=", query->size ? "&" : "", name);
    http_encode(query, value, NULL);
}

/* The signature of `text`, into a buffer that the caller finishes. */
static int sign(const struct signing_key *key, struct buf *text, struct buf *ret_signature,
                struct error *ret_error)
{
    if (buf_failed(text) || !buf_text(text))
        return error_set(ret_error, ERROR_SYSTEM, "no room for a SAS");
    return signing_hmac(key, buf_text(text), text->size, ret_signature, ret_error);
}

static void put_override(const struct sas *sas, struct buf *query)
{
    put_parameter(query, "rscc", sas->cache_control);
    put_parameter(query, "rscd", sas->content_disposition);
    put_parameter(query, "rsce", sas->content_encoding);
    put_parameter(query, "rscl", sas->content_language);
    put_parameter(query, "rsct", sas->content_type);
}

static int put_query(const struct sas *sas, const struct sas_delegation_key *key,
                     struct buf *signature, struct buf *ret_query, struct error *ret_error)
{
    struct buf query;
    buf_init(&query, TEXT_MAX);
    put_parameter(&query, "sv", sas->version ? sas->version : SAS_VERSION);
    put_parameter(&query, "spr", sas->protocol);
    put_parameter(&query, "st", sas->start);
    put_parameter(&query, "se", sas->expiry);
    put_parameter(&query, "sip", sas->ip);
    put_parameter(&query, "si", key ? NULL : sas->identifier);
    put_parameter(&query, "ses", sas->encryption_scope);
    if (key) {
        put_parameter(&query, "skoid", key->oid);
        put_parameter(&query, "sktid", key->tid);
        put_parameter(&query, "skt", key->start);
        put_parameter(&query, "ske", key->expiry);
        put_parameter(&query, "sks", key->service);
        put_parameter(&query, "skv", key->version);
        put_parameter(&query, "saoid", sas->authorized_oid);
        put_parameter(&query, "suoid", sas->unauthorized_oid);
        put_parameter(&query, "scid", sas->correlation_id);
    }
    put_parameter(&query, "sr", resource_letter(sas));
    put_parameter(&query, "sp", sas->permissions);
    put_parameter(&query, "sig", buf_text(signature));
    put_override(sas, &query);
    bool failed = buf_failed(&query) || buf_append(ret_query, query.data, query.size) != 0;
    secret_buf_fini(&query);
    return failed ? error_set(ret_error, ERROR_SYSTEM, "no room for a SAS") : 0;
}

static int put_signed(const struct signing_key *key, struct buf *text, const struct sas *sas,
                      const struct sas_delegation_key *delegation, struct buf *ret_query,
                      struct error *ret_error)
{
    struct buf signature;
    buf_init(&signature, 256);
    int rc = sign(key, text, &signature, ret_error);
    if (rc == 0)
        rc = put_query(sas, delegation, &signature, ret_query, ret_error);
    secret_buf_fini(&signature);
    return rc;
}

int sas_service(const struct signing_key *key, const struct sas *sas, struct buf *ret_query,
                struct error *ret_error)
{
    struct buf text;
    if (sas_check(sas, ret_error) != 0)
        return -1;
    buf_init(&text, TEXT_MAX);
    put_head(key->account, sas, &text);
    put_line(&text, sas->identifier);
    put_tail(sas, &text);
    int rc = put_signed(key, &text, sas, NULL, ret_query, ret_error);
    buf_fini(&text);
    return rc;
}

int sas_delegation(const char *account, const struct sas_delegation_key *key,
                   const struct sas *sas, struct buf *ret_query, struct error *ret_error)
{
    struct signing_key signing;
    struct buf text;
    if (sas_check(sas, ret_error) != 0 ||
        signing_key_init(&signing, account, key->value, ret_error) != 0)
        return -1;
    buf_init(&text, TEXT_MAX);
    put_head(account, sas, &text);
    put_line(&text, key->oid);
    put_line(&text, key->tid);
    put_line(&text, key->start);
    put_line(&text, key->expiry);
    put_line(&text, key->service);
    put_line(&text, key->version);
    put_line(&text, sas->authorized_oid);
    put_line(&text, sas->unauthorized_oid);
    put_line(&text, sas->correlation_id);
    put_tail(sas, &text);
    int rc = put_signed(&signing, &text, sas, key, ret_query, ret_error);
    buf_fini(&text);
    signing_key_fini(&signing);
    return rc;
}

static void put_account_query(const struct sas_account *sas, struct buf *signature,
                              struct buf *query)
{
    put_parameter(query, "sv", sas->version ? sas->version : SAS_VERSION);
    put_parameter(query, "ss", sas->services);
    put_parameter(query, "srt", sas->resource_types);
    put_parameter(query, "spr", sas->protocol);
    put_parameter(query, "st", sas->start);
    put_parameter(query, "se", sas->expiry);
    put_parameter(query, "sip", sas->ip);
    put_parameter(query, "ses", sas->encryption_scope);
    put_parameter(query, "sp", sas->permissions);
    put_parameter(query, "sig", buf_text(signature));
}

int sas_account(const struct signing_key *key, const struct sas_account *sas,
                struct buf *ret_query, struct error *ret_error)
{
    struct buf text, signature, query;
    if (permissions_check(sas->permissions, account_permissions, ret_error) != 0 ||
        times_check(sas->start, sas->expiry, ret_error) != 0)
        return -1;
    buf_init(&text, TEXT_MAX);
    buf_init(&signature, 256);
    buf_init(&query, TEXT_MAX);
    put_line(&text, key->account);
    put_line(&text, sas->permissions);
    put_line(&text, sas->services);
    put_line(&text, sas->resource_types);
    put_line(&text, sas->start);
    put_line(&text, sas->expiry);
    put_line(&text, sas->ip);
    put_line(&text, sas->protocol);
    put_line(&text, sas->version ? sas->version : SAS_VERSION);
    put_line(&text, sas->encryption_scope);
    int rc = sign(key, &text, &signature, ret_error);
    if (rc == 0) {
        put_account_query(sas, &signature, &query);
        if (buf_failed(&query) || buf_append(ret_query, query.data, query.size) != 0)
            rc = error_set(ret_error, ERROR_SYSTEM, "no room for a SAS");
    }
    buf_fini(&text);
    secret_buf_fini(&signature);
    secret_buf_fini(&query);
    return rc;
}

int sas_delegation_key_read(const char *xml, size_t size, struct sas_delegation_key *ret_key,
                            struct error *ret_error)
{
    struct {
        const char *path;
        char **text;
    } fields[] = {
        {"UserDelegationKey/SignedOid", &ret_key->oid},
        {"UserDelegationKey/SignedTid", &ret_key->tid},
        {"UserDelegationKey/SignedStart", &ret_key->start},
        {"UserDelegationKey/SignedExpiry", &ret_key->expiry},
        {"UserDelegationKey/SignedService", &ret_key->service},
        {"UserDelegationKey/SignedVersion", &ret_key->version},
        {"UserDelegationKey/Value", &ret_key->value},
    };
    memset(ret_key, 0, sizeof(*ret_key));
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        struct buf text;
        buf_init(&text, 4096);
        if (xml_find(xml, size, fields[i].path, &text) == 0 && text.size && buf_text(&text))
            *fields[i].text = strdup(buf_text(&text));
        secret_buf_fini(&text);
        if (!*fields[i].text) {
            sas_delegation_key_fini(ret_key);
            return error_set(ret_error, ERROR_NETWORK,
                             "the storage service answered a user delegation key without %s",
                             fields[i].path);
        }
    }
    return 0;
}

void sas_delegation_key_fini(struct sas_delegation_key *key)
{
    free(key->oid);
    free(key->tid);
    free(key->start);
    free(key->expiry);
    free(key->service);
    free(key->version);
    secret_free(key->value);
    memset(key, 0, sizeof(*key));
}
