#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/azure/secret.h"

struct shown {
    const char *text, *shown;
};

static void check(int put(struct buf *buf, const char *text), const struct shown *cases,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf buf;
        buf_init(&buf, 65536);
        assert_int_equal(put(&buf, cases[i].text), 0);
        assert_string_equal(buf_text(&buf), cases[i].shown);
        buf_fini(&buf);
    }
}

static int put_text(struct buf *buf, const char *text)
{
    return secret_put_text(buf, text, strlen(text));
}

static void urls_keep_harmless_parameters_alone(void **state)
{
    (void)state;
    static const struct shown cases[] = {
        {"https://h/c", "https://h/c"},
        {"https://h/c?", "https://h/c?"},
        {"https://h/c?comp=list&sig=abc%2F", "https://h/c?comp=list&sig=..."},
        {"https://h/c?SIG=abc&sv=1&sp=r", "https://h/c?SIG=...&sv=...&sp=..."},
        {"https://h/p?api-version=2025-06-01&$filter=a%20eq%20b",
         "https://h/p?api-version=2025-06-01&$filter=a%20eq%20b"},
        {"https://h/p?new=secret&flag&=x", "https://h/p?new=...&flag&=..."},
        {"https://user:pass@h/p?x=1", "https://h/p?x=..."},
        {"https://h/p@q?x=1", "https://h/p@q?x=..."},
        {"h?sig=1", "h?sig=..."},
    };
    check(secret_put_url, cases, sizeof(cases) / sizeof(*cases));
}

static void texts_lose_their_secrets(void **state)
{
    (void)state;
    static const struct shown cases[] = {
        {"", ""},
        {"nothing here", "nothing here"},
        {"line\nend\tand\x1b[1m", "line end and [1m"},
        {"see https://h/c?sv=1&sig=abc%2Bd&se=2 for", "see https://h/c?sv=1&sig=...&se=2 for"},
        {"sig=", "sig="},
        {"AccountName=a;AccountKey=abc==;Endpoint=e",
         "AccountName=a;AccountKey=...;Endpoint=e"},
        {"Authorization: SharedKey henry:UJfC9qwa3I= x",
         "Authorization: SharedKey henry:... x"},
        {"Authorization: Bearer abc.def, x", "Authorization: Bearer ..., x"},
        {"{\"access_token\":\"abc def\",\"n\":1}", "{\"access_token\":\"...\",\"n\":1}"},
        {"{\"accessToken\": \"abc\"}", "{\"accessToken\": \"...\"}"},
        {"client_id=1&client_secret=abc~d&x=1", "client_id=1&client_secret=...&x=1"},
        {"token eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln!", "token ...!"},
        {"eyJ is short", "eyJ is short"},
    };
    check(put_text, cases, sizeof(cases) / sizeof(*cases));
}

static void headers_that_carry_secrets_are_known(void **state)
{
    (void)state;
    assert_true(secret_is_header("Authorization"));
    assert_true(secret_is_header("x-ms-copy-source"));
    assert_false(secret_is_header("x-ms-date"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_keep_harmless_parameters_alone),
        cmocka_unit_test(texts_lose_their_secrets),
        cmocka_unit_test(headers_that_carry_secrets_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
