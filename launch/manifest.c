#include "config.h"

#include "launch/manifest.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "launch/disk.h"

#define MANIFEST_MAX JSON_SIZE_MAX

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

int manifest_write(const char *path, const struct inputs *inputs, struct error *ret_error)
{
    struct buf buf;
    buf_init(&buf, MANIFEST_MAX);
    buf_append_text(&buf, "{\"files\": [");
    for (size_t i = 0; i < inputs->count; i++) {
        buf_append_text(&buf, i ? ",\n" : "\n");
        input_print(&buf, &inputs->items[i]);
    }
    buf_append_text(&buf, "\n]}\n");
    int rc = buf_failed(&buf)
                 ? error_set(ret_error, ERROR_CONFIG,
                             "the list of %zu files is larger than %zu MiB; pack some of them",
                             inputs->count, MANIFEST_MAX >> 20)
                 : disk_write(path, buf.data, buf.size, 0644, true, ret_error);
    buf_fini(&buf);
    return rc;
}

/* Is the file still what the manifest says? Its permissions and its two flags count as well. */
static bool input_equal(const struct input *input, const cJSON *file)
{
    char hash[STORE_HASH_TEXT], mode[8];
    store_hash_format(input->hash, hash);
    snprintf(mode, sizeof mode, "%04o", (unsigned)input->mode);
    const char *old_hash = cJSON_GetStringValue(json_member(file, "hash"));
    const char *old_mode = cJSON_GetStringValue(json_member(file, "mode"));
    return old_hash && strcmp(old_hash, hash) == 0 && old_mode && strcmp(old_mode, mode) == 0 &&
           input->common == cJSON_IsTrue(json_member(file, "common")) &&
           input->copy == cJSON_IsTrue(json_member(file, "copy"));
}

static bool content_equal(const struct input *input, const cJSON *file)
{
    char hash[STORE_HASH_TEXT];
    store_hash_format(input->hash, hash);
    const char *old_hash = cJSON_GetStringValue(json_member(file, "hash"));
    return old_hash && strcmp(old_hash, hash) == 0;
}

/* Both lists are sorted by path: walk them side by side. */
static long lists_compare(const cJSON *files, const struct inputs *inputs, bool *ret_known,
                          void (*differ)(void *context, const char *file, const char *what),
                          void *context)
{
    long count = 0;
    size_t i = 0;
    const cJSON *file = files ? files->child : NULL;
    while (file || i < inputs->count) {
        const char *old_path = file ? cJSON_GetStringValue(json_member(file, "path")) : NULL;
        const struct input *input = i < inputs->count ? &inputs->items[i] : NULL;
        if (file && !old_path) { /* no manifest of ours: as if the line were not there */
            file = file->next;
            continue;
        }
        int order = !file ? 1 : !input ? -1 : strcmp(old_path, input->path);
        if (order < 0) {
            differ(context, old_path, "gone");
            count++;
        } else {
            ret_known[i] = order == 0 && content_equal(input, file);
            if (order > 0 || !input_equal(input, file)) {
                differ(context, input->path, order > 0 ? "new" : "changed");
                count++;
            }
            i++;
        }
        if (order <= 0)
            file = file->next;
    }
    return count;
}

long manifest_compare(const char *path, const struct inputs *inputs, bool *ret_known,
                      void (*differ)(void *context, const char *file, const char *what),
                      void *context, struct error *ret_error)
{
    cJSON *root = NULL;
    const cJSON *files = NULL;
    if (json_read_file(path, JSON_STRICT, &root, ret_error) != 0)
        return -1;
    long count = json_get_array(root, "$", "files", &files, ret_error);
    if (count == 0)
        count = lists_compare(files, inputs, ret_known, differ, context);
    cJSON_Delete(root);
    return count;
}
