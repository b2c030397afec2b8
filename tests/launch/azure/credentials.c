/* What is looked for where, and that no secret is ever said: every sentence that these tests get
 * to see is searched for the secrets that they gave. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/launch/azure/credentials_bench.h"

static void without_any_account_it_says_where_it_looked(void **state)
{
    (void)state;
    struct error error;
    assert_null(bench_open(&(struct credentials_wishes){0}, &error));
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_non_null(strstr(error.text, "the environment: no batch account"));
    assert_non_null(strstr(error.text, "/.config/beofarm/azure.json: not there"));
    assert_non_null(strstr(error.text, "AZURE_BATCH_ACCOUNT"));
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    assert_null(bench_open(&(struct credentials_wishes){0}, &error));
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
        {"{\"batch\": {\"key\": \"" BENCH_SECRET "\"", "1:"},
        {"{\"batch\": {\"key\": " BENCH_SECRET "}}", "1:"},
        {"{\"batch\": {\"kee\": \"" BENCH_SECRET "\"}}",
         "$.batch.kee: unknown key; did you mean \"key\""},
        {"{\"batch\": \"" BENCH_SECRET "\"}", "$.batch must be an object"},
        {"{\"batch\": {\"key\": [\"" BENCH_SECRET "\"]}}",
         "$.batch.key must be a text, not an array"},
        {"{\"auth\": \"keys\", \"batch\": {\"account\": \"henry\", \"url\": \"u\"}}",
         "auto, key"},
        {"[{}]", "no credentials"},
        {"[DEFAULT]\n_BATCH_ACCOUNT_KEY = a\n  " BENCH_SECRET "\n", ":3: values do not go on"},
        {"[DEFAULT]\n" BENCH_SECRET "\n", ":2: this is neither"},
        {"[DEFAULT\n", ":1: a section's name"},
        {"_UNKNOWN = " BENCH_SECRET "\n", "no credentials"},
        {"{\"batch\": {\"account\": \"henry\", \"url\": \"u\", \"key\": \"" BENCH_SECRET "\"}}",
         "is not base64"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct error error;
        struct credentials_wishes wishes = {.file = bench_write("c", cases[i].text)};
        if (bench_open(&wishes, &error))
            fail_msg("%s was taken", cases[i].text);
        if (!strstr(error.text, cases[i].expected))
            fail_msg("\"%s\" is not in: %s", cases[i].expected, error.text);
    }
    struct error error;
    assert_null(bench_open(&(struct credentials_wishes){.file = "/nowhere/c"}, &error));
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
        "{ // ours\n\"batch\": {\"account\": \"henry\", \"url\": \"" BENCH_BATCH_URL
        "/\", \"key\": \"" BENCH_KEY
        "\"}, \"storage\": {\"account\": \"data\", \"key\": \"" BENCH_KEY "\"}}",
        "\xef\xbb\xbf[ {\"_BATCH_ACCOUNT_NAME\": \"other\", \"_BATCH_ACCOUNT_URL\": \"x.y\"},"
        "{\"_BATCH_ACCOUNT_URL\": \"" BENCH_BATCH_URL "\", \"_BATCH_ACCOUNT_KEY\": \"" BENCH_KEY
        "\", \"_STORAGE_ACCOUNT_NAME\": \"data\", \"_STORAGE_ACCOUNT_KEY\": \"" BENCH_KEY
        "\", \"_REGISTRY\": 1}]",
        "# dms\n[DEFAULT]\n_BATCH_ACCOUNT_NAME = henry\r\n_batch_account_key: '" BENCH_KEY
        "'\n_BATCH_ACCOUNT_URL=" BENCH_BATCH_URL "\n_STORAGE_ACCOUNT_DOMAIN = "
        "blob.core.windows.net\n_STORAGE_ACCOUNT_NAME=data\n_STORAGE_ACCOUNT_KEY=" BENCH_KEY,
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct error error;
        struct credentials_wishes wishes = {.file = bench_write("c", texts[i]),
                                            .batch_account = "HENRY"};
        struct credentials *credentials = bench_open(&wishes, &error);
        if (!credentials)
            fail_msg("%s", error.text);
        check_henry(credentials, BENCH_BATCH_URL, "https://data.blob.core.windows.net");
    }
}

static void the_environment_comes_first_and_nothing_is_mixed(void **state)
{
    (void)state;
    struct error error;
    char expected[256];
    struct credentials_wishes wishes = {
        .file = bench_write("c", "{\"batch\": {\"account\": \"henry\", \"url\": \"https://x\", "
                                 "\"key\": \"" BENCH_KEY "\"}}")};
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", "henry.eastus.batch.azure.com", 1);
    struct credentials *credentials = bench_open(&wishes, &error);
    assert_string_equal(credentials_batch_url(credentials), BENCH_BATCH_URL);
    assert_null(credentials_key(credentials, CREDENTIALS_BATCH)); /* the file's is not taken */
    credentials_close(credentials);
    setenv("AZURE_BATCH_ACCOUNT", "walter", 1);
    wishes.batch_account = "henry"; /* the environment's is another */
    credentials = bench_open(&wishes, &error);
    assert_non_null(credentials_key(credentials, CREDENTIALS_BATCH));
    snprintf(expected, sizeof(expected), "SharedKey of batch account henry, from %s",
             wishes.file);
    bench_check_described(credentials, CREDENTIALS_BATCH, expected);
    credentials_close(credentials);
}

static void a_connection_string_names_the_storage_account(void **state)
{
    (void)state;
    struct error error;
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", BENCH_BATCH_URL, 1);
    setenv("AZURE_BATCH_ACCESS_KEY", BENCH_KEY, 1);
    setenv("AZURE_STORAGE_CONNECTION_STRING",
           "DefaultEndpointsProtocol=http;AccountName=data;AccountKey=" BENCH_KEY
           ";BlobEndpoint=http://127.0.0.1:10000/data;",
           1);
    struct credentials *credentials = bench_open(&(struct credentials_wishes){0}, &error);
    assert_non_null(credentials);
    check_henry(credentials, BENCH_BATCH_URL, "http://127.0.0.1:10000/data");
    setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=" BENCH_KEY, 1);
    assert_null(bench_open(&(struct credentials_wishes){0}, &error));
}

static void a_way_that_is_asked_for_is_the_one_taken(void **state)
{
    (void)state;
    struct error error;
    setenv("AZURE_BATCH_ACCOUNT", "henry", 1);
    setenv("AZURE_BATCH_ENDPOINT", BENCH_BATCH_URL, 1);
    setenv("AZURE_BATCH_ACCESS_KEY", BENCH_KEY, 1);
    struct credentials_wishes wishes = {.method = CREDENTIALS_CLI};
    struct credentials *credentials = bench_open(&wishes, &error);
    assert_null(credentials_key(credentials, CREDENTIALS_BATCH));
    bench_check_described(credentials, CREDENTIALS_BATCH, "login of the Azure CLI");
    credentials_close(credentials);
    unsetenv("AZURE_BATCH_ACCESS_KEY");
    wishes.method = CREDENTIALS_KEY;
    assert_null(bench_open(&wishes, &error));
    assert_non_null(strstr(error.text, "AZURE_BATCH_ACCESS_KEY"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(without_any_account_it_says_where_it_looked),
        BENCH_TEST(files_that_are_wrong_are_refused_without_showing_them),
        BENCH_TEST(every_kind_of_file_is_read),
        BENCH_TEST(the_environment_comes_first_and_nothing_is_mixed),
        BENCH_TEST(a_connection_string_names_the_storage_account),
        BENCH_TEST(a_way_that_is_asked_for_is_the_one_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
