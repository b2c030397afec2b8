#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/azure/azure_error.h"
#include "common/json.h"

struct answer {
    int status;
    const char *body, *header, *value;
    int64_t skew_s;
};

static void sentence(enum azure_service service, const struct answer *answer,
                     struct error *ret_error)
{
    struct http_header header = {answer->header, answer->value};
    struct http_response response = {.status = answer->status,
                                     .headers = &header,
                                     .headers_count = answer->header ? 1 : 0,
                                     .id = "our-own-id",
                                     .skew_s = answer->skew_s};
    buf_init(&response.body, 1 << 20);
    if (answer->body)
        buf_append_text(&response.body, answer->body);
    assert_int_equal(azure_error_refuse(service, &response, "creating pool \"p\"", ret_error),
                     -1);
    buf_fini(&response.body);
}

static void check(enum azure_service service, struct answer answer, const char *const *parts)
{
    struct error error = {0};
    sentence(service, &answer, &error);
    for (; *parts; parts++)
        if (!strstr(error.text, *parts))
            fail_msg("\"%s\" is not in: %s", *parts, error.text);
}

#define CHECK(service, answer, ...)                                                            \
    check(service, answer, (const char *const[]){__VA_ARGS__, NULL})
/* Without a header. */
#define PLAIN(status, body)                 ((struct answer){status, body, NULL, NULL, 0})
#define HEADED(status, body, header, value) ((struct answer){status, body, header, value, 0})

/* In the form that doAzureParallel#115 quotes. */
static const char pool_quota[] =
    "{\"odata.metadata\":\"https://a.b.batch.azure.com/"
    "$metadata#Microsoft.Azure.Batch.Protocol."
    "Entities.Container.errors/@Element\",\"code\":\"PoolQuotaReached\",\"message\":{\"lang\":"
    "\"en-US\",\"value\":\"The pool quota for the account has been reached.\\nRequestId:4f1\\n"
    "Time:2026-11-21T09:00:00.0Z\"},\"values\":[{\"key\":\"Limit\",\"value\":\"100\"},{\"key\":"
    "\"Account\",\"value\":\"henry\"}]}";

static void batch_says_code_message_every_value_and_request(void **state)
{
    (void)state;
    struct error error = {0};
    sentence(AZURE_BATCH, &(struct answer){409, pool_quota, "request-id", "9d1c", 0}, &error);
    assert_memory_equal(
        error.text,
        "creating pool \"p\": PoolQuotaReached (409): The pool quota for the account has been "
        "reached; Limit: 100; Account: henry. Delete a pool",
        100);
    assert_non_null(strstr(error.text, "; Limit: 100; Account: henry. Delete a pool"));
    assert_non_null(strstr(error.text, " [request 9d1c, 20"));
    assert_null(strstr(error.text, "RequestId:"));
    assert_int_equal(error.code, ERROR_BACKEND);
}

static void storage_says_code_message_and_every_element(void **state)
{
    (void)state;
    CHECK(
        AZURE_STORAGE,
        HEADED(404,
               "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>BlobNotFound"
               "</Code><Message>The specified blob does not exist.\nRequestId:1\nTime:2"
               "</Message><Extra>a &amp; b</Extra></Error>",
               "x-ms-request-id", "77"),
        "BlobNotFound (404): The specified blob does not exist; Extra: a & b. It was never",
        "[request 77, ");
}

static void errors_without_a_body_are_named_by_header_or_status(void **state)
{
    (void)state;
    CHECK(AZURE_STORAGE, HEADED(404, NULL, "x-ms-error-code", "ContainerNotFound"),
          "ContainerNotFound (404). The farm's container", "[request our-own-id, ");
    CHECK(AZURE_BATCH, PLAIN(404, NULL), "NotFound (404)");
    CHECK(AZURE_BATCH, PLAIN(503, NULL), "ServerBusy (503)", "try again later");
    CHECK(AZURE_BATCH, PLAIN(418, NULL), "UnexpectedAnswer (418)");
}

static void pages_of_proxies_are_told_as_such(void **state)
{
    (void)state;
    static const char *const pages[] = {"<html><body>Blocked</body></html>",
                                        "nonsense",
                                        "[1]]",
                                        "<Error><Code>Cut",
                                        "{\"code\":",
                                        "\x01\x02\xff"};
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
        CHECK(AZURE_BATCH, HEADED(403, pages[i], "content-type", "text/html"), "(403)",
              "text/html", "proxy or firewall");
    CHECK(AZURE_BATCH, PLAIN(407, NULL), "https_proxy");
}

static const char refused[] =
    "{\"code\":\"AuthenticationFailed\",\"message\":{\"value\":\"Server failed to authenticate "
    "the request.\"},\"values\":[{\"key\":\"AuthenticationErrorDetail\",\"value\":\"%s\"}]}";

static void check_refused(const char *detail, int64_t skew_s, const char *advice)
{
    char body[4096];
    struct error error = {0};
    snprintf(body, sizeof(body), refused, detail);
    struct answer answer = {403, body, NULL, NULL, skew_s};
    sentence(AZURE_BATCH, &answer, &error);
    assert_int_equal(error.code, ERROR_AUTH);
    if (!strstr(error.text, advice))
        fail_msg("\"%s\" is not in: %s", advice, error.text);
    assert_null(strstr(error.text, "UJfC9qwa3IWsWxG0"));
}

static void failed_authentication_is_told_apart(void **state)
{
    (void)state;
    check_refused(
        "The MAC signature found in the HTTP request 'UJfC9qwa3IWsWxG0MEo=' is not the "
        "same as any computed signature. Server used following string to sign: 'GET'.",
        0, "was renewed: copy it again");
    check_refused("The MAC signature found in the HTTP request 'UJfC9qwa3IWsWxG0MEo=' is not",
                  -1200, "clock");
    check_refused("The specified type of authentication SharedKey is not allowed when external "
                  "resources of type Compute are linked.",
                  0, "user-subscription");
    check_refused("Audience validation failed.", 0, "scope");
    check_refused("Signature not valid in the specified time frame: Start - Expiry", 0,
                  "expired");
    check_refused("Something else", 0, "still valid");
}

static void the_usual_refusals_say_what_to_do(void **state)
{
    (void)state;
    static const struct {
        enum azure_service service;
        int status;
        const char *code, *advice;
    } cases[] = {
        {AZURE_BATCH, 409, "PoolExists", "reuse it"},
        {AZURE_BATCH, 409, "PoolBeingDeleted", "wait until the pool is gone"},
        {AZURE_BATCH, 409, "ActiveJobAndScheduleQuotaReached", "terminate"},
        {AZURE_BATCH, 400, "UnsupportedRequestVersion", "api-version"},
        {AZURE_BATCH, 403, "InsufficientAccountPermissions", "Azure Batch Data Contributor"},
        {AZURE_STORAGE, 403, "AuthorizationPermissionMismatch",
         "Storage Blob Data Contributor"},
        {AZURE_STORAGE, 403, "KeyBasedAuthenticationNotPermitted", "\"principal\""},
        {AZURE_STORAGE, 409, "ContainerBeingDeleted", "30 s"},
        {AZURE_MANAGEMENT, 403, "AuthorizationFailed", "Reader"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char body[256];
        snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\",\"message\":\"No.\"}}",
                 cases[i].code);
        CHECK(cases[i].service, PLAIN(cases[i].status, body), cases[i].code, cases[i].advice);
    }
    CHECK(AZURE_BATCH,
          PLAIN(400, "{\"code\":\"InvalidPropertyValue\",\"message\":{\"value\":\"Bad.\"},"
                     "\"values\":[{\"key\":\"PropertyName\",\"value\":\"imageReference\"}]}"),
          "PropertyName: imageReference", "beofarm check");
}

static void entra_is_understood_by_its_numbers(void **state)
{
    (void)state;
    CHECK(AZURE_ENTRA,
          PLAIN(401,
                "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid "
                "client secret provided.\\r\\nTrace ID: 1\",\"trace_id\":\"ab-c\"}"),
          "AADSTS7000215 (401)", "give its value, not its id", "[request ab-c, ");
    CHECK(AZURE_IDENTITY,
          PLAIN(400, "{\"error\":\"invalid_request\",\"error_description\":\"Identity not "
                     "found\"}"),
          "invalid_request (400): Identity not found", "no managed identity");
}

static void long_values_push_nothing_out(void **state)
{
    (void)state;
    struct buf body;
    struct error error = {0};
    buf_init(&body, 1 << 20);
    buf_append_text(&body, "{\"code\":\"PoolQuotaReached\",\"message\":{\"value\":\"");
    for (int i = 0; i < 5000; i++)
        buf_append_text(&body, "\xc3\xa4");
    buf_append_text(&body, "\"},\"values\":[");
    for (int i = 0; i < 5; i++)
        buf_printf(&body, "%s{\"key\":\"Key%d\",\"value\":\"%0600d\"}", i ? "," : "", i, i);
    buf_append_text(&body, "]}");
    struct answer answer = {409, buf_text(&body), "request-id", "9d1c", 0};
    sentence(AZURE_BATCH, &answer, &error);
    assert_non_null(strstr(error.text, "Delete a pool"));
    assert_non_null(strstr(error.text, "[request 9d1c, "));
    for (int i = 0; i < 5; i++) {
        char key[16];
        snprintf(key, sizeof(key), "; Key%d: ", i);
        assert_non_null(strstr(error.text, key));
    }
    for (const char *c = error.text; *c; c++) { /* no character is cut in two */
        size_t size = json_utf8_size(c, strlen(c));
        assert_true(size > 0);
        c += size - 1;
    }
    buf_fini(&body);
}

static void secrets_that_a_server_repeats_are_taken_out(void **state)
{
    (void)state;
    struct error error = {0};
    struct answer answer = {
        400,
        "{\"code\":\"InvalidPropertyValue\",\"message\":{\"value\":\"cannot read "
        "https://h/c?sv=1&sig=TOPSECRET%2F1 now\"},\"values\":[{\"key\":\"PropertyValue\","
        "\"value\":\"AccountKey=TOPSECRET;\"}]}",
        "request-id", "sig=TOPSECRET", 0};
    sentence(AZURE_BATCH, &answer, &error);
    assert_null(strstr(error.text, "TOPSECRET"));
    assert_non_null(strstr(error.text, "sig=... now"));
}

static void errors_inside_of_good_answers_are_told(void **state)
{
    (void)state;
    static const char text[] =
        "{\"code\":\"AccountCoreQuotaReached\",\"message\":\"The specified account has reached "
        "core quota.\",\"values\":[{\"name\":\"Quota\",\"value\":\"20\"}]}";
    struct buf buf;
    cJSON *item = NULL;
    buf_init(&buf, 4096);
    assert_int_equal(json_parse(text, strlen(text), "x", JSON_STRICT, &item, NULL), 0);
    assert_int_equal(azure_error_put_json(&buf, item), 0);
    assert_non_null(strstr(buf_text(&buf), "AccountCoreQuotaReached: The specified account has "
                                           "reached core quota; Quota: 20. Core quotas"));
    cJSON_Delete(item);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_proxies_are_told_as_such),
        cmocka_unit_test(secrets_that_a_server_repeats_are_taken_out),
        cmocka_unit_test(long_values_push_nothing_out),
        cmocka_unit_test(batch_says_code_message_every_value_and_request),
        cmocka_unit_test(storage_says_code_message_and_every_element),
        cmocka_unit_test(errors_without_a_body_are_named_by_header_or_status),
        cmocka_unit_test(failed_authentication_is_told_apart),
        cmocka_unit_test(the_usual_refusals_say_what_to_do),
        cmocka_unit_test(entra_is_understood_by_its_numbers),
        cmocka_unit_test(errors_inside_of_good_answers_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
