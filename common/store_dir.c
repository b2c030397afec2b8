/*
 * Content is copied into a temporary file while it is hashed, and linked to its name when
 * whole: a name in the directory always stands for complete content. The file read last stays
 * open, because a worker fetches a file piece after piece.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/store_dir.h"

#define COPY_BLOCK (256 << 10)

struct store_dir {
    struct store base;
    char *path;
    int directory;
    int open_fd; /* the content read last, or -1 */
    uint8_t open_hash[STORE_HASH_SIZE];
    uint64_t open_size;
};

static void dir_close(struct store *store)
{
    struct store_dir *dir = (struct store_dir *)store;
    if (dir->open_fd >= 0)
        close(dir->open_fd);
    if (dir->directory >= 0)
        close(dir->directory);
    free(dir->path);
    free(dir);
}

static struct store *dir_open(const char *place, struct error *ret_error)
{
    struct store_dir *dir = calloc(1, sizeof(*dir));
    if (!dir || !(dir->path = strdup(place))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a store");
        free(dir);
        return NULL;
    }
    dir->base.ops = &store_dir_ops;
    dir->open_fd = -1;
    mkdir(place, 0777); /* if that fails, open below says why the directory is of no use */
    dir->directory = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->directory >= 0)
        return &dir->base;
    error_errno(ret_error, errno, "store directory \"%s\" cannot be opened", place);
    dir_close(&dir->base);
    return NULL;
}

/* Copy `from` to `to` and hash what passes. */
static int copy_hashed(int from, int to, EVP_MD_CTX *digest, uint64_t *ret_size,
                       const char *path, struct error *ret_error)
{
    uint8_t *block = malloc(COPY_BLOCK);
    if (!block)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to copy \"%s\"", path);
    int rc = 0;
    *ret_size = 0;
    for (;;) {
        ssize_t size = read(from, block, COPY_BLOCK);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            rc = error_errno(ret_error, errno, "\"%s\" cannot be read", path);
        if (size <= 0)
            break;
        EVP_DigestUpdate(digest, block, (size_t)size);
        if (fd_write(to, block, (size_t)size) < 0) {
            rc = error_errno(ret_error, errno, "\"%s\" cannot be copied into the store", path);
            break;
        }
        *ret_size += (uint64_t)size;
    }
    free(block);
    return rc;
}

/* Give the finished temporary file its name. */
static int name_content(struct store_dir *dir, const char *temporary, const uint8_t *hash,
                        struct error *ret_error)
{
    char name[STORE_HASH_TEXT];
    store_hash_format(hash, name);
    if (renameat(dir->directory, temporary, dir->directory, name) < 0)
        return error_errno(ret_error, errno, "content cannot be named in the store \"%s\"",
                           dir->path);
    return 0;
}

static int open_temporary(struct store_dir *dir, char *name, size_t size,
                          struct error *ret_error)
{
    static unsigned counter;
    snprintf(name, size, ".put-%ld-%u", (long)getpid(), counter++);
    int fd = openat(dir->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        error_errno(ret_error, errno, "the store \"%s\" cannot be written", dir->path);
    return fd;
}

static int dir_put_file(struct store *store, const char *path, uint8_t *ret_hash,
                        uint64_t *ret_size, struct error *ret_error)
{
    struct store_dir *dir = (struct store_dir *)store;
    char temporary[64];
    int rc = -1, to = -1;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        error_errno(ret_error, errno, "\"%s\" cannot be read", path);
        goto out;
    }
    if (!digest || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1) {
        error_set(ret_error, ERROR_SYSTEM, "OpenSSL offers no SHA-256");
        goto out;
    }
    to = open_temporary(dir, temporary, sizeof(temporary), ret_error);
    if (to < 0)
        goto out;
    rc = copy_hashed(from, to, digest, ret_size, path, ret_error);
    if (rc == 0 && EVP_DigestFinal_ex(digest, ret_hash, NULL) != 1)
        rc = error_set(ret_error, ERROR_SYSTEM, "\"%s\" cannot be hashed", path);
    if (rc == 0)
        rc = name_content(dir, temporary, ret_hash, ret_error);
    if (rc < 0)
        unlinkat(dir->directory, temporary, 0);
out:
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    EVP_MD_CTX_free(digest);
    return rc;
}

static int open_content(struct store_dir *dir, const uint8_t *hash, struct error *ret_error)
{
    if (dir->open_fd >= 0 && memcmp(hash, dir->open_hash, STORE_HASH_SIZE) == 0)
        return 0;
    if (dir->open_fd >= 0)
        close(dir->open_fd);
    char name[STORE_HASH_TEXT];
    store_hash_format(hash, name);
    dir->open_fd = openat(dir->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    if (dir->open_fd < 0 || fstat(dir->open_fd, &status) < 0)
        return error_errno(ret_error, errno, "the store \"%s\" has no content %.12s...",
                           dir->path, name);
    memcpy(dir->open_hash, hash, STORE_HASH_SIZE);
    dir->open_size = (uint64_t)status.st_size;
    return 0;
}

static int dir_read(struct store *store, const uint8_t *hash, uint64_t offset, void *bytes,
                    size_t size, size_t *ret_read, uint64_t *ret_total, struct error *ret_error)
{
    struct store_dir *dir = (struct store_dir *)store;
    if (open_content(dir, hash, ret_error) < 0)
        return -1;
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(dir->open_fd, (char *)bytes + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(ret_error, errno, "the store \"%s\" cannot be read", dir->path);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *ret_read = got;
    *ret_total = dir->open_size;
    return 0;
}

static int dir_remove(struct store *store, const uint8_t *hash, struct error *ret_error)
{
    struct store_dir *dir = (struct store_dir *)store;
    char name[STORE_HASH_TEXT];
    store_hash_format(hash, name);
    if (unlinkat(dir->directory, name, 0) < 0 && errno != ENOENT)
        return error_errno(ret_error, errno, "the store \"%s\" keeps content %.12s...",
                           dir->path, name);
    return 0;
}

const struct store_ops store_dir_ops = {
    .scheme = "dir",
    .open = dir_open,
    .put_file = dir_put_file,
    .read = dir_read,
    .remove = dir_remove,
    .close = dir_close,
};
