#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/azure/blob.h"
#include "common/azure/blob_append.h"
#include "common/azure/blob_lease.h"
#include "tests/launch/azure/mock_blob.h"

struct bench {
    struct mock_blob mock;
    struct account *account;
    struct error error;
};

static int bench_open(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    mock_blob_start(&bench->mock);
    bench->account = mock_account_open(server_url(bench->mock.server));
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;
    account_close(bench->account);
    mock_blob_stop(&bench->mock);
    free(bench);
    return 0;
}

static void names_of_containers_are_checked(void **state)
{
    static const char *const bad[] = {"",     "ab",   "Abc", "a_b", "-abc",
                                      "abc-", "a--b", "a/b", "a.b"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(blob_container_valid(bad[i]));
    assert_true(blob_container_valid("abc"));
    assert_true(blob_container_valid("henry-2026-11-21"));
    assert_true(blob_container_valid(
        "a23456789012345678901234567890123456789012345678901234567890123"));
    assert_false(blob_container_valid(
        "a234567890123456789012345678901234567890123456789012345678901234"));
}

static void a_container_is_made_once(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(
        blob_container_create(account_blobs(bench->account), "results", &bench->error), 0);
    assert_int_equal(
        blob_container_create(account_blobs(bench->account), "results", &bench->error), 0);
    assert_int_equal(
        blob_container_delete(account_blobs(bench->account), "results", &bench->error), 0);
    assert_int_equal(
        blob_container_delete(account_blobs(bench->account), "results", &bench->error),
        BLOB_MISSING);
    assert_non_null(strstr(bench->error.text, "deleting container \"results\""));
    assert_non_null(strstr(bench->error.text, "ContainerNotFound"));
}

static void what_is_put_is_got(void **state)
{
    struct bench *bench = *state;
    struct blob_place place = {.container = "farm", .name = "a b/c#d?e%f+ü.txt"};
    struct blob_properties properties;
    struct buf bytes;
    buf_init(&bytes, 100);
    assert_int_equal(blob_put(account_blobs(bench->account), &place, "0123456789", 10,
                              BLOB_OVERWRITE, &bench->error),
                     0);
    assert_non_null(mock_blob_find(&bench->mock, "farm", place.name));
    assert_int_equal(
        blob_properties_get(account_blobs(bench->account), &place, &properties, &bench->error),
        0);
    assert_int_equal(properties.size, 10);
    assert_int_equal(properties.kind, BLOB_BLOCK);
    assert_int_equal(
        blob_get(account_blobs(bench->account), &place, 3, 4, &bytes, NULL, &bench->error), 4);
    assert_memory_equal(bytes.data, "3456", 4);
    assert_int_equal(
        blob_get(account_blobs(bench->account), &place, 8, 50, &bytes, NULL, &bench->error), 2);
    assert_int_equal(
        blob_get(account_blobs(bench->account), &place, 10, 50, &bytes, NULL, &bench->error),
        0);
    assert_int_equal(blob_delete(account_blobs(bench->account), &place, &bench->error), 0);
    assert_int_equal(blob_delete(account_blobs(bench->account), &place, &bench->error),
                     BLOB_MISSING);
    buf_fini(&bytes);
}

static void a_blob_that_is_missing_is_told_from_a_fault(void **state)
{
    struct bench *bench = *state;
    struct blob_place place = {.container = "farm", .name = "none"};
    struct blob_properties properties;
    struct buf bytes;
    bool missing;
    buf_init(&bytes, 100);
    assert_int_equal(
        blob_properties_get(account_blobs(bench->account), &place, &properties, &bench->error),
        BLOB_MISSING);
    assert_non_null(strstr(bench->error.text, "farm/none"));
    assert_int_equal(
        blob_get(account_blobs(bench->account), &place, 0, 9, &bytes, &missing, &bench->error),
        -1);
    assert_true(missing);
    bench->mock.faults = (struct mock_faults){.count = 9, .fault = MOCK_FORBIDDEN};
    assert_int_equal(
        blob_properties_get(account_blobs(bench->account), &place, &properties, &bench->error),
        -1);
    assert_int_equal(bench->error.code, ERROR_AUTH);
    buf_fini(&bytes);
}

static void a_put_can_spare_what_is_there(void **state)
{
    struct bench *bench = *state;
    struct blob_place place = {.container = "farm", .name = "x"};
    assert_int_equal(blob_put(account_blobs(bench->account), &place, "old", 3,
                              BLOB_UNLESS_EXISTS, &bench->error),
                     0);
    assert_int_equal(blob_put(account_blobs(bench->account), &place, "new", 3,
                              BLOB_UNLESS_EXISTS, &bench->error),
                     BLOB_ALREADY);
    assert_memory_equal(mock_blob_find(&bench->mock, "farm", "x")->bytes, "old", 3);
    assert_int_equal(blob_put(account_blobs(bench->account), &place, "new", 3, BLOB_OVERWRITE,
                              &bench->error),
                     0);
    assert_memory_equal(mock_blob_find(&bench->mock, "farm", "x")->bytes, "new", 3);
    place.container = "nowhere";
    assert_int_equal(
        blob_put(account_blobs(bench->account), &place, "", 0, BLOB_OVERWRITE, &bench->error),
        BLOB_MISSING);
}

struct seen {
    int count, stop_at;
    char first[64], last[64];
};

static int item_see(void *context, const struct blob_item *item)
{
    struct seen *seen = context;
    if (seen->count++ == 0)
        snprintf(seen->first, sizeof(seen->first), "%s", item->name);
    assert_true(strcmp(item->name, seen->last) > 0);
    snprintf(seen->last, sizeof(seen->last), "%s", item->name);
    assert_int_equal(item->properties.size, strlen(item->name));
    assert_true(strncmp(item->properties.etag, "\"v", 2) == 0); /* as headers have it */
    return seen->count == seen->stop_at ? 7 : 0;
}

static void lists_come_in_pages_and_by_prefix(void **state)
{
    struct bench *bench = *state;
    struct seen seen = {.stop_at = 0};
    char name[32];
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof(name), "%s/%03d", i % 5 ? "out" : "log", i);
        mock_blob_set(&bench->mock, "farm", name, name, strlen(name));
    }
    bench->mock.page = 4;
    assert_int_equal(blob_list(account_blobs(bench->account), "farm", "out/", NULL, 0, item_see,
                               &seen, &bench->error),
                     0);
    assert_int_equal(seen.count, 20);
    assert_string_equal(seen.first, "out/001");
    assert_true(bench->mock.lists >= 5);
    seen = (struct seen){.stop_at = 3};
    assert_int_equal(blob_list(account_blobs(bench->account), "farm", NULL, NULL, 2, item_see,
                               &seen, &bench->error),
                     7);
    assert_int_equal(seen.count, 3);
    assert_int_equal(blob_list(account_blobs(bench->account), "nowhere", NULL, NULL, 0,
                               item_see, &seen, &bench->error),
                     BLOB_MISSING);
}

static void appends_land_once(void **state)
{
    static const enum mock_fault faults[] = {MOCK_FINE, MOCK_BUSY, MOCK_DROP, MOCK_CUT};
    struct bench *bench = *state;
    struct blob_place place = {.container = "farm", .name = "journal"};
    uint64_t size = 99, position = 0;
    assert_int_equal(
        blob_append_create(account_blobs(bench->account), &place, &size, &bench->error), 0);
    assert_int_equal(size, 0);
    for (int i = 0; i < 4; i++) {
        bench->mock.faults =
            (struct mock_faults){.part = "appendblock", .count = 1, .fault = faults[i]};
        assert_int_equal(blob_append(account_blobs(bench->account), &place, &position, "line\n",
                                     5, &bench->error),
                         0);
        assert_int_equal(position, 5 * (i + 1));
    }
    struct mock_item *item = mock_blob_find(&bench->mock, "farm", "journal");
    assert_int_equal(item->size, 20);
    assert_memory_equal(item->bytes, "line\nline\nline\nline\n", 20);
    assert_int_equal(
        blob_append_create(account_blobs(bench->account), &place, &size, &bench->error), 0);
    assert_int_equal(size, 20);
}

static void an_append_behind_anothers_back_is_refused(void **state)
{
    struct bench *bench = *state;
    struct blob_place place = {.container = "farm", .name = "journal"};
    uint64_t mine = 0, theirs = 0;
    assert_int_equal(
        blob_append_create(account_blobs(bench->account), &place, NULL, &bench->error), 0);
    assert_int_equal(
        blob_append(account_blobs(bench->account), &place, &theirs, "them", 4, &bench->error),
        0);
    assert_int_equal(
        blob_append(account_blobs(bench->account), &place, &mine, "us", 2, &bench->error),
        BLOB_ALREADY);
    assert_int_equal(mine, 0);
    /* Also where the answer is lost: what stands there is not ours. */
    bench->mock.faults =
        (struct mock_faults){.part = "appendblock", .count = 1, .fault = MOCK_DROP};
    assert_int_equal(
        blob_append(account_blobs(bench->account), &place, &mine, "us", 2, &bench->error),
        BLOB_ALREADY);
    assert_int_equal(mock_blob_find(&bench->mock, "farm", "journal")->size, 4);
}

static void large_appends_go_in_pieces(void **state)
{
    struct bench *bench = *state;
    struct blob_place place = {.container = "farm", .name = "journal"};
    size_t size = 2 * BLOB_APPEND_MAX + 3;
    uint8_t *bytes = malloc(size);
    uint64_t position = 0;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    assert_int_equal(
        blob_append_create(account_blobs(bench->account), &place, NULL, &bench->error), 0);
    assert_int_equal(blob_append(account_blobs(bench->account), &place, &position, bytes, size,
                                 &bench->error),
                     0);
    assert_int_equal(position, size);
    assert_memory_equal(mock_blob_find(&bench->mock, "farm", "journal")->bytes, bytes, size);
    free(bytes);
}

static void a_block_blob_is_not_appended_to(void **state)
{
    struct bench *bench = *state;
    struct blob_place place = {.container = "farm", .name = "x"};
    mock_blob_set(&bench->mock, "farm", "x", "bytes", 5);
    assert_int_equal(
        blob_append_create(account_blobs(bench->account), &place, NULL, &bench->error), -1);
    assert_non_null(strstr(bench->error.text, "none to append to"));
}

static void a_lease_has_one_holder(void **state)
{
    struct bench *bench = *state;
    struct blob_place place = {.container = "farm", .name = "lead"};
    char mine[BLOB_LEASE_ID_SIZE], theirs[BLOB_LEASE_ID_SIZE];
    mock_blob_set(&bench->mock, "farm", "lead", "", 0);
    assert_int_equal(blob_lease_id_make(mine, &bench->error), 0);
    assert_int_equal(blob_lease_id_make(theirs, &bench->error), 0);
    assert_int_equal(strlen(mine), 36);
    assert_string_not_equal(mine, theirs);
    assert_int_equal(
        blob_lease_acquire(account_blobs(bench->account), &place, mine, 30, &bench->error), 0);
    assert_int_equal(
        blob_lease_acquire(account_blobs(bench->account), &place, mine, 30, &bench->error), 0);
    assert_int_equal(
        blob_lease_acquire(account_blobs(bench->account), &place, theirs, 30, &bench->error),
        BLOB_ALREADY);
    assert_int_equal(
        blob_lease_renew(account_blobs(bench->account), &place, theirs, &bench->error),
        BLOB_ALREADY);
    assert_int_equal(
        blob_lease_renew(account_blobs(bench->account), &place, mine, &bench->error), 0);
    assert_int_equal(
        blob_lease_release(account_blobs(bench->account), &place, mine, &bench->error), 0);
    assert_int_equal(
        blob_lease_release(account_blobs(bench->account), &place, mine, &bench->error), 0);
    assert_int_equal(
        blob_lease_acquire(account_blobs(bench->account), &place, theirs, 30, &bench->error),
        0);
}

static void a_sas_is_never_shown(void **state)
{
    struct bench *bench = *state;
    struct blob_place place = {
        .container = "farm", .name = "x", .sas = "sv=2021-12-02&sp=r&sig=TOPSECRET"};
    struct blob_properties properties;
    struct buf bytes;
    buf_init(&bytes, 100);
    assert_int_equal(
        blob_properties_get(account_blobs(bench->account), &place, &properties, &bench->error),
        BLOB_MISSING);
    assert_null(strstr(bench->error.text, "TOPSECRET"));
    bench->mock.faults = (struct mock_faults){.count = 99, .fault = MOCK_DROP};
    assert_int_equal(
        blob_get(account_blobs(bench->account), &place, 0, 9, &bytes, NULL, &bench->error), -1);
    assert_non_null(strstr(bench->error.text, "farm/x"));
    assert_null(strstr(bench->error.text, "TOPSECRET"));
    assert_int_equal(blob_put(account_blobs(bench->account), &place, "abc", 3, BLOB_OVERWRITE,
                              &bench->error),
                     -1);
    assert_null(strstr(bench->error.text, "TOPSECRET"));
    buf_fini(&bytes);
}

static void a_name_that_is_too_long_is_refused_here(void **state)
{
    struct bench *bench = *state;
    char name[BLOB_NAME_MAX + 2];
    struct blob_place place = {.container = "farm", .name = name};
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(
        blob_put(account_blobs(bench->account), &place, "", 0, BLOB_OVERWRITE, &bench->error),
        -1);
    assert_int_equal(bench->error.code, ERROR_CONFIG);
    assert_int_equal(server_requests(bench->mock.server), 0);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_containers_are_checked),
        WITH_BENCH(a_container_is_made_once),
        WITH_BENCH(what_is_put_is_got),
        WITH_BENCH(a_blob_that_is_missing_is_told_from_a_fault),
        WITH_BENCH(a_put_can_spare_what_is_there),
        WITH_BENCH(lists_come_in_pages_and_by_prefix),
        WITH_BENCH(appends_land_once),
        WITH_BENCH(an_append_behind_anothers_back_is_refused),
        WITH_BENCH(large_appends_go_in_pieces),
        WITH_BENCH(a_block_blob_is_not_appended_to),
        WITH_BENCH(a_lease_has_one_holder),
        WITH_BENCH(a_sas_is_never_shown),
        WITH_BENCH(a_name_that_is_too_long_is_refused_here),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
