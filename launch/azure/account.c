#include "config.h"

#include "launch/azure/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/azure_error.h"
#include "common/azure/http_record.h"
#include "common/azure/secret.h"
#include "common/clock.h"
#include "launch/azure/signing.h"

#define TEXT_MAX         ((size_t)256 << 10)
#define SKEW_LIMIT_S     300
#define DELEGATION_S     (6 * 86400) /* the service lends keys for seven days at most */
#define DELEGATION_MIN_S 600
#define START_SLACK_S    900 /* clocks differ: the key is asked for from a while ago on */

struct account {
    struct http *http;
    struct credentials *credentials;
    struct blob_service blobs;
    struct http_record *record; /* NULL: nobody wants one */
    char *batch_version;
    bool plain;
    struct sas_delegation_key delegation; /* value NULL: none yet */
    int64_t delegation_end_s;
    char warning[160];
};

void account_close(struct account *account)
{
    if (!account)
        return;
    http_record_close(account->record);
    http_destroy(account->http);
    credentials_close(account->credentials);
    sas_delegation_key_fini(&account->delegation);
    free(account->batch_version);
    free(account);
}

struct http *account_http(struct account *account)
{
    return account->http;
}

struct credentials *account_credentials(struct account *account)
{
    return account->credentials;
}

int account_put_batch_url(const struct account *account, const char *path, const char *query,
                          struct buf *ret_url)
{
    return buf_printf(ret_url, "%s%s?api-version=%s%s%s",
                      credentials_batch_url(account->credentials), path, account->batch_version,
                      query && *query ? "&" : "", query ? query : "");
}

struct blob_service *account_blobs(struct account *account)
{
    return &account->blobs;
}

/* --- dating, naming, signing -------------------------------------------------------------- */

typedef int text_maker(const struct signing_key *key, const struct signing_request *request,
                       struct buf *ret_text);

static int key_sign(const struct signing_key *key, text_maker *make, struct http_try *try,
                    struct error *ret_error)
{
    struct signing_request request = {.method = try->method,
                                      .url = try->url,
                                      .headers = try->headers,
                                      .headers_count = try->headers_count,
                                      .body_size = try->body_size};
    struct buf text, value;
    buf_init(&text, TEXT_MAX);
    buf_init(&value, 1024);
    int rc = make(key, &request, &text) != 0 || !buf_text(&text)
                 ? error_set(ret_error, ERROR_SYSTEM, "a request is too large to be signed")
                 : signing_authorization(key, buf_text(&text), text.size, &value, ret_error);
    if (rc == 0)
        rc = http_try_add(try, "Authorization", buf_text(&value), ret_error);
    buf_fini(&text);
    secret_buf_fini(&value);
    return rc;
}

static int token_sign(struct account *account, enum credentials_audience audience,
                      struct http_try *try, struct error *ret_error)
{
    const char *token;
    struct buf value;
    if (credentials_token(account->credentials, audience, &token, ret_error) != 0)
        return -1;
    buf_init(&value, 64 << 10);
    buf_printf(&value, "Bearer %s", token);
    int rc = buf_failed(&value) || !buf_text(&value)
                 ? error_set(ret_error, ERROR_AUTH, "a token is too long to be sent")
                 : http_try_add(try, "Authorization", buf_text(&value), ret_error);
    secret_buf_fini(&value);
    return rc;
}

static char *now_format(char date[HTTP_DATE_SIZE])
{
    return http_date_format(clock_wall_ns() / CLOCK_SECOND_NS, date);
}

static int batch_prepare(void *context, struct http_try *try, struct error *ret_error)
{
    struct account *account = context;
    const struct signing_key *key = credentials_key(account->credentials, CREDENTIALS_BATCH);
    char date[HTTP_DATE_SIZE];
    if (http_try_add(try, "ocp-date", now_format(date), ret_error) != 0 ||
        http_try_add(try, "client-request-id", try->id, ret_error) != 0 ||
        http_try_add(try, "return-client-request-id", "true", ret_error) != 0)
        return -1;
    return key ? key_sign(key, signing_batch_text, try, ret_error)
               : token_sign(account, CREDENTIALS_BATCH, try, ret_error);
}

static int storage_authorize(void *context, struct http_try *try, struct error *ret_error)
{
    struct account *account = context;
    const struct signing_key *key = credentials_key(account->credentials, CREDENTIALS_STORAGE);
    return key ? key_sign(key, signing_storage_text, try, ret_error)
               : token_sign(account, CREDENTIALS_STORAGE, try, ret_error);
}

static void blobs_init(struct account *account)
{
    account->blobs = (struct blob_service){.http = account->http,
                                           .url = credentials_blob_url(account->credentials),
                                           .plain = account->plain,
                                           .authorize = storage_authorize,
                                           .authorize_context = account};
}

/* $BEOFARM_HTTP_RECORD names a file for all that is said to Batch. */
static int record_start(struct account *account, struct error *ret_error)
{
    const char *path = getenv("BEOFARM_HTTP_RECORD");
    if (!path || !*path)
        return 0;
    account->record = http_record_open(account->http, path,
                                       credentials_batch_url(account->credentials), ret_error);
    return account->record ? 0 : -1;
}

struct account *account_open(const struct account_options *options, struct error *ret_error)
{
    struct account *account = calloc(1, sizeof(*account));
    if (!account) {
        error_set(ret_error, ERROR_SYSTEM, "out of memory for an Azure account");
        return NULL;
    }
    account->plain = options->plain;
    account->batch_version =
        strdup(options->batch_version ? options->batch_version : ACCOUNT_BATCH_VERSION);
    account->http = http_create(&options->http, ret_error);
    if (account->http)
        account->credentials = credentials_open(&options->wishes, &options->http, ret_error);
    if (!account->credentials || !account->batch_version ||
        record_start(account, ret_error) != 0) {
        account_close(account);
        return NULL;
    }
    blobs_init(account);
    return account;
}

static int management_prepare(void *context, struct http_try *try, struct error *ret_error)
{
    if (http_try_add(try, "x-ms-client-request-id", try->id, ret_error) != 0)
        return -1;
    return token_sign(context, CREDENTIALS_MANAGEMENT, try, ret_error);
}

static void request_fill(struct account *account, const char *method,
                         int (*prepare)(void *context, struct http_try *try,
                                        struct error *ret_error),
                         struct http_request *ret_request)
{
    *ret_request = (struct http_request){.method = method,
                                         .prepare = prepare,
                                         .prepare_context = account,
                                         .plain = account->plain};
}

void account_batch_request(struct account *account, const char *method,
                           struct http_request *ret_request)
{
    request_fill(account, method, batch_prepare, ret_request);
}

void account_management_request(struct account *account, const char *method,
                                struct http_request *ret_request)
{
    request_fill(account, method, management_prepare, ret_request);
}

/* --- SAS ---------------------------------------------------------------------------------- */

/* User delegation keys are lent to tokens alone. */
static int delegation_authorize(void *context, struct http_try *try, struct error *ret_error)
{
    return token_sign(context, CREDENTIALS_STORAGE, try, ret_error);
}

static int delegation_ask(struct account *account, const char *body, int64_t end_s,
                          struct error *ret_error)
{
    static const struct http_header type = {"Content-Type", "application/xml"};
    static const char doing[] = "asking for a user delegation key to make a SAS";
    struct http_response response = {0};
    struct http_request request;
    struct buf url;
    buf_init(&url, 8192);
    struct blob_service service = account->blobs;
    service.authorize = delegation_authorize;
    blob_service_put_url(&service, NULL, NULL, "restype=service&comp=userdelegationkey", &url);
    blob_service_request(&service, "POST", &request);
    request.url = buf_text(&url);
    request.headers = &type;
    request.headers_count = 1;
    request.body = body;
    request.body_size = strlen(body);
    request.retry = HTTP_RETRY_ALWAYS;
    int rc = http_perform(account->http, &request, &response, ret_error);
    if (rc == 0 && response.status != 200) {
        rc = azure_error_refuse(AZURE_STORAGE, &response, doing, ret_error);
    } else if (rc == 0) {
        sas_delegation_key_fini(&account->delegation);
        account->delegation_end_s = end_s;
        rc = sas_delegation_key_read((const char *)response.body.data, response.body.size,
                                     &account->delegation, ret_error);
    }
    http_response_fini(&response);
    buf_fini(&url);
    return rc;
}

/* Have a delegation key that is good until `until_s`. */
static int delegation_need(struct account *account, int64_t until_s, struct error *ret_error)
{
    char start[SAS_TIME_SIZE], end[SAS_TIME_SIZE], body[256];
    int64_t now = clock_wall_ns() / CLOCK_SECOND_NS + http_skew_s(account->http);
    if (account->delegation.value && account->delegation_end_s >= until_s &&
        account->delegation_end_s > now + DELEGATION_MIN_S)
        return 0;
    if (until_s > now + DELEGATION_S)
        return error_set(
            ret_error, ERROR_CONFIG,
            "a SAS made with a login lasts at most six days; one until %s needs the "
            "storage account's key",
            sas_time_format(until_s, end));
    snprintf(body, sizeof(body),
             "<?xml version=\"1.0\" encoding=\"utf-8\"?><KeyInfo><Start>%s</Start>"
             "<Expiry>%s</Expiry></KeyInfo>",
             sas_time_format(now - START_SLACK_S, start),
             sas_time_format(now + DELEGATION_S, end));
    return delegation_ask(account, body, now + DELEGATION_S, ret_error);
}

int account_put_sas(struct account *account, const struct sas *sas, struct buf *ret_query,
                    struct error *ret_error)
{
    const struct signing_key *key = credentials_key(account->credentials, CREDENTIALS_STORAGE);
    int64_t until_s;
    if (!*credentials_storage_account(account->credentials))
        return error_set(
            ret_error, ERROR_CONFIG,
            "no storage account is named; set AZURE_STORAGE_ACCOUNT (docs/azure.md)");
    if (key)
        return sas_service(key, sas, ret_query, ret_error);
    if (!sas->expiry || sas_time_parse(sas->expiry, &until_s) != 0)
        return error_set(ret_error, ERROR_BUG, "a SAS without an end");
    if (delegation_need(account, until_s, ret_error) != 0)
        return -1;
    return sas_delegation(credentials_storage_account(account->credentials),
                          &account->delegation, sas, ret_query, ret_error);
}

const char *account_clock_warning(struct account *account)
{
    int64_t skew = http_skew_s(account->http);
    if (llabs((long long)skew) <= SKEW_LIMIT_S)
        return NULL;
    snprintf(account->warning, sizeof(account->warning),
             "this machine's clock is %lld minutes %s Azure's; signatures fail from 15 minutes "
             "on: set it (timedatectl set-ntp true)",
             llabs((long long)skew) / 60, skew > 0 ? "behind" : "ahead of");
    return account->warning;
}
