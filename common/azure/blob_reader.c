/*
 * A ring of blocks: the thread fills the oldest empty one, the caller takes the oldest full one and
 * gives it back in any order. Everything shared stands behind one mutex.
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

#include "common/azure/blob_private.h"

enum slot_state { SLOT_EMPTY = 0, SLOT_FULL, SLOT_TAKEN };

struct slot {
    struct blob_reader_block block; /* first: a block is its slot */
    enum slot_state state;
};

struct blob_reader {
    char *path;
    int fd;
    struct stat status; /* when it was opened */
    uint64_t block, count;
    EVP_MD_CTX *sha256; /* NULL: not asked for */

    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct slot *slots;
    int slots_count;
    uint64_t filled, taken; /* blocks read; handed out */
    bool failed, closing;
    struct error error;
};

/* Read all of a block; the file may not end before. */
static int block_read(struct blob_reader *reader, struct blob_reader_block *block)
{
    size_t got = 0;
    while (got < block->size) {
        ssize_t n = pread(reader->fd, block->bytes + got, block->size - got,
                          (off_t)(block->index * reader->block + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(&reader->error, errno, "\"%s\" cannot be read", reader->path);
        if (n == 0)
            return error_set(&reader->error, ERROR_CHANGED,
                             "\"%s\" became shorter while it was read; run again",
                             reader->path);
        got += (size_t)n;
    }
    return 0;
}

static int block_fill(struct blob_reader *reader, struct blob_reader_block *block,
                      uint64_t index)
{
    uint64_t size = (uint64_t)reader->status.st_size, offset = index * reader->block;
    block->index = index;
    block->size = (size_t)(size - offset < reader->block ? size - offset : reader->block);
    if (block_read(reader, block) != 0)
        return -1;
    if (blob_md5(block->bytes, block->size, block->md5) != 0)
        return error_set(&reader->error, ERROR_SYSTEM, "OpenSSL offers no MD5");
    if (reader->sha256)
        EVP_DigestUpdate(reader->sha256, block->bytes, block->size);
    return 0;
}

static struct slot *slot_find(struct blob_reader *reader, enum slot_state state, uint64_t index)
{
    for (int i = 0; i < reader->slots_count; i++) {
        struct slot *slot = &reader->slots[i];
        if (slot->state == state && (state == SLOT_EMPTY || slot->block.index == index))
            return slot;
    }
    return NULL;
}

static void *reader_run(void *context)
{
    struct blob_reader *reader = context;
    pthread_mutex_lock(&reader->mutex);
    for (uint64_t index = 0; index < reader->count && !reader->closing; index++) {
        struct slot *slot;
        while (!(slot = slot_find(reader, SLOT_EMPTY, 0)) && !reader->closing)
            pthread_cond_wait(&reader->changed, &reader->mutex);
        if (reader->closing)
            break;
        pthread_mutex_unlock(&reader->mutex);
        int rc = block_fill(reader, &slot->block, index);
        pthread_mutex_lock(&reader->mutex);
        slot->state = rc == 0 ? SLOT_FULL : SLOT_EMPTY;
        reader->failed = rc != 0;
        reader->filled += rc == 0;
        pthread_cond_broadcast(&reader->changed);
        if (rc != 0)
            break;
    }
    pthread_mutex_unlock(&reader->mutex);
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

static int slots_make(struct blob_reader *reader, int ahead)
{
    uint64_t size = (uint64_t)reader->status.st_size;
    size_t bytes = (size_t)(size < reader->block ? size : reader->block);
    reader->slots_count = (uint64_t)ahead < reader->count ? ahead : (int)reader->count;
    if (reader->slots_count < 1)
        reader->slots_count = 1;
    reader->slots = calloc((size_t)reader->slots_count, sizeof(*reader->slots));
    for (int i = 0; reader->slots && i < reader->slots_count; i++) {
        reader->slots[i].block.bytes = malloc(bytes ? bytes : 1);
        if (!reader->slots[i].block.bytes)
            return -1;
    }
    return reader->slots ? 0 : -1;
}

struct blob_reader *blob_reader_open(const char *path, uint64_t block, int ahead, bool sha256,
                                     struct error *ret_error)
{
    struct blob_reader *reader = calloc(1, sizeof(*reader));
    if (!reader) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to read \"%s\"", path);
        return NULL;
    }
    reader->fd = -1;
    reader->block = block;
    reader->path = strdup(path);
    pthread_mutex_init(&reader->mutex, NULL);
    pthread_cond_init(&reader->changed, NULL);
    int rc = reader->path ? file_open(reader, ret_error) : -1;
    if (rc == 0 && sha256) {
        reader->sha256 = EVP_MD_CTX_new();
        if (!reader->sha256 || EVP_DigestInit_ex(reader->sha256, EVP_sha256(), NULL) != 1)
            rc = error_set(ret_error, ERROR_SYSTEM, "OpenSSL offers no SHA-256");
    }
    if (rc == 0 && slots_make(reader, ahead) != 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory to read \"%s\"", path);
    if (rc == 0 && pthread_create(&reader->thread, NULL, reader_run, reader) != 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "no thread to read \"%s\"", path);
    reader->started = rc == 0;
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
    for (int i = 0; reader->slots && i < reader->slots_count; i++)
        free(reader->slots[i].block.bytes);
    free(reader->slots);
    if (reader->fd >= 0)
        close(reader->fd);
    EVP_MD_CTX_free(reader->sha256);
    pthread_mutex_destroy(&reader->mutex);
    pthread_cond_destroy(&reader->changed);
    free(reader->path);
    free(reader);
}

int blob_reader_next(struct blob_reader *reader, bool wait,
                     struct blob_reader_block **ret_block, struct error *ret_error)
{
    int rc = 0;
    pthread_mutex_lock(&reader->mutex);
    while (wait && !reader->failed && reader->taken < reader->count &&
           reader->filled <= reader->taken)
        pthread_cond_wait(&reader->changed, &reader->mutex);
    if (reader->filled > reader->taken) {
        struct slot *slot = slot_find(reader, SLOT_FULL, reader->taken);
        slot->state = SLOT_TAKEN;
        reader->taken++;
        *ret_block = &slot->block;
        rc = 1;
    } else if (reader->failed) {
        if (ret_error)
            *ret_error = reader->error;
        rc = -1;
    }
    pthread_mutex_unlock(&reader->mutex);
    return rc;
}

void blob_reader_release(struct blob_reader *reader, struct blob_reader_block *block)
{
    pthread_mutex_lock(&reader->mutex);
    ((struct slot *)block)->state = SLOT_EMPTY;
    pthread_cond_broadcast(&reader->changed);
    pthread_mutex_unlock(&reader->mutex);
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
