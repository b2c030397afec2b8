#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/store.h"
#include "common/tree.h"
#include "worker/cache.h"

#define BIG (3 * MESSAGE_CHUNK + 5)

static char root[64];
static struct cache *cache;
static uint64_t asked[64];
static size_t asked_count;
static char *big;
static uint8_t big_hash[MESSAGE_HASH_SIZE];
static int done_count;
static struct error done_error;
static bool done_failed;

static void fetch(void *context, const uint8_t *hash, uint64_t offset)
{
    (void)context;
    (void)hash;
    assert_true(asked_count < 64);
    asked[asked_count++] = offset;
}

static const struct cache_source source = {fetch, NULL};

static void done(void *context, const struct error *error)
{
    (void)context;
    done_count++;
    done_failed = error != NULL;
    if (error)
        done_error = *error;
}

static int setup(void **state)
{
    struct error error;
    (void)state;
    strcpy(root, "/tmp/beofarm-test-XXXXXX");
    assert_non_null(mkdtemp(root));
    cache = cache_open(root, &error);
    assert_non_null(cache);
    cache_set_source(cache, &source);
    big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 1000);
    store_hash_bytes(big, BIG, big_hash);
    asked_count = 0;
    done_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cache_close(cache);
    free(big);
    return tree_remove(AT_FDCWD, root);
}

static void give(uint64_t offset, size_t size, uint64_t total)
{
    struct file_piece piece = {
        .offset = offset, .total_size = total, .bytes = big + offset, .size = size};
    memcpy(piece.hash, big_hash, sizeof(piece.hash));
    cache_take(cache, &piece);
}

static void request(void)
{
    const uint8_t(*hashes)[MESSAGE_HASH_SIZE] =
        (const uint8_t(*)[MESSAGE_HASH_SIZE]) & big_hash;
    cache_request(cache, hashes, 1, done, NULL);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct error error;
    assert_null(cache_open("/proc/no/cache", &error));
    assert_non_null(strstr(error.text, "/proc/no"));
}

static void a_file_the_master_lacks_is_an_error(void **state)
{
    (void)state;
    request();
    give(0, 0, UINT64_MAX);
    assert_int_equal(done_count, 1);
    assert_true(done_failed);
}

static void a_file_that_many_tasks_want_is_asked_for_once(void **state)
{
    (void)state;
    for (int i = 0; i < 24; i++)
        request();
    assert_int_equal(asked_count, 1);
    give(0, BIG, BIG);
    assert_int_equal(done_count, 24);
    assert_false(done_failed);
    request(); /* a later task: it is there already */
    assert_int_equal(done_count, 25);
    assert_int_equal(asked_count, 1);
}

static void wrong_content_is_refused_three_times(void **state)
{
    (void)state;
    request();
    big[0] ^= 1;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(done_count, 0);
        for (uint64_t at = 0; at < BIG; at += MESSAGE_CHUNK)
            give(at, BIG - at < MESSAGE_CHUNK ? BIG - at : MESSAGE_CHUNK, BIG);
    }
    assert_int_equal(done_count, 1);
    assert_true(done_failed);
    assert_false(cache_has(cache, big_hash));
}

static void nonsense_pieces_do_no_harm(void **state)
{
    (void)state;
    give(0, 10, BIG); /* nobody asked */
    request();
    give(5, 10, BIG);
    give(0, 10, 3);
    give(0, 0, BIG);
    for (uint64_t at = 0; at < BIG; at += MESSAGE_CHUNK)
        give(at, BIG - at < MESSAGE_CHUNK ? BIG - at : MESSAGE_CHUNK, BIG);
    assert_int_equal(done_count, 1);
    assert_false(done_failed);
}

static void a_lost_link_goes_on_from_the_last_good_byte(void **state)
{
    (void)state;
    request();
    assert_int_equal(asked_count, 1); /* the first piece tells the size */
    give(0, MESSAGE_CHUNK, BIG);
    assert_int_equal(asked_count, 4); /* the rest is asked for ahead */
    give(MESSAGE_CHUNK, MESSAGE_CHUNK, BIG);
    cache_set_source(cache, NULL);
    cache_set_source(cache, &source);
    assert_int_equal(asked[4], 2 * MESSAGE_CHUNK);
    give(2 * MESSAGE_CHUNK, MESSAGE_CHUNK, BIG);
    give(3 * MESSAGE_CHUNK, 5, BIG);
    assert_int_equal(done_count, 1);
    assert_false(done_failed);
    assert_true(cache_has(cache, big_hash));
    request(); /* is here: told at once */
    assert_int_equal(done_count, 2);
}

static void get_big(void)
{
    request();
    for (uint64_t at = 0; at < BIG; at += MESSAGE_CHUNK)
        give(at, BIG - at < MESSAGE_CHUNK ? BIG - at : MESSAGE_CHUNK, BIG);
    assert_true(cache_has(cache, big_hash));
}

static void links_share_and_copies_do_not(void **state)
{
    (void)state;
    struct stat a, b, c, x;
    struct error error;
    int dir = open(root, O_PATH);
    get_big();
    assert_int_equal(cache_lay(cache, big_hash, CACHE_LINK, 0644, dir, "a", &error), 0);
    assert_int_equal(cache_lay(cache, big_hash, CACHE_LINK, 0600, dir, "b", &error), 0);
    assert_int_equal(cache_lay(cache, big_hash, CACHE_COPY, 0640, dir, "c", &error), 0);
    assert_int_equal(cache_lay(cache, big_hash, CACHE_LINK, 0755, dir, "x", &error), 0);
    fstatat(dir, "a", &a, 0);
    fstatat(dir, "b", &b, 0);
    fstatat(dir, "c", &c, 0);
    fstatat(dir, "x", &x, 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_not_equal(a.st_ino, c.st_ino);
    assert_int_equal(a.st_mode & 0777, 0444);
    assert_int_equal(c.st_mode & 0777, 0640);
    assert_int_equal(x.st_mode & 0777, 0555);
    assert_int_equal(x.st_size, BIG);
    assert_int_equal(c.st_size, BIG);
    close(dir);
}

static void a_touched_file_is_restored_and_a_spoiled_one_dropped(void **state)
{
    (void)state;
    struct error error;
    int dir = open(root, O_PATH);
    get_big();
    cache_lay(cache, big_hash, CACHE_LINK, 0644, dir, "a", &error);
    assert_false(cache_check_spoiled(cache, big_hash, 0644));
    assert_int_equal(fchmodat(dir, "a", 0600, 0), 0);
    assert_int_equal(utimensat(dir, "a", NULL, 0), 0);
    assert_false(cache_has(cache, big_hash));
    assert_false(cache_check_spoiled(cache, big_hash, 0644));
    assert_true(cache_has(cache, big_hash));
    fchmodat(dir, "a", 0600, 0);
    int fd = openat(dir, "a", O_WRONLY);
    assert_int_equal(write(fd, "spoil", 5), 5);
    close(fd);
    assert_true(cache_check_spoiled(cache, big_hash, 0644));
    assert_false(cache_has(cache, big_hash));
    close(dir);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_folder_that_cannot_be_made_is_an_error),
        T(a_file_the_master_lacks_is_an_error),
        T(a_file_that_many_tasks_want_is_asked_for_once),
        T(wrong_content_is_refused_three_times),
        T(nonsense_pieces_do_no_harm),
        T(a_lost_link_goes_on_from_the_last_good_byte),
        T(links_share_and_copies_do_not),
        T(a_touched_file_is_restored_and_a_spoiled_one_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
