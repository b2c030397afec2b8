/*
 * How blocks and ranges are checked: by a CRC-64 where the service knows that, else by MD5. And
 * what becomes of uploads whose file changes, or whose program is killed.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/azure/blob_check.h"
#include "common/azure/blob_download.h"
#include "common/azure/blob_upload.h"
#include "common/azure/crc64.h"
#include "common/tree.h"
#include "launch/disk.h"
#include "tests/launch/azure/mock_blob.h"

#define BLOCK 4096
#define COUNT 9
#define SIZE  (BLOCK * COUNT)

struct bench {
    struct mock_blob mock;
    struct account *account;
    struct blob_service *service;
    struct error error;
    char folder[64], from[128], to[128];
    uint8_t bytes[SIZE];
};

static const struct blob_place place = {.container = "farm", .name = "big"};

/* Long ago, so that a change shows however coarse the file system's clock is. */
static void file_write(struct bench *bench)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(disk_write(bench->from, bench->bytes, SIZE, 0644, false, &bench->error),
                     0);
    assert_int_equal(utimensat(AT_FDCWD, bench->from, times, 0), 0);
}

static int bench_open(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    mock_blob_start(&bench->mock);
    bench->account = mock_account_open(server_url(bench->mock.server));
    bench->service = account_blobs(bench->account);
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/beofarm-blob-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->from, sizeof(bench->from), "%s/from", bench->folder);
    snprintf(bench->to, sizeof(bench->to), "%s/to", bench->folder);
    for (size_t i = 0; i < SIZE; i++)
        bench->bytes[i] = (uint8_t)(i * 31 + i / 257);
    file_write(bench);
    *state = bench;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *bench = *state;
    account_close(bench->account);
    mock_blob_stop(&bench->mock);
    tree_remove(AT_FDCWD, bench->folder);
    free(bench);
    return 0;
}

static int upload(struct bench *bench, struct blob_upload_report *ret_report)
{
    const struct blob_upload_options options = {.block = BLOCK, .parallel = 2};
    return blob_upload(bench->service, &place, bench->from, &options, ret_report,
                       &bench->error);
}

static int download(struct bench *bench)
{
    const struct blob_download_options options = {.range = BLOCK, .parallel = 2};
    return blob_download(bench->service, &place, bench->to, &options, NULL, &bench->error);
}

static void assert_uploaded(struct bench *bench)
{
    struct mock_item *item = mock_blob_find(&bench->mock, place.container, place.name);
    assert_non_null(item);
    assert_int_equal(item->size, SIZE);
    assert_memory_equal(item->bytes, bench->bytes, SIZE);
}

/* The check value of the catalogue of CRCs (CRC-64/NVME), and one of Microsoft's own client, as the
 * service wants it. */
static void crc64_is_that_of_azure(void **state)
{
    static const char text[] = "Hello Azure!";
    struct blob_digest digest = {0};
    uint8_t bytes[BLOB_DIGEST_SIZE];
    char said[BLOB_DIGEST_TEXT];
    (void)state;
    assert_true(crc64(0, "123456789", 9) == UINT64_C(0xae8b14860a799888));
    assert_int_equal(blob_digest_begin(&digest, BLOB_CHECK_CRC64, NULL), 0);
    blob_digest_add(&digest, text, 5);
    blob_digest_add(&digest, text + 5, 7);
    blob_digest_end(&digest, bytes);
    blob_digest_format(BLOB_CHECK_CRC64, bytes, said);
    assert_string_equal(said, "DtjZpL9/o8c=");
}

/* Every length around the multiples at which the fast way begins and ends, from any address. */
static void crc64_is_the_same_both_ways(void **state)
{
    struct bench *bench = *state;
    for (size_t size = 0; size < 700; size++)
        for (size_t from = 0; from < 3; from++)
            assert_true(crc64(size, bench->bytes + from, size) ==
                        crc64_plain(size, bench->bytes + from, size));
    uint64_t whole = crc64(0, bench->bytes, SIZE);
    assert_true(whole == crc64_plain(0, bench->bytes, SIZE));
    assert_true(whole == crc64(crc64(0, bench->bytes, 1000), bench->bytes + 1000, SIZE - 1000));
    bench->bytes[SIZE / 2] ^= 4;
    assert_true(whole != crc64(0, bench->bytes, SIZE));
}

static void a_service_that_knows_crc64_is_asked_once(void **state)
{
    struct bench *bench = *state;
    struct blob_upload_report report;
    assert_int_equal(upload(bench, &report), 0);
    assert_uploaded(bench);
    assert_int_equal(bench->service->put_check, BLOB_CHECK_CRC64);
    assert_int_equal(report.requests, COUNT + 3); /* asked, listed, committed */
    bench->bytes[1]++;
    file_write(bench);
    assert_int_equal(upload(bench, &report), 0);
    assert_uploaded(bench);
    assert_int_equal(report.requests, COUNT + 2);
    assert_int_equal(download(bench), 0);
    assert_int_equal(bench->service->get_check, BLOB_CHECK_CRC64);
    assert_int_equal(bench->mock.gets, COUNT + 1);
}

static void others_get_md5s(void **state)
{
    static const enum mock_crc64 kinds[] = {MOCK_CRC64_IGNORED, MOCK_CRC64_REFUSED};
    struct bench *bench = *state;
    for (size_t i = 0; i < 2; i++) {
        struct blob_upload_report report;
        bench->mock.crc64 = kinds[i];
        bench->service->put_check = bench->service->get_check = BLOB_CHECK_UNKNOWN;
        bench->bytes[1]++;
        file_write(bench);
        int before = server_requests(bench->mock.server);
        assert_int_equal(upload(bench, &report), 0);
        assert_uploaded(bench);
        assert_int_equal(bench->service->put_check, BLOB_CHECK_MD5);
        assert_int_equal(server_requests(bench->mock.server) - before, COUNT + 3);
        bench->mock.faults =
            (struct mock_faults){.method = "GET", .skip = 3, .count = 2, .fault = MOCK_DAMAGE};
        assert_int_equal(download(bench), 0);
        assert_int_equal(bench->service->get_check, BLOB_CHECK_MD5);
        assert_int_equal(bench->mock.faults.seen, COUNT + 3); /* asked, and two once more */
        bench->mock.faults = (struct mock_faults){0};
        unlink(bench->to);
    }
}

/* The question alone meets the fault: it is not repeated, and stays open. */
static void a_busy_service_is_asked_again_later(void **state)
{
    struct bench *bench = *state;
    bench->mock.faults =
        (struct mock_faults){.part = "comp=block&", .count = 1, .fault = MOCK_BUSY};
    assert_int_equal(upload(bench, NULL), 0);
    assert_uploaded(bench);
    assert_int_equal(bench->service->put_check, BLOB_CHECK_UNKNOWN);
    bench->bytes[1]++;
    file_write(bench);
    assert_int_equal(upload(bench, NULL), 0);
    assert_int_equal(bench->service->put_check, BLOB_CHECK_CRC64);
}

/* In the middle of an upload: other bytes, or fewer. */
static void change(void *context, uint64_t bytes, uint64_t total)
{
    struct bench *bench = context;
    (void)total;
    int fd = open(bench->from, O_WRONLY);
    if (bytes == BLOCK)
        assert_int_equal(pwrite(fd, "other", 5, SIZE - 10), 5);
    close(fd);
}

static void shorten(void *context, uint64_t bytes, uint64_t total)
{
    struct bench *bench = context;
    (void)total;
    if (bytes == BLOCK)
        assert_int_equal(truncate(bench->from, SIZE - BLOCK - 1), 0);
}

static void a_file_that_changes_meanwhile_is_told(void **state)
{
    struct bench *bench = *state;
    void (*const changes[])(void *context, uint64_t bytes, uint64_t total) = {change, shorten};
    for (size_t i = 0; i < 2; i++) {
        const struct blob_upload_options options = {
            .block = BLOCK, .parallel = 1, .shown = changes[i], .shown_context = bench};
        file_write(bench);
        assert_int_equal(
            blob_upload(bench->service, &place, bench->from, &options, NULL, &bench->error),
            -1);
        assert_int_equal(bench->error.code, ERROR_CHANGED);
        assert_non_null(strstr(bench->error.text, bench->from));
        assert_non_null(strstr(bench->error.text, "run again"));
        assert_null(mock_blob_find(&bench->mock, place.container, place.name));
    }
    file_write(bench);
    assert_int_equal(upload(bench, NULL), 0);
    assert_uploaded(bench);
}

/* Five blocks arrive, the others are put off; then the program is killed. */
static void a_killed_upload_goes_on(void **state)
{
    struct bench *bench = *state;
    struct blob_upload_report report;
    bench->service->put_check = BLOB_CHECK_CRC64;
    bench->mock.faults = (struct mock_faults){
        .part = "comp=block&", .skip = 5, .count = 999, .fault = MOCK_BUSY};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        upload(bench, NULL);
        for (;;) /* where it gave up before the signal came */
            pause();
    }
    while (server_requests(bench->mock.server) < 1 + 5 + 2) /* the list, blocks, two put off */
        usleep(1000);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    bench->mock.faults.count = 0;
    assert_int_equal(upload(bench, &report), 0);
    assert_uploaded(bench);
    /* And what was on its way when the program was killed, if it arrived before the list. */
    assert_in_range(report.resumed, 5 * BLOCK, (5 + 2) * BLOCK);
    assert_int_equal(report.sent, SIZE - report.resumed);
    assert_int_equal(report.requests, COUNT - report.resumed / BLOCK + 2);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc64_is_that_of_azure),
        WITH_BENCH(crc64_is_the_same_both_ways),
        WITH_BENCH(a_service_that_knows_crc64_is_asked_once),
        WITH_BENCH(others_get_md5s),
        WITH_BENCH(a_busy_service_is_asked_again_later),
        WITH_BENCH(a_file_that_changes_meanwhile_is_told),
        WITH_BENCH(a_killed_upload_goes_on),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
