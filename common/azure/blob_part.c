#include "config.h"

#include "common/azure/blob_part.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/boot.h"

#define MAGIC      "beofarm part 1\n"
#define READ_BLOCK ((size_t)256 << 10)

struct head {
    char magic[16];
    char etag[BLOB_ETAG_MAX];
    char boot[BOOT_MAX];
    uint64_t size, range;
};

static void head_fill(struct head *head, const char *etag, uint64_t size, uint64_t range)
{
    memset(head, 0, sizeof(*head));
    memcpy(head->magic, MAGIC, sizeof(MAGIC));
    snprintf(head->etag, sizeof(head->etag), "%s", etag);
    head->size = size;
    head->range = range;
    boot_read(head->boot);
}

static int all_write(int fd, uint64_t offset, const void *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pwrite(fd, (const char *)bytes + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

/* Take over what an earlier download left, if it is of the same version. */
static bool state_take(struct blob_part *part, const struct head *head)
{
    struct head old;
    struct stat status;
    if (!*head->etag || pread(part->state_fd, &old, sizeof(old), 0) != sizeof(old) ||
        memcmp(&old, head, sizeof(old)) != 0 || fstat(part->fd, &status) != 0 ||
        (uint64_t)status.st_size != part->size)
        return false;
    ssize_t got = pread(part->state_fd, part->there, (size_t)part->count, sizeof(old));
    for (uint64_t i = 0; i < part->count; i++)
        part->there[i] = got > 0 && i < (uint64_t)got && part->there[i] == 1;
    return true;
}

/* Cut a file to nothing. One that is empty is left alone: ext4 takes a cut for the beginning of a
 * replacement, and writes all of it to the disk when it is closed. */
static int file_empty(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -1;
    return status.st_size == 0 ? 0 : ftruncate(fd, 0);
}

static int state_begin(struct blob_part *part, const struct head *head, struct error *ret_error)
{
    memset(part->there, 0, (size_t)part->count);
    if (file_empty(part->state_fd) != 0 || file_empty(part->fd) != 0 ||
        ftruncate(part->fd, (off_t)part->size) != 0 ||
        all_write(part->state_fd, 0, head, sizeof(*head)) != 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be written", part->part_path);
    return 0;
}

static int files_open(struct blob_part *part, struct error *ret_error)
{
    part->state_fd = open(part->state_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (part->state_fd < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be written", part->state_path);
    if (flock(part->state_fd, LOCK_EX | LOCK_NB) != 0)
        return error_set(ret_error, ERROR_SYSTEM,
                         "another process is downloading to \"%s\" at the moment", part->path);
    part->fd = open(part->part_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (part->fd < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be written", part->part_path);
    return 0;
}

int blob_part_open(struct blob_part *part, const char *path, const char *etag, uint64_t size,
                   uint64_t range, struct error *ret_error)
{
    struct head head;
    *part = (struct blob_part){.fd = -1,
                               .state_fd = -1,
                               .size = size,
                               .range = range,
                               .count = (size + range - 1) / range};
    part->path = strdup(path);
    if (asprintf(&part->part_path, "%s.part", path) < 0)
        part->part_path = NULL;
    if (asprintf(&part->state_path, "%s.part.state", path) < 0)
        part->state_path = NULL;
    part->there = calloc(part->count ? part->count : 1, 1);
    if (!part->path || !part->part_path || !part->state_path || !part->there)
        error_set(ret_error, ERROR_SYSTEM, "no memory to download to \"%s\"", path);
    else if (files_open(part, ret_error) == 0) {
        head_fill(&head, etag, size, range);
        if (state_take(part, &head) || state_begin(part, &head, ret_error) == 0)
            return 0;
    }
    blob_part_close(part, false);
    return -1;
}

int blob_part_write(struct blob_part *part, uint64_t offset, const void *bytes, size_t size,
                    struct error *ret_error)
{
    if (all_write(part->fd, offset, bytes, size) == 0)
        return 0;
    return error_errno(ret_error, errno, "\"%s\" cannot be written", part->part_path);
}

int blob_part_digest(struct blob_part *part, const char *name, uint8_t *digest,
                     struct error *ret_error)
{
    const EVP_MD *kind = strcmp(name, "MD5") == 0 ? EVP_md5() : EVP_sha256();
    uint64_t offset = 0, size = part->size;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t *block = malloc(READ_BLOCK);
    int rc = context && block && EVP_DigestInit_ex(context, kind, NULL) == 1
                 ? 0
                 : error_set(ret_error, ERROR_SYSTEM, "no memory, or OpenSSL offers no digest");
    while (rc == 0 && size > 0) {
        size_t some = size < READ_BLOCK ? (size_t)size : READ_BLOCK;
        ssize_t n = pread(part->fd, block, some, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rc = error_errno(ret_error, n < 0 ? errno : EIO, "\"%s\" cannot be read",
                             part->part_path);
            break;
        }
        EVP_DigestUpdate(context, block, (size_t)n);
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    if (rc == 0)
        EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    free(block);
    return rc;
}

int blob_part_mark(struct blob_part *part, uint64_t index, struct error *ret_error)
{
    const uint8_t one = 1;
    part->there[index] = 1;
    if (all_write(part->state_fd, sizeof(struct head) + index, &one, 1) == 0)
        return 0;
    return error_errno(ret_error, errno, "\"%s\" cannot be written", part->state_path);
}

int blob_part_commit(struct blob_part *part, bool durable, struct error *ret_error)
{
    if (durable && fsync(part->fd) != 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be written", part->part_path);
    if (rename(part->part_path, part->path) != 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be written", part->path);
    unlink(part->state_path);
    part->complete = true;
    return 0;
}

void blob_part_close(struct blob_part *part, bool drop)
{
    if (drop && !part->complete && part->part_path && part->state_fd >= 0) {
        unlink(part->part_path);
        unlink(part->state_path);
    }
    if (part->fd >= 0)
        close(part->fd);
    if (part->state_fd >= 0)
        close(part->state_fd);
    free(part->path);
    free(part->part_path);
    free(part->state_path);
    free(part->there);
    *part = (struct blob_part){.fd = -1, .state_fd = -1};
}
