#include "config.h"

#include <openssl/evp.h>
#include <string.h>

#include "common/hex.h"
#include "common/store.h"
#include "common/store_dir.h"

static const struct store_ops *const members[] = {&store_dir_ops};

struct store *store_open(const char *uri, struct error *ret_error)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        size_t length = strlen(members[i]->scheme);
        if (strncmp(uri, members[i]->scheme, length) == 0 && uri[length] == ':')
            return members[i]->open(uri + length + 1, ret_error);
    }
    error_set(ret_error, ERROR_CONFIG,
              "store \"%s\" is of an unknown kind; known is dir:/absolute/path", uri);
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
