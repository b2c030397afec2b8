#include "config.h"

#include "launch/azure/token_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/azure/secret.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/store.h"
#include "common/tree.h"
#include "common/whole.h"

#define CACHE_MAX ((size_t)1 << 20)

/* Names say who signs in, so that they are kept as digests. */
static void name_digest(const char *name, char text[STORE_HASH_TEXT])
{
    uint8_t hash[STORE_HASH_SIZE] = {0};
    store_hash_bytes(name, strlen(name), hash);
    store_hash_format(hash, text);
}

static bool is_private(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & 077) == 0;
}

/* The file's tree; an empty one where it is not to be believed. NULL: no memory. */
static cJSON *cache_read(const char *path)
{
    cJSON *root = NULL;
    char *text;
    size_t size;
    if (is_private(path) && json_read_text(path, CACHE_MAX, &text, &size, NULL) == 0) {
        if (json_parse(text, size, path, JSON_STRICT, &root, NULL) != 0)
            root = NULL;
        secret_free(text);
    }
    if (!cJSON_IsObject(json_member(root, "tokens"))) {
        cJSON_Delete(root);
        root = cJSON_CreateObject();
        if (!root || !cJSON_AddObjectToObject(root, "tokens")) {
            cJSON_Delete(root);
            return NULL;
        }
    }
    return root;
}

static int64_t expiry_of(const cJSON *entry)
{
    int64_t expires = 0;
    json_get_integer(entry, "$", "expires", 0, &expires, NULL);
    return expires;
}

int token_cache_find(const char *path, const char *name, int64_t spare_s,
                     struct token *ret_token)
{
    char digest[STORE_HASH_TEXT];
    cJSON *root = cache_read(path);
    name_digest(name, digest);
    const cJSON *entry = json_member(json_member(root, "tokens"), digest);
    const cJSON *text = json_member(entry, "token");
    int64_t expires = entry ? expiry_of(entry) : 0;
    int rc = -1;
    if (cJSON_IsString(text) && *text->valuestring && !strpbrk(text->valuestring, "\r\n ") &&
        expires > clock_wall_ns() / CLOCK_SECOND_NS + spare_s) {
        ret_token->text = strdup(text->valuestring);
        ret_token->expires_s = expires;
        rc = ret_token->text ? 0 : -1;
    }
    cJSON_Delete(root);
    return rc;
}

static void expired_remove(cJSON *tokens)
{
    int64_t now = clock_wall_ns() / CLOCK_SECOND_NS;
    cJSON *entry = tokens->child;
    while (entry) {
        cJSON *next = entry->next;
        if (expiry_of(entry) <= now)
            cJSON_Delete(cJSON_DetachItemViaPointer(tokens, entry));
        entry = next;
    }
}

static int cache_write(const char *path, const cJSON *root, struct error *ret_error)
{
    struct buf text;
    struct whole whole;
    buf_init(&text, CACHE_MAX);
    int rc = json_put(&text, root, 0);
    if (rc != 0) {
        error_set(ret_error, ERROR_SYSTEM, "too many tokens for %s; remove it", path);
    } else if ((rc = whole_open(&whole, path, ret_error)) == 0) {
        /* Before anything is in it. */
        if (fchmod(fileno(whole.stream), 0600) != 0) {
            rc = error_errno(ret_error, errno, "%s cannot be made private", path);
            whole_abandon(&whole);
        } else {
            fwrite(text.data, 1, text.size, whole.stream);
            rc = whole_commit(&whole, ret_error);
        }
    }
    secret_buf_fini(&text);
    return rc;
}

int token_cache_keep(const char *path, const char *name, const struct token *token,
                     struct error *ret_error)
{
    char digest[STORE_HASH_TEXT];
    cJSON *root = cache_read(path), *entry = cJSON_CreateObject();
    int rc = -1;
    name_digest(name, digest);
    if (root && entry && cJSON_AddStringToObject(entry, "token", token->text) &&
        cJSON_AddNumberToObject(entry, "expires", (double)token->expires_s)) {
        cJSON *tokens = cJSON_GetObjectItemCaseSensitive(root, "tokens");
        cJSON_DeleteItemFromObjectCaseSensitive(tokens, digest);
        expired_remove(tokens);
        if (cJSON_AddItemToObject(tokens, digest, entry)) {
            entry = NULL;
            rc = cache_write(path, root, ret_error);
        }
    } else {
        error_set(ret_error, ERROR_SYSTEM, "out of memory for a token");
    }
    cJSON_Delete(entry);
    cJSON_Delete(root);
    return rc;
}

void token_cache_forget(const char *path, const char *name)
{
    char digest[STORE_HASH_TEXT];
    cJSON *root = cache_read(path);
    name_digest(name, digest);
    if (json_member(json_member(root, "tokens"), digest)) {
        cJSON_DeleteItemFromObjectCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(root, "tokens"), digest);
        cache_write(path, root, NULL);
    }
    cJSON_Delete(root);
}
