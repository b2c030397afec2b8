/*
 * A file is DIR/HASH (mode 0444), and DIR/HASH.x (0555) once it was wanted with execute bits:
 * hard links share their inode's mode, so there is one inode per mode. Both carry the fixed time
 * CACHE_MTIME_S; a write by anybody moves it, so one stat tells whether a file is as it was.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/fd.h"
#include "common/tree.h"
#include "worker/cache_direct.h"
#include "worker/cache_private.h"

/* --- Opening --- */

struct cache *cache_open(const char *dir, struct error *ret_error)
{
    if (tree_make(dir, ret_error) < 0)
        return NULL;
    struct cache *cache = calloc(1, sizeof(*cache));
    if (cache)
        cache->dir = strdup(dir);
    if (!cache || !cache->dir) {
        free(cache);
        error_set(ret_error, ERROR_SYSTEM, "no memory for the cache");
        return NULL;
    }
    cache->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (cache->dir_fd < 0 || faccessat(cache->dir_fd, ".", W_OK, AT_EACCESS) < 0) {
        error_errno(ret_error, errno, "the cache \"%s\" cannot be written", dir);
        cache_close(cache);
        return NULL;
    }
    return cache;
}

void cache_close(struct cache *cache)
{
    if (!cache)
        return;
    cache_direct_destroy(cache->direct);
    cache_drop_fetches(cache);
    if (cache->dir_fd >= 0)
        close(cache->dir_fd);
    free(cache->dir);
    free(cache);
}

int cache_set_store(struct cache *cache, struct loop *loop, const char *store,
                    struct error *ret_error)
{
    cache->direct =
        cache_direct_create(loop, cache->dir, store, cache_direct_done, cache, ret_error);
    return cache->direct ? 0 : -1;
}

/* --- Files --- */

static bool is_unharmed(const struct stat *stat, bool executable)
{
    return S_ISREG(stat->st_mode) && cache_file_is_stamped(stat) &&
           (stat->st_mode & 07777) == (executable ? 0555u : 0444u);
}

static bool has_variant(struct cache *cache, const uint8_t *hash, bool executable)
{
    char name[CACHE_NAME_SIZE];
    struct stat stat;
    cache_file_name(hash, executable, name);
    return fstatat(cache->dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
           is_unharmed(&stat, executable);
}

bool cache_has(struct cache *cache, const uint8_t *hash)
{
    return has_variant(cache, hash, false) || has_variant(cache, hash, true);
}

static int open_any(struct cache *cache, const uint8_t *hash)
{
    char name[CACHE_NAME_SIZE];
    for (int executable = 0; executable < 2; executable++) {
        if (!has_variant(cache, hash, executable))
            continue;
        cache_file_name(hash, executable, name);
        return openat(cache->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    errno = ENOENT;
    return -1;
}

int cache_read(struct cache *cache, const uint8_t *hash, size_t max, char **ret_bytes,
               size_t *ret_size, struct error *ret_error)
{
    struct stat stat;
    char *bytes = NULL;
    size_t size = 0;
    int fd = open_any(cache, hash);
    if (fd < 0 || fstat(fd, &stat) < 0) {
        error_errno(ret_error, errno, "a file of the cache \"%s\" cannot be opened",
                    cache->dir);
        goto failed;
    }
    if ((uint64_t)stat.st_size > max) {
        error_set(ret_error, ERROR_CONFIG,
                  "a file of %lld bytes is larger than the limit of %zu",
                  (long long)stat.st_size, max);
        goto failed;
    }
    bytes = malloc((size_t)stat.st_size + 1);
    for (ssize_t got = 1; bytes && got > 0 && size < (size_t)stat.st_size;
         size += (size_t)got) {
        got = read(fd, bytes + size, (size_t)stat.st_size - size);
        if (got < 0) {
            error_errno(ret_error, errno, "a file of the cache \"%s\" cannot be read",
                        cache->dir);
            goto failed;
        }
    }
    if (!bytes) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a file of %lld bytes",
                  (long long)stat.st_size);
        goto failed;
    }
    bytes[size] = 0;
    close(fd);
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
failed:
    if (fd >= 0)
        close(fd);
    free(bytes);
    return -1;
}

/* --- Laying --- */

static int copy_bytes(int from, int to)
{
    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    for (ssize_t copied; (copied = copy_file_range(from, NULL, to, NULL, 1 << 30, 0)) != 0;)
        if (copied < 0) {
            if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
                return -1;
            break;
        }
    /* What is left, where the kernel cannot: both offsets stand where it stopped. */
    char bytes[1 << 16];
    for (ssize_t got; (got = read(from, bytes, sizeof(bytes))) != 0;) {
        if (got < 0 || fd_write(to, bytes, (size_t)got) < 0)
            return -1;
    }
    return 0;
}

/* A new file dir_fd/name with the content, if `clone` only where the blocks can be shared; -1 with
 * errno, and no file. */
static int copy_file(struct cache *cache, const uint8_t *hash, unsigned mode, bool clone,
                     int dir_fd, const char *name)
{
    int from = open_any(cache, hash);
    if (from < 0)
        return -1;
    int to = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = to < 0 ? -1 : clone ? ioctl(to, FICLONE, from) : copy_bytes(from, to);
    if (rc == 0 && (fchmod(to, mode) < 0 || cache_file_stamp(to) < 0))
        rc = -1;
    int saved = errno;
    if (to >= 0)
        close(to);
    if (rc < 0 && to >= 0)
        unlinkat(dir_fd, name, 0);
    close(from);
    errno = saved;
    return rc;
}

/* Make the file's other variant from the one that is there. */
static int make_variant(struct cache *cache, const uint8_t *hash, bool executable)
{
    char name[CACHE_NAME_SIZE], part[64];
    cache_file_name(hash, executable, name);
    snprintf(part, sizeof(part), "part-%d-%llu", (int)getpid(),
             (unsigned long long)atomic_fetch_add(&cache->parts, 1));
    if (copy_file(cache, hash, executable ? 0555 : 0444, false, cache->dir_fd, part) < 0)
        return -1;
    return renameat(cache->dir_fd, part, cache->dir_fd, name);
}

static int link_file(struct cache *cache, const uint8_t *hash, unsigned mode, int dir_fd,
                     const char *name)
{
    bool executable = mode & 0111;
    char cached[CACHE_NAME_SIZE];
    cache_file_name(hash, executable, cached);
    if (linkat(cache->dir_fd, cached, dir_fd, name, 0) == 0)
        return 0;
    if (errno != ENOENT)
        return -1;
    if (make_variant(cache, hash, executable) < 0)
        return -1;
    return linkat(cache->dir_fd, cached, dir_fd, name, 0);
}

int cache_lay(struct cache *cache, const uint8_t *hash, enum cache_lay how, unsigned mode,
              int dir_fd, const char *name, struct error *ret_error)
{
    if (how == CACHE_CLONE &&
        copy_file(cache, hash, (mode & 0777) | 0600, true, dir_fd, name) == 0)
        return 0;
    if (how != CACHE_COPY) {
        if (link_file(cache, hash, mode, dir_fd, name) == 0)
            return 0;
        if (errno == ENOENT || errno == EEXIST || errno == ENOSPC) {
            int saved = errno;
            error_errno(ret_error, saved, "cannot lay \"%s\"", name);
            errno = saved;
            return -1;
        }
    }
    if (copy_file(cache, hash, (mode & 0777) | 0600, false, dir_fd, name) < 0) {
        int saved = errno;
        error_errno(ret_error, saved, "cannot copy to \"%s\"", name);
        errno = saved;
        return -1;
    }
    return 0;
}

void cache_drop(struct cache *cache, const uint8_t *hash)
{
    char name[CACHE_NAME_SIZE];
    for (int executable = 0; executable < 2; executable++) {
        cache_file_name(hash, executable, name);
        unlinkat(cache->dir_fd, name, 0);
    }
}

static int hash_file(int fd, uint8_t *ret_hash)
{
    char bytes[1 << 16];
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int rc = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) ? 0 : -1;
    for (ssize_t got = 1; rc == 0 && got > 0;) {
        got = read(fd, bytes, sizeof(bytes));
        if (got < 0 || !EVP_DigestUpdate(digest, bytes, (size_t)got))
            rc = -1;
    }
    if (rc == 0 && !EVP_DigestFinal_ex(digest, ret_hash, NULL))
        rc = -1;
    EVP_MD_CTX_free(digest);
    return rc;
}

bool cache_check_spoiled(struct cache *cache, const uint8_t *hash, unsigned mode)
{
    char name[CACHE_NAME_SIZE];
    uint8_t found[MESSAGE_HASH_SIZE];
    struct stat stat;
    bool executable = mode & 0111;
    cache_file_name(hash, executable, name);
    if (fstatat(cache->dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return false; /* somebody saw it before us and removed it */
    if (is_unharmed(&stat, executable))
        return false;
    int fd = openat(cache->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool same = fd >= 0 && hash_file(fd, found) == 0 &&
                memcmp(found, hash, sizeof(found)) == 0 &&
                fchmod(fd, executable ? 0555 : 0444) == 0 && cache_file_stamp(fd) == 0;
    if (fd >= 0)
        close(fd);
    if (!same)
        unlinkat(cache->dir_fd, name, 0);
    return !same;
}
