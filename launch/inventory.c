#include "config.h"

#include "launch/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/manifest.h"
#include "launch/disk.h"

#define TEXT_BYTES_MAX JSON_SIZE_MAX

static void input_print(struct buf *buf, const struct input *input)
{
    char hash[STORE_HASH_TEXT];
    store_hash_format(input->hash, hash);
    buf_append_text(buf, "{\"path\": ");
    json_put_text(buf, input->path, strlen(input->path));
    buf_printf(buf,
               ", \"hash\": \"%s\", \"size\": %llu, \"mode\": \"%04o\", \"common\": %s, "
               "\"copy\": %s}",
               hash, (unsigned long long)input->size, (unsigned)input->mode,
               input->common ? "true" : "false", input->copy ? "true" : "false");
}

int inventory_write(const char *path, const struct inputs *inputs, struct error *ret_error)
{
    struct buf buf;
    buf_init(&buf, TEXT_BYTES_MAX);
    buf_append_text(&buf, "{\"files\": [");
    for (size_t i = 0; i < inputs->count; i++) {
        buf_append_text(&buf, i ? ",\n" : "\n");
        input_print(&buf, &inputs->items[i]);
    }
    buf_append_text(&buf, "\n]}\n");
    int rc = buf_failed(&buf)
                 ? error_set(ret_error, ERROR_CONFIG,
                             "the list of %zu files is larger than %zu MiB; pack some of them",
                             inputs->count, TEXT_BYTES_MAX >> 20)
                 : disk_write(path, buf.data, buf.size, 0644, true, ret_error);
    buf_fini(&buf);
    return rc;
}

static bool content_equal(const struct input *input, const struct manifest_file *file)
{
    return memcmp(input->hash, file->hash, STORE_HASH_SIZE) == 0;
}

/* Permissions and the two flags count as well: a task would see the difference. */
static bool input_equal(const struct input *input, const struct manifest_file *file)
{
    return content_equal(input, file) && input->mode == file->mode &&
           input->common == file->common && input->copy == file->copy;
}

/* Both lists are in the order of paths: walk them side by side. */
static long lists_compare(const struct manifest *manifest, const struct inputs *inputs,
                          bool *ret_known,
                          void (*differ)(void *context, const char *file, const char *what),
                          void *context)
{
    long count = 0;
    size_t i = 0, k = 0, files = manifest_count(manifest);
    while (i < inputs->count || k < files) {
        const struct input *input = i < inputs->count ? &inputs->items[i] : NULL;
        const struct manifest_file *file = k < files ? manifest_get(manifest, k) : NULL;
        int order = !file ? 1 : !input ? -1 : strcmp(file->path, input->path);
        if (order < 0) {
            differ(context, file->path, "gone");
            count++;
        } else {
            ret_known[i] = order == 0 && content_equal(input, file);
            if (order > 0 || !input_equal(input, file)) {
                differ(context, input->path, order > 0 ? "new" : "changed");
                count++;
            }
            i++;
        }
        k += order <= 0;
    }
    return count;
}

long inventory_compare(const char *path, const struct inputs *inputs, bool *ret_known,
                       void (*differ)(void *context, const char *file, const char *what),
                       void *context, struct error *ret_error)
{
    char *text = NULL;
    size_t size;
    if (json_read_text(path, TEXT_BYTES_MAX, &text, &size, ret_error) != 0)
        return -1;
    struct manifest *manifest = manifest_create(text, size, ret_error);
    long count = -1;
    if (manifest)
        count = lists_compare(manifest, inputs, ret_known, differ, context);
    else
        error_prefix(ret_error, "%s", path);
    manifest_destroy(manifest);
    free(text);
    return count;
}
