#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/json.h"
#include "launch/azure/sas.h"
#include "launch/azure/signing.h"

/* The vectors were made with Microsoft's own clients, which each file names. */
static cJSON *vectors_read(const char *name)
{
    const char *source = getenv("BEOFARM_SOURCE");
    char path[4096];
    struct error error = {0};
    cJSON *root = NULL;
    snprintf(path, sizeof(path), "%s/tests/launch/azure/vectors/%s", source ? source : ".",
             name);
    if (json_read_file(path, JSON_STRICT, &root, &error) != 0)
        fail_msg("%s", error.text);
    return root;
}

static const char *text_of(const cJSON *item, const char *key)
{
    const cJSON *member = json_member(item, key);
    return cJSON_IsString(member) ? member->valuestring : NULL;
}

static void key_of(const cJSON *root, struct signing_key *key)
{
    struct error error = {0};
    assert_int_equal(
        signing_key_init(key, text_of(root, "account"), text_of(root, "key"), &error), 0);
    assert_int_equal(key->size, 64);
}

static size_t headers_of(const cJSON *vector, struct http_header *headers, size_t max)
{
    size_t count = 0;
    const cJSON *header;
    cJSON_ArrayForEach(header, json_member(vector, "headers"))
    {
        if (strcmp(header->string, "authorization") == 0)
            continue;
        assert_true(count < max);
        headers[count++] = (struct http_header){header->string, header->valuestring};
    }
    return count;
}

typedef int text_maker(const struct signing_key *key, const struct signing_request *request,
                       struct buf *ret_text);

static void check_signature(const struct signing_key *key, text_maker *make,
                            const struct signing_request *request, const char *expected_text,
                            const char *expected_value)
{
    struct buf text, value;
    struct error error = {0};
    buf_init(&text, 65536);
    buf_init(&value, 1024);
    assert_int_equal(make(key, request, &text), 0);
    assert_string_equal(buf_text(&text), expected_text);
    if (expected_value) {
        assert_int_equal(signing_authorization(key, buf_text(&text), text.size, &value, &error),
                         0);
        assert_string_equal(buf_text(&value), expected_value);
    }
    buf_fini(&text);
    buf_fini(&value);
}

static int64_t body_size_of(const cJSON *vector, const char *method)
{
    const char *body = text_of(vector, "body");
    const char *length = text_of(json_member(vector, "headers"), "content-length");
    if (body)
        return (int64_t)strlen(body);
    if (length)
        return strtoll(length, NULL, 10);
    bool sends = !strcmp(method, "POST") || !strcmp(method, "PATCH") || !strcmp(method, "PUT");
    return sends ? 0 : -1;
}

static int check_file(const char *name, text_maker *make)
{
    cJSON *root = vectors_read(name);
    struct signing_key key;
    int count = 0;
    const cJSON *vector;
    key_of(root, &key);
    cJSON_ArrayForEach(vector, json_member(root, "vectors"))
    {
        struct http_header headers[32];
        const char *authorization = text_of(vector, "authorization");
        if (!authorization)
            authorization = text_of(json_member(vector, "headers"), "authorization");
        assert_non_null(authorization);
        struct signing_request request = {
            .method = text_of(vector, "method"),
            .url = text_of(vector, "url"),
            .headers = headers,
            .headers_count = headers_of(vector, headers, 32),
            .body_size = body_size_of(vector, text_of(vector, "method")),
        };
        print_message("# %s\n", text_of(vector, "name"));
        check_signature(&key, make, &request, text_of(vector, "stringToSign"), authorization);
        count++;
    }
    signing_key_fini(&key);
    cJSON_Delete(root);
    return count;
}

static void batch_requests_are_signed_as_microsofts_client_signs_them(void **state)
{
    (void)state;
    assert_int_equal(check_file("batch_sharedkey.json", signing_batch_text), 12);
}

static void storage_requests_are_signed_as_microsofts_client_signs_them(void **state)
{
    (void)state;
    assert_int_equal(check_file("storage_sharedkey.json", signing_storage_text), 7);
}

static void delegation_key_of(const cJSON *item, struct sas_delegation_key *key)
{
    struct buf xml;
    struct error error = {0};
    buf_init(&xml, 4096);
    buf_printf(&xml,
               "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><UserDelegationKey>"
               "<SignedOid>%s</SignedOid><SignedTid>%s</SignedTid><SignedStart>%s</SignedStart>"
               "<SignedExpiry>%s</SignedExpiry><SignedService>%s</SignedService>"
               "<SignedVersion>%s</SignedVersion><Value>%s</Value></UserDelegationKey>",
               text_of(item, "signedObjectId"), text_of(item, "signedTenantId"),
               text_of(item, "signedStart"), text_of(item, "signedExpiry"),
               text_of(item, "signedService"), text_of(item, "signedVersion"),
               text_of(item, "value"));
    assert_int_equal(sas_delegation_key_read(buf_text(&xml), xml.size, key, &error), 0);
    buf_fini(&xml);
}

static void check_sas(const cJSON *root, const struct signing_key *key, const cJSON *vector)
{
    const char *name = text_of(vector, "name");
    struct buf query;
    struct error error = {0};
    const char *start = text_of(root, "start"), *expiry = text_of(root, "expiry"),
               *version = text_of(vector, "version");
    struct sas sas = {
        .start = start, .expiry = expiry, .version = version, .container = "farm"};
    buf_init(&query, 4096);
    if (strstr(name, "account SAS") == name) {
        struct sas_account account = {.permissions = "rwdlac",
                                      .services = "b",
                                      .resource_types = "sco",
                                      .start = start,
                                      .expiry = expiry,
                                      .version = version};
        assert_int_equal(sas_account(key, &account, &query, &error), 0);
    } else if (strstr(name, "user delegation") == name) {
        struct sas_delegation_key lent;
        delegation_key_of(json_member(vector, "userDelegationKey"), &lent);
        sas.permissions = "rwl";
        assert_int_equal(sas_delegation("farmacct", &lent, &sas, &query, &error), 0);
        sas_delegation_key_fini(&lent);
    } else {
        bool blob = strstr(name, "blob") != NULL;
        sas.permissions = blob ? "r" : "racwdl";
        sas.blob = blob ? "in/a b.txt" : NULL;
        sas.protocol = blob ? NULL : "https";
        assert_int_equal(sas_service(key, &sas, &query, &error), 0);
    }
    print_message("# %s, %s\n", name, version);
    assert_string_equal(buf_text(&query), text_of(vector, "q"));
    buf_fini(&query);
}

static void shared_access_signatures_are_those_of_microsofts_client(void **state)
{
    (void)state;
    cJSON *root = vectors_read("sas.json");
    struct signing_key key;
    int count = 0;
    const cJSON *vector;
    key_of(root, &key);
    cJSON_ArrayForEach(vector, json_member(root, "vectors"))
    {
        check_sas(root, &key, vector);
        count++;
    }
    assert_int_equal(count, 8);
    signing_key_fini(&key);
    cJSON_Delete(root);
}

static const struct signing_key plain_key = {
    .account = (char *)"a", .bytes = (uint8_t *)"0123456789abcdef", .size = 16};

static void check_resource(text_maker *make, const char *url, const char *expected)
{
    struct signing_request request = {.method = "GET", .url = url, .body_size = -1};
    struct buf text;
    buf_init(&text, 65536);
    assert_int_equal(make(&plain_key, &request, &text), 0);
    assert_string_equal(buf_text(&text) + strlen("GET") + 12, expected);
    buf_fini(&text);
}

static void queries_are_sorted_decoded_and_joined(void **state)
{
    (void)state;
    check_resource(signing_storage_text, "https://h/c?b=2&A=1", "/a/c\na:1\nb:2");
    check_resource(signing_storage_text, "https://h/c?x=b&x=a&X=c", "/a/c\nx:a,b,c");
    check_resource(signing_storage_text, "https://h/c?marker=&comp=list",
                   "/a/c\ncomp:list\nmarker:");
    check_resource(signing_storage_text, "https://h/c?flag&comp=list",
                   "/a/c\ncomp:list\nflag:");
    check_resource(signing_storage_text, "https://h/c?prefix=a%2Fb%20%C3%A4+c",
                   "/a/c\nprefix:a/b \xc3\xa4+c");
    check_resource(signing_storage_text, "https://h/c?x=a%3Db%26c&y=1=2",
                   "/a/c\nx:a=b&c\ny:1=2");
    check_resource(signing_storage_text, "https://h/c?x=%zz%4", "/a/c\nx:%zz%4");
    check_resource(signing_storage_text, "https://h/c?&&x=1&", "/a/c\nx:1");
    check_resource(signing_batch_text, "https://h?api-version=1", "/a/\napi-version:1");
    check_resource(signing_batch_text, "https://h/?", "/a/");
    /* Azurite's addresses have the account in their path, which makes it stand twice. */
    check_resource(signing_storage_text, "http://127.0.0.1:10000/a/c/b%20c?comp=block",
                   "/a/a/c/b%20c\ncomp:block");
}

static void check_headers(const struct http_header *headers, size_t count, const char *expected)
{
    struct signing_request request = {.method = "GET",
                                      .url = "https://h/c",
                                      .headers = headers,
                                      .headers_count = count,
                                      .body_size = -1};
    struct buf text;
    buf_init(&text, 65536);
    assert_int_equal(signing_storage_text(&plain_key, &request, &text), 0);
    assert_string_equal(buf_text(&text), expected);
    buf_fini(&text);
}

static void headers_are_ordered_as_the_storage_service_orders_them(void **state)
{
    (void)state;
    static const struct http_header headers[] = {
        {"x-ms-version", "1"},           {"X-MS-Date", "now"},
        {"x-ms-meta-ab", "1"},           {"x-ms-meta-a-z", "2"},
        {"x-ms-meta-a-b", "3"},          {"x-ms-meta-a_b", "4"},
        {"x-ms-meta-a1", "5"},           {"x-ms-meta-empty", ""},
        {"x-ms-meta-a", " \t spaced  "}, {"x-ms-blob-type", "b"},
        {"x-ms-blob-content-type", "t"}, {"x-msother", "no"},
        {"Content-Type", "x/y"},
    };
    check_headers(headers, sizeof(headers) / sizeof(*headers),
                  "GET\n\n\n\n\nx/y\n\n\n\n\n\n\n"
                  "x-ms-blob-content-type:t\nx-ms-blob-type:b\nx-ms-date:now\n"
                  "x-ms-meta-a:spaced\nx-ms-meta-a_b:4\nx-ms-meta-a1:5\n"
                  "x-ms-meta-ab:1\nx-ms-meta-a-b:3\nx-ms-meta-a-z:2\n"
                  "x-ms-meta-empty:\nx-ms-version:1\n/a/c");
}

static void a_date_is_signed_only_where_no_other_replaces_it(void **state)
{
    (void)state;
    static const struct http_header plain[] = {{"date", "D"}, {"range", "bytes=0-1"}};
    static const struct http_header both[] = {{"date", "D"}, {"x-ms-date", "M"}};
    check_headers(plain, 2, "GET\n\n\n\n\n\nD\n\n\n\n\nbytes=0-1\n/a/c");
    check_headers(both, 2, "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:M\n/a/c");
}

static void a_length_of_zero_is_nothing_to_storage_alone(void **state)
{
    (void)state;
    struct signing_request request = {.method = "PUT", .url = "https://h/c", .body_size = 0};
    check_signature(&plain_key, signing_storage_text, &request,
                    "PUT\n\n\n\n\n\n\n\n\n\n\n\n/a/c", NULL);
    check_signature(&plain_key, signing_batch_text, &request,
                    "PUT\n\n\n0\n\n\n\n\n\n\n\n\n/a/c", NULL);
}

static void a_key_that_is_not_base64_is_refused_without_showing_it(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "abc", "not base64!!", "se%$cret", "=AAA"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct signing_key key;
        struct error error = {0};
        assert_int_equal(signing_key_init(&key, "henry", bad[i], &error), -1);
        assert_int_equal(error.code, ERROR_CONFIG);
        assert_non_null(strstr(error.text, "henry"));
        assert_true(!*bad[i] || !strstr(error.text, bad[i]));
    }
}

static void a_senseless_sas_is_refused(void **state)
{
    (void)state;
    static const struct sas bad[] = {
        {.permissions = "r", .expiry = "2026-11-28T09:00:00Z"},
        {.permissions = "r", .container = "c"},
        {.expiry = "2026-11-28T09:00:00Z", .container = "c"},
        {.permissions = "wr", .expiry = "2026-11-28T09:00:00Z", .container = "c"},
        {.permissions = "rr", .expiry = "2026-11-28T09:00:00Z", .container = "c"},
        {.permissions = "r", .expiry = "tomorrow", .container = "c"},
        {.permissions = "r",
         .start = "2026-11-28T09:00:00Z",
         .expiry = "2026-11-28T09:00:00Z",
         .container = "c"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct buf query;
        struct error error = {0};
        buf_init(&query, 4096);
        assert_int_equal(sas_service(&plain_key, &bad[i], &query, &error), -1);
        assert_int_equal(query.size, 0);
        buf_fini(&query);
    }
}

static void times_are_written_and_read(void **state)
{
    (void)state;
    char text[SAS_TIME_SIZE], date[HTTP_DATE_SIZE];
    int64_t time = 0;
    assert_string_equal(sas_time_format(1795251600, text), "2026-11-21T09:00:00Z");
    assert_int_equal(sas_time_parse(text, &time), 0);
    assert_int_equal(time, 1795251600);
    assert_int_equal(sas_time_parse("2026-11-21T09:00:00.1234567Z", &time), 0);
    assert_int_equal(sas_time_parse("2026-11-21T09:00:00", &time), -1);
    assert_int_equal(sas_time_parse("2026-13-21T09:00:00Z", &time), -1);
    assert_int_equal(sas_time_parse("", &time), -1);
    assert_string_equal(http_date_format(1795251600, date), "Sat, 21 Nov 2026 09:00:00 GMT");
    assert_int_equal(http_date_parse(date, &time), 0);
    assert_int_equal(time, 1795251600);
    assert_int_equal(http_date_parse("Sat, 21 Nov 2026 09:00:00 CET", &time), -1);
    assert_int_equal(http_date_parse("Sat, 21 Foo 2026 09:00:00 GMT", &time), -1);
    assert_int_equal(http_date_parse("", &time), -1);
}

static void a_delegation_key_that_lacks_something_is_refused(void **state)
{
    (void)state;
    static const char xml[] =
        "<UserDelegationKey><SignedOid>o</SignedOid><Value>c2VjcmV0</Value>"
        "</UserDelegationKey>";
    struct sas_delegation_key key;
    struct error error = {0};
    assert_int_equal(sas_delegation_key_read(xml, strlen(xml), &key, &error), -1);
    assert_non_null(strstr(error.text, "SignedTid"));
    assert_null(strstr(error.text, "c2VjcmV0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_is_not_base64_is_refused_without_showing_it),
        cmocka_unit_test(a_senseless_sas_is_refused),
        cmocka_unit_test(a_delegation_key_that_lacks_something_is_refused),
        cmocka_unit_test(batch_requests_are_signed_as_microsofts_client_signs_them),
        cmocka_unit_test(storage_requests_are_signed_as_microsofts_client_signs_them),
        cmocka_unit_test(shared_access_signatures_are_those_of_microsofts_client),
        cmocka_unit_test(queries_are_sorted_decoded_and_joined),
        cmocka_unit_test(headers_are_ordered_as_the_storage_service_orders_them),
        cmocka_unit_test(a_date_is_signed_only_where_no_other_replaces_it),
        cmocka_unit_test(a_length_of_zero_is_nothing_to_storage_alone),
        cmocka_unit_test(times_are_written_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
