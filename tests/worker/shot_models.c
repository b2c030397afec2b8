/* Models of waves in a cache, and when they are removed. */
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

#include "common/seismic/shot_task.h"
#include "common/store.h"
#include "common/tree.h"
#include "worker/cache_file.h"
#include "worker/shot_models.h"

struct bench {
    char folder[32];
    struct cache *cache;
    struct shot_models *models;
};

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){.folder = "/tmp/models-XXXXXX"};
    assert_non_null(mkdtemp(bench->folder));
    bench->cache = cache_open(bench->folder, NULL);
    bench->models = shot_models_create();
    assert_non_null(bench->cache);
    assert_non_null(bench->models);
}

static void bench_fini(struct bench *bench)
{
    shot_models_destroy(bench->models);
    cache_close(bench->cache);
    tree_remove(AT_FDCWD, bench->folder);
}

/* Content number n, as if it had been fetched. */
static void put(const struct bench *bench, uint8_t n)
{
    const struct timespec times[] = {{.tv_sec = CACHE_MTIME_S}, {.tv_sec = CACHE_MTIME_S}};
    uint8_t hash[MESSAGE_HASH_SIZE] = {n};
    char hex[STORE_HASH_TEXT], path[200];
    store_hash_format(hash, hex);
    snprintf(path, sizeof(path), "%s/%s", bench->folder, hex);
    int fd = open(path, O_CREAT | O_WRONLY, 0444);
    assert_true(fd >= 0);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static bool has(const struct bench *bench, uint8_t n)
{
    const uint8_t hash[MESSAGE_HASH_SIZE] = {n};
    return cache_has(bench->cache, hash);
}

/* A task of a wave comes, with one file, which is fetched. */
static void task_comes(const struct bench *bench, uint64_t wave, const char *name, uint8_t n)
{
    struct shot_file file = {.hash = {n}};
    const struct shot_task task = {.keep_from = wave, .files = &file, .file_count = 1};
    snprintf(file.name, sizeof(file.name), "%s", name);
    shot_models_drop(bench->models, wave, bench->cache);
    shot_models_note(bench->models, &task, bench->cache);
    if (!has(bench, n))
        put(bench, n);
}

static void what_was_there_or_is_no_model_stays(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    put(&bench, 1); /* one of the farm's files, with the same content as a model */
    task_comes(&bench, 1, "velocity.bin", 1);
    task_comes(&bench, 1, "shot-12.segy", 2);
    task_comes(&bench, 1, "velocity-of-salt.json", 3); /* a file of the user's */
    for (uint64_t wave = 2; wave < 6; wave++)
        task_comes(&bench, wave, "velocity.bin", (uint8_t)(10 + wave));
    assert_true(has(&bench, 1) && has(&bench, 2) && has(&bench, 3));
    bench_fini(&bench);
}

static void models_of_the_last_two_waves_stay(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    task_comes(&bench, 1, "survey.json", 1); /* the same in all waves */
    for (uint64_t wave = 1; wave <= 6; wave++) {
        task_comes(&bench, wave, "survey.json", 1);
        task_comes(&bench, wave, "velocity.bin", (uint8_t)(10 + wave));
        task_comes(&bench, wave, "perturbation.bin", (uint8_t)(30 + wave));
    }
    assert_true(has(&bench, 1));
    for (uint8_t wave = 1; wave <= 6; wave++) {
        assert_int_equal(has(&bench, 10 + wave), wave >= 5);
        assert_int_equal(has(&bench, 30 + wave), wave >= 5);
    }
    /* One that is tried again in time is not removed. */
    task_comes(&bench, 7, "velocity.bin", 15);
    task_comes(&bench, 8, "velocity.bin", 20);
    assert_true(has(&bench, 15));
    assert_false(has(&bench, 16));
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_there_or_is_no_model_stays),
        cmocka_unit_test(models_of_the_last_two_waves_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
