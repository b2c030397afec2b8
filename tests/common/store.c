#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/store.h"

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/beofarm-store-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[256];
    snprintf(command, sizeof(command), "%s/store/%s", folder,
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    unlink(command);
    snprintf(command, sizeof(command), "%s/store", folder);
    rmdir(command);
    snprintf(command, sizeof(command), "%s/abc", folder);
    unlink(command);
    return rmdir(folder);
}

static void content_is_named_by_its_sha256(void **state)
{
    (void)state;
    char uri[128], path[128];
    snprintf(uri, sizeof(uri), "dir:%s/store", folder);
    snprintf(path, sizeof(path), "%s/abc", folder);
    FILE *file = fopen(path, "w");
    fputs("abc", file);
    fclose(file);
    struct store *store = store_open(uri, NULL);
    assert_non_null(store);
    uint8_t hash[STORE_HASH_SIZE], direct[STORE_HASH_SIZE];
    uint64_t size;
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(store_put_file(store, path, hash, &size, NULL), 0);
    assert_int_equal(size, 3);
    /* FIPS 180-4, the one-block example "abc" */
    char text[STORE_HASH_TEXT];
    store_hash_format(hash, text);
    assert_string_equal(text,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    store_hash_bytes("abc", 3, direct);
    assert_memory_equal(hash, direct, STORE_HASH_SIZE);

    char bytes[10];
    size_t got;
    uint64_t total;
    assert_int_equal(store_read(store, hash, 1, bytes, sizeof(bytes), &got, &total, NULL), 0);
    assert_int_equal(got, 2);
    assert_int_equal(total, 3);
    assert_memory_equal(bytes, "bc", 2);
    store_close(store);
}

static void what_is_missing_is_a_sentence(void **state)
{
    (void)state;
    struct error error;
    assert_null(store_open("ftp:there", &error));
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_null(store_open("dir:/nowhere/at/all", &error));
    assert_int_equal(error.code, ERROR_SYSTEM);
    char uri[128];
    snprintf(uri, sizeof(uri), "dir:%s/store", folder);
    struct store *store = store_open(uri, NULL);
    uint8_t hash[STORE_HASH_SIZE] = {0};
    uint64_t size;
    size_t got;
    char byte;
    assert_int_equal(store_put_file(store, "/nowhere", hash, &size, &error), -1);
    assert_int_equal(store_read(store, hash, 0, &byte, 1, &got, &size, &error), -1);
    store_close(store);
}

static void hashes_read_back_exactly(void **state)
{
    (void)state;
    uint8_t hash[STORE_HASH_SIZE];
    assert_int_equal(store_hash_parse("abc", hash), -1);
    char text[STORE_HASH_TEXT];
    memset(text, 'g', 64);
    text[64] = 0;
    assert_int_equal(store_hash_parse(text, hash), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(content_is_named_by_its_sha256, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_missing_is_a_sentence, set_up, tear_down),
        cmocka_unit_test(hashes_read_back_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
