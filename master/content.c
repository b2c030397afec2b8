#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/azure/container.h"
#include "common/azure/secret.h"
#include "common/json.h"
#include "common/manifest.h"
#include "master/content.h"
#include "master/gather.h"

struct content {
    struct store *store; /* NULL where there are no files */
    char *uri;           /* of that store */
    char *remote;        /* the container that it is a copy of; NULL: of none */
    struct manifest *manifest;
    char *text; /* files.json */
    size_t text_size;
    uint8_t text_hash[MESSAGE_HASH_SIZE];
    char text_hash_hex[STORE_HASH_TEXT];
    uint8_t *piece; /* MESSAGE_CHUNK bytes */
};

static const char no_files[] = "{\"files\":[]}";

static int read_manifest(struct content *content, const char *path, struct error *ret_error)
{
    if (access(path, F_OK) < 0) {
        content->text = strdup(no_files);
        content->text_size = sizeof(no_files) - 1;
    } else if (json_read_text(path, JSON_SIZE_MAX, &content->text, &content->text_size,
                              ret_error) < 0) {
        return -1;
    }
    if (!content->text)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the manifest");
    content->manifest = manifest_create(content->text, content->text_size, ret_error);
    if (!content->manifest)
        return error_prefix(ret_error, "%s", path);
    store_hash_bytes(content->text, content->text_size, content->text_hash);
    store_hash_format(content->text_hash, content->text_hash_hex);
    return 0;
}

/* Of a container there is a copy in RUN_DIR/store: it can be read without waiting. */
static int open_store(struct content *content, const char *store_uri, const char *run_dir,
                      struct error *ret_error)
{
    bool remote = container_is(store_uri);
    if (remote && !(content->remote = strdup(store_uri)))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a store");
    if (remote ? asprintf(&content->uri, "dir:%s/store", run_dir) < 0
               : !(content->uri = strdup(store_uri))) {
        content->uri = NULL;
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a store");
    }
    content->store = store_open(content->uri, ret_error);
    return content->store ? 0 : -1;
}

int content_gather(struct content *content, const char *run_dir, struct error *ret_error)
{
    char *dir = NULL;
    if (!content->remote)
        return 0;
    if (asprintf(&dir, "%s/store", run_dir) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc = gather_files(content->remote, content->manifest, dir, ret_error);
    free(dir);
    return rc;
}

struct content *content_open(const char *manifest_path, const char *store_uri,
                             const char *run_dir, struct error *ret_error)
{
    struct content *content = calloc(1, sizeof(*content));
    if (!content || !(content->piece = malloc(MESSAGE_CHUNK))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to serve files");
        goto fail;
    }
    if (read_manifest(content, manifest_path, ret_error) < 0)
        goto fail;
    if (manifest_count(content->manifest) == 0)
        return content;
    if (!store_uri || !*store_uri) {
        error_set(ret_error, ERROR_CONFIG,
                  "%s names files, but BEOFARM_STORE, where they lie, is not set",
                  manifest_path);
        goto fail;
    }
    if (open_store(content, store_uri, run_dir, ret_error) == 0)
        return content;
fail:
    content_close(content);
    return NULL;
}

void content_close(struct content *content)
{
    if (!content)
        return;
    store_close(content->store);
    free(content->uri);
    secret_free(content->remote);
    manifest_destroy(content->manifest);
    free(content->text);
    free(content->piece);
    free(content);
}

const char *content_manifest_hash(const struct content *content)
{
    return content->text_hash_hex;
}

static int read_piece(struct content *content, struct file_piece *piece,
                      struct error *ret_error)
{
    if (memcmp(piece->hash, content->text_hash, MESSAGE_HASH_SIZE) == 0) {
        uint64_t left =
            piece->offset < content->text_size ? content->text_size - piece->offset : 0;
        piece->size = left < MESSAGE_CHUNK ? (size_t)left : MESSAGE_CHUNK;
        piece->bytes = content->text + piece->offset;
        piece->total_size = content->text_size;
        return 0;
    }
    if (!content->store)
        return error_set(ret_error, ERROR_NETWORK,
                         "a worker asked for a file; the farm has none");
    piece->bytes = content->piece;
    return store_read(content->store, piece->hash, piece->offset, content->piece, MESSAGE_CHUNK,
                      &piece->size, &piece->total_size, ret_error);
}

int content_answer(struct content *content, const struct file_piece *asked, struct buf *reply,
                   struct error *ret_error)
{
    struct file_piece piece = *asked;
    int rc = read_piece(content, &piece, ret_error);
    if (rc == 0 && piece.offset > piece.total_size)
        rc = error_set(ret_error, ERROR_NETWORK, "a worker asked beyond the end of a file");
    if (rc < 0) {
        piece.total_size = UINT64_MAX;
        piece.size = 0;
    }
    message_put_data(reply, &piece);
    return rc;
}

bool content_hash(const struct content *content, const char *path, uint8_t *ret_hash)
{
    const struct manifest_file *file = manifest_find(content->manifest, path);
    if (file)
        memcpy(ret_hash, file->hash, MESSAGE_HASH_SIZE);
    return file != NULL;
}

/* --- what the driver makes --- */

static int put_into(const char *uri, const char *path, uint8_t *ret_hash,
                    struct error *ret_error)
{
    uint64_t size;
    struct store *store = store_open(uri, ret_error);
    int rc = store ? store_put_file(store, path, ret_hash, &size, ret_error) : -1;
    store_close(store);
    return rc;
}

int content_put(struct content *content, const char *path, bool lasting, uint8_t *ret_hash,
                struct error *ret_error)
{
    if (!content->uri)
        return error_set(ret_error, ERROR_CONFIG, "the farm has no store for \"%s\"", path);
    if (put_into(content->uri, path, ret_hash, ret_error) < 0)
        return -1;
    return lasting && content->remote ? put_into(content->remote, path, ret_hash, ret_error)
                                      : 0;
}

static int copy_from(const char *uri, const uint8_t *hash, const char *path,
                     struct error *ret_error)
{
    struct store *store = store_open(uri, ret_error);
    int rc = store ? store_get_file(store, hash, path, ret_error) : -1;
    store_close(store);
    return rc;
}

static bool is_here(const struct content *content, const uint8_t *hash)
{
    char byte;
    size_t got;
    uint64_t total;
    struct error ignored;
    struct store *store = store_open(content->uri, &ignored);
    bool here = store && store_read(store, hash, 0, &byte, 1, &got, &total, &ignored) == 0;
    store_close(store);
    return here;
}

/* From the container, by way of a file beside the store. */
static int bring(const struct content *content, const uint8_t *hash, struct error *ret_error)
{
    char hex[STORE_HASH_TEXT], *path = NULL;
    uint8_t found[STORE_HASH_SIZE];
    store_hash_format(hash, hex);
    if (!content->remote)
        return error_set(ret_error, ERROR_SYSTEM, "content %.12s... is not in the farm's store",
                         hex);
    if (asprintf(&path, "%s/.bring-%s", content->uri + strlen("dir:"), hex) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc = copy_from(content->remote, hash, path, ret_error);
    if (rc == 0)
        rc = put_into(content->uri, path, found, ret_error);
    unlink(path);
    free(path);
    return rc;
}

int content_get(struct content *content, const uint8_t *hash, const char *path,
                struct error *ret_error)
{
    if (!content->uri)
        return error_set(ret_error, ERROR_SYSTEM, "the farm has no store");
    if (!is_here(content, hash) && bring(content, hash, ret_error) < 0)
        return -1;
    return path ? copy_from(content->uri, hash, path, ret_error) : 0;
}

static void remove_from(const char *uri, const uint8_t *hash)
{
    struct error ignored;
    struct store *store = store_open(uri, &ignored);
    if (store)
        store_remove(store, hash, &ignored);
    store_close(store);
}

void content_drop(struct content *content, const uint8_t *hash)
{
    for (size_t i = 0; i < manifest_count(content->manifest); i++)
        if (memcmp(manifest_get(content->manifest, i)->hash, hash, STORE_HASH_SIZE) == 0)
            return;
    if (content->uri)
        remove_from(content->uri, hash);
    if (content->remote)
        remove_from(content->remote, hash);
}

/* --- laying files --- */

/* Make the folders on the way to `path`. */
static void make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
}

static int write_file(struct content *content, int fd, const struct manifest_file *file,
                      struct error *ret_error)
{
    for (uint64_t offset = 0; offset < file->size;) {
        size_t size;
        uint64_t total;
        if (store_read(content->store, file->hash, offset, content->piece, MESSAGE_CHUNK, &size,
                       &total, ret_error) < 0)
            return -1;
        if (size == 0)
            return error_set(ret_error, ERROR_SYSTEM, "the store's copy of \"%s\" is cut short",
                             file->path);
        if (write(fd, content->piece, size) != (ssize_t)size)
            return error_errno(ret_error, errno, "\"%s\" cannot be written", file->path);
        offset += size;
    }
    return 0;
}

static int lay_file(struct content *content, const char *folder,
                    const struct manifest_file *file, struct error *ret_error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, file->path) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    struct stat status;
    int rc = 0;
    if (stat(path, &status) < 0 || (uint64_t)status.st_size != file->size) {
        make_parents(path);
        unlink(path);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode | 0600);
        if (fd < 0) {
            rc = error_errno(ret_error, errno, "\"%s\" cannot be written", path);
        } else {
            rc = write_file(content, fd, file, ret_error);
            close(fd);
        }
    }
    free(path);
    return rc;
}

int content_lay(struct content *content, const char *folder, struct error *ret_error)
{
    for (size_t i = 0; i < manifest_count(content->manifest); i++) {
        const struct manifest_file *file = manifest_get(content->manifest, i);
        if (file->path[0] != '/' && lay_file(content, folder, file, ret_error) < 0)
            return -1; /* absolute ones are there already */
    }
    return 0;
}
