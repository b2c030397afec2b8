#include "config.h"

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

#include "common/buf.h"
#include "common/tree.h"
#include "tests/launch/azure/credentials_bench.h"

static char folder[64];

void bench_search(const char *text)
{
    static const char *const secrets[] = {BENCH_KEY, "TOPSECRET", "VE9QU0VDUkVU"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
        if (strstr(text, secrets[i]))
            fail_msg("a secret is said: %s", text);
}

char *bench_write(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

const char *bench_folder(void)
{
    return folder;
}

int bench_setup(void **state)
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

int bench_teardown(void **state)
{
    (void)state;
    return tree_remove(AT_FDCWD, folder);
}

struct credentials *bench_open(const struct credentials_wishes *wishes, struct error *ret_error)
{
    struct http_options options = {.tries = 1};
    ret_error->text[0] = '\0';
    struct credentials *credentials = credentials_open(wishes, &options, ret_error);
    bench_search(ret_error->text);
    for (int i = 0; credentials && i < CREDENTIALS_AUDIENCES; i++) {
        struct buf text;
        buf_init(&text, 4096);
        assert_int_equal(credentials_describe(credentials, (enum credentials_audience)i, &text),
                         0);
        bench_search(buf_text(&text));
        buf_fini(&text);
    }
    return credentials;
}

void bench_check_described(const struct credentials *credentials,
                           enum credentials_audience audience, const char *expected)
{
    struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(credentials_describe(credentials, audience, &text), 0);
    assert_string_equal(buf_text(&text), expected);
    buf_fini(&text);
}
