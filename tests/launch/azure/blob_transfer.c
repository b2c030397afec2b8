/*
 * Uploads and downloads of files: whole, interrupted, gone on with, damaged. Blocks are small here,
 * so that files of a few hundred kilobytes have many.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/azure/blob_blocks.h"
#include "common/azure/blob_download.h"
#include "common/azure/blob_upload.h"
#include "common/store.h"
#include "common/tree.h"
#include "launch/azure/store_blob.h"
#include "launch/disk.h"
#include "tests/launch/azure/mock_blob.h"

#define BLOCK 16384
#define COUNT 12 /* blocks of the file, the last of them not full */
#define SIZE  (BLOCK * COUNT - 100)

struct bench {
    struct mock_blob mock;
    struct account *account;
    struct error error;
    char folder[64], from[128], to[128];
    uint8_t *bytes;
};

static const struct blob_place place = {.container = "farm", .name = "big/file"};

static void file_write(const char *path, const void *bytes, size_t size)
{
    struct error error;
    assert_int_equal(disk_write(path, bytes, size, 0644, false, &error), 0);
}

static int bench_open(void **state, enum blob_check check)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    mock_blob_start(&bench->mock);
    bench->account = mock_account_open(server_url(bench->mock.server));
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/beofarm-blob-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->from, sizeof(bench->from), "%s/from", bench->folder);
    snprintf(bench->to, sizeof(bench->to), "%s/to", bench->folder);
    bench->bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bench->bytes[i] = (uint8_t)(i * 31 + i / 257 + i / 65537);
    file_write(bench->from, bench->bytes, SIZE);
    account_blobs(bench->account)->put_check = check;
    account_blobs(bench->account)->get_check = check;
    *state = bench;
    return 0;
}

static int bench_open_crc64(void **state)
{
    return bench_open(state, BLOB_CHECK_CRC64);
}

static int bench_open_md5(void **state)
{
    return bench_open(state, BLOB_CHECK_MD5);
}

static int bench_close(void **state)
{
    struct bench *bench = *state;
    account_close(bench->account);
    mock_blob_stop(&bench->mock);
    tree_remove(AT_FDCWD, bench->folder);
    free(bench->bytes);
    free(bench);
    return 0;
}

static int upload_by(struct bench *bench, int parallel, struct blob_upload_report *ret_report)
{
    struct blob_upload_options options = {.block = BLOCK, .parallel = parallel};
    return blob_upload(account_blobs(bench->account), &place, bench->from, &options, ret_report,
                       &bench->error);
}

static int upload(struct bench *bench, struct blob_upload_report *ret_report)
{
    return upload_by(bench, 3, ret_report);
}

static int download(struct bench *bench, struct blob_download_report *ret_report)
{
    struct blob_download_options options = {.range = BLOCK, .parallel = 3};
    return blob_download(account_blobs(bench->account), &place, bench->to, &options, ret_report,
                         &bench->error);
}

static void assert_uploaded(struct bench *bench)
{
    struct mock_item *item = mock_blob_find(&bench->mock, "farm", place.name);
    assert_non_null(item);
    assert_int_equal(item->size, SIZE);
    assert_memory_equal(item->bytes, bench->bytes, SIZE);
}

static void assert_downloaded(struct bench *bench)
{
    struct buf bytes;
    char path[160];
    buf_init(&bytes, SIZE + (1 << 20));
    assert_int_equal(disk_read(bench->to, SIZE, &bytes, &bench->error), 0);
    assert_int_equal(bytes.size, SIZE);
    assert_memory_equal(bytes.data, bench->bytes, SIZE);
    buf_fini(&bytes);
    snprintf(path, sizeof(path), "%s.part", bench->to);
    assert_false(disk_exists(path));
    snprintf(path, sizeof(path), "%s.part.state", bench->to);
    assert_false(disk_exists(path));
}

static void a_file_goes_up_in_blocks(void **state)
{
    struct bench *bench = *state;
    struct blob_upload_report report;
    assert_int_equal(upload(bench, &report), 0);
    assert_uploaded(bench);
    assert_int_equal(report.size, SIZE);
    assert_int_equal(report.sent, SIZE);
    assert_int_equal(report.resumed, 0);
    assert_int_equal(report.requests, COUNT + 2); /* the list asked for, and committed */
}

static void small_and_empty_files_go_up_in_one_request(void **state)
{
    struct bench *bench = *state;
    struct blob_upload_report report;
    file_write(bench->from, "few", 3);
    assert_int_equal(upload(bench, &report), 0);
    assert_int_equal(report.requests, 1);
    assert_int_equal(mock_blob_find(&bench->mock, "farm", place.name)->size, 3);
    file_write(bench->from, "", 0);
    assert_int_equal(upload(bench, &report), 0);
    assert_int_equal(mock_blob_find(&bench->mock, "farm", place.name)->size, 0);
}

static void an_interrupted_upload_goes_on(void **state)
{
    struct bench *bench = *state;
    struct blob_upload_report report;
    bench->mock.faults = (struct mock_faults){
        .part = "comp=block&", .skip = 7, .count = 99, .fault = MOCK_FORBIDDEN};
    assert_int_equal(upload(bench, NULL), -1);
    assert_null(mock_blob_find(&bench->mock, "farm", place.name));
    bench->mock.faults.count = 0;
    assert_int_equal(upload(bench, &report), 0);
    assert_uploaded(bench);
    /* Seven blocks had arrived; one of them may be the last, which is shorter. */
    assert_int_equal(report.resumed, 7 * BLOCK);
    assert_int_equal(report.sent, SIZE - 7 * BLOCK);
}

static void blocks_of_a_file_that_changed_are_not_taken_for_it(void **state)
{
    struct bench *bench = *state;
    struct blob_upload_report report;
    bench->mock.faults = (struct mock_faults){
        .part = "comp=block&", .skip = 7, .count = 99, .fault = MOCK_FORBIDDEN};
    /* One after another: of several at once, the third might not be among the seven that arrive. */
    assert_int_equal(upload_by(bench, 1, NULL), -1);
    bench->mock.faults.count = 0;
    bench->bytes[2 * BLOCK + 5] ^= 1;
    file_write(bench->from, bench->bytes, SIZE);
    assert_int_equal(upload(bench, &report), 0);
    assert_uploaded(bench);
    assert_int_equal(report.resumed, 6 * BLOCK);
}

static void uploads_bear_every_fault(void **state)
{
    static const enum mock_fault faults[] = {MOCK_BUSY, MOCK_DROP, MOCK_CUT};
    static const char *const parts[] = {"comp=block&", "blocklisttype", "comp=blocklist"};
    struct bench *bench = *state;
    for (size_t f = 0; f < 3; f++) {
        for (size_t p = 0; p < 3; p++) {
            bench->mock.faults =
                (struct mock_faults){.part = parts[p], .count = 2, .fault = faults[f]};
            bench->bytes[f * 3 + p]++;
            file_write(bench->from, bench->bytes, SIZE);
            if (upload(bench, NULL) != 0)
                fail_msg("%s", bench->error.text);
            assert_true(bench->mock.faults.seen > 1);
            assert_uploaded(bench);
        }
    }
}

static void an_upload_spares_what_is_there_if_told(void **state)
{
    struct bench *bench = *state;
    struct blob_upload_options options = {.block = BLOCK, .unless = BLOB_UNLESS_EXISTS};
    mock_blob_set(&bench->mock, "farm", place.name, "old", 3);
    assert_int_equal(blob_upload(account_blobs(bench->account), &place, bench->from, &options,
                                 NULL, &bench->error),
                     BLOB_ALREADY);
    assert_int_equal(mock_blob_find(&bench->mock, "farm", place.name)->size, 3);
}

static void an_upload_is_only_of_what_was_hashed(void **state)
{
    struct bench *bench = *state;
    uint8_t hash[32];
    struct blob_upload_options options = {.block = BLOCK, .sha256 = hash};
    assert_int_equal(store_hash_bytes(bench->bytes, SIZE, hash), 0);
    hash[0] ^= 1;
    assert_int_equal(blob_upload(account_blobs(bench->account), &place, bench->from, &options,
                                 NULL, &bench->error),
                     -1);
    assert_int_equal(bench->error.code, ERROR_CHANGED);
    assert_null(mock_blob_find(&bench->mock, "farm", place.name));
    hash[0] ^= 1;
    assert_int_equal(blob_upload(account_blobs(bench->account), &place, bench->from, &options,
                                 NULL, &bench->error),
                     0);
    assert_uploaded(bench);
}

static void uploads_say_what_is_wrong(void **state)
{
    struct bench *bench = *state;
    struct blob_place nowhere = {.container = "nowhere", .name = "x"};
    struct blob_upload_options options = {.block = BLOCK};
    assert_int_equal(blob_upload(account_blobs(bench->account), &nowhere, bench->from, &options,
                                 NULL, &bench->error),
                     BLOB_MISSING);
    assert_non_null(strstr(bench->error.text, "nowhere/x"));
    assert_int_equal(blob_upload(account_blobs(bench->account), &place, bench->folder, NULL,
                                 NULL, &bench->error),
                     -1);
    assert_non_null(strstr(bench->error.text, "is not a file"));
    assert_int_equal(blob_upload(account_blobs(bench->account), &place, "/nowhere/at/all", NULL,
                                 NULL, &bench->error),
                     -1);
    assert_int_equal(bench->error.code, ERROR_SYSTEM);
}

static void a_blob_comes_down_in_ranges(void **state)
{
    struct bench *bench = *state;
    struct blob_download_report report;
    mock_blob_set(&bench->mock, "farm", place.name, bench->bytes, SIZE);
    assert_int_equal(download(bench, &report), 0);
    assert_downloaded(bench);
    assert_int_equal(report.received, SIZE);
    assert_int_equal(report.resumed, 0);
    assert_int_equal(bench->mock.gets, COUNT);
}

static void an_empty_blob_becomes_an_empty_file(void **state)
{
    struct bench *bench = *state;
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    mock_blob_set(&bench->mock, "farm", place.name, "", 0);
    assert_int_equal(download(bench, NULL), 0);
    assert_int_equal(disk_read(bench->to, 10, &bytes, &bench->error), 0);
    assert_int_equal(bytes.size, 0);
    buf_fini(&bytes);
}

static void an_interrupted_download_goes_on(void **state)
{
    struct bench *bench = *state;
    struct blob_download_report report;
    mock_blob_set(&bench->mock, "farm", place.name, bench->bytes, SIZE);
    bench->mock.faults =
        (struct mock_faults){.method = "GET", .skip = 7, .count = 99, .fault = MOCK_FORBIDDEN};
    assert_int_equal(download(bench, NULL), -1);
    assert_false(disk_exists(bench->to));
    bench->mock.faults.count = 0;
    assert_int_equal(download(bench, &report), 0);
    assert_downloaded(bench);
    assert_int_equal(report.resumed + report.received, SIZE);
    /* Seven were answered; those that were under way when one was refused are not counted. */
    assert_true(report.resumed >= (uint64_t)4 * BLOCK);
}

static void a_download_of_another_version_begins_anew(void **state)
{
    struct bench *bench = *state;
    struct blob_download_report report;
    mock_blob_set(&bench->mock, "farm", place.name, bench->bytes, SIZE);
    bench->mock.faults =
        (struct mock_faults){.method = "GET", .skip = 7, .count = 99, .fault = MOCK_FORBIDDEN};
    assert_int_equal(download(bench, NULL), -1);
    bench->mock.faults.count = 0;
    bench->bytes[0]++;
    mock_blob_set(&bench->mock, "farm", place.name, bench->bytes, SIZE);
    assert_int_equal(download(bench, &report), 0);
    assert_int_equal(report.resumed, 0);
    assert_downloaded(bench);
}

static void a_state_from_another_boot_is_dropped(void **state)
{
    struct bench *bench = *state;
    struct blob_download_report report;
    char path[160];
    mock_blob_set(&bench->mock, "farm", place.name, bench->bytes, SIZE);
    bench->mock.faults =
        (struct mock_faults){.method = "GET", .skip = 7, .count = 99, .fault = MOCK_FORBIDDEN};
    assert_int_equal(download(bench, NULL), -1);
    bench->mock.faults.count = 0;
    snprintf(path, sizeof(path), "%s.part.state", bench->to);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "?", 1, 16 + BLOB_ETAG_MAX), 1); /* in the boot's id */
    close(fd);
    assert_int_equal(download(bench, &report), 0);
    assert_int_equal(report.resumed, 0);
    assert_downloaded(bench);
}

static void downloads_bear_every_fault(void **state)
{
    static const enum mock_fault faults[] = {MOCK_BUSY, MOCK_DROP, MOCK_CUT, MOCK_DAMAGE};
    struct bench *bench = *state;
    for (size_t f = 0; f < 4; f++) {
        bench->bytes[0]++;
        mock_blob_set(&bench->mock, "farm", place.name, bench->bytes, SIZE);
        bench->mock.faults =
            (struct mock_faults){.method = "GET", .skip = 2, .count = 2, .fault = faults[f]};
        if (download(bench, NULL) != 0)
            fail_msg("%s", bench->error.text);
        assert_downloaded(bench);
    }
}

static void a_download_that_stays_damaged_ends(void **state)
{
    struct bench *bench = *state;
    mock_blob_set(&bench->mock, "farm", place.name, bench->bytes, SIZE);
    bench->mock.faults =
        (struct mock_faults){.method = "GET", .count = 999, .fault = MOCK_DAMAGE};
    assert_int_equal(download(bench, NULL), -1);
    assert_int_equal(bench->error.code, ERROR_NETWORK);
    assert_false(disk_exists(bench->to));
}

static void the_whole_is_checked_too(void **state)
{
    struct bench *bench = *state;
    uint8_t hash[32];
    struct blob_download_options options = {.sha256 = hash};
    mock_blob_set(&bench->mock, "farm", place.name, bench->bytes, SIZE);
    bench->mock.whole_md5 = true;
    /* One request for all: no MD5 of a range. */
    bench->mock.faults =
        (struct mock_faults){.method = "GET", .count = 1, .fault = MOCK_DAMAGE};
    assert_int_equal(blob_download(account_blobs(bench->account), &place, bench->to, NULL, NULL,
                                   &bench->error),
                     -1);
    assert_non_null(strstr(bench->error.text, "MD5"));
    assert_false(disk_exists(bench->to));
    assert_int_equal(blob_download(account_blobs(bench->account), &place, bench->to, NULL, NULL,
                                   &bench->error),
                     0);
    assert_downloaded(bench);
    store_hash_bytes("something else", 14, hash);
    assert_int_equal(blob_download(account_blobs(bench->account), &place, bench->to, &options,
                                   NULL, &bench->error),
                     -1);
    assert_non_null(strstr(bench->error.text, "SHA-256"));
}

/* Replaces the blob after a few bytes have been shown. */
static void replace(void *context, uint64_t bytes, uint64_t total)
{
    struct bench *bench = context;
    (void)total;
    if (bytes == BLOCK)
        mock_blob_set(&bench->mock, "farm", place.name, "other", 5);
}

static void a_blob_that_changes_meanwhile_is_not_mixed(void **state)
{
    struct bench *bench = *state;
    struct blob_download_options options = {
        .range = BLOCK, .parallel = 1, .shown = replace, .shown_context = bench};
    mock_blob_set(&bench->mock, "farm", place.name, bench->bytes, SIZE);
    assert_int_equal(blob_download(account_blobs(bench->account), &place, bench->to, &options,
                                   NULL, &bench->error),
                     -1);
    assert_int_equal(bench->error.code, ERROR_CHANGED);
    assert_false(disk_exists(bench->to));
    assert_int_equal(download(bench, NULL), 0);
}

static void a_missing_blob_leaves_nothing_behind(void **state)
{
    struct bench *bench = *state;
    char path[160];
    assert_int_equal(download(bench, NULL), BLOB_MISSING);
    snprintf(path, sizeof(path), "%s.part", bench->to);
    assert_false(disk_exists(path));
}

/* Inputs: many small files, two of the same content, and a large one. */
static struct inputs inputs_make(struct bench *bench, int count)
{
    struct inputs inputs = {.folder = strdup(bench->folder)};
    char name[64], path[160];
    inputs.items = calloc((size_t)count, sizeof(*inputs.items));
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "in%d", i);
        snprintf(path, sizeof(path), "%s/%s", bench->folder, name);
        if (i == 0)
            file_write(path, bench->bytes, SIZE);
        else
            file_write(path, name, i < 3 ? 0 : strlen(name));
        inputs.items[inputs.count++] = (struct input){.path = strdup(name)};
    }
    return inputs;
}

static void the_second_run_uploads_nothing(void **state)
{
    struct bench *bench = *state;
    struct inputs inputs = inputs_make(bench, 40);
    struct store_blob_report report;
    assert_int_equal(store_blob_put_all(bench->account, "farm", "store/", &inputs, NULL, NULL,
                                        &report, &bench->error),
                     0);
    assert_int_equal(report.files, 39); /* two are empty: one content */
    assert_int_equal(report.uploaded, 39);
    int puts = bench->mock.puts;
    assert_int_equal(puts, 39);
    bench->mock.page = 7;
    assert_int_equal(store_blob_put_all(bench->account, "farm", "store/", &inputs, NULL, NULL,
                                        &report, &bench->error),
                     0);
    assert_int_equal(report.uploaded, 0);
    assert_int_equal(report.sent, 0);
    assert_int_equal(bench->mock.puts, puts);
    char path[160];
    snprintf(path, sizeof(path), "%s/in7", bench->folder);
    file_write(path, "changed", 7);
    assert_int_equal(store_blob_put_all(bench->account, "farm", "store/", &inputs, NULL, NULL,
                                        &report, &bench->error),
                     0);
    assert_int_equal(report.uploaded, 1);
    assert_int_equal(report.sent, 7);
    inputs_close(&inputs);
}

static void the_store_reads_what_was_put(void **state)
{
    struct bench *bench = *state;
    struct store *store = store_blob_open(bench->account, "farm", "", &bench->error);
    uint8_t hash[STORE_HASH_SIZE];
    uint64_t size, total;
    size_t got;
    char bytes[16];
    assert_non_null(store);
    assert_int_equal(store_put_file(store, bench->from, hash, &size, &bench->error), 0);
    assert_int_equal(size, SIZE);
    assert_int_equal(store_put_file(store, bench->from, hash, &size, &bench->error), 0);
    assert_int_equal(bench->mock.puts, 1);
    assert_int_equal(
        store_read(store, hash, SIZE - 5, bytes, sizeof(bytes), &got, &total, &bench->error),
        0);
    assert_int_equal(got, 5);
    assert_int_equal(total, SIZE);
    assert_memory_equal(bytes, bench->bytes + SIZE - 5, 5);
    hash[0] ^= 1;
    assert_int_not_equal(
        store_read(store, hash, 0, bytes, sizeof(bytes), &got, &total, &bench->error), 0);
    store_close(store);
}

static void a_failed_put_of_many_says_which(void **state)
{
    struct bench *bench = *state;
    struct inputs inputs = inputs_make(bench, 20);
    struct store_blob_report report;
    bench->mock.faults =
        (struct mock_faults){.method = "PUT", .skip = 5, .count = 99, .fault = MOCK_FORBIDDEN};
    assert_int_equal(store_blob_put_all(bench->account, "farm", "store/", &inputs, NULL, NULL,
                                        &report, &bench->error),
                     -1);
    assert_non_null(strstr(bench->error.text, bench->folder));
    bench->mock.faults.count = 0;
    assert_int_equal(store_blob_put_all(bench->account, "farm", "store/", &inputs, NULL, NULL,
                                        &report, &bench->error),
                     0);
    assert_int_equal(report.uploaded, 14);
    inputs_close(&inputs);
}

/* Blocks and ranges checked by CRC-64, and by MD5. */
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open_crc64, bench_close)
#define WITH_MD5(test)                                                                         \
    {                                                                                          \
#test " (MD5)", test, bench_open_md5, bench_close, NULL                                \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(a_file_goes_up_in_blocks),
        WITH_BENCH(small_and_empty_files_go_up_in_one_request),
        WITH_BENCH(an_interrupted_upload_goes_on),
        WITH_BENCH(blocks_of_a_file_that_changed_are_not_taken_for_it),
        WITH_BENCH(uploads_bear_every_fault),
        WITH_BENCH(an_upload_spares_what_is_there_if_told),
        WITH_BENCH(an_upload_is_only_of_what_was_hashed),
        WITH_BENCH(uploads_say_what_is_wrong),
        WITH_BENCH(a_blob_comes_down_in_ranges),
        WITH_BENCH(an_empty_blob_becomes_an_empty_file),
        WITH_BENCH(an_interrupted_download_goes_on),
        WITH_BENCH(a_download_of_another_version_begins_anew),
        WITH_BENCH(a_state_from_another_boot_is_dropped),
        WITH_BENCH(downloads_bear_every_fault),
        WITH_BENCH(a_download_that_stays_damaged_ends),
        WITH_MD5(the_whole_is_checked_too),
        WITH_BENCH(a_blob_that_changes_meanwhile_is_not_mixed),
        WITH_BENCH(a_missing_blob_leaves_nothing_behind),
        WITH_BENCH(the_second_run_uploads_nothing),
        WITH_BENCH(the_store_reads_what_was_put),
        WITH_BENCH(a_failed_put_of_many_says_which),
        WITH_MD5(a_file_goes_up_in_blocks),
        WITH_MD5(an_interrupted_upload_goes_on),
        WITH_MD5(blocks_of_a_file_that_changed_are_not_taken_for_it),
        WITH_MD5(a_blob_comes_down_in_ranges),
        WITH_MD5(downloads_bear_every_fault),
        WITH_MD5(a_download_that_stays_damaged_ends),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
