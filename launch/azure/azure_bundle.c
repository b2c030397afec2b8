/*
 * The bundle is `make bundle`'s archive of beofarm's programs with their libraries. It travels by
 * content, so it is uploaded once per version of beofarm.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/store.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/azure_script.h"
#include "launch/azure/store_blob.h"
#include "launch/disk.h"
#include "launch/program.h"

/* Beside the programs, or where `make install` puts it. */
static int bundle_look(struct buf *ret_path, struct error *ret_error)
{
    static const char *const places[] = {AZURE_BUNDLE_FILE,
                                         "../share/beofarm/" AZURE_BUNDLE_FILE};
    struct buf program;
    int rc = -1;
    buf_init(&program, 4096);
    if (program_find("beofarm-master", &program, ret_error) == 0) {
        char *path = strdup(buf_text(&program)), *slash = path ? strrchr(path, '/') : NULL;
        if (slash)
            slash[1] = '\0';
        for (size_t i = 0; slash && rc != 0 && i < sizeof places / sizeof places[0]; i++) {
            buf_clear(ret_path);
            buf_printf(ret_path, "%s%s", path, places[i]);
            rc = buf_text(ret_path) && disk_exists(buf_text(ret_path)) ? 0 : -1;
        }
        if (rc != 0)
            error_set(ret_error, ERROR_SYSTEM,
                      "there is no " AZURE_BUNDLE_FILE " in \"%s\": `make bundle` makes it; or "
                      "name one as $.backend.bundle (\"none\" where the nodes have beofarm)",
                      path ? path : "?");
        free(path);
    }
    buf_fini(&program);
    return rc;
}

int azure_bundle_find(const struct azure *azure, struct buf *ret_path, struct error *ret_error)
{
    const struct azure_settings *settings = &azure->settings;
    if ((settings->bundle && strcmp(settings->bundle, "none") == 0) ||
        (!settings->bundle && settings->pool.start.kind == AZURE_START_APPLICATION))
        return 0;
    if (!settings->bundle)
        return bundle_look(ret_path, ret_error);
    char *path = disk_join(azure->folder, settings->bundle, ret_error);
    int rc = path ? buf_append_text(ret_path, path) : -1;
    if (path && !disk_exists(path))
        rc = error_set(ret_error, ERROR_CONFIG, "$.backend.bundle: there is no \"%s\"", path);
    free(path);
    return rc;
}

static int bundle_upload(struct azure *azure, const char *path, struct error *ret_error)
{
    uint8_t hash[STORE_HASH_SIZE];
    char text[STORE_HASH_TEXT];
    uint64_t size;
    struct store *store =
        store_blob_open(azure->account, azure->container, AZURE_BUNDLE_PREFIX, ret_error);
    int rc = store ? store_put_file(store, path, hash, &size, ret_error) : -1;
    store_close(store);
    if (rc != 0)
        return -1;
    store_hash_format(hash, text);
    azure->bundle = strdup(text);
    return azure->bundle ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a name");
}

int azure_bundle_send(struct azure *azure, struct error *ret_error)
{
    struct buf path;
    if (azure->bundle)
        return 0;
    buf_init(&path, 4 * AZURE_NAME_MAX);
    int rc = azure_bundle_find(azure, &path, ret_error);
    if (rc == 0 && path.size > 0)
        rc = bundle_upload(azure, buf_text(&path), ret_error);
    else if (rc == 0 && !(azure->bundle = strdup("")))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a name");
    buf_fini(&path);
    return rc;
}
