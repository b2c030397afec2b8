#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/hex.h"
#include "common/store.h"
#include "common/store_blob.h"
#include "common/store_dir.h"

static const struct store_ops *const members[] = {&store_dir_ops, &store_blob_ops};

struct store *store_open(const char *uri, struct error *ret_error)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        size_t length = strlen(members[i]->scheme);
        if (strncmp(uri, members[i]->scheme, length) == 0 && uri[length] == ':')
            return members[i]->open(uri + length + 1, ret_error);
    }
    /* What stands behind '?' may be a SAS that was mistyped. */
    error_set(ret_error, ERROR_CONFIG,
              "store \"%.*s\" is of an unknown kind; known are dir:/absolute/path and blob:URL",
              (int)strcspn(uri, "?"), uri);
    return NULL;
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}

int store_put_file(struct store *store, const char *path, uint8_t *ret_hash, uint64_t *ret_size,
                   struct error *ret_error)
{
    return store->ops->put_file(store, path, ret_hash, ret_size, ret_error);
}

int store_read(struct store *store, const uint8_t *hash, uint64_t offset, void *bytes,
               size_t size, size_t *ret_read, uint64_t *ret_total, struct error *ret_error)
{
    return store->ops->read(store, hash, offset, bytes, size, ret_read, ret_total, ret_error);
}

#define COPY_BLOCK ((size_t)1 << 20)

/* Read all of it to `fd`, and hash what was read. */
static int content_copy(struct store *store, const uint8_t *hash, int fd, uint8_t *block,
                        EVP_MD_CTX *digest, struct error *ret_error)
{
    uint64_t offset = 0, total = 1;
    while (offset < total) {
        size_t size;
        if (store_read(store, hash, offset, block, COPY_BLOCK, &size, &total, ret_error) < 0)
            return -1;
        if (size == 0 && offset < total)
            return error_set(ret_error, ERROR_SYSTEM, "the store's content is cut short");
        EVP_DigestUpdate(digest, block, size);
        if (fd_write(fd, block, size) < 0)
            return error_errno(ret_error, errno, "content of the store cannot be copied");
        offset += size;
    }
    return 0;
}

static int file_copy(struct store *store, const uint8_t *hash, int fd, struct error *ret_error)
{
    uint8_t found[STORE_HASH_SIZE];
    uint8_t *block = malloc(COPY_BLOCK);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int rc = -1;
    if (!block || !digest || !EVP_DigestInit_ex(digest, EVP_sha256(), NULL))
        error_set(ret_error, ERROR_SYSTEM, "no memory to copy content of the store");
    else
        rc = content_copy(store, hash, fd, block, digest, ret_error);
    if (rc == 0 &&
        (!EVP_DigestFinal_ex(digest, found, NULL) || memcmp(found, hash, sizeof(found)) != 0))
        rc =
            error_set(ret_error, ERROR_SYSTEM, "the store's content is not what its name says");
    EVP_MD_CTX_free(digest);
    free(block);
    return rc;
}

int store_get_file(struct store *store, const uint8_t *hash, const char *path,
                   struct error *ret_error)
{
    if (store->ops->get_file)
        return store->ops->get_file(store, hash, path, ret_error);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    int rc = file_copy(store, hash, fd, ret_error);
    close(fd);
    if (rc < 0)
        unlink(path);
    return rc;
}

int store_remove(struct store *store, const uint8_t *hash, struct error *ret_error)
{
    return store->ops->remove(store, hash, ret_error);
}

void store_hash_format(const uint8_t *hash, char text[STORE_HASH_TEXT])
{
    hex_format(hash, STORE_HASH_SIZE, text);
}

int store_hash_parse(const char *text, uint8_t *ret_hash)
{
    return strlen(text) == 2 * STORE_HASH_SIZE ? hex_parse(text, ret_hash, STORE_HASH_SIZE)
                                               : -1;
}

int store_hash_bytes(const void *bytes, size_t size, uint8_t *ret_hash)
{
    return EVP_Digest(bytes, size, ret_hash, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}
