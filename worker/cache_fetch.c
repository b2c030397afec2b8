/*
 * What is being fetched goes to DIR/part-PID-N, hashed as it comes, and is renamed when the hash
 * is right; so workers that share the folder never see half a file. Pieces are asked for ahead,
 * WINDOW in all, and must come in order; after anything unexpected the fetch asks again from the
 * last good byte as soon as nothing of it is under way.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "worker/cache_direct.h"
#include "worker/cache_private.h"

#define WINDOW 8 /* pieces asked for and not come, in all */
#define TRIES  3 /* how often a file may come with wrong content */

enum fetch_way {
    WAY_LINK,   /* through the source */
    WAY_WAITS,  /* for its turn to be fetched from the container */
    WAY_DIRECT, /* being fetched from there */
};

struct fetch {
    enum fetch_way way;
    uint8_t hash[MESSAGE_HASH_SIZE];
    char part[64]; /* its name in the folder while it comes */
    int fd;        /* -1 until the first piece */
    EVP_MD_CTX *digest;
    uint64_t received; /* good bytes, from 0 */
    uint64_t asked;    /* asked for, up to here */
    uint64_t total;    /* UINT64_MAX until known */
    unsigned under_way;
    unsigned failures;
    struct fetch *previous, *next; /* the queue, oldest first */
    struct fetch *bucket_next;
};

struct cache_request {
    struct cache *cache;
    uint8_t (*hashes)[MESSAGE_HASH_SIZE]; /* those that were missing: sorted, each once */
    size_t count, missing;
    bool ended;
    struct error error;
    bool failed;
    void (*done)(void *context, const struct error *error);
    void *context;
    struct cache_request *next;
};

static void fetch_destroy(struct cache *cache, struct fetch *fetch)
{
    struct fetch **link =
        &cache->buckets[(fetch->hash[0] | fetch->hash[1] << 8) % CACHE_BUCKETS];
    while (*link != fetch)
        link = &(*link)->bucket_next;
    *link = fetch->bucket_next;
    *(fetch->previous ? &fetch->previous->next : &cache->first) = fetch->next;
    *(fetch->next ? &fetch->next->previous : &cache->last) = fetch->previous;
    cache->under_way -= fetch->under_way;
    if (fetch->fd >= 0) {
        close(fetch->fd);
        unlinkat(cache->dir_fd, fetch->part, 0); /* gone already if it was renamed */
    }
    EVP_MD_CTX_free(fetch->digest);
    free(fetch);
}

static void request_destroy(struct cache_request *request)
{
    free(request->hashes);
    free(request);
}

void cache_drop_fetches(struct cache *cache)
{
    while (cache->first)
        fetch_destroy(cache, cache->first);
    for (struct cache_request *next; cache->requests; cache->requests = next) {
        next = cache->requests->next;
        request_destroy(cache->requests);
    }
}

static struct fetch *fetch_find(struct cache *cache, const uint8_t *hash)
{
    struct fetch *fetch = cache->buckets[(hash[0] | hash[1] << 8) % CACHE_BUCKETS];
    while (fetch && memcmp(fetch->hash, hash, MESSAGE_HASH_SIZE) != 0)
        fetch = fetch->bucket_next;
    return fetch;
}

static int fetch_add(struct cache *cache, const uint8_t *hash)
{
    if (fetch_find(cache, hash))
        return 0;
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    if (!fetch)
        return -1;
    memcpy(fetch->hash, hash, MESSAGE_HASH_SIZE);
    fetch->fd = -1;
    fetch->total = UINT64_MAX;
    fetch->way = cache->direct ? WAY_WAITS : WAY_LINK;
    struct fetch **bucket = &cache->buckets[(hash[0] | hash[1] << 8) % CACHE_BUCKETS];
    fetch->bucket_next = *bucket;
    *bucket = fetch;
    fetch->previous = cache->last;
    *(cache->last ? &cache->last->next : &cache->first) = fetch;
    cache->last = fetch;
    return 0;
}

static bool fetch_wants(const struct fetch *fetch)
{
    if (fetch->way != WAY_LINK)
        return false;
    /* The first piece tells the size; until then one is enough. */
    if (fetch->total == UINT64_MAX)
        return fetch->under_way == 0;
    return fetch->asked < fetch->total;
}

static void pump_direct(struct cache *cache)
{
    for (struct fetch *fetch = cache->direct ? cache->first : NULL; fetch;
         fetch = fetch->next) {
        if (fetch->way != WAY_WAITS)
            continue;
        if (!cache_direct_start(cache->direct, fetch->hash))
            return;
        fetch->way = WAY_DIRECT;
    }
}

static void pump(struct cache *cache)
{
    pump_direct(cache);
    if (!cache->has_source)
        return;
    for (struct fetch *fetch = cache->first; fetch; fetch = fetch->next)
        while (fetch_wants(fetch)) {
            if (cache->under_way >= WINDOW)
                return;
            uint64_t offset = fetch->asked;
            fetch->asked += MESSAGE_CHUNK;
            fetch->under_way++;
            cache->under_way++;
            cache->source.fetch(cache->source.context, fetch->hash, offset);
        }
}

void cache_set_source(struct cache *cache, const struct cache_source *source)
{
    cache->has_source = source != NULL;
    if (source)
        cache->source = *source;
    for (struct fetch *fetch = cache->first; fetch; fetch = fetch->next) {
        fetch->under_way = 0;
        fetch->asked = fetch->received;
    }
    cache->under_way = 0;
    pump(cache);
}

static void fetch_restart(struct cache *cache, struct fetch *fetch)
{
    if (fetch->fd >= 0) {
        close(fetch->fd);
        unlinkat(cache->dir_fd, fetch->part, 0);
    }
    fetch->fd = -1;
    fetch->received = fetch->asked = 0;
    fetch->total = UINT64_MAX;
}

static int fetch_open(struct cache *cache, struct fetch *fetch, struct error *ret_error)
{
    snprintf(fetch->part, sizeof(fetch->part), "part-%d-%llu", (int)getpid(),
             (unsigned long long)cache->parts++);
    fetch->fd =
        openat(cache->dir_fd, fetch->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fetch->fd < 0)
        return error_errno(ret_error, errno, "cannot make a file in the cache \"%s\"",
                           cache->dir);
    if (!fetch->digest)
        fetch->digest = EVP_MD_CTX_new();
    if (!fetch->digest || !EVP_DigestInit_ex(fetch->digest, EVP_sha256(), NULL))
        return error_set(ret_error, ERROR_SYSTEM, "cannot compute SHA-256");
    return 0;
}

static int fetch_store(struct cache *cache, struct fetch *fetch, const struct file_piece *piece,
                       struct error *ret_error)
{
    const char *bytes = piece->bytes;
    for (size_t done = 0; done < piece->size;) {
        ssize_t put = pwrite(fetch->fd, bytes + done, piece->size - done,
                             (off_t)(fetch->received + done));
        if (put < 0 && errno != EINTR)
            return error_errno(ret_error, errno, "cannot write to the cache \"%s\"",
                               cache->dir);
        done += put < 0 ? 0 : (size_t)put;
    }
    EVP_DigestUpdate(fetch->digest, piece->bytes, piece->size);
    fetch->received += piece->size;
    fetch->total = piece->total_size;
    return 0;
}

/* All bytes came: 1 if they are right and in their place, 0 to fetch them again, -1 to give up. */
static int fetch_finish(struct cache *cache, struct fetch *fetch, struct error *ret_error)
{
    uint8_t found[MESSAGE_HASH_SIZE];
    char name[CACHE_NAME_SIZE];
    EVP_DigestFinal_ex(fetch->digest, found, NULL);
    cache_file_name(fetch->hash, false, name);
    if (memcmp(found, fetch->hash, sizeof(found)) != 0) {
        fetch_restart(cache, fetch);
        if (++fetch->failures < TRIES)
            return 0;
        return error_set(ret_error, ERROR_NETWORK,
                         "the file with hash %s came with wrong content %d times", name, TRIES);
    }
    if (fchmod(fetch->fd, 0444) < 0 || cache_file_stamp(fetch->fd) < 0 ||
        renameat(cache->dir_fd, fetch->part, cache->dir_fd, name) < 0)
        return error_errno(ret_error, errno, "cannot finish a file in the cache \"%s\"",
                           cache->dir);
    return 1;
}

/* Take a piece that may be any nonsense. 1: the file is complete; 0: go on; -1: give up. */
static int fetch_take(struct cache *cache, struct fetch *fetch, const struct file_piece *piece,
                      struct error *ret_error)
{
    char text[STORE_HASH_TEXT];
    if (fetch->under_way) {
        fetch->under_way--;
        cache->under_way--;
    }
    if (piece->total_size == UINT64_MAX) {
        store_hash_format(fetch->hash, text);
        return error_set(ret_error, ERROR_CONFIG, "the master has no file with hash %s", text);
    }
    bool fits = piece->offset == fetch->received && piece->total_size >= fetch->received &&
                piece->size <= piece->total_size - fetch->received &&
                (piece->size || piece->total_size == 0) &&
                (fetch->total == UINT64_MAX || fetch->total == piece->total_size);
    if (fits) {
        if (fetch->fd < 0 && fetch_open(cache, fetch, ret_error) < 0)
            return -1;
        if (fetch_store(cache, fetch, piece, ret_error) < 0)
            return -1;
        if (fetch->received == fetch->total)
            return fetch_finish(cache, fetch, ret_error);
    } else if (++fetch->failures > 1000) {
        store_hash_format(fetch->hash, text);
        return error_set(ret_error, ERROR_NETWORK,
                         "the master sends wrong pieces of the file with hash %s", text);
    }
    if (!fetch->under_way)
        fetch->asked = fetch->received;
    return 0;
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, MESSAGE_HASH_SIZE);
}

/* Tell every request that this hash is here, or cannot be had. */
static void settle(struct cache *cache, const uint8_t *hash, const struct error *error)
{
    for (struct cache_request *request = cache->requests; request; request = request->next) {
        if (request->ended || !bsearch(hash, request->hashes, request->count,
                                       sizeof(*request->hashes), compare_hashes))
            continue;
        request->missing--;
        if (error) {
            request->failed = true;
            request->error = *error;
        }
        request->ended = error || !request->missing;
    }
}

/* Call back those that ended. `done` may make and cancel requests, so start over each time. */
static void finish_requests(struct cache *cache)
{
    for (;;) {
        struct cache_request **link = &cache->requests;
        while (*link && !(*link)->ended)
            link = &(*link)->next;
        struct cache_request *request = *link;
        if (!request)
            return;
        *link = request->next;
        request->done(request->context, request->failed ? &request->error : NULL);
        request_destroy(request);
    }
}

void cache_take(struct cache *cache, const struct file_piece *piece)
{
    struct error error;
    struct fetch *fetch = fetch_find(cache, piece->hash);
    if (!fetch)
        return;
    int rc = fetch_take(cache, fetch, piece, &error);
    if (rc != 0) {
        fetch_destroy(cache, fetch);
        settle(cache, piece->hash, rc < 0 ? &error : NULL);
    }
    pump(cache);
    if (rc != 0)
        finish_requests(cache);
}

void cache_direct_done(void *context, const uint8_t *hash, const struct error *error)
{
    struct cache *cache = context;
    struct fetch *fetch = fetch_find(cache, hash);
    if (fetch && !error && cache_has(cache, hash)) {
        fetch_destroy(cache, fetch);
        settle(cache, hash, NULL);
    } else if (fetch) {
        fetch->way = WAY_LINK; /* the master has what only it knows, and gets what we cannot */
    }
    pump(cache);
    finish_requests(cache);
}

/* --- Requests --- */

/* The hashes that are not here, sorted, each once. */
static int request_collect(struct cache_request *request,
                           const uint8_t (*hashes)[MESSAGE_HASH_SIZE], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cache_has(request->cache, hashes[i]))
            continue;
        if (!request->hashes)
            request->hashes = malloc(count * sizeof(*request->hashes));
        if (!request->hashes)
            return -1;
        memcpy(request->hashes[request->count++], hashes[i], MESSAGE_HASH_SIZE);
    }
    if (request->count)
        qsort(request->hashes, request->count, sizeof(*request->hashes), compare_hashes);
    for (size_t i = 0; i < request->count; i++)
        if (!request->missing ||
            compare_hashes(request->hashes[request->missing - 1], request->hashes[i]) != 0)
            memmove(request->hashes[request->missing++], request->hashes[i], MESSAGE_HASH_SIZE);
    request->count = request->missing;
    return 0;
}

struct cache_request *cache_request(struct cache *cache,
                                    const uint8_t (*hashes)[MESSAGE_HASH_SIZE], size_t count,
                                    void (*done)(void *context, const struct error *error),
                                    void *context)
{
    struct error error;
    struct cache_request *request = calloc(1, sizeof(*request));
    if (!request)
        goto no_memory;
    *request = (struct cache_request){.cache = cache, .done = done, .context = context};
    if (request_collect(request, hashes, count) < 0)
        goto no_memory;
    if (!request->count) {
        request_destroy(request);
        done(context, NULL);
        return NULL;
    }
    for (size_t i = 0; i < request->count; i++)
        if (fetch_add(cache, request->hashes[i]) < 0)
            goto no_memory;
    /* At the end: tasks that wait for the same file begin in the order in which they came. */
    struct cache_request **end = &cache->requests;
    while (*end)
        end = &(*end)->next;
    *end = request;
    pump(cache);
    return request;
no_memory:
    if (request)
        request_destroy(request);
    error_set(&error, ERROR_SYSTEM, "no memory for fetching %zu files", count);
    done(context, &error);
    return NULL;
}

void cache_request_cancel(struct cache_request *request)
{
    if (!request)
        return;
    struct cache_request **link = &request->cache->requests;
    while (*link && *link != request)
        link = &(*link)->next;
    if (!*link)
        return; /* its `done` is running: it is freed after that */
    *link = request->next;
    request_destroy(request);
}
