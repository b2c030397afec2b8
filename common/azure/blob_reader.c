/*
 * A queue of digests between the thread and the caller, behind one mutex. The thread begins when it
 * is first asked for a block, and reads small pieces, which stay in the processor's cache while
 * they are hashed.
 */
#include "config.h"

#include "common/azure/blob_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/thread.h"

#define PIECE     ((size_t)128 << 10)
#define AHEAD_MAX 16

struct blob_reader {
    char *path;
    int fd;
    struct stat status; /* when it was opened */
    uint64_t block, count;
    enum blob_check check;
    EVP_MD_CTX *sha256; /* NULL: not asked for */
    uint8_t *piece;

    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct blob_reader_block blocks[AHEAD_MAX]; /* block i at i % ahead */
    uint64_t ahead, filled, taken;              /* blocks hashed; handed out */
    bool failed, closing;
    struct error error;
};

int64_t blob_reader_read(struct blob_reader *reader, uint64_t offset, void *bytes, size_t size,
                         struct error *ret_error)
{
    ssize_t got;
    do {
        got = pread(reader->fd, bytes, size, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be read", reader->path);
    if (got == 0)
        return error_set(ret_error, ERROR_CHANGED,
                         "\"%s\" became shorter while it was read; run again", reader->path);
    return got;
}

static bool is_closing(struct blob_reader *reader)
{
    pthread_mutex_lock(&reader->mutex);
    bool closing = reader->closing;
    pthread_mutex_unlock(&reader->mutex);
    return closing;
}

static int block_hash(struct blob_reader *reader, struct blob_digest *digest,
                      struct blob_reader_block *block)
{
    if (blob_digest_begin(digest, reader->check, &reader->error) != 0)
        return -1;
    for (uint64_t done = 0; done < block->size && !is_closing(reader);) {
        uint64_t left = block->size - done;
        int64_t got = blob_reader_read(reader, block->offset + done, reader->piece,
                                       left < PIECE ? (size_t)left : PIECE, &reader->error);
        if (got < 0)
            return -1;
        blob_digest_add(digest, reader->piece, (size_t)got);
        if (reader->sha256)
            EVP_DigestUpdate(reader->sha256, reader->piece, (size_t)got);
        done += (uint64_t)got;
    }
    blob_digest_end(digest, block->digest);
    return 0;
}

static void *reader_run(void *context)
{
    struct blob_reader *reader = context;
    struct blob_digest digest = {0};
    uint64_t size = (uint64_t)reader->status.st_size;
    pthread_mutex_lock(&reader->mutex);
    while (reader->filled < reader->count && !reader->closing && !reader->failed) {
        if (reader->filled - reader->taken == reader->ahead) {
            pthread_cond_wait(&reader->changed, &reader->mutex);
            continue;
        }
        struct blob_reader_block block = {.index = reader->filled,
                                          .offset = reader->filled * reader->block};
        uint64_t left = size - block.offset;
        block.size = left < reader->block ? left : reader->block;
        pthread_mutex_unlock(&reader->mutex);
        int rc = block_hash(reader, &digest, &block);
        pthread_mutex_lock(&reader->mutex);
        reader->blocks[reader->filled % reader->ahead] = block;
        reader->filled += rc == 0;
        reader->failed = rc != 0;
        pthread_cond_broadcast(&reader->changed);
    }
    pthread_mutex_unlock(&reader->mutex);
    blob_digest_fini(&digest);
    return NULL;
}

static int file_open(struct blob_reader *reader, struct error *ret_error)
{
    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (reader->fd < 0 || fstat(reader->fd, &reader->status) != 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be opened", reader->path);
    if (!S_ISREG(reader->status.st_mode))
        return error_set(ret_error, ERROR_CONFIG, "\"%s\" is not a file", reader->path);
    posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    uint64_t size = (uint64_t)reader->status.st_size;
    reader->count = (size + reader->block - 1) / reader->block;
    return 0;
}

struct blob_reader *blob_reader_open(const char *path, uint64_t block, int ahead,
                                     enum blob_check check, bool sha256,
                                     struct error *ret_error)
{
    struct blob_reader *reader = calloc(1, sizeof(*reader));
    if (!reader) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to read \"%s\"", path);
        return NULL;
    }
    reader->fd = -1;
    reader->block = block;
    reader->ahead = ahead < 1 ? 1 : ahead > AHEAD_MAX ? AHEAD_MAX : (uint64_t)ahead;
    reader->check = check;
    reader->path = strdup(path);
    reader->piece = malloc(PIECE);
    pthread_mutex_init(&reader->mutex, NULL);
    pthread_cond_init(&reader->changed, NULL);
    int rc = reader->path && reader->piece
                 ? file_open(reader, ret_error)
                 : error_set(ret_error, ERROR_SYSTEM, "no memory to read \"%s\"", path);
    if (rc == 0 && sha256) {
        reader->sha256 = EVP_MD_CTX_new();
        if (!reader->sha256 || EVP_DigestInit_ex(reader->sha256, EVP_sha256(), NULL) != 1)
            rc = error_set(ret_error, ERROR_SYSTEM, "OpenSSL offers no SHA-256");
    }
    if (rc == 0)
        return reader;
    blob_reader_close(reader);
    return NULL;
}

void blob_reader_close(struct blob_reader *reader)
{
    if (!reader)
        return;
    if (reader->started) {
        pthread_mutex_lock(&reader->mutex);
        reader->closing = true;
        pthread_cond_broadcast(&reader->changed);
        pthread_mutex_unlock(&reader->mutex);
        pthread_join(reader->thread, NULL);
    }
    if (reader->fd >= 0)
        close(reader->fd);
    EVP_MD_CTX_free(reader->sha256);
    pthread_mutex_destroy(&reader->mutex);
    pthread_cond_destroy(&reader->changed);
    free(reader->piece);
    free(reader->path);
    free(reader);
}

int blob_reader_next(struct blob_reader *reader, bool wait, struct blob_reader_block *ret_block,
                     struct error *ret_error)
{
    int rc = 0;
    if (!reader->started && thread_start(&reader->thread, reader_run, reader) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "no thread to read \"%s\"", reader->path);
    reader->started = true;
    pthread_mutex_lock(&reader->mutex);
    while (wait && !reader->failed && reader->taken < reader->count &&
           reader->filled == reader->taken)
        pthread_cond_wait(&reader->changed, &reader->mutex);
    if (reader->filled > reader->taken) {
        *ret_block = reader->blocks[reader->taken++ % reader->ahead];
        pthread_cond_broadcast(&reader->changed);
        rc = 1;
    } else if (reader->failed) {
        if (ret_error)
            *ret_error = reader->error;
        rc = -1;
    }
    pthread_mutex_unlock(&reader->mutex);
    return rc;
}

bool blob_reader_ended(struct blob_reader *reader)
{
    pthread_mutex_lock(&reader->mutex);
    bool ended = reader->taken == reader->count;
    pthread_mutex_unlock(&reader->mutex);
    return ended;
}

uint64_t blob_reader_size(const struct blob_reader *reader)
{
    return (uint64_t)reader->status.st_size;
}

int blob_reader_check(struct blob_reader *reader, uint8_t ret_sha256[32],
                      struct error *ret_error)
{
    const struct stat *was = &reader->status;
    struct stat now;
    if (fstat(reader->fd, &now) != 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be read", reader->path);
    if (now.st_size != was->st_size || now.st_mtim.tv_sec != was->st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != was->st_mtim.tv_nsec)
        return error_set(ret_error, ERROR_CHANGED,
                         "\"%s\" was changed while it was read; run again", reader->path);
    if (ret_sha256 && reader->sha256)
        EVP_DigestFinal_ex(reader->sha256, ret_sha256, NULL);
    return 0;
}
